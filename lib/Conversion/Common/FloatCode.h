// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Short names for building f32 arithmetic on scalars and vectors alike.
#ifndef DLC_LIB_CONVERSION_COMMON_FLOATCODE_H
#define DLC_LIB_CONVERSION_COMMON_FLOATCODE_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace dlc {

/// Builds code on values of one f32 type (scalar or vector) and the integer and
/// f64 types of its shape.
class FloatCode {
public:
  using Value = mlir::Value;

  FloatCode(mlir::ImplicitLocOpBuilder &b, mlir::Type f32Type)
      : b(b), f32(f32Type), i32(withElement(b.getI32Type())),
        i64(withElement(b.getI64Type())), f64(withElement(b.getF64Type())) {}

  mlir::Type withElement(mlir::Type element) const {
    if (auto shaped = mlir::dyn_cast<mlir::ShapedType>(f32))
      return shaped.clone(element);
    return element;
  }

  Value constant(float value) { return splat(f32, b.getF32FloatAttr(value)); }
  Value constant64(double value) {
    return splat(f64, b.getF64FloatAttr(value));
  }
  Value integer(int32_t value) {
    return splat(i32, b.getI32IntegerAttr(value));
  }
  Value integer64(int64_t value) {
    return splat(i64, b.getI64IntegerAttr(value));
  }

  Value boolean(bool value) {
    return splat(withElement(b.getI1Type()), b.getBoolAttr(value));
  }

  // Floating point, f32 or f64 alike.
  Value add(Value x, Value y) { return create<mlir::arith::AddFOp>(x, y); }
  Value sub(Value x, Value y) { return create<mlir::arith::SubFOp>(x, y); }
  Value mul(Value x, Value y) { return create<mlir::arith::MulFOp>(x, y); }
  Value div(Value x, Value y) { return create<mlir::arith::DivFOp>(x, y); }
  Value neg(Value x) { return create<mlir::arith::NegFOp>(x); }
  Value abs(Value x) { return create<mlir::math::AbsFOp>(x); }
  Value sqrt(Value x) { return create<mlir::math::SqrtOp>(x); }
  /// x * y + z, rounded once.
  Value fma(Value x, Value y, Value z) {
    return create<mlir::math::FmaOp>(x, y, z);
  }
  /// The sign of `sign` on the magnitude of `magnitude`.
  Value copySign(Value magnitude, Value sign) {
    return create<mlir::math::CopySignOp>(magnitude, sign);
  }
  Value extend(Value x) { return convert<mlir::arith::ExtFOp>(f64, x); }
  Value truncate(Value x) { return convert<mlir::arith::TruncFOp>(f32, x); }

  /// c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule.
  Value polynomial(Value x, llvm::ArrayRef<float> coefficients) {
    Value result = constant(coefficients.back());
    for (float coefficient : llvm::reverse(coefficients.drop_back()))
      result = fma(result, x, constant(coefficient));
    return result;
  }

  // Comparisons are ordered: false when an operand is NaN.
  Value less(Value x, Value y) { return compare(Predicate::OLT, x, y); }
  Value lessEqual(Value x, Value y) { return compare(Predicate::OLE, x, y); }
  Value greater(Value x, Value y) { return compare(Predicate::OGT, x, y); }
  Value greaterEqual(Value x, Value y) { return compare(Predicate::OGE, x, y); }
  Value equal(Value x, Value y) { return compare(Predicate::OEQ, x, y); }
  Value select(Value condition, Value x, Value y) {
    return create<mlir::arith::SelectOp>(condition, x, y);
  }
  Value both(Value x, Value y) { return create<mlir::arith::AndIOp>(x, y); }
  Value either(Value x, Value y) { return create<mlir::arith::OrIOp>(x, y); }

  // Integers and bits.
  Value bits(Value x) { return convert<mlir::arith::BitcastOp>(i32, x); }
  Value fromBits(Value x) { return convert<mlir::arith::BitcastOp>(f32, x); }
  Value iadd(Value x, Value y) { return create<mlir::arith::AddIOp>(x, y); }
  Value isub(Value x, Value y) { return create<mlir::arith::SubIOp>(x, y); }
  Value imul(Value x, Value y) { return create<mlir::arith::MulIOp>(x, y); }
  Value iand(Value x, Value y) { return create<mlir::arith::AndIOp>(x, y); }
  Value ior(Value x, Value y) { return create<mlir::arith::OrIOp>(x, y); }
  Value ixor(Value x, Value y) { return create<mlir::arith::XOrIOp>(x, y); }
  Value shl(Value x, Value y) { return create<mlir::arith::ShLIOp>(x, y); }
  Value shr(Value x, Value y) { return create<mlir::arith::ShRUIOp>(x, y); }
  Value sar(Value x, Value y) { return create<mlir::arith::ShRSIOp>(x, y); }
  Value isZero(Value x) {
    return create<mlir::arith::CmpIOp>(mlir::arith::CmpIPredicate::eq, x,
                                       integer(0));
  }
  Value toFloat(Value x) { return convert<mlir::arith::SIToFPOp>(f32, x); }

  template <typename Op, typename... Args> Value create(Args &&...args) {
    return Op::create(b, std::forward<Args>(args)...);
  }
  template <typename Op> Value convert(mlir::Type type, Value x) {
    return Op::create(b, type, x);
  }

  mlir::ImplicitLocOpBuilder &b;
  const mlir::Type f32, i32, i64, f64;

private:
  using Predicate = mlir::arith::CmpFPredicate;
  Value compare(Predicate predicate, Value x, Value y) {
    return create<mlir::arith::CmpFOp>(predicate, x, y);
  }
  Value splat(mlir::Type type, mlir::TypedAttr element) {
    if (auto shaped = mlir::dyn_cast<mlir::ShapedType>(type))
      return create<mlir::arith::ConstantOp>(
          mlir::DenseElementsAttr::get(shaped, mlir::Attribute(element)));
    return create<mlir::arith::ConstantOp>(element);
  }
};

/// Calls `emit` with the f32 form of `operands` and converts its result back to
/// their type; f64 operands give `MathOp` instead.
template <typename MathOp>
mlir::Value
emitInF32(mlir::ImplicitLocOpBuilder &b, mlir::ValueRange operands,
          llvm::function_ref<mlir::Value(FloatCode &, mlir::ValueRange)> emit) {
  mlir::Type type = operands.front().getType();
  mlir::Type element = mlir::getElementTypeOrSelf(type);
  if (element.isF64())
    return MathOp::create(b, operands).getResult();
  mlir::Type f32 = b.getF32Type();
  if (auto shaped = mlir::dyn_cast<mlir::ShapedType>(type))
    f32 = shaped.clone(f32);
  FloatCode code(b, f32);
  if (element.isF32())
    return emit(code, operands);
  llvm::SmallVector<mlir::Value> extended;
  for (mlir::Value operand : operands)
    extended.push_back(code.convert<mlir::arith::ExtFOp>(f32, operand));
  return code.convert<mlir::arith::TruncFOp>(type, emit(code, extended));
}

} // namespace dlc

#endif // DLC_LIB_CONVERSION_COMMON_FLOATCODE_H
