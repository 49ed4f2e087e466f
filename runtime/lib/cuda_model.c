/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Loads a model's kernels and weights onto GPUs. */
#include "cuda_model.h"
#include "image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Kernels ------------------------------------------------------------- */

/* Has the driver compile PTX, or take machine code. */
static dlc_status load_module(const dlc_model *model, dlc_cuda_model *m) {
  const dlc_cuda_driver *d = m->device->driver;
  dlc_status status = dlc_image_check(m->image, model->container.images);
  if (status) {
    return status;
  }
  char log[512] = "";
  int options[] = {DLC_CU_JIT_ERROR_LOG_BUFFER, DLC_CU_JIT_ERROR_LOG_BYTES};
  void *values[] = {log, (void *)(uintptr_t)(sizeof log - 1)};
  cu_result error =
      d->module_load(&m->module, model->container.images + m->image->offset, 2,
                     options, values);
  if (!error) {
    return DLC_OK;
  }
  m->module = NULL;
  for (size_t end = strlen(log); end > 0 && log[end - 1] == '\n'; end--) {
    log[end - 1] = 0;
  }
  dlc_text image = {0};
  dlc_text_add_image(&image, m->image);
  const char *remedy =
      error == DLC_CU_ERROR_UNSUPPORTED_PTX_VERSION
          ? ": install a newer driver, or compile the model for older GPUs"
          : "";
  return dlc_cuda_device_fail(m->device, error,
                              "the driver refused the model's %s%s%s%s",
                              image.bytes, remedy, *log ? ": " : "", log);
}

/* Beyond 48 KiB, a kernel's dynamic shared memory must be asked for (CUDA
   programming guide, "Shared Memory" of compute capability 7.x). */
static dlc_status find_kernel(const dlc_model *model, dlc_cuda_model *m,
                              uint32_t i) {
  const dlc_header *h = &model->container.header;
  const dlc_cuda_driver *d = m->device->driver;
  const dlc_cuda_properties *p = &m->device->properties;
  uint32_t first = h->variants[m->code.variant].first_kernel;
  const dlc_format_kernel *kernel = &h->kernels[first + i];
  const char *name = dlc_header_text(h, kernel->name);
  uint64_t shared =
      (uint64_t)kernel->static_shared_bytes + kernel->dynamic_shared_bytes;
  if (shared > p->shared_bytes) {
    return dlc_fail(DLC_UNSUPPORTED,
                    "kernel '%s' needs %" PRIu64
                    " bytes of shared memory, %s '%s' has %" PRIu32,
                    name, shared, p->label, p->name, p->shared_bytes);
  }
  cu_result error = d->module_get_function(&m->functions[i], m->module, name);
  if (!error && shared > 48 << 10) {
    error = d->function_set_attribute(m->functions[i],
                                      DLC_CU_FUNCTION_MAX_DYNAMIC_SHARED_BYTES,
                                      (int)kernel->dynamic_shared_bytes);
  }
  return error ? dlc_cuda_device_fail(m->device, error,
                                      "cannot use kernel '%s'", name)
               : DLC_OK;
}

static dlc_status load_kernels(const dlc_model *model, dlc_cuda_model *m) {
  const dlc_header *h = &model->container.header;
  uint32_t count = h->variants[m->code.variant].num_kernels;
  dlc_status status = load_module(model, m);
  if (status) {
    return status;
  }
  m->functions = calloc(count ? count : 1, sizeof *m->functions);
  if (!m->functions) {
    return dlc_fail(DLC_RESOURCE, "no memory for the model's kernels");
  }
  for (uint32_t i = 0; i < count && !status; i++) {
    status = find_kernel(model, m, i);
  }
  return status;
}

/* ---- Weights ------------------------------------------------------------- */

static dlc_status load_weights(const dlc_model *model, dlc_cuda_model *m) {
  const dlc_program *p = m->code.program;
  if (p->params_bytes == 0) {
    return DLC_OK;
  }
  cu_result error =
      m->device->driver->memory_allocate(&m->weights, p->params_bytes);
  if (error) {
    m->weights = 0;
    return dlc_cuda_device_fail(
        m->device, error, "cannot allocate %" PRIu64 " bytes for the weights",
        p->params_bytes);
  }
  return dlc_cuda_upload(m->device, m->weights,
                         model->weights + p->params_offset, p->params_bytes);
}

/* ---- Life ---------------------------------------------------------------- */

static void unload(dlc_cuda_model *m) {
  const dlc_cuda_driver *d = m->device->driver;
  bool entered = dlc_cuda_enter_to_free(m->device);
  if (m->weights) {
    d->memory_free(m->weights);
  }
  if (m->module) {
    d->module_unload(m->module);
  }
  if (entered) {
    dlc_cuda_leave(m->device);
  }
  dlc_cuda_device_release(m->device);
  free(m->functions);
  free(m);
}

static dlc_status load_entered(const dlc_model *model, dlc_cuda_model *m) {
  uint32_t variant;
  dlc_status status;
  if ((status = dlc_cuda_pick_image(model, m->device, &variant, &m->image)) ||
      (status = dlc_model_bind(model, variant, &m->code)) ||
      (status = load_kernels(model, m))) {
    return status;
  }
  return load_weights(model, m);
}

/* Takes the reference to the device. */
static dlc_status load(const dlc_model *model, dlc_cuda_device *device,
                       dlc_cuda_model **on_device) {
  dlc_cuda_model *m = calloc(1, sizeof *m);
  if (!m) {
    dlc_cuda_device_release(device);
    return dlc_fail(DLC_RESOURCE, "no memory for a model");
  }
  m->device = device;
  dlc_status status = dlc_cuda_enter(device);
  if (!status) {
    status = load_entered(model, m);
    dlc_cuda_leave(device);
  }
  if (status) {
    unload(m);
    return status;
  }
  *on_device = m;
  return DLC_OK;
}

/* The list's place of the model on a device, or the list's end. */
static dlc_cuda_model **find(dlc_model *model, const dlc_cuda_driver *driver,
                             int ordinal) {
  dlc_cuda_model **at = &model->cuda_models;
  while (*at && ((*at)->device->driver != driver ||
                 (*at)->device->ordinal != ordinal)) {
    at = &(*at)->next;
  }
  return at;
}

static dlc_status get(dlc_model *model, const dlc_cuda_driver *driver,
                      int ordinal, dlc_cuda_model **on_device) {
  dlc_cuda_model **at = find(model, driver, ordinal);
  /* What is left of a lost device makes room for a new start. */
  if (*at && (*at)->contexts == 0 && atomic_load(&(*at)->device->lost)) {
    dlc_cuda_model *lost = *at;
    *at = lost->next;
    unload(lost);
    at = find(model, driver, ordinal);
  }
  if (!*at) {
    dlc_cuda_device *device;
    dlc_status status = dlc_cuda_device_acquire(driver, ordinal, &device);
    if (status || (status = load(model, device, at))) {
      return status;
    }
  }
  (*at)->contexts++;
  *on_device = *at;
  return DLC_OK;
}

dlc_status dlc_cuda_model_get(dlc_model *model, int32_t device_type,
                              int ordinal, dlc_cuda_model **on_device) {
  const dlc_cuda_driver *driver;
  dlc_status status = dlc_cuda_driver_get(device_type, &driver);
  if (status) {
    return status;
  }
  pthread_mutex_lock(&model->cuda_lock);
  status = get(model, driver, ordinal, on_device);
  pthread_mutex_unlock(&model->cuda_lock);
  return status;
}

void dlc_cuda_model_put(dlc_model *model, dlc_cuda_model *on_device) {
  pthread_mutex_lock(&model->cuda_lock);
  on_device->contexts--;
  pthread_mutex_unlock(&model->cuda_lock);
}

void dlc_cuda_models_free(dlc_model *model) {
  while (model->cuda_models) {
    dlc_cuda_model *m = model->cuda_models;
    model->cuda_models = m->next;
    unload(m);
  }
}
