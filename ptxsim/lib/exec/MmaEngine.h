// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of a 16 x K by K x N matrix in the register layout of the tensor
// cores. Lane 4g + t of an accumulator register holds row g (or g + 8) and
// column 2t (or 2t + 1) of each group of 8 columns. With an element of A
// broadcast within each quad of lanes and B as a pattern of 4 columns, a
// product is a sequence of fused multiply-adds on accumulator registers where
// they lie.
#ifndef PTXSIM_EXEC_MMAENGINE_H
#define PTXSIM_EXEC_MMAENGINE_H

#include "FloatOps.h"

namespace ptxsim {

enum class MatrixType : uint8_t {
  F16,
  BF16,
  TF32,
  E4M3,
  E5M2,
  S8,
  U8,
  S4,
  U4,
  F64,
};
constexpr MatrixType matrixType(Type T) {
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
constexpr unsigned matrixBits(MatrixType T) {
  switch (T) {
  case MatrixType::F16:
  case MatrixType::BF16: return 16;
  case MatrixType::TF32: return 32;
  case MatrixType::S4:
  case MatrixType::U4: return 4;
  case MatrixType::F64: return 64;
  default: return 8;
  }
}
constexpr unsigned perWord(MatrixType T) { return 32 / matrixBits(T); }
constexpr bool isInteger(MatrixType T) {
  return T == MatrixType::S8 || T == MatrixType::U8 || T == MatrixType::S4 ||
         T == MatrixType::U4;
}

constexpr unsigned MaxK = 64;

/// Elements of A as they lie in a fragment, one vector for each element of a
/// 32-bit word: [0] lane 4g + t is A[g][k], [1] is A[g + 8][k], where k is the
/// element's place in word t of a group of four words. An operand is an array
/// of K / 4 of them, by group and then by element, 128 bytes aligned.
using FragmentA = float[2][32];
/// B in pattern form, for column group j: [j][k][parity][q] is
/// B[k][8j + 2q + parity]. Integers are held as int32 in the same places.
using PatternB = float;

/// Fills A from fragment registers: register i covers rows g + 8 (i & 1) and
/// the (i / 2)-th group of 128 bits of k. Rows 8 to 15 only if Sixteen.
void decodeA(MatrixType T, const uint8_t *const *Registers, unsigned K,
             bool Sixteen, FragmentA *Out);
/// Fills one column group of B from fragment registers.
void patternFromFragment(MatrixType T, const uint8_t *const *Registers,
                         unsigned K, PatternB *Out);
/// Fills one column group from Words[n][p], 8 columns of 256 bits of k each.
void patternFromWords(MatrixType T, const uint32_t Words[8][8], PatternB *Out);

/// Operands of one product. Column group j of B is at B + Offset[j] elements.
struct MmaOperands {
  const FragmentA *A;
  const PatternB *B;
  const uint32_t *Offset;
};

/// D = C + the sum of Count products A B, for Groups column groups. Rows + D[4
/// j + r] are the accumulator rows of group j: r = 0, 1 rows 0-7 even and odd
/// columns, r = 2, 3 rows 8-15; without Sixteen D[2 j + r] with r = 0, 1 only.
/// C is laid out like D, or null for zeros; no row of D may be one of C, except
/// at the same place. Products are added in order and in ascending k, with one
/// rounding each. PerWord: elements of a 32-bit word, 1, 2 or 4.
void multiplyFloat(uint8_t *Rows, const uint32_t *D, const uint32_t *C,
                   const MmaOperands *Operands, unsigned Count, unsigned Groups,
                   unsigned K, unsigned PerWord, bool Sixteen);
/// D += A B in wrapping or saturating 32-bit integers; from 0 with Zero.
void multiplyInteger(uint8_t *Rows, const uint32_t *D, const FragmentA *A,
                     const PatternB *B, unsigned Groups, unsigned K,
                     unsigned PerWord, bool Zero, bool Sixteen, bool Saturate);

} // namespace ptxsim
#endif
