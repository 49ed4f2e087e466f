// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reductions whose results go back to the rows they come from, as in
// x / sqrt(sum(x * x)): what has to be read of a row, and what comes of it.
#ifndef DLC_ANALYSIS_ROWGROUP_H
#define DLC_ANALYSIS_ROWGROUP_H

#include "Dialect/NN/NNDialect.h"

namespace dlc {

/// Tensors of a group have one of three shapes: that of the rows, which is the
/// input's of all its reductions; the reductions' results'; and that with the
/// reduced dims back in place, of size 1.
struct RowGroup {
  llvm::SmallVector<nn::ReduceOp> reductions;
  /// The one tensor of the rows' shape that the reductions depend on: the last
  /// one that they all, and what is behind them, have in common.
  mlir::Value source;
  /// The first tensor of the rows' shape behind which everything depends on it
  /// alone, and on neither `source` nor a reduction. Its elements are floats.
  mlir::Value result;
  /// The elementwise ops between `source` and the reductions or `result` that
  /// depend on no reduction.
  llvm::SmallVector<mlir::Operation *> between;
};

/// The group of `members`: reductions, and elementwise ops, casts, reshapes and
/// broadcasts that depend on them, in their block's order. The last one's
/// result is of the rows' shape. None where no tensor is the only source, or
/// the last result has no float before it.
std::optional<RowGroup> findRowGroup(llvm::ArrayRef<mlir::Operation *> members);

/// Whether `value` is a tensor of the shape of `reduce`'s input.
bool hasRowsShape(mlir::Value value, nn::ReduceOp reduce);

/// Ops that one pass over memory can compute.
struct FusedRows {
  /// In program order, ending in the one whose result is stored.
  llvm::SmallVector<mlir::Operation *> ops;
  /// What the ops read of the rows; see RowGroup.
  mlir::Value source;
};

/// The ops of a group whose first reduction is `first`, up to the last one that
/// is of the rows' shape; none where a tensor on the way is used elsewhere. Ops
/// in `taken` are not available.
std::optional<FusedRows>
findFusedRows(nn::ReduceOp first,
              const llvm::DenseSet<mlir::Operation *> &taken = {});

} // namespace dlc

#endif // DLC_ANALYSIS_ROWGROUP_H
