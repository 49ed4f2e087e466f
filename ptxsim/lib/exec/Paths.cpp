// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The paths of a warp and their joins, and who runs next.
#include "Paths.h"
#include "Runtime.h"

using namespace ptxsim;

static void setJoin(Warp *W, uint32_t Join) {
  W->Join = Join;
  bool Reached = Join != NoJoin && !W->Joins[Join].IsCall;
  W->Rpc = Reached ? W->Joins[Join].Pc : NoReg;
}

/// Paths of one join that go on at one place are one path.
static void insertPath(Warp *W, const Path &New) {
  for (Path &P : W->Paths)
    if (P.Pc == New.Pc && P.Join == New.Join && P.Waits == New.Waits) {
      P.Mask |= New.Mask;
      return;
    }
  W->Paths.push_back(New);
}

void ptxsim::addPath(Warp *W, uint32_t Pc, uint32_t Mask, uint32_t Waits) {
  insertPath(W, {Pc, Mask, W->Join, Waits});
}

// ---- joins -----------------------------------------------------------------
static void closeJoin(Warp *W, uint32_t Join) {
  W->Joins[Join].Expected = 0;
  while (!W->Joins.empty() && !W->Joins.back().Expected)
    W->Joins.pop_back();
}

bool ptxsim::arriveAtJoin(Warp *W, uint32_t M) {
  Join &J = W->Joins[W->Join];
  J.Arrived |= M;
  W->Spins = 0;
  if (J.Arrived != J.Expected)
    return false;
  uint32_t Done = W->Join;
  W->Pc = J.Pc;
  W->Mask = J.Arrived;
  setJoin(W, J.Outer);
  closeJoin(W, Done);
  return true;
}

void ptxsim::leaveJoins(Warp *W, uint32_t Lanes) {
  W->Spins = 0;
  for (uint32_t K = W->Join; K != NoJoin;) {
    Join &J = W->Joins[K];
    uint32_t Outer = J.Outer;
    J.Expected &= ~Lanes;
    bool Complete = J.Expected == J.Arrived;
    if (Complete && J.Expected)
      insertPath(W, {J.Pc, J.Arrived, Outer, 0});
    if (Complete)
      closeJoin(W, K);
    K = Outer;
  }
}

/// Lanes that have come to a join go on without the others. False if there
/// are none.
static bool releaseJoin(Warp *W) {
  for (size_t K = W->Joins.size(); K-- > 0;) {
    Join &J = W->Joins[K];
    if (!J.Arrived)
      continue;
    insertPath(W, {J.Pc, J.Arrived, J.Outer, 0});
    J.Expected &= ~J.Arrived;
    J.Arrived = 0;
    W->Loose = true;
    W->Spins = 0;
    return true;
  }
  return false;
}

// ---- choice of the next path -----------------------------------------------
static void takePath(Warp *W, size_t At) {
  Path P = W->Paths[At];
  W->Paths.erase(W->Paths.begin() + long(At));
  W->Pc = P.Pc;
  W->Mask = P.Mask;
  setJoin(W, P.Join);
}

/// The operation both named barriers: a barrier and its number of threads.
static bool sameBarrier(const Warp &W, const Path &A, const Path &B) {
  const Inst &I = W.P->Code[A.Pc], &J = W.P->Code[B.Pc];
  uint32_t LA = uint32_t(std::countr_zero(A.Mask)),
           LB = uint32_t(std::countr_zero(B.Mask));
  auto Same = [&](uint32_t RowI, uint32_t RowJ) {
    return laneOf<uint32_t>(W.Rows, RowI, LA) ==
           laneOf<uint32_t>(W.Rows, RowJ, LB);
  };
  return Same(I.A, J.A) && I.Count == J.Count && (!I.Count || Same(I.B, J.B));
}

bool ptxsim::waitTogether(const Warp &W, const Path &A, const Path &B) {
  if (!A.Waits || A.Waits != B.Waits)
    return false;
  const Program &P = *W.P;
  const Inst &I = P.Code[A.Pc], &J = P.Code[B.Pc];
  const Handler FnI = P.Unchecked.empty() ? I.Fn : P.Unchecked[A.Pc],
                FnJ = P.Unchecked.empty() ? J.Fn : P.Unchecked[B.Pc];
  if (I.OpId != J.OpId || FnI != FnJ)
    return false;
  switch (Op(I.OpId)) {
  case Op::Shfl:
  case Op::Match:
  case Op::Redux:
  case Op::Elect:
  case Op::BarWarp: return true;
  case Op::Vote: return I.Aux == J.Aux;
  case Op::BarSync:
  case Op::BarArrive:
    return (A.Pc == B.Pc || !((I.Aux | J.Aux) & AlignedBarrier)) &&
           sameBarrier(W, A, B);
  default: return A.Pc == B.Pc;
  }
}

static bool isComplete(const Warp &W, const Path &P) {
  uint32_t Here = 0;
  for (const Path &Other : W.Paths)
    if (waitTogether(W, P, Other))
      Here |= Other.Mask;
  return !(P.Waits & W.Alive & ~Here);
}

/// No path can go on: each waits for lanes that wait elsewhere.
static void reportDeadlock(Warp *W) {
  Path P = W->Paths.front();
  W->Paths.erase(W->Paths.begin());
  uint32_t Here = P.Mask;
  for (const Path &Other : W->Paths)
    if (waitTogether(*W, P, Other))
      Here |= Other.Mask;
  W->Segment = W->Pc = P.Pc;
  W->Mask = P.Mask;
  fault(W, &W->P->Code[P.Pc], FaultKind::Deadlock,
        uint32_t(std::countr_zero(P.Mask)),
        "deadlock within a warp: lanes " + hex(P.Mask) + " wait for lanes " +
            hex(P.Waits & W->Alive & ~Here) + ", which do not come" +
            describePaths(*W));
}

bool ptxsim::nextPath(Warp *W) {
  if (W->State == WarpState::Faulted)
    return false;
  do {
    for (size_t K = W->Paths.size(); K-- > 0;)
      if (!W->Paths[K].Waits) {
        takePath(W, K);
        return true;
      }
    // The end of lanes may have been all a path waited for.
    for (size_t K = 0; K < W->Paths.size(); ++K)
      if (isComplete(*W, W->Paths[K])) {
        takePath(W, K);
        return true;
      }
  } while (releaseJoin(W));
  if (W->Paths.empty())
    finishWarp(W);
  else
    reportDeadlock(W);
  return false;
}

unsigned ptxsim::readyPaths(const Warp &W) {
  unsigned N = 0;
  for (const Path &P : W.Paths)
    N += !P.Waits;
  return N;
}

void ptxsim::rotatePaths(Warp *W) {
  // In slices; a warp that has let lanes go once is not kept waiting.
  const uint32_t Patience = W->Loose ? 0 : 16;
  if (!W->Waiting && W->P->MaySpin && ++W->Spins > Patience)
    releaseJoin(W);
  for (size_t K = 0; K < W->Paths.size(); ++K)
    if (!W->Paths[K].Waits) {
      Path Old{W->Pc, W->Mask, W->Join, 0};
      takePath(W, K);
      insertPath(W, Old);
      return;
    }
}

std::string ptxsim::describePaths(const Warp &W) {
  std::string S;
  for (const Path &P : W.Paths)
    S += "\n  lanes " + hex(P.Mask) + (P.Waits ? " wait at " : " are at ") +
         describeSource(*W.P, P.Pc);
  return S;
}
