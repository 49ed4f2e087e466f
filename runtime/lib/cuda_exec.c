/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What generated code for GPUs calls during a run. */
#include "cuda_context.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A kernel has 4 KiB of parameters, in which a map takes as much as others. */
#define MAX_PARAMS 512
#define PARAMS_PER_MAP (sizeof(cu_tensor_map) / sizeof(void *))

static uint32_t kernel_of(const dlc_device_launch *l) {
  return l->kernel & ~DLC_LAUNCH_MAPS;
}

static uint32_t num_maps_of(const dlc_device_launch *l) {
  return l->kernel & DLC_LAUNCH_MAPS ? l->num_maps : 0;
}

/* ---- Messages ------------------------------------------------------------ */

/* The first few of the names that are separated by line feeds. */
static void add_nodes(dlc_text *text, const char *nodes) {
  for (int i = 0; *nodes; i++) {
    int length = (int)strcspn(nodes, "\n");
    if (i == 4) {
      dlc_text_add(text, ", ...");
      return;
    }
    dlc_text_add(text, "%s'%.*s'", i ? ", " : " (nodes ", length, nodes);
    nodes += length + (nodes[length] != 0);
    if (!*nodes) {
      dlc_text_add(text, ")");
    }
  }
}

static dlc_text name_of(const dlc_context *c, const dlc_device_launch *l) {
  const dlc_header *h = &c->model->container.header;
  const dlc_program *p = c->code.program;
  uint32_t first = h->variants[c->code.variant].first_kernel;
  dlc_text text = {0};
  dlc_text_add(&text, "kernel '%s'",
               dlc_header_text(h, h->kernels[first + kernel_of(l)].name));
  if (l->dispatch < p->num_dispatches) {
    add_nodes(&text,
              dlc_header_text(
                  h, h->dispatches[p->first_dispatch + l->dispatch].nodes));
  }
  return text;
}

static dlc_status launch_failed(const dlc_context *c,
                                const dlc_device_launch *l, cu_result error) {
  dlc_text text = name_of(c, l);
  return dlc_cuda_device_fail(
      c->cuda->device, error,
      "%s failed, grid %" PRIu32 "x%" PRIu32 "x%" PRIu32 ", block %" PRIu32
      "x%" PRIu32 "x%" PRIu32 ", %" PRIu32 " bytes of shared memory",
      text.bytes, l->grid[0], l->grid[1], l->grid[2], l->block[0], l->block[1],
      l->block[2], l->shared_bytes);
}

static dlc_status map_failed(const dlc_context *c, const dlc_device_launch *l,
                             uint32_t i, cu_result error) {
  const dlc_tensor_map *map = &l->maps[i];
  dlc_text text = name_of(c, l);
  dlc_text_add(&text,
               " has a tensor map that cannot be made, of buffer %" PRIu32
               " at %p, sizes from the innermost on ",
               map->buffer, l->buffers[map->buffer]);
  for (uint32_t d = 0; d < map->rank; d++) {
    dlc_text_add(&text, "%s%" PRId64, d ? "x" : "", map->sizes[d]);
  }
  for (uint32_t d = 1; d < map->rank; d++) {
    dlc_text_add(&text, "%s%" PRId64, d > 1 ? ", " : ", strides ",
                 map->strides[d]);
  }
  return dlc_cuda_device_fail(c->cuda->device, error, "%s", text.bytes);
}

/* ---- Launches ------------------------------------------------------------ */

/* Blocks per cluster. */
static uint64_t cluster_size(const dlc_device_launch *l) {
  uint64_t size = 1;
  for (int i = 0; i < 3; i++) {
    size *= l->cluster[i] ? l->cluster[i] : 1;
  }
  return size;
}

/* Devices need not have clusters of more than 8 blocks, and a kernel must say
   that it knows (CUDA programming guide, "Thread Block Clusters"). */
static cu_result allow_cluster(const dlc_cuda *cuda, cu_function function,
                               const dlc_device_launch *l) {
  return cluster_size(l) > 8
             ? cuda->driver->function_set_attribute(
                   function, DLC_CU_FUNCTION_NON_PORTABLE_CLUSTER, 1)
             : DLC_CU_SUCCESS;
}

/* The simulator has run the kernel when the launch returns, so that waiting
   costs nothing, and finds out which kernel it was. */
static cu_result start(dlc_context *c, const dlc_device_launch *l,
                       void **params) {
  dlc_cuda *cuda = c->cuda;
  cu_launch_attribute cluster = {.id = DLC_CU_LAUNCH_CLUSTER_DIMENSION};
  memcpy(cluster.value.cluster, l->cluster, sizeof l->cluster);
  cu_launch_config config = {
      .grid = {l->grid[0], l->grid[1], l->grid[2]},
      .block = {l->block[0], l->block[1], l->block[2]},
      .shared_bytes = l->shared_bytes,
      .stream = cuda->stream,
      .attributes = &cluster,
      .num_attributes = cluster_size(l) > 1,
  };
  cu_function function = cuda->model->functions[kernel_of(l)];
  cu_result error = allow_cluster(cuda, function, l);
  if (!error) {
    error = cuda->driver->launch(&config, function, params, NULL);
  }
  if (!error && !cuda->records &&
      cuda->driver->device_type == DLC_DEVICE_PTXSIM) {
    error = cuda->driver->stream_synchronize(cuda->stream);
  }
  return error;
}

static uint32_t threads_of(const dlc_device_launch *l) {
  uint64_t threads = 1;
  for (int i = 0; i < 3; i++) {
    if (__builtin_mul_overflow(threads, (uint64_t)l->grid[i] * l->block[i],
                               &threads)) {
      return UINT32_MAX;
    }
  }
  return threads > UINT32_MAX ? UINT32_MAX : (uint32_t)threads;
}

static cu_result start_profiled(dlc_context *c, const dlc_device_launch *l,
                                void **params) {
  cu_result error = dlc_cuda_profile_mark(c);
  if (!error) {
    error = start(c, l, params);
  }
  if (!error) {
    error = dlc_cuda_profile_mark(c);
  }
  if (!error) {
    dlc_context_note_event(c, l->dispatch, threads_of(l), 0, 0);
  }
  return error;
}

static dlc_status check(const dlc_context *c, const dlc_device_launch *l) {
  const dlc_header *h = &c->model->container.header;
  uint32_t kernels = h->variants[c->code.variant].num_kernels;
  uint32_t kernel = kernel_of(l), num_maps = num_maps_of(l);
  uint64_t others = (uint64_t)l->num_buffers + l->num_sizes + 1;
  if (kernel >= kernels || others + num_maps * PARAMS_PER_MAP > MAX_PARAMS) {
    return dlc_fail(DLC_INTERNAL,
                    "the model launched kernel %" PRIu32 " of %" PRIu32
                    " with %" PRIu64 " parameters",
                    kernel, kernels, others + num_maps);
  }
  for (uint32_t i = 0; i < num_maps; i++) {
    const dlc_tensor_map *map = &l->maps[i];
    if (!dlc_cuda_map_is_valid(map, l->num_buffers)) {
      return dlc_fail(DLC_INTERNAL,
                      "the model launched kernel %" PRIu32
                      " with a tensor map of rank %" PRIu32 ", %" PRIu32
                      " bytes per element and a swizzle of %" PRIu32
                      " bytes, of buffer %" PRIu32 " of %" PRIu32,
                      kernel, map->rank, map->element_bytes, map->swizzle_bytes,
                      map->buffer, l->num_buffers);
    }
  }
  return DLC_OK;
}

/* Makes the launch's maps; params[i] points to map i. */
static dlc_status make_maps(dlc_context *c, const dlc_device_launch *l,
                            void **params) {
  uint32_t num_maps = num_maps_of(l);
  dlc_cuda_maps *maps = dlc_cuda_maps_of_run(c);
  if (!dlc_cuda_maps_reserve(maps, num_maps)) {
    return dlc_fail(DLC_RESOURCE, "no memory for the tensor maps of %s",
                    name_of(c, l).bytes);
  }
  for (uint32_t i = 0; i < num_maps; i++) {
    const dlc_tensor_map *map = &l->maps[i];
    cu_result error = dlc_cuda_map_encode(c->cuda->driver, maps, map,
                                          l->buffers[map->buffer], &params[i]);
    if (error) {
      return map_failed(c, l, i, error);
    }
  }
  return DLC_OK;
}

static dlc_status launch(dlc_context *c, const dlc_device_launch *l) {
  dlc_status status = check(c, l);
  if (status) {
    return status;
  }
  if (l->scratch_bytes) {
    status = dlc_block_grow(&c->scratch, l->scratch_bytes, "kernels' scratch",
                            &c->memory);
    if (status) {
      return status;
    }
  }
  /* A kernel takes as many parameters as it has: the scratch pointer is behind
     the last one of those that have no scratch. */
  void *params[MAX_PARAMS];
  uint32_t n = 0;
  for (uint32_t i = 0; i < l->num_buffers; i++) {
    params[n++] = (void *)&l->buffers[i];
  }
  for (uint32_t i = 0; i < l->num_sizes; i++) {
    params[n++] = (void *)&l->sizes[i];
  }
  if ((status = make_maps(c, l, &params[n]))) {
    return status;
  }
  n += num_maps_of(l);
  params[n] = &c->scratch.data;
  cu_result error =
      c->profile ? start_profiled(c, l, params) : start(c, l, params);
  return error ? launch_failed(c, l, error) : DLC_OK;
}

static int32_t exec_device_launch(dlc_exec *exec, const dlc_device_launch *l) {
  dlc_context *c = (dlc_context *)exec;
  if (l->grid[0] == 0 || l->grid[1] == 0 || l->grid[2] == 0) {
    return DLC_OK;
  }
  c->status = launch(c, l);
  return (int32_t)c->status;
}

/* ---- Copies -------------------------------------------------------------- */

static int32_t copied(dlc_context *c, cu_result error, int64_t bytes) {
  c->status = error ? dlc_cuda_device_fail(
                          c->cuda->device, error,
                          "cannot copy %" PRId64 " bytes during a run", bytes)
                    : DLC_OK;
  return (int32_t)c->status;
}

static int32_t exec_device_copy(dlc_exec *exec, void *target,
                                const void *source, int64_t bytes) {
  dlc_context *c = (dlc_context *)exec;
  if (bytes <= 0) {
    return DLC_OK;
  }
  return copied(c,
                c->cuda->driver->copy_on_device((uintptr_t)target,
                                                (uintptr_t)source,
                                                (size_t)bytes, c->cuda->stream),
                bytes);
}

static int32_t exec_device_read(dlc_exec *exec, void *host, const void *device,
                                int64_t bytes) {
  dlc_context *c = (dlc_context *)exec;
  if (bytes <= 0) {
    return DLC_OK;
  }
  c->cuda->asked_host = true;
  cu_result error = c->cuda->driver->copy_to_host(
      host, (uintptr_t)device, (size_t)bytes, c->cuda->stream);
  if (!error) {
    c->status = dlc_cuda_synchronize(c);
    return (int32_t)c->status;
  }
  return copied(c, error, bytes);
}

static int32_t exec_host_launch(dlc_exec *exec, const dlc_launch *l) {
  dlc_context *c = (dlc_context *)exec;
  c->status = dlc_fail(DLC_INTERNAL,
                       "the model's code for a GPU launched a kernel of the "
                       "CPU, for dispatch %" PRIu32,
                       l->dispatch);
  return (int32_t)c->status;
}

void dlc_cuda_bind_exec(dlc_context *c) {
  const dlc_program *p = c->code.program;
  c->exec.params =
      (const char *)(uintptr_t)(c->cuda->model->weights - p->params_offset);
  c->exec.launch = exec_host_launch;
  c->exec.device_launch = exec_device_launch;
  c->exec.device_copy = exec_device_copy;
  c->exec.device_read = exec_device_read;
}
