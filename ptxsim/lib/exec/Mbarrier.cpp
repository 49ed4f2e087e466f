// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mbarrier objects, proxy fences, and when asynchronous work completes.
#include "Async.h"
#include "Race.h"

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

// ---- mbarrier objects ----------------------------------------------------
Mbarrier *ptxsim::findMbarrier(Warp *W, const Inst *I, uint32_t Lane, Cta *C,
                               uint32_t Offset) {
  if (C->Mbars) {
    auto It = C->Mbars->Objects.find(Offset);
    if (It != C->Mbars->Objects.end())
      return raceUseMbarrier(W, I, Lane, C, &It->second) ? &It->second
                                                         : nullptr;
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
  raceCompletePhase(C, B.Address, &B);
}
void ptxsim::deliverBytes(Cta *C, uint32_t Offset, uint32_t Bytes) {
  raceEndBulk(C, Offset);
  if (!C->Mbars)
    return;
  auto It = C->Mbars->Objects.find(Offset);
  if (It == C->Mbars->Objects.end())
    return; // invalidated while the copy was under way
  It->second.Bytes -= Bytes;
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
  uint64_t Last = 0; // lanes mostly name the same object
  Mbarrier *B = nullptr;
  Cta *C = nullptr;
  for (uint32_t Left = On; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left)), Offset;
    uint64_t Address = detailAddress(D, Operand, R, L);
    if (!B || Address != Last) {
      if (!resolveMbarrier(W, I, L, Address, I->Where, C, Offset))
        return false;
      B = findMbarrier(W, I, L, C, Offset);
      Last = Address;
    }
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
    Mbarrier &B = C->Mbars->Objects[Offset] = Mbarrier();
    B.Expected = B.Pending = Count;
    B.Address = Offset;
    raceInitMbarrier(W, I, &B);
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

/// Aux bits: 1 expect_tx first, 2 drop, 4 noComplete, 8 relaxed.
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
  raceArriveMbarrier(W, &B, I->Aux & 8);
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
/// Aux 1: relaxed. Parity form: true once the phase of that parity has
/// completed. State form: true once the phase of the token has.
template <bool Parity> static void mbarTest(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), Done = 0;
  const Detail &D = W->P->Details[I->X];
  if (!On)
    PTXSIM_NEXT;
  if (!forMbarriers(W, I, R, On, 1, [&](uint32_t L, Cta *C, Mbarrier &B) {
        bool Completed;
        if (Parity)
          Completed = (B.Phase & 1) != (laneOf<uint32_t>(R, D.slot(2), L) & 1);
        else
          Completed = B.Phase != laneOf<uint64_t>(R, D.slot(2), L) >> 20;
        Done |= uint32_t(Completed) << L;
        if (Completed)
          raceWaitMbarrier(W, C->Rank, B.Address, &B, I->Aux);
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

static void fenceAsync(PTXSIM_ARGS) {
  if (guarded(I, R, M))
    raceFenceProxy(W, I->Aux & 1, I->Aux & 2);
  PTXSIM_NEXT;
}
static void fenceInits(PTXSIM_ARGS) {
  if (guarded(I, R, M))
    raceFenceInits(W);
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
                     (Info.has(Mod::NoComplete) ? 4 : 0) |
                     (Info.has(Mod::Relaxed) ? 8 : 0));
    return mbarArrive;
  case Op::MbarExpect: I.Aux = 0; return mbarBytes;
  case Op::MbarCompleteTx: I.Aux = 1; return mbarBytes;
  case Op::MbarTest: I.Aux = Info.has(Mod::Relaxed); return mbarTest<false>;
  case Op::MbarTestParity:
    I.Aux = Info.has(Mod::Relaxed);
    return mbarTest<true>;
  default: return nullptr;
  }
}

bool ptxsim::selectAsync(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  switch (Info.O) {
  case Op::MbarPending: I.Fn = mbarPending; break;
  case Op::FenceProxyAsync: {
    bool Shared =
        Info.has(Mod::RestrictCta) || Info.has(Mod::RestrictCluster) ||
        Info.Where == Space::Shared || Info.Where == Space::SharedCluster;
    I.Aux = uint16_t(Shared ? 1 : Info.Where == Space::Global ? 2 : 3);
    I.Fn = Info.has(Mod::Alias) ? noOperation : fenceAsync;
    break;
  }
  case Op::FenceMbarInit: I.Fn = fenceInits; break;
  default:
    I.Fn = mbarHandler(Info, I);
    if (!I.Fn)
      return false;
    I.X = E.addDetail(L);
  }
  return I.Fn != nullptr;
}
