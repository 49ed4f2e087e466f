// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Address checks for hosts with AVX-512 (hostHasAvx512). A function that uses
// them is itself compiled for such hosts.
#ifndef PTXSIM_EXEC_WIDE_H
#define PTXSIM_EXEC_WIDE_H

#include "Exec.h"

#define PTXSIM_AVX512                                                          \
  __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw")))
#define PTXSIM_INLINE_AVX512 [[gnu::always_inline]] PTXSIM_AVX512 static inline

namespace ptxsim {

/// Half a warp's offsets from Cta::Shared.
using HalfOffsets = __m512i;

/// The addresses of 16 lanes plus Shift, cut to 32 bits; High collects what is
/// cut off.
PTXSIM_INLINE_AVX512 __m512i halfAddresses(const uint8_t *Row, bool Wide,
                                           int64_t Shift, __m512i &High) {
  if (!Wide)
    return _mm512_add_epi32(_mm512_load_si512(Row),
                            _mm512_set1_epi32(int(Shift)));
  __m512i Add = _mm512_set1_epi64(Shift);
  __m512i X = _mm512_add_epi64(_mm512_load_si512(Row), Add);
  __m512i Y = _mm512_add_epi64(_mm512_load_si512(Row + 64), Add);
  High = _mm512_or_si512(High, _mm512_or_si512(_mm512_srli_epi64(X, 32),
                                               _mm512_srli_epi64(Y, 32)));
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32(X)),
                            _mm512_cvtepi64_epi32(Y), 1);
}

/// The offsets of the addresses in Row plus Plus, 16 bytes each: true if all
/// lanes are in bounds and aligned.
PTXSIM_INLINE_AVX512 bool resolveHalves(const Cta *C, const uint8_t *Row,
                                        bool Wide, int64_t Plus,
                                        HalfOffsets (&Out)[2]) {
  constexpr unsigned Bytes = 16;
  if (C->SharedBytes < Bytes)
    return false;
  __m512i High = _mm512_setzero_si512();
  __m512i Limit = _mm512_set1_epi32(int(C->SharedBytes - Bytes));
  __m512i Unaligned = _mm512_set1_epi32(Bytes - 1);
  __mmask16 Wrong = 0;
  for (unsigned H = 0; H < 2; ++H) {
    Out[H] = halfAddresses(Row + H * (Wide ? 128 : 64), Wide,
                           Plus - int64_t(SharedBase), High);
    Wrong |= _mm512_cmpgt_epu32_mask(Out[H], Limit) |
             _mm512_test_epi32_mask(Out[H], Unaligned);
  }
  return !(Wrong | _mm512_test_epi32_mask(High, High));
}

} // namespace ptxsim
#endif
