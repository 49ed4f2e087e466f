// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which lane each lane of a shfl reads (PTX ISA, shfl.sync).
#ifndef PTXSIM_EXEC_SHUFFLE_H
#define PTXSIM_EXEC_SHUFFLE_H

#include "Exec.h"

namespace ptxsim {

/// Inst::Aux of Op::Shfl.
enum class Shuffle : uint8_t { Up, Down, Bfly, Idx };

struct ShuffleSource {
  RowU32 Lane; // its own where In is false
  RowI32 In;   // the lane asked for is within the segment
};

template <Shuffle K>
inline ShuffleSource shuffleSource(const Inst *I, const uint8_t *R) {
  RowU32 B = rowAt<RowU32>(R + I->B) & 31u, C = rowAt<RowU32>(R + I->C),
         Lane = laneNumbers();
  RowU32 Segment = C >> 8 & 31u, Clamp = C & 31u;
  RowU32 MaxLane = (Lane & Segment) | (Clamp & ~Segment);
  RowU32 MinLane = Lane & Segment;
  RowI32 In;
  RowU32 J;
  if constexpr (K == Shuffle::Up) {
    J = Lane - B;
    In = (RowI32)((RowI32)J >= (RowI32)MaxLane);
  } else {
    J = K == Shuffle::Down   ? Lane + B
        : K == Shuffle::Bfly ? Lane ^ B
                             : MinLane | (B & ~Segment);
    In = (RowI32)((RowI32)J <= (RowI32)MaxLane);
  }
  return {In ? J & 31u : Lane, In};
}

} // namespace ptxsim
#endif
