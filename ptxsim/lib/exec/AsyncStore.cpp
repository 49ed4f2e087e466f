// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// st.async and red.async: stores and reductions of registers into shared memory
// of the cluster, whose bytes an mbarrier object beside them counts.
#include "Async.h"
#include "Race.h"
#include "TensorCopy.h"

using namespace ptxsim;

namespace {
/// What a lane stores.
struct AsyncElement {
  Cta *Owner = nullptr;
  uint32_t Offset = 0, Barrier = 0;
  uint8_t Data[16];
};
} // namespace

static bool findElement(Warp *W, const Inst *I, const uint8_t *R, uint32_t L,
                        uint32_t Bytes, AsyncElement &E) {
  const Detail &D = W->P->Details[I->X];
  Cta *BarrierOwner = nullptr;
  uint64_t Address = detailAddress(D, 0, R, L);
  if (!resolveOne(W, I, L, Address, D.Info.Where, Bytes, Bytes,
                  AccessKind::Write, &E.Owner, &E.Offset) ||
      !resolveMbarrier(W, I, L, detailAddress(D, 2, R, L), D.Info.Where,
                       BarrierOwner, E.Barrier))
    return false;
  if (E.Owner != BarrierOwner) {
    fault(W, I, FaultKind::Illegal, L,
          "destination and mbarrier are not in shared memory of one CTA");
    return false;
  }
  return findMbarrier(W, I, L, BarrierOwner, E.Barrier);
}

/// Each lane's store is an operation of its own, which the barrier object's
/// agent runs. False after a fault.
static bool issueStores(Warp *W, const Inst *I, const uint8_t *R, uint32_t On) {
  const Detail &D = W->P->Details[I->X];
  bool Reduces = D.Info.O == Op::RedAsync;
  Type Ty = D.Info.Types[0];
  uint32_t Element = bitWidth(Ty) / 8, Width = D.Info.VectorWidth;
  uint32_t Bytes = Element * Width;
  std::vector<AsyncElement> All;
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    AsyncElement &E = All.emplace_back();
    CopyEpoch Copy;
    if (!findElement(W, I, R, L, Bytes, E) ||
        !raceBeginBulk(W, I, L, E.Owner, E.Barrier, Copy) ||
        !raceCopyShared(W, I, E.Owner, E.Offset, Bytes,
                        Reduces ? CopyAccess::Reduce : CopyAccess::Store, Copy))
      return false;
    for (uint32_t K = 0; K < Width; ++K)
      std::memcpy(E.Data + K * Element, R + D.slot(1, K) + L * Element,
                  Element);
  }
  ++W->Effects;
  Mod Operation = reductionOf(D.Info);
  scheduleWork(W, [=, All = std::move(All)] {
    for (const AsyncElement &E : All) {
      uint8_t *To = E.Owner->Shared + (E.Offset - SharedBase);
      if (Reduces)
        reduceBytes(To, E.Data, Bytes, Ty, Operation);
      else
        std::memcpy(To, E.Data, Bytes);
      touchShared(E.Owner);
      deliverBytes(E.Owner, E.Barrier, Bytes);
    }
  });
  return true;
}
static void asyncStore(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On && !issueStores(W, I, R, On))
    return;
  PTXSIM_NEXT;
}

bool ptxsim::selectAsyncStore(Encoder &E, const Lowered &L, Inst &I) {
  if (L.Info.O != Op::StAsync && L.Info.O != Op::RedAsync)
    return false;
  I.X = E.addDetail(L);
  I.Fn = asyncStore;
  return true;
}
