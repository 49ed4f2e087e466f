/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Which devices there are. */
#define _DEFAULT_SOURCE
#include "cpu.h"
#include "cuda_device.h"
#include "model.h"
#include "tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

dlc_status dlc_device_parse(const char *text, dlc_device *device) {
  static const struct {
    const char *name;
    int32_t type;
  } types[] = {{"cpu", DLC_DEVICE_CPU},
               {"cuda", DLC_DEVICE_CUDA},
               {"ptxsim", DLC_DEVICE_PTXSIM}};
  if (!text || !device) {
    return dlc_fail(DLC_USAGE, "expected a text and a device, got NULL");
  }
  size_t length = strcspn(text, ":");
  const char *number = text[length] ? text + length + 1 : "0";
  char *end;
  unsigned long id = strtoul(number, &end, 10);
  bool good = *number >= '0' && *number <= '9' && !*end && id <= INT32_MAX;
  for (size_t i = 0; good && i < sizeof types / sizeof *types; i++) {
    if (strlen(types[i].name) == length &&
        memcmp(types[i].name, text, length) == 0) {
      *device = (dlc_device){types[i].type, (int32_t)id};
      return DLC_OK;
    }
  }
  return dlc_fail(DLC_USAGE,
                  "expected a device such as cpu, cuda:0 or ptxsim, got '%s'",
                  text);
}

static dlc_status find_driver(int32_t device_type,
                              const dlc_cuda_driver **driver) {
  if (device_type != DLC_DEVICE_CUDA && device_type != DLC_DEVICE_PTXSIM) {
    return dlc_fail(DLC_USAGE,
                    "expected device type 1 (CPU), 2 (CUDA) or 12 (simulator), "
                    "got %" PRId32,
                    device_type);
  }
  return dlc_cuda_driver_get(device_type, driver);
}

dlc_status dlc_device_count(int32_t device_type, uint32_t *count) {
  if (!count) {
    return dlc_fail(DLC_USAGE, "expected a result, got NULL");
  }
  *count = 1;
  if (device_type == DLC_DEVICE_CPU) {
    return DLC_OK;
  }
  const dlc_cuda_driver *driver;
  dlc_status status = find_driver(device_type, &driver);
  *count = status ? 0 : (uint32_t)driver->num_devices;
  return status;
}

static dlc_status describe_cpu(int32_t id, dlc_device_info *info) {
  if (id != 0) {
    return dlc_fail(DLC_USAGE, "expected CPU 0, got device id %" PRId32, id);
  }
  dlc_cpu_name(info->name, sizeof info->name);
  snprintf(info->arch, sizeof info->arch, "x86-64");
  long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  info->memory_bytes =
      pages > 0 && bytes > 0 ? (uint64_t)pages * (uint64_t)bytes : 0;
  info->num_cores = dlc_default_threads();
  return DLC_OK;
}

static dlc_status describe_gpu(dlc_device device, dlc_device_info *info) {
  const dlc_cuda_driver *driver;
  dlc_cuda_properties p;
  dlc_status status;
  if ((status = find_driver((int32_t)device.device_type, &driver)) ||
      (status = dlc_cuda_read_device(driver, device.device_id, &p))) {
    return status;
  }
  snprintf(info->name, sizeof info->name, "%s", p.name);
  snprintf(info->arch, sizeof info->arch, "sm_%" PRIu32, p.arch);
  info->memory_bytes = p.memory_bytes;
  info->num_cores = p.num_multiprocessors;
  info->cuda_version = driver->version;
  return DLC_OK;
}

dlc_status dlc_device_get_info(dlc_device device, dlc_device_info *info) {
  if (!info) {
    return dlc_fail(DLC_USAGE, "expected a result, got NULL");
  }
  dlc_device_info ours = {0};
  dlc_status status = device.device_type == DLC_DEVICE_CPU
                          ? describe_cpu(device.device_id, &ours)
                          : describe_gpu(device, &ours);
  if (status) {
    return status;
  }
  return dlc_struct_out(info, &ours, sizeof ours)
             ? DLC_OK
             : dlc_fail(DLC_USAGE, "dlc_device_info.struct_size is not set");
}
