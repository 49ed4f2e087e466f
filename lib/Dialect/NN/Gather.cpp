// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// gather, scatter, cache_update.
#include "Verify.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole GatherOp::getFusionRole() { return FusionRole::Indexed; }
FusionRole ScatterOp::getFusionRole() { return FusionRole::Opaque; }
FusionRole CacheUpdateOp::getFusionRole() { return FusionRole::Indexed; }

/// c1 and c3 of gather and scatter: the maps go from `loops` dims to each index
/// operand and to the dims of `table` that have no index operand.
static LogicalResult verifyIndexing(Operation *op, RankedTensorType table,
                                    ValueRange indices,
                                    ArrayRef<int64_t> indexedDims,
                                    ArrayAttr indexMaps, AffineMap otherMap,
                                    int64_t loops) {
  if (indices.size() != indexedDims.size() ||
      indices.size() != indexMaps.size()) {
    return op->emitOpError()
           << "expected as many indexed dims and maps as indices, got "
           << indexedDims.size() << " and " << indexMaps.size() << " for "
           << indices.size();
  }
  if (failed(verifyAxes(op, indexedDims, table.getRank()))) {
    return failure();
  }
  if (otherMap.getNumResults() + indexedDims.size() !=
      static_cast<uint64_t>(table.getRank())) {
    return op->emitOpError()
           << "expected a map of " << table.getRank() - indexedDims.size()
           << " results for the dims without an index, got "
           << otherMap.getNumResults();
  }
  if (otherMap.getNumDims() != loops) {
    return op->emitOpError() << "expected maps of " << loops << " dims, got "
                             << otherMap.getNumDims();
  }
  for (auto [i, index] : llvm::enumerate(indices)) {
    AffineMap map = cast<AffineMapAttr>(indexMaps[i]).getValue();
    if (map.getNumDims() != loops ||
        map.getNumResults() != tensorType(index).getRank()) {
      return op->emitOpError()
             << "expected index map " << i << " from " << loops << " dims to "
             << tensorType(index).getRank() << ", got "
             << AffineMapAttr::get(map);
    }
  }
  return success();
}

LogicalResult GatherOp::verify() {
  if (failed(
          verifySizeCount(*this, getResult().getType(), getSizes().size())) ||
      failed(verifyElementType(*this, "result",
                               getResult().getType().getElementType(),
                               getInput().getType().getElementType()))) {
    return failure();
  }
  return verifyIndexing(*this, getInput().getType(), getIndices(),
                        getIndexedDims(), getIndexMaps(), getInputMap(),
                        getResult().getType().getRank());
}

LogicalResult GatherOp::reifyResultShapes(OpBuilder &b,
                                          ReifiedRankedShapedTypeDims &dims) {
  appendShape(b, getResult(), mixedSizes(b, getResult().getType(), getSizes()),
              dims);
  return success();
}

LogicalResult ScatterOp::verify() {
  if (failed(verifyShape(*this, "result", getResult().getType().getShape(),
                         getDest().getType().getShape())) ||
      failed(verifyElementType(*this, "updates",
                               getUpdates().getType().getElementType(),
                               getDest().getType().getElementType()))) {
    return failure();
  }
  return verifyIndexing(*this, getDest().getType(), getIndices(),
                        getIndexedDims(), getIndexMaps(), getDestMap(),
                        getUpdates().getType().getRank());
}

LogicalResult ScatterOp::reifyResultShapes(OpBuilder &b,
                                           ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getDest(), dims);
}

LogicalResult CacheUpdateOp::verify() {
  RankedTensorType dest = getDest().getType(), update = getUpdate().getType();
  if (failed(verifyRank(*this, "update", update.getRank(), dest.getRank()))) {
    return failure();
  }
  int64_t room = dest.getDimSize(getAxis()),
          length = update.getDimSize(getAxis());
  if (!ShapedType::isDynamic(room) && !ShapedType::isDynamic(length) &&
      length > room) { // c1
    return emitOpError() << "expected 'update' of at most " << room
                         << " along axis " << getAxis() << ", got " << length;
  }
  return verifyShape(*this, "result", getResult().getType().getShape(),
                     dest.getShape());
}

LogicalResult
CacheUpdateOp::reifyResultShapes(OpBuilder &b,
                                 ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getDest(), dims);
}
