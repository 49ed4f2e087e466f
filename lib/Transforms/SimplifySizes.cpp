// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic on sizes: ranges of the model's dims decide comparisons, exact
// quotients become products, and what is static moves into types.
#include "Analysis/SizeExpr.h"
#include "Dialect/NN/Sizes.h"
#include "Match.h"
#include "Transforms/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_SIMPLIFYSIZESPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// Sizes above this are taken for unbounded, so that products do not overflow.
constexpr int64_t kUnbounded = int64_t(1) << 40;

/// Both ends included.
struct Range {
  int64_t low = -kUnbounded, high = kUnbounded;

  static Range clamped(int64_t low, int64_t high) {
    return {std::max(low, -kUnbounded), std::min(high, kUnbounded)};
  }
  bool isBounded() const { return low > -kUnbounded && high < kUnbounded; }
};

Range add(Range a, Range b) {
  return Range::clamped(
      a.low == -kUnbounded || b.low == -kUnbounded ? -kUnbounded
                                                   : a.low + b.low,
      a.high == kUnbounded || b.high == kUnbounded ? kUnbounded
                                                   : a.high + b.high);
}

/// Product of ranges; of unbounded ones only where both are not negative.
Range multiply(Range a, Range b) {
  if (a.low >= 0 && b.low >= 0) {
    int64_t low, high;
    bool over = llvm::MulOverflow(a.high, b.high, high);
    llvm::MulOverflow(a.low, b.low, low);
    return Range::clamped(low, over ? kUnbounded : high);
  }
  return {};
}

/// Ranges of index values and truth of conditions, perhaps under the assumption
/// that one value lies in a narrower range than it says itself.
class Ranges {
public:
  Ranges() = default;
  Ranges(Value value, Range range) : assumed(value), assumedRange(range) {}

  Range of(Value value, unsigned depth = 0) const;
  /// What a boolean is whatever the dims, if known.
  std::optional<bool> truth(Value condition, unsigned depth = 0) const;

private:
  Range ofExpr(AffineExpr expr, affine::AffineApplyOp op, unsigned depth) const;
  std::optional<bool> truthOf(arith::CmpIOp op, unsigned depth) const;

  Value assumed;
  Range assumedRange;
};

Range Ranges::ofExpr(AffineExpr expr, affine::AffineApplyOp op,
                     unsigned depth) const {
  AffineMap map = op.getAffineMap();
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    return {constant.getValue(), constant.getValue()};
  }
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    return of(op.getMapOperands()[dim.getPosition()], depth);
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    return of(op.getMapOperands()[map.getNumDims() + symbol.getPosition()],
              depth);
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Range lhs = ofExpr(binary.getLHS(), op, depth),
        rhs = ofExpr(binary.getRHS(), op, depth);
  if (binary.getKind() == AffineExprKind::Add) {
    return add(lhs, rhs);
  }
  return binary.getKind() == AffineExprKind::Mul ? multiply(lhs, rhs) : Range();
}

Range Ranges::of(Value value, unsigned depth) const {
  if (value == assumed) {
    return assumedRange;
  }
  if (std::optional<int64_t> known = getConstantIntValue(value)) {
    return {*known, *known};
  }
  Operation *op = value.getDefiningOp();
  if (!op || depth > 12) {
    return {};
  }
  auto operand = [&](unsigned i) { return of(op->getOperand(i), depth + 1); };
  return llvm::TypeSwitch<Operation *, Range>(op)
      .Case([&](SymDimOp dim) {
        auto max = static_cast<int64_t>(dim.getMax());
        return Range::clamped(static_cast<int64_t>(dim.getMin()),
                              max < 0 ? kUnbounded : max);
      })
      .Case([&](tensor::DimOp) { return Range{0, kUnbounded}; })
      .Case([&](affine::AffineApplyOp apply) {
        return ofExpr(apply.getAffineMap().getResult(0), apply, depth + 1);
      })
      .Case([&](arith::AddIOp) { return add(operand(0), operand(1)); })
      .Case([&](arith::MulIOp) { return multiply(operand(0), operand(1)); })
      .Case([&](arith::MinSIOp) {
        Range a = operand(0), b = operand(1);
        return Range{std::min(a.low, b.low), std::min(a.high, b.high)};
      })
      .Case([&](arith::MaxSIOp) {
        Range a = operand(0), b = operand(1);
        return Range{std::max(a.low, b.low), std::max(a.high, b.high)};
      })
      .Case([&](arith::SelectOp select) {
        if (std::optional<bool> taken =
                truth(select.getCondition(), depth + 1)) {
          return operand(*taken ? 1 : 2);
        }
        Range a = operand(1), b = operand(2);
        return Range{std::min(a.low, b.low), std::max(a.high, b.high)};
      })
      .Default([](Operation *) { return Range(); });
}

/// min and max of values whose ranges are in order.
template <typename Op, bool takesSmaller>
struct FoldMinMax : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    Value lhs = op.getLhs(), rhs = op.getRhs();
    Range a = Ranges().of(lhs), b = Ranges().of(rhs);
    if (a.high <= b.low && a.high < kUnbounded) {
      rewriter.replaceOp(op, takesSmaller ? lhs : rhs);
      return success();
    }
    if (b.high <= a.low && b.high < kUnbounded) {
      rewriter.replaceOp(op, takesSmaller ? rhs : lhs);
      return success();
    }
    return failure();
  }
};

std::optional<bool> Ranges::truthOf(arith::CmpIOp op, unsigned depth) const {
  using arith::CmpIPredicate;
  Range a = of(op.getLhs(), depth), b = of(op.getRhs(), depth);
  bool equal = SizeExpr(OpFoldResult(op.getLhs())) ==
               SizeExpr(OpFoldResult(op.getRhs()));
  bool less = a.high<b.low, greater = a.low> b.high;
  switch (op.getPredicate()) {
  case CmpIPredicate::eq:
    return equal ? std::optional(true)
                 : (less || greater ? std::optional(false) : std::nullopt);
  case CmpIPredicate::ne:
    return equal ? std::optional(false)
                 : (less || greater ? std::optional(true) : std::nullopt);
  case CmpIPredicate::slt:
    return less ? std::optional(true)
                : (equal || a.low >= b.high ? std::optional(false)
                                            : std::nullopt);
  case CmpIPredicate::sle:
    return equal || a.high <= b.low
               ? std::optional(true)
               : (greater ? std::optional(false) : std::nullopt);
  case CmpIPredicate::sgt:
    return greater ? std::optional(true)
                   : (equal || a.high <= b.low ? std::optional(false)
                                               : std::nullopt);
  case CmpIPredicate::sge:
    return equal || a.low >= b.high
               ? std::optional(true)
               : (less ? std::optional(false) : std::nullopt);
  default:
    return std::nullopt;
  }
}

std::optional<bool> Ranges::truth(Value condition, unsigned depth) const {
  APInt constant;
  if (matchPattern(condition, m_ConstantInt(&constant))) {
    return !constant.isZero();
  }
  Operation *op = condition.getDefiningOp();
  if (!op || depth > 12) {
    return std::nullopt;
  }
  if (auto comparison = dyn_cast<arith::CmpIOp>(op)) {
    return comparison.getLhs().getType().isIndex()
               ? truthOf(comparison, depth + 1)
               : std::nullopt;
  }
  if (!isa<arith::OrIOp, arith::AndIOp>(op)) {
    return std::nullopt;
  }
  std::optional<bool> lhs = truth(op->getOperand(0), depth + 1),
                      rhs = truth(op->getOperand(1), depth + 1);
  bool decisive = isa<arith::OrIOp>(op);
  if (lhs == decisive || rhs == decisive) {
    return decisive;
  }
  return lhs && rhs ? std::optional(!decisive) : std::nullopt;
}

struct DecideComparison : OpRewritePattern<arith::CmpIOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::CmpIOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getLhs().getType().isIndex()) {
      return failure();
    }
    std::optional<bool> known = Ranges().truth(op.getResult());
    if (!known) {
      return failure();
    }
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(
        op, rewriter.getBoolAttr(*known));
    return success();
  }
};

/// A quotient that is exact whatever the sizes is a product without it.
struct FoldExactDivision : RewritePattern {
  FoldExactDivision(MLIRContext *context)
      : RewritePattern(arith::FloorDivSIOp::getOperationName(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!op->getResult(0).getType().isIndex()) {
      return failure();
    }
    std::optional<SizeExpr> quotient =
        SizeExpr(OpFoldResult(op->getOperand(0)))
            .dividedBy(SizeExpr(OpFoldResult(op->getOperand(1))));
    if (!quotient) {
      return failure();
    }
    OpFoldResult size = quotient->materialize(rewriter, op->getLoc());
    Value value = dyn_cast<Value>(size);
    if (!value) {
      value = arith::ConstantIndexOp::create(rewriter, op->getLoc(),
                                             *quotient->getStatic());
    }
    rewriter.replaceOp(op, value);
    return success();
  }
};

/// Flags of dims that are equal on all operands where they are not 1 are
/// dropped.
struct DropMaybeBroadcast : OpRewritePattern<ElementwiseOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getMaybeBroadcast()) {
      return failure();
    }
    SmallVector<SmallVector<int64_t>> kept(op.getInputs().size());
    bool changed = false, any = false;
    for (int64_t dim = 0; dim < op.getType().getRank(); ++dim) {
      bool equal = sizesAreEqual(op, dim);
      for (unsigned i = 0; i < kept.size(); ++i) {
        if (!op.mayBroadcast(i, dim)) {
          continue;
        }
        changed |= equal;
        any |= !equal;
        if (!equal) {
          kept[i].push_back(dim);
        }
      }
    }
    if (!changed) {
      return failure();
    }
    SmallVector<Attribute> lists;
    for (ArrayRef<int64_t> dims : kept) {
      lists.push_back(rewriter.getDenseI64ArrayAttr(dims));
    }
    rewriter.modifyOpInPlace(op, [&] {
      op.setMaybeBroadcastAttr(any ? rewriter.getArrayAttr(lists)
                                   : ArrayAttr());
    });
    return success();
  }

private:
  static bool sizesAreEqual(ElementwiseOp op, int64_t dim) {
    std::optional<SizeExpr> common;
    for (Value input : op.getInputs()) {
      if (typeOf(input).getDimSize(dim) == 1) {
        continue;
      }
      SizeExpr size(input, dim);
      if (common && !(*common == size)) {
        return false;
      }
      common = size;
    }
    return true;
  }
};

struct DropBroadcastFlags : OpRewritePattern<BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(BroadcastOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getMaybeBroadcast()) {
      ArrayRef<int64_t> flagged = *op.getMaybeBroadcast();
      for (int64_t dim : flagged) {
        if (!(SizeExpr(op.getInput(), dim) == SizeExpr(op.getResult(), dim))) {
          return failure();
        }
      }
      rewriter.modifyOpInPlace(op, [&] { op.removeMaybeBroadcastAttr(); });
      return success();
    }
    if (sizeExprsOf(op.getInput()) != sizeExprsOf(op.getResult()) ||
        op.getInput().getType() != op.getType()) {
      return failure();
    }
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
};

/// Whether `check` fails for every value of `dim` above `bound`.
bool failsAbove(CheckOp check, SymDimOp dim, int64_t bound) {
  Range above = Range::clamped(bound + 1, kUnbounded);
  return Ranges(dim.getResult(), above).truth(check.getCondition()) == false;
}

/// Sizes with their static part in the type and the values of the others.
void setSizes(Operation *op, RankedTensorType type) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<ReshapeOp, BroadcastOp, IotaOp, GatherOp, ResizeOp>(
          [&](auto sized) {
            SmallVector<Value> kept;
            auto next = sized.getSizes().begin();
            for (auto [old, size] : llvm::zip_equal(
                     typeOf(op->getResult(0)).getShape(), type.getShape())) {
              if (!ShapedType::isDynamic(old)) {
                continue;
              }
              if (ShapedType::isDynamic(size)) {
                kept.push_back(*next);
              }
              ++next;
            }
            sized.getSizesMutable().assign(kept);
          })
      .Case([&](SliceOp slice) {
        SmallVector<Value> kept;
        auto next = slice.getSizes().begin();
        for (auto [old, size] :
             llvm::zip_equal(slice.getStaticSizes(), type.getShape())) {
          if (!ShapedType::isDynamic(old)) {
            continue;
          }
          if (ShapedType::isDynamic(size)) {
            kept.push_back(*next);
          }
          ++next;
        }
        slice.getSizesMutable().assign(kept);
        slice.setStaticSizes(type.getShape());
      });
}

class SimplifySizes final : public impl::SimplifySizesPassBase<SimplifySizes> {
public:
  void runOnOperation() override {
    boundDims();
    RewritePatternSet patterns(&getContext());
    patterns.add<FoldMinMax<arith::MinSIOp, true>,
                 FoldMinMax<arith::MaxSIOp, false>, DecideComparison,
                 FoldExactDivision, DropMaybeBroadcast, DropBroadcastFlags>(
        &getContext());
    arith::SelectOp::getCanonicalizationPatterns(patterns, &getContext());
    CheckOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitWarning("stopped simplifying sizes before the end");
    }
    refineTypes();
  }

private:
  /// A minimum of a dim and a constant, as a slice of so many rows makes it, is
  /// that constant for larger dims; a check may then fail for all of these.
  void boundDims() {
    SmallVector<std::pair<SymDimOp, int64_t>> candidates;
    getOperation().walk([&](arith::MinSIOp min) {
      auto dim = min.getLhs().getDefiningOp<SymDimOp>();
      std::optional<int64_t> bound = getConstantIntValue(min.getRhs());
      if (dim && bound &&
          !llvm::is_contained(candidates, std::pair(dim, *bound))) {
        candidates.push_back({dim, *bound});
      }
    });
    getOperation().walk([&](CheckOp check) {
      // Only what surely runs bounds the inputs.
      if (!isa<func::FuncOp>(check->getParentOp())) {
        return;
      }
      for (auto [dim, bound] : candidates) {
        auto old = static_cast<int64_t>(dim.getMax());
        if ((old < 0 || old > bound) && failsAbove(check, dim, bound)) {
          dim.setMax(bound);
        }
      }
    });
  }

  /// Writes static sizes into the results' types, from operands to users.
  void refineTypes() {
    getOperation().walk([&](func::FuncOp function) {
      if (function.isExternal()) {
        return;
      }
      function.walk<WalkOrder::PreOrder>([&](Operation *op) {
        if (auto cast = dyn_cast<tensor::CastOp>(op)) {
          dropCast(cast);
        } else if (isa_and_nonnull<NNDialect>(op->getDialect()) &&
                   op->getNumRegions() == 0 && op->getNumResults() == 1) {
          refineResult(op->getResult(0));
        }
      });
      Operation *end = function.front().getTerminator();
      function.setType(FunctionType::get(
          &getContext(), function.getArgumentTypes(), end->getOperandTypes()));
    });
  }

  /// Whether `op` may use a tensor of more static dims than it did.
  static bool takesRefined(Operation *op) {
    return isa_and_nonnull<NNDialect>(op->getDialect()) ||
           isa<func::ReturnOp, tensor::DimOp>(op);
  }

  /// A cast that forgets sizes is skipped.
  static void dropCast(tensor::CastOp op) {
    if (tensor::preservesStaticInformation(op.getType(),
                                           op.getSource().getType())) {
      op.getResult().replaceUsesWithIf(op.getSource(), [](OpOperand &use) {
        return takesRefined(use.getOwner());
      });
    }
  }

  /// The result's sizes as far as they are known: those of its operands, or
  /// what the op computes from static ones.
  static SmallVector<int64_t> knownShape(OpResult result) {
    SmallVector<int64_t> shape;
    auto type = cast<RankedTensorType>(result.getType());
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      shape.push_back(
          SizeExpr(result, dim).getStatic().value_or(ShapedType::kDynamic));
    }
    Operation *op = result.getOwner();
    bool isDecided = llvm::all_of(op->getOperands(), [](Value operand) {
      auto tensor = dyn_cast<RankedTensorType>(operand.getType());
      return tensor ? tensor.hasStaticShape()
                    : getConstantIntValue(operand).has_value();
    });
    OpBuilder b(op);
    ReifiedRankedShapedTypeDims sizes;
    if (isDecided && llvm::is_contained(shape, ShapedType::kDynamic) &&
        succeeded(reifyResultShapes(b, op, sizes))) {
      return staticShape(sizes[result.getResultNumber()]);
    }
    return shape;
  }

  void refineResult(OpResult result) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type || type.hasStaticShape()) {
      return;
    }
    RankedTensorType refined = type.clone(knownShape(result));
    if (refined == type) {
      return;
    }
    setSizes(result.getOwner(), refined);
    result.setType(refined);
    // Ops of other dialects may want the old type.
    OpBuilder b(result.getOwner()->getContext());
    b.setInsertionPointAfter(result.getOwner());
    Value old;
    for (OpOperand &use : llvm::make_early_inc_range(result.getUses())) {
      Operation *user = use.getOwner();
      if (!takesRefined(user)) {
        old = old ? old
                  : tensor::CastOp::create(b, result.getLoc(), type, result)
                        .getResult();
        use.set(old);
      }
    }
  }
};

} // namespace
} // namespace dlc
