// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The 8-bit formats e4m3 and e5m2 (OCP 8-bit floating point, revision 1.0).
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

} // namespace ptxsim
#endif
