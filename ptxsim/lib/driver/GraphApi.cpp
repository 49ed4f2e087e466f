// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Graphs: creation, clones, instantiation and launch.
#include "State.h"
#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::abi;

static GraphObject *object(CUgraph G) {
  return reinterpret_cast<GraphObject *>(G);
}
static CUgraph give(std::shared_ptr<GraphObject> G) {
  GraphObject *Object = G.get();
  state().Graphs[Object] = std::move(G);
  return reinterpret_cast<CUgraph>(Object);
}

// ---- graphs --------------------------------------------------------------
PTXSIM_API CUresult cuGraphCreate(CUgraph *Out, unsigned Flags) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  if (!Out || Flags)
    return CUDA_ERROR_INVALID_VALUE;
  *Out = give(std::make_shared<GraphObject>());
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphDestroy(CUgraph Graph) {
  std::lock_guard Guard(state().Lock);
  return released(state().Graphs.erase(object(Graph)),
                  CUDA_ERROR_INVALID_VALUE);
}
PTXSIM_API CUresult cuGraphClone(CUgraph *Out, CUgraph Graph) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  GraphObject *G = findGraph(Graph);
  if (!Out || !G)
    return CUDA_ERROR_INVALID_VALUE;
  if (G->hasMemoryNodes()) {
    report("cuGraphClone: a graph that allocates or frees memory cannot be "
           "cloned");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  *Out = give(cloneGraph(*G));
  return CUDA_SUCCESS;
}
static GraphNode *findCopy(const GraphObject &G, uint64_t Original) {
  for (const auto &N : G.Nodes) {
    if (N->Original == Original)
      return N.get();
    if (auto *Child = std::get_if<ChildNode>(&N->Params))
      if (GraphNode *Found = findCopy(*Child->Graph, Original))
        return Found;
  }
  return nullptr;
}
PTXSIM_API CUresult cuGraphNodeFindInClone(CUgraphNode *Out, CUgraphNode Node,
                                           CUgraph Clone) {
  std::lock_guard Guard(state().Lock);
  GraphNode *N = findNode(Node);
  GraphObject *G = findGraph(Clone);
  GraphNode *Found = N && G ? findCopy(*G, N->Id) : nullptr;
  if (!Out || !Found)
    return CUDA_ERROR_INVALID_VALUE;
  *Out = handle(Found);
  return CUDA_SUCCESS;
}

// ---- instantiation -------------------------------------------------------
enum : unsigned long long {
  AutoFreeOnLaunch = 1,
  Upload = 2,
  DeviceLaunch = 4,
  UseNodePriority = 8
};
static CUresult instantiate(CUgraphExec *Out, CUgraph Graph,
                            unsigned long long Flags) {
  DriverState &D = state();
  if (CUresult R = enter())
    return R;
  GraphObject *G = findGraph(Graph);
  if (!Out || !G || G->Capturing.Active ||
      Flags > (AutoFreeOnLaunch | Upload | DeviceLaunch | UseNodePriority))
    return CUDA_ERROR_INVALID_VALUE;
  if (Flags & DeviceLaunch) {
    report("cuGraphInstantiate: graphs that kernels launch are not supported");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (G->hasMemoryNodes() && !G->Instance.expired()) {
    report("cuGraphInstantiate: a graph that allocates or frees memory has one "
           "executable form at a time");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  auto E = std::make_unique<GraphExecObject>();
  E->Nodes = std::make_shared<std::vector<ExecNode>>();
  if (!orderNodes(*G, *E->Nodes))
    return CUDA_ERROR_INVALID_VALUE; // a cycle
  E->Flags = Flags;
  E->Objects = userReferencesOf(*G);
  E->Id = D.NextSerial++;
  E->Instance = std::make_shared<int>();
  G->Instance = E->Instance;
  D.GraphExecs.insert(E.get());
  *Out = reinterpret_cast<CUgraphExec>(E.release());
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphInstantiateWithFlags(CUgraphExec *Out, CUgraph Graph,
                                                unsigned long long Flags) {
  std::lock_guard Guard(state().Lock);
  return instantiate(Out, Graph, Flags);
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
PTXSIM_API CUresult cuGraphInstantiate(CUgraphExec *Out, CUgraph Graph,
                                       CUgraphNode *ErrorNode, char *Log,
                                       size_t LogBytes) {
  return cuGraphInstantiate_v2(Out, Graph, ErrorNode, Log, LogBytes);
}
PTXSIM_API CUresult cuGraphInstantiateWithParams(
    CUgraphExec *Out, CUgraph Graph, CUDA_GRAPH_INSTANTIATE_PARAMS *Params) {
  std::lock_guard Guard(state().Lock);
  if (!Params)
    return CUDA_ERROR_INVALID_VALUE;
  enum { Success = 0, Error = 1, Structure = 2, Unsupported = 3 };
  CUresult R = instantiate(Out, Graph, Params->flags);
  Params->hErrNode_out = nullptr;
  Params->result_out = R == CUDA_SUCCESS               ? Success
                       : R == CUDA_ERROR_NOT_SUPPORTED ? Unsupported
                       : findGraph(Graph)              ? Structure
                                                       : Error;
  return R;
}
PTXSIM_API CUresult cuGraphExecDestroy(CUgraphExec Exec) {
  std::lock_guard Guard(state().Lock);
  GraphExecObject *E = findExec(Exec);
  if (!E)
    return CUDA_ERROR_INVALID_VALUE;
  state().GraphExecs.erase(E);
  delete E;
  return released(true, CUDA_SUCCESS);
}
PTXSIM_API CUresult cuGraphExecGetFlags(CUgraphExec Exec, uint64_t *Flags) {
  std::lock_guard Guard(state().Lock);
  GraphExecObject *E = findExec(Exec);
  if (!E || !Flags)
    return CUDA_ERROR_INVALID_VALUE;
  *Flags = E->Flags;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphUpload(CUgraphExec Exec, CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  if (!findStream(Stream))
    return CUDA_ERROR_INVALID_HANDLE;
  return findExec(Exec) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// ---- launch --------------------------------------------------------------
static CUresult runNodes(const std::vector<ExecNode> &Nodes) {
  for (const ExecNode &N : Nodes) {
    Context *C = currentContext();
    if (C && C->Sticky)
      break; // a fault ends the graph, and shows at the next synchronisation
    if (!N.Enabled)
      continue;
    Work Run = N.Run; // a host function may change the node
    CUresult R = std::holds_alternative<ChildNode>(N.Params)
                     ? runNodes(N.Children)
                     : Run();
    if (R)
      return R;
  }
  return CUDA_SUCCESS;
}
/// Memory that earlier launches have allocated and nobody has freed is freed
/// on request, and an error otherwise.
static CUresult checkFreed(const std::vector<ExecNode> &Nodes, bool AutoFree) {
  for (const ExecNode &N : Nodes) {
    if (CUresult R = checkFreed(N.Children, AutoFree))
      return R;
    auto *A = std::get_if<AllocNode>(&N.Params);
    if (!A || !state().Memory.find(A->Memory->Begin, 1))
      continue;
    if (!AutoFree) {
      report("cuGraphLaunch: memory of the graph's last launch has not been "
             "freed");
      return CUDA_ERROR_INVALID_VALUE;
    }
    state().Memory.release(A->Memory->Begin);
  }
  return CUDA_SUCCESS;
}
/// A graph of the nodes, for captures of a launch.
static std::shared_ptr<GraphObject>
graphOf(const std::vector<ExecNode> &Nodes) {
  auto G = std::make_shared<GraphObject>();
  std::vector<GraphNode *> At(Nodes.size());
  for (const ExecNode &N : Nodes) {
    NodeParams P = N.Enabled ? N.Params : NodeParams(EmptyNode());
    if (auto *Child = std::get_if<ChildNode>(&P))
      Child->Graph = graphOf(N.Children);
    std::vector<GraphNode *> Before;
    for (size_t D : N.Dependencies)
      Before.push_back(At[D]);
    Work Run = N.Enabled ? N.Run : [] { return CUDA_SUCCESS; };
    At[N.Position] = &G->add(std::move(P), std::move(Run), std::move(Before));
  }
  return G;
}
PTXSIM_API CUresult cuGraphLaunch(CUgraphExec Exec, CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enterWork())
    return R;
  GraphExecObject *E = findExec(Exec);
  if (!E)
    return CUDA_ERROR_INVALID_VALUE;
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  auto Nodes = E->Nodes; // a host function may destroy the graph
  if (S->Capture)
    return submit(Stream, ChildNode{graphOf(*Nodes)},
                  [] { return CUDA_SUCCESS; });
  if (CUresult R = checkFreed(*Nodes, E->Flags & AutoFreeOnLaunch))
    return R;
  return submit(Stream, EmptyNode(), [=] { return runNodes(*Nodes); });
}
