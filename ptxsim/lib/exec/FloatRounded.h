// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic with directed rounding (.rz, .rm, .rp).
#ifndef PTXSIM_EXEC_FLOATROUNDED_H
#define PTXSIM_EXEC_FLOATROUNDED_H

#include "Exec.h"

namespace ptxsim {

/// Handler of an f32 or f64 operation whose rounding is not to nearest.
Handler pickRounded(const OpcodeInfo &Info);

/// Host rounding mode for the time of a scope.
class RoundingScope {
public:
  explicit RoundingScope(Rounding R) : Old(_mm_getcsr()) {
    unsigned Mode = R == Rounding::Rz || R == Rounding::Rzi   ? 3u << 13
                    : R == Rounding::Rm || R == Rounding::Rmi ? 1u << 13
                    : R == Rounding::Rp || R == Rounding::Rpi ? 2u << 13
                                                              : 0;
    _mm_setcsr((Old & ~(3u << 13)) | Mode);
    asm volatile("" ::: "memory");
  }
  ~RoundingScope() {
    asm volatile("" ::: "memory");
    _mm_setcsr(Old);
  }
  RoundingScope(const RoundingScope &) = delete;

private:
  unsigned Old;
};

} // namespace ptxsim
#endif
