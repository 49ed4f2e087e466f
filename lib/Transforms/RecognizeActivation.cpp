// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds activations that exporters write out: x * sigmoid(x), GELU by erf and
// by tanh (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016), hard
// swish.
#include "Match.h"
#include "Transforms/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <cmath>
#include <numbers>

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_RECOGNIZEACTIVATIONPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// The factors of a tree of products and quotients: tensors and one number.
struct Product {
  SmallVector<Value> tensors;
  double number = 1;
};

/// Splits products of `value`'s type; `depth` bounds the tree.
void collect(Value value, Product &product, Constants &constants,
             unsigned depth = 0) {
  if (depth < 6) {
    if (auto match = matchWithSplat(value, Fn::mul, constants)) {
      product.number *= match->number;
      return collect(match->input, product, constants, depth + 1);
    }
    if (auto match = matchWithSplat(value, Fn::div, constants)) {
      product.number /= match->number;
      return collect(match->input, product, constants, depth + 1);
    }
    if (ElementwiseOp op = asFn(value, Fn::mul);
        op && op.getInputs()[0].getType() == op.getType() &&
        op.getInputs()[1].getType() == op.getType()) {
      collect(op.getInputs()[0], product, constants, depth + 1);
      return collect(op.getInputs()[1], product, constants, depth + 1);
    }
    if (ElementwiseOp op = asFn(value, Fn::pow)) {
      auto match = matchWithSplat(value, Fn::pow, constants);
      if (match && match->number == 3) {
        product.tensors.append(3, match->input);
        return;
      }
    }
  }
  product.tensors.push_back(value);
}

Product factorsOf(Value value, Constants &constants) {
  Product product;
  collect(value, product, constants);
  return product;
}

struct ActivationPattern : OpRewritePattern<ElementwiseOp> {
  ActivationPattern(MLIRContext *context, Constants &constants)
      : OpRewritePattern(context), constants(constants) {}

protected:
  static bool isFloat(ElementwiseOp op) {
    return isa<FloatType>(op.getType().getElementType());
  }
  bool isNearly(double x, double y, ElementwiseOp op) const {
    return dlc::isNearly(x, y, op.getType().getElementType());
  }

  Constants &constants;
};

/// x * sigmoid(beta * x).
struct RecognizeSilu : ActivationPattern {
  using ActivationPattern::ActivationPattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getFn() != Fn::mul || !isFloat(op)) {
      return failure();
    }
    for (unsigned i = 0; i < 2; ++i) {
      Value x = op.getInputs()[1 - i];
      ElementwiseOp sigmoid = asFn(op.getInputs()[i], Fn::sigmoid);
      if (!sigmoid || x.getType() != op.getType()) {
        continue;
      }
      Value argument = sigmoid.getInputs()[0];
      double beta = 1;
      auto scaled = matchWithSplat(argument, Fn::mul, constants);
      if (argument != x && scaled) {
        argument = scaled->input;
        beta = scaled->number;
      }
      if (argument != x) {
        continue;
      }
      auto params = rewriter.getDictionaryAttr(
          rewriter.getNamedAttr("beta", rewriter.getF64FloatAttr(beta)));
      rewriter.replaceOp(op,
                         createFn(rewriter, op.getLoc(), Fn::silu, x, params));
      return success();
    }
    return failure();
  }
};

/// Whether `value` is c3 x^3 + x times a number: tanh's argument in GELU.
bool isGeluPolynomial(const Product &argument, Value x, ElementwiseOp op,
                      Constants &constants) {
  Type type = op.getType().getElementType();
  const double root = std::sqrt(2 / std::numbers::pi);
  auto isCube = [&](Value term) {
    Product cube = factorsOf(term, constants);
    return cube.tensors.size() == 3 && llvm::all_equal(cube.tensors) &&
           cube.tensors[0] == x && isNearly(cube.number, 0.044715, type);
  };
  // sqrt(2 / pi) * (x + c x^3)
  if (argument.tensors.size() == 1) {
    ElementwiseOp sum = asFn(argument.tensors[0], Fn::add);
    return sum && isNearly(argument.number, root, type) &&
           ((sum.getInputs()[0] == x && isCube(sum.getInputs()[1])) ||
            (sum.getInputs()[1] == x && isCube(sum.getInputs()[0])));
  }
  // sqrt(2 / pi) * x * (1 + c x^2)
  if (argument.tensors.size() != 2 || !isNearly(argument.number, root, type)) {
    return false;
  }
  Value other = argument.tensors[argument.tensors[0] == x];
  if (!llvm::is_contained(argument.tensors, x)) {
    return false;
  }
  auto sum = matchWithSplat(other, Fn::add, constants);
  if (!sum || sum->number != 1) {
    return false;
  }
  Product square = factorsOf(sum->input, constants);
  return square.tensors.size() == 2 && square.tensors[0] == x &&
         square.tensors[1] == x && isNearly(square.number, 0.044715, type);
}

/// 0.5 x (1 + erf(x / sqrt 2)), and the same with tanh of a polynomial.
struct RecognizeGelu : ActivationPattern {
  using ActivationPattern::ActivationPattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getFn() != Fn::mul || !isFloat(op)) {
      return failure();
    }
    Product product = factorsOf(op.getResult(), constants);
    if (product.tensors.size() != 2) {
      return failure();
    }
    for (unsigned i = 0; i < 2; ++i) {
      Value x = product.tensors[1 - i];
      double half = product.number;
      std::optional<WithSplat> sum =
          matchWithSplat(product.tensors[i], Fn::add, constants);
      if (!sum || x.getType() != op.getType()) {
        continue;
      }
      // The half may be multiplied in already: 0.5 + 0.5 erf(...).
      Product curve = factorsOf(sum->input, constants);
      if (curve.tensors.size() != 1 || curve.number != sum->number ||
          !isNearly(half * sum->number, 0.5, op)) {
        continue;
      }
      if (std::optional<Fn> fn = matchCurve(curve.tensors[0], x, op)) {
        rewriter.replaceOp(op, createFn(rewriter, op.getLoc(), *fn, x));
        return success();
      }
    }
    return failure();
  }

private:
  std::optional<Fn> matchCurve(Value curve, Value x, ElementwiseOp op) const {
    if (ElementwiseOp erf = asFn(curve, Fn::erf)) {
      Product argument = factorsOf(erf.getInputs()[0], constants);
      bool matches = argument.tensors.size() == 1 && argument.tensors[0] == x &&
                     isNearly(argument.number, std::numbers::sqrt2 / 2, op);
      return matches ? std::optional(Fn::gelu) : std::nullopt;
    }
    ElementwiseOp tanh = asFn(curve, Fn::tanh);
    bool matches =
        tanh && isGeluPolynomial(factorsOf(tanh.getInputs()[0], constants), x,
                                 op, constants);
    return matches ? std::optional(Fn::gelu_tanh) : std::nullopt;
  }
};

/// x * hard_sigmoid{1/6, 1/2}(x), and x * clamp(x + 3, 0, 6) / 6.
struct RecognizeHardSwish : ActivationPattern {
  using ActivationPattern::ActivationPattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    if ((op.getFn() != Fn::mul && op.getFn() != Fn::div) || !isFloat(op)) {
      return failure();
    }
    Product product = factorsOf(op.getResult(), constants);
    if (product.tensors.size() != 2) {
      return failure();
    }
    for (unsigned i = 0; i < 2; ++i) {
      Value x = product.tensors[1 - i];
      if (x.getType() == op.getType() &&
          isGate(product.tensors[i], x, product.number, op)) {
        rewriter.replaceOp(op,
                           createFn(rewriter, op.getLoc(), Fn::hard_swish, x));
        return success();
      }
    }
    return failure();
  }

private:
  bool isGate(Value gate, Value x, double factor, ElementwiseOp op) const {
    if (ElementwiseOp sigmoid = asFn(gate, Fn::hard_sigmoid)) {
      return sigmoid.getInputs()[0] == x && factor == 1 &&
             isNearly(sigmoid.getParam("alpha"), 1.0 / 6, op) &&
             sigmoid.getParam("beta") == 0.5;
    }
    ElementwiseOp clamp = asFn(gate, Fn::clamp);
    if (!clamp || !isNearly(factor, 1.0 / 6, op) ||
        constants.getSplat(clamp.getInputs()[1]) != 0.0 ||
        constants.getSplat(clamp.getInputs()[2]) != 6.0) {
      return false;
    }
    auto sum = matchWithSplat(clamp.getInputs()[0], Fn::add, constants);
    return sum && sum->input == x && sum->number == 3;
  }
};

class RecognizeActivation final
    : public impl::RecognizeActivationPassBase<RecognizeActivation> {
public:
  void runOnOperation() override {
    Constants constants(getOperation());
    RewritePatternSet patterns(&getContext());
    patterns.add<RecognizeSilu, RecognizeGelu, RecognizeHardSwish>(
        &getContext(), constants);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitWarning("stopped recognising activations early");
    }
  }
};

} // namespace
} // namespace dlc
