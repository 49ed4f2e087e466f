// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Floating-point building blocks on rows: flushing, saturation, PTX's rules
// for minimum and maximum, and 16-bit formats.
#ifndef PTXSIM_EXEC_FLOATOPS_H
#define PTXSIM_EXEC_FLOATOPS_H

#include "Alu.h"

namespace ptxsim {

inline RowU32 bitsOf(RowF32 X) { return (RowU32)X; }
inline RowF32 fromBits(RowU32 X) { return (RowF32)X; }

/// Subnormal inputs become zeros of the same sign.
inline RowF32 flush(RowF32 X) {
  RowU32 U = bitsOf(X);
  return fromBits((RowI32)((U & 0x7f800000u) == 0) ? U & 0x80000000u : U);
}
/// Clamps to [0, 1]; NaN becomes +0.
inline RowF32 saturate(RowF32 X) {
  RowF32 Zero = (RowF32)(0.f), One = (RowF32)(1.f);
  RowF32 Low = (RowI32)(X > Zero) ? X : Zero;
  return (RowI32)(Low > One) ? One : Low;
}
inline RowF64 saturate(RowF64 X) {
  RowF64 Zero = (RowF64)(0.), One = (RowF64)(1.);
  RowF64 Low = (RowI64)(X > Zero) ? X : Zero;
  return (RowI64)(Low > One) ? One : Low;
}

/// PTX minimum and maximum: -0 < +0; a single NaN loses unless PassNaN.
template <bool Max, bool PassNaN> RowF32 select(RowF32 A, RowF32 B) {
  RowU32 UA = bitsOf(A), UB = bitsOf(B);
  RowF32 Equal = fromBits(Max ? UA & UB : UA | UB);
  RowF32 D = (RowI32)(Max ? A > B : A < B) ? A : B;
  D = (RowI32)(A == B) ? Equal : D;
  RowI32 NanA = A != A, NanB = B != B;
  RowF32 Nan = fromBits((RowU32)(0x7fffffffu));
  if (PassNaN)
    return (NanA | NanB) ? Nan : D;
  D = NanB ? A : D;
  D = NanA ? B : D;
  return (NanA & NanB) ? Nan : D;
}
template <bool Max> RowF64 select64(RowF64 A, RowF64 B) {
  RowU64 UA = (RowU64)A, UB = (RowU64)B;
  RowF64 Equal = (RowF64)(Max ? UA & UB : UA | UB);
  RowF64 D = (RowI64)(Max ? A > B : A < B) ? A : B;
  D = (RowI64)(A == B) ? Equal : D;
  D = (RowI64)(B != B) ? A : D;
  return (RowI64)(A != A) ? B : D;
}

// ---- 16-bit formats ------------------------------------------------------
/// Low 16 bits of every lane as binary16.
inline RowF32 halfToFloat(RowU32 X) {
  RowF32 D;
  for (int K = 0; K < 4; ++K) {
    __m256i V;
    std::memcpy(&V, reinterpret_cast<char *>(&X) + 32 * K, 32);
    V = _mm256_and_si256(V, _mm256_set1_epi32(0xffff));
    __m128i P = _mm_packus_epi32(_mm256_castsi256_si128(V),
                                 _mm256_extracti128_si256(V, 1));
    __m256 F = _mm256_cvtph_ps(P);
    std::memcpy(reinterpret_cast<char *>(&D) + 32 * K, &F, 32);
  }
  return D;
}
/// Rounds to binary16; Mode 0 nearest even, 1 down, 2 up, 3 towards zero.
template <int Mode = 0> RowU32 floatToHalf(RowF32 X) {
  RowU32 D;
  for (int K = 0; K < 4; ++K) {
    __m256 F;
    std::memcpy(&F, reinterpret_cast<char *>(&X) + 32 * K, 32);
    __m256i V = _mm256_cvtepu16_epi32(_mm256_cvtps_ph(F, Mode));
    std::memcpy(reinterpret_cast<char *>(&D) + 32 * K, &V, 32);
  }
  // The hardware's only NaN.
  return (RowI32)(X != X) ? (RowU32)(0x7fffu) : D;
}
inline RowF32 bhalfToFloat(RowU32 X) { return fromBits(X << 16); }
inline RowU32 floatToBhalf(RowF32 X) {
  RowU32 U = bitsOf(X);
  RowU32 D = (U + 0x7fffu + (U >> 16 & 1u)) >> 16;
  return (RowI32)(X != X) ? (RowU32)(0x7fffu) : D;
}
inline RowU32 floatToBhalfZero(RowF32 X) {
  return (RowI32)(X != X) ? (RowU32)(0x7fffu) : bitsOf(X) >> 16;
}

/// Subnormal binary16 values, held in the low bits, become zeros.
inline RowU32 flush16(RowU32 X) {
  return (RowI32)((X & 0x7c00u) == 0) ? X & 0x8000u : X;
}
template <> struct Elem<Half> {
  using Vec = RowF32;
  static Vec load(const uint8_t *P) { return halfToFloat(rowAt<RowU32>(P)); }
  static void store(uint8_t *P, Vec V, uint32_t M) {
    store32(P, floatToHalf(V), M);
  }
};
template <> struct Elem<BHalf> {
  using Vec = RowF32;
  static Vec load(const uint8_t *P) { return bhalfToFloat(rowAt<RowU32>(P)); }
  static void store(uint8_t *P, Vec V, uint32_t M) {
    store32(P, floatToBhalf(V), M);
  }
};

/// Rounds the exact sum S + Err (|Err| below half an ulp of S) to f32 "to
/// odd": a later rounding to 16 bits is then exact (Boldo, Melquiond 2008).
inline RowF32 roundToOdd(RowF64 S, RowF64 Err) {
  RowI64 Inexact = Err != 0.;
  RowU64 U = (RowU64)S;
  // Make S odd in f64 first, towards Err.
  RowI64 Away = (RowI64)((S > 0.) == (Err > 0.));
  RowU64 Odd = (RowI64)((U & 1u) != 0) ? U : Away ? U | 1u : U - 1u;
  RowF64 D = (RowF64)(Inexact & (RowI64)(S != 0.) ? Odd : U);
  RowF32 F = __builtin_convertvector(D, RowF32);
  RowF64 Back = __builtin_convertvector(F, RowF64);
  RowU32 FU = bitsOf(F);
  RowF64 AbsBack = (RowF64)((RowU64)Back & 0x7fffffffffffffffull);
  RowF64 AbsD = (RowF64)((RowU64)D & 0x7fffffffffffffffull);
  RowI32 Bigger = __builtin_convertvector((RowI64)(AbsBack > AbsD), RowI32);
  RowI32 Differs = __builtin_convertvector((RowI64)(Back != D), RowI32);
  RowU32 Trunc = Bigger ? FU - 1u : FU;
  RowI32 Finite = (RowI32)((FU & 0x7f800000u) != 0x7f800000u) | Bigger;
  return fromBits((Differs & Finite) ? Trunc | 1u : FU);
}
/// a * b + c of 16-bit operands, ready for one rounding to 16 bits.
inline RowF32 fmaToOdd(RowF32 A, RowF32 B, RowF32 C) {
  RowF64 P =
      __builtin_convertvector(A, RowF64) * __builtin_convertvector(B, RowF64);
  RowF64 X = __builtin_convertvector(C, RowF64);
  RowF64 S = P + X;
  RowF64 T = S - P; // TwoSum
  RowF64 Err = (P - (S - T)) + (X - T);
  RowI64 Finite = (S - S) == 0.;
  Err = Finite ? Err : (RowF64)(0.);
  return roundToOdd(S, Err);
}

/// Calls F with the value of each flag as a template argument.
template <class F> Handler pickFlags(bool A, bool B, F Fn) {
  if (A)
    return B ? Fn.template operator()<true, true>()
             : Fn.template operator()<true, false>();
  return B ? Fn.template operator()<false, true>()
           : Fn.template operator()<false, false>();
}

} // namespace ptxsim
#endif
