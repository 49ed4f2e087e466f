// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Initialisation, devices, contexts and errors.
#include "State.h"
#include <cstdio>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

static constexpr int DriverVersion = 13000;

namespace {
thread_local std::vector<Context *> ContextStack;
}

static CUcontext handle(Context *C) { return reinterpret_cast<CUcontext>(C); }
static Context *object(CUcontext C) { return reinterpret_cast<Context *>(C); }

static bool isLive(Context *C) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (C == &S.PrimaryContext)
    return C->RefCount > 0;
  return S.Contexts.count(C) != 0;
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

PTXSIM_API CUresult cuInit(unsigned Flags) {
  if (Flags)
    return CUDA_ERROR_INVALID_VALUE;
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  S.Initialised = true;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuDriverGetVersion(int *Version) {
  if (!Version)
    return CUDA_ERROR_INVALID_VALUE;
  *Version = DriverVersion;
  return CUDA_SUCCESS;
}

// ---- errors --------------------------------------------------------------
static const struct {
  CUresult Code;
  const char *Name, *Text;
} ErrorTable[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
#define CUERROR(Name, Code, Text) {CUresult(Code), "CUDA_ERROR_" #Name, Text},
#include "Errors.def"
};

PTXSIM_API CUresult cuGetErrorName(CUresult Error, const char **Name) {
  if (!Name)
    return CUDA_ERROR_INVALID_VALUE;
  *Name = nullptr;
  for (const auto &E : ErrorTable)
    if (E.Code == Error)
      *Name = E.Name;
  return *Name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
PTXSIM_API CUresult cuGetErrorString(CUresult Error, const char **Text) {
  if (!Text)
    return CUDA_ERROR_INVALID_VALUE;
  *Text = nullptr;
  for (const auto &E : ErrorTable)
    if (E.Code == Error)
      *Text = E.Text;
  return *Text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// ---- devices -------------------------------------------------------------
static CUresult checkDevice(CUdevice D) {
  if (!state().Initialised)
    return CUDA_ERROR_NOT_INITIALIZED;
  if (state().Faults.lost())
    return CUDA_ERROR_DEVICE_UNAVAILABLE;
  return D == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

PTXSIM_API CUresult cuDeviceGetCount(int *Count) {
  if (!Count)
    return CUDA_ERROR_INVALID_VALUE;
  if (!state().Initialised)
    return CUDA_ERROR_NOT_INITIALIZED;
  *Count = 1;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuDeviceGet(CUdevice *Device, int Ordinal) {
  if (!Device)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult R = checkDevice(Ordinal);
  if (R == CUDA_SUCCESS)
    *Device = Ordinal;
  return R;
}
PTXSIM_API CUresult cuDeviceGetName(char *Name, int Length, CUdevice Device) {
  if (!Name || Length <= 0)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult R = checkDevice(Device);
  if (R == CUDA_SUCCESS)
    std::snprintf(Name, size_t(Length), "ptxsim %s", state().Device.Name);
  return R;
}
PTXSIM_API CUresult cuDeviceTotalMem_v2(size_t *Bytes, CUdevice Device) {
  if (!Bytes)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult R = checkDevice(Device);
  if (R == CUDA_SUCCESS)
    *Bytes = state().Device.Memory;
  return R;
}
PTXSIM_API CUresult cuDeviceComputeCapability(int *Major, int *Minor,
                                              CUdevice Device) {
  if (!Major || !Minor)
    return CUDA_ERROR_INVALID_VALUE;
  *Major = int(state().Device.Major);
  *Minor = int(state().Device.Minor);
  return checkDevice(Device);
}
PTXSIM_API CUresult cuDeviceGetUuid_v2(CUuuid *Uuid, CUdevice Device) {
  if (!Uuid)
    return CUDA_ERROR_INVALID_VALUE;
  std::memset(Uuid->bytes, 0, sizeof(Uuid->bytes));
  std::snprintf(Uuid->bytes, sizeof(Uuid->bytes), "ptxsim-%s",
                state().Device.Name);
  return checkDevice(Device);
}
PTXSIM_API CUresult cuDeviceGetUuid(CUuuid *Uuid, CUdevice Device) {
  return cuDeviceGetUuid_v2(Uuid, Device);
}
PTXSIM_API CUresult cuDeviceGetPCIBusId(char *Id, int Length, CUdevice Device) {
  if (!Id || Length <= 0)
    return CUDA_ERROR_INVALID_VALUE;
  std::snprintf(Id, size_t(Length), "0000:00:00.0");
  return checkDevice(Device);
}
PTXSIM_API CUresult cuDeviceCanAccessPeer(int *Can, CUdevice A, CUdevice B) {
  if (!Can)
    return CUDA_ERROR_INVALID_VALUE;
  *Can = 0;
  CUresult R = checkDevice(A);
  return R == CUDA_SUCCESS ? checkDevice(B) : R;
}

static int deviceAttribute(const DeviceModel &D, int Attribute) {
  static const struct {
    int Attribute, Value;
  } Fixed[] = {
      {1, 1024},       {2, 1024},   {3, 1024},  {4, 64},    {5, INT32_MAX},
      {6, 65535},      {7, 65535},  {8, 49152}, {9, 65536}, {10, 32},
      {11, INT32_MAX}, {12, 65536}, {14, 512},  {15, 1},    {19, 1},
      {31, 1},         {40, 1},     {41, 1},    {78, 1},    {79, 1},
      {80, 1},         {82, 65536}, {91, 1},    {95, 1},    {99, 1},
      {111, 1024},     {115, 1},
  };
  for (const auto &F : Fixed)
    if (F.Attribute == Attribute)
      return F.Value;
  bool Hopper = D.Major >= 9;
  switch (Attribute) {
  case 13: return int(D.ClockKHz);
  case 16: return int(D.SmCount);
  case 36: return int(D.MemoryClockKHz);
  case 37: return int(D.BusWidth);
  case 38: return int(D.L2Bytes);
  case 39: return int(D.MaxThreadsPerSm);
  case 75: return int(D.Major);
  case 76: return int(D.Minor);
  case 81: return int(D.SharedPerSm);
  case 97: return int(D.SharedPerBlockOptin);
  case 106: return int(D.MaxBlocksPerSm);
  case 120:
  case 127: return Hopper;
  default: return 0;
  }
}
PTXSIM_API CUresult cuDeviceGetAttribute(int *Value, int Attribute,
                                         CUdevice Device) {
  if (!Value || Attribute <= 0 || Attribute > 1000)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult R = checkDevice(Device);
  if (R == CUDA_SUCCESS)
    *Value = deviceAttribute(state().Device, Attribute);
  return R;
}

// ---- contexts ------------------------------------------------------------
PTXSIM_API CUresult cuDevicePrimaryCtxRetain(CUcontext *Ctx, CUdevice Device) {
  if (!Ctx)
    return CUDA_ERROR_INVALID_VALUE;
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = checkDevice(Device))
    return R;
  if (S.PrimaryContext.RefCount++ == 0)
    S.PrimaryContext.Sticky = CUDA_SUCCESS;
  S.PrimaryContext.Primary = true;
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
  --S.PrimaryContext.RefCount;
  return R;
}
PTXSIM_API CUresult cuDevicePrimaryCtxRelease(CUdevice Device) {
  return cuDevicePrimaryCtxRelease_v2(Device);
}
PTXSIM_API CUresult cuDevicePrimaryCtxReset_v2(CUdevice Device) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  S.PrimaryContext.Sticky = CUDA_SUCCESS;
  return checkDevice(Device);
}
PTXSIM_API CUresult cuDevicePrimaryCtxReset(CUdevice Device) {
  return cuDevicePrimaryCtxReset_v2(Device);
}
PTXSIM_API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice Device,
                                                  unsigned Flags) {
  std::lock_guard Guard(state().Lock);
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
  *Active = state().PrimaryContext.RefCount > 0;
  return checkDevice(Device);
}

static CUresult createContext(CUcontext *Ctx, unsigned Flags, CUdevice Device) {
  if (!Ctx)
    return CUDA_ERROR_INVALID_VALUE;
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (CUresult R = checkDevice(Device))
    return R;
  auto *C = new Context;
  C->Flags = Flags;
  C->RefCount = 1;
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
  S.Contexts.erase(C);
  delete C;
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
  return enterWork();
}
PTXSIM_API CUresult cuCtxGetLimit(size_t *Value, int Limit) {
  std::lock_guard Guard(state().Lock);
  Context *C = currentContext();
  if (!Value || Limit < 0 || Limit > 16)
    return CUDA_ERROR_INVALID_VALUE;
  if (!C)
    return CUDA_ERROR_INVALID_CONTEXT;
  static const size_t Defaults[] = {1024, 1 << 20, 8 << 20, 0, 0, 64, 0};
  auto It = C->Limits.find(Limit);
  *Value = It != C->Limits.end() ? It->second : Limit < 7 ? Defaults[Limit] : 0;
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
PTXSIM_API CUresult cuProfilerStart(void) { return CUDA_SUCCESS; }
PTXSIM_API CUresult cuProfilerStop(void) { return CUDA_SUCCESS; }
