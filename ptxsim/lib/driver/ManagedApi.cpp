// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Managed memory: device memory, which the host can always reach here. Hints
// are checked and kept, but have nothing to steer.
#include "State.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

enum { AttachGlobal = 1, AttachHost = 2, AttachSingle = 4 };
static constexpr int CpuDevice = -1, InvalidDevice = -2;

PTXSIM_API CUresult cuMemAllocManaged(CUdeviceptr *Out, size_t Bytes,
                                      unsigned Flags) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (Flags != AttachGlobal && Flags != AttachHost)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult R = allocateMemory(Out, Bytes, true);
  if (R == CUDA_SUCCESS) {
    S.Managed[*Out] = {};
    S.Memory.forgetWrites(*Out); // the host's are not seen
  }
  return R;
}
/// The hints of the managed allocation that holds the range, or null.
static ManagedHints *findManaged(CUdeviceptr Address, size_t Bytes) {
  const Allocation *A = state().Memory.find(Address, Bytes);
  auto It = state().Managed.find(A ? A->Begin : 0);
  return It == state().Managed.end() ? nullptr : &It->second;
}
PTXSIM_API CUresult cuStreamAttachMemAsync(CUstream Stream, CUdeviceptr Address,
                                           size_t, unsigned Flags) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  if (!findStream(Stream))
    return CUDA_ERROR_INVALID_HANDLE;
  bool Known =
      Flags == AttachGlobal || Flags == AttachHost || Flags == AttachSingle;
  return Known && findManaged(Address, 1) ? CUDA_SUCCESS
                                          : CUDA_ERROR_INVALID_VALUE;
}

// ---- hints ---------------------------------------------------------------
static CUresult checkPlace(const CUmemLocation &L) {
  if (L.type == MemLocationDevice)
    return L.id == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
  return L.type >= MemLocationHost && L.type <= MemLocationHostNumaCurrent
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}
static int deviceOf(const CUmemLocation &L) {
  return L.type == MemLocationDevice ? L.id : CpuDevice;
}
PTXSIM_API CUresult cuMemPrefetchAsync_v2(CUdeviceptr Address, size_t Bytes,
                                          CUmemLocation Where, unsigned Flags,
                                          CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enterWork())
    return R;
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (S->Capture)
    return invalidate(*S->Capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  ManagedHints *M = findManaged(Address, Bytes);
  if (!M || !Bytes || Flags)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult R = checkPlace(Where);
  if (R == CUDA_SUCCESS)
    M->Prefetched = deviceOf(Where);
  return R;
}
static CUmemLocation locationOf(CUdevice Device) {
  return {Device == CpuDevice ? MemLocationHost : MemLocationDevice,
          Device == CpuDevice ? 0 : Device};
}
PTXSIM_API CUresult cuMemPrefetchAsync(CUdeviceptr Address, size_t Bytes,
                                       CUdevice Device, CUstream Stream) {
  return cuMemPrefetchAsync_v2(Address, Bytes, locationOf(Device), 0, Stream);
}
enum {
  SetReadMostly = 1,
  UnsetReadMostly,
  SetPreferred,
  UnsetPreferred,
  SetAccessedBy,
  UnsetAccessedBy
};
PTXSIM_API CUresult cuMemAdvise_v2(CUdeviceptr Address, size_t Bytes,
                                   int Advice, CUmemLocation Where) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  ManagedHints *M = findManaged(Address, Bytes);
  if (!M || !Bytes || Advice < SetReadMostly || Advice > UnsetAccessedBy)
    return CUDA_ERROR_INVALID_VALUE;
  bool NeedsPlace = Advice == SetPreferred || Advice >= SetAccessedBy;
  if (CUresult R = NeedsPlace ? checkPlace(Where) : CUDA_SUCCESS)
    return R;
  switch (Advice) {
  case SetReadMostly:
  case UnsetReadMostly: M->ReadMostly = Advice == SetReadMostly; break;
  case SetPreferred: M->Preferred = deviceOf(Where); break;
  case UnsetPreferred: M->Preferred = InvalidDevice; break;
  default:
    (deviceOf(Where) == CpuDevice ? M->AccessedByHost : M->AccessedByDevice) =
        Advice == SetAccessedBy;
  }
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuMemAdvise(CUdeviceptr Address, size_t Bytes, int Advice,
                                CUdevice Device) {
  return cuMemAdvise_v2(Address, Bytes, Advice, locationOf(Device));
}
enum {
  RangeReadMostly = 1,
  RangePreferred,
  RangeAccessedBy,
  RangePrefetched,
  RangePreferredType,
  RangePreferredId,
  RangePrefetchedType,
  RangePrefetchedId
};
static int typeOf(int Device) {
  return Device == InvalidDevice ? 0
         : Device == CpuDevice   ? MemLocationHost
                                 : MemLocationDevice;
}
/// Devices that access the range fill the list, which ends in invalid ones.
static CUresult writeAccessedBy(const ManagedHints &M, int *Out, size_t Bytes) {
  size_t N = 0, Room = Bytes / sizeof(int);
  std::fill(Out, Out + Room, InvalidDevice);
  if (M.AccessedByHost && N < Room)
    Out[N++] = CpuDevice;
  if (M.AccessedByDevice && N < Room)
    Out[N] = 0;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuMemRangeGetAttribute(void *Out, size_t OutBytes,
                                           int Attribute, CUdeviceptr Address,
                                           size_t Bytes) {
  std::lock_guard Guard(state().Lock);
  ManagedHints *M = findManaged(Address, Bytes);
  if (!Out || !M || !Bytes || OutBytes < 4 || OutBytes % 4)
    return CUDA_ERROR_INVALID_VALUE;
  if (Attribute == RangeAccessedBy)
    return writeAccessedBy(*M, static_cast<int *>(Out), OutBytes);
  if (OutBytes != 4)
    return CUDA_ERROR_INVALID_VALUE;
  int &Value = *static_cast<int *>(Out);
  switch (Attribute) {
  case RangeReadMostly: Value = M->ReadMostly; break;
  case RangePreferred: Value = M->Preferred; break;
  case RangePrefetched: Value = M->Prefetched; break;
  case RangePreferredType: Value = typeOf(M->Preferred); break;
  case RangePreferredId: Value = std::max(M->Preferred, 0); break;
  case RangePrefetchedType: Value = typeOf(M->Prefetched); break;
  case RangePrefetchedId: Value = std::max(M->Prefetched, 0); break;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuMemRangeGetAttributes(void **Out, size_t *OutBytes,
                                            int *Attributes, size_t Count,
                                            CUdeviceptr Address, size_t Bytes) {
  std::lock_guard Guard(state().Lock);
  if (!Out || !OutBytes || !Attributes || !Count)
    return CUDA_ERROR_INVALID_VALUE;
  for (size_t K = 0; K < Count; ++K)
    if (CUresult R = cuMemRangeGetAttribute(Out[K], OutBytes[K], Attributes[K],
                                            Address, Bytes))
      return R;
  return CUDA_SUCCESS;
}
