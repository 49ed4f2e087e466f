/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The process's thread pool. One run at a time claims it; inside the claim it
 * executes launches, whose items are divided into chunks that threads take
 * from their own share first, then from the shares of others.
 */
#ifndef DLC_LIB_POOL_H
#define DLC_LIB_POOL_H

#include "dlc/exec.h"

#include <stdbool.h>

#define DLC_POOL_MAX_THREADS 256u

/* Tries to claim the pool; false: another run has it. Never waits. */
bool dlc_pool_claim(void);

/* Ends the claim: its threads go to sleep. */
void dlc_pool_release(void);

/* How many threads the claimed pool can give to a launch, the caller's
   included; at most `wanted`. Creates threads as needed. */
uint32_t dlc_pool_ready(uint32_t wanted);

/* Whether fewer threads than that are awake, so that a launch pays for waking
   them. */
bool dlc_pool_sleeps(uint32_t threads);

/* Executes all items of the launch on up to `threads` threads, >= 2 and <= what
   dlc_pool_ready gave. Thread t has scratch + t * scratch_stride; NULL: none.
 */
void dlc_pool_run(const dlc_launch *launch, uint32_t threads, char *scratch,
                  int64_t scratch_stride);

/* Threads of the pool that exist now, without a caller's; for tests. */
uint32_t dlc_pool_size(void);

#endif /* DLC_LIB_POOL_H */
