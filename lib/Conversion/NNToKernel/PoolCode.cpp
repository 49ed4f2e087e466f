// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Windows of nn.pool, and what is done with their elements.
#include "Conversion/NNToKernel/PoolCode.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/Reducer.h"

using namespace mlir;

namespace dlc {

using nn::PoolKind;

PoolCode::PoolCode(KernelBuilder &kb)
    : kb(kb), b(kb.b), math(kb.math), op(cast<nn::PoolOp>(kb.getRoot())),
      element(op.getInput().getType().getElementType()) {
  accumulator = isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32
                    ? Type(b.getF32Type())
                    : element;
}

PoolCode::Window PoolCode::clipWindow(ArrayRef<Value> position) {
  Window window;
  window.count = window.paddedCount = math.constant(1);
  SmallVector<OpFoldResult> low = op.getMixedPadLow(),
                            high = op.getMixedPadHigh();
  for (unsigned i = 0; i < op.getSpatialRank(); ++i) {
    OpFoldResult size = kb.size(op.getInput(), op.getSpatialDim(i)),
                 kernel = math.constant(op.getKernel()[i]),
                 dilation = math.constant(op.getDilations()[i]);
    OpFoldResult start =
        math.sub(math.mul(position[i], op.getStrides()[i]), kb.index(low[i]));
    TapRange taps =
        clipTaps(math, start, size, op.getKernel()[i], op.getDilations()[i]);
    OpFoldResult paddedRoom = math.max(
        math.constant(0), math.add(math.sub(size, start), kb.index(high[i])));
    window.start.push_back(start);
    window.taps.push_back(taps);
    window.count = math.mul(window.count, math.sub(taps.end, taps.first));
    window.paddedCount =
        math.mul(window.paddedCount,
                 math.min(kernel, math.ceilDiv(paddedRoom, dilation)));
  }
  return window;
}

Value PoolCode::emitNeutral() {
  return op.getKind() == PoolKind::max
             ? emitNeutralOfExtreme(b, accumulator, /*isMax=*/true)
             : emitConstant(b, getCodeType(accumulator), 0);
}

Value PoolCode::convert(Value value) {
  return emitCast(b, value, element, accumulator);
}

Value PoolCode::combine(Value state, Value value) {
  auto apply = [&](nn::Fn fn, Value lhs, Value rhs) {
    return emitElementwise(b, fn, {lhs, rhs}, {}, accumulator, accumulator);
  };
  switch (op.getKind()) {
  case PoolKind::max:
    return apply(nn::Fn::maximum, state, value);
  case PoolKind::avg:
  case PoolKind::sum:
    return apply(nn::Fn::add, state, value);
  case PoolKind::lp: {
    Value magnitude =
        emitElementwise(b, nn::Fn::abs, value, {}, accumulator, accumulator);
    Value power = magnitude;
    if (op.getP() == 2) {
      power = apply(nn::Fn::mul, magnitude, magnitude);
    } else if (op.getP() != 1) {
      power = apply(nn::Fn::pow, magnitude,
                    emitConstant(b, magnitude.getType(), op.getP()));
    }
    return apply(nn::Fn::add, state, power);
  }
  }
  llvm_unreachable("closed enum");
}

Value PoolCode::finish(Value state, const Window &window) {
  if (op.getKind() == PoolKind::avg) {
    OpFoldResult count =
        op.getCountIncludePad() ? window.paddedCount : window.count;
    Value integer =
        arith::IndexCastOp::create(b, b.getI64Type(), math.value(count));
    Value divisor = emitCast(b, integer, b.getI64Type(), accumulator);
    state = emitElementwise(b, nn::Fn::div, {state, divisor}, {}, accumulator,
                            accumulator);
  }
  if (op.getKind() == PoolKind::lp && op.getP() != 1) {
    state = op.getP() == 2
                ? emitElementwise(b, nn::Fn::sqrt, state, {}, accumulator,
                                  accumulator)
                : emitElementwise(b, nn::Fn::pow,
                                  {state, emitConstant(b, state.getType(),
                                                       1.0 / op.getP())},
                                  {}, accumulator, accumulator);
  }
  return emitCast(b, state, accumulator, element);
}

} // namespace dlc
