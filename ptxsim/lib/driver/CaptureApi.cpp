// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stream capture: begin, end, and the rules for other calls meanwhile (CUDA
// driver API, cuThreadExchangeStreamCaptureMode; CUDA programming guide, CUDA
// graphs, prohibited and unhandled operations).
#include "State.h"
#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::abi;

enum { CaptureGlobal = 0, CaptureThreadLocal = 1, CaptureRelaxed = 2 };
static thread_local int ThreadMode = CaptureGlobal;
static constexpr unsigned NonBlocking = 1; // flag of streams

// ---- rules ---------------------------------------------------------------
template <class F> static void forCapturingStreams(F Fn) {
  DriverState &D = state();
  if (!D.CapturingStreams)
    return;
  for (const auto *Set : {&D.Streams, &D.PerThreadStreams})
    for (StreamObject *S : *Set)
      if (S->Capture)
        Fn(*S);
}
CUresult ptxsim::invalidate(GraphObject &G, CUresult Why) {
  G.Capturing.Invalid = true;
  return Why;
}
CUresult ptxsim::checkLegacyUse(const StreamObject &S) {
  CUresult R = CUDA_SUCCESS;
  if (&S == &state().LegacyStream)
    forCapturingStreams([&](StreamObject &Other) {
      if (!(Other.Flags & NonBlocking))
        R = invalidate(*Other.Capture, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    });
  return R;
}
CUresult ptxsim::checkUnsafe() {
  CUresult R = CUDA_SUCCESS;
  if (ThreadMode == CaptureRelaxed)
    return R;
  forCapturingStreams([&](StreamObject &S) {
    const CaptureState &C = S.Capture->Capturing;
    bool Own = C.Thread == std::this_thread::get_id();
    if (Own ? C.Mode != CaptureRelaxed
            : ThreadMode == CaptureGlobal && C.Mode == CaptureGlobal)
      R = invalidate(*S.Capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  });
  return R;
}
CUresult ptxsim::checkNoCapture() {
  CUresult R = CUDA_SUCCESS;
  forCapturingStreams([&](StreamObject &S) {
    R = invalidate(*S.Capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  });
  return R;
}

// ---- begin, end -----------------------------------------------------------
/// Nodes of the capture go into G, behind the nodes of Tail.
static CUresult beginCapture(CUstream Stream, int Mode,
                             std::shared_ptr<GraphObject> G,
                             std::vector<GraphNode *> Tail) {
  DriverState &D = state();
  if (CUresult R = enter())
    return R;
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (Mode < CaptureGlobal || Mode > CaptureRelaxed)
    return CUDA_ERROR_INVALID_VALUE;
  if (S == &D.LegacyStream)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (S->Capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  CaptureState &C = G->Capturing;
  C = {Mode, std::this_thread::get_id(), D.NextSerial++, false, true, 0};
  C.FirstNode = D.NextSerial;
  S->Capture = std::move(G);
  S->CaptureTail = std::move(Tail);
  S->CaptureOrigin = true;
  ++D.CapturingStreams;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuStreamBeginCapture_v2(CUstream Stream, int Mode) {
  std::lock_guard Guard(state().Lock);
  return beginCapture(Stream, Mode, std::make_shared<GraphObject>(), {});
}
PTXSIM_API CUresult cuStreamBeginCapture(CUstream Stream) {
  return cuStreamBeginCapture_v2(Stream, CaptureGlobal);
}
/// Adds nodes of one graph to a list; false if one is not among them, or twice.
static bool addNodes(const GraphObject &G, const CUgraphNode *Nodes,
                     size_t Count, std::vector<GraphNode *> &Out) {
  for (size_t K = 0; K < Count; ++K) {
    GraphNode *N = Nodes ? findNode(Nodes[K]) : nullptr;
    if (!N || N->Owner != &G ||
        std::find(Out.begin(), Out.end(), N) != Out.end())
      return false;
    Out.push_back(N);
  }
  return true;
}
PTXSIM_API CUresult cuStreamBeginCaptureToGraph(CUstream Stream, CUgraph Graph,
                                                const CUgraphNode *Before,
                                                const CUgraphEdgeData *,
                                                size_t Count, int Mode) {
  DriverState &D = state();
  std::lock_guard Guard(D.Lock);
  auto It = D.Graphs.find(reinterpret_cast<GraphObject *>(Graph));
  std::vector<GraphNode *> Tail;
  if (It == D.Graphs.end() || It->first->Capturing.Active ||
      !addNodes(*It->first, Before, Count, Tail))
    return CUDA_ERROR_INVALID_VALUE;
  return beginCapture(Stream, Mode, It->second, std::move(Tail));
}
/// Every node of the capture must lead to the origin stream's last ones.
static bool allJoined(const GraphObject &G, std::vector<GraphNode *> Work) {
  std::unordered_set<const GraphNode *> Seen;
  while (!Work.empty()) {
    GraphNode *N = Work.back();
    Work.pop_back();
    if (Seen.insert(N).second)
      Work.insert(Work.end(), N->Dependencies.begin(), N->Dependencies.end());
  }
  return std::all_of(G.Nodes.begin(), G.Nodes.end(), [&](const auto &N) {
    return N->Id < G.Capturing.FirstNode || Seen.count(N.get());
  });
}
static void endCapture(const std::shared_ptr<GraphObject> &G) {
  DriverState &D = state();
  G->Capturing.Active = false;
  auto End = [&](StreamObject &S) {
    if (S.Capture != G)
      return;
    S.Capture.reset();
    S.CaptureTail.clear();
    S.CaptureOrigin = false;
    --D.CapturingStreams;
  };
  for (StreamObject *S : D.Streams)
    End(*S);
  for (StreamObject *S : D.PerThreadStreams)
    End(*S);
  for (EventObject *E : D.Events)
    if (E->Capture == G) {
      E->Capture.reset();
      E->CaptureTail.clear();
    }
}
uint64_t ptxsim::releaseStreamsOf(Context *C) {
  DriverState &D = state();
  uint64_t Before = D.Streams.size() + D.Events.size();
  for (StreamObject *S : D.Streams)
    if (S->Owner == C && S->Capture)
      endCapture(std::shared_ptr<GraphObject>(S->Capture));
  auto Release = [C](auto *Object) {
    if (Object->Owner != C)
      return false;
    delete Object;
    return true;
  };
  std::erase_if(D.Streams, Release);
  std::erase_if(D.Events, Release);
  return Before - D.Streams.size() - D.Events.size();
}
PTXSIM_API CUresult cuStreamEndCapture(CUstream Stream, CUgraph *Out) {
  DriverState &D = state();
  std::lock_guard Guard(D.Lock);
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!Out)
    return CUDA_ERROR_INVALID_VALUE;
  if (!S->Capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  if (!S->CaptureOrigin)
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  std::shared_ptr<GraphObject> G = S->Capture;
  const CaptureState &C = G->Capturing;
  if (C.Mode != CaptureRelaxed && C.Thread != std::this_thread::get_id())
    return invalidate(*G, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
  bool Joined = allJoined(*G, S->CaptureTail);
  endCapture(G);
  *Out = nullptr;
  if (C.Invalid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!Joined)
    return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  D.Graphs[G.get()] = G;
  *Out = reinterpret_cast<CUgraph>(G.get());
  return CUDA_SUCCESS;
}

// ---- queries -------------------------------------------------------------
enum { NotCapturing = 0, ActivelyCapturing = 1, CaptureInvalidated = 2 };

/// Asking the legacy stream is an error while a stream that it waits for is
/// being captured, but does no harm to the capture.
static CUresult captureStatus(CUstream Stream, int *Status, StreamObject *&S) {
  S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!Status)
    return CUDA_ERROR_INVALID_VALUE;
  bool Implicit = false;
  if (S == &state().LegacyStream)
    forCapturingStreams(
        [&](StreamObject &Other) { Implicit |= !(Other.Flags & NonBlocking); });
  if (Implicit)
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  *Status = !S->Capture                     ? NotCapturing
            : S->Capture->Capturing.Invalid ? CaptureInvalidated
                                            : ActivelyCapturing;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuStreamIsCapturing(CUstream Stream, int *Status) {
  std::lock_guard Guard(state().Lock);
  StreamObject *S = nullptr;
  return captureStatus(Stream, Status, S);
}
PTXSIM_API CUresult cuStreamGetCaptureInfo(CUstream Stream, int *Status,
                                           uint64_t *Id) {
  std::lock_guard Guard(state().Lock);
  StreamObject *S = nullptr;
  CUresult R = captureStatus(Stream, Status, S);
  if (R == CUDA_SUCCESS && Id && *Status == ActivelyCapturing)
    *Id = S->Capture->Capturing.Id;
  return R;
}
/// The nodes that the stream's next one will depend on: they, and the edges,
/// stay valid until the next call that concerns the stream.
PTXSIM_API CUresult cuStreamGetCaptureInfo_v3(CUstream Stream, int *Status,
                                              uint64_t *Id, CUgraph *Graph,
                                              const CUgraphNode **Before,
                                              const CUgraphEdgeData **Edges,
                                              size_t *Count) {
  std::lock_guard Guard(state().Lock);
  StreamObject *S = nullptr;
  CUresult R = captureStatus(Stream, Status, S);
  if (R != CUDA_SUCCESS || *Status != ActivelyCapturing)
    return R;
  S->CaptureEdges.assign(S->CaptureTail.size(), CUgraphEdgeData{});
  if (Id)
    *Id = S->Capture->Capturing.Id;
  if (Graph)
    *Graph = reinterpret_cast<CUgraph>(S->Capture.get());
  if (Before)
    *Before = reinterpret_cast<const CUgraphNode *>(S->CaptureTail.data());
  if (Edges)
    *Edges = S->CaptureEdges.data();
  if (Count)
    *Count = S->CaptureTail.size();
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuStreamGetCaptureInfo_v2(CUstream Stream, int *Status,
                                              uint64_t *Id, CUgraph *Graph,
                                              const CUgraphNode **Before,
                                              size_t *Count) {
  return cuStreamGetCaptureInfo_v3(Stream, Status, Id, Graph, Before, nullptr,
                                   Count);
}
PTXSIM_API CUresult cuStreamUpdateCaptureDependencies(CUstream Stream,
                                                      CUgraphNode *Nodes,
                                                      size_t Count,
                                                      unsigned Flags) {
  std::lock_guard Guard(state().Lock);
  enum { Add = 0, Set = 1 };
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (Flags > Set)
    return CUDA_ERROR_INVALID_VALUE;
  if (!S->Capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  if (S->Capture->Capturing.Invalid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  std::vector<GraphNode *> Tail;
  if (!addNodes(*S->Capture, Nodes, Count, Tail))
    return CUDA_ERROR_INVALID_VALUE;
  for (GraphNode *N : S->CaptureTail)
    if (Flags == Add && std::find(Tail.begin(), Tail.end(), N) == Tail.end())
      Tail.push_back(N);
  S->CaptureTail = std::move(Tail);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuStreamUpdateCaptureDependencies_v2(
    CUstream Stream, CUgraphNode *Nodes, const CUgraphEdgeData *, size_t Count,
    unsigned Flags) {
  return cuStreamUpdateCaptureDependencies(Stream, Nodes, Count, Flags);
}
PTXSIM_API CUresult cuThreadExchangeStreamCaptureMode(int *Mode) {
  if (!Mode || *Mode < CaptureGlobal || *Mode > CaptureRelaxed)
    return CUDA_ERROR_INVALID_VALUE;
  std::swap(*Mode, ThreadMode);
  return CUDA_SUCCESS;
}
