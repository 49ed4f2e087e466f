// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Transposes and broadcasts.
#include "Import/Build/GraphBuilder.h"

using namespace mlir;

namespace dlc::build {

Value GraphBuilder::transpose(Value x, Ints permutation) {
  if (!x) {
    return {};
  }
  Sizes result;
  bool identity = true;
  for (auto [i, dim] : llvm::enumerate(permutation)) {
    result.push_back(size(x, dim));
    identity &= static_cast<int64_t>(i) == dim;
  }
  return identity ? x
                  : make<nn::TransposeOp>(elementOf(x), result, x, permutation);
}

Value GraphBuilder::broadcastTo(Value x, const Sizes &target) {
  if (!x) {
    return {};
  }
  Value aligned = padRank(x, target.size());
  Sizes current = sizes(aligned);
  if (current == target) {
    return aligned;
  }
  SmallVector<int64_t> flagged;
  for (auto [dim, pair] : llvm::enumerate(llvm::zip_equal(current, target))) {
    auto [have, want] = pair;
    if (have == want || isOneForSure(have)) {
      continue;
    }
    if (getConstantIntValue(have) || lowerBound(have).value_or(0) > 1 ||
        isPartOf(have, want)) {
      if (failed(checkEqual(have, want, "dim " + Twine(dim)))) {
        return {};
      }
      continue;
    }
    flagged.push_back(dim);
  }
  return make<nn::BroadcastOp>(
      elementOf(x), target, aligned, nn::dynamicSizes(target),
      flagged.empty() ? DenseI64ArrayAttr() : getDenseI64ArrayAttr(flagged));
}

Value GraphBuilder::broadcastInto(Value x, const Sizes &target) {
  if (!x) {
    return {};
  }
  Value aligned = padRank(x, target.size());
  for (auto [dim, want] : llvm::enumerate(target)) {
    OpFoldResult have = size(aligned, dim);
    bool isOpen = have != want && !getConstantIntValue(have);
    if (isOpen && failed(checkBroadcast(have, want, dim))) {
      return {};
    }
  }
  return broadcastTo(aligned, target);
}

Value GraphBuilder::expand(Value x, const Sizes &shape) {
  if (!x) {
    return {};
  }
  int64_t rank =
      std::max<int64_t>(rankOf(x), static_cast<int64_t>(shape.size()));
  Sizes target;
  for (int64_t dim = 0; dim < rank; ++dim) {
    int64_t have = dim - (rank - rankOf(x)),
            want = dim - (rank - static_cast<int64_t>(shape.size()));
    OpFoldResult one = index(1);
    SmallVector<unsigned> flagged;
    FailureOr<OpFoldResult> joined =
        broadcastDim({have < 0 ? one : size(x, have),
                      want < 0 ? one : OpFoldResult(shape[want])},
                     dim, flagged);
    if (failed(joined)) {
      return {};
    }
    target.push_back(*joined);
  }
  return broadcastTo(x, target);
}

} // namespace dlc::build
