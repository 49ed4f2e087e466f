/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Binds the caller's tensors to a run on a GPU. Those on the device are taken
 * as they are; those on the CPU are copied, small ones by way of page-locked
 * memory, so that the copies need not wait for each other.
 */
#include "bind.h"
#include "cuda_context.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Beyond, the driver's own way with pageable memory, which overlaps parts of a
   copy, is not worse than a copy more. */
#define STAGED_BYTES ((int64_t)1 << 20)

/* Generated code accesses whole vectors. */
#define ALIGNMENT 16

static cu_address address_of(const void *data) { return (uintptr_t)data; }

/* The end of the memory from `begin` on that is allocated, as far as it matters
   up to `end`: allocations may follow each other in one mapped range. `end`
   where the driver does not tell. */
static cu_address end_of_memory(const dlc_cuda *cuda, cu_address begin,
                                cu_address end) {
  cu_address at = begin, base;
  size_t bytes;
  while (at < end && !cuda->driver->memory_range(&base, &bytes, at)) {
    at = base + bytes;
  }
  return at == begin ? end : at;
}

static bool is_vector_aligned(const dlc_tensor *t) {
  return (uintptr_t)dlc_tensor_data(t) % ALIGNMENT == 0;
}

static int64_t bytes_of(const dlc_tensor *t) {
  int64_t elements, bytes = 0;
  if (dlc_count_elements(t->shape, (uint32_t)t->ndim, &elements)) {
    dlc_count_bytes(t->dtype, elements, &bytes);
  }
  return bytes;
}

/* Memory of another device, or of none, would end the whole process's use of
   the device. */
dlc_status dlc_cuda_check_memory(const dlc_context *c, const char *what,
                                 uintptr_t begin, uintptr_t end) {
  const dlc_cuda *cuda = c->cuda;
  const char *label = cuda->device->properties.label;
  unsigned type = 0;
  int ordinal = -1;
  if (cuda->driver->pointer_get_attribute(&type, DLC_CU_POINTER_MEMORY_TYPE,
                                          begin) ||
      type != DLC_CU_MEMORY_TYPE_DEVICE) {
    return dlc_fail(DLC_USAGE,
                    "%s: its memory is said to be on %s, but is not memory of "
                    "a device",
                    what, label);
  }
  if (!cuda->driver->pointer_get_attribute(
          &ordinal, DLC_CU_POINTER_DEVICE_ORDINAL, begin) &&
      ordinal != cuda->device->ordinal) {
    return dlc_fail(DLC_USAGE,
                    "%s: its memory is said to be on %s, but is on device %d",
                    what, label, ordinal);
  }
  cu_address last = end_of_memory(cuda, begin, end);
  if (last < end) {
    return dlc_fail(DLC_USAGE,
                    "%s: expected %" PRIu64 " bytes on %s, but its memory ends "
                    "after %" PRIu64,
                    what, (uint64_t)(end - begin), label,
                    (uint64_t)(last - begin));
  }
  return DLC_OK;
}

static dlc_status check_pointer(const dlc_context *c, const char *what,
                                const char *name, const dlc_tensor *t) {
  uintptr_t begin, end;
  if (bytes_of(t) == 0) {
    return DLC_OK;
  }
  dlc_text text = {0};
  dlc_text_add(&text, "%s '%s'", what, name);
  if (!dlc_tensor_range(t, &begin, &end)) {
    return dlc_fail(DLC_USAGE, "%s: its strides reach beyond any memory",
                    text.bytes);
  }
  return dlc_cuda_check_memory(c, text.bytes, begin, end);
}

/* Whether kernels can use the tensor's memory. */
static bool is_direct(const dlc_tensor *t) {
  return is_vector_aligned(t) && dlc_is_dense(t);
}

/* A copy between a tensor on the device and dense memory there. */
typedef struct device_copy {
  const dlc_cuda *cuda;
  cu_address dense;
  bool to_dense;
} device_copy;

static int copy_rows(void *user, const dlc_rows *rows) {
  const device_copy *copy = user;
  const dlc_cuda *cuda = copy->cuda;
  cu_address strided = address_of(rows->data),
             dense = copy->dense + (cu_address)rows->offset;
  /* What the driver takes for rows: they do not overlap, and lie upwards. */
  if (rows->count > 1 && rows->pitch >= rows->bytes &&
      rows->pitch <= INT32_MAX) {
    cu_copy_side side = {.memory_type = DLC_CU_MEMORY_TYPE_DEVICE,
                         .device = strided,
                         .pitch = (size_t)rows->pitch},
                 flat = {.memory_type = DLC_CU_MEMORY_TYPE_DEVICE,
                         .device = dense,
                         .pitch = (size_t)rows->bytes};
    cu_copy_2d all = {copy->to_dense ? side : flat,
                      copy->to_dense ? flat : side, (size_t)rows->bytes,
                      (size_t)rows->count};
    return cuda->driver->copy_2d(&all, cuda->stream);
  }
  cu_result error = DLC_CU_SUCCESS;
  for (int64_t i = 0; !error && i < rows->count; i++) {
    cu_address at = strided + (cu_address)(i * rows->pitch),
               flat = dense + (cu_address)(i * rows->bytes);
    error = cuda->driver->copy_on_device(copy->to_dense ? flat : at,
                                         copy->to_dense ? at : flat,
                                         (size_t)rows->bytes, cuda->stream);
  }
  return error;
}

static cu_result copy_on_device(const dlc_context *c, const dlc_tensor *t,
                                const void *dense, bool to_dense) {
  device_copy copy = {c->cuda, address_of(dense), to_dense};
  return bytes_of(t) ? dlc_for_each_rows(t, copy_rows, &copy) : DLC_CU_SUCCESS;
}

/* ---- Inputs -------------------------------------------------------------- */

static dlc_status copy_failed(const dlc_context *c, cu_result error,
                              const char *what, const char *name) {
  return dlc_cuda_device_fail(c->cuda->device, error, "cannot copy %s '%s'",
                              what, name);
}

static dlc_status bind_device_input(dlc_context *c, uint32_t input,
                                    const dlc_tensor *t, void *copy) {
  cu_result error = copy_on_device(c, t, copy, /*to_dense=*/true);
  c->input_data[input] = copy;
  return error ? copy_failed(c, error, "input", dlc_input_name(c, input))
               : DLC_OK;
}

static dlc_status bind_host_input(dlc_context *c, uint32_t input,
                                  const dlc_tensor *t, void *copy) {
  dlc_cuda *cuda = c->cuda;
  const void *source = dlc_tensor_data(t);
  int64_t bytes = bytes_of(t);
  bool dense = dlc_is_dense(t);
  c->input_data[input] = copy;
  cuda->waits = true;
  if (bytes == 0) {
    return DLC_OK;
  }
  if (bytes <= STAGED_BYTES || !dense) {
    dlc_block *staging = &cuda->input_staging[input];
    dlc_status status =
        dlc_block_grow(staging, bytes, "the copy of an input", &cuda->pinned);
    if (status) {
      return status;
    }
    if (dense) {
      memcpy(staging->data, source, (size_t)bytes);
    } else {
      dlc_copy_to_dense(t, staging->data);
    }
    source = staging->data;
  }
  cu_result error = cuda->driver->copy_to_device(address_of(copy), source,
                                                 (size_t)bytes, cuda->stream);
  return error ? copy_failed(c, error, "input", dlc_input_name(c, input))
               : DLC_OK;
}

static dlc_status bind_input(dlc_context *c, uint32_t input,
                             const dlc_tensor *t) {
  bool on_device = dlc_is_on_device(c, t);
  dlc_status status;
  if (on_device &&
      (status = check_pointer(c, "input", dlc_input_name(c, input), t))) {
    return status;
  }
  if (on_device && is_direct(t)) {
    c->input_data[input] = dlc_tensor_data(t);
    return DLC_OK;
  }
  char what[64];
  snprintf(what, sizeof what, "a copy of input %" PRIu32, input);
  int64_t bytes = bytes_of(t);
  dlc_block *block = &c->input_copies[input];
  if ((status = dlc_block_grow(block, bytes ? bytes : 1, what, &c->memory))) {
    return status;
  }
  return on_device ? bind_device_input(c, input, t, block->data)
                   : bind_host_input(c, input, t, block->data);
}

dlc_status dlc_cuda_bind_inputs(dlc_context *c, const dlc_tensor *inputs) {
  const dlc_header *h = &c->model->container.header;
  c->cuda->waits = false;
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    dlc_status status = bind_input(c, i, &inputs[i]);
    if (status) {
      return status;
    }
  }
  return DLC_OK;
}

/* ---- Outputs ------------------------------------------------------------- */

dlc_status dlc_cuda_bind_output(dlc_context *c, uint32_t output,
                                const dlc_tensor *inputs, dlc_tensor *outputs) {
  dlc_output *o = &c->outputs[output];
  dlc_tensor *t = &outputs[output];
  bool on_device = dlc_is_on_device(c, t);
  dlc_status status;
  /* What the last run gave is the context's. */
  o->caller =
      t->data && t->data != o->block.data && t->data != o->host.data ? t : NULL;
  o->to_host = !on_device;
  o->copy = false;
  o->late_bytes = -1;
  c->output_data[output] = NULL;
  c->cuda->waits |= o->to_host;
  if ((status = dlc_output_check(c, output, inputs, outputs)) ||
      (o->caller && on_device &&
       (status = check_pointer(c, "output", dlc_output_name(c, output), t)))) {
    return status;
  }
  if (dlc_output_is_late(c, output)) {
    bool good = !o->caller || o->to_host || is_vector_aligned(t);
    return good ? DLC_OK
                : dlc_fail(DLC_UNSUPPORTED,
                           "output '%s': expected memory aligned to %d bytes",
                           dlc_output_name(c, output), ALIGNMENT);
  }
  int64_t bytes;
  if ((status = dlc_output_measure(c, output, &bytes))) {
    return status;
  }
  if (o->caller && on_device && is_direct(t)) {
    c->output_data[output] = dlc_tensor_data(t);
    return DLC_OK;
  }
  o->copy = o->caller != NULL;
  return dlc_output_grow(c, output, bytes);
}

/* Brings an output to the CPU: into the caller's memory, or by way of the
   context's where that is small or has strides; then o->copy stays set. */
static dlc_status copy_to_host(dlc_context *c, uint32_t output, int64_t bytes) {
  dlc_output *o = &c->outputs[output];
  bool direct = o->caller && bytes > STAGED_BYTES && dlc_is_dense(o->caller);
  o->copy = o->caller && !direct;
  void *target = NULL;
  if (direct) {
    target = dlc_tensor_data(o->caller);
  } else {
    dlc_status status = dlc_block_grow(&o->host, bytes ? bytes : 1, "an output",
                                       &c->cuda->pinned);
    if (status) {
      return status;
    }
    target = o->host.data;
  }
  cu_result error = bytes ? c->cuda->driver->copy_to_host(
                                target, address_of(c->output_data[output]),
                                (size_t)bytes, c->cuda->stream)
                          : DLC_CU_SUCCESS;
  return error ? copy_failed(c, error, "output", dlc_output_name(c, output))
               : DLC_OK;
}

static dlc_status copy_to_caller(dlc_context *c, uint32_t output) {
  dlc_output *o = &c->outputs[output];
  o->copy = false;
  cu_result error =
      copy_on_device(c, o->caller, o->block.data, /*to_dense=*/false);
  return error ? copy_failed(c, error, "output", dlc_output_name(c, output))
               : DLC_OK;
}

static dlc_status finish_output(dlc_context *c, uint32_t output) {
  const dlc_output *o = &c->outputs[output];
  int64_t bytes;
  dlc_status status;
  if ((dlc_output_is_late(c, output) &&
       (status = dlc_output_finish_late(c, output))) ||
      (status = dlc_output_measure(c, output, &bytes))) {
    return status;
  }
  if (o->to_host) {
    return copy_to_host(c, output, bytes);
  }
  return o->copy ? copy_to_caller(c, output) : DLC_OK;
}

dlc_status dlc_cuda_finish_outputs(dlc_context *c, dlc_tensor *outputs) {
  const dlc_header *h = &c->model->container.header;
  dlc_status status;
  for (uint32_t i = 0; i < h->num_outputs; i++) {
    if ((status = finish_output(c, i))) {
      return status;
    }
  }
  if ((c->cuda->waits || c->profile) && (status = dlc_cuda_synchronize(c))) {
    return status;
  }
  for (uint32_t i = 0; i < h->num_outputs; i++) {
    dlc_output *o = &c->outputs[i];
    if (o->copy) {
      dlc_copy_from_dense(o->host.data, o->caller);
    }
    if (!o->caller) {
      dlc_context_describe_output(c, i, &outputs[i]);
      outputs[i].device =
          o->to_host ? (dlc_device){DLC_DEVICE_CPU, 0} : c->device;
      outputs[i].data = o->to_host ? o->host.data : c->output_data[i];
    }
  }
  return dlc_cuda_profile_end_run(c);
}
