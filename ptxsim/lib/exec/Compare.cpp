// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// setp, set, selp and slct.
#include "FloatOps.h"

using namespace ptxsim;

/// Integer comparison; lo/ls/hi/hs are the unsigned spellings.
template <Cmp K, class V> static uint32_t compareInt(V A, V B) {
  if constexpr (K == Cmp::Eq)
    return toMask(A == B);
  else if constexpr (K == Cmp::Ne)
    return toMask(A != B);
  else if constexpr (K == Cmp::Lt)
    return toMask(A < B);
  else if constexpr (K == Cmp::Le)
    return toMask(A <= B);
  else if constexpr (K == Cmp::Gt)
    return toMask(A > B);
  else
    return toMask(A >= B);
}
/// Ordered comparisons are false for NaN, the 'u' ones true.
template <class V> static uint32_t compareFloat(Cmp K, V A, V B) {
  uint32_t Nan = toMask((A != A) | (B != B));
  switch (K) {
  case Cmp::Eq: return toMask(A == B);
  case Cmp::Ne: return toMask(A != B) & ~Nan;
  case Cmp::Lt: return toMask(A < B);
  case Cmp::Le: return toMask(A <= B);
  case Cmp::Gt: return toMask(A > B);
  case Cmp::Ge: return toMask(A >= B);
  case Cmp::Equ: return toMask(A == B) | Nan;
  case Cmp::Neu: return toMask(A != B);
  case Cmp::Ltu: return toMask(A < B) | Nan;
  case Cmp::Leu: return toMask(A <= B) | Nan;
  case Cmp::Gtu: return toMask(A > B) | Nan;
  case Cmp::Geu: return toMask(A >= B) | Nan;
  case Cmp::Num: return ~Nan;
  default: return Nan;
  }
}

static Cmp signedSpelling(Cmp K) {
  switch (K) {
  case Cmp::Lo: return Cmp::Lt;
  case Cmp::Ls: return Cmp::Le;
  case Cmp::Hi: return Cmp::Gt;
  case Cmp::Hs: return Cmp::Ge;
  default: return K;
  }
}

// ---- results of a comparison, one row mask each --------------------------
using MaskFn = uint32_t (*)(const Inst *I, const uint8_t *R);

template <class T, Cmp K>
static uint32_t intMask(const Inst *I, const uint8_t *R) {
  return compareInt<K>(Elem<T>::load(R + I->A), Elem<T>::load(R + I->B));
}
template <class T, bool Ftz>
static uint32_t floatMask(const Inst *I, const uint8_t *R) {
  auto A = Elem<T>::load(R + I->A), B = Elem<T>::load(R + I->B);
  if constexpr (Ftz && std::is_same_v<T, Half>) {
    A = halfToFloat(flush16(rowAt<RowU32>(R + I->A)));
    B = halfToFloat(flush16(rowAt<RowU32>(R + I->B)));
  } else if constexpr (Ftz) {
    A = flush(A);
    B = flush(B);
  }
  return compareFloat(Cmp(I->Aux >> 8), A, B);
}

template <MaskFn F> static void setp(PTXSIM_ARGS) {
  storePred(R + I->D, F(I, R), guarded(I, R, M));
  PTXSIM_NEXT;
}
/// Both destinations, and a boolean operation with a third source. Aux bits:
/// 0-1 operation (0 none, 1 and, 2 or, 3 xor), 2 third source negated, 3 the
/// second destination exists (its row is in E).
template <MaskFn F> static void setpFull(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  uint32_t Yes = F(I, R), No = ~Yes;
  uint32_t C = rowAt<uint32_t>(R + I->C) ^ (I->Aux & 4 ? ~0u : 0);
  switch (I->Aux & 3) {
  case 1:
    Yes &= C;
    No &= C;
    break;
  case 2:
    Yes |= C;
    No |= C;
    break;
  case 3:
    Yes ^= C;
    No ^= C;
    break;
  }
  storePred(R + I->D, Yes, On);
  if (I->Aux & 8)
    storePred(R + I->E, No, On);
  PTXSIM_NEXT;
}
/// set: all ones (or 1.0 for an f32 destination) where the comparison holds.
template <MaskFn F> static void setValue(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowI32 Yes = lanes32(F(I, R));
  RowU32 One = (RowU32)(I->Aux & 16 ? 0x3f800000u : ~0u);
  store32(R + I->D, (RowU32)Yes & One, On);
  PTXSIM_NEXT;
}

template <MaskFn F> static Handler pickForm(const OpcodeInfo &Info, bool Full) {
  if (Info.O == Op::Set)
    return setValue<F>;
  return Full ? setpFull<F> : setp<F>;
}
template <class T>
static Handler pickIntCmp(const OpcodeInfo &Info, bool Full) {
  switch (signedSpelling(Info.Compare)) {
  case Cmp::Eq: return pickForm<intMask<T, Cmp::Eq>>(Info, Full);
  case Cmp::Ne: return pickForm<intMask<T, Cmp::Ne>>(Info, Full);
  case Cmp::Lt: return pickForm<intMask<T, Cmp::Lt>>(Info, Full);
  case Cmp::Le: return pickForm<intMask<T, Cmp::Le>>(Info, Full);
  case Cmp::Gt: return pickForm<intMask<T, Cmp::Gt>>(Info, Full);
  default: return pickForm<intMask<T, Cmp::Ge>>(Info, Full);
  }
}
static Handler pickCompare(const OpcodeInfo &Info, Type Ty, bool Full) {
  bool Ftz = Info.has(Mod::Ftz);
  switch (Ty) {
  case Type::F32:
    return Ftz ? pickForm<floatMask<float, true>>(Info, Full)
               : pickForm<floatMask<float, false>>(Info, Full);
  case Type::F64: return pickForm<floatMask<double, false>>(Info, Full);
  case Type::F16:
    return Ftz ? pickForm<floatMask<Half, true>>(Info, Full)
               : pickForm<floatMask<Half, false>>(Info, Full);
  case Type::BF16: return pickForm<floatMask<BHalf, false>>(Info, Full);
  case Type::U16:
  case Type::B16: return pickIntCmp<uint16_t>(Info, Full);
  case Type::S16: return pickIntCmp<int16_t>(Info, Full);
  case Type::U32:
  case Type::B32: return pickIntCmp<uint32_t>(Info, Full);
  case Type::S32: return pickIntCmp<int32_t>(Info, Full);
  case Type::U64:
  case Type::B64: return pickIntCmp<uint64_t>(Info, Full);
  case Type::S64: return pickIntCmp<int64_t>(Info, Full);
  default: return nullptr;
  }
}

/// Operands in 16 bits, flushed if Aux has this bit.
constexpr uint16_t FlushHalves = 32;
template <bool B> static RowF32 wideHalf(const Inst *I, RowU32 X) {
  if (B)
    return bhalfToFloat(X);
  return halfToFloat(I->Aux & FlushHalves ? flush16(X) : X);
}

/// setp.f16x2 p|q: one comparison per half.
template <bool B> static void setpPacked(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU32 A = rowAt<RowU32>(R + I->A), Y = rowAt<RowU32>(R + I->B);
  auto Wide = [&](RowU32 X) { return wideHalf<B>(I, X); };
  Cmp K = Cmp(I->Aux >> 8);
  storePred(R + I->D, compareFloat(K, Wide(A), Wide(Y)), On);
  if (I->Aux & 8)
    storePred(R + I->E, compareFloat(K, Wide(A >> 16), Wide(Y >> 16)), On);
  PTXSIM_NEXT;
}

/// set with 16-bit results: True, 1.0 or all ones, or else 0 in each half.
template <bool B, bool Packed, uint32_t True> static void setHalf(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU32 A = rowAt<RowU32>(R + I->A), Y = rowAt<RowU32>(R + I->B);
  auto One = [&](RowU32 X, RowU32 Z) {
    uint32_t Yes =
        compareFloat(Cmp(I->Aux >> 8), wideHalf<B>(I, X), wideHalf<B>(I, Z));
    return (RowU32)lanes32(Yes) & True;
  };
  RowU32 D = One(A, Y);
  if (Packed)
    D |= One(A >> 16, Y >> 16) << 16;
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}
static Handler pickSetHalf(Type To, Type From) {
  constexpr uint32_t One = 0x3c00, OneB = 0x3f80, Ones = 0xffff;
  bool Mask = To == Type::U32 || To == Type::S32;
  switch (From) {
  case Type::F16x2:
    return Mask ? setHalf<false, true, Ones> : setHalf<false, true, One>;
  case Type::BF16x2:
    return Mask ? setHalf<true, true, Ones> : setHalf<true, true, OneB>;
  case Type::F16: return setHalf<false, false, One>;
  case Type::BF16: return setHalf<true, false, OneB>;
  default: return nullptr;
  }
}

// ---- selection -----------------------------------------------------------
template <class T> static void selp(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  uint32_t P = rowAt<uint32_t>(R + I->C) ^ (I->Aux & 4 ? ~0u : 0);
  auto A = Elem<T>::load(R + I->A), B = Elem<T>::load(R + I->B);
  if constexpr (sizeof(T) == 8)
    Elem<T>::store(R + I->D, lanes64(P) ? A : B, On);
  else
    Elem<T>::store(R + I->D, lanes32(P) ? A : B, On);
  PTXSIM_NEXT;
}
/// d = c >= 0 ? a : b; NaN selects b.
template <class T, class C, bool Ftz> static void slct(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  auto S = Elem<C>::load(R + I->C);
  if constexpr (Ftz)
    S = flush(S);
  uint32_t P = toMask((RowI32)(S >= 0));
  auto A = Elem<T>::load(R + I->A), B = Elem<T>::load(R + I->B);
  if constexpr (sizeof(T) == 8)
    Elem<T>::store(R + I->D, lanes64(P) ? A : B, On);
  else
    Elem<T>::store(R + I->D, lanes32(P) ? A : B, On);
  PTXSIM_NEXT;
}
template <class T> static Handler pickSlct(const OpcodeInfo &Info) {
  if (Info.Types[1] == Type::S32)
    return slct<T, int32_t, false>;
  return Info.has(Mod::Ftz) ? slct<T, float, true> : slct<T, float, false>;
}
template <class F> static Handler pickWidth(Type T, F Fn) {
  switch (bitWidth(T)) {
  case 16: return Fn.template operator()<uint16_t>();
  case 64: return Fn.template operator()<uint64_t>();
  default: return Fn.template operator()<uint32_t>();
  }
}

static bool selectSetp(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  bool Second = E.present(L, 1);
  unsigned Third = 4; // operand index of the boolean source
  bool Full = Second || Info.O == Op::SetpBool;
  I.Aux = uint16_t(unsigned(Info.Compare) << 8 | (Second ? 8 : 0));
  if (Second)
    I.E = E.row(L, 1);
  if (Info.O == Op::SetpBool) {
    I.Aux |= Info.has(Mod::AndMod) ? 1 : Info.has(Mod::OrMod) ? 2 : 3;
    I.Aux |= L.Operands[Third].Negated ? 4 : 0;
  }
  I.Aux |= Info.has(Mod::Ftz) ? FlushHalves : 0;
  if (Info.Types[0] == Type::F16x2)
    I.Fn = setpPacked<false>;
  else if (Info.Types[0] == Type::BF16x2)
    I.Fn = setpPacked<true>;
  else
    I.Fn = pickCompare(Info, Info.Types[0], Full);
  return I.Fn != nullptr;
}

bool ptxsim::selectCompare(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  switch (Info.O) {
  case Op::Setp:
  case Op::SetpBool: return selectSetp(E, L, I);
  case Op::Set:
    I.Aux = uint16_t(unsigned(Info.Compare) << 8 |
                     (Info.Types[0] == Type::F32 ? 16 : 0) |
                     (Info.has(Mod::Ftz) ? FlushHalves : 0));
    I.Fn = pickSetHalf(Info.Types[0], Info.Types[1]);
    if (!I.Fn)
      I.Fn = pickCompare(Info, Info.Types[1], false);
    return I.Fn != nullptr;
  case Op::Selp:
    I.Aux = L.Operands[3].Negated ? 4 : 0;
    I.Fn =
        pickWidth(Info.Types[0], []<class T>() -> Handler { return selp<T>; });
    return true;
  case Op::Slct:
    I.Fn = pickWidth(Info.Types[0],
                     [&]<class T>() -> Handler { return pickSlct<T>(Info); });
    return true;
  default: return false;
  }
}
