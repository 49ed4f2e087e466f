/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The registry of GPUs in use. */
#include "cuda_device.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const char *type_name(const dlc_cuda_driver *driver) {
  return driver->device_type == DLC_DEVICE_CUDA ? "cuda" : "ptxsim";
}

/* ---- Properties --------------------------------------------------------- */

static cu_result read_attributes(const dlc_cuda_driver *d, cu_device device,
                                 dlc_cuda_properties *p) {
  static const int attributes[] = {
      DLC_CU_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
      DLC_CU_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
      DLC_CU_ATTRIBUTE_MULTIPROCESSOR_COUNT,
      DLC_CU_ATTRIBUTE_SHARED_BYTES_PER_BLOCK_OPTIN,
  };
  int values[4];
  for (int i = 0; i < 4; i++) {
    cu_result error =
        d->device_get_attribute(&values[i], attributes[i], device);
    if (error) {
      return error;
    }
  }
  p->arch = (uint32_t)(10 * values[0] + values[1]);
  p->num_multiprocessors = (uint32_t)values[2];
  p->shared_bytes = (uint32_t)values[3];
  return DLC_CU_SUCCESS;
}

dlc_status dlc_cuda_read_device(const dlc_cuda_driver *d, int ordinal,
                                dlc_cuda_properties *p) {
  *p = (dlc_cuda_properties){0};
  snprintf(p->label, sizeof p->label, "%s:%d", type_name(d), ordinal);
  if (ordinal < 0 || ordinal >= d->num_devices) {
    return dlc_fail(d->num_devices ? DLC_USAGE : DLC_UNSUPPORTED,
                    "no device %s: there %s %d of this type", p->label,
                    d->num_devices == 1 ? "is" : "are", d->num_devices);
  }
  cu_device device;
  size_t bytes;
  cu_result error = d->device_get(&device, ordinal);
  if (!error) {
    error = d->device_get_name(p->name, sizeof p->name, device);
  }
  if (!error) {
    error = d->device_total_memory(&bytes, device);
  }
  if (!error) {
    error = read_attributes(d, device, p);
  }
  if (error) {
    return dlc_cuda_fail(d, error, "%s: cannot read its properties", p->label);
  }
  p->memory_bytes = bytes;
  return DLC_OK;
}

/* ---- Registry ------------------------------------------------------------ */

static struct {
  pthread_mutex_t lock; /* of the list, and of all references */
  dlc_cuda_device *first;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static dlc_status make_device(const dlc_cuda_driver *d, int ordinal,
                              dlc_cuda_device **device) {
  dlc_cuda_device *made = calloc(1, sizeof *made);
  if (!made) {
    return dlc_fail(DLC_RESOURCE, "no memory for a device");
  }
  made->driver = d;
  made->ordinal = ordinal;
  atomic_init(&made->lost, false);
  dlc_status status = dlc_cuda_read_device(d, ordinal, &made->properties);
  if (!status) {
    cu_result error = d->device_get(&made->handle, ordinal);
    if (!error) {
      error = d->primary_context_retain(&made->context, made->handle);
    }
    if (error) {
      status = dlc_cuda_fail(d, error, "%s '%s': cannot use the device",
                             made->properties.label, made->properties.name);
    }
  }
  if (status) {
    free(made);
    return status;
  }
  *device = made;
  return DLC_OK;
}

dlc_status dlc_cuda_device_acquire(const dlc_cuda_driver *d, int ordinal,
                                   dlc_cuda_device **device) {
  dlc_status status = DLC_OK;
  pthread_mutex_lock(&registry.lock);
  dlc_cuda_device *found = registry.first;
  while (found && (found->driver != d || found->ordinal != ordinal)) {
    found = found->next;
  }
  if (!found && !(status = make_device(d, ordinal, &found))) {
    found->next = registry.first;
    registry.first = found;
  }
  if (!status) {
    found->references++;
    *device = found;
  }
  pthread_mutex_unlock(&registry.lock);
  return status;
}

void dlc_cuda_device_release(dlc_cuda_device *device) {
  pthread_mutex_lock(&registry.lock);
  if (--device->references == 0) {
    dlc_cuda_device **at = &registry.first;
    while (*at != device) {
      at = &(*at)->next;
    }
    *at = device->next;
    device->driver->primary_context_release(device->handle);
    free(device);
  }
  pthread_mutex_unlock(&registry.lock);
}

/* ---- Use ----------------------------------------------------------------- */

dlc_status dlc_cuda_enter(dlc_cuda_device *device) {
  const dlc_cuda_properties *p = &device->properties;
  if (atomic_load(&device->lost)) {
    return dlc_fail(DLC_RESOURCE,
                    "%s '%s' is lost since an earlier error: free all models "
                    "and contexts that use it, or start the program anew",
                    p->label, p->name);
  }
  cu_result error = device->driver->context_push(device->context);
  return error ? dlc_cuda_fail(device->driver, error,
                               "%s: cannot enter its context", p->label)
               : DLC_OK;
}

bool dlc_cuda_enter_to_free(dlc_cuda_device *device) {
  return device->driver->context_push(device->context) == DLC_CU_SUCCESS;
}

void dlc_cuda_leave(dlc_cuda_device *device) {
  cu_context context;
  device->driver->context_pop(&context);
}

dlc_status dlc_cuda_device_fail(dlc_cuda_device *device, cu_result error,
                                const char *format, ...) {
  char what[640];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  const char *label = device->properties.label;
  dlc_status status =
      dlc_cuda_fail(device->driver, error, "%s: %s", label, what);
  /* Errors of kernels, and of devices that went away, stick. */
  size_t free_bytes, total;
  if (!device->driver->memory_get_info(&free_bytes, &total)) {
    return status;
  }
  atomic_store(&device->lost, true);
  bool simulated = device->driver->device_type == DLC_DEVICE_PTXSIM;
  return dlc_fail(
      status,
      "%s; %s is lost: free all models and contexts that use it, or start "
      "the program anew%s",
      dlc_message(), label,
      simulated ? ""
                : " (CUDA_LAUNCH_BLOCKING=1 in the environment "
                  "makes the driver tell which kernel failed)");
}
