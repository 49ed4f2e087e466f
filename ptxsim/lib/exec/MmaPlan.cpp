// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The plan of the operand images that mma.sync instructions share, and of the
// products that run together.
#include "MmaPlan.h"
#include <algorithm>
#include <utility>

using namespace ptxsim;

void MmaPlanner::forget() {
  endRun();
  finishRun();
  Earlier = MmaPlan::NoRun;
  for (Images *All : {&A, &B})
    for (Image &X : All->Slots)
      X.Rows.clear();
}

void MmaPlanner::written(uint32_t Row, uint32_t Bytes) {
  for (Images *All : {&A, &B})
    for (Image &X : All->Slots)
      if (std::any_of(X.Rows.begin(), X.Rows.end(), [&](uint32_t Have) {
            return Have + 128 > Row && Have < Row + Bytes;
          }))
        X.Rows.clear();
}

/// Only instructions known to run on at once keep the images alive.
bool MmaPlanner::mayLeave(const OpcodeInfo &Info) {
  switch (Info.Row->Class) {
  case OpClass::Integer:
  case OpClass::Float:
  case OpClass::Double:
  case OpClass::Half:
  case OpClass::Special:
  case OpClass::Convert:
  case OpClass::Move:
  case OpClass::Load:
  case OpClass::Store: return false;
  default: break;
  }
  switch (Info.O) {
  case Op::CpAsync:
  case Op::CpAsyncCommit:
  case Op::CpAsyncWait:
  case Op::Ldmatrix:
  case Op::Stmatrix:
  case Op::Movmatrix:
  case Op::Mma: return false;
  default: return true;
  }
}

uint16_t MmaPlanner::Images::find(MatrixType Ty,
                                  const std::vector<uint32_t> &Rows, bool Keep,
                                  bool &Build) {
  Build = false;
  for (Image &X : Slots)
    if (Keep && X.Ty == Ty && X.Rows == Rows)
      return uint16_t(&X - Slots.data());
  Build = true;
  unsigned Slot = Next++ % Slots.size();
  Slots[Slot] = {Ty, Keep ? Rows : std::vector<uint32_t>()};
  return uint16_t(Slot);
}

MmaPlan MmaPlanner::plan(const OpcodeInfo &Info, bool Guarded,
                         const std::vector<uint32_t> &RowsA,
                         const std::vector<uint32_t> &RowsB) {
  MatrixShape S = Info.Shape;
  if (S.M != Shape.M || S.K != Shape.K)
    forget();
  Shape = S;
  MmaPlan P;
  P.K = uint8_t(S.K);
  P.TypeA = Info.Types[1];
  P.TypeB = Info.Types[2];
  std::copy(RowsA.begin(), RowsA.end(), P.RowsA);
  std::copy(RowsB.begin(), RowsB.end(), P.RowsB);
  P.ImageA = A.find(matrixType(Info.Types[1]), RowsA, !Guarded, P.BuildA);
  P.ImageB = B.find(matrixType(Info.Types[2]), RowsB, !Guarded, P.BuildB);
  return P;
}

// ---- runs ----------------------------------------------------------------
template <size_t N, size_t M>
static bool shareRow(const uint32_t (&A)[N], const uint32_t (&B)[M]) {
  return std::any_of(
      A, A + N, [&](uint32_t X) { return std::find(B, B + M, X) != B + M; });
}

/// The images of a run are made before its first product, so no product may
/// write a fragment of a later one, and no image may take the place of one
/// that is in use.
bool MmaPlanner::continuesRun(const MmaPlan &Plan) const {
  if (RunEnd != P.Code.size())
    return false;
  const MmaRun &Run = P.MmaRuns.back();
  return std::none_of(P.MmaPlans.begin() + Run.FirstPlan, P.MmaPlans.end(),
                      [&](const MmaPlan &Old) {
                        return Old.K != Plan.K || Old.TypeA != Plan.TypeA ||
                               Old.TypeB != Plan.TypeB ||
                               shareRow(Old.D, Plan.RowsA) ||
                               shareRow(Old.D, Plan.RowsB) ||
                               (Plan.BuildA && Old.ImageA == Plan.ImageA) ||
                               (Plan.BuildB && Old.ImageB == Plan.ImageB);
                      });
}

/// One of them must not run before or together with the other.
static bool depend(const MmaGroup &G, const MmaPlan &Plan) {
  for (unsigned J = 0; J < 4u * G.Count; ++J)
    for (unsigned R = 0; R < 4; ++R)
      if (G.D[J] == Plan.C[R] || G.D[J] == Plan.D[R] || G.C[J] == Plan.D[R])
        return true;
  return false;
}

static uint32_t offsetA(const MmaPlan &Plan) {
  return Plan.ImageA * Plan.K / 4u;
}

/// A product may go to an earlier group if it depends on none of the later.
static void addToGroup(Program &P, MmaRun &Run, const MmaPlan &Plan) {
  MmaGroup *To = nullptr;
  for (uint32_t K = Run.NumGroups; K-- > 0;) {
    MmaGroup &G = P.MmaGroups[Run.FirstGroup + K];
    if (depend(G, Plan))
      break;
    if (G.OffsetA[0] == offsetA(Plan) && G.Count < MmaGroup::Most)
      To = &G;
  }
  if (!To) {
    To = &P.MmaGroups.emplace_back();
    To->OffsetA[0] = offsetA(Plan);
    ++Run.NumGroups;
  }
  To->OffsetB[0][To->Count] = Plan.ImageB * 8u * Plan.K;
  std::copy_n(Plan.D, 4, To->D + 4 * To->Count);
  std::copy_n(Plan.C, 4, To->C + 4 * To->Count);
  ++To->Count;
}

void MmaPlanner::addToRun(const MmaPlan &Plan) {
  bool Joins = continuesRun(Plan);
  if (!Joins)
    finishRun();
  P.MmaPlans.push_back(Plan);
  if (!Joins) {
    Current = P.MmaPlans.back().Run = uint32_t(P.MmaRuns.size());
    MmaRun &New = P.MmaRuns.emplace_back();
    New.Begin = uint32_t(P.Code.size());
    New.FirstPlan = uint32_t(P.MmaPlans.size() - 1);
    New.FirstGroup = uint32_t(P.MmaGroups.size());
    New.FirstBuilder = uint32_t(P.MmaBuilders.size());
  }
  MmaRun &Run = P.MmaRuns.back();
  ++Run.NumPlans;
  if (Plan.BuildA || Plan.BuildB) {
    P.MmaBuilders.push_back(uint32_t(P.MmaPlans.size() - 1));
    ++Run.NumBuilders;
  }
  addToGroup(P, Run, Plan);
  RunEnd = uint32_t(P.Code.size()) + 1;
}

// ---- joined runs ----------------------------------------------------------
/// The current run is complete.
void MmaPlanner::finishRun() {
  if (Current == MmaPlan::NoRun)
    return;
  Earlier = joinRuns(Earlier, Current) ? MmaPlan::NoRun : Current;
  Current = MmaPlan::NoRun;
}

/// The rows hold sums of the run that may be joined.
bool MmaPlanner::hasSums(uint32_t Row, uint32_t Bytes) const {
  if (Earlier == MmaPlan::NoRun)
    return false;
  const MmaRun &Run = P.MmaRuns[Earlier];
  auto Plan = P.MmaPlans.begin() + Run.FirstPlan;
  auto Touches = [&](uint32_t Have) {
    return Have + 128 > Row && Have < Row + Bytes;
  };
  return std::any_of(Plan, Plan + Run.NumPlans, [&](const MmaPlan &X) {
    return std::any_of(X.D, X.D + 4, Touches) ||
           std::any_of(X.C, X.C + 4, Touches);
  });
}

/// No product after From, up to the end of To, takes the place of an image
/// that From uses.
bool MmaPlanner::imagesLast(const MmaRun &From, const MmaRun &To) const {
  auto Begin = P.MmaPlans.begin() + From.FirstPlan, End = Begin + From.NumPlans;
  auto Last = P.MmaPlans.begin() + To.FirstPlan + To.NumPlans;
  return std::none_of(End, Last, [&](const MmaPlan &New) {
    return std::any_of(Begin, End, [&](const MmaPlan &Old) {
      return New.K != Old.K || New.TypeA != Old.TypeA ||
             New.TypeB != Old.TypeB ||
             (New.BuildA && New.ImageA == Old.ImageA) ||
             (New.BuildB && New.ImageB == Old.ImageB);
    });
  });
}

/// The groups of both runs sum up the same rows in the same places.
static bool sameSums(const MmaGroup &X, const MmaGroup &Y) {
  auto Same = [&](const uint32_t (&A)[4 * MmaGroup::Most]) {
    return std::equal(A, A + 4 * X.Count, X.D);
  };
  return X.Count == Y.Count && Same(X.C) && Same(Y.C) && Same(Y.D);
}

bool MmaPlanner::joinRuns(uint32_t First, uint32_t Second) {
  if (First == MmaPlan::NoRun)
    return false;
  MmaRun &R = P.MmaRuns[First], &S = P.MmaRuns[Second];
  MmaGroup *G = P.MmaGroups.data() + R.FirstGroup;
  MmaGroup *H = P.MmaGroups.data() + S.FirstGroup;
  if (R.NumGroups != S.NumGroups ||
      !std::equal(G, G + R.NumGroups, H, sameSums) || !imagesLast(R, S))
    return false;
  // Every row belongs to one product: the order of the groups is free.
  std::vector<uint32_t> Rows;
  for (uint32_t K = 0; K < R.NumGroups; ++K)
    Rows.insert(Rows.end(), G[K].D, G[K].D + 4 * G[K].Count);
  std::sort(Rows.begin(), Rows.end());
  if (std::adjacent_find(Rows.begin(), Rows.end()) != Rows.end())
    return false;
  for (uint32_t K = 0; K < R.NumGroups; ++K) {
    H[K].Steps = 2;
    H[K].OffsetA[1] = std::exchange(H[K].OffsetA[0], G[K].OffsetA[0]);
    std::copy_n(H[K].OffsetB[0], H[K].Count, H[K].OffsetB[1]);
    std::copy_n(G[K].OffsetB[0], G[K].Count, H[K].OffsetB[0]);
  }
  R.NumGroups = 0;
  R.Partner = Second;
  S.Partner = First;
  return true;
}
