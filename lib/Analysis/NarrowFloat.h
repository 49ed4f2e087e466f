// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// f32 to and from the 16-bit floats, by their bits: weights of a whole model
// are cast when it is compiled for a lower precision.
#ifndef DLC_LIB_ANALYSIS_NARROWFLOAT_H
#define DLC_LIB_ANALYSIS_NARROWFLOAT_H

#include <bit>
#include <cstdint>

namespace dlc {

/// Rounded to nearest even; a NaN stays one, made quiet.
inline uint16_t toBFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  bool isNaN = (bits & 0x7fffffff) > 0x7f800000;
  uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  return isNaN ? bits >> 16 | 0x40 : rounded >> 16;
}

/// Exact; a NaN is made quiet.
inline float fromBFloat(uint16_t bits) {
  uint32_t quiet = (bits & 0x7fff) > 0x7f80 ? 0x400000 : 0;
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16 | quiet);
}

/// Rounded to nearest even, also to subnormals; what is too large becomes
/// infinite; a NaN stays one, made quiet.
inline uint16_t toHalf(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  if (size > 0x7f800000) {
    return sign | 0x7e00 | (size >> 13 & 0x3ff);
  }
  if (size >= 0x477ff000) { // 65520, half way beyond the largest
    return sign | 0x7c00;
  }
  if (size < 0x38800000) { // 2^-14, the least normal
    // The sum with 0.5 has the subnormal's last bit as its own last one.
    float sum = std::bit_cast<float>(size) + 0.5f;
    return sign | (std::bit_cast<uint32_t>(sum) - 0x3f000000);
  }
  uint32_t rounded = size + 0xfff + (size >> 13 & 1);
  return sign | ((rounded >> 13) - (112 << 10));
}

/// Exact; a NaN is made quiet.
inline float fromHalf(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t size = static_cast<uint32_t>(bits & 0x7fff) << 13;
  if (size >= 0x0f800000) { // infinite, or NaN
    uint32_t quiet = size > 0x0f800000 ? 0x00400000 : 0;
    return std::bit_cast<float>(sign | (size + 0x70000000) | quiet);
  }
  // A product with 2^112 moves the exponent, and makes subnormals normal.
  float scaled = std::bit_cast<float>(size) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
}

} // namespace dlc

#endif // DLC_LIB_ANALYSIS_NARROWFLOAT_H
