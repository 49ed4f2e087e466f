// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Neutral elements, steps and results of all kinds of reductions.
#include "Conversion/NNToKernel/Reducer.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToVector/Emit.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace dlc {

using nn::ReduceKind;

Reducer::Reducer(ImplicitLocOpBuilder &b, nn::ReduceOp op)
    : b(b), op(op), element(op.getInput().getType().getElementType()) {
  accumulator = element;
  if (op.getAcc()) {
    accumulator = *op.getAcc();
  } else if (isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32) {
    accumulator = b.getF32Type();
  }
}

SmallVector<Type> Reducer::getStateTypes() {
  SmallVector<Type> types{getCodeType(accumulator)};
  if (isArgReduction(op.getKind())) {
    types.push_back(b.getI64Type());
  }
  return types;
}

SmallVector<Value> Reducer::emitInit() {
  SmallVector<Value> state{emitNeutral()};
  if (isArgReduction(op.getKind())) {
    state.push_back(emitConstant(b, b.getI64Type(), 0));
  }
  return state;
}

SmallVector<Value> Reducer::emitStep(ValueRange state, Value value,
                                     Value place) {
  value = emitCast(b, value, element, accumulator);
  if (isArgReduction(op.getKind())) {
    return emitArgStep(state, value, place);
  }
  return {combine(state[0], value)};
}

Value Reducer::emitFinish(ValueRange state, OpFoldResult count) {
  if (isArgReduction(op.getKind())) {
    return state[1];
  }
  Value value = state[0];
  if (op.getKind() == ReduceKind::mean) {
    Value number = arith::IndexCastOp::create(
        b, b.getI64Type(), kernel::IndexMath(b).value(count));
    Value divisor = emitCast(b, number, b.getI64Type(), accumulator);
    value = emitElementwise(b, nn::Fn::div, {value, divisor}, {}, accumulator,
                            accumulator);
  }
  return emitCast(b, value, accumulator, element);
}

Value emitNeutralOfExtreme(ImplicitLocOpBuilder &b, Type accumulator,
                           bool isMax) {
  Type type = getCodeType(accumulator);
  if (isa<FloatType>(type)) {
    double inf = std::numeric_limits<double>::infinity();
    return emitConstant(b, type, isMax ? -inf : inf);
  }
  unsigned width = type.getIntOrFloatBitWidth();
  bool isUnsigned = accumulator.isUnsignedInteger();
  APInt lowest =
      isUnsigned ? APInt::getMinValue(width) : APInt::getSignedMinValue(width);
  APInt highest =
      isUnsigned ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width);
  return arith::ConstantOp::create(
      b, b.getIntegerAttr(type, isMax ? lowest : highest));
}

Value Reducer::emitNeutral() {
  Type type = getCodeType(accumulator);
  switch (op.getKind()) {
  case ReduceKind::sum:
  case ReduceKind::mean:
  case ReduceKind::any:
    return emitConstant(b, type, 0);
  case ReduceKind::prod:
    return emitConstant(b, type, 1);
  case ReduceKind::all:
    return emitConstant(b, type, -1);
  default:
    break;
  }
  return emitNeutralOfExtreme(b, accumulator, isMax());
}

Value Reducer::combine(Value lhs, Value rhs) {
  // Sums may be reordered, so that LLVM keeps several partial sums; the order
  // depends on the code alone, never on threads.
  auto reassociate = arith::FastMathFlagsAttr::get(
      b.getContext(), arith::FastMathFlags::reassoc);
  bool isFloat = isa<FloatType>(lhs.getType());
  switch (op.getKind()) {
  case ReduceKind::sum:
  case ReduceKind::mean:
    return isFloat ? arith::AddFOp::create(b, lhs, rhs, reassociate).getResult()
                   : arith::AddIOp::create(b, lhs, rhs).getResult();
  case ReduceKind::prod:
    return isFloat ? arith::MulFOp::create(b, lhs, rhs, reassociate).getResult()
                   : arith::MulIOp::create(b, lhs, rhs).getResult();
  case ReduceKind::all:
    return arith::AndIOp::create(b, lhs, rhs);
  case ReduceKind::any:
    return arith::OrIOp::create(b, lhs, rhs);
  default:
    return emitElementwise(b, isMax() ? nn::Fn::maximum : nn::Fn::minimum,
                           {lhs, rhs}, {}, accumulator, accumulator);
  }
}

/// The first extreme wins (the last if select_last), and a NaN beats every
/// number.
SmallVector<Value> Reducer::emitArgStep(ValueRange state, Value value,
                                        Value place) {
  Value better;
  if (isa<FloatType>(value.getType())) {
    using P = arith::CmpFPredicate;
    P strict = isMax() ? P::OGT : P::OLT, equal = P::OEQ;
    Value beats = arith::CmpFOp::create(b, strict, value, state[0]);
    Value isNaN = arith::CmpFOp::create(b, P::UNO, value, value);
    Value wasNaN = arith::CmpFOp::create(b, P::UNO, state[0], state[0]);
    Value firstNaN = arith::AndIOp::create(
        b, isNaN,
        arith::XOrIOp::create(b, wasNaN, emitConstant(b, b.getI1Type(), 1))
            .getResult());
    better =
        arith::OrIOp::create(b, beats, op.getSelectLast() ? isNaN : firstNaN);
    if (op.getSelectLast()) {
      better = arith::OrIOp::create(
          b, better, arith::CmpFOp::create(b, equal, value, state[0]));
    }
  } else {
    nn::Fn fn = isMax() ? (op.getSelectLast() ? nn::Fn::ge : nn::Fn::gt)
                        : (op.getSelectLast() ? nn::Fn::le : nn::Fn::lt);
    better = emitElementwise(b, fn, {value, state[0]}, {}, accumulator,
                             b.getI1Type());
  }
  Value integer = arith::IndexCastOp::create(b, b.getI64Type(), place);
  return {arith::SelectOp::create(b, better, value, state[0]),
          arith::SelectOp::create(b, better, integer, state[1])};
}

SmallVector<Value> Reducer::emitMerge(ValueRange x, ValueRange y) {
  if (!isArgReduction(op.getKind())) {
    return {combine(x[0], y[0])};
  }
  auto conjunction = [&](Value p, Value q) -> Value {
    return arith::AndIOp::create(b, p, q);
  };
  auto disjunction = [&](Value p, Value q) -> Value {
    return arith::OrIOp::create(b, p, q);
  };
  Value beats, ties;
  if (isa<FloatType>(x[0].getType())) {
    using P = arith::CmpFPredicate;
    beats = arith::CmpFOp::create(b, isMax() ? P::OGT : P::OLT, y[0], x[0]);
    ties = arith::CmpFOp::create(b, P::OEQ, y[0], x[0]);
    Value yIsNaN = arith::CmpFOp::create(b, P::UNO, y[0], y[0]);
    Value xIsNumber = arith::CmpFOp::create(b, P::ORD, x[0], x[0]);
    Value xIsNaN = arith::CmpFOp::create(b, P::UNO, x[0], x[0]);
    beats = disjunction(beats, conjunction(yIsNaN, xIsNumber));
    ties = disjunction(ties, conjunction(yIsNaN, xIsNaN));
  } else {
    nn::Fn fn = isMax() ? nn::Fn::gt : nn::Fn::lt;
    beats =
        emitElementwise(b, fn, {y[0], x[0]}, {}, accumulator, b.getI1Type());
    ties = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, y[0], x[0]);
  }
  auto order = op.getSelectLast() ? arith::CmpIPredicate::sgt
                                  : arith::CmpIPredicate::slt;
  Value comesFirst = arith::CmpIOp::create(b, order, y[1], x[1]);
  Value better = disjunction(beats, conjunction(ties, comesFirst));
  return {arith::SelectOp::create(b, better, y[0], x[0]),
          arith::SelectOp::create(b, better, y[1], x[1])};
}

} // namespace dlc
