// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mma.sync.
#include "MmaPlan.h"
#include "Wmma.h"
#include <algorithm>

using namespace ptxsim;

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

void ptxsim::countProducts(Warp *W, unsigned Count, uint64_t Macs) {
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

static FragmentA *imageA(ImageMemory &Images, const MmaPlan &Plan) {
  return Images.A + Plan.ImageA * Plan.K / 4;
}
static PatternB *imageB(ImageMemory &Images, const MmaPlan &Plan) {
  return Images.B + Plan.ImageB * 8 * Plan.K;
}
/// Makes the operands' images that no earlier product has made.
static void makeImages(ImageMemory &Images, const MmaPlan &Plan,
                       const uint8_t *R, bool Sixteen) {
  const uint8_t *A[4], *B[2];
  for (unsigned K = 0; K < 4; ++K)
    A[K] = R + Plan.RowsA[K];
  for (unsigned K = 0; K < 2; ++K)
    B[K] = R + Plan.RowsB[K];
  if (Plan.BuildA)
    decodeA(matrixType(Plan.TypeA), A, Plan.K, Sixteen, imageA(Images, Plan));
  if (Plan.BuildB)
    patternFromFragment(matrixType(Plan.TypeB), B, Plan.K,
                        imageB(Images, Plan));
}

/// Products of f32 accumulators of 16 rows that run together.
static void runTogether(const Program &P, const MmaRun &Run, uint8_t *R,
                        ImageMemory &Images, unsigned K, unsigned PerWord) {
  const uint32_t *Builder = P.MmaBuilders.data() + Run.FirstBuilder;
  for (unsigned J = 0; J < Run.NumBuilders; ++J)
    makeImages(Images, P.MmaPlans[Builder[J]], R, true);
  const MmaGroup *G = P.MmaGroups.data() + Run.FirstGroup;
  for (const MmaGroup *End = G + Run.NumGroups; G != End; ++G) {
    MmaOperands Operands[MmaGroup::MostSteps];
    for (unsigned S = 0; S < G->Steps; ++S)
      Operands[S] = {Images.A + G->OffsetA[S], Images.B, G->OffsetB[S]};
    multiplyFloat(R, G->D, G->C, Operands, G->Steps, G->Count, K, PerWord,
                  true);
  }
}

/// This product, and those that run with it.
static void mmaFloat(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const Program &P = *W->P;
  ImageMemory &Images = imagesOf(*W->C->Work);
  const MmaPlan *Plan = &P.MmaPlans[I->E];
  unsigned K = Plan->K, PerWord = perWord(matrixType(Plan->TypeA)), Count = 1;
  if (Plan->Run == MmaPlan::NoRun) {
    makeImages(Images, *Plan, R, true);
    uint32_t Offset = 0;
    MmaOperands Operands{imageA(Images, *Plan), imageB(Images, *Plan), &Offset};
    multiplyFloat(R, Plan->D, Plan->C, &Operands, 1, 1, K, PerWord, true);
  } else {
    const MmaRun &Run = P.MmaRuns[Plan->Run];
    Count = Run.NumPlans;
    runTogether(P, Run, R, Images, K, PerWord);
  }
  countProducts(W, Count, 16 * 8 * K);
  PTXSIM_GOTO(I + Count, M);
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
  const MmaPlan &Plan = W->P->MmaPlans[I->E];
  ImageMemory &Images = imagesOf(*W->C->Work);
  makeImages(Images, Plan, R, Sixteen);
  bool HalfC = Info.Types[3] == Type::F16, HalfD = Info.Types[0] == Type::F16;
  alignas(128) uint8_t Acc[4][128];
  loadAccumulators(D, R, HalfC, Rows, Acc);
  constexpr uint32_t Places[4] = {0, 128, 256, 384}, NoOffset = 0;
  MmaOperands Operands{imageA(Images, Plan), imageB(Images, Plan), &NoOffset};
  if (isInteger(matrixType(Info.Types[1])))
    multiplyInteger(Acc[0], Places, Operands.A, Operands.B, 1, K, PerWord,
                    false, Sixteen, Info.has(Mod::Satfinite));
  else
    multiplyFloat(Acc[0], Places, Places, &Operands, 1, 1, K, PerWord, Sixteen);
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
  bool Float = Info.Types[0] == Type::F32 && Info.Types[3] == Type::F32 &&
               Info.Shape.M == 16;
  I.Fn = Float ? mmaFloat : mmaOther;
  I.E = uint32_t(E.program().MmaPlans.size());
  for (unsigned K = 0; Float && K < 4; ++K) {
    Plan.D[K] = E.row(L, 0, K);
    Plan.C[K] = E.row(L, 3, K);
  }
  if (Float && !Guarded) {
    E.planner().addToRun(Plan);
  } else {
    E.planner().endRun();
    E.program().MmaPlans.push_back(Plan);
  }
  return true;
}
