// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The simulator's own encoding of a tensor map. The driver writes it into the
// opaque 128 bytes of CUtensorMap, tensor copies read it.
#ifndef PTXSIM_TENSORMAP_H
#define PTXSIM_TENSORMAP_H

#include <cstdint>

namespace ptxsim {

enum class TensorType : uint8_t {
  U8,
  U16,
  U32,
  S32,
  U64,
  S64,
  F16,
  F32,
  F64,
  BF16,
  F32Ftz,
  TF32,
  TF32Ftz,
};
constexpr unsigned tensorTypeBytes(TensorType T) {
  switch (T) {
  case TensorType::U8: return 1;
  case TensorType::U16:
  case TensorType::F16:
  case TensorType::BF16: return 2;
  case TensorType::U64:
  case TensorType::S64:
  case TensorType::F64: return 8;
  default: return 4;
  }
}

/// Swizzle: bytes of a row over which 16-byte chunks are permuted.
enum class Swizzle : uint8_t { None, B32, B64, B128 };

struct TensorMap {
  static constexpr uint32_t MagicValue = 0x50545331; // "1STP"
  uint32_t Magic;
  uint8_t Rank;
  TensorType Type;
  Swizzle Swizzling;
  uint8_t FillNaN; // out-of-bounds elements: zero, or NaN
  uint8_t Im2col;
  uint8_t ElementStride[5];
  uint16_t Channels, Pixels; // im2col: box of one copy
  uint64_t Base;
  uint64_t Stride[4];    // bytes, of dimensions 1 to 4
  uint32_t LastIndex[5]; // extent - 1
  uint16_t Box[5];
  int16_t Lower[3], Upper[3]; // im2col bounding box, W H D
};
static_assert(sizeof(TensorMap) <= 128);

/// Physical shared memory address of logical byte Address of a tile.
constexpr uint32_t swizzled(Swizzle S, uint32_t Address) {
  switch (S) {
  case Swizzle::B32: return Address ^ (Address >> 7 & 1) << 4;
  case Swizzle::B64: return Address ^ (Address >> 7 & 3) << 4;
  case Swizzle::B128: return Address ^ (Address >> 7 & 7) << 4;
  default: return Address;
  }
}
constexpr unsigned swizzleSpan(Swizzle S) {
  return S == Swizzle::None ? 0 : 16u << unsigned(S);
}

} // namespace ptxsim
#endif
