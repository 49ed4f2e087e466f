// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The parts of the CUDA driver's binary interface that the library exports:
// handles, structures and codes, written down from the public documentation.
// test/check_abi.py compares them with NVIDIA's cuda.h where it is installed.
#ifndef PTXSIM_DRIVER_CUDAABI_H
#define PTXSIM_DRIVER_CUDAABI_H

#include <cstddef>
#include <cstdint>

#define PTXSIM_API extern "C" __attribute__((visibility("default")))

namespace ptxsim::abi {

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUlibrary = struct CUlib_st *;
using CUkernel = struct CUkern_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;
using CUgraphNode = struct CUgraphNode_st *;
using CUmemoryPool = struct CUmemPoolHandle_st *;
using CUarray = struct CUarray_st *;
using CUhostFn = void (*)(void *);
using CUstreamCallback = void (*)(CUstream, int, void *);
struct CUuuid {
  char bytes[16];
};

enum CUresult : int {
  CUDA_SUCCESS = 0,
#define CUERROR(Name, Code, Text) CUDA_ERROR_##Name = Code,
#include "Errors.def"
};

struct CUlaunchAttribute {
  int id;
  int pad;
  union {
    char bytes[64];
    int cooperative;
    unsigned clusterDim[3];
  } value;
};
enum {
  LaunchAttributeCooperative = 2,
  LaunchAttributeClusterDimension = 4,
  LaunchAttributeProgrammaticEvent = 7,
  LaunchAttributeLaunchCompletionEvent = 12,
  NumLaunchAttributes = 19,
};
struct CUlaunchConfig {
  unsigned gridDimX, gridDimY, gridDimZ;
  unsigned blockDimX, blockDimY, blockDimZ;
  unsigned sharedMemBytes;
  CUstream hStream;
  CUlaunchAttribute *attrs;
  unsigned numAttrs;
};

struct CUDA_MEMCPY2D {
  size_t srcXInBytes, srcY;
  int srcMemoryType;
  const void *srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  size_t srcPitch;
  size_t dstXInBytes, dstY;
  int dstMemoryType;
  void *dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  size_t dstPitch;
  size_t WidthInBytes, Height;
};
struct CUDA_MEMCPY3D {
  size_t srcXInBytes, srcY, srcZ, srcLOD;
  int srcMemoryType;
  const void *srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  void *reserved0;
  size_t srcPitch, srcHeight;
  size_t dstXInBytes, dstY, dstZ, dstLOD;
  int dstMemoryType;
  void *dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  void *reserved1;
  size_t dstPitch, dstHeight;
  size_t WidthInBytes, Height, Depth;
};
enum { MemoryTypeHost = 1, MemoryTypeDevice = 2, MemoryTypeUnified = 4 };

struct CUDA_KERNEL_NODE_PARAMS {
  CUfunction func;
  unsigned gridDimX, gridDimY, gridDimZ;
  unsigned blockDimX, blockDimY, blockDimZ;
  unsigned sharedMemBytes;
  void **kernelParams;
  void **extra;
  CUkernel kern; // from here on only in version 2 of the structure
  CUcontext ctx;
};
struct CUDA_MEMSET_NODE_PARAMS {
  CUdeviceptr dst;
  size_t pitch;
  unsigned value, elementSize;
  size_t width, height;
};
struct CUDA_HOST_NODE_PARAMS {
  CUhostFn fn;
  void *userData;
};

struct alignas(64) CUtensorMap {
  uint64_t opaque[16];
};

} // namespace ptxsim::abi
#endif
