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

/// The lanes that a .sync operation names must be active; records a fault.
bool checkMembers(Warp *W, const Inst *I, const uint8_t *R, uint32_t M,
                  uint32_t MaskRow);

} // namespace ptxsim
#endif
