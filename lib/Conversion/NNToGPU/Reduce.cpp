// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// reduce. Along the innermost dims, a warp or a block has a row. Else each
// thread has a column and some of its rows, and the parts of a column meet in
// shared memory, so that neighbouring threads read neighbouring elements.
#include "RowSpace.h"

#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/Reducer.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

/// Results of a block of the second form, and parts of each.
constexpr int64_t kColumns = 32, kParts = 8;

bool reducesInnermost(nn::ReduceOp op) {
  return op.getAxes().empty() ||
         op.getAxes().back() == op.getInput().getType().getRank() - 1;
}

class ReduceGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ReduceOp>(context.getRoot());
    RowSpace space(context, op.getInput(), op.getAxes());
    if (reducesInnermost(op)) {
      return {space.getBlocks(context.math), space.getBlockThreads(),
              context.math.constant(0)};
    }
    return {
        context.math.ceilDiv(space.getRows(), context.math.constant(kColumns)),
        kColumns * kParts, context.math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    auto op = cast<nn::ReduceOp>(kb.getRoot());
    RowSpace space(kb, op.getInput(), op.getAxes());
    if (reducesInnermost(op)) {
      space.emitRows(kb, [&](Value row) { emitRow(kb, op, space, row); });
    } else {
      emitColumns(kb, op, space);
    }
    return success();
  }

private:
  /// The state after an element of a row.
  static SmallVector<Value> emitStep(GPUKernelBuilder &kb, Reducer &reducer,
                                     nn::ReduceOp op, RowSpace &space,
                                     ValueRange state, Value row,
                                     Value column) {
    SmallVector<Value> at = space.getIndices(kb, row, column);
    Value place =
        op.getAxes().empty() ? kb.math.value(0) : at[op.getAxes().back()];
    return reducer.emitStep(state, kb.load(op.getInput(), at), place);
  }

  static void emitRow(GPUKernelBuilder &kb, nn::ReduceOp op, RowSpace &space,
                      Value row) {
    Reducer reducer(kb.b, op);
    SmallVector<Value> state = space.forElements(
        kb, reducer.emitInit(), [&](int64_t, Value column, ValueRange carried) {
          return emitStep(kb, reducer, op, space, carried, row, column);
        });
    state = space.combine(kb, state, [&](ValueRange x, ValueRange y) {
      return reducer.emitMerge(x, y);
    });
    Value thread = kb.math.value(
        kb.math.rem(kb.getThread(), kb.math.constant(space.getRowThreads())));
    kernel::emitIf(kb.b, kb.math.equal(thread, kb.math.constant(0)), [&] {
      emitEpilogueStore(kb, 0, op.getResult(),
                        reducer.emitFinish(state, space.getColumns()),
                        space.getRowIndices(kb, row));
    });
  }

  static void emitColumns(GPUKernelBuilder &kb, nn::ReduceOp op,
                          RowSpace &space) {
    ImplicitLocOpBuilder &b = kb.b;
    kernel::IndexMath &math = kb.math;
    Reducer reducer(b, op);
    OpFoldResult width = math.constant(kColumns);
    Value column = math.value(math.rem(kb.getThread(), width)),
          part = math.value(math.div(kb.getThread(), width));
    Value row = math.value(math.add(math.mul(kb.getBlock(), kColumns), column));
    Value exists = math.less(row, space.getRows());
    SmallVector<Value> state = kernel::emitIf(
        b, exists, reducer.getStateTypes(),
        [&] {
          return kernel::emitFor(
              b, part, space.getColumns(), math.constant(kParts),
              reducer.emitInit(), [&](Value step, ValueRange carried) {
                KernelBuilder::MemoScope scope(kb);
                return emitStep(kb, reducer, op, space, carried, row, step);
              });
        },
        [&] { return reducer.emitInit(); });
    SmallVector<Value> shared = llvm::map_to_vector(state, [&](Value value) {
      return kb.allocateShared(value.getType(), kColumns * kParts);
    });
    for (auto [value, place] : llvm::zip_equal(state, shared)) {
      memref::StoreOp::create(b, value, place, kb.getThread());
    }
    kb.emitBarrier();
    Value isFirst = math.equal(part, math.constant(0));
    Value stores = arith::AndIOp::create(b, exists, isFirst);
    kernel::emitIf(b, stores, [&] {
      auto partial = [&](int64_t i) {
        Value at = math.value(math.add(column, math.constant(i * kColumns)));
        return llvm::map_to_vector(shared, [&](Value place) -> Value {
          return memref::LoadOp::create(b, place, at);
        });
      };
      SmallVector<Value> all = partial(0);
      for (int64_t i = 1; i < kParts; ++i) {
        all = reducer.emitMerge(all, partial(i));
      }
      emitEpilogueStore(kb, 0, op.getResult(),
                        reducer.emitFinish(all, space.getColumns()),
                        space.getRowIndices(kb, row));
    });
  }
};

} // namespace

const GPUKernelFamily *getReduceGPUFamily() {
  static const ReduceGPUFamily family;
  return &family;
}

} // namespace dlc
