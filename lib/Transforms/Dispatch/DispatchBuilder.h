// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns a set of ops into one nn.dispatch.
#ifndef DLC_LIB_TRANSFORMS_DISPATCH_DISPATCHBUILDER_H
#define DLC_LIB_TRANSFORMS_DISPATCH_DISPATCHBUILDER_H

#include "Dialect/NN/NNDialect.h"

namespace dlc {

/// Builds a dispatch at `results`' defining op from `ops`, which are in program
/// order and contain `root`; everything else they use becomes an operand.
/// Replaces the results' uses.
nn::DispatchOp buildDispatch(llvm::ArrayRef<mlir::Operation *> ops,
                             mlir::Operation *root,
                             llvm::ArrayRef<mlir::Value> results);

} // namespace dlc

#endif // DLC_LIB_TRANSFORMS_DISPATCH_DISPATCHBUILDER_H
