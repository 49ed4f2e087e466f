// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// reduce. Each thread of a row combines some of its elements, and then they
// combine their states.
#include "RowProgram.h"

#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/Reducer.h"

using namespace mlir;

namespace dlc {

namespace {

void emitPass(GPUKernelBuilder &kb, RowElements &row) {
  auto op = cast<nn::ReduceOp>(kb.getRoot());
  Reducer reducer(kb.b, op);
  SmallVector<Value> state = row.reduce(
      reducer.emitInit(), [&](Value &x, Value column, ValueRange carried) {
        Value place = op.getAxes().empty()
                          ? kb.math.value(0)
                          : row.getIndices(column)[op.getAxes().back()];
        return reducer.emitStep(carried, x, place);
      });
  state = row.combine(state, [&](ValueRange x, ValueRange y) {
    return reducer.emitMerge(x, y);
  });
  row.emitOnce([&] {
    emitEpilogueStore(kb, 0, op.getResult(),
                      reducer.emitFinish(state, row.getColumns()),
                      row.getRowIndices());
  });
}

class ReduceGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    return getRowLaunch(context, shapeOf(context));
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    auto op = cast<nn::ReduceOp>(kb.getRoot());
    RowProgram program;
    program.load = [&](ValueRange indices) {
      return kb.load(op.getInput(), indices);
    };
    program.passes = [&](RowElements &row) { emitPass(kb, row); };
    emitRowKernel(kb, shapeOf(kb), program);
    return success();
  }

private:
  static RowShape shapeOf(DispatchContext &context) {
    auto op = cast<nn::ReduceOp>(context.getRoot());
    return {.tensor = op.getInput(),
            .axes = op.getAxes(),
            .type = op.getInput().getType().getElementType(),
            .isKept = false};
  }
};

} // namespace

const GPUKernelFamily *getReduceGPUFamily() {
  static const ReduceGPUFamily family;
  return &family;
}

} // namespace dlc
