// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checks of global memory: two clusters of one launch are never ordered,
// so any conflicting pair of their accesses is a race. Kernels that
// communicate through global memory (atomics with results, waiting loads,
// cooperative launches) are left out.
#include "Race.h"
#include <algorithm>
#include <unordered_map>

using namespace ptxsim;

namespace {
struct Access {
  uint64_t Task = ~uint64_t(0);
  uint32_t Pc = 0;
  uint8_t Bytes = 0;
  bool Atomic = false;
};
/// 8 bytes of memory: the last write and reads of two different clusters.
struct Granule {
  Access Write, Reads[2];
};
} // namespace

namespace ptxsim {
struct GlobalShadow {
  std::unordered_map<uint64_t, Granule> Granules;
};
std::shared_ptr<GlobalShadow> makeGlobalShadow() {
  return std::make_shared<GlobalShadow>();
}
} // namespace ptxsim

static bool conflict(const Access &Old, const Access &New) {
  return Old.Task != ~uint64_t(0) && Old.Task != New.Task &&
         (Old.Bytes & New.Bytes) && !(Old.Atomic && New.Atomic);
}

static bool checkGranule(Warp *W, const Inst *I, uint32_t Lane, Granule &G,
                         uint64_t Address, const Access &A, bool IsWrite) {
  const Access *Old = nullptr;
  bool OldWrite = true;
  if (conflict(G.Write, A))
    Old = &G.Write;
  for (const Access &R : G.Reads)
    if (IsWrite && !Old && conflict(R, A)) {
      Old = &R;
      OldWrite = false;
    }
  if (Old) {
    fault(W, I, FaultKind::Race, Lane,
          "race on global address " + hex(Address) + ": " +
              (IsWrite ? "write" : "read") + " is not ordered with the " +
              (OldWrite ? "write" : "read") + " by cluster " +
              std::to_string(Old->Task) +
              "\n  earlier: " + describeSource(*W->P, Old->Pc));
    return false;
  }
  if (IsWrite) {
    uint8_t Before = G.Write.Task == A.Task ? G.Write.Bytes : 0;
    G.Write = A;
    G.Write.Bytes |= Before;
    return true;
  }
  Access &R = G.Reads[0].Task == ~uint64_t(0) || G.Reads[0].Task == A.Task
                  ? G.Reads[0]
                  : G.Reads[1];
  uint8_t Before = R.Task == A.Task ? R.Bytes : 0;
  R = A;
  R.Bytes |= Before;
  return true;
}

bool ptxsim::raceGlobal(Warp *W, const Inst *I, uint32_t M,
                        const uint64_t *Address, unsigned Bytes,
                        AccessKind Kind) {
  GlobalShadow *S = W->C->L->Shadow.get();
  if (!S)
    return true;
  Access A;
  A.Task = W->C->Group->Task;
  A.Pc = pcOf(I, W);
  A.Atomic = Kind == AccessKind::Atomic;
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    for (uint64_t At = Address[L], End = At + Bytes; At < End;) {
      uint64_t First = At % 8, Count = std::min(8 - First, End - At);
      A.Bytes = uint8_t(((1u << Count) - 1) << First);
      if (!checkGranule(W, I, L, S->Granules[At / 8], At, A,
                        Kind != AccessKind::Read))
        return false;
      At += Count;
    }
  }
  return true;
}
