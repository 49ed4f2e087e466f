// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checks of what orders accesses and of what does not: fences, release and
// acquire, atomic operations, objects and memory that are used too early or too
// late. Each wrong kernel must be reported in its own words; the correct one
// beside it must not.
#include "Driver.h"

using namespace test;

static std::string module(const std::string &Target, const std::string &Body) {
  return ".version 8.0\n.target " + Target +
         "\n.address_size 64\n"
         ".visible .entry k(.param .u64 a, .param .u64 b)\n{\n"
         ".reg .pred %p<8>;\n.reg .b32 %r<16>;\n.reg .f32 %f<8>;\n"
         ".reg .b64 %rd<16>;\n.shared .align 128 .b8 tile[1024];\n"
         ".local .align 16 .b8 own[64];\n"
         "ld.param.u64 %rd1, [a];\nld.param.u64 %rd2, [b];\n"
         "mov.u32 %r1, %tid.x;\nmov.u32 %r2, %ctaid.x;\n"
         "mul.wide.u32 %rd3, %r1, 4;\nadd.u64 %rd4, %rd1, %rd3;\n"
         "mov.u32 %r3, tile;\nshl.b32 %r4, %r1, 2;\nadd.u32 %r4, %r4, %r3;\n"
         "setp.eq.u32 %p1, %r1, 0;\nsetp.eq.u32 %p2, %r1, 32;\n" +
         Body + "ret;\n}\n";
}

namespace {
struct Shape {
  Dim Grid, Block, Cluster;
  const char *Target = "sm_80";
};
} // namespace
static const Shape TwoWarps{{1}, {64}, {}}, TwoCtas{{2}, {32}, {}},
    OneWarp{{1}, {32}, {}};

/// Runs Body on two buffers of zeros; expects a report that contains Part, or
/// none if Part is null.
static void expect(const char *What, const std::string &Body, const char *Part,
                   const Shape &On) {
  api().ptxsimConfigure("DEVICE", On.Target);
  Kernel K(module(On.Target, Body), "k");
  if (!check(K.Ok, std::string(What) + ": " + K.Error))
    return;
  Buffer A(std::vector<int>(256)), B(std::vector<int>(256));
  CUresult R =
      K.arg(A.Address).arg(B.Address).run(On.Grid, On.Block, 0, On.Cluster);
  std::string Report = api().ptxsimLastReport();
  bool Found = R != CUDA_SUCCESS && Part && Report.find(Part) != Report.npos;
  check(Part ? Found : R == CUDA_SUCCESS,
        std::string(What) + (Part ? " is reported, got " : " is clean, got ") +
            std::to_string(R) + " " + (R ? Report : ""));
}

static const char *Race = "race on";

static void shuffles() {
  auto From = [](const char *Instruction) {
    return "@%p1 mov.u32 %r6, 5;\n" + std::string(Instruction) +
           "\nst.global.u32 [%rd4], %r7;\n";
  };
  const char *Report = "uninitialised register, operand 3";
  expect("a shuffle from the lane that has a value",
         From("shfl.sync.idx.b32 %r7, %r6, 0, 31, -1;"), nullptr, OneWarp);
  expect("a shuffle from a lane that has none",
         From("shfl.sync.idx.b32 %r7, %r6, 1, 31, -1;"), Report, OneWarp);
  expect("a shuffle upwards", From("shfl.sync.up.b32 %r7, %r6, 1, 0, -1;"),
         Report, OneWarp);
  expect("a shuffle of a segment",
         From("shfl.sync.idx.b32 %r7, %r6, 0, 0x101f, -1;"), Report, OneWarp);
}

/// Thread 0 writes a word and sets a flag; thread 32 waits for the flag and
/// reads the word.
static std::string flag(const char *Set, const char *Test, const char *After) {
  return std::string("@%p1 st.shared.u32 [tile], 0;\nbar.sync 0;\n"
                     "@%p1 bra SET;\n@%p2 bra WAIT;\nbra DONE;\n"
                     "SET:\nst.shared.u32 [tile+4], 5;\n") +
         Set + "\nbra DONE;\nWAIT:\n" + Test +
         "\nsetp.eq.u32 %p3, %r5, 0;\n@%p3 bra WAIT;\n" + After +
         "\nld.shared.u32 %r6, [tile+4];\nst.global.u32 [%rd4], %r6;\nDONE:\n";
}

static void flags() {
  auto Try = [](const char *What, const char *Set, const char *Test,
                const char *After, const char *Part) {
    expect(What, flag(Set, Test, After), Part, TwoWarps);
  };
  const char *Volatile = "ld.volatile.shared.u32 %r5, [tile];";
  const char *Fenced = "membar.cta; st.volatile.shared.u32 [tile], 1;";
  Try("release and acquire", "st.release.cta.shared.u32 [tile], 1;",
      "ld.acquire.cta.shared.u32 %r5, [tile];", "", nullptr);
  Try("release and relaxed read", "st.release.cta.shared.u32 [tile], 1;",
      "ld.relaxed.cta.shared.u32 %r5, [tile];", "", Race);
  Try("relaxed write and acquire", "st.relaxed.cta.shared.u32 [tile], 1;",
      "ld.acquire.cta.shared.u32 %r5, [tile];", "", Race);
  Try("volatile accesses with fences", Fenced, Volatile, "membar.cta;",
      nullptr);
  Try("no fence before the flag", "st.volatile.shared.u32 [tile], 1;", Volatile,
      "membar.cta;", Race);
  Try("no fence behind the flag", Fenced, Volatile, "", Race);
  Try("a fence before the data only",
      "st.shared.u32 [tile+4], 6; st.volatile.shared.u32 [tile], 1;", Volatile,
      "membar.cta;", Race);
  Try("a plain write of the flag", "membar.cta; st.shared.u32 [tile], 1;",
      Volatile, "membar.cta;", Race);
  Try("atomic operations with fences",
      "membar.cta; atom.shared.exch.b32 %r7, [tile], 1;",
      "atom.shared.add.u32 %r5, [tile], 0;", "membar.cta;", nullptr);
  Try("atomic operations alone", "atom.shared.exch.b32 %r7, [tile], 1;",
      "atom.shared.add.u32 %r5, [tile], 0;", "", Race);
  Try("acquiring and releasing atomic operations",
      "atom.release.cta.shared.exch.b32 %r7, [tile], 1;",
      "atom.acquire.cta.shared.add.u32 %r5, [tile], 0;", "", nullptr);
}

static void counters() {
  std::string Zero = "@%p1 st.shared.u32 [tile], 0;\n",
              Add = "atom.shared.add.u32 %r5, [tile], 1;\n";
  expect("a shared counter", Zero + "bar.sync 0;\n" + Add, nullptr, TwoWarps);
  expect("a shared counter that is set to zero too late", Zero + Add, Race,
         TwoWarps);
  expect("a shared counter that nobody set", Add, "uninitialised shared memory",
         TwoWarps);
  expect("an exchange with memory that nobody wrote",
         "atom.shared.exch.b32 %r5, [tile], 1;\n", nullptr, TwoWarps);
  expect("a global counter that one CTA sets to zero",
         "setp.eq.u32 %p3, %r2, 0;\nand.pred %p3, %p3, %p1;\n"
         "@%p3 st.global.u32 [%rd1], 0;\nred.global.add.u32 [%rd1], 1;\n",
         "race on global address", TwoCtas);
  std::string Loop = "ld.shared.u32 %r5, [tile];\nAGAIN:\n"
                     "add.u32 %r6, %r5, 1;\n"
                     "atom.shared.cas.b32 %r7, [tile], %r5, %r6;\n"
                     "setp.ne.u32 %p3, %r7, %r5;\nmov.u32 %r5, %r7;\n"
                     "@%p3 bra AGAIN;\n";
  expect("a loop of compare-and-swap", Zero + "bar.sync 0;\n" + Loop, nullptr,
         TwoWarps);
  expect("a plain read beside additions",
         Zero + "bar.sync 0;\n@!%p2 bra READ;\n" + Add +
             "bra DONE;\nREAD:\nld.shared.u32 %r5, [tile];\nDONE:\n",
         Race, TwoWarps);
}

static void globalFlags() {
  auto Flag = [](const char *Before, const char *After) {
    return "setp.ne.u32 %p3, %r2, 0;\n@!%p1 bra DONE;\n@%p3 bra WAIT;\n"
           "st.global.u32 [%rd2], 5;\n" +
           std::string(Before) +
           "atom.global.exch.b32 %r5, [%rd1], 1;\nbra DONE;\nWAIT:\n"
           "ld.volatile.global.u32 %r5, [%rd1];\nsetp.eq.u32 %p4, %r5, 0;\n"
           "@%p4 bra WAIT;\n" +
           After +
           "ld.global.u32 %r6, [%rd2];\nst.global.u32 [%rd1+64], %r6;\nDONE:\n";
  };
  const char *Report = "race on global address", *Fence = "membar.gl;\n";
  expect("a global flag with fences", Flag(Fence, Fence), nullptr, TwoCtas);
  expect("no fence before a global flag", Flag("", Fence), Report, TwoCtas);
  expect("no fence behind a global flag", Flag(Fence, ""), Report, TwoCtas);
  // Every thread fences its own write before the barrier, one sets the flag.
  auto Grid = [](const char *Before) {
    return "setp.ne.u32 %p3, %r2, 0;\n@%p3 bra WAIT;\n"
           "add.u64 %rd5, %rd2, %rd3;\nst.global.u32 [%rd5], %r1;\n" +
           std::string(Before) +
           "bar.sync 0;\n@%p1 red.global.add.u32 [%rd1], 1;\nbra DONE;\n"
           "WAIT:\n@!%p1 bra GO;\nPOLL:\nld.volatile.global.u32 %r5, [%rd1];\n"
           "setp.eq.u32 %p4, %r5, 0;\n@%p4 bra POLL;\nGO:\nbar.sync 0;\n"
           "membar.gl;\nld.global.u32 %r6, [%rd2+252];\n"
           "st.global.u32 [%rd4+256], %r6;\nDONE:\n";
  };
  Shape Wide{{2}, {64}, {}};
  expect("fences of all threads before a barrier", Grid(Fence), nullptr, Wide);
  expect("a barrier alone before a global flag", Grid(""), Report, Wide);
}

static void barrierObjects() {
  std::string Init = "@%p1 mbarrier.init.shared.b64 [tile], 64;\n",
              Arrive = "mbarrier.arrive.shared.b64 %rd9, [tile];\n",
              Sync = "bar.sync 0;\n";
  expect("an mbarrier object", Init + Sync + Arrive, nullptr, TwoWarps);
  expect("arrivals that do not wait for the initialisation", Init + Arrive,
         "not ordered after its initialisation", TwoWarps);
  std::string Store = "mov.u64 %rd9, 7;\n@%p2 st.shared.u64 [tile], %rd9;\n";
  const char *Report = "has not been invalidated";
  expect("a store to an mbarrier object", Init + Sync + Store, Report,
         TwoWarps);
  expect("a narrow store to its end",
         Init + Sync + "@%p2 st.shared.u8 [tile+7], %r1;\n", Report, TwoWarps);
  expect("a store behind it",
         Init + Sync + "@%p2 st.shared.u8 [tile+8], %r1;\n", nullptr, TwoWarps);
  expect("a store once it is invalid",
         Init + Sync + "@%p1 mbarrier.inval.shared.b64 [tile];\n" + Sync +
             Store,
         nullptr, TwoWarps);
}

/// One thread loads two tiles, each with an object of its own, and may wait for
/// either of them before all read the first tile.
static void bulkLoads(const Shape &Hopper) {
  auto Load = [](const std::string &Wait, const std::string &After = "") {
    return "@%p1 mbarrier.init.shared.b64 [tile+512], 1;\n"
           "@%p1 mbarrier.init.shared.b64 [tile+520], 1;\n"
           "@%p1 fence.mbarrier_init.release.cluster;\nbar.sync 0;\n"
           "mov.u32 %r5, tile+512;\nmov.u32 %r6, tile+520;\n"
           "add.u32 %r7, %r3, 128;\n@!%p1 bra WAIT;\n"
           "mbarrier.arrive.expect_tx.shared.b64 _, [%r5], 128;\n"
           "mbarrier.arrive.expect_tx.shared.b64 _, [%r6], 128;\n"
           "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
           "[%r3], [%rd1], 128, [%r5];\n"
           "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
           "[%r7], [%rd1], 128, [%r6];\nWAIT:\nbar.warp.sync -1;\n" +
           Wait + "ld.shared.u32 %r8, [%r4];\nst.global.u32 [%rd2], %r8;\n" +
           After;
  };
  auto Until = [](const std::string &Object, const char *Phase) {
    std::string Label = "AGAIN" + Object.substr(2);
    return Label + ":\nmbarrier.try_wait.parity.shared.b64 %p3, [" + Object +
           "], " + Phase + ";\n@!%p3 bra " + Label + ";\n";
  };
  // All lanes store the same word to one address.
  expect("bulk loads that are waited for",
         Load(Until("%r5", "0"), Until("%r6", "0")), nullptr, Hopper);
  expect("a bulk load that the CTA's end does not follow",
         Load(Until("%r5", "0")), "the CTA ends", Hopper);
  const char *Report = "by copy that completes on the mbarrier at";
  expect("a bulk load that is not", Load(""), Report, Hopper);
  // Where the copy has ended at once, the wait itself never ends.
  expect("a bulk load of which the phase before is waited for",
         Load(Until("%r5", "1")), "kernel 'k'", Hopper);
  expect("a bulk load while another one is waited for", Load(Until("%r6", "0")),
         Report, Hopper);
}

static void lifetimes() {
  auto Copy = [](const char *Before) {
    return "cp.async.ca.shared.global [%r4], [%rd4], 4;\n"
           "cp.async.commit_group;\n" +
           std::string(Before) +
           "st.global.u32 [%rd4], %r1;\ncp.async.wait_group 0;\n";
  };
  expect("a write of a copy's source", Copy("cp.async.wait_group 0;\n"),
         nullptr, OneWarp);
  expect("a write of a running copy's source", Copy(""), "cp.async of warp 0",
         OneWarp);

  Shape Pair{{2}, {32}, {2}, "sm_90a"};
  std::string Sync = "barrier.cluster.arrive.aligned;\n"
                     "barrier.cluster.wait.aligned;\n";
  std::string Read = "st.shared.u32 [%r4], %r1;\n" + Sync +
                     "xor.b32 %r5, %r2, 1;\n"
                     "mapa.shared::cluster.u32 %r6, %r4, %r5;\n"
                     "ld.shared::cluster.u32 %r7, [%r6];\n";
  expect("a read of the other CTA's memory", Read + Sync, nullptr, Pair);
  expect("a CTA that ends too early", Read, "shared memory", Pair);

  Shape Hopper{{1}, {32}, {}, "sm_90a"};
  auto Store = [](const char *Wait) {
    return "st.shared.u32 [%r4], %r1;\nfence.proxy.async.shared::cta;\n"
           "bar.sync 0;\n@!%p1 bra DONE;\n"
           "cp.async.bulk.global.shared::cta.bulk_group [%rd2], [%r3], 128;\n"
           "cp.async.bulk.commit_group;\n" +
           std::string(Wait) + "DONE:\n";
  };
  expect("a bulk copy that is waited for",
         Store("cp.async.bulk.wait_group 0;\n"), nullptr, Hopper);
  expect("a bulk copy that is not", Store(""), "before a bulk copy by warp 0",
         Hopper);

  bulkLoads(Hopper);

  Shape Group{{1}, {128}, {}, "sm_90a"};
  expect(
      "a first product without a fence",
      "mov.u64 %rd9, 0;\nwgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 "
      "{%f1, %f2, %f3, %f4}, %rd9, %rd9, 0, 1, 1, 0, 0;\n",
      "no wgmma.fence before it", Group);
}

static void localMemory() {
  std::string Write = "st.local.u32 [own], %r1;\n";
  const char *Report = "uninitialised local memory";
  expect("local memory", Write + "ld.local.u32 %r5, [own];\n", nullptr,
         OneWarp);
  expect("local memory nobody wrote", Write + "ld.local.u32 %r5, [own+4];\n",
         Report, OneWarp);
  expect("a vector of which a part is written",
         Write + "ld.local.v2.u32 {%r5, %r6}, [own];\n", Report, OneWarp);
  expect("a word with bytes that nobody needs",
         Write + "st.local.u8 [own+4], %r1;\nld.local.u32 %r5, [own+4];\n",
         nullptr, OneWarp);
}

/// Values that nobody wrote may be read where the user says so.
static void setting() {
  std::string Read = "add.u32 %r5, %r6, 1;\nld.shared.u32 %r7, [tile];\n"
                     "ld.local.u32 %r8, [own];\n";
  expect("a register nobody wrote", Read, "uninitialised register", OneWarp);
  api().ptxsimConfigure("UNINITIALISED", "0");
  expect("reads of anything", Read, nullptr, OneWarp);
  api().ptxsimConfigure("UNINITIALISED", "1");
  expect("a register nobody wrote", Read, "uninitialised register", OneWarp);
}

int main() {
  api().ptxsimConfigure("RACE", "1");
  api().ptxsimConfigure("BUDGET", "2000000");
  for (const char *Mode : {"late", "eager", "seed:3"}) {
    api().ptxsimConfigure("MODE", Mode);
    shuffles();
    flags();
    counters();
    globalFlags();
    barrierObjects();
    lifetimes();
    localMemory();
  }
  setting();
  return finish("OrderTest");
}
