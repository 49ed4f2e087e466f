/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Decodes the header block. */
#include "header.h"

#include "message.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
  const char *block;
  uint64_t bytes;
  dlc_header *header;
} reader;

dlc_status dlc_header_corrupt(const char *what) {
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
    return dlc_header_corrupt(what);
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
    return dlc_header_corrupt("strings");
  }
  r->header->strings = r->block + array.offset;
  return DLC_OK;
}

static dlc_status read_arrays(const reader *r) {
  dlc_header *h = r->header;
  const dlc_format_header *f = &h->fixed;
  dlc_status status;
#define READ_AS(NAME, RECORDS, TYPE, LEAST)                                    \
  if ((status = read_array(r, f->NAME, LEAST, sizeof(TYPE), #NAME,             \
                           &h->RECORDS, &h->num_##NAME)))                      \
  return status
#define READ(NAME, TYPE) READ_AS(NAME, NAME, TYPE, sizeof(TYPE))
  READ(inputs, dlc_format_value);
  READ(outputs, dlc_format_value);
  READ(dims, dlc_format_dim);
  READ(symbols, dlc_format_symbol);
  READ_AS(variants, variants, dlc_format_variant, DLC_FORMAT_VARIANT_BYTES_1_0);
  READ(buffers, dlc_format_buffer);
  READ(offsets, int64_t);
  READ(dispatches, dlc_format_dispatch);
  READ(checks, dlc_format_check);
  READ(metrics, dlc_format_metric);
  if (f->struct_bytes < sizeof *f) {
    return DLC_OK; /* 1.0 */
  }
  READ_AS(programs, program_records, dlc_format_program,
          sizeof(dlc_format_program));
  READ(images, dlc_format_image);
  READ(kernels, dlc_format_kernel);
#undef READ
#undef READ_AS
  return DLC_OK;
}

static dlc_status decode(const reader *r, dlc_header_bounds bounds) {
  dlc_header *h = r->header;
  uint32_t struct_bytes;
  if (r->bytes < sizeof struct_bytes) {
    return dlc_header_corrupt("its size");
  }
  memcpy(&struct_bytes, r->block, sizeof struct_bytes);
  if (struct_bytes < DLC_FORMAT_HEADER_BYTES_1_0 || struct_bytes > r->bytes) {
    return dlc_header_corrupt("its size");
  }
  /* Version 1.1 appended all of its fields at once. */
  size_t take = struct_bytes < sizeof h->fixed ? DLC_FORMAT_HEADER_BYTES_1_0
                                               : sizeof h->fixed;
  memcpy(&h->fixed, r->block, take);
  dlc_status status;
  if ((status = read_strings(r)) || (status = read_arrays(r))) {
    return status;
  }
  return dlc_header_check(h, bounds);
}

dlc_status dlc_header_decode(const void *block, uint64_t bytes,
                             dlc_header_bounds bounds, dlc_header *header) {
  *header = (dlc_header){0};
  reader r = {block, bytes, header};
  dlc_status status = decode(&r, bounds);
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
  free(header->program_records);
  free(header->programs);
  free(header->images);
  free(header->kernels);
  *header = (dlc_header){0};
}
