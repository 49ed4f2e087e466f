// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Planted bugs of the kinds that removing one synchronisation does not give:
// uninitialised registers and memory, conflicts within one store, global races
// between CTAs and within one, registers of running matrix products. Each bug
// must be reported in its own words; the correct kernel beside it must not.
#include "Driver.h"

using namespace test;

static const char *Registers = ".reg .pred %p<4>;\n.reg .b32 %r<16>;\n"
                               ".reg .f32 %f<8>;\n.reg .b64 %rd<16>;\n";

static std::string module(const std::string &Body) {
  return ".version 8.0\n.target sm_80\n.address_size 64\n"
         ".visible .entry k(.param .u64 a, .param .u64 b)\n{\n" +
         std::string(Registers) +
         ".shared .align 16 .b8 tile[1024];\n"
         "ld.param.u64 %rd1, [a];\nld.param.u64 %rd2, [b];\n"
         "mov.u32 %r1, %tid.x;\nmov.u32 %r2, %ctaid.x;\n"
         "mul.wide.u32 %rd3, %r1, 4;\nadd.u64 %rd4, %rd1, %rd3;\n"
         "add.u64 %rd5, %rd2, %rd3;\n" +
         Body + "ret;\n}\n";
}

/// Runs Body on two buffers of Words zeros; expects a report that contains
/// Part, or none if Part is null.
static void expect(const char *What, const std::string &Body, const char *Part,
                   Dim Grid, Dim Block) {
  Kernel K(module(Body), "k");
  if (!check(K.Ok, std::string(What) + ": " + K.Error))
    return;
  Buffer A(std::vector<int>(256)), B(std::vector<int>(256));
  CUresult R = K.arg(A.Address).arg(B.Address).run(Grid, Block);
  std::string Report = api().ptxsimLastReport();
  bool Found = R != CUDA_SUCCESS && Part && Report.find(Part) != Report.npos;
  check(Part ? Found : R == CUDA_SUCCESS,
        std::string(What) + (Part ? " is reported, got " : " is clean, got ") +
            std::to_string(R) + " " + (R ? Report : ""));
}

static void registers() {
  const char *Report = "read of an uninitialised register";
  expect("a register nobody wrote",
         "add.u32 %r5, %r6, 1;\nst.global.u32 [%rd4], %r5;\n", Report, {1},
         {32});
  expect("a guarded write of some lanes",
         "setp.lt.u32 %p1, %r1, 7;\n@%p1 mov.u32 %r6, 3;\n"
         "add.u32 %r5, %r6, 1;\nst.global.u32 [%rd4], %r5;\n",
         Report, {1}, {32});
  expect("guarded writes of all lanes",
         "setp.lt.u32 %p1, %r1, 7;\n@%p1 mov.u32 %r6, 3;\n"
         "@!%p1 mov.u32 %r6, 4;\nst.global.u32 [%rd4], %r6;\n",
         nullptr, {1}, {32});
  expect("a write on one of two paths",
         "setp.lt.u32 %p1, %r1, 7;\n@%p1 bra L;\nmov.u32 %r6, 3;\nL:\n"
         "st.global.u32 [%rd4], %r6;\n",
         Report, {1}, {32});
  expect("a read on the path that wrote",
         "setp.lt.u32 %p1, %r1, 7;\n@%p1 bra L;\nmov.u32 %r6, 3;\n"
         "bra M;\nL:\nmov.u32 %r6, 4;\nM:\nst.global.u32 [%rd4], %r6;\n",
         nullptr, {1}, {32});
  expect("a guard nobody wrote", "@%p2 st.global.u32 [%rd4], %r1;\n", Report,
         {1}, {32});
  expect("a carried value of the first round",
         "mov.u32 %r5, 0;\nL:\nadd.u32 %r6, %r6, %r5;\nadd.u32 %r5, %r5, 1;\n"
         "setp.lt.u32 %p1, %r5, 4;\n@%p1 bra L;\n"
         "st.global.u32 [%rd4], %r6;\n",
         Report, {1}, {32});
}

static void globalMemory() {
  std::string Copy = "ld.global.u32 %r5, [%rd4];\nst.global.u32 [%rd5], %r5;\n";
  // A fault takes kernels and buffers with it: each case makes its own.
  auto Run = [&](const Buffer &A, const Buffer &B) {
    Kernel K(module(Copy), "k");
    check(K.Ok, K.Error);
    return K.arg(A.Address).arg(B.Address).run({1}, {32});
  };
  auto Reported = [&](CUresult R) {
    return R == CUDA_ERROR_LAUNCH_FAILED &&
           std::string(api().ptxsimLastReport())
                   .find("uninitialised global memory") != std::string::npos;
  };
  std::vector<int> Ones(32, 1);
  auto AfterWriting = [&](size_t Bytes) {
    Buffer In(128), Out(128);
    api().cuMemcpyHtoD(In.Address, Ones.data(), Bytes);
    CUresult R = Run(In, Out);
    return R != CUDA_SUCCESS ? R : Run(Out, In);
  };
  check(Reported(AfterWriting(0)), "a read of memory nobody wrote");
  check(Reported(AfterWriting(124)), "a copy that is four bytes short");
  check(AfterWriting(128) == CUDA_SUCCESS,
        "a copy of all bytes, and memory that a kernel has written");
  auto Copy2 = reinterpret_cast<CUresult (*)(CUdeviceptr, CUdeviceptr, size_t)>(
      librarySymbol("cuMemcpyDtoD_v2"));
  {
    Buffer From(128), To(128), Out(128);
    check(Copy2(To.Address, From.Address, 128) == CUDA_SUCCESS &&
              Reported(Run(To, Out)),
          "a copy of memory nobody wrote");
  }
  Buffer From(128), Out(128);
  auto Fill = reinterpret_cast<CUresult (*)(CUdeviceptr, unsigned, size_t)>(
      librarySymbol("cuMemsetD32_v2"));
  check(Fill(From.Address, 7, 32) == CUDA_SUCCESS &&
            Run(From, Out) == CUDA_SUCCESS,
        "memory that was filled");
}

static void oneStore() {
  const char *Report = "write different values to the same address";
  for (const char *Space : {"global", "shared"}) {
    bool Global = Space[0] == 'g';
    std::string Address = Global ? "%rd1" : "tile";
    auto Store = [&](const char *Value) {
      return "mov.u32 %r5, 7;\nst." + std::string(Space) + ".u32 [" + Address +
             "], " + Value + ";\n";
    };
    expect("lanes that write their numbers to one word", Store("%r1"), Report,
           {1}, {32});
    expect("lanes that write one value to one word", Store("%r5"), nullptr, {1},
           {32});
  }
}

static void betweenCtas() {
  const char *Report = "race on global address";
  // Every CTA writes word ctaid of b; the one with the last ticket adds up.
  auto LastOne = [](const char *Ticket) {
    return std::string("mul.wide.u32 %rd6, %r2, 4;\nadd.u64 %rd7, %rd2, %rd6;\n"
                       "st.global.u32 [%rd7], %r2;\nmembar.gl;\n") +
           Ticket +
           "setp.ne.u32 %p1, %r5, 3;\n@%p1 bra DONE;\n"
           "membar.gl;\nld.global.u32 %r7, [%rd2];\n"
           "ld.global.u32 %r8, [%rd2+4];\nadd.u32 %r7, %r7, %r8;\n"
           "st.global.u32 [%rd1+128], %r7;\nDONE:\n";
  };
  expect("a ticket by an atomic addition",
         LastOne("atom.global.add.u32 %r5, [%rd1], 1;\n"), nullptr, {4}, {1});
  expect("a ticket by a plain addition",
         LastOne("ld.global.u32 %r5, [%rd1];\nadd.u32 %r6, %r5, 1;\n"
                 "st.global.u32 [%rd1], %r6;\n"),
         Report, {4}, {1});
  expect("results taken without a ticket", LastOne("add.u32 %r5, %r2, 0;\n"),
         Report, {4}, {1});
  auto Flag = [](const char *Set, const char *Test) {
    return std::string("setp.ne.u32 %p1, %r2, 0;\n@%p1 bra WAIT;\n"
                       "st.global.u32 [%rd2], 5;\n") +
           Set + "bra DONE;\nWAIT:\n" + Test +
           "setp.eq.u32 %p2, %r5, 0;\n@%p2 bra WAIT;\n"
           "ld.global.u32 %r6, [%rd2];\nst.global.u32 [%rd1+64], %r6;\nDONE:\n";
  };
  expect("a flag by release and acquire",
         Flag("st.release.gpu.global.u32 [%rd1], 1;\n",
              "ld.acquire.gpu.global.u32 %r5, [%rd1];\n"),
         nullptr, {2}, {1});
  expect("a flag by a plain store",
         Flag("st.global.u32 [%rd1], 1;\n",
              "ld.acquire.gpu.global.u32 %r5, [%rd1];\n"),
         Report, {2}, {1});
  expect("CTAs that write the same word", "st.global.u32 [%rd1], %r2;\n",
         Report, {2}, {1});
}

static void betweenWarps() {
  auto Exchange = [](const char *Sync) {
    return std::string("st.global.u32 [%rd4], %r1;\n") + Sync +
           "xor.b32 %r5, %r1, 32;\nmul.wide.u32 %rd6, %r5, 4;\n"
           "add.u64 %rd7, %rd1, %rd6;\nld.global.u32 %r6, [%rd7];\n"
           "st.global.u32 [%rd5], %r6;\n";
  };
  expect("an exchange through global memory with a barrier",
         Exchange("bar.sync 0;\n"), nullptr, {1}, {64});
  expect("an exchange through global memory without one", Exchange(""),
         "of the same cluster", {1}, {64});
}

/// A vote makes lanes' writes follow what the others have read, no more.
static void aroundVotes() {
  const char *Report = "race on shared address";
  std::string Own = "mov.u32 %r3, tile;\nmad.lo.u32 %r4, %r1, 4, %r3;\n"
                    "xor.b32 %r5, %r1, 1;\nmad.lo.u32 %r5, %r5, 4, %r3;\n"
                    "st.shared.u32 [%r4], %r1;\nbar.warp.sync -1;\n";
  std::string Vote = "vote.sync.any.pred %p1, %p2, -1;\n",
              Read = "ld.shared.u32 %r6, [%r5];\n",
              Write = "st.shared.u32 [%r4], %r2;\n",
              Other = "st.shared.u32 [%r5], %r2;\n";
  auto Lanes = [&](const std::string &Body) {
    return "setp.eq.u32 %p2, %r1, 0;\n" + Own + Body;
  };
  expect("a write behind a vote of those who read", Lanes(Read + Vote + Write),
         nullptr, {1}, {32});
  expect("a write behind a read", Lanes(Read + Write), Report, {1}, {32});
  expect("a write behind a vote before the read", Lanes(Vote + Read + Write),
         Report, {1}, {32});
  expect("a read behind a vote of those who wrote", Lanes(Write + Vote + Read),
         Report, {1}, {32});
  expect("a write behind a vote of those who wrote",
         Lanes(Write + Vote + Other), Report, {1}, {32});
  expect("a read behind a synchronisation of those who wrote",
         Lanes(Write + Vote + "bar.warp.sync -1;\n" + Read), nullptr, {1},
         {32});
}

/// The kernel's products end with a wait; without it the accumulators are read
/// while they may still change.
static void runningProducts(const std::string &Root) {
  constexpr uint64_t M = 128, N = 256, K = 4096;
  auto A = randomBf16(M * K, 4), B = randomBf16(N * K, 5);
  std::string Text = readText(Root + "/kernels/c_wgmma_ws.ptx");
  auto Run = [&](const std::string &Ptx) {
    Kernel Fn(Ptx, "mm");
    check(Fn.Ok, Fn.Error);
    Buffer DA(A), DB(B), DC(std::vector<uint16_t>(M * N));
    auto Map = [](CUdeviceptr P, uint64_t Inner, uint64_t Outer,
                  uint32_t Box1) {
      CUtensorMap T;
      uint64_t Extent[] = {Inner, Outer}, Stride[] = {Inner * 2};
      uint32_t Box[] = {64, Box1}, Ones[] = {1, 1};
      api().cuTensorMapEncodeTiled(&T, 9, 2, reinterpret_cast<void *>(P),
                                   Extent, Stride, Box, Ones, 0, 3, 0, 0);
      return T;
    };
    return Fn.arg(Map(DA.Address, K, M, 128))
        .arg(Map(DB.Address, K, N, 256))
        .arg(Map(DC.Address, N, M, 64))
        .arg(DC.Address)
        .run({1, 1}, {384}, 196672);
  };
  check(Run(Text) == CUDA_SUCCESS, "the kernel with all its waits is clean");
  size_t At = Text.rfind("wgmma.wait_group.sync.aligned");
  std::string Mutant = Text;
  Mutant.insert(At, "// ");
  CUresult R = Run(Mutant);
  std::string Report = api().ptxsimLastReport();
  check(R == CUDA_ERROR_LAUNCH_FAILED &&
            Report.find("has not been waited for") != std::string::npos,
        "accumulators of a running product, got " + std::to_string(R) + " " +
            Report);
}

int main(int, char **Argv) {
  api().ptxsimConfigure("RACE", "1");
  api().ptxsimConfigure("BUDGET", "20000000");
  registers();
  globalMemory();
  oneStore();
  betweenCtas();
  betweenWarps();
  aroundVotes();
  runningProducts(Argv[1]);
  return finish("RaceTest");
}
