// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Graphs: structure, copies, parameters of nodes, changes of executable graphs,
// memory that graphs allocate, and the graph that a capture is making.
#include "Driver.h"
#include <algorithm>
#include <fstream>
#include <sstream>

using namespace test;

/// p[i] += v for the 32 threads.
static const char AddPtx[] =
    ".version 8.0\n.target sm_80\n.address_size 64\n"
    ".visible .entry add(.param .u64 p, .param .u32 v)\n{\n"
    ".reg .b64 %rd<4>;\n.reg .b32 %r<5>;\n"
    "ld.param.u64 %rd1, [p];\nld.param.u32 %r1, [v];\nmov.u32 %r2, %tid.x;\n"
    "mad.wide.u32 %rd2, %r2, 4, %rd1;\nld.global.u32 %r3, [%rd2];\n"
    "add.u32 %r4, %r3, %r1;\nst.global.u32 [%rd2], %r4;\nret;\n}\n";

namespace {
struct Graph {
  Graph() { good(call("cuGraphCreate", &G, 0u), "a graph"); }
  Graph(const Graph &) = delete;
  ~Graph() { call("cuGraphDestroy", G); }
  CUgraphNode fill(CUdeviceptr P, unsigned Value,
                   std::vector<CUgraphNode> Before = {}) {
    CUgraphNode N = nullptr;
    CUDA_MEMSET_NODE_PARAMS Fill{P, 0, Value, 4, 32, 1};
    good(call("cuGraphAddMemsetNode", &N, G, Before.data(), Before.size(),
              &Fill, CUcontext(nullptr)),
         "a fill");
    return N;
  }
  CUgraphNode empty(std::vector<CUgraphNode> Before = {}) {
    CUgraphNode N = nullptr;
    good(call("cuGraphAddEmptyNode", &N, G, Before.data(), Before.size()),
         "an empty node");
    return N;
  }
  CUgraph G = nullptr;
};
struct Exec {
  explicit Exec(CUgraph G, unsigned long long Flags = 0) {
    good(call("cuGraphInstantiateWithFlags", &E, G, Flags), "instantiation");
  }
  Exec(const Exec &) = delete;
  ~Exec() { call("cuGraphExecDestroy", E); }
  CUresult launch() { return call("cuGraphLaunch", E, CUstream(nullptr)); }
  CUgraphExec E = nullptr;
};
struct Adder {
  Adder() {
    good(api().cuModuleLoadDataEx(&M, AddPtx, 0, nullptr, nullptr), "module");
    good(api().cuModuleGetFunction(&F, M, "add"), "function");
  }
  Adder(const Adder &) = delete;
  ~Adder() { api().cuModuleUnload(M); }
  CUDA_KERNEL_NODE_PARAMS params(void **Arguments) const {
    CUDA_KERNEL_NODE_PARAMS P{};
    P.func = F;
    P.gridDimX = P.gridDimY = P.gridDimZ = 1;
    P.blockDimX = 32;
    P.blockDimY = P.blockDimZ = 1;
    P.kernelParams = Arguments;
    return P;
  }
  CUgraphNode node(Graph &G, CUdeviceptr P, unsigned V,
                   std::vector<CUgraphNode> Before = {}) const {
    CUgraphNode N = nullptr;
    void *Arguments[] = {&P, &V};
    CUDA_KERNEL_NODE_PARAMS K = params(Arguments);
    good(call("cuGraphAddKernelNode_v2", &N, G.G, Before.data(), Before.size(),
              &K),
         "a kernel");
    return N;
  }
  CUmodule M = nullptr;
  CUfunction F = nullptr;
};
} // namespace

static void structure() {
  Graph G;
  CUgraphNode A = G.empty(), B = G.empty({A}), C = G.empty({A});
  size_t Count = 0, Two = 2;
  CUgraphNode From[2], To[2], Roots[2];
  good(call("cuGraphGetEdges", G.G, static_cast<CUgraphNode *>(nullptr),
            static_cast<CUgraphNode *>(nullptr), &Count),
       "count of edges");
  check(Count == 2, "two edges");
  good(call("cuGraphGetEdges", G.G, From, To, &Two), "edges");
  check(From[0] == A && To[0] == B && From[1] == A && To[1] == C, "the edges");
  good(call("cuGraphRemoveDependencies", G.G, From, To, size_t(1)), "removal");
  bad(call("cuGraphRemoveDependencies", G.G, From, To, size_t(1)),
      CUDA_ERROR_INVALID_VALUE, "removal of an edge that is not there");
  Two = 2;
  good(call("cuGraphGetRootNodes", G.G, Roots, &Two), "roots");
  check(Two == 2 && Roots[0] == A && Roots[1] == B, "A and B are roots");
  good(call("cuGraphAddDependencies", G.G, &B, &A, size_t(1)), "an edge");
  bad(call("cuGraphAddDependencies", G.G, &B, &A, size_t(1)),
      CUDA_ERROR_INVALID_VALUE, "an edge that is there");
  good(call("cuGraphDestroyNode", A), "a node goes");
  good(
      call("cuGraphGetNodes", G.G, static_cast<CUgraphNode *>(nullptr), &Count),
      "count of nodes");
  check(Count == 2, "two nodes are left");
  good(call("cuGraphNodeGetDependencies", C,
            static_cast<CUgraphNode *>(nullptr), &Count),
       "dependencies of C");
  check(Count == 0, "the edge went with the node");
  bad(call("cuGraphDestroyNode", A), CUDA_ERROR_INVALID_VALUE,
      "a node that is gone");
  CUgraph Owner = nullptr;
  good(call("cuGraphNodeGetContainingGraph", B, &Owner), "owner");
  check(Owner == G.G, "B is in the graph");
}

static void clones() {
  Buffer Memory(128);
  Graph G;
  CUgraphNode Fill = G.fill(Memory.Address, 1), Other = G.empty();
  CUgraph Clone = nullptr;
  CUgraphNode Copy = nullptr, None = nullptr;
  good(call("cuGraphClone", &Clone, G.G), "clone");
  good(call("cuGraphNodeFindInClone", &Copy, Fill, Clone), "the fill's copy");
  check(Copy && Copy != Fill, "the copy is another node");
  bad(call("cuGraphNodeFindInClone", &None, Copy, G.G),
      CUDA_ERROR_INVALID_VALUE, "the graph is no clone of its clone");
  CUDA_MEMSET_NODE_PARAMS P{Memory.Address, 0, 2, 4, 32, 1};
  good(call("cuGraphMemsetNodeSetParams", Copy, &P), "a change of the copy");
  {
    Exec Old(G.G), New(Clone);
    good(New.launch(), "launch of the clone");
    check(Memory.read<unsigned>()[31] == 2, "the clone fills with 2");
    good(Old.launch(), "launch of the graph");
    check(Memory.read<unsigned>()[31] == 1, "the graph still fills with 1");
  }
  good(call("cuGraphDestroy", Clone), "the clone goes");
  bad(call("cuGraphNodeFindInClone", &None, Other, Clone),
      CUDA_ERROR_INVALID_VALUE, "a clone that is gone");
}

static void kernelParams() {
  Adder K;
  Buffer A(std::vector<unsigned>(32)), B(std::vector<unsigned>(32));
  Graph G;
  CUgraphNode N = K.node(G, A.Address, 3);
  CUDA_KERNEL_NODE_PARAMS P{};
  good(call("cuGraphKernelNodeGetParams_v2", N, &P), "parameters");
  check(P.func == K.F && P.blockDimX == 32 &&
            *static_cast<CUdeviceptr *>(P.kernelParams[0]) == A.Address &&
            *static_cast<unsigned *>(P.kernelParams[1]) == 3,
        "the parameters are as given");
  Exec E(G.G);
  good(E.launch(), "launch");
  unsigned V = 10;
  void *Arguments[] = {const_cast<CUdeviceptr *>(&B.Address), &V};
  P.kernelParams = Arguments;
  good(call("cuGraphExecKernelNodeSetParams_v2", E.E, N, &P), "change");
  good(E.launch(), "launch after the change");
  check(A.read<unsigned>()[5] == 3 && B.read<unsigned>()[5] == 10,
        "the executable graph has changed");
  Exec Again(G.G);
  good(Again.launch(), "a new executable graph");
  check(A.read<unsigned>()[5] == 6, "the graph itself has not");
  good(call("cuGraphKernelNodeSetParams_v2", N, &P), "change of the graph");
  Exec Third(G.G);
  good(Third.launch(), "an executable graph of the changed one");
  check(B.read<unsigned>()[5] == 20, "the graph has changed");
  P.blockDimX = 2000;
  bad(call("cuGraphExecKernelNodeSetParams_v2", E.E, N, &P),
      CUDA_ERROR_INVALID_VALUE, "a block that is too large");
  good(call("cuGraphNodeSetEnabled", E.E, N, 0u), "switch off");
  good(E.launch(), "launch without the node");
  check(B.read<unsigned>()[5] == 20, "the node did not run");
}

static void update() {
  Adder K;
  Buffer A(std::vector<unsigned>(32)), B(std::vector<unsigned>(32));
  Graph G, Same, Longer, Other;
  K.node(G, A.Address, 1, {G.fill(A.Address, 100)});
  K.node(Same, B.Address, 2, {Same.fill(B.Address, 200)});
  Longer.empty({K.node(Longer, A.Address, 1, {Longer.fill(A.Address, 1)})});
  Other.empty({Other.fill(A.Address, 1)});
  Exec E(G.G);
  CUgraphExecUpdateResultInfo Info{};
  good(call("cuGraphExecUpdate_v2", E.E, Same.G, &Info), "update");
  good(E.launch(), "launch");
  check(Info.result == 0 && B.read<unsigned>()[0] == 202 &&
            A.read<unsigned>()[0] == 0,
        "the new graph's work runs");
  bad(call("cuGraphExecUpdate_v2", E.E, Longer.G, &Info),
      CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "more nodes");
  check(Info.result == 2, "the topology has changed");
  bad(call("cuGraphExecUpdate_v2", E.E, Other.G, &Info),
      CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "a node of another kind");
  size_t Two = 2;
  CUgraphNode Nodes[2] = {};
  call("cuGraphGetNodes", Other.G, Nodes, &Two);
  check(Info.result == 3 && Info.errorNode == Nodes[1], "and which one");
  good(E.launch(), "launch after failed updates");
  check(B.read<unsigned>()[0] == 202, "a failed update changes nothing");
}

static void copies() {
  std::vector<unsigned> Host(32, 7), Out(32);
  Buffer A(std::vector<unsigned>(32, 9));
  Graph G;
  CUgraphNode N = nullptr;
  CUDA_MEMCPY3D C{}, Back{};
  C.srcMemoryType = MemoryTypeHost;
  C.srcHost = Host.data();
  C.dstMemoryType = MemoryTypeDevice;
  C.dstDevice = A.Address;
  C.WidthInBytes = 128;
  C.Height = C.Depth = 1;
  good(call("cuGraphAddMemcpyNode", &N, G.G,
            static_cast<CUgraphNode *>(nullptr), size_t(0), &C,
            CUcontext(nullptr)),
       "a copy");
  good(call("cuGraphMemcpyNodeGetParams", N, &Back), "its parameters");
  check(Back.dstDevice == A.Address && Back.WidthInBytes == 128, "as given");
  Exec E(G.G);
  C.WidthInBytes = 64;
  good(call("cuGraphExecMemcpyNodeSetParams", E.E, N, &C, CUcontext(nullptr)),
       "half of it");
  good(E.launch(), "launch");
  check(A.read<unsigned>()[15] == 7 && A.read<unsigned>()[16] == 9,
        "half is copied");
  C.dstMemoryType = MemoryTypeHost;
  C.dstHost = Out.data();
  bad(call("cuGraphExecMemcpyNodeSetParams", E.E, N, &C, CUcontext(nullptr)),
      CUDA_ERROR_INVALID_VALUE, "to another kind of memory");
}

static void children() {
  Adder K;
  Buffer A(std::vector<unsigned>(32));
  Graph Inner, Outer;
  CUgraphNode Add = K.node(Inner, A.Address, 5), Child = nullptr;
  good(call("cuGraphAddChildGraphNode", &Child, Outer.G,
            static_cast<CUgraphNode *>(nullptr), size_t(0), Inner.G),
       "a child");
  CUgraph Copy = nullptr;
  good(call("cuGraphChildGraphNodeGetGraph", Child, &Copy), "its graph");
  CUgraphNode InCopy = nullptr;
  good(call("cuGraphNodeFindInClone", &InCopy, Add, Copy), "the node's copy");
  Exec E(Outer.G);
  unsigned V = 50;
  void *Arguments[] = {const_cast<CUdeviceptr *>(&A.Address), &V};
  CUDA_KERNEL_NODE_PARAMS P = K.params(Arguments);
  good(call("cuGraphExecKernelNodeSetParams_v2", E.E, InCopy, &P),
       "change of a node in a child");
  good(E.launch(), "launch");
  check(A.read<unsigned>()[1] == 50, "the child's changed node runs");
  bad(call("cuGraphDestroy", Copy), CUDA_ERROR_INVALID_VALUE,
      "the child belongs to its node");
}

/// Any kind of node by the one call.
static void generic() {
  Buffer A(std::vector<unsigned>(32));
  Graph G;
  CUevent Event = nullptr;
  good(call("cuEventCreate", &Event, 0u), "event");
  CUgraphNode N = nullptr, M = nullptr;
  CUgraphNodeParams P{}, Back{};
  P.type = 2;
  P.memset.params = {A.Address, 0, 11, 4, 32, 1};
  good(call("cuGraphAddNode_v2", &N, G.G, static_cast<CUgraphNode *>(nullptr),
            static_cast<void *>(nullptr), size_t(0), &P),
       "a fill");
  P = {};
  P.type = 7;
  P.event = Event;
  good(call("cuGraphAddNode", &M, G.G, &N, size_t(1), &P), "a record");
  good(call("cuGraphNodeGetParams", N, &Back), "parameters");
  check(Back.type == 2 && Back.memset.params.value == 11, "as given");
  Exec E(G.G);
  P = Back;
  P.memset.params.value = 12;
  good(call("cuGraphExecNodeSetParams", E.E, N, &P), "change");
  float Ms = 0;
  CUresult Before = call("cuEventElapsedTime_v2", &Ms, Event, Event);
  good(E.launch(), "launch");
  check(A.read<unsigned>()[31] == 12, "the changed fill runs");
  check(Before == CUDA_ERROR_INVALID_HANDLE &&
            call("cuEventElapsedTime_v2", &Ms, Event, Event) == CUDA_SUCCESS,
        "the launch records the event");
  P = {};
  P.type = 13;
  bad(call("cuGraphAddNode_v2", &M, G.G, static_cast<CUgraphNode *>(nullptr),
           static_cast<void *>(nullptr), size_t(0), &P),
      CUDA_ERROR_NOT_SUPPORTED, "a conditional node");
  call("cuEventDestroy_v2", Event);
}

/// The address is known at once, the memory there only when the node has run.
static void memoryBeforeLaunch() {
  Graph G;
  CUDA_MEM_ALLOC_NODE_PARAMS P{};
  P.poolProps.allocType = 1;
  P.poolProps.location = {1, 0};
  P.bytesize = 128;
  CUgraphNode Alloc = nullptr;
  good(call("cuGraphAddMemAllocNode", &Alloc, G.G,
            static_cast<CUgraphNode *>(nullptr), size_t(0), &P),
       "an allocation");
  std::vector<unsigned> Out(32);
  bad(api().cuMemcpyDtoH(Out.data(), P.dptr, 128), CUDA_ERROR_INVALID_VALUE,
      "a copy of memory that is not there yet");
}

static void memoryIsFreed() {
  Adder K;
  Graph G;
  CUDA_MEM_ALLOC_NODE_PARAMS P{};
  P.poolProps.allocType = 1;
  P.poolProps.location = {1, 0};
  P.bytesize = 128;
  CUgraphNode Alloc = nullptr;
  call("cuGraphAddMemAllocNode", &Alloc, G.G,
       static_cast<CUgraphNode *>(nullptr), size_t(0), &P);
  K.node(G, P.dptr, 4, {G.fill(P.dptr, 30, {Alloc})});
  std::vector<unsigned> Out(32);
  CUgraph Clone = nullptr;
  bad(call("cuGraphClone", &Clone, G.G), CUDA_ERROR_NOT_SUPPORTED,
      "clone of a graph that allocates");
  {
    Exec E(G.G);
    CUgraphExec Second = nullptr;
    bad(call("cuGraphInstantiateWithFlags", &Second, G.G, 0ull),
        CUDA_ERROR_NOT_SUPPORTED, "a second executable form");
    good(E.launch(), "launch");
    good(api().cuMemcpyDtoH(Out.data(), P.dptr, 128), "copy");
    check(Out[0] == 34 && Out[31] == 34, "the memory outlives the launch");
    bad(E.launch(), CUDA_ERROR_INVALID_VALUE, "launch before it is freed");
    good(call("cuMemFreeAsync", P.dptr, CUstream(nullptr)), "free");
    good(E.launch(), "launch after it is freed");
    good(api().cuMemFree(P.dptr), "free at once");
  }
  {
    Exec E(G.G, 1);
    good(E.launch(), "launch");
    good(E.launch(), "launch that frees");
    good(api().cuMemFree(P.dptr), "free");
  }
  CUgraphNode Free = nullptr;
  size_t Three = 3;
  CUgraphNode Nodes[3];
  call("cuGraphGetNodes", G.G, Nodes, &Three);
  good(call("cuGraphAddMemFreeNode", &Free, G.G, Nodes + 2, size_t(1), P.dptr),
       "a release");
  CUgraphNode Again = nullptr;
  bad(call("cuGraphAddMemFreeNode", &Again, G.G, &Free, size_t(1), P.dptr),
      CUDA_ERROR_INVALID_VALUE, "a second release in one graph");
  Exec E(G.G);
  good(E.launch(), "launch");
  good(E.launch(), "another launch");
  bad(api().cuMemFree(P.dptr), CUDA_ERROR_INVALID_VALUE,
      "the graph has freed it");
}

/// Memory of a captured stream, and the graph while it is being made.
static void capture() {
  Adder K;
  Buffer Result(std::vector<unsigned>(32));
  CUstream S = nullptr;
  good(call("cuStreamCreate", &S, 1u), "stream");
  good(call("cuStreamBeginCapture_v2", S, 0), "capture");
  CUdeviceptr P = 0;
  good(call("cuMemAllocAsync", &P, size_t(128), S), "allocation");
  good(call("cuMemsetD32Async", P, 6u, size_t(32), S), "fill");
  good(call("cuMemcpyDtoDAsync_v2", Result.Address, P, size_t(128), S), "copy");
  int Status = 0;
  uint64_t Id = 0;
  CUgraph G = nullptr, Ended = nullptr;
  const CUgraphNode *Before = nullptr;
  size_t Count = 0;
  good(call("cuStreamGetCaptureInfo_v2", S, &Status, &Id, &G, &Before, &Count),
       "capture info");
  int Kind = -1;
  check(Status == 1 && Count == 1, "one node is last");
  good(call("cuGraphNodeGetType", Before[0], &Kind), "its kind");
  check(Kind == 1, "a copy");
  // A kernel, added by hand, takes the copy's place.
  CUgraphNode Last = Before[0], Mine = nullptr;
  unsigned V = 1;
  void *Arguments[] = {const_cast<CUdeviceptr *>(&Result.Address), &V};
  CUDA_KERNEL_NODE_PARAMS Kernel = K.params(Arguments);
  good(call("cuGraphAddKernelNode_v2", &Mine, G, &Last, size_t(1), &Kernel),
       "a node is added");
  good(call("cuStreamUpdateCaptureDependencies", S, &Mine, size_t(1), 1u),
       "the stream goes on behind it");
  good(call("cuMemFreeAsync", P, S), "release");
  good(call("cuStreamEndCapture", S, &Ended), "end");
  check(Ended == G, "it is the graph that was told");
  {
    Exec E(G);
    good(E.launch(), "launch");
    good(E.launch(), "a second launch");
    check(Result.read<unsigned>()[9] == 7, "fill, copy and kernel have run");
  }
  good(call("cuGraphDestroy", G), "destroy");
  // A capture may add to a graph that is there.
  Graph Mine2;
  CUgraphNode First = Mine2.fill(Result.Address, 40);
  good(call("cuStreamBeginCaptureToGraph", S, Mine2.G, &First,
            static_cast<void *>(nullptr), size_t(1), 0),
       "capture to a graph");
  good(call("cuLaunchKernel", K.F, 1u, 1u, 1u, 32u, 1u, 1u, 0u, S, Arguments,
            static_cast<void **>(nullptr)),
       "a kernel");
  good(call("cuStreamEndCapture", S, &Ended), "end");
  check(Ended == Mine2.G, "the same graph");
  Exec E(Mine2.G);
  good(E.launch(), "launch");
  check(Result.read<unsigned>()[0] == 41, "both nodes run, in order");
  call("cuStreamDestroy_v2", S);
}

static void drawing(const std::string &Path) {
  Adder K;
  Buffer A(std::vector<unsigned>(32));
  Graph G;
  K.node(G, A.Address, 5, {G.fill(A.Address, 1)});
  good(call("cuGraphDebugDotPrint", G.G, Path.c_str(), 0u), "drawing");
  std::ifstream In(Path);
  std::stringstream Text;
  Text << In.rdbuf();
  check(Text.str().find("add\\n") != std::string::npos &&
            Text.str().find("fill\\n128 bytes") != std::string::npos &&
            Text.str().find("->") != std::string::npos,
        "the drawing names kernel, fill and edge");
}

static void memoryOperations() {
  Buffer A(std::vector<unsigned>(2));
  CUstreamBatchMemOpParams Ops[3] = {};
  Ops[0].word = {StreamMemOpWrite32, A.Address, 5, 0, 0};
  Ops[1].operation = StreamMemOpBarrier;
  Ops[2].word = {StreamMemOpWait32, A.Address, 5, 1, 0};
  good(call("cuStreamBatchMemOp_v2", CUstream(nullptr), 3u, Ops, 0u), "batch");
  check(A.read<unsigned>()[0] == 5, "the value is written");
  Graph G;
  CUgraphNode N = nullptr;
  CUDA_BATCH_MEM_OP_NODE_PARAMS P{nullptr, 1, Ops, 0}, Back{};
  good(call("cuGraphAddBatchMemOpNode", &N, G.G,
            static_cast<CUgraphNode *>(nullptr), size_t(0), &P),
       "a node");
  good(call("cuGraphBatchMemOpNodeGetParams", N, &Back), "its operations");
  check(Back.count == 1 && Back.paramArray[0].word.value == 5, "as given");
  Exec E(G.G);
  Ops[0].word.value = 8;
  good(call("cuGraphExecBatchMemOpNodeSetParams", E.E, N, &P), "change");
  good(E.launch(), "launch");
  check(A.read<unsigned>()[0] == 8, "the changed value is written");
}

int main(int, char **Arguments) {
  api();
  structure();
  clones();
  kernelParams();
  update();
  copies();
  children();
  generic();
  memoryBeforeLaunch();
  memoryIsFreed();
  capture();
  drawing(std::string(Arguments[0]) + ".dot");
  memoryOperations();
  return finish("GraphTest");
}
