// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Faults on request (PTXSIM_FAULT): makes the N-th allocation, launch, module
// load or tensor map fail, or loses the device, so that programs can test how
// they clean up.
#ifndef PTXSIM_DRIVER_FAULTPLAN_H
#define PTXSIM_DRIVER_FAULTPLAN_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ptxsim {

class FaultPlan {
public:
  enum KindTy { Alloc, Launch, Jit, Lost, Map, NumKinds };

  /// Reads "alloc:N,launch:N,jit:N,lost:N,map:N"; any part may be absent or
  /// stand several times, N counts from 1. Starts counting anew. False with a
  /// message, and no change, for bad text.
  bool configure(std::string_view Text, std::string &Why);

  /// Counts one event of the kind; true if the plan makes it fail.
  bool count(KindTy Kind);

  /// Counts a launch, copy or synchronisation towards losing the device.
  void countWork() { IsLost |= count(Lost); }
  /// Lost devices answer every call with an error, until configured anew.
  bool lost() const { return IsLost; }

private:
  struct Entry {
    KindTy Kind;
    uint64_t Number;
  };
  std::vector<Entry> Entries;
  uint64_t Counts[NumKinds] = {};
  bool IsLost = false;
};

} // namespace ptxsim
#endif
