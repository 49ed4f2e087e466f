// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checker: the edges of every synchronisation, and the accesses of the
// asynchronous agents.
#include "RaceState.h"
#include <algorithm>
#include <atomic>

using namespace ptxsim;

std::shared_ptr<RaceState> ptxsim::makeRaceState(Cluster &G) {
  auto S = std::make_shared<RaceState>();
  S->WarpsPerCta = uint32_t(G.Ctas[0]->Warps.size());
  S->Warps = S->WarpsPerCta * uint32_t(G.Ctas.size());
  S->Ctas.resize(G.Ctas.size());
  for (size_t K = 0; K < G.Ctas.size(); ++K)
    S->Ctas[K].init(*G.Ctas[K], S->WarpsPerCta);
  S->MayGuess = comparesAndSwaps(*G.Ctas[0]->L);
  S->Clocks.resize(S->Warps);
  for (uint32_t K = 0; K < S->Warps; ++K) {
    S->Clocks[K].Now.assign(NumAgentKinds * S->Warps, 0);
    S->Clocks[K].Now[K] = 1;
  }
  return S;
}

// ---- fences and ends ------------------------------------------------------
void ptxsim::raceFence(Warp *W) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  WarpClock &C = clockOf(*S, W);
  join(C.Now, C.Found);
  C.Found.clear();
  C.Fenced = C.Now;
  tick(*S, W);
  fenceGlobal(W);
}

/// Warps of other CTAs and copies have come to the end of their accesses to the
/// CTA's memory.
static bool checkRemoteEnded(Warp *W, const Inst *I, const RaceState &S) {
  Cta *C = W->C;
  VectorClock Known;
  for (const Warp &Other : C->Warps)
    join(Known, clockOf(*raceOf(W), &Other).Now);
  for (const RemoteAccess &X : S.Ctas[C->Rank].Remote)
    if (X.Clock > Known[X.Agent]) {
      fault(W, I, FaultKind::Race, 0,
            "the CTA ends, which is not ordered after the access to its shared "
            "memory by " +
                agentName(S, X.Agent) +
                "\n  earlier: " + describeSource(*W->P, X.Pc));
      return false;
    }
  return true;
}

bool ptxsim::raceExit(Warp *W, const Inst *I) {
  RaceState *S = raceOf(W);
  if (!S || W->C->LiveWarps > 1)
    return true;
  for (const Warp &Other : W->C->Warps) {
    const WarpClock &C = clockOf(*S, &Other);
    if (C.StoreClock <= C.Now[agentOf(*S, &Other, AgentKind::Bulk)])
      continue;
    fault(W, I, FaultKind::Race, 0,
          "the CTA ends before a bulk copy by warp " +
              std::to_string(Other.Id) +
              " has read its shared memory (cp.async.bulk.wait_group)" +
              "\n  earlier: " + describeSource(*W->P, C.StorePc));
    return false;
  }
  return checkRemoteEnded(W, I, *S);
}

// ---- memory that nobody has written ----------------------------------------
static std::atomic<bool> GoOnAfterUnwritten{false};

void ptxsim::goOnAfterUnwritten(bool GoOn) { GoOnAfterUnwritten = GoOn; }
bool ptxsim::mayReadUnwritten(Warp *W, const Inst *I, uint32_t Lane,
                              const std::string &What) {
  if (GoOnAfterUnwritten)
    return true;
  fault(W, I, FaultKind::Uninitialised, Lane,
        "read of " + What +
            " (if nothing depends on it, PTXSIM_UNINITIALISED=0 allows it)");
  return false;
}

/// Copies of records carry bytes between their members along: only elements
/// that are unwritten as a whole count.
bool ptxsim::raceLocal(Warp *W, const Inst *I, uint32_t Lane, uint64_t At,
                       unsigned Bytes, AccessKind Kind) {
  RaceState *S = raceOf(W);
  if (!S)
    return true;
  std::vector<uint8_t> &Written = S->Ctas[W->C->Rank].LocalWritten;
  Written.resize(W->C->Storage->Local.size());
  uint8_t *First = Written.data() + At;
  if (Kind != AccessKind::Read) {
    std::memset(First, 1, Bytes);
    return true;
  }
  unsigned Element = Op(I->OpId) == Op::Ld ? I->Bytes : Bytes;
  for (unsigned K = 0; K < Bytes; K += Element)
    if (!std::memchr(First + K, 1, Element))
      return mayReadUnwritten(
          W, I, Lane,
          "uninitialised local memory, byte " +
              std::to_string((At + K) % W->C->L->LocalBytes) +
              " of the thread's");
  return true;
}

// ---- barriers ------------------------------------------------------------
void ptxsim::raceWarpSync(Warp *W) {
  if (RaceState *S = raceOf(W))
    tick(*S, W);
}
void ptxsim::raceMeet(Warp *W) {
  if (RaceState *S = raceOf(W))
    ++clockOf(*S, W).Now[warpIndex(*S, W)];
}
void ptxsim::raceArriveBarrier(Warp *W, unsigned Id) {
  if (RaceState *S = raceOf(W)) {
    join(S->Ctas[W->C->Rank].Barriers[Id], clockOf(*S, W).Now);
    giveFences(*S, clockOf(*S, W));
    tick(*S, W);
  }
}
void ptxsim::raceJoinBarrier(Cta *C, unsigned Id) {
  RaceState *S = C->Group->Race.get();
  if (!S)
    return;
  VectorClock &B = S->Ctas[C->Rank].Barriers[Id];
  for (Warp &W : C->Warps)
    if (W.State == WarpState::Barrier && W.BarrierId == Id) {
      join(clockOf(*S, &W).Now, B);
      takeFences(*S, clockOf(*S, &W));
    }
  B.clear();
}
void ptxsim::raceArriveCluster(Warp *W, bool Relaxed) {
  if (RaceState *S = raceOf(W)) {
    join(S->ClusterBarrier, given(clockOf(*S, W), Relaxed));
    join(S->ClusterInits, clockOf(*S, W).Inits);
    giveFences(*S, clockOf(*S, W));
    tick(*S, W);
  }
}
void ptxsim::raceJoinCluster(Cluster *G) {
  if (RaceState *S = G->Race.get()) {
    S->ClusterReleased = S->ClusterBarrier;
    S->ReleasedInits = S->ClusterInits;
    S->ClusterBarrier.clear();
  }
}
void ptxsim::raceWaitCluster(Warp *W) {
  if (RaceState *S = raceOf(W)) {
    join(clockOf(*S, W).Now, S->ClusterReleased);
    join(clockOf(*S, W).Inits, S->ReleasedInits);
    takeFences(*S, clockOf(*S, W));
  }
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
void ptxsim::raceInitMbarrier(Warp *W, const Inst *I, Mbarrier *B) {
  if (RaceState *S = raceOf(W)) {
    B->InitAgent = warpIndex(*S, W);
    B->InitClock = clockOf(*S, W).Now[B->InitAgent];
    B->InitPc = pcOf(I, W);
  }
}
bool ptxsim::raceUseMbarrier(Warp *W, const Inst *I, uint32_t Lane, Cta *Owner,
                             const Mbarrier *B) {
  RaceState *S = raceOf(W);
  if (!S)
    return true;
  uint32_t Self = warpIndex(*S, W);
  if (Owner != W->C &&
      !noteRemote(W, I, *S, Owner, Lane, {Self, clockOf(*S, W).Now[Self]}))
    return false;
  const WarpClock &C = clockOf(*S, W);
  if (Self == B->InitAgent || B->InitClock <= C.Now[B->InitAgent] ||
      covers(C.Inits, B->InitAgent, B->InitClock))
    return true;
  fault(W, I, FaultKind::Race, Lane,
        "use of an mbarrier object is not ordered after its initialisation by "
        "warp " +
            std::to_string(B->InitAgent % S->WarpsPerCta) +
            "\n  earlier: " + describeSource(*W->P, B->InitPc));
  return false;
}
void ptxsim::raceFenceInits(Warp *W) {
  RaceState *S = raceOf(W);
  if (!S)
    return;
  WarpClock &C = clockOf(*S, W);
  uint32_t Self = warpIndex(*S, W);
  C.Inits.resize(S->Warps);
  C.Inits[Self] = C.Now[Self]++;
}
void ptxsim::raceArriveMbarrier(Warp *W, Mbarrier *B, bool Relaxed) {
  if (RaceState *S = raceOf(W)) {
    join(B->Arriving, given(clockOf(*S, W), Relaxed));
    giveFences(*S, clockOf(*S, W));
    tick(*S, W);
  }
}
void ptxsim::raceArriveCopies(Warp *W, Mbarrier *B) {
  if (RaceState *S = raceOf(W)) {
    raceArriveMbarrier(W, B, /*Relaxed=*/false);
    uint32_t &Seen = B->Arriving[agentOf(*S, W, AgentKind::Copy)];
    Seen = std::max(Seen, clockOf(*S, W).CopyClock++);
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
    uint32_t &Seen = Now[uint32_t(AgentKind::Product) * S->Warps + K];
    Seen = std::max(Seen, uint32_t(Count));
  }
}
void ptxsim::raceFenceProxy(Warp *W, bool Shared, bool Global) {
  if (RaceState *S = raceOf(W)) {
    WarpClock &C = clockOf(*S, W);
    if (Shared)
      C.SharedView = C.Now;
    if (Global) {
      C.GlobalView = C.Now;
      fenceProxyGlobal(W);
    }
    tick(*S, W);
  }
}
