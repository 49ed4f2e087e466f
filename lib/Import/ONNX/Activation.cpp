// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Activation functions, and Dropout, which is none at inference.
#include "Builders.h"

using namespace mlir;

namespace dlc::onnx {

static LogicalResult elu(NodeContext &ctx, double alpha, double scale,
                         double inputScale) {
  return ctx.results(ctx.b.elementwise(
      Fn::elu, {ctx.input(0)},
      {{"alpha", alpha}, {"input_scale", inputScale}, {"scale", scale}}));
}

LogicalResult buildElu(NodeContext &ctx) {
  return elu(ctx, ctx.getFloat("alpha", 1), 1, 1);
}

LogicalResult buildSelu(NodeContext &ctx) {
  return elu(ctx, ctx.getFloat("alpha", 1.67326319217681884765625),
             ctx.getFloat("gamma", 1.05070102214813232421875), 1);
}

LogicalResult buildCelu(NodeContext &ctx) {
  double alpha = ctx.getFloat("alpha", 1);
  if (alpha == 0) {
    return ctx.invalid("expected an alpha that is not 0");
  }
  return elu(ctx, alpha, 1, 1 / alpha);
}

LogicalResult buildClip(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0), low = ctx.input(1), high = ctx.input(2);
  if (ctx.since() < 11) {
    low = ctx.has("min") ? b.scalar(ctx.element(), ctx.getFloat("min", 0))
                         : Value();
    high = ctx.has("max") ? b.scalar(ctx.element(), ctx.getFloat("max", 0))
                          : Value();
  }
  for (Value *bound : {&low, &high}) {
    if (*bound && GraphBuilder::rankOf(*bound) > 0) {
      *bound = b.reshapeTo(*bound, {}, false);
      if (!*bound) {
        return failure();
      }
    }
  }
  if (low && high) {
    return ctx.results(b.elementwise(Fn::clamp, {x, low, high}));
  }
  if (low) {
    return ctx.results(b.binary(Fn::maximum, x, low));
  }
  return ctx.results(high ? b.binary(Fn::minimum, x, high) : x);
}

LogicalResult buildGelu(NodeContext &ctx) {
  StringRef approximate = ctx.getString("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    return ctx.invalid("expected approximate none or tanh, got '" +
                       approximate + "'");
  }
  return ctx.results(ctx.b.unary(
      approximate == "tanh" ? Fn::gelu_tanh : Fn::gelu, ctx.input(0)));
}

LogicalResult buildHardSigmoid(NodeContext &ctx) {
  return ctx.results(ctx.b.elementwise(Fn::hard_sigmoid, {ctx.input(0)},
                                       {{"alpha", ctx.getFloat("alpha", 0.2)},
                                        {"beta", ctx.getFloat("beta", 0.5)}}));
}

LogicalResult buildLeakyRelu(NodeContext &ctx) {
  return ctx.results(
      ctx.b.elementwise(Fn::leaky_relu, {ctx.input(0)},
                        {{"alpha", ctx.getFloat("alpha", 0.01)}}));
}

/// log(1 + exp(x)). Above 40 that is x in every type up to f64.
static Value softplus(NodeContext &ctx, Value x) {
  return ctx.b.elementwise(Fn::softplus, {x},
                           {{"beta", 1.0}, {"threshold", 40.0}});
}

LogicalResult buildSoftplus(NodeContext &ctx) {
  return ctx.results(softplus(ctx, ctx.input(0)));
}

LogicalResult buildMish(NodeContext &ctx) {
  Value x = ctx.input(0);
  return ctx.results(
      ctx.b.binary(Fn::mul, x, ctx.b.unary(Fn::tanh, softplus(ctx, x))));
}

LogicalResult buildPRelu(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0);
  Value scaled = b.binary(Fn::mul, x, ctx.input(1));
  return ctx.results(
      b.elementwise(Fn::select, {b.binary(Fn::lt, x, 0.0), scaled, x}));
}

LogicalResult buildShrink(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  double lambda = ctx.getFloat("lambd", 0.5), bias = ctx.getFloat("bias", 0);
  // The bounds of integers are floats.
  Type type =
      isa<FloatType>(ctx.element()) ? ctx.element() : Type(b.getF64Type());
  Value x = b.cast(ctx.input(0), type), zero = b.scalar(type, 0);
  Value above = b.elementwise(Fn::select, {b.binary(Fn::gt, x, lambda),
                                           b.binary(Fn::sub, x, bias), zero});
  Value result = b.elementwise(Fn::select, {b.binary(Fn::lt, x, -lambda),
                                            b.binary(Fn::add, x, bias), above});
  return ctx.results(b.cast(result, ctx.element()));
}

LogicalResult buildSoftsign(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0);
  return ctx.results(
      b.binary(Fn::div, x, b.binary(Fn::add, b.unary(Fn::abs, x), 1)));
}

static Value silu(NodeContext &ctx, Value x, double beta) {
  return ctx.b.elementwise(Fn::silu, {x}, {{"beta", beta}});
}

LogicalResult buildSwish(NodeContext &ctx) {
  return ctx.results(silu(ctx, ctx.input(0), ctx.getFloat("alpha", 1)));
}

LogicalResult buildThresholdedRelu(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0);
  Value above = b.binary(Fn::gt, x, ctx.getFloat("alpha", 1));
  return ctx.results(
      b.elementwise(Fn::select, {above, x, b.scalar(ctx.element(), 0)}));
}

LogicalResult buildDropout(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value training = ctx.input(2);
  if (training) {
    const Sizes *known = b.knownInts(training);
    if (!known || known->size() != 1 || !isConstantIntValue((*known)[0], 0)) {
      // A ratio of 0 drops nothing even in training.
      DenseElementsAttr ratio = b.constantOf(ctx.input(1));
      bool keepsAll =
          ratio && ratio.isSplat() && ratio.getSplatValue<APFloat>().isZero();
      if (!keepsAll) {
        return ctx.unsupported("training_mode");
      }
    }
  }
  Value mask;
  if (ctx.wantsOutput(1)) {
    Type type = ctx.since() >= 10 ? Type(b.getI1Type()) : ctx.element();
    mask = b.full(Sizes(b.sizes(ctx.input(0))), b.scalar(type, 1));
  }
  return ctx.results({ctx.input(0), mask});
}

} // namespace dlc::onnx
