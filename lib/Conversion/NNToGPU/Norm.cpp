// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// norm of rows: mean, variance about it, result. A row that fits into registers
// is read once.
#include "RowSpace.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

class NormEmitter {
public:
  NormEmitter(GPUKernelBuilder &kb, RowSpace &space)
      : kb(kb), b(kb.b), op(cast<nn::NormOp>(kb.getRoot())), space(space),
        element(op.getInput().getType().getElementType()),
        stat(op.getStatType()  ? *op.getStatType()
             : element.isF64() ? element
                               : Type(b.getF32Type())) {}

  void emitRow(Value row);

private:
  Value load(Value row, Value column) {
    return emitCast(b,
                    kb.load(op.getInput(), space.getIndices(kb, row, column)),
                    element, stat);
  }
  /// Sum of `term` over the row; keeps the elements in `kept` the first time.
  Value emitSum(Value row, llvm::function_ref<Value(Value)> term);
  /// scale or bias at an element, or null.
  Value affine(Value vector, ArrayRef<Value> indices);
  void storeStatistics(Value row, Value mean, Value invStd);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  nn::NormOp op;
  RowSpace &space;
  Type element, stat;
  SmallVector<Value> kept;
};

Value NormEmitter::emitSum(Value row, llvm::function_ref<Value(Value)> term) {
  bool isFirst = kept.empty();
  Value zero = emitConstant(b, stat, 0);
  if (isFirst) {
    kept.assign(space.getThreadElements().value_or(0), zero);
  }
  SmallVector<Value> state{zero};
  llvm::append_range(state, kept);
  state = space.forElements(
      kb, state, [&](int64_t number, Value column, ValueRange carried) {
        SmallVector<Value> next(carried);
        Value x =
            number >= 0 && !isFirst ? next[number + 1] : load(row, column);
        if (number >= 0) {
          next[number + 1] = x;
        }
        next[0] = arith::AddFOp::create(b, next[0], term(x));
        return next;
      });
  kept.assign(std::next(state.begin()), state.end());
  return space.combine(kb, state[0],
                       [&](ValueRange x, ValueRange y) -> SmallVector<Value> {
                         return {arith::AddFOp::create(b, x[0], y[0])};
                       })[0];
}

Value NormEmitter::affine(Value vector, ArrayRef<Value> indices) {
  if (!vector) {
    return {};
  }
  SmallVector<Value> at;
  for (int64_t dim : op.getAffineDims()) {
    at.push_back(indices[dim]);
  }
  Type type = cast<RankedTensorType>(vector.getType()).getElementType();
  return emitCast(b, kb.load(vector, at), type, stat);
}

void NormEmitter::emitRow(Value row) {
  Value integer = arith::IndexCastOp::create(b, b.getI64Type(),
                                             kb.math.value(space.getColumns()));
  Value number = emitCast(b, integer, b.getI64Type(), stat);
  Value mean;
  if (op.getStat() == nn::NormStat::mean_var) {
    Value sum = emitSum(row, [](Value x) { return x; });
    mean = arith::DivFOp::create(b, sum, number);
  }
  auto centre = [&](Value x) {
    return mean ? Value(arith::SubFOp::create(b, x, mean)) : x;
  };
  Value squares = emitSum(row, [&](Value x) -> Value {
    Value centred = centre(x);
    return arith::MulFOp::create(b, centred, centred);
  });
  Value variance = arith::DivFOp::create(b, squares, number);
  Value epsilon = emitConstant(b, stat, op.getEpsilon().convertToDouble());
  Value deviation = math::SqrtOp::create(
      b, arith::AddFOp::create(b, variance, epsilon).getResult());
  Value invStd = arith::DivFOp::create(b, emitConstant(b, stat, 1), deviation);
  space.forElements(kb, {}, [&](int64_t place, Value column, ValueRange) {
    SmallVector<Value> indices = space.getIndices(kb, row, column);
    Value x = place >= 0 ? kept[place] : load(row, column);
    Value value = arith::MulFOp::create(b, centre(x), invStd);
    if (Value scale = affine(op.getScale(), indices)) {
      value = arith::MulFOp::create(b, value, scale);
    }
    if (Value bias = affine(op.getBias(), indices)) {
      value = arith::AddFOp::create(b, value, bias);
    }
    emitEpilogueStore(kb, 0, op.getResult(), emitCast(b, value, stat, element),
                      indices);
    return SmallVector<Value>();
  });
  storeStatistics(row, mean, invStd);
}

void NormEmitter::storeStatistics(Value row, Value mean, Value invStd) {
  SmallVector<Value> at = space.getIndices(kb, row, nullptr);
  for (Value &index : at) {
    index = index ? index : kb.math.value(0);
  }
  unsigned result = 1;
  for (auto [tensor, value] :
       {std::pair(op.getMean(), mean), {op.getInvStd(), invStd}}) {
    if (tensor) {
      Value stored = emitCast(b, value ? value : emitConstant(b, stat, 0), stat,
                              tensor.getType().getElementType());
      Value thread = kb.math.value(
          kb.math.rem(kb.getThread(), kb.math.constant(space.getRowThreads())));
      kernel::emitIf(b, kb.math.equal(thread, kb.math.constant(0)), [&] {
        memref::StoreOp::create(b, stored, kb.viewResult(result), at);
      });
      ++result;
    }
  }
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
    space.emitRows(kb, [&](Value row) { NormEmitter(kb, space).emitRow(row); });
    return success();
  }

private:
  static RowSpace rowsOf(DispatchContext &context) {
    auto op = cast<nn::NormOp>(context.getRoot());
    return RowSpace(context, op.getInput(), op.getAxes(), op.getGroups(),
                    op.getChannelDim());
  }
};

} // namespace

const GPUKernelFamily *getNormGPUFamily() {
  static const NormGPUFamily family;
  return &family;
}

} // namespace dlc
