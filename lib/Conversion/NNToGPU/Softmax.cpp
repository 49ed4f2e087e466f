// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// softmax and log-softmax of rows. A row that can be kept is read once, others
// twice.
#include "RowSchedule.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr double kLowest = -std::numeric_limits<double>::infinity();

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
    return share<OpT>(mine[0]);
  }
  /// The same of what the row's threads have.
  template <typename OpT> Value share(Value mine) {
    return row.combine(mine,
                       [&](ValueRange x, ValueRange y) -> SmallVector<Value> {
                         return {OpT::create(b, x[0], y[0])};
                       })[0];
  }
  Value isLowest(Value x) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x,
                                 emitConstant(b, acc, kLowest));
  }
  Value getOrigin(Value top);
  /// The extreme of the row, and the sum of the powers, in one pass.
  std::pair<Value, Value> combineBoth();
  /// `hasPowers`: elements that are kept have been replaced by their powers.
  void emitResults(Value top, Value sum, bool hasPowers);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  nn::SoftmaxOp op;
  RowElements &row;
  Type acc;
};

/// What powers of numbers up to `top` are taken from: inf - inf would be no
/// number, though there may be others to come.
Value SoftmaxEmitter::getOrigin(Value top) {
  return arith::SelectOp::create(b, isLowest(top), emitConstant(b, acc, 0),
                                 top);
}

/// Each thread has the extreme of what it has seen, and the sum of the powers
/// from there, which it brings to each new extreme (M. Milakov,
/// N. Gimelshein: "Online normalizer calculation for softmax", 2018).
std::pair<Value, Value> SoftmaxEmitter::combineBoth() {
  SmallVector<Value> mine = row.reduce(
      {emitConstant(b, acc, kLowest), emitConstant(b, acc, 0)},
      [&](Value &x, Value, ValueRange state) -> SmallVector<Value> {
        Value top = arith::MaximumFOp::create(b, state[0], x);
        Value origin = getOrigin(top);
        Value sum = arith::MulFOp::create(b, state[1], power(state[0], origin));
        return {top, arith::AddFOp::create(b, sum, power(x, origin))};
      });
  Value top = share<arith::MaximumFOp>(mine[0]);
  Value own = arith::MulFOp::create(b, mine[1], power(mine[0], getOrigin(top)));
  Value sum = share<arith::AddFOp>(own);
  // Of nothing but -inf, the sum is no number in the other way either.
  Value none = emitConstant(b, acc, std::numeric_limits<double>::quiet_NaN());
  return {top, arith::SelectOp::create(b, isLowest(top), none, sum)};
}

void SoftmaxEmitter::emitResults(Value top, Value sum, bool hasPowers) {
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
      Value y = isKept && hasPowers ? x : power(x, top);
      value = arith::MulFOp::create(b, y, scale);
    }
    if (op.getNanRow() == nn::NanRow::zero) {
      value = arith::SelectOp::create(b, isNaN, zero, value);
    }
    return value;
  });
}

void SoftmaxEmitter::emit() {
  if (row.readsAgain()) {
    auto [top, sum] = combineBoth();
    emitResults(top, sum, /*hasPowers=*/false);
    return;
  }
  Value lowest = emitConstant(b, acc, kLowest);
  Value top = combine<arith::MaximumFOp>(lowest, [](Value &x) { return x; });
  Value sum = combine<arith::AddFOp>(emitConstant(b, acc, 0), [&](Value &x) {
    Value y = power(x, top);
    // Where it is kept, the results need it no more.
    x = op.getLog() ? x : y;
    return y;
  });
  emitResults(top, sum, /*hasPowers=*/true);
}

class SoftmaxGPUFamily final : public KeptRowsFamily {
public:
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

protected:
  RowShape shapeOf(DispatchContext &context) const override {
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
