// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The structure of graphs: nodes, edges and numbers, and their changes.
#include "State.h"
#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

// ---- lists ---------------------------------------------------------------
/// Writes up to *Count handles; *Count becomes the number there is, or was
/// written.
static CUresult listNodes(const std::vector<GraphNode *> &Which,
                          CUgraphNode *Out, size_t *Count) {
  if (!Count)
    return CUDA_ERROR_INVALID_VALUE;
  for (size_t K = 0; Out && K < *Count; ++K)
    Out[K] = K < Which.size() ? handle(Which[K]) : nullptr;
  *Count = Out ? std::min(*Count, Which.size()) : Which.size();
  return CUDA_SUCCESS;
}
/// Nodes of a graph for which Wanted holds.
template <class F>
static CUresult listGraph(CUgraph Graph, CUgraphNode *Out, size_t *Count,
                          F Wanted) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = findGraph(Graph);
  if (!G)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<GraphNode *> Found;
  for (auto &N : G->Nodes)
    if (Wanted(*N))
      Found.push_back(N.get());
  return listNodes(Found, Out, Count);
}
PTXSIM_API CUresult cuGraphGetNodes(CUgraph Graph, CUgraphNode *Out,
                                    size_t *Count) {
  return listGraph(Graph, Out, Count, [](GraphNode &) { return true; });
}
PTXSIM_API CUresult cuGraphGetRootNodes(CUgraph Graph, CUgraphNode *Out,
                                        size_t *Count) {
  return listGraph(Graph, Out, Count,
                   [](GraphNode &N) { return N.Dependencies.empty(); });
}
PTXSIM_API CUresult cuGraphNodeGetDependencies(CUgraphNode Node,
                                               CUgraphNode *Out,
                                               size_t *Count) {
  std::lock_guard Guard(state().Lock);
  GraphNode *N = findNode(Node);
  return N ? listNodes(N->Dependencies, Out, Count) : CUDA_ERROR_INVALID_VALUE;
}
static bool dependsOn(const GraphNode &N, const GraphNode *Before) {
  return std::find(N.Dependencies.begin(), N.Dependencies.end(), Before) !=
         N.Dependencies.end();
}
static CUresult listDependents(CUgraphNode Node, CUgraphNode *Out,
                               size_t *Count) {
  std::lock_guard Guard(state().Lock);
  GraphNode *N = findNode(Node);
  if (!N)
    return CUDA_ERROR_INVALID_VALUE;
  return listGraph(reinterpret_cast<CUgraph>(N->Owner), Out, Count,
                   [N](GraphNode &Other) { return dependsOn(Other, N); });
}
PTXSIM_API CUresult cuGraphNodeGetDependentNodes(CUgraphNode Node,
                                                 CUgraphNode *Out,
                                                 size_t *Count) {
  return listDependents(Node, Out, Count);
}
/// No edge has data: all wait for full completion.
static CUresult clearEdges(CUresult R, void *Edges, bool Written,
                           const size_t *Count) {
  if (R == CUDA_SUCCESS && Edges && Written)
    std::memset(Edges, 0, *Count * sizeof(CUgraphEdgeData));
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
  GraphObject *G = findGraph(Graph);
  if (!G || !Count || !From != !To)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<GraphNode *> Before, After;
  for (auto &N : G->Nodes)
    for (GraphNode *D : N->Dependencies) {
      Before.push_back(D);
      After.push_back(N.get());
    }
  size_t Room = *Count;
  CUresult R = listNodes(Before, From, Count);
  return R ? R : listNodes(After, To, &Room);
}
PTXSIM_API CUresult cuGraphGetEdges_v2(CUgraph Graph, CUgraphNode *From,
                                       CUgraphNode *To, void *Edges,
                                       size_t *Count) {
  return clearEdges(cuGraphGetEdges(Graph, From, To, Count), Edges, From,
                    Count);
}

// ---- changes -------------------------------------------------------------
/// Whether each edge lies in the graph, and there is as Wanted.
static bool checkEdges(const GraphObject *G, const CUgraphNode *From,
                       const CUgraphNode *To, size_t Count, bool Wanted) {
  if (!G || (Count && (!From || !To)))
    return false;
  for (size_t K = 0; K < Count; ++K) {
    GraphNode *Before = findNode(From[K]), *After = findNode(To[K]);
    if (!Before || !After || Before->Owner != G || After->Owner != G ||
        Before == After || dependsOn(*After, Before) != Wanted)
      return false;
  }
  return true;
}
PTXSIM_API CUresult cuGraphAddDependencies(CUgraph Graph,
                                           const CUgraphNode *From,
                                           const CUgraphNode *To,
                                           size_t Count) {
  std::lock_guard Guard(state().Lock);
  if (!checkEdges(findGraph(Graph), From, To, Count, false))
    return CUDA_ERROR_INVALID_VALUE;
  for (size_t K = 0; K < Count; ++K)
    if (!dependsOn(*findNode(To[K]), findNode(From[K])))
      findNode(To[K])->Dependencies.push_back(findNode(From[K]));
  return CUDA_SUCCESS;
}
/// Edge data asks for dependencies that are weaker than full completion.
PTXSIM_API CUresult cuGraphAddDependencies_v2(CUgraph Graph,
                                              const CUgraphNode *From,
                                              const CUgraphNode *To,
                                              const void *, size_t Count) {
  return cuGraphAddDependencies(Graph, From, To, Count);
}
PTXSIM_API CUresult cuGraphRemoveDependencies(CUgraph Graph,
                                              const CUgraphNode *From,
                                              const CUgraphNode *To,
                                              size_t Count) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = findGraph(Graph);
  if (!checkEdges(G, From, To, Count, true))
    return CUDA_ERROR_INVALID_VALUE;
  if (G->hasMemoryNodes())
    return CUDA_ERROR_NOT_SUPPORTED;
  for (size_t K = 0; K < Count; ++K)
    std::erase(findNode(To[K])->Dependencies, findNode(From[K]));
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphRemoveDependencies_v2(CUgraph Graph,
                                                 const CUgraphNode *From,
                                                 const CUgraphNode *To,
                                                 const void *, size_t Count) {
  return cuGraphRemoveDependencies(Graph, From, To, Count);
}
/// Streams and events of a capture may depend on the node.
PTXSIM_API CUresult cuGraphDestroyNode(CUgraphNode Node) {
  std::lock_guard Guard(state().Lock);
  GraphNode *N = findNode(Node);
  if (!N || N->Owner->Capturing.Active)
    return CUDA_ERROR_INVALID_VALUE;
  if (N->Owner->hasMemoryNodes())
    return CUDA_ERROR_NOT_SUPPORTED;
  N->Owner->remove(N);
  return CUDA_SUCCESS;
}

// ---- kinds and numbers ---------------------------------------------------
template <class T, class F>
static CUresult readNode(CUgraphNode Node, T *Out, F Fn) {
  std::lock_guard Guard(state().Lock);
  GraphNode *N = findNode(Node);
  if (!N || !Out)
    return CUDA_ERROR_INVALID_VALUE;
  *Out = Fn(*N);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphNodeGetType(CUgraphNode Node, int *Kind) {
  return readNode(Node, Kind, [](GraphNode &N) { return kindOf(N.Params); });
}
PTXSIM_API CUresult cuGraphNodeGetContainingGraph(CUgraphNode Node,
                                                  CUgraph *Graph) {
  return readNode(Node, Graph, [](GraphNode &N) {
    return reinterpret_cast<CUgraph>(N.Owner);
  });
}
PTXSIM_API CUresult cuGraphNodeGetLocalId(CUgraphNode Node, unsigned *Id) {
  return readNode(Node, Id,
                  [](GraphNode &N) { return unsigned(N.Owner->indexOf(&N)); });
}
PTXSIM_API CUresult cuGraphNodeGetToolsId(CUgraphNode Node,
                                          unsigned long long *Id) {
  return readNode(Node, Id, [](GraphNode &N) { return N.Id; });
}
PTXSIM_API CUresult cuGraphGetId(CUgraph Graph, unsigned *Id) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = findGraph(Graph);
  if (!G || !Id)
    return CUDA_ERROR_INVALID_VALUE;
  *Id = unsigned(G->Id);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphExecGetId(CUgraphExec Exec, unsigned *Id) {
  std::lock_guard Guard(state().Lock);
  GraphExecObject *E = findExec(Exec);
  if (!E || !Id)
    return CUDA_ERROR_INVALID_VALUE;
  *Id = unsigned(E->Id);
  return CUDA_SUCCESS;
}

// ---- drawing -------------------------------------------------------------
static std::string label(const GraphNode &N) {
  auto Bytes = [](size_t Count) { return std::to_string(Count) + " bytes"; };
  if (auto *L = std::get_if<KernelLaunch>(&N.Params)) {
    std::string Name =
        state().Kernels.count(L->Fn) ? L->Fn->Name : "unloaded kernel";
    return Name + "\\ngrid " + std::to_string(L->Grid.X) + "x" +
           std::to_string(L->Grid.Y) + "x" + std::to_string(L->Grid.Z) +
           ", block " + std::to_string(L->Block.X) + "x" +
           std::to_string(L->Block.Y) + "x" + std::to_string(L->Block.Z);
  }
  if (auto *C = std::get_if<CUDA_MEMCPY3D>(&N.Params))
    return "copy\\n" + Bytes(C->WidthInBytes * C->Height * C->Depth);
  if (auto *F = std::get_if<CUDA_MEMSET_NODE_PARAMS>(&N.Params))
    return "fill\\n" + Bytes(F->elementSize * F->width * F->height);
  if (auto *A = std::get_if<AllocNode>(&N.Params))
    return "allocate\\n" + Bytes(A->Params.bytesize);
  static const char *Names[] = {"",
                                "",
                                "",
                                "host function",
                                "graph",
                                "empty",
                                "wait event",
                                "record event",
                                "",
                                "",
                                "",
                                "free",
                                "memory operations"};
  return Names[kindOf(N.Params)];
}
static void draw(std::FILE *F, const GraphObject &G) {
  std::fprintf(F, "subgraph cluster_%llu {\nlabel=\"graph %llu\";\n",
               static_cast<unsigned long long>(G.Id),
               static_cast<unsigned long long>(G.Id));
  for (const auto &N : G.Nodes) {
    auto Id = static_cast<unsigned long long>(N->Id);
    std::fprintf(F, "n%llu [shape=box, label=\"%zu: %s\"];\n", Id,
                 G.indexOf(N.get()), label(*N).c_str());
    for (GraphNode *Before : N->Dependencies)
      std::fprintf(F, "n%llu -> n%llu;\n",
                   static_cast<unsigned long long>(Before->Id), Id);
    if (auto *Child = std::get_if<ChildNode>(&N->Params))
      draw(F, *Child->Graph);
  }
  std::fprintf(F, "}\n");
}
PTXSIM_API CUresult cuGraphDebugDotPrint(CUgraph Graph, const char *Path,
                                         unsigned) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = findGraph(Graph);
  if (!G || !Path)
    return CUDA_ERROR_INVALID_VALUE;
  std::FILE *F = std::fopen(Path, "w");
  if (!F)
    return CUDA_ERROR_OPERATING_SYSTEM;
  std::fprintf(F, "digraph {\n");
  draw(F, *G);
  std::fprintf(F, "}\n");
  return std::fclose(F) ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}
