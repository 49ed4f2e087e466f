// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Channels-last convolutions that are no matrix product worth the name:
// depthwise ones, those of small groups, transposed ones, and those with zero
// points. A thread has neighbouring output channels of some pixels, and reads
// each line of the input once for all of them.
#include "PixelSpace.h"

#include "Conversion/NNToKernel/ConvCode.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/TapRange.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <numeric>

using namespace mlir;

namespace dlc {

namespace {

/// From this many output channels on, a group's part of the filter lies alone;
/// otherwise all channels of a tap lie side by side.
constexpr int64_t kGroupColumns = 8;

/// What is static of such a convolution.
struct DirectShape {
  explicit DirectShape(nn::ConvOp op) : groups(op.getGroups()) {
    ArrayRef<int64_t> filter = op.getFilter().getType().getShape();
    channels = op.getTransposed() ? filter[0] / groups : filter[1];
    columns = op.getTransposed() ? filter[1] : filter[0] / groups;
    taps = llvm::to_vector(filter.drop_front(2));
    isUnrolled = !op.getTransposed() && taps.back() <= kUnrolledTaps;
    step = std::gcd(channels,
                    std::max<int64_t>(1, 16 / elementBytes(op.getInput())));
    step = std::min<int64_t>(8, step);
  }

  int64_t numTaps() const {
    int64_t count = 1;
    for (int64_t size : taps) {
      count *= size;
    }
    return count;
  }
  /// Whether each output channel has one input channel.
  bool isDepthwise() const { return channels == 1; }

  /// Channels and columns are of a group; `step` channels are read at once.
  int64_t groups, channels, columns, step;
  SmallVector<int64_t> taps;
  bool isUnrolled;
};

PixelSpace makeSpace(DispatchContext &context) {
  auto op = cast<nn::ConvOp>(context.getRoot());
  DirectShape shape(op);
  int64_t bytes = std::max(elementBytes(op.getFilter()),
                           elementBytes(context.getYielded(0)));
  if (shape.isDepthwise()) {
    bytes = std::max(bytes, elementBytes(op.getInput()));
  }
  bool mayOverlap =
      shape.isUnrolled &&
      (shape.taps.back() > op.getStrides().back() || !shape.isDepthwise());
  return PixelSpace(context, op.getResult(), bytes,
                    shape.isDepthwise() ? 0 : shape.columns, mayOverlap);
}

class DirectConvTile {
public:
  explicit DirectConvTile(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::ConvOp>(kb.getRoot())),
        shape(op), space(makeSpace(kb)), code(kb) {}

  void emit();

private:
  using States = SmallVector<Value>;

  Value add(OpFoldResult x, OpFoldResult y) {
    return math.value(math.add(x, y));
  }
  /// Of output channel number `i` of the tile.
  Value getChannel(int64_t i) { return add(first.back(), math.constant(i)); }
  OpFoldResult getGroup(int64_t i) {
    return shape.groups == 1
               ? math.constant(0)
               : math.div(getChannel(i), math.constant(shape.columns));
  }
  /// The elements at the spatial dims of `at`: of the `step` input channels
  /// from `channel` of the group on, or depthwise of each output channel's.
  States loadInput(ArrayRef<Value> at, Value channel);
  /// The filter's element for input channel `channel` of the group, for each
  /// output channel.
  States loadFilter(ArrayRef<Value> taps, Value channel);
  Value loadFilterElement(ArrayRef<Value> taps, Value channel, int64_t i);
  /// The sums after the products of `inputs` and the filter from `channel` on,
  /// for the pixels whose inputs are given.
  void accumulate(MutableArrayRef<Value> sums, ArrayRef<States> inputs,
                  ArrayRef<Value> taps, Value channel);
  Value isInside(Value position, unsigned dim);
  States emitLine(SmallVector<Value> at, MutableArrayRef<Value> taps,
                  Value channel, ValueRange sums);
  States emitWindows(ValueRange sums);
  LoopRange getSpreadRange(unsigned i);
  States emitSpread(ValueRange sums);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::ConvOp op;
  DirectShape shape;
  PixelSpace space;
  ConvCode code;
  SmallVector<Value> first;
};

DirectConvTile::States DirectConvTile::loadInput(ArrayRef<Value> at,
                                                 Value channel) {
  KernelBuilder::MemoScope scope(kb);
  SmallVector<Value> indices(at);
  States elements;
  int64_t count = shape.isDepthwise() ? space.getChannels() : shape.step;
  for (int64_t i = 0; i < count; ++i) {
    OpFoldResult place = shape.isDepthwise()
                             ? getGroup(i)
                             : math.add(math.mul(getGroup(0), shape.channels),
                                        math.add(channel, math.constant(i)));
    indices.back() = math.value(place);
    elements.push_back(code.convertInput(kb.load(op.getInput(), indices)));
  }
  return elements;
}

Value DirectConvTile::loadFilterElement(ArrayRef<Value> taps, Value channel,
                                        int64_t i) {
  OpFoldResult group = getGroup(shape.isDepthwise() ? i : 0);
  OpFoldResult column = math.sub(getChannel(i), math.mul(group, shape.columns));
  OpFoldResult input = math.add(math.mul(group, shape.channels), channel);
  auto packed = op.getFilter().getDefiningOp<nn::PackedOp>();
  if (!packed) {
    SmallVector<Value> at =
        op.getTransposed()
            ? SmallVector<Value>{math.value(input), math.value(column)}
            : SmallVector<Value>{getChannel(i), channel};
    llvm::append_range(at, taps);
    return kb.load(op.getFilter(), at);
  }
  OpFoldResult tap = math.constant(0);
  for (auto [index, size] : llvm::zip_equal(taps, shape.taps)) {
    tap = math.add(math.mul(tap, size), index);
  }
  SmallVector<Value> at(3, math.value(0));
  if (op.getTransposed()) {
    at[1] = add(math.mul(tap, shape.groups * shape.channels), input);
    at[2] = math.value(column);
  } else {
    bool isAlone = typeOf(packed.getInput()).getDimSize(0) > 1;
    at[0] = isAlone ? math.value(group) : at[0];
    at[1] = add(math.mul(tap, shape.channels), channel);
    at[2] = isAlone ? math.value(column) : getChannel(i);
  }
  return memref::LoadOp::create(b, kb.viewInput(packed.getInput()), at);
}

DirectConvTile::States DirectConvTile::loadFilter(ArrayRef<Value> taps,
                                                  Value channel) {
  States elements;
  for (int64_t i = 0; i < space.getChannels(); ++i) {
    elements.push_back(
        code.convertFilter(loadFilterElement(taps, channel, i), getChannel(i)));
  }
  return elements;
}

void DirectConvTile::accumulate(MutableArrayRef<Value> sums,
                                ArrayRef<States> inputs, ArrayRef<Value> taps,
                                Value channel) {
  for (int64_t j = 0; j < shape.step; ++j) {
    States weights = loadFilter(taps, add(channel, math.constant(j)));
    for (auto [pixel, elements] : llvm::enumerate(inputs)) {
      for (auto [i, weight] : llvm::enumerate(weights)) {
        Value &sum = sums[pixel * space.getChannels() + i];
        Value x = elements[shape.isDepthwise() ? i : j];
        sum = code.accumulate(sum, x, weight);
      }
    }
  }
}

Value DirectConvTile::isInside(Value position, unsigned dim) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ult, position,
                               math.value(kb.size(op.getInput(), dim)));
}

/// The products of one line of the input, from `at` on, with the filter's taps
/// of the last dim.
DirectConvTile::States DirectConvTile::emitLine(SmallVector<Value> at,
                                                MutableArrayRef<Value> taps,
                                                Value channel,
                                                ValueRange carried) {
  int64_t stride = op.getStrides().back(), dilation = op.getDilations().back();
  unsigned last = op.getSpatialDim(op.getSpatialRank() - 1);
  int64_t count = shape.isUnrolled ? shape.taps.back() : 1;
  Value start = at[last];
  SmallVector<States> columns((space.getPixels() - 1) * stride +
                              (count - 1) * dilation + 1);
  auto read = [&](int64_t column) -> States & {
    States &elements = columns[column];
    if (!elements.empty()) {
      return elements;
    }
    at[last] = add(start, math.constant(column));
    States nothing(shape.isDepthwise() ? space.getChannels() : shape.step,
                   code.emitZero());
    elements = kernel::emitIf(
        b, isInside(at[last], last), ValueRange(nothing).getTypes(),
        [&] { return loadInput(at, channel); }, [&] { return nothing; });
    return elements;
  };
  // All of the line's accesses, before anything waits for them.
  for (int64_t tap = 0; tap < count; ++tap) {
    for (int64_t pixel = 0; pixel < space.getPixels(); ++pixel) {
      read(pixel * stride + tap * dilation);
    }
  }
  States sums(carried);
  for (int64_t tap = 0; tap < count; ++tap) {
    SmallVector<States> inputs;
    for (int64_t pixel = 0; pixel < space.getPixels(); ++pixel) {
      inputs.push_back(read(pixel * stride + tap * dilation));
    }
    taps.back() = shape.isUnrolled ? math.value(tap) : taps.back();
    accumulate(sums, inputs, taps, channel);
  }
  return sums;
}

/// Loops over the taps, clipped to the input, and over the channels.
DirectConvTile::States DirectConvTile::emitWindows(ValueRange init) {
  unsigned rank = op.getSpatialRank();
  SmallVector<OpFoldResult> starts;
  SmallVector<LoopRange> ranges;
  for (unsigned i = 0; i < rank; ++i) {
    unsigned dim = op.getSpatialDim(i);
    starts.push_back(math.sub(math.mul(first[dim], op.getStrides()[i]),
                              kb.index(op.getMixedPadLow()[i])));
    if (i + 1 < rank || !shape.isUnrolled) {
      TapRange range = clipTaps(math, starts[i], kb.size(op.getInput(), dim),
                                shape.taps[i], op.getDilations()[i]);
      ranges.push_back({i, range.first, range.end});
    }
  }
  ranges.push_back(
      {rank, math.constant(0), math.constant(shape.channels / shape.step)});
  SmallVector<Value> loops(rank + 1, math.value(0));
  return emitLoopNest(kb, ranges, loops, init, [&](ValueRange carried) {
    SmallVector<Value> at(first), taps(ArrayRef(loops).drop_back());
    for (unsigned i = 0; i < rank; ++i) {
      at[op.getSpatialDim(i)] =
          add(starts[i], math.mul(taps[i], op.getDilations()[i]));
    }
    Value channel = math.value(math.mul(loops.back(), shape.step));
    return emitLine(at, taps, channel, carried);
  });
}

/// The taps of dim `i` that reach a transposed convolution's output pixel, as
/// numbers n of taps r + n * stride at input positions q - n, where output +
/// low is q * stride + r.
LoopRange DirectConvTile::getSpreadRange(unsigned i) {
  OpFoldResult stride = math.constant(op.getStrides()[i]);
  unsigned dim = op.getSpatialDim(i);
  OpFoldResult reach = math.add(first[dim], kb.index(op.getMixedPadLow()[i]));
  OpFoldResult q = math.div(reach, stride), r = math.rem(reach, stride);
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  OpFoldResult size = kb.size(op.getInput(), dim);
  OpFoldResult lower = math.max(zero, math.add(math.sub(q, size), one));
  OpFoldResult room = math.max(zero, math.sub(math.constant(shape.taps[i]), r));
  OpFoldResult upper = math.min(math.ceilDiv(room, stride), math.add(q, one));
  return {i, lower, math.max(lower, upper)};
}

DirectConvTile::States DirectConvTile::emitSpread(ValueRange init) {
  unsigned rank = op.getSpatialRank();
  SmallVector<LoopRange> ranges;
  for (unsigned i = 0; i < rank; ++i) {
    ranges.push_back(getSpreadRange(i));
  }
  ranges.push_back(
      {rank, math.constant(0), math.constant(shape.channels / shape.step)});
  SmallVector<Value> loops(rank + 1);
  return emitLoopNest(kb, ranges, loops, init, [&](ValueRange carried) {
    SmallVector<Value> at(first), taps;
    for (unsigned i = 0; i < rank; ++i) {
      OpFoldResult stride = math.constant(op.getStrides()[i]);
      Value &place = at[op.getSpatialDim(i)];
      OpFoldResult reach = math.add(place, kb.index(op.getMixedPadLow()[i]));
      taps.push_back(
          add(math.rem(reach, stride), math.mul(loops[i], op.getStrides()[i])));
      place = math.value(math.sub(math.div(reach, stride), loops[i]));
    }
    Value channel = math.value(math.mul(loops.back(), shape.step));
    States sums(carried);
    accumulate(sums, loadInput(at, channel), taps, channel);
    return sums;
  });
}

void DirectConvTile::emit() {
  space.emitTile(kb, [&](ArrayRef<Value> place) {
    first.assign(place.begin(), place.end());
    States zeros(space.getPixels() * space.getChannels(), code.emitZero());
    States sums = op.getTransposed() ? emitSpread(zeros) : emitWindows(zeros);
    space.emitStores(kb, first, sums, [&](Value sum, int64_t, Value channel) {
      return code.finish(sum, channel);
    });
  });
}

/// Whether getSpreadRange says which taps there are.
bool hasSpreadRanges(nn::ConvOp op) {
  return llvm::all_of(op.getDilations(),
                      [](int64_t dilation) { return dilation == 1; }) &&
         llvm::all_of(op.getPadLow(), [](int64_t low) {
           return !ShapedType::isDynamic(low) && low >= 0;
         });
}

class DirectConvGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    GPULaunch launch = makeSpace(context).getLaunch(context.math);
    // Places in images of unknown sizes take registers, too: 64 were too few.
    constexpr int64_t kMostBlocks = 4;
    nn::Sizes sizes = context.sizes(context.getRoot()->getResult(0));
    bool isKnown =
        llvm::all_of(ArrayRef(sizes).drop_front(), [](OpFoldResult size) {
          return kernel::IndexMath::known(size);
        });
    if (!isKnown) {
      launch.residentBlocks = kMostBlocks;
    }
    return launch;
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    DirectConvTile(kb).emit();
    return success();
  }
};

} // namespace

bool isDirectGPUConv(nn::ConvOp op) {
  return op.getChannelsLast() && op.getFilter().getType().hasStaticShape() &&
         (!op.getTransposed() || hasSpreadRanges(op));
}

SmallVector<Attribute> getDirectGPUFilterTransforms(nn::ConvOp op) {
  if (!isDirectGPUConv(op)) {
    return {};
  }
  DirectShape shape(op);
  MLIRContext *context = op.getContext();
  int64_t taps = shape.numTaps(), channels = shape.channels;
  if (op.getTransposed()) {
    int64_t inputs = shape.groups * channels;
    return {nn::ReshapeToAttr::get(context, {inputs, shape.columns, taps}),
            nn::PermuteAttr::get(context, {2, 0, 1}),
            nn::ReshapeToAttr::get(context, {1, taps * inputs, shape.columns})};
  }
  int64_t groups = shape.columns >= kGroupColumns ? shape.groups : 1;
  int64_t columns = shape.groups * shape.columns / groups;
  return {nn::ReshapeToAttr::get(context, {groups, columns, channels, taps}),
          nn::PermuteAttr::get(context, {0, 3, 2, 1}),
          nn::ReshapeToAttr::get(context, {groups, taps * channels, columns})};
}

const GPUKernelFamily *getDirectConvGPUFamily(nn::DispatchOp dispatch) {
  static const DirectConvGPUFamily family;
  return isDirectGPUConv(cast<nn::ConvOp>(dispatch.getRootOp())) ? &family
                                                                 : nullptr;
}

} // namespace dlc
