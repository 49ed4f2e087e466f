// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// pool. The window is clipped to the input, so that its loops need no
// condition. With channels last, a block of channels accumulates in memory and
// the innermost loop runs over them; else (or where places are wanted) each
// element is one loop.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"

using namespace mlir;

namespace dlc {

namespace {

using nn::PoolKind;

/// Channels that accumulate together.
constexpr int64_t kChannelBlock = 64;

/// Code of one pooling op.
class PoolEmitter {
public:
  explicit PoolEmitter(KernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::PoolOp>(kb.getRoot())),
        element(op.getInput().getType().getElementType()) {
    accumulator =
        isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32
            ? Type(b.getF32Type())
            : element;
  }

  void emit();

private:
  struct Window {
    /// Per spatial dim: first input coordinate (may be negative), and the
    /// clipped range of taps.
    SmallVector<OpFoldResult> start, firstTap, endTap;
    /// Taps inside the padded input, for count_include_pad.
    OpFoldResult paddedCount, count;
  };

  Window clipWindow(ArrayRef<Value> position);
  /// Loops over the taps of `window`; they set the spatial ones of the input's
  /// indices `at`.
  SmallVector<Value>
  emitTaps(const Window &window, MutableArrayRef<Value> at, ValueRange state,
           llvm::function_ref<SmallVector<Value>(ValueRange)> body);
  Value emitNeutral();
  Value combine(Value state, Value value);
  Value finish(Value state, const Window &window);
  void emitElement(MutableArrayRef<Value> indices);
  void emitChannels(MutableArrayRef<Value> indices);
  /// Flat place of a maximum among (N, C, spatial).
  Value emitPlace(ArrayRef<Value> at);

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::PoolOp op;
  Type element, accumulator;
  /// Running results of a block of channels.
  Value sums;
};

PoolEmitter::Window PoolEmitter::clipWindow(ArrayRef<Value> position) {
  Window window;
  window.count = window.paddedCount = math.constant(1);
  SmallVector<OpFoldResult> low = op.getMixedPadLow(),
                            high = op.getMixedPadHigh();
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    OpFoldResult size = kb.size(op.getInput(), op.getSpatialDim(i)),
                 kernel = math.constant(op.getKernel()[i]),
                 dilation = math.constant(op.getDilations()[i]),
                 zero = math.constant(0);
    OpFoldResult start =
        math.sub(math.mul(position[i], op.getStrides()[i]), kb.index(low[i]));
    // Taps t with 0 <= start + t * dilation < size.
    OpFoldResult before = math.max(zero, math.sub(zero, start));
    OpFoldResult first = math.ceilDiv(before, dilation);
    OpFoldResult room = math.max(zero, math.sub(size, start));
    OpFoldResult end = math.min(kernel, math.ceilDiv(room, dilation));
    OpFoldResult paddedRoom =
        math.max(zero, math.add(math.sub(size, start), kb.index(high[i])));
    window.start.push_back(start);
    window.firstTap.push_back(first);
    window.endTap.push_back(math.max(first, end));
    window.count = math.mul(window.count, math.sub(window.endTap[i], first));
    window.paddedCount =
        math.mul(window.paddedCount,
                 math.min(kernel, math.ceilDiv(paddedRoom, dilation)));
  }
  return window;
}

SmallVector<Value>
PoolEmitter::emitTaps(const Window &window, MutableArrayRef<Value> at,
                      ValueRange state,
                      llvm::function_ref<SmallVector<Value>(ValueRange)> body) {
  SmallVector<LoopRange> ranges;
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    ranges.push_back({i, window.firstTap[i], window.endTap[i]});
  }
  SmallVector<Value> taps(op.getSpatialRank());
  return emitLoopNest(kb, ranges, taps, state, [&](ValueRange carried) {
    for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
      OpFoldResult step = math.mul(taps[i], op.getDilations()[i]);
      at[op.getSpatialDim(i)] = math.value(math.add(window.start[i], step));
    }
    return body(carried);
  });
}

Value PoolEmitter::emitNeutral() {
  Type type = getCodeType(accumulator);
  if (op.getKind() != PoolKind::max) {
    return emitConstant(b, type, 0);
  }
  if (isa<FloatType>(type)) {
    return emitConstant(b, type, -std::numeric_limits<double>::infinity());
  }
  unsigned width = type.getIntOrFloatBitWidth();
  APInt lowest = accumulator.isUnsignedInteger()
                     ? APInt::getMinValue(width)
                     : APInt::getSignedMinValue(width);
  return arith::ConstantOp::create(b, b.getIntegerAttr(type, lowest));
}

Value PoolEmitter::combine(Value state, Value value) {
  value = emitCast(b, value, element, accumulator);
  auto apply = [&](nn::Fn fn, Value lhs, Value rhs) {
    return emitElementwise(b, fn, {lhs, rhs}, {}, accumulator, accumulator);
  };
  switch (op.getKind()) {
  case PoolKind::max:
    return apply(nn::Fn::maximum, state, value);
  case PoolKind::avg:
  case PoolKind::sum:
    return apply(nn::Fn::add, state, value);
  case PoolKind::lp: {
    Value magnitude =
        emitElementwise(b, nn::Fn::abs, value, {}, accumulator, accumulator);
    Value power = magnitude;
    if (op.getP() == 2) {
      power = apply(nn::Fn::mul, magnitude, magnitude);
    } else if (op.getP() != 1) {
      power = apply(nn::Fn::pow, magnitude,
                    emitConstant(b, magnitude.getType(), op.getP()));
    }
    return apply(nn::Fn::add, state, power);
  }
  }
  llvm_unreachable("closed enum");
}

Value PoolEmitter::finish(Value state, const Window &window) {
  if (op.getKind() == PoolKind::avg) {
    OpFoldResult count =
        op.getCountIncludePad() ? window.paddedCount : window.count;
    Value integer =
        arith::IndexCastOp::create(b, b.getI64Type(), math.value(count));
    Value divisor = emitCast(b, integer, b.getI64Type(), accumulator);
    state = emitElementwise(b, nn::Fn::div, {state, divisor}, {}, accumulator,
                            accumulator);
  }
  if (op.getKind() == PoolKind::lp && op.getP() != 1) {
    state = op.getP() == 2
                ? emitElementwise(b, nn::Fn::sqrt, state, {}, accumulator,
                                  accumulator)
                : emitElementwise(b, nn::Fn::pow,
                                  {state, emitConstant(b, state.getType(),
                                                       1.0 / op.getP())},
                                  {}, accumulator, accumulator);
  }
  return emitCast(b, state, accumulator, element);
}

Value PoolEmitter::emitPlace(ArrayRef<Value> at) {
  unsigned channelDim = op.getChannelsLast() ? op.getSpatialRank() + 1 : 1;
  OpFoldResult place = math.add(
      math.mul(at[0], kb.size(op.getInput(), channelDim)), at[channelDim]);
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    unsigned dim = op.getColumnMajorIndices() ? op.getSpatialRank() - 1 - i : i;
    unsigned tensorDim = op.getSpatialDim(dim);
    place = math.add(math.mul(place, kb.size(op.getInput(), tensorDim)),
                     at[tensorDim]);
  }
  return arith::IndexCastOp::create(b, b.getI64Type(), math.value(place));
}

void PoolEmitter::emitElement(MutableArrayRef<Value> indices) {
  SmallVector<Value> position, at(indices);
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    position.push_back(indices[op.getSpatialDim(i)]);
  }
  Window window = clipWindow(position);
  SmallVector<Value> init{emitNeutral()};
  if (op.getIndices()) {
    init.push_back(emitConstant(b, b.getI64Type(), 0));
  }
  SmallVector<Value> state =
      emitTaps(window, at, init, [&](ValueRange carried) -> SmallVector<Value> {
        Value value = kb.load(op.getInput(), at),
              next = combine(carried[0], value);
        if (!op.getIndices()) {
          return {next};
        }
        Value better = emitElementwise(
            b, nn::Fn::gt,
            {emitCast(b, value, element, accumulator), carried[0]}, {},
            accumulator, b.getI1Type());
        return {next,
                arith::SelectOp::create(b, better, emitPlace(at), carried[1])};
      });
  emitEpilogueStore(kb, 0, op.getResult(), finish(state[0], window), indices);
  if (op.getIndices()) {
    memref::StoreOp::create(b, state[1], kb.viewResult(1), indices);
  }
}

/// All channels of one output pixel.
void PoolEmitter::emitChannels(MutableArrayRef<Value> indices) {
  SmallVector<Value> position, at(indices);
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    position.push_back(indices[op.getSpatialDim(i)]);
  }
  Window window = clipWindow(position);
  OpFoldResult channels = kb.size(op.getInput(), indices.size() - 1);
  Value neutral = emitNeutral();
  kernel::emitFor(
      b, math.constant(0), channels, math.constant(kChannelBlock),
      [&](Value first) {
        OpFoldResult count =
            math.min(math.constant(kChannelBlock), math.sub(channels, first));
        auto forChannels = [&](llvm::function_ref<void(Value)> body) {
          kernel::emitFor(b, math.constant(0), count, math.constant(1),
                          [&](Value channel) {
                            KernelBuilder::MemoScope scope(kb);
                            at.back() = indices.back() =
                                math.value(math.add(first, channel));
                            body(channel);
                          });
        };
        forChannels([&](Value channel) {
          memref::StoreOp::create(b, neutral, sums, channel);
        });
        emitTaps(window, at, {}, [&](ValueRange) -> SmallVector<Value> {
          forChannels([&](Value channel) {
            Value next = combine(memref::LoadOp::create(b, sums, channel),
                                 kb.load(op.getInput(), at));
            memref::StoreOp::create(b, next, sums, channel);
          });
          return {};
        });
        forChannels([&](Value channel) {
          Value sum = memref::LoadOp::create(b, sums, channel);
          emitEpilogueStore(kb, 0, op.getResult(), finish(sum, window),
                            indices);
        });
      });
}

/// On a GPU, an item is an element. Else an item is one index of the first two
/// dims and one of the third: a row of pixels with channels last, a row of one
/// channel plane else.
void PoolEmitter::emit() {
  if (kb.target.isScalar()) {
    LoopSpace(kb, op.getResult()).emitLoops(kb, [&](ValueRange indices) {
      SmallVector<Value> at(indices);
      emitElement(at);
    });
    return;
  }
  nn::Sizes sizes = kb.sizes(op.getResult());
  bool byChannels = op.getChannelsLast() && !op.getIndices();
  unsigned outer =
      std::min<unsigned>(sizes.size() - (byChannels ? 1 : 0), 3) - 1;
  sums = byChannels ? kb.allocate(getCodeType(accumulator), kChannelBlock)
                    : Value();
  kernel::emitFor(
      b, kb.getBegin(), kb.getEnd(), math.constant(1), [&](Value item) {
        SmallVector<Value> indices(sizes.size());
        SmallVector<OpFoldResult> leading =
            kernel::delinearize(math, item, ArrayRef(sizes).take_front(outer));
        for (unsigned dim = 0; dim < outer; ++dim) {
          indices[dim] = math.value(leading[dim]);
        }
        unsigned end = byChannels ? sizes.size() - 1 : sizes.size();
        std::function<void(unsigned)> loops = [&](unsigned dim) {
          if (dim == end) {
            if (byChannels) {
              indices.back() = math.value(0);
              emitChannels(indices);
            } else {
              emitElement(indices);
            }
            return;
          }
          kernel::emitFor(b, math.constant(0), sizes[dim], math.constant(1),
                          [&](Value index) {
                            indices[dim] = index;
                            loops(dim + 1);
                          });
        };
        loops(outer);
      });
}

class PoolFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::PoolOp>(context.getRoot());
    nn::Sizes sizes = context.sizes(op.getResult());
    bool byChannels = op.getChannelsLast() && !op.getIndices();
    unsigned outer =
        std::min<unsigned>(sizes.size() - (byChannels ? 1 : 0), 3) - 1;
    int64_t taps = 1;
    for (int64_t size : op.getKernel()) {
      taps *= size;
    }
    OpFoldResult elements = nn::productOf(context.b, op.getLoc(), sizes);
    OpFoldResult items = context.target.isScalar()
                             ? LoopSpace(context, op.getResult()).getItems()
                             : nn::productOf(context.b, op.getLoc(),
                                             ArrayRef(sizes).take_front(outer));
    return {items,
            estimateWork(context, elements, (byChannels ? 0.1 : 1.0) * taps),
            context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    PoolEmitter(kb).emit();
    return success();
  }
};

} // namespace

const KernelFamily *getPoolFamily() {
  static const PoolFamily family;
  return &family;
}

} // namespace dlc
