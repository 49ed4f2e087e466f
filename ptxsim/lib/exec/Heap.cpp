// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The device heap: first fit over free ranges in the order of addresses.
#include "Heap.h"
#include <algorithm>
#include <sys/mman.h>

using namespace ptxsim;

static constexpr uint64_t Align = 16;

/// Bytes that a block takes.
static uint64_t rounded(uint64_t Bytes) {
  return std::max(Align, (Bytes + Align - 1) / Align * Align);
}

DeviceHeap::~DeviceHeap() {
  if (Base)
    munmap(reinterpret_cast<void *>(Base), Size);
}

void DeviceHeap::beginLaunch(uint64_t Limit, bool InRace) {
  std::lock_guard<std::mutex> Guard(Lock);
  Race = InRace;
  if (!Base)
    Size = rounded(Limit);
  if (!Race) // a kernel that is not observed may write anything
    Written.clear();
  else if (Base && Written.empty())
    Written.assign(Size / 8, 0xff);
  Whole.Written = Written.empty() ? nullptr : Written.data();
  recycle();
}

bool DeviceHeap::reserve() {
  if (Base)
    return true;
  void *P = mmap(nullptr, Size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (P == MAP_FAILED)
    return false;
  Base = reinterpret_cast<uint64_t>(P);
  Free[Base] = Size;
  if (Race)
    Written.assign(Size / 8, 0xff);
  Whole.Begin = Base;
  Whole.End = Base + Size;
  Whole.Written = Race ? Written.data() : nullptr;
  return true;
}

uint64_t DeviceHeap::takeFree(uint64_t Bytes) {
  for (auto It = Free.begin(); It != Free.end(); ++It) {
    auto [Begin, Room] = *It;
    if (Room < Bytes)
      continue;
    Free.erase(It);
    if (Room > Bytes)
      Free[Begin + Bytes] = Room - Bytes;
    return Begin;
  }
  return 0;
}

uint64_t DeviceHeap::allocate(uint64_t Bytes) {
  std::lock_guard<std::mutex> Guard(Lock);
  if (!Bytes || Bytes > Size || !reserve())
    return 0;
  uint64_t At = takeFree(rounded(Bytes));
  if (!At && !Old.empty()) {
    recycle();
    At = takeFree(rounded(Bytes));
  }
  if (!At)
    return 0;
  Block &B = Blocks[At];
  B.Bytes = Bytes;
  B.Id = NextId++;
  if (Race)
    std::fill_n(Written.begin() + long(At - Base) / 8, rounded(Bytes) / 8, 0);
  return At;
}

void DeviceHeap::giveBack(uint64_t Begin, uint64_t Bytes) {
  auto Next = Free.lower_bound(Begin);
  if (Next != Free.end() && Next->first == Begin + Bytes) {
    Bytes += Next->second;
    Next = Free.erase(Next);
  }
  if (Next != Free.begin()) {
    auto Before = std::prev(Next);
    if (Before->first + Before->second == Begin) {
      Before->second += Bytes;
      return;
    }
  }
  Free[Begin] = Bytes;
}
void DeviceHeap::recycle() {
  for (auto [Begin, Bytes] : Old)
    giveBack(Begin, Bytes);
  Old.clear();
}

bool DeviceHeap::release(uint64_t Address) {
  std::lock_guard<std::mutex> Guard(Lock);
  auto It = Blocks.find(Address);
  if (It == Blocks.end())
    return false;
  uint64_t Bytes = rounded(It->second.Bytes);
  Blocks.erase(It);
  if (Race)
    Old.emplace_back(Address, Bytes);
  else
    giveBack(Address, Bytes);
  return true;
}

bool DeviceHeap::find(uint64_t Address, uint64_t Bytes, Allocation &Out) const {
  std::lock_guard<std::mutex> Guard(Lock);
  auto It = Blocks.upper_bound(Address);
  if (It == Blocks.begin())
    return false;
  --It;
  const Block &B = It->second;
  uint64_t At = Address - It->first;
  if (At > B.Bytes || Bytes > B.Bytes - At)
    return false;
  Out = Allocation();
  Out.Begin = It->first;
  Out.End = It->first + B.Bytes;
  Out.Id = B.Id;
  Out.Heap = true;
  return true;
}
