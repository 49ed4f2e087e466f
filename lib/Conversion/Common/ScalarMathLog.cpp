// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Logarithms, inverse hyperbolic functions and pow. Coefficients:
// utils/fit-math.py.
#include "Conversion/Common/ScalarMath.h"

#include "FloatCode.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kLn2High = 6.931472e-01f;
constexpr float kLn2Low = -1.9046542e-09f;
constexpr int kMantissaBits = 23;
// The bits of 2/3: mantissas are taken from [2/3, 4/3).
constexpr int kTwoThirds = 0x3f2aaaab;

// log(1 + f) = f + f^2 sum c_k f^k on |f| <= 1/3.
constexpr float kLog[] = {-5.e-01f,        3.3333334e-01f,  -2.4999626e-01f,
                          1.9999748e-01f,  -1.6685806e-01f, 1.4298871e-01f,
                          -1.2125715e-01f, 1.08251244e-01f, -1.3115878e-01f,
                          1.1708314e-01f};
// log2(1 + f) = f sum c_k f^k there.
constexpr float kLog2[] = {1.442695e+00f,   -7.213475e-01f, 4.8089874e-01f,
                           -3.6066902e-01f, 2.8853023e-01f, -2.4070834e-01f,
                           2.0644578e-01f,  -1.751616e-01f, 1.5441407e-01f,
                           -1.8823889e-01f, 1.7576659e-01f};
// log2((1 + s) / (1 - s)) = s sum c_k s^2k on |s| <= 1/5, in f64.
constexpr double kPowLog2[] = {2.885390081777931,   0.9617966939151333,
                               0.5770780206692212,  0.41219794029054413,
                               0.32064440463325694, 0.26066267569011586,
                               0.2510881445548103};
// 2^r on |r| <= 1/2.
constexpr float kExp2[] = {1.0f,          6.9314724e-01f, 2.4022654e-01f,
                           5.5503e-02f,   9.6177e-03f,    1.3406627e-03f,
                           1.5594818e-04f};

/// x = 2^k * mantissa for normal x > 0, mantissa in [2/3, 4/3).
struct Split {
  Value k;
  Value mantissa;
};

Split split(FloatCode &c, Value x) {
  Value bits = c.bits(x);
  Value shift = c.integer(kMantissaBits);
  Value k = c.sar(c.isub(bits, c.integer(kTwoThirds)), shift);
  return {k, c.fromBits(c.isub(bits, c.shl(k, shift)))};
}

/// The same for any x > 0, k as a float.
Split splitWithDenormals(FloatCode &c, Value x) {
  Value isDenormal = c.less(x, c.constant(0x1p-126f));
  Value scaled = c.mul(x, c.constant(0x1p23f));
  Split parts = split(c, c.select(isDenormal, scaled, x));
  Value bias = c.select(isDenormal, c.constant(-23), c.constant(0));
  parts.k = c.add(c.toFloat(parts.k), bias);
  return parts;
}

/// `result` for 0 < x < inf; -inf at 0, NaN below, x itself for inf and NaN.
Value finishLog(FloatCode &c, Value x, Value result) {
  Value zero = c.constant(0);
  Value other = c.select(c.less(x, zero), c.constant(kNaN), x);
  other = c.select(c.equal(x, zero), c.constant(-kInfinity), other);
  Value inside = c.both(c.greater(x, zero), c.less(x, c.constant(kInfinity)));
  return c.select(inside, result, other);
}

/// k ln(2) + log(1 + f).
Value combineLog(FloatCode &c, Value k, Value f) {
  Value tail =
      c.fma(c.mul(f, f), c.polynomial(f, kLog), c.mul(k, c.constant(kLn2Low)));
  return c.fma(k, c.constant(kLn2High), c.add(f, tail));
}

Value log(FloatCode &c, Value x) {
  Split parts = splitWithDenormals(c, x);
  Value f = c.sub(parts.mantissa, c.constant(1));
  return finishLog(c, x, combineLog(c, parts.k, f));
}

Value log2(FloatCode &c, Value x) {
  Split parts = splitWithDenormals(c, x);
  Value f = c.sub(parts.mantissa, c.constant(1));
  return finishLog(c, x, c.fma(f, c.polynomial(f, kLog2), parts.k));
}

Value log1p(FloatCode &c, Value x) {
  Value one = c.constant(1);
  Value u = c.add(x, one);
  // What the addition lost (Knuth's two-sum).
  Value back = c.sub(u, one);
  Value lost = c.add(c.sub(x, back), c.sub(one, c.sub(u, back)));
  Split parts = split(c, u);
  // 2^-k; from 2^126 on nothing is lost that matters.
  Value smallK = c.create<arith::MinSIOp>(parts.k, c.integer(126));
  Value scale = c.fromBits(
      c.shl(c.isub(c.integer(127), smallK), c.integer(kMantissaBits)));
  Value f = c.fma(lost, scale, c.sub(parts.mantissa, one));
  Value result = combineLog(c, c.toFloat(parts.k), f);
  result = finishLog(c, u, result);
  return c.select(c.equal(x, c.constant(0)), x, result);
}

// Beyond 2^26, sqrt(x^2 +- 1) is x in f32.
constexpr float kSquareLimit = 0x1p26f;

/// log1p(argument), or log(2 x) where x is beyond kSquareLimit.
Value log1pOrLog2x(FloatCode &c, Value x, Value argument) {
  Value isLarge = c.greater(x, c.constant(kSquareLimit));
  Value result = log1p(c, c.select(isLarge, x, argument));
  Value ln2 = c.select(isLarge, c.constant(kLn2High), c.constant(0));
  return c.add(result, ln2);
}

Value asinh(FloatCode &c, Value x) {
  Value one = c.constant(1);
  Value a = c.abs(x);
  Value square = c.mul(a, a);
  Value root = c.sqrt(c.add(square, one));
  Value argument = c.add(a, c.div(square, c.add(root, one)));
  return c.copySign(log1pOrLog2x(c, a, argument), x);
}

Value acosh(FloatCode &c, Value x) {
  Value t = c.sub(x, c.constant(1));
  Value root = c.sqrt(c.fma(t, t, c.add(t, t)));
  Value result = log1pOrLog2x(c, x, c.add(t, root));
  return c.select(c.less(x, c.constant(1)), c.constant(kNaN), result);
}

Value atanh(FloatCode &c, Value x) {
  Value a = c.abs(x);
  Value argument = c.div(c.add(a, a), c.sub(c.constant(1), a));
  Value result = c.mul(c.constant(0.5f), log1p(c, argument));
  return c.copySign(result, x);
}

/// log2(x) in f64 for x >= 0.
Value log2Wide(FloatCode &c, Value x) {
  Split parts = splitWithDenormals(c, x);
  Value m = c.extend(parts.mantissa);
  Value one = c.constant64(1);
  Value s = c.div(c.sub(m, one), c.add(m, one));
  Value square = c.mul(s, s);
  Value p = c.constant64(kPowLog2[std::size(kPowLog2) - 1]);
  for (double coefficient : llvm::reverse(ArrayRef(kPowLog2).drop_back()))
    p = c.fma(p, square, c.constant64(coefficient));
  Value result = c.fma(s, p, c.extend(parts.k));
  Value wide = c.extend(x);
  result = c.select(c.less(x, c.constant(kInfinity)), result, wide);
  return c.select(c.equal(x, c.constant(0)), c.constant64(-kInfinity), result);
}

/// 2^t in f32 for t in f64; below 2^-126: 0.
Value exp2OfWide(FloatCode &c, Value t) {
  // Keeps t's integer part within the magic's reach; NaN passes.
  Value high = c.constant64(200), low = c.constant64(-200);
  Value clamped = c.select(c.greater(t, high), high, t);
  clamped = c.select(c.less(clamped, low), low, clamped);
  Value magic = c.constant64(0x1.8p52);
  Value shifted = c.add(clamped, magic);
  Value r = c.truncate(c.sub(clamped, c.sub(shifted, magic)));
  Value n = c.convert<arith::TruncIOp>(
      c.i32, c.convert<arith::BitcastOp>(c.i64, shifted));
  Value p = c.polynomial(r, kExp2);
  Value result =
      c.fromBits(c.iadd(c.bits(p), c.shl(n, c.integer(kMantissaBits))));
  result = c.select(c.greaterEqual(t, c.constant64(128)), c.constant(kInfinity),
                    result);
  result = c.select(c.less(t, c.constant64(-126)), c.constant(0), result);
  Value isNaN = c.create<arith::CmpFOp>(arith::CmpFPredicate::UNO, t, t);
  return c.select(isNaN, c.constant(kNaN), result);
}

/// Whether x >= 0 has no fraction.
Value isInteger(FloatCode &c, Value x) {
  Value limit = c.constant(0x1p23f);
  Value rounded = c.sub(c.add(x, limit), limit);
  return c.either(c.greaterEqual(x, limit), c.equal(rounded, x));
}

Value pow(FloatCode &c, Value x, Value y) {
  Value zero = c.constant(0), one = c.constant(1);
  Value a = c.abs(x), b = c.abs(y);
  Value result = exp2OfWide(c, c.mul(log2Wide(c, a), c.extend(y)));

  Value yIsInteger = isInteger(c, b);
  Value halfIsInteger = isInteger(c, c.mul(b, c.constant(0.5f)));
  Value negative = c.create<arith::CmpIOp>(arith::CmpIPredicate::slt, c.bits(x),
                                           c.integer(0));
  Value odd = c.select(halfIsInteger, c.boolean(false), yIsInteger);
  result = c.select(c.both(negative, odd), c.neg(result), result);
  // A negative number to a power that is no integer.
  Value wrong = c.select(yIsInteger, c.boolean(false), c.less(x, zero));
  Value finite = c.less(a, c.constant(kInfinity));
  result = c.select(c.both(wrong, finite), c.constant(kNaN), result);
  // 1 whatever the other operand is, NaN included; and (-1)^inf.
  Value isOne = c.either(c.equal(x, one), c.equal(y, zero));
  Value unitToInfinity =
      c.both(c.equal(a, one), c.equal(b, c.constant(kInfinity)));
  return c.select(c.either(isOne, unitToInfinity), one, result);
}

} // namespace

Value emitLog(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::LogOp>(
      b, x, [](FloatCode &c, ValueRange v) { return log(c, v[0]); });
}

Value emitLog2(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::Log2Op>(
      b, x, [](FloatCode &c, ValueRange v) { return log2(c, v[0]); });
}

Value emitLog10(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::Log10Op>(b, x, [](FloatCode &c, ValueRange v) {
    return c.mul(log(c, v[0]), c.constant(0.43429448f));
  });
}

Value emitLog1p(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::Log1pOp>(
      b, x, [](FloatCode &c, ValueRange v) { return log1p(c, v[0]); });
}

Value emitAsinh(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::AsinhOp>(
      b, x, [](FloatCode &c, ValueRange v) { return asinh(c, v[0]); });
}

Value emitAcosh(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::AcoshOp>(
      b, x, [](FloatCode &c, ValueRange v) { return acosh(c, v[0]); });
}

Value emitAtanh(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::AtanhOp>(
      b, x, [](FloatCode &c, ValueRange v) { return atanh(c, v[0]); });
}

Value emitPow(ImplicitLocOpBuilder &b, Value x, Value y) {
  return emitInF32<math::PowFOp>(
      b, {x, y}, [](FloatCode &c, ValueRange v) { return pow(c, v[0], v[1]); });
}

Value emitRsqrt(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::RsqrtOp>(b, x, [](FloatCode &c, ValueRange v) {
    return c.div(c.constant(1), c.sqrt(v[0]));
  });
}

} // namespace dlc
