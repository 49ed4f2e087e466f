// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The driver API: lookup, memory, streams, graphs; and bad input, which must
// give an error code and a readable report, never a crash.
#include "Driver.h"
#include <atomic>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace test;

#define CALL(Name, Type) (reinterpret_cast<Type>(librarySymbol(#Name)))

static std::string module(const std::string &Body,
                          const std::string &Params = ".param .u64 p",
                          const char *Target = "sm_80") {
  return std::string(".version 8.0\n.target ") + Target +
         "\n.address_size 64\n.visible .entry k(" + Params +
         ")\n{\n.reg .pred %p<4>;\n.reg .b32 %r<8>;\n.reg .f32 %f<8>;\n"
         ".reg .b64 %rd<8>;\n" +
         Body + "ret;\n}\n";
}

/// Loads Text; it must fail and the log must contain Part.
static void refuses(const std::string &Text, const char *Part) {
  Kernel K(Text, "k");
  check(!K.Ok && K.Error.find(Part) != std::string::npos,
        std::string("expected an error with '") + Part + "', got '" + K.Error +
            "'");
}

/// Runs Body on a buffer of 256 bytes; the launch must end with Want.
static void faults(const std::string &Body, CUresult Want, const char *Part,
                   int64_t Shift = 0, Dim Block = {32}) {
  Kernel K(module("ld.param.u64 %rd1, [p];\n" + Body), "k");
  check(K.Ok, K.Error);
  Buffer B(256);
  CUresult R = K.arg(B.Address + uint64_t(Shift)).run({1}, Block);
  std::string Report = api().ptxsimLastReport();
  check(R == Want && Report.find(Part) != std::string::npos,
        std::string("expected ") + Part + ", got " + std::to_string(R) + ": " +
            Report);
}

static void badModules() {
  refuses("", ".version");
  refuses("garbage", "unknown directive");
  refuses(module("add.u33 %r1, %r1, %r1;\n"), "line 10: unknown combination");
  refuses(module("frobnicate.u32 %r1, %r1;\n"), "unknown opcode");
  refuses(module("add.u32 %r1, %r1;\n"), "expected more operands");
  refuses(module("add.u32 %r1, %r1, %rd1;\n"), "expected a register of type");
  refuses(module("add.f32 %f1, %f1, %r99;\n"), "unknown register");
  refuses(module("bra nowhere;\n"), "unknown label");
  refuses(module("ld.global.u32 %r1, [nothing];\n"), "unknown symbol");
  refuses(module("ld.param.u64 %rd1, [p+8];\n"), "outside");
  refuses(module("ld.param.u32 %r1, [p-4];\n"), "outside");
  refuses(module("bar.sync 16;\n"), "barrier 16 does not exist");
  refuses(module("bar.sync 0, 33;\n"), "multiple of 32 threads, got 33");
  refuses(module("bar.arrive 0, 0;\n"), "positive number of threads, got 0");
  refuses(module(".reg .f64 %d1;\nst.global.f32 [%rd1], %d1;\n"),
          "expected a register of type .f32");
  const std::string Head = ".version 8.0\n.target sm_80\n.address_size 64\n";
  refuses(Head + ".const .b8 a[40000];\n.const .b8 b[40000];\n", "64 KiB");
  refuses(Head + ".visible .entry k(.param .b8 p[5000])\n{\nret;\n}\n",
          "exceed 4352 bytes");
  refuses(module(".reg .b32 %q<18446744073709551615>;\n"),
          "too many registers");
  refuses(module(".shared .b8 a[68719476736][68719476736];\n"), "too large");
  refuses(module("mul.lo.u32 %r1, %r1, 0f3F800000;\n"), "constant");
  refuses(module("wgmma.fence.sync.aligned;\n"), "needs target sm_90a");
  refuses(module("call %rd1;\n"), "expected the prototype");
  refuses(module("call %rd1, shape;\n"), "unknown prototype 'shape'");
  refuses(module(".shared .b8 big[300000];\nmov.u32 %r1, big;\n"), "227 KiB");
  std::string Whole = module("add.u32 %r1, %r1, 1;\n");
  for (size_t N = 0; N + 3 < Whole.size(); N += 7) {
    Kernel K(Whole.substr(0, N), "k"); // every truncation is an error
    check(!K.Ok, "truncated module at byte " + std::to_string(N));
  }
}

static void badAccesses() {
  faults("ld.global.u32 %r1, [%rd1+256];\n", CUDA_ERROR_ILLEGAL_ADDRESS,
         "0 bytes past its end");
  faults("ld.global.u32 %r1, [%rd1+2];\n", CUDA_ERROR_MISALIGNED_ADDRESS,
         "misaligned");
  faults("ld.global.u32 %r1, [%rd1];\n", CUDA_ERROR_ILLEGAL_ADDRESS,
         "out of bounds", -1 << 20);
  faults("mov.u64 %rd2, 0;\nst.global.u32 [%rd2], 1;\n",
         CUDA_ERROR_ILLEGAL_ADDRESS, "no allocation is there");
  faults("mov.u32 %r1, 4096;\nst.shared.u32 [%r1], 1;\n",
         CUDA_ERROR_ILLEGAL_ADDRESS, "shared memory out of bounds");
  faults("trap;\n", CUDA_ERROR_LAUNCH_FAILED, "trap");
  faults("mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 7;\n@%p1 bar.sync 0;\n",
         CUDA_ERROR_ILLEGAL_INSTRUCTION, "divergent barrier");
  faults("mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 32;\n"
         "@%p1 bar.sync 1, 96;\n",
         CUDA_ERROR_LAUNCH_TIMEOUT, "deadlock", 0, {64});
  faults("mov.u64 %rd2, 64;\nshape: .callprototype _ ();\n"
         "call %rd2, shape;\n",
         CUDA_ERROR_ILLEGAL_INSTRUCTION,
         "call of 0x40, which is no function with these parameters");
  api().ptxsimConfigure("BUDGET", "100000");
  faults("L:\nadd.u32 %r1, %r1, 1;\nbra L;\n", CUDA_ERROR_LAUNCH_TIMEOUT,
         "did not end within 100000 warp instructions (PTXSIM_BUDGET)");
  api().ptxsimConfigure("BUDGET", "4294967296");
  Kernel K(module("ld.param.u64 %rd1, [p];\nst.global.u32 [%rd1], 1;\n"), "k");
  CUdeviceptr Freed;
  {
    Buffer B(64);
    Freed = B.Address;
  }
  check(K.arg(Freed).run({1}, {1}) == CUDA_ERROR_ILLEGAL_ADDRESS,
        "use after free");
}

static void badLaunches() {
  Kernel K(module(""), "k");
  auto Try = [&](Dim Grid, Dim Block, unsigned Shared, Dim Cluster) {
    return K.arg(CUdeviceptr(0)).run(Grid, Block, Shared, Cluster);
  };
  check(Try({0}, {32}, 0, {}) == CUDA_ERROR_INVALID_VALUE, "empty grid");
  check(Try({1}, {2048}, 0, {}) == CUDA_ERROR_INVALID_VALUE, "2048 threads");
  check(Try({1}, {32}, 300000, {}) == CUDA_ERROR_INVALID_VALUE,
        "shared memory");
  check(Try({3}, {32}, 0, {2}) == CUDA_ERROR_INVALID_CLUSTER_SIZE,
        "grid is no multiple of the cluster");
  check(Try({32}, {32}, 0, {16}) == CUDA_ERROR_INVALID_CLUSTER_SIZE,
        "cluster of 16");
  check(Try({1}, {32}, 0, {}) == CUDA_SUCCESS, "a good launch after bad ones");
}

static void lookups() {
  auto Get = CALL(cuGetProcAddress_v2,
                  CUresult (*)(const char *, void **, int, uint64_t, int *));
  void *P = nullptr;
  int Status = -1;
  check(Get("cuMemAlloc", &P, 12000, 0, &Status) == CUDA_SUCCESS &&
            P == librarySymbol("cuMemAlloc_v2") && Status == 0,
        "cuGetProcAddress finds the current version");
  check(Get("cuNothing", &P, 12000, 0, &Status) == CUDA_SUCCESS && !P &&
            Status == 1,
        "cuGetProcAddress of an unknown name");
  auto Name = CALL(cuGetErrorName, CUresult (*)(int, const char **));
  const char *Text = nullptr;
  check(Name(700, &Text) == CUDA_SUCCESS &&
            std::string(Text) == "CUDA_ERROR_ILLEGAL_ADDRESS",
        "error names");
  auto Unsupported = CALL(cuTexObjectCreate, CUresult (*)());
  check(Unsupported() == CUDA_ERROR_NOT_SUPPORTED &&
            std::string(api().ptxsimLastReport()).find("cuTexObjectCreate") !=
                std::string::npos,
        "an unsupported call names itself");
}

static void copies() {
  std::vector<int> X(64);
  for (int I = 0; I < 64; ++I)
    X[size_t(I)] = I;
  Buffer A(X), B(std::vector<int>(64));
  CUDA_MEMCPY2D C{};
  C.srcMemoryType = C.dstMemoryType = MemoryTypeDevice;
  C.srcDevice = A.Address;
  C.dstDevice = B.Address;
  C.srcPitch = 32;
  C.dstPitch = 64;
  C.WidthInBytes = 16;
  C.Height = 3;
  C.srcXInBytes = 4;
  auto Copy = CALL(cuMemcpy2D_v2, CUresult (*)(const CUDA_MEMCPY2D *));
  check(Copy(&C) == CUDA_SUCCESS, "cuMemcpy2D");
  auto Y = B.read<int>();
  check(Y[0] == 1 && Y[3] == 4 && Y[16] == 9 && Y[35] == 20 && Y[4] == 0,
        "cuMemcpy2D values");
  C.Height = 9;
  check(Copy(&C) == CUDA_ERROR_INVALID_VALUE, "cuMemcpy2D out of bounds");
  auto Fill =
      CALL(cuMemsetD16_v2, CUresult (*)(CUdeviceptr, unsigned short, size_t));
  check(Fill(A.Address, 0x1234, 128) == CUDA_SUCCESS &&
            A.read<uint16_t>()[127] == 0x1234,
        "cuMemsetD16");
  check(Fill(A.Address, 1, 129) == CUDA_ERROR_INVALID_VALUE,
        "cuMemsetD16 out of bounds");
}

static void graphs() {
  auto Create = CALL(cuStreamCreate, CUresult (*)(CUstream *, unsigned));
  auto Begin = CALL(cuStreamBeginCapture_v2, CUresult (*)(CUstream, int));
  auto End = CALL(cuStreamEndCapture, CUresult (*)(CUstream, CUgraph *));
  auto Instantiate =
      CALL(cuGraphInstantiateWithFlags,
           CUresult (*)(CUgraphExec *, CUgraph, unsigned long long));
  auto Launch = CALL(cuGraphLaunch, CUresult (*)(CUgraphExec, CUstream));
  auto Fill = CALL(cuMemsetD32Async,
                   CUresult (*)(CUdeviceptr, unsigned, size_t, CUstream));
  auto Host =
      CALL(cuLaunchHostFunc, CUresult (*)(CUstream, void (*)(void *), void *));
  CUstream S;
  CUgraph G;
  CUgraphExec E;
  int Calls = 0;
  Buffer B(std::vector<int>(4));
  check(Create(&S, 0) == CUDA_SUCCESS && Begin(S, 0) == CUDA_SUCCESS,
        "capture begins");
  check(Fill(B.Address, 7, 4, S) == CUDA_SUCCESS &&
            Host(
                S, [](void *P) { ++*static_cast<int *>(P); }, &Calls) ==
                CUDA_SUCCESS,
        "work is captured");
  check(End(S, &G) == CUDA_SUCCESS && Calls == 0, "captured work has not run");
  check(Instantiate(&E, G, 0) == CUDA_SUCCESS && Launch(E, S) == CUDA_SUCCESS &&
            Launch(E, S) == CUDA_SUCCESS,
        "the graph runs");
  check(Calls == 2 && B.read<int>()[3] == 7, "graph results");
}

namespace {
struct GraphCalls {
  CUresult (*Create)(CUgraph *,
                     unsigned) = CALL(cuGraphCreate,
                                      CUresult (*)(CUgraph *, unsigned));
  CUresult (*AddKernel)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
                        const CUDA_KERNEL_NODE_PARAMS *) =
      CALL(cuGraphAddKernelNode_v2,
           CUresult (*)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
                        const CUDA_KERNEL_NODE_PARAMS *));
  CUresult (*AddCopy)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
                      const CUDA_MEMCPY3D *, CUcontext) =
      CALL(cuGraphAddMemcpyNode,
           CUresult (*)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
                        const CUDA_MEMCPY3D *, CUcontext));
  CUresult (*AddFill)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
                      const CUDA_MEMSET_NODE_PARAMS *, CUcontext) =
      CALL(cuGraphAddMemsetNode,
           CUresult (*)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
                        const CUDA_MEMSET_NODE_PARAMS *, CUcontext));
  CUresult (*AddHost)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
                      const CUDA_HOST_NODE_PARAMS *) =
      CALL(cuGraphAddHostNode,
           CUresult (*)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
                        const CUDA_HOST_NODE_PARAMS *));
  CUresult (*AddEdges)(CUgraph, const CUgraphNode *, const CUgraphNode *,
                       size_t) = CALL(cuGraphAddDependencies,
                                      CUresult (*)(CUgraph, const CUgraphNode *,
                                                   const CUgraphNode *,
                                                   size_t));
  CUresult (*Instantiate)(CUgraphExec *, CUgraph, unsigned long long) =
      CALL(cuGraphInstantiateWithFlags,
           CUresult (*)(CUgraphExec *, CUgraph, unsigned long long));
  CUresult (*Launch)(CUgraphExec,
                     CUstream) = CALL(cuGraphLaunch,
                                      CUresult (*)(CUgraphExec, CUstream));
  CUresult (*Roots)(CUgraph, CUgraphNode *, size_t *) =
      CALL(cuGraphGetRootNodes, CUresult (*)(CUgraph, CUgraphNode *, size_t *));
};
} // namespace

static void refuseBadNodes(const GraphCalls &Call, CUgraph G,
                           CUDA_MEMSET_NODE_PARAMS FP, CUDA_MEMCPY3D CP,
                           CUDA_HOST_NODE_PARAMS HP) {
  FP.elementSize = 3;
  CP.WidthInBytes = 17;
  CUgraphNode Bad = reinterpret_cast<CUgraphNode>(&FP), Out;
  check(Call.AddFill(&Out, G, nullptr, 0, &FP, nullptr) ==
                CUDA_ERROR_INVALID_VALUE &&
            Call.AddCopy(&Out, G, nullptr, 0, &CP, nullptr) ==
                CUDA_ERROR_INVALID_VALUE &&
            Call.AddHost(&Out, G, &Bad, 1, &HP) == CUDA_ERROR_INVALID_VALUE,
        "bad nodes are refused");
}

/// fill -> kernel -> copy and host function, added in another order.
static void explicitGraph() {
  GraphCalls Call;
  CUmodule M = nullptr;
  CUfunction F = nullptr;
  std::string Text = module("ld.param.u64 %rd1, [p];\nld.global.u32 %r1, "
                            "[%rd1];\nadd.u32 %r1, %r1, 1;\n"
                            "st.global.u32 [%rd1], %r1;\n");
  check(!api().cuModuleLoadDataEx(&M, Text.c_str(), 0, nullptr, nullptr) &&
            !api().cuModuleGetFunction(&F, M, "k"),
        "module of the graph's kernel");
  Buffer A(std::vector<int>(4)), B(std::vector<int>(4));
  int Calls = 0;
  void *Params[] = {&A.Address};
  CUDA_KERNEL_NODE_PARAMS KP{F, 1, 1,      1,       1,       1,
                             1, 0, Params, nullptr, nullptr, nullptr};
  CUDA_MEMSET_NODE_PARAMS FP{A.Address, 0, 41, 4, 4, 1};
  CUDA_MEMCPY3D CP{};
  CP.srcMemoryType = CP.dstMemoryType = MemoryTypeDevice;
  CP.srcDevice = A.Address;
  CP.dstDevice = B.Address;
  CP.WidthInBytes = 16;
  CP.Height = CP.Depth = 1;
  CUDA_HOST_NODE_PARAMS HP{[](void *P) { ++*static_cast<int *>(P); }, &Calls};
  CUgraph G = nullptr;
  CUgraphNode Kernel, Copy, Fill, Host;
  CUgraphExec E = nullptr;
  check(Call.Create(&G, 0) == CUDA_SUCCESS &&
            Call.AddKernel(&Kernel, G, nullptr, 0, &KP) == CUDA_SUCCESS &&
            Call.AddCopy(&Copy, G, &Kernel, 1, &CP, nullptr) == CUDA_SUCCESS &&
            Call.AddFill(&Fill, G, nullptr, 0, &FP, nullptr) == CUDA_SUCCESS &&
            Call.AddHost(&Host, G, &Copy, 1, &HP) == CUDA_SUCCESS,
        "nodes are added");
  check(Call.AddEdges(G, &Fill, &Kernel, 1) == CUDA_SUCCESS, "a later edge");
  size_t Count = 0;
  check(Call.Roots(G, nullptr, &Count) == CUDA_SUCCESS && Count == 1,
        "one root");
  check(Call.Instantiate(&E, G, 0) == CUDA_SUCCESS &&
            Call.Launch(E, nullptr) == CUDA_SUCCESS &&
            Call.Launch(E, nullptr) == CUDA_SUCCESS,
        "the graph runs twice");
  auto Y = B.read<int>();
  check(Y[0] == 42 && Y[1] == 41 && Calls == 2, "in the order of its edges");
  check(Call.AddEdges(G, &Host, &Fill, 1) == CUDA_SUCCESS &&
            Call.Instantiate(&E, G, 0) == CUDA_ERROR_INVALID_VALUE,
        "a cycle is refused");
  refuseBadNodes(Call, G, FP, CP, HP);
  api().cuModuleUnload(M);
  check(Call.Launch(E, nullptr) == CUDA_ERROR_INVALID_HANDLE,
        "a graph whose module is gone");
}

/// Products share the converted images of their operands; a register that
/// changes in between must give a new one, and a jump into a run of
/// multiply-adds must run the rest of it.
static void reusedOperands() {
  const char *Mma = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 ";
  auto Product = [&](const char *D, const char *A, const char *C) {
    return std::string(Mma) + "{" + D + "0," + D + "1," + D + "2," + D +
           "3}, {" + A + "," + A + "," + A + "," + A + "}, {%r1,%r1}, {" + C +
           "0," + C + "1," + C + "2," + C + "3};\n";
  };
  // All elements of A and B are 1, then those of A are 2.
  std::string Body = "ld.param.u64 %rd1, [p];\n.reg .f32 %x<4>, %y<4>, %z<4>;\n"
                     "mov.b32 %r1, 0f3F800000;\nmov.b32 %r2, %r1;\n";
  for (const char *R : {"%x0", "%x1", "%x2", "%x3"})
    Body += std::string("mov.f32 ") + R + ", 0f00000000;\n";
  Body += Product("%y", "%r2", "%x") + Product("%z", "%r2", "%y") +
          "mov.b32 %r2, 0f40000000;\n" + Product("%y", "%r2", "%z") +
          Product("%z", "%r2", "%x");
  Body += "setp.eq.f32 %p1, %y0, 0f42000000;\n@%p1 bra L;\n"
          "fma.rn.f32 %f0, %y0, %y0, %y0;\nfma.rn.f32 %f1, %y0, %y0, %y0;\n"
          "L:\nfma.rn.f32 %f2, %y1, %z1, %z2;\nfma.rn.f32 %f3, %f2, %z1, %y2;\n"
          "fma.rn.f32 %f4, %f2, %z1, %f3;\nfma.rn.f32 %f4, %f4, %z1, %f4;\n"
          "st.global.v4.f32 [%rd1], {%y0, %z3, %f3, %f4};\n";
  Kernel K(module(Body), "k");
  check(K.Ok, K.Error);
  Buffer B(16);
  check(K.arg(B.Address).run({1}, {32}) == CUDA_SUCCESS, "products run");
  auto Y = B.read<float>();
  // 8 + 8 + 16 and 16; then 32 * 16 + 16 = 528 and so on.
  check(Y[0] == 32 && Y[1] == 16, "a changed operand is seen");
  check(Y[2] == 528 * 16 + 32 && Y[3] == (528 * 16 + Y[2]) * 17,
        "multiply-adds after a jump into their run");
}

/// Integer conversions whose registers are wider than their types.
static void wideRegisters() {
  Kernel K(
      module("ld.param.u64 %rd1, [p];\nmov.b64 %rd2, 0x12345678fedcba98;\n"
             "cvt.s64.s32 %rd3, %rd2;\nst.global.u64 [%rd1], %rd3;\n"
             "cvt.u32.u8 %rd3, %rd2;\nst.global.u64 [%rd1+8], %rd3;\n"
             "cvt.s16.s32 %rd3, %rd2;\nst.global.u64 [%rd1+16], %rd3;\n"
             "cvt.u32.u16 %r1, %rd2;\nst.global.u32 [%rd1+24], %r1;\n"
             "cvt.sat.u16.s32 %r1, %rd2;\nst.global.u32 [%rd1+28], %r1;\n"),
      "k");
  check(K.Ok, K.Error);
  Buffer B(32);
  check(K.arg(B.Address).run({1}, {1}) == CUDA_SUCCESS, "conversions run");
  auto Y = B.read<uint64_t>();
  check(Y[0] == 0xfffffffffedcba98, "s32 of a 64-bit register, extended");
  check(Y[1] == 0x98, "u8 of a 64-bit register");
  check(Y[2] == 0xffffffffffffba98, "s16 into a 64-bit register");
  check(Y[3] == 0xba98, "u16 of a 64-bit register, and a negative s32 as u16");
}

static void threadsAndForks() {
  std::string Text = module("ld.param.u64 %rd1, [p];\nmov.u32 %r1, %ctaid.x;\n"
                            "mad.wide.u32 %rd1, %r1, 4, %rd1;\n"
                            "mov.u32 %r1, 5;\nst.global.u32 [%rd1], %r1;\n");
  bool Ok[4] = {};
  CUcontext Ctx = nullptr;
  CALL(cuCtxGetCurrent, CUresult (*)(CUcontext *))(&Ctx);
  std::vector<std::thread> Pool;
  for (bool &Mine : Ok)
    Pool.emplace_back([&Mine, &Text, Ctx] {
      api().cuCtxSetCurrent(Ctx);
      Kernel K(Text, "k");
      Buffer B(256);
      Mine = K.arg(B.Address).run({4}, {1}) == CUDA_SUCCESS &&
             B.read<int>()[0] == 5;
    });
  for (std::thread &T : Pool)
    T.join();
  for (bool Mine : Ok)
    check(Mine, "launch from another host thread");
  std::fflush(stdout);
  pid_t Child = fork();
  if (!Child) {
    Kernel K(Text, "k");
    Buffer B(256);
    _exit(K.arg(B.Address).run({64}, {1}) != CUDA_SUCCESS);
  }
  int Status = -1;
  waitpid(Child, &Status, 0);
  check(Status == 0, "launch in a forked process");
}

/// The child's calls go on, though other threads of the parent, which it has
/// not, were in calls when it was made.
static void forkDuringCalls() {
  std::atomic<bool> Stop = false;
  CUcontext Ctx = nullptr;
  CALL(cuCtxGetCurrent, CUresult (*)(CUcontext *))(&Ctx);
  std::vector<std::thread> Busy;
  for (int K = 0; K < 2; ++K)
    Busy.emplace_back([&] {
      api().cuCtxSetCurrent(Ctx);
      while (!Stop)
        Buffer B(64);
    });
  std::fflush(stdout);
  for (int K = 0; K < 8; ++K) {
    pid_t Child = fork();
    if (!Child) {
      alarm(20); // ends a child that hangs
      Buffer B(64);
      _exit(B.Address == 0);
    }
    int Status = -1;
    waitpid(Child, &Status, 0);
    check(Status == 0, "a call in a process forked during calls");
  }
  Stop = true;
  for (std::thread &T : Busy)
    T.join();
}

static void parameterBuffers() {
  std::string Text =
      module("ld.param.u64 %rd1, [p];\nst.global.u64 [%rd1], %rd1;\n");
  CUmodule M = nullptr;
  CUfunction F = nullptr;
  check(!api().cuModuleLoadDataEx(&M, Text.c_str(), 0, nullptr, nullptr) &&
            !api().cuModuleGetFunction(&F, M, "k"),
        "a kernel with a parameter");
  Buffer B(64);
  uint64_t Values[4] = {B.Address};
  for (size_t Size : {0, 4, 8, 16, 32}) {
    void *Extra[] = {reinterpret_cast<void *>(1), Values,
                     reinterpret_cast<void *>(2), &Size, nullptr};
    CUresult R = CALL(cuLaunchKernel,
                      CUresult (*)(CUfunction, unsigned, unsigned, unsigned,
                                   unsigned, unsigned, unsigned, unsigned,
                                   CUstream, void **, void **))(
        F, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, Extra);
    bool Fits = Size == 8 || Size == 16; // a struct of it may be padded
    check(R == (Fits ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE),
          "a parameter buffer of " + std::to_string(Size) + " bytes");
  }
}

int main() {
  badModules();
  badAccesses();
  badLaunches();
  lookups();
  copies();
  graphs();
  explicitGraph();
  reusedOperands();
  wideRegisters();
  parameterBuffers();
  threadsAndForks();
  forkDuringCalls();
  return finish("ApiTest");
}
