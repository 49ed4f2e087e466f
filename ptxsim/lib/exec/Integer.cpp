// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Integer arithmetic: add to mad, extended precision, divide, min and max.
#include "Alu.h"
#include <algorithm>

using namespace ptxsim;

// ---- products ------------------------------------------------------------
template <class V> static V mulHi(V A, V B) {
  V D;
  if constexpr (std::is_same_v<V, RowU32>)
    return __builtin_convertvector((__builtin_convertvector(A, RowU64) *
                                    __builtin_convertvector(B, RowU64)) >>
                                       32,
                                   RowU32);
  else if constexpr (std::is_same_v<V, RowI32>)
    return __builtin_convertvector((__builtin_convertvector(A, RowI64) *
                                    __builtin_convertvector(B, RowI64)) >>
                                       32,
                                   RowI32);
  else
    for (int L = 0; L < 32; ++L) {
      if constexpr (std::is_same_v<V, RowU64>)
        D[L] = uint64_t((unsigned __int128)A[L] * B[L] >> 64);
      else
        D[L] = int64_t((__int128)A[L] * B[L] >> 64);
    }
  return D;
}
/// High half of a product of 16-bit values held in 32-bit lanes.
template <class T> static Handler mulHiHandler() {
  if constexpr (sizeof(T) == 2)
    return alu2<T, T, T, PTXSIM_FN2((A * B) >> 16)>;
  else
    return alu2<T, T, T, PTXSIM_FN2(mulHi(A, B))>;
}
template <class T> static Handler madHiHandler() {
  if constexpr (sizeof(T) == 2)
    return alu3<T, T, T, T, PTXSIM_FN3(((A * B) >> 16) + C)>;
  else
    return alu3<T, T, T, T, PTXSIM_FN3(mulHi(A, B) + C)>;
}

static Handler wideHandler(Type T, bool Mad) {
#define WIDE(D, S, V)                                                          \
  return Mad ? Handler(alu3<D, S, S, D,                                        \
                            PTXSIM_FN3((__builtin_convertvector(A, V) *        \
                                        __builtin_convertvector(B, V)) +       \
                                       C)>)                                    \
             : Handler(alu2<D, S, S,                                           \
                            PTXSIM_FN2(__builtin_convertvector(A, V) *         \
                                       __builtin_convertvector(B, V))>)
  switch (T) {
  case Type::U16: WIDE(uint32_t, uint16_t, RowU32);
  case Type::S16: WIDE(int32_t, int16_t, RowI32);
  case Type::U32: WIDE(uint64_t, uint32_t, RowU64);
  case Type::S32: WIDE(int64_t, int32_t, RowI64);
  default: return nullptr;
  }
#undef WIDE
}

template <bool Signed, bool Hi> static int32_t product24(int32_t A, int32_t B) {
  int64_t X = Signed ? int64_t(A << 8 >> 8) : int64_t(A & 0xffffff);
  int64_t Y = Signed ? int64_t(B << 8 >> 8) : int64_t(B & 0xffffff);
  int64_t P = X * Y;
  return int32_t(Hi ? P >> 16 : P);
}
template <bool Signed, bool Hi> static Handler handler24(bool Mad) {
  using T = int32_t;
  if (Mad)
    return lane3<T, T, T, T, PTXSIM_FN3((product24<Signed, Hi>(A, B) + C))>;
  return lane2<T, T, T, PTXSIM_FN2((product24<Signed, Hi>(A, B)))>;
}
static Handler pick24(const OpcodeInfo &Info, bool Mad) {
  bool Hi = Info.has(Mod::Hi);
  if (isSigned(Info.Types[0]))
    return Hi ? handler24<true, true>(Mad) : handler24<true, false>(Mad);
  return Hi ? handler24<false, true>(Mad) : handler24<false, false>(Mad);
}

// ---- extended precision --------------------------------------------------
// The condition code is one carry bit per lane. A subtraction is the addition
// of the complement and 1: its carry is set where nothing is borrowed.
template <class V> static V carryIn(const Warp *W, uint32_t On) {
  V Zero = (V)(0), One = (V)(1);
  uint32_t C = W->Carry & On;
  if constexpr (sizeof(V) == sizeof(RowU32))
    return lanes32(C) ? One : Zero;
  else
    return lanes64(C) ? One : Zero;
}
template <class T, bool In, bool Out> static void addCarry(PTXSIM_ARGS) {
  using V = typename Elem<T>::Vec;
  uint32_t On = guarded(I, R, M);
  V A = Elem<T>::load(R + I->A), B = Elem<T>::load(R + I->B);
  V S = A + B;
  uint32_t Carry = toMask(S < A);
  if (In) {
    V C = carryIn<V>(W, On);
    S += C;
    Carry |= toMask(S < C);
  }
  if (Out)
    W->Carry = (W->Carry & ~On) | (Carry & On);
  Elem<T>::store(R + I->D, S, On);
  PTXSIM_NEXT;
}
template <class T, bool In, bool Out> static void subCarry(PTXSIM_ARGS) {
  using V = typename Elem<T>::Vec;
  uint32_t On = guarded(I, R, M);
  V A = Elem<T>::load(R + I->A), B = Elem<T>::load(R + I->B);
  V D = A - B;
  uint32_t Borrow = toMask(A < B);
  if (In) {
    V C = (V)(1) - carryIn<V>(W, On);
    Borrow |= toMask(D < C);
    D -= C;
  }
  if (Out)
    W->Carry = (W->Carry & ~On) | (~Borrow & On);
  Elem<T>::store(R + I->D, D, On);
  PTXSIM_NEXT;
}
template <class T, bool Signed, bool Hi, bool In, bool Out>
static void madCarry(PTXSIM_ARGS) {
  using V = typename Elem<T>::Vec;
  using SV = typename Elem<std::make_signed_t<T>>::Vec;
  uint32_t On = guarded(I, R, M);
  V A = Elem<T>::load(R + I->A), B = Elem<T>::load(R + I->B);
  V Add = Elem<T>::load(R + I->C), P;
  if constexpr (!Hi)
    P = A * B;
  else if constexpr (Signed)
    P = (V)mulHi((SV)A, (SV)B);
  else
    P = mulHi(A, B);
  V S = P + Add;
  uint32_t Carry = toMask(S < P);
  if (In) {
    V C = carryIn<V>(W, On);
    S += C;
    Carry |= toMask(S < C);
  }
  if (Out)
    W->Carry = (W->Carry & ~On) | (Carry & On);
  Elem<T>::store(R + I->D, S, On);
  PTXSIM_NEXT;
}

template <bool In, bool Out>
static Handler carryHandler(const OpcodeInfo &Info) {
  bool Long = bitWidth(Info.Types[0]) == 64, Hi = Info.has(Mod::Hi);
  bool Signed = isSigned(Info.Types[0]);
  switch (Info.O) {
  case Op::AddCarry:
    return Long ? addCarry<uint64_t, In, Out> : addCarry<uint32_t, In, Out>;
  case Op::SubCarry:
    return Long ? subCarry<uint64_t, In, Out> : subCarry<uint32_t, In, Out>;
  default:
    if (!Hi)
      return Long ? madCarry<uint64_t, false, false, In, Out>
                  : madCarry<uint32_t, false, false, In, Out>;
    if (Signed)
      return Long ? madCarry<uint64_t, true, true, In, Out>
                  : madCarry<uint32_t, true, true, In, Out>;
    return Long ? madCarry<uint64_t, false, true, In, Out>
                : madCarry<uint32_t, false, true, In, Out>;
  }
}
static Handler pickCarry(const OpcodeInfo &Info) {
  std::string_view Pattern = Info.Row->Pattern;
  bool In = Pattern.substr(0, Pattern.find('.')).back() == 'c';
  bool Out = Info.has(Mod::CC);
  if (In)
    return Out ? carryHandler<true, true>(Info)
               : carryHandler<true, false>(Info);
  return carryHandler<false, true>(Info);
}

// ---- division, saturation, absolute values -------------------------------
// Division by zero is undefined in PTX; hardware returns all ones, and the
// dividend as remainder.
template <class S> static S divide(S A, S B) {
  if (B == 0)
    return S(-1);
  if (std::is_signed_v<S> && B == S(-1))
    return S(0) - A;
  return A / B;
}
template <class S> static S remainder(S A, S B) {
  if (B == 0)
    return A;
  if (std::is_signed_v<S> && B == S(-1))
    return 0;
  return A % B;
}
static int32_t saturate(int64_t V) {
  return int32_t(std::min<int64_t>(std::max<int64_t>(V, INT32_MIN), INT32_MAX));
}
static Handler saturatingHandler(bool IsAdd) {
  using T = int32_t;
  if (IsAdd)
    return lane2<T, T, T, PTXSIM_FN2(saturate(int64_t(A) + B))>;
  return lane2<T, T, T, PTXSIM_FN2(saturate(int64_t(A) - B))>;
}

static Handler pickArithmetic(const OpcodeInfo &Info) {
  Type Ty = Info.Types[0];
  switch (Info.O) {
  case Op::Add:
    if (Info.has(Mod::Sat))
      return saturatingHandler(true);
    return pickInteger(Ty, []<class T>() -> Handler {
      return alu2<T, T, T, PTXSIM_FN2(A + B)>;
    });
  case Op::Sub:
    if (Info.has(Mod::Sat))
      return saturatingHandler(false);
    return pickInteger(Ty, []<class T>() -> Handler {
      return alu2<T, T, T, PTXSIM_FN2(A - B)>;
    });
  case Op::Mul:
    return pickInteger(Ty, []<class T>() -> Handler {
      return alu2<T, T, T, PTXSIM_FN2(A * B)>;
    });
  case Op::Mad:
    return pickInteger(Ty, []<class T>() -> Handler {
      return alu3<T, T, T, T, PTXSIM_FN3(A * B + C)>;
    });
  case Op::MulHi:
    return pickInteger(Ty,
                       []<class T>() -> Handler { return mulHiHandler<T>(); });
  case Op::MadHi:
    return pickInteger(Ty,
                       []<class T>() -> Handler { return madHiHandler<T>(); });
  case Op::Div:
    return pickInteger(Ty, []<class T>() -> Handler {
      return lane2<T, T, T, PTXSIM_FN2(divide(A, B))>;
    });
  case Op::Rem:
    return pickInteger(Ty, []<class T>() -> Handler {
      return lane2<T, T, T, PTXSIM_FN2(remainder(A, B))>;
    });
  default: return nullptr;
  }
}

static Handler pickOrder(const OpcodeInfo &Info) {
  Type Ty = Info.Types[0];
  switch (Info.O) {
  case Op::Min:
    return pickInteger(Ty, []<class T>() -> Handler {
      return alu2<T, T, T, PTXSIM_FN2(__builtin_elementwise_min(A, B))>;
    });
  case Op::Max:
    return pickInteger(Ty, []<class T>() -> Handler {
      return alu2<T, T, T, PTXSIM_FN2(__builtin_elementwise_max(A, B))>;
    });
  case Op::Neg:
    return pickInteger(
        Ty, []<class T>() -> Handler { return alu1<T, T, PTXSIM_FN1(0 - A)>; });
  case Op::Abs:
    return pickInteger(Ty, []<class T>() -> Handler {
      return alu1<T, T, PTXSIM_FN1(A < 0 ? 0 - A : A)>;
    });
  case Op::Sad:
    return pickInteger(Ty, []<class T>() -> Handler {
      return alu3<T, T, T, T, PTXSIM_FN3(C + (A < B ? B - A : A - B))>;
    });
  default: return nullptr;
  }
}

bool ptxsim::selectInteger(Encoder &, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  if (Info.NumTypes == 0 || isFloat(Info.Types[0]) || Info.has(Mod::Relu))
    return false;
  switch (Info.O) {
  case Op::MulWide: I.Fn = wideHandler(Info.Types[0], false); break;
  case Op::MadWide: I.Fn = wideHandler(Info.Types[0], true); break;
  case Op::Mul24: I.Fn = pick24(Info, false); break;
  case Op::Mad24: I.Fn = pick24(Info, true); break;
  case Op::AddCarry:
  case Op::SubCarry:
  case Op::MadCarry: I.Fn = pickCarry(Info); break;
  default:
    I.Fn = pickArithmetic(Info);
    if (!I.Fn)
      I.Fn = pickOrder(Info);
  }
  return I.Fn != nullptr;
}
