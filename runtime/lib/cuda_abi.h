/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The part of the CUDA driver's binary interface that the runtime uses, written
 * down from NVIDIA's public documentation of the driver API (CUDA 12), so that
 * no toolkit is needed to build.
 */
#ifndef DLC_LIB_CUDA_ABI_H
#define DLC_LIB_CUDA_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef int cu_result;
typedef int cu_device;
typedef unsigned long long cu_address; /* CUdeviceptr */
typedef struct CUctx_st *cu_context;
typedef struct CUmod_st *cu_module;
typedef struct CUfunc_st *cu_function;
typedef struct CUstream_st *cu_stream;
typedef struct CUevent_st *cu_event;
typedef struct CUgraph_st *cu_graph;
typedef struct CUgraphExec_st *cu_graph_exec;

/* CUresult. */
enum {
  DLC_CU_SUCCESS = 0,
  DLC_CU_ERROR_OUT_OF_MEMORY = 2,
  DLC_CU_ERROR_DEVICE_UNAVAILABLE = 46,
  DLC_CU_ERROR_NO_DEVICE = 100,
  DLC_CU_ERROR_INVALID_DEVICE = 101,
  DLC_CU_ERROR_NO_BINARY_FOR_GPU = 209,
  DLC_CU_ERROR_ECC_UNCORRECTABLE = 214,
  DLC_CU_ERROR_INVALID_PTX = 218,
  DLC_CU_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  DLC_CU_ERROR_NOT_SUPPORTED = 801,
  DLC_CU_ERROR_SYSTEM_DRIVER_MISMATCH = 803,
};

/* CUdevice_attribute. */
enum {
  DLC_CU_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  DLC_CU_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  DLC_CU_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  DLC_CU_ATTRIBUTE_SHARED_BYTES_PER_BLOCK_OPTIN = 97,
};

/* CUpointer_attribute, CUmemorytype. */
enum {
  DLC_CU_POINTER_MEMORY_TYPE = 2,
  DLC_CU_POINTER_DEVICE_ORDINAL = 9,
  DLC_CU_MEMORY_TYPE_DEVICE = 2,
};

/* CUjit_option. */
enum {
  DLC_CU_JIT_ERROR_LOG_BUFFER = 5,
  DLC_CU_JIT_ERROR_LOG_BYTES = 6,
};

enum {
  DLC_CU_FUNCTION_MAX_DYNAMIC_SHARED_BYTES = 8,
  DLC_CU_FUNCTION_NON_PORTABLE_CLUSTER = 14,
  DLC_CU_LAUNCH_CLUSTER_DIMENSION = 4,
  DLC_CU_STREAM_NON_BLOCKING = 1,
  DLC_CU_EVENT_DISABLE_TIMING = 2,
  DLC_CU_CAPTURE_THREAD_LOCAL = 1,
};

/* CUtensorMapDataType, and the other enums of cuTensorMapEncodeTiled. */
enum {
  DLC_CU_TENSOR_MAP_UINT8 = 0,
  DLC_CU_TENSOR_MAP_UINT16 = 1,
  DLC_CU_TENSOR_MAP_UINT32 = 2,
  DLC_CU_TENSOR_MAP_INTERLEAVE_NONE = 0,
  DLC_CU_TENSOR_MAP_SWIZZLE_NONE = 0,
  DLC_CU_TENSOR_MAP_SWIZZLE_32B = 1,
  DLC_CU_TENSOR_MAP_SWIZZLE_64B = 2,
  DLC_CU_TENSOR_MAP_SWIZZLE_128B = 3,
  DLC_CU_TENSOR_MAP_L2_128B = 2,
  DLC_CU_TENSOR_MAP_FILL_ZEROS = 0,
};

typedef struct cu_launch_attribute {
  int id;
  int padding;
  union {
    char bytes[64];
    unsigned cluster[3];
  } value;
} cu_launch_attribute;

typedef struct cu_launch_config {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  cu_stream stream;
  cu_launch_attribute *attributes;
  unsigned num_attributes;
} cu_launch_config;

/* CUDA_MEMCPY2D: rows `pitch` bytes apart; memory of CUmemorytype. */
typedef struct cu_copy_side {
  size_t x_bytes, y;
  int memory_type;
  void *host;
  cu_address device;
  void *array;
  size_t pitch;
} cu_copy_side;

typedef struct cu_copy_2d {
  cu_copy_side source, target;
  size_t width_bytes, height;
} cu_copy_2d;

/* CUtensorMap, whose alignment was 64 before CUDA 13. */
typedef struct cu_tensor_map {
  _Alignas(128) uint64_t opaque[16];
} cu_tensor_map;

_Static_assert(sizeof(cu_tensor_map) == 128, "layout");
_Static_assert(sizeof(cu_copy_side) == 56, "layout");
_Static_assert(sizeof(cu_launch_attribute) == 72, "layout");
_Static_assert(offsetof(cu_launch_config, stream) == 32, "layout");
_Static_assert(sizeof(cu_launch_config) == 56, "layout");

#endif /* DLC_LIB_CUDA_ABI_H */
