// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows that the blocks of a cluster share: each block tells the others the
// states of its rows through their shared memory.
#include "RowSpace.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

/// The memory space of addresses in the shared memory of a cluster's blocks.
static constexpr unsigned kClusterSpace = 7;

/// Waits for all threads of the cluster; what they wrote before is seen.
static void emitClusterBarrier(GPUKernelBuilder &kb) {
  auto aligned = kb.b.getUnitAttr();
  NVVM::ClusterArriveOp::create(kb.b, aligned);
  NVVM::ClusterWaitOp::create(kb.b, aligned);
}

/// Stores `value` where block `rank` of the cluster has `array[at]`.
static void emitRemoteStore(GPUKernelBuilder &kb, Value value, Value array,
                            OpFoldResult at, Value rank) {
  ImplicitLocOpBuilder &b = kb.b;
  int64_t bytes = llvm::divideCeil(value.getType().getIntOrFloatBitWidth(), 8);
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, array);
  Value address = kb.math.value(kb.math.add(base, kb.math.mul(at, bytes)));
  Value number = arith::IndexCastUIOp::create(b, b.getI64Type(), address);
  auto shared = LLVM::LLVMPointerType::get(b.getContext(), kSharedSpace);
  auto remote = LLVM::LLVMPointerType::get(b.getContext(), kClusterSpace);
  Value own = LLVM::IntToPtrOp::create(b, shared, number);
  Value block = arith::IndexCastOp::create(b, b.getI32Type(), rank);
  Value other = NVVM::MapaOp::create(b, remote, own, block);
  LLVM::StoreOp::create(b, value, other, bytes);
}

/// Each block writes the states of its rows to a column of a table that all
/// blocks have; then each combines the columns, in the same order. A table
/// serves once, so that nobody has to wait before it is written, but for the
/// first time, when all blocks must have begun (CUDA Programming Guide,
/// "Distributed Shared Memory").
SmallVector<Value> RowSpace::combineInCluster(GPUKernelBuilder &kb,
                                              ValueRange state,
                                              CombineFn combine) {
  kernel::IndexMath &math = kb.math;
  if (!std::exchange(hasBegun, true)) {
    emitClusterBarrier(kb);
  }
  SmallVector<Value> tables = llvm::map_to_vector(state, [&](Value value) {
    return kb.allocateShared(value.getType(), clusterBlocks * blockRows);
  });
  auto getPlaceOf = [&](OpFoldResult rank) {
    return math.add(math.mul(rank, blockRows), getRowInBlock(kb));
  };
  Value isFirst = math.equal(getOwnPlace(kb), math.constant(0));
  kernel::emitIf(kb.b, isFirst, [&] {
    OpFoldResult own = getPlaceOf(kb.getRank());
    for (int64_t rank = 0; rank < clusterBlocks; ++rank) {
      for (auto [value, table] : llvm::zip_equal(state, tables)) {
        emitRemoteStore(kb, value, table, own, math.value(rank));
      }
    }
  });
  emitClusterBarrier(kb);
  auto load = [&](int64_t rank) {
    return emitLoadState(kb, tables, getPlaceOf(math.constant(rank)));
  };
  SmallVector<Value> all = load(0);
  for (int64_t rank = 1; rank < clusterBlocks; ++rank) {
    all = combine(all, load(rank));
  }
  return all;
}

} // namespace dlc
