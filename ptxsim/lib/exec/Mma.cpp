// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mma.sync, and the plan of the operand images its instructions share.
#include "MmaPlan.h"
#include "Wmma.h"
#include <algorithm>

using namespace ptxsim;

// ---- the plan ------------------------------------------------------------
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

void MmaPlanner::extendRun(Program &P) {
  uint32_t Next = uint32_t(P.Code.size());
  if (RunEnd == Next)
    ++P.MmaPlans[RunPlan].Run;
  else
    RunPlan = uint32_t(P.MmaPlans.size());
  RunEnd = Next + 1;
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
namespace ptxsim {
/// Images of operands, numbered by the planner for one shape at a time.
struct ImageMemory {
  alignas(128) FragmentA A[MmaPlanner::NumA * MaxK / 4];
  alignas(64) PatternB B[MmaPlanner::NumB * 8 * MaxK];
};
} // namespace ptxsim

namespace {
struct FragmentRows {
  uint8_t *P[16];
  FragmentRows(const Detail &D, unsigned Operand, uint8_t *R) {
    for (unsigned K = 0; K < D.Operands[Operand].Count; ++K)
      P[K] = R + D.slot(Operand, K);
  }
};
} // namespace

static ImageMemory &imagesOf(Worker &Work) {
  if (!Work.Images)
    Work.Images = std::make_shared<ImageMemory>();
  return *Work.Images;
}

static void countProducts(Warp *W, unsigned Count, uint64_t Macs) {
  CounterSet &C = W->C->Work->Counters;
  C.MatrixOps += Count;
  C.MatrixMacs += Count * Macs;
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

/// The operands' images, made now if no earlier product has.
static MmaOperands operands(const OpcodeInfo &Info, Warp *W,
                            const MmaPlan &Plan, const uint8_t *const *RowsA,
                            const uint8_t *const *RowsB) {
  ImageMemory &Images = imagesOf(*W->C->Work);
  unsigned K = Plan.K;
  FragmentA *A = Images.A + Plan.ImageA * K / 4;
  PatternB *B = Images.B + Plan.ImageB * 8 * K;
  if (Plan.BuildA)
    decodeA(matrixType(Info.Types[1]), RowsA, K, Info.Shape.M == 16, A);
  if (Plan.BuildB)
    patternFromFragment(matrixType(Info.Types[2]), RowsB, K, B);
  return {A, B, 0};
}
static MmaOperands operands(const OpcodeInfo &Info, uint8_t *R, Warp *W,
                            const MmaPlan &Plan) {
  const uint8_t *A[4], *B[2];
  for (unsigned K = 0; K < 4; ++K)
    A[K] = R + Plan.RowsA[K];
  for (unsigned K = 0; K < 2; ++K)
    B[K] = R + Plan.RowsB[K];
  return operands(Info, W, Plan, A, B);
}

/// f32 accumulators of 16 rows: this product and those that run with it.
static void mmaFloat(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const MmaPlan *First = &W->P->MmaPlans[I->E];
  unsigned Run = First->Run;
  for (unsigned At = 0; At < Run;) {
    const MmaPlan *Plan = First + At;
    const OpcodeInfo &Info = W->P->Details[I[At].X].Info;
    unsigned Count = Plan->Pair && At + 1 < Run ? 2 : 1;
    uint8_t *D[8];
    const uint8_t *C[8];
    MmaOperands Operands = operands(Info, R, W, *Plan);
    if (Count == 2)
      Operands.Stride = operands(Info, R, W, Plan[1]).B - Operands.B;
    for (unsigned J = 0; J < Count; ++J)
      for (unsigned K = 0; K < 4; ++K) {
        D[4 * J + K] = R + Plan[J].D[K];
        C[4 * J + K] = R + Plan[J].C[K];
      }
    multiplyFloat(D, C, &Operands, 1, Count, Plan->K,
                  perWord(matrixType(Info.Types[1])), true);
    countProducts(W, Count, 16 * 8 * Plan->K);
    At += Count;
  }
  PTXSIM_GOTO(I + Run, M);
}

/// Integer products, and those with f16 accumulators.
static void mmaOther(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const Detail &D = W->P->Details[I->X];
  const OpcodeInfo &Info = D.Info;
  bool Sixteen = Info.Shape.M == 16;
  unsigned K = Info.Shape.K, Rows = Sixteen ? 4 : 2;
  unsigned PerWord = perWord(matrixType(Info.Types[1]));
  MmaOperands Operands =
      operands(Info, W, W->P->MmaPlans[I->E], FragmentRows(D, 1, R).P,
               FragmentRows(D, 2, R).P);
  bool HalfC = Info.Types[3] == Type::F16, HalfD = Info.Types[0] == Type::F16;
  alignas(128) uint8_t Acc[4][128];
  loadAccumulators(D, R, HalfC, Rows, Acc);
  uint8_t *Ptr[4] = {Acc[0], Acc[1], Acc[2], Acc[3]};
  if (isInteger(matrixType(Info.Types[1])))
    multiplyInteger(Ptr, Operands.A, Operands.B, 1, K, PerWord, false, Sixteen,
                    Info.has(Mod::Satfinite));
  else
    multiplyFloat(Ptr, Ptr, &Operands, 1, 1, K, PerWord, Sixteen);
  storeAccumulators(D, R, HalfD, Rows, Acc);
  countProducts(W, 1, uint64_t(Info.Shape.M) * Info.Shape.N * K);
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
  countProducts(W, 1, uint64_t(S.M) * S.N * S.K);
  PTXSIM_NEXT;
}

static bool sharesRow(const uint32_t (&A)[4], const uint32_t (&B)[4]) {
  return std::any_of(
      A, A + 4, [&](uint32_t X) { return std::find(B, B + 4, X) != B + 4; });
}

/// The instruction before this one can run both: same A, and it writes nothing
/// that this one reads.
static bool pairs(const Program &P, const Inst &I, const MmaPlan &Plan,
                  const std::vector<uint32_t> &RowsB) {
  if (P.Code.empty() || P.Code.back().Fn != mmaFloat ||
      P.Code.back().Pred != I.Pred || Plan.BuildA)
    return false;
  const MmaPlan &Before = P.MmaPlans[P.Code.back().E];
  auto WritesB = [&](uint32_t Row) {
    return std::find(Before.D, Before.D + 4, Row) != Before.D + 4;
  };
  return !Before.Pair && Before.ImageA == Plan.ImageA && Before.K == Plan.K &&
         Before.ImageB != Plan.ImageB && !sharesRow(Before.D, Plan.C) &&
         !sharesRow(Before.D, Plan.D) &&
         std::none_of(RowsB.begin(), RowsB.end(), WritesB);
}

bool ptxsim::selectMma(Encoder &E, const Lowered &L, Inst &I) {
  I.X = E.addDetail(L);
  const OpcodeInfo &Info = L.Info;
  if (Info.Types[0] == Type::F64) {
    I.Fn = mmaDouble;
    return true;
  }
  auto Rows = [&](unsigned Operand) {
    std::vector<uint32_t> R;
    for (unsigned K = 0; K < L.Operands[Operand].Count; ++K)
      R.push_back(E.row(L, Operand, K));
    return R;
  };
  bool Guarded = L.Guard.Kind != Ref::None;
  MmaPlan Plan = E.planner().plan(Info, Guarded, Rows(1), Rows(2));
  Plan.K = uint8_t(Info.Shape.K);
  bool Float = Info.Types[0] == Type::F32 && Info.Types[3] == Type::F32 &&
               Info.Shape.M == 16;
  I.Fn = Float ? mmaFloat : mmaOther;
  if (Float) {
    for (unsigned K = 0; K < 4; ++K) {
      Plan.D[K] = E.row(L, 0, K);
      Plan.C[K] = E.row(L, 3, K);
      Plan.RowsA[K] = E.row(L, 1, K);
    }
    for (unsigned K = 0; K < 2; ++K)
      Plan.RowsB[K] = E.row(L, 2, K);
    if (!Guarded && pairs(E.program(), I, Plan, Rows(2)))
      E.program().MmaPlans.back().Pair = true;
    if (Guarded)
      E.planner().endRun();
    else
      E.planner().extendRun(E.program());
  } else {
    E.planner().endRun();
  }
  I.E = uint32_t(E.program().MmaPlans.size());
  E.program().MmaPlans.push_back(Plan);
  return true;
}
