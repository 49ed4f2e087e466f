// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What dlc-opt offers: dialects, passes, and the phases as pipelines.
#ifndef DLC_PIPELINES_REGISTRATION_H
#define DLC_PIPELINES_REGISTRATION_H

#include "mlir/IR/DialectRegistry.h"

namespace dlc {

/// The dialects of all phases, with what their lowering needs.
void registerDialects(mlir::DialectRegistry &registry);

/// All passes of dlc, and a pipeline `dlc-<phase>-pipeline` per phase.
void registerPassesAndPipelines();

} // namespace dlc

#endif // DLC_PIPELINES_REGISTRATION_H
