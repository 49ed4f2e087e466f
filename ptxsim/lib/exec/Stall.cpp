// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// States of warps, and their repetition.
#include "Stall.h"
#include <algorithm>
#include <bit>
#include <cstring>

using namespace ptxsim;

namespace {
class Hash {
public:
  void add(uint64_t V) { H = std::rotl((H ^ V) * 0x9e3779b97f4a7c15ull, 29); }
  void addBytes(const uint8_t *P, size_t Bytes) {
    for (uint64_t V; Bytes >= 8; P += 8, Bytes -= 8) {
      std::memcpy(&V, P, 8);
      add(V);
    }
  }
  uint64_t value() const { return H; }

private:
  uint64_t H = 1;
};
} // namespace

/// All that decides on what the warp does next, but memory.
static uint64_t stateOf(const Warp &W) {
  constexpr uint32_t MostSpins = 32; // more do not differ (Paths.cpp)
  Hash H;
  H.add(uint64_t(W.Pc) << 32 | W.Mask);
  H.add(uint64_t(W.Join) << 32 | W.Alive);
  H.add(uint64_t(W.Carry) << 32 | std::min(W.Spins, MostSpins) << 8 |
        unsigned(W.State) << 1 | W.Loose);
  for (const Path &P : W.Paths) {
    H.add(uint64_t(P.Pc) << 32 | P.Mask);
    H.add(uint64_t(P.Join) << 32 | P.Waits);
  }
  for (const Join &J : W.Joins)
    H.add(uint64_t(J.Expected) << 32 | J.Arrived);
  H.addBytes(W.Rows, W.P->RowBytes);
  return H.value();
}
template <class F>
static void forWarps(const std::vector<std::unique_ptr<Cluster>> &All, F Fn) {
  for (const auto &G : All)
    for (const auto &C : G->Ctas)
      for (const Warp &W : C->Warps)
        Fn(W);
}

bool StallWatch::stalled(
    const std::vector<std::unique_ptr<Cluster>> &Resident) {
  if (!Possible)
    return false;
  uint64_t Now = 0;
  forWarps(Resident, [&](const Warp &W) { Now += W.Effects; });
  for (const auto &G : Resident)
    for (const auto &C : G->Ctas)
      Now += C->SharedChanges; // copies that end at a wait
  if (Now != Effects || !Rounds) {
    Effects = Now;
    Rounds = 1;
    return false;
  }
  ++Rounds;
  // A new reference after 64, 128, 256... rounds: what came before the loop
  // does not come again (R. P. Brent, BIT 20, 1980).
  if (Rounds >= Patience && std::has_single_bit(Rounds)) {
    Taken = Rounds;
    Reference.clear();
    forWarps(Resident, [&](const Warp &W) { Reference.push_back(stateOf(W)); });
    Repeated.assign(Reference.size(), 0);
    return false;
  }
  if (Rounds < Patience)
    return false;
  size_t K = 0;
  bool All = true;
  forWarps(Resident, [&](const Warp &W) {
    size_t At = K++;
    if (Repeated[At] || W.State != WarpState::Ready)
      return;
    // By then a seeded schedule, too, has let each path run.
    bool Late = Rounds - Taken >= Patience / 2 * (1 + W.Paths.size());
    Repeated[At] = Late && stateOf(W) == Reference[At];
    All &= Repeated[At];
  });
  return All;
}
