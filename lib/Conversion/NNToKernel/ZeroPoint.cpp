// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Subtraction of zero points, of scalars or vectors.
#include "Conversion/NNToKernel/ZeroPoint.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc {

bool isOneElement(Value zeroPoint) {
  auto type = cast<RankedTensorType>(zeroPoint.getType());
  return type.hasStaticShape() && type.getNumElements() == 1;
}

kernel::OperandFn subtractZeroPoint(KernelBuilder &kb, Value zeroPoint,
                                    Type accumulator) {
  if (!zeroPoint) {
    return nullptr;
  }
  auto type = cast<RankedTensorType>(zeroPoint.getType());
  SmallVector<Value> origin(type.getRank(), kb.math.value(0));
  Value zero = emitCast(kb.b, kb.load(zeroPoint, origin), type.getElementType(),
                        accumulator);
  return [zero](ImplicitLocOpBuilder &b, Value value) -> Value {
    auto vector = dyn_cast<VectorType>(value.getType());
    Value subtrahend =
        vector ? Value(vector::BroadcastOp::create(b, vector, zero)) : zero;
    return arith::SubIOp::create(b, value, subtrahend);
  };
}

} // namespace dlc
