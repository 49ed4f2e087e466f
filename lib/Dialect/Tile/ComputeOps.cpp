// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rules of the ops on register tiles.
#include "Dialect/Tile/TileDialect.h"

using namespace mlir;
using namespace dlc::tile;

LogicalResult SplatOp::verify() {
  if (getValue().getType() != getResult().getType().getElementType()) {
    return emitOpError("expected a value of ")
           << getResult().getType().getElementType() << ", got "
           << getValue().getType();
  }
  return success();
}

/// `a` and `b` agree but for space and layout.
static bool sameElements(TileType a, TileType b) {
  return a.getShape() == b.getShape() &&
         a.getElementType() == b.getElementType();
}

LogicalResult LoadOp::verify() {
  TileType source = getSource().getType(), result = getResult().getType();
  if (!sameElements(source, result)) {
    return emitOpError("expected a result like ")
           << source << ", got " << result;
  }
  return success();
}

LogicalResult ConvertLayoutOp::verify() {
  TileType source = getSource().getType(), result = getResult().getType();
  if (!sameElements(source, result) || !source.getLayout() ||
      !result.getLayout()) {
    return emitOpError("expected two layouts of one tile, got ")
           << source << " and " << result;
  }
  return success();
}

static LogicalResult checkPrologue(MmaOp op, Region &region, TileType operand,
                                   StringRef name) {
  if (region.empty()) {
    return success();
  }
  Type vector = VectorType::get({4 / operand.getElementBytes()},
                                operand.getElementType());
  Operation *yield = region.front().getTerminator();
  if (TypeRange(region.getArgumentTypes()) != TypeRange({vector}) ||
      TypeRange(yield->getOperandTypes()) != TypeRange({vector})) {
    return op.emitOpError("expected '")
           << name << "' to map one " << vector << " to another";
  }
  return success();
}

static bool isByte(Type element) {
  return element.isSignlessInteger(8) || element.isUnsignedInteger(8);
}

/// Sums of an operand's rows or columns: all there and alike, or none.
static LogicalResult checkSums(MmaOp op, bool areBytes, Value sums, Value next,
                               ArrayRef<int64_t> shape, StringRef name) {
  if (!sums && !next) {
    return success();
  }
  auto tile = sums ? cast<TileType>(sums.getType()) : TileType();
  if (areBytes && tile && next && next.getType() == tile &&
      tile.getElementType().isSignlessInteger(32) && tile.getShape() == shape) {
    return success();
  }
  return op.emitOpError("expected '")
         << name << "' only with 8-bit operands, of i32 and shape [" << shape
         << "], with a result like them";
}

/// Operands along k, and sums of their rows and columns.
static LogicalResult checkBytes(MmaOp op, bool areBytes) {
  if (areBytes && (op.getTransposeA() || !op.getTransposeB() ||
                   !op.getPrologueA().empty() || !op.getPrologueB().empty())) {
    return op.emitOpError("expected 8-bit operands with 'transpose_b' alone "
                          "and no prologues");
  }
  ArrayRef<int64_t> shape = op.getResult().getType().getShape();
  if (failed(checkSums(op, areBytes, op.getRowSums(), op.getNextRowSums(),
                       {shape[0]}, "row_sums"))) {
    return failure();
  }
  return checkSums(op, areBytes, op.getColumnSums(), op.getNextColumnSums(),
                   {1, shape[1]}, "column_sums");
}

LogicalResult MmaOp::verify() {
  TileType a = getA().getType(), b = getB().getType();
  TileType acc = getAcc().getType(), result = getResult().getType();
  if (a.getRank() != 2 || b.getRank() != 2 || acc.getRank() != 2 ||
      acc != result) {
    return emitOpError("expected matrices, and a result of ") << acc;
  }
  bool ta = getTransposeA(), tb = getTransposeB();
  int64_t m = a.getShape()[ta], k = a.getShape()[!ta];
  int64_t kb = b.getShape()[tb], n = b.getShape()[!tb];
  if (k != kb || acc.getShape() != ArrayRef<int64_t>{m, n}) {
    return emitOpError("expected a product of ")
           << m << "x" << k << " and " << kb << "x" << n << " to agree with "
           << acc;
  }
  Type element = a.getElementType();
  bool areFloats = element == b.getElementType() &&
                   (element.isBF16() || element.isF16() || element.isF32()) &&
                   acc.getElementType().isF32();
  bool areBytes = isByte(element) && isByte(b.getElementType()) &&
                  acc.getElementType().isSignlessInteger(32);
  if (!areFloats && !areBytes) {
    return emitOpError("expected operands of bf16, f16 or f32 and an f32 "
                       "accumulator, or of i8 or ui8 and an i32 one, got ")
           << element << ", " << b.getElementType() << " and "
           << acc.getElementType();
  }
  if (a.isInRegisters() && (ta || areBytes)) {
    return emitOpError("expected 'a' in registers to have elements of 16 or 32 "
                       "bits and no 'transpose_a'");
  }
  if (failed(checkBytes(*this, areBytes)) ||
      failed(checkPrologue(*this, getPrologueA(), a, "prologue_a"))) {
    return failure();
  }
  return checkPrologue(*this, getPrologueB(), b, "prologue_b");
}

LogicalResult MapOp::verify() {
  TileType result = getResult().getType();
  SmallVector<Type> expected;
  for (Value operand : getTiles()) {
    auto tile = cast<TileType>(operand.getType());
    bool isOneRow = tile.getRank() == 2 && result.getRank() == 2 &&
                    tile.getShape()[0] == 1 &&
                    tile.getShape()[1] == result.getShape()[1];
    bool fits = tile.getRank() == 1
                    ? tile.getShape()[0] == result.getShape()[0]
                    : tile.getShape() == result.getShape() || isOneRow;
    if (!fits) {
      return emitOpError("expected an operand to go with ")
             << result << ", got " << tile;
    }
    expected.push_back(tile.getElementType());
  }
  if (getOrigin().size() != 0 &&
      (getOrigin().size() != 2 || result.getRank() != 2)) {
    return emitOpError("expected an origin of 2 values for a result with two "
                       "dims, got ")
           << getOrigin().size();
  }
  llvm::append_range(expected, getOrigin().getTypes());
  if (TypeRange(getBody().getArgumentTypes()) != TypeRange(expected)) {
    return emitOpError("expected arguments ")
           << expected << " of the region, got "
           << SmallVector<Type>(getBody().getArgumentTypes());
  }
  Operation *yield = getBody().front().getTerminator();
  if (TypeRange(yield->getOperandTypes()) !=
      TypeRange({result.getElementType()})) {
    return emitOpError("expected the region to yield ")
           << result.getElementType();
  }
  return success();
}

LogicalResult CastOp::verify() {
  TileType source = getSource().getType(), result = getResult().getType();
  Type element = result.getElementType();
  if (source.getShape() != result.getShape() ||
      !source.getElementType().isF32() ||
      !(element.isBF16() || element.isF16())) {
    return emitOpError("expected bf16 or f16 from f32 of the same shape, got ")
           << result << " from " << source;
  }
  return success();
}

LogicalResult ReduceOp::verify() {
  TileType source = getSource().getType(), result = getResult().getType();
  if (source.getRank() != 2 || result.getRank() != 1 ||
      source.getShape()[0] != result.getShape()[0] ||
      !source.getElementType().isF32() || !result.getElementType().isF32()) {
    return emitOpError("expected f32 for each of ")
           << source.getShape()[0] << " rows, got " << result;
  }
  return success();
}
