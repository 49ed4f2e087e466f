/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Places buffers with known life times in one arena. Pure functions without
 * allocation, used by the runtime for shapes known late, and by the compiler.
 */
#ifndef DLC_PLAN_H
#define DLC_PLAN_H

#include "dlc/format.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Orders in which buffers are placed; equal keys keep program order. */
typedef enum dlc_plan_order {
  DLC_PLAN_BY_SIZE,
  DLC_PLAN_BY_LENGTH,      /* of life, in steps */
  DLC_PLAN_BY_SIZE_LENGTH, /* the product */
  DLC_PLAN_PROGRAM_ORDER,  /* by first step */
  DLC_PLAN_NUM_ORDERS,
} dlc_plan_order;

typedef struct dlc_plan_result {
  int64_t arena_bytes;  /* multiple of the least alignment of all buffers */
  int64_t lower_bound;  /* most bytes live in one step, each buffer rounded up
                           to that alignment: no plan is smaller */
  dlc_plan_order order; /* the one that won */
} dlc_plan_result;

/* Bytes of workspace that dlc_plan needs for that many buffers. */
size_t dlc_plan_workspace_bytes(size_t count);

/*
 * Offsets for `count` buffers whose sizes are bytes[i] (the size in
 * buffers[i] is not read). A negative size is a buffer outside of the arena:
 * its offset is -1. Tries each order, placing every buffer in the smallest gap
 * that fits it (greedy by size: Pisarchyk and Lee, "Efficient Memory Management
 * for Deep Neural Net Inference", 2020, section 5.1), keeps the smallest
 * arena, and stops at the bound. workspace is 8-byte aligned.
 * Returns 0, or -1 when sizes overflow or alignments are no powers of two.
 */
int dlc_plan(const dlc_format_buffer *buffers, const int64_t *bytes,
             size_t count, void *workspace, int64_t *offsets,
             dlc_plan_result *result);

#ifdef __cplusplus
}
#endif

#endif /* DLC_PLAN_H */
