// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the f64 functions share: short names, and sums of two f64.
#ifndef DLC_LIB_CONVERSION_COMMON_DOUBLECODE_H
#define DLC_LIB_CONVERSION_COMMON_DOUBLECODE_H

#include "FloatCode.h"

#include <limits>

namespace dlc {

/// Builds code on values of one f64 type.
class DoubleCode : public FloatCode {
public:
  static constexpr int kMantissaBits = 52;
  static constexpr int64_t kBias = 1023;
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

  DoubleCode(mlir::ImplicitLocOpBuilder &b, mlir::Type type)
      : FloatCode(b, floatLike(b, type)) {}

  Value number(double value) { return constant64(value); }
  Value toBits(Value x) { return convert<mlir::arith::BitcastOp>(i64, x); }
  Value fromBits64(Value x) { return convert<mlir::arith::BitcastOp>(f64, x); }
  /// 2^n for normal results.
  Value powerOfTwo(Value n) {
    return fromBits64(shl(iadd(n, integer64(kBias)), integer64(kMantissaBits)));
  }
  /// sum over k from `first` to `last` of x^(k - first) term(k).
  Value series(Value x, int first, int last,
               llvm::function_ref<double(int)> term) {
    Value result = number(term(last));
    for (int k = last - 1; k >= first; --k)
      result = fma(result, x, number(term(k)));
    return result;
  }
  Value isUnordered(Value x, Value y) {
    return create<mlir::arith::CmpFOp>(mlir::arith::CmpFPredicate::UNO, x, y);
  }
  /// Whether the sign bit is set, of zeros and NaN, too.
  Value isNegative(Value x) {
    return create<mlir::arith::CmpIOp>(mlir::arith::CmpIPredicate::slt,
                                       toBits(x), integer64(0));
  }
  Value negateIf(Value condition, Value x) {
    return select(condition, neg(x), x);
  }

private:
  static mlir::Type floatLike(mlir::ImplicitLocOpBuilder &b, mlir::Type type) {
    if (auto shaped = mlir::dyn_cast<mlir::ShapedType>(type))
      return shaped.clone(b.getF32Type());
    return b.getF32Type();
  }
};

/// high + low, where low is at most half a unit of high's last place.
struct DoubleSum {
  mlir::Value high, low;
};

/// x + y, exactly (Knuth).
inline DoubleSum addExactly(DoubleCode &c, mlir::Value x, mlir::Value y) {
  mlir::Value sum = c.add(x, y);
  mlir::Value part = c.sub(sum, x);
  return {sum, c.add(c.sub(x, c.sub(sum, part)), c.sub(y, part))};
}
/// The same where |x| >= |y| (Dekker).
inline DoubleSum addInOrder(DoubleCode &c, mlir::Value x, mlir::Value y) {
  mlir::Value sum = c.add(x, y);
  return {sum, c.sub(y, c.sub(sum, x))};
}
/// x * y, exactly.
inline DoubleSum multiplyExactly(DoubleCode &c, mlir::Value x, mlir::Value y) {
  mlir::Value product = c.mul(x, y);
  return {product, c.fma(x, y, c.neg(product))};
}

// Of ScalarMathDouble.cpp, for other functions. An error is at most 1 unit in
// the last place.

/// ln(2) in two parts; the high one ends in zeros, so that its products with
/// exponents are exact.
inline constexpr double kLn2High = 0.6931471803691238,
                        kLn2Low = 1.9082149292705877e-10;

/// x = 2^k (1 + f) for x > 0, f from sqrt(1/2) - 1 to sqrt(2) - 1, k as a
/// float.
struct LogParts {
  mlir::Value k, f;
};
LogParts splitForLog(DoubleCode &c, mlir::Value x);
/// exp(x + low) for a `low` that is small beside 1.
mlir::Value emitDoubleExp(DoubleCode &c, mlir::Value x,
                          mlir::Value low = mlir::Value());
mlir::Value emitDoubleLog(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleLog1p(DoubleCode &c, mlir::Value x);

// Functions of ScalarMathDoublePower.cpp and ScalarMathDoubleTrig.cpp; see
// ScalarMath.h for their errors.
mlir::Value emitDoublePow(DoubleCode &c, mlir::Value x, mlir::Value y);
mlir::Value emitDoubleErf(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleAsinh(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleAcosh(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleAtanh(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleSin(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleCos(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleTan(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleAsin(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleAcos(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleAtan(DoubleCode &c, mlir::Value x);
mlir::Value emitDoubleAtan2(DoubleCode &c, mlir::Value y, mlir::Value x);

} // namespace dlc

#endif // DLC_LIB_CONVERSION_COMMON_DOUBLECODE_H
