/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* GPUs that this process uses: one record per device, with its primary
   context. */
#ifndef DLC_LIB_CUDA_DEVICE_H
#define DLC_LIB_CUDA_DEVICE_H

#include "cuda_driver.h"

#include <stdatomic.h>
#include <stdbool.h>

/* What a device says about itself. */
typedef struct dlc_cuda_properties {
  char name[128];
  char label[32]; /* for messages: "cuda:0" */
  uint32_t arch;  /* compute capability times ten */
  uint32_t num_multiprocessors;
  uint32_t shared_bytes; /* the most that a block may have */
  uint64_t memory_bytes;
} dlc_cuda_properties;

typedef struct dlc_cuda_device {
  const dlc_cuda_driver *driver;
  int ordinal;
  cu_device handle;
  cu_context context;
  dlc_cuda_properties properties;
  uint64_t references;
  /* The primary context failed for good: every call returns the error, until
     all that use the device are gone. */
  atomic_bool lost;
  struct dlc_cuda_device *next;
} dlc_cuda_device;

/* Reads a device's properties, without making a context. */
dlc_status dlc_cuda_read_device(const dlc_cuda_driver *driver, int ordinal,
                                dlc_cuda_properties *properties);

/* A reference to the device's record; retains the primary context. */
dlc_status dlc_cuda_device_acquire(const dlc_cuda_driver *driver, int ordinal,
                                   dlc_cuda_device **device);
/* Gives it back; the last one releases the primary context, and ends its
   being lost. */
void dlc_cuda_device_release(dlc_cuda_device *device);

/* Makes the device's context the thread's current one; the caller's own comes
   back with leave. Fails where the device is lost. */
dlc_status dlc_cuda_enter(dlc_cuda_device *device);
void dlc_cuda_leave(dlc_cuda_device *device);

/* As enter, to free what the device has, also where it is lost; true: leave
   afterwards. */
bool dlc_cuda_enter_to_free(dlc_cuda_device *device);

/* Fails with the driver's error, and finds out whether the device still works:
   if not, the message says so. For errors in between enter and leave. */
dlc_status dlc_cuda_device_fail(dlc_cuda_device *device, cu_result error,
                                const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* DLC_LIB_CUDA_DEVICE_H */
