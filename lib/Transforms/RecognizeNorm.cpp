// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds normalisations that exporters write out: layer norm, RMS norm (Zhang
// and Sennrich, 2019), and group norm as an instance norm of reshaped channels.
#include "Match.h"
#include "Transforms/Passes.h"
#include "ViewChain.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_RECOGNIZENORMPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// `value` without reshapes that only make or drop dims of size 1, and without
/// broadcasts and float casts.
Value stripUnits(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    auto reshape = dyn_cast<ReshapeOp>(op);
    bool units = false;
    if (reshape) {
      auto wide = [](RankedTensorType type) {
        return llvm::to_vector(llvm::make_filter_range(
            type.getShape(), [](int64_t size) { return size != 1; }));
      };
      units = wide(reshape.getInput().getType()) == wide(reshape.getType());
    }
    if (!units && !isa<BroadcastOp>(op)) {
      return value;
    }
    value = op->getOperand(0);
  }
  return value;
}

/// The mean over `axes` that `value` is, whatever dims of size 1 it has.
ReduceOp asMean(Value value) {
  auto reduce = stripUnits(value).getDefiningOp<ReduceOp>();
  return reduce && reduce.getKind() == ReduceKind::mean ? reduce : ReduceOp();
}

/// x of x * x.
Value asSquare(Value value) {
  ElementwiseOp op = asFn(value, Fn::mul);
  return op && op.getInputs()[0] == op.getInputs()[1] ? op.getInputs()[0]
                                                      : Value();
}

/// (x - mean(x)) as x and the axes, or null.
Value asCentred(Value value, ArrayRef<int64_t> &axes) {
  ElementwiseOp op = asFn(value, Fn::sub);
  ReduceOp mean = op ? asMean(op.getInputs()[1]) : ReduceOp();
  if (!mean || mean.getInput() != op.getInputs()[0]) {
    return {};
  }
  axes = mean.getAxes();
  return mean.getInput();
}

/// What normalises `numerator`: its mean square over axes plus epsilon, whose
/// inverse root it is multiplied with.
struct Normalised {
  Value numerator;
  SmallVector<int64_t> axes;
  double epsilon;
};

/// mean(n * n) + epsilon, with n in `numerator`.
std::optional<Normalised> matchVariance(Value value, Constants &constants) {
  auto sum = matchWithSplat(stripUnits(value), Fn::add, constants);
  ReduceOp mean = sum ? asMean(sum->input) : ReduceOp();
  Value numerator = mean ? asSquare(mean.getInput()) : Value();
  if (!numerator) {
    return std::nullopt;
  }
  return Normalised{numerator, SmallVector<int64_t>(mean.getAxes()),
                    sum->number};
}

/// n * rsqrt(mean(n * n) + epsilon), or n / sqrt(...).
std::optional<Normalised> matchNormalised(Value value, Constants &constants) {
  auto op = value.getDefiningOp<ElementwiseOp>();
  if (!op || (op.getFn() != Fn::mul && op.getFn() != Fn::div)) {
    return std::nullopt;
  }
  Fn rootFn = op.getFn() == Fn::mul ? Fn::rsqrt : Fn::sqrt;
  for (unsigned i : {1, 0}) {
    if (op.getFn() == Fn::div && i == 0) {
      break;
    }
    ElementwiseOp root = asFn(stripUnits(op.getInputs()[i]), rootFn);
    std::optional<Normalised> match =
        root ? matchVariance(root.getInputs()[0], constants) : std::nullopt;
    if (match && match->numerator == op.getInputs()[1 - i] &&
        match->numerator.getType() == op.getType()) {
      return match;
    }
  }
  return std::nullopt;
}

struct NormPattern : OpRewritePattern<ElementwiseOp> {
  NormPattern(MLIRContext *context, Constants &constants)
      : OpRewritePattern(context), constants(constants) {}
  Constants &constants;
};

NormOp createNorm(PatternRewriter &rewriter, Location loc, Value x, Value scale,
                  Value bias, NormStat stat, ArrayRef<int64_t> axes,
                  ArrayRef<int64_t> affineDims, double epsilon) {
  return NormOp::create(
      rewriter, loc, x.getType(), Type(), Type(), x, scale, bias,
      NormStatAttr::get(rewriter.getContext(), stat),
      rewriter.getDenseI64ArrayAttr(axes), rewriter.getI64IntegerAttr(0),
      rewriter.getI64IntegerAttr(1), rewriter.getDenseI64ArrayAttr(affineDims),
      rewriter.getF64FloatAttr(epsilon), TypeAttr());
}

/// The core of a layer or RMS norm, without scale and bias.
struct RecognizeStatistics : NormPattern {
  using NormPattern::NormPattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<Normalised> match =
        matchNormalised(op.getResult(), constants);
    if (!match) {
      return failure();
    }
    ArrayRef<int64_t> centredAxes;
    Value x = asCentred(match->numerator, centredAxes);
    bool isCentred = x && centredAxes == ArrayRef(match->axes);
    if (!isCentred) {
      x = match->numerator;
    }
    NormOp norm = createNorm(rewriter, op.getLoc(), x, {}, {},
                             isCentred ? NormStat::mean_var : NormStat::rms,
                             match->axes, {}, match->epsilon);
    rewriter.replaceOp(op, norm.getResult());
    return success();
  }
};

/// A vector over `dims` of the input that `operand`, which broadcasts against
/// the norm's result, is; null where it varies along other dims.
Value asAffine(PatternRewriter &rewriter, Value operand, RankedTensorType type,
               ArrayRef<int64_t> dims) {
  RankedTensorType shape = typeOf(operand);
  SmallVector<SizeExpr> sizes;
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    bool wanted = llvm::is_contained(dims, dim);
    if (shape.getDimSize(dim) != (wanted ? type.getDimSize(dim) : 1) ||
        shape.isDynamicDim(dim)) {
      return {};
    }
    if (wanted) {
      sizes.emplace_back(shape.getDimSize(dim));
    }
  }
  return reshapeTo(rewriter, operand.getLoc(), operand, sizes);
}

/// norm(x) * scale and norm(x) + bias take over constants along the normalised
/// dims, or along the channels of a norm with groups.
struct TakeOverAffine : NormPattern {
  using NormPattern::NormPattern;

  LogicalResult matchAndRewrite(ElementwiseOp op,
                                PatternRewriter &rewriter) const override {
    bool isScale = op.getFn() == Fn::mul;
    if (!isScale && op.getFn() != Fn::add) {
      return failure();
    }
    for (unsigned i = 0; i < 2; ++i) {
      auto norm = op.getInputs()[i].getDefiningOp<NormOp>();
      Value operand = op.getInputs()[1 - i];
      if (!norm || !norm.getResult().hasOneUse() || norm.getMean() ||
          norm.getInvStd() || norm.getType(0) != op.getType() ||
          norm.getBias() || (isScale && norm.getScale()) ||
          (!isScale && norm.getStat() == NormStat::rms) ||
          !constants.isConstant(stripUnits(operand))) {
        continue;
      }
      SmallVector<int64_t> dims(norm.getAffineDims());
      if (dims.empty()) {
        dims = norm.getGroups() > 0 ? SmallVector<int64_t>{static_cast<int64_t>(
                                          norm.getChannelDim())}
                                    : SmallVector<int64_t>(norm.getAxes());
      }
      Value vector = asAffine(rewriter, operand, op.getType(), dims);
      if (!vector) {
        continue;
      }
      rewriter.setInsertionPoint(op);
      auto copy = cast<NormOp>(rewriter.clone(*norm));
      copy.setAffineDims(dims);
      (isScale ? copy.getScaleMutable() : copy.getBiasMutable()).assign(vector);
      rewriter.replaceOp(op, copy.getResult());
      return success();
    }
    return failure();
  }
};

/// reshape(norm over each of G rows of reshape(x)), with a trivial scale and
/// bias per row, is a group norm of x.
struct RecognizeGroups : OpRewritePattern<ReshapeOp> {
  RecognizeGroups(MLIRContext *context, Constants &constants)
      : OpRewritePattern(context), constants(constants) {}

  LogicalResult matchAndRewrite(ReshapeOp op,
                                PatternRewriter &rewriter) const override {
    auto norm = op.getInput().getDefiningOp<NormOp>();
    auto split =
        norm ? norm.getInput().getDefiningOp<ReshapeOp>() : ReshapeOp();
    if (!split || !norm.getResult().hasOneUse() || norm.getMean() ||
        norm.getInvStd() || norm.getGroups() != 0 ||
        norm.getStat() != NormStat::mean_var || !isTrivial(norm)) {
      return failure();
    }
    Value x = split.getInput();
    RankedTensorType type = typeOf(x), rows = typeOf(norm.getInput());
    SmallVector<int64_t> rest;
    for (int64_t dim = 2; dim < rows.getRank(); ++dim) {
      rest.push_back(dim);
    }
    if (rows.getRank() < 3 || norm.getAxes() != ArrayRef(rest) ||
        type.getRank() < 3 || sizeExprsOf(x) != sizeExprsOf(op.getResult()) ||
        rows.isDynamicDim(1) || type.isDynamicDim(1) ||
        !(SizeExpr(x, 0) == SizeExpr(norm.getInput(), 0)) ||
        type.getDimSize(1) % rows.getDimSize(1) != 0) {
      return failure();
    }
    SmallVector<int64_t> axes;
    for (int64_t dim = 2; dim < type.getRank(); ++dim) {
      axes.push_back(dim);
    }
    auto grouped = NormOp::create(
        rewriter, op.getLoc(), op.getType(), Type(), Type(), x, Value(),
        Value(), norm.getStatAttr(), rewriter.getDenseI64ArrayAttr(axes),
        rewriter.getI64IntegerAttr(rows.getDimSize(1)),
        rewriter.getI64IntegerAttr(1), rewriter.getDenseI64ArrayAttr({}),
        norm.getEpsilonAttr(), norm.getStatTypeAttr());
    rewriter.replaceOp(op, grouped.getResult());
    return success();
  }

private:
  bool isTrivial(NormOp norm) const {
    return (!norm.getScale() || constants.getSplat(norm.getScale()) == 1.0) &&
           (!norm.getBias() || constants.getSplat(norm.getBias()) == 0.0);
  }

  Constants &constants;
};

class RecognizeNorm final : public impl::RecognizeNormPassBase<RecognizeNorm> {
public:
  void runOnOperation() override {
    Constants constants(getOperation());
    RewritePatternSet patterns(&getContext());
    patterns.add<RecognizeStatistics, TakeOverAffine, RecognizeGroups>(
        &getContext(), constants);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      getOperation().emitWarning("stopped recognising norms early");
    }
  }
};

} // namespace
} // namespace dlc
