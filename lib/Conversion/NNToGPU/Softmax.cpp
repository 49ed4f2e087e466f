// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// softmax and log-softmax of rows. A row that fits into registers is read once.
#include "RowSpace.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace dlc {

namespace {

class SoftmaxEmitter {
public:
  SoftmaxEmitter(GPUKernelBuilder &kb, RowSpace &space)
      : kb(kb), b(kb.b), op(cast<nn::SoftmaxOp>(kb.getRoot())), space(space),
        element(op.getInput().getType().getElementType()),
        acc(element.isF64() ? element : Type(b.getF32Type())) {}

  void emitRow(Value row);

private:
  Value load(Value row, Value column) {
    return emitCast(b,
                    kb.load(op.getInput(), space.getIndices(kb, row, column)),
                    element, acc);
  }
  /// The maximum, and the elements that are kept.
  SmallVector<Value> emitMaximum(Value row);
  void emitStores(Value row, ArrayRef<Value> kept, Value top, Value sum);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  nn::SoftmaxOp op;
  RowSpace &space;
  Type element, acc;
};

SmallVector<Value> SoftmaxEmitter::emitMaximum(Value row) {
  Value lowest = emitConstant(b, acc, -std::numeric_limits<double>::infinity());
  SmallVector<Value> state(1 + space.getThreadElements().value_or(0), lowest);
  state = space.forElements(
      kb, state, [&](int64_t number, Value column, ValueRange carried) {
        SmallVector<Value> next(carried);
        Value x = load(row, column);
        next[0] = arith::MaximumFOp::create(b, next[0], x);
        if (number >= 0) {
          next[number + 1] = x;
        }
        return next;
      });
  state[0] = space.combine(
      kb, state[0], [&](ValueRange x, ValueRange y) -> SmallVector<Value> {
        return {arith::MaximumFOp::create(b, x[0], y[0])};
      })[0];
  return state;
}

void SoftmaxEmitter::emitStores(Value row, ArrayRef<Value> kept, Value top,
                                Value sum) {
  Value zero = emitConstant(b, acc, 0);
  Value scale =
      op.getLog()
          ? Value(math::LogOp::create(b, sum))
          : Value(arith::DivFOp::create(b, emitConstant(b, acc, 1), sum));
  Value isNaN = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, sum, sum);
  space.forElements(kb, {}, [&](int64_t number, Value column, ValueRange) {
    Value value;
    if (op.getLog()) {
      Value x = number >= 0 ? kept[number] : load(row, column);
      value = arith::SubFOp::create(
          b, arith::SubFOp::create(b, x, top).getResult(), scale);
    } else {
      Value power =
          number >= 0 ? kept[number]
                      : Value(math::ExpOp::create(
                            b, arith::SubFOp::create(b, load(row, column), top)
                                   .getResult()));
      value = arith::MulFOp::create(b, power, scale);
    }
    if (op.getNanRow() == nn::NanRow::zero) {
      value = arith::SelectOp::create(b, isNaN, zero, value);
    }
    emitEpilogueStore(kb, 0, op.getResult(), emitCast(b, value, acc, element),
                      space.getIndices(kb, row, column));
    return SmallVector<Value>();
  });
}

void SoftmaxEmitter::emitRow(Value row) {
  SmallVector<Value> state = emitMaximum(row);
  Value top = state[0];
  state[0] = emitConstant(b, acc, 0);
  state = space.forElements(
      kb, state, [&](int64_t number, Value column, ValueRange carried) {
        SmallVector<Value> next(carried);
        Value x = number >= 0 ? next[number + 1] : load(row, column);
        Value power = math::ExpOp::create(
            b, arith::SubFOp::create(b, x, top).getResult());
        next[0] = arith::AddFOp::create(b, next[0], power);
        if (number >= 0 && !op.getLog()) {
          next[number + 1] = power;
        }
        return next;
      });
  Value sum = space.combine(
      kb, state[0], [&](ValueRange x, ValueRange y) -> SmallVector<Value> {
        return {arith::AddFOp::create(b, x[0], y[0])};
      })[0];
  emitStores(row, ArrayRef(state).drop_front(), top, sum);
}

class SoftmaxGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    RowSpace space = rowsOf(context);
    return {space.getBlocks(context.math), space.getBlockThreads(),
            context.math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    RowSpace space = rowsOf(kb);
    space.emitRows(kb,
                   [&](Value row) { SoftmaxEmitter(kb, space).emitRow(row); });
    return success();
  }

private:
  static RowSpace rowsOf(DispatchContext &context) {
    auto op = cast<nn::SoftmaxOp>(context.getRoot());
    return RowSpace(context, op.getInput(), op.getAxes());
  }
};

} // namespace

const GPUKernelFamily *getSoftmaxGPUFamily(nn::DispatchOp dispatch) {
  static const SoftmaxGPUFamily family;
  auto op = cast<nn::SoftmaxOp>(dispatch.getRootOp());
  // Rows of outer dims lie side by side: a thread each reads them densely.
  return llvm::is_contained(op.getAxes(), op.getInput().getType().getRank() - 1)
             ? &family
             : nullptr;
}

} // namespace dlc
