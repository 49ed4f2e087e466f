// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementary functions as straight-line arithmetic, without calls, tables or
// branches, so that LLVM's loop vectoriser takes scalar code as well as vector
// code. Every function takes a scalar or a vector of any rank and returns the
// same type; the element type is
//   f32        computed as below,
//   f16, bf16  computed in f32 and rounded once,
//   f64        left as a math op for libm (see ExpandMath.h), or emitDouble.
//
// Largest errors measured on f32 by the unit test ScalarMathTest (every
// exponent sampled, critical ranges densely), in units in the last place:
//   exp 0.9  exp2 0.9  expm1 1.3  sinh 1.6  cosh 1.4  tanh 1.4
//   erf 1.5  log 0.9  log2 1.5  log10 2.1  log1p 1.5  asinh 1.8  acosh 2.0
//   atanh 1.9  sin 2.0  cos 2.1  tan 3.2  asin 2.3  acos 1.3  atan 1.8
//   atan2 1.7  pow 0.9  rsqrt 1.5
// NaN gives NaN, infinities, domain errors and signed zeros are as in C's Annex
// F. Results of exp, exp2 and pow below 2^-126 are zero. sin, cos and
// tan keep their bound for all finite arguments, at about three times the price
// of reducing small ones only.
#ifndef DLC_CONVERSION_COMMON_SCALARMATH_H
#define DLC_CONVERSION_COMMON_SCALARMATH_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dlc {

mlir::Value emitExp(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitExp2(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitExpm1(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitSinh(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitCosh(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitTanh(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitErf(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

/// exp and exp2 for arguments that are never above 0, as in a softmax: cheaper
/// as they need no check for overflow. NaN gives NaN, -inf gives 0; results are
/// 0 below about 2^-126.5.
mlir::Value emitExpNonPositive(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitExp2NonPositive(mlir::ImplicitLocOpBuilder &b, mlir::Value x);

mlir::Value emitLog(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitLog2(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitLog10(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitLog1p(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitAsinh(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitAcosh(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitAtanh(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitPow(mlir::ImplicitLocOpBuilder &b, mlir::Value x,
                    mlir::Value y);
mlir::Value emitRsqrt(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
/// x - trunc(x / y) * y, exact, with the sign of x (C's fmod).
mlir::Value emitRemainder(mlir::ImplicitLocOpBuilder &b, mlir::Value x,
                          mlir::Value y);

mlir::Value emitSin(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitCos(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitTan(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitAsin(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitAcos(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitAtan(mlir::ImplicitLocOpBuilder &b, mlir::Value x);
mlir::Value emitAtan2(mlir::ImplicitLocOpBuilder &b, mlir::Value y,
                      mlir::Value x);

/// Whether `op`, a math op on f64, has code that calls no libm: all of the
/// above but remainders. Largest errors measured by test_gpu_f64.py, in units
/// in the last place:
///   exp 0.9  log 0.8  sinh 2.4  cosh 2.4  tanh 2.5  erf 1.3  sin 0.8  cos 0.8
///   tan 1.9  asin 1.6  acos 1.7  atan 1.1  asinh 1.4  acosh 1.8  atanh 1.4
///   pow 1.1
bool hasDoubleCode(mlir::Operation *op);
/// That code.
mlir::Value emitDouble(mlir::ImplicitLocOpBuilder &b, mlir::Operation *op);

} // namespace dlc

#endif // DLC_CONVERSION_COMMON_SCALARMATH_H
