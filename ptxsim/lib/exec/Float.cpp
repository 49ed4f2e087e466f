// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// f32 and f64 arithmetic that the host does exactly in round to nearest even.
// Directed rounding is in FloatRounded.cpp.
#include "FloatOps.h"
#include "FloatRounded.h"

using namespace ptxsim;

template <bool Ftz> static RowF32 in(RowF32 X) { return Ftz ? flush(X) : X; }
template <bool Ftz, bool Sat> static RowF32 out(RowF32 X) {
  if (Ftz)
    X = flush(X);
  return Sat ? saturate(X) : X;
}

template <Op O, bool Ftz, bool Sat> static void binary32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 A = in<Ftz>(rowAt<RowF32>(R + I->A));
  RowF32 B = in<Ftz>(rowAt<RowF32>(R + I->B));
  RowF32 D = O == Op::Add ? A + B : O == Op::Sub ? A - B : A * B;
  Elem<float>::store(R + I->D, out<Ftz, Sat>(D), On);
  PTXSIM_NEXT;
}
template <bool Ftz, bool Sat> static void fma32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 A = in<Ftz>(rowAt<RowF32>(R + I->A));
  RowF32 B = in<Ftz>(rowAt<RowF32>(R + I->B));
  RowF32 C = in<Ftz>(rowAt<RowF32>(R + I->C));
  RowF32 D = __builtin_elementwise_fma(A, B, C);
  Elem<float>::store(R + I->D, out<Ftz, Sat>(D), On);
  PTXSIM_NEXT;
}
template <bool Max, bool Ftz, bool PassNaN> static void order32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 A = in<Ftz>(rowAt<RowF32>(R + I->A));
  RowF32 B = in<Ftz>(rowAt<RowF32>(R + I->B));
  Elem<float>::store(R + I->D, select<Max, PassNaN>(A, B), On);
  PTXSIM_NEXT;
}
template <bool Ftz, bool IsAbs> static void sign32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU32 U = bitsOf(in<Ftz>(rowAt<RowF32>(R + I->A)));
  store32(R + I->D, IsAbs ? U & 0x7fffffffu : U ^ 0x80000000u, On);
  PTXSIM_NEXT;
}

Handler ptxsim::plainMultiplyAdd() { return fma32<false, false>; }

static Handler pick32(Encoder &E, const OpcodeInfo &Info) {
  bool HasFtz = Info.has(Mod::Ftz), Sat = Info.has(Mod::Sat);
  bool Ftz = HasFtz && !E.flushes(); // else the host flushes
  switch (Info.O) {
  case Op::Add:
    return pickFlags(Ftz, Sat, []<bool F, bool S>() -> Handler {
      return binary32<Op::Add, F, S>;
    });
  case Op::Sub:
    return pickFlags(Ftz, Sat, []<bool F, bool S>() -> Handler {
      return binary32<Op::Sub, F, S>;
    });
  case Op::Mul:
    return pickFlags(Ftz, Sat, []<bool F, bool S>() -> Handler {
      return binary32<Op::Mul, F, S>;
    });
  case Op::Fma:
    return pickFlags(Ftz, Sat,
                     []<bool F, bool S>() -> Handler { return fma32<F, S>; });
  case Op::Min:
    return pickFlags(
        HasFtz, Info.has(Mod::NaN),
        []<bool F, bool N>() -> Handler { return order32<false, F, N>; });
  case Op::Max:
    return pickFlags(
        HasFtz, Info.has(Mod::NaN),
        []<bool F, bool N>() -> Handler { return order32<true, F, N>; });
  case Op::Abs: return HasFtz ? sign32<true, true> : sign32<false, true>;
  case Op::Neg: return HasFtz ? sign32<true, false> : sign32<false, false>;
  default: return nullptr;
  }
}

static Handler pick64(const OpcodeInfo &Info) {
  using T = double;
  constexpr uint64_t Sign = uint64_t(1) << 63;
  switch (Info.O) {
  case Op::Add: return alu2<T, T, T, PTXSIM_FN2(A + B)>;
  case Op::Sub: return alu2<T, T, T, PTXSIM_FN2(A - B)>;
  case Op::Mul: return alu2<T, T, T, PTXSIM_FN2(A * B)>;
  case Op::Fma:
    return alu3<T, T, T, T, PTXSIM_FN3(__builtin_elementwise_fma(A, B, C))>;
  case Op::Div: return alu2<T, T, T, PTXSIM_FN2(A / B)>;
  case Op::Min: return alu2<T, T, T, PTXSIM_FN2(select64<false>(A, B))>;
  case Op::Max: return alu2<T, T, T, PTXSIM_FN2(select64<true>(A, B))>;
  case Op::Abs: return alu1<uint64_t, uint64_t, PTXSIM_FN1(A & ~Sign)>;
  case Op::Neg: return alu1<uint64_t, uint64_t, PTXSIM_FN1(A ^ Sign)>;
  case Op::Rcp: return alu1<T, T, PTXSIM_FN1((RowF64)(1.) / A)>;
  case Op::Sqrt: return alu1<T, T, PTXSIM_FN1(__builtin_elementwise_sqrt(A))>;
  default: return nullptr;
  }
}

// ---- classification ------------------------------------------------------
template <class F> static bool testProperty(Mod K, F X) {
  switch (K) {
  case Mod::Finite: return __builtin_isfinite(X);
  case Mod::Infinite: return __builtin_isinf(X);
  case Mod::Number: return !__builtin_isnan(X);
  case Mod::Notanumber: return __builtin_isnan(X);
  case Mod::Normal: return __builtin_isnormal(X);
  default: return X != 0 && __builtin_isfinite(X) && !__builtin_isnormal(X);
  }
}
template <class F, Mod K> static void testp(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M), D = 0;
  for (unsigned L = 0; L < 32; ++L)
    D |= uint32_t(testProperty(K, laneOf<F>(R, I->A, L))) << L;
  storePred(R + I->D, D, On);
  PTXSIM_NEXT;
}
template <Mod K> static Handler testpHandler(bool Long) {
  return Long ? testp<double, K> : testp<float, K>;
}
static Handler pickTestp(const OpcodeInfo &Info) {
  bool Long = Info.Types[0] == Type::F64;
  if (Info.has(Mod::Finite))
    return testpHandler<Mod::Finite>(Long);
  if (Info.has(Mod::Infinite))
    return testpHandler<Mod::Infinite>(Long);
  if (Info.has(Mod::Number))
    return testpHandler<Mod::Number>(Long);
  if (Info.has(Mod::Notanumber))
    return testpHandler<Mod::Notanumber>(Long);
  if (Info.has(Mod::Normal))
    return testpHandler<Mod::Normal>(Long);
  return testpHandler<Mod::Subnormal>(Long);
}
static Handler pickCopysign(bool Long) {
  constexpr uint64_t S64 = uint64_t(1) << 63;
  constexpr uint32_t S32 = 1u << 31;
  using U = uint32_t;
  using UL = uint64_t;
  if (Long)
    return alu2<UL, UL, UL, PTXSIM_FN2((A & S64) | (B & ~S64))>;
  return alu2<U, U, U, PTXSIM_FN2((A & S32) | (B & ~S32))>;
}

bool ptxsim::selectFloat(Encoder &E, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  Type Ty = Info.Types[0];
  if (Info.O == Op::Testp) {
    I.Fn = pickTestp(Info);
    return true;
  }
  if (Ty != Type::F32 && Ty != Type::F64)
    return false;
  if (Info.O == Op::Copysign) {
    I.Fn = pickCopysign(Ty == Type::F64);
    return true;
  }
  // Approximate functions belong to Special.cpp.
  if (Info.has(Mod::Approx) || Info.has(Mod::Full))
    return false;
  if (Info.Round > Rounding::Rn && Info.Round <= Rounding::Rp)
    I.Fn = pickRounded(Info);
  else
    I.Fn = Ty == Type::F32 ? pick32(E, Info) : pick64(Info);
  return I.Fn != nullptr;
}
