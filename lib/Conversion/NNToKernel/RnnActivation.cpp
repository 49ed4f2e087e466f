// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Activations of recurrent cells, by ONNX's definitions.
#include "Conversion/NNToKernel/RnnActivation.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace dlc {

namespace {

/// Those that are elementwise functions of the nn dialect.
std::optional<nn::Fn> findFn(StringRef name) {
  return llvm::StringSwitch<std::optional<nn::Fn>>(name)
      .Case("relu", nn::Fn::relu)
      .Case("tanh", nn::Fn::tanh)
      .Case("sigmoid", nn::Fn::sigmoid)
      .Case("softplus", nn::Fn::softplus)
      .Case("leaky_relu", nn::Fn::leaky_relu)
      .Case("hard_sigmoid", nn::Fn::hard_sigmoid)
      .Case("elu", nn::Fn::elu)
      .Default(std::nullopt);
}

DictionaryAttr paramsOf(Builder &b, nn::Fn fn, double alpha, double beta) {
  auto dictionary = [&](ArrayRef<std::pair<StringRef, double>> values) {
    SmallVector<NamedAttribute> attrs;
    for (auto [name, value] : values) {
      attrs.push_back(b.getNamedAttr(name, b.getF64FloatAttr(value)));
    }
    return b.getDictionaryAttr(attrs);
  };
  switch (fn) {
  case nn::Fn::softplus:
    return dictionary({{"beta", 1.0},
                       {"threshold", std::numeric_limits<double>::infinity()}});
  case nn::Fn::leaky_relu:
    return dictionary({{"alpha", alpha}});
  case nn::Fn::hard_sigmoid:
    return dictionary({{"alpha", alpha}, {"beta", beta}});
  case nn::Fn::elu:
    return dictionary({{"alpha", alpha}, {"scale", 1.0}, {"input_scale", 1.0}});
  default:
    return {};
  }
}

} // namespace

Value emitRnnActivation(ImplicitLocOpBuilder &b, StringRef name, double alpha,
                        double beta, Value x) {
  Type type = x.getType(), element = getElementTypeOrSelf(type);
  auto apply = [&](nn::Fn fn, Value value) {
    return emitElementwise(b, fn, value, paramsOf(b, fn, alpha, beta), element,
                           element);
  };
  auto constant = [&](double value) { return emitConstant(b, type, value); };
  if (std::optional<nn::Fn> fn = findFn(name)) {
    return apply(*fn, x);
  }
  if (name == "softsign") {
    Value size = apply(nn::Fn::abs, x);
    return arith::DivFOp::create(
        b, x, arith::AddFOp::create(b, constant(1), size).getResult());
  }
  if (name == "affine") {
    return arith::AddFOp::create(
        b, arith::MulFOp::create(b, constant(alpha), x).getResult(),
        constant(beta));
  }
  if (name == "scaled_tanh") {
    Value scaled = arith::MulFOp::create(b, constant(beta), x);
    return arith::MulFOp::create(b, constant(alpha),
                                 apply(nn::Fn::tanh, scaled));
  }
  Value isAbove =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, constant(alpha));
  return arith::SelectOp::create(b, isAbove, x, constant(0));
}

} // namespace dlc
