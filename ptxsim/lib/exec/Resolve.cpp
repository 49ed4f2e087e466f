// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Address checks: allocation bounds, windows of the generic space, alignment.
#include "Resolve.h"
#include "Heap.h"
#include "Race.h"
#include <algorithm>

using namespace ptxsim;

static bool writes(AccessKind Kind) {
  return Kind == AccessKind::Write || Kind == AccessKind::Atomic;
}

static constexpr uint64_t WindowMask = ~((uint64_t(1) << 56) - 1);

const Allocation *ptxsim::findAllocation(const LaunchState &L, uint64_t Address,
                                         uint64_t Bytes) {
  auto It = std::upper_bound(
      L.Allocations.begin(), L.Allocations.end(), Address,
      [](uint64_t A, const Allocation &X) { return A < X.Begin; });
  if (L.Heap && L.Heap->contains(Address)) {
    thread_local Allocation Block; // it may end meanwhile
    return L.Heap->find(Address, Bytes, Block) ? &Block : nullptr;
  }
  if (It == L.Allocations.begin())
    return nullptr;
  --It;
  bool In = Bytes <= It->End - It->Begin && Address <= It->End - Bytes;
  return In ? &*It : nullptr;
}

static std::string describeAddress(Warp *W, uint64_t A, unsigned Bytes) {
  const LaunchState &L = *W->C->L;
  std::string S = std::to_string(Bytes) + "-byte access to " + hex(A);
  if (L.Heap && L.Heap->contains(A))
    return S + ", in the heap but in no block that malloc has returned";
  auto It = std::upper_bound(
      L.Allocations.begin(), L.Allocations.end(), A,
      [](uint64_t X, const Allocation &Y) { return X < Y.Begin; });
  if (It == L.Allocations.begin())
    return S + ", no allocation is there";
  --It;
  S += A < It->End ? ", inside allocation " : ", nearest allocation below is ";
  S += std::to_string(It->Id) + " at " + hex(It->Begin) + " of " +
       std::to_string(It->End - It->Begin) + " bytes";
  if (A >= It->End)
    S += ", " + std::to_string(A - It->End) + " bytes past its end";
  return S;
}

static void globalFault(Warp *W, const Inst *I, uint32_t Lane, uint64_t A,
                        unsigned Bytes, AccessKind Kind, unsigned Align) {
  if (A % Align)
    return fault(W, I, FaultKind::Misaligned, Lane,
                 "misaligned " + std::to_string(Bytes) +
                     "-byte access to global address " + hex(A));
  const Allocation *F = findAllocation(*W->C->L, A, Bytes);
  if (F && F->ReadOnly && writes(Kind))
    return fault(W, I, FaultKind::Address, Lane,
                 "write to read-only memory at " + hex(A));
  fault(W, I, FaultKind::Address, Lane,
        "global memory out of bounds: " + describeAddress(W, A, Bytes));
}

static bool usable(const Allocation *F, AccessKind Kind) {
  return F && !(F->ReadOnly && writes(Kind));
}

/// All lanes lie between Begin and Last, aligned. Both differences are negative
/// for an address outside, as one of them is for any two's complement.
static bool allWithin(const RowU64 &Address, uint64_t Begin, uint64_t Last,
                      unsigned Bytes) {
  RowU64 Outside = (Address - Begin) | (Last - Address);
  RowU64 Wrong = (Outside >> 63) | (Address & uint64_t(Bytes - 1));
  __m256i Any = _mm256_setzero_si256();
  for (unsigned K = 0; K < 8; ++K) {
    __m256i Part;
    std::memcpy(&Part, reinterpret_cast<const char *>(&Wrong) + 32 * K, 32);
    Any = _mm256_or_si256(Any, Part);
  }
  return _mm256_testz_si256(Any, Any);
}

/// Looks up the lanes that are not inside the last allocation, which becomes
/// that of the last of them; false after a fault.
static bool findAllocations(Warp *W, const Inst *I, uint32_t M,
                            const RowU64 &Address, unsigned Bytes,
                            AccessKind Kind, Allocation &Cache) {
  uint64_t Room = Cache.End - Cache.Begin;
  RowI64 Bad = Address - Cache.Begin > (Room >= Bytes ? Room - Bytes : 0);
  Bad |= (RowI64)((Address & uint64_t(Bytes - 1)) != 0);
  uint32_t Missing = Room < Bytes ? M : toMask(Bad) & M;
  for (uint32_t Left = Missing; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    const Allocation *F = Address[L] % Bytes
                              ? nullptr
                              : findAllocation(*W->C->L, Address[L], Bytes);
    if (!usable(F, Kind)) {
      globalFault(W, I, L, Address[L], Bytes, Kind, Bytes);
      return false;
    }
    Cache = F->Heap ? Allocation() : *F;
  }
  return true;
}

/// The instruction's last allocation usually holds all lanes; others are
/// looked up one by one.
static bool resolveGlobal(Warp *W, const Inst *I, uint32_t M, RowU64 Address,
                          unsigned Bytes, AccessKind Kind, uint32_t CacheSlot,
                          Lanes &Out) {
  Allocation &Cache = W->C->Work->Cache[CacheSlot];
  uint64_t Room = Cache.End - Cache.Begin;
  bool Within = M == AllLanes && Room >= Bytes &&
                allWithin(Address, Cache.Begin, Cache.End - Bytes, Bytes);
  if (!Within && !findAllocations(W, I, M, Address, Bytes, Kind, Cache))
    return false;
  std::memcpy(Out.Ptr, &Address, sizeof(Out.Ptr));
  if (__builtin_expect(W->C->Observed, 0) && Kind != AccessKind::Address)
    return observeGlobal(W, I, M, reinterpret_cast<uint64_t *>(&Address), Bytes,
                         Kind);
  return true;
}

static void sharedFault(Warp *W, const Inst *I, uint32_t Lane, uint64_t A,
                        unsigned Bytes, unsigned Align) {
  if (A % Align)
    return fault(W, I, FaultKind::Misaligned, Lane,
                 "misaligned " + std::to_string(Bytes) +
                     "-byte access to shared address " + hex(A));
  fault(W, I, FaultKind::Address, Lane,
        "shared memory out of bounds: " + std::to_string(Bytes) +
            "-byte access to " + hex(A) + ", the CTA has " +
            std::to_string(W->C->SharedBytes) + " bytes at " + hex(SharedBase));
}

/// The common case: every lane in the CTA's own shared memory.
static bool resolveOwnShared(Warp *W, const Inst *I, uint32_t M, RowU64 Address,
                             unsigned Bytes, AccessKind Kind, Lanes &Out) {
  Cta *C = W->C;
  uint64_t Room = C->SharedBytes;
  RowI64 Bad =
      Address - uint64_t(SharedBase) > (Room >= Bytes ? Room - Bytes : 0);
  Bad |= (RowI64)((Address & uint64_t(Bytes - 1)) != 0);
  uint32_t Wrong = toMask(Bad) & M;
  if (Room < Bytes)
    Wrong = M;
  if (__builtin_expect(Wrong != 0, 0)) {
    uint32_t L = uint32_t(std::countr_zero(Wrong));
    sharedFault(W, I, L, Address[L], Bytes, Bytes);
    return false;
  }
  RowU64 P = Address + uint64_t(C->Shared - SharedBase);
  std::memcpy(Out.Ptr, &P, sizeof(Out.Ptr));
  if (__builtin_expect(C->Observed, 0) && Kind != AccessKind::Address) {
    RowU32 Offset = __builtin_convertvector(Address, RowU32);
    if (!observeShared(W, I, C, M, reinterpret_cast<uint32_t *>(&Offset), Bytes,
                       Kind))
      return false;
  }
  if (writes(Kind))
    touchShared(C);
  return true;
}

Cta *ptxsim::sharedOwner(Warp *W, uint64_t Address, Space Where,
                         uint32_t &Offset) {
  if (Where == Space::Generic) {
    if ((Address & WindowMask) != SharedWindow)
      return nullptr;
    Address -= SharedWindow;
  }
  Offset = uint32_t(Address) & ((1u << ClusterRankShift) - 1);
  uint64_t Rank = Address >> ClusterRankShift;
  if (!Rank)
    return W->C;
  if (Rank - 1 >= W->C->Group->Ctas.size())
    return nullptr;
  return W->C->Group->Ctas[Rank - 1].get();
}

uint8_t *ptxsim::resolveOne(Warp *W, const Inst *I, uint32_t Lane,
                            uint64_t Address, Space Where, uint64_t Bytes,
                            unsigned Align, AccessKind Kind, Cta **Owner,
                            uint32_t *Offset) {
  bool Generic = Where == Space::Generic;
  bool Shared = Where == Space::Shared || Where == Space::SharedCluster ||
                (Generic && (Address & WindowMask) == SharedWindow);
  if (Shared) {
    uint32_t At = 0;
    Cta *C = sharedOwner(W, Address, Where, At);
    bool Ok = C && (Where != Space::Shared || C == W->C) && At % Align == 0 &&
              At >= SharedBase && Bytes <= C->SharedBytes &&
              At - SharedBase <= C->SharedBytes - Bytes;
    if (!Ok) {
      sharedFault(W, I, Lane, C ? At : Address, unsigned(Bytes), Align);
      return nullptr;
    }
    if (Owner)
      *Owner = C;
    if (Offset)
      *Offset = At;
    if (writes(Kind))
      touchShared(C);
    return C->Shared + (At - SharedBase);
  }
  if (Where == Space::Local ||
      (Generic && (Address & WindowMask) == LocalWindow)) {
    uint64_t At = Address & ~WindowMask;
    uint32_t Size = W->C->L->LocalBytes;
    if (Bytes > Size || At > Size - Bytes || At % Align) {
      fault(W, I, At % Align ? FaultKind::Misaligned : FaultKind::Address, Lane,
            "local memory out of bounds or misaligned: " +
                std::to_string(Bytes) + "-byte access to " + hex(At) +
                ", the thread has " + std::to_string(Size) + " bytes");
      return nullptr;
    }
    return W->C->Local + (uint64_t(W->Id) * 32 + Lane) * Size + At;
  }
  const Allocation *F =
      Address % Align ? nullptr : findAllocation(*W->C->L, Address, Bytes);
  if (!usable(F, Kind)) {
    globalFault(W, I, Lane, Address, unsigned(Bytes), Kind, Align);
    return nullptr;
  }
  return reinterpret_cast<uint8_t *>(Address);
}

/// Lane by lane: mixed windows, local memory, other CTAs' shared memory.
static bool resolveLanes(Warp *W, const Inst *I, uint32_t M, RowU64 Address,
                         Space Where, unsigned Bytes, AccessKind Kind,
                         Lanes &Out) {
  for (uint32_t Left = M; Left; Left &= Left - 1) {
    uint32_t L = uint32_t(std::countr_zero(Left));
    Cta *Owner = nullptr;
    uint32_t Offset = 0;
    uint8_t *P = resolveOne(W, I, L, Address[L], Where, Bytes, Bytes, Kind,
                            &Owner, &Offset);
    if (!P)
      return false;
    Out.Ptr[L] = P;
    if (!W->C->Observed || Kind == AccessKind::Address)
      continue;
    uint32_t Offsets[32];
    uint64_t Addresses[32];
    Offsets[L] = Offset;
    Addresses[L] = Address[L];
    bool IsGlobal = !(Address[L] & WindowMask) && Where != Space::Local;
    if (Owner && !observeShared(W, I, Owner, 1u << L, Offsets, Bytes, Kind))
      return false;
    bool IsLocal = !Owner && !IsGlobal;
    if (IsLocal && !raceLocal(W, I, L, uint64_t(P - W->C->Local), Bytes, Kind))
      return false;
    if (!Owner && IsGlobal &&
        !observeGlobal(W, I, 1u << L, Addresses, Bytes, Kind))
      return false;
  }
  return true;
}

bool ptxsim::resolve(Warp *W, const Inst *I, uint32_t M, RowU64 Address,
                     Space Where, unsigned Bytes, AccessKind Kind,
                     uint32_t CacheSlot, Lanes &Out) {
  switch (Where) {
  case Space::Global:
  case Space::Const:
  case Space::Param:
    return resolveGlobal(W, I, M, Address, Bytes, Kind, CacheSlot, Out);
  case Space::Shared:
    if (toMask((RowI64)((Address >> ClusterRankShift) != 0)) & M)
      return resolveLanes(W, I, M, Address, Where, Bytes, Kind, Out);
    return resolveOwnShared(W, I, M, Address, Bytes, Kind, Out);
  case Space::Generic: {
    uint64_t First = Address[std::countr_zero(M)];
    uint64_t Window = First & WindowMask;
    bool Uniform = !(toMask((RowI64)((Address & WindowMask) != Window)) & M);
    if (Uniform && !Window)
      return resolveGlobal(W, I, M, Address, Bytes, Kind, CacheSlot, Out);
    bool Own =
        !(toMask((RowI64)((Address - SharedWindow) >> ClusterRankShift != 0)) &
          M);
    if (Uniform && Window == SharedWindow && Own)
      return resolveOwnShared(W, I, M, Address - SharedWindow, Bytes, Kind,
                              Out);
    return resolveLanes(W, I, M, Address, Where, Bytes, Kind, Out);
  }
  default: return resolveLanes(W, I, M, Address, Where, Bytes, Kind, Out);
  }
}
