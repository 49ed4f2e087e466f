// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// sort and top-k. Each line of the result is a heap of the k first elements
// seen so far, its last one (in sort order) on top, and is then sorted in place
// as in heapsort (Williams 1964, Floyd 1964). The order is total, since ties go
// by index, so the result is that of a stable sort; no memory but the result is
// needed, whatever k and the axis.
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/SortOrder.h"

using namespace mlir;

namespace dlc {

namespace {

using Entry = SortEntry;

class SortEmitter {
public:
  explicit SortEmitter(KernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::SortOp>(kb.getRoot())),
        count(kb.size(op.getValues(), op.getAxis())) {}

  void emit();

private:
  Value constant(int64_t value) { return math.value(value); }
  Value add(Value x, int64_t y) {
    return math.value(math.add(x, math.constant(y)));
  }
  Value emitBefore(Entry x, Entry y) { return emitSortsBefore(b, op, x, y); }
  Entry loadInput(Value position);
  Entry loadHeap(Value place);
  void storeHeap(Value place, Entry entry);
  /// Puts `entry` at the root of the subtree at `place` of a heap of `size`
  /// entries and moves it down.
  void emitSiftDown(Entry entry, Value place, Value size);
  void emitLine();

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::SortOp op;
  OpFoldResult count;
  Value values, places;
  /// Indices of the line; that of the axis is written before each use.
  SmallVector<Value> line;
};

Entry SortEmitter::loadInput(Value position) {
  KernelBuilder::MemoScope scope(kb);
  line[op.getAxis()] = position;
  return {kb.load(op.getInput(), line),
          arith::IndexCastOp::create(b, b.getI64Type(), position)};
}

Entry SortEmitter::loadHeap(Value place) {
  line[op.getAxis()] = place;
  return {memref::LoadOp::create(b, values, line),
          memref::LoadOp::create(b, places, line)};
}

void SortEmitter::storeHeap(Value place, Entry entry) {
  line[op.getAxis()] = place;
  memref::StoreOp::create(b, entry.value, values, line);
  memref::StoreOp::create(b, entry.index, places, line);
}

void SortEmitter::emitSiftDown(Entry entry, Value place, Value size) {
  // Carries where the entry is to stand; goes on while the later of the two
  // children comes after the entry.
  auto loop = scf::WhileOp::create(b, TypeRange{b.getIndexType()}, place);
  OpBuilder::InsertionGuard guard(b);
  Block *condition =
      b.createBlock(&loop.getBefore(), {}, b.getIndexType(), b.getLoc());
  Value at = condition->getArgument(0);
  Value left = add(math.value(math.mul(at, 2)), 1), right = add(left, 1);
  Value isInner = math.less(left, size);
  auto descend = [&]() -> SmallVector<Value> {
    Entry leftEntry = loadHeap(left);
    Value last = math.value(math.sub(size, math.constant(1)));
    // Without a right child the left one is compared with itself.
    Value sibling = math.value(math.min(right, last));
    Entry rightEntry = loadHeap(sibling);
    Value isRight = emitBefore(leftEntry, rightEntry);
    Entry child{
        arith::SelectOp::create(b, isRight, rightEntry.value, leftEntry.value),
        arith::SelectOp::create(b, isRight, rightEntry.index, leftEntry.index)};
    Value next = arith::SelectOp::create(b, isRight, sibling, left);
    Value goesOn = emitBefore(entry, child);
    kernel::emitIf(b, goesOn, [&] { storeHeap(at, child); });
    return {goesOn, arith::SelectOp::create(b, goesOn, next, at)};
  };
  SmallVector<Value> moved =
      kernel::emitIf(b, isInner, TypeRange{b.getI1Type(), b.getIndexType()},
                     descend, [&] { return SmallVector<Value>{isInner, at}; });
  // At the end the entry is stored where it stays.
  kernel::emitIf(b, moved[0], [] {}, [&] { storeHeap(at, entry); });
  scf::ConditionOp::create(b, moved[0], moved[1]);
  Block *body =
      b.createBlock(&loop.getAfter(), {}, b.getIndexType(), b.getLoc());
  scf::YieldOp::create(b, body->getArguments());
}

void SortEmitter::emitLine() {
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  Value size = math.value(count);
  kernel::emitFor(b, zero, count, one, [&](Value place) {
    Entry entry = loadInput(place);
    storeHeap(place, entry);
  });
  OpFoldResult inner = math.div(count, math.constant(2));
  kernel::emitFor(b, zero, inner, one, [&](Value step) {
    Value place = math.value(math.sub(math.sub(inner, one), step));
    emitSiftDown(loadHeap(place), place, size);
  });
  // With k = 0 there is no top to compare with.
  OpFoldResult length = kb.size(op.getInput(), op.getAxis());
  Value isEmpty = math.equal(count, zero);
  Value end =
      arith::SelectOp::create(b, isEmpty, constant(0), math.value(length));
  kernel::emitFor(b, count, end, one, [&](Value position) {
    Entry entry = loadInput(position);
    Value enters = emitBefore(entry, loadHeap(constant(0)));
    kernel::emitIf(b, enters, [&] { emitSiftDown(entry, constant(0), size); });
  });
  kernel::emitFor(b, one, count, one, [&](Value step) {
    Value last = math.value(math.sub(count, step));
    Entry entry = loadHeap(last);
    storeHeap(last, loadHeap(constant(0)));
    emitSiftDown(entry, constant(0), last);
  });
}

/// The result's sizes with 1 for the axis.
nn::Sizes lineSizes(DispatchContext &context, nn::SortOp op) {
  nn::Sizes sizes = context.sizes(op.getValues());
  sizes[op.getAxis()] = context.math.constant(1);
  return sizes;
}

void SortEmitter::emit() {
  nn::Sizes sizes = lineSizes(kb, op);
  values = kb.viewResult(0);
  places = kb.viewResult(1);
  kernel::emitFor(
      b, kb.getBegin(), kb.getEnd(), math.constant(1), [&](Value item) {
        line.clear();
        for (OpFoldResult index : kernel::delinearize(math, item, sizes)) {
          line.push_back(math.value(index));
        }
        emitLine();
      });
}

class SortFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::SortOp>(context.getRoot());
    OpFoldResult elements =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getInput()));
    return {nn::productOf(context.b, op.getLoc(), lineSizes(context, op)),
            estimateWork(context, elements, 20), context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    SortEmitter(kb).emit();
    return success();
  }
};

} // namespace

const KernelFamily *getSortFamily() {
  static const SortFamily family;
  return &family;
}

} // namespace dlc
