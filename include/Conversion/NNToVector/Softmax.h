// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emitter of softmax and log-softmax over rows, shifted by the row's maximum.
#ifndef DLC_CONVERSION_NNTOVECTOR_SOFTMAX_H
#define DLC_CONVERSION_NNTOVECTOR_SOFTMAX_H

#include "Conversion/NNToVector/Rows.h"
#include "Conversion/NNToVector/Schedule.h"

namespace dlc::kernel {

struct SoftmaxSpec {
  /// Elements of a row, static or `index`.
  mlir::OpFoldResult columns;
  /// f32 or f64.
  mlir::Type acc;
  /// x - max - log(sum exp(x - max)) instead of the softmax.
  bool log = false;
  /// A row that holds NaN or only -inf is zero, not NaN.
  bool zeroNaNRows = false;
  RowLoadFn load;
  RowStoreFn store;
};

/// Bytes of scratch each worker needs: one row.
mlir::OpFoldResult getSoftmaxScratchBytes(mlir::ImplicitLocOpBuilder &b,
                                          const SoftmaxSpec &spec);

/// Emits rows [begin, end). `load` is called once an element. `scratch` is a
/// memref of i8, private to the worker and 64-byte aligned. Every row's bits
/// depend on that row only.
void emitSoftmaxRows(mlir::ImplicitLocOpBuilder &b, const SoftmaxSpec &spec,
                     const VectorTarget &target, mlir::Value scratch,
                     mlir::Value begin, mlir::Value end);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_SOFTMAX_H
