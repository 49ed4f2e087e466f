// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// norm of rows: mean, variance about it, result. A row that can be kept is read
// once.
#include "RowSpace.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/NormCode.h"

using namespace mlir;

namespace dlc {

namespace {

void emitRow(GPUKernelBuilder &kb, RowSpace &space, Value row) {
  ImplicitLocOpBuilder &b = kb.b;
  NormCode code(kb);
  KeptRow elements(kb, space, code.stat, [&](Value column) {
    return code.load(space.getIndices(kb, row, column));
  });
  auto sum = [&](llvm::function_ref<Value(Value)> term) -> Value {
    Value mine = elements.reduce(
        emitConstant(b, code.stat, 0), [&](Value &x, Value state) -> Value {
          return arith::AddFOp::create(b, state, term(x));
        });
    return space.combine(kb, mine,
                         [&](ValueRange x, ValueRange y) -> SmallVector<Value> {
                           return {arith::AddFOp::create(b, x[0], y[0])};
                         })[0];
  };
  Value mean = code.emitMean(space.getColumns(),
                             [&] { return sum([](Value x) { return x; }); });
  Value squares = sum([&](Value x) -> Value {
    Value centred = code.centre(x, mean);
    return arith::MulFOp::create(b, centred, centred);
  });
  Value invStd = code.emitInvStd(space.getColumns(), squares);
  elements.forEach([&](Value x, Value column, bool) {
    code.storeElement(x, mean, invStd, space.getIndices(kb, row, column));
  });
  if (!code.op.getMean() && !code.op.getInvStd()) {
    return;
  }
  SmallVector<Value> at = space.getIndices(kb, row, nullptr);
  for (Value &index : at) {
    index = index ? index : kb.math.value(0);
  }
  space.emitOnce(kb, [&] { code.storeStatistics(at, mean, invStd); });
}

class NormGPUFamily final : public GPUKernelFamily {
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
    auto op = cast<nn::NormOp>(context.getRoot());
    return RowSpace(context, op.getInput(), op.getAxes(), getStatType(op),
                    op.getGroups(), op.getChannelDim());
  }
};

} // namespace

const GPUKernelFamily *getNormGPUFamily() {
  static const NormGPUFamily family;
  return &family;
}

} // namespace dlc
