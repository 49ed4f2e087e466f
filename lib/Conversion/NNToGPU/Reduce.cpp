// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// reduce. Each thread of a row combines some of its elements, and then they
// combine their states.
#include "RowSpace.h"

#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/Reducer.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

void emitRow(GPUKernelBuilder &kb, RowSpace &space, Value row) {
  auto op = cast<nn::ReduceOp>(kb.getRoot());
  Reducer reducer(kb.b, op);
  SmallVector<Value> state = space.forElements(
      kb, reducer.emitInit(), [&](Value column, ValueRange carried) {
        SmallVector<Value> at = space.getIndices(kb, row, column);
        Value place =
            op.getAxes().empty() ? kb.math.value(0) : at[op.getAxes().back()];
        return reducer.emitStep(carried, kb.load(op.getInput(), at), place);
      });
  state = space.combine(kb, state, [&](ValueRange x, ValueRange y) {
    return reducer.emitMerge(x, y);
  });
  space.emitOnce(kb, [&] {
    emitEpilogueStore(kb, 0, op.getResult(),
                      reducer.emitFinish(state, space.getColumns()),
                      space.getRowIndices(kb, row));
  });
}

class ReduceGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    RowSpace space = rowsOf(context);
    return {space.getBlocks(context.math), space.getBlockThreads(),
            context.math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    RowSpace space = rowsOf(kb);
    space.emitRows(kb, [&](Value row) { emitRow(kb, space, row); });
    return success();
  }

private:
  static RowSpace rowsOf(DispatchContext &context) {
    auto op = cast<nn::ReduceOp>(context.getRoot());
    return RowSpace(context, op.getInput(), op.getAxes(), /*kept=*/nullptr);
  }
};

} // namespace

const GPUKernelFamily *getReduceGPUFamily() {
  static const ReduceGPUFamily family;
  return &family;
}

} // namespace dlc
