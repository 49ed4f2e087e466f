// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// pool. The window is clipped to the input, so that its loops need no
// condition. With channels last, a block of channels accumulates in memory and
// the innermost loop runs over them; else (or where places are wanted) each
// element is one loop.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/PoolCode.h"

using namespace mlir;

namespace dlc {

namespace {

/// Channels that accumulate together.
constexpr int64_t kChannelBlock = 64;

/// Code of one pooling op.
class PoolEmitter {
public:
  explicit PoolEmitter(KernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::PoolOp>(kb.getRoot())),
        code(kb) {}

  void emit();

private:
  using Window = PoolCode::Window;

  /// Loops over the taps of `window`; they set the spatial ones of the input's
  /// indices `at`.
  SmallVector<Value>
  emitTaps(const Window &window, MutableArrayRef<Value> at, ValueRange state,
           llvm::function_ref<SmallVector<Value>(ValueRange)> body);
  void emitElement(MutableArrayRef<Value> indices);
  void emitChannels(MutableArrayRef<Value> indices);
  /// Flat place of a maximum among (N, C, spatial).
  Value emitPlace(ArrayRef<Value> at);

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::PoolOp op;
  PoolCode code;
  /// Running results of a block of channels.
  Value sums;
};

SmallVector<Value>
PoolEmitter::emitTaps(const Window &window, MutableArrayRef<Value> at,
                      ValueRange state,
                      llvm::function_ref<SmallVector<Value>(ValueRange)> body) {
  SmallVector<LoopRange> ranges;
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    ranges.push_back({i, window.taps[i].first, window.taps[i].end});
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
  Window window = code.clipWindow(position);
  SmallVector<Value> init{code.emitNeutral()};
  if (op.getIndices()) {
    init.push_back(emitConstant(b, b.getI64Type(), 0));
  }
  SmallVector<Value> state =
      emitTaps(window, at, init, [&](ValueRange carried) -> SmallVector<Value> {
        Value value = code.convert(kb.load(op.getInput(), at)),
              next = code.combine(carried[0], value);
        if (!op.getIndices()) {
          return {next};
        }
        Value better = emitElementwise(b, nn::Fn::gt, {value, carried[0]}, {},
                                       code.getAccumulator(), b.getI1Type());
        return {next,
                arith::SelectOp::create(b, better, emitPlace(at), carried[1])};
      });
  emitEpilogueStore(kb, 0, op.getResult(), code.finish(state[0], window),
                    indices);
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
  Window window = code.clipWindow(position);
  OpFoldResult channels = kb.size(op.getInput(), indices.size() - 1);
  Value neutral = code.emitNeutral();
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
            Value next = code.combine(memref::LoadOp::create(b, sums, channel),
                                      code.convert(kb.load(op.getInput(), at)));
            memref::StoreOp::create(b, next, sums, channel);
          });
          return {};
        });
        forChannels([&](Value channel) {
          Value sum = memref::LoadOp::create(b, sums, channel);
          emitEpilogueStore(kb, 0, op.getResult(), code.finish(sum, window),
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
  sums = byChannels
             ? kb.allocate(getCodeType(code.getAccumulator()), kChannelBlock)
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
