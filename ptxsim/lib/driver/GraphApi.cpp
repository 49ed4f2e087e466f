// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Graphs: explicit nodes, instantiation and launch. Stream capture, in
// StreamApi.cpp, makes the same nodes.
#include "State.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

static GraphObject *object(CUgraph G) {
  return reinterpret_cast<GraphObject *>(G);
}

// ---- graphs --------------------------------------------------------------
PTXSIM_API CUresult cuGraphCreate(CUgraph *Out, unsigned Flags) {
  DriverState &D = state();
  std::lock_guard Guard(D.Lock);
  if (CUresult R = enter())
    return R;
  if (!Out || Flags)
    return CUDA_ERROR_INVALID_VALUE;
  auto G = std::make_shared<GraphObject>();
  D.Graphs[G.get()] = G;
  *Out = reinterpret_cast<CUgraph>(G.get());
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphDestroy(CUgraph Graph) {
  std::lock_guard Guard(state().Lock);
  return released(state().Graphs.erase(object(Graph)),
                  CUDA_ERROR_INVALID_VALUE);
}
PTXSIM_API CUresult cuGraphGetNodes(CUgraph Graph, CUgraphNode *Nodes,
                                    size_t *Count) {
  DriverState &D = state();
  std::lock_guard Guard(D.Lock);
  auto It = D.Graphs.find(object(Graph));
  if (It == D.Graphs.end() || !Count)
    return CUDA_ERROR_INVALID_VALUE;
  std::deque<GraphNode> &All = It->second->Nodes;
  for (size_t K = 0; Nodes && K < *Count; ++K)
    Nodes[K] =
        K < All.size() ? reinterpret_cast<CUgraphNode>(&All[K]) : nullptr;
  *Count = Nodes ? std::min(*Count, All.size()) : All.size();
  return CUDA_SUCCESS;
}
/// Nodes in an order that respects their dependencies; false for a cycle.
static bool orderNodes(const GraphObject &G, std::vector<GraphNode> &Out) {
  size_t N = G.Nodes.size();
  std::vector<size_t> Missing(N);
  std::vector<std::vector<size_t>> Dependents(N);
  for (size_t K = 0; K < N; ++K)
    for (size_t Before : G.Nodes[K].Dependencies) {
      ++Missing[K];
      Dependents[Before].push_back(K);
    }
  std::vector<size_t> Ready;
  for (size_t K = N; K-- > 0;)
    if (!Missing[K])
      Ready.push_back(K);
  while (!Ready.empty()) {
    size_t K = Ready.back();
    Ready.pop_back();
    Out.push_back(G.Nodes[K]);
    for (size_t After : Dependents[K])
      if (!--Missing[After])
        Ready.push_back(After);
  }
  return Out.size() == N;
}
PTXSIM_API CUresult cuGraphInstantiateWithFlags(CUgraphExec *Out, CUgraph Graph,
                                                unsigned long long) {
  DriverState &D = state();
  std::lock_guard Guard(D.Lock);
  if (CUresult R = enter())
    return R;
  auto It = D.Graphs.find(object(Graph));
  if (!Out || It == D.Graphs.end())
    return CUDA_ERROR_INVALID_VALUE;
  auto E = std::make_unique<GraphExecObject>();
  if (!orderNodes(*It->second, E->Nodes))
    return CUDA_ERROR_INVALID_VALUE; // a cycle
  D.GraphExecs.insert(E.get());
  *Out = reinterpret_cast<CUgraphExec>(E.release());
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphInstantiate_v2(CUgraphExec *Out, CUgraph Graph,
                                          CUgraphNode *ErrorNode, char *Log,
                                          size_t LogBytes) {
  if (ErrorNode)
    *ErrorNode = nullptr;
  if (Log && LogBytes)
    *Log = 0;
  return cuGraphInstantiateWithFlags(Out, Graph, 0);
}
static GraphExecObject *liveExec(CUgraphExec Exec) {
  auto *E = reinterpret_cast<GraphExecObject *>(Exec);
  return state().GraphExecs.count(E) ? E : nullptr;
}
PTXSIM_API CUresult cuGraphExecDestroy(CUgraphExec Exec) {
  std::lock_guard Guard(state().Lock);
  GraphExecObject *E = liveExec(Exec);
  if (!E)
    return CUDA_ERROR_INVALID_VALUE;
  state().GraphExecs.erase(E);
  delete E;
  return released(true, CUDA_SUCCESS);
}
PTXSIM_API CUresult cuGraphUpload(CUgraphExec Exec, CUstream) {
  std::lock_guard Guard(state().Lock);
  return liveExec(Exec) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
static CUresult runNodes(const std::vector<GraphNode> &Nodes) {
  for (const GraphNode &N : Nodes) {
    Context *C = currentContext();
    if (C && C->Sticky)
      break; // a fault ends the graph, and shows at the next synchronisation
    if (CUresult R = N.Run())
      return R;
  }
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphLaunch(CUgraphExec Exec, CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enterWork())
    return R;
  GraphExecObject *E = liveExec(Exec);
  if (!E)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<GraphNode> Nodes = E->Nodes;
  return submit(Stream, GraphNode::Graph,
                [Nodes = std::move(Nodes)] { return runNodes(Nodes); });
}

// ---- nodes ---------------------------------------------------------------
static GraphObject *liveGraph(CUgraph Graph) {
  return state().Graphs.count(object(Graph)) ? object(Graph) : nullptr;
}
/// Number of a node in its graph, or the number of nodes if it is not there.
static size_t indexOf(const GraphObject &G, CUgraphNode Node) {
  size_t K = 0;
  while (K < G.Nodes.size() &&
         reinterpret_cast<CUgraphNode>(const_cast<GraphNode *>(&G.Nodes[K])) !=
             Node)
    ++K;
  return K;
}
static GraphObject *graphOf(CUgraphNode Node) {
  for (auto &[G, Owner] : state().Graphs)
    if (indexOf(*G, Node) < G->Nodes.size())
      return G;
  return nullptr;
}

PTXSIM_API CUresult cuGraphNodeGetType(CUgraphNode Node, int *Kind) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = graphOf(Node);
  if (!G || !Kind)
    return CUDA_ERROR_INVALID_VALUE;
  *Kind = G->Nodes[indexOf(*G, Node)].Kind;
  return CUDA_SUCCESS;
}

/// Adds a node whose work Prepare checks.
template <class F>
static CUresult addNode(CUgraphNode *Out, CUgraph Graph,
                        const CUgraphNode *Before, size_t Count, int Kind,
                        F Prepare) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  GraphObject *G = liveGraph(Graph);
  if (!Out || !G || (Count && !Before))
    return CUDA_ERROR_INVALID_VALUE;
  GraphNode N;
  N.Kind = Kind;
  for (size_t K = 0; K < Count; ++K) {
    N.Dependencies.push_back(indexOf(*G, Before[K]));
    if (N.Dependencies.back() == G->Nodes.size())
      return CUDA_ERROR_INVALID_VALUE;
  }
  if (CUresult R = Prepare(N.Run))
    return R;
  G->Nodes.push_back(std::move(N));
  *Out = reinterpret_cast<CUgraphNode>(&G->Nodes.back());
  return CUDA_SUCCESS;
}

static CUresult addKernel(CUgraphNode *Out, CUgraph Graph,
                          const CUgraphNode *Before, size_t Count,
                          const CUDA_KERNEL_NODE_PARAMS *P, CUkernel Other) {
  if (!P)
    return CUDA_ERROR_INVALID_VALUE;
  KernelLaunch L;
  L.Fn = P->func ? reinterpret_cast<Kernel *>(P->func)
                 : reinterpret_cast<Kernel *>(Other);
  L.Grid = {P->gridDimX, P->gridDimY, P->gridDimZ};
  L.Block = {P->blockDimX, P->blockDimY, P->blockDimZ};
  L.SharedBytes = P->sharedMemBytes;
  return addNode(Out, Graph, Before, Count, GraphNode::Kernel, [&](Work &W) {
    return prepareLaunch(std::move(L), P->kernelParams, P->extra, W);
  });
}
PTXSIM_API CUresult cuGraphAddKernelNode(CUgraphNode *Out, CUgraph Graph,
                                         const CUgraphNode *Before,
                                         size_t Count,
                                         const CUDA_KERNEL_NODE_PARAMS *P) {
  return addKernel(Out, Graph, Before, Count, P, nullptr);
}
PTXSIM_API CUresult cuGraphAddKernelNode_v2(CUgraphNode *Out, CUgraph Graph,
                                            const CUgraphNode *Before,
                                            size_t Count,
                                            const CUDA_KERNEL_NODE_PARAMS *P) {
  return addKernel(Out, Graph, Before, Count, P, P ? P->kern : nullptr);
}
PTXSIM_API CUresult cuGraphAddMemcpyNode(CUgraphNode *Out, CUgraph Graph,
                                         const CUgraphNode *Before,
                                         size_t Count, const CUDA_MEMCPY3D *P,
                                         CUcontext) {
  return addNode(Out, Graph, Before, Count, GraphNode::Memcpy, [&](Work &W) {
    return P ? prepareCopy(*P, W) : CUDA_ERROR_INVALID_VALUE;
  });
}
PTXSIM_API CUresult cuGraphAddMemsetNode(CUgraphNode *Out, CUgraph Graph,
                                         const CUgraphNode *Before,
                                         size_t Count,
                                         const CUDA_MEMSET_NODE_PARAMS *P,
                                         CUcontext) {
  return addNode(Out, Graph, Before, Count, GraphNode::Memset, [&](Work &W) {
    unsigned Size = P ? P->elementSize : 0;
    if (Size != 1 && Size != 2 && Size != 4)
      return CUDA_ERROR_INVALID_VALUE;
    return prepareFill(P->dst, P->pitch, P->value, Size, P->width, P->height,
                       W);
  });
}
PTXSIM_API CUresult cuGraphAddHostNode(CUgraphNode *Out, CUgraph Graph,
                                       const CUgraphNode *Before, size_t Count,
                                       const CUDA_HOST_NODE_PARAMS *P) {
  return addNode(Out, Graph, Before, Count, GraphNode::Host, [&](Work &W) {
    if (!P || !P->fn)
      return CUDA_ERROR_INVALID_VALUE;
    W = [Host = *P] {
      Host.fn(Host.userData);
      return CUDA_SUCCESS;
    };
    return CUDA_SUCCESS;
  });
}
PTXSIM_API CUresult cuGraphAddEmptyNode(CUgraphNode *Out, CUgraph Graph,
                                        const CUgraphNode *Before,
                                        size_t Count) {
  return addNode(Out, Graph, Before, Count, GraphNode::Empty, [&](Work &W) {
    W = [] { return CUDA_SUCCESS; };
    return CUDA_SUCCESS;
  });
}
/// The child's nodes as they are now: it is copied.
PTXSIM_API CUresult cuGraphAddChildGraphNode(CUgraphNode *Out, CUgraph Graph,
                                             const CUgraphNode *Before,
                                             size_t Count, CUgraph Child) {
  return addNode(Out, Graph, Before, Count, GraphNode::Graph, [&](Work &W) {
    GraphObject *G = liveGraph(Child);
    auto Nodes = std::make_shared<std::vector<GraphNode>>();
    if (!G || !orderNodes(*G, *Nodes))
      return CUDA_ERROR_INVALID_VALUE;
    W = [Nodes] { return runNodes(*Nodes); };
    return CUDA_SUCCESS;
  });
}
PTXSIM_API CUresult cuGraphAddDependencies(CUgraph Graph,
                                           const CUgraphNode *From,
                                           const CUgraphNode *To,
                                           size_t Count) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = liveGraph(Graph);
  if (!G || (Count && (!From || !To)))
    return CUDA_ERROR_INVALID_VALUE;
  for (size_t K = 0; K < Count; ++K)
    if (indexOf(*G, From[K]) == G->Nodes.size() ||
        indexOf(*G, To[K]) == G->Nodes.size() || From[K] == To[K])
      return CUDA_ERROR_INVALID_VALUE;
  for (size_t K = 0; K < Count; ++K)
    G->Nodes[indexOf(*G, To[K])].Dependencies.push_back(indexOf(*G, From[K]));
  return CUDA_SUCCESS;
}
/// Edge data asks for dependencies that are weaker than full completion.
PTXSIM_API CUresult cuGraphAddDependencies_v2(CUgraph Graph,
                                              const CUgraphNode *From,
                                              const CUgraphNode *To,
                                              const void *, size_t Count) {
  return cuGraphAddDependencies(Graph, From, To, Count);
}

/// Writes up to *Count handles; *Count becomes the number there is, or was
/// written.
static CUresult listNodes(GraphObject &G, const std::vector<size_t> &Which,
                          CUgraphNode *Out, size_t *Count) {
  if (!Count)
    return CUDA_ERROR_INVALID_VALUE;
  for (size_t K = 0; Out && K < *Count; ++K)
    Out[K] = K < Which.size()
                 ? reinterpret_cast<CUgraphNode>(&G.Nodes[Which[K]])
                 : nullptr;
  *Count = Out ? std::min(*Count, Which.size()) : Which.size();
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphGetRootNodes(CUgraph Graph, CUgraphNode *Out,
                                        size_t *Count) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = liveGraph(Graph);
  if (!G)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<size_t> Roots;
  for (size_t K = 0; K < G->Nodes.size(); ++K)
    if (G->Nodes[K].Dependencies.empty())
      Roots.push_back(K);
  return listNodes(*G, Roots, Out, Count);
}
PTXSIM_API CUresult cuGraphNodeGetDependencies(CUgraphNode Node,
                                               CUgraphNode *Out,
                                               size_t *Count) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = graphOf(Node);
  return G ? listNodes(*G, G->Nodes[indexOf(*G, Node)].Dependencies, Out, Count)
           : CUDA_ERROR_INVALID_VALUE;
}
static CUresult listDependents(CUgraphNode Node, CUgraphNode *Out,
                               size_t *Count) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = graphOf(Node);
  if (!G)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<size_t> After;
  size_t This = indexOf(*G, Node);
  for (size_t K = 0; K < G->Nodes.size(); ++K) {
    const std::vector<size_t> &Before = G->Nodes[K].Dependencies;
    if (std::find(Before.begin(), Before.end(), This) != Before.end())
      After.push_back(K);
  }
  return listNodes(*G, After, Out, Count);
}
PTXSIM_API CUresult cuGraphNodeGetDependentNodes(CUgraphNode Node,
                                                 CUgraphNode *Out,
                                                 size_t *Count) {
  return listDependents(Node, Out, Count);
}
/// No edge has data: all wait for full completion.
static CUresult clearEdges(CUresult R, void *Edges, bool Written,
                           const size_t *Count) {
  constexpr size_t EdgeBytes = 8;
  if (R == CUDA_SUCCESS && Edges && Written)
    std::memset(Edges, 0, *Count * EdgeBytes);
  return R;
}
PTXSIM_API CUresult cuGraphNodeGetDependencies_v2(CUgraphNode Node,
                                                  CUgraphNode *Out, void *Edges,
                                                  size_t *Count) {
  return clearEdges(cuGraphNodeGetDependencies(Node, Out, Count), Edges, Out,
                    Count);
}
PTXSIM_API CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode Node,
                                                    CUgraphNode *Out,
                                                    void *Edges,
                                                    size_t *Count) {
  return clearEdges(listDependents(Node, Out, Count), Edges, Out, Count);
}
PTXSIM_API CUresult cuGraphGetEdges(CUgraph Graph, CUgraphNode *From,
                                    CUgraphNode *To, size_t *Count) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = liveGraph(Graph);
  if (!G || !Count || !From != !To)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<size_t> Before, After;
  for (size_t K = 0; K < G->Nodes.size(); ++K)
    for (size_t D : G->Nodes[K].Dependencies) {
      Before.push_back(D);
      After.push_back(K);
    }
  size_t Room = *Count;
  CUresult R = listNodes(*G, Before, From, Count);
  return R ? R : listNodes(*G, After, To, &Room);
}
PTXSIM_API CUresult cuGraphGetEdges_v2(CUgraph Graph, CUgraphNode *From,
                                       CUgraphNode *To, void *Edges,
                                       size_t *Count) {
  return clearEdges(cuGraphGetEdges(Graph, From, To, Count), Edges, From,
                    Count);
}
