/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Functions of the simulator's own, exported by libptxsim beside the CUDA
 * driver API. A program that only uses the driver API needs none of them. */
#ifndef PTXSIM_PTXSIM_H
#define PTXSIM_PTXSIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sets an option as the environment variable PTXSIM_<key> would. Keys: MODE
 * (eager, late, seed:N), RACE (0, 1), UNINITIALISED (1; 0: race mode lets
 * uninitialised values be read), COUNTERS (file), LOG (file), THREADS, BUDGET,
 * DEVICE (before modules are loaded), FAULT (faults on request, see the README;
 * counting starts anew, "" ends them). Returns 0, or 1 for an unknown key or a
 * bad value. */
int ptxsimConfigure(const char *key, const char *value);

/* The last report (fault, race, refused launch or module), "" if none. The
 * text stays valid until the calling thread's next call of this function. */
const char *ptxsimLastReport(void);

/* Counters since the last reset as a JSON object; valid until the next call.
 * They count only while COUNTERS is set. */
const char *ptxsimCounters(void);
void ptxsimResetCounters(void);

/* Objects that are alive now, in all contexts: what a program has created and
 * not released. Memory of module variables is not counted. */
typedef struct {
  uint64_t allocations;      /* cuMemAlloc and its relatives */
  uint64_t allocated_bytes;  /* their sizes as asked for */
  uint64_t host_allocations; /* cuMemHostAlloc, cuMemAllocHost */
  uint64_t host_registrations;
  uint64_t modules; /* and libraries */
  uint64_t streams; /* without the default ones */
  uint64_t events;
  uint64_t graphs;
  uint64_t graph_execs;
  uint64_t contexts; /* created ones */
  uint64_t primary_context_retains;
  /* Not alive: objects so far that went with their context, as the program had
   * not released them before. */
  uint64_t abandoned;
} ptxsimLiveObjects;
void ptxsimCountLive(ptxsimLiveObjects *live);

#ifdef __cplusplus
}
#endif
#endif
