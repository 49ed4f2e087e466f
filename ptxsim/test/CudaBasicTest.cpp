// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuda/basic.cu against the host.
#include "Corpus.h"
#include <algorithm>

using namespace test;

static std::vector<int> randomInts(size_t N, int Range, uint64_t Seed) {
  Random G(Seed);
  std::vector<int> V(N);
  for (int &X : V)
    X = int(G.next() % (2u * unsigned(Range))) - Range;
  return V;
}

static void sgemm() {
  constexpr int M = 70, N = 53, K = 90;
  auto A = randomFloats(M * K, 1), B = randomFloats(K * N, 2);
  auto C = runProgram<float>("basic", "sgemm", [&](Kernel &Fn) {
    Buffer DA(A), DB(B), DC(M * N * 4);
    Fn.arg(DA.Address).arg(DB.Address).arg(DC.Address).arg(M).arg(N).arg(K);
    launched(Fn, {4, 5}, {16, 16});
    return DC.read<float>();
  });
  std::vector<double> Want;
  for (int R = 0; R < M; ++R)
    for (int J = 0; J < N; ++J) {
      double S = 0;
      for (int I = 0; I < K; ++I)
        S += double(A[R * K + I]) * B[I * N + J];
      Want.push_back(S);
    }
  close("sgemm", C, Want, 1e-6);
}

static void reduce() {
  auto X = randomInts(10007, 1000, 3);
  auto Out = runProgram<int>("basic", "reduce", [&](Kernel &Fn) {
    Buffer DX(X), DO(std::vector<int>{0});
    Fn.arg(DX.Address).arg(DO.Address).arg(int(X.size()));
    launched(Fn, {7}, {256});
    return DO.read<int>();
  });
  int Sum = 0;
  for (int V : X)
    Sum += V;
  same("reduce", Out, {Sum});
}

static void scans() {
  constexpr int Blocks = 37, N = Blocks * 256;
  auto X = randomInts(N, 50, 4);
  std::vector<int> PerBlock(N), All(N);
  for (int I = 0, S = 0, T = 0; I < N; ++I) {
    if (I % 256 == 0)
      S = 0;
    PerBlock[size_t(I)] = S += X[size_t(I)];
    All[size_t(I)] = T += X[size_t(I)];
  }
  same("blockScan",
       runProgram<int>("basic", "blockScan",
                       [&](Kernel &Fn) {
                         Buffer DX(X), DY(N * 4);
                         Fn.arg(DX.Address).arg(DY.Address);
                         launched(Fn, {Blocks}, {256});
                         return DY.read<int>();
                       }),
       PerBlock);
  same("lookbackScan",
       runProgram<int>(
           "basic", "lookbackScan",
           [&](Kernel &Fn) {
             std::vector<int> Zero(Blocks);
             Buffer DX(X), DY(N * 4), Flag(Zero), Sum(Zero), Prefix(Zero);
             Buffer Ticket(std::vector<int>{0});
             Fn.arg(DX.Address).arg(DY.Address).arg(Flag.Address);
             Fn.arg(Sum.Address).arg(Prefix.Address).arg(Ticket.Address);
             launched(Fn, {Blocks}, {256});
             return DY.read<int>();
           }),
       All);
}

static void histogram() {
  Random G(5);
  std::vector<uint8_t> X(20000);
  std::vector<unsigned> Want(256);
  for (uint8_t &V : X)
    ++Want[V = uint8_t(G.next() & G.next())];
  same("histogram",
       runProgram<unsigned>(
           "basic", "histogram",
           [&](Kernel &Fn) {
             Buffer DX(X), DB(std::vector<unsigned>(256));
             Fn.arg(DX.Address).arg(DB.Address).arg(int(X.size()));
             launched(Fn, {9}, {192});
             return DB.read<unsigned>();
           }),
       Want);
}

static void bitonicSort() {
  Random G(6);
  std::vector<unsigned> X(4 * 512);
  for (unsigned &V : X)
    V = unsigned(G.next());
  auto Want = X;
  for (size_t B = 0; B < 4; ++B)
    std::sort(Want.begin() + long(B * 512), Want.begin() + long(B * 512 + 512));
  same("bitonicSort",
       runProgram<unsigned>("basic", "bitonicSort",
                            [&](Kernel &Fn) {
                              Buffer DX(X);
                              Fn.arg(DX.Address);
                              launched(Fn, {4}, {256});
                              return DX.read<unsigned>();
                            }),
       Want);
}

static void transpose() {
  constexpr int W = 75, H = 44;
  auto X = randomFloats(W * H, 7);
  std::vector<float> Want(W * H);
  for (int R = 0; R < H; ++R)
    for (int C = 0; C < W; ++C)
      Want[size_t(C * H + R)] = X[size_t(R * W + C)];
  same("transpose",
       runProgram<float>("basic", "transpose",
                         [&](Kernel &Fn) {
                           Buffer DX(X), DY(W * H * 4);
                           Fn.arg(DX.Address).arg(DY.Address).arg(W).arg(H);
                           launched(Fn, {3, 2}, {32, 8});
                           return DY.read<float>();
                         }),
       Want);
}

static void stencil() {
  constexpr int N = 1000;
  auto X = randomFloats(N, 8);
  auto Y = runProgram<float>("basic", "stencil", [&](Kernel &Fn) {
    Buffer DX(X), DY(N * 4);
    Fn.arg(DX.Address).arg(DY.Address).arg(N);
    launched(Fn, {8}, {128}, 134 * 4);
    return DY.read<float>();
  });
  std::vector<double> Want;
  for (int I = 0; I < N; ++I) {
    double S = 0;
    for (int O = -3; O <= 3; ++O)
      if (I + O >= 0 && I + O < N)
        S += double(X[size_t(I + O)]) * (4 - std::abs(O));
    Want.push_back(S);
  }
  close("stencil", Y, Want, 1e-6);
}

static void rows() {
  constexpr int R = 6, N = 1003;
  auto X = randomFloats(R * N, 9), G = randomFloats(N, 10),
       B = randomFloats(N, 11);
  auto S = runProgram<float>("basic", "softmax", [&](Kernel &Fn) {
    Buffer DX(X), DY(R * N * 4);
    Fn.arg(DX.Address).arg(DY.Address).arg(N);
    launched(Fn, {R}, {128});
    return DY.read<float>();
  });
  auto L = runProgram<float>("basic", "layernorm", [&](Kernel &Fn) {
    Buffer DX(X), DG(G), DB(B), DY(R * N * 4);
    Fn.arg(DX.Address).arg(DG.Address).arg(DB.Address).arg(DY.Address).arg(N);
    launched(Fn, {R}, {32});
    return DY.read<float>();
  });
  std::vector<double> WantS, WantL;
  for (int Row = 0; Row < R; ++Row) {
    const float *P = &X[size_t(Row * N)];
    double Sum = 0, Mean = 0, Square = 0;
    for (int I = 0; I < N; ++I) {
      Sum += std::exp(double(P[I]));
      Mean += P[I] / double(N);
      Square += double(P[I]) * P[I] / N;
    }
    for (int I = 0; I < N; ++I) {
      WantS.push_back(std::exp(double(P[I])) / Sum);
      WantL.push_back((P[I] - Mean) / std::sqrt(Square - Mean * Mean + 1e-5) *
                          G[size_t(I)] +
                      B[size_t(I)]);
    }
  }
  close("softmax", S, WantS, 1e-6);
  close("layernorm", L, WantL, 1e-6);
}

int main(int, char **Argv) {
  CorpusDirectory = Argv[1];
  sgemm();
  reduce();
  scans();
  histogram();
  bitonicSort();
  transpose();
  stencil();
  rows();
  return finish("CudaBasicTest");
}
