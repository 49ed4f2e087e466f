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

/// Where simulator reports and device printf go.
void writeLog(const std::string &Text);

} // namespace ptxsim
#endif
