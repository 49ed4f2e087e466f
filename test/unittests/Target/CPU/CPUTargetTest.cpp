// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// CPU names to vector shapes and features.
#include "Target/CPU/CPUTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/TargetParser/Triple.h"

#include <gtest/gtest.h>

using namespace dlc;

static bool requires_(const CPUTarget &target, llvm::StringRef feature) {
  return llvm::is_contained(target.requiredFeatures, feature);
}

TEST(CPUTarget, Level4HasWideVectors) {
  llvm::Expected<CPUTarget> target = CPUTarget::create("x86-64-v4");
  ASSERT_TRUE(!!target);
  EXPECT_EQ(target->vectorLanes, 16u);
  EXPECT_EQ(target->numVectorRegisters, 32u);
  EXPECT_TRUE(target->hasFMA);
  EXPECT_TRUE(requires_(*target, "avx512f"));
}

TEST(CPUTarget, Level3HasNoAVX512) {
  llvm::Expected<CPUTarget> target = CPUTarget::create("x86-64-v3");
  ASSERT_TRUE(!!target);
  EXPECT_EQ(target->vectorLanes, 8u);
  EXPECT_EQ(target->numVectorRegisters, 16u);
  EXPECT_TRUE(requires_(*target, "avx2"));
  EXPECT_FALSE(requires_(*target, "avx512f"));
}

TEST(CPUTarget, BaselineNeedsNoFeature) {
  llvm::Expected<CPUTarget> target = CPUTarget::create("x86-64");
  ASSERT_TRUE(!!target);
  EXPECT_EQ(target->vectorLanes, 4u);
  EXPECT_FALSE(target->hasFMA);
  EXPECT_TRUE(target->requiredFeatures.empty());
}

TEST(CPUTarget, NativeNamesTheHostsModel) {
  llvm::Expected<CPUTarget> target = CPUTarget::create("native");
  ASSERT_TRUE(!!target);
  EXPECT_NE(target->cpu, "native");
}

TEST(CPUTarget, UnknownNameListsKnownOnes) {
  llvm::Expected<CPUTarget> target = CPUTarget::create("pentium9000");
  ASSERT_FALSE(!!target);
  std::string text = llvm::toString(target.takeError());
  EXPECT_NE(text.find("unknown cpu 'pentium9000'"), std::string::npos);
  EXPECT_NE(text.find("x86-64-v4"), std::string::npos);
}

/// What a variant needs of the machine is what the loader compares: an
/// instruction set that is not among that must be off in the code.
TEST(CPUTarget, NoInstructionSetIsOnUnseen) {
  for (const char *name : {"bdver4", "znver5", "btver2", "diamondrapids",
                           "sapphirerapids", "x86-64-v2"}) {
    llvm::Expected<CPUTarget> target = CPUTarget::create(name);
    ASSERT_TRUE(!!target) << name;
    std::string error;
    llvm::Triple triple(kCPUTriple);
    std::unique_ptr<llvm::MCSubtargetInfo> subtarget(
        llvm::TargetRegistry::lookupTarget(triple, error)
            ->createMCSubtargetInfo(triple, target->cpu, target->features));
    for (const char *feature :
         {"sse4a",      "fma4",     "xop",     "tbm",         "lwp",
          "adx",        "aes",      "vaes",    "sha",         "pclmul",
          "rdrnd",      "xsave",    "sahf",    "prfchw",      "avx512bf16",
          "avx512fp16", "amx-tile", "avxifma", "avxvnniint8", "egpr",
          "ndd",        "avx10.1",  "avx10.2", "movdiri"}) {
      EXPECT_FALSE(subtarget->checkFeatures("+" + std::string(feature)))
          << name << " " << feature;
    }
    for (const std::string &feature : target->requiredFeatures) {
      EXPECT_TRUE(subtarget->checkFeatures("+" + feature))
          << name << " " << feature;
    }
  }
}
