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

/// Time of all blocks, in arbitrary units: waves of blocks, each as long as its
/// tile is large.
double estimateTime(const Tile &tile, const ProductSizes &sizes) {
  auto sizeOr = [](int64_t size, int64_t assumed) {
    return ShapedType::isDynamic(size) ? assumed : std::max<int64_t>(size, 1);
  };
  int64_t blocks = llvm::divideCeil(sizeOr(sizes.m, kAssumedRows), tile.m) *
                   llvm::divideCeil(sizeOr(sizes.n, kAssumedRows), tile.n) *
                   sizeOr(sizes.batch, kAssumedBatch);
  return static_cast<double>(llvm::divideCeil(blocks, kMultiprocessors)) *
         static_cast<double>(tile.m * tile.n) / tile.efficiency;
}

/// Tiles from the fastest on.
SmallVector<Tile> rankTiles(const ProductSizes &sizes) {
  SmallVector<Tile> tiles(std::begin(kTiles), std::end(kTiles));
  llvm::stable_sort(tiles, [&](const Tile &a, const Tile &b) {
    return estimateTime(a, sizes) < estimateTime(b, sizes);
  });
  return tiles;
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

tile::GemmScheduleAttr chooseGemmSchedule(MLIRContext *context,
                                          const ProductSizes &sizes,
                                          const tile::ProductTraits &traits,
                                          const tile::BlockLimits &limits) {
  SmallVector<tile::GemmScheduleAttr> candidates;
  for (const Tile &tile : rankTiles(sizes)) {
    for (const Ring &ring : kRings) {
      candidates.push_back(tile::GemmScheduleAttr::get(
          context, tile.m, tile.n, ring.bytesOfK / traits.elementBytes,
          ring.stages, tile.warpsM, tile.warpsN, /*splitK=*/1));
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
  int64_t channelBytes = sizes.k * traits.elementBytes;
  for (const Tile &tile : rankTiles(sizes)) {
    for (const Ring &ring : kRings) {
      // Taps of few channels are padded as little as can be.
      if (ring.bytesOfK > 32 && ring.bytesOfK >= 2 * channelBytes) {
        continue;
      }
      candidates.push_back(tile::ConvScheduleAttr::get(
          context, tile.m, tile.n, ring.bytesOfK / traits.elementBytes,
          ring.stages, tile.warpsM, tile.warpsN));
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
  SmallVector<tile::AttentionScheduleAttr> candidates;
  for (auto [queries, warps] : kQueries) {
    // Half of the rows would not exist.
    if (!ShapedType::isDynamic(rows) && queries > 16 && 2 * rows <= queries) {
      continue;
    }
    for (auto [keys, stages] : kKeys) {
      candidates.push_back(tile::AttentionScheduleAttr::get(
          context, queries, keys, stages, warps));
    }
  }
  return findLegal<tile::AttentionScheduleAttr>(
      context, candidates, [&](auto schedule, tile::EmitErrorFn emitError) {
        return tile::checkSchedule(schedule, traits, limits, emitError);
      });
}

} // namespace dlc
