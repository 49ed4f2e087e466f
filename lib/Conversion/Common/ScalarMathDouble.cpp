// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementary functions on f64 for targets without a libm. The polynomials are
// Taylor's, long enough for their ranges.
#include "Conversion/Common/ScalarMath.h"

#include "DoubleCode.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int kMantissaBits = DoubleCode::kMantissaBits;
constexpr double kInfinity = DoubleCode::kInfinity, kNaN = DoubleCode::kNaN;
constexpr double kLog2E = 1.4426950408889634;
// In two parts as ln(2).
constexpr double kLg2High = 0.3010299955494702,
                 kLg2Low = 1.1451100898021838e-10;
constexpr double kLgE = 0.4342944819032518;
// Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits.
constexpr double kRoundMagic = 0x1.8p52;
// The bits of sqrt(1/2): mantissas are taken from [sqrt(1/2), sqrt(2)).
constexpr int64_t kRootHalf = 0x3fe6a09e667f3bcd;
// Below, exp is 0; above, it overflows.
constexpr double kExpLow = -746, kExpHigh = 710;

double inverseFactorial(int k) {
  double result = 1;
  for (int i = 2; i <= k; ++i)
    result *= i;
  return 1 / result;
}

/// x = n ln(2) + remainder, |remainder| <= ln(2) / 2.
struct Reduced {
  Value n, integer, remainder;
};

Reduced reduceByLn2(DoubleCode &c, Value x) {
  Value magic = c.number(kRoundMagic);
  Value shifted = c.fma(x, c.number(kLog2E), magic);
  Value n = c.sub(shifted, magic);
  Value remainder = c.fma(n, c.number(-kLn2High), x);
  remainder = c.fma(n, c.number(-kLn2Low), remainder);
  Value integer = c.isub(c.toBits(shifted), c.toBits(magic));
  return {n, integer, remainder};
}

/// expm1 of |r| <= ln(2) / 2.
Value expm1OfSmall(DoubleCode &c, Value r) {
  Value tail = c.series(r, 2, 14, inverseFactorial);
  return c.fma(c.mul(r, r), tail, r);
}

/// value * 2^n, in two steps for results that are not normal.
Value scale(DoubleCode &c, Value value, Value n) {
  Value half = c.sar(n, c.integer64(1));
  return c.mul(c.mul(value, c.powerOfTwo(half)), c.powerOfTwo(c.isub(n, half)));
}

Value clamp(DoubleCode &c, Value x, double low, double high) {
  x = c.select(c.less(x, c.number(low)), c.number(low), x);
  return c.select(c.greater(x, c.number(high)), c.number(high), x);
}

Value exp(DoubleCode &c, Value x) { return emitDoubleExp(c, x); }

Value exp2(DoubleCode &c, Value x) {
  x = clamp(c, x, -1080, 1025);
  Value magic = c.number(kRoundMagic);
  Value shifted = c.add(x, magic);
  Value r =
      c.mul(c.sub(x, c.sub(shifted, magic)), c.number(kLn2High + kLn2Low));
  Value power = c.add(expm1OfSmall(c, r), c.number(1));
  return scale(c, power, c.isub(c.toBits(shifted), c.toBits(magic)));
}

Value expm1(DoubleCode &c, Value x) {
  Reduced parts = reduceByLn2(c, clamp(c, x, -40, kExpHigh));
  Value p = expm1OfSmall(c, parts.remainder);
  // 2^n (p + 1) - 1, at half size because 2^1024 is no number.
  Value half = c.powerOfTwo(c.isub(parts.integer, c.integer64(1)));
  Value result = c.fma(half, p, c.sub(half, c.number(0.5)));
  // Keeps the sign of zero and the last bit of denormals.
  return c.select(c.less(c.abs(x), c.number(0x1p-54)), x,
                  c.add(result, result));
}

/// f - log(1 + f), by log(1 + f) = 2 atanh(s) with s = f / (2 + f).
Value logTail(DoubleCode &c, Value f) {
  Value s = c.div(f, c.add(f, c.number(2)));
  Value z = c.mul(s, s);
  Value series =
      c.mul(z, c.series(z, 1, 11, [](int k) { return 2.0 / (2 * k + 1); }));
  return c.mul(s, c.sub(f, series));
}

/// `result` for 0 < x < inf; -inf at 0, NaN below, x itself for inf and NaN.
Value finishLog(DoubleCode &c, Value x, Value result) {
  Value zero = c.number(0);
  Value other = c.select(c.less(x, zero), c.number(kNaN), x);
  other = c.select(c.equal(x, zero), c.number(-kInfinity), other);
  Value inside = c.both(c.greater(x, zero), c.less(x, c.number(kInfinity)));
  return c.select(inside, result, other);
}

/// k ln(2) + log(1 + f) + extra.
Value combineLog(DoubleCode &c, LogParts parts, Value extra) {
  Value low = c.fma(parts.k, c.number(kLn2Low), extra);
  Value rest = c.sub(parts.f, c.sub(logTail(c, parts.f), low));
  return c.fma(parts.k, c.number(kLn2High), rest);
}

Value log2(DoubleCode &c, Value x) {
  LogParts parts = splitForLog(c, x);
  Value rest = c.sub(parts.f, logTail(c, parts.f));
  return finishLog(c, x, c.fma(rest, c.number(kLog2E), parts.k));
}

Value log10(DoubleCode &c, Value x) {
  LogParts parts = splitForLog(c, x);
  Value rest = c.sub(parts.f, logTail(c, parts.f));
  Value low = c.fma(rest, c.number(kLgE), c.mul(parts.k, c.number(kLg2Low)));
  return finishLog(c, x, c.fma(parts.k, c.number(kLg2High), low));
}

// From here on, exp(-x) is nothing beside exp(x).
constexpr double kExpAlone = 22;

/// exp(|x|) / 2, which overflows later than exp(|x|).
Value halfExp(DoubleCode &c, Value a) {
  Value root = exp(c, c.mul(a, c.number(0.5)));
  return c.mul(c.mul(root, c.number(0.5)), root);
}

Value sinh(DoubleCode &c, Value x) {
  Value a = c.abs(x);
  Value t = expm1(c, clamp(c, a, 0, kExpAlone));
  Value sum = c.add(t, c.div(t, c.add(t, c.number(1))));
  Value result = c.select(c.greater(a, c.number(kExpAlone)), halfExp(c, a),
                          c.mul(sum, c.number(0.5)));
  return c.copySign(result, x);
}

Value cosh(DoubleCode &c, Value x) {
  Value a = c.abs(x);
  Value e = exp(c, clamp(c, a, 0, kExpAlone));
  Value sum = c.add(e, c.div(c.number(1), e));
  return c.select(c.greater(a, c.number(kExpAlone)), halfExp(c, a),
                  c.mul(sum, c.number(0.5)));
}

Value tanh(DoubleCode &c, Value x) {
  Value t = expm1(c, c.mul(c.abs(x), c.number(-2)));
  return c.copySign(c.div(t, c.add(t, c.number(2))), x);
}

using Unary = Value (*)(DoubleCode &, Value);

Unary findUnary(Operation *op) {
  return llvm::TypeSwitch<Operation *, Unary>(op)
      .Case<math::ExpOp>([](auto) { return exp; })
      .Case<math::Exp2Op>([](auto) { return exp2; })
      .Case<math::ExpM1Op>([](auto) { return expm1; })
      .Case<math::LogOp>([](auto) { return emitDoubleLog; })
      .Case<math::Log2Op>([](auto) { return log2; })
      .Case<math::Log10Op>([](auto) { return log10; })
      .Case<math::Log1pOp>([](auto) { return emitDoubleLog1p; })
      .Case<math::SinhOp>([](auto) { return sinh; })
      .Case<math::CoshOp>([](auto) { return cosh; })
      .Case<math::TanhOp>([](auto) { return tanh; })
      .Case<math::AsinhOp>([](auto) { return emitDoubleAsinh; })
      .Case<math::AcoshOp>([](auto) { return emitDoubleAcosh; })
      .Case<math::AtanhOp>([](auto) { return emitDoubleAtanh; })
      .Case<math::ErfOp>([](auto) { return emitDoubleErf; })
      .Case<math::SinOp>([](auto) { return emitDoubleSin; })
      .Case<math::CosOp>([](auto) { return emitDoubleCos; })
      .Case<math::TanOp>([](auto) { return emitDoubleTan; })
      .Case<math::AsinOp>([](auto) { return emitDoubleAsin; })
      .Case<math::AcosOp>([](auto) { return emitDoubleAcos; })
      .Case<math::AtanOp>([](auto) { return emitDoubleAtan; })
      .Default(Unary(nullptr));
}

} // namespace

LogParts splitForLog(DoubleCode &c, Value x) {
  Value isDenormal = c.less(x, c.number(0x1p-1022));
  Value bits = c.toBits(c.select(isDenormal, c.mul(x, c.number(0x1p54)), x));
  Value shift = c.integer64(kMantissaBits);
  Value k = c.sar(c.isub(bits, c.integer64(kRootHalf)), shift);
  Value mantissa = c.fromBits64(c.isub(bits, c.shl(k, shift)));
  Value bias = c.select(isDenormal, c.number(-54), c.number(0));
  return {c.add(c.convert<arith::SIToFPOp>(c.f64, k), bias),
          c.sub(mantissa, c.number(1))};
}

Value emitDoubleExp(DoubleCode &c, Value x, Value low) {
  Reduced parts = reduceByLn2(c, clamp(c, x, kExpLow, kExpHigh));
  Value remainder = low ? c.add(parts.remainder, low) : parts.remainder;
  Value power = c.add(expm1OfSmall(c, remainder), c.number(1));
  return scale(c, power, parts.integer);
}

Value emitDoubleLog(DoubleCode &c, Value x) {
  return finishLog(c, x, combineLog(c, splitForLog(c, x), c.number(0)));
}

Value emitDoubleLog1p(DoubleCode &c, Value x) {
  Value one = c.number(1);
  Value u = c.add(x, one);
  // What the addition lost (Knuth's two-sum).
  Value back = c.sub(u, one);
  Value lost = c.add(c.sub(x, back), c.sub(one, c.sub(u, back)));
  Value result = combineLog(c, splitForLog(c, u), c.div(lost, u));
  return c.select(c.less(c.abs(x), c.number(0x1p-54)), x,
                  finishLog(c, u, result));
}

bool hasDoubleCode(Operation *op) {
  return findUnary(op) || isa<math::PowFOp, math::Atan2Op>(op);
}

Value emitDouble(ImplicitLocOpBuilder &b, Operation *op) {
  DoubleCode code(b, op->getResult(0).getType());
  if (Unary emit = findUnary(op)) {
    return emit(code, op->getOperand(0));
  }
  auto emit = isa<math::PowFOp>(op) ? emitDoublePow : emitDoubleAtan2;
  return emit(code, op->getOperand(0), op->getOperand(1));
}

} // namespace dlc
