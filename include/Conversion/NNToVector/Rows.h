// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Callbacks and column loops of the kernels that work row by row (softmax,
// normalisation, the softmax inside attention). Producers and consumers fuse by
// way of the callbacks; nothing here knows how a row lies in memory.
#ifndef DLC_CONVERSION_NNTOVECTOR_ROWS_H
#define DLC_CONVERSION_NNTOVECTOR_ROWS_H

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OpDefinition.h"

#include <functional>

namespace dlc::kernel {

/// Elements [column, column + lanes) of row `row` as a vector of the kernel's
/// accumulator type. `mask` (vector<lanes xi1>) is null where all lanes are
/// valid; lanes outside it may be anything, and memory behind them may not be
/// touched (loadVector does this).
using RowLoadFn =
    std::function<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::Value row,
                              mlir::Value column, mlir::Value mask)>;

/// Takes the lanes of `value` (of the accumulator type) that `mask` allows.
using RowStoreFn = std::function<void(mlir::ImplicitLocOpBuilder &,
                                      mlir::Value row, mlir::Value column,
                                      mlir::Value value, mlir::Value mask)>;

/// Gets the first column of a vector, its mask (null where all lanes are valid)
/// and the running values; returns their next values.
using ColumnFn = std::function<llvm::SmallVector<mlir::Value>(
    mlir::Value column, mlir::Value mask, mlir::ValueRange carried)>;

/// Joins two partial results of a running value.
using CombineFn = llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>;

/// Visits `columns` columns, `lanes` at a time: `unroll` vectors an iteration
/// with running values of their own, then the rest, then a masked tail.
/// `carried` are the neutral starts. The order depends on `columns` only.
llvm::SmallVector<mlir::Value>
emitColumns(mlir::ImplicitLocOpBuilder &b, mlir::OpFoldResult columns,
            int64_t lanes, int64_t unroll, mlir::ValueRange carried,
            const ColumnFn &body, CombineFn combine);

/// The same without running values.
void emitColumns(
    mlir::ImplicitLocOpBuilder &b, mlir::OpFoldResult columns, int64_t lanes,
    int64_t unroll,
    const std::function<void(mlir::Value column, mlir::Value mask)> &body);

/// Joins the lanes of `vector` by halves; returns a scalar.
mlir::Value reduceLanes(mlir::ImplicitLocOpBuilder &b, mlir::Value vector,
                        CombineFn combine);

/// The larger of x and y; y when either is NaN (x86's vmaxps).
mlir::Value selectLarger(mlir::ImplicitLocOpBuilder &b, mlir::Value x,
                         mlir::Value y);

/// `value` in the float type `type`, in all its lanes when it is a vector.
mlir::Value floatConstant(mlir::ImplicitLocOpBuilder &b, mlir::Type type,
                          double value);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_ROWS_H
