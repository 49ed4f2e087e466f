// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Simulation speed of one core, bounds checks on, against the host's peak of
// f32 fused multiply-adds and its clock, both measured in the same run.
//
//   ptxsim-speed <ptxsim/test> [case] [--json]
//
// Cases: sgemm mma wgmma softmax decode race race-sgemm race-mma.sync
// race-wgmma race-softmax. All times are processor times,
// the best of several short runs, so that other work on the machine matters
// little. PTXSIM_ISA=avx2 measures what a host without AVX-512 reaches, against
// the peak of AVX2.
#include "Driver.h"
#include "ptxsim/ptxsim.h"
#include <algorithm>
#include <ctime>
#include <immintrin.h>

using namespace test;

/// Processor time of this thread, which runs everything here.
static double seconds() {
  timespec T;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &T);
  return double(T.tv_sec) + double(T.tv_nsec) * 1e-9;
}
/// Best of some rounds; a warm-up round is one of them.
template <class F> static double best(F Fn, int Rounds = 12) {
  double T = 1e9;
  for (int Round = 0; Round < Rounds; ++Round) {
    double Start = seconds();
    Fn();
    T = std::min(T, seconds() - Start);
  }
  return T;
}

// ---- the host ------------------------------------------------------------
constexpr int PeakSteps = 1000000, PeakChains = 12;

__attribute__((target("avx512f"))) static void fmasAvx512() {
  __m512 Acc[PeakChains];
  for (auto &A : Acc)
    A = _mm512_set1_ps(1.f);
  __m512 X = _mm512_set1_ps(0.999f), Y = _mm512_set1_ps(1e-3f);
  for (int I = 0; I < PeakSteps; ++I)
    for (auto &A : Acc)
      asm volatile("vfmadd213ps %2, %1, %0" : "+v"(A) : "v"(X), "v"(Y));
}
static void fmasAvx2() {
  __m256 Acc[PeakChains];
  for (auto &A : Acc)
    A = _mm256_set1_ps(1.f);
  __m256 X = _mm256_set1_ps(0.999f), Y = _mm256_set1_ps(1e-3f);
  for (int I = 0; I < PeakSteps; ++I)
    for (auto &A : Acc)
      asm volatile("vfmadd213ps %2, %1, %0" : "+x"(A) : "x"(X), "x"(Y));
}
/// Multiply-adds per second in registers.
static double measurePeak() {
  const char *Isa = std::getenv("PTXSIM_ISA");
  bool Wide =
      __builtin_cpu_supports("avx512f") && !(Isa && std::string(Isa) == "avx2");
  double T = best(Wide ? fmasAvx512 : fmasAvx2);
  return double(PeakSteps) * PeakChains * (Wide ? 16 : 8) / T;
}
/// Clock in Hz: dependent additions take one cycle each.
static double clockRate() {
  constexpr int N = 4000000;
  uint64_t V = 1;
  double T = best([&] {
    for (int I = 0; I < N; ++I)
      asm volatile("add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0"
                   : "+r"(V));
  });
  return 4. * N / T;
}

// ---- results -------------------------------------------------------------
namespace {
struct Result {
  std::string Name;
  double Value;
  const char *Unit;
  double Goal;
  bool AtLeast;
};
} // namespace
static std::vector<Result> Results;
static double Peak, Clock;

static void record(const std::string &Name, double Value, const char *Unit,
                   double Goal, bool AtLeast = true) {
  Results.push_back({Name, Value, Unit, Goal, AtLeast});
}
static void recordMacs(const char *Name, double Macs, double Seconds,
                       double Goal) {
  record(Name, 100 * Macs / Seconds / Peak, "% of the host's f32 FMA peak",
         Goal);
}

// ---- kernels -------------------------------------------------------------
namespace {
/// A kernel with its data and what it computes.
struct Case {
  Kernel Fn;
  std::vector<std::unique_ptr<Buffer>> Data;
  std::function<CUresult()> Run;
  double Macs = 0;
  Case(const std::string &File, const char *Entry) : Fn(readText(File), Entry) {
    check(Fn.Ok, File + ": " + Fn.Error);
  }
  template <class T> CUdeviceptr add(const std::vector<T> &V) {
    Data.push_back(std::make_unique<Buffer>(V));
    return Data.back()->Address;
  }
  void once() { check(Run() == CUDA_SUCCESS, "the kernel runs"); }
};
using CasePtr = std::unique_ptr<Case>;
} // namespace

static CasePtr sgemm(const std::string &Root, int K) {
  constexpr int N = 256;
  auto C =
      std::make_unique<Case>(Root + "/cuda/ptx/speed.sm_80.ptx", "sgemm128");
  CUdeviceptr A = C->add(randomFloats(size_t(N) * K, 1)),
              B = C->add(randomFloats(size_t(K) * N, 2)),
              D = C->add(std::vector<float>(N * N));
  C->Macs = double(N) * N * K;
  C->Run = [=, Fn = &C->Fn] {
    return Fn->arg(A).arg(B).arg(D).arg(N).arg(N).arg(K).run({2, 2}, {256});
  };
  return C;
}

static CasePtr mma(const std::string &Root) {
  constexpr size_t M = 128, N = 4096, K = 4096;
  auto C =
      std::make_unique<Case>(Root + "/kernels/b_matmul_mma_bf16.ptx", "mm");
  CUdeviceptr A = C->add(randomBf16(M * K, 5)),
              B = C->add(randomBf16(K * N, 6)),
              D = C->add(std::vector<uint16_t>(M * N));
  C->Macs = double(M) * 128 * K;
  C->Run = [=, Fn = &C->Fn] {
    return Fn->arg(A).arg(B).arg(D).run({1, 1}, {128}, 65536);
  };
  return C;
}

static CUtensorMap map2D(CUdeviceptr P, uint64_t Inner, uint64_t Outer,
                         uint32_t Box1) {
  CUtensorMap T;
  uint64_t Extent[] = {Inner, Outer}, Stride[] = {Inner * 2};
  uint32_t Box[] = {64, Box1}, Ones[] = {1, 1};
  api().cuTensorMapEncodeTiled(&T, 9, 2, reinterpret_cast<void *>(P), Extent,
                               Stride, Box, Ones, 0, 3, 0, 0);
  return T;
}
static CasePtr wgmma(const std::string &Root) {
  constexpr uint64_t M = 256, N = 512, K = 4096;
  auto C = std::make_unique<Case>(Root + "/kernels/c_wgmma_ws.ptx", "mm");
  CUdeviceptr A = C->add(randomBf16(M * K, 7)),
              B = C->add(randomBf16(N * K, 8)),
              D = C->add(std::vector<uint16_t>(M * N));
  C->Macs = double(128) * 256 * K;
  C->Run = [=, Fn = &C->Fn] {
    return Fn->arg(map2D(A, K, M, 128))
        .arg(map2D(B, K, N, 256))
        .arg(map2D(D, N, M, 64))
        .arg(D)
        .run({1, 1}, {384}, 196672);
  };
  return C;
}

static CasePtr softmax(const std::string &Root) {
  constexpr int Rows = 64, N = 4096;
  auto C =
      std::make_unique<Case>(Root + "/cuda/ptx/basic.sm_80.ptx", "softmax");
  CUdeviceptr X = C->add(randomFloats(size_t(Rows) * N, 9)),
              Y = C->add(std::vector<float>(size_t(Rows) * N));
  C->Run = [=, Fn = &C->Fn] {
    return Fn->arg(X).arg(Y).arg(N).run({Rows}, {128});
  };
  return C;
}

/// Warp instructions of one run, from the counters.
static double instructions(Case &C) {
  auto Json =
      reinterpret_cast<const char *(*)()>(librarySymbol("ptxsimCounters"));
  auto Reset =
      reinterpret_cast<void (*)()>(librarySymbol("ptxsimResetCounters"));
  api().ptxsimConfigure("COUNTERS", "/dev/null");
  Reset();
  C.once();
  api().ptxsimConfigure("COUNTERS", "");
  std::string Text = Json();
  double Sum = 0;
  Text = Text.substr(0, Text.find('}'));
  for (size_t At = 0; (At = Text.find("\": ", At)) != Text.npos; ++At)
    Sum += std::strtod(Text.c_str() + At + 3, nullptr);
  return Sum;
}

static void timeSoftmax(const std::string &Root) {
  CasePtr C = softmax(Root);
  double N = instructions(*C), T = best([&] { C->once(); });
  record("softmax", 1000 * N / (T * Clock),
         "warp instructions per 1000 host cycles", 25);
}

static void timeDecode(const std::string &Root) {
  for (const char *Name :
       {"a_elementwise", "b_matmul_mma_bf16", "b_matmul_stock_f16",
        "b_matmul_stock_tf32", "c_wgmma_ws", "d_softmax", "e_fa_mma",
        "e_fa_wgmma"}) {
    std::string Text = readText(Root + "/kernels/" + Name + ".ptx");
    double T = best([&] { Kernel K(Text, "none"); });
    record(std::string("decode ") + Name, T * 1e3, "ms", 15, false);
  }
}

static void timeRace(const std::string &Root, const std::string &Only) {
  auto Ratio = [&](const char *Name, std::function<CasePtr()> Make) {
    if (Only != "race" && !Only.empty() && Only != std::string("race-") + Name)
      return;
    CasePtr Made = Make();
    Case &C = *Made;
    double Off = best([&] { C.once(); }, 3);
    api().ptxsimConfigure("RACE", "1");
    double On = best([&] { C.once(); }, 2);
    api().ptxsimConfigure("RACE", "0");
    record(std::string("race ") + Name, On / Off, "times the unchecked run", 6,
           false);
  };
  Ratio("sgemm", [&] { return sgemm(Root, 504); });
  Ratio("mma.sync", [&] { return mma(Root); });
  Ratio("wgmma", [&] { return wgmma(Root); });
  Ratio("softmax", [&] { return softmax(Root); });
}

static void printResults(bool Json) {
  if (!Json) {
    std::printf("host: %.1f GMAC/s, %.2f GHz\n", Peak * 1e-9, Clock * 1e-9);
    for (const Result &R : Results)
      std::printf("%-26s %7.2f %s (goal %s %g)\n", R.Name.c_str(), R.Value,
                  R.Unit, R.AtLeast ? "at least" : "at most", R.Goal);
    return;
  }
  std::printf("{\"host_gmacs\": %.2f, \"host_ghz\": %.3f, \"results\": {",
              Peak * 1e-9, Clock * 1e-9);
  const char *Comma = "";
  for (const Result &R : Results) {
    std::printf("%s\n  \"%s\": {\"value\": %.2f, \"unit\": \"%s\", "
                "\"goal_%s\": %g}",
                Comma, R.Name.c_str(), R.Value, R.Unit,
                R.AtLeast ? "at_least" : "at_most", R.Goal);
    Comma = ",";
  }
  std::printf("\n}}\n");
}

int main(int Argc, char **Argv) {
  if (Argc < 2) {
    std::fprintf(stderr, "usage: ptxsim-speed <ptxsim/test> [case] [--json]\n");
    return 2;
  }
  std::string Root = Argv[1], Only;
  bool Json = false;
  for (int K = 2; K < Argc; ++K) {
    if (std::string(Argv[K]) == "--json")
      Json = true;
    else
      Only = Argv[K];
  }
  api().ptxsimConfigure("THREADS", "1");
  Peak = measurePeak();
  Clock = clockRate();
  auto Wanted = [&](const char *Name) { return Only.empty() || Only == Name; };
  auto Macs = [&](const char *Name, CasePtr C, double Goal) {
    recordMacs(Name, C->Macs, best([&] { C->once(); }), Goal);
  };
  if (Wanted("sgemm"))
    Macs("sgemm", sgemm(Root, 1000), 10);
  if (Wanted("mma"))
    Macs("mma.sync bf16", mma(Root), 33);
  if (Wanted("wgmma"))
    Macs("wgmma bf16", wgmma(Root), 33);
  if (Wanted("softmax"))
    timeSoftmax(Root);
  if (Wanted("decode"))
    timeDecode(Root);
  if (Only.empty() || Only.starts_with("race"))
    timeRace(Root, Only);
  printResults(Json);
  return 0;
}
