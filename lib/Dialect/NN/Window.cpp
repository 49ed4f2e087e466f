// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// conv, pool, resize.
#include "Verify.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole ConvOp::getFusionRole() { return FusionRole::Window; }
FusionRole PoolOp::getFusionRole() { return FusionRole::Window; }
FusionRole ResizeOp::getFusionRole() { return FusionRole::Window; }

/// The first `countDynamic(low)` of `pads` belong to the low pads, the rest to
/// the high ones.
static Sizes mixedPads(MLIRContext *context, ArrayRef<int64_t> low,
                       ArrayRef<int64_t> high, ValueRange pads, bool wantHigh) {
  OpBuilder b(context);
  unsigned lowCount = llvm::count_if(low, ShapedType::isDynamic);
  return wantHigh ? mixedSizes(b, high, pads.drop_front(lowCount))
                  : mixedSizes(b, low, pads.take_front(lowCount));
}

SmallVector<OpFoldResult> ConvOp::getMixedPadLow() {
  return mixedPads(getContext(), getPadLow(), getPadHigh(), getPads(), false);
}
SmallVector<OpFoldResult> ConvOp::getMixedPadHigh() {
  return mixedPads(getContext(), getPadLow(), getPadHigh(), getPads(), true);
}
SmallVector<OpFoldResult> PoolOp::getMixedPadLow() {
  return mixedPads(getContext(), getPadLow(), getPadHigh(), getPads(), false);
}
SmallVector<OpFoldResult> PoolOp::getMixedPadHigh() {
  return mixedPads(getContext(), getPadLow(), getPadHigh(), getPads(), true);
}

/// Every window attribute has one entry per spatial dim, steps are positive,
/// and each dynamic pad has an operand (c3).
static LogicalResult
verifyWindow(Operation *op, unsigned spatialRank, ArrayRef<int64_t> strides,
             ArrayRef<int64_t> dilations, ArrayRef<int64_t> padLow,
             ArrayRef<int64_t> padHigh, unsigned padOperands) {
  for (ArrayRef<int64_t> list : {strides, dilations, padLow, padHigh}) {
    if (list.size() != spatialRank) {
      return op->emitOpError() << "expected strides, dilations and pads of "
                               << spatialRank << " dims, got " << list.size();
    }
  }
  for (auto [stride, dilation] : llvm::zip_equal(strides, dilations)) {
    if (stride < 1 || dilation < 1) {
      return op->emitOpError()
             << "expected strides and dilations of at least 1, got [" << strides
             << "] and [" << dilations << "]";
    }
  }
  unsigned dynamic = llvm::count_if(padLow, ShapedType::isDynamic) +
                     llvm::count_if(padHigh, ShapedType::isDynamic);
  if (dynamic != padOperands) {
    return op->emitOpError()
           << "expected " << dynamic << " pad operands, got " << padOperands;
  }
  return success();
}

/// c2, c4: channels and groups of input and filter fit.
static LogicalResult verifyChannels(ConvOp op) {
  RankedTensorType input = op.getInput().getType(),
                   filter = op.getFilter().getType();
  int64_t groups = op.getGroups();
  int64_t channels = input.getDimSize(op.getChannelDim());
  if (groups < 1) {
    return op.emitOpError() << "expected at least 1 group, got " << groups;
  }
  int64_t filterChannels = filter.getDimSize(op.getTransposed() ? 0 : 1);
  int64_t expected = op.getTransposed() || ShapedType::isDynamic(filterChannels)
                         ? filterChannels
                         : filterChannels * groups;
  if (!sizesAgree(channels, expected)) {
    return op.emitOpError() << "expected " << expected << " input channels ("
                            << groups << " groups), got " << channels;
  }
  int64_t grouped = filter.getDimSize(0);
  if (!ShapedType::isDynamic(grouped) && grouped % groups != 0) {
    return op.emitOpError() << "expected 'filter' dim 0 to be a multiple of "
                            << groups << " groups, got " << grouped;
  }
  return success();
}

LogicalResult ConvOp::verify() {
  RankedTensorType input = getInput().getType(), filter = getFilter().getType(),
                   result = getResult().getType();
  if (input.getRank() < 3) { // c1
    return emitOpError() << "expected 'input' of rank 3 or more, got "
                         << input.getRank();
  }
  if (failed(verifyRank(*this, "filter", filter.getRank(), input.getRank())) ||
      failed(verifyRank(*this, "result", result.getRank(), input.getRank())) ||
      failed(verifyWindow(*this, getSpatialRank(), getStrides(), getDilations(),
                          getPadLow(), getPadHigh(), getPads().size())) ||
      failed(verifyChannels(*this))) {
    return failure();
  }
  if (getOutputPadding()) { // c5
    for (auto [extra, stride, dilation] :
         llvm::zip(*getOutputPadding(), getStrides(), getDilations())) {
      if (!getTransposed() || extra < 0 ||
          extra >= std::max(stride, dilation)) {
        return emitOpError() << "expected 'output_padding' below the stride or "
                                "dilation, on a transposed conv, got "
                             << extra;
      }
    }
  }
  bool zeroPoints = getInputZero() || getFilterZero();
  if (zeroPoints && !input.getElementType().isInteger(8)) { // c6
    return emitOpError() << "expected no zero points on element type "
                         << input.getElementType();
  }
  if (getBias() && !sizesAgree(getBias().getType().getDimSize(0),
                               result.getDimSize(getChannelDim()))) {
    return emitOpError() << "expected 'bias' of "
                         << result.getDimSize(getChannelDim())
                         << " elements, got "
                         << getBias().getType().getDimSize(0);
  }
  if (!input.hasStaticShape() || !filter.hasStaticShape()) {
    return success();
  }

  for (unsigned i = 0; i < getSpatialRank(); ++i) { // c7
    int64_t low = getPadLow()[i], high = getPadHigh()[i];
    if (ShapedType::isDynamic(low) || ShapedType::isDynamic(high)) {
      continue;
    }
    int64_t size = input.getDimSize(getSpatialDim(i)),
            span = (filter.getDimSize(i + 2) - 1) * getDilations()[i] + 1;
    int64_t expected = getTransposed()
                           ? (size - 1) * getStrides()[i] + span - low - high +
                                 getOutputPaddingAt(i)
                           : llvm::divideFloorSigned(size + low + high - span,
                                                     getStrides()[i]) +
                                 1;
    if (!sizesAgree(result.getDimSize(getSpatialDim(i)), expected)) {
      return emitOpError() << "expected 'result' dim " << getSpatialDim(i)
                           << " to be " << expected << ", got "
                           << result.getDimSize(getSpatialDim(i));
    }
  }
  return success();
}

LogicalResult ConvOp::reifyResultShapes(OpBuilder &b,
                                        ReifiedRankedShapedTypeDims &dims) {
  Location loc = getLoc();
  Sizes sizes(getInput().getType().getRank());
  sizes[0] = sizeOf(b, loc, getInput(), 0);
  OpFoldResult out = sizeOf(b, loc, getFilter(), getTransposed() ? 1 : 0);
  sizes[getChannelDim()] =
      getTransposed() ? mulSizes(b, loc, out, b.getIndexAttr(getGroups()))
                      : out;
  SmallVector<OpFoldResult> low = getMixedPadLow(), high = getMixedPadHigh();
  for (unsigned i = 0; i < getSpatialRank(); ++i) {
    OpFoldResult size = sizeOf(b, loc, getInput(), getSpatialDim(i)),
                 kernel = sizeOf(b, loc, getFilter(), i + 2);
    sizes[getSpatialDim(i)] =
        getTransposed()
            ? transposedWindowSize(b, loc, size, low[i], high[i], kernel,
                                   getStrides()[i], getDilations()[i],
                                   getOutputPaddingAt(i))
            : windowSize(b, loc, size, low[i], high[i], kernel, getStrides()[i],
                         getDilations()[i]);
  }
  appendShape(b, getResult(), sizes, dims);
  return success();
}

LogicalResult PoolOp::verify() {
  RankedTensorType input = getInput().getType();
  if (failed(
          verifyRank(*this, "input", input.getRank(), getSpatialRank() + 2)) ||
      failed(verifyRank(*this, "result", getResult().getType().getRank(),
                        input.getRank())) ||
      failed(verifyWindow(*this, getSpatialRank(), getStrides(), getDilations(),
                          getPadLow(), getPadHigh(), getPads().size()))) {
    return failure();
  }
  if (getIndices() && getKind() != PoolKind::max) { // c2
    return emitOpError() << "expected 'indices' only of max, got "
                         << stringifyPoolKind(getKind());
  }
  return success();
}

LogicalResult PoolOp::reifyResultShapes(OpBuilder &b,
                                        ReifiedRankedShapedTypeDims &dims) {
  Location loc = getLoc();
  Sizes sizes = sizesOf(b, loc, getInput());
  SmallVector<OpFoldResult> low = getMixedPadLow(), high = getMixedPadHigh();
  for (unsigned i = 0; i < getSpatialRank(); ++i) {
    OpFoldResult &size = sizes[getSpatialDim(i)];
    size = windowSize(b, loc, size, low[i], high[i],
                      b.getIndexAttr(getKernel()[i]), getStrides()[i],
                      getDilations()[i], getCeilMode());
  }
  appendShape(b, getResult(), sizes, dims);
  if (getIndices()) {
    appendShape(b, getIndices(), sizes, dims);
  }
  return success();
}

LogicalResult ResizeOp::verify() {
  RankedTensorType input = getInput().getType(), result = getResult().getType();
  if (failed(verifyRank(*this, "result", result.getRank(), input.getRank())) ||
      failed(verifyAxes(*this, getAxes(), input.getRank())) ||
      failed(verifySizeCount(*this, result, getSizes().size()))) {
    return failure();
  }
  unsigned scales =
      getStaticScales() ? getStaticScales()->size() : getScales().size();
  if (scales != getAxes().size()) {
    return emitOpError() << "expected " << getAxes().size() << " scales, got "
                         << scales;
  }
  for (double scale : getStaticScales().value_or(ArrayRef<double>())) { // c1
    if (!(scale > 0)) {
      return emitOpError() << "expected positive scales, got " << scale;
    }
  }
  return success();
}

LogicalResult ResizeOp::reifyResultShapes(OpBuilder &b,
                                          ReifiedRankedShapedTypeDims &dims) {
  appendShape(b, getResult(), mixedSizes(b, getResult().getType(), getSizes()),
              dims);
  return success();
}
