// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From device addresses to host pointers, with every check on the way.
#ifndef PTXSIM_EXEC_RESOLVE_H
#define PTXSIM_EXEC_RESOLVE_H

#include "Exec.h"

namespace ptxsim {

/// Address: only checks the address; someone else tells about the access.
enum class AccessKind : uint8_t { Read, Write, Atomic, Address };

/// Bit of Inst::Aux of loads and stores: volatile, relaxed, acquire or release.
constexpr uint16_t StrongAccess = 4;

/// One access of a warp, resolved.
struct alignas(64) Lanes {
  uint8_t *Ptr[32]; // valid for the active lanes
};

/// Addresses of all lanes: the address row plus the instruction's offset.
inline RowU64 addressRow(const Inst *I, const uint8_t *R) {
  if (I->Wide)
    return rowAt<RowU64>(R + I->A) + uint64_t(int64_t(I->Imm));
  RowU32 A = rowAt<RowU32>(R + I->A) + uint32_t(I->Imm);
  return __builtin_convertvector(A, RowU64);
}

/// Checks bounds and alignment of Bytes at every active lane's address and
/// fills Out; on a fault records it and returns false. CacheSlot numbers the
/// instruction's allocation cache.
bool resolve(Warp *W, const Inst *I, uint32_t M, RowU64 Address, Space Where,
             unsigned Bytes, AccessKind Kind, uint32_t CacheSlot, Lanes &Out);

/// A single address of one lane (barrier objects, asynchronous copies).
/// Returns null after recording a fault. Owner receives the CTA whose shared
/// memory it is, or stays null for other spaces.
uint8_t *resolveOne(Warp *W, const Inst *I, uint32_t Lane, uint64_t Address,
                    Space Where, uint64_t Bytes, unsigned Align,
                    AccessKind Kind, Cta **Owner = nullptr,
                    uint32_t *Offset = nullptr);

/// Splits an address of space Where into CTA and shared memory address.
/// Null if it is not shared memory of this cluster.
Cta *sharedOwner(Warp *W, uint64_t Address, Space Where, uint32_t &Offset);

/// Tells race checks and counters about an access to shared memory of C; false
/// after a fault.
bool observeShared(Warp *W, const Inst *I, Cta *C, uint32_t M,
                   const uint32_t *Offset, unsigned Bytes, AccessKind Kind);
/// The same for global memory.
bool observeGlobal(Warp *W, const Inst *I, uint32_t M, const uint64_t *Address,
                   unsigned Bytes, AccessKind Kind);

/// Tells caches of the content that shared memory has changed.
inline void touchShared(Cta *C) { ++C->SharedChanges; }

} // namespace ptxsim
#endif
