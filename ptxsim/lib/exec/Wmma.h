// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Selectors of the matrix instructions of a single warp.
#ifndef PTXSIM_EXEC_WMMA_H
#define PTXSIM_EXEC_WMMA_H

#include "Exec.h"

namespace ptxsim {
/// Matrix instructions need the whole warp; records a fault.
bool wholeWarp(Warp *W, const Inst *I, uint32_t On);
/// Count matrix operations of Macs multiply-adds each, for the counters.
void countProducts(Warp *W, unsigned Count, uint64_t Macs);

bool selectMma(Encoder &E, const Lowered &L, Inst &I);
/// Products of bits, of 8 x 8 x 4 and of sparse matrices.
bool selectMmaPlain(Encoder &E, const Lowered &L, Inst &I);
/// wmma: matrix fragments in a layout of the simulator's own.
bool selectWmma(Encoder &E, const Lowered &L, Inst &I);
} // namespace ptxsim
#endif
