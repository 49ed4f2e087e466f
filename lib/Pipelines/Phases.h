// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes of each phase; the graph phase's are in Transforms/Passes.h.
#ifndef DLC_LIB_PIPELINES_PHASES_H
#define DLC_LIB_PIPELINES_PHASES_H

#include "Target/CPU/CPUTarget.h"

#include "mlir/Pass/PassManager.h"

namespace dlc {

/// What code for some GPUs may use; the defaults are those of sm_80's.
struct GPUResources {
  /// Shared memory of a block: on all of these GPUs, and on all others that run
  /// the code, too.
  int64_t sharedBytes = 166912, portableSharedBytes = 101376;
  /// Blocks of a cluster; 1: there are none.
  int64_t clusterBlocks = 1;
  /// Whether there are bulk copies by tensor maps.
  bool bulkCopies = false;
};

/// Groups of ops that become kernels, as nn.dispatch.
void buildDispatchPhase(mlir::OpPassManager &pm);
/// The same for GPUs. Products read `precision`, as of CompileOptions.
void buildGPUDispatchPhase(mlir::OpPassManager &pm, llvm::StringRef precision,
                           const GPUResources &resources);
/// A schedule for each dispatch, and params packed as they ask.
void buildSchedulePhase(mlir::OpPassManager &pm, const CPUTarget &target);
/// The same for GPUs.
void buildGPUSchedulePhase(mlir::OpPassManager &pm,
                           const GPUResources &resources);
/// Kernels as loops and vectors in the module @kernels, the rest as rt.program.
/// What follows, LLVM and objects, is not a matter of passes on one module.
void buildCodegenPhase(mlir::OpPassManager &pm, const CPUTarget &target);
/// The same for GPUs.
void buildGPUCodegenPhase(mlir::OpPassManager &pm,
                          const GPUResources &resources);

} // namespace dlc

#endif // DLC_LIB_PIPELINES_PHASES_H
