/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Memory that only grows, for arenas and tensors that contexts keep. */
#ifndef DLC_LIB_BLOCK_H
#define DLC_LIB_BLOCK_H

#include "dlc/dlc.h"

#include <stddef.h>

typedef struct dlc_block {
  void *data;
  size_t bytes;
} dlc_block;

/* Counts of one context. */
typedef struct dlc_block_counts {
  int64_t bytes;
  uint64_t allocations;
} dlc_block_counts;

/* Where blocks come from: the host's memory, or another with functions of its
   own. */
typedef struct dlc_memory {
  dlc_block_counts *counts;
  void *owner; /* first argument of the functions */
  /* Sets *data, aligned to 256 bytes; fails with a message that names `what`.
     NULL: the host's memory. */
  dlc_status (*allocate)(void *owner, size_t bytes, const char *what,
                         void **data);
  void (*release)(void *owner, void *data);
} dlc_memory;

/* Makes the block at least that large, 64-byte aligned; what was in it is lost
   when it grows. `what` names it in the message. */
dlc_status dlc_block_grow(dlc_block *block, int64_t bytes, const char *what,
                          const dlc_memory *memory);
void dlc_block_free(dlc_block *block, const dlc_memory *memory);

#endif /* DLC_LIB_BLOCK_H */
