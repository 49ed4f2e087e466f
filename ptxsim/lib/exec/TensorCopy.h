// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What bulk copies and tensor copies share.
#ifndef PTXSIM_EXEC_TENSORCOPY_H
#define PTXSIM_EXEC_TENSORCOPY_H

#include "Async.h"
#include "Race.h"

namespace ptxsim {

/// One destination of a load into shared memory, with the barrier object that
/// counts its bytes.
struct CopyTarget {
  Cta *Owner;
  uint32_t Offset, Barrier;
};

/// Destinations of a copy; empty after a fault. With Multicast every CTA of
/// Mask receives it at the same offsets.
std::vector<CopyTarget> copyTargets(Warp *W, const Inst *I, uint32_t Lane,
                                    Cta *Owner, uint32_t Offset,
                                    uint32_t Barrier, uint64_t Mask,
                                    bool Multicast);

/// A copy of Bytes into the targets begins that does Kind there. Copy: as which
/// it reads. False after a fault.
bool raceTargets(Warp *W, const Inst *I, uint32_t Lane,
                 const std::vector<CopyTarget> &Targets, uint32_t Bytes,
                 CopyAccess Kind, CopyEpoch &Copy);

/// Adds a store to the lane's open bulk group, or runs it, by mode.
void addBulkWork(Warp *W, uint32_t Lane, BulkWork Work);

Mod reductionOf(const OpcodeInfo &Info);

bool selectBulkCopy(Encoder &E, const Lowered &L, Inst &I);
bool selectAsyncStore(Encoder &E, const Lowered &L, Inst &I);
bool selectTensorMap(Encoder &E, const Lowered &L, Inst &I);

} // namespace ptxsim
#endif
