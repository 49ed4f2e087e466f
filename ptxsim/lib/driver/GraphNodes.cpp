// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Nodes of graphs: the work of each kind, addition, and their parameters.
#include "State.h"
#include "exec/Exec.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

// ---- work ----------------------------------------------------------------
static CUresult prepareAlloc(const AllocNode &N, Work &Out) {
  Out = [Memory = N.Memory] {
    DriverState &S = state();
    if (!S.Memory.place(Memory->Begin, Memory->Bytes, S.Device.Memory))
      return CUDA_ERROR_OUT_OF_MEMORY;
    if (S.Config.Race)
      S.Memory.trackWrites(Memory->Begin);
    return CUDA_SUCCESS;
  };
  return CUDA_SUCCESS;
}
/// Only allocations of graphs and virtual memory management set addresses
/// aside.
static CUresult prepareFree(const FreeNode &N, Work &Out) {
  if (!state().Memory.beginsRange(N.Address) || isMapped(N.Address)) {
    report("a graph frees address " + hex(N.Address) +
           ", which no allocation node has returned");
    return CUDA_ERROR_INVALID_VALUE;
  }
  Out = [N] { return releaseMemory(N.Address); };
  return CUDA_SUCCESS;
}
CUresult ptxsim::prepareNode(const NodeParams &P, Work &Out) {
  Out = [] { return CUDA_SUCCESS; };
  if (auto *L = std::get_if<KernelLaunch>(&P))
    return prepareLaunch(*L, Out);
  if (auto *C = std::get_if<CUDA_MEMCPY3D>(&P))
    return prepareCopy(*C, true, Out);
  if (auto *F = std::get_if<CUDA_MEMSET_NODE_PARAMS>(&P))
    return prepareFill(*F, true, Out);
  if (auto *H = std::get_if<CUDA_HOST_NODE_PARAMS>(&P)) {
    Out = [Host = *H] {
      Host.fn(Host.userData);
      return CUDA_SUCCESS;
    };
    return H->fn ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }
  if (auto *W = std::get_if<WaitNode>(&P)) // what was recorded has then run
    return findEvent(W->Event) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  if (auto *N = std::get_if<RecordNode>(&P)) {
    Out = [Event = N->Event] { return recordNow(Event); };
    return findEvent(N->Event) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  }
  if (auto *A = std::get_if<AllocNode>(&P))
    return prepareAlloc(*A, Out);
  if (auto *F = std::get_if<FreeNode>(&P))
    return prepareFree(*F, Out);
  if (auto *M = std::get_if<MemOpsNode>(&P))
    return prepareMemOps(*M, Out);
  return CUDA_SUCCESS;
}

// ---- structures of cuda.h ------------------------------------------------
CUresult ptxsim::readKernelNode(const CUDA_KERNEL_NODE_PARAMS *P, bool HasKern,
                                KernelLaunch &Out) {
  if (!P)
    return CUDA_ERROR_INVALID_VALUE;
  Out.Fn = reinterpret_cast<Kernel *>(P->func);
  if (!Out.Fn && HasKern)
    Out.Fn = reinterpret_cast<Kernel *>(P->kern);
  Out.Grid = {P->gridDimX, P->gridDimY, P->gridDimZ};
  Out.Block = {P->blockDimX, P->blockDimY, P->blockDimZ};
  Out.SharedBytes = P->sharedMemBytes;
  return collectArguments(Out, P->kernelParams, P->extra);
}
CUresult ptxsim::readMemOps(const CUDA_BATCH_MEM_OP_NODE_PARAMS &P,
                            NodeParams &Out) {
  constexpr unsigned MaxOps = 256;
  if (!P.count || P.count > MaxOps || !P.paramArray)
    return CUDA_ERROR_INVALID_VALUE;
  Out = MemOpsNode{{P.paramArray, P.paramArray + P.count}, P.flags};
  return CUDA_SUCCESS;
}
static CUresult readChild(CUgraph Graph, const GraphObject *Into, bool Move,
                          NodeParams &Out) {
  DriverState &D = state();
  GraphObject *G = findGraph(Graph);
  if (!G || G->Capturing.Active)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<ExecNode> Checked; // a cycle
  if (!orderNodes(*G, Checked))
    return CUDA_ERROR_INVALID_VALUE;
  if (!Move) {
    if (G->hasMemoryNodes())
      return CUDA_ERROR_NOT_SUPPORTED; // cannot be cloned
    Out = ChildNode{cloneGraph(*G)};
    return CUDA_SUCCESS;
  }
  auto It = D.Graphs.find(G);
  if (It == D.Graphs.end() || !D.Graphs.count(const_cast<GraphObject *>(Into)))
    return CUDA_ERROR_INVALID_VALUE; // only whole graphs, into a whole one
  if (G == Into)
    return CUDA_ERROR_INVALID_VALUE;
  Out = ChildNode{std::move(It->second)};
  D.Graphs.erase(It);
  return CUDA_SUCCESS;
}
static CUresult readAlloc(CUDA_MEM_ALLOC_NODE_PARAMS *P, NodeParams &Out) {
  AllocNode N;
  if (!P || (P->accessDescCount && !P->accessDescs))
    return CUDA_ERROR_INVALID_VALUE;
  N.Params = *P;
  if (CUresult R = checkPoolProps(P->poolProps))
    return R;
  N.Access = std::make_shared<std::vector<CUmemAccessDesc>>(
      P->accessDescs, P->accessDescs + P->accessDescCount);
  N.Params.accessDescs = N.Access->data();
  if (CUresult R = reserveGraphMemory(P->bytesize, N.Memory))
    return R;
  P->dptr = N.Params.dptr = N.Memory->Begin;
  Out = std::move(N);
  return CUDA_SUCCESS;
}
enum { OwnershipClone = 0, OwnershipMove = 1 };
CUresult ptxsim::readNode(CUgraphNodeParams *P, const GraphObject *Into,
                          NodeParams &Out) {
  if (!P)
    return CUDA_ERROR_INVALID_VALUE;
  switch (P->type) {
  case KernelKind: {
    KernelLaunch L;
    CUresult R = readKernelNode(&P->kernel, true, L);
    Out = std::move(L);
    return R;
  }
  case MemcpyKind: Out = P->memcpy.copyParams; return CUDA_SUCCESS;
  case MemsetKind: Out = P->memset.params; return CUDA_SUCCESS;
  case HostKind: Out = P->host; return CUDA_SUCCESS;
  case GraphKind:
    if (P->graph.ownership != OwnershipClone &&
        P->graph.ownership != OwnershipMove)
      return CUDA_ERROR_INVALID_VALUE;
    return readChild(P->graph.graph, Into, P->graph.ownership == OwnershipMove,
                     Out);
  case EmptyKind: Out = EmptyNode(); return CUDA_SUCCESS;
  case WaitEventKind: Out = WaitNode{P->event}; return CUDA_SUCCESS;
  case EventRecordKind: Out = RecordNode{P->event}; return CUDA_SUCCESS;
  case MemAllocKind: return readAlloc(&P->alloc, Out);
  case MemFreeKind: Out = FreeNode{P->freed}; return CUDA_SUCCESS;
  case MemOpsKind: return readMemOps(P->memOp, Out);
  default:
    report("graph nodes of type " + std::to_string(P->type) +
           " are not supported");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
}
/// Values of the arguments lie in the node.
static void writeKernelNode(GraphNode &N, CUDA_KERNEL_NODE_PARAMS *Out,
                            bool HasKern) {
  auto &L = std::get<KernelLaunch>(N.Params);
  Out->func = reinterpret_cast<CUfunction>(L.Fn);
  Out->gridDimX = L.Grid.X;
  Out->gridDimY = L.Grid.Y;
  Out->gridDimZ = L.Grid.Z;
  Out->blockDimX = L.Block.X;
  Out->blockDimY = L.Block.Y;
  Out->blockDimZ = L.Block.Z;
  Out->sharedMemBytes = L.SharedBytes;
  N.Arguments.clear();
  if (state().Kernels.count(L.Fn)) {
    uint64_t At = 0;
    for (const Variable &P : L.Fn->Code->Source->Params) {
      At = (At + P.Align - 1) / P.Align * P.Align;
      N.Arguments.push_back(L.Params.data() + At);
      At += P.Size;
    }
  }
  Out->kernelParams = N.Arguments.empty() ? nullptr : N.Arguments.data();
  Out->extra = nullptr;
  if (HasKern) {
    Out->kern = nullptr;
    Out->ctx = nullptr;
  }
}
static void writeMemOps(GraphNode &N, CUDA_BATCH_MEM_OP_NODE_PARAMS *Out) {
  auto &M = std::get<MemOpsNode>(N.Params);
  *Out = {nullptr, unsigned(M.Ops.size()), M.Ops.data(), M.Flags};
}
static void writeNode(GraphNode &N, CUgraphNodeParams *Out) {
  *Out = {};
  Out->type = kindOf(N.Params);
  switch (Out->type) {
  case KernelKind: writeKernelNode(N, &Out->kernel, true); break;
  case MemcpyKind:
    Out->memcpy.copyParams = std::get<CUDA_MEMCPY3D>(N.Params);
    break;
  case MemsetKind:
    Out->memset.params = std::get<CUDA_MEMSET_NODE_PARAMS>(N.Params);
    break;
  case HostKind: Out->host = std::get<CUDA_HOST_NODE_PARAMS>(N.Params); break;
  case GraphKind:
    Out->graph.graph =
        reinterpret_cast<CUgraph>(std::get<ChildNode>(N.Params).Graph.get());
    break;
  case WaitEventKind: Out->event = std::get<WaitNode>(N.Params).Event; break;
  case EventRecordKind:
    Out->event = std::get<RecordNode>(N.Params).Event;
    break;
  case MemAllocKind: Out->alloc = std::get<AllocNode>(N.Params).Params; break;
  case MemFreeKind: Out->freed = std::get<FreeNode>(N.Params).Address; break;
  case MemOpsKind: writeMemOps(N, &Out->memOp); break;
  default: break;
  }
}

// ---- addition ------------------------------------------------------------
/// A graph may free an allocation once.
static bool freesAgain(const GraphObject &G, const NodeParams &P) {
  auto *New = std::get_if<FreeNode>(&P);
  return New && std::any_of(G.Nodes.begin(), G.Nodes.end(), [&](const auto &N) {
           auto *Old = std::get_if<FreeNode>(&N->Params);
           return Old && Old->Address == New->Address;
         });
}
/// Adds a node whose parameters Read fills in.
template <class F>
static CUresult addNode(CUgraphNode *Out, CUgraph Graph,
                        const CUgraphNode *Before, size_t Count, F Read) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  GraphObject *G = findGraph(Graph);
  if (!Out || !G || (Count && !Before))
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<GraphNode *> Dependencies;
  for (size_t K = 0; K < Count; ++K) {
    GraphNode *N = findNode(Before[K]);
    bool Twice = std::find(Dependencies.begin(), Dependencies.end(), N) !=
                 Dependencies.end();
    if (!N || N->Owner != G || Twice)
      return CUDA_ERROR_INVALID_VALUE;
    Dependencies.push_back(N);
  }
  NodeParams P;
  Work Run;
  CUresult R = Read(*G, P);
  if (R == CUDA_SUCCESS && freesAgain(*G, P))
    R = CUDA_ERROR_INVALID_VALUE;
  if (R == CUDA_SUCCESS)
    R = prepareNode(P, Run);
  if (R == CUDA_SUCCESS)
    *Out =
        handle(&G->add(std::move(P), std::move(Run), std::move(Dependencies)));
  return R;
}
template <class T>
static CUresult addPlain(CUgraphNode *Out, CUgraph Graph,
                         const CUgraphNode *Before, size_t Count, const T *P) {
  return addNode(Out, Graph, Before, Count, [&](GraphObject &, NodeParams &N) {
    if (P)
      N = *P;
    return P ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}
static CUresult addKernel(CUgraphNode *Out, CUgraph Graph,
                          const CUgraphNode *Before, size_t Count,
                          const CUDA_KERNEL_NODE_PARAMS *P, bool HasKern) {
  return addNode(Out, Graph, Before, Count, [&](GraphObject &, NodeParams &N) {
    KernelLaunch L;
    CUresult R = readKernelNode(P, HasKern, L);
    N = std::move(L);
    return R;
  });
}
PTXSIM_API CUresult cuGraphAddKernelNode(CUgraphNode *Out, CUgraph Graph,
                                         const CUgraphNode *Before,
                                         size_t Count,
                                         const CUDA_KERNEL_NODE_PARAMS *P) {
  return addKernel(Out, Graph, Before, Count, P, false);
}
PTXSIM_API CUresult cuGraphAddKernelNode_v2(CUgraphNode *Out, CUgraph Graph,
                                            const CUgraphNode *Before,
                                            size_t Count,
                                            const CUDA_KERNEL_NODE_PARAMS *P) {
  return addKernel(Out, Graph, Before, Count, P, true);
}
PTXSIM_API CUresult cuGraphAddMemcpyNode(CUgraphNode *Out, CUgraph Graph,
                                         const CUgraphNode *Before,
                                         size_t Count, const CUDA_MEMCPY3D *P,
                                         CUcontext) {
  return addPlain(Out, Graph, Before, Count, P);
}
PTXSIM_API CUresult cuGraphAddMemsetNode(CUgraphNode *Out, CUgraph Graph,
                                         const CUgraphNode *Before,
                                         size_t Count,
                                         const CUDA_MEMSET_NODE_PARAMS *P,
                                         CUcontext) {
  return addPlain(Out, Graph, Before, Count, P);
}
PTXSIM_API CUresult cuGraphAddHostNode(CUgraphNode *Out, CUgraph Graph,
                                       const CUgraphNode *Before, size_t Count,
                                       const CUDA_HOST_NODE_PARAMS *P) {
  return addPlain(Out, Graph, Before, Count, P);
}
PTXSIM_API CUresult cuGraphAddEmptyNode(CUgraphNode *Out, CUgraph Graph,
                                        const CUgraphNode *Before,
                                        size_t Count) {
  EmptyNode P;
  return addPlain(Out, Graph, Before, Count, &P);
}
PTXSIM_API CUresult cuGraphAddEventRecordNode(CUgraphNode *Out, CUgraph Graph,
                                              const CUgraphNode *Before,
                                              size_t Count, CUevent Event) {
  RecordNode P{Event};
  return addPlain(Out, Graph, Before, Count, &P);
}
PTXSIM_API CUresult cuGraphAddEventWaitNode(CUgraphNode *Out, CUgraph Graph,
                                            const CUgraphNode *Before,
                                            size_t Count, CUevent Event) {
  WaitNode P{Event};
  return addPlain(Out, Graph, Before, Count, &P);
}
/// The child's nodes as they are now: it is copied.
PTXSIM_API CUresult cuGraphAddChildGraphNode(CUgraphNode *Out, CUgraph Graph,
                                             const CUgraphNode *Before,
                                             size_t Count, CUgraph Child) {
  return addNode(Out, Graph, Before, Count, [&](GraphObject &G, NodeParams &N) {
    return readChild(Child, &G, false, N);
  });
}
PTXSIM_API CUresult cuGraphAddMemAllocNode(CUgraphNode *Out, CUgraph Graph,
                                           const CUgraphNode *Before,
                                           size_t Count,
                                           CUDA_MEM_ALLOC_NODE_PARAMS *P) {
  return addNode(Out, Graph, Before, Count,
                 [&](GraphObject &, NodeParams &N) { return readAlloc(P, N); });
}
PTXSIM_API CUresult cuGraphAddMemFreeNode(CUgraphNode *Out, CUgraph Graph,
                                          const CUgraphNode *Before,
                                          size_t Count, CUdeviceptr Address) {
  FreeNode P{Address};
  return addPlain(Out, Graph, Before, Count, &P);
}
PTXSIM_API CUresult cuGraphAddBatchMemOpNode(
    CUgraphNode *Out, CUgraph Graph, const CUgraphNode *Before, size_t Count,
    const CUDA_BATCH_MEM_OP_NODE_PARAMS *P) {
  return addNode(Out, Graph, Before, Count, [&](GraphObject &, NodeParams &N) {
    return P ? readMemOps(*P, N) : CUDA_ERROR_INVALID_VALUE;
  });
}
PTXSIM_API CUresult cuGraphAddNode(CUgraphNode *Out, CUgraph Graph,
                                   const CUgraphNode *Before, size_t Count,
                                   CUgraphNodeParams *P) {
  return addNode(Out, Graph, Before, Count, [&](GraphObject &G, NodeParams &N) {
    return readNode(P, &G, N);
  });
}
/// Edge data asks for dependencies that are weaker than full completion.
PTXSIM_API CUresult cuGraphAddNode_v2(CUgraphNode *Out, CUgraph Graph,
                                      const CUgraphNode *Before, const void *,
                                      size_t Count, CUgraphNodeParams *P) {
  return cuGraphAddNode(Out, Graph, Before, Count, P);
}
PTXSIM_API CUresult cuGraphAddNode_v3(CUgraphNode *Out, CUgraph Graph,
                                      const CUgraphNode *Before, const void *,
                                      size_t Count, CUgraphNodeParams *P) {
  return cuGraphAddNode(Out, Graph, Before, Count, P);
}

// ---- parameters ----------------------------------------------------------
/// Reads parameters of kind T, by Fn(node, parameters).
template <class T, class F> static CUresult readParams(CUgraphNode Node, F Fn) {
  std::lock_guard Guard(state().Lock);
  GraphNode *N = findNode(Node);
  T *P = N ? std::get_if<T>(&N->Params) : nullptr;
  return P && Fn(*N, *P) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
template <class T, class Result>
static CUresult copyParams(CUgraphNode Node, Result *Out) {
  return readParams<T>(Node, [&](GraphNode &, T &P) {
    if (Out)
      std::memcpy(Out, &P, sizeof(Result));
    return Out != nullptr;
  });
}
static CUresult kernelParams(CUgraphNode Node, CUDA_KERNEL_NODE_PARAMS *Out,
                             bool HasKern) {
  return readParams<KernelLaunch>(Node, [&](GraphNode &N, KernelLaunch &) {
    if (Out)
      writeKernelNode(N, Out, HasKern);
    return Out != nullptr;
  });
}
PTXSIM_API CUresult cuGraphKernelNodeGetParams(CUgraphNode Node,
                                               CUDA_KERNEL_NODE_PARAMS *Out) {
  return kernelParams(Node, Out, false);
}
PTXSIM_API CUresult
cuGraphKernelNodeGetParams_v2(CUgraphNode Node, CUDA_KERNEL_NODE_PARAMS *Out) {
  return kernelParams(Node, Out, true);
}
PTXSIM_API CUresult cuGraphMemcpyNodeGetParams(CUgraphNode Node,
                                               CUDA_MEMCPY3D *Out) {
  return copyParams<CUDA_MEMCPY3D>(Node, Out);
}
PTXSIM_API CUresult cuGraphMemsetNodeGetParams(CUgraphNode Node,
                                               CUDA_MEMSET_NODE_PARAMS *Out) {
  return copyParams<CUDA_MEMSET_NODE_PARAMS>(Node, Out);
}
PTXSIM_API CUresult cuGraphHostNodeGetParams(CUgraphNode Node,
                                             CUDA_HOST_NODE_PARAMS *Out) {
  return copyParams<CUDA_HOST_NODE_PARAMS>(Node, Out);
}
PTXSIM_API CUresult cuGraphEventRecordNodeGetEvent(CUgraphNode Node,
                                                   CUevent *Out) {
  return copyParams<RecordNode>(Node, Out);
}
PTXSIM_API CUresult cuGraphEventWaitNodeGetEvent(CUgraphNode Node,
                                                 CUevent *Out) {
  return copyParams<WaitNode>(Node, Out);
}
PTXSIM_API CUresult cuGraphMemAllocNodeGetParams(
    CUgraphNode Node, CUDA_MEM_ALLOC_NODE_PARAMS *Out) {
  return copyParams<AllocNode>(Node, Out);
}
PTXSIM_API CUresult cuGraphMemFreeNodeGetParams(CUgraphNode Node,
                                                CUdeviceptr *Out) {
  return copyParams<FreeNode>(Node, Out);
}
PTXSIM_API CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode Node,
                                                  CUgraph *Out) {
  return readParams<ChildNode>(Node, [&](GraphNode &, ChildNode &C) {
    if (Out)
      *Out = reinterpret_cast<CUgraph>(C.Graph.get());
    return Out != nullptr;
  });
}
PTXSIM_API CUresult cuGraphBatchMemOpNodeGetParams(
    CUgraphNode Node, CUDA_BATCH_MEM_OP_NODE_PARAMS *Out) {
  return readParams<MemOpsNode>(Node, [&](GraphNode &N, MemOpsNode &) {
    if (Out)
      writeMemOps(N, Out);
    return Out != nullptr;
  });
}
PTXSIM_API CUresult cuGraphNodeGetParams(CUgraphNode Node,
                                         CUgraphNodeParams *Out) {
  std::lock_guard Guard(state().Lock);
  GraphNode *N = findNode(Node);
  if (!N || !Out)
    return CUDA_ERROR_INVALID_VALUE;
  writeNode(*N, Out);
  return CUDA_SUCCESS;
}
