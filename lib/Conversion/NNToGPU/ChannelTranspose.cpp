// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Transposes between tensors of which one has few channels innermost, and the
// other whole vectors of positions, as images of 3 channels. A thread has a
// vector of positions of each channel. On the side where channels lie innermost
// these are neighbours, and those of all threads of a block one run of memory:
// it passes through shared memory by vectors, in the run's order.
#include "Transpose.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <numeric>

using namespace mlir;

namespace dlc {

namespace {

/// Channels whose vectors a thread has registers for, and vectors of positions
/// that a dim has at least.
constexpr int64_t kMostChannels = 15, kLeastPositions = 16;
/// Shared memory of a block, at most, so that several fit a multiprocessor.
constexpr int64_t kRunBytes = 24 << 10;
constexpr int64_t kMostThreads = 256, kLeastThreads = 64;
/// Bytes of a wavefront of shared memory.
constexpr int64_t kWavefrontBytes = 128;

/// Lines with channels on one side only; none if vectors do not fit.
std::optional<TransposeLines> findLines(nn::DispatchOp dispatch) {
  nn::TransposeOp op = findLoneTranspose(dispatch);
  if (!op || !TransposeAccess::isPlaced(op)) {
    return std::nullopt;
  }
  int64_t most = getTransposeWidth(dispatch);
  for (TransposeLines &lines :
       findTransposeLines(op, kLeastPositions, kMostChannels)) {
    int64_t width = std::gcd(lines.numPositions.value_or(1), most);
    if (lines.inInput.empty() != lines.inResult.empty() && width > 1 &&
        2 * width >= most) {
      return lines;
    }
  }
  return std::nullopt;
}

/// How a block's threads share its elements.
struct ChannelPlan {
  explicit ChannelPlan(DispatchContext &context)
      : op(findLoneTranspose(context.getDispatch())),
        lines(*findLines(context.getDispatch())),
        isInput(lines.inResult.empty()), channels(lines.numChannels) {
    nn::Sizes sizes = context.sizes(op.getResult());
    width =
        std::gcd(*lines.numPositions, getTransposeWidth(context.getDispatch()));
    outer = lines.outer;
    if (isInput) {
      llvm::sort(outer, [&](unsigned x, unsigned y) {
        return op.getPermutation()[x] < op.getPermutation()[y];
      });
    }
    for (unsigned dim : outer) {
      lineSizes.push_back(sizes[dim]);
    }
    lineSizes.push_back(context.math.constant(*lines.numPositions));
    for (unsigned dim : isInput ? lines.inInput : lines.inResult) {
      channelSizes.push_back(sizes[dim]);
    }
    vectors = context.math.div(
        nn::productOf(context.b, context.b.getLoc(), lineSizes),
        context.math.constant(width));
    unitBytes = width * op.getResult().getType().getElementTypeBitWidth() / 8;
    while (threads > kLeastThreads &&
           threads * channels * unitBytes > kRunBytes) {
      threads /= 2;
    }
  }

  /// Threads after whose units one is left free, so that lanes which read
  /// channels of their own meet in no bank; 0: they do not anyway.
  int64_t getPaddedThreads() const {
    int64_t lanes = std::min(kWarpThreads, kWavefrontBytes / unitBytes);
    int64_t meeting = channels & -channels;
    return meeting == 1 ? 0 : std::max<int64_t>(1, lanes / meeting);
  }

  nn::TransposeOp op;
  TransposeLines lines;
  /// Whether channels lie innermost in the input, or in the result.
  bool isInput;
  int64_t channels, width, threads = kMostThreads;
  /// Outer dims in the order of that side.
  SmallVector<unsigned> outer;
  /// Sizes of outer dims and positions, and of channels, in that side's order.
  nn::Sizes lineSizes, channelSizes;
  /// Vectors of positions; all that threads move are units of their size.
  OpFoldResult vectors;
  int64_t unitBytes;
};

class ChannelEmitter {
public:
  explicit ChannelEmitter(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), plan(kb),
        access(kb, plan.op, plan.lines),
        element(getCodeType(plan.op.getResult().getType().getElementType())) {}

  void emit();

private:
  using Element = TransposeAccess::Element;
  using BodyFn = llvm::function_ref<void(OpFoldResult place, Value unit)>;

  /// Where a unit of the block's run is in shared memory.
  Value address(OpFoldResult unit);
  Value loadUnit(OpFoldResult unit);
  void storeUnit(ValueRange elements, OpFoldResult unit);
  /// The element with these numbers, of its line and its channel.
  Element getElement(OpFoldResult line, OpFoldResult channel);
  /// Element `i` of the run that all of the side's memory is.
  Element getRunElement(OpFoldResult i);
  /// Emits `body` for each unit of the run that this thread moves, with the
  /// place of its first element.
  void forRun(BodyFn body);
  /// Emits `body` with the line of the thread's first position, if it has any.
  void ifOwn(llvm::function_ref<void(OpFoldResult line)> body);
  void loadRun();
  void storeRun();
  void loadOwn(OpFoldResult line);
  void storeOwn(OpFoldResult line);
  /// What the dispatch makes of `moved`, and then the stores: none stands
  /// between loads.
  void finish(ArrayRef<Element> elements, ArrayRef<OpFoldResult> places,
              ValueRange moved);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  ChannelPlan plan;
  TransposeAccess access;
  Type element;
  Value shared;
};

Value ChannelEmitter::address(OpFoldResult unit) {
  if (int64_t padded = plan.getPaddedThreads()) {
    unit =
        math.add(unit, math.div(unit, math.constant(padded * plan.channels)));
  }
  return math.value(math.mul(unit, plan.width));
}

Value ChannelEmitter::loadUnit(OpFoldResult unit) {
  auto load = vector::LoadOp::create(b, VectorType::get({plan.width}, element),
                                     shared, address(unit));
  load.setAlignment(plan.unitBytes);
  return load;
}

void ChannelEmitter::storeUnit(ValueRange elements, OpFoldResult unit) {
  Value vector = vector::FromElementsOp::create(
      b, VectorType::get({plan.width}, element), elements);
  vector::StoreOp::create(b, vector, shared, address(unit))
      .setAlignment(plan.unitBytes);
}

TransposeAccess::Element ChannelEmitter::getElement(OpFoldResult line,
                                                    OpFoldResult channel) {
  Element result;
  result.indices.resize(plan.op.getResult().getType().getRank());
  SmallVector<OpFoldResult> split =
      kernel::delinearize(math, line, plan.lineSizes);
  for (auto [dim, index] : llvm::zip(plan.outer, split)) {
    result.indices[dim] = math.value(index);
  }
  result.position = math.value(split.back());
  ArrayRef<unsigned> dims =
      plan.isInput ? plan.lines.inInput : plan.lines.inResult;
  for (auto [dim, index] : llvm::zip_equal(
           dims, kernel::delinearize(math, channel, plan.channelSizes))) {
    result.indices[dim] = math.value(index);
  }
  return result;
}

TransposeAccess::Element ChannelEmitter::getRunElement(OpFoldResult i) {
  OpFoldResult channels = math.constant(plan.channels);
  return getElement(math.div(i, channels), math.rem(i, channels));
}

void ChannelEmitter::forRun(BodyFn body) {
  OpFoldResult first = math.mul(kb.getBlock(), plan.threads * plan.channels);
  OpFoldResult all = math.mul(plan.vectors, plan.channels);
  for (int64_t j = 0; j < plan.channels; ++j) {
    KernelBuilder::MemoScope scope(kb);
    Value unit =
        math.value(math.add(kb.getThread(), math.constant(j * plan.threads)));
    OpFoldResult place = math.add(first, unit);
    kernel::emitIf(b, math.less(place, all),
                   [&] { body(math.mul(place, plan.width), unit); });
  }
}

void ChannelEmitter::ifOwn(llvm::function_ref<void(OpFoldResult)> body) {
  OpFoldResult vector =
      math.add(math.mul(kb.getBlock(), plan.threads), kb.getThread());
  kernel::emitIf(b, math.less(vector, plan.vectors),
                 [&] { body(math.mul(vector, plan.width)); });
}

void ChannelEmitter::loadRun() {
  forRun([&](OpFoldResult place, Value unit) {
    SmallVector<Value> elements;
    for (int64_t i = 0; i < plan.width; ++i) {
      OpFoldResult at = math.add(place, math.constant(i));
      elements.push_back(access.load(getRunElement(at), at));
    }
    storeUnit(elements, unit);
  });
}

void ChannelEmitter::storeRun() {
  forRun([&](OpFoldResult place, Value unit) {
    Value vector = loadUnit(unit);
    SmallVector<Element> elements;
    SmallVector<OpFoldResult> places;
    SmallVector<Value> moved;
    for (int64_t i = 0; i < plan.width; ++i) {
      places.push_back(math.add(place, math.constant(i)));
      elements.push_back(getRunElement(places.back()));
      moved.push_back(vector::ExtractOp::create(b, vector, i));
    }
    finish(elements, places, moved);
  });
}

void ChannelEmitter::loadOwn(OpFoldResult line) {
  // In the order of the run.
  SmallVector<Value> elements(plan.channels * plan.width);
  for (int64_t channel = 0; channel < plan.channels; ++channel) {
    Element first = getElement(line, math.constant(channel));
    OpFoldResult place = access.getInputPlace(first);
    for (int64_t i = 0; i < plan.width; ++i) {
      Element next = first;
      next.position = math.value(math.add(next.position, math.constant(i)));
      elements[i * plan.channels + channel] =
          access.load(next, math.add(place, math.constant(i)));
    }
  }
  OpFoldResult unit = math.mul(kb.getThread(), plan.channels);
  for (int64_t j = 0; j < plan.channels; ++j) {
    storeUnit(ValueRange(elements).slice(j * plan.width, plan.width),
              math.add(unit, math.constant(j)));
  }
}

void ChannelEmitter::storeOwn(OpFoldResult line) {
  OpFoldResult unit = math.mul(kb.getThread(), plan.channels);
  SmallVector<Value> vectors;
  for (int64_t j = 0; j < plan.channels; ++j) {
    vectors.push_back(loadUnit(math.add(unit, math.constant(j))));
  }
  for (int64_t channel = 0; channel < plan.channels; ++channel) {
    Element first = getElement(line, math.constant(channel));
    OpFoldResult place = access.getResultPlace(first);
    SmallVector<Element> elements(plan.width, first);
    SmallVector<OpFoldResult> places;
    SmallVector<Value> moved;
    for (int64_t i = 0; i < plan.width; ++i) {
      OpFoldResult at = math.constant(i);
      elements[i].position = math.value(math.add(first.position, at));
      places.push_back(math.add(place, at));
      int64_t inRun = i * plan.channels + channel;
      moved.push_back(vector::ExtractOp::create(b, vectors[inRun / plan.width],
                                                inRun % plan.width));
    }
    finish(elements, places, moved);
  }
}

void ChannelEmitter::finish(ArrayRef<Element> elements,
                            ArrayRef<OpFoldResult> places, ValueRange moved) {
  SmallVector<Value> results;
  for (auto [at, place, value] : llvm::zip_equal(elements, places, moved)) {
    results.push_back(access.finish(at, value, place));
  }
  for (auto [result, place] : llvm::zip_equal(results, places)) {
    access.store(result, place);
  }
}

void ChannelEmitter::emit() {
  int64_t units = plan.threads * plan.channels;
  if (int64_t padded = plan.getPaddedThreads()) {
    units += plan.threads / padded;
  }
  shared = kb.allocateShared(element, units * plan.width);
  if (plan.isInput) {
    loadRun();
  } else {
    ifOwn([&](OpFoldResult line) { loadOwn(line); });
  }
  kb.emitBarrier();
  if (plan.isInput) {
    ifOwn([&](OpFoldResult line) { storeOwn(line); });
  } else {
    storeRun();
  }
}

class ChannelTransposeGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    ChannelPlan plan(context);
    kernel::IndexMath &math = context.math;
    return {math.ceilDiv(plan.vectors, math.constant(plan.threads)),
            plan.threads, math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    ChannelEmitter(kb).emit();
    return success();
  }
};

} // namespace

const GPUKernelFamily *getChannelTransposeGPUFamily(nn::DispatchOp dispatch) {
  static const ChannelTransposeGPUFamily family;
  return findLines(dispatch) ? &family : nullptr;
}

} // namespace dlc
