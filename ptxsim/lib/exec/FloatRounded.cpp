// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Directed rounding: the host's rounding mode is switched around operations
// on whole rows. Built with -frounding-math.
#include "FloatRounded.h"
#include "FloatOps.h"

using namespace ptxsim;

/// Operands and results go through memory, so that the compiler cannot move
/// the arithmetic out of the scope of the rounding mode.
template <class V, Op O>
__attribute__((noinline)) static void compute(Rounding Mode, V *D, const V *A,
                                              const V *B, const V *C) {
  RoundingScope Scope(Mode);
  switch (O) {
  case Op::Add: *D = *A + *B; break;
  case Op::Sub: *D = *A - *B; break;
  case Op::Mul: *D = *A * *B; break;
  case Op::Div: *D = *A / *B; break;
  case Op::Rcp: *D = (V)(1) / *A; break;
  case Op::Sqrt: *D = __builtin_elementwise_sqrt(*A); break;
  default: *D = __builtin_elementwise_fma(*A, *B, *C); break;
  }
}

template <Op O, Rounding Mode, bool Ftz, bool Sat>
static void rounded32(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  RowF32 A = rowAt<RowF32>(R + I->A), B = rowAt<RowF32>(R + I->B),
         C = rowAt<RowF32>(R + I->C), D;
  if (Ftz) {
    A = flush(A);
    B = flush(B);
    C = flush(C);
  }
  compute<RowF32, O>(Mode, &D, &A, &B, &C);
  if (Ftz)
    D = flush(D);
  if (Sat)
    D = saturate(D);
  store32(R + I->D, (RowU32)D, On);
  PTXSIM_NEXT;
}
template <Op O, Rounding Mode> static void rounded64(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  // Rows of absent operands are narrow; read only what the operation has.
  constexpr bool Two = O != Op::Rcp && O != Op::Sqrt, Three = O == Op::Fma;
  RowF64 A = rowAt<RowF64>(R + I->A), D;
  RowF64 B = Two ? rowAt<RowF64>(R + I->B) : A;
  RowF64 C = Three ? rowAt<RowF64>(R + I->C) : A;
  compute<RowF64, O>(Mode, &D, &A, &B, &C);
  store64(R + I->D, (RowU64)D, On);
  PTXSIM_NEXT;
}

template <Op O, Rounding Mode>
static Handler pickFormat(const OpcodeInfo &Info) {
  if (Info.Types[0] == Type::F64)
    return rounded64<O, Mode>;
  return pickFlags(
      Info.has(Mod::Ftz), Info.has(Mod::Sat),
      []<bool F, bool S>() -> Handler { return rounded32<O, Mode, F, S>; });
}
template <Op O> static Handler pickMode(const OpcodeInfo &Info) {
  switch (Info.Round) {
  case Rounding::Rz: return pickFormat<O, Rounding::Rz>(Info);
  case Rounding::Rm: return pickFormat<O, Rounding::Rm>(Info);
  default: return pickFormat<O, Rounding::Rp>(Info);
  }
}

Handler ptxsim::pickRounded(const OpcodeInfo &Info) {
  switch (Info.O) {
  case Op::Add: return pickMode<Op::Add>(Info);
  case Op::Sub: return pickMode<Op::Sub>(Info);
  case Op::Mul: return pickMode<Op::Mul>(Info);
  case Op::Div: return pickMode<Op::Div>(Info);
  case Op::Rcp: return pickMode<Op::Rcp>(Info);
  case Op::Sqrt: return pickMode<Op::Sqrt>(Info);
  case Op::Fma: return pickMode<Op::Fma>(Info);
  default: return nullptr;
  }
}
