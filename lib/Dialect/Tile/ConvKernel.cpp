// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builder of convolutions.
#include "Dialect/Tile/ConvKernel.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc::tile {

namespace {

/// Emits the body of one convolution.
class ConvBuilder {
public:
  ConvBuilder(ImplicitLocOpBuilder &b, const ConvSpec &spec,
              ConvScheduleAttr schedule, const ProductTraits &traits,
              const BlockLimits &limits)
      : b(b), math(b), spec(spec), schedule(schedule), limits(limits),
        isJoined(joinsTaps(schedule, traits)),
        columns(spec.inputChannels * (isJoined ? traits.taps : 1)),
        tapSteps(llvm::divideCeil(columns, schedule.getTileK())),
        steps(tapSteps * (isJoined ? 1 : traits.taps)) {}

  void emit();

private:
  void chooseTile();
  void setZeroPoints();
  void chooseSteps(Value split);
  Value countTerms();
  Value countTermsBefore(Value step);
  Value createWindow();
  Value createFilterView(Value tap);
  void fill(PipelineOp pipeline, Value window);
  void consume(PipelineOp pipeline);
  void fillJoined(PipelineOp pipeline, Value window);
  void copyFilter(Value filter, Value k, Value slot);
  Value multiply();
  Size countPixels();
  ResultSpec getPartialSums();
  bool hasContiguousOutputs() const { return spec.channelStride != 1; }
  Size size(int64_t value) { return b.getI64IntegerAttr(value); }

  ImplicitLocOpBuilder &b;
  SizeMath math;
  const ConvSpec &spec;
  ConvScheduleAttr schedule;
  const BlockLimits &limits;
  /// Columns are all taps by channels, not the channels of one tap.
  bool isJoined;
  /// Of the left operand at a tap, or of all; steps over them, and in all.
  int64_t columns, tapSteps, steps;
  /// i32: pixels of all images, the block's group, first pixel and first output
  /// channel of the group.
  Value pixels, group, row, column;
  /// The number of the group's first output channel among all.
  Value firstColumn;
  ZeroPoints zeros;
  /// Four times the input's zero point; null where none is read.
  Value fillBytes;
  /// i32: the part of the sum, and its steps.
  Value split, firstStep, lastStep;
};

} // namespace

/// Tiles of output channels of a group follow each other: they read the same
/// pixels.
void ConvBuilder::chooseTile() {
  pixels =
      math.mul(math.i32(spec.images), math.mul(math.i32(spec.outputSizes[0]),
                                               math.i32(spec.outputSizes[1])));
  Value tilesM = math.ceilDiv(pixels, schedule.getTileM());
  Value tilesN =
      math.ceilDiv(math.i32(spec.outputChannels), schedule.getTileN());
  Value block = getBlockIndex(b);
  Value perGroup = math.mul(tilesM, tilesN);
  group = math.div(block, perGroup);
  split = math.i32(0);
  if (schedule.getSplitK() > 1) {
    Value groups = math.i32(spec.groups);
    split = math.div(group, groups);
    group = math.rem(group, groups);
  }
  Value within = math.rem(block, perGroup);
  row = math.mul(math.div(within, tilesN), math.i32(schedule.getTileM()));
  column = math.mul(math.rem(within, tilesN), math.i32(schedule.getTileN()));
  firstColumn = math.mul(group, math.i32(spec.outputChannels));
  chooseSteps(split);
}

/// A pixel outside of the image has the zero point in all channels.
void ConvBuilder::setZeroPoints() {
  zeros.b = spec.filterZero;
  if (spec.inputZero) {
    zeros.a = [this](ImplicitLocOpBuilder &, ValueRange, Value) {
      return spec.inputZero;
    };
  }
  if (spec.inputZero && spec.isPadded) {
    Value byte = arith::AndIOp::create(b, spec.inputZero, math.i32(0xff));
    fillBytes = math.mul(byte, math.i32(0x01010101));
  }
}

/// The steps over taps and channels that the block adds up: all, or an equal
/// part.
void ConvBuilder::chooseSteps(Value split) {
  Value part = math.i32(llvm::divideCeil(steps, schedule.getSplitK()));
  firstStep = math.mul(split, part);
  lastStep = math.min(math.i32(steps), math.add(firstStep, part));
}

/// i32: taps by channels of the first `step` steps.
Value ConvBuilder::countTermsBefore(Value step) {
  Value each = math.i32(tapSteps), count = math.i32(columns);
  Value inTap = math.mul(math.rem(step, each), math.i32(schedule.getTileK()));
  return math.add(math.mul(math.div(step, each), count),
                  math.min(inTap, count));
}

/// i32: the taps by channels that the block adds up; parts may be empty.
Value ConvBuilder::countTerms() {
  Value end = math.max(firstStep, lastStep);
  return math.sub(countTermsBefore(end), countTermsBefore(firstStep));
}

Value ConvBuilder::createWindow() {
  DenseI64ArrayAttr taps;
  if (isJoined) {
    taps = b.getDenseI64ArrayAttr({spec.kernel[1], spec.dilations[0],
                                   spec.dilations[1], spec.inputChannels});
  }
  constexpr int64_t unknown = ShapedType::kDynamic;
  Value offset = math.mul(math.extend(group), math.i64(spec.inputChannels));
  return WindowOp::create(
      b, getTileType(spec.element, {unknown, unknown}, MemorySpace::Global),
      spec.input, offset, row, pixels, math.i32(columns),
      math.i32(spec.inputSizes[0]), math.i32(spec.inputSizes[1]),
      math.i32(spec.outputSizes[0]), math.i32(spec.outputSizes[1]),
      math.i32(spec.padLow[0]), math.i32(spec.padLow[1]),
      math.i64(spec.imageStride), math.i64(spec.rowStride),
      math.i64(spec.pixelStride), b.getDenseI64ArrayAttr(spec.strides), taps,
      b.getI64IntegerAttr(spec.inputAlignment));
}

/// The filter of one tap, or of all: channels x output channels, or transposed.
Value ConvBuilder::createFilterView(Value tap) {
  MatrixSpec matrix;
  matrix.base = spec.filter;
  matrix.element = spec.filterElement;
  SmallVector<Size> starts{size(spec.groupStride),
                           size(spec.channelStride * spec.outputStride)};
  if (!isJoined) {
    starts.push_back(size(spec.tapStride));
  }
  matrix.alignment = getAlignment(spec.filterElement, starts);
  matrix.offset = [&](ImplicitLocOpBuilder &, ValueRange) -> Size {
    return math.add(math.mul(math.extend(group), math.i64(spec.groupStride)),
                    math.mul(math.extend(tap), math.i64(spec.tapStride)));
  };
  Value channels = math.i32(columns);
  Value outputs = math.i32(spec.outputChannels);
  return hasContiguousOutputs() ? createView(b, matrix, {}, channels, outputs,
                                             size(spec.channelStride))
                                : createView(b, matrix, {}, outputs, channels,
                                             size(spec.outputStride));
}

/// What a step multiplies of a filter's view, from channel `k` on.
void ConvBuilder::copyFilter(Value filter, Value k, Value slot) {
  Size channels = size(columns), outputs = size(spec.outputChannels);
  if (hasContiguousOutputs()) {
    createCopy(b, filter, k, column, slot, channels, outputs);
  } else {
    createCopy(b, filter, column, k, slot, outputs, channels);
  }
}

void ConvBuilder::fillJoined(PipelineOp pipeline, Value window) {
  OpBuilder::InsertionGuard guard(b);
  Block *body = createFill(b, pipeline, 0);
  Value filter = createFilterView(math.i32(0));
  Value k = math.mul(body->getArgument(0), math.i32(schedule.getTileK()));
  // Whether a pixel's part exists depends on the tap.
  createCopy(b, window, row, k, body->getArgument(1), size(1), size(columns),
             {}, fillBytes);
  copyFilter(filter, k, body->getArgument(2));
  YieldOp::create(b, ValueRange());
}

/// Step number k is a part of the channels of one tap.
void ConvBuilder::fill(PipelineOp pipeline, Value window) {
  OpBuilder::InsertionGuard guard(b);
  Block *body = createFill(b, pipeline, 0);
  int64_t tileK = schedule.getTileK();
  Value parts = math.i32(tapSteps);
  Value step = body->getArgument(0);
  Value tap = math.div(step, parts);
  Value channel = math.mul(math.rem(step, parts), math.i32(tileK));
  Value kernelWidth = math.i32(spec.kernel[1]);
  Value tapY =
      math.mul(math.div(tap, kernelWidth), math.i32(spec.dilations[0]));
  Value tapX =
      math.mul(math.rem(tap, kernelWidth), math.i32(spec.dilations[1]));
  Value filter = createFilterView(tap);
  // Whether a pixel's part exists depends on the tap.
  createCopy(b, window, row, channel, body->getArgument(1), size(1),
             size(columns), {tapY, tapX}, fillBytes);
  copyFilter(filter, channel, body->getArgument(2));
  YieldOp::create(b, ValueRange());
}

void ConvBuilder::consume(PipelineOp pipeline) {
  OpBuilder::InsertionGuard guard(b);
  Block *body = createConsume(b, pipeline);
  ValueRange slots = awaitChannel(b, pipeline, 0);
  ValueRange next =
      createMma(b, slots[0], slots[1], body->getArguments().drop_front(2),
                zeros, /*transposeA=*/false, !hasContiguousOutputs());
  ReleaseOp::create(b, pipeline.getToken(0));
  YieldOp::create(b, next);
}

Value ConvBuilder::multiply() {
  int64_t m = schedule.getTileM(), n = schedule.getTileN();
  int64_t k = schedule.getTileK(), stages = schedule.getStages();
  bool outputsInRows = hasContiguousOutputs();
  Value window = createWindow();
  Value ringA = createRing(b, spec.element, stages, m, k);
  Value ringB = createRing(b, spec.filterElement, stages, outputsInRows ? k : n,
                           outputsInRows ? n : k);
  SmallVector<Value> zero = createSums(b, spec.element, m, n, zeros);
  auto pipeline = PipelineOp::create(b, TypeRange(ValueRange(zero)), firstStep,
                                     lastStep, ValueRange{ringA, ringB}, zero,
                                     b.getDenseI64ArrayAttr({2}),
                                     /*fillsCount=*/1);
  if (isJoined) {
    fillJoined(pipeline, window);
  } else {
    fill(pipeline, window);
  }
  consume(pipeline);
  return subtractZeroPoints(b, pipeline.getResults(), zeros, {}, row,
                            math.add(column, firstColumn), countTerms());
}

Size ConvBuilder::countPixels() {
  std::optional<int64_t> images = getConstantIntValue(spec.images);
  std::optional<int64_t> height = getConstantIntValue(spec.outputSizes[0]);
  std::optional<int64_t> width = getConstantIntValue(spec.outputSizes[1]);
  return images && height && width ? size(*images * *height * *width)
                                   : Size(math.extend(pixels));
}

/// [split_k][pixels][groups * outputChannels] of the sums' type.
ResultSpec ConvBuilder::getPartialSums() {
  int64_t outputs = spec.groups * spec.outputChannels;
  ResultSpec partial;
  partial.base = spec.output.base;
  partial.element = getSumType(spec.element);
  partial.rowStride = size(outputs);
  partial.columnMultiple = spec.outputChannels;
  partial.alignment =
      getAlignment(partial.element, {size(outputs), size(spec.outputChannels)});
  partial.offset = [this, outputs](ImplicitLocOpBuilder &, ValueRange) -> Size {
    return math.mul(math.mul(math.extend(split), math.extend(pixels)),
                    math.i64(outputs));
  };
  return partial;
}

void ConvBuilder::emit() {
  chooseTile();
  setZeroPoints();
  Value sums = multiply();
  ResultSpec result = schedule.getSplitK() > 1 ? getPartialSums() : spec.output;
  emitResults(b, result, {}, sums, row, column, countPixels(),
              size(spec.outputChannels), hasStaging(schedule, limits),
              firstColumn);
}

FailureOr<KernelOp>
buildConvKernel(ImplicitLocOpBuilder &b, const KernelSignature &signature,
                ConvScheduleAttr schedule, const BlockLimits &limits,
                llvm::function_ref<ConvSpec(ImplicitLocOpBuilder &,
                                            const KernelArguments &)>
                    makeSpec) {
  OpBuilder::InsertionGuard guard(b);
  KernelOp kernel =
      createKernel(b, signature, schedule.getWarpsM(), schedule.getWarpsN());
  ConvSpec spec = makeSpec(b, getArguments(kernel, signature));
  ProductTraits traits{
      static_cast<int64_t>(spec.element.getIntOrFloatBitWidth() / 8),
      /*contiguousKOfA=*/true,
      spec.channelStride == 1,
      spec.filterZero != nullptr,
      spec.inputZero != nullptr,
      spec.kernel[0] * spec.kernel[1],
      spec.inputChannels};
  if (failed(checkSchedule(schedule, traits, limits,
                           [&] { return emitError(b.getLoc()); }))) {
    kernel.erase();
    return failure();
  }
  ConvBuilder(b, spec, schedule, traits, limits).emit();
  return kernel;
}

} // namespace dlc::tile
