// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Views around nn.attention become part of its maps.
#include "Match.h"
#include "ViewChain.h"
#include "ViewPatterns.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;

namespace dlc {

using namespace nn;

namespace {

/// Replaces tensor `index` of (query, key, value, score and mask inputs) and
/// its map.
void setTensor(AttentionOp op, unsigned index, Value tensor, AffineMap map,
               PatternRewriter &rewriter) {
  SmallVector<Attribute> maps(op.getMaps().getValue());
  // The result's map stands between the value's and the inputs'.
  maps[index < 3 ? index : index + 1] = AffineMapAttr::get(map);
  rewriter.modifyOpInPlace(op, [&] {
    op->setOperand(index, tensor);
    op.setMapsAttr(rewriter.getArrayAttr(maps));
  });
}

/// Whether neighbours along `loop` are neighbours in memory, or there are none.
bool isDenseAlong(AffineMap map, ShapedType type, unsigned loop) {
  std::optional<unsigned> place =
      map.getResultPosition(getAffineDimExpr(loop, map.getContext()));
  return !place || type.getDimSize(*place) == 1 ||
         AttentionOp::getInnermostLoop(map, type) == loop;
}

/// The loop whose neighbours should lie together in tensor `index` of an
/// attention (3: the result, then the inputs of its regions), which is not the
/// query.
unsigned rowLoopOf(unsigned index) {
  return index == 1 ? kDepth : index < 4 ? kColumn : kKey;
}

/// Whether kernels can take `type` under `map` as tensor `index`: K in rows of
/// its depth or its keys, V and the result in rows of theirs, the inputs of
/// regions in rows of keys, and the query as it likes.
bool hasDenseRows(unsigned index, AffineMap map, ShapedType type) {
  return index == 0 || isDenseAlong(map, type, rowLoopOf(index)) ||
         (index == 1 && isDenseAlong(map, type, kKey));
}

AffineMap withResults(AffineMap map, ArrayRef<AffineExpr> exprs) {
  return AffineMap::get(map.getNumDims(), 0, exprs, map.getContext());
}

/// The order of dims in which that of tensor `index`'s rows is the last.
SmallVector<int64_t> orderOfRows(unsigned index, AffineMap map) {
  unsigned row = *map.getResultPosition(
      getAffineDimExpr(rowLoopOf(index), map.getContext()));
  SmallVector<int64_t> order;
  for (int64_t dim = 0; dim < map.getNumResults(); ++dim) {
    if (dim != row) {
      order.push_back(dim);
    }
  }
  order.push_back(row);
  return order;
}

Value transpose(PatternRewriter &rewriter, Value tensor,
                ArrayRef<int64_t> order) {
  auto type = cast<RankedTensorType>(tensor.getType());
  return TransposeOp::create(
      rewriter, tensor.getLoc(),
      type.clone(applyPermutation(type.getShape(), order)), tensor, order);
}

/// What lies in no rows that kernels take is transposed before, or after.
struct TransposeIntoRows : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    for (unsigned i = 1; i < op->getNumOperands(); ++i) {
      unsigned index = i < 3 ? i : i + 1;
      AffineMap map = op.getMap(index);
      Value tensor = op->getOperand(i);
      if (hasDenseRows(index, map, cast<ShapedType>(tensor.getType()))) {
        continue;
      }
      SmallVector<int64_t> order = orderOfRows(index, map);
      setTensor(op, i, transpose(rewriter, tensor, order),
                withResults(map, applyPermutation(map.getResults(), order)),
                rewriter);
      return success();
    }
    return transposeResult(op, rewriter);
  }

private:
  static LogicalResult transposeResult(AttentionOp op,
                                       PatternRewriter &rewriter) {
    AffineMap map = op.getMap(3);
    RankedTensorType type = op.getResult().getType();
    if (hasDenseRows(3, map, type)) {
      return failure();
    }
    SmallVector<int64_t> order = orderOfRows(3, map);
    SmallVector<Attribute> maps(op.getMaps().getValue());
    maps[3] = AffineMapAttr::get(
        withResults(map, applyPermutation(map.getResults(), order)));
    rewriter.modifyOpInPlace(op, [&] {
      op.setMapsAttr(rewriter.getArrayAttr(maps));
      op.getResult().setType(
          type.clone(applyPermutation(type.getShape(), order)));
    });
    rewriter.setInsertionPointAfter(op);
    Value restored =
        transpose(rewriter, op.getResult(), invertPermutationVector(order));
    rewriter.replaceAllUsesExcept(op.getResult(), restored,
                                  restored.getDefiningOp());
    return success();
  }
};

/// attention(transpose(x)) reads x under a permuted map, and repeated dims drop
/// out of the map.
struct FoldViewIntoAttention : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      AffineMap map = op.getMap(i < 3 ? i : i + 1);
      Operation *view = op->getOperand(i).getDefiningOp();
      if (auto transpose = dyn_cast_or_null<TransposeOp>(view)) {
        SmallVector<AffineExpr> exprs(map.getNumResults());
        for (auto [dim, source] : llvm::enumerate(transpose.getPermutation())) {
          exprs[source] = map.getResult(dim);
        }
        AffineMap permuted = withResults(map, exprs);
        if (!hasDenseRows(i < 3 ? i : i + 1, permuted,
                          transpose.getInput().getType())) {
          continue;
        }
        setTensor(op, i, transpose.getInput(), permuted, rewriter);
        return success();
      }
      auto broadcast = dyn_cast_or_null<BroadcastOp>(view);
      if (!broadcast || broadcast.getMaybeBroadcast() || i == 0) {
        continue;
      }
      SmallVector<AffineExpr> exprs;
      SmallVector<SizeExpr> kept;
      for (auto [dim, size] :
           llvm::enumerate(broadcast.getInput().getType().getShape())) {
        if (size != 1) {
          exprs.push_back(map.getResult(dim));
          kept.emplace_back(broadcast.getInput(), dim);
        } else if (i < 3 &&
                   !op.getMap(0).getResultPosition(map.getResult(dim))) {
          return failure();
        }
      }
      setTensor(op, i,
                reshapeTo(rewriter, op.getLoc(), broadcast.getInput(), kept),
                withResults(map, exprs), rewriter);
      return success();
    }
    return failure();
  }
};

/// transpose(attention) writes its result in that order.
struct FoldTransposeOfAttention : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(TransposeOp op,
                                PatternRewriter &rewriter) const override {
    auto attention = op.getInput().getDefiningOp<AttentionOp>();
    if (!attention || !attention.getResult().hasOneUse() ||
        op.getInput() != attention.getResult()) {
      return failure();
    }
    AffineMap map = attention.getMap(3);
    SmallVector<AffineExpr> exprs =
        applyPermutation(map.getResults(), op.getPermutation());
    AffineMap permuted =
        AffineMap::get(map.getNumDims(), 0, exprs, op.getContext());
    if (!hasDenseRows(3, permuted, op.getType())) {
      return failure();
    }
    SmallVector<Attribute> maps(attention.getMaps().getValue());
    maps[3] = AffineMapAttr::get(permuted);
    rewriter.modifyOpInPlace(attention, [&] {
      attention.setMapsAttr(rewriter.getArrayAttr(maps));
      attention.getResult().setType(op.getType());
    });
    rewriter.replaceOp(op, attention.getResult());
    return success();
  }
};

} // namespace

void populateAttentionViewPatterns(RewritePatternSet &patterns) {
  patterns
      .add<FoldViewIntoAttention, FoldTransposeOfAttention, TransposeIntoRows>(
          patterns.getContext());
}

} // namespace dlc
