/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Finds, loads and initialises CUDA drivers. */
#define _GNU_SOURCE
#include "cuda_driver.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The interface that cuda_abi.h describes: cuGetProcAddress gives each function
   in the form that it had then, whatever came later. Older drivers lack
   cuLaunchKernelEx, or do not compile PTX 8.0. */
#define CUDA_VERSION 12000

typedef cu_result get_proc_address(const char *name, void **function,
                                   int version, uint64_t flags, int *found);

/* ---- Errors ------------------------------------------------------------ */

static dlc_status status_of(cu_result error) {
  switch (error) {
  case DLC_CU_ERROR_OUT_OF_MEMORY:
  case DLC_CU_ERROR_DEVICE_UNAVAILABLE:
  case DLC_CU_ERROR_ECC_UNCORRECTABLE:
    return DLC_RESOURCE;
  case DLC_CU_ERROR_NO_DEVICE:
  case DLC_CU_ERROR_INVALID_DEVICE:
  case DLC_CU_ERROR_NO_BINARY_FOR_GPU:
  case DLC_CU_ERROR_UNSUPPORTED_PTX_VERSION:
  case DLC_CU_ERROR_SYSTEM_DRIVER_MISMATCH:
    return DLC_UNSUPPORTED;
  default:
    return DLC_INTERNAL;
  }
}

dlc_status dlc_cuda_fail(const dlc_cuda_driver *driver, cu_result error,
                         const char *format, ...) {
  char what[800];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  const char *name = NULL, *text = NULL;
  if (driver->get_error_name(error, &name) || !name) {
    name = "an error that the driver has no name for";
  }
  if (driver->get_error_string(error, &text) || !text) {
    text = "error";
  }
  return dlc_fail(status_of(error), "%s: %s (%s)", what, text, name);
}

/* ---- Finding the library ------------------------------------------------ */

static void *open_cuda(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    dlc_fail(DLC_UNSUPPORTED,
             "no CUDA driver: %s: install NVIDIA's driver, or use the CPU or "
             "the simulator ptxsim",
             dlerror());
  }
  return library;
}

/* The folder of the file that this code is in, with the slash. */
static void own_folder(char *folder, size_t room) {
  Dl_info info;
  struct link_map *map = NULL;
  ssize_t length = 0;
  if (dladdr1((void *)(uintptr_t)&dlc_version, &info, (void **)&map,
              RTLD_DL_LINKMAP) &&
      map && *map->l_name) {
    length = snprintf(folder, room, "%s", map->l_name);
  } else {
    /* The program itself, whose name the dynamic linker takes from argv[0]:
       that has no folder where the shell found the program in PATH. */
    length = readlink("/proc/self/exe", folder, room - 1);
  }
  folder[length < 0              ? 0
         : (size_t)length < room ? (size_t)length
                                 : room - 1] = 0;
  char *slash = strrchr(folder, '/');
  folder[slash ? slash - folder + 1 : 0] = 0;
}

/* Beside libdlc.so, or in the lib folder beside a program's bin folder. */
static void *open_ptxsim(void) {
  const char *path = getenv("DLC_PTXSIM");
  if (path && *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      dlc_fail(DLC_UNSUPPORTED, "no simulator at DLC_PTXSIM: %s", dlerror());
    }
    return library;
  }
  char folder[PATH_MAX], file[PATH_MAX + 32];
  own_folder(folder, sizeof folder);
  static const char *const places[] = {"", "../lib/"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    snprintf(file, sizeof file, "%s%slibptxsim.so", folder, places[i]);
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library) {
      return library;
    }
  }
  dlc_fail(DLC_UNSUPPORTED,
           "no simulator: expected libptxsim.so in '%s' or '%s../lib', or its "
           "path in the environment variable DLC_PTXSIM",
           folder, folder);
  return NULL;
}

/* ---- Loading ------------------------------------------------------------ */

static dlc_status check_version(void *library, dlc_cuda_driver *d) {
  cu_result (*get_version)(int *version);
  *(void **)&get_version = dlsym(library, "cuDriverGetVersion");
  if (!get_version || get_version(&d->version)) {
    return dlc_fail(DLC_UNSUPPORTED,
                    "the CUDA driver does not tell its version");
  }
  if (d->version < CUDA_VERSION) {
    return dlc_fail(DLC_UNSUPPORTED,
                    "the CUDA driver supports CUDA %d.%d, expected 12.0 or "
                    "later: install driver 525 or later",
                    d->version / 1000, d->version % 1000 / 10);
  }
  return DLC_OK;
}

static dlc_status find_functions(void *library, dlc_cuda_driver *d) {
  get_proc_address *get;
  *(void **)&get = dlsym(library, "cuGetProcAddress_v2");
  if (!get) {
    return dlc_fail(DLC_UNSUPPORTED,
                    "the CUDA driver has no cuGetProcAddress_v2");
  }
#define FIND(FIELD, NAME, PARAMETERS)                                          \
  if (get(NAME, (void **)(void *)&d->FIELD, CUDA_VERSION, 0, NULL) ||          \
      !d->FIELD) {                                                             \
    return dlc_fail(DLC_UNSUPPORTED, "the CUDA driver has no " NAME);          \
  }
  DLC_CUDA_FUNCTIONS(FIND)
#undef FIND
  return DLC_OK;
}

static dlc_status initialise(dlc_cuda_driver *d) {
  cu_result error = d->init(0);
  if (error == DLC_CU_ERROR_NO_DEVICE) {
    d->num_devices = 0;
    return DLC_OK;
  }
  if (error) {
    return dlc_cuda_fail(d, error, "cannot initialise the CUDA driver");
  }
  error = d->device_get_count(&d->num_devices);
  return error ? dlc_cuda_fail(d, error, "cannot count CUDA devices") : DLC_OK;
}

/* The library stays loaded: the driver keeps threads of its own. */
static dlc_status load(dlc_cuda_driver *d) {
  void *library =
      d->device_type == DLC_DEVICE_CUDA ? open_cuda() : open_ptxsim();
  dlc_status status;
  if (!library) {
    return DLC_UNSUPPORTED;
  }
  if ((status = check_version(library, d)) ||
      (status = find_functions(library, d)) || (status = initialise(d))) {
    dlclose(library);
  }
  return status;
}

dlc_status dlc_cuda_driver_get(int32_t device_type,
                               const dlc_cuda_driver **driver) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static dlc_cuda_driver drivers[2];
  static bool loaded[2];
  int which = device_type == DLC_DEVICE_PTXSIM;
  dlc_status status = DLC_OK;
  pthread_mutex_lock(&lock);
  if (!loaded[which]) {
    drivers[which].device_type = device_type;
    status = load(&drivers[which]);
    loaded[which] = status == DLC_OK;
  }
  pthread_mutex_unlock(&lock);
  *driver = &drivers[which];
  return status;
}
