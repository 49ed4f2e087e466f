// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Cooperative groups of several warps (cuda/groups.cu) against the host.
#include "Corpus.h"
#include <algorithm>
#include <numeric>

using namespace test;

static std::string Folder;

static void wideTiles(const char *Target) {
  constexpr unsigned Blocks = 3, Threads = 512, Tile = 128;
  std::vector<int> In(Blocks * Threads), Sums, Next;
  for (unsigned I = 0; I < In.size(); ++I)
    In[I] = I / Tile == 5 && I % Tile == 77 ? -9 : int(I * 2654435761u >> 20);
  for (unsigned T = 0; T < In.size() / Tile; ++T) {
    auto First = In.begin() + T * Tile;
    bool Any = std::any_of(First, First + Tile, [](int X) { return X < 0; });
    Sums.push_back(Any ? -1 : std::accumulate(First, First + Tile, 0));
    for (unsigned K = 0; K < Tile; ++K)
      Next.push_back(First[(K + 1) % Tile]);
  }
  forModes([&](const std::string &Mode) {
    std::string What = std::string("wideTiles ") + Target + " " + Mode;
    Kernel K(readText(Folder + "/groups." + Target + ".ptx"), "wideTiles");
    if (!check(K.Ok, What + ": " + K.Error))
      return;
    Buffer DI(In), DS(Sums.size() * 4), DN(Next.size() * 4);
    CUresult R = K.arg(DI.Address)
                     .arg(DS.Address)
                     .arg(DN.Address)
                     .run({Blocks}, {Threads}, Threads * 4);
    check(R == CUDA_SUCCESS, What + ": " + api().ptxsimLastReport());
    check(DS.read<int>() == Sums && DN.read<int>() == Next, What);
  });
}

static int collect(const int *Tile, unsigned Size, unsigned Rank, int Add) {
  auto At = [&](unsigned K) { return Tile[K] + Add; };
  int Before = 0, Most = At(0);
  bool All = true, Any = false;
  for (unsigned K = 0, Sum = 0; K < Size; Sum += unsigned(At(K++))) {
    Before = K == Rank ? int(Sum) : Before;
    Most = std::max(Most, At(K));
    All &= At(K) >= 0;
    Any |= At(K) > int(Sum);
  }
  return Before + 3 * At(Size - 1) + 5 * Most + 7 * All + 11 * Any;
}

static void wideCollectives(const char *Target) {
  constexpr unsigned Blocks = 1, Threads = 512;
  std::vector<int> In(Blocks * Threads), Want;
  for (unsigned I = 0; I < In.size(); ++I)
    In[I] = int(I * 2654435761u >> 22) - (I / 64 == 3 ? 9 : 0);
  for (unsigned I = 0; I < In.size(); ++I) {
    auto Of = [&](unsigned Size, int Add) {
      return collect(&In[I / Size * Size], Size, I % Size, Add);
    };
    Want.push_back(Of(64, 0) ^ Of(256, 0) ^ Of(512, 0) ^ Of(64, 1));
  }
  forModes([&](const std::string &Mode) {
    std::string What = std::string("wideCollectives ") + Target + " " + Mode;
    Kernel K(readText(Folder + "/groups." + Target + ".ptx"),
             "wideCollectives");
    if (!check(K.Ok, What + ": " + K.Error))
      return;
    Buffer DI(In), DO(In.size() * 4);
    CUresult R = K.arg(DI.Address).arg(DO.Address).run({Blocks}, {Threads});
    check(R == CUDA_SUCCESS, What + ": " + api().ptxsimLastReport());
    check(DO.read<int>() == Want, What);
  });
}

int main(int, char **Argv) {
  Folder = Argv[1];
  for (const char *Target : {"sm_80", "sm_90a"}) {
    wideTiles(Target);
    wideCollectives(Target);
  }
  return finish("CudaGroupTest");
}
