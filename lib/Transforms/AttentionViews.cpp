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

/// Whether kernels can take `type` under `map` as tensor `index` of an
/// attention (3: the result): K in rows of its depth or its keys, V and the
/// result in rows of theirs, and the others as they like.
bool hasDenseRows(unsigned index, AffineMap map, ShapedType type) {
  std::optional<unsigned> loop = AttentionOp::getInnermostLoop(map, type);
  if (!loop || index == 0 || index > 3) {
    return true;
  }
  return index == 1 ? *loop == kDepth || *loop == kKey : *loop == kColumn;
}

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
        if (i < 3 &&
            !hasDenseRows(i, permuted, transpose.getInput().getType())) {
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

private:
  static AffineMap withResults(AffineMap map, ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(map.getNumDims(), 0, exprs, map.getContext());
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
  patterns.add<FoldViewIntoAttention, FoldTransposeOfAttention>(
      patterns.getContext());
}

} // namespace dlc
