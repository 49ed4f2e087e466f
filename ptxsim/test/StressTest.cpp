// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The driver API in the hands of a careless program: random calls with valid,
// stale, null and foreign handles, from several threads. Every call must return
// a code that the driver knows, nothing may crash or leak.
#include "Driver.h"
#include "ptxsim/ptxsim.h"
#include <mutex>
#include <thread>

using namespace test;

static const char *const Ptx =
    ".version 8.0\n.target sm_80\n.address_size 64\n"
    ".global .align 4 .b32 counter;\n"
    ".visible .entry k(.param .u64 p)\n{\n.reg .b64 %rd<2>;\n"
    ".reg .b32 %r<4>;\n.reg .pred %p<2>;\n"
    "ld.param.u64 %rd1, [p];\nmov.u32 %r1, %tid.x;\n"
    "mov.u32 %r2, %ctaid.x;\nmov.u32 %r3, %ctaid.y;\nor.b32 %r2, %r2, %r3;\n"
    "mov.u32 %r3, %ctaid.z;\nor.b32 %r2, %r2, %r3;\n"
    "setp.eq.u32 %p1, %r2, 0;\n@%p1 st.global.u32 [%rd1], %r1;\nret;\n}\n";

namespace {
/// Handles of every kind in one pool: what is a stream to one call may be a
/// graph to the next one.
class Session {
public:
  explicit Session(uint64_t Seed) : R(Seed) {}
  void run(unsigned Steps);
  /// Destroys everything that is left, by every call that destroys.
  void clean();
  /// Frees memory that belongs to no context, so that nothing else frees it.
  /// The driver refuses while a stream is captured, whichever thread's that is
  /// (cuThreadExchangeStreamCaptureMode), and graphs that other sessions launch
  /// may allocate after this one has been cleaned: the others must have ended.
  void freeMemory() { destroy("cuMemFree_v2"); }
  bool Known = true;    // every result has had a name
  bool Unmapped = true; // all addresses could be given back
  unsigned Succeeded = 0;

private:
  using Handle = void *;
  void note(CUresult Result);
  void keep(CUresult Result, Handle H) {
    note(Result);
    if (Result != CUDA_SUCCESS)
      return;
    Handles.push_back(H);
    All.push_back(H);
  }
  void destroy(const char *Call) {
    for (Handle H : All)
      call(Call, H);
  }
  unsigned below(unsigned N) { return unsigned(R.next() >> 20) % N; }
  Handle pick();
  CUdeviceptr address() { return CUdeviceptr(pick()) + below(3) * below(64); }
  size_t size();
  void memory();
  void modules();
  void streams();
  void graphs();
  void changedGraphs();
  void pools();
  void mappings();
  void launch();
  void attributes();
  void contexts();
  Random R;
  std::vector<Handle> Handles, All;
  char Host[4096] = {};
};
} // namespace

void Session::note(CUresult Result) {
  const char *Name = nullptr;
  if (call("cuGetErrorName", int(Result), &Name) != CUDA_SUCCESS || !Name)
    Known = false;
  Succeeded += Result == CUDA_SUCCESS;
}

Session::Handle Session::pick() {
  static int Somewhere[64];
  switch (below(12)) {
  case 0: return nullptr;
  case 1: return reinterpret_cast<Handle>(uintptr_t(1 + below(3)));
  case 2: return reinterpret_cast<Handle>(~uintptr_t(0) - below(4096));
  case 3: return Somewhere;
  default:
    return Handles.empty() ? nullptr : Handles[below(unsigned(Handles.size()))];
  }
}

/// Small, or more than any device has.
size_t Session::size() {
  const size_t Sizes[] = {0,
                          1,
                          4,
                          64,
                          256,
                          1024,
                          2048,
                          4095,
                          size_t(1) << 42,
                          ~size_t(0),
                          ~size_t(0) - 4095,
                          size_t(1) << 62};
  return Sizes[below(12)];
}

void Session::memory() {
  CUdeviceptr A = 0;
  switch (below(9)) {
  case 0: note(call("cuMemAlloc_v2", &A, size())); break;
  case 1: {
    CUresult Result = call("cuMemAlloc_v2", &A, size_t(1 + below(8192)));
    keep(Result, reinterpret_cast<Handle>(A));
    A = 0;
    break;
  }
  case 2: note(call("cuMemFree_v2", address())); break;
  case 3: note(call("cuMemcpyHtoD_v2", address(), Host, size())); break;
  case 4: note(call("cuMemcpyDtoH_v2", Host, address(), size())); break;
  case 5:
    note(call("cuMemcpyDtoDAsync_v2", address(), address(), size(), pick()));
    break;
  case 6: note(call("cuMemsetD32Async", address(), 7u, size(), pick())); break;
  case 7:
    note(call("cuMemsetD2D8_v2", address(), size(), (unsigned char)(3), size(),
              size()));
    break;
  case 8: {
    size_t Bytes = 0;
    note(call("cuMemGetAddressRange_v2", &A, &Bytes, address()));
    int Attributes[] = {1, 2, 3, 4, 7, 8, 9, 11, 12, 13, int(below(40))};
    uint64_t Values[11];
    void *Out[11];
    for (int K = 0; K < 11; ++K)
      Out[K] = &Values[K];
    note(call("cuPointerGetAttributes", 11u, Attributes, Out, address()));
    A = 0;
    break;
  }
  }
  if (A)
    note(call("cuMemFree_v2", A));
}

void Session::modules() {
  Handle H = nullptr;
  std::string Text = Ptx;
  switch (below(6)) {
  case 0: keep(call("cuModuleLoadData", &H, Text.c_str()), H); break;
  case 1: { // broken text
    Text[below(unsigned(Text.size()))] = char(below(256));
    keep(call("cuModuleLoadData", &H, Text.c_str()), H);
    break;
  }
  case 2: note(call("cuModuleUnload", pick())); break;
  case 3: keep(call("cuModuleGetFunction", &H, pick(), "k"), H); break;
  case 4: {
    CUdeviceptr A = 0;
    size_t Bytes = 0;
    note(call("cuModuleGetGlobal_v2", &A, &Bytes, pick(), "counter"));
    break;
  }
  case 5: note(call("cuLibraryUnload", pick())); break;
  }
}

void Session::streams() {
  Handle H = nullptr;
  float Ms;
  int Status;
  switch (below(12)) {
  case 0: keep(call("cuStreamCreate", &H, below(3)), H); break;
  case 1: note(call("cuStreamDestroy_v2", pick())); break;
  case 2: keep(call("cuEventCreate", &H, below(4)), H); break;
  case 3: note(call("cuEventDestroy_v2", pick())); break;
  case 4: note(call("cuEventRecord", pick(), pick())); break;
  case 5: note(call("cuStreamWaitEvent", pick(), pick(), 0u)); break;
  case 6: note(call("cuEventElapsedTime_v2", &Ms, pick(), pick())); break;
  case 7: note(call("cuStreamSynchronize", pick())); break;
  case 8: note(call("cuStreamBeginCapture_v2", pick(), int(below(4)))); break;
  case 9: keep(call("cuStreamEndCapture", pick(), &H), H); break;
  case 10: note(call("cuStreamIsCapturing", pick(), &Status)); break;
  case 11: note(call("cuEventSynchronize", pick())); break;
  }
}

void Session::graphs() {
  Handle H = nullptr, Before[] = {pick(), pick()};
  size_t Count = 2;
  int Kind;
  CUDA_KERNEL_NODE_PARAMS Kernel{};
  CUdeviceptr A = address();
  void *Params[] = {&A};
  switch (below(12)) {
  case 0: keep(call("cuGraphCreate", &H, 0u), H); break;
  case 1: note(call("cuGraphDestroy", pick())); break;
  case 2:
    keep(call("cuGraphAddEmptyNode", &H, pick(), Before, size_t(below(3))), H);
    break;
  case 3:
    Kernel.func = static_cast<CUfunction>(pick());
    Kernel.gridDimX = Kernel.gridDimY = Kernel.gridDimZ = 1;
    Kernel.blockDimX = Kernel.blockDimY = Kernel.blockDimZ = below(3);
    Kernel.kernelParams = Params;
    keep(call("cuGraphAddKernelNode_v2", &H, pick(), Before, size_t(below(2)),
              &Kernel),
         H);
    break;
  case 4: keep(call("cuGraphInstantiateWithFlags", &H, pick(), 0ull), H); break;
  case 5: note(call("cuGraphExecDestroy", pick())); break;
  case 6: note(call("cuGraphLaunch", pick(), pick())); break;
  case 7: note(call("cuGraphNodeGetType", pick(), &Kind)); break;
  case 8: note(call("cuGraphGetNodes", pick(), Before, &Count)); break;
  case 9:
    note(call("cuGraphAddDependencies", pick(), Before, Before + 1, size_t(1)));
    break;
  case 10: {
    CUDA_MEMSET_NODE_PARAMS Fill{address(), size(), 1,
                                 below(5),  size(), size()};
    keep(call("cuGraphAddMemsetNode", &H, pick(), Before, size_t(0), &Fill,
              pick()),
         H);
    break;
  }
  case 11:
    keep(call("cuGraphAddChildGraphNode", &H, pick(), Before, size_t(below(2)),
              pick()),
         H);
    break;
  }
}

void Session::changedGraphs() {
  Handle H = nullptr, Nodes[] = {pick(), pick()};
  size_t Count = 2;
  uint64_t Id = 0;
  int Status;
  CUDA_MEMSET_NODE_PARAMS Fill{address(), 0, 1, 4, below(64), 1};
  CUgraphExecUpdateResultInfo Info;
  CUgraphNodeParams Any{};
  Handle NoContext = nullptr;
  switch (below(12)) {
  case 0: keep(call("cuGraphClone", &H, pick()), H); break;
  case 1: note(call("cuGraphNodeFindInClone", &H, pick(), pick())); break;
  case 2: note(call("cuGraphExecUpdate_v2", pick(), pick(), &Info)); break;
  case 3: note(call("cuGraphDestroyNode", pick())); break;
  case 4: note(call("cuGraphMemsetNodeSetParams", pick(), &Fill)); break;
  case 5:
    note(call("cuGraphExecMemsetNodeSetParams", pick(), pick(), &Fill,
              NoContext));
    break;
  case 6: {
    CUDA_MEM_ALLOC_NODE_PARAMS P{};
    P.poolProps.allocType = 1;
    P.poolProps.location = {1, int(below(8)) / 7};
    P.bytesize = size();
    keep(
        call("cuGraphAddMemAllocNode", &H, pick(), Nodes, size_t(below(2)), &P),
        H);
    if (P.dptr) {
      Handles.push_back(reinterpret_cast<Handle>(P.dptr));
      All.push_back(reinterpret_cast<Handle>(P.dptr));
    }
    break;
  }
  case 7:
    keep(call("cuGraphAddMemFreeNode", &H, pick(), Nodes, size_t(below(2)),
              address()),
         H);
    break;
  case 8: note(call("cuGraphNodeGetParams", pick(), &Any)); break;
  case 9:
    Any.type = int(below(15));
    Any.graph = {static_cast<CUgraph>(pick()), int(below(2))};
    keep(call("cuGraphAddNode", &H, pick(), Nodes, size_t(below(2)), &Any), H);
    break;
  case 10: {
    const CUgraphNode *Before = nullptr;
    CUresult R = call("cuStreamGetCaptureInfo_v2", pick(), &Status, &Id, &H,
                      &Before, &Count);
    note(R);
    if (R == CUDA_SUCCESS && H)
      Handles.push_back(H);
    break;
  }
  case 11:
    note(call("cuStreamUpdateCaptureDependencies", pick(), Nodes,
              size_t(below(3)), below(3)));
    break;
  }
}

void Session::pools() {
  CUdeviceptr A = 0;
  Handle H = nullptr;
  CUmemPoolProps P{};
  P.allocType = 1;
  P.location = {1, 0};
  uint64_t Value = below(2) * size();
  switch (below(7)) {
  case 0: keep(call("cuMemPoolCreate", &H, &P), H); break;
  case 1: note(call("cuMemPoolDestroy", pick())); break;
  case 2: note(call("cuDeviceSetMemPool", 0, pick())); break;
  case 3: {
    CUresult Result = call("cuMemAllocFromPoolAsync", &A,
                           size_t(1 + below(4096)), pick(), pick());
    keep(Result, reinterpret_cast<Handle>(A));
    break;
  }
  case 4: note(call("cuMemFreeAsync", address(), pick())); break;
  case 5:
    note(call("cuMemPoolSetAttribute", pick(), int(below(16)), &Value));
    break;
  case 6:
    note(call("cuMemPoolGetAttribute", pick(), int(below(16)), &Value));
    break;
  }
}

/// All that is mapped is unmapped again.
void Session::mappings() {
  constexpr size_t Grain = 2 << 20;
  CUdeviceptr A = 0;
  unsigned long long M = 0;
  CUmemAllocationProp P{};
  P.type = 1;
  P.location = {1, 0};
  CUmemAccessDesc Access{{1, 0}, int(below(5))};
  size_t Bytes = Grain * (1 + below(3));
  note(call("cuMemAddressReserve", &A, Bytes, size_t(0), address(), 0ull));
  note(call("cuMemCreate", &M, Grain * below(3), &P, 0ull));
  if (!A)
    return;
  for (size_t At = 0; At < Bytes; At += Grain)
    note(call("cuMemMap", A + At, Grain, Grain * below(2), M, 0ull));
  note(call("cuMemSetAccess", A, Bytes, &Access, size_t(1)));
  note(call("cuMemcpyDtoH_v2", Host, A + below(unsigned(Bytes)), size_t(64)));
  note(call("cuMemFree_v2", A));
  if (M)
    note(call("cuMemRelease", M));
  for (size_t At = 0; At < Bytes; At += Grain)
    note(call("cuMemUnmap", A + At, Grain));
  Unmapped &= call("cuMemAddressFree", A, Bytes) == CUDA_SUCCESS;
}

void Session::launch() {
  const unsigned Extents[] = {0, 1, 1, 1, 2, 3, 33, 1024, 1025, 70000};
  CUdeviceptr A = address();
  void *Params[] = {&A};
  CUlaunchConfig C{};
  C.gridDimX = below(4);
  C.gridDimY = C.gridDimZ = 1 + below(2);
  C.blockDimX = Extents[below(10)];
  C.blockDimY = C.blockDimZ = 1;
  C.sharedMemBytes = below(3) ? 0 : unsigned(size());
  C.hStream = static_cast<CUstream>(pick());
  CUlaunchAttribute Cluster{};
  Cluster.id = int(below(6));
  for (unsigned &Extent : Cluster.value.clusterDim)
    Extent = below(3);
  C.attrs = below(2) ? &Cluster : nullptr;
  C.numAttrs = below(2);
  note(call("cuLaunchKernelEx", &C, pick(), below(4) ? Params : nullptr,
            static_cast<void **>(nullptr)));
  // An error stays until the context is reset.
  if (call("cuCtxSynchronize") != CUDA_SUCCESS)
    renewContext();
}

void Session::attributes() {
  int Value;
  const char *Name;
  size_t Offset, Bytes;
  CUtensorMap Map;
  switch (below(5)) {
  case 0:
    note(call("cuFuncGetAttribute", &Value, int(below(20)), pick()));
    break;
  case 1:
    note(call("cuFuncSetAttribute", pick(), int(below(20)),
              int(below(3)) * 0x7ffffff));
    break;
  case 2: note(call("cuFuncGetName", &Name, pick())); break;
  case 3:
    note(call("cuFuncGetParamInfo", pick(), size(), &Offset, &Bytes));
    break;
  case 4: {
    uint64_t Extent[] = {size(), size(), size(), size(), size()},
             Stride[] = {size(), size(), size(), size()};
    uint32_t Box[] = {below(300), below(300), 1, 1, below(3)},
             Ones[] = {1, below(10), 1, 1, 1};
    note(call("cuTensorMapEncodeTiled", &Map, int(below(15)),
              uint32_t(below(7)), reinterpret_cast<void *>(address()), Extent,
              Stride, Box, Ones, int(below(3)), int(below(5)), int(below(5)),
              int(below(3))));
    break;
  }
  }
}

void Session::contexts() {
  Handle H = nullptr;
  switch (below(4)) {
  case 0: note(call("cuCtxSetCurrent", pick())); break;
  case 1: {
    CUresult Result = call("cuCtxCreate_v2", &H, 0u, 0);
    keep(Result, H);
    break;
  }
  case 2: note(call("cuCtxDestroy_v2", pick())); break;
  case 3: note(call("cuCtxPopCurrent_v2", &H)); break;
  }
  if (below(4)) { // mostly go on in a context
    note(call("cuDevicePrimaryCtxRetain", &H, 0));
    note(call("cuCtxSetCurrent", H));
    note(call("cuDevicePrimaryCtxRelease_v2", 0));
  }
}

void Session::run(unsigned Steps) {
  Handle Primary = nullptr;
  call("cuDevicePrimaryCtxRetain", &Primary, 0);
  call("cuCtxSetCurrent", Primary);
  void (Session::*const Kinds[])() = {
      &Session::memory, &Session::modules,    &Session::streams,
      &Session::graphs, &Session::graphs,     &Session::launch,
      &Session::launch, &Session::attributes, &Session::changedGraphs,
      &Session::pools,  &Session::mappings};
  for (unsigned K = 0; K < Steps; ++K) {
    if (below(40) == 0)
      contexts();
    (this->*Kinds[below(std::size(Kinds))])();
    if (Handles.size() > 60) // the oldest are forgotten, but not destroyed
      Handles.erase(Handles.begin(), Handles.begin() + 20);
  }
}

void Session::clean() {
  All.push_back(reinterpret_cast<Handle>(2)); // the thread's own stream
  for (size_t K = 0; K < All.size(); ++K) {   // a capture's end adds a graph
    Handle Graph = nullptr;
    if (call("cuStreamEndCapture", All[K], &Graph) == CUDA_SUCCESS)
      All.push_back(Graph);
  }
  for (const char *Destroy :
       {"cuGraphExecDestroy", "cuGraphDestroy", "cuModuleUnload",
        "cuEventDestroy_v2", "cuStreamDestroy_v2", "cuMemFree_v2",
        "cuMemPoolDestroy", "cuCtxDestroy_v2"})
    destroy(Destroy);
  call("cuCtxSetCurrent", Handle(nullptr));
  call("cuDevicePrimaryCtxRelease_v2", 0);
}

static void noneLeft(const char *When) {
  ptxsimLiveObjects L{};
  reinterpret_cast<void (*)(ptxsimLiveObjects *)>(
      librarySymbol("ptxsimCountLive"))(&L);
  check(!L.allocations && !L.modules && !L.streams && !L.events && !L.graphs &&
            !L.graph_execs && !L.contexts && !L.primary_context_retains,
        std::string(When) +
            ": objects are left: " + std::to_string(L.allocations) +
            " allocations, " + std::to_string(L.modules) + " modules, " +
            std::to_string(L.streams) + " streams, " +
            std::to_string(L.events) + " events, " + std::to_string(L.graphs) +
            " graphs, " + std::to_string(L.graph_execs) + " executables, " +
            std::to_string(L.contexts) + " contexts, " +
            std::to_string(L.primary_context_retains) + " retains");
}

static void sessions() {
  for (uint64_t Seed = 1; Seed <= 40; ++Seed) {
    Session S(Seed);
    S.run(1000);
    S.clean();
    check(S.Known, "seed " + std::to_string(Seed) + ": unknown result");
    check(S.Unmapped, "seed " + std::to_string(Seed) + ": mappings are left");
    check(S.Succeeded > 100, "seed " + std::to_string(Seed) + ": only " +
                                 std::to_string(S.Succeeded) +
                                 " calls of 1000 succeeded");
    noneLeft("one session");
  }
  std::vector<std::thread> Pool;
  std::vector<Session> Many;
  for (uint64_t Seed = 100; Seed < 108; ++Seed)
    Many.emplace_back(Seed);
  for (Session &S : Many)
    Pool.emplace_back([&S] {
      S.run(2000);
      S.clean();
    });
  for (std::thread &T : Pool)
    T.join();
  for (Session &S : Many)
    S.freeMemory();
  for (Session &S : Many)
    check(S.Known && S.Unmapped,
          "sessions side by side: unknown result, or mappings are left");
  noneLeft("sessions side by side");
}

/// 64 host threads launch at once, each a module of its own.
static void manyLaunches() {
  void *Primary = nullptr;
  call("cuDevicePrimaryCtxRetain", &Primary, 0);
  std::vector<std::thread> Pool;
  std::vector<int> Right(64);
  for (int &Mine : Right)
    Pool.emplace_back([&Mine, Primary] {
      call("cuCtxSetCurrent", Primary);
      for (int Round = 0; Round < 3; ++Round) {
        Kernel K(Ptx, "k");
        Buffer B(std::vector<unsigned>(1, 77));
        bool Ran = K.arg(B.Address).run({2}, {1}) == CUDA_SUCCESS;
        Mine += Ran && B.read<unsigned>()[0] == 0;
      }
    });
  for (std::thread &T : Pool)
    T.join();
  for (int Mine : Right)
    check(Mine == 3, "launches from 64 threads");
  call("cuDevicePrimaryCtxRelease_v2", 0);
}

/// What a graph uses may go before the graph does.
static void releasedWhileCaptured() {
  void *Primary = nullptr, *Stream = nullptr, *Graph = nullptr, *Exec = nullptr;
  void *Module = nullptr, *Function = nullptr;
  CUdeviceptr A = 0;
  char Host[64] = {};
  call("cuDevicePrimaryCtxRetain", &Primary, 0);
  call("cuCtxSetCurrent", Primary);
  auto Capture = [&](auto Submit) {
    check(!call("cuMemAlloc_v2", &A, size_t(64)) &&
              !call("cuModuleLoadData", &Module, Ptx) &&
              !call("cuModuleGetFunction", &Function, Module, "k") &&
              !call("cuStreamCreate", &Stream, 0u) &&
              !call("cuStreamBeginCapture_v2", Stream, 2) && !Submit() &&
              !call("cuStreamEndCapture", Stream, &Graph) &&
              !call("cuGraphInstantiateWithFlags", &Exec, Graph, 0ull),
          "a graph is captured");
    call("cuGraphDestroy", Graph);
    call("cuStreamDestroy_v2", Stream);
  };
  void *Params[] = {&A};
  auto Launch = [&] {
    return call("cuLaunchKernel", Function, 1u, 1u, 1u, 1u, 1u, 1u, 0u, Stream,
                Params, static_cast<void **>(nullptr));
  };
  auto Copy = [&] {
    return call("cuMemcpyHtoDAsync_v2", A, Host, size_t(64), Stream);
  };
  Capture(Launch);
  call("cuModuleUnload", Module);
  check(call("cuGraphLaunch", Exec, static_cast<void *>(nullptr)) ==
            CUDA_ERROR_INVALID_HANDLE,
        "a graph of an unloaded kernel");
  call("cuMemFree_v2", A);
  call("cuGraphExecDestroy", Exec);
  Capture(Copy);
  call("cuMemFree_v2", A);
  check(call("cuGraphLaunch", Exec, static_cast<void *>(nullptr)) ==
                CUDA_ERROR_ILLEGAL_ADDRESS &&
            std::string(api().ptxsimLastReport()).find("released") !=
                std::string::npos,
        "a graph that copies to released memory");
  call("cuDevicePrimaryCtxReset_v2", 0);
  call("cuModuleUnload", Module);
  call("cuGraphExecDestroy", Exec);
  call("cuCtxSetCurrent", static_cast<void *>(nullptr));
  call("cuDevicePrimaryCtxRelease_v2", 0);
}

int main() {
  api();
  // The context that the other tests share.
  while (call("cuDevicePrimaryCtxRelease_v2", 0) == CUDA_SUCCESS)
    ;
  sessions();
  releasedWhileCaptured();
  noneLeft("graphs");
  manyLaunches();
  return finish("StressTest");
}
