// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The heap of device-side malloc and free. It belongs to a context and
// outlives kernels.
#ifndef PTXSIM_EXEC_HEAP_H
#define PTXSIM_EXEC_HEAP_H

#include "Machine.h"

namespace ptxsim {

/// Blocks of a fixed range of addresses. All members may be called by several
/// threads.
class DeviceHeap {
public:
  DeviceHeap() = default;
  ~DeviceHeap();
  DeviceHeap(const DeviceHeap &) = delete;

  /// A launch begins. Limit: bytes of the heap, of which the first launch that
  /// allocates makes use. In race mode blocks keep track of what is written,
  /// and freed ones are not used again as long as there are others.
  void beginLaunch(uint64_t Limit, bool Race);
  /// A block of 16 bytes alignment, 0 if there is no room.
  uint64_t allocate(uint64_t Bytes);
  /// False if no block begins there.
  bool release(uint64_t Address);
  /// The block that holds the range; Out stays as it is if none does.
  bool find(uint64_t Address, uint64_t Bytes, Allocation &Out) const;
  bool contains(uint64_t Address) const {
    return Address - Base < Size && Base;
  }
  /// The whole heap, with what has been written in race mode.
  const Allocation *whole() const { return &Whole; }

private:
  struct Block {
    uint64_t Bytes = 0, Id = 0;
  };
  bool reserve();
  uint64_t takeFree(uint64_t Bytes);
  void giveBack(uint64_t Begin, uint64_t Bytes);
  void recycle();
  mutable std::mutex Lock;
  uint64_t Base = 0, Size = 0, NextId = 1;
  bool Race = false;
  Allocation Whole;
  std::vector<uint8_t> Written;      // a bit per byte; empty if not tracked
  std::map<uint64_t, Block> Blocks;  // by address
  std::map<uint64_t, uint64_t> Free; // address, bytes
  std::vector<std::pair<uint64_t, uint64_t>> Old; // freed, not yet free
};

} // namespace ptxsim
#endif
