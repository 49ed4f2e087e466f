// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Objects of graphs: their lives, copies, and the order of their nodes.
#include "State.h"
#include <algorithm>
#include <cstring>
#include <unordered_map>

using namespace ptxsim;
using namespace ptxsim::abi;

// ---- objects -------------------------------------------------------------
GraphObject::GraphObject() : Id(state().NextSerial++) {
  state().AllGraphs.insert(this);
}
GraphObject::~GraphObject() {
  for (auto &N : Nodes)
    state().GraphNodes.erase(N.get());
  state().AllGraphs.erase(this);
}
GraphNode &GraphObject::add(NodeParams P, Work Run,
                            std::vector<GraphNode *> Before) {
  auto N = std::make_unique<GraphNode>();
  N->Params = std::move(P);
  N->Run = std::move(Run);
  N->Dependencies = std::move(Before);
  N->Owner = this;
  N->Id = state().NextSerial++;
  state().GraphNodes.insert(N.get());
  Nodes.push_back(std::move(N));
  return *Nodes.back();
}
void GraphObject::remove(GraphNode *N) {
  for (auto &Other : Nodes)
    std::erase(Other->Dependencies, N);
  state().GraphNodes.erase(N);
  Nodes.erase(Nodes.begin() + ptrdiff_t(indexOf(N)));
}
size_t GraphObject::indexOf(const GraphNode *N) const {
  size_t K = 0;
  while (K < Nodes.size() && Nodes[K].get() != N)
    ++K;
  return K;
}
bool GraphObject::hasMemoryNodes() const {
  return std::any_of(Nodes.begin(), Nodes.end(), [](const auto &N) {
    if (auto *Child = std::get_if<ChildNode>(&N->Params))
      return Child->Graph->hasMemoryNodes();
    NodeKind Kind = kindOf(N->Params);
    return Kind == MemAllocKind || Kind == MemFreeKind;
  });
}
GraphMemory::~GraphMemory() {
  // What still lies there is released on its own; until then the addresses
  // stay set aside, and a program that never does so loses only these.
  if (!state().Memory.find(Begin, 1))
    state().Memory.freeRange(Begin);
}

GraphObject *ptxsim::findGraph(CUgraph G) {
  auto *Object = reinterpret_cast<GraphObject *>(G);
  return state().AllGraphs.count(Object) ? Object : nullptr;
}
GraphNode *ptxsim::findNode(CUgraphNode N) {
  auto *Object = reinterpret_cast<GraphNode *>(N);
  return state().GraphNodes.count(Object) ? Object : nullptr;
}
GraphExecObject *ptxsim::findExec(CUgraphExec E) {
  auto *Object = reinterpret_cast<GraphExecObject *>(E);
  return state().GraphExecs.count(Object) ? Object : nullptr;
}

// ---- copies --------------------------------------------------------------
std::shared_ptr<GraphObject> ptxsim::cloneGraph(const GraphObject &G) {
  auto Copy = std::make_shared<GraphObject>();
  Copy->Objects.add(G.Objects);
  std::unordered_map<const GraphNode *, GraphNode *> CopyOf;
  for (const auto &N : G.Nodes) {
    NodeParams P = N->Params;
    if (auto *Child = std::get_if<ChildNode>(&P))
      Child->Graph = cloneGraph(*Child->Graph);
    GraphNode &New = Copy->add(std::move(P), N->Run, {});
    New.Original = N->Id;
    CopyOf[N.get()] = &New;
  }
  for (const auto &N : G.Nodes)
    for (GraphNode *Before : N->Dependencies)
      CopyOf[N.get()]->Dependencies.push_back(CopyOf[Before]);
  return Copy;
}

// ---- order ---------------------------------------------------------------
static bool makeExec(const GraphNode &N, size_t Position, ExecNode &Out) {
  Out.Params = N.Params;
  Out.Run = N.Run;
  Out.Id = N.Id;
  Out.Position = Position;
  auto *Child = std::get_if<ChildNode>(&N.Params);
  return !Child || orderNodes(*Child->Graph, Out.Children);
}
bool ptxsim::orderNodes(const GraphObject &G, std::vector<ExecNode> &Out) {
  size_t N = G.Nodes.size();
  std::unordered_map<const GraphNode *, size_t> IndexOf;
  for (size_t K = 0; K < N; ++K)
    IndexOf[G.Nodes[K].get()] = K;
  std::vector<size_t> Missing(N);
  std::vector<std::vector<size_t>> Dependents(N), Dependencies(N);
  for (size_t K = 0; K < N; ++K)
    for (GraphNode *Before : G.Nodes[K]->Dependencies) {
      ++Missing[K];
      Dependents[IndexOf[Before]].push_back(K);
      Dependencies[K].push_back(IndexOf[Before]);
    }
  std::vector<size_t> Ready;
  for (size_t K = N; K-- > 0;)
    if (!Missing[K])
      Ready.push_back(K);
  while (!Ready.empty()) {
    size_t K = Ready.back();
    Ready.pop_back();
    Out.emplace_back();
    if (!makeExec(*G.Nodes[K], K, Out.back()))
      return false;
    std::sort(Dependencies[K].begin(), Dependencies[K].end());
    Out.back().Dependencies = std::move(Dependencies[K]);
    for (size_t After : Dependents[K])
      if (!--Missing[After])
        Ready.push_back(After);
  }
  return Out.size() == N;
}
