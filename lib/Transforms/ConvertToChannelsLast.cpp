// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gives convolutions and pools channels_last form between transposes, then
// moves the transposes behind them towards the end, where they meet those in
// front of the next and cancel.
#include "Match.h"
#include "Transforms/Passes.h"
#include "ViewChain.h"
#include "ViewPatterns.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_CONVERTTOCHANNELSLASTPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// N, spatial..., C to N, C, spatial....
SmallVector<int64_t> toFirst(int64_t rank) {
  SmallVector<int64_t> permutation{0, rank - 1};
  for (int64_t dim = 1; dim < rank - 1; ++dim) {
    permutation.push_back(dim);
  }
  return permutation;
}

SmallVector<int64_t> toLast(int64_t rank) {
  return invertPermutationVector(toFirst(rank));
}

/// The transpose to channels-first that makes `value`, or null.
TransposeOp asToFirst(Value value) {
  auto op = value.getDefiningOp<TransposeOp>();
  if (!op || op.getType().getRank() < 3 ||
      op.getPermutation() != ArrayRef(toFirst(op.getType().getRank()))) {
    return {};
  }
  return op;
}

RankedTensorType permuted(RankedTensorType type,
                          ArrayRef<int64_t> permutation) {
  return type.clone(applyPermutation(type.getShape(), permutation));
}

/// `op` between transposes, with the first operand and all results in
/// channels-last order.
void convert(Operation *op) {
  OpBuilder b(op);
  auto type = typeOf(op->getResult(0));
  int64_t rank = type.getRank();
  Value input = transposeTo(b, op->getLoc(), op->getOperand(0), toLast(rank));
  op->setOperand(0, input);
  op->setAttr("channels_last", b.getUnitAttr());
  op->getResult(0).setType(permuted(type, toLast(rank)));
  b.setInsertionPointAfter(op);
  auto back = TransposeOp::create(b, op->getLoc(), type, op->getResult(0),
                                  toFirst(rank));
  op->getResult(0).replaceAllUsesExcept(back, back);
}

/// Rewrites one op on channels-first transposes of tensors to the same op on
/// the tensors, and one transpose after it.
class TransposeSinker : public RewritePattern {
public:
  TransposeSinker(MLIRContext *context, Constants &constants)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context), constants(constants) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isa<ElementwiseOp, CastOp, SoftmaxOp, ConcatOp, PadOp, BatchNormOp,
             NormOp, ResizeOp>(op) ||
        op->getNumResults() != 1) {
      return failure();
    }
    int64_t rank = typeOf(op->getResult(0)).getRank();
    if (rank < 3) {
      return failure();
    }
    unsigned tensors =
        isa<ElementwiseOp, ConcatOp>(op) ? op->getNumOperands() : 1;
    if (llvm::none_of(op->getOperands().take_front(tensors), asToFirst) ||
        !isMovable(op)) {
      return failure();
    }
    SmallVector<Value> operands(op->getOperands());
    for (Value &operand : MutableArrayRef(operands).take_front(tensors)) {
      operand = moved(operand, rewriter);
      if (!operand) {
        return rewriter.notifyMatchFailure(
            op, "an operand is channels-first already");
      }
    }
    Operation *copy = rewriter.clone(*op);
    copy->setOperands(operands);
    auto type = typeOf(op->getResult(0));
    copy->getResult(0).setType(permuted(type, toLast(rank)));
    permuteAttributes(copy, rank);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, type, copy->getResult(0),
                                             toFirst(rank));
    return success();
  }

private:
  /// `operand` in channels-last order, or null where that would cost a
  /// transpose.
  Value moved(Value operand, PatternRewriter &rewriter) const {
    if (TransposeOp transpose = asToFirst(operand)) {
      return transpose.getInput();
    }
    RankedTensorType type = typeOf(operand);
    SmallVector<int64_t> permutation = toLast(type.getRank());
    if (constants.isConstant(operand)) {
      return constants.transform(
          rewriter, operand,
          PermuteAttr::get(operand.getContext(), permutation));
    }
    // With one spatial dim, both directions are the same permutation: a new
    // transpose would be taken for one to channels-first and moved back.
    if (type.getRank() == 3) {
      return {};
    }
    for (Operation *user : operand.getUsers()) {
      auto transpose = dyn_cast<TransposeOp>(user);
      if (transpose && transpose.getPermutation() == ArrayRef(permutation)) {
        return transposeTo(rewriter, operand.getLoc(), operand, permutation);
      }
    }
    // One dim besides the batch: a reshape, no copy.
    unsigned wide = llvm::count_if(type.getShape().drop_front(),
                                   [](int64_t size) { return size != 1; });
    return wide <= 1
               ? transposeTo(rewriter, operand.getLoc(), operand, permutation)
               : Value();
  }

  /// Whether the op's attributes can be permuted.
  static bool isMovable(Operation *op) {
    if (auto norm = dyn_cast<NormOp>(op)) {
      return !norm.getMean() && !norm.getInvStd() &&
             norm.getAffineDims().size() <= 1;
    }
    if (auto resize = dyn_cast<ResizeOp>(op)) {
      return !llvm::is_contained(resize.getAxes(), 1) && !resize.getRoi();
    }
    if (auto elementwise = dyn_cast<ElementwiseOp>(op)) {
      return !elementwise.getMaybeBroadcast();
    }
    return true;
  }

  /// Axes and lists per dim follow the dims.
  static void permuteAttributes(Operation *op, int64_t rank) {
    SmallVector<int64_t> first = toFirst(rank), last = toLast(rank);
    auto moveAll = [&](ArrayRef<int64_t> axes) {
      SmallVector<int64_t> result;
      for (int64_t axis : axes) {
        result.push_back(first[axis]);
      }
      llvm::sort(result);
      return result;
    };
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](SoftmaxOp softmax) {
          softmax.setAxes(moveAll(softmax.getAxes()));
        })
        .Case([&](ConcatOp concat) { concat.setAxis(first[concat.getAxis()]); })
        .Case([&](BatchNormOp norm) {
          norm.setChannelDim(first[norm.getChannelDim()]);
        })
        .Case([&](NormOp norm) {
          norm.setAxes(moveAll(norm.getAxes()));
          norm.setAffineDims(moveAll(norm.getAffineDims()));
          norm.setChannelDim(first[norm.getChannelDim()]);
        })
        .Case(
            [&](ResizeOp resize) { resize.setAxes(moveAll(resize.getAxes())); })
        .Case([&](PadOp pad) { permutePad(pad, last); });
  }

  static void permutePad(PadOp pad, ArrayRef<int64_t> permutation) {
    SmallVector<OpFoldResult> low = pad.getMixedLow(),
                              high = pad.getMixedHigh();
    applyPermutationToVector(low, permutation);
    applyPermutationToVector(high, permutation);
    auto split = [](ArrayRef<OpFoldResult> mixed, SmallVector<Value> &values) {
      SmallVector<int64_t> statics;
      dispatchIndexOpFoldResults(mixed, values, statics);
      return statics;
    };
    SmallVector<Value> lowValues, highValues;
    pad.setStaticLow(split(low, lowValues));
    pad.setStaticHigh(split(high, highValues));
    pad.getLowMutable().assign(lowValues);
    pad.getHighMutable().assign(highValues);
  }

  Constants &constants;
};

class ConvertToChannelsLast final
    : public impl::ConvertToChannelsLastPassBase<ConvertToChannelsLast> {
public:
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      auto conv = dyn_cast<ConvOp>(op);
      auto pool = dyn_cast<PoolOp>(op);
      if ((conv && !conv.getChannelsLast()) ||
          (pool && !pool.getChannelsLast() && !pool.getIndices())) {
        ops.push_back(op);
      }
    });
    if (ops.empty()) {
      return;
    }
    for (Operation *op : ops) {
      convert(op);
    }
    Constants constants(getOperation());
    RewritePatternSet patterns(&getContext());
    patterns.add<TransposeSinker>(&getContext(), constants);
    populateViewPatterns(patterns, constants);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitWarning("stopped moving transposes before the end");
    }
    constants.eraseUnusedParams();
  }
};

} // namespace
} // namespace dlc
