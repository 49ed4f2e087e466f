// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cp.async: copies of a warp, their groups, and when they take place.
#include "Async.h"
#include "Race.h"
#include "SharedOffsets.h"
#include <algorithm>

using namespace ptxsim;

static void performCopy(Cta *C, const CopyBatch &B) {
  bool Versions = !C->SharedVersion.empty();
  forLanes(B.Lanes, [&](uint32_t L) {
    if (B.SrcBytes[L] == 16) { // a call of memcpy would cost more than the copy
      std::memcpy(B.Dst[L], B.Src[L], 16);
    } else {
      std::memcpy(B.Dst[L], B.Src[L], B.SrcBytes[L]);
      std::memset(B.Dst[L] + B.SrcBytes[L], 0, B.Bytes - B.SrcBytes[L]);
    }
    if (Versions)
      touchShared(C, uint32_t(B.Dst[L] - C->Shared) + SharedBase, B.Bytes);
  });
}

void CopyQueue::complete(Cta *C, size_t Count) {
  for (; Count; --Count) {
    performCopy(C, Batches.front());
    Batches.pop_front();
  }
}
void CopyQueue::completeGroups(Cta *C, size_t Keep) {
  for (; Groups.size() > Keep; Groups.pop_front())
    complete(C, Groups.front());
}

/// Values of an address operand with its offset.
static RowU64 addresses(const Detail &D, unsigned Operand, const uint8_t *R) {
  const DetailOperand &O = D.Operands[Operand];
  const uint8_t *P = R + D.Slots[O.First];
  if (O.Wide)
    return rowAt<RowU64>(P) + uint64_t(int64_t(O.Offset));
  return __builtin_convertvector(rowAt<RowU32>(P) + uint32_t(O.Offset), RowU64);
}

static bool resolveTarget(Warp *W, const Inst *I, uint32_t On, const uint8_t *R,
                          const Detail &D, CopyBatch &B) {
  const DetailOperand &O = D.Operands[0];
  SharedOffsets Offset;
  if (Offset.resolve(W->C, Space::Shared, R + D.Slots[O.First], O.Wide,
                     O.Offset, On, B.Bytes)) {
    for (unsigned L = 0; L < 32; ++L)
      B.Dst[L] = W->C->Shared + Offset.Lane[L];
    return true;
  }
  Lanes Dst;
  if (!resolve(W, I, On, addresses(D, 0, R), Space::Shared, B.Bytes,
               AccessKind::Address, I->E, Dst))
    return false;
  std::memcpy(B.Dst, Dst.Ptr, sizeof(B.Dst));
  return true;
}

/// Source pointers; lanes that copy nothing may have any address.
static bool resolveSource(Warp *W, const Inst *I, uint32_t On, RowU64 From,
                          bool Sized, CopyBatch &B) {
  uint32_t Whole = Sized ? 0 : On, Part = 0;
  forLanes(Sized ? On : 0, [&](uint32_t L) {
    Whole |= uint32_t(B.SrcBytes[L] == B.Bytes) << L;
    Part |= uint32_t(B.SrcBytes[L] && B.SrcBytes[L] != B.Bytes) << L;
    B.Src[L] = B.Dst[L];
  });
  Lanes Src;
  if (Whole && !resolve(W, I, Whole, From, Space::Global, B.Bytes,
                        AccessKind::Read, I->E + 1, Src))
    return false;
  forLanes(Whole, [&](uint32_t L) {
    B.Src[L] = Src.Ptr[L];
    __builtin_prefetch(Src.Ptr[L]);
  });
  for (; Part; Part &= Part - 1) {
    uint32_t L = uint32_t(std::countr_zero(Part));
    uint64_t Address[32];
    Address[L] = From[L];
    B.Src[L] = resolveOne(W, I, L, From[L], Space::Global, B.SrcBytes[L],
                          B.Bytes, AccessKind::Read);
    if (!B.Src[L] ||
        (W->C->Observed && !observeGlobal(W, I, 1u << L, Address, B.SrcBytes[L],
                                          AccessKind::Read)))
      return false;
  }
  return true;
}

/// Checks and issues the copies of all active lanes; false after a fault.
static bool issueCopies(Warp *W, const Inst *I, const uint8_t *R, uint32_t On) {
  const Detail &D = W->P->Details[I->X];
  CopyQueue &Queue = asyncOf(W).Copies;
  CopyBatch &B = Queue.Batches.emplace_back();
  B.Lanes = On;
  B.Bytes = uint32_t(D.Immediates[0]);
  for (unsigned L = 0; L < 32; ++L)
    B.SrcBytes[L] = D.has(2)
                        ? std::min(B.Bytes, laneOf<uint32_t>(R, D.slot(2), L))
                        : B.Bytes;
  if (!resolveTarget(W, I, On, R, D, B))
    return false;
  if (!resolveSource(W, I, On, addresses(D, 1, R), D.has(2), B))
    return false;
  ++W->Effects;
  if (W->C->Observed) {
    uint32_t Offset[32];
    forLanes(On, [&](uint32_t L) {
      Offset[L] = uint32_t(B.Dst[L] - W->C->Shared) + SharedBase;
    });
    if (!raceAsyncCopy(W, I, On, Offset, B.Bytes))
      return false;
  }
  if (runsAtIssue(W)) {
    performCopy(W->C, B);
    Queue.Batches.pop_back();
  }
  return true;
}

static void cpAsync(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On && !issueCopies(W, I, R, On))
    return;
  PTXSIM_NEXT;
}
static void commitCopies(PTXSIM_ARGS) {
  if (guarded(I, R, M)) {
    asyncOf(W).Copies.commit();
    raceCommitCopies(W);
  }
  PTXSIM_NEXT;
}
static void waitCopies(PTXSIM_ARGS) {
  if (guarded(I, R, M)) {
    asyncOf(W).Copies.completeGroups(W->C, size_t(I->Imm));
    raceWaitCopies(W, size_t(I->Imm));
  }
  PTXSIM_NEXT;
}
static void waitAllCopies(PTXSIM_ARGS) {
  if (guarded(I, R, M)) {
    CopyQueue &Queue = asyncOf(W).Copies;
    Queue.commit();
    Queue.completeGroups(W->C, 0);
    raceCommitCopies(W);
    raceWaitCopies(W, 0);
  }
  PTXSIM_NEXT;
}

/// The arrival happens once the thread's earlier copies are done.
static void cpAsyncArrive(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On) {
    ++W->Effects;
    std::deque<CopyBatch> Earlier = asyncOf(W).Copies.takeAll();
    bool Increment = I->Aux == 0;
    std::vector<std::pair<Cta *, uint32_t>> Targets;
    const Detail &D = W->P->Details[I->X];
    for (uint32_t Left = On; Left; Left &= Left - 1) {
      uint32_t L = uint32_t(std::countr_zero(Left)), Offset;
      Cta *C;
      if (!resolveMbarrier(W, I, L, detailAddress(D, 0, R, L), I->Where, C,
                           Offset))
        return;
      Mbarrier *B = findMbarrier(W, I, L, C, Offset);
      if (!B)
        return;
      if (Increment)
        ++B->Pending;
      raceArriveMbarrier(W, B, true);
      Targets.push_back({C, Offset});
    }
    scheduleWork(
        W, [W, Earlier = std::move(Earlier), Targets = std::move(Targets)] {
          for (const CopyBatch &B : Earlier)
            performCopy(W->C, B);
          for (auto [C, Offset] : Targets) {
            auto It = C->Mbars->Objects.find(Offset);
            if (It == C->Mbars->Objects.end() || !It->second.Pending)
              continue;
            --It->second.Pending;
            completePhase(C, It->second);
          }
        });
  }
  PTXSIM_NEXT;
}

static bool legalCopySize(const Lowered &L) {
  int64_t N = L.Immediates[0];
  bool Wide = L.Info.has(Mod::Cg);
  return Wide ? N == 16 : N == 4 || N == 8 || N == 16;
}

bool ptxsim::selectCopies(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::CpAsync:
    I.X = E.addDetail(L);
    I.E = E.newAccessCache();
    E.newAccessCache(); // I.E + 1, of the source
    I.Fn = legalCopySize(L) ? cpAsync : nullptr;
    break;
  case Op::CpAsyncCommit: I.Fn = commitCopies; break;
  case Op::CpAsyncWait:
    I.Imm = int32_t(L.Immediates[0]);
    I.Fn = waitCopies;
    break;
  case Op::CpAsyncWaitAll: I.Fn = waitAllCopies; break;
  case Op::CpAsyncMbarrier:
    I.Aux = L.Info.has(Mod::Noinc);
    I.X = E.addDetail(L);
    I.Fn = cpAsyncArrive;
    break;
  default: return false;
  }
  return I.Fn != nullptr;
}
