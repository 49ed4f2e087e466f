// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// F(2x2, 3x3): for each block of output tiles { transform their inputs to
// V[16][tile][channel]; for each panel of output channels { 16 matrix products;
// transform back and store } }. V and one panel's products stay in the L2
// cache.
#include "Conversion/NNToVector/Winograd.h"

#include "ConvGeometry.h"
#include "Tile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace dlc::kernel;

namespace {

/// Frequencies of a tile: the side of its input squared.
constexpr int64_t kSide = 4, kFrequencies = 16, kOutputs = 2;

/// Distance of two frequencies of V in elements. The extra line keeps equal
/// positions of all frequencies out of one set of the L1 cache.
int64_t frequencyStride(int64_t tiles, int64_t width) {
  return tiles * width + 16;
}

class WinogradEmitter {
public:
  WinogradEmitter(ImplicitLocOpBuilder &b, const ConvSpec &spec,
                  const WinogradSchedule &sched, const VectorTarget &target)
      : b(b), math(b), spec(spec), sched(sched), geometry(b, spec),
        lanes(target.lanes), width(sched.nv * lanes),
        channels(spec.inputChannels),
        panels(llvm::divideCeil(spec.outputChannels, width)) {
    OpFoldResult two = math.constant(kOutputs);
    tileRows = math.ceilDiv(spec.outputSizes[0], two);
    tileColumns = math.ceilDiv(spec.outputSizes[1], two);
    total = math.mul(spec.batch, math.mul(tileRows, tileColumns));
  }

  OpFoldResult items() const {
    return math.ceilDiv(total, math.constant(sched.tiles));
  }
  void emit(const ConvBuffers &buffers, Value begin, Value end);

private:
  using Vectors = SmallVector<Value>;

  /// Where one tile lies.
  struct Place {
    OpFoldResult image, row, column; // in tiles
  };

  /// Existence (i1) of the positions of a patch along one dimension.
  struct Extent {
    SmallVector<Value> exists;
    Value all;
  };

  Place locate(OpFoldResult tile);
  void emitItem(Value item);
  void transformInput(OpFoldResult first, Value t);
  Extent checkExtent(OpFoldResult first, OpFoldResult size);
  Vectors loadPatch(OpFoldResult base, const Extent &rows,
                    const Extent &columns);
  void multiply(OpFoldResult panel, OpFoldResult count);
  void transformOutput(OpFoldResult first, OpFoldResult panel, Value t);
  void store(const Place &place, int64_t y, int64_t x, OpFoldResult channel,
             Value value);

  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }

  ImplicitLocOpBuilder &b;
  IndexMath math;
  const ConvSpec &spec;
  const WinogradSchedule &sched;
  ConvGeometry geometry;
  int64_t lanes, width, channels, panels;
  OpFoldResult tileRows, tileColumns, total;
  const TileContext *ctx = nullptr;
  Value input, filter, transformed, products;
};

//===--- Loops
//-------------------------------------------------------------===//

void WinogradEmitter::emit(const ConvBuffers &buffers, Value begin, Value end) {
  // The loops around the epilogue are rolled already.
  Epilogue epilogue = spec.epilogue;
  epilogue.rolled = false;
  TileContext context{b,
                      spec.types,
                      lanes,
                      nullptr,
                      nullptr,
                      epilogue,
                      buffers.output ? flatten(b, buffers.output) : Value(),
                      nullptr};
  ctx = &context;
  input = flatten(b, buffers.input);
  filter = flatten(b, buffers.filter);
  transformed =
      scratchView(b, buffers.scratch, math.constant(0), spec.types.acc);
  int64_t bytes = kFrequencies * frequencyStride(sched.tiles, channels) * 4;
  products =
      scratchView(b, buffers.scratch, math.constant(bytes), spec.types.acc);
  emitFor(b, begin, end, math.constant(1), [&](Value item) { emitItem(item); });
}

void WinogradEmitter::emitItem(Value item) {
  OpFoldResult first = math.mul(item, sched.tiles);
  OpFoldResult count =
      math.min(math.constant(sched.tiles), math.sub(total, first));
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  emitFor(b, zero, count, one, [&](Value t) { transformInput(first, t); });
  emitFor(b, zero, math.constant(panels), one, [&](Value panel) {
    multiply(panel, count);
    emitFor(b, zero, count, one,
            [&](Value t) { transformOutput(first, panel, t); });
  });
}

WinogradEmitter::Place WinogradEmitter::locate(OpFoldResult tile) {
  auto at = delinearize(math, tile, {spec.batch, tileRows, tileColumns});
  return {at[0], at[1], at[2]};
}

//===--- Input transform
//---------------------------------------------------===//

/// Which of the four positions from `first` on lie in [0, size), and all of
/// them.
WinogradEmitter::Extent WinogradEmitter::checkExtent(OpFoldResult first,
                                                     OpFoldResult size) {
  Extent extent;
  for (int64_t i = 0; i < kSide; ++i) {
    OpFoldResult at = math.add(first, math.constant(i));
    extent.exists.push_back(arith::AndIOp::create(
        b, math.lessEqual(math.constant(0), at), math.less(at, size)));
  }
  extent.all =
      arith::AndIOp::create(b, extent.exists.front(), extent.exists.back());
  return extent;
}

/// The 4x4 input vectors of a tile from offset `base` on; zero outside the
/// input.
WinogradEmitter::Vectors WinogradEmitter::loadPatch(OpFoldResult base,
                                                    const Extent &rows,
                                                    const Extent &columns) {
  auto maskType = VectorType::get({lanes}, b.getI1Type());
  auto load = [&](bool masked) {
    Vectors patch;
    for (int64_t f = 0; f < kFrequencies; ++f) {
      int64_t i = f / kSide, j = f % kSide;
      OpFoldResult offset = math.add(math.mul(geometry.inputStrides[1], i),
                                     math.mul(geometry.inputStrides[2], j));
      Value mask;
      if (masked)
        mask = vector::BroadcastOp::create(
            b, maskType,
            arith::AndIOp::create(b, rows.exists[i], columns.exists[j]));
      patch.push_back(loadVector(b, input, math.value(math.add(base, offset)),
                                 lanes, mask));
    }
    return patch;
  };
  Value inside = arith::AndIOp::create(b, rows.all, columns.all);
  SmallVector<Type> types(kFrequencies, VectorType::get({lanes}, spec.types.a));
  return emitIf(
      b, inside, types, [&] { return load(false); },
      [&] { return load(true); });
}

void WinogradEmitter::transformInput(OpFoldResult first, Value t) {
  Place place = locate(math.add(first, t));
  OpFoldResult y = math.sub(math.mul(place.row, kOutputs), spec.padLow[0]);
  OpFoldResult x = math.sub(math.mul(place.column, kOutputs), spec.padLow[1]);
  OpFoldResult base = math.add(math.mul(place.image, geometry.inputStrides[0]),
                               math.add(math.mul(y, geometry.inputStrides[1]),
                                        math.mul(x, geometry.inputStrides[2])));
  Extent rows = checkExtent(y, spec.inputSizes[0]);
  Extent columns = checkExtent(x, spec.inputSizes[1]);
  emitFor(b, math.constant(0), math.constant(channels), math.constant(lanes),
          [&](Value channel) {
            Vectors d =
                loadPatch(math.value(math.add(base, channel)), rows, columns);
            // B^T d B, first down the columns, then along the rows.
            auto step = [&](int64_t from, int64_t stride) {
              Value d0 = d[from], d1 = d[from + stride],
                    d2 = d[from + 2 * stride], d3 = d[from + 3 * stride];
              d[from] = sub(d0, d2);
              d[from + stride] = add(d1, d2);
              d[from + 2 * stride] = sub(d2, d1);
              d[from + 3 * stride] = sub(d1, d3);
            };
            for (int64_t j = 0; j < kSide; ++j)
              step(j, kSide);
            for (int64_t i = 0; i < kSide; ++i)
              step(i * kSide, 1);
            OpFoldResult to = math.add(math.mul(t, channels), channel);
            for (int64_t f = 0; f < kFrequencies; ++f) {
              int64_t offset = f * frequencyStride(sched.tiles, channels);
              storeVector(b, d[f], transformed,
                          math.value(math.add(to, math.constant(offset))),
                          nullptr);
            }
          });
}

//===--- Products
//----------------------------------------------------------===//

/// products[f][tile][width] = V[f] times the panel's filter, for all tiles of
/// the block. Rows past `count` are computed from whatever scratch holds, and
/// never read.
void WinogradEmitter::multiply(OpFoldResult panel, OpFoldResult count) {
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  int64_t panelElements = channels * width;
  emitFor(b, zero, math.constant(kFrequencies), one, [&](Value f) {
    emitFor(b, zero, count, math.constant(sched.mr), [&](Value t) {
      TileReduction reduction;
      reduction.a = transformed;
      reduction.aBase =
          math.add(math.mul(f, frequencyStride(sched.tiles, channels)),
                   math.mul(t, channels));
      reduction.aStep = one;
      for (int64_t i = 0; i < sched.mr; ++i)
        reduction.rows.push_back({i, math.constant(i * channels)});
      reduction.bFlat = filter;
      reduction.bBase =
          math.mul(math.add(math.mul(panel, kFrequencies), f), panelElements);
      reduction.bStep = math.constant(width);
      reduction.bConverted = true;
      reduction.count = math.constant(channels);
      prefetchNextPanel(b, reduction, sched.nv, math.constant(panelElements),
                        math.div(t, math.constant(sched.mr)),
                        math.constant(sched.tiles / sched.mr));
      Vectors zeros(sched.mr * sched.nv, zeroOf(b, ctx->accVector()));
      Vectors acc = emitTileReduction(*ctx, reduction, zeros, sched.nv);
      OpFoldResult to = math.add(
          math.mul(f, frequencyStride(sched.tiles, width)), math.mul(t, width));
      for (auto [i, value] : llvm::enumerate(acc))
        storeVector(b, value, products,
                    math.value(math.add(to, math.constant(i * lanes))),
                    nullptr);
    });
  });
}

//===--- Output transform
//--------------------------------------------------===//

void WinogradEmitter::transformOutput(OpFoldResult first, OpFoldResult panel,
                                      Value t) {
  Place place = locate(math.add(first, t));
  emitFor(b, math.constant(0), math.constant(width), math.constant(lanes),
          [&](Value column) {
            OpFoldResult from = math.add(math.mul(t, width), column);
            Vectors m;
            for (int64_t f = 0; f < kFrequencies; ++f) {
              int64_t offset = f * frequencyStride(sched.tiles, width);
              m.push_back(
                  loadVector(b, products,
                             math.value(math.add(from, math.constant(offset))),
                             lanes, nullptr));
            }
            // A^T m A.
            auto step = [&](int64_t at, int64_t stride) {
              Value m0 = m[at], m1 = m[at + stride], m2 = m[at + 2 * stride],
                    m3 = m[at + 3 * stride];
              m[at] = add(add(m0, m1), m2);
              m[at + stride] = sub(sub(m1, m2), m3);
            };
            for (int64_t j = 0; j < kSide; ++j)
              step(j, kSide);
            for (int64_t i = 0; i < kOutputs; ++i)
              step(i * kSide, 1);
            OpFoldResult channel = math.add(math.mul(panel, width), column);
            for (int64_t i = 0; i < kOutputs; ++i)
              for (int64_t j = 0; j < kOutputs; ++j)
                store(place, i, j, channel, m[i * kSide + j]);
          });
}

/// Stores output (y, x) of a tile, if it exists.
void WinogradEmitter::store(const Place &place, int64_t y, int64_t x,
                            OpFoldResult channel, Value value) {
  OpFoldResult row = math.add(math.mul(place.row, kOutputs), math.constant(y));
  OpFoldResult column =
      math.add(math.mul(place.column, kOutputs), math.constant(x));
  TileStore at;
  at.batch = {math.value(place.image)};
  at.m = math.add(math.mul(row, spec.outputSizes[1]), column);
  at.mStep = math.constant(1);
  at.n = channel;
  at.offset = math.add(
      math.add(math.mul(place.image, geometry.outputStrides[0]), channel),
      math.add(math.mul(row, geometry.outputStrides[1]),
               math.mul(column, geometry.outputStrides[2])));
  at.rowStride = math.constant(0);
  at.rows = 1;
  at.nv = 1;
  at.validRows = math.constant(1);
  at.validColumns =
      spec.outputChannels % lanes == 0 && panels * width == spec.outputChannels
          ? math.constant(lanes)
          : math.sub(math.constant(spec.outputChannels), channel);
  auto isEven = [](OpFoldResult size) {
    std::optional<int64_t> known = IndexMath::known(size);
    return known && *known % kOutputs == 0;
  };
  Value exists = arith::ConstantIntOp::create(b, 1, 1);
  if (y > 0 && !isEven(spec.outputSizes[0]))
    exists = math.less(row, spec.outputSizes[0]);
  if (x > 0 && !isEven(spec.outputSizes[1]))
    exists = b.createOrFold<arith::AndIOp>(
        exists, math.less(column, spec.outputSizes[1]));
  emitIf(b, exists, [&] { emitTileStore(*ctx, at, {value}); });
}

} // namespace

//===--- Interface
//---------------------------------------------------------===//

bool dlc::kernel::supportsWinograd(const ConvSpec &spec,
                                   const VectorTarget &target) {
  auto allAre = [](ArrayRef<int64_t> values, int64_t wanted) {
    return values.size() == 2 &&
           llvm::all_of(values, [&](int64_t v) { return v == wanted; });
  };
  const ContractionTypes &types = spec.types;
  for (Type type : {types.a, types.b, types.acc, types.c})
    if (!type.isF32())
      return false;
  return allAre(spec.kernel, 3) && allAre(spec.strides, 1) &&
         allAre(spec.dilations, 1) && spec.groups == 1 && !spec.transposed &&
         spec.inputChannels % target.lanes == 0 && !spec.convertA &&
         !spec.convertB && !spec.padValue;
}

PackedLayout dlc::kernel::getWinogradLayout(const ConvSpec &spec,
                                            const WinogradSchedule &sched,
                                            const VectorTarget &target) {
  PackedLayout layout;
  layout.taps = kFrequencies;
  layout.k = spec.inputChannels;
  layout.n = spec.outputChannels;
  layout.nr = sched.nv * target.lanes;
  return layout;
}

OpFoldResult dlc::kernel::getWinogradItems(ImplicitLocOpBuilder &b,
                                           const ConvSpec &spec,
                                           const WinogradSchedule &sched,
                                           const VectorTarget &target) {
  return WinogradEmitter(b, spec, sched, target).items();
}

int64_t dlc::kernel::getWinogradScratchBytes(const ConvSpec &spec,
                                             const WinogradSchedule &sched,
                                             const VectorTarget &target) {
  return kFrequencies * 4 *
         (frequencyStride(sched.tiles, spec.inputChannels) +
          frequencyStride(sched.tiles, sched.nv * target.lanes));
}

void dlc::kernel::emitWinogradConv(ImplicitLocOpBuilder &b,
                                   const ConvSpec &spec,
                                   const WinogradSchedule &sched,
                                   const VectorTarget &target,
                                   const ConvBuffers &buffers, Value begin,
                                   Value end) {
  assert(sched.tiles % sched.mr == 0 && "expected whole register tiles");
  WinogradEmitter(b, spec, sched, target).emit(buffers, begin, end);
}
