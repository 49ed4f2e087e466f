// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuda/language.cu against the host.
#include "Corpus.h"
#include <algorithm>

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

static void shuffles() {
  auto X = randomHalves(32, 4), Y = randomBf16(64, 5), Want = X;
  for (size_t I = 0; I < 32; ++I)
    Want[I] = X[I % 16 + 3 < 16 ? I + 3 : I];
  for (size_t I = 0; I < 64; ++I)
    Want.push_back(Y[(I / 2 ^ 5) * 2 + I % 2]);
  same("shuffles",
       runProgram<uint16_t>("language", "shuffles",
                            [&](Kernel &Fn) {
                              Buffer DX(X), DY(Y), DU(64), DV(128);
                              Fn.arg(DX.Address).arg(DY.Address);
                              Fn.arg(DU.Address).arg(DV.Address);
                              launched(Fn, {1}, {32});
                              auto U = DU.read<uint16_t>();
                              auto V = DV.read<uint16_t>();
                              U.insert(U.end(), V.begin(), V.end());
                              return U;
                            }),
       Want);
}

static void parts() {
  constexpr int N = 200;
  Random G(11);
  std::vector<uint32_t> X, Want;
  auto Part = [](uint32_t V, int K) { return int(int16_t(V >> 16 * K)); };
  for (int I = 0; I < N; ++I) {
    uint32_t V[3];
    for (uint32_t &Y : V)
      X.push_back(Y = uint32_t(G.next() >> 9));
    uint32_t Sum = 0, Two = 0, Three = 0;
    for (int K = 0; K < 2; ++K) {
      Sum += uint32_t(std::abs(int(V[0] >> 16 * K & 0xffff) -
                               int(V[1] >> 16 * K & 0xffff)));
      int M = std::max({Part(V[0], K), Part(V[1], K), 0});
      Two |= uint32_t(M) << 16 * K;
      Three |= uint32_t(std::max(M, Part(V[2], K))) << 16 * K;
    }
    Want.push_back(Sum);
    Want.push_back(Two);
    Want.push_back(
        uint32_t(std::max(std::min(int32_t(V[0]), int32_t(V[2])), 0)));
    Want.push_back(Three);
  }
  same("parts",
       runProgram<uint32_t>("language", "parts",
                            [&](Kernel &Fn) {
                              Buffer DX(X), DY(Want.size() * 4);
                              Fn.arg(DX.Address).arg(DY.Address).arg(N);
                              launched(Fn, {2}, {128});
                              return DY.read<uint32_t>();
                            }),
       Want);
}

/// bf16 of a number that is no NaN: the neighbours below and above it.
static int bfloatBelow(double V) {
  float F = float(V);
  if (double(F) > V)
    F = std::nextafterf(F, -INFINITY);
  uint32_t U;
  std::memcpy(&U, &F, 4);
  U = (U >> 16) + (F < 0 && U & 0xffff ? 1 : 0);
  return int16_t(U);
}
static int bfloatAbove(double V) {
  return int16_t(uint16_t(bfloatBelow(-V)) ^ 0x8000);
}
static int nearestBfloat(double V) {
  int Low = bfloatBelow(V), High = bfloatAbove(V);
  double L = bf16ToFloat(uint16_t(Low)), H = bf16ToFloat(uint16_t(High));
  if (V - L == H - V)
    return Low & 1 ? High : Low;
  return V - L < H - V ? Low : High;
}
static void bfloats() {
  std::vector<float> X = randomFloats(32, 8);
  for (size_t I = 0; I < X.size(); ++I)
    X[I] = std::ldexp(X[I] + 0.01f, int(I) % 24 - 4); // below 2^31
  std::vector<int> Want;
  for (float F : X) {
    double B = bf16ToFloat(uint16_t(nearestBfloat(F)));
    double K = std::min(std::rint(double(F)), double(INT32_MAX));
    K = std::max(K, double(INT32_MIN)) + 0.0; // no integer is -0
    for (int Y :
         {bfloatBelow(F), bfloatAbove(F),
          F < 0 ? bfloatAbove(F) : bfloatBelow(F), nearestBfloat(double(F) / 3),
          bfloatBelow(K), bfloatAbove(K), int(std::rint(B)), int(std::floor(B)),
          int(std::ceil(B)), bfloatBelow(std::floor(B))})
      Want.push_back(Y);
  }
  same("bfloats",
       runProgram<int>("language", "bfloats",
                       [&](Kernel &Fn) {
                         Buffer DX(X), DY(Want.size() * 4);
                         Fn.arg(DX.Address).arg(DY.Address).arg(int(X.size()));
                         launched(Fn, {1}, {32});
                         return DY.read<int>();
                       }),
       Want);
}

int main(int, char **Argv) {
  CorpusDirectory = Argv[1];
  divide128();
  gridSteps();
  casts();
  shuffles();
  parts();
  bfloats();
  return finish("CudaLanguageTest");
}
