// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Logic, shifts and bit fields.
#include "Alu.h"
#include <algorithm>

using namespace ptxsim;

// ---- logic ---------------------------------------------------------------
enum class Logic : uint8_t { And, Or, Xor, Not };

template <Logic K, class V> static V logic(V A, V B) {
  switch (K) {
  case Logic::And: return A & B;
  case Logic::Or: return A | B;
  case Logic::Xor: return A ^ B;
  case Logic::Not: return ~A;
  }
}
template <Logic K> static void predicateLogic(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  // Aux holds which sources are written '!p'.
  uint32_t A = rowAt<uint32_t>(R + I->A) ^ (I->Aux & 1 ? ~0u : 0);
  uint32_t B = rowAt<uint32_t>(R + I->B) ^ (I->Aux & 2 ? ~0u : 0);
  storePred(R + I->D, logic<K>(A, B), On);
  PTXSIM_NEXT;
}
template <Logic K> static Handler logicHandler(Type T) {
  switch (bitWidth(T)) {
  case 1: return predicateLogic<K>;
  case 16:
    return alu2<uint16_t, uint16_t, uint16_t, PTXSIM_FN2(logic<K>(A, B))>;
  case 32:
    return alu2<uint32_t, uint32_t, uint32_t, PTXSIM_FN2(logic<K>(A, B))>;
  default:
    return alu2<uint64_t, uint64_t, uint64_t, PTXSIM_FN2(logic<K>(A, B))>;
  }
}
template <class T> static Handler cnotHandler() {
  using V = typename Elem<T>::Vec;
  return alu1<T, T, PTXSIM_FN1(A == 0 ? (V)(1) : (V)(0))>;
}

static void lop3(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU32 A = rowAt<RowU32>(R + I->A), B = rowAt<RowU32>(R + I->B),
         C = rowAt<RowU32>(R + I->C), D = (RowU32)(0u);
  for (unsigned K = 0; K < 8; ++K)
    if (I->Aux >> K & 1)
      D |= (K & 4 ? A : ~A) & (K & 2 ? B : ~B) & (K & 1 ? C : ~C);
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}

// ---- shifts --------------------------------------------------------------
// Amounts are unsigned 32-bit and clamp at the width.
template <class T, bool Left> static void shift(PTXSIM_ARGS) {
  using V = typename Elem<T>::Vec;
  constexpr unsigned Bits = Elem<T>::Bits;
  uint32_t On = guarded(I, R, M);
  V A = Elem<T>::load(R + I->A);
  RowU32 Amount = rowAt<RowU32>(R + I->B);
  V D;
  if constexpr (!Left && std::is_signed_v<T>) {
    RowU32 N = __builtin_elementwise_min(Amount, (RowU32)(Bits - 1));
    D = A >> __builtin_convertvector(N, V);
  } else {
    V N = __builtin_convertvector(Amount & 63, V);
    V Zero = (V)(0);
    auto Shifted = Left ? A << (N & (sizeof(V) == 128 ? 31 : 63))
                        : A >> (N & (sizeof(V) == 128 ? 31 : 63));
    if constexpr (sizeof(V) == sizeof(RowU32))
      D = (RowI32)(Amount >= Bits) ? Zero : (V)Shifted;
    else
      D = __builtin_convertvector((RowI32)(Amount >= Bits), RowI64)
              ? Zero
              : (V)Shifted;
  }
  Elem<T>::store(R + I->D, D, On);
  PTXSIM_NEXT;
}

template <bool Left, bool Wrap>
static uint32_t funnel(uint32_t Lo, uint32_t Hi, uint32_t N) {
  N = Wrap ? N & 31 : std::min(N, 32u);
  uint64_t V = uint64_t(Hi) << 32 | Lo;
  return Left ? uint32_t((V << N) >> 32) : uint32_t(V >> N);
}
template <bool Left, bool Wrap> static Handler funnelHandler() {
  using T = uint32_t;
  return lane3<T, T, T, T, PTXSIM_FN3((funnel<Left, Wrap>(A, B, C)))>;
}
static Handler pickFunnel(const OpcodeInfo &Info) {
  bool Wrap = Info.has(Mod::Wrap);
  if (Info.has(Mod::L))
    return Wrap ? funnelHandler<true, true>() : funnelHandler<true, false>();
  return Wrap ? funnelHandler<false, true>() : funnelHandler<false, false>();
}

// ---- bit fields ----------------------------------------------------------
template <class S> static S extractField(S A, uint32_t B, uint32_t C) {
  constexpr unsigned W = sizeof(S) * 8;
  using U = std::make_unsigned_t<S>;
  unsigned Pos = B & 255, Len = C & 255;
  U Field = Pos >= W ? 0 : U(A) >> Pos;
  if (Len < W)
    Field &= (U(1) << Len) - 1;
  if (std::is_signed_v<S> && Len) {
    unsigned SignAt = std::min(Pos + Len - 1, W - 1);
    unsigned Have = Pos >= W ? 0 : std::min(Len, W - Pos);
    if ((U(A) >> SignAt & 1) && Have < W)
      Field |= ~U(0) << Have;
  }
  return S(Field);
}
template <class U> static U insertField(U A, U B, uint32_t C, uint32_t D) {
  constexpr unsigned W = sizeof(U) * 8;
  unsigned Pos = C & 255, Len = D & 255;
  if (Pos >= W || !Len)
    return B;
  U Mask = (Len >= W ? ~U(0) : (U(1) << Len) - 1) << Pos;
  return (B & ~Mask) | ((A << Pos) & Mask);
}
template <class S> static uint32_t findHighest(S A, bool ShiftAmount) {
  using U = std::make_unsigned_t<S>;
  constexpr unsigned W = sizeof(S) * 8;
  U V = std::is_signed_v<S> && A < 0 ? ~U(A) : U(A);
  if (!V)
    return ~0u;
  unsigned At = W - 1 - unsigned(std::countl_zero(V));
  return ShiftAmount ? W - 1 - At : At;
}
static uint32_t bitMask(uint32_t A, uint32_t B, bool Wrap) {
  if (Wrap) {
    A &= 31;
    B &= 31;
  }
  if (A >= 32 || !B)
    return 0;
  uint32_t Ones = B >= 32 ? ~0u : (1u << B) - 1;
  return Ones << A;
}
template <bool Signed>
static uint32_t extend(uint32_t A, uint32_t B, bool Wrap) {
  if (Wrap)
    B &= 31;
  if (B >= 32)
    return A;
  if (!B)
    return 0;
  uint32_t Low = A & ((1u << B) - 1);
  if (Signed && (A >> (B - 1) & 1))
    Low |= ~0u << B;
  return Low;
}
/// n-th set bit of Mask from Base, upwards for positive Offset.
static uint32_t findNthSet(uint32_t Mask, uint32_t Base, uint32_t Offset) {
  int32_t N = int32_t(Offset);
  if (Base > 31)
    return ~0u;
  if (N == 0)
    return Mask >> Base & 1 ? Base : ~0u;
  int Step = N > 0 ? 1 : -1, Count = 0;
  for (int Pos = int(Base); Pos >= 0 && Pos < 32; Pos += Step)
    if ((Mask >> Pos & 1) && ++Count == (N > 0 ? N : -N))
      return uint32_t(Pos);
  return ~0u;
}

static Handler pickField(const OpcodeInfo &Info) {
  Type Ty = Info.Types[0];
  bool Long = bitWidth(Ty) == 64;
  using U = uint32_t;
  switch (Info.O) {
  case Op::Bfe:
    return pickInteger(Ty, []<class T>() -> Handler {
      return lane3<T, T, U, U, PTXSIM_FN3(T(extractField(T(A), B, C)))>;
    });
  case Op::Bfi:
    return pickInteger(Ty, []<class T>() -> Handler {
      using V = std::make_unsigned_t<T>;
      return lane4<V, V, V, U, U, decltype([](auto A, auto B, auto C, auto D) {
                     return insertField(V(A), V(B), C, D);
                   })>;
    });
  case Op::Bfind:
    if (Info.has(Mod::Shiftamt))
      return pickInteger(Ty, []<class T>() -> Handler {
        return lane1<U, T, PTXSIM_FN1(findHighest(T(A), true))>;
      });
    return pickInteger(Ty, []<class T>() -> Handler {
      return lane1<U, T, PTXSIM_FN1(findHighest(T(A), false))>;
    });
  case Op::Popc:
    return Long ? Handler(lane1<U, uint64_t, PTXSIM_FN1(U(std::popcount(A)))>)
                : Handler(lane1<U, U, PTXSIM_FN1(U(std::popcount(A)))>);
  case Op::Clz:
    return Long
               ? Handler(lane1<U, uint64_t, PTXSIM_FN1(U(std::countl_zero(A)))>)
               : Handler(lane1<U, U, PTXSIM_FN1(U(std::countl_zero(A)))>);
  case Op::Brev:
    return Long
               ? Handler(alu1<uint64_t, uint64_t,
                              PTXSIM_FN1(__builtin_elementwise_bitreverse(A))>)
               : Handler(alu1<U, U,
                              PTXSIM_FN1(__builtin_elementwise_bitreverse(A))>);
  default: return nullptr;
  }
}

static Handler pickSmallField(const OpcodeInfo &Info) {
  using U = uint32_t;
  bool Wrap = Info.has(Mod::Wrap);
  switch (Info.O) {
  case Op::Bmsk:
    return Wrap ? Handler(lane2<U, U, U, PTXSIM_FN2(bitMask(A, B, true))>)
                : Handler(lane2<U, U, U, PTXSIM_FN2(bitMask(A, B, false))>);
  case Op::Szext:
    if (isSigned(Info.Types[0]))
      return Wrap
                 ? Handler(lane2<U, U, U, PTXSIM_FN2(extend<true>(A, B, true))>)
                 : Handler(
                       lane2<U, U, U, PTXSIM_FN2(extend<true>(A, B, false))>);
    return Wrap ? Handler(lane2<U, U, U, PTXSIM_FN2(extend<false>(A, B, true))>)
                : Handler(
                      lane2<U, U, U, PTXSIM_FN2(extend<false>(A, B, false))>);
  case Op::Fns: return lane3<U, U, U, U, PTXSIM_FN3(findNthSet(A, B, C))>;
  default: return nullptr;
  }
}

// ---- byte operations -----------------------------------------------------
static uint32_t permuteSelector(unsigned Mode, uint32_t C) {
  uint32_t N = C & 3;
  static const uint16_t Tables[6][4] = {
      {0x3210, 0x4321, 0x5432, 0x6543}, // f4e
      {0x5670, 0x6701, 0x7012, 0x0123}, // b4e
      {0x0000, 0x1111, 0x2222, 0x3333}, // rc8
      {0x3210, 0x3211, 0x3222, 0x3333}, // ecl
      {0x0000, 0x1110, 0x2210, 0x3210}, // ecr
      {0x1010, 0x3232, 0x1010, 0x3232}, // rc16
  };
  return Tables[Mode - 1][N];
}
template <unsigned Mode>
static uint32_t permuteBytes(uint32_t A, uint32_t B, uint32_t C) {
  uint64_t Bytes = uint64_t(B) << 32 | A;
  uint32_t Selector = C, D = 0;
  if constexpr (Mode != 0)
    Selector = permuteSelector(Mode, C);
  for (unsigned K = 0; K < 4; ++K) {
    uint32_t S = Selector >> (4 * K) & 15;
    uint32_t Byte = uint32_t(Bytes >> (8 * (S & 7))) & 255;
    if (S & 8)
      Byte = Byte & 0x80 ? 0xff : 0;
    D |= Byte << (8 * K);
  }
  return D;
}
template <unsigned Mode> static Handler permuteHandler() {
  using U = uint32_t;
  return lane3<U, U, U, U, PTXSIM_FN3(permuteBytes<Mode>(A, B, C))>;
}
static Handler pickPermute(const OpcodeInfo &Info) {
  if (Info.has(Mod::F4e))
    return permuteHandler<1>();
  if (Info.has(Mod::B4e))
    return permuteHandler<2>();
  if (Info.has(Mod::Rc8))
    return permuteHandler<3>();
  if (Info.has(Mod::Ecl))
    return permuteHandler<4>();
  if (Info.has(Mod::Ecr))
    return permuteHandler<5>();
  if (Info.has(Mod::Rc16))
    return permuteHandler<6>();
  return permuteHandler<0>();
}

static int32_t part(uint32_t V, unsigned Byte, bool Signed) {
  uint32_t B = V >> (8 * Byte) & 255;
  return Signed ? int32_t(int8_t(B)) : int32_t(B);
}
template <bool SA, bool SB>
static uint32_t dot4(uint32_t A, uint32_t B, uint32_t C) {
  for (unsigned K = 0; K < 4; ++K)
    C += uint32_t(part(A, K, SA) * part(B, K, SB));
  return C;
}
template <bool SA, bool SB, bool Hi>
static uint32_t dot2(uint32_t A, uint32_t B, uint32_t C) {
  for (unsigned K = 0; K < 2; ++K) {
    uint32_t H = A >> (16 * K) & 0xffff;
    int32_t V = SA ? int32_t(int16_t(H)) : int32_t(H);
    C += uint32_t(V * part(B, K + (Hi ? 2 : 0), SB));
  }
  return C;
}
template <bool SA, bool SB> static Handler dotHandler(const OpcodeInfo &Info) {
  using U = uint32_t;
  if (Info.O == Op::Dp4a)
    return lane3<U, U, U, U, PTXSIM_FN3((dot4<SA, SB>(A, B, C)))>;
  if (Info.has(Mod::Hi))
    return lane3<U, U, U, U, PTXSIM_FN3((dot2<SA, SB, true>(A, B, C)))>;
  return lane3<U, U, U, U, PTXSIM_FN3((dot2<SA, SB, false>(A, B, C)))>;
}
static Handler pickDot(const OpcodeInfo &Info) {
  bool SB = isSigned(Info.Types[1]);
  if (isSigned(Info.Types[0]))
    return SB ? dotHandler<true, true>(Info) : dotHandler<true, false>(Info);
  return SB ? dotHandler<false, true>(Info) : dotHandler<false, false>(Info);
}

// ---- packed integers -----------------------------------------------------
/// Two 16-bit lanes; Relu clamps negative results to 0.
template <bool Signed, Op O, bool Relu>
static uint32_t packed16(uint32_t A, uint32_t B) {
  uint32_t D = 0;
  for (unsigned K = 0; K < 32; K += 16) {
    int32_t X = Signed ? int16_t(A >> K) : int32_t(A >> K & 0xffff);
    int32_t Y = Signed ? int16_t(B >> K) : int32_t(B >> K & 0xffff);
    int32_t V = O == Op::Add   ? X + Y
                : O == Op::Min ? std::min(X, Y)
                               : std::max(X, Y);
    if (Relu)
      V = std::max(V, 0);
    D |= (uint32_t(V) & 0xffff) << K;
  }
  return D;
}
template <Op O> static Handler packedHandler(const OpcodeInfo &Info) {
  using U = uint32_t;
  if (Info.Types[0] == Type::U16x2)
    return lane2<U, U, U, PTXSIM_FN2((packed16<false, O, false>(A, B)))>;
  if (Info.has(Mod::Relu))
    return lane2<U, U, U, PTXSIM_FN2((packed16<true, O, true>(A, B)))>;
  return lane2<U, U, U, PTXSIM_FN2((packed16<true, O, false>(A, B)))>;
}
template <Op O> static int32_t reluOrder(int32_t A, int32_t B) {
  return std::max(O == Op::Min ? std::min(A, B) : std::max(A, B), 0);
}
static Handler pickPacked(const OpcodeInfo &Info) {
  using S = int32_t;
  bool Packed = Info.Types[0] == Type::U16x2 || Info.Types[0] == Type::S16x2;
  switch (Info.O) {
  case Op::Add: return Packed ? packedHandler<Op::Add>(Info) : nullptr;
  case Op::Min:
    return Packed ? packedHandler<Op::Min>(Info)
                  : lane2<S, S, S, PTXSIM_FN2(reluOrder<Op::Min>(A, B))>;
  default:
    return Packed ? packedHandler<Op::Max>(Info)
                  : lane2<S, S, S, PTXSIM_FN2(reluOrder<Op::Max>(A, B))>;
  }
}
static bool isPacked(const OpcodeInfo &Info) {
  bool Ordered = Info.O == Op::Min || Info.O == Op::Max;
  bool Packed = Info.Types[0] == Type::U16x2 || Info.Types[0] == Type::S16x2;
  return Packed ||
         (Ordered && Info.Types[0] == Type::S32 && Info.has(Mod::Relu));
}

bool ptxsim::selectBits(Encoder &, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  Type Ty = Info.Types[0];
  if (isPacked(Info)) {
    I.Fn = pickPacked(Info);
    return true;
  }
  switch (Info.O) {
  case Op::And: I.Fn = logicHandler<Logic::And>(Ty); break;
  case Op::Or: I.Fn = logicHandler<Logic::Or>(Ty); break;
  case Op::Xor: I.Fn = logicHandler<Logic::Xor>(Ty); break;
  case Op::Not: I.Fn = logicHandler<Logic::Not>(Ty); break;
  case Op::Cnot:
    I.Fn =
        pickInteger(Ty, []<class T>() -> Handler { return cnotHandler<T>(); });
    break;
  case Op::Lop3:
    I.Fn = lop3;
    I.Aux = uint16_t(L.Immediates[0] & 255);
    return true;
  case Op::Shl:
    I.Fn = pickInteger(Ty, []<class T>() -> Handler { return shift<T, true>; });
    break;
  case Op::Shr:
    I.Fn =
        pickInteger(Ty, []<class T>() -> Handler { return shift<T, false>; });
    break;
  case Op::Shf: I.Fn = pickFunnel(Info); break;
  case Op::Prmt: I.Fn = pickPermute(Info); break;
  case Op::Dp4a:
  case Op::Dp2a: I.Fn = pickDot(Info); break;
  default:
    I.Fn = pickField(Info);
    if (!I.Fn)
      I.Fn = pickSmallField(Info);
    return I.Fn != nullptr;
  }
  for (unsigned K = 1; K < L.Operands.size(); ++K)
    if (L.Operands[K].Negated)
      I.Aux |= uint16_t(1 << (K - 1));
  return I.Fn != nullptr;
}
