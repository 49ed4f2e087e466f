// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// f16 and bf16 arithmetic, scalar and packed. Sums of 16-bit values round
// once through f32 (24 >= 2 * 11 + 2 bits); products that may be subnormal
// and fused multiply-adds go through f64 and "round to odd".
#include "FloatOps.h"

using namespace ptxsim;

namespace {
enum class Post : uint8_t { None, Sat, Relu };
}

template <bool B> static RowF32 widen(RowU32 X) {
  return B ? bhalfToFloat(X) : halfToFloat(X);
}
template <bool B> static RowU32 narrow(RowF32 X) {
  return B ? floatToBhalf(X) : floatToHalf(X);
}

template <Op O, bool B, bool Ftz, Post Finish>
static RowU32 compute(RowU32 XA, RowU32 XB, RowU32 XC) {
  if (Ftz) {
    XA = flush16(XA & 0xffff);
    XB = flush16(XB & 0xffff);
    XC = flush16(XC & 0xffff);
  }
  RowF32 A = widen<B>(XA), Y = widen<B>(XB), D;
  RowF32 Zero = (RowF32)(0.f);
  switch (O) {
  case Op::Add: D = A + Y; break;
  case Op::Sub: D = A - Y; break;
  // An exact product needs no third term; -0 keeps the sign of zeros.
  case Op::Mul: D = B ? fmaToOdd(A, Y, (RowF32)(-0.f)) : A * Y; break;
  case Op::Fma: D = fmaToOdd(A, Y, widen<B>(XC)); break;
  default: D = A; break;
  }
  if (Finish == Post::Sat)
    D = saturate(D);
  if (Finish == Post::Relu)
    D = (RowI32)(D < Zero) ? Zero : D;
  RowU32 Out = narrow<B>(D);
  if (Finish == Post::Relu) // -0 and rounded-up negatives
    Out = (RowI32)((Out & 0x8000u) != 0) ? (RowU32)(0u) : Out;
  return Ftz ? flush16(Out) : Out;
}

template <Op O, bool B, bool Packed, bool Ftz, Post Finish>
static void arithmetic16(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowU32 A = rowAt<RowU32>(R + I->A), Y = rowAt<RowU32>(R + I->B),
         C = rowAt<RowU32>(R + I->C);
  RowU32 D = compute<O, B, Ftz, Finish>(A, Y, C);
  if (Packed)
    D |= compute<O, B, Ftz, Finish>(A >> 16, Y >> 16, C >> 16) << 16;
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}

template <bool Max, bool PassNaN, bool B>
static RowU32 order16(RowU32 A, RowU32 Y, bool Ftz) {
  if (Ftz) {
    A = flush16(A & 0xffff);
    Y = flush16(Y & 0xffff);
  }
  return narrow<B>(select<Max, PassNaN>(widen<B>(A), widen<B>(Y)));
}
template <bool Max, bool PassNaN, bool B> static void order(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  bool Ftz = I->Aux & 1, Packed = I->Aux & 2;
  RowU32 A = rowAt<RowU32>(R + I->A), Y = rowAt<RowU32>(R + I->B);
  RowU32 D = order16<Max, PassNaN, B>(A, Y, Ftz);
  if (Packed)
    D |= order16<Max, PassNaN, B>(A >> 16, Y >> 16, Ftz) << 16;
  store32(R + I->D, D, On);
  PTXSIM_NEXT;
}
static void sign(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  bool Ftz = I->Aux & 1, Packed = I->Aux & 2, IsAbs = I->Aux & 4;
  RowU32 A = rowAt<RowU32>(R + I->A);
  RowU32 Lo = Ftz ? flush16(A & 0xffff) : A & 0xffff;
  RowU32 Hi = Ftz ? flush16(A >> 16) : A >> 16;
  RowU32 D = Packed ? Lo | Hi << 16 : Lo;
  uint32_t Signs = Packed ? 0x80008000u : 0x8000u;
  store32(R + I->D, IsAbs ? D & ~Signs : D ^ Signs, On);
  PTXSIM_NEXT;
}

template <Op O, bool B, bool Packed>
static Handler pickArithmetic(const OpcodeInfo &Info) {
  bool Ftz = Info.has(Mod::Ftz);
  if constexpr (!B) {
    if (Info.has(Mod::Sat))
      return Ftz ? arithmetic16<O, B, Packed, true, Post::Sat>
                 : arithmetic16<O, B, Packed, false, Post::Sat>;
    if (Ftz && Info.has(Mod::Relu))
      return arithmetic16<O, B, Packed, true, Post::Relu>;
    if (Ftz)
      return arithmetic16<O, B, Packed, true, Post::None>;
  }
  if (Info.has(Mod::Relu))
    return arithmetic16<O, B, Packed, false, Post::Relu>;
  return arithmetic16<O, B, Packed, false, Post::None>;
}
template <Op O> static Handler pickFormat(const OpcodeInfo &Info) {
  switch (Info.Types[0]) {
  case Type::F16: return pickArithmetic<O, false, false>(Info);
  case Type::F16x2: return pickArithmetic<O, false, true>(Info);
  case Type::BF16: return pickArithmetic<O, true, false>(Info);
  case Type::BF16x2: return pickArithmetic<O, true, true>(Info);
  default: return nullptr;
  }
}
static Handler pickOrder(const OpcodeInfo &Info, bool B) {
  bool Max = Info.O == Op::Max, NaN = Info.has(Mod::NaN);
  if (B)
    return pickFlags(Max, NaN, []<bool X, bool N>() -> Handler {
      return order<X, N, true>;
    });
  return pickFlags(
      Max, NaN, []<bool X, bool N>() -> Handler { return order<X, N, false>; });
}

bool ptxsim::selectHalf(Encoder &, const Lowered &L, Inst &I) {
  const OpcodeInfo &Info = L.Info;
  Type Ty = Info.Types[0];
  bool B = Ty == Type::BF16 || Ty == Type::BF16x2;
  bool Packed = Ty == Type::F16x2 || Ty == Type::BF16x2;
  if (!B && Ty != Type::F16 && Ty != Type::F16x2)
    return false;
  switch (Info.O) {
  case Op::Add: I.Fn = pickFormat<Op::Add>(Info); break;
  case Op::Sub: I.Fn = pickFormat<Op::Sub>(Info); break;
  case Op::Mul: I.Fn = pickFormat<Op::Mul>(Info); break;
  case Op::Fma: I.Fn = pickFormat<Op::Fma>(Info); break;
  case Op::Min:
  case Op::Max: I.Fn = pickOrder(Info, B); break;
  case Op::Neg:
  case Op::Abs: I.Fn = sign; break;
  default: return false;
  }
  I.Aux = uint16_t((Info.has(Mod::Ftz) ? 1 : 0) | (Packed ? 2 : 0) |
                   (Info.O == Op::Abs ? 4 : 0));
  return I.Fn != nullptr;
}
