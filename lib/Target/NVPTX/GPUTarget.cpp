// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The architectures, and the PTX version of each.
#include "Target/NVPTX/GPUTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/TargetSelect.h"

#include <mutex>

using namespace llvm;

namespace dlc {

namespace {
struct Architecture {
  StringLiteral name;
  unsigned arch, ptxVersion, maxSharedKiB;
  bool specific;
};
} // namespace

// PTX ISA versions: release notes of the PTX ISA, "Target ISA Notes". Shared
// memory a block: CUDA Programming Guide, "Technical Specifications per Compute
// Capability".
static constexpr Architecture kArchitectures[] = {
    {"sm_80", 80, 70, 163, false},   {"sm_86", 86, 71, 99, false},
    {"sm_87", 87, 74, 163, false},   {"sm_89", 89, 78, 99, false},
    {"sm_90", 90, 80, 227, false},   {"sm_90a", 90, 80, 227, true},
    {"sm_100", 100, 86, 227, false}, {"sm_100a", 100, 86, 227, true},
    {"sm_120", 120, 87, 99, false},  {"sm_120a", 120, 87, 99, true},
};

Expected<GPUTarget> GPUTarget::create(StringRef name) {
  const auto *it = find_if(
      kArchitectures, [&](const Architecture &a) { return a.name == name; });
  if (it == std::end(kArchitectures)) {
    std::string known =
        join(map_range(kArchitectures,
                       [](const Architecture &a) { return StringRef(a.name); }),
             ", ");
    return createStringError("unknown GPU architecture '" + name +
                             "', expected one of: " + known);
  }
  GPUTarget target;
  target.name = it->name.str();
  target.arch = it->arch;
  target.specific = it->specific;
  target.ptxVersion = it->ptxVersion;
  return target;
}

unsigned GPUTarget::getMaxSharedBytes() const {
  const auto *it = find_if(
      kArchitectures, [&](const Architecture &a) { return a.name == name; });
  return it == std::end(kArchitectures) ? kStaticSharedBytes
                                        : it->maxSharedKiB * 1024;
}

unsigned GPUTarget::getPortableSharedBytes() const {
  unsigned least = getMaxSharedBytes();
  for (const Architecture &other : kArchitectures) {
    if (!specific && other.arch >= arch) {
      least = std::min(least, other.maxSharedKiB * 1024);
    }
  }
  return least;
}

void initializeNVPTXBackEnd() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
}

} // namespace dlc
