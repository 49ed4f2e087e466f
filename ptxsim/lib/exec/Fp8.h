// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The 8-bit formats e4m3 and e5m2 (OCP 8-bit floating point, revision 1.0) and
// ue8m0, powers of two (OCP microscaling formats, revision 1.0).
#ifndef PTXSIM_EXEC_FP8_H
#define PTXSIM_EXEC_FP8_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace ptxsim {

template <bool E5> inline float fp8ToFloat(uint8_t V) {
  constexpr int Mantissa = E5 ? 2 : 3, Bias = E5 ? 15 : 7;
  int Exponent = (V & 0x7f) >> Mantissa, Fraction = V & ((1 << Mantissa) - 1);
  float M;
  if (E5 && Exponent == 31)
    M = Fraction ? NAN : INFINITY;
  else if (!E5 && (V & 0x7f) == 0x7f)
    M = NAN;
  else if (Exponent == 0)
    M = std::ldexp(float(Fraction), 1 - Bias - Mantissa);
  else
    M = std::ldexp(float(Fraction + (1 << Mantissa)),
                   Exponent - Bias - Mantissa);
  return V & 0x80 ? -M : M;
}

/// Nearest even, saturating to the largest finite value; NaN stays NaN.
template <bool E5> inline uint8_t floatToFp8(float X) {
  constexpr int Mantissa = E5 ? 2 : 3, Bias = E5 ? 15 : 7;
  constexpr uint8_t Largest = E5 ? 0x7b : 0x7e;
  uint8_t Sign = std::signbit(X) ? 0x80 : 0;
  if (std::isnan(X))
    return 0x7f;
  float A = std::fabs(X);
  if (A == 0)
    return Sign;
  int Exponent;
  if (std::isinf(X))
    return Sign | Largest;
  std::frexp(A, &Exponent); // A = f * 2^Exponent, 0.5 <= f < 1
  int Unit = Exponent - 1 - Mantissa;
  if (Unit < 1 - Bias - Mantissa)
    Unit = 1 - Bias - Mantissa;
  double Scaled = std::nearbyint(std::ldexp(double(A), -Unit));
  uint32_t Steps = uint32_t(Scaled);
  // Steps counts units; a carry moves into the exponent by itself.
  uint32_t Code =
      Unit == 1 - Bias - Mantissa
          ? Steps
          : Steps + (uint32_t(Unit + Mantissa + Bias - 1) << Mantissa);
  return Sign | uint8_t(Code > Largest ? Largest : Code);
}

/// The power of two below the magnitude, or Up the one above; NaN is 255, as is
/// what is too large unless it becomes the largest one.
inline uint8_t floatToUe8m0(float X, bool Up, bool Saturate) {
  uint32_t Bits;
  std::memcpy(&Bits, &X, 4);
  Bits &= 0x7fffffff;
  if (Bits > 0x7f800000)
    return 255;
  uint32_t Code = Bits >> 23, Rest = Bits & 0x7fffff;
  if (Up && Code < 255)
    Code += Code ? Rest != 0 : Rest > 0x400000; // code 0 is 2^-127
  return uint8_t(Saturate && Code == 255 ? 254 : Code);
}
inline float ue8m0ToFloat(uint8_t Code) {
  return Code == 255 ? NAN : std::ldexp(1.f, int(Code) - 127);
}

} // namespace ptxsim
#endif
