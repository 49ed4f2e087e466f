// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Damaged PTX: bytes changed, words swapped, lines dropped and repeated, in a
// fixed pseudo-random order. Loading must end with success or an error, and
// what loads and runs must end too. Build with sanitizers to see more.
#include "Driver.h"
#include <algorithm>
#include <array>

using namespace test;

static std::vector<std::string> linesOf(const std::string &Text) {
  std::vector<std::string> Lines;
  for (size_t At = 0; At < Text.size();) {
    size_t End = std::min(Text.find('\n', At), Text.size());
    Lines.push_back(Text.substr(At, End - At));
    At = End + 1;
  }
  return Lines;
}

static std::string damage(std::vector<std::string> Lines, Random &G) {
  for (unsigned K = 1 + G.next() % 4; K; --K) {
    size_t A = G.next() % Lines.size(), B = G.next() % Lines.size();
    std::string &L = Lines[A];
    switch (G.next() % 6) {
    case 0: std::swap(Lines[A], Lines[B]); break;
    case 1: Lines[A] = Lines[B]; break;
    case 2: L.clear(); break;
    case 3:
      if (!L.empty())
        L[G.next() % L.size()] = char(32 + G.next() % 95);
      break;
    case 4:
      if (!L.empty())
        L.erase(G.next() % L.size(), 1 + G.next() % 3);
      break;
    default:
      L.insert(G.next() % (L.size() + 1),
               "{}[]();,.%-9"[G.next() % 12] == '9' ? "99999999999" : "{[(");
    }
  }
  std::string Text;
  for (const std::string &L : Lines)
    Text += L + "\n";
  return Text;
}

int main(int Argc, char **Argv) {
  unsigned Rounds = Argc > 2 ? unsigned(std::atoi(Argv[2])) : 300;
  api().ptxsimConfigure("BUDGET", "100000");
  Buffer Memory(size_t(1) << 16);
  static const struct {
    const char *File, *Entry;
  } Seeds[] = {{"/cuda/ptx/control.sm_80.ptx", "interpreter"},
               {"/kernels/d_softmax.ptx", "softmax"},
               {"/kernels/c_wgmma_ws_cluster2.ptx", "mm"}};
  Random G(1);
  for (const auto &S : Seeds) {
    auto Lines = linesOf(readText(std::string(Argv[1]) + S.File));
    for (unsigned Round = 0; Round < Rounds; ++Round) {
      Kernel K(damage(Lines, G), S.Entry);
      if (K.Ok) {
        // Enough bytes for any parameter, tensor maps included.
        std::array<uint64_t, 16> Bytes;
        Bytes.fill(Memory.Address);
        for (int A = 0; A < 8; ++A)
          K.arg(Bytes);
        K.run({1}, {64});
      }
      check(K.Ok || K.LoadResult != CUDA_SUCCESS, "an error or success");
    }
  }
  return finish("FuzzTest");
}
