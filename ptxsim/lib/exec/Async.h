// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Asynchronous work: copy groups, barrier objects, and when work completes.
// Eager mode runs work at its issue; late mode at the wait that covers it, or
// when no warp can go on; seeded mode at a random instant in between.
#ifndef PTXSIM_EXEC_ASYNC_H
#define PTXSIM_EXEC_ASYNC_H

#include "Resolve.h"
#include <algorithm>
#include <deque>

namespace ptxsim {

/// One cp.async of a warp. Kept small: pipelines have dozens of them waiting.
struct CopyBatch {
  uint32_t Lanes, Bytes;
  uint32_t Short;          // lanes whose source is smaller than Bytes
  const uint8_t *From;     // of the first lane
  uint32_t To[32];         // offset in the CTA's shared memory
  int32_t Source[32];      // offset from From
  uint8_t SourceBytes[32]; // the rest of Bytes is filled with zeros
};
/// cp.async copies that have not taken place yet, in order of issue, and how
/// many of them each committed group holds. A ring: pipelines issue as many
/// copies as they complete.
class CopyQueue {
public:
  void commit() {
    Groups.push_back(Count - Committed);
    Committed = Count;
  }
  /// A batch at the end, to be filled in.
  CopyBatch &add();
  void removeLast() { --Count; }
  /// Runs the oldest groups until Keep are left.
  void completeGroups(Cta *C, size_t Keep);
  /// Takes all copies out; the groups stay, with nothing in them.
  std::vector<CopyBatch> takeAll();

private:
  CopyBatch &at(size_t K) { return Ring[(First + K) & (Ring.size() - 1)]; }
  std::vector<CopyBatch> Ring; // its size is a power of two
  std::deque<size_t> Groups;
  size_t First = 0, Count = 0, Committed = 0;
};

/// Copies now.
void performCopy(Cta *C, const CopyBatch &B);
/// cp.async in all its forms, and the handler of the usual one for hosts with
/// AVX-512: 16 bytes in every lane, from 64-bit addresses.
void cpAsyncGeneral(PTXSIM_ARGS);
void cpAsyncWide(PTXSIM_ARGS);

/// A matrix product a warp has issued, with what its operands were then.
struct WgmmaProduct {
  const Detail *D = nullptr;
  uint64_t DescA = 0, DescB = 0;
  bool FromRegisters = false, TransA = false, TransB = false;
  bool NegateA = false, NegateB = false, Zero = false;
};

/// A copy out of shared memory. What it reads may be taken first, and written
/// later.
struct BulkWork {
  const uint8_t *From = nullptr;
  uint32_t Bytes = 0;
  std::function<void(const uint8_t *From)> Write;
  std::vector<uint8_t> Taken;

  void take() {
    if (Taken.empty())
      Taken.assign(From, From + Bytes);
  }
  void finish() const { Write(Taken.empty() ? From : Taken.data()); }
};
using BulkGroup = std::vector<BulkWork>;
/// Bulk groups belong to the thread that commits them.
struct BulkLane {
  BulkGroup Open;
  std::deque<BulkGroup> Groups;
};

/// Copies and matrix products a warp has issued and not waited for.
struct AsyncState {
  CopyQueue Copies;
  std::map<uint32_t, BulkLane> Bulk; // by lane
  // wgmma: products not run yet, how many were issued, and the count at each
  // commit that has not been waited for.
  std::deque<WgmmaProduct> Products;
  uint64_t ProductsIssued = 0, ProductsRun = 0, ProductsWaited = 0;
  std::deque<uint64_t> ProductGroups;
};
inline AsyncState &asyncOf(Warp *W) {
  if (!W->Async)
    W->Async = std::make_shared<AsyncState>();
  return *W->Async;
}

/// Writes what the bulk groups of an ended warp have left: a kernel ends only
/// when they have.
void finishBulk(Warp &W);

/// An mbarrier object. A phase completes when no arrival and no byte is
/// pending; Phase counts completions.
struct Mbarrier {
  uint32_t Expected = 0, Pending = 0;
  int64_t Bytes = 0;
  uint64_t Phase = 0;
  uint32_t Address = 0; // in the CTA's shared memory
  // Race checks: clocks of this phase's arrivals, and of completed phases.
  std::vector<uint32_t> Arriving, Released;
  uint32_t InitAgent = 0, InitClock = 0, InitPc = 0;
};
struct MbarTable {
  std::map<uint32_t, Mbarrier> Objects; // by shared memory address
};

/// Object at a shared memory address of C; a fault if there is none.
Mbarrier *findMbarrier(Warp *W, const Inst *I, uint32_t Lane, Cta *C,
                       uint32_t Offset);
void completePhase(Cta *C, Mbarrier &B);
/// A copy has delivered Bytes to the barrier object at Offset.
void deliverBytes(Cta *C, uint32_t Offset, uint32_t Bytes);

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
