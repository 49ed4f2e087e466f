/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What this CPU can do, and its floating-point control word. */
#ifndef DLC_LIB_CPU_H
#define DLC_LIB_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether CPU and operating system support a feature, by LLVM's name. */
bool dlc_cpu_has(const char *name, size_t length);

/* Finds the first feature of a comma-separated list that is missing: its
   length, and *name at its first byte; 0 if all are there. */
size_t dlc_cpu_missing(const char *features, const char **name);

/* The CPU's own name for itself, "" where it has none. */
void dlc_cpu_name(char *name, size_t room);

/* Sets flush-to-zero, denormals-are-zero, round to nearest and no traps;
   returns the old control word for dlc_cpu_restore. */
uint32_t dlc_cpu_set_float_mode(void);
void dlc_cpu_restore_float_mode(uint32_t word);

/* Tells the CPU that the caller spins. */
static inline void dlc_cpu_pause(void) { __builtin_ia32_pause(); }

/* A counter of constant rate, cheap to read. */
static inline uint64_t dlc_cpu_ticks(void) { return __builtin_ia32_rdtsc(); }

#endif /* DLC_LIB_CPU_H */
