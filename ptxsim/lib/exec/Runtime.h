// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Services handlers call: end of warps, barriers, device printf and assert.
#ifndef PTXSIM_EXEC_RUNTIME_H
#define PTXSIM_EXEC_RUNTIME_H

#include "Exec.h"

namespace ptxsim {

/// All lanes of W have ended: barriers no longer wait for it.
void finishWarp(Warp *W);
/// Completes named barriers and the cluster barrier where enough warps are.
void checkBarriers(Cta *C);
void checkClusterBarrier(Cluster *G);

/// vprintf(format, arguments) for every active lane.
bool runtimePrint(Warp *W, const Inst *I, uint8_t *R, uint32_t M);
/// __assertfail(message, file, line, function, charSize).
void runtimeAssert(Warp *W, const Inst *I, uint32_t M);

/// malloc(size) and free(address). The latter is false after a fault.
void runtimeAllocate(Warp *W, const Inst *I, uint32_t M);
bool runtimeRelease(Warp *W, const Inst *I, uint32_t M);

/// The local memory of a lane.
inline uint8_t *localMemory(const Warp *W, uint32_t Lane) {
  uint64_t Thread = uint64_t(W->Id) * 32 + Lane;
  return W->C->Local + Thread * W->C->L->LocalBytes;
}

} // namespace ptxsim
#endif
