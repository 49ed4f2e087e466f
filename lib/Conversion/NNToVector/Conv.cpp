// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Direct convolution: for each panel of output channels { for each output row {
// for each tile of pixels { the whole window in registers } } }. The filter
// panel stays in the L2 cache.
#include "Conversion/NNToVector/Conv.h"

#include "DirectConv.h"
#include "RowPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace dlc::kernel;

namespace {

/// Pixels of the window copy.
int64_t windowPixels(const RowPhase &phase, int64_t mr) {
  return (mr - 1) * phase.inputStep + phase.maxOffset() - phase.minOffset() + 1;
}

/// Border tiles are unrolled code; past so many tap ranges the window is copied
/// instead.
constexpr int64_t kMaxBorderRanges = 24;

class ConvEmitter : DirectConvEmitter {
public:
  ConvEmitter(ImplicitLocOpBuilder &b, const ConvSpec &spec,
              const ConvSchedule &sched, const VectorTarget &target)
      : DirectConvEmitter(b, spec, sched, target),
        parkedBytes(getParkedBytes(spec, sched, target)),
        panels(llvm::divideCeil(spec.outputChannels, width)) {}

  static int64_t getScratchBytes(const ConvSpec &spec,
                                 const ConvSchedule &sched,
                                 const VectorTarget &target);
  OpFoldResult items() const {
    return math.mul(math.mul(spec.batch, blocks), spec.groups * panels);
  }
  void emit(const ConvBuffers &buffers, Value begin, Value end);

private:
  void emitItem(Value linear);
  void emitPanel(const ConvPanel &panel, OpFoldResult block);
  void emitRow(const ConvPanel &panel, const OutputRow &row);
  void emitPlannedRow(const ConvPanel &panel, const OutputRow &row,
                      const RowPhase &phase, const RowPlan &plan);
  void emitTile(
      const ConvPanel &panel, const OutputRow &row, const RowPhase &phase,
      OpFoldResult first, int64_t pixels, OpFoldResult validPixels,
      const std::function<Accumulators(OpFoldResult inputRow, OpFoldResult tap,
                                       ValueRange)> &rowPart);
  void emitBorderTile(const ConvPanel &panel, const OutputRow &row,
                      const RowPhase &phase, const BorderTile &tile);
  void emitWholeTile(const ConvPanel &panel, const OutputRow &row,
                     const RowPhase &phase, OpFoldResult first);
  void emitDynamicTile(const ConvPanel &panel, const OutputRow &row,
                       const RowPhase &phase, Value first);
  Accumulators reduceTaps(const ConvPanel &panel, const RowPhase &phase,
                          Value source, OpFoldResult base, OpFoldResult pixel,
                          ArrayRef<int64_t> pixels, int64_t firstTap,
                          int64_t lastTap, OpFoldResult outerTap,
                          ValueRange acc);
  void copyWindow(const RowPhase &phase, OpFoldResult inputRow,
                  OpFoldResult first);
  void setSlice(const OutputRow &row, OpFoldResult first);

  int64_t parkedBytes, panels;
  /// The input pixels that a tile sees, copied where some do not exist.
  Value window;
  /// Of the tile under way: its number among the tiles of its panel, if static
  /// sizes make the next panel worth fetching early.
  OpFoldResult slice, slices;
};

//===--- Emission
//----------------------------------------------------------===//

void ConvEmitter::emit(const ConvBuffers &buffers, Value begin, Value end) {
  TileContext context =
      makeTileContext(b, spec, lanes, buffers.output, buffers.scratch);
  ctx = &context;
  input = flatten(b, buffers.input);
  filter = flatten(b, buffers.filter);
  window =
      scratchView(b, buffers.scratch,
                  math.constant(llvm::alignTo(parkedBytes, 64)), spec.types.a);
  emitFor(b, begin, end, math.constant(1),
          [&](Value linear) { emitItem(linear); });
}

void ConvEmitter::emitItem(Value linear) {
  auto at = delinearize(
      math, linear,
      {spec.batch, math.constant(spec.groups), math.constant(panels), blocks});
  OpFoldResult group = at[1], index = at[2], block = at[3];
  OpFoldResult column = math.mul(index, width);
  ConvPanel panel;
  panel.image = at[0];
  panel.channel = math.add(math.mul(group, spec.outputChannels), column);
  panel.inputChannel = math.mul(group, spec.inputChannels);
  panel.filter = math.mul(math.add(math.mul(group, panels), index),
                          geometry.taps() * spec.inputChannels * width);
  panel.nv = sched.nv;
  panel.validColumns = math.constant(width);

  int64_t tail = spec.outputChannels % width;
  int64_t tailVectors = llvm::divideCeil(tail, lanes);
  OpFoldResult left = math.sub(math.constant(spec.outputChannels), column);
  if (tail == 0)
    return emitPanel(panel, block);
  if (tailVectors == sched.nv) {
    panel.validColumns = left;
    return emitPanel(panel, block);
  }
  emitIf(
      b, math.lessEqual(math.constant(width), left),
      [&] {
        if (panels > 1)
          emitPanel(panel, block);
      },
      [&] {
        panel.nv = tailVectors;
        panel.validColumns = math.constant(tail);
        emitPanel(panel, block);
      });
}

void ConvEmitter::emitPanel(const ConvPanel &panel, OpFoldResult block) {
  emitRows(panel, block, [&](OutputRow &row) {
    row.input = math.add(row.input, panel.inputChannel);
    emitRow(panel, row);
  });
}

void ConvEmitter::emitRow(const ConvPanel &panel, const OutputRow &row) {
  for (const RowPhase &phase : geometry.phases()) {
    if (auto plan =
            planRow(phase, geometry.inputWidth, sched.mr, kMaxBorderRanges)) {
      emitPlannedRow(panel, row, phase, *plan);
      continue;
    }
    emitFor(b, math.constant(0), phase.pixels, math.constant(sched.mr),
            [&](Value first) { emitDynamicTile(panel, row, phase, first); });
  }
}

void ConvEmitter::emitPlannedRow(const ConvPanel &panel, const OutputRow &row,
                                 const RowPhase &phase, const RowPlan &plan) {
  for (const BorderTile &tile : plan.left)
    emitBorderTile(panel, row, phase, tile);
  emitFor(b, math.constant(plan.first), math.constant(plan.last),
          math.constant(sched.mr),
          [&](Value first) { emitWholeTile(panel, row, phase, first); });
  for (const BorderTile &tile : plan.right)
    emitBorderTile(panel, row, phase, tile);
}

/// Prefetching pays where a panel serves few tiles: with many, its own time is
/// long against that of fetching it.
void ConvEmitter::setSlice(const OutputRow &row, OpFoldResult first) {
  constexpr int64_t kMaxSlices = 64;
  slices = slice = OpFoldResult();
  std::optional<int64_t> knownRows = IndexMath::known(rows),
                         pixels = IndexMath::known(geometry.outputWidth);
  if (panels == 1 || spec.transposed || !knownRows || !pixels)
    return;
  int64_t tiles = llvm::divideCeil(*pixels, sched.mr);
  if (*knownRows * tiles > kMaxSlices)
    return;
  slices = math.constant(*knownRows * tiles);
  slice = math.add(math.mul(row.number, tiles),
                   math.div(first, math.constant(sched.mr)));
}

void ConvEmitter::emitTile(
    const ConvPanel &panel, const OutputRow &row, const RowPhase &phase,
    OpFoldResult first, int64_t pixels, OpFoldResult validPixels,
    const std::function<Accumulators(OpFoldResult, OpFoldResult, ValueRange)>
        &rowPart) {
  setSlice(row, first);
  Accumulators acc(pixels * panel.nv, zeroOf(b, ctx->accVector()));
  if (!phase.taps.empty())
    acc = geometry.emitOuterTaps(row, acc, rowPart);

  emitStore(panel, row, phase, first, pixels, validPixels, acc);
}

/// Adds taps [firstTap, lastTap) of one input row. `base` is the offset of tap
/// 0 of the tile's first pixel in `source`, `pixel` the elements between pixels
/// there.
ConvEmitter::Accumulators ConvEmitter::reduceTaps(
    const ConvPanel &panel, const RowPhase &phase, Value source,
    OpFoldResult base, OpFoldResult pixel, ArrayRef<int64_t> pixels,
    int64_t firstTap, int64_t lastTap, OpFoldResult outerTap, ValueRange acc) {
  if (pixels.empty())
    return llvm::to_vector(acc);
  int64_t channels = spec.inputChannels;
  int64_t tapElements = channels * width;
  OpFoldResult filterBase = math.add(
      panel.filter, math.mul(math.add(math.mul(outerTap, geometry.rowTaps()),
                                      math.constant(phase.taps[0].index)),
                             tapElements));
  OpFoldResult tapStep = math.mul(pixel, phase.offsetStep());
  TileReduction reduction;
  reduction.a = source;
  for (int64_t i : pixels)
    reduction.rows.push_back({i, math.mul(pixel, i * phase.inputStep)});
  reduction.aStep = math.constant(1);
  reduction.bFlat = filter;
  reduction.bStep = math.constant(width);
  auto part = [&](OpFoldResult tap, int64_t count, ValueRange values) {
    reduction.aBase = math.add(base, math.mul(tap, tapStep));
    reduction.bBase =
        math.add(filterBase, math.mul(tap, phase.indexStep() * tapElements));
    reduction.count = math.constant(count);
    if (slices)
      prefetchNextPanel(b, reduction, panel.nv,
                        math.constant(geometry.taps() * tapElements), slice,
                        slices);
    return emitTileReduction(*ctx, reduction, values, panel.nv);
  };
  // Neighbouring taps of dense pixels are one run of input and filter.
  if (phase.indexStep() == 1 && IndexMath::isKnown(tapStep, channels))
    return part(math.constant(firstTap), (lastTap - firstTap) * channels, acc);
  return emitFor(b, math.constant(firstTap), math.constant(lastTap),
                 math.constant(1), acc, [&](Value tap, ValueRange values) {
                   return part(tap, channels, values);
                 });
}

static SmallVector<int64_t> allPixels(int64_t count) {
  return llvm::to_vector(llvm::seq<int64_t>(0, count));
}

void ConvEmitter::emitBorderTile(const ConvPanel &panel, const OutputRow &row,
                                 const RowPhase &phase,
                                 const BorderTile &tile) {
  OpFoldResult first = math.constant(tile.first);
  emitTile(panel, row, phase, first, tile.pixels, math.constant(tile.pixels),
           [&](OpFoldResult inputRow, OpFoldResult outerTap, ValueRange acc) {
             int64_t position = tile.first * phase.inputStep +
                                *IndexMath::known(phase.base) +
                                phase.taps[0].offset;
             OpFoldResult base =
                 math.add(inputRow, math.mul(geometry.inputPixel, position));
             Accumulators next = llvm::to_vector(acc);
             for (const TapRange &range : tile.ranges)
               next = reduceTaps(panel, phase, input, base, geometry.inputPixel,
                                 range.pixels, range.first, range.last,
                                 outerTap, next);
             return next;
           });
}

void ConvEmitter::emitWholeTile(const ConvPanel &panel, const OutputRow &row,
                                const RowPhase &phase, OpFoldResult first) {
  SmallVector<int64_t> pixels = allPixels(sched.mr);
  emitTile(panel, row, phase, first, sched.mr, math.constant(sched.mr),
           [&](OpFoldResult inputRow, OpFoldResult outerTap, ValueRange acc) {
             OpFoldResult position = math.add(
                 math.add(math.mul(first, phase.inputStep), phase.base),
                 math.constant(phase.taps[0].offset));
             OpFoldResult base =
                 math.add(inputRow, math.mul(geometry.inputPixel, position));
             return reduceTaps(panel, phase, input, base, geometry.inputPixel,
                               pixels, 0, phase.taps.size(), outerTap, acc);
           });
}

void ConvEmitter::emitDynamicTile(const ConvPanel &panel, const OutputRow &row,
                                  const RowPhase &phase, Value first) {
  OpFoldResult left = math.sub(phase.pixels, first);
  SmallVector<int64_t> pixels = allPixels(sched.mr);
  int64_t taps = phase.taps.size();
  emitTile(
      panel, row, phase, first, sched.mr, left,
      [&](OpFoldResult inputRow, OpFoldResult outerTap, ValueRange acc) {
        OpFoldResult start =
            math.add(math.mul(first, phase.inputStep), phase.base);
        OpFoldResult low = math.add(start, math.constant(phase.minOffset()));
        OpFoldResult high =
            math.add(low, math.constant(windowPixels(phase, sched.mr)));
        Value inside =
            arith::AndIOp::create(b, math.lessEqual(math.constant(0), low),
                                  math.lessEqual(high, geometry.inputWidth));
        return emitIf(
            b, inside, acc.getTypes(),
            [&] {
              OpFoldResult position =
                  math.add(start, math.constant(phase.taps[0].offset));
              OpFoldResult base =
                  math.add(inputRow, math.mul(geometry.inputPixel, position));
              return reduceTaps(panel, phase, input, base, geometry.inputPixel,
                                pixels, 0, taps, outerTap, acc);
            },
            [&] {
              copyWindow(phase, inputRow, low);
              int64_t position = phase.taps[0].offset - phase.minOffset();
              return reduceTaps(panel, phase, window,
                                math.constant(position * spec.inputChannels),
                                math.constant(spec.inputChannels), pixels, 0,
                                taps, outerTap, acc);
            });
      });
}

/// Copies the input pixels from position `first` on that a tile may read into
/// the window, with padding for those outside the input.
void ConvEmitter::copyWindow(const RowPhase &phase, OpFoldResult inputRow,
                             OpFoldResult first) {
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  int64_t channels = spec.inputChannels, whole = channels / lanes * lanes;
  Value pad = spec.padValue ? spec.padValue : zeroOf(b, spec.types.a);
  emitFor(
      b, zero, math.constant(windowPixels(phase, sched.mr)), one,
      [&](Value pixel) {
        OpFoldResult position = math.add(first, pixel);
        OpFoldResult from =
            math.add(inputRow, math.mul(position, geometry.inputPixel));
        OpFoldResult to = math.mul(pixel, channels);
        Value inside =
            arith::AndIOp::create(b, math.lessEqual(zero, position),
                                  math.less(position, geometry.inputWidth));
        auto put = [&](Value c, Value element) {
          memref::StoreOp::create(b, element, window,
                                  ValueRange(math.value(math.add(to, c))));
        };
        emitIf(
            b, inside,
            [&] {
              emitFor(b, zero, math.constant(whole), math.constant(lanes),
                      [&](Value c) {
                        Value vector =
                            loadVector(b, input, math.value(math.add(from, c)),
                                       lanes, nullptr);
                        storeVector(b, vector, window,
                                    math.value(math.add(to, c)), nullptr);
                      });
              emitFor(b, math.constant(whole), math.constant(channels), one,
                      [&](Value c) {
                        put(c, memref::LoadOp::create(
                                   b, input,
                                   ValueRange(math.value(math.add(from, c)))));
                      });
            },
            [&] {
              emitFor(b, zero, math.constant(channels), one,
                      [&](Value c) { put(c, pad); });
            });
      });
}

/// The parked tile, then the window.
int64_t ConvEmitter::getScratchBytes(const ConvSpec &spec,
                                     const ConvSchedule &sched,
                                     const VectorTarget &target) {
  // The widest phase of a transposed convolution has inputStep 1, so this
  // bounds all phases.
  int64_t step = spec.transposed ? 1 : spec.strides.back();
  int64_t span = (spec.kernel.back() - 1) * spec.dilations.back() + 1;
  int64_t pixels = (sched.mr - 1) * step + span;
  int64_t elementBytes =
      llvm::divideCeil(spec.types.a.getIntOrFloatBitWidth(), 8);
  return llvm::alignTo(getParkedBytes(spec, sched, target), 64) +
         pixels * spec.inputChannels * elementBytes;
}

} // namespace

//===--- Interface
//---------------------------------------------------------===//

PackedLayout dlc::kernel::getFilterLayout(const ConvSpec &spec,
                                          const ConvSchedule &sched,
                                          const VectorTarget &target) {
  PackedLayout layout;
  layout.groups = spec.groups;
  for (int64_t size : spec.kernel)
    layout.taps *= size;
  layout.k = spec.inputChannels;
  layout.n = spec.outputChannels;
  layout.nr =
      sched.panelWidth(target.lanesFor(spec.types.acc.getIntOrFloatBitWidth()));
  return layout;
}

OpFoldResult dlc::kernel::getConvItems(ImplicitLocOpBuilder &b,
                                       const ConvSpec &spec,
                                       const ConvSchedule &sched,
                                       const VectorTarget &target) {
  return ConvEmitter(b, spec, sched, target).items();
}

int64_t dlc::kernel::getConvScratchBytes(const ConvSpec &spec,
                                         const ConvSchedule &sched,
                                         const VectorTarget &target) {
  return ConvEmitter::getScratchBytes(spec, sched, target);
}

void dlc::kernel::emitConv(ImplicitLocOpBuilder &b, const ConvSpec &spec,
                           const ConvSchedule &sched,
                           const VectorTarget &target,
                           const ConvBuffers &buffers, Value begin, Value end) {
  ConvEmitter(b, spec, sched, target).emit(buffers, begin, end);
}

std::optional<GemmSpec> dlc::kernel::asMatrixProduct(ImplicitLocOpBuilder &b,
                                                     const ConvSpec &spec) {
  auto allAre = [](auto &&values, int64_t wanted) {
    return llvm::all_of(values, [&](int64_t v) { return v == wanted; });
  };
  if (spec.groups != 1 || !allAre(spec.kernel, 1) || !allAre(spec.strides, 1) ||
      !spec.inputStrides.empty() || !spec.outputStrides.empty())
    return std::nullopt;
  for (auto [pad, inputSize, outputSize] :
       llvm::zip(spec.padLow, spec.inputSizes, spec.outputSizes))
    if (!IndexMath::isKnown(pad, 0) ||
        !isEqualConstantIntOrValue(inputSize, outputSize))
      return std::nullopt;
  IndexMath math(b);
  GemmSpec gemm;
  gemm.types = spec.types;
  gemm.batch = {spec.batch};
  gemm.m = math.constant(1);
  for (OpFoldResult size : spec.outputSizes)
    gemm.m = math.mul(gemm.m, size);
  gemm.n = math.constant(spec.outputChannels);
  gemm.k = math.constant(spec.inputChannels);
  gemm.aRowStride = gemm.k;
  gemm.aColumnStride = math.constant(1);
  gemm.cRowStride = gemm.n;
  OpFoldResult m = gemm.m;
  auto imageOffset = [m](int64_t channels) -> OffsetFn {
    return [m, channels](ImplicitLocOpBuilder &b, ValueRange batch) {
      IndexMath math(b);
      return math.mul(math.mul(batch[0], m), channels);
    };
  };
  gemm.aOffset = imageOffset(spec.inputChannels);
  gemm.cOffset = imageOffset(spec.outputChannels);
  gemm.convertA = spec.convertA;
  gemm.convertB = spec.convertB;
  gemm.epilogue = spec.epilogue;
  return gemm;
}
