// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Neighbours in memory that threads read or write one by one, in whole sectors.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_SECTORRUN_H
#define DLC_LIB_CONVERSION_NNTOGPU_SECTORRUN_H

#include "Conversion/NNToGPU/GPUKernelFamily.h"

namespace dlc {

/// Elements of `tensor` in a sector.
int64_t getSectorElements(mlir::Value tensor);

/// Elements [lower, upper) of those that follow element `place` of a tensor, of
/// which a sector has `unit`.
struct SectorRun {
  mlir::OpFoldResult place, lower, upper;
  int64_t unit;
};

/// Emits `body` for the elements of a run that this thread, one of a team of so
/// many neighbours, has. Teams begin where sectors do, so that no two accesses
/// of a warp's lanes share one.
void emitSectorRun(GPUKernelBuilder &kb, const SectorRun &run,
                   mlir::OpFoldResult team,
                   llvm::function_ref<void(mlir::Value i)> body);

/// How many threads of a block are a team for runs of `size` elements: a warp
/// at least, so that its accesses are of one run.
mlir::OpFoldResult getRunTeam(GPUKernelBuilder &kb, mlir::OpFoldResult size);

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_SECTORRUN_H
