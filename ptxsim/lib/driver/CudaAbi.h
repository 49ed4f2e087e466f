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
using CUlinkState = struct CUlinkState_st *;
using CUlibrary = struct CUlib_st *;
using CUkernel = struct CUkern_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUuserObject = struct CUuserObject_st *;
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

union CUlaunchAttributeValue {
  char bytes[64];
  int cooperative;
  unsigned clusterDim[3];
  int priority;
};
struct CUlaunchAttribute {
  int id;
  int pad;
  CUlaunchAttributeValue value;
};
enum {
  LaunchAttributeAccessPolicy = 1,
  LaunchAttributeCooperative = 2,
  LaunchAttributeSynchronizationPolicy = 3,
  LaunchAttributeClusterDimension = 4,
  LaunchAttributeProgrammaticEvent = 7,
  LaunchAttributePriority = 8,
  LaunchAttributeDomainMap = 9,
  LaunchAttributeDomain = 10,
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

struct CUmemLocation {
  int type, id;
};
enum {
  MemLocationDevice = 1,
  MemLocationHost = 2,
  MemLocationHostNuma = 3,
  MemLocationHostNumaCurrent = 4
};
struct CUmemAccessDesc {
  CUmemLocation location;
  int flags;
};
enum { MemAccessNone = 0, MemAccessRead = 1, MemAccessReadWrite = 3 };
enum { MemAllocationPinned = 1, MemAllocationManaged = 2 };
struct CUmemPoolProps {
  int allocType, handleTypes;
  CUmemLocation location;
  void *win32SecurityAttributes;
  size_t maxSize;
  unsigned short usage;
  unsigned char reserved[54];
};
struct CUmemAllocationProp {
  int type, requestedHandleTypes;
  CUmemLocation location;
  void *win32HandleMetaData;
  struct {
    unsigned char compressionType, gpuDirectRDMACapable;
    unsigned short usage;
    unsigned char reserved[4];
  } allocFlags;
};
struct CUDA_MEM_ALLOC_NODE_PARAMS {
  CUmemPoolProps poolProps;
  const CUmemAccessDesc *accessDescs;
  size_t accessDescCount, bytesize;
  CUdeviceptr dptr;
};

enum CUstreamBatchMemOpType : int {
  StreamMemOpWait32 = 1,
  StreamMemOpWrite32 = 2,
  StreamMemOpFlush = 3,
  StreamMemOpWait64 = 4,
  StreamMemOpWrite64 = 5,
  StreamMemOpBarrier = 6,
};
union CUstreamBatchMemOpParams {
  CUstreamBatchMemOpType operation;
  struct { // of waits and writes
    CUstreamBatchMemOpType operation;
    CUdeviceptr address;
    uint64_t value;
    unsigned flags;
    CUdeviceptr alias;
  } word;
  uint64_t pad[6];
};
struct CUDA_BATCH_MEM_OP_NODE_PARAMS {
  CUcontext ctx;
  unsigned count;
  CUstreamBatchMemOpParams *paramArray;
  unsigned flags;
};

struct CUgraphNodeParams {
  int type, reserved0[3];
  union {
    long long bytes[29];
    CUDA_KERNEL_NODE_PARAMS kernel;
    struct {
      int flags, reserved;
      CUcontext copyCtx;
      CUDA_MEMCPY3D copyParams;
    } memcpy;
    struct {
      CUDA_MEMSET_NODE_PARAMS params;
      CUcontext ctx;
    } memset;
    CUDA_HOST_NODE_PARAMS host;
    struct {
      CUgraph graph;
      int ownership;
    } graph;
    CUevent event; // of waits and records
    CUDA_MEM_ALLOC_NODE_PARAMS alloc;
    CUdeviceptr freed;
    CUDA_BATCH_MEM_OP_NODE_PARAMS memOp;
  };
  long long reserved2;
};
struct CUgraphEdgeData {
  unsigned char from_port, to_port, type, reserved[5];
};
struct CUDA_GRAPH_INSTANTIATE_PARAMS {
  uint64_t flags;
  CUstream hUploadStream;
  CUgraphNode hErrNode_out;
  int result_out;
};
struct CUgraphExecUpdateResultInfo {
  int result;
  CUgraphNode errorNode, errorFromNode;
};
/// Has contexts where the other has reserved fields.
using CUDA_MEMCPY3D_PEER = CUDA_MEMCPY3D;

struct alignas(64) CUtensorMap {
  uint64_t opaque[16];
};

} // namespace ptxsim::abi
#endif
