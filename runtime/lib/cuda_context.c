/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Contexts on GPUs: stream, memory, waiting. */
#include "cuda_context.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- Memory -------------------------------------------------------------- */

static dlc_status allocate_device(void *owner, size_t bytes, const char *what,
                                  void **data) {
  dlc_cuda *cuda = owner;
  cu_address address;
  cu_result error = cuda->driver->memory_allocate(&address, bytes);
  if (error) {
    size_t free_bytes = 0, total;
    cuda->driver->memory_get_info(&free_bytes, &total);
    return dlc_cuda_device_fail(
        cuda->device, error,
        "cannot allocate %zu bytes for %s, %zu bytes are free", bytes, what,
        free_bytes);
  }
  *data = (void *)(uintptr_t)address;
  return DLC_OK;
}

/* Work under way may use the memory. */
static void release_device(void *owner, void *data) {
  dlc_cuda *cuda = owner;
  cuda->driver->stream_synchronize(cuda->stream);
  cuda->driver->memory_free((uintptr_t)data);
}

static dlc_status allocate_pinned(void *owner, size_t bytes, const char *what,
                                  void **data) {
  dlc_cuda *cuda = owner;
  cu_result error = cuda->driver->host_allocate(data, bytes, 0);
  return error ? dlc_cuda_device_fail(
                     cuda->device, error,
                     "cannot allocate %zu bytes of page-locked memory for %s",
                     bytes, what)
               : DLC_OK;
}

static void release_pinned(void *owner, void *data) {
  dlc_cuda *cuda = owner;
  cuda->driver->stream_synchronize(cuda->stream);
  cuda->driver->host_free(data);
}

/* ---- Life ---------------------------------------------------------------- */

/* A stream of our own waits for the legacy default stream, and that for it, so
   that callers who know no streams get what they expect. */
static dlc_status open_stream(dlc_context *c, void *stream) {
  dlc_cuda *cuda = c->cuda;
  cuda->stream = stream;
  if (stream) {
    return DLC_OK;
  }
  dlc_status status = dlc_cuda_begin(c);
  if (status) {
    return status;
  }
  cu_result error = cuda->driver->stream_create(&cuda->stream, 0);
  cuda->owns_stream = !error;
  if (error) {
    status = dlc_cuda_device_fail(cuda->device, error, "cannot make a stream");
  }
  dlc_cuda_end(c, DLC_OK);
  return status;
}

dlc_status dlc_cuda_open(dlc_context *c, const dlc_context_options *options) {
  uint32_t inputs = c->model->container.header.num_inputs;
  dlc_cuda *cuda = calloc(1, sizeof *cuda);
  if (!cuda || !(cuda->input_staging = calloc(inputs ? inputs : 1,
                                              sizeof *cuda->input_staging))) {
    free(cuda);
    return dlc_fail(DLC_RESOURCE, "no memory for a context");
  }
  dlc_status status =
      dlc_cuda_model_get(c->model, (int32_t)options->device.device_type,
                         options->device.device_id, &cuda->model);
  if (status) {
    free(cuda->input_staging);
    free(cuda);
    return status;
  }
  cuda->graph_mode = options->graph_mode;
  cuda->device = cuda->model->device;
  cuda->driver = cuda->device->driver;
  cuda->pinned =
      (dlc_memory){&c->counts, cuda, allocate_pinned, release_pinned};
  c->memory = (dlc_memory){&c->counts, cuda, allocate_device, release_device};
  c->code = cuda->model->code;
  c->cuda = cuda;
  return open_stream(c, options->stream);
}

static void free_blocks(dlc_context *c) {
  const dlc_header *h = &c->model->container.header;
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    dlc_block_free(&c->cuda->input_staging[i], &c->cuda->pinned);
  }
  for (uint32_t i = 0; c->outputs && i < h->num_outputs; i++) {
    dlc_block_free(&c->outputs[i].host, &c->cuda->pinned);
  }
  dlc_context_free_blocks(c);
}

void dlc_cuda_close(dlc_context *c) {
  dlc_cuda *cuda = c->cuda;
  bool entered = dlc_cuda_enter_to_free(cuda->device);
  cuda->driver->stream_synchronize(cuda->stream);
  free_blocks(c);
  dlc_cuda_profile_free(c);
  dlc_cuda_graphs_free(c);
  for (int i = 0; i < DLC_CONTEXT_SHAPES; i++) {
    dlc_cuda_maps_free(&cuda->maps[i]);
  }
  if (cuda->owns_stream) {
    cuda->driver->stream_destroy(cuda->stream);
  }
  if (entered) {
    dlc_cuda_leave(cuda->device);
  }
  dlc_cuda_model_put(c->model, cuda->model);
  free(cuda->input_staging);
  free(cuda);
  c->cuda = NULL;
}

/* ---- Use ----------------------------------------------------------------- */

dlc_status dlc_cuda_begin(dlc_context *c) {
  return dlc_cuda_enter(c->cuda->device);
}

void dlc_cuda_end(dlc_context *c, dlc_status status) {
  if (status) {
    c->cuda->driver->stream_synchronize(c->cuda->stream);
  }
  dlc_cuda_leave(c->cuda->device);
}

dlc_status dlc_cuda_synchronize(dlc_context *c) {
  dlc_cuda *cuda = c->cuda;
  cu_result error = cuda->driver->stream_synchronize(cuda->stream);
  return error ? dlc_cuda_device_fail(cuda->device, error,
                                      "a run failed on the device")
               : DLC_OK;
}
