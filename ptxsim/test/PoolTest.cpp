// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory pools, virtual memory management and managed memory.
#include "Driver.h"

using namespace test;

static constexpr CUstream Default = nullptr;
static const CUmemLocation Device{MemLocationDevice, 0};
static constexpr uint64_t MiB = 1 << 20;

// ---- pools ---------------------------------------------------------------
static uint64_t attribute(CUmemoryPool P, int Attribute) {
  uint64_t V = ~uint64_t(0);
  good(call("cuMemPoolGetAttribute", P, Attribute, &V), "attribute");
  return V;
}
static CUmemPoolProps props(size_t MaxSize = 0) {
  CUmemPoolProps P{};
  P.allocType = MemAllocationPinned;
  P.location = Device;
  P.maxSize = MaxSize;
  return P;
}
enum { Threshold = 4, Reserved = 5, UsedNow = 7, UsedMost = 8 };

static void pools() {
  CUmemoryPool First = nullptr, P = nullptr, Now = nullptr;
  CUmemPoolProps Props = props(4 * MiB);
  good(call("cuDeviceGetDefaultMemPool", &First, 0), "the default pool");
  bad(call("cuMemPoolDestroy", First), CUDA_ERROR_INVALID_VALUE,
      "the default pool cannot go");
  good(call("cuMemPoolCreate", &P, &Props), "a pool");
  good(call("cuDeviceSetMemPool", 0, P), "the device's pool");
  good(call("cuDeviceGetMemPool", &Now, 0), "is");
  check(Now == P, "the new one");
  CUdeviceptr A = 0, B = 0, C = 0;
  good(call("cuMemAllocAsync", &A, size_t(3 * MiB), Default), "allocation");
  bad(call("cuMemAllocAsync", &B, size_t(2 * MiB), Default),
      CUDA_ERROR_OUT_OF_MEMORY, "more than the pool may have");
  good(call("cuMemAllocFromPoolAsync", &B, size_t(2 * MiB), First, Default),
       "from the default pool");
  check(attribute(P, UsedNow) == 3 * MiB &&
            attribute(First, UsedNow) == 2 * MiB,
        "each pool counts its own");
  CUmemoryPool Of = nullptr;
  good(call("cuPointerGetAttribute", &Of, 17, A), "pool of a pointer");
  check(Of == P, "is the pool");
  uint64_t Keep = 4 * MiB;
  good(call("cuMemPoolSetAttribute", P, int(Threshold), &Keep), "threshold");
  good(call("cuMemFreeAsync", A, Default), "release");
  good(call("cuStreamSynchronize", Default), "synchronisation");
  check(attribute(P, UsedNow) == 0 && attribute(P, UsedMost) == 3 * MiB &&
            attribute(P, Reserved) == 4 * MiB,
        "the pool keeps what it may");
  good(call("cuMemPoolTrimTo", P, size_t(0)), "trim");
  check(attribute(P, Reserved) == 0, "nothing is kept");
  good(call("cuMemAllocAsync", &C, size_t(64), Default), "allocation");
  good(call("cuMemPoolDestroy", P), "the pool goes");
  bad(call("cuMemPoolTrimTo", P, size_t(0)), CUDA_ERROR_INVALID_VALUE,
      "its handle is gone");
  good(call("cuDeviceGetMemPool", &Now, 0), "the device's pool");
  check(Now == First, "is the default one again");
  good(call("cuMemsetD8_v2", C, (unsigned char)(1), size_t(64)),
       "memory outlives its pool");
  good(call("cuMemFreeAsync", C, Default), "and can be freed");
  good(api().cuMemFree(B), "cuMemFree takes it too");
}
static void refusals() {
  CUmemoryPool P = nullptr;
  CUmemPoolProps Props = props();
  Props.handleTypes = 1;
  bad(call("cuMemPoolCreate", &P, &Props), CUDA_ERROR_NOT_SUPPORTED,
      "a pool to share");
  Props = props();
  Props.location.id = 1;
  bad(call("cuMemPoolCreate", &P, &Props), CUDA_ERROR_INVALID_DEVICE,
      "a pool of another device");
  bad(call("cuMemPoolExportToShareableHandle", &P, P, 1, 0ull),
      CUDA_ERROR_NOT_SUPPORTED, "export");
  check(std::string(api().ptxsimLastReport())
                .find("cuMemPoolExportToShareableHandle") != std::string::npos,
        "the refusal names the call");
}

// ---- virtual memory ------------------------------------------------------
/// p[i] = p[i] + 1 for one thread, at a distance of 4 bytes from p.
static const char TouchPtx[] =
    ".version 8.0\n.target sm_80\n.address_size 64\n"
    ".visible .entry touch(.param .u64 p)\n{\n"
    ".reg .b64 %rd<3>;\n.reg .b32 %r<3>;\n"
    "ld.param.u64 %rd1, [p];\nld.global.u32 %r1, [%rd1];\n"
    "add.u32 %r2, %r1, 1;\nst.global.u32 [%rd1], %r2;\nret;\n}\n";
static CUresult touch(CUdeviceptr A) {
  Kernel K(TouchPtx, "touch");
  return K.arg(A).run({1}, {1});
}

using Handle = unsigned long long;
static Handle create(size_t Bytes) {
  Handle H = 0;
  CUmemAllocationProp P{};
  P.type = MemAllocationPinned;
  P.location = Device;
  good(call("cuMemCreate", &H, Bytes, &P, 0ull), "memory");
  return H;
}
static CUresult allow(CUdeviceptr A, size_t Bytes, int Flags) {
  CUmemAccessDesc D{Device, Flags};
  return call("cuMemSetAccess", A, Bytes, &D, size_t(1));
}
static void mapping() {
  size_t Grain = 0;
  CUmemAllocationProp Prop{};
  Prop.type = MemAllocationPinned;
  Prop.location = Device;
  good(call("cuMemGetAllocationGranularity", &Grain, &Prop, 0), "granularity");
  CUdeviceptr A = 0;
  good(call("cuMemAddressReserve", &A, 4 * Grain, size_t(0), CUdeviceptr(0),
            0ull),
       "addresses");
  bad(touch(A), CUDA_ERROR_ILLEGAL_ADDRESS, "nothing is there");
  Handle H = create(Grain), Second = create(Grain);
  good(call("cuMemMap", A, Grain, size_t(0), H, 0ull), "mapping");
  bad(call("cuMemMap", A, Grain, size_t(0), Second, 0ull),
      CUDA_ERROR_INVALID_VALUE, "something is there");
  bad(touch(A), CUDA_ERROR_ILLEGAL_ADDRESS, "without access");
  good(allow(A, Grain, MemAccessRead), "read access");
  bad(touch(A), CUDA_ERROR_ILLEGAL_ADDRESS, "a write with read access");
  good(allow(A, Grain, MemAccessReadWrite), "access");
  good(call("cuMemsetD32_v2", A, 5u, Grain / 4), "fill");
  good(touch(A), "a kernel");
  // The same memory at a second address, and another piece behind it.
  good(call("cuMemMap", A + 2 * Grain, Grain, size_t(0), H, 0ull), "again");
  good(call("cuMemMap", A + 3 * Grain, Grain, size_t(0), Second, 0ull),
       "the other");
  good(allow(A + 2 * Grain, 2 * Grain, MemAccessReadWrite), "access to both");
  unsigned Both[2] = {};
  good(api().cuMemcpyDtoH(Both, A + 2 * Grain, 4), "read");
  check(Both[0] == 6, "one memory at two addresses");
  good(call("cuMemsetD32_v2", A + 3 * Grain - 4, 9u, size_t(2)),
       "a fill over two pieces");
  bad(touch(A + Grain), CUDA_ERROR_ILLEGAL_ADDRESS, "the gap");
  bad(api().cuMemFree(A), CUDA_ERROR_INVALID_VALUE, "cuMemFree is for others");
  bad(call("cuMemAddressFree", A, 4 * Grain), CUDA_ERROR_INVALID_VALUE,
      "addresses in use");
  good(call("cuMemRelease", H), "release");
  good(touch(A), "mapped memory stays");
  bad(call("cuMemUnmap", A + 2 * Grain, Grain / 2), CUDA_ERROR_INVALID_VALUE,
      "half of a mapping");
  good(call("cuMemUnmap", A, Grain), "unmap");
  good(call("cuMemUnmap", A + 2 * Grain, 2 * Grain), "unmap both");
  bad(call("cuMemRelease", H), CUDA_ERROR_INVALID_VALUE, "it is gone");
  bad(touch(A), CUDA_ERROR_ILLEGAL_ADDRESS, "after it is unmapped");
  good(call("cuMemRelease", Second), "release");
  good(call("cuMemAddressFree", A, 4 * Grain), "addresses");
}

// ---- managed memory ------------------------------------------------------
static void managed() {
  CUdeviceptr A = 0;
  bad(call("cuMemAllocManaged", &A, size_t(64), 0u), CUDA_ERROR_INVALID_VALUE,
      "no flag");
  good(call("cuMemAllocManaged", &A, size_t(64), 1u), "managed memory");
  volatile unsigned *Host = reinterpret_cast<unsigned *>(A);
  *Host = 41;
  api().ptxsimConfigure("RACE", "1");
  good(touch(A), "a kernel reads what the host wrote");
  api().ptxsimConfigure("RACE", "0");
  check(*Host == 42, "and the host what the kernel wrote");
  unsigned Managed = 0;
  good(call("cuPointerGetAttribute", &Managed, 8, A), "attribute");
  check(Managed == 1, "it is managed");
  int Where = 5;
  good(call("cuMemPrefetchAsync_v2", A, size_t(64), Device, 0u, Default),
       "prefetch");
  good(call("cuMemAdvise_v2", A, size_t(64), 3, CUmemLocation{2, 0}),
       "preferred location");
  good(call("cuMemRangeGetAttribute", &Where, size_t(4), 4, A, size_t(64)),
       "last prefetch");
  check(Where == 0, "was to the device");
  good(call("cuMemRangeGetAttribute", &Where, size_t(4), 2, A, size_t(64)),
       "preferred location");
  check(Where == -1, "is the host");
  Buffer Other(64);
  bad(call("cuMemAdvise_v2", Other.Address, size_t(64), 1, Device),
      CUDA_ERROR_INVALID_VALUE, "memory that is not managed");
  good(api().cuMemFree(A), "free");
}

/// A graph frees only what graphs allocate.
static void foreignReleases() {
  CUgraph G = nullptr, Other = nullptr;
  good(call("cuGraphCreate", &G, 0u), "a graph");
  good(call("cuGraphCreate", &Other, 0u), "another graph");
  CUgraphNode N = nullptr;
  Buffer Plain(64);
  auto Free = [&](CUdeviceptr A) {
    return call("cuGraphAddMemFreeNode", &N, G, &N, size_t(0), A);
  };
  CUdeviceptr Pooled = 0, Range = 0;
  good(call("cuMemAllocAsync", &Pooled, size_t(64), CUstream(nullptr)),
       "a stream-ordered allocation");
  good(call("cuMemAddressReserve", &Range, size_t(2) << 20, size_t(0),
            CUdeviceptr(0), 0ull),
       "addresses");
  CUDA_MEM_ALLOC_NODE_PARAMS P{};
  P.poolProps.allocType = 1;
  P.poolProps.location = {1, 0};
  P.bytesize = 4096;
  good(call("cuGraphAddMemAllocNode", &N, Other, &N, size_t(0), &P),
       "an allocation of another graph");
  for (CUdeviceptr A : {CUdeviceptr(0), Plain.Address, Pooled, Range,
                        P.dptr + 1024, ~CUdeviceptr(0)})
    bad(Free(A), CUDA_ERROR_INVALID_VALUE,
        "a release of what no allocation node has returned");
  good(Free(P.dptr), "a release of what another graph allocates");
  CUstream S = nullptr;
  good(call("cuStreamCreate", &S, 1u), "stream");
  good(call("cuStreamBeginCapture_v2", S, 0), "capture");
  bad(call("cuMemFreeAsync", Plain.Address, S), CUDA_ERROR_INVALID_VALUE,
      "the same in a capture");
  CUgraph Captured = nullptr;
  good(call("cuStreamEndCapture", S, &Captured), "the capture goes on");
  for (CUgraph Each : {Captured, G, Other})
    call("cuGraphDestroy", Each);
  call("cuStreamDestroy_v2", S);
  call("cuMemAddressFree", Range, size_t(2) << 20);
  api().cuMemFree(Pooled);
}

int main() {
  api();
  pools();
  refusals();
  mapping();
  foreignReleases();
  managed();
  return finish("PoolTest");
}
