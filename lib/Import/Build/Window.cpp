// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Convolutions, pooling and normalisations.
#include "Import/Build/GraphBuilder.h"

using namespace mlir;

namespace dlc::build {

/// Operands of the dynamic pads: first the low ones, then the high ones.
static SmallVector<Value> padOperands(const Window &window) {
  SmallVector<Value> operands = nn::dynamicSizes(window.low);
  llvm::append_range(operands, nn::dynamicSizes(window.high));
  return operands;
}

Value GraphBuilder::conv(Value input, Value filter, Value bias,
                         const Window &window, const ConvOptions &options) {
  if (!input || !filter) {
    return {};
  }
  Sizes result = sizes(input), filterSizes = sizes(filter);
  OpFoldResult groups = index(options.groups);
  result[1] = options.transposed ? mul(filterSizes[1], groups) : filterSizes[0];
  OpFoldResult channels =
      options.transposed ? filterSizes[0] : mul(filterSizes[1], groups);
  if (failed(checkEqual(channels, size(input, 1), "dim 1 of the input"))) {
    return {};
  }
  for (size_t i = 0; i < window.strides.size(); ++i) {
    OpFoldResult extra =
        index(window.outputPadding.empty() ? 0 : window.outputPadding[i]);
    result[i + 2] = unique([&] {
      return options.transposed
                 ? nn::transposedWindowSize(
                       *this, loc, result[i + 2], window.low[i], window.high[i],
                       filterSizes[i + 2], window.strides[i],
                       window.dilations[i], *getConstantIntValue(extra))
                 : nn::windowSize(*this, loc, result[i + 2], window.low[i],
                                  window.high[i], filterSizes[i + 2],
                                  window.strides[i], window.dilations[i]);
    });
  }
  if (bias && failed(checkEqual(result[1], size(bias, 0), "the bias"))) {
    return {};
  }
  DenseI64ArrayAttr outputPadding;
  if (llvm::any_of(window.outputPadding, [](int64_t p) { return p != 0; })) {
    outputPadding = getDenseI64ArrayAttr(window.outputPadding);
  }
  return make<nn::ConvOp>(options.result ? options.result : elementOf(input),
                          result, input, filter, bias, options.inputZero,
                          options.filterZero, padOperands(window),
                          getDenseI64ArrayAttr(window.strides),
                          getDenseI64ArrayAttr(window.dilations),
                          getDenseI64ArrayAttr(nn::staticShape(window.low)),
                          getDenseI64ArrayAttr(nn::staticShape(window.high)),
                          getI64IntegerAttr(options.groups),
                          options.transposed ? getUnitAttr() : UnitAttr(),
                          outputPadding, UnitAttr(), TypeAttr());
}

std::pair<Value, Value> GraphBuilder::pool(nn::PoolKind kind, Value input,
                                           const Window &window,
                                           PoolOptions options) {
  if (!input) {
    return {};
  }
  Sizes result = sizes(input);
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    result[i + 2] = unique([&] {
      return nn::windowSize(*this, loc, result[i + 2], window.low[i],
                            window.high[i], index(window.kernel[i]),
                            window.strides[i], window.dilations[i],
                            window.ceil);
    });
  }
  RankedTensorType type = resultType(elementOf(input), result);
  if (!type) {
    return {};
  }
  Type indices = options.wantIndices ? Type(type.clone(getI64Type())) : Type();
  auto op = nn::PoolOp::create(
      *this, loc, type, indices, input, padOperands(window), kind,
      window.kernel, window.strides, window.dilations,
      nn::staticShape(window.low), nn::staticShape(window.high), window.ceil,
      options.countIncludePad, options.p, /*channels_last=*/false,
      options.columnMajor);
  setSizes(op.getResult(), result);
  if (op.getIndices()) {
    setSizes(op.getIndices(), result);
  }
  return {op.getResult(), op.getIndices()};
}

Value GraphBuilder::batchNorm(Value x, Value scale, Value bias, Value mean,
                              Value variance, double epsilon) {
  if (llvm::is_contained({x, scale, bias, mean, variance}, Value())) {
    return {};
  }
  Sizes all = sizes(x);
  for (Value vector : {scale, bias, mean, variance}) {
    if (rankOf(vector) != 1) {
      return invalid("expected vectors of one element per channel, got rank " +
                     Twine(rankOf(vector)));
    }
    if (failed(checkEqual(all[1], size(vector, 0), "the channel vectors"))) {
      return {};
    }
  }
  return make<nn::BatchNormOp>(elementOf(x), all, x, scale, bias, mean,
                               variance, getF64FloatAttr(epsilon),
                               getI64IntegerAttr(1));
}

SmallVector<Value, 3> GraphBuilder::norm(Value x, Value scale, Value bias,
                                         const NormOptions &options) {
  if (!x) {
    return {Value(), Value(), Value()};
  }
  Sizes all = sizes(x), stats = all;
  for (int64_t axis : options.axes) {
    stats[axis] = index(1);
  }
  Type statType = options.statType ? options.statType : getF32Type();
  RankedTensorType type = resultType(elementOf(x), all),
                   statTensor = resultType(statType, stats);
  Type optional = options.wantStats ? Type(statTensor) : Type();
  auto op = nn::NormOp::create(
      *this, loc, type, optional, optional, x, scale, bias,
      nn::NormStatAttr::get(getContext(), options.stat),
      getDenseI64ArrayAttr(options.axes), getI64IntegerAttr(options.groups),
      /*channel_dim=*/getI64IntegerAttr(1),
      getDenseI64ArrayAttr(options.affineDims),
      getF64FloatAttr(options.epsilon),
      options.statType ? TypeAttr::get(options.statType) : TypeAttr());
  setSizes(op.getResult(), all);
  if (options.wantStats) {
    setSizes(op.getMean(), stats);
    setSizes(op.getInvStd(), stats);
  }
  return {op.getResult(), op.getMean(), op.getInvStd()};
}

} // namespace dlc::build
