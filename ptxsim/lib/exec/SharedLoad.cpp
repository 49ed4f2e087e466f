// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads of four 4-byte elements per lane from shared memory, for hosts with
// AVX-512: the inner loops of products on CUDA cores consist of these and of
// multiply-adds. Half warps that read one place or that read side by side go by
// whole vectors; everything else is the general handler's.
#include "SharedOffsets.h"
#include "Wide.h"

using namespace ptxsim;

namespace {
/// Offsets of half a warp from Cta::Shared.
struct HalfWarp {
  HalfOffsets Offset;
  uint32_t First;
};
} // namespace

PTXSIM_INLINE_AVX512 HalfWarp halfWarp(HalfOffsets V) {
  return {V, uint32_t(_mm_cvtsi128_si32(_mm512_castsi512_si128(V)))};
}
PTXSIM_INLINE_AVX512 bool isUniform(const HalfWarp &H) {
  return !_mm512_cmpneq_epi32_mask(H.Offset, _mm512_set1_epi32(int(H.First)));
}
PTXSIM_INLINE_AVX512 bool isContiguous(const HalfWarp &H) {
  __m512i Steps = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144,
                                    160, 176, 192, 208, 224, 240);
  return !_mm512_cmpneq_epi32_mask(
      H.Offset, _mm512_add_epi32(Steps, _mm512_set1_epi32(int(H.First))));
}

/// Element K of all lanes to Out[K], where all lanes have the same elements.
PTXSIM_INLINE_AVX512 void broadcastQuad(const uint8_t *From, __m512 (&Out)[4]) {
  float V[4];
  std::memcpy(V, From, sizeof(V));
  for (unsigned K = 0; K < 4; ++K)
    Out[K] = _mm512_set1_ps(V[K]);
}

/// Element K of all lanes to Out[K]: 16 lanes of four elements, transposed.
PTXSIM_INLINE_AVX512 void transposeQuads(const uint8_t *From,
                                         __m512 (&Out)[4]) {
  __m512 V[4];
  for (unsigned K = 0; K < 4; ++K)
    V[K] = _mm512_loadu_ps(From + 64 * K);
  // Elements 0 and 1, then 2 and 3, of the lanes in two vectors.
  __m512i Low = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17,
                                  21, 25, 29);
  __m512i High = _mm512_add_epi32(Low, _mm512_set1_epi32(2));
  __m512 A = _mm512_permutex2var_ps(V[0], Low, V[1]);
  __m512 B = _mm512_permutex2var_ps(V[2], Low, V[3]);
  __m512 C = _mm512_permutex2var_ps(V[0], High, V[1]);
  __m512 D = _mm512_permutex2var_ps(V[2], High, V[3]);
  Out[0] = _mm512_shuffle_f32x4(A, B, 0x44);
  Out[1] = _mm512_shuffle_f32x4(A, B, 0xee);
  Out[2] = _mm512_shuffle_f32x4(C, D, 0x44);
  Out[3] = _mm512_shuffle_f32x4(C, D, 0xee);
}

/// Half a warp's elements; false if its addresses have no simple form.
PTXSIM_INLINE_AVX512 bool loadHalf(const uint8_t *Shared, const HalfWarp &H,
                                   __m512 (&Out)[4]) {
  if (isUniform(H))
    broadcastQuad(Shared + H.First, Out);
  else if (isContiguous(H))
    transposeQuads(Shared + H.First, Out);
  else
    return false;
  return true;
}

PTXSIM_AVX512 static void loadQuads512(PTXSIM_ARGS) {
  HalfOffsets Offset[2];
  __m512 V[2][4];
  if (guarded(I, R, M) != AllLanes || W->C->Observed ||
      !resolveHalves(W->C, R + I->A, I->Wide, I->Imm, Offset))
      [[clang::musttail]]
    return loadQuadsGeneral(I, R, W, M);
  HalfWarp Half[2] = {halfWarp(Offset[0]), halfWarp(Offset[1])};
  if (!loadHalf(W->C->Shared, Half[0], V[0])) [[clang::musttail]]
    return loadQuadsGeneral(I, R, W, M);
  bool Same = !_mm512_cmpneq_epi32_mask(Half[0].Offset, Half[1].Offset);
  if (!Same && !loadHalf(W->C->Shared, Half[1], V[1])) [[clang::musttail]]
    return loadQuadsGeneral(I, R, W, M);
  const uint32_t *Rows = W->P->Extra.data() + I->X;
  for (unsigned K = 0; K < 4; ++K) {
    _mm512_store_ps(R + Rows[K], V[0][K]);
    _mm512_store_ps(R + Rows[K] + 64, Same ? V[0][K] : V[1][K]);
  }
  PTXSIM_NEXT;
}

Handler ptxsim::quadLoadOfShared() {
  return hostHasAvx512() ? loadQuads512 : loadQuadsGeneral;
}
