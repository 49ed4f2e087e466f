// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Addresses of device memory that are set aside before they hold anything:
// those of allocations in graphs, and of virtual memory management.
#include "State.h"
#include <algorithm>

using namespace ptxsim;

static constexpr uint64_t Granule = 512;

uint64_t DeviceMemory::reserveRange(uint64_t Bytes, uint64_t Align,
                                    uint64_t Hint) {
  if (!Base && !reserve())
    return 0;
  uint64_t End = Base + Reserved;
  if (!Bytes || Bytes > End - Middle)
    return 0;
  auto FreeAt = [&](uint64_t At) {
    auto Next = Ranges.lower_bound(At);
    return At >= Middle && At <= End - Bytes &&
           (Next == Ranges.end() || At + Bytes <= Next->first) &&
           (Next == Ranges.begin() || std::prev(Next)->second.End <= At);
  };
  auto Aligned = [&](uint64_t At) { return (At + Align - 1) / Align * Align; };
  uint64_t At = Hint && Hint % Align == 0 && FreeAt(Hint) ? Hint : 0;
  if (!At && FreeAt(Aligned(Middle)))
    At = Aligned(Middle);
  for (auto It = Ranges.begin(); !At && It != Ranges.end(); ++It)
    if (FreeAt(Aligned(It->second.End)))
      At = Aligned(It->second.End);
  if (At)
    Ranges[At] = {At + Bytes, NextId++};
  return At;
}
void DeviceMemory::freeRange(uint64_t Begin) { Ranges.erase(Begin); }

bool DeviceMemory::place(uint64_t Address, uint64_t Bytes, uint64_t Capacity) {
  uint64_t Size = (Bytes + Granule - 1) / Granule * Granule;
  if (Used > Capacity || Size > Capacity - Used)
    return false;
  Allocations[Address] = {Address, Address + Bytes, Ranges[Address].Id,
                          false,   false,           nullptr};
  Used += Size;
  GraphUsed += Size;
  GraphUsedHigh = std::max(GraphUsedHigh, GraphUsed);
  return true;
}

void DeviceMemory::setUsable(uint64_t Begin,
                             const std::vector<Allocation> &Parts) {
  const ReservedRange &R = Ranges[Begin];
  Allocations.erase(Allocations.lower_bound(Begin),
                    Allocations.lower_bound(R.End));
  for (const Allocation &A : Parts) {
    Allocations[A.Begin] = A;
    Allocations[A.Begin].Id = R.Id;
  }
}

uint64_t DeviceMemory::identify(uint64_t Address, uint64_t Bytes) const {
  if (const Allocation *A = find(Address, Bytes))
    return A->Id;
  auto It = Ranges.upper_bound(Address);
  if (It == Ranges.begin())
    return 0;
  const auto &[Begin, R] = *std::prev(It);
  return Bytes <= R.End - Begin && Address <= R.End - Bytes ? R.Id : 0;
}
