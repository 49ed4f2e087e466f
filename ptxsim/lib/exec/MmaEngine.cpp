// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix kernels. The f32 kernel exists twice, for AVX2 and AVX-512 hosts.
#include "MmaEngine.h"
#include "Fp8.h"
#include "Wide.h"
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

[[gnu::always_inline]] static inline RowF32
decodeElement(MatrixType T, RowU32 W, unsigned Index) {
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
/// Calls F with the type as a compile-time constant where that matters.
template <class Fn>
[[gnu::always_inline]] static inline void withType(MatrixType T, Fn F) {
  switch (T) {
  case MatrixType::BF16: return F(MatrixType::BF16);
  case MatrixType::F16: return F(MatrixType::F16);
  default: return F(T);
  }
}

[[gnu::always_inline]] static inline void
decodeRows(MatrixType T, const uint8_t *const *Registers, unsigned K,
           bool Sixteen, FragmentA *Out) {
  unsigned PerWord = perWord(T), Halves = Sixteen ? 2 : 1;
  for (unsigned First = 0; First < K; First += 4 * PerWord, Out += PerWord)
    for (unsigned H = 0; H < Halves; ++H, ++Registers) {
      RowU32 Words = rowAt<RowU32>(*Registers);
      for (unsigned E = 0; E < PerWord; ++E)
        rowAt<RowF32>(reinterpret_cast<uint8_t *>(Out[E][H])) =
            decodeElement(T, Words, E);
    }
}
[[gnu::always_inline]] static inline void
decodeTyped(MatrixType T, const uint8_t *const *Registers, unsigned K,
            bool Sixteen, FragmentA *Out) {
  withType(T, [&](MatrixType Ty) __attribute__((always_inline)) {
    decodeRows(Ty, Registers, K, Sixteen, Out);
  });
}
/// Products read whole vectors of 64 bytes, and so they are written.
PTXSIM_AVX512 static void decodeA512(MatrixType T,
                                     const uint8_t *const *Registers,
                                     unsigned K, bool Sixteen, FragmentA *Out) {
  decodeTyped(T, Registers, K, Sixteen, Out);
}
void ptxsim::decodeA(MatrixType T, const uint8_t *const *Registers, unsigned K,
                     bool Sixteen, FragmentA *Out) {
  if (hostHasAvx512())
    decodeA512(T, Registers, K, Sixteen, Out);
  else
    decodeTyped(T, Registers, K, Sixteen, Out);
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

[[gnu::always_inline]] static inline void
decodePattern(MatrixType T, const uint8_t *const *Registers, unsigned K,
              PatternB *Out) {
  unsigned PerWord = perWord(T), Step = 4 * PerWord;
  for (unsigned First = 0; First < K; First += Step, ++Registers) {
    RowU32 Words = rowAt<RowU32>(*Registers);
    for (unsigned E = 0; E < PerWord; ++E) {
      __m256 Quads[4];
      transposeQuads(decodeElement(T, Words, E), Quads);
      for (unsigned Quad = 0; Quad < 4; ++Quad)
        _mm256_storeu_ps(Out + 8 * (First + Quad * PerWord + E), Quads[Quad]);
    }
  }
}
void ptxsim::patternFromFragment(MatrixType T, const uint8_t *const *Registers,
                                 unsigned K, PatternB *Out) {
  withType(T, [&](MatrixType Ty) __attribute__((always_inline)) {
    decodePattern(Ty, Registers, K, Out);
  });
}

void ptxsim::patternFromWords(MatrixType T, const uint32_t Words[8][8],
                              PatternB *Out) {
  // Transposed in two halves of 4 words: lane 8 p + column position.
  unsigned PerWord = perWord(T);
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
/// Vectors of a host's width; everything is inlined into functions that are
/// compiled for that host.
template <unsigned Width>
using Vectors = float __attribute__((ext_vector_type(Width)));

template <int T>
[[gnu::always_inline]] static inline Vectors<8> broadcastQuad(Vectors<8> V) {
  return __builtin_shufflevector(V, V, T, T, T, T, T + 4, T + 4, T + 4, T + 4);
}
template <int T>
[[gnu::always_inline]] static inline Vectors<16> broadcastQuad(Vectors<16> V) {
  return __builtin_shufflevector(V, V, T, T, T, T, T + 4, T + 4, T + 4, T + 4,
                                 T + 8, T + 8, T + 8, T + 8, T + 12, T + 12,
                                 T + 12, T + 12);
}
template <unsigned Width>
[[gnu::always_inline]] static inline Vectors<Width> repeat(const PatternB *P) {
  Vectors<4> V;
  std::memcpy(&V, P, sizeof(V));
  if constexpr (Width == 8)
    return __builtin_shufflevector(V, V, 0, 1, 2, 3, 0, 1, 2, 3);
  else
    return __builtin_shufflevector(V, V, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0,
                                   1, 2, 3);
}

/// The product of Halves times eight rows and Groups times eight columns, with
/// all accumulators in the host's registers.
template <unsigned Width, unsigned Halves, unsigned Groups, unsigned PerWord>
struct Tile {
  static constexpr unsigned Parts = 32 / Width;
  using Vector = Vectors<Width>;
  Vector Acc[Groups][Halves][2][Parts];

  /// Calls F(row, its accumulators) for all rows. Those of the first group
  /// begin at Row, those of the next ones are Step further.
  template <class F>
  [[gnu::always_inline]] void forRows(uint8_t *Rows, const uint32_t *Row,
                                      unsigned Step, F Fn) {
    for (unsigned G = 0; G < Groups; ++G)
      for (unsigned H = 0; H < Halves; ++H)
        for (unsigned R = 0; R < 2; ++R)
          Fn(reinterpret_cast<Vector *>(Rows + Row[G * Step + 2 * H + R]),
             Acc[G][H][R]);
  }
  [[gnu::always_inline]] void load(uint8_t *Rows, const uint32_t *C,
                                   unsigned Step) {
    if (!C)
      std::memset(&Acc, 0, sizeof(Acc));
    else
      forRows(Rows, C, Step,
              [](Vector *Row, Vector *To) __attribute__((always_inline)) {
                for (unsigned P = 0; P < Parts; ++P)
                  To[P] = Row[P];
              });
  }
  [[gnu::always_inline]] void store(uint8_t *Rows, const uint32_t *D,
                                    unsigned Step) {
    forRows(Rows, D, Step,
            [](Vector *Row, const Vector *From) __attribute__((always_inline)) {
              for (unsigned P = 0; P < Parts; ++P)
                Row[P] = From[P];
            });
  }
  template <int T>
  [[gnu::always_inline]] void addColumn(const float (*A)[32],
                                        const PatternB *const *B, unsigned At) {
    Vector X[Halves][Parts];
    for (unsigned H = 0; H < Halves; ++H)
      for (unsigned P = 0; P < Parts; ++P)
        X[H][P] = broadcastQuad<T>(reinterpret_cast<const Vector *>(A[H])[P]);
    for (unsigned G = 0; G < Groups; ++G)
      for (unsigned R = 0; R < 2; ++R) {
        Vector Y = repeat<Width>(B[G] + At + 4 * R);
        for (unsigned H = 0; H < Halves; ++H)
          for (unsigned P = 0; P < Parts; ++P)
            Acc[G][H][R][P] =
                __builtin_elementwise_fma(X[H][P], Y, Acc[G][H][R][P]);
      }
  }
  template <int T>
  [[gnu::always_inline]] void addQuad(const FragmentA *A, unsigned Half,
                                      const PatternB *const *B) {
    for (unsigned E = 0; E < PerWord; ++E)
      addColumn<T>(&A[E][Half], B, 8 * (T * PerWord + E));
  }
  /// Adds the product in ascending k.
  [[gnu::always_inline]] void add(const MmaOperands &O, unsigned Half,
                                  unsigned Group, unsigned K) {
    const FragmentA *A = O.A;
    const PatternB *B[Groups];
    for (unsigned G = 0; G < Groups; ++G)
      B[G] = O.B + O.Offset[Group + G];
    for (unsigned First = 0; First < K; First += 4 * PerWord) {
      addQuad<0>(A, Half, B);
      addQuad<1>(A, Half, B);
      addQuad<2>(A, Half, B);
      addQuad<3>(A, Half, B);
      A += PerWord;
      for (unsigned G = 0; G < Groups; ++G)
        B[G] += 32 * PerWord;
    }
  }
};

namespace {
struct Product {
  uint8_t *Rows;
  const uint32_t *D, *C;
  const MmaOperands *Operands;
  unsigned Count, Groups, K;
  bool Sixteen;
};
} // namespace

/// All rows of the column groups from Group on, Halves times eight at a time.
template <unsigned Width, unsigned Halves, unsigned Groups, unsigned PerWord>
[[gnu::always_inline]] static inline void multiplyTile(const Product &P,
                                                       unsigned Group) {
  unsigned All = P.Sixteen ? 2 : 1, Step = 2 * All;
  for (unsigned Half = 0; Half < All; Half += Halves) {
    unsigned Row = Group * Step + 2 * Half;
    Tile<Width, Halves, Groups, PerWord> T;
    T.load(P.Rows, P.C ? P.C + Row : nullptr, Step);
    for (unsigned J = 0; J < P.Count; ++J)
      T.add(P.Operands[J], Half, Group, P.K);
    T.store(P.Rows, P.D + Row, Step);
  }
}

template <unsigned PerWord> static void multiplyAvx2(const Product &P) {
  for (unsigned J = 0; J < P.Groups; ++J)
    multiplyTile<8, 1, 1, PerWord>(P, J);
}
template <unsigned PerWord>
PTXSIM_AVX512 static void multiplyAvx512(const Product &P) {
  unsigned J = 0;
  for (; J + 2 <= P.Groups; J += 2)
    multiplyTile<16, 2, 2, PerWord>(P, J);
  if (J < P.Groups)
    multiplyTile<16, 2, 1, PerWord>(P, J);
}

void ptxsim::multiplyFloat(uint8_t *Rows, const uint32_t *D, const uint32_t *C,
                           const MmaOperands *Operands, unsigned Count,
                           unsigned Groups, unsigned K, unsigned PerWord,
                           bool Sixteen) {
  Product P{Rows, D, C, Operands, Count, Groups, K, Sixteen};
  bool Wide = hostHasAvx512() && Sixteen;
  switch (PerWord) {
  case 1: return Wide ? multiplyAvx512<1>(P) : multiplyAvx2<1>(P);
  case 2: return Wide ? multiplyAvx512<2>(P) : multiplyAvx2<2>(P);
  default: return Wide ? multiplyAvx512<4>(P) : multiplyAvx2<4>(P);
  }
}

static void addSaturating(int64_t *Sum, RowI32 X, RowI32 Y) {
  for (int L = 0; L < 32; ++L)
    Sum[L] += int64_t(X[L]) * Y[L];
}

/// One accumulator row; the sum of a whole product is exact in 64 bits.
static void integerRow(uint8_t *D, const FragmentA *A, unsigned Half,
                       const PatternB *B, unsigned Parity, unsigned K,
                       unsigned PerWord, bool Zero, bool Saturate) {
  RowI32 C = Zero ? (RowI32)(0) : rowAt<RowI32>(D);
  RowI32 Sum = C;
  int64_t Exact[32];
  for (int L = 0; L < 32; ++L)
    Exact[L] = C[L];
  for (unsigned P = 0; P < K; ++P) {
    unsigned Quad = P / PerWord % 4;
    int32_t Elements[32], Four[4];
    std::memcpy(Elements, A[P / (4 * PerWord) * PerWord + P % PerWord][Half],
                sizeof(Elements));
    std::memcpy(Four, B + 8 * P + 4 * Parity, 16);
    RowI32 X, Y;
    for (unsigned L = 0; L < 32; ++L) {
      X[L] = Elements[L / 4 * 4 + Quad];
      Y[L] = Four[L & 3];
    }
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

void ptxsim::multiplyInteger(uint8_t *Rows, const uint32_t *D,
                             const FragmentA *A, const PatternB *B,
                             unsigned Groups, unsigned K, unsigned PerWord,
                             bool Zero, bool Sixteen, bool Saturate) {
  unsigned PerGroup = Sixteen ? 4 : 2;
  for (unsigned J = 0; J < Groups; ++J, B += 8 * K)
    for (unsigned R = 0; R < PerGroup; ++R)
      integerRow(Rows + D[J * PerGroup + R], A, R / 2, B, R & 1, K, PerWord,
                 Zero, Saturate);
}
