// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix kernels. The f32 kernel exists twice, for AVX2 and AVX-512 hosts.
#include "MmaEngine.h"
#include "Fp8.h"
#include <algorithm>
#include <cstdlib>

using namespace ptxsim;

bool ptxsim::hostHasAvx512() {
  static const bool Have = [] {
    const char *Isa = std::getenv("PTXSIM_ISA");
    return !(Isa && std::string_view(Isa) == "avx2") &&
           __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw");
  }();
  return Have;
}

MatrixType ptxsim::matrixType(Type T) {
  switch (T) {
  case Type::F16: return MatrixType::F16;
  case Type::BF16: return MatrixType::BF16;
  case Type::E4M3: return MatrixType::E4M3;
  case Type::E5M2: return MatrixType::E5M2;
  case Type::S8: return MatrixType::S8;
  case Type::U8: return MatrixType::U8;
  case Type::S4: return MatrixType::S4;
  case Type::U4: return MatrixType::U4;
  case Type::F64: return MatrixType::F64;
  default: return MatrixType::TF32;
  }
}

// ---- elements ------------------------------------------------------------
namespace {
struct Fp8Tables {
  float E4M3[256], E5M2[256];
  Fp8Tables() {
    for (unsigned K = 0; K < 256; ++K) {
      E4M3[K] = fp8ToFloat<false>(uint8_t(K));
      E5M2[K] = fp8ToFloat<true>(uint8_t(K));
    }
  }
};
} // namespace

static RowF32 lookUp(const float *Table, RowU32 Bytes) {
  RowF32 D;
  for (int L = 0; L < 32; ++L)
    D[L] = Table[Bytes[L] & 255];
  return D;
}

RowF32 ptxsim::decodeElement(MatrixType T, RowU32 W, unsigned Index) {
  static const Fp8Tables Tables;
  unsigned Bits = matrixBits(T), Shift = Bits * Index, Up = 32 - Bits - Shift;
  switch (T) {
  case MatrixType::BF16: return fromBits(Index ? W & 0xffff0000u : W << 16);
  case MatrixType::F16: return halfToFloat(W >> Shift);
  case MatrixType::TF32: return fromBits(W & 0xffffe000u);
  case MatrixType::E4M3: return lookUp(Tables.E4M3, W >> Shift);
  case MatrixType::E5M2: return lookUp(Tables.E5M2, W >> Shift);
  case MatrixType::S8: return (RowF32)((RowI32)(W << Up) >> 24);
  case MatrixType::U8: return (RowF32)((W << Up) >> 24);
  case MatrixType::S4: return (RowF32)((RowI32)(W << Up) >> 28);
  default: return (RowF32)((W << Up) >> 28);
  }
}

// ---- operand forms -------------------------------------------------------
template <int T> static RowF32 broadcastQuad(RowF32 X) {
#define Q(g) 4 * g + T, 4 * g + T, 4 * g + T, 4 * g + T
  return __builtin_shufflevector(X, X, Q(0), Q(1), Q(2), Q(3), Q(4), Q(5), Q(6),
                                 Q(7));
#undef Q
}

void ptxsim::broadcastA(MatrixType T, const uint8_t *const *Registers,
                        unsigned K, bool Sixteen, BroadcastA &Out) {
  unsigned PerWord = 32 / matrixBits(T), Step = 4 * PerWord;
  unsigned Halves = Sixteen ? 2 : 1;
  for (unsigned First = 0, Reg = 0; First < K; First += Step)
    for (unsigned H = 0; H < Halves; ++H, ++Reg) {
      RowU32 Words = rowAt<RowU32>(Registers[Reg]);
      auto *To = H ? Out.Hi : Out.Lo;
      for (unsigned E = 0; E < PerWord; ++E) {
        RowF32 X = decodeElement(T, Words, E);
        rowAt<RowF32>((uint8_t *)To[First + E]) = broadcastQuad<0>(X);
        rowAt<RowF32>((uint8_t *)To[First + PerWord + E]) = broadcastQuad<1>(X);
        rowAt<RowF32>((uint8_t *)To[First + 2 * PerWord + E]) =
            broadcastQuad<2>(X);
        rowAt<RowF32>((uint8_t *)To[First + 3 * PerWord + E]) =
            broadcastQuad<3>(X);
      }
    }
}

/// Column order of a pattern: even columns first.
#define COLUMNS(t) t, 8 + t, 16 + t, 24 + t, 4 + t, 12 + t, 20 + t, 28 + t

void ptxsim::patternFromFragment(MatrixType T, const uint8_t *const *Registers,
                                 unsigned K, PatternB *Out) {
  unsigned PerWord = 32 / matrixBits(T), Step = 4 * PerWord;
  for (unsigned First = 0, Reg = 0; First < K; First += Step, ++Reg) {
    RowU32 Words = rowAt<RowU32>(Registers[Reg]);
    for (unsigned E = 0; E < PerWord; ++E) {
      RowF32 X = decodeElement(T, Words, E);
      X = __builtin_shufflevector(X, X, COLUMNS(0), COLUMNS(1), COLUMNS(2),
                                  COLUMNS(3));
      for (unsigned Quad = 0; Quad < 4; ++Quad)
        std::memcpy(Out + 8 * (First + Quad * PerWord + E),
                    reinterpret_cast<char *>(&X) + 32 * Quad, 32);
    }
  }
}
#undef COLUMNS

void ptxsim::patternFromWords(MatrixType T, const uint32_t Words[8][8],
                              PatternB *Out) {
  // Transposed in two halves of 4 words: lane 8 p + column position.
  unsigned PerWord = 32 / matrixBits(T);
  for (unsigned Half = 0; Half < 2; ++Half) {
    RowU32 W;
    for (unsigned P = 0; P < 4; ++P)
      for (unsigned C = 0; C < 8; ++C) {
        unsigned N = C < 4 ? 2 * C : 2 * (C - 4) + 1;
        W[8 * P + C] = Words[N][4 * Half + P];
      }
    for (unsigned E = 0; E < PerWord; ++E) {
      RowF32 X = decodeElement(T, W, E);
      for (unsigned P = 0; P < 4; ++P)
        std::memcpy(Out + 8 * ((4 * Half + P) * PerWord + E),
                    reinterpret_cast<char *>(&X) + 32 * P, 32);
    }
  }
}

// ---- kernels -------------------------------------------------------------
using Wide8 = float __attribute__((ext_vector_type(8)));

/// Eight rows by eight columns: 8 vectors of 8 lanes. Used twice for 16 rows.
static void multiplyRows8(uint8_t *Even, uint8_t *Odd, const float (*A)[32],
                          const PatternB *B, unsigned K, bool Zero) {
  Wide8 Acc[8];
  for (int V = 0; V < 4; ++V) {
    std::memcpy(&Acc[V], Even + 32 * V, 32);
    std::memcpy(&Acc[4 + V], Odd + 32 * V, 32);
  }
  if (Zero)
    for (Wide8 &X : Acc)
      X = (Wide8)(0.f);
  for (unsigned P = 0; P < K; ++P) {
    __m256 BE = _mm256_broadcast_ps((const __m128 *)(B + 8 * P));
    __m256 BO = _mm256_broadcast_ps((const __m128 *)(B + 8 * P + 4));
    for (int V = 0; V < 4; ++V) {
      __m256 X = _mm256_load_ps(&A[P][8 * V]);
      Acc[V] = (Wide8)_mm256_fmadd_ps(X, BE, (__m256)Acc[V]);
      Acc[4 + V] = (Wide8)_mm256_fmadd_ps(X, BO, (__m256)Acc[4 + V]);
    }
  }
  for (int V = 0; V < 4; ++V) {
    std::memcpy(Even + 32 * V, &Acc[V], 32);
    std::memcpy(Odd + 32 * V, &Acc[4 + V], 32);
  }
}

static void multiplyAvx2(uint8_t *const *D, const BroadcastA &A,
                         const PatternB *B, unsigned Groups, unsigned K,
                         bool Zero, bool Sixteen) {
  for (unsigned J = 0; J < Groups; ++J, B += 8 * K) {
    unsigned Base = J * (Sixteen ? 4 : 2);
    multiplyRows8(D[Base], D[Base + 1], A.Lo, B, K, Zero);
    if (Sixteen)
      multiplyRows8(D[Base + 2], D[Base + 3], A.Hi, B, K, Zero);
  }
}

__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw"))) static void
multiplyAvx512(uint8_t *const *D, const BroadcastA &A, const PatternB *B,
               unsigned Groups, unsigned K, bool Zero) {
  for (unsigned J = 0; J < Groups; ++J, B += 8 * K) {
    uint8_t *const *R = D + 4 * J;
    __m512 Acc[8];
    for (int V = 0; V < 8; ++V)
      Acc[V] =
          Zero ? _mm512_setzero_ps() : _mm512_loadu_ps(R[V / 2] + 64 * (V & 1));
    for (unsigned P = 0; P < K; ++P) {
      __m512 BE = _mm512_broadcast_f32x4(_mm_loadu_ps(B + 8 * P));
      __m512 BO = _mm512_broadcast_f32x4(_mm_loadu_ps(B + 8 * P + 4));
      __m512 L0 = _mm512_load_ps(&A.Lo[P][0]),
             L1 = _mm512_load_ps(&A.Lo[P][16]);
      __m512 H0 = _mm512_load_ps(&A.Hi[P][0]),
             H1 = _mm512_load_ps(&A.Hi[P][16]);
      Acc[0] = _mm512_fmadd_ps(L0, BE, Acc[0]);
      Acc[1] = _mm512_fmadd_ps(L1, BE, Acc[1]);
      Acc[2] = _mm512_fmadd_ps(L0, BO, Acc[2]);
      Acc[3] = _mm512_fmadd_ps(L1, BO, Acc[3]);
      Acc[4] = _mm512_fmadd_ps(H0, BE, Acc[4]);
      Acc[5] = _mm512_fmadd_ps(H1, BE, Acc[5]);
      Acc[6] = _mm512_fmadd_ps(H0, BO, Acc[6]);
      Acc[7] = _mm512_fmadd_ps(H1, BO, Acc[7]);
    }
    for (int V = 0; V < 8; ++V)
      _mm512_storeu_ps(R[V / 2] + 64 * (V & 1), Acc[V]);
  }
}

void ptxsim::multiplyFloat(uint8_t *const *D, const BroadcastA &A,
                           const PatternB *B, unsigned Groups, unsigned K,
                           bool Zero, bool Sixteen) {
  if (hostHasAvx512() && Sixteen)
    multiplyAvx512(D, A, B, Groups, K, Zero);
  else
    multiplyAvx2(D, A, B, Groups, K, Zero, Sixteen);
}

static void addSaturating(int64_t *Sum, RowI32 X, RowI32 Y) {
  for (int L = 0; L < 32; ++L)
    Sum[L] += int64_t(X[L]) * Y[L];
}

/// One accumulator row; the sum of a whole product is exact in 64 bits.
static void integerRow(uint8_t *D, const float (*A)[32], const PatternB *B,
                       unsigned Parity, unsigned K, bool Zero, bool Saturate) {
  RowI32 C = Zero ? (RowI32)(0) : rowAt<RowI32>(D);
  RowI32 Sum = C;
  int64_t Exact[32];
  for (int L = 0; L < 32; ++L)
    Exact[L] = C[L];
  for (unsigned P = 0; P < K; ++P) {
    RowI32 X = rowAt<RowI32>((const uint8_t *)A[P]), Y;
    int32_t Four[4];
    std::memcpy(Four, B + 8 * P + 4 * Parity, 16);
    for (int L = 0; L < 32; ++L)
      Y[L] = Four[L & 3];
    if (Saturate)
      addSaturating(Exact, X, Y);
    else
      Sum += X * Y;
  }
  if (Saturate)
    for (int L = 0; L < 32; ++L)
      Sum[L] = int32_t(std::clamp<int64_t>(Exact[L], INT32_MIN, INT32_MAX));
  rowAt<RowI32>(D) = Sum;
}

void ptxsim::multiplyInteger(uint8_t *const *D, const BroadcastA &A,
                             const PatternB *B, unsigned Groups, unsigned K,
                             bool Zero, bool Sixteen, bool Saturate) {
  unsigned Rows = Sixteen ? 4 : 2;
  for (unsigned J = 0; J < Groups; ++J, B += 8 * K)
    for (unsigned R = 0; R < Rows; ++R)
      integerRow(D[J * Rows + R], R < 2 ? A.Lo : A.Hi, B, R & 1, K, Zero,
                 Saturate);
}
