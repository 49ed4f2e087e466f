// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The static rules for schedules of tile kernels: of a short list, the legal
// one that a simple model of the GPU finds best.
#include "Conversion/NNToGPU/TileKernelFamily.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc {

namespace {

/// What the rules assume of sizes that only the run knows.
constexpr int64_t kAssumedRows = 1024, kAssumedBatch = 8;
/// Of an A100.
constexpr int64_t kMultiprocessors = 108;

struct Tile {
  int64_t m, n, warpsM, warpsN;
  /// Part of the tensor cores' speed that blocks of this tile reach.
  double efficiency;
};

/// From large to small. Efficiencies are estimates from the traffic between
/// shared memory and registers that a tile causes.
constexpr Tile kTiles[] = {
    {128, 128, 2, 2, 1.0}, {128, 64, 2, 2, 0.85}, {64, 128, 2, 2, 0.85},
    {64, 64, 2, 2, 0.7},   {32, 64, 2, 2, 0.5},   {64, 32, 2, 2, 0.5},
    {32, 32, 2, 1, 0.35},  {16, 64, 1, 4, 0.3},   {16, 32, 1, 2, 0.2},
};

/// Depths of a step and stages, in order of preference; bytes of an element
/// times `k`.
struct Ring {
  int64_t bytesOfK, stages;
};
constexpr Ring kRings[] = {{64, 4}, {64, 3}, {64, 2}, {32, 3}, {32, 2}};

/// Products that the tensor cores of one multiprocessor of an A100 make: 312
/// TFLOP/s of 16-bit floats, half of it in tf32.
double getProductRate(int64_t elementBytes) {
  return 1.44e6 * 2 / static_cast<double>(elementBytes);
}

struct Candidate {
  Tile tile;
  int64_t parts;
};

/// Tiles and parts of k from the fastest on.
SmallVector<Candidate> rankTiles(const ProductSizes &sizes,
                                 int64_t elementBytes) {
  SmallVector<int64_t> counts = getPartCounts(sizes);
  SmallVector<Candidate> candidates;
  SmallVector<std::pair<double, size_t>> ranks;
  for (const Tile &tile : kTiles) {
    for (int64_t parts : counts) {
      double time =
          estimateProductTime(sizes, {tile.m, tile.n, tile.efficiency, parts},
                              getProductRate(elementBytes));
      ranks.push_back({time, candidates.size()});
      candidates.push_back({tile, parts});
    }
  }
  llvm::sort(ranks);
  return llvm::map_to_vector(
      ranks, [&](const auto &rank) { return candidates[rank.second]; });
}

/// The first of `candidates` that `check` accepts, without its complaints.
template <typename Schedule>
Schedule findLegal(
    MLIRContext *context, ArrayRef<Schedule> candidates,
    llvm::function_ref<LogicalResult(Schedule, tile::EmitErrorFn)> check) {
  ScopedDiagnosticHandler silent(context, [](Diagnostic &) {});
  auto emitError = [&] { return mlir::emitError(UnknownLoc::get(context)); };
  for (Schedule schedule : candidates) {
    if (succeeded(check(schedule, emitError))) {
      return schedule;
    }
  }
  return {};
}

} // namespace

double estimateProductTime(const ProductSizes &sizes, const ProductForm &form,
                           double productsPerMicrosecond) {
  // Of the sum: a launch, and bytes per microsecond, mostly from the L2 cache.
  constexpr double kSumTime = 3, kSumBytes = 2e6;
  auto sizeOr = [](int64_t size, int64_t assumed) {
    return ShapedType::isDynamic(size) ? assumed : std::max<int64_t>(size, 1);
  };
  int64_t m = sizeOr(sizes.m, kAssumedRows), n = sizeOr(sizes.n, kAssumedRows),
          batch = sizeOr(sizes.batch, kAssumedBatch);
  int64_t blocks = llvm::divideCeil(m, form.tileM) *
                   llvm::divideCeil(n, form.tileN) * batch * form.parts;
  double products = static_cast<double>(form.tileM * form.tileN) *
                    llvm::divideCeil(sizeOr(sizes.k, 1), form.parts);
  double time =
      static_cast<double>(llvm::divideCeil(blocks, kMultiprocessors)) *
      products / form.efficiency / productsPerMicrosecond;
  if (form.parts == 1) {
    return time;
  }
  // Each part is written and read.
  double bytes = 8.0 * static_cast<double>(form.parts * m * n * batch);
  return time + kSumTime + bytes / kSumBytes;
}

SmallVector<int64_t> getPartCounts(const ProductSizes &sizes) {
  constexpr int64_t kLeastPart = 128;
  SmallVector<int64_t> counts{1};
  for (int64_t parts : {2, 3, 4, 6, 8, 12, 16}) {
    if (sizes.areKnown() && parts * kLeastPart <= sizes.k) {
      counts.push_back(parts);
    }
  }
  return counts;
}

tile::GemmScheduleAttr chooseGemmSchedule(MLIRContext *context,
                                          const ProductSizes &sizes,
                                          const tile::ProductTraits &traits,
                                          const tile::BlockLimits &limits) {
  SmallVector<tile::GemmScheduleAttr> candidates;
  for (const auto &[tile, parts] : rankTiles(sizes, traits.elementBytes)) {
    for (const Ring &ring : kRings) {
      // Bulk copies take one thread's instructions, and no registers for
      // addresses.
      for (bool bulk : {true, false}) {
        candidates.push_back(tile::GemmScheduleAttr::get(
            context, tile.m, tile.n, ring.bytesOfK / traits.elementBytes,
            ring.stages, tile.warpsM, tile.warpsN, parts, bulk));
      }
    }
  }
  return findLegal<tile::GemmScheduleAttr>(
      context, candidates, [&](auto schedule, tile::EmitErrorFn emitError) {
        return tile::checkSchedule(schedule, traits, limits, emitError);
      });
}

tile::ConvScheduleAttr chooseConvSchedule(MLIRContext *context,
                                          const ProductSizes &sizes,
                                          const tile::ProductTraits &traits,
                                          const tile::BlockLimits &limits) {
  SmallVector<tile::ConvScheduleAttr> candidates;
  int64_t depthBytes = traits.taps * traits.channels * traits.elementBytes;
  for (const auto &[tile, parts] : rankTiles(sizes, traits.elementBytes)) {
    for (const Ring &ring : kRings) {
      // Short sums are padded as little as can be.
      if (ring.bytesOfK > 32 && ring.bytesOfK >= 2 * depthBytes) {
        continue;
      }
      candidates.push_back(tile::ConvScheduleAttr::get(
          context, tile.m, tile.n, ring.bytesOfK / traits.elementBytes,
          ring.stages, tile.warpsM, tile.warpsN, parts));
    }
  }
  return findLegal<tile::ConvScheduleAttr>(
      context, candidates, [&](auto schedule, tile::EmitErrorFn emitError) {
        return tile::checkSchedule(schedule, traits, limits, emitError);
      });
}

tile::AttentionScheduleAttr
chooseAttentionSchedule(MLIRContext *context, int64_t rows,
                        const tile::AttentionTraits &traits,
                        const tile::BlockLimits &limits) {
  // Queries and warps, then keys and stages.
  constexpr std::pair<int64_t, int64_t> kQueries[] = {
      {64, 4}, {32, 2}, {16, 1}};
  constexpr std::pair<int64_t, int64_t> kKeys[] = {{64, 2}, {32, 2}, {16, 2}};
  // Last those of which half of the rows would not exist.
  auto isMostlyEmpty = [&](int64_t queries) {
    return !ShapedType::isDynamic(rows) && queries > 16 && 2 * rows <= queries;
  };
  SmallVector<tile::AttentionScheduleAttr> candidates;
  for (bool empty : {false, true}) {
    for (auto [queries, warps] : kQueries) {
      if (isMostlyEmpty(queries) != empty) {
        continue;
      }
      for (auto [keys, stages] : kKeys) {
        for (bool bulk : {true, false}) {
          candidates.push_back(tile::AttentionScheduleAttr::get(
              context, queries, keys, stages, warps, bulk));
        }
      }
    }
  }
  return findLegal<tile::AttentionScheduleAttr>(
      context, candidates, [&](auto schedule, tile::EmitErrorFn emitError) {
        return tile::checkSchedule(schedule, traits, limits, emitError);
      });
}

} // namespace dlc
