// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Streams, events and host functions. Work runs when it is submitted, unless
// its stream is being captured (CaptureApi.cpp).
#include "State.h"
#include <algorithm>
#include <chrono>

using namespace ptxsim;
using namespace ptxsim::abi;

static EventObject *object(CUevent E) {
  return reinterpret_cast<EventObject *>(E);
}
static uint64_t now() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(
                      std::chrono::steady_clock::now().time_since_epoch())
                      .count());
}

namespace {
/// The per-thread default stream of one host thread. A capture that the thread
/// did not end ends with it.
struct ThreadStream {
  StreamObject Stream;
  ThreadStream() {
    std::lock_guard Guard(state().Lock);
    state().PerThreadStreams.insert(&Stream);
  }
  ~ThreadStream() {
    std::lock_guard Guard(state().Lock);
    state().PerThreadStreams.erase(&Stream);
    if (Stream.Capture) {
      --state().CapturingStreams;
      Stream.Capture->Capturing.Active &= !Stream.CaptureOrigin;
    }
    Stream.Capture.reset();
  }
};
} // namespace
static StreamObject &threadStream() {
  thread_local ThreadStream T;
  return T.Stream;
}

StreamObject *ptxsim::findStream(CUstream S) {
  DriverState &D = state();
  uintptr_t V = reinterpret_cast<uintptr_t>(S);
  if (V == 1 || (V == 0 && !defaultStreamIsPerThread()))
    return &D.LegacyStream;
  if (V == 2 || V == 0)
    return &threadStream();
  auto *Object = reinterpret_cast<StreamObject *>(S);
  return D.Streams.count(Object) ? Object : nullptr;
}

CUresult ptxsim::submit(CUstream S, NodeParams P, Work Fn) {
  StreamObject *Stream = findStream(S);
  if (!Stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!Stream->Capture) {
    CUresult R = checkLegacyUse(*Stream);
    return R ? R : Fn();
  }
  if (Stream->Capture->Capturing.Invalid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  Stream->CaptureTail = {
      &Stream->Capture->add(std::move(P), std::move(Fn), Stream->CaptureTail)};
  return CUDA_SUCCESS;
}

// ---- streams -------------------------------------------------------------
PTXSIM_API CUresult cuStreamCreateWithPriority(CUstream *Out, unsigned Flags,
                                               int Priority) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enter())
    return R;
  if (!Out || Flags > 1)
    return CUDA_ERROR_INVALID_VALUE;
  auto *New = new StreamObject;
  New->Owner = currentContext();
  New->Flags = Flags;
  New->Priority = std::clamp(Priority, -5, 0);
  S.Streams.insert(New);
  *Out = reinterpret_cast<CUstream>(New);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuStreamCreate(CUstream *Out, unsigned Flags) {
  return cuStreamCreateWithPriority(Out, Flags, 0);
}
PTXSIM_API CUresult cuStreamDestroy_v2(CUstream Stream) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  auto *Object = reinterpret_cast<StreamObject *>(Stream);
  if (!S.Streams.count(Object))
    return CUDA_ERROR_INVALID_HANDLE;
  if (Object->Capture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  S.Streams.erase(Object);
  delete Object;
  return released(true, CUDA_SUCCESS);
}
/// Entry of calls that need a stream that is not being captured.
static CUresult drained(CUstream Stream) {
  if (CUresult R = enterWork())
    return R;
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  return S->Capture
             ? invalidate(*S->Capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
             : checkLegacyUse(*S);
}
CUresult ptxsim::checkSynchronous() {
  std::lock_guard Guard(state().Lock);
  StreamObject *S = findStream(nullptr);
  if (S->Capture)
    return invalidate(*S->Capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  CUresult R = checkLegacyUse(*S);
  return R ? R : checkUnsafe();
}
PTXSIM_API CUresult cuStreamSynchronize(CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  CUresult R = drained(Stream);
  if (R == CUDA_SUCCESS)
    trimPools();
  return R;
}
PTXSIM_API CUresult cuStreamQuery(CUstream Stream) {
  std::lock_guard Guard(state().Lock);
  return drained(Stream);
}
template <class F> static CUresult readStream(CUstream Stream, F Fn) {
  std::lock_guard Guard(state().Lock);
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  return Fn(*S) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
PTXSIM_API CUresult cuStreamGetFlags(CUstream Stream, unsigned *Flags) {
  return readStream(Stream, [&](StreamObject &S) {
    if (Flags)
      *Flags = S.Flags;
    return Flags != nullptr;
  });
}
PTXSIM_API CUresult cuStreamGetPriority(CUstream Stream, int *Priority) {
  return readStream(Stream, [&](StreamObject &S) {
    if (Priority)
      *Priority = S.Priority;
    return Priority != nullptr;
  });
}
PTXSIM_API CUresult cuStreamGetCtx(CUstream Stream, CUcontext *Ctx) {
  return readStream(Stream, [&](StreamObject &S) {
    if (Ctx)
      *Ctx = reinterpret_cast<CUcontext>(S.Owner ? S.Owner : currentContext());
    return Ctx != nullptr;
  });
}
PTXSIM_API CUresult cuStreamGetCtx_v2(CUstream Stream, CUcontext *Ctx,
                                      void **Green) {
  if (!Green)
    return CUDA_ERROR_INVALID_VALUE;
  *Green = nullptr; // there are no green contexts
  return cuStreamGetCtx(Stream, Ctx);
}
PTXSIM_API CUresult cuStreamGetDevice(CUstream Stream, CUdevice *Device) {
  return readStream(Stream, [&](StreamObject &) {
    if (Device)
      *Device = 0;
    return Device != nullptr;
  });
}
PTXSIM_API CUresult cuStreamGetId(CUstream Stream, unsigned long long *Id) {
  return readStream(Stream, [&](StreamObject &S) {
    if (Id)
      *Id = reinterpret_cast<uintptr_t>(&S);
    return Id != nullptr;
  });
}
PTXSIM_API CUresult cuLaunchHostFunc(CUstream Stream, CUhostFn Fn, void *Data) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enterWork())
    return R;
  if (!Fn)
    return CUDA_ERROR_INVALID_VALUE;
  return submit(Stream, CUDA_HOST_NODE_PARAMS{Fn, Data}, [=] {
    Fn(Data);
    return CUDA_SUCCESS;
  });
}
/// How the host thread waits for tasks does not matter here.
PTXSIM_API CUresult cuLaunchHostFunc_v2(CUstream Stream, CUhostFn Fn,
                                        void *Data, unsigned Waiting) {
  return Waiting > 1 ? CUDA_ERROR_INVALID_VALUE
                     : cuLaunchHostFunc(Stream, Fn, Data);
}
PTXSIM_API CUresult cuStreamAddCallback(CUstream Stream, CUstreamCallback Fn,
                                        void *Data, unsigned Flags) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = drained(Stream))
    return R;
  if (!Fn || Flags)
    return CUDA_ERROR_INVALID_VALUE;
  Fn(Stream, CUDA_SUCCESS, Data);
  return CUDA_SUCCESS;
}

// ---- events --------------------------------------------------------------
PTXSIM_API CUresult cuEventCreate(CUevent *Out, unsigned Flags) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = enter())
    return R;
  if (!Out || Flags > 7)
    return CUDA_ERROR_INVALID_VALUE;
  auto *E = new EventObject;
  E->Owner = currentContext();
  E->Flags = Flags;
  S.Events.insert(E);
  *Out = reinterpret_cast<CUevent>(E);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuEventDestroy_v2(CUevent Event) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (!S.Events.erase(object(Event)))
    return CUDA_ERROR_INVALID_HANDLE;
  delete object(Event);
  return released(true, CUDA_SUCCESS);
}
EventObject *ptxsim::findEvent(CUevent E) {
  return state().Events.count(object(E)) ? object(E) : nullptr;
}
CUresult ptxsim::recordNow(CUevent Event) {
  EventObject *E = findEvent(Event);
  if (!E)
    return CUDA_ERROR_INVALID_HANDLE;
  E->Recorded = true;
  E->Nanoseconds = now();
  return CUDA_SUCCESS;
}
/// The flag of records and waits that become nodes of the graph.
static constexpr unsigned External = 1;
static CUresult recordExternally(StreamObject &S, CUevent Event,
                                 CUstream Stream) {
  if (!S.Capture)
    return CUDA_ERROR_INVALID_VALUE; // there is no graph
  return submit(Stream, RecordNode{Event}, [=] { return recordNow(Event); });
}
PTXSIM_API CUresult cuEventRecordWithFlags(CUevent Event, CUstream Stream,
                                           unsigned Flags) {
  DriverState &D = state();
  std::lock_guard Guard(D.Lock);
  if (CUresult R = enter())
    return R;
  StreamObject *S = findStream(Stream);
  if (!S || !D.Events.count(object(Event)))
    return CUDA_ERROR_INVALID_HANDLE;
  if (Flags > 1)
    return CUDA_ERROR_INVALID_VALUE;
  EventObject &E = *object(Event);
  if (Flags == External)
    return recordExternally(*S, Event, Stream);
  if (!S->Capture)
    if (CUresult R = checkLegacyUse(*S))
      return R;
  if (S->Capture && S->Capture->Capturing.Invalid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  E.Capture = S->Capture;
  E.CaptureTail = S->CaptureTail;
  return S->Capture ? CUDA_SUCCESS : recordNow(Event);
}
PTXSIM_API CUresult cuEventRecord(CUevent Event, CUstream Stream) {
  return cuEventRecordWithFlags(Event, Stream, 0);
}
PTXSIM_API CUresult cuEventQuery(CUevent Event) {
  std::lock_guard Guard(state().Lock);
  if (!state().Events.count(object(Event)))
    return CUDA_ERROR_INVALID_HANDLE;
  if (auto Capture = object(Event)->Capture)
    return invalidate(*Capture, CUDA_ERROR_CAPTURED_EVENT);
  CUresult R = enterWork();
  return R ? R : checkUnsafe();
}
PTXSIM_API CUresult cuEventSynchronize(CUevent Event) {
  std::lock_guard Guard(state().Lock);
  CUresult R = cuEventQuery(Event);
  if (R == CUDA_SUCCESS)
    trimPools();
  return R;
}
PTXSIM_API CUresult cuEventElapsedTime_v2(float *Ms, CUevent A, CUevent B) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (!Ms)
    return CUDA_ERROR_INVALID_VALUE;
  if (!S.Events.count(object(A)) || !S.Events.count(object(B)) ||
      !object(A)->Recorded || !object(B)->Recorded ||
      ((object(A)->Flags | object(B)->Flags) & 2))
    return CUDA_ERROR_INVALID_HANDLE;
  *Ms = float(double(int64_t(object(B)->Nanoseconds - object(A)->Nanoseconds)) *
              1e-6);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuEventElapsedTime(float *Ms, CUevent A, CUevent B) {
  return cuEventElapsedTime_v2(Ms, A, B);
}
static CUresult waitExternally(StreamObject &S, CUevent Event,
                               CUstream Stream) {
  if (!S.Capture)
    return CUDA_ERROR_INVALID_VALUE; // there is no graph
  // What was recorded before the graph runs has then run.
  return submit(Stream, WaitNode{Event}, [] { return CUDA_SUCCESS; });
}
/// The stream joins the capture of an event, unless it is in another one.
static CUresult waitFor(StreamObject &S, EventObject &E) {
  auto &D = state();
  if ((S.Capture && S.Capture->Capturing.Invalid) ||
      (E.Capture && E.Capture->Capturing.Invalid))
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!E.Capture && S.Capture && E.Recorded)
    return invalidate(*S.Capture, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  if (!E.Capture) // the work before the event has run
    return S.Capture ? CUDA_SUCCESS : checkLegacyUse(S);
  if (S.Capture && S.Capture != E.Capture) {
    invalidate(*S.Capture, CUDA_ERROR_STREAM_CAPTURE_MERGE);
    return invalidate(*E.Capture, CUDA_ERROR_STREAM_CAPTURE_MERGE);
  }
  if (&S == &D.LegacyStream)
    return invalidate(*E.Capture, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  if (!S.Capture) {
    S.Capture = E.Capture;
    S.CaptureTail.clear();
    ++D.CapturingStreams;
  }
  for (GraphNode *N : E.CaptureTail)
    if (std::find(S.CaptureTail.begin(), S.CaptureTail.end(), N) ==
        S.CaptureTail.end())
      S.CaptureTail.push_back(N);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuStreamWaitEvent(CUstream Stream, CUevent Event,
                                      unsigned Flags) {
  DriverState &D = state();
  std::lock_guard Guard(D.Lock);
  StreamObject *S = findStream(Stream);
  if (!S || !D.Events.count(object(Event)))
    return CUDA_ERROR_INVALID_HANDLE;
  if (Flags > 1)
    return CUDA_ERROR_INVALID_VALUE;
  return Flags == External ? waitExternally(*S, Event, Stream)
                           : waitFor(*S, *object(Event));
}
