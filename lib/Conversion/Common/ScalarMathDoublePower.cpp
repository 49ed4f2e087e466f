// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// pow, erf and the inverse hyperbolic functions on f64. The polynomials are
// Taylor's.
#include "DoubleCode.h"

#include <cmath>
#include <numbers>
#include <tuple>

using namespace mlir;

namespace dlc {

namespace {

constexpr double kInfinity = DoubleCode::kInfinity, kNaN = DoubleCode::kNaN;
constexpr double kLn2 = kLn2High + kLn2Low;
// 2 / sqrt(pi).
constexpr double kErfSlopeHigh = 0x1.20dd750429b6dp+0,
                 kErfSlopeLow = 0x1.1ae3a914fed80p-56;

/// log(x) to about 2^-64 of it, for finite x > 0: 2 atanh(s) with
/// s = f / (2 + f), where all that is above the last bits has two parts.
DoubleSum logInParts(DoubleCode &c, Value x) {
  LogParts parts = splitForLog(c, x);
  DoubleSum den = addInOrder(c, c.number(2), parts.f);
  Value s = c.div(parts.f, den.high), back = c.neg(s);
  Value left = c.fma(back, den.low, c.fma(back, den.high, parts.f));
  Value sLow = c.div(left, den.high);
  // 2/3 + 2/5 s^2 + 2/7 s^4 + ...
  DoubleSum z = multiplyExactly(c, s, s);
  z.low = c.fma(c.add(s, s), sLow, z.low);
  Value tail = c.series(z.high, 2, 13, [](int k) { return 2.0 / (2 * k + 1); });
  DoubleSum q = addInOrder(c, c.number(2.0 / 3), c.mul(z.high, tail));
  q.low = c.add(q.low, c.number(0x1.5555555555555p-55));
  auto times = [&](DoubleSum p, Value high, Value low) {
    DoubleSum product = multiplyExactly(c, p.high, high);
    product.low = c.fma(p.high, low, product.low);
    product.low = c.fma(p.low, high, product.low);
    return product;
  };
  DoubleSum cubic = times(times(q, z.high, z.low), s, sLow);
  DoubleSum log = addInOrder(c, c.add(s, s), cubic.high);
  log.low = c.add(log.low, c.add(cubic.low, c.add(sLow, sLow)));
  DoubleSum sum = addExactly(c, c.mul(parts.k, c.number(kLn2High)), log.high);
  Value low = c.fma(parts.k, c.number(kLn2Low), log.low);
  return addInOrder(c, sum.high, c.add(sum.low, low));
}

/// Whether x >= 0 has no fraction.
Value isInteger(DoubleCode &c, Value x) {
  Value limit = c.number(0x1p52);
  Value rounded = c.sub(c.add(x, limit), limit);
  return c.either(c.greaterEqual(x, limit), c.equal(rounded, x));
}

/// |x|^y.
Value powerOfMagnitude(DoubleCode &c, Value a, Value y) {
  DoubleSum log = logInParts(c, a);
  Value isZero = c.equal(a, c.number(0));
  Value isInfinite = c.equal(a, c.number(kInfinity));
  Value high = c.select(isZero, c.number(-kInfinity), log.high);
  high = c.select(isInfinite, c.number(kInfinity), high);
  DoubleSum t = multiplyExactly(c, y, high);
  Value low = c.fma(y, log.low, t.low);
  // Beyond the range of exp the low part may be no number.
  Value inRange = c.less(c.abs(t.high), c.number(800));
  return emitDoubleExp(c, t.high, c.select(inRange, low, c.number(0)));
}

/// The terms of erf's series at 0, and at `centre`: the n-th derivative of erf
/// is 2 / sqrt(pi) (-1)^(n - 1) H(n - 1) exp(-centre^2) with Hermite's H.
double erfTerm(int n) {
  return (n % 2 ? -2 : 2) /
         (std::sqrt(std::numbers::pi) * std::tgamma(n + 1.0) * (2 * n + 1));
}
double erfTermAt(double centre, int n) {
  if (n == 0)
    return std::erf(centre);
  double before = 0, hermite = 1;
  for (int i = 1; i < n; ++i)
    std::tie(before, hermite) =
        std::pair(hermite, 2 * centre * hermite - 2 * (i - 1) * before);
  return (n % 2 ? 2 : -2) / std::sqrt(std::numbers::pi) *
         std::exp(-centre * centre) * hermite / std::tgamma(n + 1.0);
}

/// erf(a) for a < 1: 2 / sqrt(pi) times the sum of (-z)^n a / (n! (2n + 1)).
Value erfOfSmall(DoubleCode &c, Value a, Value z) {
  Value tail = c.series(z, 1, 19, erfTerm);
  Value rest = c.fma(z, tail, c.number(kErfSlopeLow));
  return c.fma(a, c.number(kErfSlopeHigh), c.mul(a, rest));
}

/// For 1 <= a < 2.5: the series at the nearest of 1.25, 1.75 and 2.25.
Value erfOfMedium(DoubleCode &c, Value a) {
  constexpr int kTerms = 21;
  Value isFirst = c.less(a, c.number(1.5)), isThird = c.less(c.number(2), a);
  auto choose = [&](double first, double second, double third) {
    Value other = c.select(isThird, c.number(third), c.number(second));
    return c.select(isFirst, c.number(first), other);
  };
  Value h = c.sub(a, choose(1.25, 1.75, 2.25));
  Value result = c.number(0);
  for (int n = kTerms - 1; n >= 0; --n)
    result = c.fma(
        result, h,
        choose(erfTermAt(1.25, n), erfTermAt(1.75, n), erfTermAt(2.25, n)));
  return result;
}

/// For 2.5 <= a < 6: 1 - erfc by Laplace's continued fraction
/// exp(-z) / sqrt(pi) / (a + 1/2 / (a + 2/2 / (a + 3/2 / ...))).
Value erfOfLarge(DoubleCode &c, Value a, Value e) {
  constexpr int kLevels = 40;
  Value num = c.number(1), den = a;
  Value numBefore = c.number(0), denBefore = c.number(1);
  for (int i = 1; i < kLevels; ++i) {
    Value factor = c.number(0.5 * i);
    Value nextNum = c.fma(a, num, c.mul(factor, numBefore));
    Value nextDen = c.fma(a, den, c.mul(factor, denBefore));
    std::tie(numBefore, num) = std::pair(num, nextNum);
    std::tie(denBefore, den) = std::pair(den, nextDen);
  }
  Value complement =
      c.mul(c.mul(e, c.number(kErfSlopeHigh / 2)), c.div(num, den));
  return c.sub(c.number(1), complement);
}

// From here on, x^2 + 1 is x^2.
constexpr double kSquareAlone = 0x1p28;

/// log(2 a) for a from kSquareAlone on, else `inside`.
Value finishArea(DoubleCode &c, Value a, Value inside) {
  Value outside = c.add(emitDoubleLog(c, a), c.number(kLn2));
  return c.select(c.less(a, c.number(kSquareAlone)), inside, outside);
}

Value limit(DoubleCode &c, Value a) {
  Value most = c.number(kSquareAlone);
  return c.select(c.greater(a, most), most, a);
}

} // namespace

Value emitDoublePow(DoubleCode &c, Value x, Value y) {
  Value a = c.abs(x), b = c.abs(y), one = c.number(1);
  Value result = powerOfMagnitude(c, a, y);
  Value yIsInteger = isInteger(c, b);
  Value isEven = isInteger(c, c.mul(b, c.number(0.5)));
  Value odd = c.select(isEven, c.boolean(false), yIsInteger);
  result = c.negateIf(c.both(c.isNegative(x), odd), result);
  // A negative number to a power that is no integer.
  Value below = c.less(x, c.number(0));
  Value wrong = c.select(yIsInteger, c.boolean(false), below);
  wrong = c.both(wrong, c.less(a, c.number(kInfinity)));
  wrong = c.either(wrong, c.isUnordered(x, y));
  result = c.select(wrong, c.number(kNaN), result);
  // 1 whatever the other operand is, NaN included; and (-1)^inf.
  Value isOne = c.either(c.equal(x, one), c.equal(y, c.number(0)));
  Value unitToInfinity =
      c.both(c.equal(a, one), c.equal(b, c.number(kInfinity)));
  return c.select(c.either(isOne, unitToInfinity), one, result);
}

Value emitDoubleErf(DoubleCode &c, Value x) {
  Value a = c.abs(x), six = c.number(6), one = c.number(1);
  Value isBelowSix = c.less(a, six);
  Value inside = c.select(isBelowSix, a, six);
  DoubleSum z = multiplyExactly(c, inside, inside);
  Value e = emitDoubleExp(c, c.neg(z.high), c.neg(z.low));
  Value result = c.select(isBelowSix, erfOfLarge(c, inside, e), one);
  result = c.select(c.less(a, c.number(2.5)), erfOfMedium(c, inside), result);
  result = c.select(c.less(a, one), erfOfSmall(c, inside, z.high), result);
  return c.select(c.isUnordered(x, x), x, c.copySign(result, x));
}

Value emitDoubleAsinh(DoubleCode &c, Value x) {
  Value a = c.abs(x), inside = limit(c, a), one = c.number(1);
  Value square = c.mul(inside, inside);
  Value root = c.sqrt(c.add(square, one));
  Value area =
      emitDoubleLog1p(c, c.add(inside, c.div(square, c.add(root, one))));
  return c.copySign(finishArea(c, a, area), x);
}

Value emitDoubleAcosh(DoubleCode &c, Value x) {
  Value one = c.number(1);
  Value t = c.sub(limit(c, x), one);
  Value root = c.sqrt(c.mul(t, c.add(t, c.number(2))));
  Value result = finishArea(c, x, emitDoubleLog1p(c, c.add(t, root)));
  return c.select(c.less(x, one), c.number(kNaN), result);
}

Value emitDoubleAtanh(DoubleCode &c, Value x) {
  Value a = c.abs(x);
  Value ratio = c.div(c.add(a, a), c.sub(c.number(1), a));
  Value result = c.mul(c.number(0.5), emitDoubleLog1p(c, ratio));
  return c.copySign(result, x);
}

} // namespace dlc
