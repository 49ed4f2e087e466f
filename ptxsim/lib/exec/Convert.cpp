// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cvt between integers, and between integers and floating point. Conversions
// between floating-point formats are in ConvertFloat.cpp.
#include "ConvertFloat.h"
#include "FloatOps.h"
#include "FloatRounded.h"
#include <cmath>
#include <limits>

using namespace ptxsim;

// ---- integer to integer --------------------------------------------------
template <class D, class S> static D clampTo(S V) {
  using L = __int128;
  L X = L(V), Lo = std::numeric_limits<D>::min(),
    Hi = std::numeric_limits<D>::max();
  return D(X < Lo ? Lo : X > Hi ? Hi : X);
}
/// Moves lanes between element widths; narrow rows keep their own width.
template <class D, class S> static void intToInt(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  auto A = Elem<S>::load(R + I->A);
  using VD = typename Elem<D>::Vec;
  VD V = __builtin_convertvector(A, VD);
  if constexpr (sizeof(D) == 1 && std::is_signed_v<D>)
    V = (V << 24) >> 24;
  if constexpr (sizeof(D) == 2 && std::is_signed_v<D>)
    V = (V << 16) >> 16;
  Elem<D>::store(R + I->D, V, On);
  PTXSIM_NEXT;
}
/// Flags of Inst::Aux for registers wider than the type: the source is cut
/// down to it, the result extended from it.
enum WidthFlags : uint16_t { WideSource = 128, WideTarget = 256 };

template <class D, class S> static void intMixed(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  bool Sat = I->Aux & 16;
  forLanes(On, [&](uint32_t L) {
    S V = I->Aux & WideSource ? S(laneOf<uint64_t>(R, I->A, L))
                              : S(laneOf<uint32_t>(R, I->A, L));
    D X = Sat ? clampTo<D>(V) : D(V);
    if (I->Aux & WideTarget)
      reinterpret_cast<uint64_t *>(R + I->D)[L] = uint64_t(int64_t(X));
    else
      reinterpret_cast<uint32_t *>(R + I->D)[L] =
          sizeof(D) == 2 ? uint16_t(X) : uint32_t(X);
  });
  PTXSIM_NEXT;
}
template <class D, class S> static Handler intHandler(bool Sat, bool IsMixed) {
  if (IsMixed)
    return intMixed<D, S>;
  if (!Sat)
    return intToInt<D, S>;
  return lane1<D, S, PTXSIM_FN1((clampTo<D>(S(A))))>;
}

// ---- integer to floating point -------------------------------------------
/// f32 "rounded to odd", for formats narrower than f32.
template <class S> static float oddFloat(S V) {
  RoundingScope Scope(Rounding::Rz);
  float F;
  asm volatile("" : "+m"(V));
  F = float(V);
  asm volatile("" : "+m"(F));
  uint32_t B;
  std::memcpy(&B, &F, 4);
  if (__int128(F) != __int128(V))
    B |= 1;
  std::memcpy(&F, &B, 4);
  return F;
}
template <class F, class S> static F convertInt(S V) {
  asm volatile("" : "+m"(V)); // stay inside the rounding scope
  F X = F(V);
  asm volatile("" : "+m"(X));
  return X;
}
template <class D, class S> static void intToFloat(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  Rounding Mode = Rounding(I->Aux & 15);
  auto A = Elem<S>::load(R + I->A);
  typename Elem<D>::Vec V;
  if constexpr (std::is_same_v<D, BHalf> || std::is_same_v<D, Half>) {
    for (int L = 0; L < 32; ++L)
      V[L] = oddFloat(S(A[L]));
  } else {
    RoundingScope Scope(Mode);
    for (int L = 0; L < 32; ++L)
      V[L] = convertInt<D>(S(A[L]));
  }
  if (I->Aux & 16)
    V = saturate(V);
  if constexpr (std::is_same_v<D, BHalf>)
    store32(R + I->D, roundToBhalf(V, Mode), On);
  else if constexpr (std::is_same_v<D, Half>)
    store32(R + I->D, roundToHalf(V, Mode), On);
  else
    Elem<D>::store(R + I->D, V, On);
  PTXSIM_NEXT;
}

// ---- floating point to integer -------------------------------------------
static double roundIntegral(double X, Rounding Mode) {
  switch (Mode) {
  case Rounding::Rzi: return std::trunc(X);
  case Rounding::Rmi: return std::floor(X);
  case Rounding::Rpi: return std::ceil(X);
  default: return __builtin_roundeven(X);
  }
}
/// What NaN becomes: 0, but the top bit where either side has 64 bits.
template <class D, class S> constexpr D integerOfNan() {
  bool Zero = !std::is_same_v<S, double> && sizeof(D) < 8;
  using U = std::make_unsigned_t<D>;
  return Zero ? D(0) : D(U(U(1) << (8 * sizeof(D) - 1)));
}
/// Clamps to D's range.
template <class D, class S> static D toInteger(double X, Rounding Mode) {
  if (X != X)
    return integerOfNan<D, S>();
  X = roundIntegral(X, Mode);
  double Lo = double(std::numeric_limits<D>::min());
  double Hi = std::ldexp(1.0, std::numeric_limits<D>::digits);
  if (X < Lo)
    return std::numeric_limits<D>::min();
  return X >= Hi ? std::numeric_limits<D>::max() : D(X);
}
template <class D, class S> static void floatToInt(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  Rounding Mode = Rounding(I->Aux & 15);
  auto A = Elem<S>::load(R + I->A);
  if constexpr (std::is_same_v<S, float>)
    if (I->Aux & 32)
      A = flush(A);
  typename Elem<D>::Vec V;
  if constexpr (std::is_same_v<S, float> && std::is_same_v<D, int32_t>) {
    if (Mode == Rounding::Rzi) { // the common cast, on whole rows
      RowF32 Hi = (RowF32)(2147483648.f);
      RowI32 Big = A >= Hi, Low = A < -Hi, Nan = A != A;
      RowF32 Safe = (RowF32)((RowU32)A & (RowU32) ~(Big | Low | Nan));
      V = __builtin_convertvector(Safe, RowI32);
      V = Big ? (RowI32)(INT32_MAX) : Low ? (RowI32)(INT32_MIN) : V;
      Elem<D>::store(R + I->D, V, On);
      PTXSIM_NEXT;
    }
  }
  for (int L = 0; L < 32; ++L)
    V[L] = toInteger<D, S>(double(A[L]), Mode);
  Elem<D>::store(R + I->D, V, On);
  PTXSIM_NEXT;
}

// ---- selection -----------------------------------------------------------
template <class D> static Handler pickFromFloat(Type S) {
  switch (S) {
  case Type::F32: return floatToInt<D, float>;
  case Type::F64: return floatToInt<D, double>;
  case Type::F16: return floatToInt<D, Half>;
  case Type::BF16: return floatToInt<D, BHalf>;
  default: return nullptr;
  }
}
static Handler pickIntToFloat(Type D, Type S) {
  return pickInteger(S, [&]<class T>() -> Handler {
    switch (D) {
    case Type::F32: return intToFloat<float, T>;
    case Type::F64: return intToFloat<double, T>;
    case Type::F16: return intToFloat<Half, T>;
    case Type::BF16: return intToFloat<BHalf, T>;
    default: return nullptr;
    }
  });
}

bool ptxsim::selectConvert(Encoder &, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  if (Info.O != Op::Cvt && Info.O != Op::CvtPack)
    return false;
  Type D = Info.Types[0], S = Info.Types[1];
  I.Aux =
      uint16_t(unsigned(Info.Round) | (Info.has(Mod::Sat) ? 16 : 0) |
               (Info.has(Mod::Ftz) ? 32 : 0) | (Info.has(Mod::Relu) ? 64 : 0) |
               (Info.has(Mod::Satfinite) ? 512 : 0));
  auto IsPair = [](Type T) {
    return T == Type::E4M3x2 || T == Type::E5M2x2 || T == Type::UE8M0x2;
  };
  bool FloatD = isFloat(D) || bitWidth(D) == 0 || IsPair(D);
  bool FloatS = isFloat(S) || IsPair(S);
  bool IsMixed = L.Refs[0].Wide != (bitWidth(D) == 64) ||
                 L.Refs[1].Wide != (bitWidth(S) == 64);
  if (IsMixed && (FloatD || FloatS))
    return false; // 64-bit registers beside 32-bit types: integers only
  if (IsMixed)
    I.Aux |= uint16_t((L.Refs[0].Wide ? WideTarget : 0) |
                      (L.Refs[1].Wide ? WideSource : 0));
  if (FloatD && FloatS)
    I.Fn = pickFloatConversion(Info);
  else if (FloatD)
    I.Fn = pickIntToFloat(D, S);
  else if (FloatS)
    I.Fn = pickInteger(
        D, [&]<class T>() -> Handler { return pickFromFloat<T>(S); });
  else
    I.Fn = pickInteger(D, [&]<class TD>() -> Handler {
      return pickInteger(S, [&]<class TS>() -> Handler {
        return intHandler<TD, TS>(Info.has(Mod::Sat), IsMixed);
      });
    });
  return I.Fn != nullptr;
}
