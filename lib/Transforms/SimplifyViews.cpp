// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Brings reshapes, transposes, slices and gathers by constants to one form, and
// lets contractions read through transposes and broadcasts.
#include "Constants.h"
#include "Transforms/Passes.h"
#include "ViewChain.h"
#include "ViewPatterns.h"

#include "Dialect/NN/Sizes.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_SIMPLIFYVIEWSPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

bool isView(Operation *op) {
  return isa_and_nonnull<ReshapeOp, TransposeOp>(op);
}

/// Reshapes and transposes in a row become at most three, a transpose last
/// where that costs no op more.
struct NormalizeViewChain : RewritePattern {
  NormalizeViewChain(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isView(op) || endsElsewhere(op)) {
      return failure();
    }
    SmallVector<Operation *> ops{op}; // from the last to the first
    while (isView(ops.back()->getOperand(0).getDefiningOp())) {
      ops.push_back(ops.back()->getOperand(0).getDefiningOp());
    }
    unsigned removed = 1;
    while (removed < ops.size() && ops[removed]->hasOneUse()) {
      ++removed;
    }
    for (size_t length = ops.size(); length > 0; --length) {
      if (succeeded(
              rewrite(ArrayRef(ops).take_front(length), removed, rewriter))) {
        return success();
      }
    }
    return failure();
  }

private:
  /// Whether the only user continues the chain; then the chain is looked at
  /// from there.
  static bool endsElsewhere(Operation *op) {
    return op->hasOneUse() && isView(*op->user_begin());
  }

  static LogicalResult rewrite(ArrayRef<Operation *> ops, unsigned removed,
                               PatternRewriter &rewriter) {
    Operation *last = ops.front();
    Value input = ops.back()->getOperand(0);
    SmallVector<SizeExpr> sizes = sizeExprsOf(input);
    ViewChain chain(sizes);
    for (Operation *op : llvm::reverse(ops)) {
      if (!chain.apply(op)) {
        return failure();
      }
    }
    ViewPlan plan(chain, sizes, sizeExprsOf(last->getResult(0)));
    unsigned before = std::min<unsigned>(removed, ops.size());
    bool better = plan.getNumOps() < before ||
                  (plan.getNumOps() == before && isa<ReshapeOp>(last) &&
                   plan.endsWithTranspose());
    if (!better) {
      return failure();
    }
    rewriter.replaceOp(
        last, plan.build(rewriter, last->getLoc(), input,
                         cast<RankedTensorType>(last->getResult(0).getType())));
    return success();
  }
};

/// slice(transpose(x)) reads the slice first, so that the transpose can go on
/// to its reader.
struct SliceBeforeTranspose : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SliceOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<TransposeOp>();
    if (!transpose) {
      return failure();
    }
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    SmallVector<OpFoldResult> lists[] = {
        op.getMixedOffsets(), op.getMixedSizes(), op.getMixedStrides()};
    for (SmallVector<OpFoldResult> &list : lists) {
      applyPermutationToVector(list, invertPermutationVector(permutation));
    }
    Value slice = SliceOp::create(rewriter, op.getLoc(), transpose.getInput(),
                                  lists[0], lists[1], lists[2]);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), slice,
                                             permutation);
    return success();
  }
};

/// reshape(broadcast(x)) that only makes or drops dims of size 1 does so before
/// the repetition.
struct ReshapeBeforeBroadcast : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ReshapeOp op,
                                PatternRewriter &rewriter) const override {
    auto broadcast = op.getInput().getDefiningOp<BroadcastOp>();
    if (!broadcast || broadcast.getMaybeBroadcast()) {
      return failure();
    }
    // The source's sizes of the dims that are not 1 in both shapes.
    SmallVector<SizeExpr> before, after, source;
    for (auto [dim, size] :
         llvm::enumerate(sizeExprsOf(broadcast.getResult()))) {
      if (!size.isOne()) {
        before.push_back(size);
        source.emplace_back(broadcast.getInput(), dim);
      }
    }
    SmallVector<SizeExpr> shape = sizeExprsOf(op.getResult());
    SmallVector<SizeExpr> newSource;
    for (const SizeExpr &size : shape) {
      if (size.isOne()) {
        newSource.push_back(size);
        continue;
      }
      if (after.size() == source.size()) {
        return failure();
      }
      newSource.push_back(source[after.size()]);
      after.push_back(size);
    }
    if (before != after) {
      return rewriter.notifyMatchFailure(op, "other dims change too");
    }
    Value reshaped =
        reshapeTo(rewriter, op.getLoc(), broadcast.getInput(), newSource);
    rewriter.replaceOpWithNewOp<BroadcastOp>(op, op.getType(), reshaped,
                                             op.getSizes(), nullptr);
    return success();
  }
};

/// Elements first, first + step, ... of `count`.
struct Progression {
  int64_t first, step;
};

/// The progression that a constant index tensor is, negative indices wrapped.
std::optional<Progression> progressionOf(const HostTensor &indices,
                                         bool negativeWrap, int64_t size) {
  auto at = [&](int64_t i) {
    int64_t index = indices.getInt(i);
    return negativeWrap && index < 0 ? index + size : index;
  };
  int64_t count = indices.getNumElements();
  if (count == 0) {
    return std::nullopt;
  }
  Progression result{at(0), count > 1 ? at(1) - at(0) : 1};
  for (int64_t i = 0; i < count; ++i) {
    int64_t expected = result.first + i * result.step;
    if (at(i) != expected || expected < 0 || expected >= size) {
      return std::nullopt;
    }
  }
  return result.step == 0 ? std::nullopt : std::optional(result);
}

/// A gather along one dim by a constant number or progression is a slice.
struct GatherToSlice : OpRewritePattern<GatherOp> {
  GatherToSlice(MLIRContext *context, Constants &constants)
      : OpRewritePattern(context), constants(constants) {}

  LogicalResult matchAndRewrite(GatherOp op,
                                PatternRewriter &rewriter) const override {
    RankedTensorType input = op.getInput().getType();
    if (op.getIndices().size() != 1) {
      return failure();
    }
    int64_t axis = op.getIndexedDims()[0];
    std::optional<HostTensor> indices = constants.get(op.getIndices()[0]);
    if (!indices || input.isDynamicDim(axis)) {
      return failure();
    }
    std::optional<Progression> progression =
        progressionOf(*indices, op.getNegativeWrap(), input.getDimSize(axis));
    if (!progression || !isAlongAxis(op, axis, *indices)) {
      return rewriter.notifyMatchFailure(op, "no slice along one dim");
    }
    Location loc = op.getLoc();
    Sizes sizes = sizesOf(rewriter, loc, op.getInput());
    Sizes offsets(sizes.size(), rewriter.getIndexAttr(0)),
        strides(sizes.size(), rewriter.getIndexAttr(1));
    sizes[axis] = rewriter.getIndexAttr(indices->getNumElements());
    offsets[axis] = rewriter.getIndexAttr(progression->first);
    strides[axis] = rewriter.getIndexAttr(progression->step);
    Value slice =
        SliceOp::create(rewriter, loc, op.getInput(), offsets, sizes, strides);
    if (slice.getType() != op.getType()) {
      slice =
          ReshapeOp::create(rewriter, loc, op.getType(), slice, op.getSizes());
    }
    rewriter.replaceOp(op, slice);
    return success();
  }

private:
  /// Whether the loops are the input's dims in order, with those of the indices
  /// (none, or row-major as a whole) in the place of `axis`.
  static bool isAlongAxis(GatherOp op, int64_t axis,
                          const HostTensor &indices) {
    MLIRContext *context = op.getContext();
    unsigned indexRank = indices.getType().getRank();
    SmallVector<AffineExpr> others, ours;
    for (unsigned loop = 0; loop < op.getType().getRank(); ++loop) {
      bool isOurs = loop >= axis && loop < axis + indexRank;
      (isOurs ? ours : others).push_back(getAffineDimExpr(loop, context));
    }
    return llvm::equal(op.getInputMap().getResults(), others) &&
           llvm::equal(op.getIndexMap(0).getResults(), ours);
  }

  Constants &constants;
};

/// The contraction with another operand `index` under another map.
void setOperand(ContractOp op, unsigned index, Value value, AffineMap map,
                PatternRewriter &rewriter) {
  SmallVector<Attribute> maps(op.getMaps().getValue());
  maps[index] = AffineMapAttr::get(map);
  rewriter.modifyOpInPlace(op, [&] {
    op->setOperand(index, value);
    op.setMapsAttr(rewriter.getArrayAttr(maps));
  });
}

/// contract(transpose(x)) reads x under a permuted map.
struct FoldTransposeIntoContract : OpRewritePattern<ContractOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    for (unsigned i = 0; i < 2; ++i) {
      auto transpose = op->getOperand(i).getDefiningOp<TransposeOp>();
      if (!transpose) {
        continue;
      }
      AffineMap map = op.getMap(i);
      SmallVector<AffineExpr> exprs(map.getNumResults());
      for (auto [dim, source] : llvm::enumerate(transpose.getPermutation())) {
        exprs[source] = map.getResult(dim);
      }
      setOperand(op, i, transpose.getInput(),
                 AffineMap::get(map.getNumDims(), 0, exprs, op.getContext()),
                 rewriter);
      return success();
    }
    return failure();
  }
};

/// contract(broadcast(x), y) drops from x's map the dims that only repeat, as
/// far as y has them.
struct FoldBroadcastIntoContract : OpRewritePattern<ContractOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    for (unsigned i = 0; i < 2; ++i) {
      auto broadcast = op->getOperand(i).getDefiningOp<BroadcastOp>();
      if (!broadcast || broadcast.getMaybeBroadcast() || op.getLhsZero() ||
          op.getRhsZero()) {
        continue;
      }
      RankedTensorType input = broadcast.getInput().getType(),
                       result = broadcast.getType();
      AffineMap map = op.getMap(i), other = op.getMap(1 - i);
      SmallVector<AffineExpr> exprs;
      SmallVector<SizeExpr> kept;
      for (int64_t dim = 0; dim < input.getRank(); ++dim) {
        bool repeats =
            input.getDimSize(dim) == 1 && result.getDimSize(dim) != 1;
        if (repeats && !other.getResultPosition(map.getResult(dim))) {
          return rewriter.notifyMatchFailure(op, "a dim is in one operand");
        }
        if (!repeats) {
          exprs.push_back(map.getResult(dim));
          kept.emplace_back(broadcast.getInput(), dim);
        }
      }
      Value source =
          reshapeTo(rewriter, broadcast.getLoc(), broadcast.getInput(), kept);
      setOperand(op, i, source,
                 AffineMap::get(map.getNumDims(), 0, exprs, op.getContext()),
                 rewriter);
      return success();
    }
    return failure();
  }
};

/// rotary(transpose(x)) turns x first, with the tables in its order, so that
/// the transpose can go on to its reader.
struct RotaryBeforeTranspose : OpRewritePattern<RotaryOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(RotaryOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<TransposeOp>();
    if (!transpose) {
      return failure();
    }
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    SmallVector<int64_t> inverse = invertPermutationVector(permutation);
    Value tables[2] = {op.getCos(), op.getSin()};
    for (Value &table : tables) {
      table = transposeTo(rewriter, op.getLoc(), table, inverse);
    }
    auto rotary =
        RotaryOp::create(rewriter, op.getLoc(), transpose.getInput().getType(),
                         transpose.getInput(), tables[0], tables[1],
                         permutation[op.getDim()], op.getInterleaved());
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(),
                                             rotary.getResult(), permutation);
    return success();
  }
};

/// reduce(transpose(x)) reduces the dims of x, where those that stay keep their
/// order.
struct FoldTransposeIntoReduce : OpRewritePattern<ReduceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ReduceOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<TransposeOp>();
    bool isArg = op.getKind() == ReduceKind::argmax ||
                 op.getKind() == ReduceKind::argmin;
    if (!transpose || isArg) {
      return failure();
    }
    SmallVector<int64_t> axes, kept;
    for (auto [dim, source] : llvm::enumerate(transpose.getPermutation())) {
      bool reduced =
          llvm::is_contained(op.getAxes(), static_cast<int64_t>(dim));
      (reduced ? axes : kept).push_back(source);
    }
    if (!llvm::is_sorted(kept)) {
      return rewriter.notifyMatchFailure(op, "the dims that stay are permuted");
    }
    llvm::sort(axes);
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(transpose.getInput());
      op.setAxes(axes);
    });
    return success();
  }
};

class SimplifyViews final : public impl::SimplifyViewsPassBase<SimplifyViews> {
public:
  void runOnOperation() override {
    Constants constants(getOperation());
    RewritePatternSet patterns(&getContext());
    populateViewPatterns(patterns, constants);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitWarning("stopped simplifying views before the end");
    }
    constants.eraseUnusedParams();
  }
};

} // namespace

void populateViewPatterns(RewritePatternSet &patterns, Constants &constants) {
  patterns.add<NormalizeViewChain, SliceBeforeTranspose, RotaryBeforeTranspose,
               ReshapeBeforeBroadcast, FoldTransposeIntoContract,
               FoldBroadcastIntoContract, FoldTransposeIntoReduce>(
      patterns.getContext());
  patterns.add<GatherToSlice>(patterns.getContext(), constants);
}

} // namespace dlc
