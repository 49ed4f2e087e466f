// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuda/language.cu against the host.
#include "Corpus.h"

using namespace test;

using Wide = unsigned __int128;

static void divide128() {
  constexpr unsigned N = 300;
  Random G(7);
  std::vector<uint64_t> X, Want;
  for (unsigned I = 0; I < N; ++I) {
    Wide A = Wide(G.next()) << 64 | G.next(),
         B = Wide(G.next()) << 64 | G.next();
    A >>= G.next() % 100;
    B >>= G.next() % 127;
    B += B == 0;
    for (Wide V : {A, B}) {
      X.push_back(uint64_t(V));
      X.push_back(uint64_t(V >> 64));
    }
    for (Wide V : {Wide(A - B), Wide(A / B), Wide(A % B)}) {
      Want.push_back(uint64_t(V));
      Want.push_back(uint64_t(V >> 64));
    }
  }
  same("divide128",
       runProgram<uint64_t>("language", "divide128",
                            [&](Kernel &Fn) {
                              Buffer DX(X), DY(Want.size() * 8);
                              Fn.arg(DX.Address).arg(DY.Address).arg(int(N));
                              launched(Fn, {3}, {128});
                              return DY.read<uint64_t>();
                            }),
       Want);
}

static void gridSteps() {
  constexpr int N = 1000, Steps = 4;
  std::vector<int> X(N), Y(N), Want(N);
  for (int I = 0; I < N; ++I)
    Want[size_t(I)] = X[size_t(I)] = I * I % 977;
  for (int S = 0; S < Steps; ++S) {
    for (int I = 0; I < N; ++I)
      Y[size_t(I)] = Want[size_t((I + 1) % N)] + 1;
    for (int I = 0; I < N; ++I)
      Want[size_t(I)] = Y[size_t((I + 3) % N)];
  }
  same("gridSteps",
       runProgram<int>("language", "gridSteps",
                       [&](Kernel &Fn) {
                         Buffer DX(X), DY(Y);
                         Fn.arg(DX.Address).arg(DY.Address).arg(N).arg(Steps);
                         launched(Fn, {8}, {128}, 0, {}, true);
                         return DX.read<int>();
                       }),
       Want);
}

/// What a cast gives: out of range the nearest integer. NaN becomes 0 where
/// the source is narrower than f64 and the result than 64 bits, else the top
/// bit (PTX ISA, cvt).
static int64_t castOf(double V, bool FromDouble, unsigned Bits, bool Signed) {
  if (V != V)
    return FromDouble || Bits == 64
               ? (Signed ? INT64_MIN >> (64 - Bits) : int64_t(1) << (Bits - 1))
               : 0;
  __int128 Low = Signed ? -(__int128(1) << (Bits - 1)) : 0;
  __int128 High = (__int128(1) << (Signed ? Bits - 1 : Bits)) - 1;
  return int64_t(V <= double(Low)    ? Low
                 : V >= double(High) ? High
                                     : __int128(V));
}
static void casts() {
  constexpr double Huge = 1e30;
  std::vector<double> X = {std::nan(""), 0, -1.5, 1.5, Huge, -Huge};
  std::vector<int64_t> Want;
  for (double V : X)
    for (int64_t Y : {castOf(V, true, 64, true), castOf(V, false, 64, true),
                      castOf(V, false, 64, true), castOf(V, true, 64, false),
                      castOf(V, false, 64, false), castOf(V, true, 32, true),
                      castOf(V, false, 32, true), castOf(V, false, 32, true),
                      castOf(V, true, 32, false), castOf(V, false, 32, false)})
      Want.push_back(Y);
  same("casts",
       runProgram<int64_t>(
           "language", "casts",
           [&](Kernel &Fn) {
             Buffer DX(X), DY(Want.size() * 8);
             Fn.arg(DX.Address).arg(DY.Address).arg(int(X.size()));
             launched(Fn, {1}, {32});
             return DY.read<int64_t>();
           }),
       Want);
}

int main(int, char **Argv) {
  CorpusDirectory = Argv[1];
  divide128();
  gridSteps();
  casts();
  return finish("CudaLanguageTest");
}
