// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// CPU names to vector shapes and features.
#include "Target/CPU/CPUTarget.h"

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
