// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Handler templates for instructions that compute one row from up to four.
#ifndef PTXSIM_EXEC_ALU_H
#define PTXSIM_EXEC_ALU_H

#include "Exec.h"

namespace ptxsim {

// Vector forms: F takes whole rows.
template <class TD, class TA, class F> void alu1(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  Elem<TD>::store(R + I->D, F{}(Elem<TA>::load(R + I->A)), On);
  PTXSIM_NEXT;
}
template <class TD, class TA, class TB, class F> void alu2(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  Elem<TD>::store(R + I->D,
                  F{}(Elem<TA>::load(R + I->A), Elem<TB>::load(R + I->B)), On);
  PTXSIM_NEXT;
}
template <class TD, class TA, class TB, class TC, class F>
void alu3(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  Elem<TD>::store(R + I->D,
                  F{}(Elem<TA>::load(R + I->A), Elem<TB>::load(R + I->B),
                      Elem<TC>::load(R + I->C)),
                  On);
  PTXSIM_NEXT;
}

// Lane forms: F takes scalars; for operations with no useful vector form.
template <class TD, class TA, class F> void lane1(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  auto A = Elem<TA>::load(R + I->A);
  typename Elem<TD>::Vec D{};
  for (int L = 0; L < 32; ++L)
    D[L] = F{}(A[L]);
  Elem<TD>::store(R + I->D, D, On);
  PTXSIM_NEXT;
}
template <class TD, class TA, class TB, class F> void lane2(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  auto A = Elem<TA>::load(R + I->A);
  auto B = Elem<TB>::load(R + I->B);
  typename Elem<TD>::Vec D{};
  for (int L = 0; L < 32; ++L)
    D[L] = F{}(A[L], B[L]);
  Elem<TD>::store(R + I->D, D, On);
  PTXSIM_NEXT;
}
template <class TD, class TA, class TB, class TC, class F>
void lane3(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  auto A = Elem<TA>::load(R + I->A);
  auto B = Elem<TB>::load(R + I->B);
  auto C = Elem<TC>::load(R + I->C);
  typename Elem<TD>::Vec D{};
  for (int L = 0; L < 32; ++L)
    D[L] = F{}(A[L], B[L], C[L]);
  Elem<TD>::store(R + I->D, D, On);
  PTXSIM_NEXT;
}
template <class TD, class TA, class TB, class TC, class TE, class F>
void lane4(PTXSIM_ARGS) {
  uint32_t On = guarded(I, R, M);
  auto A = Elem<TA>::load(R + I->A);
  auto B = Elem<TB>::load(R + I->B);
  auto C = Elem<TC>::load(R + I->C);
  auto G = Elem<TE>::load(R + I->E);
  typename Elem<TD>::Vec D{};
  for (int L = 0; L < 32; ++L)
    D[L] = F{}(A[L], B[L], C[L], G[L]);
  Elem<TD>::store(R + I->D, D, On);
  PTXSIM_NEXT;
}

#define PTXSIM_FN1(Expr) decltype([](auto A) { return Expr; })
#define PTXSIM_FN2(Expr) decltype([](auto A, auto B) { return Expr; })
#define PTXSIM_FN3(Expr) decltype([](auto A, auto B, auto C) { return Expr; })

// Type dispatch: F is a generic lambda with one template parameter.
template <class F> Handler pickInteger(Type T, F Fn) {
  switch (T) {
  case Type::U8:
  case Type::B8: return Fn.template operator()<uint8_t>();
  case Type::S8: return Fn.template operator()<int8_t>();
  case Type::U16:
  case Type::B16: return Fn.template operator()<uint16_t>();
  case Type::S16: return Fn.template operator()<int16_t>();
  case Type::U32:
  case Type::B32: return Fn.template operator()<uint32_t>();
  case Type::S32: return Fn.template operator()<int32_t>();
  case Type::U64:
  case Type::B64: return Fn.template operator()<uint64_t>();
  case Type::S64: return Fn.template operator()<int64_t>();
  default: return nullptr;
  }
}

} // namespace ptxsim
#endif
