// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The cut of images among threads.
#include "PixelSpace.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <numeric>

using namespace mlir;

namespace dlc {

static constexpr int64_t kThreads = 128;
/// Leaves a thread 64 registers; ptxas would aim at 32 where it sees long
/// loops.
static constexpr int64_t kResidentBlocks = 8;
/// Result elements of a thread, for each of which it has a register.
static constexpr int64_t kMaxElements = 16;
/// Threads that keep a large GPU busy: a thread gets more pixels only where so
/// many remain.
static constexpr int64_t kManyThreads = 1 << 16;

PixelSpace::PixelSpace(DispatchContext &context, Value result, int64_t bytes,
                       int64_t columns, bool mayOverlap)
    : sizes(context.sizes(result)) {
  channels = std::max<int64_t>(1, std::min<int64_t>(8, 16 / bytes));
  std::optional<int64_t> all = kernel::IndexMath::known(sizes.back());
  channels = all ? std::gcd(std::gcd(*all, columns), channels) : 1;
  if (!mayOverlap) {
    return;
  }
  int64_t threads = 1;
  for (OpFoldResult size : sizes) {
    threads *= kernel::IndexMath::known(size).value_or(1);
  }
  threads /= channels;
  int64_t line = kernel::IndexMath::known(sizes[sizes.size() - 2]).value_or(4);
  while (pixels < 4 && pixels < line && 2 * pixels * channels <= kMaxElements &&
         threads / (2 * pixels) >= kManyThreads) {
    pixels *= 2;
  }
}

nn::Sizes PixelSpace::getTiles(kernel::IndexMath &math) const {
  nn::Sizes tiles = sizes;
  OpFoldResult &line = tiles[tiles.size() - 2];
  line = math.ceilDiv(line, math.constant(pixels));
  tiles.back() = math.div(tiles.back(), math.constant(channels));
  return tiles;
}

static OpFoldResult countTiles(kernel::IndexMath &math,
                               const nn::Sizes &tiles) {
  OpFoldResult count = math.constant(1);
  for (OpFoldResult size : tiles) {
    count = math.mul(count, size);
  }
  return count;
}

GPULaunch PixelSpace::getLaunch(kernel::IndexMath &math) const {
  OpFoldResult count = countTiles(math, getTiles(math));
  return {math.ceilDiv(count, math.constant(kThreads)), kThreads,
          math.constant(0), /*parts=*/1, kResidentBlocks};
}

void PixelSpace::emitTile(
    GPUKernelBuilder &kb,
    llvm::function_ref<void(ArrayRef<Value>)> body) const {
  kernel::IndexMath &math = kb.math;
  nn::Sizes tiles = getTiles(math);
  OpFoldResult thread =
      math.add(math.mul(kb.getBlock(), kThreads), kb.getThread());
  kernel::emitIf(kb.b, math.less(thread, countTiles(math, tiles)), [&] {
    SmallVector<OpFoldResult> place = kernel::delinearize(math, thread, tiles);
    place[place.size() - 2] = math.mul(place[place.size() - 2], pixels);
    place.back() = math.mul(place.back(), channels);
    body(llvm::map_to_vector(
        place, [&](OpFoldResult index) { return math.value(index); }));
  });
}

SmallVector<Value> PixelSpace::loadChannels(GPUKernelBuilder &kb, Value tensor,
                                            ArrayRef<Value> at) {
  SmallVector<Value> indices(at), elements;
  for (int64_t i = 0; i < channels; ++i) {
    indices.back() = kb.math.value(kb.math.add(at.back(), kb.math.constant(i)));
    elements.push_back(kb.load(tensor, indices));
  }
  return elements;
}

void PixelSpace::emitStores(
    GPUKernelBuilder &kb, ArrayRef<Value> first, ValueRange values,
    llvm::function_ref<Value(Value, int64_t, Value)> finish) const {
  kernel::IndexMath &math = kb.math;
  Value root = kb.getRoot()->getResult(0);
  size_t line = sizes.size() - 2;
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    SmallVector<Value> at(first);
    at[line] = math.value(math.add(first[line], math.constant(pixel)));
    // All elements, then their stores, so that no store stands between loads.
    auto store = [&] {
      KernelBuilder::MemoScope scope(kb);
      SmallVector<SmallVector<Value>> places;
      SmallVector<Value> elements;
      for (int64_t i = 0; i < channels; ++i) {
        at.back() = math.value(math.add(first.back(), math.constant(i)));
        KernelBuilder::MemoScope each(kb);
        kb.setElement(root,
                      finish(values[pixel * channels + i], pixel, at.back()));
        elements.push_back(kb.load(kb.getYielded(0), at));
        places.push_back(at);
      }
      Value result = kb.viewResult(0);
      for (auto [element, indices] : llvm::zip_equal(elements, places)) {
        memref::StoreOp::create(kb.b, element, result, indices);
      }
    };
    std::optional<int64_t> known = kernel::IndexMath::known(sizes[line]);
    if (pixel == 0 || (known && *known % pixels == 0)) {
      store();
    } else {
      kernel::emitIf(kb.b, math.less(at[line], sizes[line]), store);
    }
  }
}

} // namespace dlc
