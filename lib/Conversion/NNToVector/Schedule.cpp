// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Static schedule rules: count the issue cycles of every register tile a shape
// needs.
#include "Conversion/NNToVector/Schedule.h"

#include <algorithm>

using namespace dlc::kernel;

namespace {

int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }

/// Cycles of one reduction step of an r x v tile on a core with two vector FMAs
/// and two loads a cycle and an FMA latency of four. The load term below the
/// FMA bound keeps tiles with fewer loads per FMA ahead where the FMA count is
/// equal.
double stepCycles(int64_t rows, int64_t vectors) {
  double fma = 0.5 * rows * vectors;
  double loads = 0.5 * (rows + vectors);
  return std::max({fma, loads, 4.0}) + 0.15 * rows + 0.3 * vectors;
}

/// Cycles of one tile over `k` steps, with its store and start.
double tileCycles(int64_t rows, int64_t vectors, double k) {
  return k * stepCycles(rows, vectors) + 1.5 * rows * vectors + 12;
}

/// All row tiles of `m` rows: whole tiles and one remainder, or the powers of
/// two where the remainder is only known at run time.
double columnCycles(int64_t m, bool dynamic, int64_t mr, int64_t vectors,
                    double k) {
  double cycles = double(m / mr) * tileCycles(mr, vectors, k);
  int64_t rest = m % mr;
  if (!rest)
    return cycles;
  if (!dynamic)
    return cycles + tileCycles(rest, vectors, k);
  for (int64_t tail = 16; tail > 0; tail /= 2)
    if (rest & tail)
      cycles += tileCycles(tail, vectors, k);
  return cycles;
}

/// One zero, one broadcast and the vectors of B live beside the accumulators;
/// AVX2's FMA takes the broadcast from memory into the one register left.
bool fitsRegisters(int64_t mr, int64_t nv, const VectorTarget &target) {
  int64_t spare = target.registers >= 32 ? 1 : 0;
  return mr * nv + nv + 1 + spare <= target.registers;
}

constexpr int64_t kMaxRows = 14;
constexpr int64_t kMaxVectors = 8;

} // namespace

GemmSchedule dlc::kernel::chooseGemmSchedule(int64_t m, int64_t n, int64_t k,
                                             const VectorTarget &target,
                                             int64_t lanes, BLayout layout,
                                             int64_t minItems) {
  // Stand-ins for sizes of the run: large, and not multiples of anything.
  bool dynamicM = m == kDynamic;
  int64_t rows = dynamicM ? 61 : std::max<int64_t>(m, 1);
  int64_t columns = n == kDynamic ? 509 : std::max<int64_t>(n, 1);
  double depth = k == kDynamic ? 256 : std::max<int64_t>(k, 1);

  GemmSchedule best;
  double bestCycles = -1;
  for (int64_t nv = 1; nv <= kMaxVectors; ++nv) {
    for (int64_t mr = 1; mr <= kMaxRows; ++mr) {
      if (!fitsRegisters(mr, nv, target) || (mr > rows && mr > 1))
        continue;
      // A cascade of many tile heights costs code; keep it to three extra
      // copies.
      if (dynamicM && mr > 8)
        continue;
      int64_t width = nv * lanes;
      int64_t tail = columns % width;
      double cycles =
          double(columns / width) * columnCycles(rows, dynamicM, mr, nv, depth);
      if (tail)
        cycles +=
            columnCycles(rows, dynamicM, mr,
                         n == kDynamic ? nv : ceilDiv(tail, lanes), depth);
      if (bestCycles < 0 || cycles < bestCycles) {
        bestCycles = cycles;
        best.mr = mr;
        best.nv = nv;
      }
    }
  }

  int64_t panels = ceilDiv(columns, best.panelWidth(lanes));
  if (panels < minItems) {
    int64_t blocks = ceilDiv(minItems, panels);
    int64_t tiles = ceilDiv(dynamicM ? 256 : rows, best.mr);
    best.mBlock = best.mr * std::max<int64_t>(1, tiles / blocks);
    if (!dynamicM && best.mBlock >= rows)
      best.mBlock = 0;
  }
  // A panel used by one or two row tiles is not worth a copy.
  best.packB = layout == BLayout::Transposed || dynamicM || rows > 2 * best.mr;
  return best;
}

ConvSchedule dlc::kernel::chooseConvSchedule(int64_t width, int64_t rows,
                                             int64_t channels,
                                             const VectorTarget &target,
                                             int64_t lanes, int64_t minItems) {
  // A row of pixels plays M and a filter has some hundred steps.
  GemmSchedule tile =
      chooseGemmSchedule(width, channels, /*k=*/256, target, lanes);
  ConvSchedule best;
  best.mr = tile.mr;
  best.nv = tile.nv;
  if (width == kDynamic)
    best.mr = std::min<int64_t>(best.mr, 8);
  int64_t panels =
      ceilDiv(std::max<int64_t>(channels, 1), best.panelWidth(lanes));
  if (panels < minItems && rows != kDynamic)
    best.rowBlock = std::max<int64_t>(1, rows / ceilDiv(minItems, panels));
  return best;
}

ConvSchedule dlc::kernel::chooseDepthwiseSchedule(
    int64_t width, int64_t rows, int64_t channels, int64_t inputChannels,
    const VectorTarget &target, int64_t lanes, int64_t minItems) {
  ConvSchedule best;
  // Two vectors share the row's index arithmetic and halve the items; not where
  // they would leave a short panel, or where several channels a group make long
  // code.
  bool pairs = target.registers >= 32 && channels % (2 * lanes) == 0 &&
               inputChannels == 1;
  best.nv = pairs ? 2 : 1;
  best.mr = 8;
  // The tallest tile near that leaves no short one at the end of the row.
  for (int64_t mr = 8; width != kDynamic && mr >= 4; --mr) {
    if (width % mr == 0) {
      best.mr = mr;
      break;
    }
  }
  // Rows of one block, over all channels, stay in the L2 cache.
  constexpr int64_t kBlockBytes = 256 << 10;
  int64_t rowBytes = (width == kDynamic ? 64 : width) * channels * 4;
  best.rowBlock = std::max<int64_t>(1, kBlockBytes / rowBytes);
  if (rows == kDynamic)
    return best;
  int64_t blocks = ceilDiv(minItems, ceilDiv(channels, best.panelWidth(lanes)));
  best.rowBlock = std::min(best.rowBlock, std::max<int64_t>(1, rows / blocks));
  return best;
}

WinogradSchedule dlc::kernel::chooseWinogradSchedule(
    int64_t images, int64_t rows, int64_t width, int64_t inputChannels,
    int64_t outputChannels, const VectorTarget &target) {
  // The transformed inputs of a block take 64 bytes a tile and channel and are
  // to stay in the L2 cache.
  constexpr int64_t kBlockBytes = 512 << 10;
  int64_t most = std::max<int64_t>(8, kBlockBytes / (64 * inputChannels));
  bool known = rows != kDynamic && width != kDynamic;
  int64_t total = known ? ceilDiv(rows, 2) * ceilDiv(width, 2) *
                              std::max<int64_t>(images, 1)
                        : 4 * most;
  int64_t blocks = ceilDiv(total, most);
  int64_t count = ceilDiv(total, blocks);

  WinogradSchedule best;
  double bestCycles = -1;
  for (int64_t nv = 1; nv <= kMaxVectors; ++nv) {
    for (int64_t mr = 1; mr <= kMaxRows; ++mr) {
      if (!fitsRegisters(mr, nv, target))
        continue;
      double cycles = double(ceilDiv(count, mr)) *
                      double(ceilDiv(outputChannels, nv * target.lanes)) *
                      tileCycles(mr, nv, double(inputChannels));
      if (bestCycles < 0 || cycles < bestCycles) {
        bestCycles = cycles;
        best = {mr, nv, ceilDiv(count, mr) * mr};
      }
    }
  }
  return best;
}
