// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cp.async, mbarrier objects and proxy fences.
#include "Async.h"
#include "Race.h"
#include <algorithm>

using namespace ptxsim;

uint64_t ptxsim::detailAddress(const Detail &D, unsigned Operand,
                               const uint8_t *R, uint32_t Lane) {
  const DetailOperand &O = D.Operands[Operand];
  uint32_t Row = D.Slots[O.First];
  uint64_t A = O.Wide ? laneOf<uint64_t>(R, Row, Lane)
                      : uint64_t(laneOf<uint32_t>(R, Row, Lane));
  A += uint64_t(int64_t(O.Offset));
  return O.Wide ? A : uint32_t(A);
}

bool ptxsim::runsAtIssue(Warp *W) {
  switch (W->C->L->Config.Completion) {
  case Mode::Eager: return true;
  case Mode::Late: return false;
  default: return W->C->Work->Random() & 1;
  }
}

void ptxsim::scheduleWork(Warp *W, std::function<void()> Work) {
  if (W->C->L->Config.Completion == Mode::Eager)
    return Work();
  int32_t Rounds = int32_t(W->C->Work->Random() % 8);
  W->C->Group->Queue.push_back({Rounds, std::move(Work)});
}

// ---- cp.async ------------------------------------------------------------
static void performCopies(Warp *W, const std::vector<LaneCopy> &Copies) {
  for (const LaneCopy &C : Copies) {
    if (C.SrcBytes == 16) { // a call of memcpy would cost more than the copy
      std::memcpy(C.Dst, C.Src, 16);
    } else {
      std::memcpy(C.Dst, C.Src, C.SrcBytes);
      std::memset(C.Dst + C.SrcBytes, 0, C.Bytes - C.SrcBytes);
    }
    touchShared(W->C, C.DstOffset, C.Bytes);
  }
}

/// Copies of full size that nobody observes: all lanes checked at once.
static bool issuePlainCopies(Warp *W, const Inst *I, const uint8_t *R,
                             uint32_t On, const Detail &D, uint32_t Bytes) {
  auto Row = [&](unsigned Operand) {
    const DetailOperand &O = D.Operands[Operand];
    const uint8_t *P = R + D.Slots[O.First];
    RowU64 A = O.Wide ? rowAt<RowU64>(P)
                      : __builtin_convertvector(rowAt<RowU32>(P), RowU64);
    return A + uint64_t(int64_t(O.Offset));
  };
  Lanes Dst, Src;
  RowU64 To = Row(0);
  if (!resolve(W, I, On, To, Space::Shared, Bytes, AccessKind::Read, I->E,
               Dst) ||
      !resolve(W, I, On, Row(1), Space::Global, Bytes, AccessKind::Read, I->E,
               Src))
    return false;
  ++W->Effects;
  std::vector<LaneCopy> &Open = asyncOf(W).OpenCopies;
  size_t First = Open.size();
  forLanes(On, [&](uint32_t L) {
    Open.push_back({Dst.Ptr[L], Src.Ptr[L], Bytes, Bytes, uint32_t(To[L])});
  });
  if (runsAtIssue(W)) {
    performCopies(W, {Open.begin() + long(First), Open.end()});
    Open.resize(First);
  }
  return true;
}

/// Checks and issues the copies of all active lanes; false after a fault.
static bool issueCopies(Warp *W, const Inst *I, const uint8_t *R, uint32_t On) {
  const Detail &D = W->P->Details[I->X];
  uint32_t Bytes = uint32_t(D.Immediates[0]);
  bool HasSize = D.has(2);
  if (On && !HasSize && !W->C->Observed)
    return issuePlainCopies(W, I, R, On, D, Bytes);
  std::vector<LaneCopy> Now;
  uint32_t Offsets[32];
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    LaneCopy C{nullptr, nullptr, Bytes, Bytes, 0};
    if (HasSize)
      C.SrcBytes = std::min(Bytes, laneOf<uint32_t>(R, D.slot(2), L));
    C.Dst = resolveOne(W, I, L, detailAddress(D, 0, R, L), Space::Shared, Bytes,
                       Bytes, AccessKind::Read, nullptr, &C.DstOffset);
    if (!C.Dst)
      return false;
    uint64_t Src = detailAddress(D, 1, R, L);
    // A copy of no bytes may have any address: it only fills with zeros.
    if (C.SrcBytes) {
      C.Src = resolveOne(W, I, L, Src, Space::Global, C.SrcBytes, Bytes,
                         AccessKind::Read);
      if (!C.Src)
        return false;
    } else {
      C.Src = C.Dst;
    }
    Offsets[L] = C.DstOffset;
    Now.push_back(C);
  }
  if (On) {
    ++W->Effects;
    if (!raceAsyncCopy(W, I, On, Offsets, Bytes))
      return false;
    AsyncState &A = asyncOf(W);
    if (runsAtIssue(W))
      performCopies(W, Now);
    else
      A.OpenCopies.insert(A.OpenCopies.end(), Now.begin(), Now.end());
  }
  return true;
}

static void cpAsync(PTXSIM_ARGS) {
  if (!issueCopies(W, I, R, guarded(I, R, M)))
    return;
  PTXSIM_NEXT;
}

static void commitCopies(PTXSIM_ARGS) {
  if (guarded(I, R, M)) {
    AsyncState &A = asyncOf(W);
    A.CopyGroups.push_back(std::move(A.OpenCopies));
    A.OpenCopies.clear();
    raceCommitCopies(W);
  }
  PTXSIM_NEXT;
}
static void waitCopies(PTXSIM_ARGS) {
  if (guarded(I, R, M)) {
    AsyncState &A = asyncOf(W);
    size_t Keep = size_t(I->Imm);
    while (A.CopyGroups.size() > Keep) {
      performCopies(W, A.CopyGroups.front());
      A.CopyGroups.pop_front();
    }
    raceWaitCopies(W, Keep);
  }
  PTXSIM_NEXT;
}
static void waitAllCopies(PTXSIM_ARGS) {
  if (guarded(I, R, M)) {
    AsyncState &A = asyncOf(W);
    for (const auto &G : A.CopyGroups)
      performCopies(W, G);
    performCopies(W, A.OpenCopies);
    A.CopyGroups.clear();
    A.OpenCopies.clear();
    raceCommitCopies(W);
    raceWaitCopies(W, 0);
  }
  PTXSIM_NEXT;
}

// ---- mbarrier objects ----------------------------------------------------
Mbarrier *ptxsim::findMbarrier(Warp *W, const Inst *I, uint32_t Lane, Cta *C,
                               uint32_t Offset) {
  if (C->Mbars) {
    auto It = C->Mbars->Objects.find(Offset);
    if (It != C->Mbars->Objects.end())
      return &It->second;
  }
  fault(W, I, FaultKind::Illegal, Lane,
        "no mbarrier object at shared address " + hex(Offset));
  return nullptr;
}

void ptxsim::completePhase(Cta *C, Mbarrier &B) {
  if (B.Pending || B.Bytes)
    return;
  ++B.Phase;
  B.Pending = B.Expected;
  raceCompletePhase(C, &B);
}
void ptxsim::deliverBytes(Warp *W, Cta *C, uint32_t Offset, uint32_t Bytes,
                          uint32_t Clock) {
  if (!C->Mbars)
    return;
  auto It = C->Mbars->Objects.find(Offset);
  if (It == C->Mbars->Objects.end())
    return; // invalidated while the copy was under way
  It->second.Bytes -= Bytes;
  raceReleaseBulk(W, &It->second, Clock);
  completePhase(C, It->second);
}

bool ptxsim::resolveMbarrier(Warp *W, const Inst *I, uint32_t Lane,
                             uint64_t Address, Space Where, Cta *&Owner,
                             uint32_t &Offset) {
  Owner = nullptr;
  if (!resolveOne(W, I, Lane, Address, Where, 8, 8, AccessKind::Read, &Owner,
                  &Offset))
    return false;
  if (Owner)
    return true;
  fault(W, I, FaultKind::Address, Lane,
        "mbarrier object outside of shared memory: " + hex(Address));
  return false;
}

/// Calls Fn(lane, cta, offset, object) for every active lane.
template <class F>
static bool forMbarriers(Warp *W, const Inst *I, const uint8_t *R, uint32_t On,
                         unsigned Operand, F Fn) {
  const Detail &D = W->P->Details[I->X];
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left)), Offset;
    Cta *C;
    if (!resolveMbarrier(W, I, L, detailAddress(D, Operand, R, L), I->Where, C,
                         Offset))
      return false;
    Mbarrier *B = findMbarrier(W, I, L, C, Offset);
    if (!B || !Fn(L, C, *B))
      return false;
  }
  return true;
}

static void mbarInit(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  const Detail &D = W->P->Details[I->X];
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left)), Offset;
    Cta *C;
    uint32_t Count = laneOf<uint32_t>(R, D.slot(1), L);
    if (!resolveMbarrier(W, I, L, detailAddress(D, 0, R, L), I->Where, C,
                         Offset))
      return;
    if (!Count || Count >= 1u << 20)
      return fault(W, I, FaultKind::Illegal, L,
                   "expected an arrival count from 1 to 1048575, got " +
                       std::to_string(Count));
    if (!C->Mbars)
      C->Mbars = std::make_shared<MbarTable>();
    C->Mbars->Objects[Offset] = {Count, Count, 0, 0, {}, {}};
    ++W->Effects;
  }
  PTXSIM_NEXT;
}
static void mbarInval(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  const Detail &D = W->P->Details[I->X];
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left)), Offset;
    Cta *C;
    if (!resolveMbarrier(W, I, L, detailAddress(D, 0, R, L), I->Where, C,
                         Offset) ||
        !findMbarrier(W, I, L, C, Offset))
      return;
    C->Mbars->Objects.erase(Offset);
  }
  PTXSIM_NEXT;
}

/// Aux bits: 1 expect_tx first, 2 drop, 4 noComplete.
static bool arriveOne(Warp *W, const Inst *I, uint8_t *R, uint32_t L, Cta *C,
                      Mbarrier &B) {
  const Detail &D = W->P->Details[I->X];
  uint32_t Count = 1;
  if (I->Aux & 1)
    B.Bytes += laneOf<uint32_t>(R, D.slot(2), L);
  else if (D.has(2))
    Count = laneOf<uint32_t>(R, D.slot(2), L);
  if (Count > B.Pending || !Count) {
    fault(W, I, FaultKind::Illegal, L,
          "mbarrier: " + std::to_string(Count) + " arrivals, " +
              std::to_string(B.Pending) + " are pending in this phase");
    return false;
  }
  uint64_t Token = B.Phase << 20 | B.Pending;
  raceArriveMbarrier(W, &B, false);
  B.Pending -= Count;
  if (I->Aux & 2)
    B.Expected -= Count;
  if (I->Aux & 4 && !B.Pending && !B.Bytes) {
    fault(W, I, FaultKind::Illegal, L, "arrive.noComplete completes the phase");
    return false;
  }
  completePhase(C, B);
  if (D.has(0))
    std::memcpy(R + D.slot(0) + 8 * L, &Token, 8);
  return true;
}
static void mbarArrive(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On) {
    ++W->Effects;
    if (!forMbarriers(W, I, R, On, 1, [&](uint32_t L, Cta *C, Mbarrier &B) {
          return arriveOne(W, I, R, L, C, B);
        }))
      return;
  }
  PTXSIM_NEXT;
}
/// Aux 1: complete_tx, else expect_tx.
static void mbarBytes(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  const Detail &D = W->P->Details[I->X];
  if (On) {
    ++W->Effects;
    if (!forMbarriers(W, I, R, On, 0, [&](uint32_t L, Cta *C, Mbarrier &B) {
          int64_t N = laneOf<uint32_t>(R, D.slot(1), L);
          B.Bytes += I->Aux ? -N : N;
          if (I->Aux)
            completePhase(C, B);
          return true;
        }))
      return;
  }
  PTXSIM_NEXT;
}
/// Parity form: true once the phase of that parity has completed. State
/// form: true once the phase of the token has.
template <bool Parity> static void mbarTest(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), Done = 0;
  const Detail &D = W->P->Details[I->X];
  if (!On)
    PTXSIM_NEXT;
  if (!forMbarriers(W, I, R, On, 1, [&](uint32_t L, Cta *, Mbarrier &B) {
        bool Completed;
        if (Parity)
          Completed = (B.Phase & 1) != (laneOf<uint32_t>(R, D.slot(2), L) & 1);
        else
          Completed = B.Phase != laneOf<uint64_t>(R, D.slot(2), L) >> 20;
        Done |= uint32_t(Completed) << L;
        if (Completed)
          raceWaitMbarrier(W, &B);
        return true;
      }))
    return;
  storePred(R + D.slot(0), Done, On);
  if (Done == On) {
    ++W->Effects;
    PTXSIM_NEXT;
  }
  W->Waiting = true;
  leave(W, pcOf(I, W) + 1, M);
}
static void mbarPending(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU64 T = rowAt<RowU64>(R + I->A);
  store32(R + I->D, __builtin_convertvector(T & 0xfffff, RowU32), On);
  PTXSIM_NEXT;
}

/// The arrival happens once the thread's earlier copies are done.
static void cpAsyncArrive(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (On) {
    ++W->Effects;
    AsyncState &A = asyncOf(W);
    std::vector<LaneCopy> Earlier;
    for (auto &G : A.CopyGroups) {
      Earlier.insert(Earlier.end(), G.begin(), G.end());
      G.clear();
    }
    Earlier.insert(Earlier.end(), A.OpenCopies.begin(), A.OpenCopies.end());
    A.OpenCopies.clear();
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
          performCopies(W, Earlier);
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

static void fenceAsync(PTXSIM_ARGS) {
  if (guarded(I, R, M))
    raceFenceProxy(W);
  PTXSIM_NEXT;
}
static void noOperation(PTXSIM_ARGS) { PTXSIM_NEXT; }

std::string ptxsim::describeAsyncWait(const Warp &W, uint32_t Pc) {
  const Inst &I = W.P->Code[Pc];
  if (Op(I.OpId) != Op::MbarTestParity && Op(I.OpId) != Op::MbarTest)
    return "";
  const Detail &D = W.P->Details[I.X];
  uint32_t L = W.Mask ? uint32_t(std::countr_zero(W.Mask)) : 0;
  uint32_t Offset =
      uint32_t(detailAddress(D, 1, W.Rows, L)) & ((1u << ClusterRankShift) - 1);
  if (!W.C->Mbars)
    return "";
  auto It = W.C->Mbars->Objects.find(Offset);
  if (It == W.C->Mbars->Objects.end())
    return "";
  const Mbarrier &B = It->second;
  return ", mbarrier at " + hex(Offset) + ": phase " + std::to_string(B.Phase) +
         ", " + std::to_string(B.Pending) + " of " +
         std::to_string(B.Expected) + " arrivals and " +
         std::to_string(B.Bytes) + " bytes pending";
}

static Handler mbarHandler(const OpcodeInfo &Info, Inst &I) {
  switch (Info.O) {
  case Op::MbarInit: return mbarInit;
  case Op::MbarInval: return mbarInval;
  case Op::MbarArrive:
  case Op::MbarArriveExpect:
    I.Aux = uint16_t((Info.O == Op::MbarArriveExpect ? 1 : 0) |
                     (Info.has(Mod::ArriveDrop) ? 2 : 0) |
                     (Info.has(Mod::NoComplete) ? 4 : 0));
    return mbarArrive;
  case Op::MbarExpect: I.Aux = 0; return mbarBytes;
  case Op::MbarCompleteTx: I.Aux = 1; return mbarBytes;
  case Op::MbarTest: return mbarTest<false>;
  case Op::MbarTestParity: return mbarTest<true>;
  case Op::CpAsyncMbarrier: I.Aux = Info.has(Mod::Noinc); return cpAsyncArrive;
  default: return nullptr;
  }
}

static bool legalCopySize(const Lowered &L) {
  int64_t N = L.Immediates[0];
  bool Wide = L.Info.has(Mod::Cg);
  return Wide ? N == 16 : N == 4 || N == 8 || N == 16;
}

bool ptxsim::selectAsync(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  switch (Info.O) {
  case Op::CpAsync:
    I.X = E.addDetail(L);
    I.E = E.newAccessCache();
    I.Fn = legalCopySize(L) ? cpAsync : nullptr;
    break;
  case Op::CpAsyncCommit: I.Fn = commitCopies; break;
  case Op::CpAsyncWait:
    I.Imm = int32_t(L.Immediates[0]);
    I.Fn = waitCopies;
    break;
  case Op::CpAsyncWaitAll: I.Fn = waitAllCopies; break;
  case Op::MbarPending: I.Fn = mbarPending; break;
  case Op::FenceProxyAsync: I.Fn = fenceAsync; break;
  case Op::FenceMbarInit: I.Fn = noOperation; break;
  default:
    I.Fn = mbarHandler(Info, I);
    if (!I.Fn)
      return false;
    I.X = E.addDetail(L);
  }
  return I.Fn != nullptr;
}
