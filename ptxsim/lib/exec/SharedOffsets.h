// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The common case of an access to shared memory: addresses of the CTA's own
// memory that are all in bounds and aligned. Everything else goes through
// resolve(), which also reports.
#ifndef PTXSIM_EXEC_SHAREDOFFSETS_H
#define PTXSIM_EXEC_SHAREDOFFSETS_H

#include "Resolve.h"

namespace ptxsim {

/// Handler of loads of four 4-byte elements per lane from shared memory, and
/// the one for all cases and hosts.
Handler quadLoadOfShared();
void loadQuadsGeneral(PTXSIM_ARGS);

/// Offsets of all 32 lanes from Cta::Shared; those outside of the lane mask
/// mean nothing.
struct SharedOffsets {
  alignas(128) uint32_t Lane[32];

  /// Fills in the addresses of a row plus an offset. False if an active lane
  /// needs the general path. Observers are not told.
  bool resolve(const Cta *C, Space Where, const uint8_t *Row, bool Wide,
               int64_t Plus, uint32_t On, unsigned Bytes);
  /// All lanes of each half warp have the same address, as in products that
  /// read an element of a tile its threads share.
  bool halvesAgree() const {
    __m256i Differs = _mm256_setzero_si256();
    for (unsigned K = 0; K < 4; ++K)
      Differs = _mm256_or_si256(
          Differs,
          _mm256_xor_si256(part(K), _mm256_set1_epi32(int(Lane[K / 2 * 16]))));
    return _mm256_testz_si256(Differs, Differs);
  }
  /// The second half warp has the addresses of the first.
  bool halvesRepeat() const {
    __m256i Differs = _mm256_or_si256(_mm256_xor_si256(part(0), part(2)),
                                      _mm256_xor_si256(part(1), part(3)));
    return _mm256_testz_si256(Differs, Differs);
  }
  /// All lanes side by side.
  bool contiguous(uint32_t Step) const {
    RowU32 Want = laneNumbers() * Step + Lane[0];
    return !std::memcmp(&Want, Lane, sizeof(Want));
  }

  /// Tells race checks and counters; false after a fault.
  bool observe(Warp *W, const Inst *I, uint32_t On, unsigned Bytes,
               AccessKind Kind) const {
    if (__builtin_expect(!W->C->Observed, 1))
      return true;
    RowU32 Address =
        rowAt<RowU32>(reinterpret_cast<const uint8_t *>(Lane)) + SharedBase;
    return observeShared(W, I, W->C, On, reinterpret_cast<uint32_t *>(&Address),
                         Bytes, Kind);
  }

private:
  __m256i part(unsigned K) const {
    return _mm256_load_si256(reinterpret_cast<const __m256i *>(Lane + 8 * K));
  }
};

inline bool SharedOffsets::resolve(const Cta *C, Space Where,
                                   const uint8_t *Row, bool Wide, int64_t Plus,
                                   uint32_t On, unsigned Bytes) {
  if (Where != Space::Shared || C->SharedBytes < Bytes)
    return false;
  auto Load = [&](unsigned At) {
    return _mm256_load_si256(reinterpret_cast<const __m256i *>(Row + At));
  };
  int64_t Shift = Plus - int64_t(SharedBase);
  __m256i Limit = _mm256_set1_epi32(int(C->SharedBytes - Bytes)),
          Unaligned = _mm256_set1_epi32(int(Bytes - 1)),
          Ones = _mm256_set1_epi32(-1);
  uint32_t Right = 0;
  for (unsigned K = 0; K < 4; ++K) {
    __m256i V, High = _mm256_setzero_si256();
    if (Wide) {
      __m256i Add = _mm256_set1_epi64x(Shift),
              X = _mm256_add_epi64(Load(64 * K), Add),
              Y = _mm256_add_epi64(Load(64 * K + 32), Add);
      auto Pick = [&](auto Shuffled) {
        return _mm256_permute4x64_epi64(_mm256_castps_si256(Shuffled), 0xd8);
      };
      __m256 FX = _mm256_castsi256_ps(X), FY = _mm256_castsi256_ps(Y);
      V = Pick(_mm256_shuffle_ps(FX, FY, 0x88));
      High = Pick(_mm256_shuffle_ps(FX, FY, 0xdd));
    } else {
      V = _mm256_add_epi32(Load(32 * K), _mm256_set1_epi32(int(Shift)));
    }
    _mm256_store_si256(reinterpret_cast<__m256i *>(Lane + 8 * K), V);
    __m256i Beyond = _mm256_xor_si256(_mm256_max_epu32(V, Limit), Limit);
    __m256i Wrong = _mm256_or_si256(_mm256_or_si256(Beyond, High),
                                    _mm256_and_si256(V, Unaligned));
    __m256i Fine = _mm256_cmpeq_epi32(Wrong, _mm256_setzero_si256());
    Ones = _mm256_and_si256(Ones, Fine);
    if (On != AllLanes)
      Right |= uint32_t(_mm256_movemask_ps(_mm256_castsi256_ps(Fine)))
               << (8 * K);
  }
  // The lanes are read back from memory: taking them out of vectors one by
  // one costs more.
  asm volatile("" : "+m"(Lane));
  if (On == AllLanes)
    return _mm256_testc_si256(Ones, _mm256_set1_epi32(-1));
  return !(On & ~Right);
}

} // namespace ptxsim
#endif
