// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stores and reductions that an mbarrier object counts (st.async, red.async,
// cp.reduce.async.bulk into shared memory), reductions of bulk groups, stores
// of masked bytes, and tensor maps that kernels change: values in all modes
// against the host, and planted races beside them.
#include "AsyncKernels.h"
#include <algorithm>

using namespace test;

/// Runs Body on a cluster of two CTAs of one warp, dynamic shared memory smem
/// with barrier objects at smem+1024: %r1 barrier, %r2 smem, %r3 thread, %r4
/// rank, %r5 barrier and %r6 smem of the other CTA, %rd1 out. Expects Want at
/// the begin of out, or a report that contains Part.
static void expect(const std::string &What, const std::string &Body,
                   const std::vector<uint32_t> &Want, const char *Part) {
  std::string Text = kernelOf(
      ".param .u64 out",
      "ld.param.u64 %rd1, [out];\nmov.u32 %r2, smem;\nadd.u32 %r1, %r2, 1024;\n"
      "mov.u32 %r3, %tid.x;\nmov.u32 %r4, %cluster_ctarank;\n"
      "xor.b32 %r7, %r4, 1;\nmapa.shared::cluster.u32 %r5, %r1, %r7;\n"
      "mapa.shared::cluster.u32 %r6, %r2, %r7;\nsetp.eq.u32 %p2, %r3, 0;\n"
      "setp.eq.u32 %p3, %r4, 0;\nshl.b32 %r8, %r3, 2;\nadd.u32 %r9, %r2, %r8;\n"
      "add.u32 %r10, %r6, %r8;\ncvt.u64.u32 %rd2, %r8;\n"
      "mad.wide.u32 %rd2, %r4, 128, %rd2;\nadd.u64 %rd2, %rd1, %rd2;\n"
      "@%p2 mbarrier.init.shared.b64 [%r1], 1;\n" +
          Body +
          "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n");
  forModes([&](const std::string &Mode) {
    for (const char *Race : {"0", "1"}) {
      if (Part && *Race == '0')
        continue;
      api().ptxsimConfigure("RACE", Race);
      Kernel K(Text, "k");
      if (!check(K.Ok, What + ": " + K.Error))
        return;
      Buffer Out(std::vector<uint32_t>(192, 0));
      CUresult R = K.arg(Out.Address).run({2}, {32}, 2048, {2});
      std::string Report = api().ptxsimLastReport(), Where = What + " " + Mode;
      if (Part) {
        check(R != CUDA_SUCCESS && Report.find(Part) != Report.npos,
              Where + " is reported, got " + std::to_string(R) + " " + Report);
        continue;
      }
      if (!check(R == CUDA_SUCCESS, Where + ": " + Report))
        continue;
      auto Got = Out.read<uint32_t>();
      check(std::equal(Want.begin(), Want.end(), Got.begin()),
            Where + ": values");
    }
  });
  api().ptxsimConfigure("RACE", "0");
}

static const std::string
    Meet = "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n",
    Show = "ld.shared.u32 %r20, [%r9];\nst.global.u32 [%rd2], %r20;\n";
static std::string expectBytes(int N) {
  return "@%p2 mbarrier.arrive.expect_tx.shared.b64 _, [%r1], " +
         std::to_string(N) + ";\n";
}
static std::vector<uint32_t> values(uint32_t (*Of)(uint32_t Cta, uint32_t T)) {
  std::vector<uint32_t> V;
  for (uint32_t K = 0; K < 64; ++K)
    V.push_back(Of(K / 32, K % 32));
  return V;
}

// ---- st.async --------------------------------------------------------------
static void stores() {
  std::string Value = "mad.lo.u32 %r11, %r4, 1000, %r3;\n";
  std::string One = "st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 "
                    "[%r10], %r11, [%r5];\n";
  auto Sent = values([](uint32_t C, uint32_t T) { return 1000 * (1 - C) + T; });
  expect("st.async", Value + expectBytes(128) + Meet + One + WaitPhase0 + Show,
         Sent, nullptr);
  expect("st.async of generic addresses",
         Value + expectBytes(128) + Meet +
             "cvt.u64.u32 %rd3, %r10;\ncvta.shared::cluster.u64 %rd3, %rd3;\n"
             "cvt.u64.u32 %rd4, %r5;\ncvta.shared::cluster.u64 %rd4, %rd4;\n"
             "st.async.weak.mbarrier::complete_tx::bytes.u32 [%rd3], %r11, "
             "[%rd4];\n" +
             WaitPhase0 + Show,
         Sent, nullptr);
  // Lanes 0-7 send four words each, lanes 0-15 two.
  std::string Four = "shl.b32 %r12, %r3, 4;\nadd.u32 %r13, %r6, %r12;\n"
                     "mul.lo.u32 %r14, %r3, 4;\nadd.u32 %r15, %r14, 1;\n"
                     "add.u32 %r16, %r14, 2;\nadd.u32 %r17, %r14, 3;\n"
                     "setp.lt.u32 %p4, %r3, 8;\n"
                     "@%p4 st.async.shared::cluster.mbarrier::complete_tx::"
                     "bytes.v4.s32 [%r13], {%r14, %r15, %r16, %r17}, [%r5];\n";
  expect("st.async.v4", expectBytes(128) + Meet + Four + WaitPhase0 + Show,
         values([](uint32_t, uint32_t T) { return T; }), nullptr);
  std::string Long = "shl.b32 %r12, %r3, 4;\nadd.u32 %r13, %r6, %r12;\n"
                     "cvt.u64.u32 %rd5, %r3;\nadd.u64 %rd6, %rd5, "
                     "4294967296;\nsetp.lt.u32 %p4, %r3, 8;\n"
                     "@%p4 st.async.shared::cluster.mbarrier::complete_tx::"
                     "bytes.v2.b64 [%r13], {%rd5, %rd6}, [%r5];\n";
  expect("st.async.v2.b64", expectBytes(128) + Meet + Long + WaitPhase0 + Show,
         values([](uint32_t, uint32_t T) {
           return T % 4 == 3 ? 1 : T % 4 == 1 ? 0 : T / 4;
         }),
         nullptr);
  expect("st.async that nobody waits for",
         Value + expectBytes(128) + Meet + One + Meet + Show, {},
         "race on shared address");
  expect("st.async over a value that may still be read",
         Value + "st.shared.u32 [%r9], %r3;\n" + expectBytes(128) + Meet +
             Show + One + WaitPhase0,
         {}, "race on shared address");
  expect("st.async whose bytes are not all expected",
         Value + expectBytes(64) + Meet + One + WaitPhase0 + Show, {},
         "mbarrier");
  expect("st.async before the barrier object is made",
         Value + expectBytes(128) + One + WaitPhase0 + Show, {}, "mbarrier");
}

// ---- red.async -------------------------------------------------------------
static void reductions() {
  struct Case {
    const char *Op;
    uint32_t Start, Value; // of all lanes of both CTAs
    uint32_t Want;
  };
  // 32 lanes of the other CTA reduce into word 0.
  for (const Case &C : {Case{"add.u32", 5, 3, 5 + 96},
                        {"add.s32", 5, ~0u, 5 - 32u},
                        {"min.s32", 5, uint32_t(-7), uint32_t(-7)},
                        {"min.u32", 5, uint32_t(-7), 5},
                        {"max.s32", 5, uint32_t(-7), 5},
                        {"max.u32", 5, uint32_t(-7), uint32_t(-7)},
                        {"and.b32", 0xff, 0x3c, 0x3c},
                        {"or.b32", 0xf0, 0x0f, 0xff},
                        {"xor.b32", 0xff, 0x0f, 0xff},
                        {"inc.u32", 0, 9, 2}, // 32 steps of a counter to 9
                        {"dec.u32", 0, 9, 8}}) {
    std::string Body =
        "st.shared.u32 [%r9], " + std::to_string(C.Start) + ";\n" +
        expectBytes(128) + Meet + "mov.u32 %r11, " + std::to_string(C.Value) +
        ";\nred.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::"
        "bytes." +
        C.Op + " [%r6], %r11, [%r5];\n" + WaitPhase0 + Show;
    std::vector<uint32_t> Want(64, C.Start);
    Want[0] = Want[32] = C.Want;
    expect(std::string("red.async.") + C.Op, Body, Want, nullptr);
  }
  expect("red.async.add.u64",
         "st.shared.u32 [%r9], 4294967295;\n" + expectBytes(256) + Meet +
             "mov.u64 %rd5, 1;\nred.async.relaxed.cluster.shared::cluster."
             "mbarrier::complete_tx::bytes.add.u64 [%r6], %rd5, [%r5];\n" +
             WaitPhase0 + Show,
         values([](uint32_t, uint32_t T) {
           return T == 0 ? 31u : T == 1 ? 0u : ~0u;
         }),
         nullptr);
  expect("red.async into words that nobody has written",
         expectBytes(128) + Meet +
             "red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::"
             "bytes.add.u32 [%r6], %r3, [%r5];\n" +
             WaitPhase0,
         {}, "uninitialised shared");
}

// ---- bulk reductions -------------------------------------------------------
static void bulkReductions() {
  struct Case {
    const char *Op;
    uint32_t (*Of)(uint32_t Old, uint32_t New);
  };
  auto Body = [](const std::string &Op, const std::string &Fence) {
    return "shl.b32 %r11, %r3, 3;\nst.shared.u32 [%r9], %r11;\n"
           "sub.u32 %r12, 100, %r3;\nst.shared.u32 [%r9+256], %r12;\n" +
           Fence + expectBytes(128) + Meet +
           "add.u32 %r13, %r2, 256;\n"
           "@%p2 cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::"
           "complete_tx::bytes." +
           Op + " [%r6], [%r13], 128, [%r5];\n" + WaitPhase0 + Show;
  };
  const std::string Fence = "fence.proxy.async;\n";
  for (const Case &C :
       {Case{"add.u32", [](uint32_t A, uint32_t B) { return A + B; }},
        {"add.s32", [](uint32_t A, uint32_t B) { return A + B; }},
        {"min.u32", [](uint32_t A, uint32_t B) { return std::min(A, B); }},
        {"max.s32", [](uint32_t A, uint32_t B) { return std::max(A, B); }},
        {"and.b32", [](uint32_t A, uint32_t B) { return A & B; }},
        {"or.b32", [](uint32_t A, uint32_t B) { return A | B; }},
        {"xor.b32", [](uint32_t A, uint32_t B) { return A ^ B; }},
        {"inc.u32", [](uint32_t A, uint32_t B) { return A >= B ? 0 : A + 1; }},
        {"dec.u32",
         [](uint32_t A, uint32_t B) { return !A || A > B ? B : A - 1; }}}) {
    std::vector<uint32_t> Want;
    for (uint32_t K = 0; K < 64; ++K)
      Want.push_back(C.Of(K % 32 * 8, 100 - K % 32));
    expect(std::string("bulk reduction ") + C.Op, Body(C.Op, Fence), Want,
           nullptr);
  }
  std::vector<uint32_t> Sums;
  for (uint32_t K = 0; K < 64; K += 2) {
    uint64_t A = (K % 32) * 8 | uint64_t(K % 32 + 1) * 8 << 32,
             B = (100 - K % 32) | uint64_t(99 - K % 32) << 32;
    Sums.push_back(uint32_t(A + B));
    Sums.push_back(uint32_t((A + B) >> 32));
  }
  expect("bulk reduction add.u64", Body("add.u64", Fence), Sums, nullptr);
  expect("bulk reduction without a fence", Body("add.u32", ""), {},
         "missing fence.proxy.async: shared");
}

/// Reductions and masked stores of bulk groups, from CTA 0 to out.
static void groups() {
  auto Body = [](const std::string &Copy) {
    return "st.shared.u32 [%r9], %r11;\nfence.proxy.async;\n"
           "st.global.u32 [%rd2], %r12;\nfence.proxy.async;\n" +
           Meet + "and.pred %p4, %p2, %p3;\n@%p4 " + Copy +
           "@%p4 cp.async.bulk.commit_group;\n"
           "@%p4 cp.async.bulk.wait_group 0;\n";
  };
  std::string Halves = // -2 and 3; 1 and -4
      "mov.u32 %r11, 0x4200c000;\nmov.u32 %r12, 0xc4003c00;\n",
              Bhalves = "mov.u32 %r11, 0x4040c000;\nmov.u32 %r12, "
                        "0xc0803f80;\n";
  auto Both = [](uint32_t First, uint32_t Second) {
    std::vector<uint32_t> V(32, First);
    V.resize(64, Second);
    return V;
  };
  std::string Reduce = "cp.reduce.async.bulk.global.shared::cta.bulk_group.",
              To = " [%rd1], [%r2], 128;\n";
  expect("min.f16", Halves + Body(Reduce + "min.f16" + To),
         Both(0xc400c000, 0xc4003c00), nullptr);
  expect("max.f16", Halves + Body(Reduce + "max.f16" + To),
         Both(0x42003c00, 0xc4003c00), nullptr);
  expect("min.bf16", Bhalves + Body(Reduce + "min.bf16" + To),
         Both(0xc080c000, 0xc0803f80), nullptr);
  expect("max.bf16", Bhalves + Body(Reduce + "max.bf16" + To),
         Both(0x40403f80, 0xc0803f80), nullptr);
  std::string Counts = "mov.u32 %r11, 9;\nmov.u32 %r12, 9;\n";
  expect("inc.u32", Counts + Body(Reduce + "inc.u32" + To), Both(0, 9),
         nullptr);
  expect("dec.u32", Counts + Body(Reduce + "dec.u32" + To), Both(8, 9),
         nullptr);
}

// ---- tensor maps -----------------------------------------------------------
/// Each CTA makes a map of rows of 32 words in shared memory, sets it from
/// Fields, publishes it at out+512 and loads a row through it.
static void maps() {
  auto Replace = [](const std::string &Field, const std::string &Values,
                    int Bits = 32) {
    return "@%p2 tensormap.replace.tile." + Field + ".shared::cta.b1024.b" +
           std::to_string(Bits) + " [%r2+512], " + Values + ";\n";
  };
  std::string Zero = "st.shared.u32 [%r9+512], 0;\nbar.warp.sync -1;\n";
  std::string Fields =
      Replace("global_address", "%rd1", 64) + Replace("rank", "1") +
      Replace("box_dim", "0, 32") + Replace("box_dim", "1, 1") +
      Replace("global_dim", "0, 30") + Replace("global_dim", "1, 2") +
      Replace("global_stride", "0, %rd5", 64) +
      Replace("element_stride", "0, 1") + Replace("element_stride", "1, 1") +
      Replace("elemtype", "2") + Replace("interleave_layout", "0") +
      Replace("swizzle_mode", "0") + Replace("fill_mode", "0");
  std::string Publish =
      "bar.warp.sync -1;\nadd.u32 %r11, %r2, 512;\n"
      "tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release."
      "gpu.sync.aligned [%rd6], [%r11], 128;\n";
  std::string Acquire =
      "fence.proxy.tensormap::generic.acquire.gpu [%rd6], 128;\n";
  std::string Load =
      expectBytes(128) +
      "@%p2 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
      "complete_tx::bytes [%r2], [%rd6, {0, %r4}], [%r1];\n" +
      WaitPhase0 + "ld.shared.u32 %r20, [%r9];\nadd.u32 %r20, %r20, 1;\n" +
      Meet + "st.global.u32 [%rd2], %r20;\n";
  auto Body = [&](const std::string &Set, const std::string &Fence) {
    return "mov.u64 %rd5, 128;\nmad.wide.u32 %rd6, %r4, 128, %rd1;\n"
           "add.u64 %rd6, %rd6, 512;\nst.global.u32 [%rd2], %r3;\n"
           "fence.proxy.async;\n" +
           Zero + Set + Publish + Meet + Fence + Load;
  };
  expect("a map of fields", Body(Fields, Acquire),
         values([](uint32_t, uint32_t T) { return T < 30 ? T + 1 : 1; }),
         nullptr);
  expect("a map that is not acquired", Body(Fields, ""), {},
         "missing fence.proxy.tensormap");
  expect("a stride of 24 bytes",
         Body(Fields + "mov.u64 %rd5, 24;\n" +
                  Replace("global_stride", "0, %rd5", 64),
              Acquire),
         {}, "no tensor map can have the value 0x18");
  expect("a box of 257 elements",
         Body(Fields + Replace("box_dim", "0, 257"), Acquire), {},
         "no tensor map can have the value 0x101");
}

int main() {
  stores();
  reductions();
  bulkReductions();
  groups();
  maps();
  return finish("AsyncStoreTest");
}
