// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Changes of nodes: in a graph, in its executable form, and of all of an
// executable graph's nodes at once.
#include "State.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

// ---- nodes of graphs -----------------------------------------------------
static CUresult setNode(CUgraphNode Node, NodeParams P) {
  GraphNode *N = findNode(Node);
  Work Run;
  if (!N || kindOf(N->Params) != kindOf(P))
    return CUDA_ERROR_INVALID_VALUE;
  if (auto *L = std::get_if<KernelLaunch>(&P)) // attributes are set apart
    if (auto *Old = &std::get<KernelLaunch>(N->Params); L->Attributes.empty()) {
      L->Attributes = Old->Attributes;
      L->Cluster = Old->Cluster;
      L->Cooperative = Old->Cooperative;
    }
  if (CUresult R = prepareNode(P, Run))
    return R;
  N->Params = std::move(P);
  N->Run = std::move(Run);
  return CUDA_SUCCESS;
}

// ---- nodes of executable graphs ------------------------------------------
static ExecNode *findNode(std::vector<ExecNode> &Nodes, uint64_t Id) {
  for (ExecNode &N : Nodes) {
    if (N.Id == Id)
      return &N;
    if (ExecNode *Found = findNode(N.Children, Id))
      return Found;
  }
  return nullptr;
}
static ExecNode *findNode(CUgraphExec Exec, CUgraphNode Node) {
  GraphExecObject *E = findExec(Exec);
  GraphNode *N = findNode(Node);
  return E && N ? findNode(*E->Nodes, N->Id) : nullptr;
}

enum UpdateResult {
  UpdateSuccess,
  UpdateError,
  TopologyChanged,
  NodeTypeChanged,
  FunctionChanged,
  ParametersChanged,
  UpdateNotSupported,
  UnsupportedFunctionChange,
  AttributesChanged
};
/// Whether an executable node may become another one of the same kind: where
/// operands lie must stay, and copies and fills have one dimension.
static UpdateResult compare(const NodeParams &Old, const NodeParams &New) {
  if (auto *A = std::get_if<CUDA_MEMCPY3D>(&Old)) {
    auto &B = std::get<CUDA_MEMCPY3D>(New);
    bool Fits = A->srcMemoryType == B.srcMemoryType &&
                A->dstMemoryType == B.dstMemoryType &&
                A->Height * A->Depth <= 1 && B.Height * B.Depth <= 1;
    return Fits ? UpdateSuccess : ParametersChanged;
  }
  if (auto *A = std::get_if<CUDA_MEMSET_NODE_PARAMS>(&Old)) {
    auto &B = std::get<CUDA_MEMSET_NODE_PARAMS>(New);
    return A->height <= 1 && B.height <= 1 ? UpdateSuccess : ParametersChanged;
  }
  if (auto *A = std::get_if<KernelLaunch>(&Old))
    return A->Cooperative == std::get<KernelLaunch>(New).Cooperative
               ? UpdateSuccess
               : AttributesChanged;
  return std::holds_alternative<AllocNode>(Old) ||
                 std::holds_alternative<FreeNode>(Old)
             ? UpdateNotSupported
             : UpdateSuccess;
}
static std::vector<size_t> byPosition(const std::vector<ExecNode> &Nodes) {
  std::vector<size_t> At(Nodes.size());
  for (size_t K = 0; K < Nodes.size(); ++K)
    At[Nodes[K].Position] = K;
  return At;
}
/// Compares two lists of nodes, position by position; Position becomes that of
/// the first difference.
static UpdateResult compare(const std::vector<ExecNode> &Old,
                            const std::vector<ExecNode> &New,
                            size_t &Position) {
  if (Old.size() != New.size())
    return TopologyChanged;
  std::vector<size_t> OldAt = byPosition(Old), NewAt = byPosition(New);
  for (Position = 0; Position < Old.size(); ++Position) {
    const ExecNode &A = Old[OldAt[Position]], &B = New[NewAt[Position]];
    size_t Inner = 0;
    UpdateResult R = kindOf(A.Params) != kindOf(B.Params) ? NodeTypeChanged
                     : A.Dependencies != B.Dependencies
                         ? TopologyChanged
                         : compare(A.Params, B.Params);
    if (R == UpdateSuccess)
      R = compare(A.Children, B.Children, Inner);
    if (R != UpdateSuccess)
      return R;
  }
  return UpdateSuccess;
}
/// Nodes keep the names by which their graph knows them.
static void replace(std::vector<ExecNode> &Old, std::vector<ExecNode> &New) {
  std::vector<size_t> OldAt = byPosition(Old), NewAt = byPosition(New);
  for (size_t P = 0; P < Old.size(); ++P) {
    ExecNode &A = Old[OldAt[P]], &B = New[NewAt[P]];
    A.Params = std::move(B.Params);
    A.Run = std::move(B.Run);
    replace(A.Children, B.Children);
  }
}
static CUresult setExecNode(CUgraphExec Exec, CUgraphNode Node, NodeParams P) {
  ExecNode *N = findNode(Exec, Node);
  ExecNode New;
  if (!N || kindOf(N->Params) != kindOf(P))
    return CUDA_ERROR_INVALID_VALUE;
  if (auto *L = std::get_if<KernelLaunch>(&P)) {
    auto &Old = std::get<KernelLaunch>(N->Params);
    L->Attributes = Old.Attributes;
    L->Cluster = Old.Cluster;
    L->Cooperative = Old.Cooperative;
  }
  if (compare(N->Params, P) != UpdateSuccess)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = prepareNode(P, New.Run))
    return R;
  size_t Position = 0;
  if (auto *Child = std::get_if<ChildNode>(&P)) {
    if (!orderNodes(*Child->Graph, New.Children) ||
        compare(N->Children, New.Children, Position) != UpdateSuccess)
      return CUDA_ERROR_INVALID_VALUE;
    replace(N->Children, New.Children);
  }
  N->Params = std::move(P);
  N->Run = std::move(New.Run);
  return CUDA_SUCCESS;
}

// ---- entries for both ----------------------------------------------------
/// Calls Set(parameters) with what Read makes of P.
template <class T, class F, class Read>
static CUresult change(const T *P, F Set, Read Fn) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  NodeParams New;
  CUresult R = P ? Fn(New) : CUDA_ERROR_INVALID_VALUE;
  return R ? R : Set(std::move(New));
}
template <class T, class F> static CUresult changePlain(const T *P, F Set) {
  return change(P, Set, [P](NodeParams &New) {
    New = *P;
    return CUDA_SUCCESS;
  });
}
template <class F>
static CUresult changeKernel(const CUDA_KERNEL_NODE_PARAMS *P, bool HasKern,
                             F Set) {
  return change(P, Set, [=](NodeParams &New) {
    KernelLaunch L;
    CUresult R = readKernelNode(P, HasKern, L);
    New = std::move(L);
    return R;
  });
}
template <class F>
static CUresult changeMemOps(const CUDA_BATCH_MEM_OP_NODE_PARAMS *P, F Set) {
  return change(P, Set, [=](NodeParams &New) { return readMemOps(*P, New); });
}
static auto in(CUgraphNode Node) {
  return [=](NodeParams P) { return setNode(Node, std::move(P)); };
}
static auto in(CUgraphExec Exec, CUgraphNode Node) {
  return [=](NodeParams P) { return setExecNode(Exec, Node, std::move(P)); };
}

PTXSIM_API CUresult
cuGraphKernelNodeSetParams(CUgraphNode Node, const CUDA_KERNEL_NODE_PARAMS *P) {
  return changeKernel(P, false, in(Node));
}
PTXSIM_API CUresult cuGraphKernelNodeSetParams_v2(
    CUgraphNode Node, const CUDA_KERNEL_NODE_PARAMS *P) {
  return changeKernel(P, true, in(Node));
}
PTXSIM_API CUresult cuGraphExecKernelNodeSetParams(
    CUgraphExec Exec, CUgraphNode Node, const CUDA_KERNEL_NODE_PARAMS *P) {
  return changeKernel(P, false, in(Exec, Node));
}
PTXSIM_API CUresult cuGraphExecKernelNodeSetParams_v2(
    CUgraphExec Exec, CUgraphNode Node, const CUDA_KERNEL_NODE_PARAMS *P) {
  return changeKernel(P, true, in(Exec, Node));
}
PTXSIM_API CUresult cuGraphMemcpyNodeSetParams(CUgraphNode Node,
                                               const CUDA_MEMCPY3D *P) {
  return changePlain(P, in(Node));
}
PTXSIM_API CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec Exec,
                                                   CUgraphNode Node,
                                                   const CUDA_MEMCPY3D *P,
                                                   CUcontext) {
  return changePlain(P, in(Exec, Node));
}
PTXSIM_API CUresult
cuGraphMemsetNodeSetParams(CUgraphNode Node, const CUDA_MEMSET_NODE_PARAMS *P) {
  return changePlain(P, in(Node));
}
PTXSIM_API CUresult
cuGraphExecMemsetNodeSetParams(CUgraphExec Exec, CUgraphNode Node,
                               const CUDA_MEMSET_NODE_PARAMS *P, CUcontext) {
  return changePlain(P, in(Exec, Node));
}
PTXSIM_API CUresult cuGraphHostNodeSetParams(CUgraphNode Node,
                                             const CUDA_HOST_NODE_PARAMS *P) {
  return changePlain(P, in(Node));
}
PTXSIM_API CUresult cuGraphExecHostNodeSetParams(
    CUgraphExec Exec, CUgraphNode Node, const CUDA_HOST_NODE_PARAMS *P) {
  return changePlain(P, in(Exec, Node));
}
PTXSIM_API CUresult cuGraphEventRecordNodeSetEvent(CUgraphNode Node,
                                                   CUevent Event) {
  RecordNode P{Event};
  return changePlain(&P, in(Node));
}
PTXSIM_API CUresult cuGraphExecEventRecordNodeSetEvent(CUgraphExec Exec,
                                                       CUgraphNode Node,
                                                       CUevent Event) {
  RecordNode P{Event};
  return changePlain(&P, in(Exec, Node));
}
PTXSIM_API CUresult cuGraphEventWaitNodeSetEvent(CUgraphNode Node,
                                                 CUevent Event) {
  WaitNode P{Event};
  return changePlain(&P, in(Node));
}
PTXSIM_API CUresult cuGraphExecEventWaitNodeSetEvent(CUgraphExec Exec,
                                                     CUgraphNode Node,
                                                     CUevent Event) {
  WaitNode P{Event};
  return changePlain(&P, in(Exec, Node));
}
PTXSIM_API CUresult cuGraphBatchMemOpNodeSetParams(
    CUgraphNode Node, const CUDA_BATCH_MEM_OP_NODE_PARAMS *P) {
  return changeMemOps(P, in(Node));
}
PTXSIM_API CUresult
cuGraphExecBatchMemOpNodeSetParams(CUgraphExec Exec, CUgraphNode Node,
                                   const CUDA_BATCH_MEM_OP_NODE_PARAMS *P) {
  return changeMemOps(P, in(Exec, Node));
}
PTXSIM_API CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec Exec,
                                                       CUgraphNode Node,
                                                       CUgraph Child) {
  CUgraphNodeParams P{};
  P.type = GraphKind;
  P.graph.graph = Child;
  return change(&P, in(Exec, Node),
                [&](NodeParams &New) { return readNode(&P, nullptr, New); });
}
/// Allocations keep their addresses, so these nodes cannot be set.
static bool isSettable(const CUgraphNodeParams *P) {
  return P && P->type != MemAllocKind && P->type != MemFreeKind;
}
PTXSIM_API CUresult cuGraphNodeSetParams(CUgraphNode Node,
                                         CUgraphNodeParams *P) {
  if (!isSettable(P))
    return CUDA_ERROR_INVALID_VALUE;
  return change(P, in(Node),
                [=](NodeParams &New) { return readNode(P, nullptr, New); });
}
PTXSIM_API CUresult cuGraphNodeSetParams_v2(CUgraphNode Node,
                                            CUgraphNodeParams *P) {
  return cuGraphNodeSetParams(Node, P);
}
PTXSIM_API CUresult cuGraphExecNodeSetParams(CUgraphExec Exec, CUgraphNode Node,
                                             CUgraphNodeParams *P) {
  if (!isSettable(P))
    return CUDA_ERROR_INVALID_VALUE;
  return change(P, in(Exec, Node),
                [=](NodeParams &New) { return readNode(P, nullptr, New); });
}

// ---- all nodes at once ---------------------------------------------------
PTXSIM_API CUresult cuGraphExecUpdate_v2(CUgraphExec Exec, CUgraph Graph,
                                         CUgraphExecUpdateResultInfo *Info) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  GraphExecObject *E = findExec(Exec);
  GraphObject *G = findGraph(Graph);
  if (!Info || !E || !G)
    return CUDA_ERROR_INVALID_VALUE;
  *Info = {UpdateError, nullptr, nullptr};
  std::vector<ExecNode> New;
  if (!orderNodes(*G, New))
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  size_t Position = 0;
  Info->result = compare(*E->Nodes, New, Position);
  if (Info->result != UpdateSuccess) {
    if (Position < G->Nodes.size() && E->Nodes->size() == New.size())
      Info->errorNode = handle(G->Nodes[Position].get());
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  }
  replace(*E->Nodes, New);
  E->Objects = userReferencesOf(*G);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphExecUpdate(CUgraphExec Exec, CUgraph Graph,
                                      CUgraphNode *ErrorNode, int *Result) {
  CUgraphExecUpdateResultInfo Info{};
  CUresult R = cuGraphExecUpdate_v2(Exec, Graph, &Info);
  if (ErrorNode)
    *ErrorNode = Info.errorNode;
  if (Result)
    *Result = Info.result;
  return R;
}

// ---- switching nodes off -------------------------------------------------
static bool canBeSwitched(const NodeParams &P) {
  NodeKind K = kindOf(P);
  return K == KernelKind || K == MemcpyKind || K == MemsetKind;
}
PTXSIM_API CUresult cuGraphNodeSetEnabled(CUgraphExec Exec, CUgraphNode Node,
                                          unsigned Enabled) {
  std::lock_guard Guard(state().Lock);
  ExecNode *N = findNode(Exec, Node);
  if (!N || !canBeSwitched(N->Params))
    return CUDA_ERROR_INVALID_VALUE;
  N->Enabled = Enabled != 0;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphNodeGetEnabled(CUgraphExec Exec, CUgraphNode Node,
                                          unsigned *Enabled) {
  std::lock_guard Guard(state().Lock);
  ExecNode *N = findNode(Exec, Node);
  if (!N || !Enabled || !canBeSwitched(N->Params))
    return CUDA_ERROR_INVALID_VALUE;
  *Enabled = N->Enabled;
  return CUDA_SUCCESS;
}

// ---- attributes of kernels -----------------------------------------------
static KernelLaunch *findKernel(CUgraphNode Node) {
  GraphNode *N = findNode(Node);
  return N ? std::get_if<KernelLaunch>(&N->Params) : nullptr;
}
PTXSIM_API CUresult cuGraphKernelNodeGetAttribute(CUgraphNode Node, int Id,
                                                  CUlaunchAttributeValue *Out) {
  std::lock_guard Guard(state().Lock);
  KernelLaunch *L = findKernel(Node);
  if (!L || !Out || Id < 0 || Id >= NumLaunchAttributes)
    return CUDA_ERROR_INVALID_VALUE;
  auto It = L->Attributes.find(Id);
  *Out = It == L->Attributes.end() ? CUlaunchAttributeValue{} : It->second;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphKernelNodeSetAttribute(
    CUgraphNode Node, int Id, const CUlaunchAttributeValue *Value) {
  std::lock_guard Guard(state().Lock);
  KernelLaunch *L = findKernel(Node);
  if (!L || !Value || Id < 0 || Id >= NumLaunchAttributes)
    return CUDA_ERROR_INVALID_VALUE;
  KernelLaunch New = *L;
  setAttribute(New, Id, *Value);
  return setNode(Node, std::move(New));
}
PTXSIM_API CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode Dst,
                                                    CUgraphNode Src) {
  std::lock_guard Guard(state().Lock);
  KernelLaunch *To = findKernel(Dst), *From = findKernel(Src);
  if (!To || !From)
    return CUDA_ERROR_INVALID_VALUE;
  KernelLaunch New = *To;
  for (const auto &[Id, Value] : From->Attributes)
    setAttribute(New, Id, Value);
  return setNode(Dst, std::move(New));
}
