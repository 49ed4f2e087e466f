// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds out that a kernel will never end, long before its budget does: all of
// its warps wait or go around in loops that change nothing.
#ifndef PTXSIM_EXEC_STALL_H
#define PTXSIM_EXEC_STALL_H

#include "Machine.h"

namespace ptxsim {

/// A warp whose registers and paths are what they were some rounds ago, while
/// nobody has written to memory, does the same for ever: what it reads has not
/// changed, and will not while that holds for all warps. (Clocks are read by
/// nothing else; kernels that read them, or share memory with the host, are
/// never said to have stalled.)
class StallWatch {
public:
  explicit StallWatch(const LaunchState &L)
      : Possible(!L.P->ReadsClock && !L.HostShares) {}
  /// To be called after each round; true if all warps repeat themselves.
  bool stalled(const std::vector<std::unique_ptr<Cluster>> &Resident);
  /// Something else has changed: a copy has ended.
  void restart() { Rounds = 0; }

private:
  static constexpr uint64_t Patience = 64; // rounds
  bool Possible;
  uint64_t Effects = 0, Rounds = 0, Taken = 0;
  std::vector<uint64_t> Reference; // states of all warps at round Taken
  std::vector<uint8_t> Repeated;   // those that have been seen again
};

} // namespace ptxsim
#endif
