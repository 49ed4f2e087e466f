// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// softmax and log-softmax of rows. A row that can be kept is read once.
#include "RowSchedule.h"

#include "Conversion/Common/ElementwiseFn.h"

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
  SoftmaxEmitter(GPUKernelBuilder &kb, RowElements &row)
      : kb(kb), b(kb.b), op(cast<nn::SoftmaxOp>(kb.getRoot())), row(row),
        acc(getSumType(op)) {}

  void emit();

private:
  Value power(Value x, Value top) {
    return kb.emitPower(arith::SubFOp::create(b, x, top));
  }
  /// The elements' sum or extreme over the row.
  template <typename OpT>
  Value combine(Value init, llvm::function_ref<Value(Value &)> term) {
    SmallVector<Value> mine = row.reduce(
        init, [&](Value &x, Value, ValueRange state) -> SmallVector<Value> {
          return {OpT::create(b, state[0], term(x))};
        });
    return row.combine(mine,
                       [&](ValueRange x, ValueRange y) -> SmallVector<Value> {
                         return {OpT::create(b, x[0], y[0])};
                       })[0];
  }
  void emitResults(Value top, Value sum);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  nn::SoftmaxOp op;
  RowElements &row;
  Type acc;
};

void SoftmaxEmitter::emitResults(Value top, Value sum) {
  Value zero = emitConstant(b, acc, 0);
  Value scale =
      op.getLog()
          ? Value(math::LogOp::create(b, sum))
          : Value(arith::DivFOp::create(b, emitConstant(b, acc, 1), sum));
  Value isNaN = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, sum, sum);
  row.finish([&](Value x, Value, bool isKept) {
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
    return value;
  });
}

void SoftmaxEmitter::emit() {
  Value lowest = emitConstant(b, acc, -std::numeric_limits<double>::infinity());
  Value top = combine<arith::MaximumFOp>(lowest, [](Value &x) { return x; });
  Value sum = combine<arith::AddFOp>(emitConstant(b, acc, 0), [&](Value &x) {
    Value y = power(x, top);
    // Where it is kept, the results need it no more.
    x = op.getLog() ? x : y;
    return y;
  });
  emitResults(top, sum);
}

class SoftmaxGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    return getRowLaunch(context, shapeOf(context));
  }

  bool takesRowSchedule() const override { return true; }
  Attribute chooseSchedule(DispatchContext &context,
                           const GPULimits &limits) const override {
    return chooseRowSchedule(context, shapeOf(context), limits);
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    auto op = cast<nn::SoftmaxOp>(kb.getRoot());
    RowProgram program;
    program.load = [&](ValueRange indices) {
      return emitCast(kb.b, kb.load(op.getInput(), indices),
                      op.getInput().getType().getElementType(), getSumType(op));
    };
    program.passes = [&](RowElements &row) { SoftmaxEmitter(kb, row).emit(); };
    emitRowKernel(kb, shapeOf(kb), program);
    return success();
  }

private:
  static RowShape shapeOf(DispatchContext &context) {
    auto op = cast<nn::SoftmaxOp>(context.getRoot());
    return {
        .tensor = op.getInput(), .axes = op.getAxes(), .type = getSumType(op)};
  }
};

} // namespace

const GPUKernelFamily *getSoftmaxGPUFamily() {
  static const SoftmaxGPUFamily family;
  return &family;
}

} // namespace dlc
