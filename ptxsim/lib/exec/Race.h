// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Hooks of the race checker.
#ifndef PTXSIM_EXEC_RACE_H
#define PTXSIM_EXEC_RACE_H

#include "Exec.h"

namespace ptxsim {

inline void raceArriveBarrier(Warp *, unsigned) {}
inline void raceJoinBarrier(Cta *, unsigned) {}
inline void raceWarpSync(Warp *) {}
inline void raceArriveCluster(Warp *) {}
inline void raceJoinCluster(Cluster *) {}
inline void raceWaitCluster(Warp *) {}
struct Mbarrier;
inline void observeAsyncCopy(Warp *, const Inst *, uint32_t, const uint32_t *,
                             uint32_t) {}
inline void raceCommitCopies(Warp *) {}
inline void raceWaitCopies(Warp *, size_t) {}
inline void raceCompletePhase(Cta *, Mbarrier *) {}
inline void raceArriveMbarrier(Warp *, Cta *, Mbarrier *) {}
inline void raceWaitMbarrier(Warp *, Cta *, Mbarrier *) {}
inline void raceFenceProxy(Warp *) {}
inline bool raceProductRead(Warp *, const Inst *, uint32_t, uint32_t) {
  return true;
}
inline void raceCommitProducts(Warp *) {}
inline void raceWaitProducts(Warp *, size_t) {}

/// The lanes that a .sync operation names must be active; records a fault.
bool checkMembers(Warp *W, const Inst *I, const uint8_t *R, uint32_t M,
                  uint32_t MaskRow);

} // namespace ptxsim
#endif
