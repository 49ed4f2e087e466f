// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// ldmatrix, stmatrix and movmatrix.
#include "MmaEngine.h"
#include "Race.h"
#include "Resolve.h"
#include "Wmma.h"

using namespace ptxsim;

bool ptxsim::wholeWarp(Warp *W, const Inst *I, uint32_t On) {
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
  if (!wholeWarp(W, I, On) || !rowAddresses(W, I, R, AccessKind::Read, A))
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
  if (!wholeWarp(W, I, On) || !rowAddresses(W, I, R, AccessKind::Write, A))
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
  if (!wholeWarp(W, I, On))
    return;
  uint16_t Matrix[8][8];
  std::memcpy(Matrix, R + I->A, 128);
  for (unsigned L = 0; L < 32; ++L) {
    uint32_t V = transposedPair(Matrix, L);
    std::memcpy(R + I->D + 4 * L, &V, 4);
  }
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
  case Op::Mma: return selectMma(E, L, I);
  default: return selectWmma(E, L, I);
  }
}
