// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Trigonometric functions and their inverses. Coefficients: utils/fit-math.py.
#include "Conversion/Common/ScalarMath.h"

#include "FloatCode.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kRoundMagic = 12582912.0f; // 1.5 * 2^23, see ScalarMathExp.cpp
constexpr float kTwoOverPi = 6.3661975e-01f;
// pi / 2 in three parts.
constexpr float kHalfPi[] = {1.5707964e+00f, -4.371139e-08f, -1.7151245e-15f};
constexpr float kPi = 3.1415927e+00f;
// The bits of 2 / pi behind the binary point, after one word of zeros.
constexpr uint32_t kTwoOverPiBits[] = {0x00000000, 0xa2f9836e, 0x4e441529,
                                       0xfc2757d1, 0xf534ddc0, 0xdb629599,
                                       0x3c439041, 0xfe5163ab, 0xdebbc561};
// Up to here three parts of pi / 2 suffice.
constexpr float kCodyWaiteLimit = 1e5f;

// sin(r) = r + r^3 sum c_k r^2k, cos(r) = 1 - r^2 / 2 + r^4 sum c_k r^2k on
// |r| <= pi / 4.
constexpr float kSin[] = {-1.6666655e-01f, 8.332174e-03f, -1.9515153e-04f};
constexpr float kCos[] = {1.0f, -0.5f, 4.1666646e-02f, -1.3887314e-03f,
                          2.4433157e-05f};
// asin(x) = x + x^3 sum c_k x^2k on |x| <= 1/2.
constexpr float kAsin[] = {1.6666755e-01f, 7.495205e-02f, 4.548273e-02f,
                           2.411365e-02f, 4.2285696e-02f};
// atan(x) = x + x^3 sum c_k x^2k on |x| <= 1.
constexpr float kAtan[] = {-3.33333e-01f,   1.9998547e-01f, -1.4264242e-01f,
                           1.0952189e-01f,  -8.403457e-02f, 5.79577e-02f,
                           -3.1177947e-02f, 1.0914655e-02f, -1.7936324e-03f};

/// x = quadrant * pi / 2 + remainder; only quadrant modulo 4 is meant.
struct Angle {
  Value quadrant;
  Value remainder;
};

/// Cody and Waite: subtracts a multiple of pi / 2 in parts.
Angle reduceSmall(FloatCode &c, Value x) {
  Value magic = c.constant(kRoundMagic);
  Value shifted = c.fma(x, c.constant(kTwoOverPi), magic);
  Value n = c.sub(shifted, magic);
  Value remainder = x;
  for (float part : kHalfPi)
    remainder = c.fma(n, c.constant(-part), remainder);
  return {c.bits(shifted), remainder};
}

/// Words first, first + 1, ... of kTwoOverPiBits, for 0 <= first <= 4.
SmallVector<Value> pickWords(FloatCode &c, Value first, unsigned count) {
  SmallVector<Value> isWord;
  for (int word = 1; word <= 4; ++word)
    isWord.push_back(c.isZero(c.ixor(first, c.integer(word))));
  SmallVector<Value> words;
  for (unsigned k = 0; k < count; ++k) {
    Value picked = c.integer(kTwoOverPiBits[k]);
    for (int word = 1; word <= 4; ++word)
      picked = c.select(isWord[word - 1], c.integer(kTwoOverPiBits[word + k]),
                        picked);
    words.push_back(picked);
  }
  return words;
}

/// Payne and Hanek: multiplies x >= kCodyWaiteLimit by those 96 bits of 2 / pi
/// that matter for the product modulo 4.
Angle reduceLarge(FloatCode &c, Value x) {
  Value bits = c.bits(x);
  Value mantissa =
      c.ior(c.iand(bits, c.integer(0x007fffff)), c.integer(0x00800000));
  // x = mantissa * 2^(e - 150); bits of 2 / pi of weight 2^-j with
  // j <= e - 152 give multiples of 4. Counted with the zero word, the first
  // bit that matters is number e - 120.
  Value position = c.isub(c.shr(bits, c.integer(23)), c.integer(120));
  Value shift = c.iand(position, c.integer(31));
  Value antiShift = c.isub(c.integer(31), shift);
  SmallVector<Value> words =
      pickWords(c, c.shr(position, c.integer(5)), /*count=*/4);
  auto window = [&](unsigned k) {
    Value low = c.shr(c.shr(words[k + 1], c.integer(1)), antiShift);
    return c.ior(c.shl(words[k], shift), low);
  };
  auto widen = [&](Value v) { return c.convert<arith::ExtUIOp>(c.i64, v); };
  Value wideMantissa = widen(mantissa);
  Value high = c.shl(widen(c.imul(mantissa, window(0))), c.integer64(32));
  Value middle = c.imul(wideMantissa, widen(window(1)));
  Value low = c.shr(c.imul(wideMantissa, widen(window(2))), c.integer64(32));
  // The product modulo 4, in units of 2^-62.
  Value product = c.iadd(high, c.iadd(middle, low));
  Value quadrant =
      c.shr(c.iadd(product, c.integer64(int64_t(1) << 61)), c.integer64(62));
  Value rest = c.isub(product, c.shl(quadrant, c.integer64(62)));
  Value fraction = c.toFloat(rest);
  Value remainder = c.fma(fraction, c.constant(kHalfPi[0] * 0x1p-62f),
                          c.mul(fraction, c.constant(kHalfPi[1] * 0x1p-62f)));
  return {c.convert<arith::TruncIOp>(c.i32, quadrant), remainder};
}

Angle reduceAngle(FloatCode &c, Value x) {
  Angle small = reduceSmall(c, x);
  Value magnitude = c.abs(x);
  Angle large = reduceLarge(c, magnitude);
  Value isNegative = c.less(x, c.constant(0));
  large.remainder =
      c.select(isNegative, c.neg(large.remainder), large.remainder);
  large.quadrant = c.select(isNegative, c.isub(c.integer(0), large.quadrant),
                            large.quadrant);
  // For NaN and infinities the small path gives NaN.
  Value isLarge = c.both(c.greater(magnitude, c.constant(kCodyWaiteLimit)),
                         c.less(magnitude, c.constant(kInfinity)));
  return {c.select(isLarge, large.quadrant, small.quadrant),
          c.select(isLarge, large.remainder, small.remainder)};
}

Value sinOfRemainder(FloatCode &c, Value r) {
  Value square = c.mul(r, r);
  return c.fma(c.mul(r, square), c.polynomial(square, kSin), r);
}

Value cosOfRemainder(FloatCode &c, Value r) {
  return c.polynomial(c.mul(r, r), kCos);
}

/// Flips the sign of `value` where bit 1 of `quadrant` is set.
Value flipSign(FloatCode &c, Value value, Value quadrant) {
  Value sign = c.shl(c.iand(quadrant, c.integer(2)), c.integer(30));
  return c.fromBits(c.ixor(c.bits(value), sign));
}

Value isEven(FloatCode &c, Value quadrant) {
  return c.isZero(c.iand(quadrant, c.integer(1)));
}

/// Keeps the sign of zero, which the polynomials lose.
Value keepZero(FloatCode &c, Value x, Value result) {
  return c.select(c.equal(x, c.constant(0)), x, result);
}

Value sin(FloatCode &c, Value x) {
  Angle angle = reduceAngle(c, x);
  Value result =
      c.select(isEven(c, angle.quadrant), sinOfRemainder(c, angle.remainder),
               cosOfRemainder(c, angle.remainder));
  return keepZero(c, x, flipSign(c, result, angle.quadrant));
}

Value cos(FloatCode &c, Value x) {
  Angle angle = reduceAngle(c, x);
  Value result =
      c.select(isEven(c, angle.quadrant), cosOfRemainder(c, angle.remainder),
               sinOfRemainder(c, angle.remainder));
  return flipSign(c, result, c.iadd(angle.quadrant, c.integer(1)));
}

Value tan(FloatCode &c, Value x) {
  Angle angle = reduceAngle(c, x);
  Value sine = sinOfRemainder(c, angle.remainder);
  Value cosine = cosOfRemainder(c, angle.remainder);
  Value even = isEven(c, angle.quadrant);
  Value result =
      c.div(c.select(even, sine, c.neg(cosine)), c.select(even, cosine, sine));
  return keepZero(c, x, result);
}

/// asin(s), given s and s^2 <= 1/4.
Value asinCore(FloatCode &c, Value s, Value square) {
  return c.fma(c.mul(s, square), c.polynomial(square, kAsin), s);
}

Value asin(FloatCode &c, Value x) {
  // asin(a) = pi / 2 - 2 asin(sqrt((1 - a) / 2)).
  Value half = c.constant(0.5f);
  Value a = c.abs(x);
  Value isLarge = c.greater(a, half);
  Value square =
      c.select(isLarge, c.fma(a, c.constant(-0.5f), half), c.mul(x, x));
  Value s = c.select(isLarge, c.sqrt(square), a);
  Value inner = asinCore(c, s, square);
  Value outer = c.fma(c.constant(-2), inner, c.constant(kHalfPi[1]));
  outer = c.add(c.constant(kHalfPi[0]), outer);
  return c.copySign(c.select(isLarge, outer, inner), x);
}

Value acos(FloatCode &c, Value x) {
  Value half = c.constant(0.5f);
  Value a = c.abs(x);
  Value isLarge = c.greater(a, half);
  Value square =
      c.select(isLarge, c.fma(a, c.constant(-0.5f), half), c.mul(x, x));
  Value s = c.select(isLarge, c.sqrt(square), x);
  Value inner = asinCore(c, s, square);
  Value twice = c.add(inner, inner);
  Value large =
      c.select(c.less(x, c.constant(0)), c.sub(c.constant(kPi), twice), twice);
  Value small =
      c.sub(c.constant(kHalfPi[0]), c.sub(inner, c.constant(kHalfPi[1])));
  return c.select(isLarge, large, small);
}

Value atanCore(FloatCode &c, Value t) {
  Value square = c.mul(t, t);
  return c.fma(c.mul(t, square), c.polynomial(square, kAtan), t);
}

Value atan(FloatCode &c, Value x) {
  Value one = c.constant(1);
  Value a = c.abs(x);
  Value isLarge = c.greater(a, one);
  Value t = c.div(c.select(isLarge, c.neg(one), a), c.select(isLarge, a, one));
  Value inner = atanCore(c, t);
  Value result = c.select(isLarge, c.add(c.constant(kHalfPi[0]), inner), inner);
  return c.copySign(result, x);
}

Value atan2(FloatCode &c, Value y, Value x) {
  Value zero = c.constant(0), infinity = c.constant(kInfinity);
  Value a = c.abs(x), b = c.abs(y);
  Value steep = c.greater(b, a);
  Value numerator = c.select(steep, a, b);
  Value denominator = c.select(steep, b, a);
  Value t = c.div(numerator, denominator);
  t = c.select(c.equal(denominator, zero), zero, t);
  t = c.select(c.equal(numerator, infinity), c.constant(1), t);
  Value result = atanCore(c, t);
  result = c.select(steep, c.sub(c.constant(kHalfPi[0]), result), result);
  Value xIsNegative = c.create<arith::CmpIOp>(arith::CmpIPredicate::slt,
                                              c.bits(x), c.integer(0));
  result = c.select(xIsNegative, c.sub(c.constant(kPi), result), result);
  // A NaN in x alone is not in the quotient when y is 0.
  Value isNaN = c.create<arith::CmpFOp>(arith::CmpFPredicate::UNO, x, y);
  result = c.select(isNaN, c.add(x, y), result);
  return c.copySign(result, y);
}

} // namespace

Value emitSin(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::SinOp>(
      b, x, [](FloatCode &c, ValueRange v) { return sin(c, v[0]); });
}

Value emitCos(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::CosOp>(
      b, x, [](FloatCode &c, ValueRange v) { return cos(c, v[0]); });
}

Value emitTan(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::TanOp>(
      b, x, [](FloatCode &c, ValueRange v) { return tan(c, v[0]); });
}

Value emitAsin(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::AsinOp>(
      b, x, [](FloatCode &c, ValueRange v) { return asin(c, v[0]); });
}

Value emitAcos(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::AcosOp>(
      b, x, [](FloatCode &c, ValueRange v) { return acos(c, v[0]); });
}

Value emitAtan(ImplicitLocOpBuilder &b, Value x) {
  return emitInF32<math::AtanOp>(
      b, x, [](FloatCode &c, ValueRange v) { return atan(c, v[0]); });
}

Value emitAtan2(ImplicitLocOpBuilder &b, Value y, Value x) {
  return emitInF32<math::Atan2Op>(b, {y, x}, [](FloatCode &c, ValueRange v) {
    return atan2(c, v[0], v[1]);
  });
}

} // namespace dlc
