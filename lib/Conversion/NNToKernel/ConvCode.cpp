// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Zero points, products and biases of nn.conv.
#include "Conversion/NNToKernel/ConvCode.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/Scheduling.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace dlc {

static Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

ConvCode::ConvCode(KernelBuilder &kb)
    : kb(kb), b(kb.b), op(cast<nn::ConvOp>(kb.getRoot())),
      accumulator(op.getAcc() ? *op.getAcc()
                              : getAccumulatorType(elementOf(op.getInput()))) {}

Value ConvCode::emitZero() {
  return emitConstant(b, getCodeType(accumulator), 0);
}

Value ConvCode::convert(Value element, Value tensor, Value zeroPoint,
                        Value place) {
  Value value = emitCast(b, element, elementOf(tensor), accumulator);
  if (!zeroPoint) {
    return value;
  }
  // A vector of zero points runs along the output channels.
  SmallVector<Value> zeroAt;
  auto type = cast<RankedTensorType>(zeroPoint.getType());
  if (type.getRank() > 0) {
    zeroAt.push_back(type.getDimSize(0) == 1 ? kb.math.value(0) : place);
  }
  Value zero = emitCast(b, kb.load(zeroPoint, zeroAt), elementOf(zeroPoint),
                        accumulator);
  return emitElementwise(b, nn::Fn::sub, {value, zero}, {}, accumulator,
                         accumulator);
}

Value ConvCode::convertInput(Value element) {
  return convert(element, op.getInput(), op.getInputZero(), kb.math.value(0));
}

Value ConvCode::convertFilter(Value element, Value channel) {
  return convert(element, op.getFilter(), op.getFilterZero(), channel);
}

Value ConvCode::accumulate(Value sum, Value x, Value w) {
  // Every GPU has this as an instruction; not so every CPU.
  if (kb.target.isScalar() && isa<FloatType>(sum.getType())) {
    return math::FmaOp::create(b, x, w, sum);
  }
  Value product =
      emitElementwise(b, nn::Fn::mul, {x, w}, {}, accumulator, accumulator);
  return emitElementwise(b, nn::Fn::add, {sum, product}, {}, accumulator,
                         accumulator);
}

Value ConvCode::finish(Value sum, Value channel) {
  if (op.getBias()) {
    Value bias = emitCast(b, kb.load(op.getBias(), channel),
                          elementOf(op.getBias()), accumulator);
    sum = emitElementwise(b, nn::Fn::add, {sum, bias}, {}, accumulator,
                          accumulator);
  }
  return emitCast(b, sum, accumulator, elementOf(op.getResult()));
}

} // namespace dlc
