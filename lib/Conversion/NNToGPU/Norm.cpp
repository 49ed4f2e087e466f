// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// norm of rows: mean, variance about it, result. A row that can be kept is read
// once.
#include "RowSchedule.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/NormCode.h"

using namespace mlir;

namespace dlc {

namespace {

void emitPasses(GPUKernelBuilder &kb, RowElements &row) {
  ImplicitLocOpBuilder &b = kb.b;
  OpFoldResult columns = row.getColumns();
  NormCode code(kb);
  auto sum = [&](llvm::function_ref<Value(Value)> term) -> Value {
    SmallVector<Value> mine = row.reduce(
        emitConstant(b, code.stat, 0),
        [&](Value &x, Value, ValueRange state) -> SmallVector<Value> {
          return {arith::AddFOp::create(b, state[0], term(x))};
        });
    return row.combine(mine,
                       [&](ValueRange x, ValueRange y) -> SmallVector<Value> {
                         return {arith::AddFOp::create(b, x[0], y[0])};
                       })[0];
  };
  Value mean =
      code.emitMean(columns, [&] { return sum([](Value x) { return x; }); });
  Value squares = sum([&](Value x) -> Value {
    Value centred = code.centre(x, mean);
    return arith::MulFOp::create(b, centred, centred);
  });
  Value invStd = code.emitInvStd(columns, squares);
  row.finish([&](Value x, Value column, bool) {
    return code.emitElement(x, mean, invStd, row.getIndices(column));
  });
  if (!code.op.getMean() && !code.op.getInvStd()) {
    return;
  }
  SmallVector<Value> at = row.getIndices(nullptr);
  for (Value &index : at) {
    index = index ? index : kb.math.value(0);
  }
  row.emitOnce([&] { code.storeStatistics(at, mean, invStd); });
}

class NormGPUFamily final : public KeptRowsFamily {
public:
  LogicalResult emit(GPUKernelBuilder &kb) const override {
    NormCode code(kb);
    RowProgram program;
    program.load = [&](ValueRange indices) { return code.load(indices); };
    program.passes = [&](RowElements &row) { emitPasses(kb, row); };
    program.tables = {code.op.getScale(), code.op.getBias()};
    if (code.op.getAffineDims().size() == 1) {
      program.tableDim = code.op.getAffineDims()[0];
    }
    emitRowKernel(kb, shapeOf(kb), program);
    return success();
  }

protected:
  RowShape shapeOf(DispatchContext &context) const override {
    auto op = cast<nn::NormOp>(context.getRoot());
    return {.tensor = op.getInput(),
            .axes = op.getAxes(),
            .groups = static_cast<int64_t>(op.getGroups()),
            .channelDim = static_cast<int64_t>(op.getChannelDim()),
            .type = getStatType(op)};
  }
};

} // namespace

const GPUKernelFamily *getNormGPUFamily() {
  static const NormGPUFamily family;
  return &family;
}

} // namespace dlc
