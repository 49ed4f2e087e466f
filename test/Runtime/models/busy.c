/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* y[i] = a number made of i and seed by `rounds` steps, in many launches with
   scratch, so that threads share work; y u32[n], seed u32[1], rounds i64[1].
   Item i counts its uses of the scratch memory in the memory itself, and spoils
   y[i] when somebody else wrote there meanwhile. */
#include <dlc/exec.h>

enum { WORDS = 64 };

static void mix(void *const *buffers, const int64_t *sizes, int64_t begin,
                int64_t end, void *scratch) {
  uint32_t *y = buffers[0];
  volatile uint32_t *words = scratch;
  for (int64_t i = begin; i < end; i++) {
    uint32_t value = y[i] + (uint32_t)i;
    for (int w = 0; w < WORDS; w++) {
      words[w] = (uint32_t)i;
    }
    for (int64_t r = 0; r < sizes[0]; r++) {
      value = value * 1664525u + 1013904223u;
    }
    for (int w = 0; w < WORDS; w++) {
      if (words[w] != (uint32_t)i) {
        value = 0xdead;
      }
    }
    y[i] = value;
  }
}

int32_t busy_run(dlc_exec *exec) {
  enum { LAUNCHES = 20, ITEMS = 1000 };
  uint32_t *y = exec->outputs[0];
  const uint32_t *seed = exec->inputs[0];
  const int64_t *rounds = exec->inputs[1];
  for (int i = 0; i < ITEMS; i++) {
    y[i] = seed[0];
  }
  for (int i = 0; i < LAUNCHES; i++) {
    void *buffers[] = {y};
    dlc_launch launch = {
        mix, buffers, rounds, ITEMS, ITEMS * (100 + rounds[0]), WORDS * 4, 0};
    int32_t status = exec->launch(exec, &launch);
    if (status) {
      return status;
    }
  }
  return 0;
}
