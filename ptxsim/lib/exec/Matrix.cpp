// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// ldmatrix, stmatrix and movmatrix.
#include "MmaEngine.h"
#include "Race.h"
#include "SharedOffsets.h"
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
  SharedOffsets Offset;
  if (Kind == AccessKind::Read &&
      Offset.resolve(W->C, I->Where, R + I->A, I->Wide, I->Imm, Needed, 16)) {
    for (unsigned L = 0; L < 8u * I->Count; ++L)
      Out.Ptr[L] = W->C->Shared + Offset.Lane[L];
    return Offset.observe(W, I, Needed, 16, Kind);
  }
  return resolve(W, I, Needed, addressRow(I, R), I->Where, 16, Kind, I->E, Out);
}

/// Rows of 8 elements of 16 bits: In[k] to column k, 16 bytes apart.
static void transpose8(const uint8_t *const *In, uint8_t *Out) {
  __m128i X[8], Y[8];
  for (unsigned K = 0; K < 8; ++K)
    X[K] = _mm_loadu_si128(reinterpret_cast<const __m128i *>(In[K]));
  // Each pass interleaves rows K and K + 4 and so doubles the element size.
  for (unsigned Pass = 0; Pass < 3; ++Pass) {
    for (unsigned K = 0; K < 4; ++K) {
      Y[2 * K] = _mm_unpacklo_epi16(X[K], X[K + 4]);
      Y[2 * K + 1] = _mm_unpackhi_epi16(X[K], X[K + 4]);
    }
    std::memcpy(X, Y, sizeof(X));
  }
  std::memcpy(Out, X, sizeof(X));
}

/// Lane 4 g + t holds elements 2t and 2t + 1 of row g; transposed, of column g.
template <bool Trans> static void ldmatrix(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  Lanes A;
  if (!wholeWarp(W, I, On) || !rowAddresses(W, I, R, AccessKind::Read, A))
    return;
  for (unsigned Q = 0; Q < I->Count; ++Q) {
    uint8_t *Row = R + W->P->Extra[I->X + Q];
    if (Trans)
      transpose8(A.Ptr + 8 * Q, Row);
    else
      for (unsigned K = 0; K < 8; ++K)
        std::memcpy(Row + 16 * K, A.Ptr[8 * Q + K], 16);
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
  const uint8_t *Rows[8];
  for (unsigned K = 0; K < 8; ++K)
    Rows[K] = R + I->A + 16 * K;
  transpose8(Rows, R + I->D);
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
