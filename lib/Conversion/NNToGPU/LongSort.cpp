// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sort of lines that shared memory does not hold: bitonic sorting (Batcher
// 1968) in scratch memory, in the form in which all pairs are ordered upwards:
// the first step of a merge compares entries from both ends. So places past
// the line's end need not exist. Steps within a chunk are done in shared
// memory.
#include "SortLine.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kThreads = 512;
/// Indices have 32 bits, so lines fewer elements than 2 to this.
constexpr int64_t kMaxLevels = 31;

/// Where the entries of all lines lie in scratch memory: values, then indices.
struct ScratchPlan {
  ScratchPlan(DispatchContext &context, nn::SortOp op) {
    kernel::IndexMath &math = context.math;
    OpFoldResult entries = math.mul(countLines(context, op),
                                    context.size(op.getInput(), op.getAxis()));
    int64_t width =
        std::max(8u, typeOf(op.getInput()).getElementTypeBitWidth());
    valueBytes = math.roundUp(math.mul(entries, width / 8), 16);
    bytes = math.add(valueBytes, math.mul(entries, 4));
  }

  OpFoldResult valueBytes, bytes;
};

class LongSort {
public:
  explicit LongSort(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::SortOp>(kb.getRoot())),
        chunk(getMaxSortEntries(op)), chunkLevels(llvm::Log2_64(chunk)) {}

  void emit();

private:
  void setUp();
  /// Calls `body` for the thread's share of `count` things.
  void forShare(OpFoldResult count, llvm::function_ref<void(Value)> body);
  Value power(OpFoldResult exponent) {
    return arith::ShLIOp::create(b, math.value(1), math.value(exponent));
  }
  /// Orders two entries, of which the upper one may be past `bound`.
  void order(const SortLine &line, Value lower, Value upper,
             OpFoldResult bound);
  /// Compares, in runs of 2^level places, entries as far from both ends; and
  /// those 2^level places apart. `pairs` pairs of places, of which `bound`
  /// exist.
  void emitEnds(const SortLine &line, OpFoldResult level, OpFoldResult pairs,
                OpFoldResult bound);
  void emitStride(const SortLine &line, OpFoldResult level, OpFoldResult pairs,
                  OpFoldResult bound);
  /// Steps over fewer than 2^level places in shared memory, whose first `bound`
  /// places exist.
  void emitChunkSteps(OpFoldResult level, OpFoldResult bound);
  /// Calls `body` for each chunk with its first position and number of entries.
  void forChunks(llvm::function_ref<void(Value, OpFoldResult)> body);
  void sortChunks();
  void mergeChunks(OpFoldResult level);
  void emitResults();

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::SortOp op;
  /// Entries in shared memory, 2^chunkLevels.
  int64_t chunk, chunkLevels;
  OpFoldResult length;
  /// Indices of the block's line.
  SmallVector<Value> place;
  SortLine shared, global;
};

} // namespace

void LongSort::setUp() {
  length = kb.size(op.getInput(), op.getAxis());
  for (OpFoldResult index :
       kernel::delinearize(math, kb.getBlock(), getLineSizes(kb, op))) {
    place.push_back(math.value(index));
  }
  Type type = getCodeType(op.getInput().getType().getElementType());
  shared = {kb.allocateShared(type, chunk),
            kb.allocateShared(b.getI32Type(), chunk), math.constant(0),
            /*isShared=*/true};
  ScratchPlan plan(kb, op);
  global = {
      kernel::scratchView(b, kb.getScratch(), math.constant(0), type),
      kernel::scratchView(b, kb.getScratch(), plan.valueBytes, b.getI32Type()),
      math.mul(kb.getBlock(), length), /*isShared=*/false};
}

void LongSort::forShare(OpFoldResult count,
                        llvm::function_ref<void(Value)> body) {
  kernel::emitFor(b, kb.getThread(), count, math.constant(kThreads),
                  [&](Value i) { body(i); });
}

void LongSort::order(const SortLine &line, Value lower, Value upper,
                     OpFoldResult bound) {
  kernel::emitIf(b, math.less(upper, bound), [&] {
    SortEntry x = line.load(kb, lower), y = line.load(kb, upper);
    kernel::emitIf(b, emitSortsBefore(b, op, y, x), [&] {
      line.store(kb, lower, y);
      line.store(kb, upper, x);
    });
  });
}

void LongSort::emitEnds(const SortLine &line, OpFoldResult level,
                        OpFoldResult pairs, OpFoldResult bound) {
  kb.emitBarrier();
  Value size = power(level);
  Value half = power(math.sub(level, math.constant(1)));
  Value last = math.value(math.sub(size, math.constant(1)));
  Value mask = math.value(math.sub(half, math.constant(1)));
  forShare(pairs, [&](Value pair) {
    Value within = arith::AndIOp::create(b, pair, mask);
    OpFoldResult run = math.mul(math.sub(pair, within), 2);
    order(line, math.value(math.add(run, within)),
          math.value(math.add(run, math.sub(last, within))), bound);
  });
}

void LongSort::emitStride(const SortLine &line, OpFoldResult level,
                          OpFoldResult pairs, OpFoldResult bound) {
  kb.emitBarrier();
  Value stride = power(level);
  Value mask = math.value(math.sub(stride, math.constant(1)));
  forShare(pairs, [&](Value pair) {
    Value within = arith::AndIOp::create(b, pair, mask);
    Value lower = math.value(math.sub(math.mul(pair, 2), within));
    order(line, lower, math.value(math.add(lower, stride)), bound);
  });
}

void LongSort::emitChunkSteps(OpFoldResult level, OpFoldResult bound) {
  kernel::emitFor(
      b, math.constant(0), level, math.constant(1), [&](Value step) {
        OpFoldResult exponent =
            math.sub(math.sub(level, math.constant(1)), step);
        emitStride(shared, exponent, math.constant(chunk / 2), bound);
      });
}

void LongSort::forChunks(llvm::function_ref<void(Value, OpFoldResult)> body) {
  kernel::emitFor(
      b, math.constant(0), length, math.constant(chunk), [&](Value first) {
        // The last chunk's memory is still read.
        kb.emitBarrier();
        body(first, math.min(math.constant(chunk), math.sub(length, first)));
      });
}

void LongSort::sortChunks() {
  forChunks([&](Value first, OpFoldResult count) {
    forShare(count, [&](Value i) {
      Value position = math.value(math.add(first, i));
      SmallVector<Value> at(place);
      at[op.getAxis()] = position;
      KernelBuilder::MemoScope scope(kb);
      Value value = kb.load(op.getInput(), at);
      Value index = arith::IndexCastOp::create(b, b.getI32Type(), position);
      shared.store(kb, i, {value, index});
    });
    kernel::emitFor(b, math.constant(1), math.constant(chunkLevels + 1),
                    math.constant(1), [&](Value level) {
                      emitEnds(shared, level, math.constant(chunk / 2), count);
                      emitChunkSteps(math.sub(level, math.constant(1)), count);
                    });
    kb.emitBarrier();
    forShare(count, [&](Value i) {
      global.store(kb, math.value(math.add(first, i)), shared.load(kb, i));
    });
  });
}

/// Merges sorted runs of 2^(level - 1) entries by two.
void LongSort::mergeChunks(OpFoldResult level) {
  Value size = power(level);
  OpFoldResult runs = math.ceilDiv(length, size);
  OpFoldResult pairs = math.mul(runs, power(math.sub(level, math.constant(1))));
  emitEnds(global, level, pairs, length);
  OpFoldResult steps = math.sub(level, math.constant(chunkLevels + 1));
  kernel::emitFor(b, math.constant(0), steps, math.constant(1),
                  [&](Value step) {
                    OpFoldResult exponent =
                        math.sub(math.sub(level, math.constant(2)), step);
                    emitStride(global, exponent, pairs, length);
                  });
  forChunks([&](Value first, OpFoldResult count) {
    forShare(count, [&](Value i) {
      shared.store(kb, i, global.load(kb, math.value(math.add(first, i))));
    });
    emitChunkSteps(math.constant(chunkLevels), count);
    kb.emitBarrier();
    forShare(count, [&](Value i) {
      global.store(kb, math.value(math.add(first, i)), shared.load(kb, i));
    });
  });
}

void LongSort::emitResults() {
  kb.emitBarrier();
  forShare(kb.size(op.getValues(), op.getAxis()), [&](Value i) {
    SmallVector<Value> at(place);
    at[op.getAxis()] = i;
    storeSorted(kb, at, global.load(kb, i));
  });
}

void LongSort::emit() {
  setUp();
  sortChunks();
  std::optional<int64_t> known = kernel::IndexMath::known(length);
  int64_t levels =
      known ? llvm::Log2_64_Ceil(std::max<int64_t>(1, *known)) : kMaxLevels;
  kernel::emitFor(b, math.constant(chunkLevels + 1), math.constant(levels + 1),
                  math.constant(1), [&](Value level) {
                    Value half = power(math.sub(level, math.constant(1)));
                    kernel::emitIf(b, math.less(half, length),
                                   [&] { mergeChunks(level); });
                  });
  emitResults();
}

namespace {

class LongSortGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::SortOp>(context.getRoot());
    return {countLines(context, op), kThreads, ScratchPlan(context, op).bytes};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    LongSort(kb).emit();
    return success();
  }

  /// Bytes of scratch memory are more.
  bool hasElementIndices(nn::DispatchOp) const override { return false; }
};

} // namespace

const GPUKernelFamily *getLongSortGPUFamily() {
  static const LongSortGPUFamily family;
  return &family;
}

} // namespace dlc
