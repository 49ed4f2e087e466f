// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How many registers of which type a matrix operand occupies per thread.
#include "OpcodeTable.h"
#include <algorithm>

using namespace ptxsim;

static unsigned elementBits(Type T) {
  return T == Type::TF32 ? 32 : bitWidth(T);
}

/// Types are written D A B C, or D C for f16 wmma products.
static Type operandElement(char Fragment, const OpcodeInfo &I) {
  bool Short = I.O == Op::WmmaMma && I.NumTypes == 2;
  switch (Fragment) {
  case 'D': return I.Types[0];
  case 'A': return Short ? Type::F16 : I.Types[1];
  case 'B': return Short ? Type::F16 : I.Types[2];
  case 'G': return I.Types[1];
  default:
    return Short ? I.Types[1] : I.O == Op::Wgmma ? I.Types[0] : I.Types[3];
  }
}

static unsigned elementCount(char Fragment, MatrixShape S) {
  switch (Fragment) {
  case 'A': return unsigned(S.M) * S.K;
  case 'B': return unsigned(S.K) * S.N;
  default: return unsigned(S.M) * S.N;
  }
}

/// wmma fragments of f16 A and B take 8 registers in every shape.
static unsigned wmmaSize(char Which, Type Element, MatrixShape S) {
  bool Operand = Which == 'A' || Which == 'B';
  if (Operand && Element == Type::F16)
    return 8;
  unsigned Bits = elementBits(Element);
  unsigned PerRegister = std::max(1u, 32 / Bits);
  return std::max(1u, elementCount(Which, S) / 32 / PerRegister);
}
static char wmmaFragment(const OpcodeInfo &I) {
  return I.has(Mod::A) ? 'A' : I.has(Mod::B) ? 'B' : 'C';
}

unsigned ptxsim::fragmentSize(char Fragment, const OpcodeInfo &I) {
  switch (I.O) {
  case Op::Ldmatrix:
  case Op::Stmatrix: return I.has(Mod::X4) ? 4 : I.has(Mod::X2) ? 2 : 1;
  case Op::TensorLoad: // im2col offsets
  case Op::TensorPrefetch: return I.Dims - 2u;
  case Op::WmmaLoad:
  case Op::WmmaStore: return wmmaSize(wmmaFragment(I), I.Types[0], I.Shape);
  case Op::WmmaMma:
    return wmmaSize(Fragment, operandElement(Fragment, I), I.Shape);
  case Op::Wgmma:
    if (Fragment == 'G') // 16 rows of a warp, 256 bits of k
      return 4;
    return I.Shape.N / 8u * (I.Types[0] == Type::F16 ? 2 : 4);
  case Op::MmaPlain:
    if (I.Shape.K == 4) { // four products of 8 x 8 side by side
      bool IsInput = Fragment == 'A' || Fragment == 'B';
      Type T = operandElement(Fragment, I);
      return IsInput ? 2 : T == Type::F16 ? 4 : 8;
    }
    [[fallthrough]];
  case Op::MmaSparse: // A has half of its elements
  case Op::Mma: {
    unsigned Bits = elementBits(operandElement(Fragment, I));
    unsigned Elements = elementCount(Fragment, I.Shape) / 32;
    if (I.O == Op::MmaSparse && Fragment == 'A')
      Elements /= 2;
    return Bits == 64 ? Elements : std::max(1u, Elements * Bits / 32);
  }
  default: return 0;
  }
}

Type ptxsim::fragmentType(char Fragment, const OpcodeInfo &I) {
  if (I.O == Op::TensorLoad || I.O == Op::TensorPrefetch)
    return Type::B16;
  if (I.O == Op::Ldmatrix || I.O == Op::Stmatrix)
    return Type::B32;
  Type T = I.O == Op::WmmaLoad || I.O == Op::WmmaStore
               ? I.Types[0]
               : operandElement(Fragment, I);
  if (T == Type::F64)
    return Type::F64;
  return T == Type::F32 ? Type::F32 : Type::B32;
}
