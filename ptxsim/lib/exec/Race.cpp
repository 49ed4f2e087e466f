// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checker: the edges of every synchronisation, and the accesses of the
// asynchronous agents.
#include "RaceState.h"
#include <algorithm>

using namespace ptxsim;

std::shared_ptr<RaceState> ptxsim::makeRaceState(Cluster &G) {
  auto S = std::make_shared<RaceState>();
  S->WarpsPerCta = uint32_t(G.Ctas[0]->Warps.size());
  S->Warps = S->WarpsPerCta * uint32_t(G.Ctas.size());
  S->Ctas.resize(G.Ctas.size());
  for (size_t K = 0; K < G.Ctas.size(); ++K)
    S->Ctas[K].init(G.Ctas[K]->SharedBytes, S->WarpsPerCta);
  S->Clocks.resize(S->Warps);
  for (uint32_t K = 0; K < S->Warps; ++K) {
    S->Clocks[K].Now.assign(4 * S->Warps, 0);
    S->Clocks[K].Now[K] = 1;
    S->Clocks[K].FenceView.assign(4 * S->Warps, 0);
  }
  return S;
}

// ---- barriers ------------------------------------------------------------
void ptxsim::raceWarpSync(Warp *W) {
  if (RaceState *S = raceOf(W))
    tick(*S, W);
}
void ptxsim::raceArriveBarrier(Warp *W, unsigned Id) {
  if (RaceState *S = raceOf(W)) {
    join(S->Ctas[W->C->Rank].Barriers[Id], clockOf(*S, W).Now);
    tick(*S, W);
  }
}
void ptxsim::raceJoinBarrier(Cta *C, unsigned Id) {
  RaceState *S = C->Group->Race.get();
  if (!S)
    return;
  VectorClock &B = S->Ctas[C->Rank].Barriers[Id];
  for (Warp &W : C->Warps)
    if (W.State == WarpState::Barrier && W.BarrierId == Id)
      join(clockOf(*S, &W).Now, B);
  B.clear();
}
void ptxsim::raceArriveCluster(Warp *W) {
  if (RaceState *S = raceOf(W)) {
    join(S->ClusterBarrier, clockOf(*S, W).Now);
    tick(*S, W);
  }
}
void ptxsim::raceJoinCluster(Cluster *G) {
  if (RaceState *S = G->Race.get()) {
    S->ClusterReleased = S->ClusterBarrier;
    S->ClusterBarrier.clear();
  }
}
void ptxsim::raceWaitCluster(Warp *W) {
  if (RaceState *S = raceOf(W))
    join(clockOf(*S, W).Now, S->ClusterReleased);
}

// ---- cp.async ------------------------------------------------------------
bool ptxsim::raceAsyncCopy(Warp *W, const Inst *I, uint32_t M,
                           const uint32_t *Offset, uint32_t Bytes) {
  RaceState *S = raceOf(W);
  if (!S)
    return true;
  RaceAccess A;
  A.Agent = agentOf(*S, W, AgentKind::Copy);
  A.Clock = clockOf(*S, W).CopyClock;
  A.Pc = pcOf(I, W);
  A.Write = true;
  return checkCells(W, I, W->C, M, Offset, Bytes, A);
}
void ptxsim::raceCommitCopies(Warp *W) {
  if (RaceState *S = raceOf(W)) {
    WarpClock &C = clockOf(*S, W);
    C.CopyCommits.push_back(C.CopyClock++);
  }
}
void ptxsim::raceWaitCopies(Warp *W, size_t Keep) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  WarpClock &C = clockOf(*S, W);
  uint32_t &Seen = C.Now[agentOf(*S, W, AgentKind::Copy)];
  while (C.CopyCommits.size() > Keep) {
    Seen = std::max(Seen, C.CopyCommits.front());
    C.CopyCommits.pop_front();
  }
}

// ---- mbarrier objects ----------------------------------------------------
void ptxsim::raceArriveMbarrier(Warp *W, Mbarrier *B, bool WithCopies) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  join(B->Arriving, clockOf(*S, W).Now);
  if (WithCopies) {
    uint32_t &Seen = B->Arriving[agentOf(*S, W, AgentKind::Copy)];
    Seen = std::max(Seen, clockOf(*S, W).CopyClock++);
  }
  tick(*S, W);
}
void ptxsim::raceCompletePhase(Cta *C, Mbarrier *B) {
  if (C->Group->Race) {
    join(B->Released, B->Arriving);
    B->Arriving.clear();
  }
}
void ptxsim::raceWaitMbarrier(Warp *W, Mbarrier *B) {
  if (RaceState *S = raceOf(W))
    join(clockOf(*S, W).Now, B->Released);
}

// ---- bulk copies ---------------------------------------------------------
uint32_t ptxsim::raceBulk(Warp *W, const Inst *I, Cta *C, uint32_t Offset,
                          uint32_t Bytes, bool Write) {
  RaceState *S = raceOf(W);
  if (!S)
    return 1;
  RaceAccess A;
  A.Agent = agentOf(*S, W, AgentKind::Bulk);
  A.Clock = clockOf(*S, W).BulkClock++;
  A.Pc = pcOf(I, W);
  A.Write = Write;
  A.AsyncProxy = true;
  return checkCells(W, I, C, 1, &Offset, Bytes, A) ? A.Clock : 0;
}
void ptxsim::raceReleaseBulk(Warp *W, Mbarrier *B, uint32_t Clock) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  uint32_t Agent = agentOf(*S, W, AgentKind::Bulk);
  if (B->Arriving.size() <= Agent)
    B->Arriving.resize(4 * S->Warps);
  B->Arriving[Agent] = std::max(B->Arriving[Agent], Clock);
}
void ptxsim::raceCommitBulk(Warp *W) {
  if (RaceState *S = raceOf(W)) {
    WarpClock &C = clockOf(*S, W);
    C.BulkCommits.push_back(C.BulkClock - 1);
  }
}
void ptxsim::raceWaitBulk(Warp *W, size_t Keep) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  WarpClock &C = clockOf(*S, W);
  uint32_t &Seen = C.Now[agentOf(*S, W, AgentKind::Bulk)];
  while (C.BulkCommits.size() > Keep) {
    Seen = std::max(Seen, C.BulkCommits.front());
    C.BulkCommits.pop_front();
  }
}

// ---- matrix products -----------------------------------------------------
bool ptxsim::raceProductRead(Warp *W, const Inst *I, uint32_t Offset,
                             uint32_t Bytes, uint64_t Number) {
  RaceState *S = raceOf(W);
  if (!S)
    return true;
  RaceAccess A;
  A.Agent = agentOf(*S, W, AgentKind::Product);
  A.Clock = uint32_t(Number);
  A.Pc = pcOf(I, W);
  A.AsyncProxy = true;
  return checkCells(W, I, W->C, 1, &Offset, Bytes, A);
}
void ptxsim::raceWaitProducts(Warp *W, uint64_t Count) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  VectorClock &Now = clockOf(*S, W).Now;
  uint32_t First = warpIndex(*S, W) - W->Id % 4;
  for (uint32_t K = First; K < First + 4 && K < S->Warps; ++K) {
    uint32_t &Seen = Now[3 * S->Warps + K];
    Seen = std::max(Seen, uint32_t(Count));
  }
}
void ptxsim::raceFenceProxy(Warp *W) {
  if (RaceState *S = raceOf(W)) {
    WarpClock &C = clockOf(*S, W);
    C.FenceView = C.Now;
    tick(*S, W);
  }
}
