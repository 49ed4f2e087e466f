// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attributes, names and parameters of kernels, and occupancy.
#include "State.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

static Kernel *object(CUfunction F) { return reinterpret_cast<Kernel *>(F); }
static Kernel *object(CUkernel F) { return reinterpret_cast<Kernel *>(F); }

// ---- attributes ----------------------------------------------------------
static unsigned maxThreads(const Kernel &K) {
  const Function &F = *K.Code->Source;
  if (F.ReqNtid.X)
    return unsigned(F.ReqNtid.count());
  if (F.MaxNtid.X)
    return unsigned(F.MaxNtid.count());
  return 1024;
}
/// The simulator does not allocate registers; an estimate within the limits
/// that the launch bounds set for a real allocator.
static unsigned registers(const Kernel &K) {
  const Function &F = *K.Code->Source;
  unsigned Limit = std::min(255u, 65536u / std::max(32u, maxThreads(K)));
  if (F.MaxNreg)
    Limit = std::min(Limit, F.MaxNreg);
  return std::min(Limit, std::max(16u, K.Code->Registers));
}

static CUresult getAttribute(int *Value, int Attribute, Kernel *K) {
  std::lock_guard Guard(state().Lock);
  if (!Value)
    return CUDA_ERROR_INVALID_VALUE;
  if (!state().Kernels.count(K))
    return CUDA_ERROR_INVALID_HANDLE;
  const Module &M = *K->Owner->Source;
  const Function &F = *K->Code->Source;
  switch (Attribute) {
  case 0: *Value = int(maxThreads(*K)); break;
  case 1: *Value = int(K->Code->StaticShared); break;
  case 2: *Value = 0; break;
  case 3: *Value = int(K->Code->LocalBytes); break;
  case 4: *Value = int(registers(*K)); break;
  case 5: *Value = int(M.VersionMajor * 10 + M.VersionMinor); break;
  case 6: *Value = int(state().Device.Major * 10 + state().Device.Minor); break;
  case 7: *Value = 0; break;
  case 8: *Value = int(K->MaxDynamicShared); break;
  case 9: *Value = K->Carveout; break;
  case 10: *Value = F.ExplicitCluster && !F.ReqCluster.X; break;
  case 11: *Value = int(F.ReqCluster.X); break;
  case 12: *Value = int(F.ReqCluster.Y); break;
  case 13: *Value = int(F.ReqCluster.Z); break;
  case 14: *Value = K->NonPortableCluster; break;
  case 15: *Value = 0; break;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}
static CUresult setAttribute(Kernel *K, int Attribute, int Value) {
  std::lock_guard Guard(state().Lock);
  if (!state().Kernels.count(K))
    return CUDA_ERROR_INVALID_HANDLE;
  switch (Attribute) {
  case 8: {
    unsigned Limit = state().Device.SharedPerBlockOptin;
    if (Value < 0 || uint64_t(Value) + K->Code->StaticShared > Limit) {
      report("kernel '" + K->Name + "': " + std::to_string(Value) +
             " bytes of dynamic and " + std::to_string(K->Code->StaticShared) +
             " of static shared memory, the device has " +
             std::to_string(Limit));
      return CUDA_ERROR_INVALID_VALUE;
    }
    K->MaxDynamicShared = unsigned(Value);
    return CUDA_SUCCESS;
  }
  case 9: K->Carveout = Value; return CUDA_SUCCESS;
  case 14: K->NonPortableCluster = Value; return CUDA_SUCCESS;
  case 15: return CUDA_SUCCESS;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
}
PTXSIM_API CUresult cuFuncGetAttribute(int *V, int A, CUfunction F) {
  return getAttribute(V, A, object(F));
}
PTXSIM_API CUresult cuFuncSetAttribute(CUfunction F, int A, int V) {
  return setAttribute(object(F), A, V);
}
PTXSIM_API CUresult cuKernelGetAttribute(int *V, int A, CUkernel K, CUdevice) {
  return getAttribute(V, A, object(K));
}
PTXSIM_API CUresult cuKernelSetAttribute(int A, int V, CUkernel K, CUdevice) {
  return setAttribute(object(K), A, V);
}
PTXSIM_API CUresult cuFuncSetCacheConfig(CUfunction F, int) {
  std::lock_guard Guard(state().Lock);
  return state().Kernels.count(object(F)) ? CUDA_SUCCESS
                                          : CUDA_ERROR_INVALID_HANDLE;
}
PTXSIM_API CUresult cuKernelSetCacheConfig(CUkernel K, int, CUdevice) {
  return cuFuncSetCacheConfig(reinterpret_cast<CUfunction>(K), 0);
}
PTXSIM_API CUresult cuFuncGetName(const char **Name, CUfunction F) {
  std::lock_guard Guard(state().Lock);
  if (!Name || !state().Kernels.count(object(F)))
    return CUDA_ERROR_INVALID_VALUE;
  *Name = object(F)->Name.c_str();
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuKernelGetName(const char **Name, CUkernel K) {
  return cuFuncGetName(Name, reinterpret_cast<CUfunction>(K));
}
PTXSIM_API CUresult cuFuncIsLoaded(int *Loaded, CUfunction F) {
  std::lock_guard Guard(state().Lock);
  if (!Loaded || !state().Kernels.count(object(F)))
    return CUDA_ERROR_INVALID_VALUE;
  *Loaded = 1;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuFuncLoad(CUfunction F) {
  return cuFuncSetCacheConfig(F, 0);
}
static CUresult paramInfo(Kernel *K, size_t Index, size_t *Offset,
                          size_t *Bytes) {
  std::lock_guard Guard(state().Lock);
  if (!state().Kernels.count(K) || !Offset)
    return CUDA_ERROR_INVALID_VALUE;
  const auto &Params = K->Code->Source->Params;
  if (Index >= Params.size())
    return CUDA_ERROR_INVALID_VALUE;
  uint64_t At = 0;
  for (size_t J = 0; J <= Index; ++J) {
    At = (At + Params[J].Align - 1) / Params[J].Align * Params[J].Align;
    *Offset = At;
    if (Bytes)
      *Bytes = Params[J].Size;
    At += Params[J].Size;
  }
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuFuncGetParamInfo(CUfunction F, size_t Index,
                                       size_t *Offset, size_t *Bytes) {
  return paramInfo(object(F), Index, Offset, Bytes);
}
PTXSIM_API CUresult cuKernelGetParamInfo(CUkernel K, size_t Index,
                                         size_t *Offset, size_t *Bytes) {
  return paramInfo(object(K), Index, Offset, Bytes);
}

static CUresult paramCount(Kernel *K, size_t *Count) {
  std::lock_guard Guard(state().Lock);
  if (!Count || !state().Kernels.count(K))
    return CUDA_ERROR_INVALID_VALUE;
  *Count = K->Code->Source->Params.size();
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuFuncGetParamCount(CUfunction F, size_t *Count) {
  return paramCount(object(F), Count);
}
PTXSIM_API CUresult cuKernelGetParamCount(CUkernel K, size_t *Count) {
  return paramCount(object(K), Count);
}

// ---- occupancy -----------------------------------------------------------
static int activeBlocks(const Kernel &K, int BlockSize, size_t Shared) {
  const DeviceModel &D = state().Device;
  unsigned Warps = (unsigned(BlockSize) + 31) / 32;
  unsigned Blocks = D.MaxThreadsPerSm / (Warps * 32);
  Blocks = std::min(Blocks, D.MaxBlocksPerSm);
  size_t Each = K.Code->StaticShared + Shared + 1024;
  Blocks = std::min<size_t>(Blocks, D.SharedPerSm / Each);
  Blocks = std::min(Blocks, 65536 / std::max(1u, registers(K) * Warps * 32));
  return int(Blocks);
}
PTXSIM_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int *Blocks, CUfunction F, int BlockSize, size_t Shared, unsigned) {
  std::lock_guard Guard(state().Lock);
  if (!Blocks || BlockSize <= 0 || BlockSize > 1024)
    return CUDA_ERROR_INVALID_VALUE;
  if (!state().Kernels.count(object(F)))
    return CUDA_ERROR_INVALID_HANDLE;
  *Blocks = activeBlocks(*object(F), BlockSize, Shared);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *Blocks,
                                                                CUfunction F,
                                                                int BlockSize,
                                                                size_t Shared) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
      Blocks, F, BlockSize, Shared, 0);
}
PTXSIM_API CUresult cuOccupancyMaxPotentialBlockSize(int *MinGrid,
                                                     int *BlockSize,
                                                     CUfunction F,
                                                     size_t (*SharedOf)(int),
                                                     size_t Shared, int Limit) {
  std::lock_guard Guard(state().Lock);
  if (!MinGrid || !BlockSize)
    return CUDA_ERROR_INVALID_VALUE;
  if (!state().Kernels.count(object(F)))
    return CUDA_ERROR_INVALID_HANDLE;
  int Best = 32, BestThreads = 0, Max = int(maxThreads(*object(F)));
  if (Limit > 0)
    Max = std::min(Max, Limit);
  for (int Size = Max / 32 * 32; Size >= 32; Size -= 32) {
    int Blocks =
        activeBlocks(*object(F), Size, SharedOf ? SharedOf(Size) : Shared);
    if (Blocks * Size > BestThreads) {
      BestThreads = Blocks * Size;
      Best = Size;
    }
  }
  *BlockSize = Best;
  *MinGrid = int(state().Device.SmCount) * (BestThreads / Best);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(
    int *MinGrid, int *BlockSize, CUfunction F, size_t (*SharedOf)(int),
    size_t Shared, int Limit, unsigned Flags) {
  constexpr unsigned DisableCachingOverride = 1;
  if (Flags > DisableCachingOverride)
    return CUDA_ERROR_INVALID_VALUE;
  return cuOccupancyMaxPotentialBlockSize(MinGrid, BlockSize, F, SharedOf,
                                          Shared, Limit);
}
/// The most dynamic shared memory with which so many blocks fit a processor.
PTXSIM_API CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *Bytes,
                                                            CUfunction F,
                                                            int Blocks,
                                                            int BlockSize) {
  std::lock_guard Guard(state().Lock);
  if (!Bytes || Blocks <= 0 || BlockSize <= 0 || BlockSize > 1024)
    return CUDA_ERROR_INVALID_VALUE;
  if (!state().Kernels.count(object(F)))
    return CUDA_ERROR_INVALID_HANDLE;
  const Kernel &K = *object(F);
  if (Blocks > activeBlocks(K, BlockSize, 0))
    return CUDA_ERROR_INVALID_VALUE;
  const DeviceModel &D = state().Device;
  size_t Each = std::min<size_t>(D.SharedPerSm / unsigned(Blocks) - 1024,
                                 D.SharedPerBlockOptin);
  *Bytes = Each - K.Code->StaticShared;
  return CUDA_SUCCESS;
}
