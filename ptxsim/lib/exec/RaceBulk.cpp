// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checker: bulk copies, in groups and on mbarrier objects, and the phases
// of these.
#include "RaceState.h"
#include <algorithm>

using namespace ptxsim;

// ---- bulk groups -----------------------------------------------------------
void ptxsim::raceBeginGroup(Warp *W, const Inst *I, uint32_t Lane,
                            CopyEpoch &Reads, CopyEpoch &Writes) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  WarpClock &Own = clockOf(*S, W);
  Own.Bulk[Lane].Last = Own.StoreClock = Own.BulkClock++;
  Own.StorePc = pcOf(I, W);
  Reads = {agentOf(*S, W, AgentKind::Bulk), Own.StoreClock};
  Writes = {agentOf(*S, W, AgentKind::BulkWrite), Own.StoreClock};
}
void ptxsim::raceCommitBulk(Warp *W, uint32_t Lanes) {
  if (RaceState *S = raceOf(W))
    forLanes(Lanes, [&](uint32_t L) {
      BulkClocks &Lane = clockOf(*S, W).Bulk[L];
      Lane.Reads.push_back(Lane.Last);
      Lane.Writes.push_back(Lane.Last);
    });
}
/// The last of the clocks that are not among the newest Keep, which leave.
static uint32_t takeCommits(std::deque<uint32_t> &Commits, size_t Keep) {
  uint32_t Last = 0;
  for (; Commits.size() > Keep; Commits.pop_front())
    Last = Commits.front();
  return Last;
}
void ptxsim::raceWaitBulk(Warp *W, uint32_t Lanes, size_t Keep, bool OnlyRead) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  WarpClock &C = clockOf(*S, W);
  auto Learn = [&](AgentKind K, uint32_t Clock) {
    uint32_t &Seen = C.Now[agentOf(*S, W, K)];
    Seen = std::max(Seen, Clock);
  };
  forLanes(Lanes, [&](uint32_t L) {
    BulkClocks &Lane = C.Bulk[L];
    Learn(AgentKind::Bulk, takeCommits(Lane.Reads, Keep));
    if (OnlyRead)
      return;
    uint32_t Clock = takeCommits(Lane.Writes, Keep);
    Learn(AgentKind::BulkWrite, Clock);
    noteDone(W, agentOf(*S, W, AgentKind::BulkWrite), Clock);
  });
}

// ---- bulk copies on mbarrier objects ---------------------------------------
/// The clocks that are kept of agents grow with a new one.
BarrierAgent &RaceState::barrierAgent(uint32_t Rank, uint32_t Address) {
  constexpr size_t Most = 4096; // further objects share agents
  auto [It, New] = BarrierAgents.try_emplace({Rank, Address});
  BarrierAgent &B = It->second;
  if (!New)
    return B;
  size_t Index = BarrierAgents.size() - 1;
  B = {NumAgentKinds * Warps + uint32_t(Index % Most), 0, 0, 0};
  auto Grow = [&](VectorClock &V) {
    if (!V.empty() && V.size() <= B.Agent)
      V.resize(B.Agent + 1);
  };
  for (WarpClock &C : Clocks)
    Grow(C.Now);
  for (CtaShadow &Sh : Ctas)
    for (ReadLog &Log : Sh.Logs)
      Grow(Log.Now);
  return B;
}

/// Bytes count for the phase in which they come. A copy that does not follow
/// the end of a phase may have delivered them to that one.
bool ptxsim::raceBeginBulk(Warp *W, const Inst *I, uint32_t Lane, Cta *Owner,
                           uint32_t Barrier, CopyEpoch &Copy) {
  RaceState *S = raceOf(W);
  if (!S)
    return true;
  BarrierAgent &B = S->barrierAgent(Owner->Rank, Barrier);
  if (B.LastEnd > clockOf(*S, W).Now[B.Agent]) {
    fault(W, I, FaultKind::Race, Lane,
          "a copy completes on the mbarrier at " + hex(Barrier) +
              ", and is not ordered after the end of its last phase: it may "
              "deliver its bytes to that one");
    return false;
  }
  ++B.UnderWay;
  Copy = {B.Agent, ++B.Clock};
  return true;
}
void ptxsim::raceEndBulk(Cta *Owner, uint32_t Barrier) {
  if (RaceState *S = Owner->Group->Race.get())
    --S->barrierAgent(Owner->Rank, Barrier).UnderWay;
}

bool ptxsim::raceCopyShared(Warp *W, const Inst *I, Cta *C, uint32_t Offset,
                            uint32_t Bytes, CopyAccess Kind, CopyEpoch Copy) {
  RaceState *S = raceOf(W);
  if (!S)
    return true;
  bool InGroup = Copy.Agent < NumAgentKinds * S->Warps; // StoreClock is checked
  if (!InGroup && !noteRemote(W, I, *S, C, 0, Copy))
    return false;
  RaceAccess A;
  A.Agent = Copy.Agent;
  A.Clock = Copy.Clock;
  A.Pc = pcOf(I, W);
  A.Write = Kind != CopyAccess::Read;
  A.Atomic = A.Strong =
      Kind == CopyAccess::Reduce || Kind == CopyAccess::ReduceBulk;
  A.AsyncProxy = Kind != CopyAccess::Store && Kind != CopyAccess::Reduce;
  return checkCells(W, I, C, 1, &Offset, Bytes, A);
}

// ---- phases ----------------------------------------------------------------
/// While a copy is under way the bytes of another one have completed the phase,
/// and it might have been the other way around: neither is known to be done.
void ptxsim::raceCompletePhase(Cta *C, uint32_t Barrier, Mbarrier *B) {
  RaceState *S = C->Group->Race.get();
  if (!S)
    return;
  auto It = S->BarrierAgents.find({C->Rank, Barrier});
  if (It != S->BarrierAgents.end() && !It->second.UnderWay) {
    BarrierAgent &Copies = It->second;
    if (B->Arriving.size() <= Copies.Agent)
      B->Arriving.resize(Copies.Agent + 1);
    Copies.LastEnd = B->Arriving[Copies.Agent] = ++Copies.Clock;
  }
  join(B->Released, B->Arriving);
  B->Arriving.clear();
}
void ptxsim::raceWaitMbarrier(Warp *W, uint32_t Rank, uint32_t Barrier,
                              Mbarrier *B, bool Relaxed) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  if (Relaxed)
    return join(clockOf(*S, W).Found, B->Released);
  join(clockOf(*S, W).Now, B->Released);
  takeFences(*S, clockOf(*S, W));
  auto It = S->BarrierAgents.find({Rank, Barrier});
  if (It != S->BarrierAgents.end() && It->second.Agent < B->Released.size())
    noteDone(W, It->second.Agent, B->Released[It->second.Agent]);
}
