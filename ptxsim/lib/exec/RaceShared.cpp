// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checker: the shadow of shared memory.
#include "RaceState.h"
#include <algorithm>

using namespace ptxsim;

void CtaShadow::init(uint32_t SharedBytes, uint32_t Warps) {
  Blocks = SharedBytes / BlockBytes + 1;
  Stride = Warps;
  Alike.assign(Blocks, 1);
  size_t Total = size_t(Blocks) * (BlockCells + 1);
  Cells = std::make_unique_for_overwrite<Cell[]>(Total);
  Clocks = std::make_unique_for_overwrite<uint32_t[]>(Total * Stride);
  for (uint32_t B = 0; B < Blocks; ++B)
    Cells[blockCell(B)] = Cell::untouched();
}

void CtaShadow::spread(uint32_t Block) {
  Alike[Block] = 0;
  uint32_t From = blockCell(Block), First = Block * BlockCells;
  const Cell X = Cells[From];
  std::fill_n(Cells.get() + First, BlockCells, X);
  if (!X.ClocksDiffer)
    return;
  for (uint32_t K = First; K < First + BlockCells; ++K)
    std::copy_n(&Clocks[size_t(From) * Stride], Stride,
                &Clocks[size_t(K) * Stride]);
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

// ---- one cell ------------------------------------------------------------
static bool ordered(const VectorClock &Now, uint32_t Agent, uint32_t Clock) {
  return Agent == NoAgent || Clock <= Now[Agent];
}

namespace {
/// An access and what it is checked against.
struct Check {
  RaceState &S;
  CtaShadow &Sh;
  const RaceAccess &A;
  const VectorClock &Now; // of the warp that issued it
  uint32_t FirstWarp;     // agent of the CTA's first warp
  uint32_t LeastNow = 0;  // what is known of every warp of the CTA
  ReadEpoch Old{};        // the conflicting access, once one is found
  bool OldWrite = true;

  Check(RaceState &S, CtaShadow &Sh, const RaceAccess &A,
        const VectorClock &Now, uint32_t FirstWarp)
      : S(S), Sh(Sh), A(A), Now(Now), FirstWarp(FirstWarp),
        LeastNow(*std::min_element(Now.begin() + FirstWarp,
                                   Now.begin() + FirstWarp + S.WarpsPerCta)) {}
  bool ownWarp() const { return A.Agent - FirstWarp < S.WarpsPerCta; }
  bool findConflict(uint32_t At, uint8_t Bytes);
  bool findUnorderedRead(uint32_t At);
  bool readersOrdered(const Cell &X) const;
  void noteReader(uint32_t At, Cell &X);
  bool findLaneConflict(const Cell &X, uint8_t Bytes);
  void recordRead(uint32_t At, uint8_t Bytes);
  void recordWrite(Cell &X, uint8_t Bytes);
};
} // namespace

/// The warps in X.Readers have read before what A's warp knows of them.
bool Check::readersOrdered(const Cell &X) const {
  if (X.ReadClock <= LeastNow)
    return true;
  for (uint32_t Left = X.Readers; Left; Left &= Left - 1)
    if (X.ReadClock > Now[FirstWarp + uint32_t(std::countr_zero(Left))])
      return false;
  return true;
}

/// A warp of the CTA reads; X.ReadClock is still that of the reads before.
void Check::noteReader(uint32_t At, Cell &X) {
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

void Check::recordRead(uint32_t At, uint8_t Bytes) {
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

void Check::recordWrite(Cell &X, uint8_t Bytes) {
  bool Same = X.WriteAgent == A.Agent && X.WriteClock == A.Clock;
  X.WriteLane = !Same || X.WriteLane == A.Lane || X.WriteBytes == Bytes
                    ? A.Lane
                    : UnknownLane;
  X.WriteBytes = Same ? X.WriteBytes | Bytes : Bytes;
  X.WriteAgent = uint16_t(A.Agent);
  X.WriteClock = A.Clock;
  X.WritePc = A.Pc;
  X.WriteAtomic = A.Atomic;
  X.WriteAsync = A.AsyncProxy;
  X.Initialised |= Bytes;
  X.ReadAgent = NoAgent;
  X.MoreReads = 0;
  X.ReadBytes = X.LastBytes = 0;
  X.Readers = 0;
  X.ClocksDiffer = 0;
}

/// Another lane of the same warp accessed the bytes since the warp's last
/// synchronisation.
static bool lanesConflict(uint8_t Old, uint8_t New) {
  return Old != UnknownLane && Old != New;
}
bool Check::findLaneConflict(const Cell &X, uint8_t Bytes) {
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
  return A.Write && X.ReadAgent == A.Agent && X.ReadClock == A.Clock &&
         (X.LastBytes & Bytes) && X.ReadPc != A.Pc &&
         lanesConflict(X.ReadLane, A.Lane);
}

/// Finds a read since the last write that the access does not follow. Of
/// several reading warps only the last one's instruction is known.
bool Check::findUnorderedRead(uint32_t At) {
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
    if (E.Agent != A.Agent && !ordered(Now, E.Agent, E.Clock)) {
      Old = E;
      return true;
    }
  return false;
}

/// Finds an earlier access that A conflicts with and does not follow.
bool Check::findConflict(uint32_t At, uint8_t Bytes) {
  const Cell &X = Sh.Cells[At];
  if ((X.WriteBytes & Bytes) && !ordered(Now, X.WriteAgent, X.WriteClock)) {
    OldWrite = true;
    Old = {X.WriteAgent, X.WriteClock, X.WritePc};
    if (X.WriteAgent != A.Agent && !(A.Atomic && X.WriteAtomic))
      return true;
    // Two operations of one asynchronous agent are not ordered by themselves.
    if (A.Agent >= S.Warps && X.WriteAgent == A.Agent &&
        X.WriteClock != A.Clock)
      return true;
  }
  return A.Write && (X.ReadBytes & Bytes) && findUnorderedRead(At);
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

// ---- ranges --------------------------------------------------------------
/// Checks the access against cell At; does not record it.
static bool checkCell(Warp *W, const Inst *I, uint32_t Lane, uint32_t At,
                      uint32_t Address, uint8_t Mask, Check &K) {
  const Cell &X = K.Sh.Cells[At];
  auto Where = [&] { return "shared address " + hex(Address); };
  if (K.findConflict(At, Mask) || K.findLaneConflict(X, Mask)) {
    report(W, I, K.S, Lane, Where(), K.A, K.Old.Agent, K.Old.Pc, K.OldWrite,
           false);
    return false;
  }
  if (needsProxyFence(K.S, W, X, K.A, Mask)) {
    report(W, I, K.S, Lane, Where(), K.A, X.WriteAgent, X.WritePc, true, true);
    return false;
  }
  if (!K.A.Write && (X.Initialised & Mask) != Mask) {
    fault(W, I, FaultKind::Uninitialised, Lane,
          "read of uninitialised shared memory at " + hex(Address));
    return false;
  }
  return true;
}
static void recordCell(uint32_t At, uint8_t Mask, Check &K) {
  if (K.A.Write)
    K.recordWrite(K.Sh.Cells[At], Mask);
  else
    K.recordRead(At, Mask);
}

/// A whole block at once; Address is that of its first byte.
static bool checkBlock(Warp *W, const Inst *I, uint32_t Lane, uint32_t Block,
                       uint32_t Address, Check &K) {
  CtaShadow &Sh = K.Sh;
  uint32_t Whole = Sh.blockCell(Block), First = Block * Sh.BlockCells;
  if (Sh.Alike[Block]) {
    if (!checkCell(W, I, Lane, Whole, Address, 0xf, K))
      return false;
    recordCell(Whole, 0xf, K);
    return true;
  }
  for (uint32_t J = 0; J < Sh.BlockCells; ++J) {
    if (!checkCell(W, I, Lane, First + J, Address + 4 * J, 0xf, K))
      return false;
    if (!K.A.Write)
      recordCell(First + J, 0xf, K);
  }
  if (K.A.Write) {
    Sh.Cells[Whole] = Cell::untouched();
    recordCell(Whole, 0xf, K);
    Sh.Alike[Block] = 1;
  }
  return true;
}

namespace {
/// The common case of an access, with what it needs at hand: a whole cell that
/// is ordered after the last write, by a warp that has not written it since its
/// last synchronisation, or any write that is ordered after all reads.
struct FastCheck {
  const uint32_t *Now;
  uint32_t Agent, Clock, LeastNow, Bit, Pc;
  uint8_t Lane;
  explicit FastCheck(const Check &K)
      : Now(K.Now.data()), Agent(K.A.Agent), Clock(K.A.Clock),
        LeastNow(K.LeastNow),
        Bit(K.ownWarp() ? 1u << (K.A.Agent - K.FirstWarp) : 0), Pc(K.A.Pc),
        Lane(K.A.Lane) {}

  bool afterWrite(const Cell &X) const {
    return X.WriteAgent == NoAgent ||
           (X.WriteClock <= Now[X.WriteAgent] &&
            !(X.WriteAgent == Agent && X.WriteClock == Clock));
  }
  bool sameRead(const Cell &X) const {
    return X.ReadAgent == Agent && X.ReadClock == Clock;
  }
  bool mayWrite(const Cell &X) const {
    return afterWrite(X) && !X.MoreReads && !X.ClocksDiffer && !sameRead(X) &&
           (!X.Readers || X.ReadClock <= LeastNow);
  }
  /// Checks and records a read; false if the case is not that simple.
  bool read(Cell &X) const {
    bool SameClock = X.ReadClock == Clock;
    if (!Bit || X.Initialised != 0xf || X.ClocksDiffer || !afterWrite(X) ||
        (X.Readers && !SameClock && X.ReadClock > LeastNow))
      return false;
    X.ReadLane = sameRead(X) && X.ReadLane != Lane ? SeveralLanes : Lane;
    X.Readers = SameClock ? X.Readers | Bit : Bit;
    X.LastBytes = X.ReadBytes = 0xf;
    X.ReadAgent = uint16_t(Agent);
    X.ReadClock = Clock;
    X.ReadPc = Pc;
    return true;
  }
};
} // namespace

static bool checkRange(Warp *W, const Inst *I, uint32_t Lane, uint32_t Offset,
                       uint32_t Bytes, Check &K) {
  CtaShadow &Sh = K.Sh;
  const FastCheck Fast(K);
  bool Read = !K.A.Write, Store = K.A.Write && !K.A.Atomic;
  for (uint32_t At = Offset - SharedBase, End = At + Bytes; At < End;) {
    uint32_t Block = At / Sh.BlockBytes;
    if (At % Sh.BlockBytes == 0 && End - At >= Sh.BlockBytes) {
      if (!checkBlock(W, I, Lane, Block, SharedBase + At, K))
        return false;
      At += Sh.BlockBytes;
      continue;
    }
    if (Sh.Alike[Block])
      Sh.spread(Block);
    uint32_t First = At % 4, Count = std::min(4 - First, End - At);
    uint8_t Mask = uint8_t(((1u << Count) - 1) << First);
    Cell &X = Sh.Cells[At / 4];
    if (Mask == 0xf && Store && Fast.mayWrite(X)) {
      K.recordWrite(X, Mask);
    } else if (!(Mask == 0xf && Read && Fast.read(X))) {
      if (!checkCell(W, I, Lane, At / 4, SharedBase + At, Mask, K))
        return false;
      recordCell(At / 4, Mask, K);
    }
    At += Count;
  }
  return true;
}

bool ptxsim::checkCells(Warp *W, const Inst *I, Cta *C, uint32_t Lane,
                        uint32_t Offset, uint32_t Bytes, const RaceAccess &A) {
  RaceState &S = *raceOf(W);
  Check K{S, S.Ctas[C->Rank], A, clockOf(S, W).Now, C->Rank * S.WarpsPerCta};
  return checkRange(W, I, Lane, Offset, Bytes, K);
}

// ---- accesses of warps ---------------------------------------------------
/// An atomic orders its warp after all earlier ones on the same address.
static void orderAtomic(RaceState &S, Warp *W, Cta *C, uint32_t Offset) {
  VectorClock &Object = S.Ctas[C->Rank].Atomics[Offset];
  VectorClock &Now = clockOf(S, W).Now;
  join(Now, Object);
  join(Object, Now);
}

/// Lanes that read what another lane reads need no check of their own. Rest:
/// lanes to check; Several: those that stand for more than one.
static void mergeReads(uint32_t M, const uint32_t *Offset, uint32_t &Rest,
                       uint32_t &Several) {
  uint8_t Stands[32];
  Rest = Several = 0;
  forLanes(M, [&](uint32_t L) {
    uint32_t Like = L;
    if (L && (M >> (L - 1) & 1) && Offset[L] == Offset[L - 1])
      Like = Stands[L - 1];
    else if (L >= 16 && (M >> (L - 16) & 1) && Offset[L] == Offset[L - 16])
      Like = Stands[L - 16];
    Stands[L] = uint8_t(Like);
    (Like == L ? Rest : Several) |= 1u << Like;
  });
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
  uint32_t Left = M, Several = 0;
  if (!A.Write)
    mergeReads(M, Offset, Left, Several);
  Check K{*S, S->Ctas[C->Rank], A, clockOf(*S, W).Now,
          C->Rank * S->WarpsPerCta};
  for (; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    if (A.Atomic)
      orderAtomic(*S, W, C, Offset[L]);
    A.Lane = Several >> L & 1 ? SeveralLanes : uint8_t(L);
    if (!checkRange(W, I, L, Offset[L], Bytes, K))
      return false;
  }
  if (A.Atomic)
    tick(*S, W);
  return true;
}
