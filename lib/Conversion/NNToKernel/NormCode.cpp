// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The arithmetic of norm, one element at a time.
#include "Conversion/NNToKernel/NormCode.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

Type getStatType(nn::NormOp op) {
  Type element = op.getInput().getType().getElementType();
  return op.getStatType()  ? *op.getStatType()
         : element.isF64() ? element
                           : Type(Float32Type::get(op.getContext()));
}

NormCode::NormCode(KernelBuilder &kb)
    : kb(kb), b(kb.b), op(cast<nn::NormOp>(kb.getRoot())),
      element(op.getInput().getType().getElementType()), stat(getStatType(op)) {
}

Value NormCode::load(ValueRange indices) {
  return emitCast(b, kb.load(op.getInput(), indices), element, stat);
}

/// A count as a statistic's divisor.
static Value emitCount(NormCode &code, OpFoldResult count) {
  Type i64 = code.b.getI64Type();
  Value integer =
      arith::IndexCastOp::create(code.b, i64, code.kb.math.value(count));
  return emitCast(code.b, integer, i64, code.stat);
}

Value NormCode::emitMean(OpFoldResult count, llvm::function_ref<Value()> sum) {
  return op.getStat() == nn::NormStat::mean_var
             ? arith::DivFOp::create(b, sum(), emitCount(*this, count))
                   .getResult()
             : Value();
}

Value NormCode::centre(Value x, Value mean) {
  return mean ? Value(arith::SubFOp::create(b, x, mean)) : x;
}

Value NormCode::emitInvStd(OpFoldResult count, Value squares) {
  Value variance = arith::DivFOp::create(b, squares, emitCount(*this, count));
  Value epsilon = emitConstant(b, stat, op.getEpsilon().convertToDouble());
  Value deviation = math::SqrtOp::create(
      b, arith::AddFOp::create(b, variance, epsilon).getResult());
  return arith::DivFOp::create(b, emitConstant(b, stat, 1), deviation);
}

Value NormCode::affine(Value vector, ValueRange indices) {
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

Value NormCode::emitElement(Value x, Value mean, Value invStd,
                            ValueRange indices) {
  Value value = arith::MulFOp::create(b, centre(x, mean), invStd);
  if (Value scale = affine(op.getScale(), indices)) {
    value = arith::MulFOp::create(b, value, scale);
  }
  if (Value bias = affine(op.getBias(), indices)) {
    value = arith::AddFOp::create(b, value, bias);
  }
  return value;
}

void NormCode::storeElement(Value x, Value mean, Value invStd,
                            ValueRange indices) {
  Value value = emitElement(x, mean, invStd, indices);
  emitEpilogueStore(kb, 0, op.getResult(), emitCast(b, value, stat, element),
                    indices);
}

void NormCode::storeStatistics(ValueRange indices, Value mean, Value invStd) {
  unsigned result = 1;
  for (auto [tensor, value] :
       {std::pair(op.getMean(), mean), {op.getInvStd(), invStd}}) {
    if (tensor) {
      Value stored = emitCast(b, value ? value : emitConstant(b, stat, 0), stat,
                              tensor.getType().getElementType());
      memref::StoreOp::create(b, stored, kb.viewResult(result++), indices);
    }
  }
}

} // namespace dlc
