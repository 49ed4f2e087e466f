/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * What the runtime itself costs: fork and join of the pool, the gain of
 * splitting work of some sizes, and, given a model, its load time. Prints the
 * median and quantiles of many measurements.
 */
#define _GNU_SOURCE
#include "pool.h"

#include "dlc/dlc.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAMPLES = 5001 };
static double samples[SAMPLES];

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

static void report(const char *what, int count) {
  qsort(samples, (size_t)count, sizeof *samples, compare);
  printf("%-36s p20 %9.0f  median %9.0f  p90 %9.0f ns\n", what,
         samples[count / 5], samples[count / 2], samples[count * 9 / 10]);
}

static void nothing(void *const *buffers, const int64_t *sizes, int64_t begin,
                    int64_t end, void *scratch) {
  (void)buffers, (void)sizes, (void)begin, (void)end, (void)scratch;
}

static void spin(void *const *buffers, const int64_t *sizes, int64_t begin,
                 int64_t end, void *scratch) {
  (void)buffers, (void)scratch;
  for (int64_t i = begin; i < end; i++) {
    for (int64_t k = 0; k < sizes[0]; k++) {
      __asm__ volatile("");
    }
  }
}

static void measure_pool(uint32_t threads) {
  int64_t rounds = 100;
  /* Calibrates: nanoseconds of one item. */
  double start = now_ns();
  spin(NULL, &rounds, 0, 100000, NULL);
  double item = (now_ns() - start) / 100000;

  dlc_launch empty = {nothing, NULL, NULL, threads, 1000 * threads, 0, 0};
  for (int i = 0; i < SAMPLES; i++) {
    start = now_ns();
    dlc_pool_run(&empty, threads, NULL, 0);
    samples[i] = now_ns() - start;
  }
  report("fork and join of nothing", SAMPLES);
  for (int us = 1; us <= 100; us *= 10) {
    char what[40];
    dlc_launch work = {
        spin, NULL, &rounds, (int64_t)(us * 1000 / item) + 1, us * 1000, 0, 0};
    int count = SAMPLES / us;
    for (int i = 0; i < count; i++) {
      start = now_ns();
      spin(NULL, &rounds, 0, work.items, NULL);
      samples[i] = now_ns() - start;
    }
    snprintf(what, sizeof what, "%d us of work, one thread", us);
    report(what, count);
    for (int i = 0; i < count; i++) {
      start = now_ns();
      dlc_pool_run(&work, threads, NULL, 0);
      samples[i] = now_ns() - start;
    }
    snprintf(what, sizeof what, "%d us of work, %u threads", us, threads);
    report(what, count);
  }
}

static int measure_load(const char *path) {
  for (int i = 0; i < 200; i++) {
    dlc_model *model;
    dlc_context *context;
    double start = now_ns();
    if (dlc_model_load(path, NULL, &model) ||
        dlc_context_create(model, NULL, &context)) {
      fprintf(stderr, "error: %s\n", dlc_message());
      return 1;
    }
    samples[i] = now_ns() - start;
    dlc_context_free(context);
    dlc_model_free(model);
  }
  report("load and create a context", 200);
  return 0;
}

int main(int argc, char **argv) {
  uint32_t threads = dlc_default_threads();
  if (threads > 1 && dlc_pool_claim()) {
    threads = dlc_pool_ready(threads);
    measure_pool(threads);
    dlc_pool_release();
  }
  return argc > 1 ? measure_load(argv[1]) : 0;
}
