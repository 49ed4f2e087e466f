// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the CPU back end needs to know about the machine it generates code for:
// LLVM's names for it, the shape of its vector registers, and the features a
// loader must find before it may run the code.
#ifndef DLC_TARGET_CPU_CPUTARGET_H
#define DLC_TARGET_CPU_CPUTARGET_H

#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace dlc {

/// One class of x86-64 machines.
struct CPUTarget {
  /// The name asked for: "native", "x86-64-v3", or any LLVM CPU name.
  std::string name;
  /// LLVM's CPU name (drives scheduling and tuning). Never "native".
  std::string cpu;
  /// LLVM's feature string ("+avx2,-avx512f,..."): every feature that code may
  /// use is either on or off in it, so `cpu` adds nothing to the instruction
  /// set.
  std::string features;
  /// f32 lanes of the widest vector register: 16, 8 or 4.
  unsigned vectorLanes = 4;
  /// Architectural vector registers: 32 with AVX-512, else 16.
  unsigned numVectorRegisters = 16;
  bool hasFMA = false;
  /// SSE4.1's rounding to integers.
  bool hasRounding = false;
  /// Hardware conversion between f16 and f32.
  bool hasF16C = false;
  /// Features that code for this target needs, by LLVM's names, sorted.
  std::vector<std::string> requiredFeatures;

  /// Looks up `name`; an unknown one is an error that lists the known names.
  static llvm::Expected<CPUTarget> create(llvm::StringRef name);
};

/// The triple all generated code has.
inline constexpr llvm::StringLiteral kCPUTriple = "x86_64-unknown-linux-gnu";

/// Makes LLVM's X86 back end known to the process. Cheap when repeated; safe
/// from many threads.
void initializeX86BackEnd();

} // namespace dlc

#endif // DLC_TARGET_CPU_CPUTARGET_H
