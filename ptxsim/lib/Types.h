// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// PTX fundamental types, state spaces and small enumerations that the parser,
// the decoder and the execution core share.
#ifndef PTXSIM_TYPES_H
#define PTXSIM_TYPES_H

#include <cstdint>
#include <string_view>

namespace ptxsim {

enum class Type : uint8_t {
  None,
  Pred,
  B8,
  U8,
  S8,
  B16,
  U16,
  S16,
  F16,
  BF16,
  E4M3x2,
  E5M2x2,
  UE8M0x2,
  B32,
  U32,
  S32,
  F32,
  F16x2,
  BF16x2,
  TF32,
  U16x2,
  S16x2,
  B64,
  U64,
  S64,
  F64,
  B128,
  // Types that only name matrix elements; no register has them.
  E4M3,
  E5M2,
  S4,
  U4,
  B1,
};

/// Register width in bits; predicates count as 1.
constexpr unsigned bitWidth(Type T) {
  switch (T) {
  case Type::None: return 0;
  case Type::Pred:
  case Type::B1: return 1;
  case Type::S4:
  case Type::U4: return 4;
  case Type::B8:
  case Type::U8:
  case Type::S8:
  case Type::E4M3:
  case Type::E5M2: return 8;
  case Type::B16:
  case Type::U16:
  case Type::S16:
  case Type::F16:
  case Type::BF16:
  case Type::E4M3x2:
  case Type::E5M2x2:
  case Type::UE8M0x2: return 16;
  case Type::B64:
  case Type::U64:
  case Type::S64:
  case Type::F64: return 64;
  case Type::B128: return 128;
  default: return 32;
  }
}
constexpr bool isFloat(Type T) {
  return T == Type::F16 || T == Type::BF16 || T == Type::F32 ||
         T == Type::F64 || T == Type::F16x2 || T == Type::BF16x2 ||
         T == Type::TF32;
}
constexpr bool isSigned(Type T) {
  return T == Type::S8 || T == Type::S16 || T == Type::S32 || T == Type::S64;
}

/// Name without the dot ("u32"); Type::None for an unknown name.
Type typeFromName(std::string_view Name);
std::string_view typeName(Type T);

enum class Space : uint8_t {
  Generic,
  Global,
  Shared,
  SharedCluster,
  Local,
  Const,
  Param,
};

enum class Cmp : uint8_t {
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  Lo,
  Ls,
  Hi,
  Hs,
  Equ,
  Neu,
  Ltu,
  Leu,
  Gtu,
  Geu,
  Num,
  Nan,
};

enum class Rounding : uint8_t { None, Rn, Rz, Rm, Rp, Rni, Rzi, Rmi, Rpi, Rna };

} // namespace ptxsim
#endif
