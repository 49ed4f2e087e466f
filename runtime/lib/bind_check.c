/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Checks of the caller's outputs, on whatever device the context runs. */
#include "bind.h"

#include <inttypes.h>
#include <stdio.h>

static dlc_data_type type_of(const dlc_format_value *value) {
  return (dlc_data_type){value->type_code, value->type_bits, value->type_lanes};
}

bool dlc_is_aligned(const void *data, dlc_data_type type) {
  uintptr_t size = type.bits / 8u;
  uintptr_t alignment = size & (0 - size);
  return alignment < 2 ||
         (uintptr_t)data % (alignment > 16 ? 16 : alignment) == 0;
}

int64_t *dlc_output_dims(const dlc_context *c, uint32_t output) {
  const dlc_header *h = &c->model->container.header;
  return c->output_dims + h->outputs[output].first_dim - h->num_input_dims;
}

dlc_status dlc_output_measure(const dlc_context *c, uint32_t output,
                              int64_t *bytes) {
  const dlc_format_value *value = &c->model->container.header.outputs[output];
  const int64_t *dims = dlc_output_dims(c, output);
  int64_t elements;
  for (uint32_t d = 0; d < value->rank; d++) {
    if (dims[d] < 0) {
      return dlc_fail(DLC_INTERNAL,
                      "output '%s': the run left dim %" PRIu32 " unknown",
                      dlc_output_name(c, output), d);
    }
  }
  if (!dlc_count_elements(dims, value->rank, &elements) ||
      !dlc_count_bytes(type_of(value), elements, bytes)) {
    dlc_text text = {0};
    dlc_text_add_dims(&text, dims, value->rank);
    return dlc_fail(DLC_RESOURCE, "output '%s': dims %s are too large",
                    dlc_output_name(c, output), text.bytes);
  }
  return DLC_OK;
}

static dlc_status check_caller_type(const dlc_context *c, uint32_t output,
                                    const dlc_tensor *t) {
  const dlc_format_value *value = &c->model->container.header.outputs[output];
  if (!dlc_is_device(t->device, c->device)) {
    dlc_text expected = {0}, got = {0};
    dlc_text_add_allowed(&expected, c->device);
    dlc_text_add_device(&got, t->device);
    return dlc_fail(DLC_USAGE, "output '%s': expected memory of %s, got %s",
                    dlc_output_name(c, output), expected.bytes, got.bytes);
  }
  if (t->dtype.code != value->type_code || t->dtype.bits != value->type_bits ||
      t->dtype.lanes != value->type_lanes) {
    dlc_text expected = {0}, got = {0};
    dlc_text_add_type(&expected, type_of(value));
    dlc_text_add_type(&got, t->dtype);
    return dlc_fail(DLC_USAGE, "output '%s': expected type %s, got %s",
                    dlc_output_name(c, output), expected.bytes, got.bytes);
  }
  if (t->ndim < 0 || (uint32_t)t->ndim != value->rank ||
      (t->ndim > 0 && !t->shape)) {
    return dlc_fail(DLC_USAGE,
                    "output '%s': expected rank %" PRIu32 ", got %" PRId32 "%s",
                    dlc_output_name(c, output), value->rank, (int32_t)t->ndim,
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
  const int64_t *dims = dlc_output_dims(c, output);
  for (int32_t d = 0; d < t->ndim; d++) {
    bool good = dlc_output_is_late(c, output) ? t->shape[d] >= 0
                                              : t->shape[d] == dims[d];
    if (!good) {
      dlc_text expected = {0}, got = {0};
      dlc_text_add_dims(&expected, dims, (uint32_t)t->ndim);
      dlc_text_add_dims(&got, t->shape, (uint32_t)t->ndim);
      return dlc_fail(DLC_USAGE, "output '%s': expected dims %s, got %s",
                      dlc_output_name(c, output), expected.bytes, got.bytes);
    }
  }
  int64_t elements, bytes;
  if (!dlc_count_elements(t->shape, (uint32_t)t->ndim, &elements) ||
      !dlc_count_bytes(t->dtype, elements, &bytes)) {
    return dlc_fail(DLC_USAGE, "output '%s': the dims given are too large",
                    dlc_output_name(c, output));
  }
  bool dense = dlc_is_dense(t);
  if (!dense && (dlc_output_is_late(c, output) || t->dtype.bits % 8)) {
    return dlc_fail(
        DLC_UNSUPPORTED, "output '%s': expected dense memory, since %s",
        dlc_output_name(c, output),
        dlc_output_is_late(c, output) ? "its size depends on data"
                                      : "elements are smaller than a byte");
  }
  if (dlc_output_is_late(c, output) &&
      !dlc_is_aligned(dlc_tensor_data(t), t->dtype)) {
    return dlc_fail(DLC_UNSUPPORTED, "output '%s': expected aligned memory",
                    dlc_output_name(c, output));
  }
  return DLC_OK;
}

static dlc_tensor bytes_at(void *data, int64_t *count) {
  return (dlc_tensor){
      .data = data, .ndim = 1, .dtype = {DLC_UINT, 8, 1}, .shape = count};
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

dlc_status dlc_check_arena(const dlc_context *c, const char *what,
                           const char *name, const dlc_tensor *tensor) {
  int64_t bytes = c->callers_arena_bytes;
  dlc_tensor arena = bytes_at(c->callers_arena, &bytes);
  return overlaps(&arena, tensor)
             ? dlc_fail(DLC_USAGE,
                        "%s '%s': its memory overlaps the arena that "
                        "dlc_context_set_arena was given",
                        what, name)
             : DLC_OK;
}

static dlc_status check_overlap(const dlc_context *c, uint32_t output,
                                const dlc_tensor *inputs,
                                const dlc_tensor *outputs) {
  const dlc_header *h = &c->model->container.header;
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    if (overlaps(&outputs[output], &inputs[i])) {
      return dlc_fail(DLC_USAGE, "output '%s': its memory overlaps input '%s'",
                      dlc_output_name(c, output), dlc_input_name(c, i));
    }
  }
  for (uint32_t i = 0; i < output; i++) {
    if (c->outputs[i].caller && overlaps(&outputs[output], &outputs[i])) {
      return dlc_fail(DLC_USAGE, "output '%s': its memory overlaps output '%s'",
                      dlc_output_name(c, output), dlc_output_name(c, i));
    }
  }
  return DLC_OK;
}

/* The context's memory for an output is about to be written, or to go: it must
   not be what the caller gives as an input, say the output of the last run. */
static dlc_status check_own(const dlc_context *c, uint32_t output,
                            const dlc_block *block, const dlc_tensor *inputs) {
  const dlc_header *h = &c->model->container.header;
  int64_t bytes = (int64_t)block->bytes;
  dlc_tensor own = bytes_at(block->data, &bytes);
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    if (overlaps(&own, &inputs[i])) {
      /* Dims that are too large reach into what lies behind. */
      const char *first = dlc_tensor_data(&inputs[i]);
      bool is_own =
          first >= (char *)own.data && first < (char *)own.data + bytes;
      dlc_text dims = {0};
      dlc_text_add_dims(&dims, inputs[i].shape, (uint32_t)inputs[i].ndim);
      return dlc_fail(
          DLC_USAGE,
          "input '%s': %s%s%s output '%s' of this context, which the "
          "run overwrites: give the output memory of your own",
          dlc_input_name(c, i),
          is_own ? "it is" : "its memory reaches, with dims ",
          is_own ? "" : dims.bytes, is_own ? "" : ", into",
          dlc_output_name(c, output));
    }
  }
  return DLC_OK;
}

dlc_status dlc_output_check(const dlc_context *c, uint32_t output,
                            const dlc_tensor *inputs,
                            const dlc_tensor *outputs) {
  const dlc_output *o = &c->outputs[output];
  dlc_status status;
  if (o->caller) {
    const dlc_tensor *own = &outputs[output];
    if ((status = check_caller(c, output, own)) ||
        (status = check_overlap(c, output, inputs, outputs))) {
      return status;
    }
    return dlc_check_arena(c, "output", dlc_output_name(c, output), own);
  }
  status = check_own(c, output, &o->block, inputs);
  return status ? status : check_own(c, output, &o->host, inputs);
}

dlc_status dlc_output_grow(dlc_context *c, uint32_t output, int64_t bytes) {
  char what[64];
  snprintf(what, sizeof what, "output %" PRIu32, output);
  dlc_output *o = &c->outputs[output];
  /* One byte at least, so that data of an empty output is not NULL. */
  dlc_status status =
      dlc_block_grow(&o->block, bytes ? bytes : 1, what, &c->memory);
  c->output_data[output] = o->block.data;
  return status;
}

dlc_status dlc_output_finish_late(dlc_context *c, uint32_t output) {
  dlc_output *o = &c->outputs[output];
  int64_t bytes;
  dlc_status status = dlc_output_measure(c, output, &bytes);
  if (status) {
    return status;
  }
  if (bytes > (o->late_bytes < 0 ? 0 : o->late_bytes)) {
    return dlc_fail(DLC_INTERNAL,
                    "output '%s': the run asked for %" PRId64
                    " bytes, and used %" PRId64,
                    dlc_output_name(c, output), o->late_bytes, bytes);
  }
  if (o->caller) {
    for (int32_t d = 0; d < o->caller->ndim; d++) {
      o->caller->shape[d] = dlc_output_dims(c, output)[d];
    }
    return DLC_OK;
  }
  return c->output_data[output] ? DLC_OK : dlc_output_grow(c, output, 0);
}

void dlc_context_describe_output(dlc_context *c, uint32_t output,
                                 dlc_tensor *tensor) {
  const dlc_format_value *value = &c->model->container.header.outputs[output];
  *tensor = (dlc_tensor){
      .device = {DLC_DEVICE_CPU, 0},
      .ndim = (int32_t)value->rank,
      .dtype = type_of(value),
      .shape = dlc_output_dims(c, output),
  };
}
