// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// batch_norm, norm, rotary, quantize, dequantize.
#include "Verify.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole BatchNormOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole NormOp::getFusionRole() { return FusionRole::Reduction; }
FusionRole RotaryOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole QuantizeOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole DequantizeOp::getFusionRole() { return FusionRole::Elementwise; }

LogicalResult BatchNormOp::verify() {
  RankedTensorType input = getInput().getType();
  if (static_cast<int64_t>(getChannelDim()) >= input.getRank()) {
    return emitOpError() << "expected 'channel_dim' below " << input.getRank()
                         << ", got " << getChannelDim();
  }
  int64_t channels = input.getDimSize(getChannelDim());
  for (auto [name, vector] : {std::pair<StringRef, Value>("scale", getScale()),
                              {"bias", getBias()},
                              {"mean", getMean()},
                              {"variance", getVariance()}}) { // c1
    if (failed(verifyShape(*this, name, tensorType(vector).getShape(),
                           {channels}))) {
      return failure();
    }
  }
  return verifyShape(*this, "result", getResult().getType().getShape(),
                     input.getShape());
}

LogicalResult
BatchNormOp::reifyResultShapes(OpBuilder &b,
                               ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getInput(), dims);
}

LogicalResult NormOp::verify() {
  RankedTensorType input = getInput().getType();
  if (failed(verifyAxes(*this, getAxes(), input.getRank())) ||
      failed(verifyAxes(*this, getAffineDims(), input.getRank())) ||
      failed(verifyShape(*this, "result", getResult().getType().getShape(),
                         input.getShape()))) {
    return failure();
  }
  int64_t groups = getGroups();
  if (groups > 0) { // c1
    int64_t channels = input.getDimSize(getChannelDim());
    if (!ShapedType::isDynamic(channels) && channels % groups != 0) {
      return emitOpError() << "expected 'groups' to divide " << channels
                           << " channels, got " << groups;
    }
  }
  SmallVector<int64_t> affine;
  for (int64_t dim : getAffineDims()) {
    affine.push_back(input.getDimSize(dim));
  }
  for (auto [name, vector] : {std::pair<StringRef, Value>("scale", getScale()),
                              {"bias", getBias()}}) { // c2
    if (vector && failed(verifyShape(*this, name, tensorType(vector).getShape(),
                                     affine))) {
      return failure();
    }
  }
  return success();
}

LogicalResult NormOp::reifyResultShapes(OpBuilder &b,
                                        ReifiedRankedShapedTypeDims &dims) {
  Sizes sizes = sizesOf(b, getLoc(), getInput());
  appendShape(b, getResult(), sizes, dims);
  for (int64_t axis : getAxes()) {
    sizes[axis] = b.getIndexAttr(1);
  }
  for (Value stat : {Value(getMean()), Value(getInvStd())}) {
    if (stat) {
      appendShape(b, stat, sizes, dims);
    }
  }
  return success();
}

LogicalResult RotaryOp::verify() {
  RankedTensorType input = getInput().getType();
  for (auto [name, table] :
       {std::pair<StringRef, Value>("cos", getCos()), {"sin", getSin()}}) {
    if (failed(verifyRank(*this, name, tensorType(table).getRank(),
                          input.getRank()))) {
      return failure();
    }
  }
  int64_t width = getCos().getType().getDimSize(getDim()),
          size = input.getDimSize(getDim());
  if (!ShapedType::isDynamic(width) && !ShapedType::isDynamic(size) &&
      2 * width > size) { // c1
    return emitOpError() << "expected 'cos' of at most " << size / 2
                         << " along dim " << getDim() << ", got " << width;
  }
  return verifyShape(*this, "result", getResult().getType().getShape(),
                     input.getShape());
}

LogicalResult RotaryOp::reifyResultShapes(OpBuilder &b,
                                          ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getInput(), dims);
}

/// c1 of quantize and dequantize: the zero point is shaped like the scale, of
/// the quantised type.
static LogicalResult verifyZeroPoint(Operation *op, Value zeroPoint,
                                     Value scale, Type element) {
  if (!zeroPoint) {
    return success();
  }
  if (failed(verifyShape(op, "zero_point", tensorType(zeroPoint).getShape(),
                         tensorType(scale).getShape()))) {
    return failure();
  }
  return verifyElementType(op, "zero_point",
                           tensorType(zeroPoint).getElementType(), element);
}

LogicalResult QuantizeOp::verify() {
  if (failed(verifyZeroPoint(*this, getZeroPoint(), getScale(),
                             getResult().getType().getElementType()))) {
    return failure();
  }
  return verifyShape(*this, "result", getResult().getType().getShape(),
                     getInput().getType().getShape());
}

LogicalResult QuantizeOp::reifyResultShapes(OpBuilder &b,
                                            ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getInput(), dims);
}

LogicalResult DequantizeOp::verify() {
  if (failed(verifyZeroPoint(*this, getZeroPoint(), getScale(),
                             getInput().getType().getElementType()))) {
    return failure();
  }
  return verifyShape(*this, "result", getResult().getType().getShape(),
                     getInput().getType().getShape());
}

LogicalResult
DequantizeOp::reifyResultShapes(OpBuilder &b,
                                ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getInput(), dims);
}
