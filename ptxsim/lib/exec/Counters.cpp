// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Observation of memory accesses: bank conflicts and sectors for the
// counters, and the race checker's view of them.
#include "Race.h"
#include "Resolve.h"
#include <algorithm>

using namespace ptxsim;

/// Wavefronts of one access to shared memory: 32 banks of 4 bytes; accesses
/// wider than 4 bytes go in groups of 128 bytes; lanes reading the same word
/// share it. Ideal: what the access would need without bank conflicts.
static unsigned wavefronts(uint32_t M, const uint32_t *Offset, unsigned Bytes,
                           unsigned &Ideal) {
  Ideal = 0;
  unsigned Words = std::max(1u, Bytes / 4), PerGroup = 32 / Words, Total = 0;
  for (unsigned First = 0; First < 32; First += PerGroup) {
    uint32_t Seen[32][32], Count[32] = {};
    unsigned Most = 0;
    for (unsigned L = First; L < First + PerGroup; ++L) {
      if (!(M >> L & 1))
        continue;
      for (unsigned K = 0; K < Words; ++K) {
        uint32_t Word = Offset[L] / 4 + K, Bank = Word % 32;
        uint32_t *End = Seen[Bank] + Count[Bank];
        if (std::find(Seen[Bank], End, Word) == End)
          Seen[Bank][Count[Bank]++] = Word;
        Most = std::max(Most, Count[Bank]);
      }
    }
    Total += Most;
    Ideal += Most != 0;
  }
  return Total;
}

bool ptxsim::observeShared(Warp *W, const Inst *I, Cta *C, uint32_t M,
                           const uint32_t *Offset, unsigned Bytes,
                           AccessKind Kind) {
  if (W->C->L->Config.Counters) {
    CounterSet &Set = W->C->Work->Counters;
    ++Set.SharedAccesses;
    unsigned Ideal;
    Set.SharedWavefronts += wavefronts(M, Offset, Bytes, Ideal);
    Set.SharedIdeal += Ideal;
  }
  return raceShared(W, I, C, M, Offset, Bytes, Kind);
}

bool ptxsim::observeGlobal(Warp *W, const Inst *I, uint32_t M,
                           const uint64_t *Address, unsigned Bytes,
                           AccessKind Kind) {
  if (W->C->L->Config.Counters) {
    CounterSet &Set = W->C->Work->Counters;
    ++Set.GlobalAccesses;
    uint64_t Sectors[128];
    unsigned N = 0;
    forLanes(M, [&](uint32_t L) {
      for (uint64_t S = Address[L] / 32; S <= (Address[L] + Bytes - 1) / 32;
           ++S)
        if (N < 128)
          Sectors[N++] = S;
    });
    std::sort(Sectors, Sectors + N);
    Set.GlobalSectors += uint64_t(std::unique(Sectors, Sectors + N) - Sectors);
  }
  return raceGlobal(W, I, M, Address, Bytes, Kind);
}
