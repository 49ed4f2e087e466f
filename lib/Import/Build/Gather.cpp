// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// gather and scatter in ONNX's three forms each.
#include "Import/Build/GraphBuilder.h"

using namespace mlir;

namespace dlc::build {

/// The dims [begin, end) as affine expressions.
static SmallVector<AffineExpr> dimsFrom(OpBuilder &b, int64_t begin,
                                        int64_t end) {
  SmallVector<AffineExpr> dims;
  for (int64_t dim = begin; dim < end; ++dim) {
    dims.push_back(b.getAffineDimExpr(dim));
  }
  return dims;
}

static SmallVector<AffineExpr> joined(SmallVector<AffineExpr> first,
                                      ArrayRef<AffineExpr> second) {
  first.append(second.begin(), second.end());
  return first;
}

/// Refuses constant indices outside of a dim of known size.
LogicalResult GraphBuilder::checkIndices(Value indices, OpFoldResult extent) {
  std::optional<int64_t> size = getConstantIntValue(extent);
  DenseElementsAttr elements = constantOf(indices);
  if (!size || !elements) {
    return success();
  }
  for (const APInt &element : elements.getValues<APInt>()) {
    int64_t index = elementOf(indices).isUnsignedInteger()
                        ? static_cast<int64_t>(element.getZExtValue())
                        : element.getSExtValue();
    if (index < -*size || index >= *size) {
      invalid("expected indices from " + Twine(-*size) + " to " +
              Twine(*size - 1) + ", got " + Twine(index));
      return failure();
    }
  }
  return success();
}

Value GraphBuilder::take(Value x, Value indices, int64_t axis) {
  if (!x || !indices) {
    return {};
  }
  int64_t rank = rankOf(x), inner = rankOf(indices), loops = rank - 1 + inner;
  if (axis >= rank) {
    return invalid("expected a tensor of rank " + Twine(axis + 1) +
                   " or more to gather from, got " + Twine(rank));
  }
  Sizes result = sizes(x);
  if (failed(checkIndices(indices, result[axis]))) {
    return {};
  }
  result.erase(result.begin() + axis);
  Sizes between = sizes(indices);
  result.insert(result.begin() + axis, between.begin(), between.end());
  auto indexMap = AffineMap::get(loops, 0, dimsFrom(*this, axis, axis + inner),
                                 getContext());
  auto inputMap = AffineMap::get(
      loops, 0,
      joined(dimsFrom(*this, 0, axis), dimsFrom(*this, axis + inner, loops)),
      getContext());
  return make<nn::GatherOp>(elementOf(x), result, x, indices, Ints{axis},
                            getAffineMapArrayAttr({indexMap}), inputMap,
                            nn::dynamicSizes(result),
                            /*negative_wrap=*/true, nn::BoundsMode::error);
}

/// The identity of `rank` dims, without dim `axis`.
static AffineMap allBut(OpBuilder &b, int64_t rank, int64_t axis) {
  return AffineMap::get(
      rank, 0, joined(dimsFrom(b, 0, axis), dimsFrom(b, axis + 1, rank)),
      b.getContext());
}

Value GraphBuilder::gatherElements(Value x, Value indices, int64_t axis) {
  if (!x || !indices) {
    return {};
  }
  if (rankOf(x) != rankOf(indices)) {
    return invalid("expected indices of rank " + Twine(rankOf(x)) + ", got " +
                   Twine(rankOf(indices)));
  }
  int64_t rank = rankOf(x);
  if (failed(checkIndices(indices, size(x, axis)))) {
    return {};
  }
  Sizes result = sizes(indices);
  return make<nn::GatherOp>(
      elementOf(x), result, x, indices, Ints{axis},
      getAffineMapArrayAttr({getMultiDimIdentityMap(rank)}),
      allBut(*this, rank, axis), nn::dynamicSizes(result), true,
      nn::BoundsMode::error);
}

/// Maps of GatherND and ScatterND: index operand i reads element i of the last
/// dim of the indices. `loops` is the rank of the gathered or updating tensor.
static SmallVector<AffineMap> tupleMaps(OpBuilder &b, int64_t loops,
                                        int64_t indexRank, int64_t width) {
  SmallVector<AffineMap> maps;
  for (int64_t i = 0; i < width; ++i) {
    maps.push_back(AffineMap::get(
        loops, 0,
        joined(dimsFrom(b, 0, indexRank - 1), {b.getAffineConstantExpr(i)}),
        b.getContext()));
  }
  return maps;
}

Value GraphBuilder::gatherND(Value x, Value indices, int64_t batchDims) {
  if (!x || !indices) {
    return {};
  }
  int64_t rank = rankOf(x), inner = rankOf(indices);
  if (inner < 1 || batchDims >= inner || batchDims >= rank) {
    return invalid("expected batch_dims below the ranks " + Twine(rank) +
                   " and " + Twine(inner) + ", got " + Twine(batchDims));
  }
  std::optional<int64_t> width = getConstantIntValue(size(indices, inner - 1));
  if (!width) {
    return unsupported("the last dim of the indices must be static, since the "
                       "rank depends on it");
  }
  if (*width < 1 || batchDims + *width > rank) {
    return invalid("expected indices of 1 to " + Twine(rank - batchDims) +
                   " elements, got " + Twine(*width));
  }
  Sizes result(sizes(indices));
  result.pop_back();
  Sizes all = sizes(x);
  for (int64_t dim = 0; dim < batchDims; ++dim) {
    if (failed(checkEqual(all[dim], result[dim],
                          "batch dim " + Twine(dim) + " of the indices"))) {
      return {};
    }
  }
  result.append(all.begin() + batchDims + *width, all.end());
  int64_t loops = result.size();
  SmallVector<Value> operands(*width, indices);
  SmallVector<int64_t> indexed =
      llvm::to_vector(llvm::seq<int64_t>(batchDims, batchDims + *width));
  auto inputMap = AffineMap::get(
      loops, 0,
      joined(dimsFrom(*this, 0, batchDims), dimsFrom(*this, inner - 1, loops)),
      getContext());
  return make<nn::GatherOp>(
      elementOf(x), result, x, operands, Ints(indexed),
      getAffineMapArrayAttr(tupleMaps(*this, loops, inner, *width)), inputMap,
      nn::dynamicSizes(result), true, nn::BoundsMode::error);
}

Value GraphBuilder::scatterElements(Value x, Value indices, Value updates,
                                    int64_t axis, nn::ScatterKind kind) {
  if (!x || !indices || !updates) {
    return {};
  }
  int64_t rank = rankOf(x);
  if (rank != rankOf(indices) || rank != rankOf(updates)) {
    return invalid("expected indices and updates of rank " + Twine(rank) +
                   ", got " + Twine(rankOf(indices)) + " and " +
                   Twine(rankOf(updates)));
  }
  for (int64_t dim = 0; dim < rank; ++dim) {
    if (failed(checkEqual(size(indices, dim), size(updates, dim),
                          "dim " + Twine(dim) + " of the updates"))) {
      return {};
    }
  }
  Sizes result = sizes(x);
  return make<nn::ScatterOp>(
      elementOf(x), result, x, updates, indices, kind, Ints{axis},
      getAffineMapArrayAttr({getMultiDimIdentityMap(rank)}),
      allBut(*this, rank, axis), true, false);
}

Value GraphBuilder::scatterND(Value x, Value indices, Value updates,
                              nn::ScatterKind kind) {
  if (!x || !indices || !updates) {
    return {};
  }
  int64_t rank = rankOf(x), inner = rankOf(indices);
  std::optional<int64_t> width =
      inner < 1 ? std::nullopt : getConstantIntValue(size(indices, inner - 1));
  if (!width) {
    return unsupported("the last dim of the indices must be static, since the "
                       "rank depends on it");
  }
  int64_t loops = inner - 1 + rank - *width;
  if (*width < 1 || *width > rank || rankOf(updates) != loops) {
    return invalid("expected updates of rank " + Twine(loops) + ", got " +
                   Twine(rankOf(updates)));
  }
  for (int64_t dim = 0; dim < loops; ++dim) {
    OpFoldResult expected = dim < inner - 1
                                ? size(indices, dim)
                                : size(x, *width + dim - (inner - 1));
    if (failed(checkEqual(expected, size(updates, dim),
                          "dim " + Twine(dim) + " of the updates"))) {
      return {};
    }
  }
  SmallVector<Value> operands(*width, indices);
  SmallVector<int64_t> indexed = llvm::to_vector(llvm::seq<int64_t>(0, *width));
  auto destMap =
      AffineMap::get(loops, 0, dimsFrom(*this, inner - 1, loops), getContext());
  Sizes result = sizes(x);
  return make<nn::ScatterOp>(
      elementOf(x), result, x, updates, operands, kind, Ints(indexed),
      getAffineMapArrayAttr(tupleMaps(*this, loops, inner, *width)), destMap,
      true, false);
}

} // namespace dlc::build
