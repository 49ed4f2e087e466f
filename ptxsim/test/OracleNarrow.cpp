// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Oracle: conversions to and from pairs of narrow floating-point elements, and
// to tf32. Elements of 8 bits are found by trying all of them.
#include "OracleRules.h"

using namespace test;

/// The finite value of a code without its sign.
static double smallValue(bool E5M2, unsigned Code) {
  int Mantissa = E5M2 ? 2 : 3, Bias = E5M2 ? 15 : 7;
  int Exponent = int(Code >> Mantissa);
  double Fraction = double(Code & ((1u << Mantissa) - 1)) / (1 << Mantissa);
  return Exponent ? std::ldexp(1 + Fraction, Exponent - Bias)
                  : std::ldexp(Fraction, 1 - Bias);
}

/// Nearest, ties to even codes, never above the largest.
static unsigned toSmall(bool E5M2, Wide V, bool Negative, bool Relu) {
  unsigned Largest = E5M2 ? 0x7b : 0x7e, Best = 0;
  if (V != V)
    return 0x7f;
  if (Relu && Negative)
    return 0;
  Wide Limit = smallValue(E5M2, Largest);
  Wide A = std::min(V < 0 ? -V : V, Limit), Least = A;
  for (unsigned Code = 0; Code <= Largest; ++Code) {
    Wide D = A - Wide(smallValue(E5M2, Code));
    D = D < 0 ? -D : D;
    if (D < Least || (D == Least && Code % 2 == 0)) {
      Least = D;
      Best = Code;
    }
  }
  return Best | (Negative ? 0x80 : 0);
}

static bool toTf32(const Name &N, uint64_t A, uint64_t &Out, bool &Nan) {
  constexpr Format F32 = {23, 8}, Tf32 = {10, 8};
  Wide V = decode(A, F32);
  bool Negative = negative(A, F32);
  Nan = V != V;
  if (N.has("relu") && !Nan && Negative) {
    Out = 0;
    return true;
  }
  if (N.has("rna")) // half of a unit is added to the magnitude
    Out = isNan(A, F32) || V - V != 0 ? A : (A + (1u << 12)) & 0xffffe000u;
  else
    Out = encode(V, Tf32, modeOf(N), Negative) << 13;
  return true;
}

/// The code of a power of two: the largest one not above the magnitude, or the
/// smallest one not below it. 255 is NaN, and what lies beyond the powers.
static unsigned toPower(Wide V, bool Up, bool Finite) {
  if (V != V)
    return 255;
  Wide A = V < 0 ? -V : V;
  unsigned Code = 0;
  while (Code < 255 && (Up ? Wide(std::ldexp(1.0, int(Code) - 127)) < A
                           : Wide(std::ldexp(1.0, int(Code) - 126)) <= A))
    ++Code;
  return Finite && Code == 255 ? 254 : Code;
}
static bool powerRule(const Name &N, const Words &A, uint64_t &Out, bool &Nan) {
  constexpr Format BF16 = {7, 8}, F32 = {23, 8};
  for (unsigned Half = 0; Half < 2; ++Half) {
    if (N.last() == "ue8m0x2") {
      unsigned Code = A[0] >> (8 * Half) & 0xff;
      Nan |= Code == 255; // in one half
      Out |= encode(std::ldexp(1.0, int(Code) - 127), BF16, 'n', false)
             << (16 * Half);
      continue;
    }
    Wide V = N.last() == "f32" ? decode(A[1 - Half], F32)
                               : decode(A[0] >> (16 * Half) & 0xffff, BF16);
    Out |= uint64_t(toPower(V, N.has("rp"), N.has("satfinite"))) << (8 * Half);
  }
  return true;
}

bool test::narrowRule(const Name &N, const Words &A, uint64_t &Out, bool &Nan) {
  const std::string &S = N.last(), &D = N.Parts[N.Parts.size() - 2];
  constexpr Format F16 = {10, 5}, BF16 = {7, 8}, F32 = {23, 8};
  bool ToSmall = D == "e4m3x2" || D == "e5m2x2", Relu = N.has("relu");
  Nan = false;
  Out = 0;
  if (D == "tf32")
    return toTf32(N, A[0], Out, Nan);
  if (D == "ue8m0x2" || S == "ue8m0x2")
    return powerRule(N, A, Out, Nan);
  for (unsigned Half = 0; Half < 2; ++Half) {
    if (ToSmall) {
      Format F = S == "f32" ? F32 : S == "bf16x2" ? BF16 : F16;
      // Two sources: the first one gives the upper half.
      uint64_t Bits = S == "f32" ? A[1 - Half] : A[0] >> (16 * Half) & 0xffff;
      Out |= uint64_t(toSmall(D == "e5m2x2", decode(Bits, F), negative(Bits, F),
                              Relu))
             << (8 * Half);
    } else if (S == "e4m3x2" || S == "e5m2x2") {
      bool E5M2 = S == "e5m2x2";
      unsigned Code = A[0] >> (8 * Half) & 0xff, Size = Code & 0x7f;
      if (Size >= (E5M2 ? 0x7c : 0x7f) && !(E5M2 && Size == 0x7c)) {
        Nan = true; // in one half
        return true;
      }
      Wide V =
          E5M2 && Size == 0x7c ? Wide(INFINITY) : Wide(smallValue(E5M2, Size));
      bool Negative = Code & 0x80;
      uint64_t Bits =
          encode(Negative ? -V : V, D == "bf16x2" ? BF16 : F16, 'n', Negative);
      Out |= (Relu && Negative ? 0 : Bits) << (16 * Half);
    } else {
      return false;
    }
  }
  return true;
}
