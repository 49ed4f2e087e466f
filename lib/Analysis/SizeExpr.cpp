// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Traces sizes to entry arguments and size operands.
#include "Analysis/SizeExpr.h"
#include "Dialect/NN/NNDialect.h"
#include "Dialect/NN/Sizes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"

using namespace mlir;

namespace dlc {

using namespace nn;

static RankedTensorType typeOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType());
}

SizeExpr::SizeExpr(OpFoldResult size) : factor(1) {
  if (std::optional<int64_t> known = getConstantIntValue(size)) {
    factor = *known;
  } else {
    *this = ofValue(cast<Value>(size));
  }
}

SizeExpr::SizeExpr(Value tensor, int64_t dim) : factor(1) {
  *this = ofDim(tensor, dim);
}

SizeExpr SizeExpr::operator*(const SizeExpr &other) const {
  SizeExpr product(factor * other.factor);
  product.symbols.append(symbols);
  product.symbols.append(other.symbols);
  llvm::sort(product.symbols, [](const Symbol &a, const Symbol &b) {
    return std::pair(a.first.getAsOpaquePointer(), a.second) <
           std::pair(b.first.getAsOpaquePointer(), b.second);
  });
  return product;
}

std::optional<SizeExpr> SizeExpr::dividedBy(const SizeExpr &other) const {
  if (other.factor == 0 || factor % other.factor != 0) {
    return std::nullopt;
  }
  SizeExpr quotient = *this;
  quotient.factor = factor / other.factor;
  for (const Symbol &symbol : other.symbols) {
    auto *it = llvm::find(quotient.symbols, symbol);
    if (it == quotient.symbols.end()) {
      return std::nullopt;
    }
    quotient.symbols.erase(it);
  }
  return quotient;
}

OpFoldResult SizeExpr::materialize(OpBuilder &b, Location loc) const {
  OpFoldResult size = b.getIndexAttr(factor);
  for (auto [value, dim] : symbols) {
    OpFoldResult symbol =
        dim < 0 ? OpFoldResult(value) : sizeOf(b, loc, value, dim);
    size = mulSizes(b, loc, size, symbol);
  }
  return size;
}

SizeExpr SizeExpr::ofApply(AffineExpr expr, unsigned numDims,
                           ValueRange operands, bool &ok) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    return SizeExpr(constant.getValue());
  }
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    return ofValue(operands[dim.getPosition()]);
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    return ofValue(operands[numDims + symbol.getPosition()]);
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  SizeExpr lhs = ofApply(binary.getLHS(), numDims, operands, ok),
           rhs = ofApply(binary.getRHS(), numDims, operands, ok);
  if (binary.getKind() == AffineExprKind::Mul) {
    return lhs * rhs;
  }
  std::optional<SizeExpr> quotient =
      binary.getKind() == AffineExprKind::FloorDiv ||
              binary.getKind() == AffineExprKind::CeilDiv
          ? lhs.dividedBy(rhs)
          : std::nullopt;
  ok = ok && quotient;
  return quotient.value_or(1);
}

SizeExpr SizeExpr::ofValue(Value index) {
  if (std::optional<int64_t> known = getConstantIntValue(index)) {
    return SizeExpr(*known);
  }
  if (auto dim = index.getDefiningOp<tensor::DimOp>()) {
    if (std::optional<int64_t> position = dim.getConstantIndex();
        position && isa<RankedTensorType>(dim.getSource().getType())) {
      return ofDim(dim.getSource(), *position);
    }
  }
  if (auto product = index.getDefiningOp<arith::MulIOp>()) {
    return ofValue(product.getLhs()) * ofValue(product.getRhs());
  }
  if (auto apply = index.getDefiningOp<affine::AffineApplyOp>()) {
    bool ok = true;
    AffineMap map = apply.getAffineMap();
    SizeExpr size =
        ofApply(map.getResult(0), map.getNumDims(), apply.getMapOperands(), ok);
    return ok ? size : SizeExpr(Symbol(index, -1));
  }
  Operation *op = index.getDefiningOp();
  if (op && isa<arith::FloorDivSIOp, arith::DivSIOp, arith::DivUIOp,
                arith::CeilDivSIOp>(op)) {
    if (std::optional<SizeExpr> quotient =
            ofValue(op->getOperand(0)).dividedBy(ofValue(op->getOperand(1)))) {
      return *quotient;
    }
  }
  return SizeExpr(Symbol(index, -1));
}

/// Size of the result's loop of a contraction.
static std::pair<Value, int64_t> contractSource(ContractOp op, int64_t dim) {
  AffineExpr loop = op.getMap(2).getResult(dim);
  if (std::optional<unsigned> lhs = op.getMap(0).getResultPosition(loop)) {
    return {op.getLhs(), *lhs};
  }
  return {op.getRhs(), *op.getMap(1).getResultPosition(loop)};
}

static std::pair<Value, int64_t> attentionSource(AttentionOp op, int64_t dim) {
  AffineExpr loop = op.getMap(3).getResult(dim);
  for (unsigned i = 0; i < 3; ++i) {
    if (std::optional<unsigned> place = op.getMap(i).getResultPosition(loop)) {
      return {op->getOperand(i), *place};
    }
  }
  return {};
}

/// The tensor and dim whose size dim `dim` of `op`'s first result has, or null.
static std::pair<Value, int64_t> sourceOf(Operation *op, int64_t dim) {
  using Source = std::pair<Value, int64_t>;
  return llvm::TypeSwitch<Operation *, Source>(op)
      .Case<CastOp, SoftmaxOp, BatchNormOp, NormOp, RotaryOp, ScanOp,
            QuantizeOp, DequantizeOp>(
          [&](auto same) { return Source(same.getInput(), dim); })
      .Case<InsertSliceOp, ScatterOp, CacheUpdateOp>(
          [&](auto same) { return Source(same.getDest(), dim); })
      .Case([&](TransposeOp transpose) {
        return Source(transpose.getInput(), transpose.getPermutation()[dim]);
      })
      .Case([&](ContractOp contract) { return contractSource(contract, dim); })
      .Case([&](AttentionOp attention) {
        return attentionSource(attention, dim);
      })
      .Case<ConvOp, PoolOp>([&](auto window) {
        // Of the window ops' sizes only the batch is the input's for sure.
        return dim == 0 ? Source(window.getInput(), 0) : Source();
      })
      .Case([&](tensor::CastOp cast) {
        return isa<RankedTensorType>(cast.getSource().getType())
                   ? Source(cast.getSource(), dim)
                   : Source();
      })
      .Case([&](ConcatOp concat) {
        return static_cast<int64_t>(concat.getAxis()) == dim
                   ? Source()
                   : Source(concat.getInputs()[0], dim);
      })
      .Case([&](ReduceOp reduce) {
        for (int64_t axis : reduce.getAxes()) {
          dim += axis <= dim;
        }
        return Source(reduce.getInput(), dim);
      })
      .Case([&](ElementwiseOp elementwise) {
        for (auto [i, input] : llvm::enumerate(elementwise.getInputs())) {
          if (typeOf(input).getDimSize(dim) != 1 &&
              !elementwise.mayBroadcast(i, dim)) {
            return Source(input, dim);
          }
        }
        return Source();
      })
      .Default([](Operation *) { return Source(); });
}

std::optional<SizeExpr> SizeExpr::ofResultDim(Value tensor, int64_t dim) {
  OpBuilder b(tensor.getContext());
  auto ofSizes = [&](ValueRange sizes) {
    return SizeExpr(mixedSizes(b, typeOf(tensor), sizes)[dim]);
  };
  Operation *op = tensor.getDefiningOp();
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    return ofSizes(reshape.getSizes());
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    return ofSizes(broadcast.getSizes());
  }
  if (auto iota = dyn_cast<IotaOp>(op)) {
    return ofSizes(iota.getSizes());
  }
  if (auto resize = dyn_cast<ResizeOp>(op)) {
    return ofSizes(resize.getSizes());
  }
  if (auto gather = dyn_cast<GatherOp>(op)) {
    return ofSizes(gather.getSizes());
  }
  if (auto slice = dyn_cast<SliceOp>(op)) {
    return SizeExpr(slice.getMixedSizes()[dim]);
  }
  auto [source, sourceDim] = sourceOf(op, dim);
  return source ? std::optional(ofDim(source, sourceDim)) : std::nullopt;
}

SizeExpr SizeExpr::ofDim(Value tensor, int64_t dim) {
  if (!typeOf(tensor).isDynamicDim(dim)) {
    return SizeExpr(typeOf(tensor).getDimSize(dim));
  }
  if (Operation *op = tensor.getDefiningOp();
      op && op->getNumResults() > 0 && op->getResult(0) == tensor) {
    if (std::optional<SizeExpr> size = ofResultDim(tensor, dim)) {
      return *size;
    }
  }
  for (Operation *user : tensor.getUsers()) {
    if (auto bind = dyn_cast<BindShapeOp>(user)) {
      return ofValue(bind.getSizes()[dim]);
    }
  }
  return SizeExpr(Symbol(tensor, dim));
}

SmallVector<SizeExpr> sizeExprsOf(Value tensor) {
  SmallVector<SizeExpr> sizes;
  for (int64_t dim = 0; dim < typeOf(tensor).getRank(); ++dim) {
    sizes.emplace_back(tensor, dim);
  }
  return sizes;
}

} // namespace dlc
