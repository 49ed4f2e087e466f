// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The order of nn.sort, for sorting of any form.
#ifndef DLC_CONVERSION_NNTOKERNEL_SORTORDER_H
#define DLC_CONVERSION_NNTOKERNEL_SORTORDER_H

#include "Dialect/NN/NNDialect.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dlc {

/// A value and where it stood, an integer of any width.
struct SortEntry {
  mlir::Value value, index;
};

/// i1: whether `x` stands before `y` in the sorted line. The order is total:
/// NaN is the largest value, and ties go by index.
mlir::Value emitSortsBefore(mlir::ImplicitLocOpBuilder &b, nn::SortOp op,
                            SortEntry x, SortEntry y);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_SORTORDER_H
