// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Classification losses.
#include "Builders.h"

using namespace mlir;

namespace dlc::onnx {

/// -weight[target] * x[n, target, ...] and how it is reduced; `x` holds
/// logarithms of probabilities, (N, C, ...).
static Value negativeLogLikelihood(NodeContext &ctx, Value x) {
  GraphBuilder &b = ctx.b;
  Value target = ctx.input(1), weight = ctx.input(2);
  StringRef reduction = ctx.getString("reduction", "mean");
  if (GraphBuilder::rankOf(x) < 2 ||
      GraphBuilder::rankOf(target) != GraphBuilder::rankOf(x) - 1 ||
      (reduction != "none" && reduction != "sum" && reduction != "mean")) {
    return b.invalid("expected scores of rank 2 or more, targets of one dim "
                     "less, and reduction none, sum or mean");
  }
  Type type = GraphBuilder::elementOf(x);
  Value ignored;
  if (ctx.has("ignore_index")) {
    ignored = b.binary(Fn::eq, target, ctx.getInt("ignore_index", 0));
    target = b.elementwise(
        Fn::select,
        {ignored, b.scalar(GraphBuilder::elementOf(target), 0), target});
  }
  Value picked =
      b.squeeze(b.gatherElements(x, b.unsqueeze(target, {1}), 1), {1});
  Value loss = b.unary(Fn::neg, picked);
  if (!loss) {
    return {};
  }
  Value factor = weight ? b.take(weight, target, 0) : Value();
  if (ignored) {
    Value one = factor ? factor : b.scalar(type, 1);
    factor = b.elementwise(Fn::select, {ignored, b.scalar(type, 0), one});
  }
  if (factor) {
    // A score of -inf that is ignored must not become NaN.
    loss = b.binary(Fn::mul, loss, factor);
    if (ignored) {
      loss = b.elementwise(Fn::select, {ignored, b.scalar(type, 0), loss});
    }
  }
  if (!loss || reduction == "none") {
    return loss;
  }
  auto all = llvm::to_vector(llvm::seq<int64_t>(0, GraphBuilder::rankOf(loss)));
  if (reduction == "mean" && !factor) {
    return b.reduce(nn::ReduceKind::mean, loss, all, false);
  }
  Value sum = b.reduce(nn::ReduceKind::sum, loss, all, false);
  return reduction == "sum"
             ? sum
             : b.binary(Fn::div, sum,
                        b.reduce(nn::ReduceKind::sum, factor, all, false));
}

LogicalResult buildNegativeLogLikelihoodLoss(NodeContext &ctx) {
  return ctx.results(negativeLogLikelihood(ctx, ctx.input(0)));
}

LogicalResult buildSoftmaxCrossEntropyLoss(NodeContext &ctx) {
  if (ctx.rank() < 2) {
    return ctx.invalid("expected scores of rank 2 or more, got " +
                       Twine(ctx.rank()));
  }
  Value logs = ctx.b.softmax(ctx.input(0), {1}, /*log=*/true);
  return ctx.results({negativeLogLikelihood(ctx, logs), logs});
}

} // namespace dlc::onnx
