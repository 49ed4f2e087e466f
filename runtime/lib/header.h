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

typedef struct dlc_header {
  dlc_format_header fixed; /* its arrays describe the file, not the below */
  const char *strings;
  uint32_t num_inputs, num_outputs, num_dims, num_symbols, num_variants,
      num_buffers, num_dispatches, num_checks, num_metrics;
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
} dlc_header;

/* `block` is 8-byte aligned, and must outlive the header for its strings. */
dlc_status dlc_header_decode(const void *block, uint64_t bytes,
                             dlc_header *header);
void dlc_header_free(dlc_header *header);

static inline const char *dlc_header_text(const dlc_header *header,
                                          dlc_format_string string) {
  return header->strings + string.offset;
}

#endif /* DLC_LIB_HEADER_H */
