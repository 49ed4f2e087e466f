// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes of the graph phase, nn to nn.
#ifndef DLC_TRANSFORMS_PASSES_H
#define DLC_TRANSFORMS_PASSES_H

#include "Dialect/NN/NNDialect.h"

#include "mlir/Pass/Pass.h"

namespace dlc {
#define GEN_PASS_DECL
#include "Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "Transforms/Passes.h.inc"

/// The whole graph phase: from what an importer makes to what
/// dlc-verify-graph-phase accepts.
void buildGraphPipeline(mlir::OpPassManager &pm);
} // namespace dlc

#endif // DLC_TRANSFORMS_PASSES_H
