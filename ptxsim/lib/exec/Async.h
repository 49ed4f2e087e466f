// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Asynchronous work: copy groups, barrier objects, and when work completes.
// Eager mode runs work at its issue; late mode at the wait that covers it, or
// when no warp can go on; seeded mode at a random instant in between.
#ifndef PTXSIM_EXEC_ASYNC_H
#define PTXSIM_EXEC_ASYNC_H

#include "Resolve.h"
#include <deque>

namespace ptxsim {

/// One cp.async of one lane.
struct LaneCopy {
  uint8_t *Dst;
  const uint8_t *Src;
  uint32_t Bytes, SrcBytes;
  uint32_t DstOffset;
};

/// Copies and matrix products a warp has issued and not waited for.
struct AsyncState {
  std::vector<LaneCopy> OpenCopies;
  std::deque<std::vector<LaneCopy>> CopyGroups;
  std::vector<std::function<void()>> OpenBulk;
  std::deque<std::vector<std::function<void()>>> BulkGroups;
  // wgmma: products not run yet, how many were issued, and the count at each
  // commit that has not been waited for.
  std::deque<std::function<void()>> Products;
  uint64_t ProductsIssued = 0, ProductsRun = 0;
  std::deque<uint64_t> ProductGroups;
};
inline AsyncState &asyncOf(Warp *W) {
  if (!W->Async)
    W->Async = std::make_shared<AsyncState>();
  return *W->Async;
}

/// An mbarrier object. A phase completes when no arrival and no byte is
/// pending; Phase counts completions.
struct Mbarrier {
  uint32_t Expected = 0, Pending = 0;
  int64_t Bytes = 0;
  uint64_t Phase = 0;
  // Race checks: clocks of this phase's arrivals, and of completed phases.
  std::vector<uint32_t> Arriving, Released;
};
struct MbarTable {
  std::map<uint32_t, Mbarrier> Objects; // by shared memory address
};

/// Object at a shared memory address of C; a fault if there is none.
Mbarrier *findMbarrier(Warp *W, const Inst *I, uint32_t Lane, Cta *C,
                       uint32_t Offset);
void completePhase(Cta *C, Mbarrier &B);
/// A copy of W has delivered Bytes to the barrier object at Offset; Clock is
/// what raceBulk returned.
void deliverBytes(Warp *W, Cta *C, uint32_t Offset, uint32_t Bytes,
                  uint32_t Clock);

/// Runs a copy now or queues it, by mode.
void scheduleWork(Warp *W, std::function<void()> Work);
/// True if work of a group should run at its issue.
bool runsAtIssue(Warp *W);

/// A lane's address operand of a Detail.
uint64_t detailAddress(const Detail &D, unsigned Operand, const uint8_t *R,
                       uint32_t Lane);

/// Converts a generic or shared::cluster address operand.
bool resolveMbarrier(Warp *W, const Inst *I, uint32_t Lane, uint64_t Address,
                     Space Where, Cta *&Owner, uint32_t &Offset);

/// Applies a reduction of bulk and tensor copies to Bytes bytes.
void reduceBytes(uint8_t *Dst, const uint8_t *Src, size_t Bytes, Type Ty,
                 Mod Operation);

} // namespace ptxsim
#endif
