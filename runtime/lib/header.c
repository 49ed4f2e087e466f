/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Decodes and checks the header block. */
#include "header.h"

#include "message.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
  const char *block;
  uint64_t bytes;
  dlc_header *header;
} reader;

static dlc_status corrupt(const char *what) {
  return dlc_fail(DLC_CORRUPT, "damaged header: %s out of bounds", what);
}

/* Copies an array's records into memory of our own. `least` is the size of a
   record in container version 1.0. */
static dlc_status read_array(const reader *r, dlc_format_array array,
                             size_t least, size_t ours, const char *what,
                             void *records, uint32_t *count) {
  uint64_t length = (uint64_t)array.count * array.stride;
  if (array.offset % 8 || array.stride < least || array.stride % 8 ||
      array.offset > r->bytes || length > r->bytes - array.offset) {
    return corrupt(what);
  }
  *count = array.count;
  if (array.count == 0) {
    return DLC_OK;
  }
  char *out = calloc(array.count, ours);
  if (!out) {
    return dlc_fail(DLC_RESOURCE, "no memory for the header's %s", what);
  }
  size_t take = array.stride < ours ? array.stride : ours;
  const char *in = r->block + array.offset;
  for (uint32_t i = 0; i < array.count; i++) {
    memcpy(out + i * ours, in + (size_t)i * array.stride, take);
  }
  *(void **)records = out;
  return DLC_OK;
}

static dlc_status read_strings(const reader *r) {
  dlc_format_array array = r->header->fixed.strings;
  if (array.stride != 1 || array.count == 0 || array.offset > r->bytes ||
      array.count > r->bytes - array.offset ||
      r->block[array.offset + array.count - 1] != 0) {
    return corrupt("strings");
  }
  r->header->strings = r->block + array.offset;
  return DLC_OK;
}

static bool good_string(const dlc_header *h, dlc_format_string string) {
  return string.offset < h->fixed.strings.count &&
         string.length < h->fixed.strings.count - string.offset &&
         strlen(h->strings + string.offset) == string.length;
}

static dlc_status read_arrays(const reader *r) {
  dlc_header *h = r->header;
  const dlc_format_header *f = &h->fixed;
  uint32_t num_offsets = 0;
  dlc_status status;
#define READ(NAME, TYPE)                                                       \
  if ((status = read_array(r, f->NAME, sizeof(TYPE), sizeof(TYPE), #NAME,      \
                           &h->NAME, &h->num_##NAME)))                         \
  return status
  READ(inputs, dlc_format_value);
  READ(outputs, dlc_format_value);
  READ(dims, dlc_format_dim);
  READ(symbols, dlc_format_symbol);
  READ(variants, dlc_format_variant);
  READ(buffers, dlc_format_buffer);
  READ(dispatches, dlc_format_dispatch);
  READ(checks, dlc_format_check);
  READ(metrics, dlc_format_metric);
#undef READ
  if ((status = read_array(r, f->offsets, 8, 8, "offsets", &h->offsets,
                           &num_offsets))) {
    return status;
  }
  bool planned = f->flags & DLC_HEADER_STATIC_PLAN;
  return num_offsets == (planned ? h->num_buffers : 0) ? DLC_OK
                                                       : corrupt("offsets");
}

static bool good_value(const dlc_header *h, const dlc_format_value *value,
                       uint32_t first_dim) {
  if (!good_string(h, value->name) || value->rank > DLC_FORMAT_MAX_RANK ||
      value->first_dim != first_dim || value->type_bits == 0 ||
      value->type_lanes != 1 || value->rank > h->num_dims - first_dim) {
    return false;
  }
  return true;
}

static dlc_status check_values(dlc_header *h) {
  uint32_t dim = 0;
  for (uint32_t i = 0; i < h->num_inputs; i++) {
    if (!good_value(h, &h->inputs[i], dim)) {
      return corrupt("an input");
    }
    dim += h->inputs[i].rank;
  }
  h->num_input_dims = dim;
  for (uint32_t i = 0; i < h->num_outputs; i++) {
    if (!good_value(h, &h->outputs[i], dim)) {
      return corrupt("an output");
    }
    dim += h->outputs[i].rank;
  }
  if (dim != h->num_dims) {
    return corrupt("dims");
  }
  for (uint32_t i = 0; i < h->num_dims; i++) {
    const dlc_format_dim *d = &h->dims[i];
    bool good = d->kind == DLC_DIM_STATIC ? d->value >= 0
                : d->kind == DLC_DIM_SYMBOL
                    ? (uint64_t)d->value < h->num_symbols
                    : d->kind == DLC_DIM_UNKNOWN;
    if (!good) {
      return corrupt("a dim");
    }
  }
  return DLC_OK;
}

static bool good_buffer(const dlc_header *h, uint32_t i) {
  const dlc_format_buffer *b = &h->buffers[i];
  if (b->bytes < DLC_BYTES_LATE || b->first < 0 || b->last < b->first ||
      b->alignment <= 0 || b->alignment > DLC_FORMAT_PAGE_BYTES ||
      (b->alignment & (b->alignment - 1))) {
    return false;
  }
  if (!h->offsets) {
    return true;
  }
  int64_t offset = h->offsets[i], arena = h->fixed.arena_bytes;
  if (b->bytes == DLC_BYTES_LATE) {
    return offset == -1;
  }
  return offset >= 0 && offset <= arena && offset % b->alignment == 0 &&
         b->bytes <= arena - offset;
}

static dlc_status check_records(const dlc_header *h) {
  for (uint32_t i = 0; i < h->num_symbols; i++) {
    const dlc_format_symbol *s = &h->symbols[i];
    if (!good_string(h, s->name) || s->min < -1 || s->max < -1 ||
        s->divisor < -1 || s->divisor == 0) {
      return corrupt("a symbol");
    }
  }
  if (h->num_variants == 0) {
    return corrupt("variants");
  }
  for (uint32_t i = 0; i < h->num_variants; i++) {
    const dlc_format_variant *v = &h->variants[i];
    if (!good_string(h, v->name) || !good_string(h, v->prefix) ||
        !good_string(h, v->features)) {
      return corrupt("a variant");
    }
  }
  for (uint32_t i = 0; i < h->num_buffers; i++) {
    if (!good_buffer(h, i)) {
      return corrupt("a buffer");
    }
  }
  for (uint32_t i = 0; i < h->num_dispatches; i++) {
    if (!good_string(h, h->dispatches[i].kernel) ||
        !good_string(h, h->dispatches[i].nodes)) {
      return corrupt("a dispatch");
    }
  }
  for (uint32_t i = 0; i < h->num_checks; i++) {
    if (!good_string(h, h->checks[i].message) || h->checks[i].status == 0) {
      return corrupt("a check");
    }
  }
  for (uint32_t i = 0; i < h->num_metrics; i++) {
    if (!good_string(h, h->metrics[i].name)) {
      return corrupt("a metric");
    }
  }
  return DLC_OK;
}

/* Without a sizing function, nothing may need one. */
static dlc_status check_sizing(const dlc_header *h) {
  if (!(h->fixed.flags & DLC_HEADER_NO_SIZING)) {
    return DLC_OK;
  }
  for (uint32_t i = 0; i < h->num_buffers; i++) {
    if (h->buffers[i].bytes == DLC_BYTES_AT_SIZING) {
      return corrupt("a buffer without a sizing function");
    }
  }
  for (uint32_t i = 0; i < h->num_outputs; i++) {
    const dlc_format_value *output = &h->outputs[i];
    for (uint32_t d = 0; d < output->rank; d++) {
      if (h->dims[output->first_dim + d].kind != DLC_DIM_STATIC) {
        return corrupt("an output without a sizing function");
      }
    }
  }
  return DLC_OK;
}

static dlc_status decode(const reader *r) {
  dlc_header *h = r->header;
  uint32_t struct_bytes;
  if (r->bytes < sizeof struct_bytes) {
    return corrupt("its size");
  }
  memcpy(&struct_bytes, r->block, sizeof struct_bytes);
  if (struct_bytes < sizeof h->fixed || struct_bytes > r->bytes) {
    return corrupt("its size");
  }
  memcpy(&h->fixed, r->block, sizeof h->fixed);
  dlc_format_header *f = &h->fixed;
  if (f->arena_bytes < -1 ||
      (f->flags & DLC_HEADER_STATIC_PLAN && f->arena_bytes < 0)) {
    return corrupt("the arena");
  }
  dlc_status status;
  if ((status = read_strings(r)) || (status = read_arrays(r))) {
    return status;
  }
  if (!good_string(h, f->model_name) || !good_string(h, f->producer) ||
      !good_string(h, f->compiler_version) || !good_string(h, f->options) ||
      !good_string(h, f->weights_file)) {
    return corrupt("a string");
  }
  if ((status = check_values(h)) || (status = check_records(h))) {
    return status;
  }
  return check_sizing(h);
}

dlc_status dlc_header_decode(const void *block, uint64_t bytes,
                             dlc_header *header) {
  *header = (dlc_header){0};
  reader r = {block, bytes, header};
  dlc_status status = decode(&r);
  if (status) {
    dlc_header_free(header);
  }
  return status;
}

void dlc_header_free(dlc_header *header) {
  free(header->inputs);
  free(header->outputs);
  free(header->dims);
  free(header->symbols);
  free(header->variants);
  free(header->buffers);
  free(header->offsets);
  free(header->dispatches);
  free(header->checks);
  free(header->metrics);
  *header = (dlc_header){0};
}
