// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Contractions: matrix products of any rank and every two-operand einsum.
#include "Import/Build/GraphBuilder.h"

using namespace mlir;

namespace dlc::build {

namespace {
/// One operand of a contraction and the loop of each of its dims.
struct Operand {
  Value tensor;
  SmallVector<unsigned> loops;
};
} // namespace

static std::optional<int64_t> placeOf(ArrayRef<unsigned> loops, unsigned loop) {
  const unsigned *found = llvm::find(loops, loop);
  if (found == loops.end()) {
    return std::nullopt;
  }
  return found - loops.begin();
}

Value GraphBuilder::contract(Value lhs, ArrayRef<unsigned> lhsLoops, Value rhs,
                             ArrayRef<unsigned> rhsLoops,
                             ArrayRef<unsigned> resultLoops, Type result,
                             Value lhsZero, Value rhsZero) {
  if (!lhs || !rhs) {
    return {};
  }
  Operand operands[2] = {{lhs, SmallVector<unsigned>(lhsLoops)},
                         {rhs, SmallVector<unsigned>(rhsLoops)}};
  unsigned loopCount = 0;
  for (ArrayRef<unsigned> loops : {lhsLoops, rhsLoops, resultLoops}) {
    for (unsigned loop : loops) {
      loopCount = std::max(loopCount, loop + 1);
    }
  }
  Sizes loopSizes(loopCount, index(1));
  for (unsigned loop = 0; loop < loopCount; ++loop) {
    std::optional<int64_t> inLhs = placeOf(operands[0].loops, loop),
                           inRhs = placeOf(operands[1].loops, loop);
    if (!inLhs || !inRhs) {
      Operand &only = operands[inLhs ? 0 : 1];
      if (inLhs || inRhs) {
        loopSizes[loop] = size(only.tensor, inLhs ? *inLhs : *inRhs);
      }
      continue;
    }
    OpFoldResult left = size(operands[0].tensor, *inLhs),
                 right = size(operands[1].tensor, *inRhs);
    // A dim of size 1 beside a larger one leaves its operand.
    for (auto [operand, place, own, other] :
         {std::tuple(&operands[0], *inLhs, left, right),
          std::tuple(&operands[1], *inRhs, right, left)}) {
      if (isOneForSure(own) && !isOneForSure(other)) {
        operand->tensor = squeeze(operand->tensor, {place});
        operand->loops.erase(operand->loops.begin() + place);
      }
    }
    loopSizes[loop] = isOneForSure(left) ? right : left;
    if (left == right || isOneForSure(left) || isOneForSure(right)) {
      continue;
    }
    SmallVector<unsigned> flagged;
    bool isBatch = llvm::is_contained(resultLoops, loop);
    if (!isBatch) {
      if (failed(checkEqual(left, right,
                            "the summed dim of the second operand"))) {
        return {};
      }
      if (getConstantIntValue(right)) {
        loopSizes[loop] = right;
      }
      continue;
    }
    FailureOr<OpFoldResult> joined =
        broadcastDim({left, right}, static_cast<int64_t>(loop), flagged);
    if (failed(joined)) {
      return {};
    }
    loopSizes[loop] = *joined;
    for (unsigned i : flagged) {
      Sizes target = sizes(operands[i].tensor);
      target[i == 0 ? *inLhs : *inRhs] = *joined;
      operands[i].tensor = broadcastTo(operands[i].tensor, target);
    }
  }
  // Numbers that no operand uses are left out.
  SmallVector<unsigned> used;
  for (unsigned loop = 0; loop < loopCount; ++loop) {
    if (llvm::is_contained(operands[0].loops, loop) ||
        llvm::is_contained(operands[1].loops, loop)) {
      used.push_back(loop);
    }
  }
  auto mapOf = [&](ArrayRef<unsigned> loops) {
    SmallVector<AffineExpr> dims =
        llvm::map_to_vector(loops, [&](unsigned loop) {
          return getAffineDimExpr(llvm::find(used, loop) - used.begin());
        });
    return AffineMap::get(used.size(), 0, dims, getContext());
  };
  Sizes resultSizes;
  for (unsigned loop : resultLoops) {
    resultSizes.push_back(loopSizes[loop]);
  }
  if (!operands[0].tensor || !operands[1].tensor) {
    return {};
  }
  return make<nn::ContractOp>(
      result ? result : elementOf(lhs), resultSizes, operands[0].tensor,
      operands[1].tensor, lhsZero, rhsZero,
      getAffineMapArrayAttr({mapOf(operands[0].loops), mapOf(operands[1].loops),
                             mapOf(resultLoops)}),
      TypeAttr());
}

Value GraphBuilder::matmul(Value lhs, Value rhs, Type result, Value lhsZero,
                           Value rhsZero) {
  if (!lhs || !rhs) {
    return {};
  }
  int64_t lhsRank = rankOf(lhs), rhsRank = rankOf(rhs);
  if (lhsRank == 0 || rhsRank == 0) {
    return invalid("expected operands of rank 1 or more, got a scalar");
  }
  // Loops: batch dims (aligned at the end), then m, n, k.
  int64_t batch = std::max<int64_t>({lhsRank - 2, rhsRank - 2, 0});
  unsigned m = batch, n = batch + 1, k = batch + 2;
  auto loopsOf = [&](int64_t rank, ArrayRef<unsigned> last) {
    SmallVector<unsigned> loops;
    for (int64_t dim = 0; dim < rank - 2; ++dim) {
      loops.push_back(batch - (rank - 2) + dim);
    }
    loops.append(last.begin(), last.end());
    return loops;
  };
  SmallVector<unsigned> lhsLoops =
      lhsRank == 1 ? SmallVector<unsigned>{k} : loopsOf(lhsRank, {m, k});
  SmallVector<unsigned> rhsLoops =
      rhsRank == 1 ? SmallVector<unsigned>{k} : loopsOf(rhsRank, {k, n});
  SmallVector<unsigned> resultLoops;
  for (unsigned loop = 0; loop < batch; ++loop) {
    resultLoops.push_back(loop);
  }
  if (lhsRank > 1) {
    resultLoops.push_back(m);
  }
  if (rhsRank > 1) {
    resultLoops.push_back(n);
  }
  // Without m or n the later loops move up: each loop must be in an operand.
  auto compact = [&](SmallVector<unsigned> &loops) {
    for (unsigned &loop : loops) {
      unsigned gone = (lhsRank == 1 && loop > m) + (rhsRank == 1 && loop > n);
      loop -= gone;
    }
  };
  compact(lhsLoops);
  compact(rhsLoops);
  compact(resultLoops);
  return contract(lhs, lhsLoops, rhs, rhsLoops, resultLoops, result, lhsZero,
                  rhsZero);
}

} // namespace dlc::build
