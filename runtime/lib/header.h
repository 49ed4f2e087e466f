/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The header block, decoded into arrays of this library's own records: fields
 * that the file lacks are zero, those that it has beyond ours are dropped. All
 * indices, sizes and strings are checked.
 */
#ifndef DLC_LIB_HEADER_H
#define DLC_LIB_HEADER_H

#include "dlc/dlc.h"
#include "dlc/format.h"

#include <stddef.h>

/* A program with its part of the tables. */
typedef struct dlc_program {
  uint32_t flags; /* DLC_HEADER_* */
  uint32_t num_buffers, num_checks;
  uint32_t first_dispatch, num_dispatches;
  const dlc_format_buffer *buffers;
  const int64_t *offsets; /* NULL without a static plan */
  const dlc_format_check *checks;
  int64_t arena_bytes; /* -1 without a static plan */
  int64_t arena_lower_bound;
  uint64_t params_offset; /* part of the weights */
  uint64_t params_bytes;
} dlc_program;

typedef struct dlc_header {
  dlc_format_header fixed; /* its arrays describe the file, not the below */
  const char *strings;
  uint32_t num_inputs, num_outputs, num_dims, num_symbols, num_variants,
      num_buffers, num_offsets, num_dispatches, num_checks, num_metrics,
      num_programs, num_images, num_kernels;
  uint32_t num_input_dims; /* of all inputs; the outputs' follow them */
  dlc_format_value *inputs, *outputs;
  dlc_format_dim *dims;
  dlc_format_symbol *symbols;
  dlc_format_variant *variants;
  dlc_format_buffer *buffers;
  int64_t *offsets; /* NULL without a static plan */
  dlc_format_dispatch *dispatches;
  dlc_format_check *checks;
  dlc_format_metric *metrics;
  dlc_format_program *program_records; /* NULL in files without */
  dlc_program *programs;               /* one at least */
  dlc_format_image *images;
  dlc_format_kernel *kernels;
} dlc_header;

/* What the header must fit: the other parts of the model. */
typedef struct dlc_header_bounds {
  uint64_t weights_bytes;
  uint64_t images_bytes;
} dlc_header_bounds;

/* `block` is 8-byte aligned, and must outlive the header for its strings. */
dlc_status dlc_header_decode(const void *block, uint64_t bytes,
                             dlc_header_bounds bounds, dlc_header *header);
void dlc_header_free(dlc_header *header);

static inline const char *dlc_header_text(const dlc_header *header,
                                          dlc_format_string string) {
  return header->strings + string.offset;
}

/* header_check.c: checks all records that were read; decode calls it. */
dlc_status dlc_header_check(dlc_header *header, dlc_header_bounds bounds);

/* "damaged header: <what> out of bounds" */
dlc_status dlc_header_corrupt(const char *what);

#endif /* DLC_LIB_HEADER_H */
