// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory: allocation, host registration, copies and fills.
#include "State.h"
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

using namespace ptxsim;
using namespace ptxsim::abi;

// ---- allocation ----------------------------------------------------------
static CUresult allocate(CUdeviceptr *Out, size_t Bytes, bool Owned) {
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
  return allocate(Out, Bytes, true);
}
static CUresult releaseMemory(CUdeviceptr Address) {
  DriverState &S = state();
  if (!S.Initialised)
    return CUDA_ERROR_NOT_INITIALIZED;
  bool Releasable = !S.Variables.count(Address);
  return released(!Address || (Releasable && releaseDevice(Address)),
                  CUDA_ERROR_INVALID_VALUE);
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
/// Entry of stream-ordered allocation and release, which have no graph nodes
/// here.
static CUresult checkOrdered(const char *Name, CUstream Stream) {
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!S->Capture)
    return checkLegacyUse(*S);
  report(std::string(Name) + " in a captured stream is not supported");
  return invalidate(*S->Capture, CUDA_ERROR_NOT_SUPPORTED);
}
PTXSIM_API CUresult cuMemAllocAsync(CUdeviceptr *Out, size_t Bytes,
                                    CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  CUresult R = checkOrdered("cuMemAllocAsync", Stream);
  return R ? R : allocate(Out, Bytes, false);
}
PTXSIM_API CUresult cuMemFreeAsync(CUdeviceptr Address, CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  CUresult R = checkOrdered("cuMemFreeAsync", Stream);
  return R ? R : releaseMemory(Address);
}
PTXSIM_API CUresult cuMemGetInfo_v2(size_t *Free, size_t *Total) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enter())
    return R;
  if (Free)
    *Free = S.Device.Memory - S.Memory.used();
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
static bool isMapped(void *Host, size_t Bytes) {
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
  if (!isMapped(Host, Bytes))
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
static CUresult pointerAttribute(void *Out, int Attribute, CUdeviceptr P) {
  DriverState &S = state();
  const Allocation *A = S.Memory.find(P, 1);
  if (!A || !Out)
    return CUDA_ERROR_INVALID_VALUE;
  bool Device = S.Memory.isDevice(P);
  switch (Attribute) {
  case 1: {
    auto It = S.MemoryOwners.find(A->Begin);
    *static_cast<void **>(Out) =
        It != S.MemoryOwners.end() ? It->second : currentContext();
    break;
  }
  case 2:
    *static_cast<unsigned *>(Out) = Device ? MemoryTypeDevice : MemoryTypeHost;
    break;
  case 3: *static_cast<CUdeviceptr *>(Out) = P; break;
  case 4:
    if (Device)
      return CUDA_ERROR_INVALID_VALUE;
    *static_cast<void **>(Out) = reinterpret_cast<void *>(P);
    break;
  case 7: *static_cast<unsigned long long *>(Out) = A->Id; break;
  case 8: *static_cast<unsigned *>(Out) = 0; break;
  case 9: *static_cast<int *>(Out) = 0; break;
  case 11: *static_cast<CUdeviceptr *>(Out) = A->Begin; break;
  case 12: *static_cast<size_t *>(Out) = A->End - A->Begin; break;
  case 13: *static_cast<unsigned *>(Out) = 1; break;
  default: return CUDA_ERROR_NOT_SUPPORTED;
  }
  return CUDA_SUCCESS;
}
/// Context, pointers, buffer id, and the range; the others are 32-bit.
static bool isAddressAttribute(int A) {
  return A == 1 || A == 3 || A == 4 || A == 7 || A == 11 || A == 12;
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
      std::memset(Out[K], 0, isAddressAttribute(Attributes[K]) ? 8 : 4);
  return CUDA_SUCCESS;
}

// ---- copies --------------------------------------------------------------
/// A device address must lie in one allocation; host addresses are trusted,
/// as by the hardware's driver.
static bool validDevice(uint64_t A, uint64_t Bytes) {
  return state().Memory.find(A, Bytes) != nullptr;
}
static bool validAny(uint64_t A, uint64_t Bytes) {
  return A + Bytes >= A &&
         (!state().Memory.isDevice(A) || validDevice(A, Bytes));
}
/// A range that was known when work was prepared and no longer is when the work
/// runs, in a graph: it has been released in between.
namespace {
class Range {
public:
  Range(uint64_t A, uint64_t Bytes) : A(A), Bytes(Bytes) {
    if (const Allocation *Found = state().Memory.find(A, Bytes))
      Id = Found->Id;
  }
  bool gone() const {
    const Allocation *Found = Id ? state().Memory.find(A, Bytes) : nullptr;
    return Id && (!Found || Found->Id != Id);
  }

private:
  uint64_t A, Bytes, Id = 0;
};
} // namespace
static CUresult useAfterRelease(const char *What) {
  report(std::string(What) + " of memory that has been released");
  if (Context *C = currentContext())
    C->Sticky = CUDA_ERROR_ILLEGAL_ADDRESS;
  return CUDA_ERROR_ILLEGAL_ADDRESS;
}
/// Bytes from the first to the last of a copy or fill; false if they are more
/// than there are addresses.
static bool extentOf(size_t Slices, size_t SliceRows, size_t Rows, size_t Pitch,
                     size_t Width, size_t &Out) {
  return !__builtin_mul_overflow(Slices, SliceRows, &Out) &&
         !__builtin_add_overflow(Out, Rows, &Out) &&
         !__builtin_mul_overflow(Out, Pitch, &Out) &&
         !__builtin_add_overflow(Out, Width, &Out);
}

static CUresult copy(void *Dst, const void *Src, size_t Bytes, bool DstDevice,
                     bool SrcDevice, CUstream Stream) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enterWork())
    return R;
  if (!Bytes)
    return CUDA_SUCCESS;
  if (!Dst || !Src)
    return CUDA_ERROR_INVALID_VALUE;
  auto Valid = [&](const void *P, bool Device) {
    return Device ? validDevice(uint64_t(P), Bytes)
                  : validAny(uint64_t(P), Bytes);
  };
  if (!Valid(Dst, DstDevice) || !Valid(Src, SrcDevice))
    return CUDA_ERROR_INVALID_VALUE;
  Range To(uint64_t(Dst), Bytes), From(uint64_t(Src), Bytes);
  return submit(Stream, GraphNode::Memcpy, [=] {
    if (To.gone() || From.gone())
      return useAfterRelease("copy");
    std::memmove(Dst, Src, Bytes);
    state().Memory.noteCopied(uint64_t(Dst), uint64_t(Src), Bytes);
    return CUDA_SUCCESS;
  });
}
/// A copy that has ended when the call returns.
static CUresult copyNow(void *Dst, const void *Src, size_t Bytes,
                        bool DstDevice, bool SrcDevice) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = checkSynchronous())
    return R;
  return copy(Dst, Src, Bytes, DstDevice, SrcDevice, nullptr);
}
static void *ptr(CUdeviceptr P) { return reinterpret_cast<void *>(P); }

PTXSIM_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr D, const void *H, size_t N,
                                         CUstream S) {
  return copy(ptr(D), H, N, true, false, S);
}
PTXSIM_API CUresult cuMemcpyHtoD_v2(CUdeviceptr D, const void *H, size_t N) {
  return copyNow(ptr(D), H, N, true, false);
}
PTXSIM_API CUresult cuMemcpyDtoHAsync_v2(void *H, CUdeviceptr D, size_t N,
                                         CUstream S) {
  return copy(H, ptr(D), N, false, true, S);
}
PTXSIM_API CUresult cuMemcpyDtoH_v2(void *H, CUdeviceptr D, size_t N) {
  return copyNow(H, ptr(D), N, false, true);
}
PTXSIM_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr D, CUdeviceptr S, size_t N,
                                         CUstream Stream) {
  return copy(ptr(D), ptr(S), N, true, true, Stream);
}
PTXSIM_API CUresult cuMemcpyDtoD_v2(CUdeviceptr D, CUdeviceptr S, size_t N) {
  return copyNow(ptr(D), ptr(S), N, true, true);
}
PTXSIM_API CUresult cuMemcpy(CUdeviceptr D, CUdeviceptr S, size_t N) {
  return copyNow(ptr(D), ptr(S), N, false, false);
}
PTXSIM_API CUresult cuMemcpyAsync(CUdeviceptr D, CUdeviceptr S, size_t N,
                                  CUstream Stream) {
  return copy(ptr(D), ptr(S), N, false, false, Stream);
}

/// All contexts share the one device's memory.
static bool areContexts(CUcontext A, CUcontext B) {
  auto Known = [](CUcontext C) {
    auto *Object = reinterpret_cast<Context *>(C);
    return Object == &state().PrimaryContext || state().Contexts.count(Object);
  };
  std::lock_guard Guard(state().Lock);
  return Known(A) && Known(B);
}
PTXSIM_API CUresult cuMemcpyPeer(CUdeviceptr D, CUcontext To, CUdeviceptr S,
                                 CUcontext From, size_t N) {
  return areContexts(To, From) ? copyNow(ptr(D), ptr(S), N, true, true)
                               : CUDA_ERROR_INVALID_CONTEXT;
}
PTXSIM_API CUresult cuMemcpyPeerAsync(CUdeviceptr D, CUcontext To,
                                      CUdeviceptr S, CUcontext From, size_t N,
                                      CUstream Stream) {
  return areContexts(To, From) ? copy(ptr(D), ptr(S), N, true, true, Stream)
                               : CUDA_ERROR_INVALID_CONTEXT;
}

/// One side of a 2-D or 3-D copy.
static bool side(int Kind, const void *Host, CUdeviceptr Device,
                 uint64_t &Out) {
  Out = Kind == MemoryTypeHost ? uint64_t(Host) : Device;
  return (Kind == MemoryTypeHost || Kind == MemoryTypeDevice ||
          Kind == MemoryTypeUnified) &&
         Out;
}
CUresult ptxsim::prepareCopy(const CUDA_MEMCPY3D &C, Work &Out) {
  Out = [] { return CUDA_SUCCESS; };
  if (!C.WidthInBytes || !C.Height || !C.Depth)
    return CUDA_SUCCESS;
  uint64_t Src, Dst;
  if (!side(C.srcMemoryType, C.srcHost, C.srcDevice, Src) ||
      !side(C.dstMemoryType, C.dstHost, C.dstDevice, Dst))
    return C.srcMemoryType == 3 || C.dstMemoryType == 3
               ? CUDA_ERROR_NOT_SUPPORTED // arrays
               : CUDA_ERROR_INVALID_VALUE;
  size_t SP = C.srcPitch ? C.srcPitch : C.WidthInBytes;
  size_t DP = C.dstPitch ? C.dstPitch : C.WidthInBytes;
  size_t SH = C.srcHeight ? C.srcHeight : C.Height;
  size_t DH = C.dstHeight ? C.dstHeight : C.Height;
  if (SP < C.WidthInBytes || DP < C.WidthInBytes)
    return CUDA_ERROR_INVALID_VALUE;
  size_t Rows = C.Height - 1, Slices = C.Depth - 1;
  size_t SrcAt, DstAt, SrcBytes, DstBytes;
  if (!extentOf(C.srcZ, SH, C.srcY, SP, C.srcXInBytes, SrcAt) ||
      !extentOf(C.dstZ, DH, C.dstY, DP, C.dstXInBytes, DstAt) ||
      !extentOf(Slices, SH, Rows, SP, C.WidthInBytes, SrcBytes) ||
      !extentOf(Slices, DH, Rows, DP, C.WidthInBytes, DstBytes))
    return CUDA_ERROR_INVALID_VALUE;
  Src += SrcAt;
  Dst += DstAt;
  if (!validAny(Src, SrcBytes) || !validAny(Dst, DstBytes))
    return CUDA_ERROR_INVALID_VALUE;
  size_t W = C.WidthInBytes, H = C.Height, D = C.Depth;
  Range Target(Dst, DstBytes), Source(Src, SrcBytes);
  Out = [=] {
    if (Target.gone() || Source.gone())
      return useAfterRelease("copy");
    for (size_t Z = 0; Z < D; ++Z)
      for (size_t Y = 0; Y < H; ++Y) {
        uint64_t To = Dst + (Z * DH + Y) * DP, From = Src + (Z * SH + Y) * SP;
        std::memmove(ptr(To), ptr(From), W);
        state().Memory.noteCopied(To, From, W);
      }
    return CUDA_SUCCESS;
  };
  return CUDA_SUCCESS;
}
static CUresult copy3D(const CUDA_MEMCPY3D &C, CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enterWork())
    return R;
  Work Copy;
  CUresult R = prepareCopy(C, Copy);
  return R ? R : submit(Stream, GraphNode::Memcpy, std::move(Copy));
}
static CUresult copy2D(const CUDA_MEMCPY2D *C, CUstream Stream) {
  if (!C || (C->Height > 1 && (!C->srcPitch || !C->dstPitch)))
    return CUDA_ERROR_INVALID_VALUE;
  CUDA_MEMCPY3D T{};
  T.srcXInBytes = C->srcXInBytes;
  T.srcY = C->srcY;
  T.srcMemoryType = C->srcMemoryType;
  T.srcHost = C->srcHost;
  T.srcDevice = C->srcDevice;
  T.srcPitch = C->srcPitch;
  T.dstXInBytes = C->dstXInBytes;
  T.dstY = C->dstY;
  T.dstMemoryType = C->dstMemoryType;
  T.dstHost = C->dstHost;
  T.dstDevice = C->dstDevice;
  T.dstPitch = C->dstPitch;
  T.WidthInBytes = C->WidthInBytes;
  T.Height = C->Height;
  T.Depth = 1;
  return copy3D(T, Stream);
}
PTXSIM_API CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *C) {
  CUresult R = checkSynchronous();
  return R ? R : copy2D(C, nullptr);
}
PTXSIM_API CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *C) {
  CUresult R = checkSynchronous();
  return R ? R : copy2D(C, nullptr);
}
PTXSIM_API CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *C, CUstream S) {
  return copy2D(C, S);
}
PTXSIM_API CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *C) {
  CUresult R = C ? checkSynchronous() : CUDA_ERROR_INVALID_VALUE;
  return R ? R : copy3D(*C, nullptr);
}
PTXSIM_API CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *C, CUstream S) {
  return C ? copy3D(*C, S) : CUDA_ERROR_INVALID_VALUE;
}

// ---- fills ---------------------------------------------------------------
CUresult ptxsim::prepareFill(CUdeviceptr Dst, size_t Pitch, unsigned Value,
                             unsigned Element, size_t Width, size_t Height,
                             Work &Out) {
  Out = [] { return CUDA_SUCCESS; };
  if (!Width || !Height)
    return CUDA_SUCCESS;
  size_t RowBytes, Bytes;
  if (__builtin_mul_overflow(Width, Element, &RowBytes))
    return CUDA_ERROR_INVALID_VALUE;
  if (Height == 1)
    Pitch = RowBytes;
  if (Dst % Element || Pitch < RowBytes ||
      !extentOf(0, 0, Height - 1, Pitch, RowBytes, Bytes) ||
      !validDevice(Dst, Bytes))
    return CUDA_ERROR_INVALID_VALUE;
  Range Target(Dst, Bytes);
  Out = [=] {
    if (Target.gone())
      return useAfterRelease("fill");
    for (size_t Y = 0; Y < Height; ++Y) {
      char *Row = static_cast<char *>(ptr(Dst + Y * Pitch));
      for (size_t X = 0; X < Width; ++X)
        std::memcpy(Row + X * Element, &Value, Element);
      state().Memory.noteWritten(Dst + Y * Pitch, Width * Element);
    }
    return CUDA_SUCCESS;
  };
  return CUDA_SUCCESS;
}
static CUresult fillMemory(CUdeviceptr Dst, size_t Pitch, unsigned Value,
                           unsigned Element, size_t Width, size_t Height,
                           CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enterWork())
    return R;
  Work Fill;
  CUresult R = prepareFill(Dst, Pitch, Value, Element, Width, Height, Fill);
  return R ? R : submit(Stream, GraphNode::Memset, std::move(Fill));
}
#define FILL(Bits, T)                                                          \
  PTXSIM_API CUresult cuMemsetD##Bits##_v2(CUdeviceptr D, T V, size_t N) {     \
    return fillMemory(D, 0, V, Bits / 8, N, 1, nullptr);                       \
  }                                                                            \
  PTXSIM_API CUresult cuMemsetD##Bits##Async(CUdeviceptr D, T V, size_t N,     \
                                             CUstream S) {                     \
    return fillMemory(D, 0, V, Bits / 8, N, 1, S);                             \
  }                                                                            \
  PTXSIM_API CUresult cuMemsetD2D##Bits##_v2(CUdeviceptr D, size_t P, T V,     \
                                             size_t W, size_t H) {             \
    return fillMemory(D, P, V, Bits / 8, W, H, nullptr);                       \
  }                                                                            \
  PTXSIM_API CUresult cuMemsetD2D##Bits##Async(                                \
      CUdeviceptr D, size_t P, T V, size_t W, size_t H, CUstream S) {          \
    return fillMemory(D, P, V, Bits / 8, W, H, S);                             \
  }
FILL(8, unsigned char)
FILL(16, unsigned short)
FILL(32, unsigned)
#undef FILL
