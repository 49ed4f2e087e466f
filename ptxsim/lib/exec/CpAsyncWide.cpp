// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cp.async for hosts with AVX-512, where every lane copies 16 bytes: pipelines
// of matrix products consist of these. Everything else is the general
// handler's, which also reports.
#include "Async.h"
#include "Wide.h"

using namespace ptxsim;

namespace {
/// Global addresses of all lanes, eight a vector.
struct Sources {
  __m512i Part[4];
  uint64_t First;
};
} // namespace

/// All lanes are in the allocation of the last access, aligned.
PTXSIM_INLINE_AVX512 bool sources(const Inst *I, const uint8_t *R,
                                  const Allocation &In, Sources &Out) {
  constexpr unsigned Bytes = 16;
  if (In.End - In.Begin < Bytes)
    return false;
  __m512i Begin = _mm512_set1_epi64(int64_t(In.Begin)),
          Last = _mm512_set1_epi64(int64_t(In.End - Bytes)),
          Unaligned = _mm512_set1_epi64(Bytes - 1),
          Plus = _mm512_set1_epi64(I->Imm);
  __mmask8 Wrong = 0;
  for (unsigned K = 0; K < 4; ++K) {
    __m512i V = _mm512_add_epi64(_mm512_load_si512(R + I->B + 64 * K), Plus);
    Wrong |= _mm512_cmplt_epu64_mask(V, Begin) |
             _mm512_cmpgt_epu64_mask(V, Last) |
             _mm512_test_epi64_mask(V, Unaligned);
    Out.Part[K] = V;
  }
  Out.First = uint64_t(_mm_cvtsi128_si64(_mm512_castsi512_si128(Out.Part[0])));
  return !Wrong;
}

/// The source size operand, if there is one, is at least 16 in all lanes.
PTXSIM_INLINE_AVX512 bool copiesAll(const Inst *I, const uint8_t *R) {
  if (!I->Count)
    return true;
  __m512i Sixteen = _mm512_set1_epi32(16);
  return !(_mm512_cmplt_epu32_mask(_mm512_load_si512(R + I->C), Sixteen) |
           _mm512_cmplt_epu32_mask(_mm512_load_si512(R + I->C + 64), Sixteen));
}

/// Distances of all lanes from the first one; false if one is too far away.
PTXSIM_INLINE_AVX512 bool distances(const Sources &From, __m256i (&Out)[4]) {
  __m512i First = _mm512_set1_epi64(int64_t(From.First));
  __mmask8 Far = 0;
  for (unsigned K = 0; K < 4; ++K) {
    __m512i Distance = _mm512_sub_epi64(From.Part[K], First);
    Out[K] = _mm512_cvtepi64_epi32(Distance);
    Far |= _mm512_cmpneq_epi64_mask(_mm512_cvtepi32_epi64(Out[K]), Distance);
  }
  return !Far;
}

/// Lanes that read another line than the lane before.
PTXSIM_INLINE_AVX512 uint32_t newLines(const Sources &From) {
  uint32_t New = 1;
  __m512i Before = _mm512_setzero_si512();
  for (unsigned K = 0; K < 4; ++K) {
    __m512i Line = _mm512_srli_epi64(From.Part[K], 6);
    __m512i Shifted = _mm512_alignr_epi64(Line, Before, 7);
    New |= uint32_t(_mm512_cmpneq_epi64_mask(Line, Shifted)) << (8 * K);
    Before = Line;
  }
  return New;
}

/// Issues the copy; false if it is not of the simple form, with no effect.
PTXSIM_INLINE_AVX512 bool issueWide(Warp *W, const Inst *I, const uint8_t *R) {
  HalfOffsets To[2];
  Sources From;
  __m256i Distance[4];
  if (!copiesAll(I, R) ||
      !resolveHalves(W->C, R + I->A, I->Wide, int32_t(I->Target), To) ||
      !sources(I, R, W->C->Work->Cache[I->E + 1], From) ||
      !distances(From, Distance))
    return false;
  ++W->Effects;
  CopyQueue &Queue = asyncOf(W).Copies;
  CopyBatch &B = Queue.add();
  B.Lanes = AllLanes;
  B.Bytes = 16;
  B.Short = 0;
  B.From = reinterpret_cast<const uint8_t *>(From.First);
  for (unsigned H = 0; H < 2; ++H)
    _mm512_storeu_si512(B.To + 16 * H, To[H]);
  for (unsigned K = 0; K < 4; ++K)
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(B.Source + 8 * K),
                        Distance[K]);
  forLanes(newLines(From),
           [&](uint32_t L) { __builtin_prefetch(B.From + B.Source[L]); });
  if (runsAtIssue(W)) {
    performCopy(W->C, B);
    Queue.removeLast();
  }
  return true;
}

PTXSIM_AVX512 void ptxsim::cpAsyncWide(PTXSIM_ARGS) {
  if (guarded(I, R, M) != AllLanes || W->C->Observed || !issueWide(W, I, R))
      [[clang::musttail]]
    return cpAsyncGeneral(I, R, W, M);
  PTXSIM_NEXT;
}
