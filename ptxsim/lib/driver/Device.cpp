// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Initialisation, devices and errors.
#include "State.h"
#include <cstdio>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

static constexpr int DriverVersion = 13000;

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
CUresult ptxsim::checkDevice(CUdevice D) {
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
static constexpr char BusId[] = "0000:00:00.0";
PTXSIM_API CUresult cuDeviceGetPCIBusId(char *Id, int Length, CUdevice Device) {
  if (!Id || Length <= 0)
    return CUDA_ERROR_INVALID_VALUE;
  std::snprintf(Id, size_t(Length), "%s", BusId);
  return checkDevice(Device);
}
/// The domain, and the function, may be left out.
PTXSIM_API CUresult cuDeviceGetByPCIBusId(CUdevice *Device, const char *Id) {
  if (!Device || !Id)
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = checkDevice(0))
    return R;
  std::string_view Asked = Id, Full = BusId, Short = Full.substr(5);
  if (Asked != Full && Asked != Short && Asked != Short.substr(0, 5))
    return CUDA_ERROR_INVALID_DEVICE;
  *Device = 0;
  return CUDA_SUCCESS;
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
      {1, 1024},       {2, 1024},   {3, 1024},  {4, 64},     {5, INT32_MAX},
      {6, 65535},      {7, 65535},  {8, 49152}, {9, 65536},  {10, 32},
      {11, INT32_MAX}, {12, 65536}, {14, 512},  {15, 1},     {19, 1},
      {31, 1},         {40, 1},     {41, 1},    {78, 1},     {79, 1},
      {80, 1},         {82, 65536}, {83, 1},    {89, 1},     {91, 1},
      {95, 1},         {99, 1},     {102, 1},   {111, 1024}, {115, 1},
      {122, 1},        {123, 1},
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

PTXSIM_API CUresult cuProfilerStart(void) { return CUDA_SUCCESS; }
PTXSIM_API CUresult cuProfilerStop(void) { return CUDA_SUCCESS; }
