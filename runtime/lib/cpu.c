/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * CPU features by cpuid and xgetbv (Intel SDM volume 2A, CPUID; volume 1,
 * 13.2: the operating system must save the registers, too).
 */
#include "cpu.h"

#ifndef __x86_64__
#error "the CPU driver is written for x86-64"
#endif

#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include <xmmintrin.h>

enum { EAX, EBX, ECX, EDX };

/* State components that the system must have enabled (XCR0). */
enum { NONE = 0, AVX_STATE = 0x6, AVX512_STATE = 0xe6, AMX_STATE = 0x60000 };

typedef struct feature {
  const char *name;
  uint32_t leaf;
  uint8_t subleaf;
  uint8_t reg;
  uint8_t bit;
  uint32_t state;
} feature;

static const feature features[] = {
    {"cmov", 1, 0, EDX, 15, NONE},
    {"mmx", 1, 0, EDX, 23, NONE},
    {"sse", 1, 0, EDX, 25, NONE},
    {"sse2", 1, 0, EDX, 26, NONE},
    {"sse3", 1, 0, ECX, 0, NONE},
    {"pclmul", 1, 0, ECX, 1, NONE},
    {"ssse3", 1, 0, ECX, 9, NONE},
    {"fma", 1, 0, ECX, 12, AVX_STATE},
    {"cx16", 1, 0, ECX, 13, NONE},
    {"sse4.1", 1, 0, ECX, 19, NONE},
    {"sse4.2", 1, 0, ECX, 20, NONE},
    {"movbe", 1, 0, ECX, 22, NONE},
    {"popcnt", 1, 0, ECX, 23, NONE},
    {"aes", 1, 0, ECX, 25, NONE},
    {"xsave", 1, 0, ECX, 26, NONE},
    {"avx", 1, 0, ECX, 28, AVX_STATE},
    {"f16c", 1, 0, ECX, 29, AVX_STATE},
    {"bmi", 7, 0, EBX, 3, NONE},
    {"avx2", 7, 0, EBX, 5, AVX_STATE},
    {"bmi2", 7, 0, EBX, 8, NONE},
    {"avx512f", 7, 0, EBX, 16, AVX512_STATE},
    {"avx512dq", 7, 0, EBX, 17, AVX512_STATE},
    {"adx", 7, 0, EBX, 19, NONE},
    {"avx512ifma", 7, 0, EBX, 21, AVX512_STATE},
    {"avx512cd", 7, 0, EBX, 28, AVX512_STATE},
    {"avx512bw", 7, 0, EBX, 30, AVX512_STATE},
    {"avx512vl", 7, 0, EBX, 31, AVX512_STATE},
    {"avx512vbmi", 7, 0, ECX, 1, AVX512_STATE},
    {"avx512vbmi2", 7, 0, ECX, 6, AVX512_STATE},
    {"gfni", 7, 0, ECX, 8, NONE},
    {"vaes", 7, 0, ECX, 9, AVX_STATE},
    {"vpclmulqdq", 7, 0, ECX, 10, AVX_STATE},
    {"avx512vnni", 7, 0, ECX, 11, AVX512_STATE},
    {"avx512bitalg", 7, 0, ECX, 12, AVX512_STATE},
    {"avx512vpopcntdq", 7, 0, ECX, 14, AVX512_STATE},
    {"avx512vp2intersect", 7, 0, EDX, 8, AVX512_STATE},
    {"amx-bf16", 7, 0, EDX, 22, AMX_STATE},
    {"avx512fp16", 7, 0, EDX, 23, AVX512_STATE},
    {"amx-tile", 7, 0, EDX, 24, AMX_STATE},
    {"amx-int8", 7, 0, EDX, 25, AMX_STATE},
    {"avxvnni", 7, 1, EAX, 4, AVX_STATE},
    {"avx512bf16", 7, 1, EAX, 5, AVX512_STATE},
    {"avxifma", 7, 1, EAX, 23, AVX_STATE},
    {"sahf", 0x80000001, 0, ECX, 0, NONE},
    {"lzcnt", 0x80000001, 0, ECX, 5, NONE},
    {"prfchw", 0x80000001, 0, ECX, 8, NONE},
};

static uint64_t enabled_state(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) {
    return 0;
  }
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

bool dlc_cpu_has(const char *name, size_t length) {
  for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
    const feature *f = &features[i];
    if (strlen(f->name) != length || memcmp(f->name, name, length) != 0) {
      continue;
    }
    uint32_t regs[4];
    return __get_cpuid_count(f->leaf, f->subleaf, &regs[EAX], &regs[EBX],
                             &regs[ECX], &regs[EDX]) &&
           (regs[f->reg] >> f->bit & 1) &&
           (enabled_state() & f->state) == f->state;
  }
  return false;
}

size_t dlc_cpu_missing(const char *list, const char **name) {
  for (;;) {
    size_t length = strcspn(list, ",");
    if (length > 0 && !dlc_cpu_has(list, length)) {
      *name = list;
      return length;
    }
    if (list[length] == 0) {
      return 0;
    }
    list += length + 1;
  }
}

/* Three leaves of 16 bytes each (SDM, CPUID, "Processor Brand String"). */
void dlc_cpu_name(char *name, size_t room) {
  uint32_t text[13] = {0};
  for (uint32_t i = 0; i < 3; i++) {
    uint32_t *part = text + 4 * i;
    if (!__get_cpuid(0x80000002 + i, &part[0], &part[1], &part[2], &part[3])) {
      text[0] = 0;
      break;
    }
  }
  const char *begin = (const char *)text;
  while (*begin == ' ') {
    begin++;
  }
  snprintf(name, room, "%s", begin);
}

/* All exceptions masked (0x1f80), FTZ (0x8000), DAZ (0x40). */
#define FLOAT_MODE 0x9fc0u

uint32_t dlc_cpu_set_float_mode(void) {
  uint32_t old = _mm_getcsr();
  _mm_setcsr(FLOAT_MODE);
  return old;
}

void dlc_cpu_restore_float_mode(uint32_t word) { _mm_setcsr(word); }
