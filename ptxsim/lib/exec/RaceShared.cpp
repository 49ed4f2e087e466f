// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checker: ranges of shared memory and the accesses of warps to them.
#include "AccessFlags.h"
#include "RaceCell.h"

using namespace ptxsim;

void CtaShadow::init(const Cta &C, uint32_t Warps) {
  static_assert(BlockBytes == ReservedSharedBytes);
  Blocks = C.SharedBytes / BlockBytes + 1;
  Stride = Warps;
  BlockAlike.assign(Blocks, 1);
  QuadAlike.assign(size_t(Blocks) * BlockQuads, 1);
  size_t Total = size_t(Blocks) * (BlockCells + BlockQuads + 1);
  Cells = std::make_unique_for_overwrite<Cell[]>(Total);
  Clocks = std::make_unique_for_overwrite<uint32_t[]>(Total * Stride);
  for (uint32_t B = 0; B < Blocks; ++B)
    Cells[blockCell(B)] = Cell::untouched();
  if (C.L->P->UsesReserved)
    Cells[blockCell(C.SharedBytes / BlockBytes - 1)].Initialised = 15;
  Summaries.resize(Blocks);
  Logs.resize(Warps);
}

/// Each copy has its own list of further reads.
void CtaShadow::spread(uint32_t From, uint32_t First, uint32_t Count) {
  const Cell X = Cells[From];
  std::fill_n(Cells.get() + First, Count, X);
  for (uint32_t K = First; K < First + Count; ++K) {
    if (X.ClocksDiffer)
      std::copy_n(&Clocks[size_t(From) * Stride], Stride,
                  &Clocks[size_t(K) * Stride]);
    if (X.MoreReads) {
      Cells[K].MoreReads = uint32_t(Reads.size());
      Reads.push_back(std::vector<ReadEpoch>(Reads[X.MoreReads]));
    }
  }
}
void CtaShadow::spreadBlock(uint32_t Block) {
  BlockAlike[Block] = 0;
  std::fill_n(QuadAlike.begin() + Block * BlockQuads, BlockQuads, 1);
  spread(blockCell(Block), quadCell(Block * BlockQuads), BlockQuads);
}
void CtaShadow::spreadQuad(uint32_t Quad) {
  QuadAlike[Quad] = 0;
  spread(quadCell(Quad), Quad * QuadCells, QuadCells);
}

// ---- ranges --------------------------------------------------------------
namespace {
/// An access to ranges of shared memory, one after the other.
class RangeCheck {
public:
  RangeCheck(Warp *W, const Inst *I, RaceState &S, Cta &C, const RaceAccess &A,
             const VectorClock &Now)
      : C(C), K(W, I, S, C, A, Now), Sh(K.Sh), Fast(K) {}
  /// Checks and records Bytes at shared address Offset.
  bool range(uint32_t Lane, uint32_t Offset, uint32_t Bytes) {
    if (K.A.Write)
      summariseWrite(K, C, Offset, Bytes);
    return repeatLast(Offset, Bytes) || walk(Lane, Offset, Bytes);
  }

private:
  bool repeatLast(uint32_t Offset, uint32_t Bytes);
  bool walk(uint32_t Lane, uint32_t Offset, uint32_t Bytes);
  bool block(uint32_t Lane, uint32_t Block, uint32_t Address);
  bool part(uint32_t Lane, uint32_t At, uint32_t End);
  bool quad(uint32_t Lane, uint32_t Quad, uint32_t Address);
  bool one(uint32_t Lane, uint32_t At, uint32_t Address, uint8_t Mask);
  void startAfresh(uint32_t At, uint8_t &Alike);
  void mergeQuad(uint32_t Quad);
  Cta &C;
  CellCheck K;
  CtaShadow &Sh;
  FastCheck Fast;
  LastCell Last;
};
} // namespace

/// The whole quad or block has one history from here on.
void RangeCheck::startAfresh(uint32_t At, uint8_t &Alike) {
  Sh.Cells[At] = Cell::untouched();
  K.record(At, 0xf);
  Alike = 1;
}

/// A whole block at once; Address is that of its first byte.
bool RangeCheck::block(uint32_t Lane, uint32_t Block, uint32_t Address) {
  uint32_t Whole = Sh.blockCell(Block), First = Block * Sh.BlockQuads;
  auto Visit = [&](uint32_t At, uint32_t From) {
    if (!K.check(Lane, At, From, 0xf))
      return false;
    if (!K.A.Write || At == Whole)
      K.record(At, 0xf);
    return true;
  };
  if (Sh.BlockAlike[Block])
    return Visit(Whole, Address);
  for (uint32_t Q = First; Q < First + Sh.BlockQuads; ++Q) {
    uint32_t From = Address + (Q - First) * Sh.QuadBytes;
    if (Sh.QuadAlike[Q]) {
      if (!Visit(Sh.quadCell(Q), From))
        return false;
      continue;
    }
    for (uint32_t J = 0; J < Sh.QuadCells; ++J)
      if (!Visit(Q * Sh.QuadCells + J, From + 4 * J))
        return false;
  }
  if (K.A.Write)
    startAfresh(Whole, Sh.BlockAlike[Block]);
  return true;
}

/// One cell: of a word, or of an alike quad.
bool RangeCheck::one(uint32_t Lane, uint32_t At, uint32_t Address,
                     uint8_t Mask) {
  bool Read = !K.A.Write, Store = K.A.Write;
  Cell &X = Sh.Cells[At];
  if (Mask == 0xf && !K.A.Strong) {
    if (Last.repeat(X, K.A.Lane))
      return true;
    Cell Before = X;
    bool Written = Store && Fast.mayWrite(X);
    if (Written)
      K.recordWrite(At, Mask);
    if (Written || (Read && Fast.read(X, K.A.Lane))) {
      Last.learn(Before, X, Fast, Store);
      return true;
    }
  }
  if (!K.check(Lane, At, Address, Mask))
    return false;
  // Polling reads race with plain writes only, and the next one will see them.
  if (!(K.A.Strong && Read))
    K.record(At, Mask);
  return true;
}

/// Gives four cells that have just been read one history, if they differ in
/// nothing that matters any more: lanes do not once the warp that wrote has
/// synchronised.
void RangeCheck::mergeQuad(uint32_t Quad) {
  const Cell *X = &Sh.Cells[Quad * CtaShadow::QuadCells];
  uint32_t Writer = X->WriteAgent;
  bool LanesMatter =
      Writer < K.S.Warps && X->WriteClock >= K.S.Clocks[Writer].Synced;
  if (LanesMatter || X->MoreReads || X->ClocksDiffer)
    return;
  Cell Merged = X[0];
  Merged.WriteLane = UnknownLane;
  for (unsigned J = 1; J < CtaShadow::QuadCells; ++J) {
    Cell Other = X[J];
    Other.WriteLane = UnknownLane;
    if (std::memcmp(&Other, &Merged, sizeof(Cell)))
      return;
  }
  Sh.Cells[Sh.quadCell(Quad)] = Merged;
  Sh.QuadAlike[Quad] = 1;
}

bool RangeCheck::quad(uint32_t Lane, uint32_t Quad, uint32_t Address) {
  if (Sh.QuadAlike[Quad])
    return one(Lane, Sh.quadCell(Quad), Address, 0xf);
  for (uint32_t J = 0; J < Sh.QuadCells; ++J) {
    uint32_t At = Quad * Sh.QuadCells + J, From = Address + 4 * J;
    if (K.A.Write ? !K.check(Lane, At, From, 0xf) : !one(Lane, At, From, 0xf))
      return false;
  }
  if (K.A.Write)
    startAfresh(Sh.quadCell(Quad), Sh.QuadAlike[Quad]);
  else
    mergeQuad(Quad);
  return true;
}

/// Part of a block, from byte At to End.
bool RangeCheck::part(uint32_t Lane, uint32_t At, uint32_t End) {
  for (uint32_t Count; At < End; At += Count) {
    uint32_t Quad = At / Sh.QuadBytes, Address = SharedBase + At;
    Count = Sh.QuadBytes;
    if (At % Count == 0 && End - At >= Count) {
      if (!quad(Lane, Quad, Address))
        return false;
      continue;
    }
    if (Sh.QuadAlike[Quad])
      Sh.spreadQuad(Quad);
    uint32_t First = At % 4;
    Count = std::min(4 - First, End - At);
    uint8_t Mask = uint8_t(((1u << Count) - 1) << First);
    if (!one(Lane, At / 4, Address, Mask))
      return false;
  }
  return true;
}

bool RangeCheck::walk(uint32_t Lane, uint32_t Offset, uint32_t Bytes) {
  for (uint32_t At = Offset - SharedBase, End = At + Bytes; At < End;) {
    uint32_t Block = At / Sh.BlockBytes;
    uint32_t Stop = std::min(End, (Block + 1) * Sh.BlockBytes);
    bool Whole = Stop - At == Sh.BlockBytes;
    if (!Whole && Sh.BlockAlike[Block])
      Sh.spreadBlock(Block);
    if (Whole ? !block(Lane, Block, SharedBase + At) : !part(Lane, At, Stop))
      return false;
    At = Stop;
  }
  return true;
}

/// The whole access does to one cell what the range before did to another.
bool RangeCheck::repeatLast(uint32_t Offset, uint32_t Bytes) {
  uint32_t At = Offset - SharedBase, Quad = At / Sh.QuadBytes;
  if ((Bytes != 4 && Bytes != Sh.QuadBytes) || At % Bytes ||
      Sh.BlockAlike[At / Sh.BlockBytes] ||
      Sh.QuadAlike[Quad] != (Bytes == Sh.QuadBytes))
    return false;
  uint32_t Cell = Bytes == 4 ? At / 4 : Sh.quadCell(Quad);
  return Last.repeat(Sh.Cells[Cell], K.A.Lane);
}

bool ptxsim::checkCells(Warp *W, const Inst *I, Cta *C, uint32_t M,
                        const uint32_t *Offset, uint32_t Bytes,
                        const RaceAccess &A) {
  RaceState &S = *raceOf(W);
  RangeCheck K(W, I, S, *C, A, clockOf(S, W).Now);
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    if (!K.range(L, Offset[L], Bytes))
      return false;
  }
  return true;
}

// ---- accesses of warps ---------------------------------------------------
/// A strong access of an address finds what was published there, and publishes.
/// Without acquire and release it takes fences for that to count.
static void synchronise(WarpClock &Mine, CtaShadow &Sh, const RaceAccess &A,
                        uint16_t Flags, uint32_t Offset) {
  const VectorClock &Out = Flags & ReleaseAccess ? Mine.Now : Mine.Fenced;
  auto It = Sh.Published.find(Offset);
  if (It != Sh.Published.end() && (!A.Write || A.Atomic))
    join(Flags & AcquireAccess ? Mine.Now : Mine.Found, It->second);
  if (A.Write && !Out.empty())
    join(Sh.Published[Offset], Out);
}

bool ptxsim::noteRemote(Warp *W, const Inst *I, RaceState &S, Cta *C,
                        uint32_t Lane, CopyEpoch A) {
  if (!C->LiveWarps) {
    fault(W, I, FaultKind::Race, Lane,
          "access to the shared memory of CTA " + std::to_string(C->Rank) +
              " of the cluster, which has ended");
    return false;
  }
  std::vector<RemoteAccess> &Remote = S.Ctas[C->Rank].Remote;
  for (RemoteAccess &X : Remote)
    if (X.Agent == A.Agent) {
      X = {A.Agent, A.Clock, pcOf(I, W)};
      return true;
    }
  Remote.push_back({A.Agent, A.Clock, pcOf(I, W)});
  return true;
}

/// A store to an mbarrier object that has not been invalidated.
static bool checkObjects(Warp *W, const Inst *I, Cta *C, uint32_t M,
                         const uint32_t *Offset, unsigned Bytes) {
  constexpr uint32_t ObjectBytes = 8;
  if (!C->Mbars || C->Mbars->Objects.empty())
    return true;
  const auto &Objects = C->Mbars->Objects;
  uint32_t First = Objects.begin()->first,
           End = Objects.rbegin()->first + ObjectBytes;
  for (; M; M &= M - 1) {
    uint32_t L = uint32_t(std::countr_zero(M)), At = Offset[L];
    if (At + Bytes <= First || At >= End)
      continue;
    auto It = Objects.lower_bound(At >= ObjectBytes ? At - ObjectBytes + 1 : 0);
    if (It == Objects.end() || It->first >= At + Bytes)
      continue;
    fault(W, I, FaultKind::Race, L,
          "store to the mbarrier object at shared address " + hex(It->first) +
              ", which has not been invalidated");
    return false;
  }
  return true;
}

void ptxsim::mergeReads(uint32_t M, const uint32_t *Offset, uint32_t &Rest,
                        uint32_t &Several) {
  RowU32 All, Before;
  std::memcpy(&All, Offset, sizeof(All));
  // Products mostly read with two half warps that do the same, or in which
  // all lanes do.
  uint32_t Upper = AllLanes << 16;
  Before = __builtin_shufflevector(All, All, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
                                   10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                                   21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
  uint32_t SameNext = toMask((RowI32)(All == Before)) & ~1u;
  bool Halves = M == AllLanes && !std::memcmp(Offset, Offset + 16, 64);
  if (Halves && !(SameNext & ~Upper)) {
    Rest = Several = ~Upper;
    return;
  }
  if (M == AllLanes && SameNext == ~(1u | 1u << 16)) {
    Rest = Several = Halves ? 1u : 1u | 1u << 16;
    return;
  }
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

/// Checks the lanes of M; Now is what the warp knows.
static bool checkLanes(Warp *W, const Inst *I, RaceState &S, Cta *C, uint32_t M,
                       const uint32_t *Offset, unsigned Bytes, RaceAccess &A,
                       const VectorClock &Now) {
  uint32_t Left = M, Several = 0;
  if (!A.Write)
    mergeReads(M, Offset, Left, Several);
  RangeCheck K(W, I, S, *C, A, Now);
  for (; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    A.Lane = Several >> L & 1 ? SeveralLanes : uint8_t(L);
    if (!K.range(L, Offset[L], Bytes))
      return false;
  }
  return true;
}

/// A strong access also knows what the warp has found without a fence so far.
static bool checkStrong(Warp *W, const Inst *I, RaceState &S, Cta *C,
                        uint32_t M, const uint32_t *Offset, unsigned Bytes,
                        RaceAccess &A) {
  WarpClock &Mine = clockOf(S, W);
  uint16_t Flags = accessFlags(I);
  A.Strong = true;
  A.Exchange = Flags & ExchangeAccess;
  forLanes(M, [&](uint32_t L) {
    synchronise(Mine, S.Ctas[C->Rank], A, Flags, Offset[L]);
  });
  VectorClock Known = Mine.Now;
  join(Known, Mine.Found);
  if (!checkLanes(W, I, S, C, M, Offset, Bytes, A, Known))
    return false;
  if (Flags & ReleaseAccess)
    tick(S, W);
  return true;
}

bool ptxsim::raceShared(Warp *W, const Inst *I, Cta *C, uint32_t M,
                        const uint32_t *Offset, unsigned Bytes,
                        AccessKind Kind) {
  RaceState *S = raceOf(W);
  if (!S)
    return true;
  bool Strong = accessFlags(I) & StrongAccess;
  RaceAccess A;
  A.Agent = warpIndex(*S, W);
  A.Pc = pcOf(I, W);
  if (Kind == AccessKind::Read && M == AllLanes && !Strong &&
      logRead(*S, *C, A.Agent, A.Pc, Offset, Bytes))
    return true;
  A.Write = Kind != AccessKind::Read;
  A.Atomic = Kind == AccessKind::Atomic;
  const VectorClock &Now = clockOf(*S, W).Now;
  A.Clock = Now[A.Agent];
  if (C != W->C && !noteRemote(W, I, *S, C, uint32_t(std::countr_zero(M)),
                               {A.Agent, A.Clock}))
    return false;
  if (A.Write && !checkObjects(W, I, C, M, Offset, Bytes))
    return false;
  return Strong ? checkStrong(W, I, *S, C, M, Offset, Bytes, A)
                : checkLanes(W, I, *S, C, M, Offset, Bytes, A, Now);
}
