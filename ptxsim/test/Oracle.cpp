// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rules of the oracle. Integers are computed in 128 bits, floating point in
// __float128 with an explicit rounding to the destination format.
#include "Oracle.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

using namespace test;

using Int = __int128;
using Wide = __float128;

namespace {
struct Name {
  std::vector<std::string> Parts;
  explicit Name(const std::string &Opcode) {
    std::stringstream S(Opcode);
    for (std::string P; std::getline(S, P, '.');)
      Parts.push_back(P);
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
} // namespace

static bool isInt(const std::string &T) {
  return T.size() <= 3 && (T[0] == 'u' || T[0] == 's' || T[0] == 'b') &&
         T.size() > 1 && T[1] >= '0' && T[1] <= '9';
}
static int widthOf(const std::string &T) { return std::stoi(T.substr(1)); }

static bool formatOf(const std::string &T, Format &F) {
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

static Int signedOf(uint64_t V, int Bits) {
  return Int(int64_t(V << (64 - Bits)) >> (64 - Bits));
}
static Int valueOf(uint64_t V, const std::string &T) {
  int Bits = widthOf(T);
  uint64_t U = Bits == 64 ? V : V & ((uint64_t(1) << Bits) - 1);
  return T[0] == 's' ? signedOf(U, Bits) : Int(U);
}
static uint64_t truncated(Int V, int Bits) {
  return Bits >= 64 ? uint64_t(V) : uint64_t(V) & ((uint64_t(1) << Bits) - 1);
}

// ---- floating point ------------------------------------------------------
static bool isNan(uint64_t V, Format F) {
  uint64_t Fraction = V & ((uint64_t(1) << F.Mantissa) - 1);
  int E = int(V >> F.Mantissa & ((1u << F.Exponent) - 1));
  return E == (1 << F.Exponent) - 1 && Fraction;
}
static Wide scaled(Wide V, int E) {
  for (; E > 0; --E)
    V *= 2;
  for (; E < 0; ++E)
    V /= 2;
  return V;
}
static Wide decode(uint64_t V, Format F) {
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
/// Rounds to the format: 'n' nearest even, 'z' zero, 'm' down, 'p' up.
static uint64_t encode(Wide V, Format F, char Mode, bool NegativeZero) {
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
static uint64_t flushBits(uint64_t V, Format F) {
  bool Subnormal = !(V >> F.Mantissa & ((1u << F.Exponent) - 1));
  return Subnormal ? V & (uint64_t(1) << (F.bits() - 1)) : V;
}
static char modeOf(const Name &N) {
  return N.has("rz") ? 'z' : N.has("rm") ? 'm' : N.has("rp") ? 'p' : 'n';
}
static bool negative(uint64_t V, Format F) { return V >> (F.bits() - 1) & 1; }

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

// ---- integers ------------------------------------------------------------
static int countBits(uint64_t V) {
  return V ? int(V & 1) + countBits(V >> 1) : 0;
}
static int highest(uint64_t V) { return V ? 1 + highest(V >> 1) : 0; }

/// Modulo 2^128, as the low bits of u64 products need.
static Int times(Int A, Int B) {
  return Int((unsigned __int128)A * (unsigned __int128)B);
}
static Int plus(Int A, Int B) {
  return Int((unsigned __int128)A + (unsigned __int128)B);
}

static bool integerBasic(const Name &N, const std::vector<uint64_t> &A,
                         Int &R) {
  const std::string &H = N.head(), &T = N.last();
  int Bits = widthOf(T);
  std::vector<Int> V;
  for (uint64_t X : A)
    V.push_back(valueOf(X, T));
  bool Hi = N.has("hi");
  if (H == "add")
    R = V[0] + V[1];
  else if (H == "sub")
    R = V[0] - V[1];
  else if (H == "mul" && !N.has("wide"))
    R = Hi ? times(V[0], V[1]) >> Bits : times(V[0], V[1]);
  else if (H == "mul")
    R = times(V[0], V[1]);
  else if (H == "mad" && N.has("wide"))
    R = times(V[0], V[1]) +
        valueOf(A[2], std::string(1, T[0]) + std::to_string(2 * Bits));
  else if (H == "mad")
    R = plus(Hi ? times(V[0], V[1]) >> Bits : times(V[0], V[1]), V[2]);
  else if (H == "sad")
    R = V[2] + (V[0] < V[1] ? V[1] - V[0] : V[0] - V[1]);
  else if (H == "min")
    R = V[0] < V[1] ? V[0] : V[1];
  else if (H == "max")
    R = V[0] < V[1] ? V[1] : V[0];
  else if (H == "neg")
    R = -V[0];
  else if (H == "abs")
    R = V[0] < 0 ? -V[0] : V[0];
  else if (H == "div")
    R = V[1] ? V[0] / V[1] : -1;
  else if (H == "rem")
    R = V[1] ? V[0] % V[1] : V[0];
  else
    return false;
  if (N.has("sat"))
    R = R < INT32_MIN ? Int(INT32_MIN) : R > INT32_MAX ? Int(INT32_MAX) : R;
  if (N.has("relu") && R < 0)
    R = 0;
  return true;
}

static bool integerBits(const Name &N, const OracleCase &C, Int &R) {
  const std::string &H = N.head(), &T = N.last();
  const auto &A = C.Args;
  if (!isInt(T))
    return false;
  int Bits = widthOf(T);
  auto Bit = [](uint64_t V, unsigned K) { return K < 64 ? V >> K & 1 : 0; };
  if (H == "and")
    R = Int(A[0] & A[1]);
  else if (H == "or")
    R = Int(A[0] | A[1]);
  else if (H == "xor")
    R = Int(A[0] ^ A[1]);
  else if (H == "not")
    R = Int(~A[0]);
  else if (H == "cnot")
    R = A[0] == 0;
  else if (H == "shl")
    R = uint32_t(A[1]) >= unsigned(Bits) ? Int(0) : Int(A[0]) << uint32_t(A[1]);
  else if (H == "shr")
    R = valueOf(A[0], T) >> (uint32_t(A[1]) > 64 ? 64 : uint32_t(A[1]));
  else if (H == "popc")
    R = countBits(A[0]);
  else if (H == "clz")
    R = Bits - highest(A[0]);
  else if (H == "brev") {
    R = 0;
    for (int K = 0; K < Bits; ++K)
      R |= Int(Bit(A[0], unsigned(K))) << (Bits - 1 - K);
  } else if (H == "bfind") {
    uint64_t V = valueOf(A[0], T) < 0 ? truncated(~Int(A[0]), Bits) : A[0];
    R = highest(V) - 1;
    if (V && N.has("shiftamt"))
      R = Bits - 1 - R;
  } else if (H == "bfe") {
    unsigned Pos = A[1] & 255, Len = A[2] & 255, Msb = unsigned(Bits - 1);
    bool Sign = T[0] == 's' && Len && Bit(A[0], std::min(Pos + Len - 1, Msb));
    R = 0;
    for (unsigned K = 0; K <= Msb; ++K)
      R |= Int(K < Len && Pos + K <= Msb ? Bit(A[0], Pos + K) : Sign) << K;
  } else if (H == "bfi") {
    unsigned Pos = A[2] & 255, Len = A[3] & 255;
    R = Int(A[1]);
    for (unsigned K = 0; K < Len && Pos + K < unsigned(Bits); ++K)
      R = (R & ~(Int(1) << (Pos + K))) | Int(Bit(A[0], K)) << (Pos + K);
  } else if (H == "lop3") {
    R = 0;
    for (unsigned K = 0; K < 32; ++K)
      R |=
          Int(C.Imm >> (Bit(A[0], K) * 4 + Bit(A[1], K) * 2 + Bit(A[2], K)) & 1)
          << K;
  } else if (H == "shf") {
    uint32_t S =
        N.has("wrap") ? A[2] & 31 : std::min<uint64_t>(uint32_t(A[2]), 32);
    uint64_t Pair = A[1] << 32 | A[0];
    R = N.has("l") ? Int(uint32_t((Int(Pair) << S) >> 32))
                   : Int(uint32_t(Pair >> S));
  } else if (H == "prmt" && N.last() == "b32") {
    uint64_t Pair = A[1] << 32 | A[0];
    R = 0;
    for (int K = 0; K < 4; ++K) {
      unsigned S = A[2] >> (4 * K) & 15;
      uint64_t B = Pair >> (8 * (S & 7)) & 255;
      R |= Int(S & 8 ? (B & 128 ? 255 : 0) : B) << (8 * K);
    }
  } else if (H == "selp")
    R = Int(A[2] ? A[0] : A[1]);
  else if (H == "mov")
    R = Int(A[0]);
  else
    return false;
  return true;
}

static bool compare(const std::string &K, int Order, bool Nan, bool Float) {
  bool U = Float && K.size() == 3 && K != "num" && K != "nan";
  if (K == "num")
    return !Nan;
  if (K == "nan")
    return Nan;
  std::string B = U ? K.substr(0, 2) : K;
  if (Nan)
    return U;
  if (B == "eq")
    return Order == 0;
  if (B == "ne")
    return Order != 0;
  if (B == "lt" || B == "lo")
    return Order < 0;
  if (B == "le" || B == "ls")
    return Order <= 0;
  if (B == "gt" || B == "hi")
    return Order > 0;
  return Order >= 0;
}

static bool setpRule(const Name &N, const OracleCase &C, Int &R) {
  const std::string &T = N.last();
  Format F;
  bool Yes;
  if (isInt(T)) {
    Int X = valueOf(C.Args[0], T), Y = valueOf(C.Args[1], T);
    Yes = compare(N.Parts[1], X < Y ? -1 : X > Y, false, false);
  } else if (formatOf(T, F)) {
    uint64_t A = C.Args[0], B = C.Args[1];
    if (N.has("ftz") && T == "f32") {
      A = flushBits(A, F);
      B = flushBits(B, F);
    } else if (N.has("ftz")) {
      return false;
    }
    Wide X = decode(A, F), Y = decode(B, F);
    Yes = compare(N.Parts[1], X < Y ? -1 : X > Y, X != X || Y != Y, true);
  } else {
    return false;
  }
  if (N.head() == "set") {
    const std::string &D = N.Parts[N.Parts.size() - 2];
    if (!isInt(D) && D != "f32")
      return false;
    R = Yes ? D == "f32" ? Int(0x3f800000) : Int(0xffffffff) : 0;
    return true;
  }
  if (C.Args.size() > 2) {
    bool P = C.Args[2];
    Yes = N.has("and") ? Yes && P : N.has("or") ? Yes || P : Yes != P;
  }
  R = Yes;
  return true;
}

static bool cvtRule(const Name &N, const OracleCase &C, uint64_t &Out,
                    bool &Nan) {
  const std::string &S = N.last(), &D = N.Parts[N.Parts.size() - 2];
  Format FS, FD;
  bool FloatS = formatOf(S, FS), FloatD = formatOf(D, FD);
  Nan = false;
  if (C.Args.size() != 1 || (!FloatS && !isInt(S)) || (!FloatD && !isInt(D)))
    return false;
  if (!FloatS && !FloatD) {
    Int V = valueOf(C.Args[0], S);
    int Bits = widthOf(D);
    if (N.has("sat")) {
      Int Lo = D[0] == 's' ? -(Int(1) << (Bits - 1)) : 0;
      Int Hi = D[0] == 's' ? (Int(1) << (Bits - 1)) - 1 : (Int(1) << Bits) - 1;
      V = V < Lo ? Lo : V > Hi ? Hi : V;
    }
    Out = truncated(V, Bits);
    return true;
  }
  uint64_t A = C.Args[0];
  if (FloatS && N.has("ftz") && S == "f32")
    A = flushBits(A, FS);
  Wide V = FloatS ? decode(A, FS) : Wide(valueOf(A, S));
  Nan = V != V;
  bool NegZero = FloatS && negative(A, FS);
  std::string M = N.Parts[1];
  if (FloatS && M.size() == 3 && M[2] == 'i' && !Nan && V - V == 0) {
    Wide A1 = V < 0 ? -V : V;
    if (A1 < scaled(1, 113)) {
      Wide Fl = Wide(Int(A1)), Rest = A1 - Fl;
      bool Odd = Int(Fl) & 1;
      bool Up = M == "rni"   ? Rest > Wide(0.5) || (Rest == Wide(0.5) && Odd)
                : M == "rzi" ? false
                : M == "rmi" ? Rest > 0 && V < 0
                             : Rest > 0 && V > 0;
      A1 = Fl + Wide(Up);
      V = V < 0 ? -A1 : A1;
    }
  }
  if (!FloatD) {
    int Bits = widthOf(D);
    Wide Lo = D[0] == 's' ? -scaled(1, Bits - 1) : Wide(0);
    Wide Hi = scaled(1, D[0] == 's' ? Bits - 1 : Bits) - 1;
    Out = Nan ? 0 : truncated(Int(V < Lo ? Lo : V > Hi ? Hi : V), Bits);
    if (!Nan && V > Hi)
      Out = truncated((Int(1) << (D[0] == 's' ? Bits - 1 : Bits)) - 1, Bits);
    Nan = false;
    return true;
  }
  if (N.has("sat")) {
    V = Nan || V <= 0 ? Wide(0) : V > 1 ? Wide(1) : V;
    Nan = NegZero = false;
  }
  if (N.has("relu") && !Nan && (V < 0 || NegZero)) {
    V = 0;
    NegZero = false;
  }
  Out = encode(V, FD, M.size() == 3 ? 'n' : modeOf(N), NegZero);
  if (N.has("ftz") && D == "f32")
    Out = flushBits(Out, FD);
  return true;
}

// ---- interface -----------------------------------------------------------
/// Expected bits of the result; Nan if any NaN is right.
static bool expected(const std::string &Opcode, const OracleCase &C,
                     uint64_t &Out, bool &Nan) {
  Name N(Opcode);
  const std::string &T = N.last();
  Nan = false;
  Int R = 0;
  if (N.has("cc") || N.head() == "addc" || N.head() == "subc" ||
      N.head() == "madc" || N.has("approx") || N.has("full"))
    return false;
  if (N.head() == "cvt")
    return cvtRule(N, C, Out, Nan);
  if (N.head() == "setp" || N.head() == "set") {
    if (!setpRule(N, C, R))
      return false;
    Out = uint64_t(R);
    return true;
  }
  Format F;
  if (formatOf(T, F)) {
    static const char *const Arithmetic[] = {"add", "sub", "mul", "fma", "mad"};
    for (const char *H : Arithmetic)
      if (N.head() == H)
        return floatArithmetic(N, F, C.Args, Out, Nan);
    if (N.head() == "min" || N.head() == "max")
      return floatOrder(N, F, C.Args, Out, Nan);
    if (N.head() == "selp" || N.head() == "mov") {
      Out = N.head() == "mov" || C.Args[2] ? C.Args[0] : C.Args[1];
      return true;
    }
    return false;
  }
  if (!isInt(T))
    return false;
  if (!integerBasic(N, C.Args, R) && !integerBits(N, C, R))
    return false;
  int Bits = widthOf(T) * (N.has("wide") ? 2 : 1);
  bool Count = N.head() == "popc" || N.head() == "clz" || N.head() == "bfind";
  Out = truncated(R, Count ? 32 : Bits);
  return true;
}

bool test::oracleKnows(const std::string &Opcode) {
  OracleCase C;
  C.Args.assign(4, 1);
  if (Opcode.rfind("cvt", 0) == 0)
    C.Args.resize(1);
  uint64_t Out;
  bool Nan;
  return expected(Opcode, C, Out, Nan);
}

static uint64_t edgeValue(const std::string &T, uint64_t Random, unsigned L) {
  static const uint64_t Edges[] = {0, 1, 2, 31, 32, 63, 64, 255};
  Format F;
  if (!formatOf(T, F)) {
    int Bits = isInt(T) ? widthOf(T) : 32;
    uint64_t Top = uint64_t(1) << (Bits - 1);
    const uint64_t Signs[] = {Top, Top - 1, ~uint64_t(0), Top + 1};
    unsigned K = unsigned(Random >> 40) % 20;
    return K<8 ? Edges[K] : K<12 ? Signs[K - 8] : Random>>(K % 3 * 20);
  }
  uint64_t Sign = uint64_t(1) << (F.bits() - 1);
  uint64_t Inf = uint64_t((1 << F.Exponent) - 1) << F.Mantissa;
  uint64_t One = uint64_t(F.bias()) << F.Mantissa;
  const uint64_t Values[] = {0,
                             1,
                             (uint64_t(1) << F.Mantissa) - 1,
                             uint64_t(1) << F.Mantissa,
                             One,
                             One + 1,
                             Inf - 1,
                             Inf,
                             Inf + 1,
                             One + (uint64_t(1) << F.Mantissa)};
  unsigned K = unsigned(Random >> 40) % 24;
  uint64_t V = K < 10   ? Values[K]
               : K < 18 ? One + (Random & ((uint64_t(8) << F.Mantissa) - 1)) -
                              (uint64_t(4) << F.Mantissa)
                        : Random & (Sign - 1);
  (void)L;
  return V | (Random >> 63 ? Sign : 0);
}

std::vector<uint64_t> test::oracleInputs(const std::string &Opcode,
                                         size_t Slots, unsigned Lanes) {
  uint64_t S = 88172645463325252ull;
  for (char C : Opcode)
    S = S * 131 + uint8_t(C);
  Name N(Opcode);
  std::vector<uint64_t> Out;
  for (size_t K = 0; K < Slots; ++K)
    for (unsigned L = 0; L < Lanes; ++L) {
      S ^= S << 13;
      S ^= S >> 7;
      S ^= S << 17;
      Out.push_back(edgeValue(N.last(), S, L));
    }
  return Out;
}

bool test::oracleAccepts(const std::string &Opcode, const OracleCase &C,
                         uint64_t Got, std::string &Text) {
  uint64_t Want = 0;
  bool Nan = false;
  expected(Opcode, C, Want, Nan);
  Name N(Opcode);
  Format F;
  const std::string &T =
      N.head() == "cvt" ? N.Parts[N.Parts.size() - 2] : N.last();
  if (Nan && formatOf(T, F) && isNan(Got, F))
    return true;
  if (!Nan && Got == Want)
    return true;
  std::ostringstream S;
  S << std::hex << "expected " << (Nan ? "NaN" : "") << Want << ", got " << Got
    << " for";
  for (uint64_t A : C.Args)
    S << " " << A;
  Text = S.str();
  return false;
}
