// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Oracle: comparisons, conversions, and the choice of a rule.
#include "OracleRules.h"

using namespace test;

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
  std::string T = N.last();
  bool Pair = T == "f16x2" || T == "bf16x2"; // the first destination: low half
  if (Pair)
    T.resize(T.size() - 2);
  Format F;
  bool Yes;
  if (isInt(T)) {
    Int X = valueOf(C.Args[0], T), Y = valueOf(C.Args[1], T);
    Yes = compare(N.Parts[1], X < Y ? -1 : X > Y, false, false);
  } else if (formatOf(T, F)) {
    uint64_t Mask = Pair ? 0xffff : ~uint64_t(0);
    uint64_t A = C.Args[0] & Mask, B = C.Args[1] & Mask;
    if (N.has("ftz")) {
      A = flushBits(A, F);
      B = flushBits(B, F);
    }
    Wide X = decode(A, F), Y = decode(B, F);
    Yes = compare(N.Parts[1], X < Y ? -1 : X > Y, X != X || Y != Y, true);
  } else {
    return false;
  }
  if (N.head() == "set") {
    const std::string &D = N.Parts[N.Parts.size() - 2];
    Int True = D == "f32"                  ? 0x3f800000
               : D == "f16"                ? 0x3c00
               : D == "bf16"               ? 0x3f80
               : T == "f16" || T == "bf16" ? 0xffff // each half is a mask
                                           : Int(0xffffffff);
    R = Yes ? True : Int(0);
    return true;
  }
  if (C.Args.size() > 2) {
    bool P = C.Args[2];
    Yes = N.has("and") ? Yes && P : N.has("or") ? Yes || P : Yes != P;
  }
  R = Yes;
  return true;
}

static uint64_t intToInt(const Name &N, Int V, const std::string &D) {
  int Bits = widthOf(D);
  if (N.has("sat")) {
    Int Lo = D[0] == 's' ? -(Int(1) << (Bits - 1)) : 0;
    Int Hi = D[0] == 's' ? (Int(1) << (Bits - 1)) - 1 : (Int(1) << Bits) - 1;
    V = V < Lo ? Lo : V > Hi ? Hi : V;
  }
  return truncated(V, Bits);
}

/// A finite value rounded to an integral one: rni, rzi, rmi or rpi.
static Wide toIntegral(Wide V, const std::string &Mode) {
  Wide A = V < 0 ? -V : V;
  if (A >= scaled(1, 113))
    return V; // no fraction left
  Wide Fl = Wide(Int(A)), Rest = A - Fl;
  bool Odd = Int(Fl) & 1;
  bool Up = Mode == "rni"   ? Rest > Wide(0.5) || (Rest == Wide(0.5) && Odd)
            : Mode == "rzi" ? false
            : Mode == "rmi" ? Rest > 0 && V < 0
                            : Rest > 0 && V > 0;
  A = Fl + Wide(Up);
  return V < 0 ? -A : A;
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
    Out = intToInt(N, valueOf(C.Args[0], S), D);
    return true;
  }
  uint64_t A = C.Args[0];
  if (FloatS && N.has("ftz") && S == "f32")
    A = flushBits(A, FS);
  Wide V = FloatS ? decode(A, FS) : Wide(valueOf(A, S));
  Nan = V != V;
  bool NegZero = FloatS && negative(A, FS);
  std::string M = N.Parts[1];
  if (FloatS && M.size() == 3 && M[2] == 'i' && !Nan && V - V == 0)
    V = toIntegral(V, M);
  if (!FloatD) {
    int Bits = widthOf(D);
    Wide Lo = D[0] == 's' ? -scaled(1, Bits - 1) : Wide(0);
    Wide Hi = scaled(1, D[0] == 's' ? Bits - 1 : Bits) - 1;
    bool Zero = S != "f64" && Bits < 64; // of NaN
    Out = Nan ? (Zero ? 0 : uint64_t(1) << (Bits - 1))
              : truncated(Int(V < Lo   ? Lo
                              : V > Hi ? Hi
                                       : V),
                          Bits);
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
static bool choice(const Name &N, const Words &A, uint64_t &Out) {
  bool First = true;
  if (N.head() == "selp")
    First = A[2];
  if (N.head() == "slct" && N.last() == "s32")
    First = int32_t(uint32_t(A[2])) >= 0;
  if (N.head() == "slct" && N.last() == "f32") {
    Format F = {23, 8};
    First = decode(N.has("ftz") ? flushBits(A[2], F) : A[2], F) >= 0;
  }
  Out = First ? A[0] : A[1];
  return true;
}

/// Expected bits of the result; Nan if any NaN is right.
static bool expected(const std::string &Opcode, const OracleCase &C,
                     uint64_t &Out, bool &Nan) {
  Name N(Opcode);
  const std::string &T = N.last();
  Nan = false;
  Int R = 0;
  if (N.has("cc") || N.head() == "addc" || N.head() == "subc" ||
      N.head() == "madc")
    return false;
  if (N.head() == "cvt")
    return cvtRule(N, C, Out, Nan) || narrowRule(N, C.Args, Out, Nan);
  if (N.head() == "setp" || N.head() == "set") {
    if (!setpRule(N, C, R))
      return false;
    Out = uint64_t(R);
    return true;
  }
  if (N.head() == "selp" || N.head() == "mov" || N.head() == "slct")
    return choice(N, C.Args, Out);
  bool Logic = N.head() == "and" || N.head() == "or" || N.head() == "xor" ||
               N.head() == "not";
  if (T == "pred" && Logic) {
    bool X = C.Args[0], Y = C.Args.size() > 1 && C.Args[1];
    Out = N.head() == "and"   ? X && Y
          : N.head() == "or"  ? X || Y
          : N.head() == "xor" ? X != Y
                              : !X;
    return true;
  }
  Format F;
  if (formatOf(T, F))
    return floatRule(N, F, C.Args, Out, Nan);
  if (integerParts(N, C, R)) {
    Out = truncated(R, 32);
    return true;
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

/// cvt of two f32 to a pair: the first source gives the upper half.
static bool packs(const std::string &Opcode) {
  Name N(Opcode);
  const std::string &D = N.Parts[N.Parts.size() - 2];
  return N.head() == "cvt" && N.last() == "f32" && D.size() > 2 &&
         D.substr(D.size() - 2) == "x2";
}

/// Pairs of 16-bit elements, computed side by side: the opcode of one of them,
/// or nothing.
static std::string elementOpcode(const std::string &Opcode) {
  Name N(Opcode);
  const std::string &T = N.last();
  bool Halves = packs(Opcode) && Opcode.find("f16x2") != Opcode.npos;
  bool Pairs = T.size() > 3 && T.substr(T.size() - 2) == "x2" &&
               N.head() != "cvt" && N.head() != "setp";
  if (!Halves && !Pairs)
    return {};
  std::string One = N.head();
  for (size_t K = 1; K < N.Parts.size(); ++K) {
    std::string P = N.Parts[K];
    bool Pair = P.size() > 2 && P.substr(P.size() - 2) == "x2";
    One += "." + (Pair ? P.substr(0, P.size() - 2) : P);
  }
  return One;
}

bool test::oracleKnows(const std::string &Opcode) {
  std::string One = elementOpcode(Opcode);
  if (!One.empty())
    return oracleKnows(One);
  OracleCase C;
  C.Args.assign(4, 1);
  if (Opcode.rfind("cvt", 0) == 0 && !packs(Opcode))
    C.Args.resize(1);
  uint64_t Out;
  bool Nan;
  Wide Value, Error;
  return approximation(Name(Opcode), C.Args, Value, Error) ||
         expected(Opcode, C, Out, Nan);
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

static bool acceptsApproximation(const Name &N, Format F, uint64_t Got,
                                 Wide Value, Wide Error) {
  if (Value != Value)
    return isNan(Got, F);
  if (N.has("ftz"))
    Got = flushBits(Got, F);
  Wide G = decode(Got, F),
       Largest = decode(encode(INFINITY, F, 'z', false) - 1, F);
  Wide Size = Value < 0 ? -Value : Value;
  if (Size + Error > Largest) // too large or nearly so
    return (G < 0 ? -G : G) + Error >= std::min(Size, Largest) &&
           (G < 0) == (Value < 0);
  Wide D = G - Value;
  return (D < 0 ? -D : D) <= Error;
}

static void explain(const OracleCase &C, uint64_t Got, bool Nan, uint64_t Want,
                    std::string &Text) {
  std::ostringstream S;
  S << std::hex << "expected " << (Nan ? "NaN" : "") << Want << ", got " << Got
    << " for";
  for (uint64_t A : C.Args)
    S << " " << A;
  Text = S.str();
}

bool test::oracleAccepts(const std::string &Opcode, const OracleCase &C,
                         uint64_t Got, std::string &Text) {
  std::string One = elementOpcode(Opcode);
  for (unsigned Half = 0; Half < 2 && !One.empty(); ++Half) {
    OracleCase Part = C;
    if (packs(Opcode))
      Part.Args = {C.Args[1 - Half]};
    else
      for (uint64_t &V : Part.Args)
        V = V >> (16 * Half) & 0xffff;
    if (!oracleAccepts(One, Part, Got >> (16 * Half) & 0xffff, Text))
      return false;
    if (Half)
      return true;
  }
  uint64_t Want = 0;
  bool Nan = false;
  Name N(Opcode);
  Format F;
  const std::string &T =
      N.head() == "cvt" ? N.Parts[N.Parts.size() - 2] : N.last();
  Wide Value, Error;
  bool IsFloat = formatOf(T, F);
  if (IsFloat && (N.has("approx") || N.has("full"))) {
    if (!approximation(N, C.Args, Value, Error) ||
        acceptsApproximation(N, F, Got, Value, Error))
      return true;
    explain(C, Got, Value != Value, encode(Value, F, 'n', false), Text);
    return false;
  }
  if (!expected(Opcode, C, Want, Nan)) // not defined for these operands
    return true;
  bool AnyNan = IsFloat ? isNan(Got, F) : N.head() == "cvt"; // of a pair, tf32
  if (Nan ? AnyNan : Got == Want)
    return true;
  explain(C, Got, Nan, Want, Text);
  return false;
}
