// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the runtime finds out about the machine.
#include "TestModels.h"

extern "C" {
#include "cpu.h"
#include "cpus.h"
}

#include "gtest/gtest.h"

#include <filesystem>
#include <fstream>
#include <sched.h>
#include <set>
#include <sstream>
#include <thread>

using namespace dlc::test;

namespace {

/// Features as the kernel tells them; names differ in a few.
TEST(HostTest, CpuFeaturesAgreeWithTheKernel) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  std::set<std::string> flags;
  while (std::getline(file, line) && flags.empty()) {
    if (line.starts_with("flags")) {
      std::istringstream words(line.substr(line.find(':') + 1));
      for (std::string word; words >> word;) {
        flags.insert(word);
      }
    }
  }
  ASSERT_FALSE(flags.empty());
  const std::pair<const char *, const char *> names[] = {
      {"sse2", "sse2"},
      {"sse4.1", "sse4_1"},
      {"avx", "avx"},
      {"avx2", "avx2"},
      {"fma", "fma"},
      {"f16c", "f16c"},
      {"bmi2", "bmi2"},
      {"avx512f", "avx512f"},
      {"avx512vl", "avx512vl"},
      {"avx512bw", "avx512bw"},
      {"avx512dq", "avx512dq"},
      {"avx512cd", "avx512cd"},
      {"avx512vnni", "avx512_vnni"},
      {"avx512bf16", "avx512_bf16"},
      {"popcnt", "popcnt"}};
  for (auto [ours, kernels] : names) {
    EXPECT_EQ(dlc_cpu_has(ours, strlen(ours)), flags.contains(kernels)) << ours;
  }
}

TEST(HostTest, MissingFeatureOfAList) {
  const char *name = nullptr;
  EXPECT_EQ(dlc_cpu_missing("", &name), 0u);
  EXPECT_EQ(dlc_cpu_missing("sse,sse2", &name), 0u);
  ASSERT_EQ(dlc_cpu_missing("sse2,quantum,sse", &name), 7u);
  EXPECT_EQ(std::string(name, 7), "quantum");
}

class QuotaTest : public testing::Test {
protected:
  void put(const std::string &name, const std::string &text) {
    std::string path = folder.file(name);
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
  }
  uint32_t cpus() {
    return dlc_cgroup_cpus(folder.file("cgroup").c_str(),
                           folder.file("sys").c_str());
  }
  TempFolder folder;
};

TEST_F(QuotaTest, NoCgroup) { EXPECT_EQ(cpus(), 0u); }

TEST_F(QuotaTest, NoLimit) {
  put("cgroup", "0::/a\n");
  put("sys/a/cpu.max", "max 100000\n");
  EXPECT_EQ(cpus(), 0u);
}

TEST_F(QuotaTest, RoundsUp) {
  put("cgroup", "0::/a\n");
  put("sys/a/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpus(), 2u);
}

TEST_F(QuotaTest, ParentLimits) {
  put("cgroup", "0::/a/b/c\n");
  put("sys/a/cpu.max", "300000 100000\n");
  put("sys/a/b/cpu.max", "max 100000\n");
  put("sys/a/b/c/cpu.max", "700000 100000\n");
  EXPECT_EQ(cpus(), 3u);
}

TEST_F(QuotaTest, VersionOne) {
  put("cgroup", "5:memory:/m\n4:cpu,cpuacct:/a\n");
  put("sys/cpu/a/cpu.cfs_quota_us", "400000\n");
  put("sys/cpu/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpus(), 4u);
}

TEST(HostTest, AffinityMaskCounts) {
  std::thread([] {
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof(all), &all);
    EXPECT_EQ(dlc_affinity_cpus(), static_cast<uint32_t>(CPU_COUNT(&all)));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
      if (CPU_ISSET(i, &all)) {
        CPU_SET(i, &one);
      }
    }
    sched_setaffinity(0, sizeof(one), &one);
    EXPECT_EQ(dlc_affinity_cpus(), 1u);
    EXPECT_EQ(dlc_default_threads(), 1u);
  }).join();
}

} // namespace
