// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Conversions between f32 and the floats of 8 bits, as integer code.
#ifndef DLC_LIB_CONVERSION_COMMON_FLOAT8_H
#define DLC_LIB_CONVERSION_COMMON_FLOAT8_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dlc {

/// The f32 that an i8 (scalar or vector) stands for; `from` is a float of 8
/// bits (nn::isFloat8).
mlir::Value emitDecodeFloat8(mlir::ImplicitLocOpBuilder &b, mlir::Value value,
                             mlir::FloatType from);

/// The i8 of an f32, to nearest even. Beyond the largest finite number: that
/// where `saturate` is set, else infinity, or NaN where there is none.
mlir::Value emitEncodeFloat8(mlir::ImplicitLocOpBuilder &b, mlir::Value value,
                             mlir::FloatType to, bool saturate);

} // namespace dlc

#endif // DLC_LIB_CONVERSION_COMMON_FLOAT8_H
