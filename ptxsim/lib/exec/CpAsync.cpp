// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cp.async: copies of a warp, their groups, and when they take place.
#include "Async.h"
#include "Race.h"
#include "SharedOffsets.h"
#include <algorithm>

using namespace ptxsim;

static void performCopy(Cta *C, const CopyBatch &B) {
  auto To = [&](uint32_t L) { return C->Shared + B.To[L]; };
  if (B.Bytes == 16) // a call of memcpy would cost more than the copy
    forLanes(B.Lanes & ~B.Short,
             [&](uint32_t L) { std::memcpy(To(L), B.From + B.Source[L], 16); });
  else
    forLanes(B.Lanes & ~B.Short, [&](uint32_t L) {
      std::memcpy(To(L), B.From + B.Source[L], B.Bytes);
    });
  forLanes(B.Short, [&](uint32_t L) {
    uint32_t N = B.SourceBytes[L];
    std::memcpy(To(L), B.From + B.Source[L], N);
    std::memset(To(L) + N, 0, B.Bytes - N);
  });
  touchShared(C);
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

namespace {
/// The copies of all lanes while they are being issued.
struct Copies {
  const Detail &D;
  uint32_t On, Bytes;
  uint32_t Whole, Part; // lanes that copy all or some of the bytes
  RowU32 SourceBytes;
  SharedOffsets To;
  Lanes From;
};
} // namespace

/// How many bytes each lane copies; the rest is zeros.
static Copies sizesOf(const Detail &D, const uint8_t *R, uint32_t On) {
  uint32_t Bytes = uint32_t(D.Immediates[0]);
  Copies X{D, On, Bytes, On, 0, (RowU32)(Bytes), {}, {}};
  if (!D.has(2))
    return X;
  RowU32 Size = rowAt<RowU32>(R + D.slot(2));
  X.SourceBytes = (RowI32)(Size < Bytes) ? Size : (RowU32)(Bytes);
  X.Whole = On & toMask((RowI32)(Size >= Bytes));
  X.Part = On & ~X.Whole & toMask((RowI32)(Size != 0));
  return X;
}

static bool resolveTarget(Warp *W, const Inst *I, const uint8_t *R, Copies &X) {
  const DetailOperand &O = X.D.Operands[0];
  if (X.To.resolve(W->C, Space::Shared, R + X.D.Slots[O.First], O.Wide,
                   O.Offset, X.On, X.Bytes))
    return true;
  Lanes To;
  if (!resolve(W, I, X.On, addresses(X.D, 0, R), Space::Shared, X.Bytes,
               AccessKind::Address, I->E, To))
    return false;
  forLanes(X.On, [&](uint32_t L) {
    X.To.Lane[L] = uint32_t(To.Ptr[L] - W->C->Shared);
  });
  return true;
}

/// Source pointers; lanes that copy nothing may have any address.
static bool resolveSource(Warp *W, const Inst *I, const uint8_t *R, Copies &X) {
  RowU64 Address = addresses(X.D, 1, R);
  if (X.Whole && !resolve(W, I, X.Whole, Address, Space::Global, X.Bytes,
                          AccessKind::Read, I->E + 1, X.From))
    return false;
  uintptr_t Line = 0;
  forLanes(X.Whole, [&](uint32_t L) {
    if (uintptr_t(X.From.Ptr[L]) / 64 == Line)
      return;
    Line = uintptr_t(X.From.Ptr[L]) / 64;
    __builtin_prefetch(X.From.Ptr[L]);
  });
  for (uint32_t Left = X.Part; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left)), N = X.SourceBytes[L];
    uint64_t One[32];
    One[L] = Address[L];
    X.From.Ptr[L] = resolveOne(W, I, L, Address[L], Space::Global, N, X.Bytes,
                               AccessKind::Read);
    if (!X.From.Ptr[L] ||
        (W->C->Observed &&
         !observeGlobal(W, I, 1u << L, One, N, AccessKind::Read)))
      return false;
  }
  return true;
}

/// Lanes whose sources are within reach of the first one's form a batch:
/// nearly always all of them.
static uint32_t takeBatch(const Copies &X, uint32_t Left, CopyBatch &B) {
  uint32_t Reads = Left & (X.Whole | X.Part);
  B.Bytes = X.Bytes;
  B.Short = Left & ~X.Whole;
  B.From = Reads ? X.From.Ptr[std::countr_zero(Reads)] : nullptr;
  std::memcpy(B.To, X.To.Lane, sizeof(B.To));
  B.Lanes = Left;
  forLanes(Left, [&](uint32_t L) {
    int64_t Distance = Reads >> L & 1 ? X.From.Ptr[L] - B.From : 0;
    B.Source[L] = int32_t(Distance);
    if (B.Source[L] != Distance)
      B.Lanes &= ~(1u << L);
  });
  B.Short &= B.Lanes;
  forLanes(B.Short,
           [&](uint32_t L) { B.SourceBytes[L] = uint8_t(X.SourceBytes[L]); });
  return Left & ~B.Lanes;
}

/// Checks and issues the copies of all active lanes; false after a fault.
static bool issueCopies(Warp *W, const Inst *I, const uint8_t *R, uint32_t On) {
  Copies X = sizesOf(W->P->Details[I->X], R, On);
  if (!resolveTarget(W, I, R, X) || !resolveSource(W, I, R, X))
    return false;
  ++W->Effects;
  if (W->C->Observed) {
    uint32_t Offset[32];
    forLanes(On, [&](uint32_t L) { Offset[L] = X.To.Lane[L] + SharedBase; });
    if (!raceAsyncCopy(W, I, On, Offset, X.Bytes))
      return false;
  }
  CopyQueue &Queue = asyncOf(W).Copies;
  bool Now = runsAtIssue(W);
  for (uint32_t Left = On; Left;) {
    CopyBatch &B = Queue.Batches.emplace_back();
    Left = takeBatch(X, Left, B);
    if (Now) {
      performCopy(W->C, B);
      Queue.Batches.pop_back();
    }
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
