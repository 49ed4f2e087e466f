// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic, logic, comparison and conversion.
#include "Builders.h"

using namespace mlir;

namespace dlc::onnx {

LogicalResult buildMean(NodeContext &ctx) {
  Value sum = ctx.input(0);
  for (Value next : ctx.allInputs().drop_front()) {
    sum = ctx.b.binary(Fn::add, sum, next);
  }
  return ctx.results(ctx.b.binary(Fn::div, sum, ctx.numInputs()));
}

LogicalResult buildMod(NodeContext &ctx) {
  bool isFloat = isa<FloatType>(ctx.element());
  if (isFloat && !ctx.getFlag("fmod") && ctx.since() < 28) {
    return ctx.invalid("expected fmod = 1 for floats");
  }
  return ctx.results(
      ctx.b.binary(ctx.getFlag("fmod") ? Fn::mod_trunc : Fn::mod_floor,
                   ctx.input(0), ctx.input(1)));
}

LogicalResult buildPow(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Type base = ctx.element(0), exponent = ctx.element(1);
  // The result has the base's type; an integer base meets a float exponent in
  // the exponent's type.
  bool inExponentType = isa<IntegerType>(base) && isa<FloatType>(exponent);
  Type type = inExponentType ? exponent : base;
  return ctx.results(b.cast(
      b.binary(Fn::pow, b.cast(ctx.input(0), type), b.cast(ctx.input(1), type)),
      base));
}

LogicalResult buildBitShift(NodeContext &ctx) {
  StringRef direction = ctx.getString("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") {
    return ctx.invalid("expected direction LEFT or RIGHT, got '" + direction +
                       "'");
  }
  return ctx.results(ctx.b.binary(direction == "LEFT" ? Fn::shl : Fn::shr,
                                  ctx.input(0), ctx.input(1)));
}

LogicalResult buildIsInf(NodeContext &ctx) {
  double negative = ctx.getInt("detect_negative", 1) != 0,
         positive = ctx.getInt("detect_positive", 1) != 0;
  return ctx.results(
      ctx.b.elementwise(Fn::is_inf, {ctx.input(0)},
                        {{"negative", negative}, {"positive", positive}}));
}

static std::optional<bool> saturation(NodeContext &ctx) {
  return ctx.since() >= 19 ? std::optional(ctx.getInt("saturate", 1) != 0)
                           : std::nullopt;
}

/// round_mode decides how e8m0 is reached; dlc's cast has the default only.
static LogicalResult checkRoundMode(NodeContext &ctx, Type target) {
  StringRef mode = ctx.getString("round_mode", "up");
  if (isa<Float8E8M0FNUType>(target) && mode != "up") {
    return ctx.unsupported("round_mode '" + mode + "'");
  }
  return success();
}

LogicalResult buildCast(NodeContext &ctx) {
  Type target = ctx.importer.elementType(ctx.getInt("to", 0), "the result");
  if (!target || failed(checkRoundMode(ctx, target))) {
    return failure();
  }
  return ctx.results(ctx.b.cast(ctx.input(0), target, saturation(ctx)));
}

LogicalResult buildCastLike(NodeContext &ctx) {
  if (failed(checkRoundMode(ctx, ctx.element(1)))) {
    return failure();
  }
  return ctx.results(ctx.b.cast(ctx.input(0), ctx.element(1), saturation(ctx)));
}

LogicalResult buildBitCast(NodeContext &ctx) {
  Type target = ctx.importer.elementType(ctx.getInt("to", 0), "the result");
  if (!target) {
    return failure();
  }
  // A bool is a byte, 0 or 1.
  if (ctx.element().isInteger(1) && target.getIntOrFloatBitWidth() == 8 &&
      isa<IntegerType>(target)) {
    return ctx.results(ctx.b.cast(ctx.input(0), target));
  }
  if (target.isInteger(1) && ctx.element() != target) {
    return ctx.unsupported("bytes as bool");
  }
  if (target.getIntOrFloatBitWidth() != ctx.element().getIntOrFloatBitWidth()) {
    return ctx.invalid("expected a type of " +
                       Twine(ctx.element().getIntOrFloatBitWidth()) +
                       " bits, got " + typeName(target));
  }
  if (target == ctx.element()) {
    return ctx.results(ctx.input(0));
  }
  return ctx.results(
      ctx.b.elementwise(Fn::bitcast, {ctx.input(0)}, {}, target));
}

} // namespace dlc::onnx
