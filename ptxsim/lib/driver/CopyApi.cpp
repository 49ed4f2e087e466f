// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Copies and fills.
#include "State.h"
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

// ---- copies --------------------------------------------------------------
/// A device address must lie in one allocation, or in one that a graph will
/// make; host addresses are trusted, as by the hardware's driver.
static bool validDevice(uint64_t A, uint64_t Bytes, bool InGraph) {
  const DeviceMemory &M = state().Memory;
  return InGraph ? M.identify(A, Bytes) != 0 : M.find(A, Bytes) != nullptr;
}
static bool validAny(uint64_t A, uint64_t Bytes, bool InGraph) {
  return A + Bytes >= A &&
         (!state().Memory.isDevice(A) || validDevice(A, Bytes, InGraph));
}
static bool isCaptured(CUstream Stream) {
  StreamObject *S = findStream(Stream);
  return S && S->Capture;
}
/// A range that was known when work was prepared and no longer is when the work
/// runs, in a graph: it has been released in between.
namespace {
class Range {
public:
  Range(uint64_t A, uint64_t Bytes)
      : A(A), Bytes(Bytes), Id(state().Memory.identify(A, Bytes)) {}
  bool gone() const {
    const Allocation *Found = Id ? state().Memory.find(A, Bytes) : nullptr;
    return Id && (!Found || Found->Id != Id);
  }

private:
  uint64_t A, Bytes, Id;
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

namespace {
/// A copy of one row. A side is in device memory, in host memory, or where its
/// address says.
struct Row {
  void *Dst;
  const void *Src;
  size_t Bytes;
  int DstKind, SrcKind;
};
} // namespace
static CUDA_MEMCPY3D asNode(const Row &C) {
  CUDA_MEMCPY3D N{};
  N.srcMemoryType = C.SrcKind;
  N.dstMemoryType = C.DstKind;
  (C.SrcKind == MemoryTypeHost ? reinterpret_cast<uint64_t &>(N.srcHost)
                               : reinterpret_cast<uint64_t &>(N.srcDevice)) =
      uint64_t(C.Src);
  (C.DstKind == MemoryTypeHost ? reinterpret_cast<uint64_t &>(N.dstHost)
                               : reinterpret_cast<uint64_t &>(N.dstDevice)) =
      uint64_t(C.Dst);
  N.srcPitch = N.dstPitch = N.WidthInBytes = C.Bytes;
  N.srcHeight = N.dstHeight = N.Height = N.Depth = 1;
  return N;
}
static CUresult copy(const Row &C, CUstream Stream) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enterWork())
    return R;
  if (!C.Bytes)
    return CUDA_SUCCESS;
  if (!C.Dst || !C.Src)
    return CUDA_ERROR_INVALID_VALUE;
  bool InGraph = isCaptured(Stream);
  auto Valid = [&](const void *P, int Kind) {
    return Kind == MemoryTypeDevice ? validDevice(uint64_t(P), C.Bytes, InGraph)
                                    : validAny(uint64_t(P), C.Bytes, InGraph);
  };
  if (!Valid(C.Dst, C.DstKind) || !Valid(C.Src, C.SrcKind))
    return CUDA_ERROR_INVALID_VALUE;
  Range To(uint64_t(C.Dst), C.Bytes), From(uint64_t(C.Src), C.Bytes);
  return submit(Stream, asNode(C), [=] {
    if (To.gone() || From.gone())
      return useAfterRelease("copy");
    std::memmove(C.Dst, C.Src, C.Bytes);
    state().Memory.noteCopied(uint64_t(C.Dst), uint64_t(C.Src), C.Bytes);
    return CUDA_SUCCESS;
  });
}
/// A copy that has ended when the call returns.
static CUresult copyNow(const Row &C) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = checkSynchronous())
    return R;
  return copy(C, nullptr);
}
static void *ptr(CUdeviceptr P) { return reinterpret_cast<void *>(P); }
static Row toDevice(CUdeviceptr D, const void *H, size_t N) {
  return {ptr(D), H, N, MemoryTypeDevice, MemoryTypeHost};
}
static Row toHost(void *H, CUdeviceptr D, size_t N) {
  return {H, ptr(D), N, MemoryTypeHost, MemoryTypeDevice};
}
static Row inDevice(CUdeviceptr D, CUdeviceptr S, size_t N) {
  return {ptr(D), ptr(S), N, MemoryTypeDevice, MemoryTypeDevice};
}
static Row anywhere(CUdeviceptr D, CUdeviceptr S, size_t N) {
  return {ptr(D), ptr(S), N, MemoryTypeUnified, MemoryTypeUnified};
}

PTXSIM_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr D, const void *H, size_t N,
                                         CUstream S) {
  return copy(toDevice(D, H, N), S);
}
PTXSIM_API CUresult cuMemcpyHtoD_v2(CUdeviceptr D, const void *H, size_t N) {
  return copyNow(toDevice(D, H, N));
}
PTXSIM_API CUresult cuMemcpyDtoHAsync_v2(void *H, CUdeviceptr D, size_t N,
                                         CUstream S) {
  return copy(toHost(H, D, N), S);
}
PTXSIM_API CUresult cuMemcpyDtoH_v2(void *H, CUdeviceptr D, size_t N) {
  return copyNow(toHost(H, D, N));
}
PTXSIM_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr D, CUdeviceptr S, size_t N,
                                         CUstream Stream) {
  return copy(inDevice(D, S, N), Stream);
}
PTXSIM_API CUresult cuMemcpyDtoD_v2(CUdeviceptr D, CUdeviceptr S, size_t N) {
  return copyNow(inDevice(D, S, N));
}
PTXSIM_API CUresult cuMemcpy(CUdeviceptr D, CUdeviceptr S, size_t N) {
  return copyNow(anywhere(D, S, N));
}
PTXSIM_API CUresult cuMemcpyAsync(CUdeviceptr D, CUdeviceptr S, size_t N,
                                  CUstream Stream) {
  return copy(anywhere(D, S, N), Stream);
}
/// Copies of one batch are not ordered; here they run in turn. Attributes: when
/// a source is read, which is at once, and where memory is, which is known.
PTXSIM_API CUresult cuMemcpyBatchAsync_v2(CUdeviceptr *To, CUdeviceptr *From,
                                          size_t *Bytes, size_t Count,
                                          void *Attributes, size_t *Which,
                                          size_t NumAttributes,
                                          CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  StreamObject *S = findStream(Stream);
  if (S && S == findStream(reinterpret_cast<CUstream>(1)))
    return CUDA_ERROR_INVALID_VALUE; // not in the legacy stream
  if (!To || !From || !Bytes || !Count || !Attributes || !Which ||
      !NumAttributes || NumAttributes > Count || Which[0])
    return CUDA_ERROR_INVALID_VALUE;
  for (size_t K = 1; K < NumAttributes; ++K)
    if (Which[K] <= Which[K - 1] || Which[K] >= Count)
      return CUDA_ERROR_INVALID_VALUE;
  for (size_t K = 0; K < Count; ++K)
    if (CUresult R = cuMemcpyAsync(To[K], From[K], Bytes[K], Stream))
      return R;
  return CUDA_SUCCESS;
}
/// Failed: SIZE_MAX, as an error is never told to be of one copy.
PTXSIM_API CUresult cuMemcpyBatchAsync(CUdeviceptr *To, CUdeviceptr *From,
                                       size_t *Bytes, size_t Count,
                                       void *Attributes, size_t *Which,
                                       size_t NumAttributes, size_t *Failed,
                                       CUstream Stream) {
  if (Failed)
    *Failed = SIZE_MAX;
  return cuMemcpyBatchAsync_v2(To, From, Bytes, Count, Attributes, Which,
                               NumAttributes, Stream);
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
  return areContexts(To, From) ? copyNow(inDevice(D, S, N))
                               : CUDA_ERROR_INVALID_CONTEXT;
}
PTXSIM_API CUresult cuMemcpyPeerAsync(CUdeviceptr D, CUcontext To,
                                      CUdeviceptr S, CUcontext From, size_t N,
                                      CUstream Stream) {
  return areContexts(To, From) ? copy(inDevice(D, S, N), Stream)
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
CUresult ptxsim::prepareCopy(const CUDA_MEMCPY3D &C, bool InGraph, Work &Out) {
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
  if (!validAny(Src, SrcBytes, InGraph) || !validAny(Dst, DstBytes, InGraph))
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
  CUresult R = prepareCopy(C, isCaptured(Stream), Copy);
  return R ? R : submit(Stream, C, std::move(Copy));
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
static bool namesContexts(const CUDA_MEMCPY3D_PEER &C) {
  return areContexts(static_cast<CUcontext>(C.reserved0),
                     static_cast<CUcontext>(C.reserved1));
}
PTXSIM_API CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *C) {
  if (C && !namesContexts(*C))
    return CUDA_ERROR_INVALID_CONTEXT;
  return cuMemcpy3D_v2(C);
}
PTXSIM_API CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *C,
                                        CUstream S) {
  if (C && !namesContexts(*C))
    return CUDA_ERROR_INVALID_CONTEXT;
  return cuMemcpy3DAsync_v2(C, S);
}

// ---- fills ---------------------------------------------------------------
CUresult ptxsim::prepareFill(const CUDA_MEMSET_NODE_PARAMS &P, bool InGraph,
                             Work &Out) {
  Out = [] { return CUDA_SUCCESS; };
  if (P.elementSize != 1 && P.elementSize != 2 && P.elementSize != 4)
    return CUDA_ERROR_INVALID_VALUE;
  if (!P.width || !P.height)
    return CUDA_SUCCESS;
  size_t RowBytes, Bytes;
  if (__builtin_mul_overflow(P.width, P.elementSize, &RowBytes))
    return CUDA_ERROR_INVALID_VALUE;
  size_t Pitch = P.height == 1 ? RowBytes : P.pitch;
  if (P.dst % P.elementSize || Pitch < RowBytes ||
      !extentOf(0, 0, P.height - 1, Pitch, RowBytes, Bytes) ||
      !validDevice(P.dst, Bytes, InGraph))
    return CUDA_ERROR_INVALID_VALUE;
  Range Target(P.dst, Bytes);
  Out = [=] {
    if (Target.gone())
      return useAfterRelease("fill");
    for (size_t Y = 0; Y < P.height; ++Y) {
      char *Row = static_cast<char *>(ptr(P.dst + Y * Pitch));
      for (size_t X = 0; X < P.width; ++X)
        std::memcpy(Row + X * P.elementSize, &P.value, P.elementSize);
      state().Memory.noteWritten(P.dst + Y * Pitch, RowBytes);
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
  CUDA_MEMSET_NODE_PARAMS P{Dst, Pitch, Value, Element, Width, Height};
  CUresult R = prepareFill(P, isCaptured(Stream), Fill);
  return R ? R : submit(Stream, P, std::move(Fill));
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
