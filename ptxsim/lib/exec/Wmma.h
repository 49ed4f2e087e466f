// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// wmma: matrix fragments in a layout of the simulator's own.
#ifndef PTXSIM_EXEC_WMMA_H
#define PTXSIM_EXEC_WMMA_H

#include "Exec.h"

namespace ptxsim {
bool selectWmma(Encoder &E, const Lowered &L, Inst &I);
} // namespace ptxsim
#endif
