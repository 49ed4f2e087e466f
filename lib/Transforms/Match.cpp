// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matching and making elementwise ops.
#include "Match.h"

#include "mlir/IR/Remarks.h"

#include <cmath>

using namespace mlir;

namespace dlc {

using namespace nn;

static bool isCommutative(Fn fn) {
  switch (fn) {
  case Fn::add:
  case Fn::mul:
  case Fn::maximum:
  case Fn::minimum:
  case Fn::bit_and:
  case Fn::bit_or:
  case Fn::bit_xor:
  case Fn::eq:
  case Fn::ne:
    return true;
  default:
    return false;
  }
}

std::optional<WithSplat> matchWithSplat(Value value, Fn fn,
                                        Constants &constants) {
  ElementwiseOp op = asFn(value, fn);
  if (!op || op.getInputs().size() != 2) {
    return std::nullopt;
  }
  for (unsigned i : {1, 0}) {
    if (i == 0 && !isCommutative(fn)) {
      break;
    }
    Value x = op.getInputs()[1 - i];
    if (typeOf(x).getShape() == op.getType().getShape()) {
      if (std::optional<double> number =
              constants.getSplat(op.getInputs()[i])) {
        return WithSplat{x, *number};
      }
    }
  }
  return std::nullopt;
}

bool isNearly(double x, double y, Type type) {
  unsigned precision =
      APFloat::semanticsPrecision(cast<FloatType>(type).getFloatSemantics());
  double tolerance = std::ldexp(4.0, -static_cast<int>(precision));
  return std::abs(x - y) <= tolerance * std::abs(y);
}

Value createFn(OpBuilder &b, Location loc, Fn fn, ValueRange operands,
               RankedTensorType type, DictionaryAttr params) {
  return ElementwiseOp::create(b, loc, type, fn, operands, params, nullptr);
}

Value createFn(OpBuilder &b, Location loc, Fn fn, ValueRange operands,
               DictionaryAttr params) {
  return createFn(b, loc, fn, operands, typeOf(operands[0]), params);
}

void remarkMissed(Operation *op, StringRef pass, StringRef pattern,
                  const Twine &reason) {
  remark::missed(op->getLoc(), remark::RemarkOpts::name(pattern).category(pass))
      << reason.str();
}

} // namespace dlc
