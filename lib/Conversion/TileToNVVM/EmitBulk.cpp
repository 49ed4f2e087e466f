// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bulk copies by tensor maps, and the mbarriers that say when they have come
// (PTX ISA, "Asynchronous copy" and "mbarrier").
#include "KernelEmitter.h"

#include "Dialect/Tile/TensorMap.h"

using namespace mlir;

namespace dlc::tile {

void KernelEmitter::emitByOneThread(llvm::function_ref<void()> body) {
  Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread,
                                        math.constant(0));
  auto branch = scf::IfOp::create(b, isFirst, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    body();
  }
  // What follows may be for whole warps.
  NVVM::SyncWarpOp::create(b, math.constant(-1));
}

Value KernelEmitter::getBarrier(Value barriers, Value stage) {
  Value offset = math.mul(mapping.lookupOrDefault(stage), kBarrierBytes);
  return byteAddress(addresses.at(barriers), offset);
}

/// An mbarrier's phase ends with one arrival, of who announces the bytes, and
/// with these bytes. The fence is for the copies, which see it as another kind
/// of access does.
void KernelEmitter::emitAllocBarriers(AllocBarriersOp op) {
  addresses[op.getBarriers()] = LLVM::GEPOp::create(
      b, sharedMemory.getType(), b.getI8Type(), sharedMemory,
      LLVM::GEPArg(static_cast<int32_t>(op.getOffset().value_or(0))));
  emitByOneThread([&] {
    int64_t stages = op.getBarriers().getType().getStages();
    for (int64_t stage = 0; stage != stages; ++stage) {
      NVVM::MBarrierInitOp::create(
          b, getBarrier(op.getBarriers(), math.constant(stage)),
          math.constant(1), /*predicate=*/Value());
    }
    NVVM::FenceMbarrierInitOp::create(b);
  });
  NVVM::Barrier0Op::create(b);
}

LogicalResult KernelEmitter::emitBulkCopies(BulkCopiesOp op) {
  int64_t bytes = 0;
  for (CopyOp copy : op.getBody().getOps<CopyOp>()) {
    bytes += copy.getTarget().getType().getBytes();
  }
  LogicalResult result = success();
  emitByOneThread([&] {
    Value barrier = getBarrier(op.getBarriers(), op.getStage());
    NVVM::MBarrierArriveExpectTxOp::create(
        b, /*res=*/Type(), barrier, math.constant(bytes),
        NVVM::MemScopeKind::CTA, /*relaxed=*/false, /*predicate=*/Value());
    for (Operation &inner : op.getBody().front()) {
      if (auto copy = dyn_cast<CopyOp>(inner)) {
        emitBulkCopy(copy, barrier);
      } else if (failed(emitOp(&inner))) {
        result = failure();
      }
    }
  });
  return result;
}

/// A copy per panel of the tile's rows. What lies outside of the matrix becomes
/// zero, and counts as bytes that came.
void KernelEmitter::emitBulkCopy(CopyOp op, Value barrier) {
  auto get = [&](Value value) { return mapping.lookupOrDefault(value); };
  auto view = op.getSource().getDefiningOp<MappedViewOp>();
  TileType tile = op.getTarget().getType();
  ArrayRef<int64_t> shape = tile.getShape();
  MapBox box = MapBox::get(shape[0], shape[1], tile.getElementBytes());
  auto cluster = LLVM::LLVMPointerType::get(b.getContext(), 7);
  for (int64_t column = 0; column != shape[1]; column += box.columns) {
    Value target = byteAddress(
        addresses.at(op.getTarget()),
        math.constant(column / box.columns * box.rows * box.swizzleBytes));
    SmallVector<Value> place{math.add(get(op.getColumn()), column),
                             get(op.getRow())};
    llvm::append_range(place, llvm::map_range(view.getBatch(), get));
    NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
        b, LLVM::AddrSpaceCastOp::create(b, cluster, target),
        get(view.getMap()), place, barrier, /*im2colOffsets=*/ValueRange(),
        /*multicastMask=*/Value(), /*l2CacheHint=*/Value(),
        NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false,
        /*group=*/NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
  }
}

/// The instruction gives up after a while, so it is asked again.
void KernelEmitter::emitAwaitBulk(AwaitBulkOp op) {
  Value barrier = getBarrier(op.getBarriers(), op.getStage());
  Value phase = mapping.lookupOrDefault(op.getPhase());
  auto loop = scf::WhileOp::create(b, TypeRange(), ValueRange());
  {
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&loop.getBefore());
    Value came = NVVM::MBarrierTryWaitOp::create(
        b, b.getI1Type(), barrier, phase, /*ticks=*/Value(),
        NVVM::MemScopeKind::CTA, /*relaxed=*/false);
    Value one = arith::ConstantIntOp::create(b, b.getI1Type(), 1);
    Value again = arith::XOrIOp::create(b, came, one);
    scf::ConditionOp::create(b, again, ValueRange());
    b.createBlock(&loop.getAfter());
    scf::YieldOp::create(b);
  }
  NVVM::Barrier0Op::create(b);
}

} // namespace dlc::tile
