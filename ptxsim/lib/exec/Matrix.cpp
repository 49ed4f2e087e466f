// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// ldmatrix, stmatrix, movmatrix and mma.sync.
#include "MmaEngine.h"
#include "Race.h"
#include "Resolve.h"
#include "Wmma.h"

using namespace ptxsim;

static bool converged(Warp *W, const Inst *I, uint32_t On) {
  if (On == AllLanes)
    return true;
  fault(W, I, FaultKind::Illegal, uint32_t(std::countr_zero(~On)),
        "matrix operation with active lanes " + hex(On) +
            ", expected the whole warp");
  return false;
}

// ---- 8 x 8 matrices of 16-bit elements ------------------------------------
/// Addresses of the rows: lane 8 q + r gives row r of matrix q.
static bool rowAddresses(Warp *W, const Inst *I, const uint8_t *R,
                         AccessKind Kind, Lanes &Out) {
  uint32_t Needed = I->Count == 4 ? AllLanes : (1u << (8 * I->Count)) - 1;
  return resolve(W, I, Needed, addressRow(I, R), I->Where, 16, Kind, I->E, Out);
}
/// Lane 4 g + t holds elements 2t and 2t + 1 of row g; transposed, of column g.
static uint32_t transposedPair(const uint16_t Matrix[8][8], unsigned Lane) {
  unsigned G = Lane / 4, T = Lane % 4;
  return uint32_t(Matrix[2 * T + 1][G]) << 16 | Matrix[2 * T][G];
}

template <bool Trans> static void ldmatrix(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  Lanes A;
  if (!converged(W, I, On) || !rowAddresses(W, I, R, AccessKind::Read, A))
    return;
  for (unsigned Q = 0; Q < I->Count; ++Q) {
    uint8_t *Row = R + W->P->Extra[I->X + Q];
    uint16_t Matrix[8][8];
    for (unsigned K = 0; K < 8; ++K)
      std::memcpy(Trans ? (void *)Matrix[K] : (void *)(Row + 16 * K),
                  A.Ptr[8 * Q + K], 16);
    if (Trans)
      for (unsigned L = 0; L < 32; ++L) {
        uint32_t V = transposedPair(Matrix, L);
        std::memcpy(Row + 4 * L, &V, 4);
      }
  }
  PTXSIM_NEXT;
}

template <bool Trans> static void stmatrix(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  Lanes A;
  if (!converged(W, I, On) || !rowAddresses(W, I, R, AccessKind::Write, A))
    return;
  ++W->Effects;
  for (unsigned Q = 0; Q < I->Count; ++Q) {
    const uint8_t *Row = R + W->P->Extra[I->X + Q];
    uint16_t Matrix[8][8], Out[8][8];
    std::memcpy(Matrix, Row, 128);
    for (unsigned K = 0; K < 8; ++K)
      for (unsigned J = 0; J < 8; ++J)
        Out[K][J] = Trans ? Matrix[J][K] : Matrix[K][J];
    for (unsigned K = 0; K < 8; ++K)
      std::memcpy(A.Ptr[8 * Q + K], Out[K], 16);
  }
  PTXSIM_NEXT;
}

static void movmatrix(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!converged(W, I, On))
    return;
  uint16_t Matrix[8][8];
  std::memcpy(Matrix, R + I->A, 128);
  for (unsigned L = 0; L < 32; ++L) {
    uint32_t V = transposedPair(Matrix, L);
    std::memcpy(R + I->D + 4 * L, &V, 4);
  }
  PTXSIM_NEXT;
}

// ---- mma.sync ------------------------------------------------------------
namespace {
struct FragmentRows {
  uint8_t *P[16];
  FragmentRows(const Detail &D, unsigned Operand, uint8_t *R) {
    for (unsigned K = 0; K < D.Operands[Operand].Count; ++K)
      P[K] = R + D.slot(Operand, K);
  }
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
  if (!converged(W, I, On))
    return;
  const Detail &D = W->P->Details[I->X];
  const OpcodeInfo &Info = D.Info;
  MatrixType TA = matrixType(Info.Types[1]), TB = matrixType(Info.Types[2]);
  unsigned K = Info.Shape.K;
  bool Sixteen = Info.Shape.M == 16;
  FragmentRows A(D, 1, R), B(D, 2, R);
  static thread_local BroadcastA Wide;
  alignas(64) PatternB Pattern[8 * MaxK];
  broadcastA(TA, A.P, K, Sixteen, Wide);
  patternFromFragment(TB, B.P, K, Pattern);
  alignas(128) uint8_t Acc[4][128];
  unsigned Rows = Sixteen ? 4 : 2;
  bool HalfC = Info.Types[3] == Type::F16, HalfD = Info.Types[0] == Type::F16;
  loadAccumulators(D, R, HalfC, Rows, Acc);
  uint8_t *Ptr[4] = {Acc[0], Acc[1], Acc[2], Acc[3]};
  if (isInteger(TA))
    multiplyInteger(Ptr, Wide, Pattern, 1, K, false, Sixteen,
                    Info.has(Mod::Satfinite));
  else
    multiplyFloat(Ptr, Wide, Pattern, 1, K, false, Sixteen);
  storeAccumulators(D, R, HalfD, Rows, Acc);
  countProduct(W, uint64_t(Info.Shape.M) * Info.Shape.N * K);
  PTXSIM_NEXT;
}

/// f64: registers hold single elements; the same layout formulas.
static void mmaDouble(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!converged(W, I, On))
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

static bool selectRows(Encoder &E, const Lowered &L, Inst &I) {
  bool Load = L.Info.O == Op::Ldmatrix, Trans = L.Info.has(Mod::Trans);
  unsigned Data = Load ? 0 : 1, Count = L.Operands[Data].Count;
  std::vector<uint32_t> Rows;
  for (unsigned K = 0; K < Count; ++K)
    Rows.push_back(E.row(L, Data, K));
  I.A = E.row(L, 1 - Data);
  I.X = E.addExtra(Rows);
  I.E = E.newAccessCache();
  I.Count = uint8_t(Count);
  if (Load)
    I.Fn = Trans ? ldmatrix<true> : ldmatrix<false>;
  else
    I.Fn = Trans ? stmatrix<true> : stmatrix<false>;
  return true;
}

bool ptxsim::selectMatrix(Encoder &E, const Lowered &L, Inst &I) {
  switch (L.Info.O) {
  case Op::Ldmatrix:
  case Op::Stmatrix: return selectRows(E, L, I);
  case Op::Movmatrix: I.Fn = movmatrix; return true;
  case Op::Mma:
    I.X = E.addDetail(L);
    I.Fn = L.Info.Types[0] == Type::F64 ? mmaDouble : mma;
    return true;
  default: return selectWmma(E, L, I);
  }
}
