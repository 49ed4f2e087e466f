// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Named barriers of a CTA, barriers of a cluster, and bar.warp.sync.
#include "Paths.h"
#include "Race.h"
#include "Runtime.h"

using namespace ptxsim;

static constexpr unsigned NumBarriers = 16;

static uint32_t liveWarps(const Cta *C) {
  uint32_t N = 0;
  for (const Warp &W : C->Warps)
    N += W.State != WarpState::Done;
  return N;
}

/// Result of bar.red for one warp.
static void writeReduction(Warp &W, const NamedBarrier &B) {
  if (!W.Reduction)
    return;
  const Inst *I = W.Reduction;
  uint32_t On = W.ReductionLanes;
  uint8_t *Row = W.Rows + I->D;
  switch (I->Aux & ~AlignedBarrier) {
  case 0: store32(Row, (RowU32)(B.Trues), On); break;
  case 1: storePred(Row, B.Trues == B.Lanes ? ~0u : 0, On); break;
  default: storePred(Row, B.Trues ? ~0u : 0, On); break;
  }
  W.Reduction = nullptr;
}

static void release(Cta *C, unsigned Id) {
  NamedBarrier &B = C->Barriers[Id];
  raceJoinBarrier(C, Id);
  for (Warp &W : C->Warps)
    if (W.State == WarpState::Barrier && W.BarrierId == Id) {
      W.State = WarpState::Ready;
      ++W.Effects;
      writeReduction(W, B);
    }
  B = NamedBarrier();
}

static bool isComplete(const Cta *C, const NamedBarrier &B) {
  if (!B.Arrived)
    return false;
  uint32_t Want = B.Expected ? B.Expected : liveWarps(C) * 32;
  return B.Arrived >= Want;
}

void ptxsim::checkBarriers(Cta *C) {
  for (unsigned Id = 0; Id < NumBarriers; ++Id)
    if (isComplete(C, C->Barriers[Id]))
      release(C, Id);
}

/// Checks the barrier operands shared by all forms; false after a fault.
static bool barrierOperands(Warp *W, const Inst *I, const uint8_t *R,
                            uint32_t M, uint32_t &Id, uint32_t &Threads) {
  uint32_t Lane = uint32_t(std::countr_zero(M));
  Id = laneOf<uint32_t>(R, I->A, Lane);
  Threads = I->Count ? laneOf<uint32_t>(R, I->B, Lane) : 0;
  if (Id >= NumBarriers)
    fault(W, I, FaultKind::Illegal, Lane,
          "barrier " + std::to_string(Id) + " does not exist, there are 16");
  else if (I->Count && (!Threads || Threads % 32))
    fault(W, I, FaultKind::Illegal, Lane,
          "expected a positive multiple of 32 threads, got " +
              std::to_string(Threads));
  else
    return true;
  return false;
}

static bool arrive(Warp *W, const Inst *I, uint32_t Id, uint32_t Threads,
                   uint32_t Lane) {
  NamedBarrier &B = W->C->Barriers[Id];
  if (B.Arrived && B.Expected != Threads) {
    fault(W, I, FaultKind::Illegal, Lane,
          "barrier " + std::to_string(Id) + " expects " +
              std::to_string(B.Expected) + " threads, this arrival says " +
              std::to_string(Threads));
    return false;
  }
  B.Expected = Threads;
  B.Arrived += 32;
  ++W->Effects;
  if (Threads && B.Arrived > Threads) {
    fault(W, I, FaultKind::Illegal, Lane,
          "more threads arrive at barrier " + std::to_string(Id) +
              " than the " + std::to_string(Threads) + " it expects");
    return false;
  }
  raceArriveBarrier(W, Id);
  return true;
}

/// Blocks W until the barrier completes; true if it already has.
static bool waitHere(Warp *W, const Inst *I, uint32_t Id, uint32_t M) {
  W->State = WarpState::Barrier;
  W->BarrierId = Id;
  if (isComplete(W->C, W->C->Barriers[Id]))
    release(W->C, Id);
  if (W->State == WarpState::Ready)
    return true;
  leave(W, pcOf(I, W) + 1, M);
  return false;
}

static void barSync(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), Id, Threads;
  if (!On)
    PTXSIM_NEXT;
  if (!barrierOperands(W, I, R, On, Id, Threads))
    return;
  if (!wholeWarpHere(W, I, M, On))
    PTXSIM_SWITCH;
  if (!arrive(W, I, Id, Threads, 0))
    return;
  if (!waitHere(W, I, Id, M))
    return;
  PTXSIM_NEXT;
}
static void barArrive(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), Id, Threads;
  if (!On)
    PTXSIM_NEXT;
  if (!barrierOperands(W, I, R, On, Id, Threads))
    return;
  if (!wholeWarpHere(W, I, M, On))
    PTXSIM_SWITCH;
  if (!arrive(W, I, Id, Threads, 0))
    return;
  if (isComplete(W->C, W->C->Barriers[Id]))
    release(W->C, Id);
  PTXSIM_NEXT;
}
static void barRed(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), Id, Threads;
  if (!On)
    PTXSIM_NEXT;
  if (!barrierOperands(W, I, R, On, Id, Threads))
    return;
  if (!wholeWarpHere(W, I, M, On))
    PTXSIM_SWITCH;
  On = guarded(I, R, M);
  NamedBarrier &B = W->C->Barriers[Id];
  uint32_t P = rowAt<uint32_t>(R + I->C) ^ (I->X ? ~0u : 0);
  B.Trues += uint32_t(std::popcount(P & On));
  B.Lanes += uint32_t(std::popcount(On));
  W->Reduction = I;
  W->ReductionLanes = On;
  if (!arrive(W, I, Id, Threads, 0) || !waitHere(W, I, Id, M))
    return;
  PTXSIM_NEXT;
}

static void barWarp(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  PTXSIM_NEED_MEMBERS(On, I->A);
  raceWarpSync(W);
  PTXSIM_NEXT;
}

// ---- cluster barrier -----------------------------------------------------
void ptxsim::checkClusterBarrier(Cluster *G) {
  uint32_t Live = 0;
  for (const auto &C : G->Ctas)
    Live += liveWarps(C.get());
  if (!G->ClusterArrived || G->ClusterArrived < Live)
    return;
  G->ClusterArrived = 0;
  ++G->ClusterGeneration;
  raceJoinCluster(G);
  for (const auto &C : G->Ctas)
    for (Warp &W : C->Warps)
      if (W.State == WarpState::ClusterBarrier) {
        W.State = WarpState::Ready;
        ++W.Effects;
      }
}

static void clusterArrive(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarpHere(W, I, M, On))
    PTXSIM_SWITCH;
  if (W->ClusterArrived)
    return fault(W, I, FaultKind::Illegal, 0,
                 "second barrier.cluster.arrive without a wait");
  Cluster *G = W->C->Group;
  W->ClusterArrived = true;
  W->ClusterGeneration = G->ClusterGeneration;
  ++W->Effects;
  ++G->ClusterArrived;
  raceArriveCluster(W, I->Aux & RelaxedBarrier);
  checkClusterBarrier(G);
  PTXSIM_NEXT;
}
static void clusterWait(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarpHere(W, I, M, On))
    PTXSIM_SWITCH;
  if (!W->ClusterArrived)
    return fault(W, I, FaultKind::Illegal, 0,
                 "barrier.cluster.wait without an arrive");
  if (W->C->Group->ClusterGeneration == W->ClusterGeneration) {
    W->State = WarpState::ClusterBarrier;
    leave(W, pcOf(I, W), M);
    return;
  }
  W->ClusterArrived = false;
  raceWaitCluster(W);
  PTXSIM_NEXT;
}

/// All forms of 'bar' are .aligned.
static uint16_t alignment(const Lowered &L) {
  bool Aligned = L.Info.has(Mod::Aligned) ||
                 std::string_view(L.Info.Row->Pattern).starts_with("bar.");
  return Aligned ? AlignedBarrier : 0;
}

static bool selectNamed(const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::BarSync: I.Fn = barSync; break;
  case Op::BarArrive: I.Fn = barArrive; break;
  default:
    I.Fn = barRed;
    I.Aux = L.Info.has(Mod::Popc) ? 0 : L.Info.has(Mod::AndMod) ? 1 : 2;
    I.X = L.Operands[3].Negated;
  }
  I.Aux |= alignment(L);
  unsigned CountOperand = L.Info.O == Op::BarRed ? 2 : 1;
  I.Count = CountOperand < L.Operands.size() && L.Operands[CountOperand].Count;
  return true;
}

bool ptxsim::selectBarrier(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::BarSync:
  case Op::BarArrive:
  case Op::BarRed: return selectNamed(L, I);
  case Op::BarWarp: I.Fn = barWarp; return true;
  case Op::ClusterArrive:
    E.program().UsesCluster = true;
    I.Fn = clusterArrive;
    I.Aux = uint16_t(alignment(L) |
                     (L.Info.has(Mod::Relaxed) ? RelaxedBarrier : 0));
    return true;
  case Op::ClusterWait:
    I.Fn = clusterWait;
    I.Aux = alignment(L);
    return true;
  default: return false;
  }
}
