// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What may share a kernel.
#ifndef DLC_LIB_TRANSFORMS_DISPATCH_FUSIONRULES_H
#define DLC_LIB_TRANSFORMS_DISPATCH_FUSIONRULES_H

#include "Dialect/NN/NNDialect.h"

namespace dlc {

/// An op whose result elements are computed one by one from elements of its
/// operands, so that any loop that reads them can compute them in place.
bool isIndexFunction(mlir::Operation *op);

/// A tensor op that is neither an index function, nor an alias, nor host code:
/// a kernel of its own.
bool isRoot(mlir::Operation *op);

/// An elementwise function that takes many instructions, as exp does.
bool isExpensive(mlir::Operation *op);

/// An index function that costs next to nothing to compute again.
bool isFree(mlir::Operation *op);

/// Whether consumer operand `use` can be computed in the consumer's loops when
/// its producer is the index function `producer`.
bool canFusePrologue(mlir::Operation *producer, mlir::OpOperand &use);

/// The elementwise ops behind `root` that become its epilogue, in order, ending
/// in the one whose result is stored. Ops in `taken` are not available.
llvm::SmallVector<mlir::Operation *>
findEpilogue(mlir::Operation *root,
             const llvm::DenseSet<mlir::Operation *> &taken);

} // namespace dlc

#endif // DLC_LIB_TRANSFORMS_DISPATCH_FUSIONRULES_H
