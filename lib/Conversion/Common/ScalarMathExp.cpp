// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// exp and its relatives, tanh and erf. Coefficients: utils/fit-math.py.
#include "Conversion/Common/ScalarMath.h"

#include "FloatCode.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLog2E = 1.442695e+00f;
constexpr float kLn2High = 6.931472e-01f;
constexpr float kLn2Low = -1.9046542e-09f;
// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
constexpr float kRoundMagic = 12582912.0f;
constexpr int kMantissaBits = 23;

// exp(r) = 1 + r + r^2 sum c_k r^k on |r| <= ln(2) / 2.
constexpr float kExp[] = {1.0f,           1.0f,          4.9999994e-01f,
                          1.6666521e-01f, 4.166833e-02f, 8.368706e-03f,
                          1.3814573e-03f};
// expm1(r) = r + r^2 sum c_k r^k there.
constexpr float kExpm1[] = {5.e-01f,       1.6666667e-01f, 4.1666392e-02f,
                            8.333196e-03f, 1.3943267e-03f, 1.996214e-04f};
// 2^r on |r| <= 1/2.
constexpr float kExp2[] = {1.0f,          6.9314724e-01f, 2.4022654e-01f,
                           5.5503e-02f,   9.6177e-03f,    1.3406627e-03f,
                           1.5594818e-04f};
// sinh(x) = x + x^3 sum c_k x^2k on |x| <= 1.
constexpr float kSinh[] = {1.6666667e-01f, 8.333342e-03f, 1.9836135e-04f,
                           2.816945e-06f};
// tanh(x) = x + x^3 sum c_k x^2k on |x| <= 5/8.
constexpr float kTanh[] = {-3.333333e-01f, 1.3333207e-01f, -5.3946756e-02f,
                           2.1700704e-02f, -8.177399e-03f, 2.1429642e-03f};
// erf(x) = x + x sum c_k x^2k on |x| <= 1.
constexpr float kErf[] = {1.2837917e-01f,  -3.7612626e-01f, 1.12835854e-01f,
                          -2.6853813e-02f, 5.1883264e-03f,  -8.0101937e-04f,
                          7.8538564e-05f};
// erfc(x) = (sum c_k x^k)^4 on 1 <= x <= kErfOne.
constexpr float kErfcRoot[] = {
    1.0021747e+00f,  -2.9357094e-01f, -9.33467e-02f,
    -1.7483352e-02f, 4.3816525e-02f,  -1.275314e-02f,
    7.7683595e-04f,  1.7781762e-04f,  -2.2261855e-05f};
// From here on, erf is 1 in f32.
constexpr float kErfOne = 3.93f;

/// x = n ln(2) + remainder, with n << 23 ready to be added to a float's bits.
struct Reduced {
  Value remainder;
  Value n;
  Value exponent;
};

Reduced reduceByLn2(FloatCode &c, Value x) {
  Value magic = c.constant(kRoundMagic);
  Value shifted = c.fma(x, c.constant(kLog2E), magic);
  Value n = c.sub(shifted, magic);
  Value remainder = c.fma(n, c.constant(-kLn2High), x);
  remainder = c.fma(n, c.constant(-kLn2Low), remainder);
  Value exponent = c.shl(c.bits(shifted), c.integer(kMantissaBits));
  return {remainder, n, exponent};
}

/// value * 2^n, where the result is normal or overflows.
Value scale(FloatCode &c, Value value, Value exponent) {
  return c.fromBits(c.iadd(c.bits(value), exponent));
}

/// `result` for low <= x <= high, 0 below, infinity above, NaN for NaN.
Value clampResult(FloatCode &c, Value x, float low, float high, Value result) {
  Value overflow = c.mul(x, c.constant(kInfinity));
  result = c.select(c.lessEqual(x, c.constant(high)), result, overflow);
  return c.select(c.less(x, c.constant(low)), c.constant(0), result);
}

// ln(2^-126) rounded up, and the largest argument that does not overflow.
constexpr float kExpLow = -87.33654022f;
constexpr float kExpHigh = 88.72283172607422f;

Value exp(FloatCode &c, Value x) {
  Reduced reduced = reduceByLn2(c, x);
  Value result =
      scale(c, c.polynomial(reduced.remainder, kExp), reduced.exponent);
  return clampResult(c, x, kExpLow, kExpHigh, result);
}

/// exp(x) / 2 for 0 <= x; does not overflow before exp(x) / 2 does.
Value halfExp(FloatCode &c, Value x) {
  Reduced reduced = reduceByLn2(c, x);
  Value exponent = c.isub(reduced.exponent, c.integer(1 << kMantissaBits));
  Value result = scale(c, c.polynomial(reduced.remainder, kExp), exponent);
  Value overflow = c.mul(x, c.constant(kInfinity));
  return c.select(c.lessEqual(x, c.constant(89.41598510742188f)), result,
                  overflow);
}

Value exp2Core(FloatCode &c, Value x) {
  Value magic = c.constant(kRoundMagic);
  Value shifted = c.add(x, magic);
  Value remainder = c.sub(x, c.sub(shifted, magic));
  Value exponent = c.shl(c.bits(shifted), c.integer(kMantissaBits));
  return scale(c, c.polynomial(remainder, kExp2), exponent);
}

Value exp2(FloatCode &c, Value x) {
  // 128 itself overflows in the scaling: its bits are those of infinity.
  return clampResult(c, x, -126.0f, 128.0f, exp2Core(c, x));
}

Value expm1(FloatCode &c, Value x) {
  Reduced reduced = reduceByLn2(c, x);
  Value r = reduced.remainder;
  Value p = c.fma(c.mul(r, r), c.polynomial(r, kExpm1), r);
  // 2^n (p + 1) - 1, at half size because 2^128 is no float.
  Value half = c.fromBits(
      c.iadd(reduced.exponent, c.integer((127 - 1) << kMantissaBits)));
  Value result = c.fma(half, p, c.sub(half, c.constant(0.5f)));
  result = c.add(result, result);
  // Below, expm1 is -1 in f32.
  Value overflow = c.mul(x, c.constant(kInfinity));
  result = c.select(c.lessEqual(x, c.constant(kExpHigh)), result, overflow);
  result = c.select(c.less(x, c.constant(-17.5f)), c.constant(-1), result);
  // Keeps the sign of zero and the last bit of denormals.
  return c.select(c.less(c.abs(x), c.constant(0x1p-25f)), x, result);
}

// kRoundMagic with the exponent's bias added: low bits n + 127, which shifted
// up are the float 2^n, or 0 for n = -127.
constexpr float kBiasedMagic = kRoundMagic + 127;

/// The larger of x and `low`; NaN for NaN. One vmaxps.
Value atLeast(FloatCode &c, Value x, float low) {
  Value limit = c.constant(low);
  return c.select(c.greater(limit, x), limit, x);
}

/// 2^n for the sum `shifted` of kBiasedMagic and n, -127 <= n <= 127.
Value powerOfTwo(FloatCode &c, Value shifted) {
  return c.fromBits(c.shl(c.bits(shifted), c.integer(kMantissaBits)));
}

/// A product with 2^n, unlike an addition to the exponent, keeps NaN, and is 0
/// where the argument was clamped.
Value expNonPositive(FloatCode &c, Value x) {
  x = atLeast(c, x, -88.0f);
  Value magic = c.constant(kBiasedMagic);
  Value shifted = c.fma(x, c.constant(kLog2E), magic);
  Value n = c.sub(shifted, magic);
  Value remainder = c.fma(n, c.constant(-kLn2High), x);
  remainder = c.fma(n, c.constant(-kLn2Low), remainder);
  return c.mul(c.polynomial(remainder, kExp), powerOfTwo(c, shifted));
}

Value exp2NonPositive(FloatCode &c, Value x) {
  x = atLeast(c, x, -127.0f);
  Value magic = c.constant(kBiasedMagic);
  Value shifted = c.add(x, magic);
  Value remainder = c.sub(x, c.sub(shifted, magic));
  return c.mul(c.polynomial(remainder, kExp2), powerOfTwo(c, shifted));
}

Value sinh(FloatCode &c, Value x) {
  Value magnitude = c.abs(x);
  Value square = c.mul(x, x);
  Value small = c.fma(c.mul(x, square), c.polynomial(square, kSinh), x);
  Value half = halfExp(c, magnitude);
  Value large = c.sub(half, c.div(c.constant(0.25f), half));
  return c.select(c.less(magnitude, c.constant(1)), small,
                  c.copySign(large, x));
}

Value cosh(FloatCode &c, Value x) {
  Value half = halfExp(c, c.abs(x));
  return c.add(half, c.div(c.constant(0.25f), half));
}

// Near 1, where floats lie twice as dense as above it, both functions below are
// 1 minus something small: a quotient of polynomials costs 4 roundings there.

Value tanh(FloatCode &c, Value x) {
  Value square = c.mul(x, x);
  Value small = c.fma(c.mul(x, square), c.polynomial(square, kTanh), x);
  // 1 - 2 / (exp(2 a) + 1).
  Value a = c.abs(x), ten = c.constant(10), one = c.constant(1);
  Value clamped = c.select(c.greater(a, ten), ten, a);
  Reduced reduced = reduceByLn2(c, c.add(clamped, clamped));
  Value e = scale(c, c.polynomial(reduced.remainder, kExp), reduced.exponent);
  Value large = c.sub(one, c.div(c.constant(2), c.add(e, one)));
  Value result = c.select(c.greater(a, c.constant(0.625f)), large, small);
  return c.copySign(result, x);
}

Value erf(FloatCode &c, Value x) {
  Value small = c.fma(x, c.polynomial(c.mul(x, x), kErf), x);
  Value a = c.abs(x), end = c.constant(kErfOne), one = c.constant(1);
  Value root = c.polynomial(c.select(c.greater(a, end), end, a), kErfcRoot);
  Value square = c.mul(root, root);
  Value large = c.fma(c.neg(square), square, one);
  return c.select(c.less(a, one), small, c.copySign(large, x));
}

} // namespace

Value emitExp(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::ExpOp>(
      b, x, [](FloatCode &c, ValueRange v) { return exp(c, v[0]); });
}

Value emitExp2(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::Exp2Op>(
      b, x, [](FloatCode &c, ValueRange v) { return exp2(c, v[0]); });
}

Value emitExpNonPositive(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::ExpOp>(
      b, x, [](FloatCode &c, ValueRange v) { return expNonPositive(c, v[0]); });
}

Value emitExp2NonPositive(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::Exp2Op>(b, x, [](FloatCode &c, ValueRange v) {
    return exp2NonPositive(c, v[0]);
  });
}

Value emitExpm1(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::ExpM1Op>(
      b, x, [](FloatCode &c, ValueRange v) { return expm1(c, v[0]); });
}

Value emitSinh(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::SinhOp>(
      b, x, [](FloatCode &c, ValueRange v) { return sinh(c, v[0]); });
}

Value emitCosh(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::CoshOp>(
      b, x, [](FloatCode &c, ValueRange v) { return cosh(c, v[0]); });
}

Value emitTanh(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::TanhOp>(
      b, x, [](FloatCode &c, ValueRange v) { return tanh(c, v[0]); });
}

Value emitErf(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::ErfOp>(
      b, x, [](FloatCode &c, ValueRange v) { return erf(c, v[0]); });
}

} // namespace dlc
