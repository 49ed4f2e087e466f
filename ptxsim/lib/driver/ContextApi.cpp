// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Contexts: the stack of each host thread, and what goes when one is destroyed.
#include "State.h"

using namespace ptxsim;
using namespace ptxsim::abi;

namespace {
thread_local std::vector<Context *> ContextStack;
}

static CUcontext handle(Context *C) { return reinterpret_cast<CUcontext>(C); }
static Context *object(CUcontext C) { return reinterpret_cast<Context *>(C); }

static bool isLive(Context *C) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (C == &S.PrimaryContext)
    return C->Active;
  return S.Contexts.count(C) != 0;
}

/// Releases what the context owns. Work in it has run: launches hold the lock.
static void releaseOwned(Context *C) {
  DriverState &S = state();
  S.Abandoned += releaseStreamsOf(C) + releaseModulesOf(C) + releaseMemoryOf(C);
}
/// The primary context is made anew when it is next retained.
static void resetPrimary() {
  Context &C = state().PrimaryContext;
  releaseOwned(&C);
  C.Active = false;
  C.Sticky = CUDA_SUCCESS;
  C.Limits.clear();
  C.Heap = nullptr;
}

Context *ptxsim::currentContext() {
  if (ContextStack.empty() || !isLive(ContextStack.back()))
    return nullptr;
  return ContextStack.back();
}

CUresult ptxsim::enter() {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (!S.Initialised)
    return CUDA_ERROR_NOT_INITIALIZED;
  if (S.Faults.lost())
    return CUDA_ERROR_DEVICE_UNAVAILABLE;
  if (ContextStack.empty() || !ContextStack.back())
    return CUDA_ERROR_INVALID_CONTEXT;
  Context *C = currentContext();
  return C ? C->Sticky : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}
CUresult ptxsim::enterWork() {
  state().Faults.countWork();
  return enter();
}
CUresult ptxsim::released(bool Found, CUresult NotFound) {
  if (state().Faults.lost())
    return CUDA_ERROR_DEVICE_UNAVAILABLE;
  Context *C = currentContext();
  if (C && C->Sticky)
    return C->Sticky;
  return Found ? CUDA_SUCCESS : NotFound;
}

PTXSIM_API CUresult cuDevicePrimaryCtxRetain(CUcontext *Ctx, CUdevice Device) {
  if (!Ctx)
    return CUDA_ERROR_INVALID_VALUE;
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = checkDevice(Device))
    return R;
  ++S.PrimaryContext.RefCount;
  S.PrimaryContext.Active = true;
  *Ctx = handle(&S.PrimaryContext);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice Device) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  // Released also where the device is lost.
  CUresult R = checkDevice(Device);
  if (R != CUDA_SUCCESS && R != CUDA_ERROR_DEVICE_UNAVAILABLE)
    return R;
  if (S.PrimaryContext.RefCount <= 0)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (--S.PrimaryContext.RefCount == 0)
    resetPrimary();
  return R;
}
PTXSIM_API CUresult cuDevicePrimaryCtxRelease(CUdevice Device) {
  return cuDevicePrimaryCtxRelease_v2(Device);
}
PTXSIM_API CUresult cuDevicePrimaryCtxReset_v2(CUdevice Device) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  CUresult R = checkDevice(Device);
  if (R == CUDA_SUCCESS || R == CUDA_ERROR_DEVICE_UNAVAILABLE)
    resetPrimary();
  return R;
}
PTXSIM_API CUresult cuDevicePrimaryCtxReset(CUdevice Device) {
  return cuDevicePrimaryCtxReset_v2(Device);
}
/// How the host waits (at most one of three), and the other known flags.
static bool validFlags(unsigned Flags) {
  unsigned Waiting = Flags & 7;
  return Flags <= 0xff &&
         (Waiting == 0 || Waiting == 1 || Waiting == 2 || Waiting == 4);
}
PTXSIM_API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice Device,
                                                  unsigned Flags) {
  std::lock_guard Guard(state().Lock);
  if (!validFlags(Flags))
    return CUDA_ERROR_INVALID_VALUE;
  state().PrimaryContext.Flags = Flags;
  return checkDevice(Device);
}
PTXSIM_API CUresult cuDevicePrimaryCtxSetFlags(CUdevice Device,
                                               unsigned Flags) {
  return cuDevicePrimaryCtxSetFlags_v2(Device, Flags);
}
PTXSIM_API CUresult cuDevicePrimaryCtxGetState(CUdevice Device, unsigned *Flags,
                                               int *Active) {
  if (!Flags || !Active)
    return CUDA_ERROR_INVALID_VALUE;
  *Flags = state().PrimaryContext.Flags;
  *Active = state().PrimaryContext.Active;
  return checkDevice(Device);
}

static CUresult createContext(CUcontext *Ctx, unsigned Flags, CUdevice Device) {
  if (!Ctx || !validFlags(Flags))
    return CUDA_ERROR_INVALID_VALUE;
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = checkDevice(Device))
    return R;
  auto *C = new Context;
  C->Flags = Flags;
  C->Active = true;
  S.Contexts.insert(C);
  ContextStack.push_back(C);
  *Ctx = handle(C);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxCreate_v2(CUcontext *Ctx, unsigned Flags,
                                   CUdevice Device) {
  return createContext(Ctx, Flags, Device);
}
PTXSIM_API CUresult cuCtxCreate_v3(CUcontext *Ctx, void *, int, unsigned Flags,
                                   CUdevice Device) {
  return createContext(Ctx, Flags, Device);
}
PTXSIM_API CUresult cuCtxCreate_v4(CUcontext *Ctx, void *, unsigned Flags,
                                   CUdevice Device) {
  return createContext(Ctx, Flags, Device);
}
PTXSIM_API CUresult cuCtxDestroy_v2(CUcontext Ctx) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  Context *C = object(Ctx);
  if (!S.Contexts.count(C))
    return CUDA_ERROR_INVALID_CONTEXT;
  if (!ContextStack.empty() && ContextStack.back() == C)
    ContextStack.pop_back();
  releaseOwned(C);
  S.Contexts.erase(C);
  // Kept: it may be current to other threads, and no new one may be taken for
  // it.
  S.DestroyedContexts.emplace_back(C);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxSetCurrent(CUcontext Ctx) {
  std::lock_guard Guard(state().Lock);
  Context *C = object(Ctx);
  if (C && !isLive(C))
    return CUDA_ERROR_INVALID_CONTEXT;
  if (!ContextStack.empty())
    ContextStack.pop_back();
  if (C)
    ContextStack.push_back(C);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxGetCurrent(CUcontext *Ctx) {
  if (!Ctx)
    return CUDA_ERROR_INVALID_VALUE;
  if (!state().Initialised)
    return CUDA_ERROR_NOT_INITIALIZED;
  *Ctx = handle(currentContext());
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxPushCurrent_v2(CUcontext Ctx) {
  std::lock_guard Guard(state().Lock);
  if (!Ctx || !isLive(object(Ctx)))
    return CUDA_ERROR_INVALID_CONTEXT;
  ContextStack.push_back(object(Ctx));
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxPopCurrent_v2(CUcontext *Ctx) {
  if (ContextStack.empty())
    return CUDA_ERROR_INVALID_CONTEXT;
  if (Ctx)
    *Ctx = handle(ContextStack.back());
  ContextStack.pop_back();
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxGetDevice(CUdevice *Device) {
  if (!Device)
    return CUDA_ERROR_INVALID_VALUE;
  if (!currentContext())
    return CUDA_ERROR_INVALID_CONTEXT;
  *Device = 0;
  return CUDA_SUCCESS;
}
/// A null context is the current one.
static CUresult checkContext(CUcontext Ctx) {
  if (!Ctx)
    return currentContext() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
  return isLive(object(Ctx)) ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}
PTXSIM_API CUresult cuCtxGetDevice_v2(CUdevice *Device, CUcontext Ctx) {
  std::lock_guard Guard(state().Lock);
  if (!Device)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult R = checkContext(Ctx);
  if (R == CUDA_SUCCESS)
    *Device = 0;
  return R;
}
PTXSIM_API CUresult cuCtxGetFlags(unsigned *Flags) {
  std::lock_guard Guard(state().Lock);
  Context *C = currentContext();
  if (!Flags)
    return CUDA_ERROR_INVALID_VALUE;
  if (!C)
    return CUDA_ERROR_INVALID_CONTEXT;
  *Flags = C->Flags;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxSetFlags(unsigned Flags) {
  std::lock_guard Guard(state().Lock);
  Context *C = currentContext();
  if (!C)
    return CUDA_ERROR_INVALID_CONTEXT;
  constexpr unsigned Known = 0x1f | 0x40 | 0x80; // CU_CTX_*, of how to wait
  if (Flags & ~Known)
    return CUDA_ERROR_INVALID_VALUE;
  C->Flags = Flags;
  return CUDA_SUCCESS;
}
/// There is no cache that keeps anything.
PTXSIM_API CUresult cuCtxResetPersistingL2Cache(void) {
  std::lock_guard Guard(state().Lock);
  return enter();
}
PTXSIM_API CUresult cuCtxGetApiVersion(CUcontext, unsigned *Version) {
  if (!Version)
    return CUDA_ERROR_INVALID_VALUE;
  *Version = 3020;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxGetId(CUcontext Ctx, unsigned long long *Id) {
  Context *C = Ctx ? object(Ctx) : currentContext();
  if (!Id || !C)
    return CUDA_ERROR_INVALID_VALUE;
  *Id = reinterpret_cast<uintptr_t>(C);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxSynchronize(void) {
  std::lock_guard Guard(state().Lock);
  CUresult R = enterWork();
  if (R == CUDA_SUCCESS)
    R = checkNoCapture();
  if (R == CUDA_SUCCESS)
    trimPools();
  return R;
}
PTXSIM_API CUresult cuCtxSynchronize_v2(CUcontext Ctx) {
  std::lock_guard Guard(state().Lock);
  if (!Ctx)
    return cuCtxSynchronize();
  if (CUresult R = checkContext(Ctx))
    return R;
  state().Faults.countWork();
  if (state().Faults.lost())
    return CUDA_ERROR_DEVICE_UNAVAILABLE;
  return object(Ctx)->Sticky ? object(Ctx)->Sticky : checkNoCapture();
}
/// All work of the context has ended when it was submitted.
PTXSIM_API CUresult cuCtxRecordEvent(CUcontext Ctx, CUevent Event) {
  std::lock_guard Guard(state().Lock);
  Context *C = object(Ctx);
  EventObject *E = findEvent(Event);
  if (!C || !isLive(C))
    return CUDA_ERROR_INVALID_CONTEXT;
  if (!E || E->Owner != C)
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult R = checkNoCapture())
    return R;
  E->Capture = nullptr;
  E->CaptureTail.clear();
  return recordNow(Event);
}
PTXSIM_API CUresult cuCtxWaitEvent(CUcontext Ctx, CUevent Event) {
  std::lock_guard Guard(state().Lock);
  Context *C = object(Ctx);
  EventObject *E = findEvent(Event);
  if (!C || !isLive(C))
    return CUDA_ERROR_INVALID_CONTEXT;
  if (!E)
    return CUDA_ERROR_INVALID_HANDLE;
  if (E->Capture && E->Capture->Capturing.Active)
    return invalidate(*E->Capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  return checkNoCapture();
}
size_t ptxsim::limitOf(const Context &C, int Limit) {
  static const size_t Defaults[] = {1024, 1 << 20, 8 << 20, 0, 0, 64, 0};
  auto It = C.Limits.find(Limit);
  if (It != C.Limits.end())
    return It->second;
  return Limit < int(std::size(Defaults)) ? Defaults[Limit] : 0;
}
PTXSIM_API CUresult cuCtxGetLimit(size_t *Value, int Limit) {
  std::lock_guard Guard(state().Lock);
  Context *C = currentContext();
  if (!Value || Limit < 0 || Limit > 16)
    return CUDA_ERROR_INVALID_VALUE;
  if (!C)
    return CUDA_ERROR_INVALID_CONTEXT;
  *Value = limitOf(*C, Limit);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxSetLimit(int Limit, size_t Value) {
  std::lock_guard Guard(state().Lock);
  Context *C = currentContext();
  if (!C)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (Limit < 0 || Limit > 6)
    return CUDA_ERROR_UNSUPPORTED_LIMIT;
  C->Limits[Limit] = Value;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuCtxGetCacheConfig(int *Config) {
  if (!Config)
    return CUDA_ERROR_INVALID_VALUE;
  *Config = 0;
  return enter();
}
PTXSIM_API CUresult cuCtxSetCacheConfig(int) { return enter(); }
PTXSIM_API CUresult cuCtxGetStreamPriorityRange(int *Least, int *Greatest) {
  if (Least)
    *Least = 0;
  if (Greatest)
    *Greatest = -5;
  return enter();
}
