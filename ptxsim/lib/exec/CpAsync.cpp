// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cp.async: copies of a warp, their groups, and when they take place.
#include "Async.h"
#include "Race.h"
#include "SharedOffsets.h"
#include <algorithm>

using namespace ptxsim;

void ptxsim::performCopy(Cta *C, const CopyBatch &B) {
  auto To = [&](uint32_t L) { return C->Shared + B.To[L]; };
  if (B.Bytes == 16 && B.Lanes == AllLanes && !B.Short)
    for (unsigned L = 0; L < 32; ++L)
      std::memcpy(To(L), B.From + B.Source[L], 16);
  else if (B.Bytes == 16) // a call of memcpy would cost more than the copy
    forLanes(B.Lanes & ~B.Short,
             [&](uint32_t L) { std::memcpy(To(L), B.From + B.Source[L], 16); });
  else
    forLanes(B.Lanes & ~B.Short, [&](uint32_t L) {
      std::memcpy(To(L), B.From + B.Source[L], B.Bytes);
    });
  forLanes(B.Short, [&](uint32_t L) {
    uint32_t N = B.SourceBytes[L];
    if (N) // else there may be no source
      std::memcpy(To(L), B.From + B.Source[L], N);
    std::memset(To(L) + N, 0, B.Bytes - N);
  });
  touchShared(C);
}

CopyBatch &CopyQueue::add() {
  if (Count == Ring.size()) {
    std::rotate(Ring.begin(), Ring.begin() + long(First), Ring.end());
    First = 0;
    Ring.resize(std::max<size_t>(8, 2 * Count));
  }
  return at(Count++);
}
void CopyQueue::completeGroups(Cta *C, size_t Keep) {
  for (; Groups.size() > Keep; Groups.pop_front())
    for (size_t Left = Groups.front(); Left; --Left) {
      performCopy(C, at(0));
      First = (First + 1) & (Ring.size() - 1);
      --Count;
      --Committed;
    }
}
std::vector<CopyBatch> CopyQueue::takeAll() {
  std::vector<CopyBatch> All;
  for (size_t K = 0; K < Count; ++K)
    All.push_back(at(K));
  std::fill(Groups.begin(), Groups.end(), 0);
  Count = Committed = 0;
  return All;
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

/// Fetches the lines that the lanes of M will read, each once where neighbours
/// share it.
static void prefetchLines(RowU64 Address, uint32_t M) {
  RowU64 Line = Address >> 6;
  RowU64 Before = __builtin_shufflevector(
      Line, Line, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
      17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
  uint32_t New = (toMask((RowI64)(Line != Before)) | 1u | ~(M << 1)) & M;
  alignas(64) uint64_t At[32];
  std::memcpy(At, &Address, sizeof(At));
  forLanes(New, [&](uint32_t L) {
    __builtin_prefetch(reinterpret_cast<const void *>(At[L]));
  });
}

/// Source pointers; lanes that copy nothing may have any address.
static bool resolveSource(Warp *W, const Inst *I, const uint8_t *R, Copies &X) {
  RowU64 Address = addresses(X.D, 1, R);
  if (X.Whole && !resolve(W, I, X.Whole, Address, Space::Global, X.Bytes,
                          AccessKind::Read, I->E + 1, X.From))
    return false;
  prefetchLines(Address, X.Whole);
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

/// The common case of takeBatch: all lanes copy, from places not far apart.
static bool takeWholeBatch(const Copies &X, CopyBatch &B) {
  RowI64 Distance;
  std::memcpy(&Distance, X.From.Ptr, sizeof(Distance));
  Distance -= int64_t(uintptr_t(X.From.Ptr[0]));
  RowI32 Short = __builtin_convertvector(Distance, RowI32);
  RowI64 Beyond = Distance - __builtin_convertvector(Short, RowI64);
  if (toMask((RowI64)(Beyond != 0)))
    return false;
  B.Lanes = AllLanes;
  B.Short = 0;
  B.From = X.From.Ptr[0];
  std::memcpy(B.Source, &Short, sizeof(Short));
  return true;
}

/// Lanes whose sources are within reach of the first one's form a batch:
/// nearly always all of them.
static uint32_t takeBatch(const Copies &X, uint32_t Left, CopyBatch &B) {
  uint32_t Reads = Left & (X.Whole | X.Part);
  B.Bytes = X.Bytes;
  std::memcpy(B.To, X.To.Lane, sizeof(B.To));
  if ((Left & X.Whole) == AllLanes && takeWholeBatch(X, B))
    return 0;
  B.Short = Left & ~X.Whole;
  B.From = Reads ? X.From.Ptr[std::countr_zero(Reads)] : nullptr;
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
    CopyBatch &B = Queue.add();
    Left = takeBatch(X, Left, B);
    if (Now) {
      performCopy(W->C, B);
      Queue.removeLast();
    }
  }
  return true;
}

void ptxsim::cpAsyncGeneral(PTXSIM_ARGS) {
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
    std::vector<CopyBatch> Earlier = asyncOf(W).Copies.takeAll();
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
      raceArriveCopies(W, B);
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

/// What the handler for wide hosts needs, in the instruction itself.
static void fillWideCopy(Encoder &E, const Lowered &L, Inst &I) {
  I.A = E.row(L, 0);
  I.B = E.row(L, 1);
  I.Target = uint32_t(L.Operands[0].Offset);
  I.Imm = int32_t(L.Operands[1].Offset);
  I.Wide = E.wide(L, 0);
  I.Count = E.present(L, 2);
  if (I.Count)
    I.C = E.row(L, 2);
}

bool ptxsim::selectCopies(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::CpAsync:
    I.X = E.addDetail(L);
    I.E = E.newAccessCache();
    E.newAccessCache(); // I.E + 1, of the source
    if (!legalCopySize(L))
      return false;
    I.Fn = cpAsyncGeneral;
    if (hostHasAvx512() && L.Immediates[0] == 16 && E.wide(L, 1)) {
      fillWideCopy(E, L, I);
      I.Fn = cpAsyncWide;
    }
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
