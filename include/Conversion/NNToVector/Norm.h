// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emitter of layer, group, instance and RMS normalisation over rows.
#ifndef DLC_CONVERSION_NNTOVECTOR_NORM_H
#define DLC_CONVERSION_NNTOVECTOR_NORM_H

#include "Conversion/NNToVector/Rows.h"
#include "Conversion/NNToVector/Schedule.h"

namespace dlc::kernel {

enum class NormStatistic {
  /// (x - mean) / sqrt(variance + epsilon)
  MeanVariance,
  /// x / sqrt(mean of squares + epsilon)
  RootMeanSquare,
};

struct NormSpec {
  /// Elements of a row, static or `index`; at least 1.
  mlir::OpFoldResult columns;
  /// f32 or f64.
  mlir::Type acc;
  NormStatistic statistic = NormStatistic::MeanVariance;
  double epsilon = 0;
  RowLoadFn load;
  RowStoreFn store;
  /// Factor and summand of an element, in `acc`; null: none.
  RowLoadFn scale, bias;
  /// Gets the mean (null for RootMeanSquare) and 1 / sqrt(... + epsilon) of a
  /// row as scalars; may be null.
  std::function<void(mlir::ImplicitLocOpBuilder &, mlir::Value row,
                     mlir::Value mean, mlir::Value inverse)>
      storeStatistics;
};

/// Bytes of scratch each worker needs: one row.
mlir::OpFoldResult getNormScratchBytes(mlir::ImplicitLocOpBuilder &b,
                                       const NormSpec &spec);

/// Emits rows [begin, end). `load` is called once an element. `scratch` is a
/// memref of i8, private to the worker and 64-byte aligned. Every row's bits
/// depend on that row only.
void emitNormRows(mlir::ImplicitLocOpBuilder &b, const NormSpec &spec,
                  const VectorTarget &target, mlir::Value scratch,
                  mlir::Value begin, mlir::Value end);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_NORM_H
