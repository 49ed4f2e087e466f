// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// reduce, scan, sort, nonzero, softmax.
#include "Verify.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole ReduceOp::getFusionRole() { return FusionRole::Reduction; }
FusionRole SoftmaxOp::getFusionRole() { return FusionRole::Reduction; }
FusionRole ScanOp::getFusionRole() { return FusionRole::Scan; }
FusionRole SortOp::getFusionRole() { return FusionRole::Opaque; }
FusionRole NonzeroOp::getFusionRole() { return FusionRole::Opaque; }
FusionRole NonzeroBoundedOp::getFusionRole() { return FusionRole::Opaque; }

/// c2: the kind fits the element type.
static LogicalResult verifyKind(ReduceOp op) {
  Type element = op.getInput().getType().getElementType();
  Type result = op.getResult().getType().getElementType();
  bool logical =
      op.getKind() == ReduceKind::all || op.getKind() == ReduceKind::any;
  if (logical != element.isInteger(1)) {
    return op.emitOpError() << "'" << stringifyReduceKind(op.getKind())
                            << "' does not take element type " << element;
  }
  if (op.getKind() == ReduceKind::argmax ||
      op.getKind() == ReduceKind::argmin) {
    if (op.getAxes().size() != 1) {
      return op.emitOpError()
             << "expected one axis of '" << stringifyReduceKind(op.getKind())
             << "', got " << op.getAxes().size();
    }
    return verifyElementType(op, "result", result,
                             IntegerType::get(op.getContext(), 64));
  }
  return verifyElementType(op, "result", result, element);
}

LogicalResult ReduceOp::verify() {
  RankedTensorType input = getInput().getType();
  if (failed(verifyAxes(*this, getAxes(), input.getRank())) ||
      failed(verifyKind(*this))) {
    return failure();
  }
  SmallVector<int64_t> shape;
  for (int64_t dim = 0; dim < input.getRank(); ++dim) {
    if (!llvm::is_contained(getAxes(), dim)) {
      shape.push_back(input.getDimSize(dim));
    }
  }
  return verifyShape(*this, "result", getResult().getType().getShape(), shape);
}

LogicalResult ReduceOp::reifyResultShapes(OpBuilder &b,
                                          ReifiedRankedShapedTypeDims &dims) {
  Sizes sizes;
  for (int64_t dim = 0; dim < getInput().getType().getRank(); ++dim) {
    if (!llvm::is_contained(getAxes(), dim)) {
      sizes.push_back(sizeOf(b, getLoc(), getInput(), dim));
    }
  }
  appendShape(b, getResult(), sizes, dims);
  return success();
}

OpFoldResult ReduceOp::fold(FoldAdaptor) {
  bool sameType = getInput().getType() == getType();
  return getAxes().empty() && sameType ? OpFoldResult(getInput())
                                       : OpFoldResult();
}

LogicalResult SoftmaxOp::verify() {
  if (failed(verifyAxes(*this, getAxes(), getInput().getType().getRank()))) {
    return failure();
  }
  return verifyShape(*this, "result", getResult().getType().getShape(),
                     getInput().getType().getShape());
}

LogicalResult SoftmaxOp::reifyResultShapes(OpBuilder &b,
                                           ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getInput(), dims);
}

/// `axis` is below the input's rank.
static LogicalResult verifyAxis(Operation *op, int64_t axis, int64_t rank) {
  if (axis < 0 || axis >= rank) {
    return op->emitOpError()
           << "expected 'axis' below " << rank << ", got " << axis;
  }
  return success();
}

LogicalResult ScanOp::verify() {
  if (failed(verifyAxis(*this, getAxis(), getInput().getType().getRank()))) {
    return failure();
  }
  return verifyShape(*this, "result", getResult().getType().getShape(),
                     getInput().getType().getShape());
}

LogicalResult ScanOp::reifyResultShapes(OpBuilder &b,
                                        ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getInput(), dims);
}

LogicalResult SortOp::verify() {
  RankedTensorType input = getInput().getType(), values = getValues().getType();
  if (failed(verifyAxis(*this, getAxis(), input.getRank()))) {
    return failure();
  }
  SmallVector<int64_t> shape(input.getShape());
  int64_t kept = values.getRank() == input.getRank()
                     ? values.getDimSize(getAxis())
                     : ShapedType::kDynamic;
  if (!ShapedType::isDynamic(kept) &&
      !ShapedType::isDynamic(shape[getAxis()]) && kept > shape[getAxis()]) {
    return emitOpError() << "expected at most " << shape[getAxis()]
                         << " elements along axis " << getAxis() << ", got "
                         << kept;
  }
  shape[getAxis()] = kept;
  if (failed(verifyShape(*this, "values", values.getShape(), shape)) ||
      failed(verifyShape(*this, "indices", getIndices().getType().getShape(),
                         shape))) {
    return failure();
  }
  return verifyElementType(*this, "indices",
                           getIndices().getType().getElementType(),
                           IntegerType::get(getContext(), 64));
}

LogicalResult SortOp::reifyResultShapes(OpBuilder &b,
                                        ReifiedRankedShapedTypeDims &dims) {
  Sizes sizes = sizesOf(b, getLoc(), getInput());
  if (getK()) {
    sizes[getAxis()] = getK();
  } else {
    int64_t kept = getValues().getType().getDimSize(getAxis());
    if (!ShapedType::isDynamic(kept)) {
      sizes[getAxis()] = b.getIndexAttr(kept);
    }
  }
  appendShape(b, getValues(), sizes, dims);
  appendShape(b, getIndices(), sizes, dims);
  return success();
}

LogicalResult NonzeroOp::verify() {
  int64_t rank = getInput().getType().getRank();
  if (failed(verifyElementType(*this, "result",
                               getResult().getType().getElementType(),
                               IntegerType::get(getContext(), 64)))) {
    return failure();
  }
  return verifyShape(*this, "result", getResult().getType().getShape(),
                     {rank, ShapedType::kDynamic});
}

LogicalResult NonzeroBoundedOp::verify() {
  RankedTensorType input = getInput().getType();
  Type integer = IntegerType::get(getContext(), 64);
  int64_t bound =
      input.hasStaticShape() ? input.getNumElements() : ShapedType::kDynamic;
  if (failed(verifyElementType(*this, "coordinates",
                               getCoordinates().getType().getElementType(),
                               integer)) ||
      failed(verifyElementType(
          *this, "count", getCount().getType().getElementType(), integer)) ||
      failed(
          verifyShape(*this, "count", getCount().getType().getShape(), {}))) {
    return failure();
  }
  return verifyShape(*this, "coordinates",
                     getCoordinates().getType().getShape(),
                     {input.getRank(), bound}); // c1
}

LogicalResult
NonzeroBoundedOp::reifyResultShapes(OpBuilder &b,
                                    ReifiedRankedShapedTypeDims &dims) {
  Sizes sizes = sizesOf(b, getLoc(), getInput());
  OpFoldResult bound = productOf(b, getLoc(), sizes);
  appendShape(b, getCoordinates(),
              {b.getIndexAttr(getInput().getType().getRank()), bound}, dims);
  appendShape(b, getCount(), {}, dims);
  return success();
}
