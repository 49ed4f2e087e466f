/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The checks of inputs before any generated code sees them. */
#ifndef DLC_LIB_ENTRY_H
#define DLC_LIB_ENTRY_H

#include "header.h"

#include <stdbool.h>

/* Working memory for the checks: what each symbol was found to be, and where.
 */
typedef struct dlc_symbol_value {
  int64_t size; /* -1: not seen yet */
  uint32_t input;
} dlc_symbol_value;

/* Checks count, device, type, rank and dims of all inputs of a run on `device`,
   and data unless `dims_only`. Fills `dims`, all inputs' dims concatenated. */
dlc_status dlc_entry_check(const dlc_header *header, dlc_device device,
                           const dlc_tensor *inputs, uint32_t num_inputs,
                           bool dims_only, dlc_symbol_value *symbols,
                           int64_t *dims);

#endif /* DLC_LIB_ENTRY_H */
