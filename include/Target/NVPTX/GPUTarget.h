// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the NVPTX back end needs to know about the GPU it generates code for.
#ifndef DLC_TARGET_NVPTX_GPUTARGET_H
#define DLC_TARGET_NVPTX_GPUTARGET_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace dlc {

/// One GPU architecture that PTX is written for.
struct GPUTarget {
  /// LLVM's and PTX's name: "sm_80", "sm_90a".
  std::string name;
  /// 80 for sm_80, 90 for sm_90a, 120 for sm_120a.
  unsigned arch = 80;
  /// The architecture's own instructions ('a'): the code runs on no other.
  bool specific = false;
  /// Ten times the version of the PTX ISA, the lowest that LLVM selects all
  /// instructions of the architecture in: 70 is 7.0.
  unsigned ptxVersion = 70;

  /// Most shared memory of a block, in bytes, with the launch's consent.
  unsigned getMaxSharedBytes() const;
  /// The same on each of the known GPUs that run this architecture's code.
  unsigned getPortableSharedBytes() const;
  /// Most blocks of a cluster that every such GPU can run; 1: there are none.
  unsigned getClusterBlocks() const { return arch >= 90 ? 8 : 1; }
  /// Whether there are bulk copies by tensor maps.
  bool hasBulkCopies() const { return arch >= 90; }

  /// Looks up `name`; an unknown one is an error that lists the known names.
  static llvm::Expected<GPUTarget> create(llvm::StringRef name);
};

/// Shared memory of a block that needs nobody's consent, in bytes.
inline constexpr unsigned kStaticSharedBytes = 48 * 1024;

/// The triple all PTX has.
inline constexpr llvm::StringLiteral kGPUTriple = "nvptx64-nvidia-cuda";

/// Makes LLVM's NVPTX back end known to the process. Cheap when repeated; safe
/// from many threads.
void initializeNVPTXBackEnd();

} // namespace dlc

#endif // DLC_TARGET_NVPTX_GPUTARGET_H
