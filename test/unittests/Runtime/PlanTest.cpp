// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The memory planner: valid plans, its bound, and against all placements.
#include "dlc/plan.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace {

struct Planned {
  std::vector<int64_t> offsets;
  dlc_plan_result result{};
  int status = 0;
};

Planned plan(const std::vector<dlc_format_buffer> &buffers,
             const std::vector<int64_t> &bytes) {
  Planned planned;
  planned.offsets.resize(buffers.size());
  std::vector<char> workspace(dlc_plan_workspace_bytes(buffers.size()));
  planned.status =
      dlc_plan(buffers.data(), bytes.data(), buffers.size(), workspace.data(),
               planned.offsets.data(), &planned.result);
  return planned;
}

bool livesWith(const dlc_format_buffer &a, const dlc_format_buffer &b) {
  return a.first <= b.last && b.first <= a.last;
}

void expectValid(const std::vector<dlc_format_buffer> &buffers,
                 const std::vector<int64_t> &bytes, const Planned &p) {
  ASSERT_EQ(p.status, 0);
  for (size_t i = 0; i < buffers.size(); i++) {
    if (bytes[i] < 0) {
      ASSERT_EQ(p.offsets[i], -1);
      continue;
    }
    ASSERT_EQ(p.offsets[i] % buffers[i].alignment, 0);
    ASSERT_LE(p.offsets[i] + bytes[i], p.result.arena_bytes);
    for (size_t j = 0; j < i; j++) {
      if (bytes[i] > 0 && bytes[j] > 0 && livesWith(buffers[i], buffers[j])) {
        ASSERT_TRUE(p.offsets[i] + bytes[i] <= p.offsets[j] ||
                    p.offsets[j] + bytes[j] <= p.offsets[i]);
      }
    }
  }
  ASSERT_GE(p.result.arena_bytes, p.result.lower_bound);
}

/// The smallest arena: some order of placing each buffer as low as it goes
/// reaches it, so trying all orders finds it.
int64_t bestArena(const std::vector<dlc_format_buffer> &buffers,
                  const std::vector<int64_t> &bytes) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  int64_t best = INT64_MAX;
  do {
    std::vector<int64_t> offsets(buffers.size(), -1);
    int64_t arena = 0;
    for (size_t n = 0; n < order.size(); n++) {
      size_t i = order[n];
      int64_t at = 0;
      for (bool moved = true; moved;) {
        moved = false;
        for (size_t k = 0; k < n; k++) {
          size_t j = order[k];
          if (livesWith(buffers[i], buffers[j]) && at < offsets[j] + bytes[j] &&
              offsets[j] < at + bytes[i]) {
            at = offsets[j] + bytes[j];
            moved = true;
          }
        }
      }
      offsets[i] = at;
      arena = std::max(arena, at + bytes[i]);
    }
    best = std::min(best, arena);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(PlanTest, NoBuffers) {
  Planned p = plan({}, {});
  EXPECT_EQ(p.status, 0);
  EXPECT_EQ(p.result.arena_bytes, 0);
  EXPECT_EQ(p.result.lower_bound, 0);
}

TEST(PlanTest, DisjointLivesShareMemory) {
  Planned p = plan({{0, 64, 0, 1}, {0, 64, 2, 3}}, {100, 100});
  EXPECT_EQ(p.offsets, (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(p.result.arena_bytes, 128);
}

TEST(PlanTest, LivesThatTouchDoNotShare) {
  Planned p = plan({{0, 64, 0, 1}, {0, 64, 1, 2}}, {64, 64});
  EXPECT_NE(p.offsets[0], p.offsets[1]);
  EXPECT_EQ(p.result.arena_bytes, 128);
}

TEST(PlanTest, LateAndEmptyBuffersTakeNoPlace) {
  Planned p = plan({{0, 64, 0, 9}, {0, 64, 0, 9}, {0, 64, 0, 9}}, {-2, 0, 64});
  EXPECT_EQ(p.offsets, (std::vector<int64_t>{-1, 0, 0}));
  EXPECT_EQ(p.result.arena_bytes, 64);
}

TEST(PlanTest, OverflowIsAnError) {
  EXPECT_NE(plan({{0, 64, 0, 1}}, {INT64_MAX}).status, 0);
  EXPECT_NE(plan({{0, 64, 0, 1}, {0, 64, 0, 1}},
                 {INT64_MAX / 2 + 1, INT64_MAX / 2 + 1})
                .status,
            0);
}

TEST(PlanTest, OddAlignmentIsAnError) {
  EXPECT_NE(plan({{0, 48, 0, 1}}, {1}).status, 0);
  EXPECT_NE(plan({{0, 0, 0, 1}}, {1}).status, 0);
}

TEST(PlanTest, RandomPlansAreValid) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; round++) {
    size_t count = 1 + random() % 60;
    std::vector<dlc_format_buffer> buffers;
    std::vector<int64_t> bytes;
    for (size_t i = 0; i < count; i++) {
      int32_t first = static_cast<int32_t>(random() % 40);
      buffers.push_back({0, int64_t(1) << random() % 8, first,
                         first + static_cast<int32_t>(random() % 10)});
      bytes.push_back(static_cast<int64_t>(random() % 12) * 100 - 100);
      bytes.back() = bytes.back() < 0 ? -2 : bytes.back();
    }
    expectValid(buffers, bytes, plan(buffers, bytes));
  }
}

/// On small cases: never below the best possible, the bound neither above it,
/// and rarely far off.
TEST(PlanTest, AgainstAllPlacements) {
  std::mt19937 random(11);
  int optimal = 0;
  constexpr int rounds = 150;
  for (int round = 0; round < rounds; round++) {
    std::vector<dlc_format_buffer> buffers;
    std::vector<int64_t> bytes;
    for (int i = 0; i < 6; i++) {
      int32_t first = static_cast<int32_t>(random() % 8);
      buffers.push_back(
          {0, 1, first, first + static_cast<int32_t>(random() % 4)});
      bytes.push_back(1 + static_cast<int64_t>(random() % 20));
    }
    Planned p = plan(buffers, bytes);
    int64_t best = bestArena(buffers, bytes);
    ASSERT_GE(p.result.arena_bytes, best);
    ASSERT_LE(p.result.lower_bound, best);
    ASSERT_LE(p.result.arena_bytes, best * 3 / 2);
    optimal += p.result.arena_bytes == best;
  }
  EXPECT_GE(optimal, rounds * 9 / 10);
}

} // namespace
