// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sin, cos, tan and their inverses on f64. The polynomials are Taylor's.
#include "DoubleCode.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr double kHalfPiHigh = 0x1.921fb54442d18p+0,
                 kHalfPiLow = 0x1.1a62633145c07p-54;
constexpr double kQuarterPi = 0x1.921fb54442d18p-1;

// The bits of 2/pi behind the point, behind 64 zeros.
constexpr uint64_t kTwoOverPi[] = {0,
                                   0xa2f9836e4e441529,
                                   0xfc2757d1f534ddc0,
                                   0xdb6295993c439041,
                                   0xfe5163abdebbc561,
                                   0xb7246e3a424dd2e0,
                                   0x06492eea09d1921c,
                                   0xfe1deb1cb129a73e,
                                   0xe88235f52ebb4484,
                                   0xe99c7026b45f7e41,
                                   0x3991d639835339f4,
                                   0x9c845f8bbdf9283b,
                                   0x1ff897ffde05980f,
                                   0xef2f118b5a0a6d1f,
                                   0x6d367ecf27cb09b7,
                                   0x4f463f669e5fea2d,
                                   0x7527bac7ebe5f17b,
                                   0x3d0739f78a5292ea,
                                   0x6bfb5fb11f8d5d08,
                                   0x56033046fc7b6bab};

/// |x| = quadrant * pi/2 + high + low, |high| <= pi/4.
struct Angle {
  Value quadrant, high, low;
};

/// Three words of kTwoOverPi from bit `first` on, most significant first.
SmallVector<Value> loadWindow(DoubleCode &c, Value first) {
  auto isSet = [&](int bit) {
    Value masked = c.iand(first, c.integer64(int64_t(1) << bit));
    return c.create<arith::CmpIOp>(arith::CmpIPredicate::ne, masked,
                                   c.integer64(0));
  };
  SmallVector<Value> words;
  for (uint64_t word : kTwoOverPi) {
    words.push_back(c.integer64(static_cast<int64_t>(word)));
  }
  // Words are moved up by 16, 8, 4, 2 and 1, as the bits of the place say.
  for (int step = 16; step >= 1; step /= 2) {
    Value moves = isSet(6 + llvm::Log2_32(step));
    size_t needed = std::min<size_t>(step + 3, words.size() - step);
    for (size_t i = 0; i < needed; ++i) {
      words[i] = c.select(moves, words[i + step], words[i]);
    }
  }
  Value shift = c.iand(first, c.integer64(63));
  Value back = c.isub(c.integer64(63), shift);
  SmallVector<Value> window;
  for (int i = 0; i < 3; ++i) {
    Value following = c.shr(c.shr(words[i + 1], c.integer64(1)), back);
    window.push_back(c.ior(c.shl(words[i], shift), following));
  }
  return window;
}

/// Bits [128, 0) of a fraction of 192 bits: the upper half of each word, then
/// the lower, as floats that are exact; and their sum.
DoubleSum addWords(DoubleCode &c, Value first, Value second) {
  auto convert = [&](Value bits, double unit) {
    return c.mul(c.convert<arith::UIToFPOp>(c.f64, bits), c.number(unit));
  };
  auto split = [&](Value word, double unit) {
    Value upper = c.shr(word, c.integer64(32));
    Value lower = c.iand(word, c.integer64(0xffffffff));
    return addInOrder(c, convert(upper, unit), convert(lower, unit * 0x1p-32));
  };
  DoubleSum high = split(first, 0x1p-32), low = split(second, 0x1p-96);
  DoubleSum sum = addInOrder(c, high.high, low.high);
  return {sum.high, c.add(c.add(high.low, low.low), sum.low)};
}

/// By the method of Payne and Hanek (SIGNUM 18, 1983): of the product of x and
/// 2/pi only those bits are computed that are neither multiples of 4 nor too
/// small. No f64 is nearer to a multiple of pi/2 than about 2^-62, so that 128
/// bits of the fraction leave 66 that count.
Angle reduce(DoubleCode &c, Value x) {
  Value a = c.abs(x), bits = c.toBits(a);
  Value exponent = c.shr(bits, c.integer64(DoubleCode::kMantissaBits));
  constexpr int64_t kImplicit = int64_t(1) << DoubleCode::kMantissaBits;
  Value mantissa =
      c.ior(c.iand(bits, c.integer64(kImplicit - 1)), c.integer64(kImplicit));
  // The first bit of the window counts 2 once for each unit of the mantissa.
  Value first = c.iadd(exponent, c.integer64(10 - DoubleCode::kBias));
  SmallVector<Value> window = loadWindow(c, first);
  auto multiply = [&](Value word) {
    auto product = arith::MulUIExtendedOp::create(c.b, word, mantissa);
    return std::pair<Value, Value>(product.getLow(), product.getHigh());
  };
  Value third = c.imul(window[2], mantissa);
  Value thirdHigh = multiply(window[2]).second;
  auto [secondLow, secondHigh] = multiply(window[1]);
  Value second = c.iadd(thirdHigh, secondLow);
  Value carries =
      c.create<arith::CmpIOp>(arith::CmpIPredicate::ult, second, thirdHigh);
  Value top = c.iadd(c.imul(window[0], mantissa), secondHigh);
  top = c.iadd(top, c.convert<arith::ExtUIOp>(c.i64, carries));
  // Two bits of the quadrant, then the fraction; the nearer quadrant.
  Value two = c.integer64(2), rest = c.integer64(62);
  Value highWord = c.ior(c.shl(top, two), c.shr(second, rest));
  Value lowWord = c.ior(c.shl(second, two), c.shr(third, rest));
  Value sign = c.sar(highWord, c.integer64(63));
  Value quadrant = c.isub(c.shr(top, rest), sign);
  DoubleSum fraction =
      addWords(c, c.ixor(highWord, sign), c.ixor(lowWord, sign));
  DoubleSum angle = multiplyExactly(c, fraction.high, c.number(kHalfPiHigh));
  Value low = c.fma(fraction.high, c.number(kHalfPiLow), angle.low);
  low = c.fma(fraction.low, c.number(kHalfPiHigh), low);
  Value flips =
      c.create<arith::CmpIOp>(arith::CmpIPredicate::slt, sign, c.integer64(0));
  // Small angles are their own rest, with all of their bits.
  Value isSmall = c.lessEqual(a, c.number(kQuarterPi));
  return {c.select(isSmall, c.integer64(0), quadrant),
          c.select(isSmall, a, c.negateIf(flips, angle.high)),
          c.select(isSmall, c.number(0), c.negateIf(flips, low))};
}

double alternatingFactorial(int n, bool negative) {
  double result = negative ? -1 : 1;
  for (int i = 2; i <= n; ++i)
    result *= i;
  return 1 / result;
}

Value sinOfSmall(DoubleCode &c, const Angle &angle) {
  Value x = angle.high, z = c.mul(x, x);
  Value tail = c.series(z, 1, 8, [](int k) {
    return alternatingFactorial(2 * k + 1, k % 2 == 1);
  });
  Value slope = c.fma(z, c.number(-0.5), c.number(1));
  Value rest = c.fma(c.mul(x, z), tail, c.mul(angle.low, slope));
  return c.add(x, rest);
}

Value cosOfSmall(DoubleCode &c, const Angle &angle) {
  Value x = angle.high, z = c.mul(x, x), half = c.mul(z, c.number(0.5));
  Value tail = c.series(
      z, 2, 9, [](int k) { return alternatingFactorial(2 * k, k % 2 == 1); });
  Value start = c.sub(c.number(1), half);
  Value lost = c.sub(c.sub(c.number(1), start), half);
  Value rest = c.fma(c.mul(z, z), tail, c.neg(c.mul(x, angle.low)));
  return c.add(start, c.add(lost, rest));
}

Value hasBit(DoubleCode &c, Value quadrant, int64_t bit) {
  return c.create<arith::CmpIOp>(arith::CmpIPredicate::ne,
                                 c.iand(quadrant, c.integer64(bit)),
                                 c.integer64(0));
}

/// NaN at infinities.
Value checkFinite(DoubleCode &c, Value x, Value result) {
  Value isFinite = c.less(c.abs(x), c.number(DoubleCode::kInfinity));
  return c.select(isFinite, result, c.number(DoubleCode::kNaN));
}

/// atan at quarters, in two parts.
struct Quarter {
  double place, high, low;
};
constexpr Quarter kQuarters[] = {
    {0.25, 0x1.f5b75f92c80ddp-3, 0x1.8ab6e3cf7afbdp-57},
    {0.5, 0x1.dac670561bb4fp-2, 0x1.a2b7f222f65e2p-56},
    {0.75, 0x1.4978fa3269ee1p-1, 0x1.2419a87f2a458p-56},
    {1, kQuarterPi, 0x1.1a62633145c07p-55}};

/// num / den and the result of a division that cannot be made as it is: 0 / 0,
/// infinities, numbers near the ends of the range. 0 <= num <= den.
void makeDivisible(DoubleCode &c, Value &num, Value &den) {
  Value infinity = c.number(DoubleCode::kInfinity), one = c.number(1);
  Value isInfinite = c.equal(den, infinity);
  Value bothInfinite = c.equal(num, infinity);
  num = c.select(isInfinite, c.select(bothInfinite, one, c.number(0)), num);
  Value isSpecial = c.either(isInfinite, c.equal(den, c.number(0)));
  den = c.select(isSpecial, one, den);
  Value factor =
      c.select(c.less(den, c.number(0x1p-800)), c.number(0x1p200), one);
  factor =
      c.select(c.greater(den, c.number(0x1p900)), c.number(0x1p-200), factor);
  num = c.mul(num, factor);
  den = c.mul(den, factor);
}

/// The angle of (x, y), by atan(q) = atan(p) + atan((q - p) / (1 + q p)) with
/// p the nearest quarter.
Value atan2(DoubleCode &c, Value y, Value x) {
  Value up = c.abs(y), along = c.abs(x), zero = c.number(0);
  Value swapped = c.greater(up, along);
  Value num = c.select(swapped, along, up), den = c.select(swapped, up, along);
  makeDivisible(c, num, den);
  Value place = zero, high = zero, low = zero;
  for (const Quarter &quarter : kQuarters) {
    Value from = c.mul(den, c.number(quarter.place - 0.125));
    Value reached = c.greater(num, from);
    place = c.select(reached, c.number(quarter.place), place);
    high = c.select(reached, c.number(quarter.high), high);
    low = c.select(reached, c.number(quarter.low), low);
  }
  Value t = c.div(c.fma(c.neg(place), den, num), c.fma(place, num, den));
  Value z = c.mul(t, t);
  Value tail = c.series(
      z, 1, 10, [](int k) { return (k % 2 ? -1.0 : 1.0) / (2 * k + 1); });
  tail = c.mul(c.mul(t, z), tail);
  // n pi/2 and plus or minus the angle.
  Value left = c.isNegative(x);
  Value falls = c.ixor(swapped, left);
  Value n =
      c.select(swapped, c.number(1), c.select(left, c.number(2), c.number(0)));
  auto turn = [&](Value part) { return c.negateIf(falls, part); };
  DoubleSum base = addExactly(c, c.mul(n, c.number(kHalfPiHigh)), turn(high));
  Value rest = c.fma(n, c.number(kHalfPiLow), turn(c.add(low, tail)));
  DoubleSum sum = addExactly(c, base.high, turn(t));
  Value result = c.add(sum.high, c.add(c.add(sum.low, base.low), rest));
  result = c.copySign(result, y);
  return c.select(c.isUnordered(x, y), c.add(x, y), result);
}

/// sqrt(1 - x^2); NaN outside.
Value cosineOfSine(DoubleCode &c, Value x) {
  return c.sqrt(c.fma(c.neg(x), x, c.number(1)));
}

} // namespace

Value emitDoubleSin(DoubleCode &c, Value x) {
  Angle angle = reduce(c, x);
  Value result = c.select(hasBit(c, angle.quadrant, 1), cosOfSmall(c, angle),
                          sinOfSmall(c, angle));
  result = c.negateIf(hasBit(c, angle.quadrant, 2), result);
  return checkFinite(c, x, c.negateIf(c.isNegative(x), result));
}

Value emitDoubleCos(DoubleCode &c, Value x) {
  Angle angle = reduce(c, x);
  Value result = c.select(hasBit(c, angle.quadrant, 1), sinOfSmall(c, angle),
                          cosOfSmall(c, angle));
  Value following = c.iadd(angle.quadrant, c.integer64(1));
  return checkFinite(c, x, c.negateIf(hasBit(c, following, 2), result));
}

Value emitDoubleTan(DoubleCode &c, Value x) {
  Angle angle = reduce(c, x);
  Value sine = sinOfSmall(c, angle), cosine = cosOfSmall(c, angle);
  Value turned = hasBit(c, angle.quadrant, 1);
  Value result = c.div(c.select(turned, c.neg(cosine), sine),
                       c.select(turned, sine, cosine));
  return checkFinite(c, x, c.negateIf(c.isNegative(x), result));
}

Value emitDoubleAsin(DoubleCode &c, Value x) {
  return atan2(c, x, cosineOfSine(c, x));
}

Value emitDoubleAcos(DoubleCode &c, Value x) {
  return atan2(c, cosineOfSine(c, x), x);
}

Value emitDoubleAtan(DoubleCode &c, Value x) {
  return atan2(c, x, c.number(1));
}

Value emitDoubleAtan2(DoubleCode &c, Value y, Value x) {
  return atan2(c, y, x);
}

} // namespace dlc
