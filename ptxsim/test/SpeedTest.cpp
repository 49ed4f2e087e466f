// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Simulation speed per core, against the host's peak of f32 fused
// multiply-adds measured in the same run. Not part of the quick tests.
#include "Driver.h"
#include <immintrin.h>
#include <time.h>

using namespace test;

/// Processor time of this thread, which runs everything here.
static double seconds() {
  timespec T;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &T);
  return double(T.tv_sec) + double(T.tv_nsec) * 1e-9;
}

/// Multiply-adds per second in registers.
__attribute__((target("avx512f"))) static double peakAvx512() {
  __m512 Acc[12];
  for (auto &A : Acc)
    A = _mm512_set1_ps(1.f);
  __m512 X = _mm512_set1_ps(0.999f), Y = _mm512_set1_ps(1e-3f);
  double Best = 0;
  for (int Round = 0; Round < 5; ++Round) {
    double T = seconds();
    for (int I = 0; I < 2000000; ++I)
      for (auto &A : Acc)
        asm volatile("vfmadd213ps %2, %1, %0" : "+v"(A) : "v"(X), "v"(Y));
    Best = std::max(Best, 2e6 * 12 * 16 / (seconds() - T));
  }
  return Best;
}
static double peakAvx2() {
  __m256 Acc[12];
  for (auto &A : Acc)
    A = _mm256_set1_ps(1.f);
  __m256 X = _mm256_set1_ps(0.999f), Y = _mm256_set1_ps(1e-3f);
  double T = seconds();
  for (int I = 0; I < 2000000; ++I)
    for (auto &A : Acc)
      asm volatile("vfmadd213ps %2, %1, %0" : "+x"(A) : "x"(X), "x"(Y));
  return 2e6 * 12 * 8 / (seconds() - T);
}

static double Peak;

static void report(const char *Name, double Macs, double Seconds) {
  std::printf("%-22s %8.2f GMAC/s, %5.1f %% of the host's peak\n", Name,
              Macs / Seconds * 1e-9, 100 * Macs / Seconds / Peak);
}

template <class F> static double best(F Fn) {
  double T = 1e9;
  for (int Round = 0; Round < 3; ++Round) {
    double Start = seconds();
    Fn();
    T = std::min(T, seconds() - Start);
  }
  return T;
}

static void sgemm(const std::string &Root) {
  constexpr int N = 256, K = 1024;
  auto A = randomFloats(N * K, 1), B = randomFloats(K * N, 2);
  Kernel Fn(readText(Root + "/cuda/ptx/speed.sm_80.ptx"), "sgemm128");
  Buffer DA(A), DB(B), DC(N * N * 4);
  double T = best([&] {
    Fn.arg(DA.Address).arg(DB.Address).arg(DC.Address).arg(N).arg(N).arg(K);
    check(Fn.run({2, 2}, {256}) == CUDA_SUCCESS, "sgemm128 runs");
  });
  report("sgemm (f32)", double(N) * N * K, T);
}

static void mma(const std::string &Root) {
  constexpr size_t M = 128, N = 4096, K = 4096;
  auto A = randomBf16(M * K, 5), B = randomBf16(K * N, 6);
  Kernel Fn(readText(Root + "/kernels/b_matmul_mma_bf16.ptx"), "mm");
  Buffer DA(A), DB(B), DC(M * N * 2);
  double T = best([&] {
    Fn.arg(DA.Address).arg(DB.Address).arg(DC.Address);
    check(Fn.run({4, 1}, {128}, 65536) == CUDA_SUCCESS, "mma runs");
  });
  report("mma.sync (bf16)", double(M) * 512 * K, T);
}

static void wgmma(const std::string &Root) {
  constexpr uint64_t M = 256, N = 512, K = 4096;
  auto A = randomBf16(M * K, 7), B = randomBf16(N * K, 8);
  Kernel Fn(readText(Root + "/kernels/c_wgmma_ws.ptx"), "mm");
  Buffer DA(A), DB(B), DC(M * N * 2);
  auto Map = [](CUdeviceptr P, uint64_t Inner, uint64_t Outer, uint32_t Box1) {
    CUtensorMap T;
    uint64_t Extent[] = {Inner, Outer}, Stride[] = {Inner * 2};
    uint32_t Box[] = {64, Box1}, Ones[] = {1, 1};
    api().cuTensorMapEncodeTiled(&T, 9, 2, (void *)P, Extent, Stride, Box, Ones,
                                 0, 3, 0, 0);
    return T;
  };
  double T = best([&] {
    Fn.arg(Map(DA.Address, K, M, 128)).arg(Map(DB.Address, K, N, 256));
    Fn.arg(Map(DC.Address, N, M, 64)).arg(DC.Address);
    check(Fn.run({2, 2}, {384}, 196672) == CUDA_SUCCESS, "wgmma runs");
  });
  report("wgmma (bf16)", double(M) * N * K, T);
}

int main(int Argc, char **Argv) {
  api().ptxsimConfigure("THREADS", "1");
  Peak = __builtin_cpu_supports("avx512f") ? peakAvx512() : peakAvx2();
  std::printf("host peak %.1f GMAC/s\n", Peak * 1e-9);
  std::string Only = Argc > 2 ? Argv[2] : "";
  if (Only.empty() || Only == "sgemm")
    sgemm(Argv[1]);
  if (Only.empty() || Only == "mma")
    mma(Argv[1]);
  if (Only.empty() || Only == "wgmma")
    wgmma(Argv[1]);
  return finish("SpeedTest");
}
