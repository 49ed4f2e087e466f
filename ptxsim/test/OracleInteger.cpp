// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Oracle: integer operations.
#include "OracleRules.h"

using namespace test;

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

bool test::integerBasic(const Name &N, const Words &A, Int &R) {
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

static uint64_t bitOf(uint64_t V, unsigned K) {
  return K < 64 ? V >> K & 1 : 0;
}

/// Bit by bit operations, counts and shifts.
static bool plainBits(const Name &N, const OracleCase &C, int Bits, Int &R) {
  const std::string &H = N.head(), &T = N.last();
  const auto &A = C.Args;
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
  else if (H == "selp")
    R = Int(A[2] ? A[0] : A[1]);
  else if (H == "mov")
    R = Int(A[0]);
  else
    return false;
  return true;
}

bool test::integerBits(const Name &N, const OracleCase &C, Int &R) {
  const std::string &H = N.head(), &T = N.last();
  const auto &A = C.Args;
  if (!isInt(T))
    return false;
  int Bits = widthOf(T);
  if (plainBits(N, C, Bits, R))
    return true;
  if (H == "brev") {
    R = 0;
    for (int K = 0; K < Bits; ++K)
      R |= Int(bitOf(A[0], unsigned(K))) << (Bits - 1 - K);
  } else if (H == "bfind") {
    uint64_t V = valueOf(A[0], T) < 0 ? truncated(~Int(A[0]), Bits) : A[0];
    R = highest(V) - 1;
    if (V && N.has("shiftamt"))
      R = Bits - 1 - R;
  } else if (H == "bfe") {
    unsigned Pos = A[1] & 255, Len = A[2] & 255, Msb = unsigned(Bits - 1);
    bool Sign = T[0] == 's' && Len && bitOf(A[0], std::min(Pos + Len - 1, Msb));
    R = 0;
    for (unsigned K = 0; K <= Msb; ++K)
      R |= Int(K < Len && Pos + K <= Msb ? bitOf(A[0], Pos + K) : Sign) << K;
  } else if (H == "bfi") {
    unsigned Pos = A[2] & 255, Len = A[3] & 255;
    R = Int(A[1]);
    for (unsigned K = 0; K < Len && Pos + K < unsigned(Bits); ++K)
      R = (R & ~(Int(1) << (Pos + K))) | Int(bitOf(A[0], K)) << (Pos + K);
  } else if (H == "lop3") {
    R = 0;
    for (unsigned K = 0; K < 32; ++K)
      R |= Int(C.Imm >>
                   (bitOf(A[0], K) * 4 + bitOf(A[1], K) * 2 + bitOf(A[2], K)) &
               1)
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
  } else {
    return false;
  }
  return true;
}

// ---- parts of words --------------------------------------------------------
/// Byte or half K of a word, signed or not.
static Int partOf(uint64_t V, unsigned K, int Bits, bool Signed) {
  uint64_t U = V >> (K * unsigned(Bits)) & ((uint64_t(1) << Bits) - 1);
  return Signed ? signedOf(U, Bits) : Int(U);
}

static bool dotProduct(const Name &N, const Words &A, Int &R) {
  bool Four = N.head() == "dp4a";
  size_t First = Four ? 1 : 2; // of the types
  bool SignedA = N.Parts[First] == "s32", SignedB = N.Parts[First + 1] == "s32";
  R = Int(A[2]);
  for (unsigned K = 0; K < (Four ? 4 : 2); ++K) {
    unsigned InB = K + (N.has("hi") ? 2 : 0);
    R +=
        partOf(A[0], K, Four ? 8 : 16, SignedA) * partOf(A[1], InB, 8, SignedB);
  }
  return true;
}

/// The permutation modes of prmt pick bytes by the two low bits of c.
static bool permuteMode(const Name &N, const Words &A, Int &R) {
  static const struct {
    const char *Name;
    unsigned Bytes[4][4]; // by c, then by byte of the result
  } Modes[] = {
      {"f4e", {{0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}}},
      {"b4e", {{0, 7, 6, 5}, {1, 0, 7, 6}, {2, 1, 0, 7}, {3, 2, 1, 0}}},
      {"rc8", {{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}}},
      {"ecl", {{0, 1, 2, 3}, {1, 1, 2, 3}, {2, 2, 2, 3}, {3, 3, 3, 3}}},
      {"ecr", {{0, 0, 0, 0}, {0, 1, 1, 1}, {0, 1, 2, 2}, {0, 1, 2, 3}}},
      {"rc16", {{0, 1, 0, 1}, {2, 3, 2, 3}, {0, 1, 0, 1}, {2, 3, 2, 3}}},
  };
  uint64_t Pair = A[1] << 32 | A[0];
  for (const auto &M : Modes)
    if (N.last() == M.Name) {
      R = 0;
      for (unsigned K = 0; K < 4; ++K)
        R |= partOf(Pair, M.Bytes[A[2] & 3][K], 8, false) << (8 * K);
      return true;
    }
  return false;
}

static Int findNthSet(uint64_t Mask, uint64_t Base, uint64_t Offset) {
  if (Base > 31)
    return -2; // not defined
  int32_t Left = int32_t(uint32_t(Offset));
  int Step = Left < 0 ? -1 : 1, Want = Left < 0 ? -Left : Left;
  if (!Want)
    return Mask >> Base & 1 ? Int(Base) : Int(0xffffffff);
  for (int At = int(Base); At >= 0 && At < 32; At += Step)
    if (Mask >> At & 1 && !--Want)
      return At;
  return Int(0xffffffff);
}

static bool wordRule(const Name &N, const Words &A, Int &R) {
  const std::string &H = N.head();
  bool Signed = N.last() == "s32", Clamp = N.has("clamp");
  auto Low = [&](uint64_t V) {
    return Signed ? signedOf(V & 0xffffff, 24) : Int(V & 0xffffff);
  };
  if (H == "mul24" || H == "mad24") {
    R = N.has("hi") ? (Low(A[0]) * Low(A[1])) >> 16 : Low(A[0]) * Low(A[1]);
    R += H == "mad24" ? Int(A[2]) : 0;
  } else if (H == "bmsk") {
    uint64_t At = Clamp ? std::min<uint64_t>(A[0], 32) : A[0] & 31,
             Count = Clamp ? std::min<uint64_t>(A[1], 32) : A[1] & 31;
    R = Int(uint32_t(((uint64_t(1) << Count) - 1) << At));
  } else if (H == "szext") {
    uint64_t Count = Clamp ? std::min<uint64_t>(A[1], 32) : A[1] & 31;
    uint64_t U = A[0] & ((uint64_t(1) << Count) - 1);
    R = !Count ? Int(0) : Signed ? signedOf(U, int(Count)) : Int(U);
  } else if (H == "fns") {
    R = findNthSet(A[0], A[1], A[2]);
    return R != -2;
  } else {
    return false;
  }
  return true;
}

bool test::integerParts(const Name &N, const OracleCase &C, Int &R) {
  const std::string &H = N.head();
  if (H == "dp4a" || H == "dp2a")
    return dotProduct(N, C.Args, R);
  if (H == "prmt")
    return permuteMode(N, C.Args, R);
  return wordRule(N, C.Args, R);
}
