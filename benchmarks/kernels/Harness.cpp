// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The FMA loop and the rounds. Time is the thread's own CPU time: the machine
// may be shared.
#include "Harness.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

using namespace dlc::benchmark;

static double cpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

// Twelve independent accumulators hide four cycles of latency on two units.
static double fmaLoop512(long steps) {
  asm volatile("vpxorq %%zmm30, %%zmm30, %%zmm30\n"
               "1:\n"
#define STEP(i) "vfmadd231ps %%zmm30, %%zmm30, %%zmm" #i "\n"
               STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
                   STEP(8) STEP(9) STEP(10) STEP(11)
#undef STEP
                       "dec %0\n jnz 1b\n"
               : "+r"(steps)::"zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5",
                 "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm30");
  return 12 * 32;
}

static double fmaLoop256(long steps) {
  asm volatile("vpxor %%ymm15, %%ymm15, %%ymm15\n"
               "1:\n"
#define STEP(i) "vfmadd231ps %%ymm15, %%ymm15, %%ymm" #i "\n"
               STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
                   STEP(8) STEP(9) STEP(10) STEP(11)
#undef STEP
                       "dec %0\n jnz 1b\n"
               : "+r"(steps)::"ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5",
                 "ymm6", "ymm7", "ymm8", "ymm9", "ymm10", "ymm11", "ymm15");
  return 12 * 16;
}

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Floats::Floats(int64_t count)
    : memory(static_cast<float *>(std::aligned_alloc(
                 64, (count * sizeof(float) + 127) / 64 * 64)),
             std::free) {
  unsigned state = 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    memory.get()[i] = (int(state >> 16) % 2001 - 1000) / 1000.0f;
  }
}

void dlc::benchmark::measure(const std::vector<Case> &cases, int lanes,
                             int rounds, double minSeconds) {
  constexpr long kSteps = 1000000;
  std::vector<double> peaks;
  std::vector<std::vector<double>> times(cases.size());
  std::vector<int> repeats;
  for (const Case &each : cases) {
    each.run();
    double start = cpuSeconds();
    each.run();
    repeats.push_back(
        std::max(1, int(minSeconds / (cpuSeconds() - start + 1e-9))));
  }
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      if (i % 4 == 0) {
        double start = cpuSeconds();
        double flops = lanes == 16 ? fmaLoop512(kSteps) : fmaLoop256(kSteps);
        peaks.push_back(flops * kSteps / (cpuSeconds() - start));
      }
      cases[i].run();
      double start = cpuSeconds();
      for (int repeat = 0; repeat < repeats[i]; ++repeat)
        cases[i].run();
      times[i].push_back((cpuSeconds() - start) / repeats[i]);
    }
  }
  double peak = median(peaks);
  std::printf("FMA peak %.1f GFLOP/s\n", peak / 1e9);
  for (size_t i = 0; i < cases.size(); ++i) {
    double seconds = median(times[i]);
    double rate = cases[i].flops / seconds;
    double best = *std::min_element(times[i].begin(), times[i].end());
    std::printf("%-52s %9.1f us %6.1f GFLOP/s %5.1f%% of peak (best %5.1f%%), "
                "compiled in %.0f + %.0f + %.0f ms\n",
                cases[i].name.c_str(), seconds * 1e6, rate / 1e9,
                100 * rate / peak, 100 * cases[i].flops / best / peak,
                cases[i].emitSeconds * 1e3, cases[i].lowerSeconds * 1e3,
                cases[i].llvmSeconds * 1e3);
  }
}
