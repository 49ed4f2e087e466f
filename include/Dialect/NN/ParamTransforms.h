// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The types that parameter transforms lead to. Their effect on bytes is in
// Analysis/ParamStore.
#ifndef DLC_DIALECT_NN_PARAMTRANSFORMS_H
#define DLC_DIALECT_NN_PARAMTRANSFORMS_H

#include "Dialect/NN/NNDialect.h"

namespace dlc::nn {

/// Bytes of the dense row-major elements of `type`: i1 one byte each, 4-bit and
/// smaller types packed as ONNX packs them (two or four to a byte, low bits
/// first).
uint64_t denseByteSize(mlir::RankedTensorType type);

/// The type after one transform attribute (#nn.permute, #nn.cast_to, ...); an
/// error where it does not fit.
mlir::FailureOr<mlir::RankedTensorType>
applyTransformType(mlir::RankedTensorType type, mlir::Attribute transform,
                   llvm::function_ref<mlir::InFlightDiagnostic()> emitError);

} // namespace dlc::nn

#endif // DLC_DIALECT_NN_PARAMTRANSFORMS_H
