// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Contractions: matrix products of any rank and every two-operand einsum.
#include "Import/Build/GraphBuilder.h"

using namespace mlir;

namespace dlc::build {

static std::optional<int64_t> placeOf(ArrayRef<unsigned> loops, unsigned loop) {
  const unsigned *found = llvm::find(loops, loop);
  if (found == loops.end()) {
    return std::nullopt;
  }
  return found - loops.begin();
}

/// Size of one loop that both operands may have. A dim of size 1 beside a
/// larger one leaves its operand; one that may be 1 at run time is repeated.
FailureOr<OpFoldResult> GraphBuilder::joinLoop(LoopOperand &lhs,
                                               LoopOperand &rhs, unsigned loop,
                                               bool isSummed) {
  std::optional<int64_t> inLhs = placeOf(lhs.loops, loop),
                         inRhs = placeOf(rhs.loops, loop);
  if (!inLhs || !inRhs) {
    return inLhs   ? size(lhs.tensor, *inLhs)
           : inRhs ? size(rhs.tensor, *inRhs)
                   : OpFoldResult(index(1));
  }
  OpFoldResult left = size(lhs.tensor, *inLhs),
               right = size(rhs.tensor, *inRhs);
  if (left == right) {
    return left;
  }
  if (isOneForSure(left) || isOneForSure(right)) {
    LoopOperand &single = isOneForSure(left) ? lhs : rhs;
    int64_t place = isOneForSure(left) ? *inLhs : *inRhs;
    single.tensor = squeeze(single.tensor, {place});
    single.loops.erase(single.loops.begin() + place);
    return isOneForSure(left) ? right : left;
  }
  if (isSummed) {
    if (failed(
            checkEqual(left, right, "the summed dim of the second operand"))) {
      return failure();
    }
    return getConstantIntValue(right) ? right : left;
  }
  SmallVector<unsigned> flagged;
  FailureOr<OpFoldResult> joined =
      broadcastDim({left, right}, static_cast<int64_t>(loop), flagged);
  if (failed(joined)) {
    return failure();
  }
  for (unsigned i : flagged) {
    LoopOperand &operand = i == 0 ? lhs : rhs;
    Sizes target = sizes(operand.tensor);
    target[i == 0 ? *inLhs : *inRhs] = *joined;
    operand.tensor = broadcastTo(operand.tensor, target);
  }
  return *joined;
}

Value GraphBuilder::contract(Value lhs, ArrayRef<unsigned> lhsLoops, Value rhs,
                             ArrayRef<unsigned> rhsLoops,
                             ArrayRef<unsigned> resultLoops, Type result,
                             Value lhsZero, Value rhsZero) {
  if (!lhs || !rhs) {
    return {};
  }
  LoopOperand left{lhs, SmallVector<unsigned>(lhsLoops)},
      right{rhs, SmallVector<unsigned>(rhsLoops)};
  unsigned loopCount = 0;
  for (ArrayRef<unsigned> loops : {lhsLoops, rhsLoops, resultLoops}) {
    for (unsigned loop : loops) {
      loopCount = std::max(loopCount, loop + 1);
    }
  }
  Sizes loopSizes;
  for (unsigned loop = 0; loop < loopCount; ++loop) {
    FailureOr<OpFoldResult> joined =
        joinLoop(left, right, loop, !llvm::is_contained(resultLoops, loop));
    if (failed(joined) || !left.tensor || !right.tensor) {
      return {};
    }
    loopSizes.push_back(*joined);
  }
  // Numbers that no operand uses are left out.
  SmallVector<unsigned> used;
  for (unsigned loop = 0; loop < loopCount; ++loop) {
    if (llvm::is_contained(left.loops, loop) ||
        llvm::is_contained(right.loops, loop)) {
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
  return make<nn::ContractOp>(
      result ? result : elementOf(lhs), resultSizes, left.tensor, right.tensor,
      lhsZero, rhsZero,
      getAffineMapArrayAttr(
          {mapOf(left.loops), mapOf(right.loops), mapOf(resultLoops)}),
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
