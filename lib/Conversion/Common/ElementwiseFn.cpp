// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise functions as arith and math code. Elementary functions become
// math ops here; what they compute on a target is that target's ExpandMath.
#include "Conversion/Common/ElementwiseFn.h"

#include "Dialect/NN/Support.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace dlc {

using nn::Fn;

Type getCodeType(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type)) {
    return IntegerType::get(type.getContext(), integer.getWidth());
  }
  return nn::isFloat8(type) ? IntegerType::get(type.getContext(), 8) : type;
}

Type typeLike(Type type, Type like) {
  auto vector = dyn_cast<VectorType>(like);
  return vector ? vector.cloneWith(std::nullopt, type) : type;
}

Value emitConstant(ImplicitLocOpBuilder &b, Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr =
      isa<FloatType>(element)
          ? TypedAttr(b.getFloatAttr(element, value))
          : TypedAttr(b.getIntegerAttr(element, static_cast<int64_t>(value)));
  if (auto vector = dyn_cast<VectorType>(type)) {
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  }
  return arith::ConstantOp::create(b, attr);
}

namespace {

/// Emits one function on operands of one kind: floats of at least 32 bits, or
/// integers.
class FnEmitter {
public:
  FnEmitter(ImplicitLocOpBuilder &b, ValueRange args, DictionaryAttr params,
            bool isUnsigned)
      : b(b), args(args), params(params), isUnsigned(isUnsigned) {}

  Value emitFloat(Fn fn);
  Value emitInteger(Fn fn);

private:
  Value x() const { return args[0]; }
  Value y() const { return args[1]; }
  Type type() const { return x().getType(); }
  Value constant(double value) { return emitConstant(b, type(), value); }
  double param(StringRef name) {
    return cast<FloatAttr>(params.get(name)).getValueAsDouble();
  }

  template <typename Op> Value unary() { return Op::create(b, x()); }
  template <typename Op> Value binary() { return Op::create(b, x(), y()); }
  Value compareFloat(arith::CmpFPredicate predicate, Value lhs, Value rhs) {
    return arith::CmpFOp::create(b, predicate, lhs, rhs);
  }
  Value compareInteger(arith::CmpIPredicate isSigned,
                       arith::CmpIPredicate whenUnsigned) {
    return arith::CmpIOp::create(b, isUnsigned ? whenUnsigned : isSigned, x(),
                                 y());
  }
  Value select(Value condition, Value yes, Value no) {
    return arith::SelectOp::create(b, condition, yes, no);
  }
  Value add(Value lhs, Value rhs) { return arith::AddFOp::create(b, lhs, rhs); }
  Value mul(Value lhs, Value rhs) { return arith::MulFOp::create(b, lhs, rhs); }
  Value div(Value lhs, Value rhs) { return arith::DivFOp::create(b, lhs, rhs); }

  Value sigmoid(Value value);
  Value emitActivation(Fn fn);
  Value emitFloatArithmetic(Fn fn);
  Value emitFloatComparison(Fn fn);
  Value emitElementary(Fn fn);
  Value emitIntegerComparison(Fn fn);
  Value emitIntegerDivision(Fn fn);
  Value emitIntegerPower();
  Value emitShift(Fn fn);

  ImplicitLocOpBuilder &b;
  ValueRange args;
  DictionaryAttr params;
  bool isUnsigned;
};

/// 1 / (1 + exp(-x)).
Value FnEmitter::sigmoid(Value value) {
  Value one = constant(1.0);
  Value decay =
      math::ExpOp::create(b, arith::NegFOp::create(b, value).getResult());
  return div(one, add(one, decay));
}

Value FnEmitter::emitActivation(Fn fn) {
  Value zero = constant(0.0), one = constant(1.0);
  switch (fn) {
  case Fn::relu:
    return arith::MaximumFOp::create(b, x(), zero);
  case Fn::sigmoid:
    return sigmoid(x());
  case Fn::leaky_relu:
    return select(compareFloat(arith::CmpFPredicate::OLT, x(), zero),
                  mul(x(), constant(param("alpha"))), x());
  case Fn::elu: { // x > 0: scale * x; else scale * alpha * expm1(input_scale *
                  // x)
    Value low =
        math::ExpM1Op::create(b, mul(x(), constant(param("input_scale"))));
    Value chosen = select(compareFloat(arith::CmpFPredicate::OGT, x(), zero),
                          x(), mul(low, constant(param("alpha"))));
    return mul(chosen, constant(param("scale")));
  }
  case Fn::gelu: { // x / 2 * (1 + erf(x / sqrt(2)))
    Value erf =
        math::ErfOp::create(b, mul(x(), constant(0.70710678118654752440)));
    return mul(mul(x(), constant(0.5)), add(one, erf));
  }
  case Fn::gelu_tanh: { // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
    Value cube = mul(mul(x(), x()), x());
    Value inner = mul(add(x(), mul(cube, constant(0.044715))),
                      constant(0.79788456080286535588));
    return mul(mul(x(), constant(0.5)),
               add(one, math::TanhOp::create(b, inner)));
  }
  case Fn::silu: {
    double beta = param("beta");
    return mul(x(), sigmoid(beta == 1.0 ? x() : mul(x(), constant(beta))));
  }
  case Fn::hard_sigmoid: {
    Value line =
        add(mul(x(), constant(param("alpha"))), constant(param("beta")));
    return arith::MaximumFOp::create(
        b, zero, arith::MinimumFOp::create(b, one, line).getResult());
  }
  case Fn::hard_swish: { // x * clamp(x / 6 + 1 / 2, 0, 1)
    Value line = add(mul(x(), constant(1.0 / 6.0)), constant(0.5));
    Value clamped = arith::MaximumFOp::create(
        b, zero, arith::MinimumFOp::create(b, one, line).getResult());
    return mul(x(), clamped);
  }
  case Fn::softplus: { // log(1 + exp(beta x)) / beta, without overflow; x
                       // itself above the threshold
    double beta = param("beta"), threshold = param("threshold");
    Value scaled = beta == 1.0 ? x() : mul(x(), constant(beta));
    Value negative =
        arith::NegFOp::create(b, math::AbsFOp::create(b, scaled).getResult());
    Value tail =
        math::Log1pOp::create(b, math::ExpOp::create(b, negative).getResult());
    Value soft = add(arith::MaximumFOp::create(b, scaled, zero), tail);
    Value result = beta == 1.0 ? soft : mul(soft, constant(1.0 / beta));
    return select(
        compareFloat(arith::CmpFPredicate::OGT, scaled, constant(threshold)),
        x(), result);
  }
  default:
    return {};
  }
}

Value FnEmitter::emitElementary(Fn fn) {
  switch (fn) {
  case Fn::sqrt:
    return unary<math::SqrtOp>();
  case Fn::rsqrt:
    return div(constant(1.0), unary<math::SqrtOp>());
  case Fn::exp:
    return unary<math::ExpOp>();
  case Fn::expm1:
    return unary<math::ExpM1Op>();
  case Fn::log:
    return unary<math::LogOp>();
  case Fn::log1p:
    return unary<math::Log1pOp>();
  case Fn::log2:
    return unary<math::Log2Op>();
  case Fn::sin:
    return unary<math::SinOp>();
  case Fn::cos:
    return unary<math::CosOp>();
  case Fn::tan:
    return unary<math::TanOp>();
  case Fn::asin:
    return unary<math::AsinOp>();
  case Fn::acos:
    return unary<math::AcosOp>();
  case Fn::atan:
    return unary<math::AtanOp>();
  case Fn::sinh:
    return unary<math::SinhOp>();
  case Fn::cosh:
    return unary<math::CoshOp>();
  case Fn::tanh:
    return unary<math::TanhOp>();
  case Fn::asinh:
    return unary<math::AsinhOp>();
  case Fn::acosh:
    return unary<math::AcoshOp>();
  case Fn::atanh:
    return unary<math::AtanhOp>();
  case Fn::erf:
    return unary<math::ErfOp>();
  case Fn::atan2:
    return binary<math::Atan2Op>();
  case Fn::pow:
    return binary<math::PowFOp>();
  default:
    return {};
  }
}

Value FnEmitter::emitFloatComparison(Fn fn) {
  using P = arith::CmpFPredicate;
  switch (fn) {
  case Fn::eq:
    return compareFloat(P::OEQ, x(), y());
  case Fn::ne:
    return compareFloat(P::UNE, x(), y());
  case Fn::lt:
    return compareFloat(P::OLT, x(), y());
  case Fn::le:
    return compareFloat(P::OLE, x(), y());
  case Fn::gt:
    return compareFloat(P::OGT, x(), y());
  case Fn::ge:
    return compareFloat(P::OGE, x(), y());
  case Fn::is_nan:
    return compareFloat(P::UNO, x(), x());
  case Fn::is_inf: {
    double inf = std::numeric_limits<double>::infinity();
    bool positive = cast<BoolAttr>(params.get("positive")).getValue();
    bool negative = cast<BoolAttr>(params.get("negative")).getValue();
    Value above =
        compareFloat(positive ? P::OEQ : P::AlwaysFalse, x(), constant(inf));
    Value below =
        compareFloat(negative ? P::OEQ : P::AlwaysFalse, x(), constant(-inf));
    return arith::OrIOp::create(b, above, below);
  }
  default:
    return {};
  }
}

Value FnEmitter::emitFloatArithmetic(Fn fn) {
  switch (fn) {
  case Fn::add:
    return binary<arith::AddFOp>();
  case Fn::sub:
    return binary<arith::SubFOp>();
  case Fn::mul:
    return binary<arith::MulFOp>();
  case Fn::div:
    return binary<arith::DivFOp>();
  case Fn::floor_div:
    return math::FloorOp::create(b, binary<arith::DivFOp>());
  case Fn::mod_trunc:
    return binary<arith::RemFOp>();
  case Fn::mod_floor: { // the sign of the divisor
    Value rest = binary<arith::RemFOp>(), zero = constant(0.0);
    Value signsDiffer = arith::XOrIOp::create(
        b, compareFloat(arith::CmpFPredicate::OLT, rest, zero),
        compareFloat(arith::CmpFPredicate::OLT, y(), zero));
    Value wraps = arith::AndIOp::create(
        b, signsDiffer, compareFloat(arith::CmpFPredicate::ONE, rest, zero));
    return select(wraps, add(rest, y()), rest);
  }
  case Fn::maximum:
    return binary<arith::MaximumFOp>();
  case Fn::minimum:
    return binary<arith::MinimumFOp>();
  case Fn::clamp:
    return arith::MinimumFOp::create(
        b, args[2], arith::MaximumFOp::create(b, y(), x()).getResult());
  case Fn::neg:
    return unary<arith::NegFOp>();
  case Fn::abs:
    return unary<math::AbsFOp>();
  case Fn::sign: { // NaN and both zeros stay
    Value nonzero = compareFloat(arith::CmpFPredicate::ONE, x(), constant(0.0));
    return select(nonzero, math::CopySignOp::create(b, constant(1.0), x()),
                  x());
  }
  case Fn::reciprocal:
    return div(constant(1.0), x());
  case Fn::floor:
    return unary<math::FloorOp>();
  case Fn::ceil:
    return unary<math::CeilOp>();
  case Fn::round_even:
    return unary<math::RoundEvenOp>();
  case Fn::trunc:
    return unary<math::TruncOp>();
  default:
    return {};
  }
}

Value FnEmitter::emitFloat(Fn fn) {
  for (auto emit :
       {&FnEmitter::emitFloatArithmetic, &FnEmitter::emitFloatComparison,
        &FnEmitter::emitElementary, &FnEmitter::emitActivation}) {
    if (Value value = (this->*emit)(fn)) {
      return value;
    }
  }
  llvm_unreachable("the verifier admits float functions only");
}

Value FnEmitter::emitIntegerComparison(Fn fn) {
  using P = arith::CmpIPredicate;
  switch (fn) {
  case Fn::eq:
    return compareInteger(P::eq, P::eq);
  case Fn::ne:
    return compareInteger(P::ne, P::ne);
  case Fn::lt:
    return compareInteger(P::slt, P::ult);
  case Fn::le:
    return compareInteger(P::sle, P::ule);
  case Fn::gt:
    return compareInteger(P::sgt, P::ugt);
  case Fn::ge:
    return compareInteger(P::sge, P::uge);
  default:
    return {};
  }
}

/// x/0 = 0 and lowest/-1 = lowest (x % 0 = 0), where the machine instruction
/// would trap.
Value FnEmitter::emitIntegerDivision(Fn fn) {
  Value zero = constant(0), one = constant(1);
  Value byZero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, y(), zero);
  bool isMod = fn == Fn::mod_floor || fn == Fn::mod_trunc;
  if (isUnsigned) {
    Value divisor = select(byZero, one, y());
    Value result = isMod ? arith::RemUIOp::create(b, x(), divisor).getResult()
                         : arith::DivUIOp::create(b, x(), divisor).getResult();
    return select(byZero, zero, result);
  }
  Value byMinusOne =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, y(), constant(-1));
  Value divisor = select(arith::OrIOp::create(b, byZero, byMinusOne), one, y());
  Value quotient = arith::DivSIOp::create(b, x(), divisor),
        rest = arith::RemSIOp::create(b, x(), divisor);
  if (fn == Fn::floor_div || fn == Fn::mod_floor) {
    Value signsDiffer = arith::CmpIOp::create(
        b, arith::CmpIPredicate::slt,
        arith::XOrIOp::create(b, rest, divisor).getResult(), zero);
    Value inexact =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ne, rest, zero);
    Value adjust = arith::AndIOp::create(b, signsDiffer, inexact);
    quotient =
        select(adjust, arith::SubIOp::create(b, quotient, one), quotient);
    rest = select(adjust, arith::AddIOp::create(b, rest, divisor), rest);
  }
  if (isMod) {
    return select(arith::OrIOp::create(b, byZero, byMinusOne), zero, rest);
  }
  Value negated = arith::SubIOp::create(b, zero, x());
  return select(byZero, zero, select(byMinusOne, negated, quotient));
}

/// Square and multiply over the low 6 bits of the exponent; every larger power
/// of a base other than 0 and +-1 overflows. A negative exponent gives 0, or
/// +-1 for those bases.
Value FnEmitter::emitIntegerPower() {
  Value zero = constant(0), one = constant(1);
  Value negative =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, y(), zero);
  Value magnitude = select(negative, arith::SubIOp::create(b, zero, y()), y());
  Value result = one, power = x();
  for (unsigned bit = 0; bit < 6; ++bit) {
    Value mask =
        arith::AndIOp::create(b, magnitude, constant(int64_t(1) << bit));
    Value isSet =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ne, mask, zero);
    result = select(isSet, arith::MulIOp::create(b, result, power), result);
    power = arith::MulIOp::create(b, power, power);
  }
  Value baseIsZero =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x(), zero);
  Value exponentIsZero =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, y(), zero);
  result = select(baseIsZero, select(exponentIsZero, one, zero), result);
  if (isUnsigned) {
    return result;
  }
  Value square = arith::MulIOp::create(b, x(), x());
  Value isUnit =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, square, one);
  return select(arith::AndIOp::create(
                    b, negative,
                    arith::XOrIOp::create(
                        b, isUnit, emitConstant(b, isUnit.getType(), 1))),
                zero, result);
}

/// A shift by the width or more gives 0 (a negative number shifted right: -1).
Value FnEmitter::emitShift(Fn fn) {
  unsigned width = getElementTypeOrSelf(type()).getIntOrFloatBitWidth();
  Value inRange =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ult, y(), constant(width));
  Value amount = select(inRange, y(), constant(width - 1));
  if (fn == Fn::shl) {
    return select(inRange, arith::ShLIOp::create(b, x(), amount), constant(0));
  }
  if (isUnsigned) {
    return select(inRange, arith::ShRUIOp::create(b, x(), amount), constant(0));
  }
  return arith::ShRSIOp::create(b, x(), amount);
}

Value FnEmitter::emitInteger(Fn fn) {
  if (Value comparison = emitIntegerComparison(fn)) {
    return comparison;
  }
  auto extreme = [&](Value lhs, Value rhs, bool larger) -> Value {
    if (isUnsigned) {
      return larger ? arith::MaxUIOp::create(b, lhs, rhs).getResult()
                    : arith::MinUIOp::create(b, lhs, rhs).getResult();
    }
    return larger ? arith::MaxSIOp::create(b, lhs, rhs).getResult()
                  : arith::MinSIOp::create(b, lhs, rhs).getResult();
  };
  switch (fn) {
  case Fn::add: // of truth values: whether one is true, as in NumPy
    return getElementTypeOrSelf(x()).isInteger(1) ? binary<arith::OrIOp>()
                                                  : binary<arith::AddIOp>();
  case Fn::sub:
    return binary<arith::SubIOp>();
  case Fn::mul:
    return binary<arith::MulIOp>();
  case Fn::div:
  case Fn::floor_div:
  case Fn::mod_floor:
  case Fn::mod_trunc:
    return emitIntegerDivision(fn);
  case Fn::maximum:
    return extreme(x(), y(), true);
  case Fn::minimum:
    return extreme(x(), y(), false);
  case Fn::clamp:
    return extreme(args[2], extreme(y(), x(), true), false);
  case Fn::relu:
    return extreme(x(), constant(0), true);
  case Fn::pow:
    return emitIntegerPower();
  case Fn::bit_and:
    return binary<arith::AndIOp>();
  case Fn::bit_or:
    return binary<arith::OrIOp>();
  case Fn::bit_xor:
    return binary<arith::XOrIOp>();
  case Fn::bit_not:
    return arith::XOrIOp::create(b, x(), constant(-1));
  case Fn::shl:
  case Fn::shr:
    return emitShift(fn);
  case Fn::neg:
    return arith::SubIOp::create(b, constant(0), x());
  case Fn::abs:
    return isUnsigned ? x() : Value(math::AbsIOp::create(b, x()));
  case Fn::sign: {
    Value positive = arith::CmpIOp::create(
        b, isUnsigned ? arith::CmpIPredicate::ne : arith::CmpIPredicate::sgt,
        x(), constant(0));
    Value sign = select(positive, constant(1), constant(0));
    if (isUnsigned) {
      return sign;
    }
    Value negative =
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x(), constant(0));
    return select(negative, constant(-1), sign);
  }
  default:
    llvm_unreachable("the verifier admits integer functions only");
  }
}

bool isNarrowFloat(Type type) {
  return isa<FloatType>(type) && type.getIntOrFloatBitWidth() < 32;
}

} // namespace

Value emitElementwise(ImplicitLocOpBuilder &b, Fn fn, ValueRange args,
                      DictionaryAttr params, Type element, Type result) {
  if (fn == Fn::select) {
    return arith::SelectOp::create(b, args[0], args[1], args[2]);
  }
  if (fn == Fn::bitcast) {
    return arith::BitcastOp::create(
        b, typeLike(getCodeType(result), args[0].getType()), args[0]);
  }
  if (!isa<FloatType>(element)) {
    // Read with a sign, true would be -1 and less than false.
    bool isUnsigned = element.isUnsignedInteger() || element.isInteger(1);
    return FnEmitter(b, args, params, isUnsigned).emitInteger(fn);
  }
  if (!isNarrowFloat(element)) {
    return FnEmitter(b, args, params, false).emitFloat(fn);
  }
  Type wide = typeLike(b.getF32Type(), args[0].getType());
  SmallVector<Value> widened;
  for (Value arg : args) {
    widened.push_back(arith::ExtFOp::create(b, wide, arg));
  }
  Value value = FnEmitter(b, widened, params, false).emitFloat(fn);
  return result.isInteger(1)
             ? value
             : Value(arith::TruncFOp::create(b, args[0].getType(), value));
}

} // namespace dlc
