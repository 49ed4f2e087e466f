// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuda/divergent.cu against the host.
#include "Corpus.h"
#include <algorithm>
#include <bit>

using namespace test;
using Ints = std::vector<int>;

static Ints randomInts(size_t N, int Low, int High, uint64_t Seed) {
  Random G(Seed);
  Ints V(N);
  for (int &X : V)
    X = Low + int(G.next() % uint64_t(High - Low));
  return V;
}

/// Runs a kernel of (X, Out) with an output of Count values.
static Ints runXOut(const char *Entry, const Ints &X, size_t Count, Dim Grid,
                    Dim Block, Ints More = {}) {
  return runProgram<int>("divergent", Entry, [&](Kernel &Fn) {
    Buffer DX(X), DM(More), DO(Ints(Count, 0));
    Fn.arg(DX.Address);
    if (!More.empty())
      Fn.arg(DM.Address);
    Fn.arg(DO.Address);
    launched(Fn, Grid, Block);
    return DO.read<int>();
  });
}

static void aggregated() {
  const int N = 500;
  Ints X = randomInts(512, 1, 1000, 1), Want;
  int Sum = 0;
  for (int I = 0; I < N; ++I)
    if (X[I] % 3 == 0)
      Want.push_back(X[I]);
    else if (X[I] % 5 == 0)
      Sum += X[I];
  int Kept = int(Want.size());
  std::sort(Want.begin(), Want.end());
  Want.push_back(Kept);
  Want.push_back(Sum);
  same("aggregated",
       runProgram<int>("divergent", "aggregated",
                       [&](Kernel &Fn) {
                         Buffer DX(X), DC(Ints(2)), DK(Ints(512, -1));
                         Fn.arg(DX.Address).arg(N).arg(DC.Address);
                         Fn.arg(DK.Address);
                         launched(Fn, {4}, {128});
                         Ints C = DC.read<int>(), K = DK.read<int>();
                         // The order of the warps is free.
                         K.resize(size_t(std::clamp(C[0], 0, 512)));
                         std::sort(K.begin(), K.end());
                         K.insert(K.end(), C.begin(), C.end());
                         return K;
                       }),
       Want);
}

static void exchange() {
  Ints X = randomInts(256, -100, 100, 2), V = X, Want(256);
  std::vector<unsigned> Ballot(8);
  for (int I = 0; I < 256; ++I) {
    if (I & 1)
      for (int K = 0; K < (V[I] & 7); ++K)
        V[I] = V[I] * 5 + 1;
    else
      V[I] ^= 0x55;
    bool Bit = I % 3 == 0 ? V[I] > 0 : I % 3 == 1 ? V[I] > 10 : V[I] & 1;
    Ballot[I / 32] |= unsigned(Bit) << I % 32;
  }
  for (int I = 0; I < 256; ++I) {
    int R = I & 1 ? V[I] - V[I ^ 1] : V[I] + 2 * V[I ^ 1];
    int Ones = std::popcount(Ballot[I / 32]);
    Want[I] = I % 3 == 0   ? R + Ones
              : I % 3 == 1 ? R + 100 * Ones
                           : R ^ int(Ballot[I / 32]);
  }
  same("exchange", runXOut("exchange", X, 256, {1}, {256}), Want);
}

static int tileValue(const int *V, int Rank, int L) {
  int R = 0;
  unsigned Odd = 0;
  bool Any = false;
  for (int K = 0; K < 8; ++K) {
    Odd |= unsigned(V[K] & 1) << K;
    Any |= V[K] > 60;
  }
  switch (Rank % 4) {
  case 0: return V[0] + V[1] + V[2] + V[3] + V[4] + V[5] + V[6] + V[7];
  case 1: // the first lanes keep their own value
    return V[std::max(L - 5, 0)] + 10;
  case 2:
    for (int K = 0; K <= L; ++K)
      R += V[K];
    return R;
  default: return Any ? V[V[L] & 7] : int(Odd);
  }
}
static void tiles() {
  Ints X = randomInts(256, -100, 100, 3), Want(256);
  for (int I = 0; I < 256; ++I) {
    const int *V = &X[I & ~7];
    int Rank = I % 128 / 8;
    Want[I] = tileValue(V, Rank, I & 7) + tileValue(V, Rank, (I & 7) ^ 4);
  }
  same("tiles", runXOut("tiles", X, 256, {2}, {128}), Want);
}

static void handOver() {
  const int Rounds = 21;
  Ints X = randomInts(16 * Rounds, -100, 100, 4), Want(32);
  for (int L = 16; L < 32; ++L)
    for (int K = 0; K < Rounds; ++K)
      Want[L] = int(unsigned(Want[L]) * 7 + // wraps around, as on the device
                    3 * unsigned(X[K * 16 + 31 - L]));
  same("handOver",
       runProgram<int>("divergent", "handOver",
                       [&](Kernel &Fn) {
                         Buffer DX(X), DO(Ints(32, -1));
                         Fn.arg(DX.Address).arg(DO.Address).arg(Rounds);
                         launched(Fn, {1}, {32});
                         return DO.read<int>();
                       }),
       Want);
}

static void byKey() {
  Ints Key = randomInts(256, 0, 6, 5), X = randomInts(256, -100, 100, 6);
  Ints Want(256);
  for (int I = 0; I < 256; ++I) {
    int First = -1;
    for (int L = 0; L < 32; ++L) {
      int J = (I & ~31) + L;
      if (Key[J] != Key[I])
        continue;
      First = First < 0 ? L : First;
      Want[I] += Key[I] & 1 ? X[J] : X[J] * (L + 1);
    }
    Want[I] += First;
  }
  same("byKey", runXOut("byKey", Key, 256, {2}, {128}, X), Want);
}

static void locked() {
  Ints X = randomInts(128, 1, 1000, 7), Want(4);
  for (int V : X)
    Want[V & 3] += V;
  same("locked",
       runProgram<int>("divergent", "locked",
                       [&](Kernel &Fn) {
                         Buffer DX(X), DL(Ints(4)), DS(Ints(4)), DE(Ints(4));
                         Fn.arg(DX.Address).arg(DL.Address);
                         Fn.arg(DS.Address).arg(DE.Address);
                         launched(Fn, {2}, {64});
                         return DS.read<int>();
                       }),
       Want);
}

static void chain() {
  Ints X = randomInts(32, -100, 100, 8), Want = X;
  for (int I = 30; I >= 0; --I)
    Want[I] = int(unsigned(X[I]) + 2 * unsigned(Want[I + 1]));
  same("chain", runXOut("chain", X, 32, {1}, {32}, Ints(32)), Want);
}

static void dwindling() {
  Ints X = randomInts(64, 0, 1000, 9), Want(64);
  for (int I = 0; I < 64; ++I) {
    int V = X[I] & 31, L = I & 31;
    Want[I] = (L < 31 ? X[I + 1] & 31 : V) + V;
  }
  // A shuffle from a lane that has ended has no defined result.
  auto Got = runXOut("dwindling", X, 64, {1}, {64});
  for (int I = 0; I < 64; ++I)
    if (I % 32 < 31 && (X[I + 1] & 31) < (X[I] & 31))
      Got[I] = Want[I] = 0;
  same("dwindling", Got, Want);
}

static void quarters() {
  Ints X = randomInts(64, 1, 200, 10), Want(64);
  for (int Q = 0; Q < 64; Q += 8) {
    int Most = 0;
    for (int I = Q; I < Q + 8; ++I) {
      int N = 0;
      for (int V = X[I]; V != 1; ++N)
        V = V & 1 ? 3 * V + 1 : V / 2;
      Most = std::max(Most, N);
    }
    for (int I = Q; I < Q + 8; ++I)
      Want[I] = Most + 8000;
  }
  same("quarters", runXOut("quarters", X, 64, {1}, {64}), Want);
}

static void splitBarrier() {
  Ints X = randomInts(128, -100, 100, 11), Want(128);
  for (int T = 0; T < 128; ++T) {
    int O = 127 - T, V = O & 1 ? X[O] * 2 : X[O] + 1;
    Want[T] = T & 1 ? V : -V;
  }
  same("splitBarrier", runXOut("splitBarrier", X, 128, {1}, {128}), Want);
}

static void balance() {
  Ints Work = randomInts(32, 0, 5, 12), Left, Want(32);
  Work[7] = 1000;
  Left = Work;
  while (std::any_of(Left.begin(), Left.end(), [](int V) { return V > 0; })) {
    Ints Busy, Idle;
    for (int L = 0; L < 32; ++L)
      if (Left[L] > 1)
        Busy.push_back(L);
      else if (Left[L] == 0)
        Idle.push_back(L);
    for (size_t K = 0; K < std::min(Busy.size(), Idle.size()); ++K) {
      int Half = Left[Busy[K]] / 2;
      Left[Busy[K]] -= Half;
      Left[Idle[K]] = Half;
    }
    for (int L = 0; L < 32; ++L)
      if (Left[L] > 0) {
        --Left[L];
        ++Want[L];
      }
  }
  same("balance", runXOut("balance", Work, 32, {1}, {32}), Want);
}

int main(int, char **Argv) {
  CorpusDirectory = Argv[1];
  aggregated();
  exchange();
  tiles();
  handOver();
  byKey();
  locked();
  chain();
  dwindling();
  quarters();
  splitBarrier();
  balance();
  return finish("CudaDivergentTest");
}
