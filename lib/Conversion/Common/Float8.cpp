// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Conversions between f32 and the floats of 8 bits with a sign, which code
// holds as i8. Formats: ONNX, "Float stored in 8 bits".
#include "Float8.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "FloatCode.h"
#include "llvm/ADT/APFloat.h"

#include <cmath>

using namespace mlir;

namespace dlc {

namespace {

/// What tells one format from another; codes are without their sign.
struct Format {
  explicit Format(FloatType type) {
    const llvm::fltSemantics &semantics = type.getFloatSemantics();
    mantissaBits = llvm::APFloat::semanticsPrecision(semantics) - 1;
    minExponent = llvm::APFloat::semanticsMinExponent(semantics);
    auto code = [](const llvm::APFloat &value) {
      return static_cast<int32_t>(value.bitcastToAPInt().getZExtValue());
    };
    largest = code(llvm::APFloat::getLargest(semantics));
    nan = code(llvm::APFloat::getNaN(semantics));
    hasInfinity = llvm::APFloat::semanticsHasInf(semantics);
  }

  int mantissaBits, minExponent;
  int32_t largest, nan;
  bool hasInfinity;
  /// FNUZ: the code of -0 is the one NaN.
  bool hasUnsignedZero() const { return nan == 0x80; }
  int shift() const { return 23 - mantissaBits; }
  /// From the format's exponents to those of f32, in place.
  int32_t rebias() const { return (127 - 1 + minExponent) << 23; }
};

} // namespace

static Type f32Like(ImplicitLocOpBuilder &b, Value value) {
  Type f32 = b.getF32Type();
  auto shaped = dyn_cast<ShapedType>(value.getType());
  return shaped ? Type(shaped.clone(f32)) : f32;
}

Value emitDecodeFloat8(ImplicitLocOpBuilder &b, Value value, FloatType from) {
  Format format(from);
  FloatCode c(b, f32Like(b, value));
  Value code = c.convert<arith::ExtUIOp>(c.i32, value);
  Value magnitude = c.iand(code, c.integer(0x7f));
  Value normal = c.fromBits(c.iadd(c.shl(magnitude, c.integer(format.shift())),
                                   c.integer(format.rebias())));
  // Subnormals are multiples of the smallest.
  float smallest = std::ldexp(1.0f, format.minExponent - format.mantissaBits);
  Value subnormal = c.mul(c.toFloat(magnitude), c.constant(smallest));
  Value isSubnormal =
      c.create<arith::CmpIOp>(arith::CmpIPredicate::slt, magnitude,
                              c.integer(1 << format.mantissaBits));
  Value result = c.select(isSubnormal, subnormal, normal);
  Value isBeyond =
      format.hasUnsignedZero()
          ? c.create<arith::CmpIOp>(arith::CmpIPredicate::eq, code,
                                    c.integer(format.nan))
          : c.create<arith::CmpIOp>(arith::CmpIPredicate::sgt, magnitude,
                                    c.integer(format.largest));
  Value beyond = c.constant(NAN);
  if (format.hasInfinity) {
    Value isInfinity = c.create<arith::CmpIOp>(
        arith::CmpIPredicate::eq, magnitude, c.integer(format.largest + 1));
    beyond = c.select(isInfinity, c.constant(INFINITY), beyond);
  }
  result = c.select(isBeyond, beyond, result);
  Value sign = c.shl(c.iand(code, c.integer(0x80)), c.integer(24));
  return c.fromBits(c.ior(c.bits(result), sign));
}

Value emitEncodeFloat8(ImplicitLocOpBuilder &b, Value value, FloatType to,
                       bool saturate) {
  Format format(to);
  FloatCode c(b, value.getType());
  auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) {
    return c.create<arith::CmpIOp>(predicate, x, y);
  };
  Value magnitude = c.abs(value), bits = c.bits(magnitude);
  // Normal: drop bits, to nearest even; a carry moves to the exponent.
  Value shift = c.integer(format.shift());
  Value rebased = c.isub(bits, c.integer(format.rebias()));
  Value odd = c.iand(c.shr(rebased, shift), c.integer(1));
  Value half = c.integer((1 << (format.shift() - 1)) - 1);
  Value normal = c.shr(c.iadd(c.iadd(rebased, half), odd), shift);
  // Subnormal: the same by an addition whose last place is the smallest.
  float step = std::ldexp(1.0f, 23 + format.minExponent - format.mantissaBits);
  Value subnormal = c.isub(c.bits(c.add(magnitude, c.constant(step))),
                           c.bits(c.constant(step)));
  Value isSubnormal =
      c.less(magnitude, c.constant(std::ldexp(1.0f, format.minExponent)));
  Value code = c.select(isSubnormal, subnormal, normal);
  int32_t overflow = saturate             ? format.largest
                     : format.hasInfinity ? format.largest + 1
                                          : format.nan;
  Value isTooLarge =
      compare(arith::CmpIPredicate::sgt, code, c.integer(format.largest));
  code = c.select(isTooLarge, c.integer(overflow), code);
  Value sign = c.iand(c.shr(c.bits(value), c.integer(24)), c.integer(0x80));
  if (format.hasUnsignedZero()) {
    Value isZero = compare(arith::CmpIPredicate::eq, code, c.integer(0));
    sign = c.select(isZero, c.integer(0), sign);
  }
  code = c.ior(code, sign);
  Value isNaN =
      c.create<arith::CmpFOp>(arith::CmpFPredicate::UNO, value, value);
  code = c.select(isNaN, c.integer(format.nan), code);
  return c.convert<arith::TruncIOp>(c.withElement(b.getI8Type()), code);
}

} // namespace dlc
