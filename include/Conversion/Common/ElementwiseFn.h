// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One C++ function that turns an elementwise function of the nn dialect into
// arith and math code. It serves loop bodies, epilogues of contractions and
// attention regions alike, on scalars and on vectors.
#ifndef DLC_CONVERSION_COMMON_ELEMENTWISEFN_H
#define DLC_CONVERSION_COMMON_ELEMENTWISEFN_H

#include "Dialect/NN/NNDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dlc {

/// The type that code uses for elements of tensor element type `type`: integers
/// lose their sign.
mlir::Type getCodeType(mlir::Type type);

/// `type`, or the vector type of the shape of `like` if that is a vector.
mlir::Type typeLike(mlir::Type type, mlir::Type like);

/// A constant of `type`, a scalar or a vector of floats or integers.
mlir::Value emitConstant(mlir::ImplicitLocOpBuilder &b, mlir::Type type,
                         double value);

/// fn(args) on code types. `element` is the tensor element type of the first
/// data operand (it tells signed from unsigned), `result` that of the result.
/// f16 and bf16 are computed in f32 and rounded.
mlir::Value emitElementwise(mlir::ImplicitLocOpBuilder &b, nn::Fn fn,
                            mlir::ValueRange args, mlir::DictionaryAttr params,
                            mlir::Type element, mlir::Type result);

/// Conversion between tensor element types, as nn.cast defines it; `saturate`
/// counts for f8 targets.
mlir::Value emitCast(mlir::ImplicitLocOpBuilder &b, mlir::Value value,
                     mlir::Type from, mlir::Type to, bool saturate = true);

} // namespace dlc

#endif // DLC_CONVERSION_COMMON_ELEMENTWISEFN_H
