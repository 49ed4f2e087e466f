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
                        unsigned K, bool Sixteen, WideA *Out) {
  unsigned PerWord = 32 / matrixBits(T), Step = 4 * PerWord;
  unsigned Halves = Sixteen ? 2 : 1;
  for (unsigned First = 0, Reg = 0; First < K; First += Step)
    for (unsigned H = 0; H < Halves; ++H, ++Reg) {
      RowU32 Words = rowAt<RowU32>(Registers[Reg]);
      for (unsigned E = 0; E < PerWord; ++E) {
        RowF32 X = decodeElement(T, Words, E);
        auto Put = [&](unsigned Quad, RowF32 V) {
          rowAt<RowF32>(reinterpret_cast<uint8_t *>(
              Out[First + Quad * PerWord + E][H])) = V;
        };
        Put(0, broadcastQuad<0>(X));
        Put(1, broadcastQuad<1>(X));
        Put(2, broadcastQuad<2>(X));
        Put(3, broadcastQuad<3>(X));
      }
    }
}

/// Quad T of lane 4 g + T for g = 0 to 7, even g first: a transposition of
/// 4 x 4 in each half of the vectors.
static void transposeQuads(RowF32 X, __m256 (&Out)[4]) {
  __m256 V[4];
  std::memcpy(V, &X, sizeof(V));
  __m256 Lo01 = _mm256_unpacklo_ps(V[0], V[1]),
         Lo23 = _mm256_unpacklo_ps(V[2], V[3]),
         Hi01 = _mm256_unpackhi_ps(V[0], V[1]),
         Hi23 = _mm256_unpackhi_ps(V[2], V[3]);
  Out[0] = _mm256_shuffle_ps(Lo01, Lo23, 0x44);
  Out[1] = _mm256_shuffle_ps(Lo01, Lo23, 0xee);
  Out[2] = _mm256_shuffle_ps(Hi01, Hi23, 0x44);
  Out[3] = _mm256_shuffle_ps(Hi01, Hi23, 0xee);
}

void ptxsim::patternFromFragment(MatrixType T, const uint8_t *const *Registers,
                                 unsigned K, PatternB *Out) {
  unsigned PerWord = 32 / matrixBits(T), Step = 4 * PerWord;
  for (unsigned First = 0, Reg = 0; First < K; First += Step, ++Reg) {
    RowU32 Words = rowAt<RowU32>(Registers[Reg]);
    for (unsigned E = 0; E < PerWord; ++E) {
      __m256 Quads[4];
      transposeQuads(decodeElement(T, Words, E), Quads);
      for (unsigned Quad = 0; Quad < 4; ++Quad)
        _mm256_storeu_ps(Out + 8 * (First + Quad * PerWord + E), Quads[Quad]);
    }
  }
}

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
/// Eight rows by eight columns, Half of A: 8 vectors of 8 lanes.
static void multiplyRows8(uint8_t *const *D, const uint8_t *const *C,
                          const MmaOperands *Operands, unsigned Count,
                          unsigned Half, unsigned Group, unsigned K) {
  __m256 Acc[2][4];
  for (int P = 0; P < 2; ++P)
    for (int V = 0; V < 4; ++V)
      Acc[P][V] =
          C ? _mm256_load_ps(reinterpret_cast<const float *>(C[P]) + 8 * V)
            : _mm256_setzero_ps();
  for (const MmaOperands *O = Operands; O != Operands + Count; ++O)
    for (unsigned J = 0; J < K; ++J) {
      const PatternB *At = O->B + O->Stride * Group + 8 * J;
      __m256 BE = _mm256_broadcast_ps((const __m128 *)At);
      __m256 BO = _mm256_broadcast_ps((const __m128 *)(At + 4));
      for (int V = 0; V < 4; ++V) {
        __m256 X = _mm256_load_ps(&O->A[J][Half][8 * V]);
        Acc[0][V] = _mm256_fmadd_ps(X, BE, Acc[0][V]);
        Acc[1][V] = _mm256_fmadd_ps(X, BO, Acc[1][V]);
      }
    }
  for (int P = 0; P < 2; ++P)
    for (int V = 0; V < 4; ++V)
      _mm256_store_ps(reinterpret_cast<float *>(D[P]) + 8 * V, Acc[P][V]);
}

static void multiplyAvx2(uint8_t *const *D, const uint8_t *const *C,
                         const MmaOperands *Operands, unsigned Count,
                         unsigned Groups, unsigned K, bool Sixteen) {
  unsigned Halves = Sixteen ? 2 : 1;
  for (unsigned J = 0; J < Groups; ++J)
    for (unsigned H = 0; H < Halves; ++H, D += 2) {
      multiplyRows8(D, C, Operands, Count, H, J, K);
      if (C)
        C += 2;
    }
}

#define PTXSIM_AVX512                                                          \
  __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw")))

/// Sixteen rows by N groups of eight columns: A is read once for all of them.
template <unsigned N>
PTXSIM_AVX512 static void
multiplyGroups(uint8_t *const *D, const uint8_t *const *C,
               const MmaOperands *Operands, unsigned Count, unsigned First,
               unsigned K) {
  __m512 Acc[N][8];
  for (unsigned G = 0; G < N; ++G)
    for (unsigned V = 0; V < 8; ++V)
      Acc[G][V] = C ? _mm512_load_ps(C[4 * G + V / 2] + 64 * (V & 1))
                    : _mm512_setzero_ps();
  for (const MmaOperands *O = Operands; O != Operands + Count; ++O)
    for (unsigned J = 0; J < K; ++J) {
      const WideA &A = O->A[J];
      __m512 Rows[4] = {_mm512_load_ps(&A[0][0]), _mm512_load_ps(&A[0][16]),
                        _mm512_load_ps(&A[1][0]), _mm512_load_ps(&A[1][16])};
      for (unsigned G = 0; G < N; ++G) {
        const PatternB *At = O->B + O->Stride * (First + G) + 8 * J;
        __m512 BE = _mm512_broadcast_f32x4(_mm_loadu_ps(At));
        __m512 BO = _mm512_broadcast_f32x4(_mm_loadu_ps(At + 4));
        for (unsigned V = 0; V < 8; ++V)
          Acc[G][V] = _mm512_fmadd_ps(Rows[V / 4 * 2 + V % 2], V & 2 ? BO : BE,
                                      Acc[G][V]);
      }
    }
  for (unsigned G = 0; G < N; ++G)
    for (unsigned V = 0; V < 8; ++V)
      _mm512_store_ps(D[4 * G + V / 2] + 64 * (V & 1), Acc[G][V]);
}

static void multiplyAvx512(uint8_t *const *D, const uint8_t *const *C,
                           const MmaOperands *Operands, unsigned Count,
                           unsigned Groups, unsigned K) {
  unsigned J = 0;
  auto RowsOfC = [&] { return C ? C + 4 * J : nullptr; };
  for (; J + 2 <= Groups; J += 2)
    multiplyGroups<2>(D + 4 * J, RowsOfC(), Operands, Count, J, K);
  if (J < Groups)
    multiplyGroups<1>(D + 4 * J, RowsOfC(), Operands, Count, J, K);
}

void ptxsim::multiplyFloat(uint8_t *const *D, const uint8_t *const *C,
                           const MmaOperands *Operands, unsigned Count,
                           unsigned Groups, unsigned K, bool Sixteen) {
  if (hostHasAvx512() && Sixteen)
    multiplyAvx512(D, C, Operands, Count, Groups, K);
  else
    multiplyAvx2(D, C, Operands, Count, Groups, K, Sixteen);
}

static void addSaturating(int64_t *Sum, RowI32 X, RowI32 Y) {
  for (int L = 0; L < 32; ++L)
    Sum[L] += int64_t(X[L]) * Y[L];
}

/// One accumulator row; the sum of a whole product is exact in 64 bits.
static void integerRow(uint8_t *D, const WideA *A, unsigned Half,
                       const PatternB *B, unsigned Parity, unsigned K,
                       bool Zero, bool Saturate) {
  RowI32 C = Zero ? (RowI32)(0) : rowAt<RowI32>(D);
  RowI32 Sum = C;
  int64_t Exact[32];
  for (int L = 0; L < 32; ++L)
    Exact[L] = C[L];
  for (unsigned P = 0; P < K; ++P) {
    RowI32 X = rowAt<RowI32>((const uint8_t *)A[P][Half]), Y;
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

void ptxsim::multiplyInteger(uint8_t *const *D, const WideA *A,
                             const PatternB *B, unsigned Groups, unsigned K,
                             bool Zero, bool Sixteen, bool Saturate) {
  unsigned Rows = Sixteen ? 4 : 2;
  for (unsigned J = 0; J < Groups; ++J, B += 8 * K)
    for (unsigned R = 0; R < Rows; ++R)
      integerRow(D[J * Rows + R], A, R / 2, B, R & 1, K, Zero, Saturate);
}
