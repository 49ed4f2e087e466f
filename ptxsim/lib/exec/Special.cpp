// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Division, reciprocals, roots and the approximate functions. They are more
// exact than hardware: quotients and roots are correctly rounded, ex2 is
// within 1 ulp, the others are the host's f64 functions rounded to f32.
#include "FloatOps.h"
#include <cmath>

using namespace ptxsim;

/// 2^x: x = n + r with |r| <= 1/2, a degree-6 polynomial for 2^r, and the
/// scaling by 2^n in two steps so that subnormal results round once.
static RowF32 exp2Row(RowF32 X) {
  RowF32 T = (RowI32)(X > -160.f) ? X : (RowF32)(-160.f);
  T = (RowI32)(T < 160.f) ? T : (RowF32)(160.f);
  RowF32 N = __builtin_elementwise_roundeven(T), F = T - N;
  RowF32 P = (RowF32)(1.535336188319500e-4f);
  for (float C :
       {1.339887440266574e-3f, 9.618437357674640e-3f, 5.550332471162809e-2f,
        2.402264791363012e-1f, 6.931472028550421e-1f, 1.0f})
    P = __builtin_elementwise_fma(P, F, (RowF32)(C));
  RowI32 K = __builtin_convertvector(N, RowI32);
  RowI32 K1 = K >> 1, K2 = K - K1;
  RowF32 S1 = (RowF32)((K1 + 127) << 23), S2 = (RowF32)((K2 + 127) << 23);
  RowF32 D = P * S1 * S2;
  return (RowI32)(X != X) ? X : D;
}

template <class F> static RowF32 eachLane(RowF32 X, F Fn) {
  RowF32 D;
  for (int L = 0; L < 32; ++L)
    D[L] = float(Fn(double(X[L])));
  return D;
}

template <Op O> static RowF32 function(RowF32 X) {
  switch (O) {
  case Op::Rcp: return (RowF32)(1.f) / X;
  case Op::Sqrt: return __builtin_elementwise_sqrt(X);
  case Op::Rsqrt: {
    RowF64 D = (RowF64)(1.) /
               __builtin_elementwise_sqrt(__builtin_convertvector(X, RowF64));
    return __builtin_convertvector(D, RowF32);
  }
  case Op::Ex2: return exp2Row(X);
  case Op::Lg2: return eachLane(X, [](double V) { return std::log2(V); });
  case Op::Sin: return eachLane(X, [](double V) { return std::sin(V); });
  case Op::Cos: return eachLane(X, [](double V) { return std::cos(V); });
  default: return eachLane(X, [](double V) { return std::tanh(V); });
  }
}

template <Op O, bool Ftz> static void special32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 X = rowAt<RowF32>(R + I->A);
  RowF32 D = function<O>(Ftz ? flush(X) : X);
  Elem<float>::store(R + I->D, Ftz ? flush(D) : D, On);
  PTXSIM_NEXT;
}
template <bool Ftz> static void divide32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 A = rowAt<RowF32>(R + I->A), B = rowAt<RowF32>(R + I->B);
  RowF32 D = Ftz ? flush(flush(A) / flush(B)) : A / B;
  Elem<float>::store(R + I->D, D, On);
  PTXSIM_NEXT;
}

/// One or two 16-bit values per lane through an f32 function.
template <Op O, class H, bool Packed, bool Ftz>
static void special16(PTXSIM_ARGS) {
  constexpr bool B = std::is_same_v<H, BHalf>;
  uint32_t On = guarded(I, R, M);
  RowU32 X = rowAt<RowU32>(R + I->A);
  auto One = [](RowU32 V) {
    RowF32 F = B ? bhalfToFloat(V) : halfToFloat(V);
    RowF32 D = function<O>(Ftz ? flush(F) : F);
    if (Ftz)
      D = flush(D);
    return B ? floatToBhalf(D) : floatToHalf(D);
  };
  RowU32 D = One(X);
  if (Packed)
    D |= One(X >> 16) << 16;
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}

static Handler pickHalf(const OpcodeInfo &Info) {
#define PICK16(O, Ftz)                                                         \
  switch (Info.Types[0]) {                                                     \
  case Type::F16: return special16<O, Half, false, false>;                     \
  case Type::F16x2: return special16<O, Half, true, false>;                    \
  case Type::BF16: return special16<O, BHalf, false, Ftz>;                     \
  case Type::BF16x2: return special16<O, BHalf, true, Ftz>;                    \
  default: return nullptr;                                                     \
  }
  if (Info.O == Op::Ex2) {
    PICK16(Op::Ex2, true)
  }
  if (Info.O == Op::Tanh) {
    PICK16(Op::Tanh, false)
  }
  return nullptr;
#undef PICK16
}

static Handler pickF64(const OpcodeInfo &Info) {
  // The gross approximations keep the upper 32 bits of the result only;
  // rsqrt.approx.f64 is refined in software on the hardware.
  using T = double;
  if (Info.O == Op::Rcp)
    return alu1<T, T,
                PTXSIM_FN1((RowF64)((RowU64)((RowF64)(1.) / A) &
                                    0xffffffff00000000ull))>;
  if (Info.O == Op::Rsqrt && !Info.has(Mod::Ftz))
    return alu1<T, T, PTXSIM_FN1((RowF64)(1.) / __builtin_elementwise_sqrt(A))>;
  if (Info.O == Op::Rsqrt)
    return alu1<T, T,
                PTXSIM_FN1((RowF64)((RowU64)((RowF64)(1.) /
                                             __builtin_elementwise_sqrt(A)) &
                                    0xffffffff00000000ull))>;
  return nullptr;
}

bool ptxsim::selectSpecial(Encoder &, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  if (Info.O == Op::Div && Info.Types[0] == Type::F32) {
    I.Fn = Info.has(Mod::Ftz) ? divide32<true> : divide32<false>;
    return true;
  }
  if (Info.Types[0] == Type::F64) {
    I.Fn = pickF64(Info);
    return I.Fn != nullptr;
  }
  if (Info.Types[0] != Type::F32) {
    I.Fn = pickHalf(Info);
    return I.Fn != nullptr;
  }
#define PICK(O)                                                                \
  case O:                                                                      \
    I.Fn = Info.has(Mod::Ftz) ? special32<O, true> : special32<O, false>;      \
    return true;
  switch (Info.O) {
    PICK(Op::Rcp)
    PICK(Op::Sqrt)
    PICK(Op::Rsqrt)
    PICK(Op::Ex2)
    PICK(Op::Lg2)
    PICK(Op::Sin)
    PICK(Op::Cos)
    PICK(Op::Tanh)
  default: return false;
  }
#undef PICK
}
