// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Virtual memory management: addresses, memory, and which lies where. Memory is
// a file of the host's kernel, so that it can lie at several addresses.
#include "State.h"
#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

using namespace ptxsim;
using namespace ptxsim::abi;

using CUmemHandle = unsigned long long;
static constexpr uint64_t Granularity = 2 << 20;

namespace {
struct Memory {
  int File = -1;
  uint64_t Bytes = 0;
  CUmemAllocationProp Props{};
  unsigned Handles = 1, Mappings = 0;
  ~Memory() {
    if (File >= 0)
      close(File);
  }
};
struct Mapping {
  uint64_t Bytes = 0, Offset = 0;
  CUmemHandle Handle = 0;
  int Access = MemAccessNone;
};
struct Reservation {
  uint64_t Bytes = 0;
  std::map<uint64_t, Mapping> Mappings; // by begin
};
} // namespace
struct ptxsim::MappedMemory {
  std::map<CUmemHandle, Memory> Handles;
  std::map<uint64_t, Reservation> Reservations; // by begin
  CUmemHandle NextHandle = 1;
};

static MappedMemory &mapped() {
  auto &M = state().Mapped;
  if (!M)
    M = std::make_shared<MappedMemory>();
  return *M;
}
/// The reservation that holds the range, or null.
static std::pair<const uint64_t, Reservation> *reservation(uint64_t Begin,
                                                           uint64_t Bytes) {
  auto &All = mapped().Reservations;
  auto It = All.upper_bound(Begin);
  if (It == All.begin())
    return nullptr;
  auto &R = *std::prev(It);
  bool In =
      Bytes <= R.second.Bytes && Begin - R.first <= R.second.Bytes - Bytes;
  return In ? &R : nullptr;
}
bool ptxsim::isMapped(CUdeviceptr Address) {
  return state().Mapped && reservation(Address, 1);
}
static void *ptr(uint64_t A) { return reinterpret_cast<void *>(A); }
static bool isWhole(uint64_t Bytes) {
  return Bytes && Bytes % Granularity == 0;
}

/// Tells device memory what kernels may use: neighbours with the same access
/// are one allocation, as an array may reach over several pieces of memory.
static void updateUsable(std::pair<const uint64_t, Reservation> &R) {
  std::vector<Allocation> Parts;
  for (const auto &[Begin, M] : R.second.Mappings) {
    bool ReadOnly = M.Access == MemAccessRead;
    if (M.Access == MemAccessNone)
      continue;
    if (!Parts.empty() && Parts.back().End == Begin &&
        Parts.back().ReadOnly == ReadOnly)
      Parts.back().End += M.Bytes;
    else
      Parts.push_back({Begin, Begin + M.Bytes, 0, ReadOnly, false, nullptr});
  }
  state().Memory.setUsable(R.first, Parts);
}

// ---- addresses -----------------------------------------------------------
PTXSIM_API CUresult cuMemAddressReserve(CUdeviceptr *Out, size_t Bytes,
                                        size_t Align, CUdeviceptr Hint,
                                        unsigned long long Flags) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = checkDevice(0))
    return R;
  if (!Out || !isWhole(Bytes) || Flags || (Align & (Align - 1)))
    return CUDA_ERROR_INVALID_VALUE;
  uint64_t A = state().Memory.reserveRange(
      Bytes, std::max<uint64_t>(Align, Granularity), Hint);
  if (!A)
    return CUDA_ERROR_OUT_OF_MEMORY;
  mapped().Reservations[A].Bytes = Bytes;
  *Out = A;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuMemAddressFree(CUdeviceptr Address, size_t Bytes) {
  std::lock_guard Guard(state().Lock);
  auto It = mapped().Reservations.find(Address);
  if (It == mapped().Reservations.end() || It->second.Bytes != Bytes ||
      !It->second.Mappings.empty())
    return CUDA_ERROR_INVALID_VALUE;
  mapped().Reservations.erase(It);
  state().Memory.freeRange(Address);
  return CUDA_SUCCESS;
}

// ---- memory --------------------------------------------------------------
static CUresult checkProps(const CUmemAllocationProp *P) {
  if (!P || P->type != MemAllocationPinned)
    return CUDA_ERROR_INVALID_VALUE;
  if (P->requestedHandleTypes || P->location.type != MemLocationDevice) {
    report("cuMemCreate: memory outside of the device, or shared with other "
           "processes, is not supported");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  return P->location.id == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
PTXSIM_API CUresult cuMemGetAllocationGranularity(size_t *Out,
                                                  const CUmemAllocationProp *P,
                                                  int Option) {
  std::lock_guard Guard(state().Lock);
  if (!Out || Option < 0 || Option > 1)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = checkProps(P))
    return R;
  *Out = Granularity;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuMemCreate(CUmemHandle *Out, size_t Bytes,
                                const CUmemAllocationProp *P,
                                unsigned long long Flags) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = checkDevice(0))
    return R;
  if (!Out || !isWhole(Bytes) || Flags)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = checkProps(P))
    return R;
  if (S.Faults.count(FaultPlan::Alloc) ||
      Bytes > S.Device.Memory - std::min(S.Device.Memory, S.Memory.used()))
    return CUDA_ERROR_OUT_OF_MEMORY;
  Memory M;
  M.File = memfd_create("ptxsim", MFD_CLOEXEC);
  if (M.File < 0 || ftruncate(M.File, off_t(Bytes)))
    return CUDA_ERROR_OUT_OF_MEMORY;
  M.Bytes = Bytes;
  M.Props = *P;
  *Out = mapped().NextHandle++;
  std::swap(mapped().Handles[*Out], M);
  M.File = -1;
  S.Memory.countUsed(int64_t(Bytes));
  return CUDA_SUCCESS;
}
static Memory *findMemory(CUmemHandle Handle) {
  auto It = mapped().Handles.find(Handle);
  return It == mapped().Handles.end() ? nullptr : &It->second;
}
static void dropUnused(CUmemHandle Handle) {
  Memory &M = mapped().Handles[Handle];
  if (M.Handles || M.Mappings)
    return;
  state().Memory.countUsed(-int64_t(M.Bytes));
  mapped().Handles.erase(Handle);
}
/// Memory that is mapped stays until it no longer is.
PTXSIM_API CUresult cuMemRelease(CUmemHandle Handle) {
  std::lock_guard Guard(state().Lock);
  Memory *M = findMemory(Handle);
  if (!M || !M->Handles)
    return CUDA_ERROR_INVALID_VALUE;
  --M->Handles;
  dropUnused(Handle);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuMemRetainAllocationHandle(CUmemHandle *Out, void *At) {
  std::lock_guard Guard(state().Lock);
  auto *R = reservation(uint64_t(At), 1);
  if (!Out || !R)
    return CUDA_ERROR_INVALID_VALUE;
  for (const auto &[Begin, M] : R->second.Mappings)
    if (uint64_t(At) - Begin < M.Bytes) {
      ++mapped().Handles[M.Handle].Handles;
      *Out = M.Handle;
      return CUDA_SUCCESS;
    }
  return CUDA_ERROR_INVALID_VALUE;
}
PTXSIM_API CUresult cuMemGetAllocationPropertiesFromHandle(
    CUmemAllocationProp *Out, CUmemHandle Handle) {
  std::lock_guard Guard(state().Lock);
  Memory *M = findMemory(Handle);
  if (!Out || !M)
    return CUDA_ERROR_INVALID_VALUE;
  *Out = M->Props;
  return CUDA_SUCCESS;
}

// ---- mappings ------------------------------------------------------------
PTXSIM_API CUresult cuMemMap(CUdeviceptr Address, size_t Bytes, size_t Offset,
                             CUmemHandle Handle, unsigned long long Flags) {
  std::lock_guard Guard(state().Lock);
  Memory *M = findMemory(Handle);
  auto *R = reservation(Address, Bytes);
  if (!M || !R || Flags || !isWhole(Bytes) || Address % Granularity ||
      Offset % Granularity || Bytes > M->Bytes || Offset > M->Bytes - Bytes)
    return CUDA_ERROR_INVALID_VALUE;
  auto &All = R->second.Mappings;
  auto Next = All.lower_bound(Address);
  if ((Next != All.end() && Next->first < Address + Bytes) ||
      (Next != All.begin() &&
       std::prev(Next)->first + std::prev(Next)->second.Bytes > Address))
    return CUDA_ERROR_INVALID_VALUE; // something is there
  if (mmap(ptr(Address), Bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
           M->File, off_t(Offset)) == MAP_FAILED)
    return CUDA_ERROR_OUT_OF_MEMORY;
  ++M->Mappings;
  All[Address] = {Bytes, Offset, Handle, MemAccessNone};
  return CUDA_SUCCESS;
}
/// Calls Fn(begin, mapping) for the mappings that fill the range; false, before
/// any call, if there are no such ones.
template <class F>
static bool forMappings(Reservation &R, uint64_t Begin, uint64_t Bytes, F Fn) {
  uint64_t At = Begin, End = Begin + Bytes;
  while (At < End) {
    auto It = R.Mappings.find(At);
    if (It == R.Mappings.end())
      return false;
    At += It->second.Bytes;
  }
  if (At != End)
    return false;
  auto It = R.Mappings.find(Begin);
  while (It != R.Mappings.end() && It->first < End) {
    auto Next = std::next(It);
    Fn(It);
    It = Next;
  }
  return true;
}
PTXSIM_API CUresult cuMemUnmap(CUdeviceptr Address, size_t Bytes) {
  std::lock_guard Guard(state().Lock);
  auto *R = reservation(Address, Bytes);
  if (!R || !Bytes)
    return CUDA_ERROR_INVALID_VALUE;
  bool Found = forMappings(R->second, Address, Bytes, [&](auto It) {
    CUmemHandle Handle = It->second.Handle;
    mmap(ptr(It->first), It->second.Bytes, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    R->second.Mappings.erase(It);
    --mapped().Handles[Handle].Mappings;
    dropUnused(Handle);
  });
  updateUsable(*R);
  return Found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
PTXSIM_API CUresult cuMemSetAccess(CUdeviceptr Address, size_t Bytes,
                                   const CUmemAccessDesc *Access,
                                   size_t Count) {
  std::lock_guard Guard(state().Lock);
  auto *R = reservation(Address, Bytes);
  if (!R || !Bytes || !Access || !Count)
    return CUDA_ERROR_INVALID_VALUE;
  for (size_t K = 0; K < Count; ++K) {
    if (Access[K].location.type != MemLocationDevice || Access[K].location.id)
      return CUDA_ERROR_INVALID_DEVICE;
    int Flags = Access[K].flags;
    if (Flags != MemAccessNone && Flags != MemAccessRead &&
        Flags != MemAccessReadWrite)
      return CUDA_ERROR_INVALID_VALUE;
  }
  bool Found = forMappings(R->second, Address, Bytes, [&](auto It) {
    It->second.Access = Access[Count - 1].flags;
  });
  updateUsable(*R);
  return Found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
PTXSIM_API CUresult cuMemGetAccess(unsigned long long *Flags,
                                   const CUmemLocation *Location,
                                   CUdeviceptr Address) {
  std::lock_guard Guard(state().Lock);
  auto *R = reservation(Address, 1);
  if (!Flags || !Location || !R)
    return CUDA_ERROR_INVALID_VALUE;
  if (Location->type != MemLocationDevice || Location->id)
    return CUDA_ERROR_INVALID_DEVICE;
  for (const auto &[Begin, M] : R->second.Mappings)
    if (Address - Begin < M.Bytes) {
      *Flags = unsigned(M.Access);
      return CUDA_SUCCESS;
    }
  return CUDA_ERROR_INVALID_VALUE;
}
