// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes of the dispatch phase; see Passes.td.
#ifndef DLC_TRANSFORMS_DISPATCH_PASSES_H
#define DLC_TRANSFORMS_DISPATCH_PASSES_H

#include "Dialect/NN/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace dlc {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "Transforms/Dispatch/Passes.h.inc"
} // namespace dlc

#endif // DLC_TRANSFORMS_DISPATCH_PASSES_H
