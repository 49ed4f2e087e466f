// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rules of views, copies and epilogues.
#include "Dialect/Tile/TensorMap.h"
#include "Dialect/Tile/TileDialect.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace dlc::tile;

static LogicalResult checkAlignment(Operation *op, TileType tile,
                                    int64_t alignment) {
  int64_t bytes = tile.getElementBytes();
  if (alignment < bytes || alignment > kChunkBytes ||
      !llvm::isPowerOf2_64(alignment)) {
    return op->emitOpError("expected 'alignment' to be a power of two from ")
           << bytes << " to 16, got " << alignment;
  }
  return success();
}

LogicalResult ViewOp::verify() {
  return checkAlignment(*this, getResult().getType(), getAlignment());
}

LogicalResult MappedViewOp::verify() {
  if (getBatch().size() > kMaxMapRank - 2) {
    return emitOpError("expected at most ")
           << kMaxMapRank - 2 << " values of 'batch', got "
           << getBatch().size();
  }
  return success();
}

LogicalResult WindowOp::verify() {
  ArrayRef<int64_t> strides = getStrides();
  if (strides.size() != 2 || strides[0] < 1 || strides[1] < 1) {
    return emitOpError("expected two positive strides, got ") << strides;
  }
  if (std::optional<ArrayRef<int64_t>> taps = getTaps()) {
    if (taps->size() != 4 ||
        llvm::any_of(*taps, [](int64_t value) { return value < 1; })) {
      return emitOpError("expected four positive 'taps', got ") << *taps;
    }
    int64_t bytes = taps->back() * getResult().getType().getElementBytes();
    if (bytes % static_cast<int64_t>(getAlignment()) != 0) {
      return emitOpError("expected 'alignment' to divide ")
             << bytes << " bytes of channels, got " << getAlignment();
    }
  }
  return checkAlignment(*this, getResult().getType(), getAlignment());
}

LogicalResult SlotOp::verify() {
  TileType tile = getRing().getType().getTile();
  if (getResult().getType() != tile) {
    return emitOpError("expected a result of ")
           << tile << ", got " << getResult().getType();
  }
  return success();
}

bool CopyOp::isBulk() {
  return getSource().getDefiningOp<MappedViewOp>() != nullptr;
}

LogicalResult CopyOp::verify() {
  Type source = getSource().getType().getElementType();
  Type target = getTarget().getType().getElementType();
  if (source != target) {
    return emitOpError("expected 'target' of ") << source << ", got " << target;
  }
  auto window = getSource().getDefiningOp<WindowOp>();
  size_t taps = window && !window.getTaps() ? 2 : 0;
  if (getTap().size() != taps) {
    return emitOpError("expected ")
           << taps << " values of 'tap', got " << getTap().size();
  }
  if (getFill() && !(window && source.isInteger(8))) {
    return emitOpError("expected 'fill' only with a window and 8-bit "
                       "elements, got it with ")
           << source;
  }
  if (isBulk() && !isa<BulkCopiesOp, PipelineOp>((*this)->getParentOp())) {
    return emitOpError("expected a copy of 'tile.mapped_view' in "
                       "'tile.bulk_copies' or a pipeline");
  }
  return success();
}

LogicalResult BulkCopiesOp::verify() {
  if (getBody().getNumArguments() != 0) {
    return emitOpError("expected a region without arguments");
  }
  for (Operation &op : getBody().front()) {
    auto copy = dyn_cast<CopyOp>(op);
    if (copy && !copy.isBulk()) {
      return copy.emitOpError("expected a source of 'tile.mapped_view' in "
                              "'tile.bulk_copies'");
    }
    if (!copy && !isMemoryEffectFree(&op)) {
      return op.emitOpError("expected only copies and ops without effects in "
                            "'tile.bulk_copies'");
    }
  }
  return success();
}

LogicalResult EpilogueOp::verify() {
  TileType tile = getTile().getType();
  int64_t lanes = getLanes();
  int64_t most = tile.getRank() == 1 ? 1 : getStaging() ? 8 : 2;
  if (lanes < 1 || lanes > most || !llvm::isPowerOf2_64(lanes)) {
    return emitOpError("expected 'lanes' to be a power of two up to ")
           << most << ", got " << lanes;
  }
  Type i32 = IntegerType::get(getContext(), 32);
  Type vector = VectorType::get({lanes}, tile.getElementType());
  SmallVector<Type> expected{vector, i32, i32};
  if (TypeRange(getBody().getArgumentTypes()) != TypeRange(expected)) {
    return emitOpError("expected arguments ")
           << expected << " of the region, got "
           << SmallVector<Type>(getBody().getArgumentTypes());
  }
  Type element = tile.getElementType();
  if (getStaging() && (getStaging().getType().getShape() != tile.getShape() ||
                       getStaging().getType().getElementType() != element ||
                       !(element.isF32() || element.isSignlessInteger(32)))) {
    return emitOpError("expected 'staging' of f32 or i32 with the shape and "
                       "element of ")
           << tile << ", got " << getStaging().getType();
  }
  return success();
}
