// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stream-ordered allocation: pools, and memory of graphs.
#include "State.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

// ---- bookkeeping ---------------------------------------------------------
/// The hardware's driver gives memory to pools in pages of this size.
static constexpr uint64_t Page = 2 << 20;
static uint64_t inPages(uint64_t Bytes) {
  return (Bytes + Page - 1) / Page * Page;
}
static void notePooled(MemoryPool &P, CUdeviceptr Address, uint64_t Bytes) {
  state().Pooled[Address] = {&P, Bytes};
  P.Used += Bytes;
  P.UsedHigh = std::max(P.UsedHigh, P.Used);
  P.Reserved = std::max(P.Reserved, inPages(P.Used));
  P.ReservedHigh = std::max(P.ReservedHigh, P.Reserved);
}
void ptxsim::forgetPooled(CUdeviceptr Address) {
  auto It = state().Pooled.find(Address);
  if (It == state().Pooled.end())
    return;
  MemoryPool *P = It->second.Pool;
  P->Used -= It->second.Bytes;
  state().Pooled.erase(It);
  if (P->Destroyed && !P->Used)
    state().Pools.erase(P);
}
uint64_t ptxsim::unusedPooled() {
  uint64_t Bytes = 0;
  for (auto &[P, Owned] : state().Pools)
    Bytes += P->Reserved - std::min(P->Reserved, P->Used);
  return Bytes;
}
static void trim(MemoryPool &P, uint64_t Keep) {
  P.Reserved = std::max(inPages(P.Used), std::min(P.Reserved, Keep));
}
void ptxsim::trimPools() {
  for (auto &[P, Owned] : state().Pools)
    trim(*P, P->Threshold);
}

// ---- pools ---------------------------------------------------------------
static CUmemPoolProps deviceProps() {
  CUmemPoolProps P{};
  P.allocType = MemAllocationPinned;
  P.location = {MemLocationDevice, 0};
  return P;
}
static MemoryPool *makePool(const CUmemPoolProps &Props) {
  auto P = std::make_unique<MemoryPool>();
  P->Props = Props;
  MemoryPool *Object = P.get();
  state().Pools[Object] = std::move(P);
  return Object;
}
static MemoryPool *defaultPool() {
  DriverState &D = state();
  if (!D.DefaultPool)
    D.DefaultPool = D.CurrentPool = makePool(deviceProps());
  return D.DefaultPool;
}
static MemoryPool *currentPool() {
  defaultPool();
  return state().CurrentPool;
}
static CUmemoryPool handle(MemoryPool *P) {
  return reinterpret_cast<CUmemoryPool>(P);
}
static MemoryPool *findPool(CUmemoryPool Pool) {
  auto It = state().Pools.find(reinterpret_cast<MemoryPool *>(Pool));
  return It == state().Pools.end() || It->first->Destroyed ? nullptr
                                                           : It->first;
}
static CUresult checkLocation(const CUmemLocation &L) {
  if (L.type == MemLocationDevice)
    return L.id == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
  if (L.type < MemLocationHost || L.type > MemLocationHostNumaCurrent)
    return CUDA_ERROR_INVALID_VALUE;
  report("memory pools outside of the device are not supported");
  return CUDA_ERROR_NOT_SUPPORTED;
}
CUresult ptxsim::checkPoolProps(const CUmemPoolProps &P) {
  if (P.allocType != MemAllocationPinned)
    return CUDA_ERROR_INVALID_VALUE;
  if (P.handleTypes) {
    report("memory pools that are shared with other processes are not "
           "supported");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  return checkLocation(P.location);
}
PTXSIM_API CUresult cuMemPoolCreate(CUmemoryPool *Out,
                                    const CUmemPoolProps *Props) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = checkDevice(0))
    return R;
  if (!Out || !Props)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = checkPoolProps(*Props))
    return R;
  *Out = handle(makePool(*Props));
  return CUDA_SUCCESS;
}
/// Allocations of the pool stay; the device goes back to its own pool.
PTXSIM_API CUresult cuMemPoolDestroy(CUmemoryPool Pool) {
  DriverState &D = state();
  std::lock_guard Guard(D.Lock);
  MemoryPool *P = findPool(Pool);
  if (!P || P == D.DefaultPool)
    return CUDA_ERROR_INVALID_VALUE;
  if (D.CurrentPool == P)
    D.CurrentPool = D.DefaultPool;
  P->Destroyed = true;
  trim(*P, 0);
  if (!P->Used)
    D.Pools.erase(P);
  return released(true, CUDA_SUCCESS);
}
template <class F> static CUresult readPool(CUmemoryPool Pool, F Fn) {
  std::lock_guard Guard(state().Lock);
  MemoryPool *P = findPool(Pool);
  return P ? Fn(*P) : CUDA_ERROR_INVALID_VALUE;
}
PTXSIM_API CUresult cuMemPoolTrimTo(CUmemoryPool Pool, size_t Keep) {
  return readPool(Pool, [=](MemoryPool &P) {
    trim(P, Keep);
    return CUDA_SUCCESS;
  });
}

enum PoolAttribute {
  ReuseFirst = 1,
  ReuseLast = 3,
  ReleaseThreshold = 4,
  ReservedNow = 5,
  ReservedMost = 6,
  UsedNow = 7,
  UsedMost = 8,
  AllocationType = 9,
  HandleTypes = 10,
  LocationId = 11,
  LocationType = 12,
  MaxSize = 13,
  HwDecompress = 14,
};
PTXSIM_API CUresult cuMemPoolSetAttribute(CUmemoryPool Pool, int Attribute,
                                          void *Value) {
  return readPool(Pool, [=](MemoryPool &P) {
    if (!Value)
      return CUDA_ERROR_INVALID_VALUE;
    if (Attribute >= ReuseFirst && Attribute <= ReuseLast) {
      P.Reuse[Attribute - ReuseFirst] = *static_cast<int *>(Value);
      return CUDA_SUCCESS;
    }
    uint64_t V = Attribute <= UsedMost ? *static_cast<uint64_t *>(Value) : 0;
    if (Attribute == ReleaseThreshold)
      P.Threshold = V;
    else if (Attribute == ReservedMost && !V) // can only be reset
      P.ReservedHigh = P.Reserved;
    else if (Attribute == UsedMost && !V)
      P.UsedHigh = P.Used;
    else
      return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
  });
}
PTXSIM_API CUresult cuMemPoolGetAttribute(CUmemoryPool Pool, int Attribute,
                                          void *Value) {
  return readPool(Pool, [=](MemoryPool &P) {
    if (!Value)
      return CUDA_ERROR_INVALID_VALUE;
    auto Word = [&](int V) { *static_cast<int *>(Value) = V; };
    auto Wide = [&](uint64_t V) { *static_cast<uint64_t *>(Value) = V; };
    switch (Attribute) {
    case ReuseFirst:
    case ReuseFirst + 1:
    case ReuseLast: Word(P.Reuse[Attribute - ReuseFirst]); break;
    case ReleaseThreshold: Wide(P.Threshold); break;
    case ReservedNow: Wide(P.Reserved); break;
    case ReservedMost: Wide(P.ReservedHigh); break;
    case UsedNow: Wide(P.Used); break;
    case UsedMost: Wide(P.UsedHigh); break;
    case AllocationType: Word(P.Props.allocType); break;
    case HandleTypes: Word(P.Props.handleTypes); break;
    case LocationId: Word(P.Props.location.id); break;
    case LocationType: Word(P.Props.location.type); break;
    case MaxSize: Wide(P.Props.maxSize); break;
    case HwDecompress: Word(0); break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
  });
}
/// The device always has access to its own pools.
PTXSIM_API CUresult cuMemPoolSetAccess(CUmemoryPool Pool,
                                       const CUmemAccessDesc *Access,
                                       size_t Count) {
  return readPool(Pool, [=](MemoryPool &) {
    if (Count && !Access)
      return CUDA_ERROR_INVALID_VALUE;
    for (size_t K = 0; K < Count; ++K) {
      if (Access[K].location.type != MemLocationDevice ||
          Access[K].location.id != 0)
        return CUDA_ERROR_INVALID_DEVICE;
      if (Access[K].flags != MemAccessReadWrite)
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
  });
}
PTXSIM_API CUresult cuMemPoolGetAccess(int *Flags, CUmemoryPool Pool,
                                       CUmemLocation *Location) {
  return readPool(Pool, [=](MemoryPool &) {
    if (!Flags || !Location)
      return CUDA_ERROR_INVALID_VALUE;
    if (Location->type != MemLocationDevice || Location->id != 0)
      return CUDA_ERROR_INVALID_DEVICE;
    *Flags = MemAccessReadWrite;
    return CUDA_SUCCESS;
  });
}

// ---- pools of the device -------------------------------------------------
static CUresult givePool(CUmemoryPool *Out, CUdevice Device, bool Default) {
  std::lock_guard Guard(state().Lock);
  if (!Out)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult R = checkDevice(Device);
  if (R == CUDA_SUCCESS)
    *Out = handle(Default ? defaultPool() : currentPool());
  return R;
}
PTXSIM_API CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *Out,
                                              CUdevice Device) {
  return givePool(Out, Device, true);
}
PTXSIM_API CUresult cuDeviceGetMemPool(CUmemoryPool *Out, CUdevice Device) {
  return givePool(Out, Device, false);
}
PTXSIM_API CUresult cuDeviceSetMemPool(CUdevice Device, CUmemoryPool Pool) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = checkDevice(Device))
    return R;
  defaultPool();
  return readPool(Pool, [](MemoryPool &P) {
    state().CurrentPool = &P;
    return CUDA_SUCCESS;
  });
}
/// The forms for any place and type; here there is one of each.
static CUresult checkPlace(const CUmemLocation *L, int Type) {
  if (!L || Type != MemAllocationPinned)
    return CUDA_ERROR_INVALID_VALUE;
  return checkLocation(*L);
}
PTXSIM_API CUresult cuMemGetDefaultMemPool(CUmemoryPool *Out,
                                           CUmemLocation *Location, int Type) {
  std::lock_guard Guard(state().Lock);
  CUresult R = checkPlace(Location, Type);
  return R ? R : cuDeviceGetDefaultMemPool(Out, Location->id);
}
PTXSIM_API CUresult cuMemGetMemPool(CUmemoryPool *Out, CUmemLocation *Location,
                                    int Type) {
  std::lock_guard Guard(state().Lock);
  CUresult R = checkPlace(Location, Type);
  return R ? R : cuDeviceGetMemPool(Out, Location->id);
}
PTXSIM_API CUresult cuMemSetMemPool(CUmemLocation *Location, int Type,
                                    CUmemoryPool Pool) {
  std::lock_guard Guard(state().Lock);
  CUresult R = checkPlace(Location, Type);
  return R ? R : cuDeviceSetMemPool(Location->id, Pool);
}

// ---- allocation ----------------------------------------------------------
CUresult ptxsim::reserveGraphMemory(size_t Bytes,
                                    std::shared_ptr<GraphMemory> &Out) {
  constexpr uint64_t Granule = 512, Gap = 4096;
  DriverState &S = state();
  if (!Bytes)
    return CUDA_ERROR_INVALID_VALUE;
  uint64_t Begin =
      Bytes > S.Device.Memory
          ? 0
          : S.Memory.reserveRange(
                (Bytes + Granule - 1) / Granule * Granule + Gap, Granule);
  if (!Begin)
    return CUDA_ERROR_OUT_OF_MEMORY;
  Out = std::make_shared<GraphMemory>(Begin, Bytes);
  return CUDA_SUCCESS;
}
/// In a captured stream, the allocation becomes a node.
static CUresult captureAlloc(CUdeviceptr *Out, size_t Bytes,
                             const MemoryPool &Pool, CUstream Stream) {
  AllocNode N{};
  if (CUresult R = reserveGraphMemory(Bytes, N.Memory))
    return R;
  N.Params.poolProps = Pool.Props;
  N.Params.bytesize = Bytes;
  N.Params.dptr = N.Memory->Begin;
  CUdeviceptr Address = N.Memory->Begin;
  Work Run;
  if (CUresult R = prepareNode(N, Run))
    return R;
  CUresult R = submit(Stream, std::move(N), std::move(Run));
  if (R == CUDA_SUCCESS)
    *Out = Address;
  return R;
}
static CUresult allocAsync(CUdeviceptr *Out, size_t Bytes, MemoryPool *Pool,
                           CUstream Stream) {
  if (CUresult R = enter())
    return R;
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!Out || !Pool || !Bytes)
    return CUDA_ERROR_INVALID_VALUE;
  if (S->Capture)
    return captureAlloc(Out, Bytes, *Pool, Stream);
  if (CUresult R = checkLegacyUse(*S))
    return R;
  uint64_t Limit = Pool->Props.maxSize;
  if (Limit && Bytes > Limit - std::min(Limit, Pool->Used))
    return CUDA_ERROR_OUT_OF_MEMORY;
  CUresult R = allocateMemory(Out, Bytes, false);
  if (R == CUDA_SUCCESS)
    notePooled(*Pool, *Out, Bytes);
  return R;
}
PTXSIM_API CUresult cuMemAllocAsync(CUdeviceptr *Out, size_t Bytes,
                                    CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  return allocAsync(Out, Bytes, currentPool(), Stream);
}
PTXSIM_API CUresult cuMemAllocFromPoolAsync(CUdeviceptr *Out, size_t Bytes,
                                            CUmemoryPool Pool,
                                            CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  return allocAsync(Out, Bytes, findPool(Pool), Stream);
}
PTXSIM_API CUresult cuMemFreeAsync(CUdeviceptr Address, CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!S->Capture) {
    CUresult R = checkLegacyUse(*S);
    return R ? R : releaseMemory(Address);
  }
  Work Run;
  CUresult R = prepareNode(FreeNode{Address}, Run);
  return R ? R : submit(Stream, FreeNode{Address}, std::move(Run));
}

// ---- memory of graphs ----------------------------------------------------
/// Nothing is kept: trimming has nothing to do.
PTXSIM_API CUresult cuDeviceGraphMemTrim(CUdevice Device) {
  std::lock_guard Guard(state().Lock);
  return checkDevice(Device);
}
enum { GraphUsedNow, GraphUsedMost, GraphReservedNow, GraphReservedMost };
PTXSIM_API CUresult cuDeviceGetGraphMemAttribute(CUdevice Device, int Attribute,
                                                 void *Value) {
  std::lock_guard Guard(state().Lock);
  if (!Value || Attribute < GraphUsedNow || Attribute > GraphReservedMost)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = checkDevice(Device))
    return R;
  bool Now = Attribute == GraphUsedNow || Attribute == GraphReservedNow;
  const DeviceMemory &M = state().Memory;
  *static_cast<uint64_t *>(Value) = Now ? M.GraphUsed : M.GraphUsedHigh;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuDeviceSetGraphMemAttribute(CUdevice Device, int Attribute,
                                                 void *Value) {
  std::lock_guard Guard(state().Lock);
  bool High = Attribute == GraphUsedMost || Attribute == GraphReservedMost;
  if (!Value || !High || *static_cast<uint64_t *>(Value))
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = checkDevice(Device))
    return R;
  state().Memory.GraphUsedHigh = state().Memory.GraphUsed;
  return CUDA_SUCCESS;
}
