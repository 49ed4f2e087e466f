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

int main(int, char **Argv) {
  Folder = Argv[1];
  wideTiles("sm_80");
  wideTiles("sm_90a");
  return finish("CudaGroupTest");
}
