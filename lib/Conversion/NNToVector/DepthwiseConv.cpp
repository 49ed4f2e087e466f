// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lane-per-channel convolution: for each block of output rows { for each panel
// of channels { for each row { for each tile of pixels { outer window rows {
// all taps of the row, unrolled } } } } }.
#include "Conversion/NNToVector/DepthwiseConv.h"

#include "DirectConv.h"
#include "RowPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

#include <set>

using namespace mlir;
using namespace dlc::kernel;

namespace {

class DepthwiseEmitter : DirectConvEmitter {
public:
  DepthwiseEmitter(ImplicitLocOpBuilder &b, const ConvSpec &spec,
                   const ConvSchedule &sched, const VectorTarget &target)
      : DirectConvEmitter(b, spec, sched, target),
        channels(spec.groups * spec.outputChannels),
        panels(llvm::divideCeil(channels, width)) {}

  using DirectConvEmitter::getParkedBytes;
  OpFoldResult items() const {
    return math.mul(math.mul(spec.batch, blocks), panels);
  }
  void emit(const ConvBuffers &buffers, Value begin, Value end);

private:
  /// A tile of pixels, and where its input may lie outside the row.
  struct Tile {
    OpFoldResult first;
    int64_t pixels;
    /// Positions relative to `first * inputStep + base` that are in the
    /// input; null: all.
    std::function<bool(int64_t position)> contains;
    /// Check positions at run time.
    bool masked = false;
  };

  void emitItem(Value linear);
  void emitPanel(const ConvPanel &panel, OpFoldResult block);
  void emitRow(const ConvPanel &panel, const OutputRow &row);
  void emitPlannedRow(const ConvPanel &panel, const OutputRow &row,
                      const RowPhase &phase, const RowPlan &plan);
  void emitTile(const ConvPanel &panel, const OutputRow &row,
                const RowPhase &phase, const Tile &tile,
                OpFoldResult validPixels);
  Accumulators addRow(const ConvPanel &panel, const RowPhase &phase,
                      const Tile &tile, OpFoldResult inputRow,
                      OpFoldResult outerTap, ValueRange acc);
  bool sharesVectors() const;
  OpFoldResult firstInput(const ConvPanel &panel);
  SmallVector<Value> loadInput(const ConvPanel &panel, OpFoldResult base,
                               OpFoldResult pixel, int64_t v, Value inside);
  Value gatherInput(OpFoldResult pixel, OpFoldResult channel, int64_t j,
                    Value mask);
  Value loadLanes(OpFoldResult index, int64_t count, OpFoldResult valid,
                  Value inside);
  Value converted(Value vector);

  int64_t channels, panels;
};

//===--- Loops
//-------------------------------------------------------------===//

void DepthwiseEmitter::emit(const ConvBuffers &buffers, Value begin,
                            Value end) {
  TileContext context =
      makeTileContext(b, spec, lanes, buffers.output, buffers.scratch);
  ctx = &context;
  input = flatten(b, buffers.input);
  filter = flatten(b, buffers.filter);
  emitFor(b, begin, end, math.constant(1),
          [&](Value linear) { emitItem(linear); });
}

void DepthwiseEmitter::emitItem(Value linear) {
  // Panels inside: the rows of a block stay in the cache for all channels.
  auto at =
      delinearize(math, linear, {spec.batch, blocks, math.constant(panels)});
  OpFoldResult block = at[1], index = at[2];
  ConvPanel panel;
  panel.image = at[0];
  panel.channel = math.mul(index, width);
  panel.filter = math.mul(index, geometry.taps() * spec.inputChannels * width);
  panel.nv = sched.nv;
  panel.validColumns = math.constant(width);
  int64_t tail = channels % width;
  if (tail == 0)
    return emitPanel(panel, block);
  emitIf(
      b,
      math.lessEqual(math.add(panel.channel, math.constant(width)),
                     math.constant(channels)),
      [&] {
        if (panels > 1)
          emitPanel(panel, block);
      },
      [&] {
        panel.nv = llvm::divideCeil(tail, lanes);
        panel.validColumns = math.constant(tail);
        emitPanel(panel, block);
      });
}

void DepthwiseEmitter::emitPanel(const ConvPanel &panel, OpFoldResult block) {
  emitRows(panel, block, [&](OutputRow &row) { emitRow(panel, row); });
}

void DepthwiseEmitter::emitRow(const ConvPanel &panel, const OutputRow &row) {
  for (const RowPhase &phase : geometry.phases()) {
    // Few border tiles pay: the mask variant below costs one compare a pixel.
    if (auto plan = planRow(phase, geometry.inputWidth, sched.mr,
                            /*maxRanges=*/4 * phase.taps.size() + 4)) {
      emitPlannedRow(panel, row, phase, *plan);
      continue;
    }
    OpFoldResult mr = math.constant(sched.mr);
    emitFor(b, math.constant(0), phase.pixels, mr, [&](Value first) {
      Tile tile{first, sched.mr, nullptr, /*masked=*/false};
      OpFoldResult left = math.sub(phase.pixels, first);
      if (phase.taps.empty())
        return emitTile(panel, row, phase, tile, left);
      OpFoldResult start =
          math.add(math.mul(first, phase.inputStep), phase.base);
      Value inside = arith::AndIOp::create(
          b, math.lessEqual(math.constant(-phase.minOffset()), start),
          math.less(
              math.add(start, math.constant((sched.mr - 1) * phase.inputStep +
                                            phase.maxOffset())),
              geometry.inputWidth));
      emitIf(
          b, inside, [&] { emitTile(panel, row, phase, tile, left); },
          [&] {
            tile.masked = true;
            emitTile(panel, row, phase, tile, left);
          });
    });
  }
}

void DepthwiseEmitter::emitPlannedRow(const ConvPanel &panel,
                                      const OutputRow &row,
                                      const RowPhase &phase,
                                      const RowPlan &plan) {
  auto border = [&](const BorderTile &tile) {
    int64_t start =
        tile.first * phase.inputStep + *IndexMath::known(phase.base);
    int64_t size = *IndexMath::known(geometry.inputWidth);
    Tile placed{math.constant(tile.first), tile.pixels, [=](int64_t position) {
                  return start + position >= 0 && start + position < size;
                }};
    emitTile(panel, row, phase, placed, math.constant(tile.pixels));
  };
  llvm::for_each(plan.left, border);
  emitFor(b, math.constant(plan.first), math.constant(plan.last),
          math.constant(sched.mr), [&](Value first) {
            Tile tile{first, sched.mr, nullptr};
            emitTile(panel, row, phase, tile, math.constant(sched.mr));
          });
  llvm::for_each(plan.right, border);
}

void DepthwiseEmitter::emitTile(const ConvPanel &panel, const OutputRow &row,
                                const RowPhase &phase, const Tile &tile,
                                OpFoldResult validPixels) {
  Accumulators acc(tile.pixels * panel.nv, zeroOf(b, ctx->accVector()));
  if (!phase.taps.empty())
    acc = geometry.emitOuterTaps(
        row, acc, [&](OpFoldResult inputRow, OpFoldResult tap, ValueRange sum) {
          return addRow(panel, phase, tile, inputRow, tap, sum);
        });
  emitStore(panel, row, phase, tile.first, tile.pixels, validPixels, acc);
}

//===--- Taps
//--------------------------------------------------------------===//

/// One input row: walks the input pixels from left to right, each loaded
/// once, and adds it to all pixels of the tile that have a tap there.
DepthwiseEmitter::Accumulators
DepthwiseEmitter::addRow(const ConvPanel &panel, const RowPhase &phase,
                         const Tile &tile, OpFoldResult inputRow,
                         OpFoldResult outerTap, ValueRange acc) {
  OpFoldResult start =
      math.add(math.mul(tile.first, phase.inputStep), phase.base);
  // All loads of the row are this plus a constant, which keeps LLVM's address
  // analysis short.
  OpFoldResult base = math.value(
      math.add(math.add(inputRow, math.mul(start, geometry.inputPixel)),
               firstInput(panel)));
  OpFoldResult filterRow = math.add(
      panel.filter,
      math.mul(outerTap, geometry.rowTaps() * spec.inputChannels * width));
  std::set<int64_t> positions;
  for (int64_t i = 0; i < tile.pixels; ++i)
    for (const RowTap &tap : phase.taps)
      positions.insert(i * phase.inputStep + tap.offset);

  Accumulators next = llvm::to_vector(acc);
  for (int64_t position : positions) {
    if (tile.contains && !tile.contains(position))
      continue;
    OpFoldResult at = math.add(start, math.constant(position));
    Value inside;
    if (tile.masked)
      inside = arith::AndIOp::create(b, math.lessEqual(math.constant(0), at),
                                     math.less(at, geometry.inputWidth));
    OpFoldResult pixel = math.mul(geometry.inputPixel, position);
    for (int64_t v = 0; v < panel.nv; ++v) {
      SmallVector<Value> values = loadInput(panel, base, pixel, v, inside);
      for (const RowTap &tap : phase.taps) {
        int64_t scaled = position - tap.offset;
        if (scaled < 0 || scaled % phase.inputStep ||
            scaled / phase.inputStep >= tile.pixels)
          continue;
        Value &sum = next[scaled / phase.inputStep * panel.nv + v];
        for (auto [j, value] : llvm::enumerate(values)) {
          int64_t weight =
              (tap.index * spec.inputChannels + j) * width + v * lanes;
          Value weights = ctx->loadB(
              filter, math.value(math.add(filterRow, math.constant(weight))),
              /*mask=*/nullptr, /*converted=*/false);
          sum = ctx->multiplyAdd(value, weights, sum);
        }
      }
    }
  }
  return next;
}

Value DepthwiseEmitter::converted(Value vector) {
  vector = convertElement(b, vector, spec.types.acc, spec.types.aUnsigned);
  return spec.convertA ? spec.convertA(b, vector) : vector;
}

/// `count` elements at `index`, the rest of the lanes unspecified; only the
/// first `valid` may be read, and none where `inside` is false: those lanes
/// hold padding.
Value DepthwiseEmitter::loadLanes(OpFoldResult index, int64_t count,
                                  OpFoldResult valid, Value inside) {
  auto type = VectorType::get({lanes}, spec.types.a);
  std::optional<int64_t> known = IndexMath::known(valid);
  bool whole = count == lanes && known && *known >= lanes;
  if (whole && !inside)
    return loadVector(b, input, math.value(index), lanes, nullptr);
  Value mask = lanesBelow(b, lanes, math.min(valid, math.constant(count)));
  if (inside) {
    auto maskType = VectorType::get({lanes}, b.getI1Type());
    Value all = vector::BroadcastOp::create(b, maskType, inside);
    mask = whole ? all : arith::AndIOp::create(b, mask, all).getResult();
  }
  Value pad = zeroOf(b, type);
  if (spec.padValue)
    pad = vector::BroadcastOp::create(b, type, spec.padValue);
  return vector::MaskedLoadOp::create(b, type, input,
                                      ValueRange(math.value(index)), mask, pad);
}

/// Input channel j of the group of every lane, by computed indices: for
/// groups that do not fit a vector evenly.
Value DepthwiseEmitter::gatherInput(OpFoldResult pixel, OpFoldResult channel,
                                    int64_t j, Value mask) {
  auto indexType = VectorType::get({lanes}, b.getIndexType());
  Value lane = vector::StepOp::create(b, indexType);
  auto splat = [&](OpFoldResult size) -> Value {
    return vector::BroadcastOp::create(b, indexType, math.value(size));
  };
  Value output = arith::AddIOp::create(b, lane, splat(channel));
  Value group = arith::DivUIOp::create(
      b, output, splat(math.constant(spec.outputChannels)));
  Value index =
      arith::MulIOp::create(b, group, splat(math.constant(spec.inputChannels)));
  auto type = VectorType::get({lanes}, spec.types.a);
  Value pad = zeroOf(b, type);
  if (spec.padValue)
    pad = vector::BroadcastOp::create(b, type, spec.padValue);
  return vector::GatherOp::create(
      b, type, input, ValueRange(math.value(math.add(pixel, math.constant(j)))),
      index, mask, pad);
}

/// Whether the inputs of the groups of one vector lie within one vector.
bool DepthwiseEmitter::sharesVectors() const {
  return lanes % spec.outputChannels == 0 &&
         spec.inputChannels <= spec.outputChannels;
}

/// First input channel of the panel; 0 where every lane computes its own.
OpFoldResult DepthwiseEmitter::firstInput(const ConvPanel &panel) {
  if (!sharesVectors())
    return math.constant(0);
  return math.mul(math.div(panel.channel, math.constant(spec.outputChannels)),
                  spec.inputChannels);
}

/// The operand vectors of panel vector `v` at the pixel `pixel` elements after
/// `base`, one per input channel of a group. `inside` is null or says whether
/// the pixel exists.
SmallVector<Value> DepthwiseEmitter::loadInput(const ConvPanel &panel,
                                               OpFoldResult base,
                                               OpFoldResult pixel, int64_t v,
                                               Value inside) {
  int64_t inputs = spec.inputChannels, outputs = spec.outputChannels;
  OpFoldResult valid = math.sub(panel.validColumns, math.constant(v * lanes));
  SmallVector<Value> result;
  if (!sharesVectors()) {
    Value mask = lanesBelow(b, lanes, valid);
    if (inside)
      mask = arith::AndIOp::create(
          b, mask, vector::BroadcastOp::create(b, mask.getType(), inside));
    OpFoldResult channel = math.add(panel.channel, math.constant(v * lanes));
    for (int64_t j = 0; j < inputs; ++j)
      result.push_back(
          converted(gatherInput(math.add(base, pixel), channel, j, mask)));
    return result;
  }
  int64_t groups = lanes / outputs;
  OpFoldResult index =
      math.add(base, math.add(pixel, math.constant(v * groups * inputs)));
  OpFoldResult validInputs =
      math.mul(math.div(valid, math.constant(outputs)), inputs);
  Value loaded = loadLanes(index, groups * inputs, validInputs, inside);
  if (inputs == 1 && outputs == 1)
    return {converted(loaded)};
  for (int64_t j = 0; j < inputs; ++j) {
    SmallVector<int64_t> pattern;
    for (int64_t lane = 0; lane < lanes; ++lane)
      pattern.push_back(lane / outputs * inputs + j);
    result.push_back(
        converted(vector::ShuffleOp::create(b, loaded, loaded, pattern)));
  }
  return result;
}

} // namespace

//===--- Interface
//---------------------------------------------------------===//

bool dlc::kernel::prefersDepthwise(const ConvSpec &spec,
                                   const VectorTarget &target) {
  int64_t lanes = target.lanesFor(spec.types.acc.getIntOrFloatBitWidth());
  int64_t inputs = spec.inputChannels, outputs = spec.outputChannels;
  if (spec.groups == 1 || outputs > lanes / 2)
    return false;
  if (inputs == 1)
    return true;
  return !spec.transposed && lanes % outputs == 0 && inputs <= outputs;
}

PackedLayout dlc::kernel::getDepthwiseFilterLayout(const ConvSpec &spec,
                                                   const ConvSchedule &sched,
                                                   const VectorTarget &target) {
  PackedLayout layout;
  for (int64_t size : spec.kernel)
    layout.taps *= size;
  layout.k = spec.inputChannels;
  layout.n = spec.groups * spec.outputChannels;
  layout.nr =
      sched.panelWidth(target.lanesFor(spec.types.acc.getIntOrFloatBitWidth()));
  return layout;
}

OpFoldResult dlc::kernel::getDepthwiseItems(ImplicitLocOpBuilder &b,
                                            const ConvSpec &spec,
                                            const ConvSchedule &sched,
                                            const VectorTarget &target) {
  return DepthwiseEmitter(b, spec, sched, target).items();
}

int64_t dlc::kernel::getDepthwiseScratchBytes(const ConvSpec &spec,
                                              const ConvSchedule &sched,
                                              const VectorTarget &target) {
  return DepthwiseEmitter::getParkedBytes(spec, sched, target);
}

void dlc::kernel::emitDepthwiseConv(ImplicitLocOpBuilder &b,
                                    const ConvSpec &spec,
                                    const ConvSchedule &sched,
                                    const VectorTarget &target,
                                    const ConvBuffers &buffers, Value begin,
                                    Value end) {
  DepthwiseEmitter(b, spec, sched, target).emit(buffers, begin, end);
}
