// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An nn.conv as the convolution kernels see it.
#include "Conversion/NNToKernel/ConvShape.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/Scheduling.h"
#include "Conversion/NNToKernel/VectorEpilogue.h"
#include "Conversion/NNToKernel/ZeroPoint.h"
#include "Conversion/NNToVector/DepthwiseConv.h"

using namespace mlir;

namespace dlc {

static Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

bool isPackableConv(nn::ConvOp op) {
  Type element = elementOf(op.getInput());
  bool isKnownType = isa<FloatType>(element)
                         ? element == elementOf(op.getFilter()) &&
                               element.getIntOrFloatBitWidth() >= 16
                         : element.getIntOrFloatBitWidth() >= 8;
  if (!op.getChannelsLast() || !op.getFilter().getType().hasStaticShape() ||
      !isKnownType) {
    return false;
  }
  for (Value zero : {Value(op.getInputZero()), Value(op.getFilterZero())}) {
    if (zero && !isOneElement(zero)) {
      return false; // a zero point per channel
    }
  }
  bool innerPadIsStatic = !ShapedType::isDynamic(op.getPadLow().back());
  return !op.getTransposed() || innerPadIsStatic;
}

kernel::ConvSpec createConvSpec(DispatchContext &context) {
  auto op = cast<nn::ConvOp>(context.getRoot());
  ArrayRef<int64_t> filter = op.getFilter().getType().getShape();
  kernel::ConvSpec spec;
  spec.epilogue.rolled = hasExpensiveEpilogue(context.getDispatch());
  Type accumulator =
      op.getAcc() ? *op.getAcc() : getAccumulatorType(elementOf(op.getInput()));
  spec.types = {getCodeType(elementOf(op.getInput())),
                getCodeType(elementOf(op.getFilter())),
                getCodeType(accumulator),
                getCodeType(elementOf(context.getYielded(0))),
                elementOf(op.getInput()).isUnsignedInteger(),
                elementOf(op.getFilter()).isUnsignedInteger()};
  spec.batch = context.size(op.getInput(), 0);
  spec.groups = op.getGroups();
  spec.inputChannels = op.getTransposed() ? filter[0] / spec.groups : filter[1];
  spec.outputChannels =
      op.getTransposed() ? filter[1] : filter[0] / spec.groups;
  spec.kernel = llvm::to_vector(filter.drop_front(2));
  spec.strides = llvm::to_vector(op.getStrides());
  spec.dilations = llvm::to_vector(op.getDilations());
  spec.transposed = op.getTransposed();
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    spec.inputSizes.push_back(context.size(op.getInput(), op.getSpatialDim(i)));
    spec.outputSizes.push_back(
        context.size(op.getResult(), op.getSpatialDim(i)));
    spec.padLow.push_back(context.index(op.getMixedPadLow()[i]));
  }
  return spec;
}

ConvKernel chooseConvKernel(DispatchContext &context,
                            const kernel::ConvSpec &spec) {
  if (kernel::asMatrixProduct(context.b, spec)) {
    return ConvKernel::MatrixProduct;
  }
  return kernel::prefersDepthwise(spec, context.target) ? ConvKernel::Depthwise
                                                        : ConvKernel::Direct;
}

static int64_t knownOrDynamic(OpFoldResult size) {
  return kernel::IndexMath::known(size).value_or(kernel::kDynamic);
}

static int64_t lanesOf(DispatchContext &context, const kernel::ConvSpec &spec) {
  return getAccumulatorLanes(context.target, spec.types.acc);
}

kernel::ConvSchedule getConvSchedule(DispatchContext &context,
                                     const kernel::ConvSpec &spec,
                                     ConvKernel kernel) {
  if (auto attr = dyn_cast_if_present<nn::ConvScheduleAttr>(
          context.getDispatch().getScheduleAttr())) {
    return {attr.getMr(), attr.getNv(), attr.getRowBlock()};
  }
  int64_t width = knownOrDynamic(spec.outputSizes.back()),
          lanes = lanesOf(context, spec);
  int64_t rows = 1;
  for (OpFoldResult size : ArrayRef(spec.outputSizes).drop_back()) {
    int64_t known = knownOrDynamic(size);
    rows = known == kernel::kDynamic || rows == kernel::kDynamic
               ? kernel::kDynamic
               : rows * known;
  }
  if (kernel == ConvKernel::Depthwise) {
    return kernel::chooseDepthwiseSchedule(
        width, rows, spec.groups * spec.outputChannels, spec.inputChannels,
        context.target, lanes, kMinItems);
  }
  return kernel::chooseConvSchedule(width, rows, spec.outputChannels,
                                    context.target, lanes, kMinItems);
}

kernel::GemmSchedule getConvGemmSchedule(DispatchContext &context,
                                         const kernel::ConvSpec &spec) {
  if (std::optional<kernel::GemmSchedule> carried =
          readGemmSchedule(context.getDispatch())) {
    return *carried;
  }
  kernel::GemmSpec product = *kernel::asMatrixProduct(context.b, spec);
  return kernel::chooseGemmSchedule(knownOrDynamic(product.m),
                                    spec.outputChannels, spec.inputChannels,
                                    context.target, lanesOf(context, spec),
                                    kernel::BLayout::Packed, kMinItems);
}

SmallVector<Attribute> getFilterTransforms(nn::ConvOp op,
                                           const kernel::ConvSpec &spec,
                                           ConvKernel kernel, int64_t width) {
  MLIRContext *context = op.getContext();
  int64_t groups = spec.groups, k = spec.inputChannels, n = spec.outputChannels,
          taps = 1;
  for (int64_t size : spec.kernel) {
    taps *= size;
  }
  bool transposed = op.getTransposed();
  // The filter as (groups, n, k, taps), or (groups, k, n, taps) when
  // transposed.
  SmallVector<int64_t> split = transposed
                                   ? SmallVector<int64_t>{groups, k, n, taps}
                                   : SmallVector<int64_t>{groups, n, k, taps};
  int64_t kDim = transposed ? 1 : 2, nDim = transposed ? 2 : 1;
  SmallVector<int64_t> permutation, panels;
  if (kernel == ConvKernel::Depthwise) { // (taps, k, groups, n)
    permutation = {3, kDim, 0, nDim};
    panels = {1, taps * k, groups * n};
  } else { // (groups, taps, k, n)
    permutation = {0, 3, kDim, nDim};
    panels = {groups, taps * k, n};
  }
  return {nn::ReshapeToAttr::get(context, split),
          nn::PermuteAttr::get(context, permutation),
          nn::ReshapeToAttr::get(context, panels),
          nn::PackPanelsAttr::get(context, width)};
}

} // namespace dlc
