// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Normalisations.
#include "Builders.h"

using namespace mlir;

namespace dlc::onnx {

/// Training mode: statistics of the batch, and running ones moved towards them.
static LogicalResult buildTrainingBatchNorm(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0);
  SmallVector<int64_t> axes{0};
  llvm::append_range(axes, llvm::seq<int64_t>(2, ctx.rank()));
  // Variance over all but the channels, of the population as ONNX says.
  Value wide = b.cast(x, ctx.element(3));
  Value mean = b.reduce(nn::ReduceKind::mean, wide, axes, true);
  Value centred = b.binary(Fn::sub, wide, mean);
  Value variance = b.reduce(nn::ReduceKind::mean,
                            b.binary(Fn::mul, centred, centred), axes, false);
  mean = b.reshape(mean, Sizes(b.sizes(ctx.input(3))));
  double momentum = ctx.getFloat("momentum", 0.9);
  auto moved = [&](Value running, Value current) {
    return b.binary(Fn::add, b.binary(Fn::mul, running, momentum),
                    b.binary(Fn::mul, current, 1 - momentum));
  };
  Type type = ctx.element();
  Value result =
      b.batchNorm(x, b.cast(ctx.input(1), type), b.cast(ctx.input(2), type),
                  b.cast(mean, type), b.cast(variance, type),
                  ctx.getFloat("epsilon", 1e-5));
  return ctx.results(
      {result, moved(ctx.input(3), mean), moved(ctx.input(4), variance)});
}

LogicalResult buildBatchNormalization(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  if (ctx.rank() < 2) {
    return ctx.invalid("expected an input of rank 2 or more, got " +
                       Twine(ctx.rank()));
  }
  if (ctx.since() < 9 && ctx.getInt("spatial", 1) == 0) {
    return ctx.unsupported("spatial = 0");
  }
  if (ctx.getFlag("training_mode")) {
    return buildTrainingBatchNorm(ctx);
  }
  for (unsigned i = 1; i < ctx.numOutputs(); ++i) {
    if (ctx.wantsOutput(i)) {
      return ctx.unsupported("the outputs of training");
    }
  }
  Type type = ctx.element();
  SmallVector<Value> vectors;
  for (unsigned i = 1; i < 5; ++i) {
    vectors.push_back(b.cast(ctx.input(i), type));
  }
  return ctx.results(b.batchNorm(ctx.input(0), vectors[0], vectors[1],
                                 vectors[2], vectors[3],
                                 ctx.getFloat("epsilon", 1e-5)));
}

LogicalResult buildInstanceNormalization(NodeContext &ctx) {
  GraphBuilder::NormOptions options;
  if (ctx.rank() < 3) {
    return ctx.invalid("expected an input of rank 3 or more, got " +
                       Twine(ctx.rank()));
  }
  options.axes = llvm::to_vector(llvm::seq<int64_t>(2, ctx.rank()));
  options.affineDims = {1};
  options.epsilon = ctx.getFloat("epsilon", 1e-5);
  for (unsigned i : {1, 2}) {
    if (ctx.rank(i) != 1 || failed(ctx.b.checkEqual(ctx.b.size(ctx.input(0), 1),
                                                    ctx.b.size(ctx.input(i), 0),
                                                    "scale and bias"))) {
      return ctx.rank(i) == 1
                 ? failure()
                 : ctx.invalid("expected scale and bias of rank 1, got " +
                               Twine(ctx.rank(i)));
    }
  }
  return ctx.results(
      ctx.b.norm(ctx.input(0), ctx.input(1), ctx.input(2), options)[0]);
}

/// stash_type, the type that statistics are computed in.
static Type stashType(NodeContext &ctx) {
  return ctx.importer.elementType(ctx.getInt("stash_type", 1),
                                  "the statistics");
}

LogicalResult buildGroupNormalization(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  GraphBuilder::NormOptions options;
  options.groups = ctx.getInt("num_groups", 0);
  std::optional<int64_t> channels =
      ctx.rank() < 3 ? std::nullopt
                     : getConstantIntValue(b.size(ctx.input(0), 1));
  if (ctx.rank() < 3 || options.groups < 1 ||
      (channels && *channels % options.groups != 0)) {
    return ctx.invalid("expected an input of rank 3 or more and num_groups "
                       "that divide its channels, got rank " +
                       Twine(ctx.rank()) + " and " + Twine(options.groups));
  }
  options.axes = llvm::to_vector(llvm::seq<int64_t>(2, ctx.rank()));
  options.affineDims = {1};
  options.epsilon = ctx.getFloat("epsilon", 1e-5);
  options.statType = stashType(ctx);
  if (!options.statType) {
    return failure();
  }
  OpFoldResult size = b.size(ctx.input(0), 1),
               perGroup = b.floorDiv(size, b.index(options.groups));
  Value vectors[2] = {ctx.input(1), ctx.input(2)};
  for (Value &vector : vectors) {
    if (GraphBuilder::rankOf(vector) != 1) {
      return ctx.invalid("expected scale and bias of rank 1, got " +
                         Twine(GraphBuilder::rankOf(vector)));
    }
    if (ctx.since() < 21) { // one per group
      vector = b.unsqueeze(vector, {1});
      vector = b.broadcastTo(vector, {b.index(options.groups), perGroup});
      vector = b.reshape(vector, {size});
    }
    if (!vector ||
        failed(b.checkEqual(size, b.size(vector, 0), "scale and bias"))) {
      return failure();
    }
  }
  return ctx.results(b.norm(ctx.input(0), vectors[0], vectors[1], options)[0]);
}

/// Scale and bias of the normalised dims, which may broadcast to them.
static FailureOr<Value> fitAffine(NodeContext &ctx, Value vector,
                                  int64_t axis) {
  if (!vector) {
    return Value();
  }
  GraphBuilder &b = ctx.b;
  const Sizes &all = b.sizes(ctx.input(0));
  Sizes normalised(all.begin() + axis, all.end());
  if (GraphBuilder::rankOf(vector) > static_cast<int64_t>(normalised.size())) {
    int64_t extra = GraphBuilder::rankOf(vector) - normalised.size();
    vector = b.squeeze(vector, llvm::to_vector(llvm::seq<int64_t>(0, extra)));
  }
  Value fitted = b.broadcastTo(vector, normalised);
  return FailureOr<Value>(fitted ? FailureOr<Value>(fitted)
                                 : FailureOr<Value>(failure()));
}

static LogicalResult buildAxisNorm(NodeContext &ctx, nn::NormStat stat) {
  GraphBuilder &b = ctx.b;
  FailureOr<int64_t> axis = ctx.getAxis("axis", -1, ctx.rank());
  GraphBuilder::NormOptions options;
  options.stat = stat;
  options.epsilon = ctx.getFloat("epsilon", 1e-5);
  options.statType = stashType(ctx);
  if (failed(axis) || !options.statType) {
    return failure();
  }
  options.axes = llvm::to_vector(llvm::seq<int64_t>(*axis, ctx.rank()));
  options.affineDims = options.axes;
  options.wantStats = ctx.wantsOutput(1) || ctx.wantsOutput(2);
  FailureOr<Value> scale = fitAffine(ctx, ctx.input(1), *axis),
                   bias = fitAffine(ctx, ctx.input(2), *axis);
  if (failed(scale) || failed(bias)) {
    return failure();
  }
  // The scale may be wider than the input; then so is the result.
  Type result = *scale ? GraphBuilder::elementOf(*scale) : ctx.element();
  Value x = ctx.input(0);
  if (result != ctx.element()) {
    x = b.cast(x, result);
  }
  return ctx.results(b.norm(x, *scale, *bias, options));
}

LogicalResult buildLayerNormalization(NodeContext &ctx) {
  return buildAxisNorm(ctx, nn::NormStat::mean_var);
}

LogicalResult buildRMSNormalization(NodeContext &ctx) {
  return buildAxisNorm(ctx, nn::NormStat::rms);
}

LogicalResult buildLpNormalization(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  FailureOr<int64_t> axis = ctx.getAxis("axis", -1, ctx.rank());
  int64_t p = ctx.getInt("p", 2);
  if (failed(axis)) {
    return failure();
  }
  if (p != 1 && p != 2) {
    return ctx.invalid("expected p 1 or 2, got " + Twine(p));
  }
  Value x = b.widen(ctx.input(0));
  Value part = p == 1 ? b.unary(Fn::abs, x) : b.binary(Fn::mul, x, x);
  Value sum = b.reduce(nn::ReduceKind::sum, part, {*axis}, true);
  Value norm = p == 1 ? sum : b.unary(Fn::sqrt, sum);
  // Nothing divided by nothing is 0.
  Value isZero = b.binary(Fn::eq, norm, 0.0);
  Value divisor = b.elementwise(
      Fn::select, {isZero, b.scalar(GraphBuilder::elementOf(x), 1), norm});
  return ctx.results(b.cast(b.binary(Fn::div, x, divisor), ctx.element()));
}

/// ONNX's function computes the variance as E[x^2] - E[x]^2, of which little is
/// left where the mean is large, and takes no type but f32.
LogicalResult buildMeanVarianceNormalization(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  SmallVector<int64_t> given(ctx.getInts("axes"));
  FailureOr<SmallVector<int64_t>> axes = ctx.normalAxes(
      ctx.has("axes") ? given : SmallVector<int64_t>{0, 2, 3}, ctx.rank());
  if (failed(axes)) {
    return failure();
  }
  if (axes->empty()) { // all, as for the reductions of the function
    *axes = llvm::to_vector(llvm::seq<int64_t>(0, ctx.rank()));
  }
  Value x = b.widen(ctx.input(0));
  Value mean = b.reduce(nn::ReduceKind::mean, x, *axes, true);
  Value centred = b.binary(Fn::sub, x, mean);
  Value variance = b.reduce(nn::ReduceKind::mean,
                            b.binary(Fn::mul, centred, centred), *axes, true);
  Value deviation = b.binary(Fn::add, b.unary(Fn::sqrt, variance), 1e-9);
  return ctx.results(
      b.cast(b.binary(Fn::div, centred, deviation), ctx.element()));
}

} // namespace dlc::onnx
