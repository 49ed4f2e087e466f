// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory: allocation, host registration, and what is known of addresses.
#include "State.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

using namespace ptxsim;
using namespace ptxsim::abi;

// ---- allocation ----------------------------------------------------------
CUresult ptxsim::allocateMemory(CUdeviceptr *Out, size_t Bytes, bool Owned) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enter())
    return R;
  if (!Out || !Bytes)
    return CUDA_ERROR_INVALID_VALUE;
  if (Owned)
    if (CUresult R = checkUnsafe())
      return R;
  if (S.Faults.count(FaultPlan::Alloc))
    return CUDA_ERROR_OUT_OF_MEMORY;
  uint64_t A = S.Memory.allocate(Bytes, S.Device.Memory);
  if (!A)
    return CUDA_ERROR_OUT_OF_MEMORY;
  if (S.Config.Race)
    S.Memory.trackWrites(A);
  if (Owned)
    S.MemoryOwners[A] = currentContext();
  *Out = A;
  return CUDA_SUCCESS;
}
static bool releaseDevice(CUdeviceptr Address) {
  state().MemoryOwners.erase(Address);
  state().Managed.erase(Address);
  return state().Memory.release(Address);
}
static bool releasePinned(void *Host) {
  DriverState &S = state();
  if (!S.PinnedHost.erase(Host))
    return false;
  S.MemoryOwners.erase(uint64_t(Host));
  S.Memory.unregisterHost(Host);
  std::free(Host);
  return true;
}
static bool unregister(void *Host) {
  state().MemoryOwners.erase(uint64_t(Host));
  return state().Memory.unregisterHost(Host);
}
uint64_t ptxsim::releaseMemoryOf(Context *C) {
  std::vector<uint64_t> Owned;
  for (auto [Address, Owner] : state().MemoryOwners)
    if (Owner == C)
      Owned.push_back(Address);
  for (uint64_t Address : Owned) {
    void *Host = reinterpret_cast<void *>(Address);
    if (!releaseDevice(Address) && !releasePinned(Host))
      unregister(Host);
  }
  return Owned.size();
}

PTXSIM_API CUresult cuMemAlloc_v2(CUdeviceptr *Out, size_t Bytes) {
  return allocateMemory(Out, Bytes, true);
}
CUresult ptxsim::releaseMemory(CUdeviceptr Address) {
  DriverState &S = state();
  if (!S.Initialised)
    return CUDA_ERROR_NOT_INITIALIZED;
  bool Releasable = !S.Variables.count(Address) && !isMapped(Address);
  bool Done = !Address || (Releasable && releaseDevice(Address));
  if (Done)
    forgetPooled(Address);
  return released(Done, CUDA_ERROR_INVALID_VALUE);
}
PTXSIM_API CUresult cuMemFree_v2(CUdeviceptr Address) {
  std::lock_guard Guard(state().Lock);
  CUresult R = checkUnsafe();
  return R ? R : releaseMemory(Address);
}
PTXSIM_API CUresult cuMemAllocPitch_v2(CUdeviceptr *Out, size_t *Pitch,
                                       size_t Width, size_t Height,
                                       unsigned Element) {
  if (!Pitch || !Width || !Height ||
      (Element != 4 && Element != 8 && Element != 16))
    return CUDA_ERROR_INVALID_VALUE;
  *Pitch = (Width + 511) / 512 * 512;
  if (*Pitch < Width || Height > SIZE_MAX / *Pitch)
    return CUDA_ERROR_INVALID_VALUE;
  return cuMemAlloc_v2(Out, *Pitch * Height);
}
PTXSIM_API CUresult cuMemGetInfo_v2(size_t *Free, size_t *Total) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enter())
    return R;
  if (Free)
    *Free = S.Device.Memory -
            std::min(S.Device.Memory, S.Memory.used() + unusedPooled());
  if (Total)
    *Total = S.Device.Memory;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuMemGetAddressRange_v2(CUdeviceptr *Begin, size_t *Bytes,
                                            CUdeviceptr Address) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enter())
    return R;
  const Allocation *A = S.Memory.find(Address, 1);
  if (!A)
    return CUDA_ERROR_NOT_FOUND;
  if (Begin)
    *Begin = A->Begin;
  if (Bytes)
    *Bytes = A->End - A->Begin;
  return CUDA_SUCCESS;
}

// ---- page-locked host memory ----------------------------------------------
PTXSIM_API CUresult cuMemHostAlloc(void **Out, size_t Bytes, unsigned Flags) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enter())
    return R;
  if (!Out || !Bytes || Flags > 7)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = checkUnsafe())
    return R;
  void *P = nullptr;
  if (S.Faults.count(FaultPlan::Alloc) || posix_memalign(&P, 4096, Bytes))
    return CUDA_ERROR_OUT_OF_MEMORY;
  S.Memory.registerHost(P, Bytes);
  S.PinnedHost[P] = Flags;
  S.MemoryOwners[uint64_t(P)] = currentContext();
  *Out = P;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuMemAllocHost_v2(void **Out, size_t Bytes) {
  return cuMemHostAlloc(Out, Bytes, 0);
}
PTXSIM_API CUresult cuMemFreeHost(void *Host) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = checkUnsafe())
    return R;
  return released(releasePinned(Host), CUDA_ERROR_INVALID_VALUE);
}
/// The driver locks the pages, which must exist.
static bool hasPages(void *Host, size_t Bytes) {
  constexpr uintptr_t Page = 4096;
  uintptr_t First = uintptr_t(Host) / Page * Page;
  uintptr_t Last = uintptr_t(Host) + Bytes;
  return Last > uintptr_t(Host) &&
         !msync(reinterpret_cast<void *>(First), Last - First, MS_ASYNC);
}
PTXSIM_API CUresult cuMemHostRegister_v2(void *Host, size_t Bytes,
                                         unsigned Flags) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enter())
    return R;
  if (!Host || !Bytes || Flags > 15)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = checkUnsafe())
    return R;
  if (!hasPages(Host, Bytes))
    return CUDA_ERROR_INVALID_VALUE;
  if (!S.Memory.registerHost(Host, Bytes))
    return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  S.MemoryOwners[uint64_t(Host)] = currentContext();
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuMemHostUnregister(void *Host) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (S.PinnedHost.count(Host))
    return CUDA_ERROR_INVALID_VALUE;
  return released(unregister(Host), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}
PTXSIM_API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *Out, void *Host,
                                                 unsigned Flags) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (!Out || Flags || !S.Memory.find(uint64_t(Host), 1))
    return CUDA_ERROR_INVALID_VALUE;
  *Out = uint64_t(Host);
  return CUDA_SUCCESS;
}
/// CU_MEMHOSTALLOC_DEVICEMAP: all is mapped where addresses are unified.
static constexpr unsigned MappedHost = 2;
PTXSIM_API CUresult cuMemHostGetFlags(unsigned *Flags, void *Host) {
  std::lock_guard Guard(state().Lock);
  auto It = state().PinnedHost.find(Host);
  if (!Flags || It == state().PinnedHost.end())
    return CUDA_ERROR_INVALID_VALUE;
  *Flags = It->second | MappedHost;
  return CUDA_SUCCESS;
}
namespace {
enum PointerAttribute {
  PointerContext = 1,
  PointerMemoryType = 2,
  PointerDevice = 3,
  PointerHost = 4,
  PointerSyncMemops = 6,
  PointerBufferId = 7,
  PointerIsManaged = 8,
  PointerOrdinal = 9,
  PointerIpcCapable = 10,
  PointerRangeStart = 11,
  PointerRangeSize = 12,
  PointerMapped = 13,
  PointerHandleTypes = 14,
  PointerRdmaCapable = 15,
  PointerAccessFlags = 16,
  PointerPool = 17,
  PointerMappingSize = 18,
  PointerMappingBase = 19,
  PointerBlockId = 20,
};
} // namespace
static void *poolOf(const Allocation &A) {
  auto It = state().Pooled.find(A.Begin);
  return It == state().Pooled.end() ? nullptr : It->second.Pool;
}
static CUresult pointerAttribute(void *Out, int Attribute, CUdeviceptr P) {
  DriverState &S = state();
  const Allocation *A = S.Memory.find(P, 1);
  if (!A || !Out)
    return CUDA_ERROR_INVALID_VALUE;
  bool Device = S.Memory.isDevice(P), Managed = S.Managed.count(A->Begin);
  auto Word = [&](unsigned V) { *static_cast<unsigned *>(Out) = V; };
  auto Wide = [&](uint64_t V) { *static_cast<uint64_t *>(Out) = V; };
  switch (Attribute) {
  case PointerContext: {
    auto It = S.MemoryOwners.find(A->Begin);
    Wide(uint64_t(It != S.MemoryOwners.end() ? It->second : currentContext()));
    break;
  }
  case PointerMemoryType:
    Word(Device ? MemoryTypeDevice : MemoryTypeHost);
    break;
  case PointerDevice: Wide(P); break;
  case PointerHost:
    if (Device && !Managed)
      return CUDA_ERROR_INVALID_VALUE;
    Wide(P);
    break;
  case PointerBufferId:
  case PointerBlockId: Wide(A->Id); break;
  case PointerIsManaged: Word(Managed); break;
  case PointerSyncMemops: Word(1); break; // all are, here
  case PointerOrdinal:
  case PointerIpcCapable:
  case PointerRdmaCapable: Word(0); break;
  case PointerHandleTypes: Wide(0); break;
  case PointerRangeStart:
  case PointerMappingBase: Wide(A->Begin); break;
  case PointerRangeSize:
  case PointerMappingSize: Wide(A->End - A->Begin); break;
  case PointerMapped: Word(1); break;
  case PointerAccessFlags:
    Word(A->ReadOnly ? MemAccessRead : MemAccessReadWrite);
    break;
  case PointerPool: Wide(uint64_t(poolOf(*A))); break;
  default: return CUDA_ERROR_NOT_SUPPORTED;
  }
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuPointerSetAttribute(const void *Value, int Attribute,
                                          CUdeviceptr P) {
  std::lock_guard Guard(state().Lock);
  if (!Value || Attribute != PointerSyncMemops || !state().Memory.find(P, 1))
    return CUDA_ERROR_INVALID_VALUE;
  return CUDA_SUCCESS;
}
/// The others are 32-bit.
static bool isWide(int A) {
  return A == PointerContext || A == PointerDevice || A == PointerHost ||
         A == PointerBufferId || A == PointerRangeStart ||
         A == PointerRangeSize || A == PointerHandleTypes ||
         (A >= PointerPool && A <= PointerBlockId);
}
PTXSIM_API CUresult cuPointerGetAttribute(void *Out, int Attribute,
                                          CUdeviceptr P) {
  std::lock_guard Guard(state().Lock);
  return pointerAttribute(Out, Attribute, P);
}
PTXSIM_API CUresult cuPointerGetAttributes(unsigned N, int *Attributes,
                                           void **Out, CUdeviceptr P) {
  std::lock_guard Guard(state().Lock);
  if (!Attributes || !Out)
    return CUDA_ERROR_INVALID_VALUE;
  for (unsigned K = 0; K < N; ++K) // unknown pointers leave zeros behind
    if (pointerAttribute(Out[K], Attributes[K], P) != CUDA_SUCCESS && Out[K])
      std::memset(Out[K], 0, isWide(Attributes[K]) ? 8 : 4);
  return CUDA_SUCCESS;
}
