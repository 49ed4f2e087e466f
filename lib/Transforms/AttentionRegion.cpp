// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar code of nn.attention's regions for what tensor ops compute.
#include "AttentionRegion.h"
#include "Match.h"

using namespace mlir;

namespace dlc {

using namespace nn;

std::pair<Value, AffineMap> splitIntoLoops(OpBuilder &b, Value tensor,
                                           ArrayRef<LoopDim> dims) {
  SmallVector<SizeExpr> sizes;
  SmallVector<AffineExpr> exprs;
  for (auto [dim, loops] : llvm::enumerate(dims)) {
    if (typeOf(tensor).getDimSize(dim) == 1) {
      continue;
    }
    for (auto [loop, size] : llvm::zip_equal(loops.loops, loops.sizes)) {
      sizes.push_back(size);
      exprs.push_back(b.getAffineDimExpr(loop));
    }
  }
  return {reshapeTo(b, tensor.getLoc(), tensor, sizes),
          AffineMap::get(kNumAttentionLoops, 0, exprs, b.getContext())};
}

/// Scalars of a region: floats of the scores' type, i1, index.
Value AttentionRegionBuilder::convert(Value scalar, Type to) {
  Type from = scalar.getType();
  if (from == to) {
    return scalar;
  }
  if (isa<FloatType>(from) && isa<FloatType>(to)) {
    return from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth()
               ? Value(arith::ExtFOp::create(inner, loc, to, scalar))
               : Value(arith::TruncFOp::create(inner, loc, to, scalar));
  }
  if (from.isInteger(1) && isa<FloatType>(to)) {
    return arith::UIToFPOp::create(inner, loc, to, scalar);
  }
  if (from.isInteger(1) && to.isIndex()) {
    return arith::IndexCastUIOp::create(inner, loc, to, scalar);
  }
  if (from.isIndex() && isa<FloatType>(to)) {
    Value wide =
        arith::IndexCastOp::create(inner, loc, inner.getI64Type(), scalar);
    return arith::SIToFPOp::create(inner, loc, to, wide);
  }
  if (isa<IntegerType>(from) && to.isIndex() && !from.isUnsignedInteger()) {
    return arith::IndexCastOp::create(inner, loc, to, scalar);
  }
  if (to.isInteger(1) && from.isIndex()) {
    Value zero = arith::ConstantIndexOp::create(inner, loc, 0);
    return arith::CmpIOp::create(inner, loc, arith::CmpIPredicate::ne, scalar,
                                 zero);
  }
  return {};
}

/// The scalar type of a tensor's elements, or null.
static Type scalarType(Type tensorElement, FloatType element) {
  if (isa<FloatType>(tensorElement)) {
    return element;
  }
  if (tensorElement.isInteger(1)) {
    return tensorElement;
  }
  return IndexType::get(element.getContext());
}

bool AttentionRegionBuilder::comesFromIota(Value tensor, unsigned depth) {
  Operation *op = tensor.getDefiningOp();
  if (!op || depth > 16) {
    return false;
  }
  if (isa<IotaOp>(op)) {
    return true;
  }
  return isa<ElementwiseOp, CastOp, BroadcastOp, ReshapeOp, TransposeOp>(op) &&
         llvm::any_of(op->getOperands(), [&](Value operand) {
           return isa<RankedTensorType>(operand.getType()) &&
                  comesFromIota(operand, depth + 1);
         });
}

Value AttentionRegionBuilder::leaf(Value tensor, const LoopDims &dims) {
  auto [it, isNew] = leaves.try_emplace(tensor);
  if (isNew) {
    auto [view, map] = splitIntoLoops(outer, tensor, dims);
    region.inputs.push_back(view);
    region.maps.push_back(map);
    it->second =
        region.block->addArgument(typeOf(tensor).getElementType(), loc);
  }
  return convert(it->second,
                 scalarType(typeOf(tensor).getElementType(), element));
}

Value AttentionRegionBuilder::emitElement(Value tensor, const LoopDims &dims) {
  Type type = typeOf(tensor).getElementType();
  if (std::optional<double> splat = constants.getSplat(tensor)) {
    if (isa<FloatType>(type)) {
      return arith::ConstantOp::create(inner, loc,
                                       inner.getFloatAttr(element, *splat));
    }
    if (type.isInteger(1)) {
      return arith::ConstantOp::create(inner, loc,
                                       inner.getBoolAttr(*splat != 0));
    }
    return arith::ConstantIndexOp::create(inner, loc,
                                          static_cast<int64_t>(*splat));
  }
  return comesFromIota(tensor) ? computed(tensor, dims) : leaf(tensor, dims);
}

LoopDims getOperandDims(Value operand, const LoopDims &dims) {
  LoopDims result = dims;
  for (auto [dim, loops] : llvm::enumerate(result)) {
    if (typeOf(operand).getDimSize(dim) == 1) {
      loops = {};
    }
  }
  return result;
}

Value AttentionRegionBuilder::computed(Value tensor, const LoopDims &dims) {
  Operation *op = tensor.getDefiningOp();
  if (auto iota = dyn_cast<IotaOp>(op)) {
    const LoopDim &dim = dims[iota.getDim()];
    if (dim.loops.size() > 1) {
      return {};
    }
    Value place = dim.loops.empty()
                      ? Value(arith::ConstantIndexOp::create(inner, loc, 0))
                      : index(dim.loops[0]);
    return convert(place, scalarType(iota.getType().getElementType(), element));
  }
  if (auto cast = dyn_cast<CastOp>(op)) {
    Value scalar = emitElement(cast.getInput(), dims);
    return scalar ? convert(scalar, scalarType(cast.getType().getElementType(),
                                               element))
                  : Value();
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    return emitElement(broadcast.getInput(),
                       getOperandDims(broadcast.getInput(), dims));
  }
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    LoopDims source(dims.size());
    for (auto [dim, from] : llvm::enumerate(transpose.getPermutation())) {
      source[from] = dims[dim];
    }
    return emitElement(transpose.getInput(), source);
  }
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    // Only dims of size 1 may come or go.
    LoopDims wide, source;
    for (auto [dim, size] : llvm::enumerate(reshape.getType().getShape())) {
      if (size != 1) {
        wide.push_back(dims[dim]);
      }
    }
    for (int64_t size : reshape.getInput().getType().getShape()) {
      if (size != 1 && wide.empty()) {
        return {};
      }
      source.push_back(size == 1 ? LoopDim() : wide.front());
      if (size != 1) {
        wide.erase(wide.begin());
      }
    }
    return wide.empty() ? emitElement(reshape.getInput(), source) : Value();
  }
  auto elementwise = cast<ElementwiseOp>(op);
  SmallVector<Value> args;
  for (Value operand : elementwise.getInputs()) {
    Value arg = emitElement(operand, getOperandDims(operand, dims));
    if (!arg) {
      return {};
    }
    args.push_back(arg);
  }
  return apply(elementwise.getFn(), args);
}

Value AttentionRegionBuilder::applyFloat(Fn fn, ArrayRef<Value> args) {
  using arith::CmpFPredicate;
  auto compare = [&](CmpFPredicate predicate) -> Value {
    return arith::CmpFOp::create(inner, loc, predicate, args[0], args[1]);
  };
  switch (fn) {
  case Fn::add:
    return arith::AddFOp::create(inner, loc, args[0], args[1]);
  case Fn::sub:
    return arith::SubFOp::create(inner, loc, args[0], args[1]);
  case Fn::mul:
    return arith::MulFOp::create(inner, loc, args[0], args[1]);
  case Fn::div:
    return arith::DivFOp::create(inner, loc, args[0], args[1]);
  case Fn::maximum:
    return arith::MaximumFOp::create(inner, loc, args[0], args[1]);
  case Fn::minimum:
    return arith::MinimumFOp::create(inner, loc, args[0], args[1]);
  case Fn::neg:
    return arith::NegFOp::create(inner, loc, args[0]);
  case Fn::tanh:
    return math::TanhOp::create(inner, loc, args[0]);
  case Fn::exp:
    return math::ExpOp::create(inner, loc, args[0]);
  case Fn::abs:
    return math::AbsFOp::create(inner, loc, args[0]);
  case Fn::eq:
    return compare(CmpFPredicate::OEQ);
  case Fn::ne:
    return compare(CmpFPredicate::UNE);
  case Fn::lt:
    return compare(CmpFPredicate::OLT);
  case Fn::le:
    return compare(CmpFPredicate::OLE);
  case Fn::gt:
    return compare(CmpFPredicate::OGT);
  case Fn::ge:
    return compare(CmpFPredicate::OGE);
  default:
    return {};
  }
}

Value AttentionRegionBuilder::applyInt(Fn fn, ArrayRef<Value> args) {
  using arith::CmpIPredicate;
  auto compare = [&](CmpIPredicate predicate) -> Value {
    return arith::CmpIOp::create(inner, loc, predicate, args[0], args[1]);
  };
  bool isBool = args[0].getType().isInteger(1);
  switch (fn) {
  case Fn::bit_and:
    return arith::AndIOp::create(inner, loc, args[0], args[1]);
  case Fn::bit_or:
    return arith::OrIOp::create(inner, loc, args[0], args[1]);
  case Fn::bit_xor:
    return arith::XOrIOp::create(inner, loc, args[0], args[1]);
  case Fn::bit_not: {
    if (!isBool) {
      return {};
    }
    Value yes = arith::ConstantOp::create(inner, loc, inner.getBoolAttr(true));
    return arith::XOrIOp::create(inner, loc, args[0], yes);
  }
  case Fn::eq:
    return compare(CmpIPredicate::eq);
  case Fn::ne:
    return compare(CmpIPredicate::ne);
  default:
    break;
  }
  if (isBool) {
    return {};
  }
  switch (fn) {
  case Fn::add:
    return arith::AddIOp::create(inner, loc, args[0], args[1]);
  case Fn::sub:
    return arith::SubIOp::create(inner, loc, args[0], args[1]);
  case Fn::mul:
    return arith::MulIOp::create(inner, loc, args[0], args[1]);
  case Fn::lt:
    return compare(CmpIPredicate::slt);
  case Fn::le:
    return compare(CmpIPredicate::sle);
  case Fn::gt:
    return compare(CmpIPredicate::sgt);
  case Fn::ge:
    return compare(CmpIPredicate::sge);
  default:
    return {};
  }
}

Value AttentionRegionBuilder::apply(Fn fn, ArrayRef<Value> args) {
  if (fn == Fn::select) {
    return arith::SelectOp::create(inner, loc, args[0], args[1], args[2]);
  }
  return isa<FloatType>(args[0].getType()) ? applyFloat(fn, args)
                                           : applyInt(fn, args);
}

} // namespace dlc
