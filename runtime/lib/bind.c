/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Binds the caller's tensors to a run. */
#include "context.h"
#include "tensor.h"

#include <inttypes.h>
#include <stdio.h>

static dlc_data_type type_of(const dlc_format_value *value) {
  return (dlc_data_type){value->type_code, value->type_bits, value->type_lanes};
}

/* Elements may start anywhere that C allows their type. */
static bool is_aligned(const void *data, dlc_data_type type) {
  uintptr_t size = type.bits / 8u;
  uintptr_t alignment = size & (0 - size);
  return alignment < 2 ||
         (uintptr_t)data % (alignment > 16 ? 16 : alignment) == 0;
}

dlc_status dlc_context_bind_inputs(dlc_context *c, const dlc_tensor *inputs) {
  const dlc_header *h = &c->model->container.header;
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    const dlc_tensor *t = &inputs[i];
    char *data = dlc_tensor_data(t);
    if (dlc_is_dense(t) && is_aligned(data, t->dtype)) {
      c->input_data[i] = data;
      continue;
    }
    int64_t elements, bytes;
    dlc_count_elements(t->shape, (uint32_t)t->ndim, &elements);
    dlc_count_bytes(t->dtype, elements, &bytes);
    char what[64];
    snprintf(what, sizeof what, "a dense copy of input %" PRIu32, i);
    dlc_status status =
        dlc_block_grow(&c->input_copies[i], bytes, what, &c->counts);
    if (status) {
      return status;
    }
    dlc_copy_to_dense(t, c->input_copies[i].data);
    c->input_data[i] = c->input_copies[i].data;
  }
  return DLC_OK;
}

/* ---- Outputs ----------------------------------------------------------- */

static const char *name_of(const dlc_context *c, uint32_t output) {
  const dlc_header *h = &c->model->container.header;
  return dlc_header_text(h, h->outputs[output].name);
}

static int64_t *dims_of(const dlc_context *c, uint32_t output) {
  const dlc_header *h = &c->model->container.header;
  return c->output_dims + h->outputs[output].first_dim - h->num_input_dims;
}

static bool is_late(const dlc_context *c, uint32_t output) {
  return c->model->container.header.outputs[output].flags & DLC_VALUE_LATE;
}

/* Elements and bytes of an output whose dims are known. */
static dlc_status measure(const dlc_context *c, uint32_t output,
                          int64_t *bytes) {
  const dlc_format_value *value = &c->model->container.header.outputs[output];
  const int64_t *dims = dims_of(c, output);
  int64_t elements;
  for (uint32_t d = 0; d < value->rank; d++) {
    if (dims[d] < 0) {
      return dlc_fail(DLC_INTERNAL,
                      "output '%s': the run left dim %" PRIu32 " unknown",
                      name_of(c, output), d);
    }
  }
  if (!dlc_count_elements(dims, value->rank, &elements) ||
      !dlc_count_bytes(type_of(value), elements, bytes)) {
    dlc_text text = {0};
    dlc_text_add_dims(&text, dims, value->rank);
    return dlc_fail(DLC_RESOURCE, "output '%s': dims %s are too large",
                    name_of(c, output), text.bytes);
  }
  return DLC_OK;
}

static dlc_status check_caller_type(const dlc_context *c, uint32_t output,
                                    const dlc_tensor *t) {
  const dlc_format_value *value = &c->model->container.header.outputs[output];
  if (t->device.device_type != DLC_DEVICE_CPU) {
    return dlc_fail(DLC_USAGE,
                    "output '%s': expected memory of the CPU, got device type "
                    "%" PRId32,
                    name_of(c, output), (int32_t)t->device.device_type);
  }
  if (t->dtype.code != value->type_code || t->dtype.bits != value->type_bits ||
      t->dtype.lanes != value->type_lanes) {
    dlc_text expected = {0}, got = {0};
    dlc_text_add_type(&expected, type_of(value));
    dlc_text_add_type(&got, t->dtype);
    return dlc_fail(DLC_USAGE, "output '%s': expected type %s, got %s",
                    name_of(c, output), expected.bytes, got.bytes);
  }
  if (t->ndim < 0 || (uint32_t)t->ndim != value->rank ||
      (t->ndim > 0 && !t->shape)) {
    return dlc_fail(DLC_USAGE,
                    "output '%s': expected rank %" PRIu32 ", got %" PRId32 "%s",
                    name_of(c, output), value->rank, (int32_t)t->ndim,
                    t->ndim > 0 && !t->shape ? " and no shape" : "");
  }
  return DLC_OK;
}

static dlc_status check_caller(const dlc_context *c, uint32_t output,
                               const dlc_tensor *t) {
  dlc_status status = check_caller_type(c, output, t);
  if (status) {
    return status;
  }
  const int64_t *dims = dims_of(c, output);
  for (int32_t d = 0; d < t->ndim; d++) {
    bool good = is_late(c, output) ? t->shape[d] >= 0 : t->shape[d] == dims[d];
    if (!good) {
      dlc_text expected = {0}, got = {0};
      dlc_text_add_dims(&expected, dims, (uint32_t)t->ndim);
      dlc_text_add_dims(&got, t->shape, (uint32_t)t->ndim);
      return dlc_fail(DLC_USAGE, "output '%s': expected dims %s, got %s",
                      name_of(c, output), expected.bytes, got.bytes);
    }
  }
  int64_t elements, bytes;
  if (!dlc_count_elements(t->shape, (uint32_t)t->ndim, &elements) ||
      !dlc_count_bytes(t->dtype, elements, &bytes)) {
    return dlc_fail(DLC_USAGE, "output '%s': the dims given are too large",
                    name_of(c, output));
  }
  bool dense = dlc_is_dense(t);
  if (!dense && (is_late(c, output) || t->dtype.bits % 8)) {
    return dlc_fail(DLC_UNSUPPORTED,
                    "output '%s': expected dense memory, since %s",
                    name_of(c, output),
                    is_late(c, output) ? "its size depends on data"
                                       : "elements are smaller than a byte");
  }
  if (is_late(c, output) && !is_aligned(dlc_tensor_data(t), t->dtype)) {
    return dlc_fail(DLC_UNSUPPORTED, "output '%s': expected aligned memory",
                    name_of(c, output));
  }
  return DLC_OK;
}

static bool overlaps(const dlc_tensor *a, const dlc_tensor *b) {
  if (!a->data || !b->data) {
    return false;
  }
  uintptr_t begin_a, end_a, begin_b, end_b;
  int64_t count_a, count_b;
  if (!dlc_count_elements(a->shape, (uint32_t)a->ndim, &count_a) ||
      !dlc_count_elements(b->shape, (uint32_t)b->ndim, &count_b) ||
      count_a == 0 || count_b == 0) {
    return false;
  }
  return !dlc_tensor_range(a, &begin_a, &end_a) ||
         !dlc_tensor_range(b, &begin_b, &end_b) ||
         (begin_a < end_b && begin_b < end_a);
}

static dlc_status check_overlap(const dlc_context *c, uint32_t output,
                                const dlc_tensor *inputs,
                                const dlc_tensor *outputs) {
  const dlc_header *h = &c->model->container.header;
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    if (overlaps(&outputs[output], &inputs[i])) {
      return dlc_fail(DLC_USAGE, "output '%s': its memory overlaps input '%s'",
                      name_of(c, output),
                      dlc_header_text(h, h->inputs[i].name));
    }
  }
  for (uint32_t i = 0; i < output; i++) {
    if (c->outputs[i].caller && overlaps(&outputs[output], &outputs[i])) {
      return dlc_fail(DLC_USAGE, "output '%s': its memory overlaps output '%s'",
                      name_of(c, output), name_of(c, i));
    }
  }
  return DLC_OK;
}

/* The context's memory for an output is about to be written, or to go: it must
   not be what the caller gives as an input, say the output of the last run. */
static dlc_status check_own(const dlc_context *c, uint32_t output,
                            const dlc_tensor *inputs) {
  const dlc_header *h = &c->model->container.header;
  const dlc_block *block = &c->outputs[output].block;
  int64_t bytes = (int64_t)block->bytes;
  dlc_tensor own = {.data = block->data,
                    .ndim = 1,
                    .dtype = {DLC_UINT, 8, 1},
                    .shape = &bytes};
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    if (overlaps(&own, &inputs[i])) {
      return dlc_fail(
          DLC_USAGE,
          "input '%s': it is output '%s' of this context, which the "
          "run overwrites: give the output memory of your own",
          dlc_header_text(h, h->inputs[i].name), name_of(c, output));
    }
  }
  return DLC_OK;
}

static dlc_status own_memory(dlc_context *c, uint32_t output, int64_t bytes) {
  char what[64];
  snprintf(what, sizeof what, "output %" PRIu32, output);
  dlc_output *o = &c->outputs[output];
  /* One byte at least, so that data of an empty output is not NULL. */
  dlc_status status =
      dlc_block_grow(&o->block, bytes ? bytes : 1, what, &c->counts);
  c->output_data[output] = o->block.data;
  return status;
}

static dlc_status bind_output(dlc_context *c, uint32_t output,
                              const dlc_tensor *inputs, dlc_tensor *outputs) {
  dlc_output *o = &c->outputs[output];
  dlc_tensor *t = &outputs[output];
  dlc_status status;
  /* What the last run gave is the context's. */
  o->caller = t->data && t->data != o->block.data ? t : NULL;
  o->copy = false;
  o->late_bytes = -1;
  c->output_data[output] = NULL;
  if (o->caller) {
    if ((status = check_caller(c, output, t)) ||
        (status = check_overlap(c, output, inputs, outputs))) {
      return status;
    }
  } else if ((status = check_own(c, output, inputs))) {
    return status;
  }
  if (is_late(c, output)) {
    return DLC_OK;
  }
  int64_t bytes;
  if ((status = measure(c, output, &bytes))) {
    return status;
  }
  if (o->caller && dlc_is_dense(t) &&
      is_aligned(dlc_tensor_data(t), t->dtype)) {
    c->output_data[output] = dlc_tensor_data(t);
    return DLC_OK;
  }
  o->copy = o->caller != NULL;
  return own_memory(c, output, bytes);
}

dlc_status dlc_context_bind_outputs(dlc_context *c, const dlc_tensor *inputs,
                                    dlc_tensor *outputs, uint32_t num_outputs) {
  const dlc_header *h = &c->model->container.header;
  if (num_outputs != h->num_outputs) {
    return dlc_fail(DLC_USAGE, "expected %" PRIu32 " outputs, got %" PRIu32,
                    h->num_outputs, num_outputs);
  }
  if (!outputs && num_outputs > 0) {
    return dlc_fail(DLC_USAGE, "expected outputs, got NULL");
  }
  for (uint32_t i = 0; i < num_outputs; i++) {
    dlc_status status = bind_output(c, i, inputs, outputs);
    if (status) {
      return status;
    }
  }
  return DLC_OK;
}

void dlc_context_describe_output(dlc_context *c, uint32_t output,
                                 dlc_tensor *tensor) {
  const dlc_format_value *value = &c->model->container.header.outputs[output];
  *tensor = (dlc_tensor){
      .device = {DLC_DEVICE_CPU, 0},
      .ndim = (int32_t)value->rank,
      .dtype = type_of(value),
      .shape = dims_of(c, output),
  };
}

/* A late output must have got its memory, and fit in it. */
static dlc_status finish_late(dlc_context *c, uint32_t output) {
  dlc_output *o = &c->outputs[output];
  int64_t bytes;
  dlc_status status = measure(c, output, &bytes);
  if (status) {
    return status;
  }
  if (bytes > (o->late_bytes < 0 ? 0 : o->late_bytes)) {
    return dlc_fail(DLC_INTERNAL,
                    "output '%s': the run asked for %" PRId64
                    " bytes, and used %" PRId64,
                    name_of(c, output), o->late_bytes, bytes);
  }
  if (o->caller) {
    for (int32_t d = 0; d < o->caller->ndim; d++) {
      o->caller->shape[d] = dims_of(c, output)[d];
    }
    return DLC_OK;
  }
  return c->output_data[output] ? DLC_OK : own_memory(c, output, 0);
}

dlc_status dlc_context_finish_outputs(dlc_context *c, dlc_tensor *outputs) {
  const dlc_header *h = &c->model->container.header;
  for (uint32_t i = 0; i < h->num_outputs; i++) {
    dlc_output *o = &c->outputs[i];
    dlc_status status = is_late(c, i) ? finish_late(c, i) : DLC_OK;
    if (status) {
      return status;
    }
    if (o->copy) {
      dlc_copy_from_dense(o->block.data, o->caller);
    }
    if (!o->caller) {
      dlc_context_describe_output(c, i, &outputs[i]);
      outputs[i].data = c->output_data[i];
    }
  }
  return DLC_OK;
}
