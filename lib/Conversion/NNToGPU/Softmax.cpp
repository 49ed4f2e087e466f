// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// softmax and log-softmax of rows. A row that can be kept is read once.
#include "RowSpace.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace dlc {

namespace {

/// The type that elements are kept and summed in.
Type getSumType(nn::SoftmaxOp op) {
  Type element = op.getInput().getType().getElementType();
  return element.isF64() ? element : Type(Float32Type::get(op.getContext()));
}

class SoftmaxEmitter {
public:
  SoftmaxEmitter(GPUKernelBuilder &kb, RowSpace &space, Value row)
      : kb(kb), b(kb.b), op(cast<nn::SoftmaxOp>(kb.getRoot())), space(space),
        row(row), element(op.getInput().getType().getElementType()),
        acc(getSumType(op)), elements(kb, space, acc, [this](Value column) {
          return load(column);
        }) {}

  void emit();

private:
  Value load(Value column) {
    Value x = kb.load(op.getInput(), space.getIndices(kb, row, column));
    return emitCast(b, x, element, acc);
  }
  Value power(Value x, Value top) {
    return kb.emitPower(arith::SubFOp::create(b, x, top));
  }
  /// `state` combined over the row.
  template <typename OpT> Value combine(Value state) {
    return space.combine(kb, state,
                         [&](ValueRange x, ValueRange y) -> SmallVector<Value> {
                           return {OpT::create(b, x[0], y[0])};
                         })[0];
  }
  void emitStores(Value top, Value sum);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  nn::SoftmaxOp op;
  RowSpace &space;
  Value row;
  Type element, acc;
  KeptRow elements;
};

void SoftmaxEmitter::emitStores(Value top, Value sum) {
  Value zero = emitConstant(b, acc, 0);
  Value scale =
      op.getLog()
          ? Value(math::LogOp::create(b, sum))
          : Value(arith::DivFOp::create(b, emitConstant(b, acc, 1), sum));
  Value isNaN = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, sum, sum);
  elements.forEach([&](Value x, Value column, bool isKept) {
    Value value;
    if (op.getLog()) {
      Value shifted = arith::SubFOp::create(b, x, top);
      value = arith::SubFOp::create(b, shifted, scale);
    } else {
      value = arith::MulFOp::create(b, isKept ? x : power(x, top), scale);
    }
    if (op.getNanRow() == nn::NanRow::zero) {
      value = arith::SelectOp::create(b, isNaN, zero, value);
    }
    emitEpilogueStore(kb, 0, op.getResult(), emitCast(b, value, acc, element),
                      space.getIndices(kb, row, column));
  });
}

void SoftmaxEmitter::emit() {
  Value lowest = emitConstant(b, acc, -std::numeric_limits<double>::infinity());
  Value top = combine<arith::MaximumFOp>(
      elements.reduce(lowest, [&](Value &x, Value state) -> Value {
        return arith::MaximumFOp::create(b, state, x);
      }));
  Value sum = combine<arith::AddFOp>(elements.reduce(
      emitConstant(b, acc, 0), [&](Value &x, Value state) -> Value {
        Value y = power(x, top);
        // Where it is kept, the stores need it no more.
        x = op.getLog() ? x : y;
        return arith::AddFOp::create(b, state, y);
      }));
  emitStores(top, sum);
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
                   [&](Value row) { SoftmaxEmitter(kb, space, row).emit(); });
    return success();
  }

private:
  static RowSpace rowsOf(DispatchContext &context) {
    auto op = cast<nn::SoftmaxOp>(context.getRoot());
    return RowSpace(context, op.getInput(), op.getAxes(), getSumType(op));
  }
};

} // namespace

const GPUKernelFamily *getSoftmaxGPUFamily() {
  static const SoftmaxGPUFamily family;
  return &family;
}

} // namespace dlc
