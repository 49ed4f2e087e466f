// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns a CPU name into features, vector shape and loader requirements.
#include "Target/CPU/CPUTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <mutex>

using namespace llvm;

namespace dlc {

// The features that LLVM may use for plain vector code; the loader compares
// those that are on with the machine's. AVX512-FP16 and
// AVX512-BF16 are left out on purpose: with them LLVM computes f16 and bf16 in
// their own precision, while dlc's semantics are f32 with one rounding.
static constexpr StringLiteral kCodeFeatures[] = {"avx",
                                                  "avx2",
                                                  "avx512bitalg",
                                                  "avx512bw",
                                                  "avx512cd",
                                                  "avx512dq",
                                                  "avx512f",
                                                  "avx512ifma",
                                                  "avx512vbmi",
                                                  "avx512vbmi2",
                                                  "avx512vl",
                                                  "avx512vnni",
                                                  "avx512vpopcntdq",
                                                  "avxvnni",
                                                  "bmi",
                                                  "bmi2",
                                                  "cx16",
                                                  "f16c",
                                                  "fma",
                                                  "gfni",
                                                  "lzcnt",
                                                  "movbe",
                                                  "popcnt",
                                                  "sse3",
                                                  "sse4.1",
                                                  "sse4.2",
                                                  "ssse3"};

void initializeX86BackEnd() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
}

static std::unique_ptr<MCSubtargetInfo> createSubtarget(StringRef cpu) {
  initializeX86BackEnd();
  std::string error;
  Triple triple(kCPUTriple);
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  return std::unique_ptr<MCSubtargetInfo>(
      target->createMCSubtargetInfo(triple, cpu, ""));
}

static Error unknownName(StringRef name) {
  return createStringError(
      "unknown cpu '" + name +
      "', expected native, x86-64, x86-64-v2, x86-64-v3, x86-64-v4 or a CPU as "
      "clang's -march= names it, such as skylake-avx512");
}

/// LLVM writes to stderr when asked for an unknown CPU, so the table of names
/// is consulted instead.
static bool isKnownCPU(StringRef name, const MCSubtargetInfo &subtarget) {
  return any_of(
      subtarget.getAllProcessorDescriptions(),
      [&](const SubtargetSubTypeKV &entry) { return name == entry.Key; });
}

/// The instruction sets of a CPU, with those that they imply, which the
/// baseline x86-64 lacks. What only tunes the code is not among them.
static SmallVector<StringRef> getInstructionSets(const MCSubtargetInfo &table,
                                                 StringRef cpu) {
  auto findBits = [&](StringRef name) {
    for (const SubtargetSubTypeKV &entry : table.getAllProcessorDescriptions())
      if (name == entry.Key)
        return entry.Implies.getAsBitset();
    return FeatureBitset();
  };
  auto close = [&](FeatureBitset bits) {
    for (FeatureBitset last; last != bits;) {
      last = bits;
      for (const SubtargetFeatureKV &feature : table.getAllProcessorFeatures())
        if (bits.test(feature.Value))
          bits |= feature.Implies.getAsBitset();
    }
    return bits;
  };
  FeatureBitset has = close(findBits(cpu)), base = close(findBits("x86-64"));
  SmallVector<StringRef> names;
  for (const SubtargetFeatureKV &feature : table.getAllProcessorFeatures())
    if (has.test(feature.Value) && !base.test(feature.Value))
      names.push_back(feature.Key);
  return names;
}

/// Switches each feature that LLVM could use: what the loader does not check
/// (FMA4, XOP, APX, ...) off, even where the CPU's name implies it.
static void setFeatures(CPUTarget &target, const MCSubtargetInfo &table,
                        function_ref<bool(StringRef)> hasFeature) {
  // First, as LLVM also turns off what needs the feature that is turned off.
  for (StringRef feature : getInstructionSets(table, target.cpu))
    if (!is_contained(kCodeFeatures, feature))
      target.features += (target.features.empty() ? "-" : ",-") + feature.str();
  for (StringRef feature : kCodeFeatures) {
    bool on = hasFeature(feature);
    if (!target.features.empty())
      target.features += ',';
    target.features += (on ? "+" : "-") + feature.str();
    if (on)
      target.requiredFeatures.push_back(feature.str());
  }

  auto has = [&](StringRef feature) {
    return is_contained(target.requiredFeatures, feature);
  };
  // Without VL and DQ, LLVM has to widen or scalarise a part of the code; no
  // machine that matters has F alone.
  bool wide =
      has("avx512f") && has("avx512vl") && has("avx512dq") && has("avx512bw");
  target.vectorLanes = wide ? 16 : has("avx2") ? 8 : 4;
  target.numVectorRegisters = wide ? 32 : 16;
  target.hasFMA = has("fma") || wide;
  target.hasRounding = has("sse4.1");
  target.hasF16C = has("f16c") || wide;
}

Expected<CPUTarget> CPUTarget::create(StringRef name) {
  std::unique_ptr<MCSubtargetInfo> generic = createSubtarget("x86-64");
  if (!generic)
    return createStringError("LLVM was built without its X86 back end");
  CPUTarget target;
  target.name = name.str();
  if (name == "native") {
    target.cpu = sys::getHostCPUName().str();
    if (!isKnownCPU(target.cpu, *generic))
      target.cpu = "x86-64";
    // The host's own list, since a virtual machine may mask features that its
    // CPU model has.
    StringMap<bool> host = sys::getHostCPUFeatures();
    setFeatures(target, *generic,
                [&](StringRef feature) { return host.lookup(feature); });
    return target;
  }
  if (!isKnownCPU(name, *generic))
    return unknownName(name);
  target.cpu = name.str();
  std::unique_ptr<MCSubtargetInfo> subtarget = createSubtarget(name);
  if (!subtarget->checkFeatures("+64bit"))
    return createStringError("cpu '" + name + "' has no 64-bit mode");
  setFeatures(target, *generic, [&](StringRef feature) {
    return subtarget->checkFeatures(("+" + feature).str());
  });
  return target;
}

} // namespace dlc
