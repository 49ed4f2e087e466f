// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checker: clocks, shadow cells, and the edges of every synchronisation.
#include "Race.h"
#include "Async.h"
#include <algorithm>
#include <unordered_map>

using namespace ptxsim;

namespace {

constexpr uint32_t NoAgent = ~0u;
/// Instead of a lane: several lanes accessed the same bytes, or different
/// bytes of a cell (then nothing is known about single lanes).
constexpr uint8_t SeveralLanes = 254, UnknownLane = 255;

/// Last write and last read (or a list of reads) of 4 bytes.
struct Cell {
  uint32_t WriteAgent = NoAgent, WriteClock = 0, WritePc = 0;
  uint32_t ReadAgent = NoAgent, ReadClock = 0, ReadPc = 0;
  uint32_t MoreReads = 0; // index into CtaShadow::Reads, 0 for none
  uint8_t WriteBytes = 0, ReadBytes = 0;
  uint8_t Initialised = 0; // bytes ever written
  bool WriteAtomic = false, WriteAsync = false;
  uint8_t WriteLane = 0, ReadLane = 0;
};
struct ReadEpoch {
  uint32_t Agent, Clock, Pc;
};

struct CtaShadow {
  std::vector<Cell> Cells;
  std::vector<std::vector<ReadEpoch>> Reads{1};
  VectorClock Barriers[16];
  std::map<uint32_t, VectorClock> Atomics; // by address
};

struct WarpClock {
  VectorClock Now, FenceView;
  uint32_t CopyClock = 1, BulkClock = 1;
  std::deque<uint32_t> CopyCommits, BulkCommits;
};

} // namespace

namespace ptxsim {
struct RaceState {
  uint32_t Warps = 0; // of the cluster
  uint32_t WarpsPerCta = 0;
  std::vector<CtaShadow> Ctas;
  std::vector<WarpClock> Clocks;
  VectorClock ClusterBarrier, ClusterReleased;
};
} // namespace ptxsim

static void join(VectorClock &To, const VectorClock &From) {
  if (To.size() < From.size())
    To.resize(From.size());
  for (size_t K = 0; K < From.size(); ++K)
    To[K] = std::max(To[K], From[K]);
}

std::shared_ptr<RaceState> ptxsim::makeRaceState(Cluster &G) {
  auto S = std::make_shared<RaceState>();
  S->WarpsPerCta = uint32_t(G.Ctas[0]->Warps.size());
  S->Warps = S->WarpsPerCta * uint32_t(G.Ctas.size());
  S->Ctas.resize(G.Ctas.size());
  for (size_t K = 0; K < G.Ctas.size(); ++K)
    S->Ctas[K].Cells.resize(G.Ctas[K]->SharedBytes / 4 + 8);
  S->Clocks.resize(S->Warps);
  for (uint32_t K = 0; K < S->Warps; ++K) {
    S->Clocks[K].Now.assign(4 * S->Warps, 0);
    S->Clocks[K].Now[K] = 1;
    S->Clocks[K].FenceView.assign(4 * S->Warps, 0);
  }
  return S;
}

static RaceState *raceOf(const Warp *W) { return W->C->Group->Race.get(); }
static uint32_t warpIndex(const RaceState &S, const Warp *W) {
  return W->C->Rank * S.WarpsPerCta + W->Id;
}
static WarpClock &clockOf(RaceState &S, const Warp *W) {
  return S.Clocks[warpIndex(S, W)];
}
static uint32_t agentOf(const RaceState &S, const Warp *W, AgentKind K) {
  return uint32_t(K) * S.Warps + warpIndex(S, W);
}
static void tick(RaceState &S, const Warp *W) {
  ++clockOf(S, W).Now[warpIndex(S, W)];
}

// ---- reports -------------------------------------------------------------
static std::string agentName(const RaceState &S, uint32_t Agent) {
  static const char *const Kinds[] = {"", "cp.async of ", "bulk copy of ",
                                      "matrix product of "};
  uint32_t Index = Agent % S.Warps;
  std::string Name = std::string(Kinds[Agent / S.Warps]) + "warp " +
                     std::to_string(Index % S.WarpsPerCta);
  if (S.Ctas.size() > 1)
    Name += " of CTA " + std::to_string(Index / S.WarpsPerCta);
  return Name;
}

static void report(Warp *W, const Inst *I, const RaceState &S, uint32_t Lane,
                   const std::string &Where, const RaceAccess &A,
                   uint32_t OldAgent, uint32_t OldPc, bool OldWrite,
                   bool Proxy) {
  std::string Text =
      Proxy ? "missing fence.proxy.async: " : std::string("race on ");
  Text +=
      Where + ": " + (A.Write ? "write" : "read") + " by " +
      agentName(S, A.Agent) + " is not ordered after the " +
      (OldWrite ? "write" : "read") + " by " +
      (OldAgent == A.Agent ? "another lane of it" : agentName(S, OldAgent)) +
      "\n  earlier: " + describeSource(*W->P, OldPc);
  fault(W, I, FaultKind::Race, Lane, Text);
}

// ---- shadow cells --------------------------------------------------------
static bool ordered(const VectorClock &Now, uint32_t Agent, uint32_t Clock) {
  return Agent == NoAgent || Clock <= Now[Agent];
}

static void recordRead(CtaShadow &Sh, Cell &X, const RaceAccess &A,
                       uint8_t Bytes, const VectorClock &Now) {
  bool Replaces = !X.MoreReads && (X.ReadAgent == A.Agent ||
                                   ordered(Now, X.ReadAgent, X.ReadClock));
  if (Replaces) {
    bool Same = X.ReadAgent == A.Agent && X.ReadClock == A.Clock;
    if (!Same || (X.ReadLane == A.Lane))
      X.ReadLane = A.Lane;
    else
      X.ReadLane = X.ReadBytes & Bytes ? SeveralLanes : UnknownLane;
    if (Same)
      Bytes |= X.ReadBytes;
    X.ReadAgent = A.Agent;
    X.ReadClock = A.Clock;
    X.ReadPc = A.Pc;
    X.ReadBytes = Bytes;
    return;
  }
  X.ReadBytes |= Bytes;
  if (!X.MoreReads) {
    X.MoreReads = uint32_t(Sh.Reads.size());
    Sh.Reads.push_back({{X.ReadAgent, X.ReadClock, X.ReadPc}});
  }
  for (ReadEpoch &E : Sh.Reads[X.MoreReads])
    if (E.Agent == A.Agent) {
      E.Clock = A.Clock;
      E.Pc = A.Pc;
      return;
    }
  Sh.Reads[X.MoreReads].push_back({A.Agent, A.Clock, A.Pc});
}

static void recordWrite(Cell &X, const RaceAccess &A, uint8_t Bytes) {
  bool Same = X.WriteAgent == A.Agent && X.WriteClock == A.Clock;
  X.WriteLane = !Same || X.WriteLane == A.Lane || X.WriteBytes == Bytes
                    ? A.Lane
                    : UnknownLane;
  X.WriteBytes = Same ? X.WriteBytes | Bytes : Bytes;
  X.WriteAgent = A.Agent;
  X.WriteClock = A.Clock;
  X.WritePc = A.Pc;
  X.WriteAtomic = A.Atomic;
  X.WriteAsync = A.AsyncProxy;
  X.Initialised |= Bytes;
  X.ReadAgent = NoAgent;
  X.MoreReads = 0;
  X.ReadBytes = 0;
}

/// Another lane of the same warp accessed the bytes since the warp's last
/// synchronisation.
static bool lanesConflict(uint8_t Old, uint8_t New) {
  return Old != UnknownLane && Old != New;
}
static bool findLaneConflict(const RaceState &S, const Cell &X,
                             const RaceAccess &A, uint8_t Bytes, ReadEpoch &Old,
                             bool &OldWrite) {
  if (A.Agent >= S.Warps)
    return false;
  OldWrite = true;
  Old = {X.WriteAgent, X.WriteClock, X.WritePc};
  if (X.WriteAgent == A.Agent && X.WriteClock == A.Clock &&
      (X.WriteBytes & Bytes) && !(A.Atomic && X.WriteAtomic) &&
      X.WritePc != A.Pc && lanesConflict(X.WriteLane, A.Lane))
    return true;
  OldWrite = false;
  Old = {X.ReadAgent, X.ReadClock, X.ReadPc};
  return A.Write && !X.MoreReads && X.ReadAgent == A.Agent &&
         X.ReadClock == A.Clock && (X.ReadBytes & Bytes) && X.ReadPc != A.Pc &&
         lanesConflict(X.ReadLane, A.Lane);
}

/// Finds an earlier access of X that A conflicts with and does not follow.
static bool findConflict(const CtaShadow &Sh, const Cell &X,
                         const RaceAccess &A, uint8_t Bytes,
                         const VectorClock &Now, ReadEpoch &Old,
                         bool &OldWrite) {
  OldWrite = true;
  Old = {X.WriteAgent, X.WriteClock, X.WritePc};
  if ((X.WriteBytes & Bytes) && !(A.Atomic && X.WriteAtomic) &&
      X.WriteAgent != A.Agent && !ordered(Now, X.WriteAgent, X.WriteClock))
    return true;
  // Two operations of one asynchronous agent are not ordered by themselves.
  if ((X.WriteBytes & Bytes) && A.Agent >= Now.size() / 4 &&
      X.WriteAgent == A.Agent && X.WriteClock != A.Clock &&
      !ordered(Now, X.WriteAgent, X.WriteClock))
    return true;
  if (!A.Write || !(X.ReadBytes & Bytes))
    return false;
  OldWrite = false;
  if (X.MoreReads) {
    for (const ReadEpoch &E : Sh.Reads[X.MoreReads])
      if (E.Agent != A.Agent && !ordered(Now, E.Agent, E.Clock)) {
        Old = E;
        return true;
      }
    return false;
  }
  Old = {X.ReadAgent, X.ReadClock, X.ReadPc};
  return X.ReadAgent != A.Agent && !ordered(Now, X.ReadAgent, X.ReadClock);
}

/// The asynchronous proxy sees a generic write only behind a proxy fence of
/// the writer, or of the issuing warp once it is ordered after the write.
static bool needsProxyFence(const RaceState &S, const Warp *W, const Cell &X,
                            const RaceAccess &A, uint8_t Bytes) {
  if (!A.AsyncProxy || A.Write || !(X.WriteBytes & Bytes) || X.WriteAsync ||
      X.WriteAgent == NoAgent)
    return false;
  const VectorClock &Writer = S.Clocks[X.WriteAgent % S.Warps].FenceView;
  const VectorClock &Issuer = S.Clocks[warpIndex(S, W)].FenceView;
  return X.WriteClock > Writer[X.WriteAgent] &&
         X.WriteClock > Issuer[X.WriteAgent];
}

static bool checkCells(Warp *W, const Inst *I, Cta *C, uint32_t Lane,
                       uint32_t Offset, uint32_t Bytes, const RaceAccess &A) {
  RaceState &S = *raceOf(W);
  CtaShadow &Sh = S.Ctas[C->Rank];
  const VectorClock &Now = clockOf(S, W).Now;
  uint32_t At = Offset - SharedBase, End = At + Bytes;
  while (At < End) {
    Cell &X = Sh.Cells[At / 4];
    uint32_t First = At % 4, Count = std::min(4 - First, End - At);
    uint8_t Mask = uint8_t(((1u << Count) - 1) << First);
    ReadEpoch Old;
    bool OldWrite;
    auto Where = [&] { return "shared address " + hex(SharedBase + At); };
    if (findConflict(Sh, X, A, Mask, Now, Old, OldWrite) ||
        findLaneConflict(S, X, A, Mask, Old, OldWrite)) {
      report(W, I, S, Lane, Where(), A, Old.Agent, Old.Pc, OldWrite, false);
      return false;
    }
    if (needsProxyFence(S, W, X, A, Mask)) {
      report(W, I, S, Lane, Where(), A, X.WriteAgent, X.WritePc, true, true);
      return false;
    }
    if (!A.Write && (X.Initialised & Mask) != Mask) {
      fault(W, I, FaultKind::Uninitialised, Lane,
            "read of uninitialised shared memory at " + hex(SharedBase + At));
      return false;
    }
    if (A.Write)
      recordWrite(X, A, Mask);
    else
      recordRead(Sh, X, A, Mask, Now);
    At += Count;
  }
  return true;
}

/// An atomic orders its warp after all earlier ones on the same address.
static void orderAtomic(RaceState &S, Warp *W, Cta *C, uint32_t Offset) {
  VectorClock &Object = S.Ctas[C->Rank].Atomics[Offset];
  VectorClock &Now = clockOf(S, W).Now;
  join(Now, Object);
  join(Object, Now);
}

bool ptxsim::raceShared(Warp *W, const Inst *I, Cta *C, uint32_t M,
                        const uint32_t *Offset, unsigned Bytes,
                        AccessKind Kind) {
  RaceState *S = raceOf(W);
  if (!S)
    return true;
  RaceAccess A;
  A.Agent = warpIndex(*S, W);
  A.Pc = pcOf(I, W);
  A.Write = Kind != AccessKind::Read;
  A.Atomic = Kind == AccessKind::Atomic;
  A.Clock = clockOf(*S, W).Now[A.Agent];
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    if (A.Atomic)
      orderAtomic(*S, W, C, Offset[L]);
    A.Lane = uint8_t(L);
    if (!checkCells(W, I, C, L, Offset[L], Bytes, A))
      return false;
  }
  if (A.Atomic)
    tick(*S, W);
  return true;
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
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    if (!checkCells(W, I, W->C, L, Offset[L], Bytes, A))
      return false;
  }
  return true;
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
  return checkCells(W, I, C, 0, Offset, Bytes, A) ? A.Clock : 0;
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
  return checkCells(W, I, W->C, 0, Offset, Bytes, A);
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
