// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// pool of channels-last images. A thread has neighbouring channels of some
// pixels, whose windows overlap: it reads each line of the input once for all
// of them.
#include "PixelSpace.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/PoolCode.h"

using namespace mlir;

namespace dlc {

namespace {

class PoolTile {
public:
  explicit PoolTile(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::PoolOp>(kb.getRoot())),
        space(makeSpace(kb)), code(kb) {}

  static PixelSpace makeSpace(DispatchContext &context);
  static bool isUnrolled(nn::PoolOp op) {
    return op.getKernel().back() <= kUnrolledTaps;
  }
  void emit();

private:
  /// The state after the input at `at`, where that exists, as tap `column` of
  /// the last dim.
  SmallVector<Value> emitColumn(ArrayRef<Value> at, int64_t column,
                                ValueRange state);
  SmallVector<Value> emitWindows(ArrayRef<Value> first);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::PoolOp op;
  PixelSpace space;
  PoolCode code;
  /// Of each pixel.
  SmallVector<PoolCode::Window> windows;
};

PixelSpace PoolTile::makeSpace(DispatchContext &context) {
  auto op = cast<nn::PoolOp>(context.getRoot());
  int64_t bytes = std::max(elementBytes(op.getInput()),
                           elementBytes(context.getYielded(0)));
  bool mayOverlap =
      isUnrolled(op) && op.getKernel().back() > op.getStrides().back();
  return PixelSpace(context, op.getResult(), bytes, /*columns=*/0, mayOverlap);
}

/// Pixel p has tap t of the last dim at column p * stride + t * dilation from
/// the first pixel's start.
SmallVector<Value> PoolTile::emitColumn(ArrayRef<Value> at, int64_t column,
                                        ValueRange state) {
  int64_t stride = op.getStrides().back(), dilation = op.getDilations().back();
  SmallVector<int64_t> users;
  for (int64_t pixel = 0; pixel < space.getPixels(); ++pixel) {
    int64_t reach = column - pixel * stride;
    if (reach >= 0 && reach % dilation == 0 &&
        reach / dilation < op.getKernel().back()) {
      users.push_back(pixel);
    }
  }
  SmallVector<Value> next(state);
  if (users.empty()) {
    return next;
  }
  unsigned last = op.getSpatialDim(op.getSpatialRank() - 1);
  Value inside =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ult, at[last],
                            math.value(kb.size(op.getInput(), last)));
  SmallVector<Value> nothing(space.getChannels(), code.emitNeutral());
  SmallVector<Value> elements = kernel::emitIf(
      b, inside, ValueRange(nothing).getTypes(),
      [&] {
        KernelBuilder::MemoScope scope(kb);
        return llvm::map_to_vector(
            space.loadChannels(kb, op.getInput(), at),
            [&](Value element) { return code.convert(element); });
      },
      [&] { return nothing; });
  for (int64_t pixel : users) {
    for (auto [i, element] : llvm::enumerate(elements)) {
      Value &place = next[pixel * space.getChannels() + i];
      place = code.combine(place, element);
    }
  }
  return next;
}

/// All windows' states. The taps of the outer dims, which the pixels have in
/// common, are clipped to the input.
SmallVector<Value> PoolTile::emitWindows(ArrayRef<Value> first) {
  bool isRolled = !isUnrolled(op);
  unsigned rank = op.getSpatialRank(), outer = isRolled ? rank : rank - 1;
  SmallVector<LoopRange> ranges;
  for (unsigned i = 0; i < outer; ++i) {
    TapRange taps = windows[0].taps[i];
    ranges.push_back({i, taps.first, taps.end});
  }
  SmallVector<Value> taps(rank, math.value(0)), at(first);
  SmallVector<Value> init(space.getPixels() * space.getChannels(),
                          code.emitNeutral());
  return emitLoopNest(kb, ranges, taps, init, [&](ValueRange carried) {
    for (unsigned i = 0; i < rank; ++i) {
      OpFoldResult step = math.mul(taps[i], op.getDilations()[i]);
      at[op.getSpatialDim(i)] = math.value(math.add(windows[0].start[i], step));
    }
    if (isRolled) {
      return emitColumn(at, 0, carried);
    }
    unsigned last = op.getSpatialDim(rank - 1);
    Value start = at[last];
    SmallVector<Value> state(carried);
    int64_t columns = (space.getPixels() - 1) * op.getStrides().back() +
                      (op.getKernel().back() - 1) * op.getDilations().back() +
                      1;
    for (int64_t column = 0; column < columns; ++column) {
      at[last] = math.value(math.add(start, math.constant(column)));
      state = emitColumn(at, column, state);
    }
    return state;
  });
}

void PoolTile::emit() {
  space.emitTile(kb, [&](ArrayRef<Value> first) {
    for (int64_t pixel = 0; pixel < space.getPixels(); ++pixel) {
      SmallVector<Value> position(first.drop_front().drop_back());
      position.back() =
          math.value(math.add(position.back(), math.constant(pixel)));
      windows.push_back(code.clipWindow(position));
    }
    SmallVector<Value> states = emitWindows(first);
    space.emitStores(kb, first, states, [&](Value state, int64_t pixel, Value) {
      return code.finish(state, windows[pixel]);
    });
  });
}

class PoolGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    return PoolTile::makeSpace(context).getLaunch(context.math);
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    PoolTile(kb).emit();
    return success();
  }
};

} // namespace

const GPUKernelFamily *getPoolGPUFamily(nn::DispatchOp dispatch) {
  static const PoolGPUFamily family;
  auto op = cast<nn::PoolOp>(dispatch.getRootOp());
  return op.getChannelsLast() && !op.getIndices() ? &family : nullptr;
}

} // namespace dlc
