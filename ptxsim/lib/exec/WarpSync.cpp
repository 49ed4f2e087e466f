// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operations of lanes on several paths. The members of a .sync operation may
// execute it at different times and in different instructions (PTX ISA:
// "causes the executing thread to wait until all non-exited threads
// corresponding to membermask have executed [it] with the same qualifiers and
// same membermask value").
#include "Paths.h"

using namespace ptxsim;

static uint32_t maskRow(const Inst &I) {
  switch (Op(I.OpId)) {
  case Op::Shfl: return I.E;
  case Op::Elect:
  case Op::BarWarp: return I.A;
  default: return I.B;
  }
}

/// Lanes of On whose value in Row is Value.
static uint32_t lanesWith(const uint8_t *R, uint32_t Row, uint32_t Value,
                          uint32_t On) {
  return toMask((RowI32)(rowAt<RowU32>(R + Row) == Value)) & On;
}

bool ptxsim::groupsHere(const Warp *W, const uint8_t *R, uint32_t On,
                        uint32_t MaskRow) {
  for (uint32_t Left = On; Left;) {
    uint32_t Mask =
        laneOf<uint32_t>(R, MaskRow, uint32_t(std::countr_zero(Left)));
    uint32_t Group = lanesWith(R, MaskRow, Mask, Left);
    if (Group != (Mask & W->Alive))
      return false;
    Left &= ~Group;
  }
  return true;
}

// ---- one operation for several paths ---------------------------------------
namespace {
/// Rows of an operation that are gathered from the paths that take part, and
/// the instruction over these rows.
struct alignas(256) Meeting {
  uint8_t Rows[8 * 256] = {};
  Inst Code[2];
  Meeting(const Inst &Like);
  void gather(const Inst &I, const uint8_t *R, uint32_t Lanes);
  void scatter(const Inst &I, uint8_t *R, uint32_t Lanes) const;
};
} // namespace

static void stop(const Inst *, uint8_t *, Warp *, uint32_t) {}

static bool isPredicateVote(const Inst &I) {
  return Op(I.OpId) == Op::Vote && I.Aux != BallotVote;
}
static bool hasSecondResult(const Inst &I) {
  Op O = Op(I.OpId);
  return O == Op::Shfl || O == Op::Match || O == Op::Elect;
}

Meeting::Meeting(const Inst &Like) {
  Code[0] = Like;
  Code[0].A = 0;
  Code[0].B = 256;
  Code[0].C = 512;
  Code[0].E = 768;
  Code[0].D = 1024;
  Code[0].Pred = 1280;
  Code[0].PredXor = ~0u; // of a row of zeros
  Code[0].X = hasSecondResult(Like) ? 1536 : 0;
  if (Op(Like.OpId) == Op::Elect)
    Code[0].Aux = 1;
  Code[1].Fn = stop;
}

template <class T>
static void copyLanes(uint8_t *To, const uint8_t *From, uint32_t Lanes) {
  forLanes(Lanes, [&](uint32_t L) {
    reinterpret_cast<T *>(To)[L] = reinterpret_cast<const T *>(From)[L];
  });
}
static void copyBits(uint8_t *To, uint32_t Bits, uint32_t Lanes) {
  uint32_t &Row = *reinterpret_cast<uint32_t *>(To);
  Row = (Row & ~Lanes) | (Bits & Lanes);
}

void Meeting::gather(const Inst &I, const uint8_t *R, uint32_t Lanes) {
  const uint32_t From[] = {I.A, I.B, I.C, I.E};
  for (int K = 0; K < 4; ++K)
    if (K == 0 && Op(I.OpId) == Op::Vote)
      copyBits(Rows, rowAt<uint32_t>(R + I.A) ^ (I.X ? ~0u : 0), Lanes);
    else if (K == 0 && I.Bytes == 8)
      copyLanes<uint64_t>(Rows, R + I.A, Lanes);
    else if (Op(I.OpId) == Op::Shfl || K < 2)
      copyLanes<uint32_t>(Rows + K * 256, R + From[K], Lanes);
}

void Meeting::scatter(const Inst &I, uint8_t *R, uint32_t Lanes) const {
  const uint8_t *First = Rows + Code[0].D, *Second = Rows + Code[0].X;
  if (isPredicateVote(I))
    copyBits(R + I.D, rowAt<uint32_t>(First), Lanes);
  else if (Op(I.OpId) != Op::BarWarp && (Op(I.OpId) != Op::Elect || I.Aux))
    copyLanes<uint32_t>(R + I.D, First, Lanes);
  if (hasSecondResult(I) && I.X != ~0u)
    copyBits(R + I.X, rowAt<uint32_t>(Second), Lanes);
}

/// Runs the operation at P for its lanes and those that wait for them; these
/// can then go on behind it. False if lanes are still missing.
static bool meet(Warp *W, const Path &P) {
  uint32_t Here = P.Mask;
  for (const Path &Other : W->Paths)
    if (waitTogether(*W, P, Other))
      Here |= Other.Mask;
  if (P.Waits & W->Alive & ~Here)
    return false;
  const Inst &I = W->P->Code[P.Pc];
  Meeting Met(I);
  if (!W->P->Unchecked.empty())
    Met.Code[0].Fn = W->P->Unchecked[P.Pc];
  auto ForAll = [&](auto Fn) {
    Fn(I, P.Mask);
    for (const Path &Other : W->Paths)
      if (waitTogether(*W, P, Other))
        Fn(W->P->Code[Other.Pc], Other.Mask);
  };
  ForAll([&](const Inst &J, uint32_t Lanes) { Met.gather(J, W->Rows, Lanes); });
  Met.Code[0].Fn(Met.Code, Met.Rows, W, Here);
  ForAll(
      [&](const Inst &J, uint32_t Lanes) { Met.scatter(J, W->Rows, Lanes); });
  for (Path &Other : W->Paths)
    if (waitTogether(*W, P, Other)) {
      Other.Waits = 0;
      ++Other.Pc;
    }
  return true;
}

void ptxsim::waitForMembers(PTXSIM_ARGS) {
  uint32_t Pc = pcOf(I, W), On = guarded(I, R, M), Done = M & ~On;
  uint32_t Row = maskRow(*I);
  for (uint32_t Left = On; Left;) {
    uint32_t First = uint32_t(std::countr_zero(Left));
    uint32_t Mask = laneOf<uint32_t>(R, Row, First);
    uint32_t Group = lanesWith(R, Row, Mask, Left);
    if (uint32_t Outside = Group & ~Mask)
      return fault(W, I, FaultKind::Illegal,
                   uint32_t(std::countr_zero(Outside)),
                   "member mask " + hex(Mask) + " leaves out lanes " +
                       hex(Outside) + ", which execute the operation");
    Path P{Pc, Group, W->Join, Mask};
    if (meet(W, P))
      Done |= Group;
    else
      addPath(W, Pc, Group, Mask);
    Left &= ~Group;
  }
  account(W, Pc + 1);
  W->Segment = Pc + 1;
  if (Done)
    addPath(W, Pc + 1, Done);
  PTXSIM_SWITCH;
}

// ---- operations of the whole warp ------------------------------------------
bool ptxsim::wholeWarpHere(Warp *W, const Inst *I, uint32_t &M, uint32_t On) {
  if (On == W->Alive)
    return true;
  uint32_t Pc = pcOf(I, W);
  bool Aligned = I->Aux & AlignedBarrier;
  if (Aligned && (!W->Loose || On != M)) {
    fault(W, I, FaultKind::Illegal, uint32_t(std::countr_zero(On)),
          "divergent barrier: lanes " + hex(On) + " of " + hex(W->Alive) +
              " are here" + describePaths(*W));
    return false;
  }
  account(W, Pc);
  W->Segment = Pc;
  if (On != M)
    addPath(W, Pc + 1, M & ~On);
  Path P{Pc, On, W->Join, AllLanes};
  uint32_t Here = On;
  bool OnePlace = true;
  for (const Path &Other : W->Paths)
    if (waitTogether(*W, P, Other)) {
      Here |= Other.Mask;
      OnePlace &= Other.Pc == Pc;
    }
  if (Here != W->Alive) {
    addPath(W, Pc, On, AllLanes);
    return false;
  }
  if (OnePlace) { // the warp is one path again
    W->Paths.clear();
    W->Joins.clear();
    W->Join = NoJoin;
    W->Rpc = NoReg;
    M = Here;
    return true;
  }
  for (Path &Other : W->Paths) {
    Other.Waits = 0;
    ++Other.Pc;
  }
  M = On;
  return true;
}
