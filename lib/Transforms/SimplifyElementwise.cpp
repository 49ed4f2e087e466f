// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Identities, cheaper forms, booleans and the guard after softmax. Each rewrite
// is exact for every input, NaN and signed zeros included, or stays within the
// error that nn allows the function it makes.
#include "Analysis/SizeExpr.h"
#include "Match.h"
#include "Transforms/Passes.h"

#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <cmath>

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_SIMPLIFYELEMENTWISEPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

struct ElementwisePattern : OpRewritePattern<ElementwiseOp> {
  ElementwisePattern(MLIRContext *context, Constants &constants)
      : OpRewritePattern(context), constants(constants) {}
  Constants &constants;
};

/// Whether fn(x, c) is x for every x.
bool isIdentity(Fn fn, double c, Type element) {
  bool isInteger = isa<IntegerType>(element);
  switch (fn) {
  case Fn::mul:
  case Fn::div:
  case Fn::pow:
    return c == 1;
  case Fn::add: // 0 + -0 is 0, so only -0 leaves -0 alone.
    return c == 0 && (isInteger || std::signbit(c));
  case Fn::sub:
    return c == 0 && (isInteger || !std::signbit(c));
  case Fn::bit_or:
  case Fn::bit_xor:
    return c == 0;
  case Fn::bit_and:
    return element.isInteger(1) && c == 1;
  case Fn::eq: // On booleans.
    return element.isInteger(1) && c == 1;
  case Fn::ne:
    return element.isInteger(1) && c == 0;
  default:
    return false;
  }
}

/// x * 1, x - 0, b and true, ... are x.
struct DropIdentity : ElementwisePattern {
  using ElementwisePattern::ElementwisePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<WithSplat> match =
        matchWithSplat(op.getResult(), op.getFn(), constants);
    if (!match || match->input.getType() != op.getType() ||
        !isIdentity(op.getFn(), match->number,
                    typeOf(match->input).getElementType())) {
      return failure();
    }
    rewriter.replaceOp(op, match->input);
    return success();
  }
};

/// b and false is false, b or true is true.
struct AbsorbBoolean : ElementwisePattern {
  using ElementwisePattern::ElementwisePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<WithSplat> match =
        matchWithSplat(op.getResult(), op.getFn(), constants);
    bool absorbs = op.getType().getElementType().isInteger(1) && match &&
                   ((op.getFn() == Fn::bit_and && match->number == 0) ||
                    (op.getFn() == Fn::bit_or && match->number == 1));
    if (!absorbs || !op.getType().hasStaticShape()) {
      return failure();
    }
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(
        op, DenseElementsAttr::get(op.getType(), match->number == 1));
    return success();
  }
};

/// not(not(b)) is b; eq(b, false) is not(b).
struct SimplifyNot : ElementwisePattern {
  using ElementwisePattern::ElementwisePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().getElementType().isInteger(1)) {
      return failure();
    }
    if (op.getFn() == Fn::bit_not) {
      if (ElementwiseOp inner = asFn(op.getInputs()[0], Fn::bit_not)) {
        rewriter.replaceOp(op, inner.getInputs()[0]);
        return success();
      }
    }
    std::optional<WithSplat> match =
        matchWithSplat(op.getResult(), op.getFn(), constants);
    bool negates = match && match->input.getType() == op.getType() &&
                   ((op.getFn() == Fn::eq && match->number == 0) ||
                    (op.getFn() == Fn::ne && match->number == 1) ||
                    (op.getFn() == Fn::bit_xor && match->number == 1));
    if (!negates) {
      return failure();
    }
    rewriter.replaceOp(op, createFn(rewriter, op.getLoc(), Fn::bit_not,
                                    match->input, op.getType()));
    return success();
  }
};

/// A comparison of a cast boolean with 0, and a cast back, read the boolean.
struct ReadCastBoolean : ElementwisePattern {
  using ElementwisePattern::ElementwisePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getFn() != Fn::eq && op.getFn() != Fn::ne) {
      return failure();
    }
    std::optional<WithSplat> match =
        matchWithSplat(op.getResult(), op.getFn(), constants);
    auto cast = match ? match->input.getDefiningOp<CastOp>() : CastOp();
    if (!cast || !typeOf(cast.getInput()).getElementType().isInteger(1) ||
        (match->number != 0 && match->number != 1)) {
      return failure();
    }
    bool wanted = (op.getFn() == Fn::eq) == (match->number == 1);
    Value flag = cast.getInput();
    rewriter.replaceOp(op, wanted ? flag
                                  : createFn(rewriter, op.getLoc(), Fn::bit_not,
                                             flag, op.getType()));
    return success();
  }
};

/// cast(cast(b) to a number) to a boolean is b.
struct DropCastPair : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(CastOp op,
                                PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<CastOp>();
    if (!inner || inner.getInput().getType() != op.getType() ||
        !op.getType().getElementType().isInteger(1)) {
      return failure();
    }
    rewriter.replaceOp(op, inner.getInput());
    return success();
  }
};

/// select with a known condition, equal arms, or arms true and false.
struct SimplifySelect : ElementwisePattern {
  using ElementwisePattern::ElementwisePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getFn() != Fn::select) {
      return failure();
    }
    OperandRange inputs = op.getInputs();
    std::optional<double> condition = constants.getSplat(inputs[0]);
    Value chosen;
    if (condition) {
      chosen = inputs[*condition != 0 ? 1 : 2];
    } else if (inputs[1] == inputs[2]) {
      chosen = inputs[1];
    } else if (op.getType().getElementType().isInteger(1) &&
               constants.getSplat(inputs[1]) == 1.0 &&
               constants.getSplat(inputs[2]) == 0.0) {
      chosen = inputs[0];
    } else if (ElementwiseOp negated = asFn(inputs[0], Fn::bit_not)) {
      rewriter.replaceOp(
          op, createFn(rewriter, op.getLoc(), Fn::select,
                       {negated.getInputs()[0], inputs[2], inputs[1]},
                       op.getType()));
      return success();
    }
    if (!chosen || chosen.getType() != op.getType()) {
      return failure();
    }
    rewriter.replaceOp(op, chosen);
    return success();
  }
};

/// pow(x, 2) is x * x; 1 / x is a reciprocal, of a root one root.
struct CheaperForm : ElementwisePattern {
  using ElementwisePattern::ElementwisePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    if (op.getFn() == Fn::pow) {
      std::optional<WithSplat> match =
          matchWithSplat(op.getResult(), Fn::pow, constants);
      if (!match || match->number != 2) {
        return failure();
      }
      rewriter.replaceOp(op,
                         createFn(rewriter, loc, Fn::mul,
                                  {match->input, match->input}, op.getType()));
      return success();
    }
    if (op.getFn() == Fn::div &&
        isa<FloatType>(op.getType().getElementType()) &&
        op.getInputs()[1].getType() == op.getType() &&
        constants.getSplat(op.getInputs()[0]) == 1.0) {
      rewriter.replaceOp(op, createFn(rewriter, loc, Fn::reciprocal,
                                      op.getInputs()[1], op.getType()));
      return success();
    }
    ElementwiseOp root = op.getFn() == Fn::reciprocal
                             ? asFn(op.getInputs()[0], Fn::sqrt)
                             : ElementwiseOp();
    if (!root) {
      return failure();
    }
    rewriter.replaceOp(op, createFn(rewriter, loc, Fn::rsqrt,
                                    root.getInputs()[0], op.getType()));
    return success();
  }
};

/// select(is_nan(p), 0, p) of a softmax p: the softmax gives 0 for such rows
/// itself. A row of a softmax is NaN as a whole or not at all.
struct FoldNanGuard : ElementwisePattern {
  using ElementwisePattern::ElementwisePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getFn() != Fn::select ||
        constants.getSplat(op.getInputs()[1]) != 0.0) {
      return failure();
    }
    Value guarded = op.getInputs()[2];
    ElementwiseOp test = asFn(op.getInputs()[0], Fn::is_nan);
    auto softmax = guarded.getDefiningOp<SoftmaxOp>();
    if (!test || !softmax || softmax.getLog() ||
        test.getInputs()[0] != guarded || op.getType() != softmax.getType()) {
      return failure();
    }
    auto copy = cast<SoftmaxOp>(rewriter.clone(*softmax));
    copy.setNanRow(NanRow::zero);
    rewriter.replaceOp(op, copy);
    return success();
  }
};

/// An operand that is repeated to a size that another operand has anyway.
struct DropBroadcastOperand : ElementwisePattern {
  using ElementwisePattern::ElementwisePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getMaybeBroadcast()) {
      return failure();
    }
    for (auto [i, input] : llvm::enumerate(op.getInputs())) {
      auto broadcast = input.getDefiningOp<BroadcastOp>();
      if (!broadcast || broadcast.getMaybeBroadcast() ||
          !othersHaveSizes(op, i, broadcast)) {
        continue;
      }
      rewriter.modifyOpInPlace(
          op, [&, index = i] { op->setOperand(index, broadcast.getInput()); });
      return success();
    }
    return failure();
  }

private:
  static bool othersHaveSizes(ElementwiseOp op, unsigned index,
                              BroadcastOp broadcast) {
    for (int64_t dim = 0; dim < op.getType().getRank(); ++dim) {
      if (typeOf(broadcast.getInput()).getDimSize(dim) != 1 ||
          op.getType().getDimSize(dim) == 1) {
        continue;
      }
      SizeExpr wanted(broadcast.getResult(), dim);
      bool found = false;
      for (auto [i, input] : llvm::enumerate(op.getInputs())) {
        found = found || (i != index && typeOf(input).getDimSize(dim) != 1 &&
                          SizeExpr(input, dim) == wanted);
      }
      if (!found) {
        return false;
      }
    }
    return true;
  }
};

class SimplifyElementwise final
    : public impl::SimplifyElementwisePassBase<SimplifyElementwise> {
public:
  void runOnOperation() override {
    Constants constants(getOperation());
    RewritePatternSet patterns(&getContext());
    patterns
        .add<DropIdentity, AbsorbBoolean, SimplifyNot, ReadCastBoolean,
             SimplifySelect, CheaperForm, FoldNanGuard, DropBroadcastOperand>(
            &getContext(), constants);
    patterns.add<DropCastPair>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitWarning("stopped simplifying before the end");
    }
    constants.eraseUnusedParams();
  }
};

} // namespace
} // namespace dlc
