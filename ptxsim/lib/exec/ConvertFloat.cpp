// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Conversions between f64, f32, tf32, f16, bf16 and the 8-bit formats.
#include "ConvertFloat.h"
#include "FloatOps.h"
#include "FloatRounded.h"
#include "Fp8.h"

using namespace ptxsim;

static Rounding modeOf(const Inst *I) { return Rounding(I->Aux & 15); }
static bool isSat(const Inst *I) { return I->Aux & 16; }
static bool isFtz(const Inst *I) { return I->Aux & 32; }
static bool isRelu(const Inst *I) { return I->Aux & 64; }
static bool isFinite(const Inst *I) { return I->Aux & 512; }

RowU32 ptxsim::roundToHalf(RowF32 X, Rounding Mode) {
  switch (Mode) {
  case Rounding::Rz: return floatToHalf<3>(X);
  case Rounding::Rm: return floatToHalf<1>(X);
  case Rounding::Rp: return floatToHalf<2>(X);
  default: return floatToHalf<0>(X);
  }
}
RowU32 ptxsim::roundToBhalf(RowF32 X, Rounding Mode) {
  if (Mode != Rounding::Rm && Mode != Rounding::Rp)
    return Mode == Rounding::Rz ? floatToBhalfZero(X) : floatToBhalf(X);
  RowU32 U = bitsOf(X), Sign = U >> 31;
  RowU32 Away = Mode == Rounding::Rm ? Sign : Sign ^ 1u;
  RowU32 Up = (RowI32)((U & 0xffffu) != 0) ? Away : (RowU32)(0u);
  return (RowI32)(X != X) ? (RowU32)(0x7fffu) : (U >> 16) + Up;
}
template <class V> static V integral(V X, Rounding Mode) {
  switch (Mode) {
  case Rounding::Rni: return __builtin_elementwise_roundeven(X);
  case Rounding::Rzi: return __builtin_elementwise_trunc(X);
  case Rounding::Rmi: return __builtin_elementwise_floor(X);
  case Rounding::Rpi: return __builtin_elementwise_ceil(X);
  default: return X;
  }
}
static RowF32 relu(RowF32 X) { return (RowI32)(X < 0.f) ? (RowF32)(0.f) : X; }

// ---- results in f32 and f64 ----------------------------------------------
template <class S> static void toF32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 X = Elem<S>::load(R + I->A);
  if (isFtz(I))
    X = flush(X);
  X = integral(X, modeOf(I));
  Elem<float>::store(R + I->D, isSat(I) ? saturate(X) : X, On);
  PTXSIM_NEXT;
}
template <class S> static void toF64(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF64 X;
  if constexpr (std::is_same_v<S, double>) {
    X = Elem<double>::load(R + I->A);
  } else {
    RowF32 F = Elem<S>::load(R + I->A);
    X = __builtin_convertvector(isFtz(I) ? flush(F) : F, RowF64);
  }
  X = integral(X, modeOf(I));
  Elem<double>::store(R + I->D, isSat(I) ? saturate(X) : X, On);
  PTXSIM_NEXT;
}
__attribute__((noinline)) static void narrowRow(Rounding Mode, RowF32 *D,
                                                const RowF64 *S) {
  RoundingScope Scope(Mode);
  *D = __builtin_convertvector(*S, RowF32);
}
static void f64ToF32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF64 X = Elem<double>::load(R + I->A);
  RowF32 D;
  narrowRow(modeOf(I), &D, &X);
  if (isFtz(I))
    D = flush(D);
  Elem<float>::store(R + I->D, isSat(I) ? saturate(D) : D, On);
  PTXSIM_NEXT;
}

// ---- results in 16 bits ---------------------------------------------------
static RowU32 narrow16(RowF32 X, bool B, Rounding Mode) {
  return B ? roundToBhalf(X, Mode) : roundToHalf(X, Mode);
}
/// From f32, or from the other 16-bit format.
template <class S, bool B> static void to16(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 X = Elem<S>::load(R + I->A);
  if (isFtz(I))
    X = flush(X);
  if (isSat(I))
    X = saturate(X);
  if (isRelu(I))
    X = relu(X);
  RowU32 D = narrow16(X, B, modeOf(I));
  if (isRelu(I))
    D = (RowI32)((D & 0x8000u) != 0) ? (RowU32)(0u) : D;
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}
/// a becomes the upper half, b the lower.
template <bool B> static void pack16(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 Hi = Elem<float>::load(R + I->A), Lo = Elem<float>::load(R + I->B);
  if (isRelu(I)) {
    Hi = relu(Hi);
    Lo = relu(Lo);
  }
  RowU32 D = narrow16(Hi, B, modeOf(I)) << 16 | narrow16(Lo, B, modeOf(I));
  if (isRelu(I)) { // a relu result never carries a sign
    RowI32 HiNeg = (RowI32)((D & 0x80000000u) != 0);
    RowI32 LoNeg = (RowI32)((D & 0x8000u) != 0);
    D = HiNeg ? D & 0xffffu : D;
    D = LoNeg ? D & 0xffff0000u : D;
  }
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}
template <bool B> static void f64To16(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF64 X = Elem<double>::load(R + I->A);
  RowF32 F = roundToOdd(X, (RowF64)(0.));
  if (isSat(I))
    F = saturate(F);
  store32(R + I->D, narrow16(F, B, modeOf(I)), On);
  PTXSIM_NEXT;
}
/// Within a format: to an integral value, or as it is.
template <class T> static void same16(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 X = integral(Elem<T>::load(R + I->A), modeOf(I));
  Elem<T>::store(R + I->D, isSat(I) ? saturate(X) : X, On);
  PTXSIM_NEXT;
}

// ---- tf32: f32 with the low 13 mantissa bits cleared ----------------------
static void toTf32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 X = Elem<float>::load(R + I->A);
  if (isRelu(I))
    X = relu(X) + 0.f; // -0 becomes 0
  RowU32 U = bitsOf(X);
  switch (modeOf(I)) {
  case Rounding::Rna: U += 0x1000u; break;
  case Rounding::Rn: U += 0xfffu + (U >> 13 & 1u); break;
  default: break;
  }
  U &= 0xffffe000u;
  U = (RowI32)(X != X) ? (RowU32)(0x7fffffffu) : U;
  store32(R + I->D, U, On);
  PTXSIM_NEXT;
}

// ---- 8-bit formats --------------------------------------------------------
template <class From> static RowF32 widen(RowU32 Bits) {
  return std::is_same_v<From, Half> ? halfToFloat(Bits) : bhalfToFloat(Bits);
}
template <bool E5> static uint32_t packFp8(float Hi, float Lo, bool Relu) {
  if (Relu) {
    Hi = Hi < 0 ? 0.f : Hi;
    Lo = Lo < 0 ? 0.f : Lo;
  }
  uint32_t D = uint32_t(floatToFp8<E5>(Hi)) << 8 | floatToFp8<E5>(Lo);
  return Relu ? D & 0x7f7f : D;
}
template <bool E5> static void f32ToFp8(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 Hi = Elem<float>::load(R + I->A), Lo = Elem<float>::load(R + I->B);
  RowU32 D;
  for (int L = 0; L < 32; ++L)
    D[L] = packFp8<E5>(Hi[L], Lo[L], isRelu(I));
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}
template <class From, bool E5> static void halvesToFp8(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU32 X = rowAt<RowU32>(R + I->A), D;
  RowF32 Lo = widen<From>(X & 0xffffu), Hi = widen<From>(X >> 16);
  for (int L = 0; L < 32; ++L)
    D[L] = packFp8<E5>(Hi[L], Lo[L], isRelu(I));
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}
template <class To, bool E5> static void fp8ToHalves(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU32 X = rowAt<RowU32>(R + I->A);
  RowF32 Hi, Lo;
  for (int L = 0; L < 32; ++L) {
    Hi[L] = fp8ToFloat<E5>(uint8_t(X[L] >> 8));
    Lo[L] = fp8ToFloat<E5>(uint8_t(X[L]));
  }
  if (isRelu(I)) {
    Hi = relu(Hi);
    Lo = relu(Lo);
  }
  constexpr bool IsHalf = std::is_same_v<To, Half>;
  RowU32 D = IsHalf ? floatToHalf(Hi) << 16 | floatToHalf(Lo)
                    : floatToBhalf(Hi) << 16 | floatToBhalf(Lo);
  store32(R + I->D, isRelu(I) ? D & 0x7fff7fffu : D, On);
  PTXSIM_NEXT;
}
static RowU32 packUe8m0(const Inst *I, RowF32 Hi, RowF32 Lo) {
  bool Up = modeOf(I) == Rounding::Rp;
  RowU32 D;
  for (int L = 0; L < 32; ++L)
    D[L] = uint32_t(floatToUe8m0(Hi[L], Up, isFinite(I))) << 8 |
           floatToUe8m0(Lo[L], Up, isFinite(I));
  return D;
}
static void f32ToUe8m0(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  store32(
      R + I->D,
      packUe8m0(I, Elem<float>::load(R + I->A), Elem<float>::load(R + I->B)),
      On);
  PTXSIM_NEXT;
}
static void bhalvesToUe8m0(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU32 X = rowAt<RowU32>(R + I->A);
  store32(R + I->D, packUe8m0(I, bhalfToFloat(X >> 16), bhalfToFloat(X)), On);
  PTXSIM_NEXT;
}
static void ue8m0ToBhalves(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU32 X = rowAt<RowU32>(R + I->A);
  RowF32 Hi, Lo;
  for (int L = 0; L < 32; ++L) {
    Hi[L] = ue8m0ToFloat(uint8_t(X[L] >> 8));
    Lo[L] = ue8m0ToFloat(uint8_t(X[L]));
  }
  store32(R + I->D, floatToBhalf(Hi) << 16 | floatToBhalf(Lo), On);
  PTXSIM_NEXT;
}

static Handler pickPack(Type D) {
  switch (D) {
  case Type::F16x2: return pack16<false>;
  case Type::BF16x2: return pack16<true>;
  case Type::E4M3x2: return f32ToFp8<false>;
  case Type::E5M2x2: return f32ToFp8<true>;
  case Type::UE8M0x2: return f32ToUe8m0;
  default: return nullptr;
  }
}

Handler ptxsim::pickFloatConversion(const OpcodeInfo &Info) {
  Type D = Info.Types[0], S = Info.Types[1];
  if (Info.O == Op::CvtPack)
    return pickPack(D);
  switch (D) {
  case Type::F32:
    return S == Type::F64    ? f64ToF32
           : S == Type::F16  ? toF32<Half>
           : S == Type::BF16 ? toF32<BHalf>
                             : toF32<float>;
  case Type::F64:
    return S == Type::F64    ? toF64<double>
           : S == Type::F16  ? toF64<Half>
           : S == Type::BF16 ? toF64<BHalf>
                             : toF64<float>;
  case Type::F16:
    return S == Type::F64    ? f64To16<false>
           : S == Type::F16  ? same16<Half>
           : S == Type::BF16 ? to16<BHalf, false>
                             : to16<float, false>;
  case Type::BF16:
    return S == Type::F64    ? f64To16<true>
           : S == Type::BF16 ? same16<BHalf>
           : S == Type::F16  ? to16<Half, true>
                             : to16<float, true>;
  case Type::TF32: return toTf32;
  case Type::E4M3x2:
    return S == Type::F16x2 ? halvesToFp8<Half, false>
                            : halvesToFp8<BHalf, false>;
  case Type::E5M2x2:
    return S == Type::F16x2 ? halvesToFp8<Half, true>
                            : halvesToFp8<BHalf, true>;
  case Type::UE8M0x2: return bhalvesToUe8m0;
  case Type::F16x2:
    return S == Type::E4M3x2 ? fp8ToHalves<Half, false>
                             : fp8ToHalves<Half, true>;
  case Type::BF16x2:
    return S == Type::UE8M0x2  ? ue8m0ToBhalves
           : S == Type::E4M3x2 ? fp8ToHalves<BHalf, false>
                               : fp8ToHalves<BHalf, true>;
  default: return nullptr;
  }
}
