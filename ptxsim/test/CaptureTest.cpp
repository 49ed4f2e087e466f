// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stream capture: which calls the modes of capture and thread allow, and what
// an illegal one does to the capture. Flags and options that do not exist.
#include "Driver.h"
#include <thread>

using namespace test;

#define CALL(Name, Type) (reinterpret_cast<Type>(librarySymbol(#Name)))

enum { Global = 0, ThreadLocal = 1, Relaxed = 2 };
enum { None = 0, Active = 1, Invalidated = 2 };

namespace {
/// A stream that is being captured from construction on.
class Capture {
public:
  explicit Capture(int Mode, unsigned Flags = NonBlocking) {
    CALL(cuStreamCreate, CUresult (*)(CUstream *, unsigned))(&Stream, Flags);
    check(CALL(cuStreamBeginCapture_v2,
               CUresult (*)(CUstream, int))(Stream, Mode) == CUDA_SUCCESS,
          "capture begins");
  }
  Capture(const Capture &) = delete;
  ~Capture() {
    end();
    CALL(cuStreamDestroy_v2, CUresult (*)(CUstream))(Stream);
  }
  int status() const {
    int Status = -1;
    CALL(cuStreamIsCapturing, CUresult (*)(CUstream, int *))(Stream, &Status);
    return Status;
  }
  CUresult end() {
    CUgraph G = nullptr;
    CUresult R =
        CALL(cuStreamEndCapture, CUresult (*)(CUstream, CUgraph *))(Stream, &G);
    if (G)
      CALL(cuGraphDestroy, CUresult (*)(CUgraph))(G);
    return R;
  }
  static constexpr unsigned Blocking = 0, NonBlocking = 1;
  CUstream Stream = nullptr;
};

class Event {
public:
  Event() { CALL(cuEventCreate, CUresult (*)(CUevent *, unsigned))(&E, 0); }
  Event(const Event &) = delete;
  ~Event() { CALL(cuEventDestroy_v2, CUresult (*)(CUevent))(E); }
  CUresult record(CUstream S, unsigned Flags = 0) {
    return CALL(cuEventRecordWithFlags,
                CUresult (*)(CUevent, CUstream, unsigned))(E, S, Flags);
  }
  CUresult query() { return CALL(cuEventQuery, CUresult (*)(CUevent))(E); }
  CUevent E = nullptr;
};
} // namespace
static CUresult wait(CUstream S, const Event &E, unsigned Flags = 0) {
  return CALL(cuStreamWaitEvent,
              CUresult (*)(CUstream, CUevent, unsigned))(S, E.E, Flags);
}
static CUresult fill(CUdeviceptr P, CUstream S) {
  return CALL(cuMemsetD32Async, CUresult (*)(CUdeviceptr, unsigned, size_t,
                                             CUstream))(P, 1, 1, S);
}

/// Call must give Want, and leave the capture valid only if it succeeds.
static void during(int Mode, unsigned Flags, const char *What, CUresult Want,
                   const std::function<CUresult(CUstream)> &Call) {
  Capture C(Mode, Flags);
  CUresult R = Call(C.Stream);
  std::string Where = std::string(What) + " in mode " + std::to_string(Mode);
  check(R == Want, Where + ": expected " + std::to_string(Want) + ", got " +
                       std::to_string(R));
  check(C.status() == (Want ? Invalidated : Active), Where + ": status");
  check(C.end() ==
            (Want ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS),
        Where + ": end");
}

static CUresult allocate() {
  CUdeviceptr P = 0;
  CUresult R = api().cuMemAlloc(&P, 16);
  return R ? R : api().cuMemFree(P);
}

static void unsafeCalls() {
  auto Allocate = [](CUstream) { return allocate(); };
  auto Unsupported = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  during(Global, Capture::NonBlocking, "allocation", Unsupported, Allocate);
  during(ThreadLocal, Capture::NonBlocking, "allocation", Unsupported,
         Allocate);
  during(Relaxed, Capture::NonBlocking, "allocation", CUDA_SUCCESS, Allocate);
  auto Elsewhere = [](CUstream) {
    CUresult R = CUDA_SUCCESS;
    CUcontext Ctx = nullptr;
    CALL(cuCtxGetCurrent, CUresult (*)(CUcontext *))(&Ctx);
    std::thread([&] {
      api().cuCtxSetCurrent(Ctx);
      R = allocate();
    }).join();
    return R;
  };
  during(Global, Capture::NonBlocking, "another thread's allocation",
         Unsupported, Elsewhere);
  during(ThreadLocal, Capture::NonBlocking, "another thread's allocation",
         CUDA_SUCCESS, Elsewhere);
  auto Exchange = CALL(cuThreadExchangeStreamCaptureMode, CUresult (*)(int *));
  during(Global, Capture::NonBlocking, "allocation of a relaxed thread",
         CUDA_SUCCESS, [&](CUstream) {
           int Mode = Relaxed;
           Exchange(&Mode);
           CUresult R = allocate();
           Exchange(&Mode);
           check(Mode == Relaxed, "the thread's mode is given back");
           return R;
         });
  during(Global, Capture::NonBlocking, "a module", Unsupported, [](CUstream) {
    CUmodule M = nullptr;
    return api().cuModuleLoadDataEx(&M, ".version 8.0\n.target sm_80\n", 0,
                                    nullptr, nullptr);
  });
  during(Global, Capture::NonBlocking, "allocation in the stream", CUDA_SUCCESS,
         [](CUstream S) {
           CUdeviceptr P = 0;
           return CALL(cuMemAllocAsync, CUresult (*)(CUdeviceptr *, size_t,
                                                     CUstream))(&P, 16, S);
         });
}

static void synchronisations() {
  auto Unsupported = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  for (int Mode : {Global, ThreadLocal, Relaxed}) {
    during(Mode, Capture::NonBlocking, "the stream's query", Unsupported,
           CALL(cuStreamQuery, CUresult (*)(CUstream)));
    during(Mode, Capture::NonBlocking, "the context's synchronisation",
           Unsupported, [](CUstream) { return api().cuCtxSynchronize(); });
  }
}

/// The legacy stream waits for those that are not non-blocking.
static void legacyStream() {
  Buffer B(std::vector<int>(1));
  int X = 0;
  auto Copy = [&](CUstream) { return api().cuMemcpyDtoH(&X, B.Address, 4); };
  auto Fill = [&](CUstream) { return fill(B.Address, nullptr); };
  auto Implicit = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  during(Relaxed, Capture::NonBlocking, "a copy", CUDA_SUCCESS, Copy);
  during(Relaxed, Capture::Blocking, "a copy", Implicit, Copy);
  during(Global, Capture::NonBlocking, "a copy",
         CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, Copy);
  during(Global, Capture::NonBlocking, "a fill", CUDA_SUCCESS, Fill);
  during(Global, Capture::Blocking, "a fill", Implicit, Fill);
  Capture C(Relaxed, Capture::Blocking);
  int Status = 0;
  check(CALL(cuStreamIsCapturing,
             CUresult (*)(CUstream, int *))(nullptr, &Status) == Implicit &&
            C.status() == Active,
        "asking the legacy stream does no harm");
}

static void events() {
  during(Relaxed, Capture::NonBlocking, "an event of the capture, queried",
         CUDA_ERROR_CAPTURED_EVENT, [](CUstream S) {
           Event E;
           check(E.record(S) == CUDA_SUCCESS, "record");
           return E.query();
         });
  during(Relaxed, Capture::NonBlocking, "waiting for work outside of it",
         CUDA_ERROR_STREAM_CAPTURE_ISOLATION, [](CUstream S) {
           Event E;
           check(E.record(nullptr) == CUDA_SUCCESS, "record");
           return wait(S, E);
         });
  during(Relaxed, Capture::NonBlocking, "waiting for it as a node",
         CUDA_SUCCESS, [](CUstream S) {
           Event E;
           check(E.record(nullptr) == CUDA_SUCCESS, "record");
           return wait(S, E, 1);
         });
  Capture A(Relaxed), B(Relaxed);
  Event E;
  check(E.record(A.Stream) == CUDA_SUCCESS &&
            wait(B.Stream, E) == CUDA_ERROR_STREAM_CAPTURE_MERGE &&
            A.status() == Invalidated && B.status() == Invalidated,
        "two captures cannot be merged");
  Buffer Memory(4);
  check(fill(Memory.Address, A.Stream) == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
        "no work is added to a spoilt capture");
  check(E.record(nullptr, 1) == CUDA_ERROR_INVALID_VALUE,
        "a node for an event needs a graph");
}

/// Only a relaxed capture may end in another thread.
static void otherThread() {
  for (int Mode : {Global, Relaxed}) {
    Capture C(Mode);
    CUresult R = CUDA_SUCCESS;
    std::thread([&] { R = C.end(); }).join();
    check(R == (Mode == Relaxed ? CUDA_SUCCESS
                                : CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD),
          "end in another thread in mode " + std::to_string(Mode));
  }
}

static void captureInfo() {
  auto Info =
      CALL(cuStreamGetCaptureInfo, CUresult (*)(CUstream, int *, uint64_t *));
  Capture A(Relaxed), B(Relaxed);
  int Status = -1;
  uint64_t IdA = 0, IdB = 0;
  check(Info(A.Stream, &Status, &IdA) == CUDA_SUCCESS && Status == Active &&
            Info(B.Stream, &Status, &IdB) == CUDA_SUCCESS && IdA != IdB,
        "each capture has an id of its own");
}

static void hostMemory() {
  auto Allocate = CALL(cuMemHostAlloc, CUresult (*)(void **, size_t, unsigned));
  auto GetFlags = CALL(cuMemHostGetFlags, CUresult (*)(unsigned *, void *));
  auto Free = CALL(cuMemFreeHost, CUresult (*)(void *));
  void *P = nullptr;
  unsigned Flags = 0;
  check(Allocate(&P, 64, 5) == CUDA_SUCCESS &&
            GetFlags(&Flags, P) == CUDA_SUCCESS && Flags == 7,
        "flags of host memory: as given, and mapped");
  Free(P);
  static char Page[4096];
  check(CALL(cuMemHostRegister_v2, CUresult (*)(void *, size_t, unsigned))(
            Page, sizeof(Page), 16) == CUDA_ERROR_INVALID_VALUE,
        "a flag of registrations that does not exist");
}

static void jitOptions() {
  CUmodule M = nullptr;
  char Log[8] = "unread!";
  int Options[] = {3, 4}, Unknown[] = {1000};
  void *Values[] = {Log, reinterpret_cast<void *>(sizeof(Log))};
  const char *Text = ".version 8.0\n.target sm_80\n.address_size 64\n";
  check(api().cuModuleLoadDataEx(&M, Text, 2, Options, Values) ==
                CUDA_SUCCESS &&
            !Log[0] && !Values[1],
        "an empty log is terminated");
  api().cuModuleUnload(M);
  check(api().cuModuleLoadDataEx(&M, Text, 1, Unknown, Values) ==
            CUDA_ERROR_INVALID_VALUE,
        "an unknown option");
}

static void launchAttributes() {
  CUmodule M = nullptr;
  CUfunction F = nullptr;
  api().cuModuleLoadDataEx(&M,
                           ".version 8.0\n.target sm_80\n.address_size 64\n"
                           ".visible .entry k()\n{\nret;\n}\n",
                           0, nullptr, nullptr);
  api().cuModuleGetFunction(&F, M, "k");
  auto Launch = [&](int Id) {
    CUlaunchAttribute A{};
    A.id = Id;
    CUlaunchConfig C{1, 1, 1, 1, 1, 1, 0, nullptr, &A, 1};
    return api().cuLaunchKernelEx(&C, F, nullptr, nullptr);
  };
  check(Launch(0) == CUDA_SUCCESS, "an attribute to ignore");
  check(Launch(1000) == CUDA_ERROR_INVALID_VALUE, "an unknown attribute");
  check(Launch(12) == CUDA_ERROR_INVALID_HANDLE, "an event that is none");
  api().cuModuleUnload(M);
}

static void contextFlags() {
  auto Create = CALL(cuCtxCreate_v2, CUresult (*)(CUcontext *, unsigned, int));
  CUcontext Ctx = nullptr;
  check(Create(&Ctx, 3, 0) == CUDA_ERROR_INVALID_VALUE &&
            Create(&Ctx, 0x100, 0) == CUDA_ERROR_INVALID_VALUE,
        "context flags that do not exist");
}

static void pitches() {
  CUDA_MEMCPY2D C{};
  Buffer A(256);
  C.srcMemoryType = C.dstMemoryType = MemoryTypeDevice;
  C.srcDevice = A.Address;
  C.dstDevice = A.Address + 128;
  C.WidthInBytes = 16;
  C.Height = 2;
  check(CALL(cuMemcpy2D_v2, CUresult (*)(const CUDA_MEMCPY2D *))(&C) ==
            CUDA_ERROR_INVALID_VALUE,
        "rows need a pitch");
}

int main() {
  api();
  unsafeCalls();
  synchronisations();
  legacyStream();
  events();
  otherThread();
  captureInfo();
  hostMemory();
  jitOptions();
  launchAttributes();
  contextFlags();
  pitches();
  return finish("CaptureTest");
}
