// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes of each phase; the graph phase's are in Transforms/Passes.h.
#ifndef DLC_LIB_PIPELINES_PHASES_H
#define DLC_LIB_PIPELINES_PHASES_H

#include "Target/CPU/CPUTarget.h"

#include "mlir/Pass/PassManager.h"

namespace dlc {

/// Groups of ops that become kernels, as nn.dispatch.
void buildDispatchPhase(mlir::OpPassManager &pm);
/// The same for GPUs. Products read `precision`, as of CompileOptions.
void buildGPUDispatchPhase(mlir::OpPassManager &pm, llvm::StringRef precision);
/// A schedule for each dispatch, and params packed as they ask.
void buildSchedulePhase(mlir::OpPassManager &pm, const CPUTarget &target);
/// The same for GPUs whose blocks may have `sharedBytes` of shared memory, by
/// code for those with `portableSharedBytes`.
void buildGPUSchedulePhase(mlir::OpPassManager &pm, int64_t sharedBytes,
                           int64_t portableSharedBytes);
/// Kernels as loops and vectors in the module @kernels, the rest as rt.program.
/// What follows, LLVM and objects, is not a matter of passes on one module.
void buildCodegenPhase(mlir::OpPassManager &pm, const CPUTarget &target);
/// The same for GPUs.
void buildGPUCodegenPhase(mlir::OpPassManager &pm, int64_t sharedBytes);

} // namespace dlc

#endif // DLC_LIB_PIPELINES_PHASES_H
