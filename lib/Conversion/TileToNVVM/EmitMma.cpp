// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fragments of shared tiles and products on tensor cores. The place of each
// element in a fragment is that of the PTX ISA, section "Matrix Fragments for
// mma.m16n8k16" (m16n8k8 of tf32, m16n8k32 of 8-bit integers: the same bytes).
#include "KernelEmitter.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc::tile {

/// One k step of mma.sync takes 32 bytes of each row, two chunks.
static constexpr int64_t kStepChunks = 2;

Registers KernelEmitter::loadMatrices(Value address, bool transposing) {
  SmallVector<Type> four(4, b.getI32Type());
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), four);
  auto load = NVVM::LdMatrixOp::create(
      b, type, address, 4,
      transposing ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
      NVVM::LdStMatrixEltType::B16);
  Registers registers;
  for (int64_t i = 0; i != 4; ++i) {
    registers.push_back(LLVM::ExtractValueOp::create(b, load, i));
  }
  return registers;
}

/// Four 32-bit elements, at `row` + `addRow` and `rowStep` further, at `column`
/// + `addColumn`, a multiple of 4, and 8 further; columns first.
Registers KernelEmitter::loadElements(Value slot, TileType tile, Value row,
                                      int64_t addRow, Value column,
                                      int64_t addColumn, int64_t rowStep) {
  Registers registers;
  Value within = math.mul(math.rem(column, 4), 4);
  for (int64_t i = 0; i != 4; ++i) {
    Value offset =
        chunkOffset(tile, row, addRow + i / 2 * rowStep, math.div(column, 4),
                    (addColumn + i % 2 * 8) / 4);
    Value address = byteAddress(slot, math.add(offset, within));
    registers.push_back(LLVM::LoadOp::create(b, b.getI32Type(), address, 4));
  }
  return registers;
}

Registers KernelEmitter::loadA(Value slot, TileType tile, bool transposed,
                               int64_t block, int64_t k) {
  int64_t rows = tile.getShape()[transposed] / kernel.getWarps()[0];
  Value first = math.mul(warpM, rows);
  if (!transposed) {
    Value row = math.add(first, math.rem(lane, 16));
    return loadMatrices(
        byteAddress(slot, chunkOffset(tile, row, 16 * block, math.div(lane, 16),
                                      kStepChunks * k)),
        /*transposing=*/false);
  }
  if (tile.getElementBytes() == 4) {
    Value row = math.rem(lane, 4);
    Value column = math.add(first, math.div(lane, 4));
    return loadElements(slot, tile, row, 8 * k, column, 16 * block, 4);
  }
  // Matrices in the order of a fragment: rows of A, which are columns here,
  // before columns.
  Value row = math.add(math.rem(lane, 8), math.mul(math.div(lane, 16), 8));
  Value chunk = math.add(math.div(first, 8), math.rem(math.div(lane, 8), 2));
  return loadMatrices(
      byteAddress(slot, chunkOffset(tile, row, 16 * k, chunk, 2 * block)),
      /*transposing=*/true);
}

Registers KernelEmitter::loadB(MmaOp op, int64_t block, int64_t k) {
  TileType tile = op.getB().getType();
  Value slot = addresses.at(op.getB());
  bool transposed = op.getTransposeB();
  Value first =
      math.mul(warpN, tile.getShape()[!transposed] / kernel.getWarps()[1]);
  if (transposed) {
    Value row = math.add(
        first, math.add(math.rem(lane, 8), math.mul(math.div(lane, 16), 8)));
    return loadMatrices(
        byteAddress(slot, chunkOffset(tile, row, 16 * block,
                                      math.rem(math.div(lane, 8), 2),
                                      kStepChunks * k)),
        /*transposing=*/false);
  }
  if (tile.getElementBytes() == 4) {
    Value column = math.add(first, math.div(lane, 4));
    bool inPairs =
        isa_and_present<PairedOperandAAttr>(op.getA().getType().getLayout());
    Value row = math.mul(math.rem(lane, 4), inPairs ? 2 : 1);
    Registers byColumn = loadElements(slot, tile, row, 8 * k, column,
                                      16 * block, inPairs ? 1 : 4);
    return {byColumn[0], byColumn[2], byColumn[1], byColumn[3]};
  }
  Value chunk = math.add(math.div(first, 8), math.div(lane, 16));
  return loadMatrices(byteAddress(slot, chunkOffset(tile, math.rem(lane, 16),
                                                    16 * k, chunk, 2 * block)),
                      /*transposing=*/true);
}

void KernelEmitter::applyPrologue(Region &prologue, Type element,
                                  Registers &registers) {
  for (Value &value : registers) {
    if (!prologue.empty()) {
      auto type = cast<VectorType>(prologue.getArgument(0).getType());
      Value vector = LLVM::BitcastOp::create(b, type, value);
      value = LLVM::BitcastOp::create(b, b.getI32Type(),
                                      inlineRegion(prologue, vector).front());
    }
    if (element.isF32()) {
      value = roundToTF32(LLVM::BitcastOp::create(b, element, value));
    }
  }
}

Value KernelEmitter::roundToTF32(Value value) {
  return NVVM::ConvertFloatToTF32Op::create(b, b.getI32Type(), value,
                                            NVVM::FPRoundingMode::RNA);
}

static NVVM::MMATypes getMmaType(Type element) {
  if (element.isInteger(8)) {
    return element.isUnsignedInteger() ? NVVM::MMATypes::u8
                                       : NVVM::MMATypes::s8;
  }
  return element.isBF16()  ? NVVM::MMATypes::bf16
         : element.isF16() ? NVVM::MMATypes::f16
                           : NVVM::MMATypes::tf32;
}

Registers KernelEmitter::multiply(ArrayRef<Value> a, ArrayRef<Value> b2,
                                  ArrayRef<Value> acc, Type element,
                                  Type elementB) {
  // Halves are passed as pairs, all others as 32 bits.
  auto prepare = [&](ArrayRef<Value> registers) {
    Registers prepared(registers);
    if (element.isF16()) {
      for (Value &value : prepared) {
        value = LLVM::BitcastOp::create(b, VectorType::get({2}, b.getF16Type()),
                                        value);
      }
    }
    return prepared;
  };
  SmallVector<Type> four(4, acc.front().getType());
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), four);
  int64_t k = kStepChunks * kChunkBytes * 8 / element.getIntOrFloatBitWidth();
  std::optional<NVVM::MMAIntOverflow> overflow;
  if (element.isInteger(8)) {
    overflow = NVVM::MMAIntOverflow::wrapped;
  }
  auto product = NVVM::MmaOp::create(
      b, type, prepare(a), prepare(b2), acc, ArrayRef<int64_t>{16, 8, k},
      std::nullopt, overflow,
      std::array<NVVM::MMATypes, 2>{getMmaType(element), getMmaType(elementB)},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                     NVVM::MMALayout::col});
  Registers results;
  for (int64_t i = 0; i != 4; ++i) {
    results.push_back(LLVM::ExtractValueOp::create(b, product, i));
  }
  return results;
}

Value KernelEmitter::addBytes(Value bytes, Type element, Value sum) {
  auto four = VectorType::get({4}, b.getI8Type());
  Value ones =
      arith::ConstantOp::create(b, DenseElementsAttr::get(four, int8_t(1)));
  auto kind = element.isUnsignedInteger() ? NVVM::DotAccumulateType::UNSIGNED
                                          : NVVM::DotAccumulateType::SIGNED;
  return NVVM::DotAccumulate4WayOp::create(
      b, b.getI32Type(), LLVM::BitcastOp::create(b, four, bytes), kind, ones,
      kind, sum);
}

/// What one step adds to the parts of the sums of 8-bit operands: `as` are the
/// fragments of A's blocks of 16 rows, `bs` of B's blocks of 16 columns.
void KernelEmitter::addOperandSums(MmaOp op, ArrayRef<Registers> as,
                                   ArrayRef<Registers> bs) {
  if (Value next = op.getNextRowSums()) {
    for (auto [i, sum] : llvm::enumerate(tiles[next])) {
      // Rows g are in registers 0 and 2, rows g + 8 in 1 and 3.
      for (int64_t chunk : {0, 2}) {
        sum = addBytes(as[i / 2][i % 2 + chunk],
                       op.getA().getType().getElementType(), sum);
      }
    }
  }
  if (Value next = op.getNextColumnSums()) {
    for (auto [j, sum] : llvm::enumerate(tiles[next])) {
      for (int64_t chunk : {0, 1}) {
        sum = addBytes(bs[j / 2][2 * (j % 2) + chunk],
                       op.getB().getType().getElementType(), sum);
      }
    }
  }
}

void KernelEmitter::emitLoad(LoadOp op) {
  TileType tile = op.getSource().getType();
  Value slot = addresses.at(op.getSource());
  Registers registers;
  int64_t blocks = tile.getShape()[0] / kernel.getWarps()[0] / 16;
  int64_t steps = tile.getRowBytes() / (kStepChunks * kChunkBytes);
  for (int64_t block = 0; block != blocks; ++block) {
    for (int64_t k = 0; k != steps; ++k) {
      llvm::append_range(registers, loadA(slot, tile, false, block, k));
    }
  }
  Region none;
  applyPrologue(none, tile.getElementType(), registers);
  tiles[op.getResult()] = registers;
}

void KernelEmitter::emitMma(MmaOp op) {
  TileType a = op.getA().getType();
  TileType acc = op.getAcc().getType();
  Type element = a.getElementType();
  int64_t rows = acc.getShape()[0] / kernel.getWarps()[0];
  int64_t columns = acc.getShape()[1] / kernel.getWarps()[1];
  int64_t steps = a.getShape()[!op.getTransposeA()] * a.getElementBytes() /
                  (kStepChunks * kChunkBytes);
  Registers sum = tiles.at(op.getAcc());
  if (op.getRowSums()) {
    tiles[op.getNextRowSums()] = Registers(tiles.at(op.getRowSums()));
  }
  if (op.getColumnSums()) {
    tiles[op.getNextColumnSums()] = Registers(tiles.at(op.getColumnSums()));
  }
  for (int64_t k = 0; k != steps; ++k) {
    SmallVector<Registers> as, bs;
    for (int64_t block = 0; block != rows / 16; ++block) {
      if (a.isInRegisters()) {
        ArrayRef<Value> all = tiles.at(op.getA());
        as.emplace_back(all.slice(4 * (block * steps + k), 4));
      } else {
        as.push_back(
            loadA(addresses.at(op.getA()), a, op.getTransposeA(), block, k));
      }
      if (!a.isInRegisters()) {
        applyPrologue(op.getPrologueA(), element, as.back());
      }
    }
    auto load = [&](int64_t block) {
      bs.push_back(loadB(op, block, k));
      applyPrologue(op.getPrologueB(), element, bs.back());
    };
    auto multiplyBlock = [&](int64_t i, int64_t j) {
      MutableArrayRef<Value> part =
          MutableArrayRef<Value>(sum).slice(4 * (i * columns / 8 + j), 4);
      Registers next =
          multiply(as[i], ArrayRef(bs[j / 2]).slice(2 * (j % 2), 2), part,
                   element, op.getB().getType().getElementType());
      llvm::copy(next, part.begin());
    };
    // Next to a left operand in registers there is no room for all of the
    // right one's.
    for (int64_t block = 0; block != columns / 16; ++block) {
      load(block);
      for (int64_t i = 0; a.isInRegisters() && i != rows / 16; ++i) {
        multiplyBlock(i, 2 * block);
        multiplyBlock(i, 2 * block + 1);
      }
    }
    addOperandSums(op, as, bs);
    for (int64_t i = 0; !a.isInRegisters() && i != rows / 16; ++i) {
      for (int64_t j = 0; j != columns / 8; ++j) {
        multiplyBlock(i, j);
      }
    }
  }
  tiles[op.getResult()] = sum;
}

} // namespace dlc::tile
