// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// ldmatrix, stmatrix and movmatrix.
#include "MmaEngine.h"
#include "Race.h"
#include "SharedOffsets.h"
#include "Wmma.h"
#include <algorithm>

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
/// Lanes whose addresses count: lane 8 q + r has row r of matrix q.
static uint32_t addressLanes(const Inst *I) {
  return I->Count == 4 ? AllLanes : (1u << (8 * I->Count)) - 1;
}

/// Addresses of the rows, whatever they are.
static bool rowAddresses(Warp *W, const Inst *I, const uint8_t *R,
                         AccessKind Kind, Lanes &Out) {
  return resolve(W, I, addressLanes(I), addressRow(I, R), I->Where, 16, Kind,
                 I->E, Out);
}

/// 16 bytes at each of two places.
static __m256i loadPair(const uint8_t *Low, const uint8_t *High) {
  auto Load = [](const uint8_t *P) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(P));
  };
  return _mm256_inserti128_si256(_mm256_castsi128_si256(Load(Low)), Load(High),
                                 1);
}
/// Rows are read back 32 bytes at a time, and so they are written.
static void storePair(uint8_t *P, __m256i V) {
  _mm256_store_si256(reinterpret_cast<__m256i *>(P), V);
}

/// Two matrices of 8 rows of 8 elements of 16 bits: First(k) and Second(k) to
/// column k of the two results, 16 bytes apart.
template <class F, class G>
[[gnu::always_inline]] static inline void
transpose8(F First, G Second, uint8_t *Out0, uint8_t *Out1) {
  __m256i X[8], Y[8];
  for (unsigned K = 0; K < 8; ++K)
    X[K] = loadPair(First(K), Second(K));
  // Each pass interleaves rows K and K + 4 and so doubles the element size.
  for (unsigned Pass = 0; Pass < 3; ++Pass) {
    for (unsigned K = 0; K < 4; ++K) {
      Y[2 * K] = _mm256_unpacklo_epi16(X[K], X[K + 4]);
      Y[2 * K + 1] = _mm256_unpackhi_epi16(X[K], X[K + 4]);
    }
    std::memcpy(X, Y, sizeof(X));
  }
  for (unsigned K = 0; K < 8; K += 2) {
    storePair(Out0 + 16 * K, _mm256_permute2x128_si256(X[K], X[K + 1], 0x20));
    storePair(Out1 + 16 * K, _mm256_permute2x128_si256(X[K], X[K + 1], 0x31));
  }
}

/// Lane 4g + t holds elements 2t and 2t + 1 of row g; transposed, of column g.
/// Row r of matrix q begins at From(8 q + r).
template <bool Trans, class F>
[[gnu::always_inline]] static inline void
loadMatrices(const Warp *W, const Inst *I, uint8_t *R, F From) {
  const uint32_t *Rows = W->P->Extra.data() + I->X;
  for (unsigned Q = 0; Q < I->Count; Q += 2) {
    unsigned Next = std::min(Q + 1, I->Count - 1u);
    auto Low = [=](unsigned K) { return From(8 * Q + K); };
    auto High = [=](unsigned K) { return From(8 * Next + K); };
    uint8_t *Out0 = R + Rows[Q], *Out1 = R + Rows[Next];
    if (Trans) {
      transpose8(Low, High, Out0, Out1);
      continue;
    }
    for (unsigned K = 0; K < 8; K += 2) {
      storePair(Out0 + 16 * K, loadPair(Low(K), Low(K + 1)));
      storePair(Out1 + 16 * K, loadPair(High(K), High(K + 1)));
    }
  }
}

template <bool Trans> static void ldmatrix(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), Needed = addressLanes(I);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  SharedOffsets Offset;
  if (Offset.resolve(W->C, I->Where, R + I->A, I->Wide, I->Imm, Needed, 16)) {
    if (!Offset.observe(W, I, Needed, 16, AccessKind::Read))
      return;
    loadMatrices<Trans>(
        W, I, R, [Base = W->C->Shared, Lane = &Offset.Lane[0]](unsigned L) {
          return Base + Lane[L];
        });
    PTXSIM_NEXT;
  }
  Lanes A;
  if (!rowAddresses(W, I, R, AccessKind::Read, A))
    return;
  loadMatrices<Trans>(W, I, R,
                      [Ptr = &A.Ptr[0]](unsigned L) { return Ptr[L]; });
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
  auto Row = [=](unsigned K) { return R + I->A + 16 * K; };
  transpose8(Row, Row, R + I->D, R + I->D);
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
  default: return selectMmaPlain(E, L, I) || selectWmma(E, L, I);
  }
}
