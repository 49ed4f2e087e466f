// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs of unguarded f32 multiply-adds, the inner loops of products on CUDA
// cores, as one instruction each: the first one's handler goes through a dense
// table instead of one dispatch and one 64-byte instruction per step. The
// instructions stay in the code, for jumps into the run and for warps that are
// not complete.
#include "FloatOps.h"
#include <algorithm>

using namespace ptxsim;

/// Log2 of a row's bytes.
static constexpr unsigned RowShift = 7;
/// Instead of a row of A: the one of the step before, unchanged since.
static constexpr uint16_t SameA = 0xffff;

static uint8_t *row(uint8_t *R, uint16_t Number) {
  return R + (size_t(Number) << RowShift);
}

static void fmaRun(PTXSIM_ARGS) {
  const FmaRun &Run = W->P->FmaRuns[I->X];
  if (__builtin_expect(M != AllLanes, 0)) [[clang::musttail]]
    return Run.Single(I, R, W, M);
  const FmaStep *S = W->P->FmaSteps.data() + Run.First, *End = S + Run.Count;
  RowF32 A = rowAt<RowF32>(row(R, S->A));
  for (; S != End; ++S) {
    if (S->A != SameA)
      A = rowAt<RowF32>(row(R, S->A));
    rowAt<RowF32>(row(R, S->D)) = __builtin_elementwise_fma(
        A, rowAt<RowF32>(row(R, S->B)), rowAt<RowF32>(row(R, S->C)));
  }
  PTXSIM_GOTO(I + Run.Count, M);
}

/// The same with half as many loads and stores.
__attribute__((target("avx512f"))) static void fmaRun512(PTXSIM_ARGS) {
  const FmaRun &Run = W->P->FmaRuns[I->X];
  if (__builtin_expect(M != AllLanes, 0)) [[clang::musttail]]
    return Run.Single(I, R, W, M);
  const FmaStep *S = W->P->FmaSteps.data() + Run.First, *End = S + Run.Count;
  __m512 A0 = _mm512_setzero_ps(), A1 = A0;
  for (; S != End; ++S) {
    uint64_t Rows;
    std::memcpy(&Rows, S, 8);
    auto Half = [&](unsigned Field) {
      return reinterpret_cast<float *>(row(R, uint16_t(Rows >> 16 * Field)));
    };
    float *A = Half(0), *B = Half(1), *C = Half(2), *D = Half(3);
    if (S->A != SameA) {
      A0 = _mm512_load_ps(A);
      A1 = _mm512_load_ps(A + 16);
    }
    __m512 X0 = _mm512_fmadd_ps(A0, _mm512_load_ps(B), _mm512_load_ps(C));
    __m512 X1 =
        _mm512_fmadd_ps(A1, _mm512_load_ps(B + 16), _mm512_load_ps(C + 16));
    _mm512_store_ps(D, X0);
    _mm512_store_ps(D + 16, X1);
  }
  PTXSIM_GOTO(I + Run.Count, M);
}

bool ptxsim::isFused(const Inst &I) {
  return I.Fn == fmaRun || I.Fn == fmaRun512;
}

void ptxsim::fuseMultiplyAdds(Program &P, Handler Single, uint32_t AllOnes) {
  constexpr size_t MinRun = 4;
  auto Fits = [&](const Inst &I) {
    return I.Fn == Single && I.Pred == AllOnes && !I.PredXor;
  };
  if (P.RowBytes >> RowShift >= SameA)
    return;
  for (size_t First = 0; First < P.Code.size();) {
    size_t End = First;
    while (End < P.Code.size() && Fits(P.Code[End]))
      ++End;
    if (End - First >= MinRun) {
      uint32_t FirstStep = uint32_t(P.FmaSteps.size()), LastA = ~0u;
      for (size_t K = First; K < End; ++K) {
        const Inst &I = P.Code[K];
        P.FmaSteps.push_back({I.A == LastA ? SameA : uint16_t(I.A >> RowShift),
                              uint16_t(I.B >> RowShift),
                              uint16_t(I.C >> RowShift),
                              uint16_t(I.D >> RowShift)});
        LastA = I.D == I.A ? ~0u : I.A;
      }
      P.Code[First].Fn = hostHasAvx512() ? fmaRun512 : fmaRun;
      P.Code[First].X = uint32_t(P.FmaRuns.size());
      P.FmaRuns.push_back({FirstStep, uint32_t(End - First), Single});
    }
    First = std::max(End, First + 1);
  }
}
