// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Contractions as batched matrix products.
#include "Conversion/NNToKernel/ContractShape.h"

using namespace mlir;

namespace dlc {

/// Place of loop dim `dim` among the map's results.
static std::optional<unsigned> placeOf(AffineMap map, unsigned dim) {
  return map.getResultPosition(getAffineDimExpr(dim, map.getContext()));
}

int64_t getStaticLoopSize(nn::ContractOp op, unsigned dim) {
  std::optional<unsigned> inLhs = placeOf(op.getMap(0), dim);
  return inLhs ? op.getLhs().getType().getDimSize(*inLhs)
               : op.getRhs().getType().getDimSize(*placeOf(op.getMap(1), dim));
}

int64_t getStaticGroupSize(nn::ContractOp op, ArrayRef<unsigned> group) {
  int64_t size = 1;
  for (unsigned dim : group) {
    int64_t extent = getStaticLoopSize(op, dim);
    if (ShapedType::isDynamic(extent)) {
      return ShapedType::kDynamic;
    }
    size *= extent;
  }
  return size;
}

/// Loop dims of a map, without those of size 1.
static SmallVector<unsigned> loopsOf(nn::ContractOp op, AffineMap map) {
  SmallVector<unsigned> loops;
  for (AffineExpr expr : map.getResults()) {
    unsigned dim = cast<AffineDimExpr>(expr).getPosition();
    if (getStaticLoopSize(op, dim) != 1) {
      loops.push_back(dim);
    }
  }
  return loops;
}

/// Whether in each map `second` directly follows `first`, or both are absent.
static bool areAdjacent(nn::ContractOp op, unsigned first, unsigned second) {
  for (unsigned i = 0; i < 3; ++i) {
    SmallVector<unsigned> loops = loopsOf(op, op.getMap(i));
    auto p = llvm::find(loops, first), q = llvm::find(loops, second);
    bool hasFirst = p != loops.end(), hasSecond = q != loops.end();
    if (hasFirst != hasSecond || (hasFirst && p + 1 != q)) {
      return false;
    }
  }
  return true;
}

/// Groups of loop dims, in the order of the result, reduced ones last in the
/// order of lhs.
static SmallVector<DimGroup> groupDims(nn::ContractOp op) {
  SmallVector<unsigned> order;
  auto addDims = [&](AffineMap map) {
    for (unsigned dim : loopsOf(op, map)) {
      if (!llvm::is_contained(order, dim)) {
        order.push_back(dim);
      }
    }
  };
  addDims(op.getMap(2));
  addDims(op.getMap(0));
  addDims(op.getMap(1));
  SmallVector<DimGroup> groups;
  for (unsigned dim : order) {
    if (!groups.empty() && areAdjacent(op, groups.back().back(), dim)) {
      groups.back().push_back(dim);
    } else {
      groups.push_back({dim});
    }
  }
  return groups;
}

FailureOr<ContractShape> ContractShape::create(nn::ContractOp op) {
  ContractShape shape;
  SmallVector<DimGroup> rows, columns, reduced;
  DimGroup last;
  for (const DimGroup &group : groupDims(op)) {
    bool inLhs = placeOf(op.getMap(0), group[0]).has_value(),
         inRhs = placeOf(op.getMap(1), group[0]).has_value();
    if (op.isReduction(group[0])) {
      if (!inLhs || !inRhs) {
        return failure(); // a sum over one operand alone
      }
      reduced.push_back(group);
      continue;
    }
    last = group;
    (inLhs && inRhs ? shape.batch : inLhs ? rows : columns).push_back(group);
  }
  if (reduced.size() > 1 ||
      (!last.empty() && llvm::is_contained(shape.batch, last))) {
    return failure();
  }
  if (!last.empty() && llvm::is_contained(rows, last)) {
    shape.swapped = true;
    std::swap(rows, columns);
  }
  if (!reduced.empty()) {
    shape.k = reduced.front();
  }
  if (!rows.empty()) {
    shape.m = rows.pop_back_val();
  }
  if (!columns.empty()) {
    shape.n = columns.pop_back_val();
  }
  llvm::append_range(shape.batch, rows);
  llvm::append_range(shape.batch, columns);
  return shape;
}

} // namespace dlc
