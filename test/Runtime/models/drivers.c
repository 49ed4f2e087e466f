/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Stands for CUDA drivers that the runtime cannot use. With OLD: one for CUDA
   11.4; else one for 12.0 that lacks all functions but cuInit. */
#include <stdint.h>
#include <string.h>

int cuDriverGetVersion(int *version) {
#ifdef OLD
  *version = 11040;
#else
  *version = 12000;
#endif
  return 0;
}

static int init(unsigned flags) { return (int)flags; }

int cuGetProcAddress_v2(const char *name, void **function, int version,
                        uint64_t flags, int *found) {
  int good = version == 12000 && flags == 0 && strcmp(name, "cuInit") == 0;
  *function = good ? (void *)(uintptr_t)&init : 0;
  if (found) {
    *found = !good;
  }
  return good ? 0 : 500;
}
