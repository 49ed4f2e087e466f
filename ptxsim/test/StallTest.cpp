// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that never end because all their warps poll what nobody changes are
// reported long before their budget is used up; kernels that only take long,
// or wait for what comes late, are not.
#include "Driver.h"
#include <chrono>

using namespace test;

static std::string module(const std::string &Body) {
  return ".version 8.0\n.target sm_90a\n.address_size 64\n"
         ".visible .entry k(.param .u64 a)\n{\n"
         ".reg .pred %p<8>;\n.reg .b32 %r<16>;\n.reg .b64 %rd<16>;\n"
         ".shared .align 128 .b8 tile[1024];\n"
         "ld.param.u64 %rd1, [a];\nmov.u32 %r1, %tid.x;\n"
         "mov.u32 %r2, %ctaid.x;\nmov.u32 %r3, tile;\n"
         "setp.eq.u32 %p1, %r1, 0;\nsetp.lt.u32 %p2, %r1, 32;\n" +
         Body + "ret;\n}\n";
}
struct Shape {
  Dim Grid{1}, Block{64};
};
/// Runs Body on a buffer of zeros; expects a report that contains Part, or none
/// if Part is null.
static void expect(const std::string &What, const std::string &Body,
                   const char *Part, const Shape &On = {}) {
  Kernel K(module(Body), "k");
  if (!check(K.Ok, What + ": " + K.Error))
    return;
  Buffer A(std::vector<int>(256));
  auto Begin = std::chrono::steady_clock::now();
  CUresult R = K.arg(A.Address).run(On.Grid, On.Block);
  std::chrono::duration<double> Took = std::chrono::steady_clock::now() - Begin;
  std::string Report = R ? api().ptxsimLastReport() : "";
  check(R == (Part ? CUDA_ERROR_LAUNCH_TIMEOUT : CUDA_SUCCESS) &&
            (!Part || Report.find(Part) != Report.npos),
        What + ": got " + std::to_string(R) + " " + Report);
  check(Took.count() < 20, What + ": took " + std::to_string(Took.count()));
}

static const char *Stalled = "nobody changes what they look at";
static const char Poll[] = "AGAIN:\nld.volatile.global.u32 %r5, [%rd1];\n"
                           "setp.eq.u32 %p3, %r5, 0;\n@%p3 bra AGAIN;\n";
static const char Lock[] = "AGAIN:\natom.global.cas.b32 %r5, [%rd1], 0, 1;\n"
                           "setp.ne.u32 %p3, %r5, 0;\n@%p3 bra AGAIN;\n";

static void stalls() {
  expect("a flag that nobody sets", Poll, Stalled);
  expect("a lock that its owner does not give back", Lock, Stalled);
  expect("a lock by exchange",
         "AGAIN:\natom.global.exch.b32 %r5, [%rd1], 1;\n"
         "setp.ne.u32 %p3, %r5, 0;\n@%p3 bra AGAIN;\n",
         Stalled);
  expect("an empty loop", "AGAIN:\nbra AGAIN;\n", Stalled);
  expect("one warp at a barrier, the other in a loop",
         "@!%p2 bra OTHER;\nbar.sync 1, 64;\nOTHER:\n" + std::string(Poll),
         Stalled);
  expect("a barrier of the grid that one CTA leaves out",
         "setp.eq.u32 %p4, %r2, 2;\n@%p4 ret;\nbar.sync 0;\n"
         "@!%p1 bra WAIT;\natom.global.add.u32 %r5, [%rd1], 1;\nWAIT:\n"
         "ld.acquire.gpu.global.u32 %r5, [%rd1];\nsetp.lt.u32 %p3, %r5, 4;\n"
         "@%p3 bra WAIT;\n",
         Stalled, {{4}, {64}});
  expect("lanes that wait for each other in one warp",
         "and.b32 %r6, %r1, 1;\nsetp.eq.u32 %p4, %r6, 0;\n@%p4 bra ODD;\n"
         "A:\nld.volatile.global.u32 %r5, [%rd1];\nsetp.eq.u32 %p3, %r5, 0;\n"
         "@%p3 bra A;\nODD:\nB:\nld.volatile.global.u32 %r5, [%rd1+4];\n"
         "setp.eq.u32 %p3, %r5, 0;\n@%p3 bra B;\n",
         Stalled);
}

static void endingLoops() {
  // Long enough for several references; nothing is written meanwhile.
  expect("a long computation",
         "mov.u32 %r4, 1000000;\nmov.u32 %r5, %r1;\nAGAIN:\n"
         "mad.lo.u32 %r5, %r5, 1664525, 1013904223;\nsub.u32 %r4, %r4, 1;\n"
         "setp.ne.u32 %p3, %r4, 0;\n@%p3 bra AGAIN;\n"
         "st.global.u32 [%rd1], %r5;\n",
         nullptr, {{1}, {32}});
  expect("a loop until some time has passed",
         "mov.u64 %rd2, %clock64;\nadd.u64 %rd2, %rd2, 1000000;\nAGAIN:\n"
         "mov.u64 %rd3, %clock64;\nsetp.lt.u64 %p3, %rd3, %rd2;\n"
         "mov.u64 %rd3, 0;\n@%p3 bra AGAIN;\n",
         nullptr, {{1}, {32}});
  expect("a flag that a slow warp sets",
         "@%p2 bra AGAIN;\nmov.u32 %r4, 1000000;\nSLOW:\n"
         "sub.u32 %r4, %r4, 1;\nsetp.ne.u32 %p3, %r4, 0;\n@%p3 bra SLOW;\n"
         "st.volatile.global.u32 [%rd1], 1;\nbra DONE;\n" +
             std::string(Poll) + "DONE:\n",
         nullptr);
  // In late mode the copy ends when nothing else can go on: that must count
  // warps that poll.
  expect("a flag that is set when a copy has come",
         "@%p1 mbarrier.init.shared.b64 [tile+512], 1;\n"
         "@%p1 st.shared.u32 [tile+256], 0;\nbar.sync 0;\n"
         "@!%p2 bra AGAIN;\nadd.u32 %r6, %r3, 512;\n@!%p1 bra WAIT;\n"
         "mbarrier.arrive.expect_tx.shared.b64 _, [%r6], 128;\n"
         "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
         "[%r3], [%rd1], 128, [%r6];\nWAIT:\n"
         "mbarrier.try_wait.parity.shared.b64 %p3, [%r6], 0;\n"
         "@!%p3 bra WAIT;\nst.volatile.shared.u32 [tile+256], 1;\nbra DONE;\n"
         "AGAIN:\nld.volatile.shared.u32 %r5, [tile+256];\n"
         "setp.eq.u32 %p3, %r5, 0;\n@%p3 bra AGAIN;\nDONE:\n",
         nullptr);
}

/// The host could still set the flag.
static void hostFlags() {
  static int Flag[1024];
  auto *Register = reinterpret_cast<CUresult (*)(void *, size_t, unsigned)>(
      librarySymbol("cuMemHostRegister_v2"));
  Register(Flag, sizeof(Flag), 0);
  api().ptxsimConfigure("BUDGET", "3000000");
  expect("a flag while host memory is shared", Poll, "did not end within");
  api().ptxsimConfigure("BUDGET", "4294967296");
}

int main() {
  api();
  for (const char *Mode : {"late", "eager", "seed:1", "seed:2"}) {
    api().ptxsimConfigure("MODE", Mode);
    stalls();
    endingLoops();
  }
  hostFlags();
  return finish("StallTest");
}
