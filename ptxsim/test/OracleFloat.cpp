// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Oracle: formats and floating-point operations.
#include "OracleRules.h"

using namespace test;

bool test::isInt(const std::string &T) {
  return T.size() <= 3 && (T[0] == 'u' || T[0] == 's' || T[0] == 'b') &&
         T.size() > 1 && T[1] >= '0' && T[1] <= '9';
}
int test::widthOf(const std::string &T) { return std::stoi(T.substr(1)); }

bool test::formatOf(const std::string &T, Format &F) {
  if (T == "f16")
    F = {10, 5};
  else if (T == "bf16")
    F = {7, 8};
  else if (T == "f32")
    F = {23, 8};
  else if (T == "f64")
    F = {52, 11};
  else
    return false;
  return true;
}

Int test::signedOf(uint64_t V, int Bits) {
  return Int(int64_t(V << (64 - Bits)) >> (64 - Bits));
}
Int test::valueOf(uint64_t V, const std::string &T) {
  int Bits = widthOf(T);
  uint64_t U = Bits == 64 ? V : V & ((uint64_t(1) << Bits) - 1);
  return T[0] == 's' ? signedOf(U, Bits) : Int(U);
}
uint64_t test::truncated(Int V, int Bits) {
  return Bits >= 64 ? uint64_t(V) : uint64_t(V) & ((uint64_t(1) << Bits) - 1);
}

// ---- floating point ------------------------------------------------------
bool test::isNan(uint64_t V, Format F) {
  uint64_t Fraction = V & ((uint64_t(1) << F.Mantissa) - 1);
  int E = int(V >> F.Mantissa & ((1u << F.Exponent) - 1));
  return E == (1 << F.Exponent) - 1 && Fraction;
}
Wide test::scaled(Wide V, int E) {
  for (; E > 0; --E)
    V *= 2;
  for (; E < 0; ++E)
    V /= 2;
  return V;
}
Wide test::decode(uint64_t V, Format F) {
  uint64_t Fraction = V & ((uint64_t(1) << F.Mantissa) - 1);
  int E = int(V >> F.Mantissa & ((1u << F.Exponent) - 1));
  Wide M;
  if (E == (1 << F.Exponent) - 1)
    M = Fraction ? Wide(NAN) : Wide(INFINITY);
  else if (!E)
    M = scaled(Wide(Fraction), 1 - F.bias() - F.Mantissa);
  else
    M = scaled(Wide(Fraction | uint64_t(1) << F.Mantissa),
               E - F.bias() - F.Mantissa);
  return V >> (F.bits() - 1) & 1 ? -M : M;
}
uint64_t test::encode(Wide V, Format F, char Mode, bool NegativeZero) {
  uint64_t Sign = uint64_t(V < 0 || (V == 0 && NegativeZero)) << (F.bits() - 1);
  Wide A = V < 0 ? -V : V;
  uint64_t Inf = uint64_t((1 << F.Exponent) - 1) << F.Mantissa;
  if (V != V)
    return Inf | 1;
  if (A > Wide(1e300) * Wide(1e300))
    return Sign | Inf;
  if (A == 0)
    return Sign;
  int E = 0; // A = m 2^E with 1 <= m < 2
  Wide M = A;
  for (; M >= 2; M /= 2)
    ++E;
  for (; M < 1; M *= 2)
    --E;
  int Unit = (E < 1 - F.bias() ? 1 - F.bias() : E) - F.Mantissa;
  Wide Steps = scaled(A, -Unit);
  uint64_t N = uint64_t(Steps);
  Wide Rest = Steps - Wide(N);
  bool Up = Mode == 'n'   ? Rest > Wide(0.5) || (Rest == Wide(0.5) && (N & 1))
            : Mode == 'z' ? false
            : Mode == 'm' ? Rest > 0 && V < 0
                          : Rest > 0 && V > 0;
  N += Up;
  uint64_t Bits = N;
  if (Unit + F.Mantissa > 1 - F.bias() || N >> F.Mantissa)
    Bits = N + (uint64_t(Unit + F.Mantissa + F.bias() - 1) << F.Mantissa);
  if (Bits >= Inf) {
    bool ToInf =
        Mode == 'n' || (Mode == 'm' && V < 0) || (Mode == 'p' && V > 0);
    return Sign | (ToInf ? Inf : Inf - 1);
  }
  return Sign | Bits;
}
uint64_t test::flushBits(uint64_t V, Format F) {
  bool Subnormal = !(V >> F.Mantissa & ((1u << F.Exponent) - 1));
  return Subnormal ? V & (uint64_t(1) << (F.bits() - 1)) : V;
}
char test::modeOf(const Name &N) {
  return N.has("rz") ? 'z' : N.has("rm") ? 'm' : N.has("rp") ? 'p' : 'n';
}
bool test::negative(uint64_t V, Format F) { return V >> (F.bits() - 1) & 1; }

/// X + Y. Where 113 bits do not hold the sum, the last of them says on which
/// side of it the exact sum lies.
static Wide sumOf(Wide X, Wide Y) {
  Wide S = X + Y, T = S - X, Error = (X - (S - T)) + (Y - T);
  // Bits below the 64th already say so.
  if (S != S || S - S != 0 || Error == 0 || Wide((long double)S) != S)
    return S;
  return S + ((Error > 0) == (S > 0) ? S : -S) * scaled(1, -111);
}

/// add, sub, mul, fma and mad in one format; false if it has no rule.
static bool floatArithmetic(const Name &N, Format F, std::vector<uint64_t> A,
                            uint64_t &Out, bool &Nan) {
  bool Ftz = N.has("ftz");
  Wide V[3] = {};
  for (size_t K = 0; K < A.size() && K < 3; ++K) {
    if (Ftz)
      A[K] = flushBits(A[K], F);
    V[K] = decode(A[K], F);
  }
  char Mode = modeOf(N);
  Wide R;
  bool NegZero;
  const std::string &H = N.head();
  if (H == "add" || H == "sub") {
    bool S1 = negative(A[1], F) != (H == "sub");
    R = sumOf(V[0], H == "add" ? V[1] : -V[1]);
    NegZero = negative(A[0], F) && S1;
    if (R == 0 && negative(A[0], F) != S1)
      NegZero = Mode == 'm';
  } else {
    bool SP = negative(A[0], F) != negative(A[1], F);
    R = V[0] * V[1];
    NegZero = SP;
    if (H != "mul") {
      bool SC = negative(A[2], F);
      R = sumOf(R, V[2]);
      NegZero = SP && SC;
      if (R == 0 && SP != SC)
        NegZero = Mode == 'm';
    }
  }
  Nan = R != R;
  if (N.has("sat")) {
    R = Nan || R <= 0 ? Wide(0) : R > 1 ? Wide(1) : R;
    Nan = false;
    NegZero = false;
  }
  if (N.has("relu") && !Nan && (R < 0 || (R == 0 && NegZero))) {
    R = 0;
    NegZero = false;
  }
  Out = encode(R, F, Mode, NegZero);
  if (Ftz)
    Out = flushBits(Out, F);
  return true;
}

static bool floatOrder(const Name &N, Format F, std::vector<uint64_t> A,
                       uint64_t &Out, bool &Nan) {
  bool Max = N.head() == "max";
  if (N.has("ftz"))
    for (uint64_t &V : A)
      V = flushBits(V, F);
  bool N0 = isNan(A[0], F), N1 = isNan(A[1], F);
  Nan = N.has("NaN") ? N0 || N1 : N0 && N1;
  Wide X = decode(A[0], F), Y = decode(A[1], F);
  bool First = N1 || (!N0 && (Max ? X > Y || (X == Y && !negative(A[0], F))
                                  : X < Y || (X == Y && negative(A[0], F))));
  Out = First ? A[0] : A[1];
  return true;
}

/// abs, neg, copysign and testp work on bits.
static bool signRule(const Name &N, Format F, const Words &A, uint64_t &Out) {
  uint64_t Sign = uint64_t(1) << (F.bits() - 1), X = A[0];
  const std::string &H = N.head();
  if (N.has("ftz"))
    X = flushBits(X, F);
  if (H == "abs")
    Out = X & ~Sign;
  else if (H == "neg")
    Out = X ^ Sign;
  else if (H == "copysign") // the sign of the first operand
    Out = (A[1] & ~Sign) | (A[0] & Sign);
  else
    return false;
  return true;
}
static bool testpRule(const Name &N, Format F, const Words &A, uint64_t &Out) {
  Wide V = decode(A[0], F);
  bool Finite = V - V == 0, Nan = V != V, Small = flushBits(A[0], F) != A[0];
  bool Zero = V == 0;
  Out = N.has("finite")       ? Finite
        : N.has("infinite")   ? !Finite && !Nan
        : N.has("number")     ? !Nan
        : N.has("notanumber") ? Nan
        : N.has("normal")     ? Finite && !Zero && !Small
                              : Small;
  return N.head() == "testp";
}

/// The root in 113 bits; exact where it has few bits.
static Wide rootOf(Wide V) {
  if (V == 0 || V - V != 0 || V < 0)
    return V < 0 ? Wide(NAN) : V;
  int E = 0;
  for (; V >= 4; V /= 4)
    ++E;
  for (; V < 1; V *= 4)
    --E;
  Wide R = std::sqrt((long double)V);
  for (int K = 0; K < 3; ++K)
    R = (R + V / R) / 2;
  Wide Short = (long double)R;
  return scaled(Short * Short == V ? Short : R, E);
}

/// div, rcp and sqrt with a rounding: quotients and roots of short numbers are
/// either short or far from any midpoint between short ones.
static bool quotientRule(const Name &N, Format F, Words A, uint64_t &Out,
                         bool &Nan) {
  const std::string &H = N.head();
  if (H != "div" && H != "rcp" && H != "sqrt")
    return false;
  if (N.has("ftz"))
    for (uint64_t &V : A)
      V = flushBits(V, F);
  Wide X = decode(A[0], F), Y = H == "div" ? decode(A[1], F) : Wide(1);
  bool NegativeZero = negative(A[0], F);
  Wide R;
  if (H == "sqrt") {
    R = rootOf(X);
  } else {
    Wide Over = H == "div" ? X : Wide(1), Under = H == "div" ? Y : X;
    NegativeZero =
        H == "div" ? negative(A[0], F) != negative(A[1], F) : negative(A[0], F);
    R = Over / Under;
    if (Under == 0 && Over == Over && Over != 0)
      R = NegativeZero ? -Wide(INFINITY) : Wide(INFINITY);
  }
  Nan = R != R;
  Out = encode(R, F, modeOf(N), NegativeZero);
  // Small is what is so after rounding to as many bits as normal numbers have.
  constexpr int Up = 60;
  Wide Rounded = decode(encode(scaled(R, Up), F, modeOf(N), false), F);
  bool Small = R == R && (R < 0 ? -R : R) < 1 &&
               (R < 0 ? -Rounded : Rounded) < scaled(1, 1 - F.bias() + Up);
  if (N.has("ftz"))
    Out = Small ? Out & uint64_t(1) << (F.bits() - 1) : Out;
  return true;
}

bool test::floatRule(const Name &N, Format F, const Words &A, uint64_t &Out,
                     bool &Nan) {
  const std::string &H = N.head();
  for (const char *Arithmetic : {"add", "sub", "mul", "fma", "mad"})
    if (H == Arithmetic)
      return floatArithmetic(N, F, A, Out, Nan);
  if (H == "min" || H == "max")
    return floatOrder(N, F, A, Out, Nan);
  if (H == "abs" || H == "neg") {
    signRule(N, F, A, Out);
    Nan = isNan(A[0], F);
    return true;
  }
  return signRule(N, F, A, Out) || testpRule(N, F, A, Out) ||
         quotientRule(N, F, A, Out, Nan);
}

/// Errors as the ISA states them, some rounded up; results of 16 bits are
/// rounded once more.
bool test::approximation(const Name &N, const Words &A, Wide &Value,
                         Wide &Error) {
  Format F;
  const std::string &H = N.head();
  if ((!N.has("approx") && !N.has("full")) || !formatOf(N.last(), F))
    return false;
  auto Argument = [&](size_t K) {
    return decode(N.has("ftz") && F.Mantissa != 52 ? flushBits(A[K], F) : A[K],
                  F);
  };
  long double X = (long double)Argument(0), V;
  Wide Relative = scaled(1, -22), Absolute = 0;
  if (H == "div") {
    V = X / (long double)Argument(1);
  } else if (H == "rcp") {
    V = 1 / X;
    if (F.Mantissa == 52)
      Relative = scaled(1, -19);
  } else if (H == "sqrt") {
    V = std::sqrt(X);
  } else if (H == "rsqrt") {
    V = 1 / std::sqrt(X);
    if (F.Mantissa == 52)
      Relative = N.has("ftz") ? scaled(1, -19) : scaled(1, -50);
  } else if (H == "sin" || H == "cos") {
    if (std::fabs(X) > 3.15L)
      return false; // errors are only bounded in that range
    V = H == "sin" ? std::sin(X) : std::cos(X);
    Absolute = scaled(1, -20);
  } else if (H == "lg2") {
    V = std::log2(X);
    Absolute = scaled(1, -21);
  } else if (H == "ex2") {
    V = std::exp2(X);
  } else if (H == "tanh") {
    V = std::tanh(X);
    Relative = scaled(1, -10);
  } else {
    return false;
  }
  Relative = std::max(Relative, scaled(1, -F.Mantissa));
  Wide Size = V < 0 ? -Wide(V) : Wide(V);
  Value = V;
  Error = std::max(Absolute, Size * Relative) +
          scaled(1, 1 - F.bias() - (N.has("ftz") ? 0 : F.Mantissa));
  return true;
}
