// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rules of the oracle. Integers are computed in 128 bits, floating point in
// __float128 with an explicit rounding to the destination format.
#ifndef PTXSIM_TEST_ORACLERULES_H
#define PTXSIM_TEST_ORACLERULES_H

#include "Oracle.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

namespace test {

using Int = __int128;
using Wide = __float128;

struct Name {
  std::vector<std::string> Parts;
  explicit Name(const std::string &Opcode) {
    std::stringstream S(Opcode);
    for (std::string P; std::getline(S, P, '.');)
      Parts.push_back(P);
    if (Parts.back() == "relu") // min.s32.relu is min.relu.s32
      std::swap(Parts.back(), Parts[Parts.size() - 2]);
  }
  bool has(const char *P) const {
    for (size_t K = 1; K < Parts.size(); ++K)
      if (Parts[K] == P)
        return true;
    return false;
  }
  const std::string &head() const { return Parts[0]; }
  const std::string &last() const { return Parts.back(); }
};

/// A floating-point format by its mantissa and exponent widths.
struct Format {
  int Mantissa, Exponent;
  int bits() const { return Mantissa + Exponent + 1; }
  int bias() const { return (1 << (Exponent - 1)) - 1; }
};

// ---- types and formats (OracleFloat.cpp) -----------------------------------
bool isInt(const std::string &T);
int widthOf(const std::string &T);
bool formatOf(const std::string &T, Format &F);
Int signedOf(uint64_t V, int Bits);
Int valueOf(uint64_t V, const std::string &T);
uint64_t truncated(Int V, int Bits);
bool isNan(uint64_t V, Format F);
bool negative(uint64_t V, Format F);
Wide scaled(Wide V, int E);
Wide decode(uint64_t V, Format F);
/// Rounds to the format: 'n' nearest even, 'z' zero, 'm' down, 'p' up.
uint64_t encode(Wide V, Format F, char Mode, bool NegativeZero);
uint64_t flushBits(uint64_t V, Format F);
char modeOf(const Name &N);

// ---- rules; false where there is none --------------------------------------
using Words = std::vector<uint64_t>;
/// Every operation on one format with a result of that format, or testp.
bool floatRule(const Name &N, Format F, const Words &A, uint64_t &Out,
               bool &Nan);
/// Functions that the ISA defines up to an error, of an f32 or 16-bit source.
bool approximation(const Name &N, const Words &A, Wide &Value, Wide &Error);
bool integerBasic(const Name &N, const Words &A, Int &R);
bool integerBits(const Name &N, const OracleCase &C, Int &R);
/// cvt to tf32, and with pairs of 8-bit elements.
bool narrowRule(const Name &N, const Words &A, uint64_t &Out, bool &Nan);
/// Operations on the bytes and halves of words.
bool integerParts(const Name &N, const OracleCase &C, Int &R);

} // namespace test
#endif
