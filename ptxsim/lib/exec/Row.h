// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Vectors of 32 lanes and how rows are read and written under a lane mask.
#ifndef PTXSIM_EXEC_ROW_H
#define PTXSIM_EXEC_ROW_H

#include <cstdint>
#include <cstring>
#include <immintrin.h>

namespace ptxsim {

template <class T> using Row = T __attribute__((ext_vector_type(32)));
using RowU32 = Row<uint32_t>;
using RowI32 = Row<int32_t>;
using RowF32 = Row<float>;
using RowU64 = Row<uint64_t>;
using RowI64 = Row<int64_t>;
using RowF64 = Row<double>;

constexpr uint32_t AllLanes = ~0u;

/// The host has the AVX-512 instructions of server processors since 2017, and
/// PTXSIM_ISA=avx2 does not forbid them. Everything else needs AVX2 and FMA.
bool hostHasAvx512();

inline RowU32 laneNumbers() {
  RowU32 V;
  for (uint32_t L = 0; L < 32; ++L)
    V[L] = L;
  return V;
}

/// All-ones in the lanes of M, as 32 or 64-bit lanes.
inline RowI32 lanes32(uint32_t M) {
  return (RowI32)(((RowU32)(M) >> laneNumbers()) << 31) >> 31;
}
inline RowI64 lanes64(uint32_t M) {
  return __builtin_convertvector(lanes32(M), RowI64);
}

/// Lane mask of a comparison result.
inline uint32_t toMask(RowI32 C) {
  uint32_t M = 0;
  for (int K = 0; K < 4; ++K) {
    __m256i Part;
    std::memcpy(&Part, reinterpret_cast<const char *>(&C) + 32 * K, 32);
    M |= uint32_t(_mm256_movemask_ps(_mm256_castsi256_ps(Part))) << (8 * K);
  }
  return M;
}
inline uint32_t toMask(RowI64 C) {
  uint32_t M = 0;
  for (int K = 0; K < 8; ++K) {
    __m256i Part;
    std::memcpy(&Part, reinterpret_cast<const char *>(&C) + 32 * K, 32);
    M |= uint32_t(_mm256_movemask_pd(_mm256_castsi256_pd(Part))) << (4 * K);
  }
  return M;
}

template <class T> inline T &rowAt(uint8_t *P) {
  return *reinterpret_cast<T *>(P);
}
template <class T> inline const T &rowAt(const uint8_t *P) {
  return *reinterpret_cast<const T *>(P);
}

inline void store32(uint8_t *P, RowU32 V, uint32_t M) {
  RowU32 &D = rowAt<RowU32>(P);
  if (__builtin_expect(M == AllLanes, 1))
    D = V;
  else
    D = lanes32(M) ? V : D;
}
inline void store64(uint8_t *P, RowU64 V, uint32_t M) {
  RowU64 &D = rowAt<RowU64>(P);
  if (__builtin_expect(M == AllLanes, 1))
    D = V;
  else
    D = lanes64(M) ? V : D;
}
inline void storePred(uint8_t *P, uint32_t V, uint32_t M) {
  uint32_t &D = rowAt<uint32_t>(P);
  D = (D & ~M) | (V & M);
}

// ---- element kinds -------------------------------------------------------
// Elem<T>::load reads a row as a vector of T's compute type, store writes it
// back. 16-bit registers lie zero-extended in 32-bit lanes.

struct Half;  // IEEE binary16, computed in f32
struct BHalf; // bfloat16, computed in f32

template <class T> struct Elem;
template <> struct Elem<uint32_t> {
  using Vec = RowU32;
  static constexpr unsigned Bits = 32;
  static Vec load(const uint8_t *P) { return rowAt<Vec>(P); }
  static void store(uint8_t *P, Vec V, uint32_t M) { store32(P, V, M); }
};
template <> struct Elem<int32_t> {
  using Vec = RowI32;
  static constexpr unsigned Bits = 32;
  static Vec load(const uint8_t *P) { return rowAt<Vec>(P); }
  static void store(uint8_t *P, Vec V, uint32_t M) { store32(P, (RowU32)V, M); }
};
template <> struct Elem<float> {
  using Vec = RowF32;
  static constexpr unsigned Bits = 32;
  static Vec load(const uint8_t *P) { return rowAt<Vec>(P); }
  static void store(uint8_t *P, Vec V, uint32_t M) { store32(P, (RowU32)V, M); }
};
template <> struct Elem<uint64_t> {
  using Vec = RowU64;
  static constexpr unsigned Bits = 64;
  static Vec load(const uint8_t *P) { return rowAt<Vec>(P); }
  static void store(uint8_t *P, Vec V, uint32_t M) { store64(P, V, M); }
};
template <> struct Elem<int64_t> {
  using Vec = RowI64;
  static constexpr unsigned Bits = 64;
  static Vec load(const uint8_t *P) { return rowAt<Vec>(P); }
  static void store(uint8_t *P, Vec V, uint32_t M) { store64(P, (RowU64)V, M); }
};
template <> struct Elem<double> {
  using Vec = RowF64;
  static constexpr unsigned Bits = 64;
  static Vec load(const uint8_t *P) { return rowAt<Vec>(P); }
  static void store(uint8_t *P, Vec V, uint32_t M) { store64(P, (RowU64)V, M); }
};
template <> struct Elem<uint16_t> {
  using Vec = RowU32;
  static constexpr unsigned Bits = 16;
  static Vec load(const uint8_t *P) { return rowAt<Vec>(P) & 0xffff; }
  static void store(uint8_t *P, Vec V, uint32_t M) {
    store32(P, V & 0xffff, M);
  }
};
template <> struct Elem<int16_t> {
  using Vec = RowI32;
  static constexpr unsigned Bits = 16;
  static Vec load(const uint8_t *P) { return (rowAt<Vec>(P) << 16) >> 16; }
  static void store(uint8_t *P, Vec V, uint32_t M) {
    store32(P, (RowU32)V & 0xffff, M);
  }
};
template <> struct Elem<uint8_t> {
  using Vec = RowU32;
  static constexpr unsigned Bits = 8;
  static Vec load(const uint8_t *P) { return rowAt<Vec>(P) & 0xff; }
  static void store(uint8_t *P, Vec V, uint32_t M) { store32(P, V & 0xff, M); }
};
template <> struct Elem<int8_t> {
  using Vec = RowI32;
  static constexpr unsigned Bits = 8;
  static Vec load(const uint8_t *P) { return (rowAt<Vec>(P) << 24) >> 24; }
  // Sign-extended: an s8 result lives in a wider register.
  static void store(uint8_t *P, Vec V, uint32_t M) { store32(P, (RowU32)V, M); }
};

} // namespace ptxsim
#endif
