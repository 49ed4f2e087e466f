// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// conv on tensor cores: rows are output pixels of all images, columns output
// channels of a group, steps input channels of a tap.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToGPU/TileKernelFamily.h"
#include "Conversion/NNToKernel/ParamPacker.h"
#include "Dialect/Tile/ConvKernel.h"
#include "Dialect/Tile/GemmKernel.h"

using namespace mlir;

namespace dlc {

namespace {

/// Fewer taps x channels or output channels in a group leave most of a tensor
/// core's tile unused.
constexpr int64_t kMinDepth = 8;

/// What is known of a convolution without its run-time sizes.
struct StaticConv {
  explicit StaticConv(nn::ConvOp op)
      : op(op), groups(op.getGroups()),
        filter(op.getFilter().getType().getShape()) {}

  int64_t getChannels() const { return filter[1]; }
  int64_t getColumns() const { return filter[0] / groups; }
  int64_t getTaps() const {
    int64_t taps = 1;
    for (int64_t size : filter.drop_front(2)) {
      taps *= size;
    }
    return taps;
  }
  /// The filter lies as (groups, taps x channels, output channels).
  bool isPacked() const {
    return op.getFilter().getDefiningOp<nn::PackedOp>() != nullptr;
  }
  bool hasBytes() const {
    return op.getInput().getType().getElementType().isInteger(8);
  }
  /// Typical ones.
  ProductSizes getSizes() const {
    ProductSizes sizes{1, getColumns(), getTaps() * getChannels(), groups};
    RankedTensorType result = op.getResult().getType();
    sizes.m =
        getTypicalSize(op->getParentOfType<nn::DispatchOp>(), op.getInput(), 0);
    for (int64_t size : result.getShape().drop_front().drop_back()) {
      sizes.m = multiplySizes(sizes.m, size);
    }
    return sizes;
  }
  /// The result's pixels of all images, at run time.
  OpFoldResult countPixels(DispatchContext &context) const {
    nn::Sizes sizes = context.sizes(op.getResult());
    sizes.pop_back();
    OpFoldResult pixels = context.math.constant(1);
    for (OpFoldResult size : sizes) {
      pixels = context.math.mul(pixels, size);
    }
    return pixels;
  }
  tile::ProductTraits getTraits() const {
    Type element = op.getInput().getType().getElementType();
    return {static_cast<int64_t>(element.getIntOrFloatBitWidth() / 8),
            true,
            hasBytes() || !isPacked(),
            getNonZero(op.getFilterZero()) != nullptr,
            getNonZero(op.getInputZero()) != nullptr,
            getTaps(),
            getChannels()};
  }

  mutable nn::ConvOp op;
  int64_t groups;
  ArrayRef<int64_t> filter;
};

/// Emits one kernel.
class ConvEmitter {
public:
  explicit ConvEmitter(TileKernelBuilder &builder)
      : builder(builder), op(cast<nn::ConvOp>(builder.dispatch.getRootOp())),
        known(op) {}

  FailureOr<tile::KernelOp> emit(tile::ConvScheduleAttr schedule) {
    return tile::buildConvKernel(
        builder.b, builder.signature, schedule, builder.limits,
        [&](ImplicitLocOpBuilder &b, const tile::KernelArguments &arguments) {
          builder.start(b, arguments);
          tile::ConvSpec spec;
          setSizes(spec);
          setInput(spec);
          setFilter(spec);
          setZeroPoints(spec);
          spec.output = makeOutput();
          return spec;
        });
  }
  tile::KernelOp emitPartialSum(int64_t parts);

private:
  void setSizes(tile::ConvSpec &spec);
  void setInput(tile::ConvSpec &spec);
  void setFilter(tile::ConvSpec &spec);
  void setZeroPoints(tile::ConvSpec &spec);
  tile::ResultSpec makeOutput();
  Value computeResult(ImplicitLocOpBuilder &b, Value sums,
                      const tile::ResultPlace &place);
  tile::Size size(OpFoldResult value) { return builder.getSize(value); }
  tile::Size number(int64_t value) {
    return builder.b.getI64IntegerAttr(value);
  }

  TileKernelBuilder &builder;
  nn::ConvOp op;
  StaticConv known;
  /// The image and pixel of a row may be given as one index.
  bool wholeRows = false;
};

/// A 1-D convolution has height 1.
void ConvEmitter::setSizes(tile::ConvSpec &spec) {
  KernelBuilder &kb = builder.kb();
  spec.element = op.getInput().getType().getElementType();
  spec.filterElement = op.getFilter().getType().getElementType();
  spec.groups = known.groups;
  spec.inputChannels = known.getChannels();
  spec.outputChannels = known.getColumns();
  spec.images = size(kb.size(op.getInput(), 0));
  spec.inputSizes = spec.outputSizes = {number(1), number(1)};
  spec.padLow = {number(0), number(0)};
  unsigned rank = op.getSpatialRank();
  for (unsigned i = 0; i < rank; ++i) {
    unsigned to = 2 - rank + i, dim = op.getSpatialDim(i);
    spec.inputSizes[to] = size(kb.size(op.getInput(), dim));
    spec.outputSizes[to] = size(kb.size(op.getResult(), dim));
    spec.padLow[to] = size(kb.index(op.getMixedPadLow()[i]));
    spec.kernel[to] = known.filter[2 + i];
    spec.strides[to] = op.getStrides()[i];
    spec.dilations[to] = op.getDilations()[i];
  }
}

void ConvEmitter::setInput(tile::ConvSpec &spec) {
  KernelBuilder &kb = builder.kb();
  kernel::IndexMath &math = kb.math;
  spec.input = builder.getPointer(op.getInput());
  int64_t channels = known.groups * known.getChannels();
  OpFoldResult row = math.constant(channels), image = row;
  unsigned rank = op.getSpatialRank();
  spec.pixelStride = number(channels);
  for (unsigned i = 0; i < rank; ++i) {
    OpFoldResult extent = kb.size(op.getInput(), op.getSpatialDim(i));
    row = i + 1 == rank ? math.mul(row, extent) : row;
    image = math.mul(image, extent);
  }
  spec.rowStride = size(row);
  spec.imageStride = size(image);
  spec.inputAlignment = tile::getAlignment(
      spec.element, {number(channels), number(known.getChannels())});
}

void ConvEmitter::setFilter(tile::ConvSpec &spec) {
  int64_t k = known.getChannels(), n = known.getColumns(),
          taps = known.getTaps();
  spec.groupStride = taps * k * n;
  if (auto packed = op.getFilter().getDefiningOp<nn::PackedOp>()) {
    spec.filter = builder.getPointer(packed.getInput());
    bool channelsLast = known.hasBytes();
    spec.tapStride = channelsLast ? k : k * n;
    spec.channelStride = channelsLast ? 1 : n;
    spec.outputStride = channelsLast ? taps * k : 1;
  } else { // one tap
    spec.filter = builder.getPointer(op.getFilter());
    spec.tapStride = k;
    spec.channelStride = 1;
    spec.outputStride = k;
  }
}

void ConvEmitter::setZeroPoints(tile::ConvSpec &spec) {
  KernelBuilder &kb = builder.kb();
  OpFoldResult one = kb.math.constant(1);
  if (tile::ZeroPointFn zero = builder.getZeroPoint(op.getInputZero(), one)) {
    spec.inputZero = zero(kb.b, {}, Value());
  }
  spec.filterZero = builder.getZeroPoint(op.getFilterZero(),
                                         kb.math.constant(known.filter[0]));
  auto isZero = [](int64_t pad) { return pad == 0; };
  spec.isPadded = !llvm::all_of(op.getPadLow(), isZero) ||
                  !llvm::all_of(op.getPadHigh(), isZero);
}

tile::ResultSpec ConvEmitter::makeOutput() {
  int64_t n = known.getColumns();
  tile::ResultSpec output;
  auto rows = llvm::to_vector(llvm::seq<unsigned>(0, op.getSpatialRank() + 1));
  wholeRows = areDimsUniform(builder.dispatch, rows);
  output.base = builder.getResultPointer();
  output.element =
      getCodeType(typeOf(builder.kb().getYielded(0)).getElementType());
  output.rowStride = number(known.groups * n);
  output.alignment =
      tile::getAlignment(output.element, {number(known.groups * n), number(n)});
  output.compute = [this](ImplicitLocOpBuilder &b, Value sums,
                          const tile::ResultPlace &place) {
    return computeResult(b, sums, place);
  };
  return output;
}

/// One product of all pixels and the output channels of all groups.
tile::KernelOp ConvEmitter::emitPartialSum(int64_t parts) {
  return builder.emitSplitSum(parts, [&](tile::SplitSumSpec &spec) {
    spec.m = size(known.countPixels(builder.kb()));
    spec.n = number(known.groups * known.getColumns());
    spec.c = makeOutput();
  });
}

Value ConvEmitter::computeResult(ImplicitLocOpBuilder &b, Value sums,
                                 const tile::ResultPlace &place) {
  SmallVector<Value> at;
  Value row = builder.getIndex(b, place.row),
        column = builder.getIndex(b, place.column);
  Type element = typeOf(op.getResult()).getElementType();
  unsigned rank = op.getSpatialRank();
  return builder.emitEpilogue(b, sums, [&](int64_t lane, Value sum) {
    KernelBuilder &kb = builder.kb();
    kernel::IndexMath &math = kb.math;
    if (lane == 0) {
      nn::Sizes sizes = kb.sizes(op.getResult());
      sizes.pop_back();
      at.assign(rank + 2, math.value(0));
      if (wholeRows) {
        at[rank] = row;
      } else {
        for (auto [i, part] :
             llvm::enumerate(kernel::delinearize(math, row, sizes))) {
          at[i] = math.value(part);
        }
      }
    }
    Value channel = math.value(math.add(column, math.constant(lane)));
    at.back() = channel;
    Type acc = sum.getType();
    if (op.getBias()) {
      Value bias = emitCast(kb.b, kb.load(op.getBias(), channel),
                            typeOf(op.getBias()).getElementType(), acc);
      sum = emitElementwise(kb.b, nn::Fn::add, {sum, bias}, {}, acc, acc);
    }
    return std::pair(emitCast(kb.b, sum, acc, element), at);
  });
}

class TileConvFamily final
    : public ScheduledTileFamily<tile::ConvScheduleAttr, tile::ProductTraits>,
      public SplitSumFamily {
public:
  Attribute chooseSchedule(nn::DispatchOp dispatch,
                           const tile::BlockLimits &limits) const override {
    StaticConv conv(cast<nn::ConvOp>(dispatch.getRootOp()));
    return chooseConvSchedule(dispatch.getContext(), conv.getSizes(),
                              conv.getTraits(), limits);
  }

  FailureOr<tile::KernelOp> build(TileKernelBuilder &builder) const override {
    return ConvEmitter(builder).emit(getSchedule(builder.dispatch));
  }

  const SplitSumFamily *getSplitSum() const override { return this; }

  OpFoldResult countResults(DispatchContext &context) const override {
    StaticConv known(cast<nn::ConvOp>(context.getRoot()));
    return context.math.mul(known.countPixels(context),
                            known.groups * known.getColumns());
  }

  int64_t getColumnMultiple(nn::DispatchOp dispatch) const override {
    StaticConv known(cast<nn::ConvOp>(dispatch.getRootOp()));
    return known.groups * known.getColumns();
  }

  tile::KernelOp buildPartialSum(TileKernelBuilder &builder,
                                 int64_t parts) const override {
    return ConvEmitter(builder).emitPartialSum(parts);
  }

protected:
  std::string findObstacle(nn::DispatchOp dispatch) const override;

  tile::ProductTraits getTraits(nn::DispatchOp dispatch) const override {
    return StaticConv(cast<nn::ConvOp>(dispatch.getRootOp())).getTraits();
  }

  OpFoldResult countBlocks(DispatchContext &context) const override {
    kernel::IndexMath &math = context.math;
    auto schedule = getSchedule(context.getDispatch());
    StaticConv conv(cast<nn::ConvOp>(context.getRoot()));
    OpFoldResult blocks =
        math.mul(math.ceilDiv(conv.countPixels(context),
                              math.constant(schedule.getTileM())),
                 math.ceilDiv(math.constant(conv.getColumns()),
                              math.constant(schedule.getTileN())));
    return math.mul(blocks, conv.groups);
  }
};

std::string TileConvFamily::findObstacle(nn::DispatchOp dispatch) const {
  auto op = cast<nn::ConvOp>(dispatch.getRootOp());
  if (op.getTransposed()) {
    return "a transposed convolution";
  }
  if (!op.getChannelsLast() || op.getSpatialRank() > 2) {
    return "expected channels last and at most two spatial dims";
  }
  if (!op.getFilter().getType().hasStaticShape()) {
    return "the filter's size is not static";
  }
  StaticConv conv(op);
  bool isConstant = conv.isPacked() ||
                    (conv.hasBytes() && getParam(dispatch, op.getFilter()));
  if (!isConstant && conv.getTaps() != 1) {
    return "the filter is not a constant";
  }
  Value zero = getNonZero(op.getInputZero());
  if (zero &&
      !(typeOf(zero).hasStaticShape() && typeOf(zero).getNumElements() == 1)) {
    return "several zero points of the input";
  }
  if (conv.getTaps() * conv.getChannels() < kMinDepth ||
      conv.getColumns() < kMinDepth) {
    return "too few channels in a group";
  }
  return {};
}

} // namespace

SmallVector<Attribute> getByteFilterTransforms(nn::ConvOp op) {
  StaticConv conv(op);
  int64_t n = conv.getColumns(), k = conv.getChannels(), taps = conv.getTaps();
  if (taps == 1) {
    return {}; // as it is
  }
  MLIRContext *context = op.getContext();
  return {nn::ReshapeToAttr::get(context, {conv.groups, n, k, taps}),
          nn::PermuteAttr::get(context, {0, 1, 3, 2}),
          nn::ReshapeToAttr::get(context, {conv.groups, n, taps * k})};
}

const TileKernelFamily *getTileConvFamily() {
  static const TileConvFamily family;
  return &family;
}

} // namespace dlc
