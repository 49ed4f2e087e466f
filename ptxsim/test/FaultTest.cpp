// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Faults on request (PTXSIM_FAULT) and the count of live objects.
#include "Driver.h"
#include "ptxsim/ptxsim.h"

using namespace test;

#define CALL(Name, Type) (reinterpret_cast<Type>(librarySymbol(#Name)))

static const char *Ptx = ".version 8.0\n.target sm_80\n.address_size 64\n"
                         ".global .b32 counter;\n"
                         ".visible .entry k()\n{\nret;\n}\n";

static bool plan(const char *Text) {
  return api().ptxsimConfigure("FAULT", Text) == 0;
}
static ptxsimLiveObjects live() {
  ptxsimLiveObjects L{};
  CALL(ptxsimCountLive, void (*)(ptxsimLiveObjects *))(&L);
  return L;
}

static void plans() {
  for (const char *Bad : {"alloc", "alloc:", "alloc:0", "alloc:x", "free:1",
                          "alloc:1;jit:2", "alloc:1 ", "alloc:-1", ",", ":"})
    check(!plan(Bad), std::string("plan '") + Bad + "' is refused");
  check(std::string(api().ptxsimLastReport()).find("got ':'") !=
            std::string::npos,
        "the report shows the bad part");
  for (const char *Good : {"alloc:3", "alloc:1,launch:2,jit:3,lost:4,map:5",
                           "alloc:1,alloc:5", "lost:18446744073709551615", ""})
    check(plan(Good), std::string("plan '") + Good + "' is taken");
}

static void allocations() {
  CUdeviceptr A = 0, B = 0;
  check(plan("alloc:2,alloc:3"), "plan");
  check(api().cuMemAlloc(&A, 64) == CUDA_SUCCESS, "allocation 1 works");
  check(api().cuMemAlloc(&B, 64) == CUDA_ERROR_OUT_OF_MEMORY,
        "allocation 2 fails");
  void *Host = nullptr;
  check(CALL(cuMemHostAlloc, CUresult (*)(void **, size_t, unsigned))(
            &Host, 64, 0) == CUDA_ERROR_OUT_OF_MEMORY,
        "allocation 3, page-locked, fails");
  check(api().cuMemAlloc(&B, 64) == CUDA_SUCCESS, "allocation 4 works");
  check(api().cuMemFree(A) == CUDA_SUCCESS &&
            api().cuMemFree(B) == CUDA_SUCCESS,
        "both are freed");
}

static void launches() {
  Kernel K(Ptx, "k");
  check(plan("launch:2"), "plan");
  check(K.run({1}, {32}) == CUDA_SUCCESS, "launch 1 works");
  check(K.run({1}, {32}) == CUDA_ERROR_LAUNCH_FAILED, "launch 2 fails");
  check(std::string(api().ptxsimLastReport()).find("on request") !=
            std::string::npos,
        "the report says why");
  check(Kernel(Ptx, "k").run({1}, {32}) == CUDA_SUCCESS, "launch 3 works");
}

static void modules() {
  check(plan("jit:1"), "plan");
  Kernel First(Ptx, "k");
  check(First.LoadResult == CUDA_ERROR_INVALID_PTX &&
            First.Error.find("on request") != std::string::npos,
        "load 1 fails with a log");
  Kernel Second(Ptx, "k");
  check(Second.Ok, "load 2 works");
}

static void tensorMaps() {
  CUtensorMap M;
  alignas(16) static char Memory[64];
  const uint64_t Size[2] = {4, 4}, Stride[1] = {16};
  const uint32_t Box[2] = {4, 4}, Ones[2] = {1, 1};
  auto Encode = [&] {
    return api().cuTensorMapEncodeTiled(&M, /*UINT32*/ 2, 2, Memory, Size,
                                        Stride, Box, Ones, 0, 0, 0, 0);
  };
  check(plan("map:2"), "plan");
  check(Encode() == CUDA_SUCCESS, "map 1 is encoded");
  check(Encode() == CUDA_ERROR_INVALID_VALUE, "map 2 is not");
  check(std::string(api().ptxsimLastReport()).find("on request") !=
            std::string::npos,
        "the report says why");
  check(Encode() == CUDA_SUCCESS, "map 3 is encoded");
}

static void lostDevice() {
  Kernel K(Ptx, "k");
  CUdeviceptr A = 0, B = 0;
  CUstream S = nullptr;
  int Value = 7;
  check(api().cuMemAlloc(&A, 64) == CUDA_SUCCESS &&
            CALL(cuStreamCreate, CUresult (*)(CUstream *, unsigned))(&S, 0) ==
                CUDA_SUCCESS,
        "objects before the loss");
  check(plan("lost:4"), "plan");
  check(api().cuMemcpyHtoD(A, &Value, 4) == CUDA_SUCCESS, "copy");
  check(K.run({1}, {32}) == CUDA_SUCCESS, "launch and synchronisation");
  const CUresult Lost = CUDA_ERROR_DEVICE_UNAVAILABLE;
  check(api().cuCtxSynchronize() == Lost, "the fourth call loses the device");
  check(api().cuMemcpyDtoH(&Value, A, 4) == Lost, "copies fail from then on");
  check(api().cuMemAlloc(&B, 64) == Lost, "allocations fail");
  check(K.run({1}, {32}) == Lost, "launches fail, also after a reset");
  check(Kernel(Ptx, "k").LoadResult == Lost, "loads fail");
  int Count = 0;
  CUdevice Device = 0;
  check(CALL(cuDeviceGet, CUresult (*)(CUdevice *, int))(&Device, Count) ==
            Lost,
        "the device is not found");
  uint64_t Before = live().allocations;
  check(api().cuMemFree(A) == Lost && live().allocations == Before - 1,
        "memory is released in spite of the error");
  check(CALL(cuStreamDestroy_v2, CUresult (*)(CUstream))(S) == Lost &&
            live().streams == 0,
        "so is a stream");
  check(plan("") && api().cuCtxSynchronize() == CUDA_SUCCESS,
        "a new plan brings the device back");
}

static void liveObjects() {
  ptxsimLiveObjects Start = live();
  check(Start.allocations == 0 && Start.modules == 0 && Start.streams == 0 &&
            Start.events == 0,
        "the tests before left nothing");
  CUdeviceptr A = 0;
  CUstream S = nullptr;
  CUevent E = nullptr;
  std::vector<char> Page(4096);
  {
    Kernel K(Ptx, "k");
    api().cuMemAlloc(&A, 1000);
    CALL(cuStreamCreate, CUresult (*)(CUstream *, unsigned))(&S, 0);
    CALL(cuEventCreate, CUresult (*)(CUevent *, unsigned))(&E, 0);
    CALL(cuMemHostRegister_v2,
         CUresult (*)(void *, size_t, unsigned))(Page.data(), Page.size(), 0);
    ptxsimLiveObjects L = live();
    check(L.allocations == 1 && L.allocated_bytes == 1000,
          "one allocation, module variables do not count");
    check(L.modules == 1 && L.streams == 1 && L.events == 1,
          "one module, stream, event");
    check(L.host_registrations == Start.host_registrations + 1,
          "one registration");
  }
  api().cuMemFree(A);
  CALL(cuStreamDestroy_v2, CUresult (*)(CUstream))(S);
  CALL(cuEventDestroy_v2, CUresult (*)(CUevent))(E);
  CALL(cuMemHostUnregister, CUresult (*)(void *))(Page.data());
  ptxsimLiveObjects L = live();
  check(std::memcmp(&L, &Start, sizeof(L)) == 0, "all is released");
}

int main() {
  plans();
  allocations();
  launches();
  modules();
  tensorMaps();
  lostDevice();
  liveObjects();
  return finish("FaultTest");
}
