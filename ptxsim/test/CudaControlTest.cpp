// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuda/control.cu against the host.
#include "Corpus.h"
#include <algorithm>
#include <bit>

using namespace test;

template <class T> static std::vector<T> randomWords(size_t N, uint64_t Seed) {
  Random G(Seed);
  std::vector<T> V(N);
  for (T &X : V)
    X = T(G.next() ^ G.next() << 31);
  return V;
}

static void collatz() {
  auto X = randomWords<unsigned>(512, 1);
  std::vector<unsigned> Want;
  for (unsigned &V : X) {
    V = 1 + (V & 0xffff);
    unsigned N = V, C = 0;
    for (; N != 1; ++C)
      N = N & 1 ? 3 * N + 1 : N >> 1;
    Want.push_back(C);
  }
  same("collatz",
       runProgram<unsigned>("control", "collatz",
                            [&](Kernel &Fn) {
                              Buffer DX(X), DY(X.size() * 4);
                              Fn.arg(DX.Address).arg(DY.Address);
                              launched(Fn, {4}, {128});
                              return DY.read<unsigned>();
                            }),
       Want);
}

static void mandelbrot() {
  constexpr int W = 50, H = 30, Limit = 90;
  std::vector<uint16_t> Want;
  for (int Y = 0; Y < H; ++Y)
    for (int X = 0; X < W; ++X) {
      double CR = -2.0 + 3.0 * X / W, CI = -1.0 + 2.0 * Y / H, R = 0, I = 0;
      int N = 0;
      // nvcc contracts products and sums, as written here.
      for (; N < Limit && std::fma(R, R, I * I) < 4; ++N) {
        double NR = std::fma(R, R, -(I * I)) + CR;
        I = std::fma(2 * R, I, CI);
        R = NR;
      }
      Want.push_back(uint16_t(N));
    }
  auto Got = runProgram<uint16_t>("control", "mandelbrot", [&](Kernel &Fn) {
    Buffer D(W * H * 2);
    Fn.arg(D.Address).arg(W).arg(H).arg(Limit);
    launched(Fn, {4, 4}, {16, 8});
    return D.read<uint16_t>();
  });
  // The order of contraction is the compiler's choice: a few points on the
  // boundary of the set may differ by rounding.
  int Differ = 0;
  for (size_t I = 0; I < Want.size(); ++I)
    Differ += Got[I] != Want[I];
  check(Differ < 15,
        "mandelbrot: " + std::to_string(Differ) + " points differ");
}

static void treeWalk() {
  struct Node {
    int Value, Left, Right;
  };
  constexpr int N = 127, Threads = 128;
  Random G(3);
  std::vector<Node> Tree(N);
  std::vector<int> Limit(Threads), Want;
  for (int I = 0; I < N; ++I)
    Tree[size_t(I)] = {int(G.next() % 100), 2 * I + 1 < N ? 2 * I + 1 : -1,
                       2 * I + 2 < N ? 2 * I + 2 : -1};
  Tree[0].Value = 0;
  for (int &L : Limit)
    L = int(G.next() % 110);
  for (int L : Limit) {
    std::function<int(int)> Walk = [&](int At) {
      if (At < 0 || Tree[size_t(At)].Value >= L)
        return 0;
      const Node &T = Tree[size_t(At)];
      return T.Value + Walk(T.Left) + Walk(T.Right);
    };
    Want.push_back(Walk(0));
  }
  same("treeWalk",
       runProgram<int>("control", "treeWalk",
                       [&](Kernel &Fn) {
                         Buffer DT(Tree), DL(Limit), DO(Threads * 4);
                         Fn.arg(DT.Address).arg(DL.Address).arg(DO.Address);
                         launched(Fn, {2}, {64});
                         return DO.read<int>();
                       }),
       Want);
}

static void interpreter() {
  auto Program = randomWords<uint8_t>(60, 4);
  std::vector<int> Want;
  for (int Block = 0; Block < 2; ++Block)
    for (int T = 0; T < 64; ++T) {
      uint32_t A = uint32_t(T), B = uint32_t(Block), C = 1;
      for (uint8_t Code : Program)
        switch ((Code + (A & 3)) % 9) {
        case 0: A += B; break;
        case 1: B ^= A; break;
        case 2: C = C * 3 + A; break;
        case 3: A = 0 - A; break;
        case 4: B = uint32_t(int32_t(B) >> 1); break;
        case 5: C -= B; break;
        case 6: A = A * 5 + 7; break;
        case 7: B += C << 2; break;
        case 8: C ^= 0x55; break;
        }
      Want.push_back(int(A + 31 * B + 17 * C));
    }
  same("interpreter",
       runProgram<int>(
           "control", "interpreter",
           [&](Kernel &Fn) {
             Buffer DP(Program), DO(128 * 4);
             Fn.arg(DP.Address).arg(int(Program.size())).arg(DO.Address);
             launched(Fn, {2}, {64});
             return DO.read<int>();
           }),
       Want);
}

static void polynomial() {
  constexpr int N = 200;
  const double C[8] = {1, -1, 0.5, 0.25, -2, 3, 0.125, 1};
  auto X = randomFloats(N, 5);
  std::vector<double> Want;
  auto Horner = [&](double V, int Degree) {
    double S = 0;
    for (int I = Degree; I >= 0; --I)
      S = S * V + C[I];
    return S;
  };
  for (int I = 0; I < N; ++I)
    Want.push_back(Horner(X[size_t(I)], I % 8) + Horner(-X[size_t(I)], 3));
  close("polynomial",
        runProgram<float>("control", "polynomial",
                          [&](Kernel &Fn) {
                            Buffer DX(X), DY(N * 4);
                            Fn.arg(DX.Address).arg(DY.Address).arg(N);
                            launched(Fn, {4}, {64});
                            return DY.read<float>();
                          }),
        Want, 1e-6);
}

static void philox() {
  std::vector<uint32_t> Want;
  for (uint32_t I = 0; I < 128; ++I) {
    uint32_t C[4] = {I, 0, 0, 0}, K0 = 77, K1 = 0x1234;
    for (int R = 0; R < 10; ++R) {
      uint64_t P0 = uint64_t(0xD2511F53u) * C[0],
               P1 = uint64_t(0xCD9E8D57u) * C[2];
      uint32_t N[4] = {uint32_t(P1 >> 32) ^ C[1] ^ K0, uint32_t(P1),
                       uint32_t(P0 >> 32) ^ C[3] ^ K1, uint32_t(P0)};
      std::memcpy(C, N, 16);
      K0 += 0x9E3779B9u;
      K1 += 0xBB67AE85u;
    }
    Want.insert(Want.end(), C, C + 4);
  }
  same("philox",
       runProgram<uint32_t>("control", "philox",
                            [&](Kernel &Fn) {
                              Buffer D(128 * 16);
                              Fn.arg(D.Address).arg(77u);
                              launched(Fn, {2}, {64});
                              return D.read<uint32_t>();
                            }),
       Want);
}

static void modpow() {
  auto B = randomWords<uint64_t>(64, 6), M = randomWords<uint64_t>(64, 7);
  std::vector<uint64_t> Want;
  for (size_t I = 0; I < 64; ++I) {
    M[I] = (M[I] & 0xffffffff) | 1;
    uint64_t V = B[I] % M[I], R = 1;
    for (unsigned E = 1000003; E; E >>= 1) {
      if (E & 1)
        R = R * V % M[I];
      V = V * V % M[I];
    }
    Want.push_back(R);
  }
  same("modpow",
       runProgram<uint64_t>(
           "control", "modpow",
           [&](Kernel &Fn) {
             Buffer DB(B), DM(M), DO(64 * 8);
             Fn.arg(DB.Address).arg(DM.Address).arg(DO.Address).arg(1000003u);
             launched(Fn, {2}, {32});
             return DO.read<uint64_t>();
           }),
       Want);
}

static void life() {
  constexpr int W = 70, H = 20;
  auto X = randomWords<uint8_t>(W * H, 8);
  for (uint8_t &V : X)
    V &= 1;
  std::vector<uint8_t> Want;
  for (int Y = 0; Y < H; ++Y)
    for (int C = 0; C < W; ++C) {
      int N = -X[size_t(Y * W + C)];
      for (int DY = -1; DY <= 1; ++DY)
        for (int DX = -1; DX <= 1; ++DX)
          N += X[size_t((Y + DY + H) % H * W + (C + DX + W) % W)];
      Want.push_back(N == 3 || (X[size_t(Y * W + C)] && N == 2));
    }
  same("lifeStep",
       runProgram<uint8_t>("control", "lifeStep",
                           [&](Kernel &Fn) {
                             Buffer DX(X), DY(W * H);
                             Fn.arg(DX.Address).arg(DY.Address).arg(W).arg(H);
                             launched(Fn, {2, H}, {64});
                             return DY.read<uint8_t>();
                           }),
       Want);
}

static uint32_t reverse(uint32_t V) {
  uint32_t R = 0;
  for (int K = 0; K < 32; ++K)
    R |= (V >> K & 1) << (31 - K);
  return R;
}
static uint32_t bitTricksOf(uint64_t V) {
  uint32_t L = uint32_t(V), H = uint32_t(V >> 32);
  uint32_t R = uint32_t(std::popcount(V)) + 3 * uint32_t(std::countl_zero(V)) +
               5 * uint32_t(V ? std::countr_zero(V) + 1 : 0);
  uint64_t Pair = uint64_t(H) << 32 | L;
  uint32_t Perm = 0;
  for (int K = 0; K < 4; ++K)
    Perm |= uint32_t(Pair >> (8 * (0x3715 >> (4 * K) & 7)) & 255) << (8 * K);
  R ^= reverse(L) + Perm;
  uint32_t S = H & 63, Wrapped = S & 31, Clamped = std::min(S, 32u);
  R += uint32_t((Pair << Wrapped) >> 32) ^ uint32_t(Pair >> Clamped);
  uint32_t Add = 0, Max = 0, Diff = 0;
  for (int K = 0; K < 4; ++K) {
    uint32_t A = L >> (8 * K) & 255, B = H >> (8 * K) & 255;
    Add |= ((A + B) & 255) << (8 * K);
    Diff |= (A > B ? A - B : B - A) << (8 * K);
  }
  for (int K = 0; K < 2; ++K)
    Max |= uint32_t(uint16_t(
               std::max(int16_t(L >> (16 * K)), int16_t(H >> (16 * K)))))
           << (16 * K);
  R ^= Add + Max + Diff;
  int32_t DS = 7;
  uint32_t DU = 9;
  for (int K = 0; K < 4; ++K) {
    DS += int8_t(L >> (8 * K)) * int8_t(H >> (8 * K));
    DU += (L >> (8 * K) & 255) * (H >> (8 * K) & 255);
  }
  R += uint32_t(DS) + DU;
  R ^= (L > H ? L - H : H - L) + 1 + uint32_t((uint64_t(L) + H) / 2) +
       uint32_t(int64_t(int32_t(L)) * int32_t(H) >> 32);
  uint64_t Rev = uint64_t(reverse(L)) << 32 | reverse(H);
  return R + uint32_t((unsigned __int128)V * ~V >> 64) + uint32_t(Rev >> 7);
}
static void bitTricks() {
  auto X = randomWords<uint64_t>(256, 9);
  X[0] = 0;
  X[1] = ~uint64_t(0);
  std::vector<uint32_t> Want;
  for (uint64_t V : X)
    Want.push_back(bitTricksOf(V));
  same("bitTricks",
       runProgram<uint32_t>("control", "bitTricks",
                            [&](Kernel &Fn) {
                              Buffer DX(X), DY(256 * 4);
                              Fn.arg(DX.Address).arg(DY.Address);
                              launched(Fn, {4}, {64});
                              return DY.read<uint32_t>();
                            }),
       Want);
}

static void lowerBound() {
  auto S = randomWords<int>(333, 10), Key = randomWords<int>(128, 11);
  std::sort(S.begin(), S.end());
  std::vector<int> Want;
  for (int V : Key)
    Want.push_back(int(std::lower_bound(S.begin(), S.end(), V) - S.begin()));
  same("lowerBound",
       runProgram<int>("control", "lowerBound",
                       [&](Kernel &Fn) {
                         Buffer DS(S), DK(Key), DO(128 * 4);
                         Fn.arg(DS.Address)
                             .arg(int(S.size()))
                             .arg(DK.Address)
                             .arg(DO.Address);
                         launched(Fn, {2}, {64});
                         return DO.read<int>();
                       }),
       Want);
}

int main(int, char **Argv) {
  CorpusDirectory = Argv[1];
  collatz();
  mandelbrot();
  treeWalk();
  interpreter();
  polynomial();
  philox();
  modpow();
  life();
  bitTricks();
  lowerBound();
  return finish("CudaControlTest");
}
