// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Casts between element types as arith code, by ONNX's rules of Cast.
#include "Conversion/Common/ElementwiseFn.h"

#include "Dialect/NN/Support.h"
#include "Float8.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;

namespace dlc {

/// Float to integer: truncation that saturates, with NaN as 0.
static Value emitFloatToInteger(ImplicitLocOpBuilder &b, Value value,
                                IntegerType to) {
  if (getElementTypeOrSelf(value.getType()).getIntOrFloatBitWidth() < 32) {
    value = arith::ExtFOp::create(b, typeLike(b.getF32Type(), value.getType()),
                                  value);
  }
  Type target = typeLike(getCodeType(to), value.getType());
  bool isUnsigned = to.isUnsigned();
  unsigned width = to.getWidth();
  double limit = std::ldexp(1.0, isUnsigned ? width : width - 1);
  APInt highest =
      isUnsigned ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width);
  APInt lowest =
      isUnsigned ? APInt::getMinValue(width) : APInt::getSignedMinValue(width);
  auto bound = [&](const APInt &number) -> Value {
    TypedAttr attr = b.getIntegerAttr(getCodeType(to), number);
    if (auto vector = dyn_cast<VectorType>(target)) {
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    }
    return arith::ConstantOp::create(b, attr);
  };
  auto compare = [&](arith::CmpFPredicate predicate, double number) -> Value {
    return arith::CmpFOp::create(b, predicate, value,
                                 emitConstant(b, value.getType(), number));
  };
  Value converted = isUnsigned
                        ? arith::FPToUIOp::create(b, target, value).getResult()
                        : arith::FPToSIOp::create(b, target, value).getResult();
  converted = arith::SelectOp::create(
      b, compare(arith::CmpFPredicate::OGE, limit), bound(highest), converted);
  Value tooLow = compare(arith::CmpFPredicate::OLE, isUnsigned ? -1.0 : -limit);
  converted = arith::SelectOp::create(b, tooLow, bound(lowest), converted);
  Value isNaN =
      arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, value, value);
  return arith::SelectOp::create(b, isNaN, bound(APInt(width, 0)), converted);
}

static Value emitToBool(ImplicitLocOpBuilder &b, Value value) {
  Value zero = emitConstant(b, value.getType(), 0);
  if (isa<FloatType>(getElementTypeOrSelf(value.getType()))) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, value, zero);
  }
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value, zero);
}

Value emitCast(ImplicitLocOpBuilder &b, Value value, Type from, Type to,
               bool saturate) {
  if (from == to) {
    return value;
  }
  if (nn::isFloat8(from)) {
    value = emitDecodeFloat8(b, value, cast<FloatType>(from));
    return emitCast(b, value, b.getF32Type(), to, saturate);
  }
  if (nn::isFloat8(to)) {
    value = emitCast(b, value, from, b.getF32Type());
    return emitEncodeFloat8(b, value, cast<FloatType>(to), saturate);
  }
  if (to.isInteger(1)) {
    return emitToBool(b, value);
  }
  Type target = typeLike(getCodeType(to), value.getType());
  bool widensWithZeros = from.isUnsignedInteger() || from.isInteger(1);
  auto toFloat = dyn_cast<FloatType>(to);
  if (auto fromFloat = dyn_cast<FloatType>(from)) {
    if (!toFloat) {
      return emitFloatToInteger(b, value, cast<IntegerType>(to));
    }
    if (fromFloat.getWidth() < toFloat.getWidth()) {
      return arith::ExtFOp::create(b, target, value);
    }
    if (fromFloat.getWidth() > toFloat.getWidth()) {
      return arith::TruncFOp::create(b, target, value);
    }
    // f16 and bf16 have no common order: go through f32.
    Value wide = arith::ExtFOp::create(
        b, typeLike(b.getF32Type(), value.getType()), value);
    return arith::TruncFOp::create(b, target, wide);
  }
  if (toFloat) {
    return widensWithZeros
               ? arith::UIToFPOp::create(b, target, value).getResult()
               : arith::SIToFPOp::create(b, target, value).getResult();
  }
  unsigned fromWidth = from.getIntOrFloatBitWidth(),
           toWidth = to.getIntOrFloatBitWidth();
  if (fromWidth == toWidth) {
    return value;
  }
  if (fromWidth > toWidth) {
    return arith::TruncIOp::create(b, target, value);
  }
  return widensWithZeros ? arith::ExtUIOp::create(b, target, value).getResult()
                         : arith::ExtSIOp::create(b, target, value).getResult();
}

} // namespace dlc
