/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The CUDA driver API, loaded when first needed: libcuda.so.1, or the
 * simulator's libptxsim.so, which exports the same functions.
 */
#ifndef DLC_LIB_CUDA_DRIVER_H
#define DLC_LIB_CUDA_DRIVER_H

#include "cuda_abi.h"
#include "message.h"

#include "dlc/dlc.h"

/* F(field, name for cuGetProcAddress, parameters). All return cu_result. The
   name is the function's own, not what cuda.h defines as another's:
   "cuGraphInstantiate" is the form of CUDA 11. */
#define DLC_CUDA_FUNCTIONS(F)                                                  \
  F(init, "cuInit", (unsigned flags))                                          \
  F(get_error_name, "cuGetErrorName", (cu_result error, const char **name))    \
  F(get_error_string, "cuGetErrorString",                                      \
    (cu_result error, const char **text))                                      \
  F(device_get_count, "cuDeviceGetCount", (int *count))                        \
  F(device_get, "cuDeviceGet", (cu_device * device, int ordinal))              \
  F(device_get_name, "cuDeviceGetName",                                        \
    (char *name, int bytes, cu_device device))                                 \
  F(device_get_attribute, "cuDeviceGetAttribute",                              \
    (int *value, int attribute, cu_device device))                             \
  F(device_total_memory, "cuDeviceTotalMem",                                   \
    (size_t *bytes, cu_device device))                                         \
  F(primary_context_retain, "cuDevicePrimaryCtxRetain",                        \
    (cu_context * context, cu_device device))                                  \
  F(primary_context_release, "cuDevicePrimaryCtxRelease", (cu_device device))  \
  F(context_push, "cuCtxPushCurrent", (cu_context context))                    \
  F(context_pop, "cuCtxPopCurrent", (cu_context * context))                    \
  F(module_load, "cuModuleLoadDataEx",                                         \
    (cu_module * module, const void *image, unsigned num_options,              \
     int *options, void **values))                                             \
  F(module_unload, "cuModuleUnload", (cu_module module))                       \
  F(module_get_function, "cuModuleGetFunction",                                \
    (cu_function * function, cu_module module, const char *name))              \
  F(function_set_attribute, "cuFuncSetAttribute",                              \
    (cu_function function, int attribute, int value))                          \
  F(memory_get_info, "cuMemGetInfo", (size_t *free, size_t *total))            \
  F(memory_allocate, "cuMemAlloc", (cu_address * address, size_t bytes))       \
  F(memory_free, "cuMemFree", (cu_address address))                            \
  F(host_allocate, "cuMemHostAlloc",                                           \
    (void **data, size_t bytes, unsigned flags))                               \
  F(host_free, "cuMemFreeHost", (void *data))                                  \
  F(copy_to_device, "cuMemcpyHtoDAsync",                                       \
    (cu_address target, const void *source, size_t bytes, cu_stream stream))   \
  F(copy_to_host, "cuMemcpyDtoHAsync",                                         \
    (void *target, cu_address source, size_t bytes, cu_stream stream))         \
  F(copy_on_device, "cuMemcpyDtoDAsync",                                       \
    (cu_address target, cu_address source, size_t bytes, cu_stream stream))    \
  F(copy_2d, "cuMemcpy2DAsync", (const cu_copy_2d *copy, cu_stream stream))    \
  F(memory_range, "cuMemGetAddressRange",                                      \
    (cu_address * begin, size_t *bytes, cu_address address))                   \
  F(pointer_get_attribute, "cuPointerGetAttribute",                            \
    (void *value, int attribute, cu_address address))                          \
  F(stream_create, "cuStreamCreate", (cu_stream * stream, unsigned flags))     \
  F(stream_destroy, "cuStreamDestroy", (cu_stream stream))                     \
  F(stream_synchronize, "cuStreamSynchronize", (cu_stream stream))             \
  F(stream_wait_event, "cuStreamWaitEvent",                                    \
    (cu_stream stream, cu_event event, unsigned flags))                        \
  F(stream_begin_capture, "cuStreamBeginCapture",                              \
    (cu_stream stream, int mode))                                              \
  F(stream_end_capture, "cuStreamEndCapture",                                  \
    (cu_stream stream, cu_graph * graph))                                      \
  F(graph_instantiate, "cuGraphInstantiateWithFlags",                          \
    (cu_graph_exec * exec, cu_graph graph, unsigned long long flags))          \
  F(graph_destroy, "cuGraphDestroy", (cu_graph graph))                         \
  F(graph_launch, "cuGraphLaunch", (cu_graph_exec exec, cu_stream stream))     \
  F(graph_exec_destroy, "cuGraphExecDestroy", (cu_graph_exec exec))            \
  F(event_create, "cuEventCreate", (cu_event * event, unsigned flags))         \
  F(event_destroy, "cuEventDestroy", (cu_event event))                         \
  F(event_record, "cuEventRecord", (cu_event event, cu_stream stream))         \
  F(event_synchronize, "cuEventSynchronize", (cu_event event))                 \
  F(event_elapsed, "cuEventElapsedTime",                                       \
    (float *milliseconds, cu_event begin, cu_event end))                       \
  F(tensor_map_encode, "cuTensorMapEncodeTiled",                               \
    (cu_tensor_map * map, int type, uint32_t rank, void *address,              \
     const uint64_t *sizes, const uint64_t *strides, const uint32_t *box,      \
     const uint32_t *element_strides, int interleave, int swizzle,             \
     int l2_promotion, int fill))                                              \
  F(launch, "cuLaunchKernelEx",                                                \
    (const cu_launch_config *config, cu_function function, void **params,      \
     void **extra))

typedef struct dlc_cuda_driver {
  int32_t device_type; /* DLC_DEVICE_CUDA or DLC_DEVICE_PTXSIM */
  int version;         /* of CUDA that the driver supports: 12040 is 12.4 */
  int num_devices;
#define DLC_CUDA_FIELD(FIELD, NAME, PARAMETERS) cu_result(*FIELD) PARAMETERS;
  DLC_CUDA_FUNCTIONS(DLC_CUDA_FIELD)
#undef DLC_CUDA_FIELD
} dlc_cuda_driver;

/* The driver for a type of device, loaded and initialised once per process. A
   failure says why, and what to do; the next call tries again. */
dlc_status dlc_cuda_driver_get(int32_t device_type,
                               const dlc_cuda_driver **driver);

/* "<formatted>: <what the error means> (CUDA_ERROR_...)"; returns the status
   that fits the error. */
dlc_status dlc_cuda_fail(const dlc_cuda_driver *driver, cu_result error,
                         const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* DLC_LIB_CUDA_DRIVER_H */
