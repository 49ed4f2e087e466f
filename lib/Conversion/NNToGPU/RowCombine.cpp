// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How the threads of a row put their states together.
#include "RowSpace.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

using CombineFn =
    llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)>;

/// Combines the states of the threads that are 32 apart, in their order.
static SmallVector<Value> combineAcross(GPUKernelBuilder &kb, ValueRange state,
                                        int64_t rowThreads, CombineFn combine) {
  SmallVector<Value> states = emitShareState(kb, state);
  auto load = [&](int64_t i) {
    return emitLoadState(
        kb, states,
        kb.math.add(kb.getLane(), kb.math.constant(i * kWarpThreads)));
  };
  SmallVector<Value> all = load(0);
  for (int64_t i = 1; i < rowThreads; ++i) {
    all = combine(all, load(i));
  }
  return all;
}

/// Combines the states of the threads that are `lanes` apart, of which there
/// are `count`: the first half those of the second half, and so on; and then
/// the results of `perRow` neighbours of a row.
static SmallVector<Value> combineWoven(GPUKernelBuilder &kb, ValueRange state,
                                       int64_t count, int64_t lanes,
                                       int64_t perRow, CombineFn combine) {
  kernel::IndexMath &math = kb.math;
  SmallVector<Value> states = emitShareState(kb, state);
  auto load = [&](OpFoldResult at) { return emitLoadState(kb, states, at); };
  while (count > 1) {
    int64_t half = llvm::divideCeil(count, 2);
    Value hasOther =
        math.less(kb.getThread(), math.constant((count - half) * lanes));
    kernel::emitIf(kb.b, hasOther, [&] {
      OpFoldResult other =
          math.add(kb.getThread(), math.constant(half * lanes));
      SmallVector<Value> both = combine(load(kb.getThread()), load(other));
      for (auto [value, array] : llvm::zip_equal(both, states)) {
        memref::StoreOp::create(kb.b, value, array, kb.getThread());
      }
    });
    kb.emitBarrier();
    count = half;
  }
  OpFoldResult lane = math.rem(kb.getThread(), math.constant(lanes)),
               first = math.mul(math.div(lane, math.constant(perRow)), perRow);
  SmallVector<Value> all = load(first);
  for (int64_t i = 1; i < perRow; ++i) {
    all = combine(all, load(math.add(first, math.constant(i))));
  }
  return all;
}

SmallVector<Value> RowSpace::combine(GPUKernelBuilder &kb, ValueRange state,
                                     CombineFn combine) {
  SmallVector<Value> all = combineInBlock(kb, state, combine);
  return clusterBlocks == 1 ? all : combineInCluster(kb, all, combine);
}

SmallVector<Value> RowSpace::combineInBlock(GPUKernelBuilder &kb,
                                            ValueRange state,
                                            CombineFn combine) {
  int64_t ownThreads = getOwnThreads();
  if (isAcross) {
    return combineAcross(kb, state, ownThreads, combine);
  }
  if (pieceThreads > 0 || (isWoven && blockRows > 1)) {
    int64_t perRow = std::max<int64_t>(1, pieceThreads);
    return combineWoven(kb, state, ownThreads / perRow, blockRows * perRow,
                        perRow, combine);
  }
  return ownThreads == kWarpThreads
             ? emitWarpReduce(kb, state, kWarpThreads, combine)
             : emitBlockReduce(kb, state, combine);
}

} // namespace dlc
