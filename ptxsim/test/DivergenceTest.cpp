// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lanes of a warp on different paths: who waits for whom, and what is reported
// when they wait for ever.
#include "Driver.h"

using namespace test;
using Words = std::vector<unsigned>;

/// A kernel k(out) around Body; %r1 is the lane, %p1 says that it is below 16,
/// and the result is %r9.
static std::string module(const std::string &Body, const char *Target) {
  return std::string(".version 8.5\n.target ") + Target +
         "\n.address_size 64\n.visible .entry k(.param .u64 out)\n{\n"
         ".reg .b32 %r<10>;\n.reg .b64 %rd<4>;\n.reg .pred %p<8>;\n"
         ".reg .f32 %f<8>;\n"
         "mov.u32 %r1, %laneid;\nmov.u32 %r9, 0;\n"
         "setp.lt.u32 %p1, %r1, 16;\n" +
         Body +
         "ld.param.u64 %rd1, [out];\nmad.wide.u32 %rd1, %r1, 4, %rd1;\n"
         "st.global.u32 [%rd1], %r9;\nret;\n}\n";
}

static void gives(const char *What, const std::string &Body, const Words &Want,
                  const char *Target = "sm_80") {
  Kernel K(module(Body, Target), "k");
  if (!check(K.Ok, std::string(What) + ": " + K.Error))
    return;
  forModes([&](const std::string &Mode) {
    Buffer Out(Words(32, ~0u));
    CUresult R = K.arg(Out.Address).run({1}, {32});
    check(R == CUDA_SUCCESS && Out.read<unsigned>() == Want,
          What + (" in mode " + Mode) +
              (R ? std::string(": ") + api().ptxsimLastReport() : ""));
  });
}

static void fails(const char *What, const std::string &Body, CUresult Want,
                  std::initializer_list<const char *> Parts) {
  Kernel K(module(Body, "sm_80"), "k");
  check(K.Ok, std::string(What) + ": " + K.Error);
  Buffer Out(Words(32));
  CUresult R = K.arg(Out.Address).run({1}, {32});
  std::string Report = R ? api().ptxsimLastReport() : "";
  check(R == Want,
        std::string(What) + ": got " + std::to_string(R) + ", " + Report);
  for (const char *Part : Parts)
    check(Report.find(Part) != std::string::npos,
          std::string(What) + ": expected '" + Part + "' in: " + Report);
}

static Words eachLane(unsigned (*Fn)(unsigned)) {
  Words V;
  for (unsigned L = 0; L < 32; ++L)
    V.push_back(Fn(L));
  return V;
}

static const char *const Halves = "@%p1 bra A;\n";

static void meetings() {
  gives("one shuffle in two instructions",
        "@%p1 shfl.sync.bfly.b32 %r9, %r1, 31, 31, -1;\n"
        "@!%p1 shfl.sync.bfly.b32 %r9, %r1, 31, 31, -1;\n",
        eachLane([](unsigned L) { return 31 - L; }));
  gives("shuffles with other operands",
        std::string(Halves) +
            "add.u32 %r2, %r1, 100;\nmov.u32 %r3, 1;\n"
            "shfl.sync.bfly.b32 %r9|%p2, %r2, %r3, 31, -1;\nbra B;\n"
            "A:\nshl.b32 %r4, %r1, 8;\n"
            "shfl.sync.bfly.b32 %r9, %r4, 16, 31, -1;\nB:\n",
        eachLane([](unsigned L) { return (L < 16 ? L ^ 16 : L ^ 1) + 100; }));
  gives(
      "sum, greatest and equal values",
      std::string(Halves) +
          "redux.sync.add.u32 %r2, %r1, -1;\n"
          "cvt.u64.u32 %rd1, %r1;\nand.b64 %rd1, %rd1, 1;\n"
          "match.any.sync.b64 %r3, %rd1, -1;\nadd.u32 %r9, %r2, %r3;\nbra B;\n"
          "A:\nmul.lo.u32 %r4, %r1, 1000;\n"
          "redux.sync.add.u32 %r2, %r4, -1;\nmov.u64 %rd1, 1;\n"
          "match.any.sync.b64 %r3, %rd1, -1;\nadd.u32 %r9, %r2, %r3;\nB:\n",
      eachLane([](unsigned L) {
        unsigned Sum = 376 + 120000;
        return Sum + (L < 16 || L & 1 ? 0xaaaaffff : 0x55550000);
      }));
  gives("votes",
        std::string(Halves) + "vote.sync.all.pred %p3, !%p1, -1;\n"
                              "selp.u32 %r9, 1, 2, %p3;\nbra B;\n"
                              "A:\nvote.sync.all.pred %p3, %p1, -1;\n"
                              "selp.u32 %r9, 3, 4, %p3;\nB:\n",
        eachLane([](unsigned L) { return L < 16 ? 3u : 1u; }));
  gives("a leader of lanes on two paths",
        "setp.gt.u32 %p3, %r1, 15;\n@%p3 bra B;\n"
        "setp.lt.u32 %p3, %r1, 4;\n@%p3 bra B;\n"
        "setp.lt.u32 %p3, %r1, 8;\n@%p3 bra C;\n"
        "elect.sync %r2|%p2, 0xfff0;\nselp.u32 %r9, 7, %r2, %p2;\nbra B;\n"
        "C:\nelect.sync _|%p2, 0xfff0;\nselp.u32 %r9, 7, 5, %p2;\nB:\n",
        eachLane([](unsigned L) {
          return L < 4 || L > 15 ? 0u : L == 4 ? 7u : L < 8 ? 5u : 4u;
        }),
        "sm_90a");
  gives("the active lanes of each path",
        std::string(Halves) + "activemask.b32 %r9;\nbra B;\nA:\n"
                              "activemask.b32 %r9;\nB:\n",
        eachLane([](unsigned L) { return L < 16 ? 0xffffu : 0xffff0000u; }));
}

static void ends() {
  gives("lanes that have ended are not waited for",
        std::string(Halves) +
            "shfl.sync.bfly.b32 %r9, %r1, 1, 31, -1;\nbra B;\nA:\n"
            "ld.param.u64 %rd1, [out];\nmad.wide.u32 %rd1, %r1, 4, %rd1;\n"
            "st.global.u32 [%rd1], %r1;\nexit;\nB:\n",
        eachLane([](unsigned L) { return L < 16 ? L : L ^ 1; }));
  gives("paths with ends in them meet again",
        std::string(Halves) +
            "bra B;\nA:\nsetp.gt.u32 %p2, %r1, 99;\n@!%p2 bra C;\ntrap;\n"
            "C:\nsetp.eq.u32 %p2, %r1, 3;\n@!%p2 bra D;\nexit;\n"
            "D:\nadd.u32 %r9, %r9, 1;\nB:\nbar.sync 0;\n"
            "add.u32 %r9, %r9, 2;\n",
        eachLane([](unsigned L) { return L == 3   ? ~0u
                                         : L < 16 ? 3u
                                                  : 2u; }));
}

static void barriers() {
  gives("the block's barrier on two paths",
        std::string(Halves) + "barrier.sync 3;\nmov.u32 %r9, 1;\nbra B;\nA:\n"
                              "barrier.sync 3;\nmov.u32 %r9, 2;\nB:\n",
        eachLane([](unsigned L) { return L < 16 ? 2u : 1u; }));
  fails("an aligned barrier on two paths",
        std::string(Halves) + "bar.sync 0;\nbra B;\nA:\nbar.sync 0;\nB:\n",
        CUDA_ERROR_ILLEGAL_INSTRUCTION,
        {"divergent barrier: lanes 0xffff0000 of 0xffffffff are here"});
  fails("two barriers",
        std::string(Halves) +
            "barrier.sync 1;\nbra B;\nA:\nbarrier.sync 2;\nB:\n",
        CUDA_ERROR_LAUNCH_TIMEOUT,
        {"deadlock within a warp", "barrier.sync 1;", "barrier.sync 2;",
         "lanes 0xffff wait", "lanes 0xffff0000"});
}

static void errors() {
  fails("a lane outside of its mask", "shfl.sync.idx.b32 %r9, %r1, 0, 31, 7;\n",
        CUDA_ERROR_ILLEGAL_INSTRUCTION,
        {"member mask 0x7 leaves out lanes 0xfffffff8", "shfl.sync.idx"});
  fails("different operations",
        std::string(Halves) + "bar.warp.sync -1;\nbra B;\nA:\n"
                              "vote.sync.any.pred %p2, %p1, -1;\nB:\n",
        CUDA_ERROR_LAUNCH_TIMEOUT,
        {"deadlock within a warp", "bar.warp.sync", "vote.sync.any",
         "lanes 0xffff0000", "thread"});
  fails("different masks",
        std::string(Halves) + "bar.warp.sync -1;\nbra B;\nA:\n"
                              "bar.warp.sync 0x8000ffff;\nB:\n",
        CUDA_ERROR_LAUNCH_TIMEOUT, {"deadlock within a warp", "0x8000"});
  fails("half a warp in a matrix product",
        "@!%p1 mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%f0,%f1,%f2,%f3}, {%r2,%r2,%r2,%r2}, {%r2,%r2}, {%f0,%f1,%f2,%f3};\n",
        CUDA_ERROR_ILLEGAL_INSTRUCTION,
        {"active lanes 0xffff0000, expected the whole warp"});
}

int main() {
  meetings();
  ends();
  barriers();
  errors();
  return finish("DivergenceTest");
}
