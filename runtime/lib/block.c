/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Memory that only grows. */
#define _DEFAULT_SOURCE
#include "block.h"

#include "message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LINE ((size_t)64)
/* Fewer TLB misses from one huge page on. */
#define HUGE_PAGE ((size_t)2 << 20)

void dlc_block_free(dlc_block *block, const dlc_memory *memory) {
  if (block->data && memory->release) {
    memory->release(memory->owner, block->data);
  } else {
    free(block->data);
  }
  memory->counts->bytes -= (int64_t)block->bytes;
  *block = (dlc_block){0};
}

static dlc_status refuse(int64_t bytes, const char *what) {
  return dlc_fail(DLC_RESOURCE, "cannot allocate %" PRId64 " bytes for %s",
                  bytes, what);
}

static dlc_status allocate(size_t alignment, size_t bytes, const char *what,
                           void **data) {
  *data = aligned_alloc(alignment, bytes);
  if (!*data) {
    return refuse((int64_t)bytes, what);
  }
  if (alignment == HUGE_PAGE) {
    /* Advice only: without huge pages the memory works as well. */
    (void)madvise(*data, bytes, MADV_HUGEPAGE);
  }
  return DLC_OK;
}

dlc_status dlc_block_grow(dlc_block *block, int64_t bytes, const char *what,
                          const dlc_memory *memory) {
  if (bytes >= 0 && (size_t)bytes <= block->bytes) {
    return DLC_OK;
  }
  if (bytes < 0 || bytes > INT64_MAX - (int64_t)HUGE_PAGE) {
    return refuse(bytes, what);
  }
  size_t alignment = (size_t)bytes >= HUGE_PAGE ? HUGE_PAGE : LINE;
  size_t rounded = ((size_t)bytes + alignment - 1) & ~(alignment - 1);
  /* The old memory goes first, so that both are never held at once. */
  dlc_block_free(block, memory);
  void *data;
  dlc_status status =
      memory->allocate ? memory->allocate(memory->owner, rounded, what, &data)
                       : allocate(alignment, rounded, what, &data);
  if (status) {
    return status;
  }
  *block = (dlc_block){data, rounded};
  memory->counts->bytes += (int64_t)rounded;
  memory->counts->allocations++;
  return DLC_OK;
}
