// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The bytes of buffers over all accepted shapes, and their places in the arena
// when those are known at compile time.
#ifndef DLC_LIB_CONVERSION_NNTORT_PLAN_H
#define DLC_LIB_CONVERSION_NNTORT_PLAN_H

#include "Memory.h"

namespace dlc {

/// Bits of an element in memory: i1 takes a byte.
unsigned elementBits(mlir::RankedTensorType type);

struct ArenaPlan {
  llvm::SmallVector<int64_t> bytes, offsets;
  int64_t arenaBytes = 0, lowerBound = 0;
};

/// Plans the arena at the bounds of all sizes; nothing when one has no bound,
/// or when the bounds are too far off to allocate.
std::optional<ArenaPlan> planArena(llvm::ArrayRef<Buffer> buffers,
                                   EntryShapes &shapes);

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTORT_PLAN_H
