// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Local memory that calls pass on from frame to frame.
#include "RaceState.h"
#include <cstring>

using namespace ptxsim;

void ptxsim::raceCopyLocal(Warp *W, uint64_t To, uint64_t From,
                           uint64_t Bytes) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  std::vector<uint8_t> &Written = S->Ctas[W->C->Rank].LocalWritten;
  Written.resize(W->C->Storage->Local.size());
  std::memmove(Written.data() + To, Written.data() + From, Bytes);
}
