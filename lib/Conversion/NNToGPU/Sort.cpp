// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sort and top-k: bitonic sorting (Batcher 1968) of lines in shared memory. Of
// a line that is longer, the k first elements stay there, and pieces of the
// rest are sorted in behind them. The order is total, so that the result is
// that of a stable sort.
#include "SortLine.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc {

namespace {

/// Entries that are sorted at once where only the first few of a line count.
constexpr int64_t kPiece = 1024;
/// Threads of a line at most, and of a block at least.
constexpr int64_t kLineThreads = 512, kMinThreads = 128;

/// How lines are cut among threads.
struct SortPlan {
  explicit SortPlan(nn::SortOp op) {
    length = op.getInput().getType().getDimSize(op.getAxis());
    count = cast<RankedTensorType>(op.getValues().getType())
                .getDimSize(op.getAxis());
    if (ShapedType::isDynamic(count) || count == 0) {
      return;
    }
    int64_t most = getMaxSortEntries(op);
    int64_t wanted = std::max<int64_t>(kPiece, llvm::PowerOf2Ceil(4 * count));
    if (!ShapedType::isDynamic(length)) {
      int64_t whole = llvm::PowerOf2Ceil(std::max<int64_t>(2, length));
      wanted = std::min(wanted, whole);
    }
    wanted = std::min(wanted, most);
    if (length == count ? wanted >= length : wanted >= 2 * count) {
      entries = wanted;
    } else if (!ShapedType::isDynamic(length) && length <= wanted) {
      entries = wanted;
    }
  }

  bool fits() const { return entries > 0; }
  int64_t lineThreads() const { return std::min(kLineThreads, entries / 2); }
  int64_t linesPerBlock() const {
    return std::max<int64_t>(1, kMinThreads / lineThreads());
  }
  int64_t threads() const { return lineThreads() * linesPerBlock(); }
  /// Whether places may stand for no element.
  bool hasEmptyPlaces() const { return length != entries; }

  /// Elements of a line, and those wanted of them.
  int64_t length, count;
  /// A power of two: places of a line in shared memory; 0: no such form.
  int64_t entries = 0;
};

class BitonicSort {
public:
  explicit BitonicSort(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::SortOp>(kb.getRoot())),
        plan(op) {}

  void emit();

private:
  /// Calls `body` for the thread's share of `count` things of its line.
  void forShare(int64_t count, llvm::function_ref<void(Value)> body);
  /// Puts the elements from position `first` on to the places from `place` on.
  void emitRead(OpFoldResult first, int64_t place);
  Value emitBefore(SortEntry x, SortEntry y);
  /// Orders the two entries of pair number `pair` at distance `stride`, upwards
  /// in even runs of `size`.
  void emitExchange(Value pair, Value stride, Value size);
  void emitSort();
  void emitResults();

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::SortOp op;
  SortPlan plan;
  OpFoldResult length;
  /// Of the thread's line: indices, whether it exists, and its entries.
  SmallVector<Value> line;
  Value exists, thread;
  SortLine entries;
};

void BitonicSort::forShare(int64_t count,
                           llvm::function_ref<void(Value)> body) {
  kernel::emitFor(b, thread, math.constant(count),
                  math.constant(plan.lineThreads()), [&](Value i) { body(i); });
}

void BitonicSort::emitRead(OpFoldResult first, int64_t place) {
  Type type = getCodeType(op.getInput().getType().getElementType());
  forShare(plan.entries - place, [&](Value i) {
    Value position = math.value(math.add(first, i));
    Value inside =
        arith::AndIOp::create(b, exists, math.less(position, length));
    Value value = kernel::emitIf(
        b, inside, type,
        [&]() -> SmallVector<Value> {
          KernelBuilder::MemoScope scope(kb);
          SmallVector<Value> at(line);
          at[op.getAxis()] = position;
          return {kb.load(op.getInput(), at)};
        },
        [&]() -> SmallVector<Value> { return {emitConstant(b, type, 0)}; })[0];
    Value index = arith::IndexCastOp::create(b, b.getI32Type(), position);
    entries.store(kb, math.value(math.add(i, math.constant(place))),
                  {value, index});
  });
}

/// Places that stand for no element, whose index is past the line's end, come
/// last.
Value BitonicSort::emitBefore(SortEntry x, SortEntry y) {
  Value before = emitSortsBefore(b, op, x, y);
  if (!plan.hasEmptyPlaces()) {
    return before;
  }
  Value end = arith::IndexCastOp::create(b, b.getI32Type(), math.value(length));
  auto isEmpty = [&](Value index) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::sge, index, end);
  };
  Value xIsEmpty = isEmpty(x.index), yIsEmpty = isEmpty(y.index);
  Value differ = arith::XOrIOp::create(b, xIsEmpty, yIsEmpty);
  return arith::SelectOp::create(b, differ, yIsEmpty, before);
}

void BitonicSort::emitExchange(Value pair, Value stride, Value size) {
  Value below = arith::AndIOp::create(
      b, pair, math.value(math.sub(stride, math.constant(1))));
  // 2 * (pair - below) + below
  Value lower = math.value(math.sub(math.mul(pair, 2), below));
  Value upper = math.value(math.add(lower, stride));
  SortEntry x = entries.load(kb, lower), y = entries.load(kb, upper);
  Value run = arith::AndIOp::create(b, lower, size);
  Value isUp = math.equal(run, math.constant(0));
  Value swaps = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                      emitBefore(y, x), isUp);
  kernel::emitIf(b, swaps, [&] {
    entries.store(kb, lower, y);
    entries.store(kb, upper, x);
  });
}

void BitonicSort::emitSort() {
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  auto power = [&](OpFoldResult exponent) -> Value {
    return arith::ShLIOp::create(b, math.value(1), math.value(exponent));
  };
  OpFoldResult levels = math.constant(llvm::Log2_64(plan.entries));
  kernel::emitFor(b, zero, levels, one, [&](Value level) {
    Value size = power(math.add(level, one));
    kernel::emitFor(b, zero, math.add(level, one), one, [&](Value step) {
      Value stride = power(math.sub(level, step));
      kb.emitBarrier();
      forShare(plan.entries / 2,
               [&](Value pair) { emitExchange(pair, stride, size); });
    });
  });
  kb.emitBarrier();
}

void BitonicSort::emitResults() {
  kernel::emitIf(b, exists, [&] {
    forShare(plan.count, [&](Value place) {
      SmallVector<Value> at(line);
      at[op.getAxis()] = place;
      storeSorted(kb, at, entries.load(kb, place));
    });
  });
}

void BitonicSort::emit() {
  length = kb.size(op.getInput(), op.getAxis());
  int64_t perBlock = plan.linesPerBlock();
  Type type = getCodeType(op.getInput().getType().getElementType());
  OpFoldResult lineThreads = math.constant(plan.lineThreads());
  OpFoldResult inBlock = math.div(kb.getThread(), lineThreads);
  thread = math.value(math.rem(kb.getThread(), lineThreads));
  inBlock = perBlock == 1 ? math.constant(0) : inBlock;
  entries = {kb.allocateShared(type, perBlock * plan.entries),
             kb.allocateShared(b.getI32Type(), perBlock * plan.entries),
             math.mul(inBlock, plan.entries), /*isShared=*/true};
  OpFoldResult number = math.add(math.mul(kb.getBlock(), perBlock), inBlock);
  // All threads meet at the barriers.
  exists = math.less(number, countLines(kb, op));
  for (OpFoldResult index :
       kernel::delinearize(math, number, getLineSizes(kb, op))) {
    line.push_back(math.value(index));
  }
  emitRead(math.constant(0), 0);
  emitSort();
  if (plan.length != plan.count) {
    OpFoldResult piece = math.constant(plan.entries - plan.count);
    kernel::emitFor(b, math.constant(plan.entries), length, piece,
                    [&](Value first) {
                      emitRead(first, plan.count);
                      emitSort();
                    });
  }
  emitResults();
}

class SortGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::SortOp>(context.getRoot());
    kernel::IndexMath &math = context.math;
    SortPlan plan(op);
    return {math.ceilDiv(countLines(context, op),
                         math.constant(plan.linesPerBlock())),
            plan.threads(), math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    BitonicSort(kb).emit();
    return success();
  }
};

} // namespace

const GPUKernelFamily *getSortGPUFamily(nn::DispatchOp dispatch) {
  static const SortGPUFamily family;
  SortPlan plan(cast<nn::SortOp>(dispatch.getRootOp()));
  if (plan.count == 0) {
    return nullptr;
  }
  return plan.fits() ? &family : getLongSortGPUFamily();
}

} // namespace dlc
