// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mma.sync, and the plan of the operand images its instructions share.
#include "MmaPlan.h"
#include "Wmma.h"
#include <algorithm>

using namespace ptxsim;

// ---- the plan ------------------------------------------------------------
void MmaPlanner::forget() {
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
  P.ImageA = A.find(matrixType(Info.Types[1]), RowsA, !Guarded, P.BuildA);
  P.ImageB = B.find(matrixType(Info.Types[2]), RowsB, !Guarded, P.BuildB);
  return P;
}

// ---- execution -----------------------------------------------------------
namespace {
struct FragmentRows {
  uint8_t *P[16];
  FragmentRows(const Detail &D, unsigned Operand, uint8_t *R) {
    for (unsigned K = 0; K < D.Operands[Operand].Count; ++K)
      P[K] = R + D.slot(Operand, K);
  }
};
/// Images of operands, numbered by the planner for one shape at a time.
struct ImageMemory {
  alignas(128) WideA A[MmaPlanner::NumA * MaxK];
  alignas(64) PatternB B[MmaPlanner::NumB * 8 * MaxK];
};
} // namespace

static void countProduct(Warp *W, uint64_t Macs) {
  CounterSet &C = W->C->Work->Counters;
  ++C.MatrixOps;
  C.MatrixMacs += Macs;
}

/// Four (or two) accumulator rows of f32; f16 accumulators hold pairs.
static void loadAccumulators(const Detail &D, uint8_t *R, bool IsHalf,
                             unsigned Rows, uint8_t (*Acc)[128]) {
  FragmentRows C(D, 3, R);
  for (unsigned K = 0; K < Rows; ++K) {
    if (!IsHalf) {
      std::memcpy(Acc[K], C.P[K], 128);
      continue;
    }
    RowF32 X = halfToFloat(rowAt<RowU32>(C.P[K / 2]) >> (16 * (K & 1)));
    std::memcpy(Acc[K], &X, 128);
  }
}
static void storeAccumulators(const Detail &D, uint8_t *R, bool IsHalf,
                              unsigned Rows, uint8_t (*Acc)[128]) {
  FragmentRows Out(D, 0, R);
  for (unsigned K = 0; K < Rows; ++K) {
    if (!IsHalf) {
      std::memcpy(Out.P[K], Acc[K], 128);
    } else if (K & 1) {
      RowU32 Lo = floatToHalf(rowAt<RowF32>(Acc[K - 1]));
      RowU32 Hi = floatToHalf(rowAt<RowF32>(Acc[K]));
      rowAt<RowU32>(Out.P[K / 2]) = Lo | Hi << 16;
    }
  }
}

static void mma(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const Detail &D = W->P->Details[I->X];
  const OpcodeInfo &Info = D.Info;
  MatrixType TA = matrixType(Info.Types[1]);
  unsigned K = Info.Shape.K;
  bool Sixteen = Info.Shape.M == 16;
  const MmaPlan &Plan = W->P->MmaPlans[I->E];
  static thread_local ImageMemory Images;
  WideA *A = Images.A + Plan.ImageA * K;
  PatternB *B = Images.B + Plan.ImageB * 8 * K;
  if (Plan.BuildA)
    broadcastA(TA, FragmentRows(D, 1, R).P, K, Sixteen, A);
  if (Plan.BuildB)
    patternFromFragment(matrixType(Info.Types[2]), FragmentRows(D, 2, R).P, K,
                        B);
  countProduct(W, uint64_t(Info.Shape.M) * Info.Shape.N * K);
  MmaOperands Operands{A, B};
  bool HalfC = Info.Types[3] == Type::F16, HalfD = Info.Types[0] == Type::F16;
  if (!HalfC && !HalfD && !isInteger(TA)) {
    multiplyFloat(FragmentRows(D, 0, R).P, FragmentRows(D, 3, R).P, &Operands,
                  1, 1, K, Sixteen);
    PTXSIM_NEXT;
  }
  alignas(128) uint8_t Acc[4][128];
  unsigned Rows = Sixteen ? 4 : 2;
  loadAccumulators(D, R, HalfC, Rows, Acc);
  uint8_t *Ptr[4] = {Acc[0], Acc[1], Acc[2], Acc[3]};
  if (isInteger(TA))
    multiplyInteger(Ptr, A, B, 1, K, false, Sixteen, Info.has(Mod::Satfinite));
  else
    multiplyFloat(Ptr, Ptr, &Operands, 1, 1, K, Sixteen);
  storeAccumulators(D, R, HalfD, Rows, Acc);
  PTXSIM_NEXT;
}

/// f64: registers hold single elements; the same layout formulas.
static void mmaDouble(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const Detail &D = W->P->Details[I->X];
  MatrixShape S = D.Info.Shape;
  unsigned Halves = S.M / 8;
  double Out[4][32];
  for (unsigned L = 0; L < 32; ++L)
    for (unsigned Reg = 0; Reg < 2 * Halves; ++Reg) {
      unsigned Row = L / 4, Column = 2 * (L % 4) + (Reg & 1);
      double Sum = laneOf<double>(R, D.slot(3, Reg), L);
      for (unsigned K = 0; K < S.K; ++K) {
        unsigned RegA = K / 4 * Halves + Reg / 2;
        double A = laneOf<double>(R, D.slot(1, RegA), 4 * Row + K % 4);
        double B = laneOf<double>(R, D.slot(2, K / 4), 4 * Column + K % 4);
        Sum = __builtin_fma(A, B, Sum);
      }
      Out[Reg][L] = Sum;
    }
  for (unsigned Reg = 0; Reg < 2 * Halves; ++Reg)
    std::memcpy(R + D.slot(0, Reg), Out[Reg], 256);
  countProduct(W, uint64_t(S.M) * S.N * S.K);
  PTXSIM_NEXT;
}

bool ptxsim::selectMma(Encoder &E, const Lowered &L, Inst &I) {
  I.X = E.addDetail(L);
  I.Fn = L.Info.Types[0] == Type::F64 ? mmaDouble : mma;
  auto Rows = [&](unsigned Operand) {
    std::vector<uint32_t> R;
    for (unsigned K = 0; K < L.Operands[Operand].Count; ++K)
      R.push_back(E.row(L, Operand, K));
    return R;
  };
  I.E = uint32_t(E.program().MmaPlans.size());
  E.program().MmaPlans.push_back(
      E.planner().plan(L.Info, L.Guard.Kind != Ref::None, Rows(1), Rows(2)));
  return true;
}
