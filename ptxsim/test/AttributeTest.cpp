// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attributes of streams, events of whole contexts, sizes of clusters, batches
// of copies, and the lives of user objects.
#include "Driver.h"
#include <cstring>

using namespace test;

// ---- streams ---------------------------------------------------------------
enum : int {
  AccessPolicy = 1,
  Cooperative = 2,
  SyncPolicy = 3,
  Priority = 8,
  DomainMap = 9,
  Domain = 10
};

static CUlaunchAttributeValue attributeOf(CUstream S, int Id) {
  CUlaunchAttributeValue V;
  std::memset(&V, 0x77, sizeof(V));
  good(call("cuStreamGetAttribute", S, Id, &V), "an attribute");
  return V;
}
static void streamAttributes() {
  CUstream A = nullptr, B = nullptr;
  good(call("cuStreamCreateWithPriority", &A, 1u, -2), "a stream");
  good(call("cuStreamCreate", &B, 1u), "a stream");
  check(attributeOf(A, Priority).priority == -2 &&
            attributeOf(A, SyncPolicy).bytes[0] == 1 &&
            attributeOf(A, DomainMap).bytes[1] == 1,
        "attributes before they are set");
  CUlaunchAttributeValue V{};
  V.priority = -3;
  good(call("cuStreamSetAttribute", A, int(Priority), &V), "priority");
  std::memcpy(V.bytes, "window of the cache", 19);
  good(call("cuStreamSetAttribute", A, int(AccessPolicy), &V), "window");
  good(call("cuStreamCopyAttributes", B, A), "a copy");
  int P = 0;
  good(call("cuStreamGetPriority", B, &P), "priority");
  check(P == -3 && !std::memcmp(attributeOf(B, AccessPolicy).bytes,
                                "window of the cache", 19),
        "attributes are copied");
  bad(call("cuStreamSetAttribute", A, int(Cooperative), &V),
      CUDA_ERROR_INVALID_VALUE, "an attribute that streams do not have");
  bad(call("cuStreamGetAttribute", A, 99, &V), CUDA_ERROR_INVALID_VALUE,
      "an unknown attribute");
  good(call("cuStreamDestroy_v2", B), "destroy");
  bad(call("cuStreamGetAttribute", B, int(Domain), &V),
      CUDA_ERROR_INVALID_HANDLE, "an attribute of a destroyed stream");
  call("cuStreamDestroy_v2", A);
}

static void contextEvents() {
  CUcontext Current = nullptr, Other = nullptr;
  CUevent Event = nullptr;
  CUstream Stream = nullptr;
  good(call("cuCtxGetCurrent", &Current), "context");
  good(call("cuEventCreate", &Event, 0u), "event");
  good(call("cuCtxRecordEvent", Current, Event), "record");
  good(call("cuCtxWaitEvent", Current, Event), "wait");
  good(call("cuEventQuery", Event), "the event has happened");
  good(call("cuCtxCreate_v2", &Other, 0u, 0), "another context");
  bad(call("cuCtxRecordEvent", Other, Event), CUDA_ERROR_INVALID_HANDLE,
      "an event of another context");
  good(call("cuCtxWaitEvent", Other, Event), "another context waits");
  good(call("cuCtxDestroy_v2", Other), "destroy");
  bad(call("cuCtxWaitEvent", Other, Event), CUDA_ERROR_INVALID_CONTEXT,
      "a destroyed context");
  good(call("cuCtxSetCurrent", Current), "context");
  good(call("cuStreamCreate", &Stream, 1u), "stream");
  good(call("cuStreamBeginCapture_v2", Stream, 0), "capture");
  bad(call("cuCtxRecordEvent", Current, Event),
      CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "an event during a capture");
  CUgraph Graph = nullptr;
  bad(call("cuStreamEndCapture", Stream, &Graph),
      CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture is spoilt");
  call("cuStreamDestroy_v2", Stream);
  call("cuEventDestroy_v2", Event);
  good(call("cuCtxResetPersistingL2Cache"), "reset of the cache");
}

static void clusterSizes() {
  static const char Text[] =
      ".version 8.0\n.target sm_90\n.address_size 64\n"
      ".visible .entry any()\n{\nret;\n}\n"
      ".visible .entry four() .reqnctapercluster 2, 2, 1\n{\nret;\n}\n";
  CUmodule M = nullptr;
  CUfunction Any = nullptr, Four = nullptr;
  good(api().cuModuleLoadDataEx(&M, Text, 0, nullptr, nullptr), "module");
  api().cuModuleGetFunction(&Any, M, "any");
  api().cuModuleGetFunction(&Four, M, "four");
  CUlaunchConfig C{};
  C.gridDimX = C.blockDimX = 16;
  C.gridDimY = C.gridDimZ = C.blockDimY = C.blockDimZ = 1;
  auto Most = [&](CUfunction F) {
    int Size = 0;
    good(call("cuOccupancyMaxPotentialClusterSize", &Size, F, &C), "size");
    return Size;
  };
  check(Most(Any) == 8 && Most(Four) == 4, "sizes of clusters");
  constexpr int NonPortable = 14;
  good(api().cuFuncSetAttribute(Any, NonPortable, 1), "attribute");
  check(Most(Any) == 16, "a size that is not portable");
  bad(call("cuOccupancyMaxPotentialClusterSize", static_cast<int *>(nullptr),
           Any, &C),
      CUDA_ERROR_INVALID_VALUE, "no place for the size");
  api().cuModuleUnload(M);
}

static void batches() {
  constexpr unsigned Count = 5;
  std::vector<unsigned> Values(Count * 4);
  for (unsigned K = 0; K < Values.size(); ++K)
    Values[K] = K * K + 1;
  Buffer From(Values), To(Values.size() * 4);
  std::vector<CUdeviceptr> D, S;
  std::vector<size_t> Bytes;
  for (unsigned K = 0; K < Count; ++K) { // in reverse
    S.push_back(From.Address + 16 * K);
    D.push_back(To.Address + 16 * (Count - 1 - K));
    Bytes.push_back(16);
  }
  char Attributes[2][64] = {{1}, {1}};
  size_t Which[] = {0, 3}, Failed = 0;
  CUstream Stream = nullptr;
  call("cuStreamCreate", &Stream, 1u);
  auto Batch = [&](size_t Copies, CUstream In) {
    return call("cuMemcpyBatchAsync_v2", D.data(), S.data(), Bytes.data(),
                Copies, static_cast<void *>(Attributes), Which, size_t(2), In);
  };
  good(Batch(Count, Stream), "a batch");
  std::vector<unsigned> Got = To.read<unsigned>();
  bool Right = true;
  for (unsigned K = 0; K < Values.size(); ++K)
    Right &= Got[K] == Values[(Count - 1 - K / 4) * 4 + K % 4];
  check(Right, "a batch has copied");
  bad(Batch(3, Stream), CUDA_ERROR_INVALID_VALUE, "attributes of no copy");
  bad(Batch(Count, CUstream(nullptr)), CUDA_ERROR_INVALID_VALUE,
      "a batch in the legacy stream");
  good(call("cuMemcpyBatchAsync", D.data(), S.data(), Bytes.data(),
            size_t(Count), static_cast<void *>(Attributes), Which, size_t(2),
            &Failed, Stream),
       "the first form");
  call("cuStreamDestroy_v2", Stream);
}

// ---- user objects ----------------------------------------------------------
static CUuserObject object(int &Calls, unsigned Count) {
  CUuserObject O = nullptr;
  auto Destroy = [](void *Data) { ++*static_cast<int *>(Data); };
  good(call("cuUserObjectCreate", &O, static_cast<void *>(&Calls),
            static_cast<void (*)(void *)>(Destroy), Count, 1u),
       "a user object");
  return O;
}
static void countedObjects() {
  int Calls = 0;
  CUuserObject O = object(Calls, 2);
  good(call("cuUserObjectRetain", O, 3u), "retain");
  good(call("cuUserObjectRelease", O, 4u), "release");
  bad(call("cuUserObjectRelease", O, 0u), CUDA_ERROR_INVALID_VALUE,
      "nothing is released");
  check(Calls == 0, "one reference is left");
  good(call("cuUserObjectRelease", O, 1u), "release");
  check(Calls == 1, "the destructor has been called");
  bad(call("cuUserObjectRelease", O, 1u), CUDA_ERROR_INVALID_VALUE,
      "an object that is gone");
  bad(call("cuUserObjectCreate", &O, static_cast<void *>(nullptr),
           static_cast<void (*)(void *)>(nullptr), 1u, 1u),
      CUDA_ERROR_INVALID_VALUE, "no destructor");
}
/// Each owner alone keeps the object alive.
static void graphsOwnObjects() {
  int Calls = 0;
  constexpr unsigned Move = 1;
  CUgraph G = nullptr, Clone = nullptr, Parent = nullptr, Empty = nullptr;
  CUgraphNode Node = nullptr;
  CUgraphExec E = nullptr;
  good(call("cuGraphCreate", &G, 0u), "graph");
  good(call("cuGraphCreate", &Parent, 0u), "graph");
  good(call("cuGraphCreate", &Empty, 0u), "graph");
  CUuserObject O = object(Calls, 1);
  good(call("cuGraphRetainUserObject", G, O, 1u, Move), "a graph takes it");
  bad(call("cuGraphReleaseUserObject", G, O, 2u), CUDA_ERROR_INVALID_VALUE,
      "more than it has");
  good(call("cuGraphClone", &Clone, G), "clone");
  good(call("cuGraphDestroy", G), "destroy");
  check(Calls == 0, "the clone owns the object");
  good(call("cuGraphAddChildGraphNode", &Node, Parent,
            static_cast<CUgraphNode *>(nullptr), size_t(0), Clone),
       "a child graph");
  good(call("cuGraphDestroy", Clone), "destroy");
  check(Calls == 0, "the child graph owns the object");
  good(call("cuGraphInstantiateWithFlags", &E, Parent, 0ull), "executable");
  good(call("cuGraphDestroyNode", Node), "the child goes");
  check(Calls == 0, "the executable graph owns the object");
  good(call("cuGraphExecDestroy", E), "destroy");
  check(Calls == 1, "nobody owns the object any more");
  // An update takes the references of the new graph.
  int Old = 0, New = 0;
  CUuserObject A = object(Old, 1), B = object(New, 1);
  good(call("cuGraphRetainUserObject", Empty, A, 1u, 0u), "retain");
  good(call("cuUserObjectRelease", A, 1u), "release");
  good(call("cuGraphInstantiateWithFlags", &E, Empty, 0ull), "executable");
  good(call("cuGraphReleaseUserObject", Empty, A, 1u), "release");
  good(call("cuGraphRetainUserObject", Empty, B, 1u, Move), "move");
  check(Old == 0, "the executable graph is as it was");
  struct {
    int Result;
    CUgraphNode Nodes[2];
  } Info{};
  good(call("cuGraphExecUpdate_v2", E, Empty, &Info), "update");
  check(Old == 1 && New == 0, "an update lets go of old objects");
  good(call("cuGraphDestroy", Empty), "destroy");
  check(New == 0, "the executable graph owns the new one");
  good(call("cuGraphExecDestroy", E), "destroy");
  check(New == 1, "the new one goes as well");
  call("cuGraphDestroy", Parent);
}

int main() {
  api();
  streamAttributes();
  contextEvents();
  clusterSizes();
  batches();
  countedObjects();
  graphsOwnObjects();
  return finish("AttributeTest");
}
