// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What goes with a context: everything it owns is released, and later uses of
// it are errors with a name, in its own thread and in others.
#include "Driver.h"
#include "ptxsim/ptxsim.h"
#include <atomic>
#include <chrono>
#include <thread>

using namespace test;

static const char *Ptx = ".version 8.0\n.target sm_80\n.address_size 64\n"
                         ".global .b32 counter;\n"
                         ".visible .entry k(.param .u64 p)\n{\n"
                         ".reg .b64 %p;\nld.param.u64 %p, [p];\n"
                         "st.global.u32 [%p], 5;\nret;\n}\n";

static ptxsimLiveObjects live() {
  ptxsimLiveObjects L{};
  reinterpret_cast<void (*)(ptxsimLiveObjects *)>(
      librarySymbol("ptxsimCountLive"))(&L);
  return L;
}
static bool nothingLives() {
  ptxsimLiveObjects L = live();
  return !L.allocations && !L.allocated_bytes && !L.host_allocations &&
         !L.host_registrations && !L.modules && !L.streams && !L.events;
}

namespace {
/// One object of every kind, made in the current context.
struct Objects {
  CUdeviceptr Memory = 0;
  void *Pinned = nullptr;
  std::vector<char> Registered = std::vector<char>(8192);
  CUmodule Module = nullptr;
  CUfunction Function = nullptr;
  CUstream Stream = nullptr;
  CUevent Event = nullptr;
  static constexpr uint64_t Count = 6; // a function belongs to its module

  Objects() {
    check(!call("cuMemAlloc_v2", &Memory, size_t(64)) &&
              !call("cuMemHostAlloc", &Pinned, size_t(64), 0u) &&
              !call("cuMemHostRegister_v2", static_cast<void *>(&Registered[0]),
                    Registered.size(), 0u) &&
              !call("cuModuleLoadData", &Module,
                    static_cast<const void *>(Ptx)) &&
              !call("cuModuleGetFunction", &Function, Module, "k") &&
              !call("cuStreamCreate", &Stream, 0u) &&
              !call("cuEventCreate", &Event, 0u),
          "objects of every kind");
  }
  CUresult launch() const {
    CUdeviceptr A = Memory;
    void *Params[] = {&A};
    return call("cuLaunchKernel", Function, 1u, 1u, 1u, 1u, 1u, 1u, 0u, Stream,
                static_cast<void **>(Params), static_cast<void **>(nullptr));
  }
  /// Uses of all of them in a living context.
  void expectGone(const std::string &When) const {
    int Value = 0;
    CUdeviceptr P = 0;
    check(launch() == CUDA_ERROR_INVALID_HANDLE, When + ": launch");
    check(call("cuMemcpyDtoH_v2", static_cast<void *>(&Value), Memory,
               size_t(4)) == CUDA_ERROR_INVALID_VALUE,
          When + ": copy");
    check(call("cuMemFree_v2", Memory) == CUDA_ERROR_INVALID_VALUE,
          When + ": free");
    check(call("cuMemFreeHost", Pinned) == CUDA_ERROR_INVALID_VALUE,
          When + ": free of host memory");
    check(call("cuMemHostGetDevicePointer_v2", &P,
               const_cast<void *>(static_cast<const void *>(&Registered[0])),
               0u) == CUDA_ERROR_INVALID_VALUE,
          When + ": registered memory");
    check(call("cuModuleUnload", Module) == CUDA_ERROR_INVALID_HANDLE,
          When + ": module");
    check(call("cuStreamSynchronize", Stream) == CUDA_ERROR_INVALID_HANDLE,
          When + ": stream");
    check(call("cuEventRecord", Event, static_cast<CUstream>(nullptr)) ==
              CUDA_ERROR_INVALID_HANDLE,
          When + ": event");
  }
};
} // namespace

static CUcontext primary() {
  CUcontext C = nullptr;
  check(!call("cuDevicePrimaryCtxRetain", &C, 0), "the context is retained");
  check(!call("cuCtxSetCurrent", C), "the context is current");
  return C;
}

static void destroyed() {
  CUcontext C = nullptr, Now = nullptr;
  check(!call("cuCtxCreate_v2", &C, 0u, 0), "a context is created");
  Objects O;
  check(!O.launch(), "a launch in it");
  uint64_t Before = live().abandoned;
  check(!call("cuCtxDestroy_v2", C), "it is destroyed");
  check(nothingLives(), "nothing of it lives");
  check(live().abandoned == Before + Objects::Count, "its objects are counted");
  check(!call("cuCtxGetCurrent", &Now) && Now != C, "it is not current");
  check(call("cuCtxSetCurrent", C) == CUDA_ERROR_INVALID_CONTEXT &&
            call("cuCtxPushCurrent_v2", C) == CUDA_ERROR_INVALID_CONTEXT &&
            call("cuCtxDestroy_v2", C) == CUDA_ERROR_INVALID_CONTEXT,
        "it cannot be used again");
  primary();
  O.expectGone("after its destruction");
  check(!call("cuDevicePrimaryCtxRelease_v2", 0), "release");
}

/// Another context's objects, and what belongs to none, stay.
static void others() {
  primary();
  Objects Mine;
  CUcontext C = nullptr;
  CUdeviceptr Pooled = 0;
  void *Library = nullptr;
  check(!call("cuCtxCreate_v2", &C, 0u, 0), "a context is created");
  check(!call("cuMemAllocAsync", &Pooled, size_t(64),
              static_cast<CUstream>(nullptr)),
        "a stream-ordered allocation");
  check(!call("cuLibraryLoadData", &Library, static_cast<const void *>(Ptx),
              static_cast<int *>(nullptr), static_cast<void **>(nullptr), 0u,
              static_cast<int *>(nullptr), static_cast<void **>(nullptr), 0u),
        "a library");
  check(!call("cuCtxDestroy_v2", C), "it is destroyed");
  check(!Mine.launch() && !call("cuCtxSynchronize"),
        "a launch in the other context");
  check(!call("cuMemFree_v2", Pooled),
        "the stream-ordered allocation is there");
  check(!call("cuLibraryUnload", Library), "the library is there");
  check(!call("cuDevicePrimaryCtxRelease_v2", 0), "release");
  check(nothingLives(), "the last release takes the rest along");
}

static void primaryContext() {
  CUcontext C = primary();
  Objects O;
  check(!call("cuDevicePrimaryCtxReset_v2", 0), "reset");
  unsigned Flags = 0;
  int Active = 1;
  check(!call("cuDevicePrimaryCtxGetState", 0, &Flags, &Active) && !Active,
        "it is inactive");
  check(nothingLives(), "nothing lives after a reset");
  check(O.launch() == CUDA_ERROR_CONTEXT_IS_DESTROYED, "a launch after it");
  CUdeviceptr P = 0;
  check(call("cuMemAlloc_v2", &P, size_t(8)) == CUDA_ERROR_CONTEXT_IS_DESTROYED,
        "an allocation after it");
  check(primary() == C, "the same context is made anew");
  O.expectGone("after a reset");
  Objects Next;
  check(!Next.launch(), "a launch in the new context");
  check(!call("cuDevicePrimaryCtxRelease_v2", 0) && !Next.launch(),
        "it is retained once more");
  check(!call("cuDevicePrimaryCtxRelease_v2", 0), "the last release");
  check(nothingLives(), "nothing lives after the last release");
  check(Next.launch() == CUDA_ERROR_CONTEXT_IS_DESTROYED, "a launch after it");
  check(call("cuDevicePrimaryCtxRelease_v2", 0) == CUDA_ERROR_INVALID_CONTEXT,
        "one release too many");
}

/// A capture ends with its stream; its graph and a graph that was made of the
/// context's kernel do not run.
static void graphs() {
  primary();
  CUcontext C = nullptr;
  CUgraph Graph = nullptr;
  CUgraphExec Exec = nullptr;
  check(!call("cuCtxCreate_v2", &C, 0u, 0), "a context is created");
  Objects O;
  check(!call("cuStreamBeginCapture_v2", O.Stream, 2) && !O.launch() &&
            !call("cuStreamEndCapture", O.Stream, &Graph) &&
            !call("cuGraphInstantiateWithFlags", &Exec, Graph, 0ull),
        "a graph");
  check(!call("cuStreamBeginCapture_v2", O.Stream, 2) && !O.launch(),
        "an open capture");
  check(!call("cuCtxDestroy_v2", C), "the context is destroyed");
  check(call("cuGraphLaunch", Exec, static_cast<CUstream>(nullptr)) ==
            CUDA_ERROR_INVALID_HANDLE,
        "the graph does not run");
  Objects Next;
  O.Stream = nullptr;
  check(!call("cuMemcpyHtoD_v2", Next.Memory,
              static_cast<const void *>(&Next.Registered[0]), size_t(4)),
        "no capture is open");
  call("cuGraphExecDestroy", Exec);
  call("cuGraphDestroy", Graph);
  check(!call("cuDevicePrimaryCtxRelease_v2", 0), "release");
}

/// One thread destroys the context that others launch and allocate in.
static void manyThreads() {
  for (int Round = 0; Round < 20; ++Round) {
    CUcontext C = nullptr;
    check(!call("cuCtxCreate_v2", &C, 0u, 0), "a context is created");
    Objects O;
    std::atomic<int> Running{0};
    std::atomic<bool> Named{true};
    std::vector<std::thread> Pool;
    for (int K = 0; K < 4; ++K)
      Pool.emplace_back([&] {
        call("cuCtxSetCurrent", C);
        CUresult R = CUDA_SUCCESS;
        for (++Running; R == CUDA_SUCCESS;) {
          CUdeviceptr P = 0;
          R = call("cuMemAlloc_v2", &P, size_t(64));
          R = R ? R : O.launch();
          R = R ? R : call("cuMemFree_v2", P);
          // The driver's lock is not fair.
          std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
        // What it frees may be gone before it knows.
        if (R == CUDA_ERROR_INVALID_VALUE)
          R = O.launch();
        Named = Named && R == CUDA_ERROR_CONTEXT_IS_DESTROYED;
      });
    while (Running < 4)
      std::this_thread::yield();
    check(!call("cuCtxDestroy_v2", C), "the context is destroyed");
    for (std::thread &T : Pool)
      T.join();
    check(Named, "the other threads' calls say so");
    check(nothingLives(), "nothing lives");
  }
}

int main() {
  api();
  check(!call("cuDevicePrimaryCtxRelease_v2", 0), "the harness's own context");
  destroyed();
  others();
  primaryContext();
  graphs();
  manyThreads();
  return finish("ContextTest");
}
