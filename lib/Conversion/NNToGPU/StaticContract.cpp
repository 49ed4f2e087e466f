// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sizes, strides and tensor maps of contractions.
#include "StaticContract.h"

using namespace mlir;

namespace dlc {

StaticContract::StaticContract(nn::DispatchOp dispatch)
    : op(cast<nn::ContractOp>(dispatch.getRootOp())),
      shape(ContractShape::create(op)) {}

OpFoldResult StaticContract::dimSize(DispatchContext &context,
                                     unsigned dim) const {
  AffineExpr expr = getAffineDimExpr(dim, op.getContext());
  std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
  return inLhs
             ? context.size(op.getLhs(), *inLhs)
             : context.size(op.getRhs(), *op.getMap(1).getResultPosition(expr));
}

OpFoldResult StaticContract::groupSize(DispatchContext &context,
                                       ArrayRef<unsigned> group) const {
  OpFoldResult size = context.math.constant(1);
  for (unsigned dim : group) {
    size = context.math.mul(size, dimSize(context, dim));
  }
  return size;
}

OpFoldResult StaticContract::batchSize(DispatchContext &context) const {
  OpFoldResult size = context.math.constant(1);
  for (const DimGroup &group : shape->batch) {
    size = context.math.mul(size, groupSize(context, group));
  }
  return size;
}

int64_t StaticContract::groupDivisor(ArrayRef<unsigned> group) const {
  return getKnownDivisor(llvm::map_to_vector(
      group, [&](unsigned dim) { return getStaticLoopSize(op, dim); }));
}

int64_t StaticContract::typicalSize(ArrayRef<unsigned> group) const {
  int64_t size = 1;
  for (unsigned dim : group) {
    AffineExpr expr = getAffineDimExpr(dim, op.getContext());
    std::optional<unsigned> inLhs = op.getMap(0).getResultPosition(expr);
    Value input = inLhs ? op.getLhs() : op.getRhs();
    unsigned place = inLhs ? *inLhs : *op.getMap(1).getResultPosition(expr);
    size = multiplySizes(
        size,
        getTypicalSize(op->getParentOfType<nn::DispatchOp>(), input, place));
  }
  return size;
}

ProductSizes StaticContract::getSizes() const {
  ProductSizes sizes{typicalSize(shape->m), typicalSize(shape->n),
                     typicalSize(shape->k), 1};
  for (const DimGroup &group : shape->batch) {
    sizes.batch = multiplySizes(sizes.batch, typicalSize(group));
  }
  return sizes;
}

std::optional<unsigned>
StaticContract::getPlace(AffineMap map, ArrayRef<unsigned> group) const {
  return group.empty() ? std::nullopt
                       : map.getResultPosition(
                             getAffineDimExpr(group.back(), op->getContext()));
}

OpFoldResult StaticContract::stride(DispatchContext &context, Value tensor,
                                    AffineMap map,
                                    ArrayRef<unsigned> group) const {
  std::optional<unsigned> place = getPlace(map, group);
  return place ? context.stride(tensor, *place) : context.math.constant(0);
}

int64_t StaticContract::strideDivisor(Value tensor, AffineMap map,
                                      ArrayRef<unsigned> group) const {
  std::optional<unsigned> place = getPlace(map, group);
  return place
             ? getKnownDivisor(typeOf(tensor).getShape().drop_front(*place + 1))
             : 0;
}

bool StaticContract::isInnermost(Value tensor, AffineMap map,
                                 ArrayRef<unsigned> group) const {
  std::optional<unsigned> place = getPlace(map, group);
  return place && llvm::all_of(typeOf(tensor).getShape().drop_front(*place + 1),
                               [](int64_t size) { return size == 1; });
}

bool StaticContract::hasContiguousK(const Operand &operand) const {
  return isInnermost(operand.tensor, operand.map, shape->k) ||
         !isInnermost(operand.tensor, operand.map, operand.rows);
}

int64_t StaticContract::getAlignment(Value tensor, AffineMap map, Type element,
                                     ArrayRef<DimGroup> groups) const {
  Builder b(op.getContext());
  return tile::getAlignment(
      element, llvm::map_to_vector(groups, [&](const DimGroup &group) {
        return tile::Size(
            b.getI64IntegerAttr(strideDivisor(tensor, map, group)));
      }));
}

int64_t StaticContract::getAlignment(const Operand &operand) const {
  SmallVector<DimGroup> strided(shape->batch);
  strided.push_back(getStridedGroup(operand));
  return getAlignment(operand.tensor, operand.map,
                      typeOf(operand.tensor).getElementType(), strided);
}

tile::ProductTraits StaticContract::getTraits() const {
  Type element = getElementTypeOrSelf(op.getLhs());
  Operand a = getA(), b = getB();
  auto isAligned = [&](const Operand &operand) {
    return getAlignment(operand) == tile::kChunkBytes;
  };
  auto hasMapRank = [&](const Operand &operand) {
    return getMapBatch(operand).size() <= tile::kMaxMapRank - 2;
  };
  tile::ProductTraits traits{
      static_cast<int64_t>(element.getIntOrFloatBitWidth() / 8),
      hasContiguousK(a), hasContiguousK(b), getNonZero(getZeroB()) != nullptr,
      getNonZero(getZeroA()) != nullptr};
  traits.areAligned = isAligned(a) && isAligned(b);
  traits.haveMapRank = hasMapRank(a) && hasMapRank(b);
  return traits;
}

SmallVector<unsigned>
StaticContract::getMapBatch(const Operand &operand) const {
  SmallVector<unsigned> dims;
  for (auto [i, group] : llvm::enumerate(shape->batch)) {
    if (getPlace(operand.map, group)) {
      dims.push_back(i);
    }
  }
  return dims;
}

GPUTensorMap StaticContract::getMap(DispatchContext &context,
                                    const Operand &operand,
                                    const tile::MapBox &box) const {
  GPUTensorMap map;
  map.buffer = cast<BlockArgument>(operand.tensor).getArgNumber();
  map.elementBytes = static_cast<int64_t>(
      typeOf(operand.tensor).getElementType().getIntOrFloatBitWidth() / 8);
  map.box = box;
  map.sizes.push_back(groupSize(context, getContiguousGroup(operand)));
  auto add = [&](ArrayRef<unsigned> group) {
    map.sizes.push_back(groupSize(context, group));
    map.strides.push_back(context.math.mul(
        stride(context, operand.tensor, operand.map, group), map.elementBytes));
  };
  add(getStridedGroup(operand));
  for (unsigned i : getMapBatch(operand)) {
    add(shape->batch[i]);
  }
  return map;
}

std::optional<unsigned> StaticContract::getZeroDim(AffineMap map) const {
  for (AffineExpr expr : llvm::reverse(map.getResults())) {
    unsigned dim = cast<AffineDimExpr>(expr).getPosition();
    if (!op.isReduction(dim)) {
      return dim;
    }
  }
  return std::nullopt;
}

bool StaticContract::hasUsableZero(Value zero, const Operand &operand) const {
  if (!getNonZero(zero) ||
      (typeOf(zero).hasStaticShape() && typeOf(zero).getNumElements() == 1)) {
    return true;
  }
  std::optional<unsigned> dim = getZeroDim(operand.map);
  return dim && !operand.rows.empty() && operand.rows.back() == *dim;
}

} // namespace dlc
