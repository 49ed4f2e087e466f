// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race checks of bulk and tensor copies within a CTA, on both of their sides:
// waits that are missing or too weak, proxy fences, copies that overlap, phases
// of mbarrier objects. Each wrong kernel must be reported in its own words, in
// every mode; the correct one beside it must not.
#include "Driver.h"

using namespace test;

static std::string module(const std::string &Body) {
  return ".version 8.6\n.target sm_90a\n.address_size 64\n"
         ".visible .entry k(.param .u64 a, .param .align 64 .b8 map[128])\n{\n"
         ".reg .pred %p<8>;\n.reg .b16 %rs<4>;\n.reg .b32 %r<16>;\n"
         ".reg .b64 %rd<16>;\n"
         ".shared .align 128 .b8 tile[2048];\n.shared .align 8 .b64 bar;\n"
         "ld.param.u64 %rd1, [a];\nmov.b64 %rd2, map;\n"
         "cvta.param.u64 %rd2, %rd2;\nmov.u32 %r1, %tid.x;\n"
         "mul.wide.u32 %rd3, %r1, 4;\nadd.u64 %rd4, %rd1, %rd3;\n"
         "mov.u32 %r3, tile;\nshl.b32 %r4, %r1, 2;\nadd.u32 %r4, %r4, %r3;\n"
         "mov.u32 %r5, bar;\nmov.u32 %r6, 0;\nmov.b16 %rs1, 0;\n"
         "setp.eq.u32 %p1, %r1, 0;\nsetp.ge.u32 %p2, %r1, 32;\n"
         "@%p1 mbarrier.init.shared.b64 [%r5], 1;\nbar.sync 0;\n" +
         Body + "ret;\n}\n";
}

// ---- pieces of kernels -----------------------------------------------------
/// The forms of a copy of 256 bytes, by the tensor map that they take.
enum class Form { Bulk, Tile, Im2col };
static const char *nameOf(Form F) {
  return F == Form::Bulk ? "bulk" : F == Form::Tile ? "tile" : "im2col";
}

static const std::string
    Barrier = "bar.sync 0;\n",
    Expect = "@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r5], 256;\n",
    Fence = "fence.proxy.async;\n",
    Commit = "@%p1 cp.async.bulk.commit_group;\n",
    WaitAll = "@%p1 cp.async.bulk.wait_group 0;\n",
    WaitRead = "@%p1 cp.async.bulk.wait_group.read 0;\n",
    ReadGlobal = "ld.global.u32 %r8, [%rd4];\n",
    WriteGlobal = "st.global.u32 [%rd4], %r1;\n",
    ReadShared = "ld.shared.u32 %r8, [%r4];\n",
    WriteShared = "st.shared.u32 [%r4], %r1;\n";

static std::string wait(int Parity) {
  std::string Label = "W" + std::to_string(Parity);
  return Label + ":\nmbarrier.try_wait.parity.shared.b64 %p3, [%r5], " +
         std::to_string(Parity) + ";\n@!%p3 bra " + Label + ";\n";
}
static std::string load(Form F, const char *To = "%r3") {
  std::string Copy = "cp.async.bulk.", S = "@%p1 ";
  std::string Middle = "mbarrier::complete_tx::bytes [" + std::string(To) + "]";
  switch (F) {
  case Form::Bulk:
    return S + Copy + "shared::cluster.global." + Middle +
           ", [%rd1], 256, [%r5];\n";
  case Form::Tile:
    return S + Copy + "tensor.1d.shared::cluster.global.tile." + Middle +
           ", [%rd2, {%r6}], [%r5];\n";
  case Form::Im2col: break;
  }
  return S + Copy + "tensor.3d.shared::cluster.global.im2col." + Middle +
         ", [%rd2, {%r6, %r6, %r6}], [%r5], {%rs1};\n";
}
static std::string store(Form F, bool Reduces, const char *From = "%r3") {
  std::string Copy = Reduces ? "cp.reduce.async.bulk." : "cp.async.bulk.";
  std::string Source = "[" + std::string(From) + "]";
  if (F == Form::Bulk)
    return "@%p1 " + Copy + "global.shared::cta.bulk_group" +
           (Reduces ? ".add.u32" : "") + " [%rd1], " + Source + ", 256;\n";
  return "@%p1 " + Copy + "tensor.1d.global.shared::cta" +
         (Reduces ? ".add" : "") + ".tile.bulk_group [%rd2, {%r6}], " + Source +
         ";\n";
}

/// A map of the 64 words from P on, all of them one box.
static CUtensorMap mapOf(CUdeviceptr P, Form F) {
  CUtensorMap M{};
  constexpr int Uint32 = 2;
  auto *At = reinterpret_cast<void *>(P);
  uint32_t Ones[] = {1, 1, 1};
  if (F == Form::Im2col) { // 4 channels, 8 columns, 2 images
    uint64_t Extent[] = {4, 8, 2}, Stride[] = {16, 128};
    int Corner[] = {0};
    api().cuTensorMapEncodeIm2col(&M, Uint32, 3, At, Extent, Stride, Corner,
                                  Corner, 4, 16, Ones, 0, 0, 0, 0);
  } else {
    uint64_t Extent[] = {64}, Stride[] = {0};
    uint32_t Box[] = {64};
    api().cuTensorMapEncodeTiled(&M, Uint32, 1, At, Extent, Stride, Box, Ones,
                                 0, 0, 0, 0);
  }
  return M;
}

/// Runs Body in all modes; expects a report that contains Part, or none if Part
/// is null.
static void expect(const std::string &What, Form F, const std::string &Body,
                   const char *Part, unsigned Ctas = 1) {
  forModes([&](const std::string &Mode) {
    Kernel K(module(Body), "k");
    if (!check(K.Ok, What + ": " + K.Error))
      return;
    Buffer A(std::vector<int>(256));
    CUresult R = K.arg(A.Address).arg(mapOf(A.Address, F)).run({Ctas}, {64}, 0);
    std::string Report = api().ptxsimLastReport();
    bool Found = R != CUDA_SUCCESS && Part && Report.find(Part) != Report.npos;
    check(Part ? Found : R == CUDA_SUCCESS,
          What + ", " + nameOf(F) + ", mode " + Mode +
              (Part ? " is reported, got " : " is clean, got ") +
              std::to_string(R) + " " + (R ? Report : ""));
  });
}

// ---- the cases -------------------------------------------------------------
static const char *const Race = "race on global address",
                         *const NoFence = "missing fence.proxy.async: global",
                         *const NoSharedFence =
                             "missing fence.proxy.async: shared";

static void loads(Form F) {
  std::string Load = Expect + load(F);
  expect("a source written before, with a fence", F,
         WriteGlobal + Fence + Barrier + Load + wait(0) + ReadShared, nullptr);
  expect("a source written before, fenced by the warp that loads", F,
         WriteGlobal + Barrier + "@!%p2 " + Fence + Load + wait(0), nullptr);
  expect("a source written before, fenced by a third warp", F,
         "@!%p2 " + WriteGlobal + Barrier + "@%p2 " + Fence + Barrier + Load +
             wait(0),
         nullptr);
  expect("a source written before, without a fence", F,
         WriteGlobal + Barrier + Load + wait(0), NoFence);
  expect("a source written before, with a fence for shared memory", F,
         WriteGlobal + "fence.proxy.async.shared::cta;\n" + Barrier + Load +
             wait(0),
         NoFence);
  expect("a source written after the wait", F, Load + wait(0) + WriteGlobal,
         nullptr);
  expect("a source written while the load is under way", F,
         Load + Barrier + WriteGlobal + wait(0), Race);
  expect("a source written behind a barrier of who has waited", F,
         Load + "@%p2 bra B;\n" + wait(0) + "B:\n" + Barrier + WriteGlobal,
         nullptr);
  expect("a source written by a warp that has not waited", F,
         Load + Barrier + "@%p2 " + WriteGlobal + wait(0), Race);
  expect("a load over written bytes, with a fence", F,
         WriteShared + Fence + Barrier + Load + wait(0) + ReadShared, nullptr);
  expect("a load over written bytes, without a fence", F,
         WriteShared + Barrier + Load + wait(0) + ReadShared, NoSharedFence);
}

static void stores(Form F, bool Reduces) {
  std::string Fill = WriteShared + Fence + Barrier,
              Store = store(F, Reduces) + Commit;
  expect("a destination read after the wait", F,
         Fill + Store + WaitAll + Barrier + ReadGlobal, nullptr);
  expect("a destination read after wait_group.read", F,
         Fill + Store + WaitRead + Barrier + ReadGlobal + WaitAll, Race);
  expect("a destination read without a wait", F,
         Fill + Store + Barrier + ReadGlobal + WaitAll, Race);
  expect("a destination read by the thread itself without a wait", F,
         Fill + Store + "@%p1 " + ReadGlobal + WaitAll, Race);
  expect("a destination read by a warp that nothing orders", F,
         Fill + Store + WaitAll + "@%p2 " + ReadGlobal, Race);
  expect("a destination read while a younger group may run", F,
         Fill + Store + Commit + "@%p1 cp.async.bulk.wait_group 1;\n" +
             Barrier + ReadGlobal + WaitAll,
         nullptr);
  expect("a destination read while its group may run", F,
         Fill + Commit + Store + "@%p1 cp.async.bulk.wait_group 1;\n" +
             Barrier + ReadGlobal + WaitAll,
         Race);
  expect("a destination written without a wait", F,
         Fill + Store + Barrier + WriteGlobal + WaitAll, Race);
  expect("a destination written before, with a fence", F,
         WriteGlobal + Fill + Store + WaitAll, nullptr);
  expect("a destination written before, without a fence", F,
         WriteShared + Fence + WriteGlobal + Barrier + Store + WaitAll,
         NoFence);
  expect("a destination loaded by the next copy after the wait", F,
         Fill + Store + WaitAll + Expect + load(F, "%r3+512") + wait(0),
         nullptr);
  expect("a destination loaded by the next copy without a wait", F,
         Fill + Store + Expect + load(F, "%r3+512") + wait(0) + WaitAll, Race);
}

static void twoStores(Form F) {
  std::string Fill =
      WriteShared + "st.shared.u32 [%r4+512], 1;\n" + Fence + Barrier;
  auto Two = [&](bool First, bool Second, const std::string &Between) {
    return Fill + store(F, First) + Between + store(F, Second, "%r3+512") +
           Commit + WaitAll;
  };
  expect("stores with a wait between them", F,
         Two(false, false, Commit + WaitAll), nullptr);
  expect("stores of one group", F, Two(false, false, ""), Race);
  expect("stores of two groups", F, Two(false, false, Commit + WaitRead), Race);
  expect("a reduction after a store", F, Two(false, true, Commit), Race);
  expect("two reductions", F, Two(true, true, ""), nullptr);
}

static void phases() {
  Form F = Form::Bulk;
  std::string Half = "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::"
                     "complete_tx::bytes [%r3+",
              Rest = "], [%rd1], 128, [%r5];\n";
  std::string First = Half + "0" + Rest, Second = Half + "128" + Rest;
  auto ExpectBytes = [](int N) {
    return "@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r5], " +
           std::to_string(N) + ";\n";
  };
  expect("two copies in one phase", F,
         ExpectBytes(256) + First + Second + wait(0) + ReadShared, nullptr);
  expect("copies before the bytes are expected", F,
         First + Second + ExpectBytes(256) + wait(0) + ReadShared, nullptr);
  // Whichever of the two comes first ends the phase.
  expect("a phase that expects the bytes of one copy", F,
         ExpectBytes(128) + First + Second + wait(0) + ReadShared, "mbarrier");
  expect("a copy in a second phase", F,
         ExpectBytes(128) + First + wait(0) + Barrier + ExpectBytes(128) +
             Second + wait(1) + ReadShared,
         nullptr);
}

/// The destination of one CTA's store is read by another behind a flag.
static void betweenCtas() {
  auto Flag = [](const std::string &Wait) {
    return "mov.u32 %r2, %ctaid.x;\nsetp.ne.u32 %p4, %r2, 0;\n"
           "@%p4 bra WAIT;\n" +
           WriteShared + Fence + Barrier + store(Form::Bulk, false) + Commit +
           Wait + "@%p1 st.release.gpu.global.u32 [%rd1+512], 1;\n" + WaitAll +
           "bra DONE;\nWAIT:\nld.acquire.gpu.global.u32 %r7, [%rd1+512];\n"
           "setp.eq.u32 %p5, %r7, 0;\n@%p5 bra WAIT;\n" +
           ReadGlobal + "DONE:\n";
  };
  expect("a flag behind the wait", Form::Bulk, Flag(WaitAll), nullptr, 2);
  expect("a flag behind wait_group.read", Form::Bulk, Flag(WaitRead), Race, 2);
  auto Load = [](const std::string &Before, const std::string &After) {
    return "mov.u32 %r2, %ctaid.x;\nsetp.ne.u32 %p4, %r2, 0;\n"
           "@%p4 bra WAIT;\n" +
           WriteGlobal + Before + Barrier +
           "@%p1 st.release.gpu.global.u32 [%rd1+512], 1;\nbra DONE;\n"
           "WAIT:\nld.acquire.gpu.global.u32 %r7, [%rd1+512];\n"
           "setp.eq.u32 %p5, %r7, 0;\n@%p5 bra WAIT;\n" +
           After + Expect + load(Form::Bulk) + wait(0) + "DONE:\n";
  };
  expect("another CTA's bytes, fenced there", Form::Bulk, Load(Fence, ""),
         nullptr, 2);
  expect("another CTA's bytes, fenced here", Form::Bulk, Load("", Fence),
         nullptr, 2);
  expect("another CTA's bytes without a fence", Form::Bulk, Load("", ""),
         NoFence, 2);
}

int main() {
  api().ptxsimConfigure("RACE", "1");
  for (Form F : {Form::Bulk, Form::Tile, Form::Im2col})
    loads(F);
  for (Form F : {Form::Bulk, Form::Tile}) {
    stores(F, false);
    stores(F, true);
    twoStores(F);
  }
  phases();
  betweenCtas();
  return finish("BulkRaceTest");
}
