// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pieces of the generated kernels of AsyncTest and WgmmaTest.
#ifndef PTXSIM_TEST_ASYNCKERNELS_H
#define PTXSIM_TEST_ASYNCKERNELS_H

#include "Driver.h"

namespace test {

/// A kernel k for sm_90a around a body; dynamic shared memory is smem.
inline std::string kernelOf(const std::string &Params, const std::string &Body,
                            const char *Extra = "") {
  return std::string(".version 8.6\n.target sm_90a\n.address_size 64\n"
                     ".extern .shared .align 1024 .b8 smem[];\n"
                     ".visible .entry k(") +
         Params + ")\n" + Extra +
         "{\n.reg .pred %p<8>;\n.reg .b16 %rs<8>;\n.reg .b32 %r<64>;\n"
         ".reg .f32 %f<256>;\n.reg .b64 %rd<16>;\n" +
         Body + "ret;\n}\n";
}

/// Waits for phase 0 of the barrier object in %r1.
inline const char *const WaitPhase0 =
    "W:\nmbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], 0;\n"
    "@!%p1 bra W;\n";

inline uint32_t swizzled(int Mode, uint32_t A) {
  uint32_t Mask = Mode == 1 ? 1 : Mode == 2 ? 3 : Mode == 3 ? 7 : 0;
  return A ^ (A >> 7 & Mask) << 4;
}

} // namespace test
#endif
