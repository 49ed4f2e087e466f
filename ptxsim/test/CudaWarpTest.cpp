// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuda/warp.cu and cuda/matrix.cu against the host.
#include "Corpus.h"
#include <algorithm>

using namespace test;

static std::vector<int> randomInts(size_t N, int Low, int High, uint64_t Seed) {
  Random G(Seed);
  std::vector<int> V(N);
  for (int &X : V)
    X = Low + int(G.next() % uint64_t(High - Low));
  return V;
}

static void compact() {
  auto X = randomInts(1024, 0, 1000, 1);
  std::vector<int> Want(1024, -1);
  for (size_t B = 0; B < 4; ++B)
    for (size_t I = 0, At = 0; I < 256; ++I)
      if (X[B * 256 + I] % 3 == 0)
        Want[B * 256 + At++] = X[B * 256 + I];
  same("compact",
       runProgram<int>("warp", "compact",
                       [&](Kernel &Fn) {
                         Buffer DX(X), DO(std::vector<int>(1024, -1)), DC(16);
                         Fn.arg(DX.Address).arg(DO.Address).arg(DC.Address);
                         launched(Fn, {4}, {256});
                         return DO.read<int>();
                       }),
       Want);
}

static void distinct() {
  auto X = randomInts(512, 0, 20, 2);
  std::vector<unsigned> Want(20);
  for (int V : X)
    ++Want[size_t(V)];
  same("distinct",
       runProgram<unsigned>("warp", "distinct",
                            [&](Kernel &Fn) {
                              Buffer DX(X), DB(std::vector<unsigned>(20));
                              Fn.arg(DX.Address).arg(DB.Address);
                              launched(Fn, {4}, {128});
                              return DB.read<unsigned>();
                            }),
       Want);
}

static void votes() {
  auto X = randomInts(256, -1000, 1000, 3);
  std::vector<unsigned> Want(256);
  for (size_t B = 0; B < 4; ++B) {
    unsigned Odd = 0, Or = 0, And = 1;
    for (size_t I = 0; I < 64; ++I) {
      int V = X[B * 64 + I];
      Odd += V & 1;
      Or |= V > 990;
      And &= V > -990;
    }
    for (size_t W = 0; W < 2; ++W) {
      const int *P = &X[B * 64 + W * 32];
      unsigned Sum = 0, All = 1, Any = 0;
      int Max = P[0];
      for (int L = 0; L < 32; ++L) {
        Sum += unsigned(P[L]);
        All &= P[L] > -900;
        Any |= P[L] > 900;
        Max = std::max(Max, P[L]);
      }
      for (unsigned L = 0; L < 32; ++L) {
        unsigned T = unsigned(W) * 32 + L;
        unsigned R = All * 2 + Any + Sum * 4;
        R ^= unsigned(Max) << 3;
        R += Odd + 7 * Or + 11 * And;
        unsigned Source = (L & 16) | (T * 7 % 32 & 15);
        Want[B * 64 + T] = R ^ unsigned(P[Source]);
      }
    }
  }
  same("votes",
       runProgram<unsigned>("warp", "votes",
                            [&](Kernel &Fn) {
                              Buffer DX(X), DO(256 * 4);
                              Fn.arg(DX.Address).arg(DO.Address);
                              launched(Fn, {4}, {64});
                              return DO.read<unsigned>();
                            }),
       Want);
}

static void atomics() {
  constexpr unsigned N = 512;
  std::vector<unsigned> Want(7);
  Want[4] = ~0u;
  int Min = 0;
  unsigned long long Long = 0;
  for (unsigned I = 0; I < N; ++I) {
    Want[0] += I;
    Want[1] = std::max(Want[1], I * 2654435761u);
    Min = std::min(Min, int(I * 40503u) - 1000000);
    Want[2] ^= I * I;
    Want[3] |= 1u << (I % 31);
    Want[4] &= ~(1u << (I % 17));
    Want[5] = Want[5] >= 99 ? 0 : Want[5] + 1;
    Long += (unsigned long long)I << 20;
    Want[6] += I & 3;
  }
  Want.push_back(unsigned(Min));
  Want.push_back(unsigned(Long));
  Want.push_back(unsigned(Long >> 32));
  float F = N;
  unsigned Bits;
  std::memcpy(&Bits, &F, 4);
  Want.push_back(Bits);
  same("atomics",
       runProgram<unsigned>(
           "warp", "atomics",
           [&](Kernel &Fn) {
             Buffer U(std::vector<unsigned>{0, 0, 0, 0, ~0u, 0, 0});
             Buffer S(std::vector<int>{0});
             Buffer L(std::vector<unsigned long long>{0});
             Buffer F(std::vector<float>{0});
             Fn.arg(U.Address).arg(S.Address).arg(L.Address).arg(F.Address);
             launched(Fn, {4}, {128});
             auto Out = U.read<unsigned>();
             Out.push_back(S.read<unsigned>()[0]);
             for (unsigned V : L.read<unsigned>())
               Out.push_back(V);
             Out.push_back(F.read<unsigned>()[0]);
             return Out;
           }),
       Want);
}

static void gridJacobi() {
  constexpr int N = 500, Steps = 7;
  auto X = randomFloats(N, 4);
  std::vector<float> A = X, B = X;
  for (int S = 0; S < Steps; ++S) {
    for (size_t I = 1; I + 1 < N; ++I)
      B[I] = std::fma(0.25f, A[I + 1], std::fma(0.5f, A[I], 0.25f * A[I - 1]));
    std::swap(A, B);
  }
  std::vector<double> Want(A.begin(), A.end());
  close(
      "gridJacobi",
      runProgram<float>("warp", "gridJacobi",
                        [&](Kernel &Fn) {
                          Buffer DA(X), DB(X);
                          Fn.arg(DA.Address).arg(DB.Address).arg(N).arg(Steps);
                          launched(Fn, {8}, {64}, 0, {}, true);
                          return DB.read<float>();
                        }),
      Want, 1e-6);
}

static void halves() {
  auto A = randomHalves(512, 5), B = randomHalves(512, 6);
  std::vector<uint16_t> Want(512);
  auto H = [](double V) { return double(_Float16(V)); };
  for (size_t I = 0; I < 512; I += 2) {
    double AX = halfToFloat(A[I]), BX = halfToFloat(B[I]);
    for (size_t K = I; K < I + 2; ++K) {
      double X = halfToFloat(A[K]), Y = halfToFloat(B[K]);
      double S = H(X * Y + H(X * X));
      S = H(S + std::max(X, Y));
      S = H(S - std::min(-X, Y));
      Want[K] = floatToHalf(float(AX > BX ? S : H(S + Y)));
    }
  }
  same(
      "halfMath",
      runProgram<uint16_t>("warp", "halfMath",
                           [&](Kernel &Fn) {
                             Buffer DA(A), DB(B), DO(1024);
                             Fn.arg(DA.Address).arg(DB.Address).arg(DO.Address);
                             launched(Fn, {4}, {64});
                             return DO.read<uint16_t>();
                           }),
      Want);
}

static void gelu() {
  constexpr int N = 300;
  auto X = randomBf16(N, 7);
  auto Y = runProgram<uint16_t>("warp", "gelu", [&](Kernel &Fn) {
    Buffer DX(X), DY(N * 2);
    Fn.arg(DX.Address).arg(DY.Address).arg(N);
    launched(Fn, {3}, {128});
    return DY.read<uint16_t>();
  });
  std::vector<float> Got;
  std::vector<double> Want;
  for (size_t I = 0; I < N; ++I) {
    double V = bf16ToFloat(X[I]);
    Want.push_back(0.5 * V *
                   (1 + std::tanh(0.79788456 * (V + 0.044715 * V * V * V))));
    Got.push_back(bf16ToFloat(Y[I]));
  }
  close("gelu", Got, Want, 3e-3);
}

static void nbody() {
  constexpr size_t N = 128;
  auto P = randomFloats(N * 4, 8);
  auto A = runProgram<float>("warp", "nbody", [&](Kernel &Fn) {
    Buffer DP(P), DA(N * 16);
    Fn.arg(DP.Address).arg(DA.Address).arg(int(N));
    launched(Fn, {N / 64}, {64});
    return DA.read<float>();
  });
  std::vector<double> Want;
  for (size_t I = 0; I < N; ++I) {
    double S[4] = {};
    for (size_t J = 0; J < N; ++J) {
      double D[3], R2 = 0.01;
      for (size_t K = 0; K < 3; ++K) {
        D[K] = double(P[J * 4 + K]) - P[I * 4 + K];
        R2 += D[K] * D[K];
      }
      for (size_t K = 0; K < 3; ++K)
        S[K] += D[K] * P[J * 4 + 3] / (R2 * std::sqrt(R2));
    }
    Want.insert(Want.end(), S, S + 4);
  }
  close("nbody", A, Want, 1e-5);
}

static void transcendental() {
  auto X = randomFloats(256, 9);
  std::vector<double> XD(256), Want, WantD;
  for (size_t I = 0; I < 256; ++I) {
    X[I] *= 20;
    XD[I] = X[I] * 1.5 + 0.1;
    double V = X[I], D = XD[I];
    Want.push_back(std::sin(V) + std::cos(V * 3) + std::log(std::fabs(V) + 1) +
                   std::exp(-V * V) + std::atan(V) + std::erf(V) +
                   std::cbrt(V) + std::pow(std::fabs(V) + 0.5, 1.7));
    WantD.push_back(std::sin(D) + std::log(std::fabs(D) + 1) + std::exp(-D) +
                    std::sqrt(std::fabs(D)) + std::floor(D) +
                    std::fmod(D, 0.3) + std::rint(D * 7));
  }
  auto Both = runProgram<double>("warp", "transcendental", [&](Kernel &Fn) {
    Buffer DX(X), DY(1024), EX(XD), EY(2048);
    Fn.arg(DX.Address).arg(DY.Address).arg(EX.Address).arg(EY.Address);
    launched(Fn, {4}, {64});
    auto F = DY.read<float>();
    auto D = EY.read<double>();
    D.insert(D.end(), F.begin(), F.end());
    return D;
  });
  Both.resize(512);
  check(relativeError({Both.begin(), Both.begin() + 256}, WantD) < 1e-14,
        "transcendental in f64");
  check(relativeError({Both.begin() + 256, Both.end()}, Want) < 1e-6,
        "transcendental in f32");
}

static void spmv() {
  constexpr int Rows = 37;
  Random G(10);
  std::vector<int> Start{0}, Column;
  for (int R = 0; R < Rows; ++R)
    Start.push_back(Start.back() + int(G.next() % 70));
  for (int I = 0; I < Start.back(); ++I)
    Column.push_back(int(G.next() % 100));
  auto Value = randomFloats(Column.size(), 11), X = randomFloats(100, 12);
  std::vector<double> Want;
  for (size_t R = 0; R < Rows; ++R) {
    double S = 0;
    for (size_t I = size_t(Start[R]); I < size_t(Start[R + 1]); ++I)
      S += double(Value[I]) * X[size_t(Column[I])];
    Want.push_back(S);
  }
  close(
      "spmv",
      runProgram<float>(
          "warp", "spmv",
          [&](Kernel &Fn) {
            Buffer DS(Start), DC(Column), DV(Value), DX(X), DY(Rows * 4);
            Fn.arg(DS.Address).arg(DC.Address).arg(DV.Address).arg(DX.Address);
            Fn.arg(DY.Address).arg(Rows);
            launched(Fn, {10}, {128});
            return DY.read<float>();
          }),
      Want, 1e-5);
}

// ---- matrix products -----------------------------------------------------
struct Shape {
  int M, N;
  bool ColumnMajorB;
};
/// C = 2 A B by wmma over a grid of M x N tiles.
template <class T, class C>
static void wmma(const char *Name, Shape S, const std::vector<T> &A,
                 const std::vector<T> &B, const std::function<double(T)> &Value,
                 const std::function<double(C)> &Result, double Tolerance) {
  constexpr int Rows = 64, Cols = 64, Depth = 48;
  auto Out = runProgram<C>("matrix", Name, [&](Kernel &Fn) {
    Buffer DA(A), DB(B), DC(Rows * Cols * sizeof(C));
    Fn.arg(DA.Address).arg(DB.Address).arg(DC.Address).arg(Cols).arg(Depth);
    launched(Fn, {unsigned(Cols / S.N), unsigned(Rows / S.M)}, {32});
    return DC.template read<C>();
  });
  std::vector<double> Got, Want;
  for (int R = 0; R < Rows; ++R)
    for (int J = 0; J < Cols; ++J) {
      double Sum = 0;
      for (int K = 0; K < Depth; ++K)
        Sum += Value(A[size_t(R * Depth + K)]) *
               Value(B[size_t(S.ColumnMajorB ? J * Depth + K : K * Cols + J)]);
      Want.push_back(2 * Sum);
      Got.push_back(Result(Out[size_t(R * Cols + J)]));
    }
  double E = relativeError(Got, Want);
  check(E <= Tolerance, std::string(Name) + ": error " + std::to_string(E));
}

static void matrixProducts() {
  constexpr size_t N = 64 * 48;
  auto HA = randomHalves(N, 13), HB = randomHalves(N, 14);
  auto BA = randomBf16(N, 15), BB = randomBf16(N, 16);
  auto FA = randomFloats(N, 17), FB = randomFloats(N, 18);
  std::vector<double> DA(FA.begin(), FA.end()), DB(FB.begin(), FB.end());
  std::vector<signed char> SA, SB;
  std::vector<unsigned char> UA, UB;
  for (size_t I = 0; I < N; ++I) {
    SA.push_back((signed char)(FA[I] * 127));
    SB.push_back((signed char)(FB[I] * 127));
    UA.push_back((unsigned char)(FA[I] * 127 + 127));
    UB.push_back((unsigned char)(FB[I] * 127 + 127));
  }
  auto Half = [](uint16_t V) { return double(halfToFloat(V)); };
  auto Bf = [](uint16_t V) { return double(bf16ToFloat(V)); };
  auto F = [](float V) { return double(V); };
  auto Int = [](int V) { return double(V); };
  wmma<uint16_t, float>("wmmaF16", {16, 16, false}, HA, HB, Half, F, 1e-6);
  wmma<uint16_t, uint16_t>("wmmaF16Half", {32, 8, true}, HA, HB, Half, Half,
                           2e-3);
  wmma<uint16_t, float>("wmmaBf16", {8, 32, true}, BA, BB, Bf, F, 1e-6);
  wmma<float, float>("wmmaTf32", {16, 16, false}, FA, FB, F, F, 2e-3);
  wmma<signed char, int>(
      "wmmaS8", {16, 16, true}, SA, SB, [](signed char V) { return double(V); },
      Int, 0);
  wmma<unsigned char, int>(
      "wmmaU8", {32, 8, false}, UA, UB,
      [](unsigned char V) { return double(V); }, Int, 0);
  wmma<double, double>(
      "wmmaF64", {8, 8, false}, DA, DB, [](double V) { return V; },
      [](double V) { return V; }, 1e-15);
}

static void pipelined() {
  constexpr int M = 128, N = 128, K = 192;
  auto A = randomBf16(M * K, 19), B = randomBf16(N * K, 20);
  auto C = runProgram<float>("matrix", "pipelined", [&](Kernel &Fn) {
    Buffer DA(A), DB(B), DC(M * N * 4);
    Fn.arg(DA.Address).arg(DB.Address).arg(DC.Address).arg(N).arg(K);
    launched(Fn, {2, 2}, {128});
    return DC.read<float>();
  });
  std::vector<double> Want;
  for (size_t R = 0; R < M; ++R)
    for (size_t J = 0; J < N; ++J) {
      double S = 0;
      for (size_t I = 0; I < K; ++I)
        S += double(bf16ToFloat(A[R * K + I])) * bf16ToFloat(B[J * K + I]);
      Want.push_back(S);
    }
  close("pipelined", C, Want, 1e-6);
}

int main(int, char **Argv) {
  CorpusDirectory = Argv[1];
  compact();
  distinct();
  votes();
  atomics();
  gridJacobi();
  halves();
  gelu();
  nbody();
  transcendental();
  spmv();
  matrixProducts();
  pipelined();
  return finish("CudaWarpTest");
}
