// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The remainder of a division, by long division in f64: each step takes off a
// multiple of the divisor, shifted, with up to 26 bits of quotient.
#include "Conversion/Common/ScalarMath.h"

#include "FloatCode.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace dlc {

/// Bits of the quotient that one step finds. Such a quotient times a divisor of
/// 24 bits is exact in f64, and so is what is left.
static constexpr int kQuotientBits = 26;
/// The exponents of two f32 differ by less than 277, so 11 steps find all bits.
static constexpr int kSteps = 11;

static Value remainder(FloatCode &c, Value x, Value y) {
  Value rest = c.extend(c.abs(x)), divisor = c.extend(c.abs(y));
  Value zero = c.constant64(0), round = c.constant64(0x1p52);
  for (int step = kSteps - 1; step >= 0; --step) {
    Value shifted =
        c.mul(divisor, c.constant64(std::ldexp(1.0, step * kQuotientBits)));
    // To the nearest integer; what then is left may be negative.
    Value quotient = c.sub(c.add(c.div(rest, shifted), round), round);
    rest = c.sub(rest, c.mul(quotient, shifted));
    Value tooFar = c.less(rest, zero);
    rest = c.select(tooFar, c.add(rest, shifted), rest);
  }
  Value result = c.copySign(c.truncate(rest), x);
  // Infinity times the quotient 0 is no number.
  Value infinity = c.constant(std::numeric_limits<float>::infinity());
  Value isWhole =
      c.both(c.equal(c.abs(y), infinity), c.less(c.abs(x), infinity));
  return c.select(isWhole, x, result);
}

Value emitRemainder(ImplicitLocOpBuilder &b, Value x, Value y) {
  return emitInF32<arith::RemFOp>(b, {x, y}, [](FloatCode &c, ValueRange v) {
    return remainder(c, v[0], v[1]);
  });
}

} // namespace dlc
