// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The plan of the operand images that mma.sync instructions share, and of the
// products that run together.
#include "MmaPlan.h"
#include <algorithm>

using namespace ptxsim;

void MmaPlanner::forget() {
  endRun();
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
bool MmaPlanner::continuesRun(const Program &P, const MmaPlan &Plan) const {
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

/// A product may go to an earlier group if it depends on none of the later.
static void addToGroup(Program &P, MmaRun &Run, const MmaPlan &Plan) {
  MmaGroup *To = nullptr;
  for (uint32_t K = Run.NumGroups; K-- > 0;) {
    MmaGroup &G = P.MmaGroups[Run.FirstGroup + K];
    if (depend(G, Plan))
      break;
    if (G.ImageA == Plan.ImageA && G.Count < MmaGroup::Most)
      To = &G;
  }
  if (!To) {
    To = &P.MmaGroups.emplace_back();
    To->ImageA = Plan.ImageA;
    ++Run.NumGroups;
  }
  To->ImageB[To->Count] = Plan.ImageB;
  std::copy_n(Plan.D, 4, To->D + 4 * To->Count);
  std::copy_n(Plan.C, 4, To->C + 4 * To->Count);
  ++To->Count;
}

void MmaPlanner::addToRun(Program &P, const MmaPlan &Plan) {
  bool Joins = continuesRun(P, Plan);
  P.MmaPlans.push_back(Plan);
  if (!Joins) {
    P.MmaPlans.back().Run = uint32_t(P.MmaRuns.size());
    P.MmaRuns.push_back(
        {uint32_t(P.MmaPlans.size() - 1), 0, uint32_t(P.MmaGroups.size()), 0});
  }
  MmaRun &Run = P.MmaRuns.back();
  ++Run.NumPlans;
  addToGroup(P, Run, Plan);
  RunEnd = uint32_t(P.Code.size()) + 1;
}
