// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products of seldom used kinds, element by element: single bits, 4 bits
// by wmma, m8n8k4 of f16, and sparse ones. Fragments as in the PTX ISA, "Matrix
// Fragments for mma" and "for sparse mma".
#include "Fp8.h"
#include "Wmma.h"
#include <algorithm>

using namespace ptxsim;

namespace {
struct Place {
  unsigned Row, Column;
};
/// Elements of a register; of f16 two, and one of f32 or tf32.
unsigned elementsOf(Type T) { return T == Type::TF32 ? 1 : 32 / bitWidth(T); }
} // namespace

static Place placeInA(unsigned M, unsigned PerRegister, uint32_t L,
                      unsigned Reg, unsigned Part) {
  unsigned Halves = M / 8;
  return {L / 4 + 8 * (Reg % Halves),
          PerRegister * (4 * (Reg / Halves) + L % 4) + Part};
}
static Place placeInB(unsigned PerRegister, uint32_t L, unsigned Reg,
                      unsigned Part) {
  return {PerRegister * (4 * Reg + L % 4) + Part, L / 4};
}
/// Element of the accumulators of lane L.
static Place placeInC(uint32_t L, unsigned Element) {
  return {L / 4 + 8 * (Element / 2), 2 * (L % 4) + Element % 2};
}

static int64_t integerOf(Type T, uint32_t Bits) {
  switch (T) {
  case Type::S4: return int32_t(Bits << 28) >> 28;
  case Type::S8: return int8_t(Bits);
  case Type::S32: return int32_t(Bits);
  default: return Bits;
  }
}
static float floatOf(Type T, uint32_t Bits) {
  float F;
  if (T == Type::F16) {
    _Float16 H;
    std::memcpy(&H, &Bits, 2);
    return float(H);
  }
  uint32_t U = T == Type::BF16   ? Bits << 16
               : T == Type::TF32 ? Bits & 0xffffe000u
                                 : Bits;
  std::memcpy(&F, &U, 4);
  return F;
}

/// Calls Fn(lane, register, part, bits) for the elements of a fragment.
template <class F>
static void forFragment(const Detail &D, unsigned Operand, const uint8_t *R,
                        Type T, F Fn) {
  unsigned N = elementsOf(T), Bits = 32 / N;
  uint32_t Mask = Bits == 32 ? ~0u : (1u << Bits) - 1;
  for (unsigned Reg = 0; Reg < D.Operands[Operand].Count; ++Reg)
    for (uint32_t L = 0; L < 32; ++L) {
      uint32_t Word = laneOf<uint32_t>(R, D.slot(Operand, Reg), L);
      for (unsigned P = 0; P < N; ++P)
        Fn(L, Reg, P, Word >> (Bits * P) & Mask);
    }
}
/// Writes the elements of a fragment of f16, f32 or s32: Fn(lane, element).
template <class F>
static void writeFragment(const Detail &D, uint8_t *R, Type T, F Fn) {
  unsigned N = elementsOf(T);
  for (unsigned Reg = 0; Reg < D.Operands[0].Count; ++Reg)
    for (uint32_t L = 0; L < 32; ++L) {
      uint32_t Word = 0;
      for (unsigned P = 0; P < N; ++P) {
        auto V = Fn(L, Reg * N + P);
        uint32_t Bits = 0;
        if (T == Type::F16) {
          _Float16 H = _Float16(V);
          std::memcpy(&Bits, &H, 2);
        } else {
          std::memcpy(&Bits, &V, 4);
        }
        Word |= Bits << (16 * P);
      }
      std::memcpy(R + D.slot(0, Reg) + 4 * L, &Word, 4);
    }
}

// ---- integers and bits -----------------------------------------------------
static constexpr unsigned MostRows = 16, MostColumns = 8, MostK = 256;

/// A sum as 32 bits: clamped, or what is left of it.
static int32_t sumOf(const OpcodeInfo &Info, int64_t V) {
  if (Info.has(Mod::Satfinite))
    V = std::clamp<int64_t>(V, INT32_MIN, INT32_MAX);
  return int32_t(uint32_t(uint64_t(V)));
}

static void mmaIntegers(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const Detail &D = W->P->Details[I->X];
  const OpcodeInfo &Info = D.Info;
  MatrixShape S = Info.Shape;
  int64_t A[MostRows][MostK], B[MostK][MostColumns];
  int64_t Sum[MostRows][MostColumns];
  unsigned N = elementsOf(Info.Types[1]);
  forFragment(D, 1, R, Info.Types[1],
              [&](uint32_t L, unsigned Reg, unsigned P, uint32_t V) {
                Place At = placeInA(S.M, N, L, Reg, P);
                A[At.Row][At.Column] = integerOf(Info.Types[1], V);
              });
  forFragment(D, 2, R, Info.Types[2],
              [&](uint32_t L, unsigned Reg, unsigned P, uint32_t V) {
                Place At = placeInB(N, L, Reg, P);
                B[At.Row][At.Column] = integerOf(Info.Types[2], V);
              });
  forFragment(D, 3, R, Type::S32,
              [&](uint32_t L, unsigned Reg, unsigned, uint32_t V) {
                Place At = placeInC(L, Reg);
                Sum[At.Row][At.Column] = integerOf(Type::S32, V);
              });
  bool Xor = Info.has(Mod::XorMod);
  for (unsigned Row = 0; Row < S.M; ++Row)
    for (unsigned Column = 0; Column < S.N; ++Column)
      for (unsigned K = 0; K < S.K; ++K)
        Sum[Row][Column] +=
            Xor ? A[Row][K] ^ B[K][Column] : A[Row][K] * B[K][Column];
  writeFragment(D, R, Type::S32, [&](uint32_t L, unsigned Element) {
    Place At = placeInC(L, Element);
    return sumOf(Info, Sum[At.Row][At.Column]);
  });
  countProducts(W, 1, uint64_t(S.M) * S.N * S.K);
  PTXSIM_NEXT;
}

// ---- m8n8k4 ----------------------------------------------------------------
// Lanes 4p to 4p + 3 and 4p + 16 to 4p + 19 make product p.
static unsigned productOf(uint32_t L) { return L % 16 / 4; }
static unsigned groupRow(uint32_t L) { return L % 4 + (L < 16 ? 0 : 4); }

/// Row and k of element E of A, or column and k of B, by the matrix's layout.
static Place placeInEighth(uint32_t L, unsigned E, bool AlongK) {
  if (AlongK)
    return {groupRow(L), E};
  return {E + (L < 16 ? 0u : 4u), L % 4};
}
static Place placeInEight(uint32_t L, unsigned E, bool Single) {
  if (!Single)
    return {groupRow(L), E};
  return {(L & 1) + (E & 2) + (L < 16 ? 0u : 4u), (E & 4) + (L & 2) + (E & 1)};
}

static void mmaEights(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const Detail &D = W->P->Details[I->X];
  Type TD = D.Info.Types[0], TC = D.Info.Types[3];
  float A[4][8][4], B[4][8][4], C[4][8][8];
  forFragment(D, 1, R, Type::F16,
              [&](uint32_t L, unsigned Reg, unsigned P, uint32_t V) {
                Place At = placeInEighth(L, 2 * Reg + P, I->Aux & 1);
                A[productOf(L)][At.Row][At.Column] = floatOf(Type::F16, V);
              });
  forFragment(D, 2, R, Type::F16,
              [&](uint32_t L, unsigned Reg, unsigned P, uint32_t V) {
                Place At = placeInEighth(L, 2 * Reg + P, I->Aux & 2);
                B[productOf(L)][At.Row][At.Column] = floatOf(Type::F16, V);
              });
  forFragment(
      D, 3, R, TC, [&](uint32_t L, unsigned Reg, unsigned P, uint32_t V) {
        Place At = placeInEight(L, elementsOf(TC) * Reg + P, TC == Type::F32);
        C[productOf(L)][At.Row][At.Column] = floatOf(TC, V);
      });
  for (unsigned Q = 0; Q < 4; ++Q)
    for (unsigned Row = 0; Row < 8; ++Row)
      for (unsigned Column = 0; Column < 8; ++Column)
        for (unsigned K = 0; K < 4; ++K)
          C[Q][Row][Column] =
              __builtin_fmaf(A[Q][Row][K], B[Q][Column][K], C[Q][Row][Column]);
  writeFragment(D, R, TD, [&](uint32_t L, unsigned E) {
    Place At = placeInEight(L, E, TD == Type::F32);
    return C[productOf(L)][At.Row][At.Column];
  });
  countProducts(W, 1, 4 * 8 * 8 * 4);
  PTXSIM_NEXT;
}

// ---- sparse ----------------------------------------------------------------
/// Indices of the elements that a row has, for 16 columns of 16-bit elements
/// (8 of tf32): 16 bits of the metadata of one lane of each quad, the lower
/// half for row g and the upper one for g + 8. Each pair of 2-bit indices is
/// within 4 columns; tf32 elements take a pair each.
static bool columnOf(uint32_t Indices, unsigned Element, bool Single,
                     unsigned &Column) {
  if (!Single) {
    Column = 4 * (Element / 2) + (Indices >> (2 * Element) & 3);
    return Element % 2 == 0 ||
           (Indices >> (2 * Element - 2) & 3) < (Indices >> (2 * Element) & 3);
  }
  unsigned Pair = Indices >> (4 * Element) & 15;
  Column = 2 * Element + (Pair == 0xe);
  return Pair == 0xe || Pair == 4;
}

/// Aux: the selector.
static void mmaSparse(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  const Detail &D = W->P->Details[I->X];
  const OpcodeInfo &Info = D.Info;
  MatrixShape S = Info.Shape;
  Type TA = Info.Types[1], TD = Info.Types[0], TC = Info.Types[3];
  bool Single = TA == Type::TF32;
  float A[16][32] = {}, B[32][8], C[16][8];
  unsigned N = elementsOf(TA), PerLane = Single ? 4 : 8; // of metadata
  unsigned Lanes = S.K / (Single ? 8 : 16); // of a quad that have metadata
  for (unsigned Row = 0; Row < 16; ++Row)
    for (unsigned E = 0; E < S.K / 2u; ++E) {
      uint32_t From = Row % 8 * 4 + I->Aux * Lanes + E / PerLane, Column;
      uint32_t Word = laneOf<uint32_t>(R, D.slot(4), From) >> (Row / 8 * 16);
      if (!columnOf(Word & 0xffff, E % PerLane, Single, Column))
        return fault(W, I, FaultKind::Illegal, From,
                     "sparsity metadata " + hex(Word & 0xffff) + " of row " +
                         std::to_string(Row) + " have no ascending indices");
      // Registers alternate between rows g and g + 8.
      unsigned Reg = E / (4 * N) * 2 + Row / 8;
      uint32_t L = Row % 8 * 4 + E / N % 4;
      uint32_t V = laneOf<uint32_t>(R, D.slot(1, Reg), L);
      V = Single ? V : V >> (16 * (E % 2)) & 0xffff;
      A[Row][Column + E / PerLane * 2 * PerLane] = floatOf(TA, V);
    }
  forFragment(D, 2, R, TA,
              [&](uint32_t L, unsigned Reg, unsigned P, uint32_t V) {
                Place At = placeInB(N, L, Reg, P);
                B[At.Row][At.Column] = floatOf(TA, V);
              });
  forFragment(D, 3, R, TC,
              [&](uint32_t L, unsigned Reg, unsigned P, uint32_t V) {
                Place At = placeInC(L, elementsOf(TC) * Reg + P);
                C[At.Row][At.Column] = floatOf(TC, V);
              });
  for (unsigned Row = 0; Row < 16; ++Row)
    for (unsigned Column = 0; Column < 8; ++Column)
      for (unsigned K = 0; K < S.K; ++K)
        C[Row][Column] =
            __builtin_fmaf(A[Row][K], B[K][Column], C[Row][Column]);
  writeFragment(D, R, TD, [&](uint32_t L, unsigned Element) {
    Place At = placeInC(L, Element);
    return C[At.Row][At.Column];
  });
  countProducts(W, 1, uint64_t(S.M) * S.N * S.K);
  PTXSIM_NEXT;
}

/// Of 8 and 4 bits: an index of 2 bits stands for one element, or for two of 4
/// bits, and the 16 of a word for 32 (64) columns of one row: lanes with an
/// even number in the quad have row g, the others row g + 8.
static bool narrowColumn(uint32_t Word, unsigned Index, unsigned &Column) {
  unsigned At = Word >> (2 * Index) & 3;
  Column = 4 * (Index / 2) + At;
  return Index % 2 == 0 || (Word >> (2 * Index - 2) & 3) < At;
}

/// The values of T that Of makes of elements' bits, expanded and multiplied.
template <class T, class Sum, class F, class Add>
static bool narrowProduct(Warp *W, const Inst *I, const uint8_t *R, F Of,
                          Add Into, Sum (&C)[16][8]) {
  const Detail &D = W->P->Details[I->X];
  MatrixShape S = D.Info.Shape;
  Type TA = D.Info.Types[1], TB = D.Info.Types[2];
  unsigned N = elementsOf(TA), Unit = N / 4, PerWord = 16 * Unit;
  T A[16][128] = {}, B[128][8];
  for (unsigned Row = 0; Row < 16; ++Row)
    for (unsigned E = 0; E < S.K / 2u; ++E) {
      unsigned Part = E / PerWord, Column;
      uint32_t From = Row % 8 * 4 + 2 * (I->Aux + Part) + Row / 8;
      uint32_t Word = laneOf<uint32_t>(R, D.slot(4), From);
      if (!narrowColumn(Word, E % PerWord / Unit, Column)) {
        fault(W, I, FaultKind::Illegal, From,
              "sparsity metadata " + hex(Word) + " of row " +
                  std::to_string(Row) + " have no ascending indices");
        return false;
      }
      uint32_t L = Row % 8 * 4 + E / N % 4;
      uint32_t V = laneOf<uint32_t>(R, D.slot(1, E / (4 * N) * 2 + Row / 8), L);
      V = V >> (32 / N * (E % N)) & ((1u << 32 / N) - 1);
      A[Row][Unit * Column + E % Unit + Part * 2 * PerWord] = Of(TA, V);
    }
  forFragment(D, 2, R, TB,
              [&](uint32_t L, unsigned Reg, unsigned P, uint32_t V) {
                Place At = placeInB(N, L, Reg, P);
                B[At.Row][At.Column] = Of(TB, V);
              });
  for (unsigned Row = 0; Row < 16; ++Row)
    for (unsigned Column = 0; Column < 8; ++Column)
      for (unsigned K = 0; K < S.K; ++K)
        Into(C[Row][Column], A[Row][K], B[K][Column]);
  return true;
}

template <bool Floating> static void mmaSparseNarrow(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  if (!On)
    PTXSIM_NEXT;
  if (!wholeWarp(W, I, On))
    return;
  using Sum = std::conditional_t<Floating, float, int64_t>;
  const Detail &D = W->P->Details[I->X];
  Type TC = D.Info.Types[3];
  Sum C[16][8];
  forFragment(D, 3, R, TC, [&](uint32_t L, unsigned Reg, unsigned, uint32_t V) {
    Place At = placeInC(L, Reg);
    if constexpr (Floating)
      C[At.Row][At.Column] = floatOf(TC, V);
    else
      C[At.Row][At.Column] = integerOf(TC, V);
  });
  auto Of = [](Type T, uint32_t V) -> Sum {
    if constexpr (Floating)
      return T == Type::E5M2 ? fp8ToFloat<true>(uint8_t(V))
                             : fp8ToFloat<false>(uint8_t(V));
    else
      return integerOf(T, V);
  };
  auto Into = [](Sum &To, Sum A, Sum B) {
    if constexpr (Floating)
      To = __builtin_fmaf(A, B, To);
    else
      To += A * B;
  };
  if (!narrowProduct<Sum>(W, I, R, Of, Into, C))
    return;
  writeFragment(D, R, TC, [&](uint32_t L, unsigned Element) {
    Place At = placeInC(L, Element);
    if constexpr (Floating)
      return C[At.Row][At.Column];
    else
      return sumOf(D.Info, C[At.Row][At.Column]);
  });
  countProducts(W, 1, uint64_t(16) * 8 * D.Info.Shape.K);
  PTXSIM_NEXT;
}

/// Layouts are words of the opcode, which may stand twice: bit 0 of Aux is set
/// where rows of A, bit 1 where columns of B lie along k.
static uint16_t layoutsOf(std::string_view Text) {
  size_t At = Text.find("m8n8k4.") + 7;
  return uint16_t(Text.substr(At, 3) == "row") |
         uint16_t(Text.substr(At + 4, 3) == "col") << 1;
}

bool ptxsim::selectMmaPlain(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  if (Info.O == Op::MmaSparse) {
    unsigned Bits = bitWidth(Info.Types[1]);
    bool Narrow = Bits <= 8;
    int64_t Selectors =
        Narrow ? 512 / (Bits * Info.Shape.K)
               : 4 / (Info.Shape.K / (Info.Types[1] == Type::TF32 ? 8 : 16));
    if (L.Immediates[0] < 0 || L.Immediates[0] >= Selectors)
      return false;
    I.Aux = uint16_t(L.Immediates[0]);
    bool Floating = Info.Types[0] == Type::F32;
    I.Fn = !Narrow    ? mmaSparse
           : Floating ? mmaSparseNarrow<true>
                      : mmaSparseNarrow<false>;
  } else if (Info.O == Op::MmaPlain) {
    bool Eights = Info.Shape.K == 4;
    I.Aux = Eights ? layoutsOf(L.Text) : 0;
    I.Fn = Eights ? mmaEights : mmaIntegers;
  } else {
    return false;
  }
  I.X = E.addDetail(L);
  return true;
}
