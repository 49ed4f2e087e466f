// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checker: cells of shared memory, and reports.
#include "RaceCell.h"

using namespace ptxsim;

// ---- reports -------------------------------------------------------------
std::string ptxsim::agentName(const RaceState &S, uint32_t Agent) {
  static const char *const Kinds[NumAgentKinds] = {
      "", "cp.async of ", "bulk copy of ", "matrix product of ",
      "bulk copy of "};
  if (Agent >= NumAgentKinds * S.Warps) {
    for (const auto &[Where, B] : S.BarrierAgents)
      if (B.Agent == Agent)
        return "copy that completes on the mbarrier at " + hex(Where.second) +
               (S.Ctas.size() > 1 ? " of CTA " + std::to_string(Where.first)
                                  : "");
  }
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
  Text += Where + ": " + (A.Write ? "write" : "read") + " by " +
          agentName(S, A.Agent) + " is not ordered after the " +
          (OldWrite ? "write" : "read") + " by " +
          (OldAgent != A.Agent  ? agentName(S, OldAgent)
           : OldAgent < S.Warps ? "another lane of it"
                                : "an earlier one") +
          "\n  earlier: " + describeSource(*W->P, OldPc);
  fault(W, I, FaultKind::Race, Lane, Text);
}

// ---- one cell ------------------------------------------------------------
static bool ordered(const VectorClock &Now, uint32_t Agent, uint32_t Clock) {
  return Agent == NoAgent || Clock <= Now[Agent];
}

/// The warps in X.Readers have read before what A's warp knows of them.
bool CellCheck::readersOrdered(const Cell &X) const {
  if (X.ReadClock <= LeastNow)
    return true;
  for (uint32_t Left = X.Readers; Left; Left &= Left - 1)
    if (X.ReadClock > Now[FirstWarp + uint32_t(std::countr_zero(Left))])
      return false;
  return true;
}

/// A warp of the CTA reads; X.ReadClock is still that of the reads before.
void CellCheck::noteReader(uint32_t At, Cell &X) {
  uint32_t Self = A.Agent - FirstWarp;
  uint32_t *Clocks = &Sh.Clocks[size_t(At) * Sh.Stride];
  if (!X.ClocksDiffer && X.Readers && X.ReadClock != A.Clock) {
    if (readersOrdered(X)) {
      X.Readers = 0;
    } else {
      std::fill_n(Clocks, Sh.Stride, 0);
      forLanes(X.Readers, [&](uint32_t K) { Clocks[K] = X.ReadClock; });
      X.ClocksDiffer = 1;
    }
  }
  X.Readers |= 1u << Self;
  if (X.ClocksDiffer)
    Clocks[Self] = A.Clock;
}

void CellCheck::recordRead(uint32_t At, uint8_t Bytes) {
  Cell &X = Sh.Cells[At];
  bool Same = X.ReadAgent == A.Agent && X.ReadClock == A.Clock;
  if (!Same || X.ReadLane == A.Lane)
    X.ReadLane = A.Lane;
  else
    X.ReadLane = X.LastBytes & Bytes ? SeveralLanes : UnknownLane;
  X.LastBytes = Same ? X.LastBytes | Bytes : Bytes;
  X.ReadBytes |= Bytes;
  X.ReadPc = A.Pc;
  if (ownWarp()) {
    noteReader(At, X);
    X.ReadAgent = uint16_t(A.Agent);
    X.ReadClock = A.Clock;
    return;
  }
  X.ReadAgent = NoAgent; // its lanes are not compared
  if (!X.MoreReads) {
    X.MoreReads = uint32_t(Sh.Reads.size());
    Sh.Reads.emplace_back();
  }
  for (ReadEpoch &E : Sh.Reads[X.MoreReads])
    if (E.Agent == A.Agent) {
      E.Clock = A.Clock;
      E.Pc = A.Pc;
      return;
    }
  Sh.Reads[X.MoreReads].push_back({A.Agent, A.Clock, A.Pc});
}

/// The cell's plain write is about to give way to a strong one.
void CellCheck::keepReplaced(uint32_t At) {
  const Cell &X = Sh.Cells[At];
  bool KnownToAll =
      std::all_of(S.Clocks.begin(), S.Clocks.end(), [&](const WarpClock &C) {
        return X.WriteClock <= C.Now[X.WriteAgent];
      });
  bool LanesMatter =
      X.WriteAgent < S.Warps && X.WriteClock >= S.Clocks[X.WriteAgent].Synced;
  if (KnownToAll && !LanesMatter)
    Sh.Replaced.erase(At);
  else
    Sh.Replaced[At] = {
        {X.WriteAgent, X.WriteClock, X.WritePc}, X.WriteBytes, X.WriteLane};
}

void CellCheck::recordWrite(uint32_t At, uint8_t Bytes) {
  Cell &X = Sh.Cells[At];
  if (A.Strong && !X.WriteStrong && X.WriteAgent != NoAgent)
    keepReplaced(At);
  bool Same = X.WriteAgent == A.Agent && X.WriteClock == A.Clock;
  X.WriteLane = !Same || X.WriteLane == A.Lane || X.WriteBytes == Bytes
                    ? A.Lane
                    : UnknownLane;
  X.WriteBytes = Same ? X.WriteBytes | Bytes : Bytes;
  X.WriteAgent = uint16_t(A.Agent);
  X.WriteClock = A.Clock;
  X.WritePc = A.Pc;
  X.WriteAtomic = A.Atomic;
  X.WriteStrong = A.Strong;
  X.WriteAsync = A.AsyncProxy;
  X.Initialised |= Bytes;
  X.ReadAgent = NoAgent;
  X.MoreReads = 0;
  X.ReadBytes = X.LastBytes = 0;
  X.Readers = 0;
  X.ClocksDiffer = 0;
}

/// Neither of two strong accesses is a race with the other, and a plain read
/// beside an atomic operation may be the guess that a loop of compare-and-swap
/// starts with, which the operation then proves or disproves.
bool CellCheck::harmless(const Cell &X) const {
  return (A.Strong && X.WriteStrong) ||
         (S.MayGuess && !A.Write && X.WriteAtomic);
}

/// Another lane of the same warp accessed the bytes since the warp's last
/// synchronisation.
static bool lanesConflict(uint8_t Old, uint8_t New) {
  return Old != UnknownLane && Old != New;
}
bool CellCheck::findLaneConflict(const Cell &X, uint8_t Bytes) {
  if (A.Agent >= S.Warps)
    return false;
  OldWrite = true;
  Old = {X.WriteAgent, X.WriteClock, X.WritePc};
  if (X.WriteAgent == A.Agent && X.WriteClock >= Synced &&
      (X.WriteBytes & Bytes) && !harmless(X) && X.WritePc != A.Pc &&
      lanesConflict(X.WriteLane, A.Lane))
    return true;
  OldWrite = false;
  Old = {X.ReadAgent, X.ReadClock, X.ReadPc};
  return A.Write && !mayBeGuessed() && X.ReadAgent == A.Agent &&
         X.ReadClock == A.Clock && (X.LastBytes & Bytes) && X.ReadPc != A.Pc &&
         lanesConflict(X.ReadLane, A.Lane);
}

/// Finds a plain write that the cell's strong one has replaced and that the
/// access does not follow.
bool CellCheck::findReplaced(uint32_t At, uint8_t Bytes) {
  if (!Sh.Cells[At].WriteStrong || Sh.Replaced.empty())
    return false;
  auto It = Sh.Replaced.find(At);
  if (It == Sh.Replaced.end() || !(It->second.Bytes & Bytes))
    return false;
  Old = It->second.Who;
  OldWrite = true;
  if (Old.Agent != A.Agent)
    return !ordered(Now, Old.Agent, Old.Clock);
  return Old.Clock >= Synced && lanesConflict(It->second.Lane, A.Lane);
}

/// Finds a read since the last write that the access does not follow. Of
/// several reading warps only the last one's instruction is known.
bool CellCheck::findUnorderedRead(uint32_t At) {
  const Cell &X = Sh.Cells[At];
  OldWrite = false;
  const uint32_t *Clocks = &Sh.Clocks[size_t(At) * Sh.Stride];
  for (uint32_t Left = X.Readers; Left; Left &= Left - 1) {
    uint32_t K = uint32_t(std::countr_zero(Left));
    uint32_t Clock = X.ClocksDiffer ? Clocks[K] : X.ReadClock;
    if (Clock > Now[FirstWarp + K] && FirstWarp + K != A.Agent) {
      Old = {FirstWarp + K, Clock, X.ReadPc};
      return true;
    }
  }
  for (const ReadEpoch &E : Sh.Reads[X.MoreReads])
    if ((E.Agent != A.Agent || E.Clock != A.Clock) &&
        !ordered(Now, E.Agent, E.Clock)) {
      Old = E;
      return true;
    }
  return false;
}

/// Finds an earlier access that A conflicts with and does not follow.
bool CellCheck::findConflict(uint32_t At, uint8_t Bytes) {
  const Cell &X = Sh.Cells[At];
  if ((X.WriteBytes & Bytes) && !ordered(Now, X.WriteAgent, X.WriteClock)) {
    OldWrite = true;
    Old = {X.WriteAgent, X.WriteClock, X.WritePc};
    if (X.WriteAgent != A.Agent && !harmless(X))
      return true;
    // Two operations of one asynchronous agent are not ordered by themselves.
    if (A.Agent >= S.Warps && X.WriteAgent == A.Agent &&
        X.WriteClock != A.Clock && !harmless(X))
      return true;
  }
  return A.Write && !mayBeGuessed() && (X.ReadBytes & Bytes) &&
         findUnorderedRead(At);
}

/// The asynchronous proxy sees a generic write, and writes after it, only
/// behind a proxy fence of the writer, or on the way from it to the issuing
/// warp.
static bool needsProxyFence(const RaceState &S, const Warp *W, const Cell &X,
                            const RaceAccess &A, uint8_t Bytes) {
  if (!A.AsyncProxy || !(X.WriteBytes & Bytes) || X.WriteAsync ||
      X.WriteAgent == NoAgent || (X.WriteStrong && A.Strong))
    return false;
  const VectorClock &Writer = S.Clocks[X.WriteAgent % S.Warps].SharedView;
  const VectorClock &Issuer = S.Clocks[warpIndex(S, W)].SharedView;
  return !covers(Writer, X.WriteAgent, X.WriteClock) &&
         !covers(Issuer, X.WriteAgent, X.WriteClock);
}

bool CellCheck::check(uint32_t Lane, uint32_t At, uint32_t Address,
                      uint8_t Bytes) {
  const Cell &X = Sh.Cells[At];
  auto Where = [&] { return "shared address " + hex(Address); };
  if (findConflict(At, Bytes) || findLaneConflict(X, Bytes) ||
      findReplaced(At, Bytes)) {
    report(W, I, S, Lane, Where(), A, Old.Agent, Old.Pc, OldWrite, false);
    return false;
  }
  if (needsProxyFence(S, W, X, A, Bytes)) {
    report(W, I, S, Lane, Where(), A, X.WriteAgent, X.WritePc, true, true);
    return false;
  }
  bool Reads = !A.Write || (A.Atomic && !A.Exchange);
  return !Reads || (X.Initialised & Bytes) == Bytes ||
         mayReadUnwritten(W, I, Lane,
                          "uninitialised shared memory at " + hex(Address));
}
