// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Graphs: what their nodes do, and the objects behind the handles. A node is
// kept as it was asked for, so that it can be asked for and changed; the work
// is made of that when it is checked.
#ifndef PTXSIM_DRIVER_GRAPH_H
#define PTXSIM_DRIVER_GRAPH_H

#include "../Program.h"
#include "CudaAbi.h"
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <variant>
#include <vector>

namespace ptxsim {

using abi::CUdeviceptr;
using abi::CUresult;

/// Work that has been checked and can be run any number of times.
using Work = std::function<CUresult()>;

struct Kernel;
struct GraphObject;

// ---- what nodes do -------------------------------------------------------
struct KernelLaunch {
  Kernel *Fn = nullptr;
  uint64_t Serial = 0; // of the kernel: its address may be used again
  Dim3 Grid, Block, Cluster{1, 1, 1};
  unsigned SharedBytes = 0;
  bool Cooperative = false;
  std::vector<uint8_t> Params;
  // Attributes by number; cluster and cooperation also stand above.
  std::map<int, abi::CUlaunchAttributeValue> Attributes;
};
struct ChildNode {
  std::shared_ptr<GraphObject> Graph; // the node's own
};
struct EmptyNode {};
struct WaitNode {
  abi::CUevent Event;
};
struct RecordNode {
  abi::CUevent Event;
};
/// The addresses that an allocation of a graph has in all its runs.
struct GraphMemory {
  uint64_t Begin, Bytes;
  GraphMemory(uint64_t Begin, uint64_t Bytes) : Begin(Begin), Bytes(Bytes) {}
  GraphMemory(const GraphMemory &) = delete;
  ~GraphMemory();
};
struct AllocNode {
  abi::CUDA_MEM_ALLOC_NODE_PARAMS Params; // accessDescs points into Access
  std::shared_ptr<std::vector<abi::CUmemAccessDesc>> Access;
  std::shared_ptr<GraphMemory> Memory;
};
struct FreeNode {
  CUdeviceptr Address;
};
struct MemOpsNode {
  std::vector<abi::CUstreamBatchMemOpParams> Ops;
  unsigned Flags = 0;
};
using NodeParams =
    std::variant<KernelLaunch, abi::CUDA_MEMCPY3D, abi::CUDA_MEMSET_NODE_PARAMS,
                 abi::CUDA_HOST_NODE_PARAMS, ChildNode, EmptyNode, WaitNode,
                 RecordNode, AllocNode, FreeNode, MemOpsNode>;
/// CUgraphNodeType, in the order of the alternatives.
enum NodeKind : int {
  KernelKind,
  MemcpyKind,
  MemsetKind,
  HostKind,
  GraphKind,
  EmptyKind,
  WaitEventKind,
  EventRecordKind,
  MemAllocKind = 10,
  MemFreeKind,
  MemOpsKind
};
inline NodeKind kindOf(const NodeParams &P) {
  size_t K = P.index();
  return NodeKind(K <= EventRecordKind ? K : K + 2);
}

// ---- user objects --------------------------------------------------------
struct UserObject {
  abi::CUhostFn Destroy;
  void *Data;
  uint64_t Count; // of all references
};
/// References that a graph owns. Copies have references of their own.
class UserReferences {
public:
  UserReferences() = default;
  UserReferences(const UserReferences &From);
  UserReferences &operator=(UserReferences &&From);
  ~UserReferences();
  void add(const UserReferences &From);
  /// Takes references over that have been counted.
  void take(UserObject *Object, uint64_t Count);
  /// Releases them; false if there are fewer.
  bool drop(UserObject *Object, uint64_t Count);

private:
  std::map<UserObject *, uint64_t> Held;
};
/// Those of a graph and its child graphs.
UserReferences userReferencesOf(const GraphObject &G);

// ---- graphs --------------------------------------------------------------
struct GraphNode {
  NodeParams Params;
  Work Run;
  std::vector<GraphNode *> Dependencies;
  GraphObject *Owner = nullptr;
  uint64_t Id = 0;               // unique in the process
  uint64_t Original = 0;         // id of the node that it is a copy of
  std::vector<void *> Arguments; // of a kernel, as last asked for
};
/// How a graph is being captured.
struct CaptureState {
  int Mode = 0; // CUstreamCaptureMode
  std::thread::id Thread;
  uint64_t Id = 0;        // unique in the process
  bool Invalid = false;   // after an illegal call
  bool Active = false;    // has not ended
  uint64_t FirstNode = 0; // nodes of a smaller id were there before
};
struct GraphObject {
  GraphObject();
  GraphObject(const GraphObject &) = delete;
  ~GraphObject();
  /// The new node is known to the driver.
  GraphNode &add(NodeParams P, Work Run, std::vector<GraphNode *> Before);
  void remove(GraphNode *N);
  size_t indexOf(const GraphNode *N) const; // of its own nodes
  bool hasMemoryNodes() const;              // also in child graphs
  std::vector<std::unique_ptr<GraphNode>> Nodes;
  CaptureState Capturing;
  UserReferences Objects;
  uint64_t Id;
  std::weak_ptr<void> Instance; // lives as long as the last executable form
};
/// A deep copy; nodes know what they are copies of.
std::shared_ptr<GraphObject> cloneGraph(const GraphObject &G);

// ---- executable graphs ---------------------------------------------------
struct ExecNode {
  NodeParams Params;
  Work Run;
  uint64_t Id = 0;     // of the graph's node
  size_t Position = 0; // in the graph
  bool Enabled = true;
  std::vector<size_t> Dependencies; // positions, sorted
  std::vector<ExecNode> Children;   // of a child graph
};
struct GraphExecObject {
  std::shared_ptr<std::vector<ExecNode>> Nodes; // in an order that can be run
  unsigned long long Flags = 0;
  uint64_t Id = 0;
  UserReferences Objects;
  std::shared_ptr<void> Instance;
};

/// Live objects behind handles, or null.
GraphObject *findGraph(abi::CUgraph G);
GraphNode *findNode(abi::CUgraphNode N);
GraphExecObject *findExec(abi::CUgraphExec E);
inline abi::CUgraphNode handle(GraphNode *N) {
  return reinterpret_cast<abi::CUgraphNode>(N);
}

/// Nodes in an order that respects their dependencies; false for a cycle.
bool orderNodes(const GraphObject &G, std::vector<ExecNode> &Out);
/// The structure of cuda.h's version 1, or with more fields, of version 2.
CUresult readKernelNode(const abi::CUDA_KERNEL_NODE_PARAMS *P, bool HasKern,
                        KernelLaunch &Out);
CUresult readMemOps(const abi::CUDA_BATCH_MEM_OP_NODE_PARAMS &P,
                    NodeParams &Out);
/// Parameters of any kind. Into: the graph that the node is, or will be, in. A
/// new allocation's address is written to P.
CUresult readNode(abi::CUgraphNodeParams *P, const GraphObject *Into,
                  NodeParams &Out);

} // namespace ptxsim
#endif
