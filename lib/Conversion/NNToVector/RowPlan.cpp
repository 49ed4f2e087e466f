// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Planning of static output rows.
#include "RowPlan.h"

using namespace mlir;
using namespace dlc::kernel;

static BorderTile makeBorderTile(const RowPhase &phase, int64_t base,
                                 int64_t size, int64_t first, int64_t pixels) {
  BorderTile tile{first, pixels, {}};
  for (auto [t, tap] : llvm::enumerate(phase.taps)) {
    SmallVector<int64_t> valid;
    for (int64_t i = 0; i < pixels; ++i) {
      int64_t at = (first + i) * phase.inputStep + base + tap.offset;
      if (at >= 0 && at < size)
        valid.push_back(i);
    }
    if (!tile.ranges.empty() && tile.ranges.back().pixels == valid)
      tile.ranges.back().last = t + 1;
    else
      tile.ranges.push_back({int64_t(t), int64_t(t) + 1, std::move(valid)});
  }
  return tile;
}

std::optional<RowPlan> dlc::kernel::planRow(const RowPhase &phase,
                                            OpFoldResult inputWidth, int64_t mr,
                                            int64_t maxRanges) {
  auto pixels = IndexMath::known(phase.pixels);
  auto base = IndexMath::known(phase.base);
  auto size = IndexMath::known(inputWidth);
  if (!pixels || !base || !size)
    return std::nullopt;
  RowPlan plan;
  int64_t ranges = 0;
  for (int64_t first = 0; first < *pixels; first += mr) {
    int64_t count = std::min(mr, *pixels - first);
    BorderTile tile = makeBorderTile(phase, *base, *size, first, count);
    bool whole = count == mr && (phase.taps.empty() ||
                                 (tile.ranges.size() == 1 &&
                                  int64_t(tile.ranges[0].pixels.size()) == mr));
    if (whole) {
      if (plan.last == 0)
        plan.first = first;
      plan.last = first + mr;
      continue;
    }
    ranges += std::max<size_t>(tile.ranges.size(), 1);
    if (ranges > maxRanges)
      return std::nullopt;
    (plan.last == 0 ? plan.left : plan.right).push_back(std::move(tile));
  }
  return plan;
}
