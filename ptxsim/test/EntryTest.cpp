// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Entry points by version of CUDA and by default stream; what belongs to the
// process and what to a context; what is left of a graph after a fault.
#include "Driver.h"
#include <thread>

using namespace test;

#define CALL(Name, Type) (reinterpret_cast<Type>(librarySymbol(#Name)))

enum { Found = 0, NotFound = 1, NotSufficient = 2 };
enum { Legacy = 1, PerThread = 2 };

struct Answer {
  CUresult Result;
  void *Address;
  int Status;
};
static Answer query(const char *Name, int Version, uint64_t Flags = 0) {
  auto Get = CALL(cuGetProcAddress_v2,
                  CUresult (*)(const char *, void **, int, uint64_t, int *));
  Answer A{CUDA_SUCCESS, &A, -1};
  A.Result = Get(Name, &A.Address, Version, Flags, &A.Status);
  return A;
}
/// The entry of a version must be the exported function Want; null: none yet.
static void means(const char *Name, int Version, const char *Want,
                  uint64_t Flags = 0) {
  Answer A = query(Name, Version, Flags);
  check(A.Result == CUDA_SUCCESS &&
            A.Address == (Want ? librarySymbol(Want) : nullptr) &&
            A.Status == (Want ? Found : NotSufficient),
        std::string(Name) + " at " + std::to_string(Version) + " is " +
            (Want ? Want : "not there yet"));
}

static void versions() {
  means("cuCtxCreate", 1000, nullptr);
  means("cuCtxCreate", 3010, "cuCtxCreate");
  means("cuCtxCreate", 3020, "cuCtxCreate_v2");
  means("cuCtxCreate", 12000, "cuCtxCreate_v3");
  means("cuCtxCreate", 13000, "cuCtxCreate_v4");
  means("cuMemAlloc", 12000, "cuMemAlloc_v2");
  means("cuGraphAddKernelNode", 11080, "cuGraphAddKernelNode");
  means("cuGraphAddKernelNode", 12000, "cuGraphAddKernelNode_v2");
  means("cuGraphAddDependencies", 12000, "cuGraphAddDependencies");
  means("cuGraphAddDependencies", 13000, "cuGraphAddDependencies_v2");
  means("cuLaunchKernelEx", 3020, nullptr);
  means("cuLaunchKernelEx", 11060, "cuLaunchKernelEx");
  means("cuGetProcAddress", 11030, "cuGetProcAddress");
  means("cuGetProcAddress", 12000, "cuGetProcAddress_v2");
  Answer A = query("cuNothing", 12000);
  check(A.Result == CUDA_SUCCESS && !A.Address && A.Status == NotFound,
        "an unknown name");
  A = query("cuMemAlloc_v2", 12000);
  check(!A.Address && A.Status == NotFound, "a name that is no base name");
  auto Old = CALL(cuGetProcAddress,
                  CUresult (*)(const char *, void **, int, uint64_t));
  void *P = &P;
  check(Old("cuLaunchKernelEx", &P, 3020, 0) == CUDA_ERROR_NOT_FOUND && !P,
        "the form without a status returns an error");
}

static void perThreadEntries() {
  means("cuMemcpyHtoD", 6050, "cuMemcpyHtoD_v2", PerThread);
  means("cuMemcpyHtoD", 12000, "cuMemcpyHtoD_v2_ptds", PerThread);
  means("cuMemcpyHtoD", 12000, "cuMemcpyHtoD_v2", Legacy);
  means("cuLaunchKernel", 12000, "cuLaunchKernel_ptsz", PerThread);
  means("cuStreamBeginCapture", 10000, "cuStreamBeginCapture_ptsz", PerThread);
  means("cuStreamBeginCapture", 12000, "cuStreamBeginCapture_v2_ptsz",
        PerThread);
  means("cuMemAlloc", 12000, "cuMemAlloc_v2", PerThread);
  check(query("cuMemAlloc", 12000, Legacy | PerThread).Result ==
            CUDA_ERROR_INVALID_VALUE,
        "both kinds of default stream at once");
}

static unsigned long long idOf(const char *Entry, uintptr_t Stream) {
  unsigned long long Id = 0;
  auto Get = reinterpret_cast<CUresult (*)(CUstream, unsigned long long *)>(
      librarySymbol(Entry));
  check(Get(reinterpret_cast<CUstream>(Stream), &Id) == CUDA_SUCCESS, Entry);
  return Id;
}
static void perThreadStreams() {
  unsigned long long Own = idOf("cuStreamGetId_ptsz", 0), Other = 0;
  check(Own == idOf("cuStreamGetId", 2), "stream 0 is the thread's own");
  check(Own != idOf("cuStreamGetId", 0), "the legacy stream is another");
  check(idOf("cuStreamGetId_ptsz", 1) == idOf("cuStreamGetId", 0),
        "the legacy stream by its own handle");
  std::thread([&] { Other = idOf("cuStreamGetId_ptsz", 0); }).join();
  check(Other && Other != Own, "each thread has its own");
  auto Begin = CALL(cuStreamBeginCapture_v2, CUresult (*)(CUstream, int));
  auto BeginOwn =
      CALL(cuStreamBeginCapture_v2_ptsz, CUresult (*)(CUstream, int));
  auto EndOwn =
      CALL(cuStreamEndCapture_ptsz, CUresult (*)(CUstream, CUgraph *));
  auto Destroy = CALL(cuGraphDestroy, CUresult (*)(CUgraph));
  CUgraph G = nullptr;
  check(Begin(nullptr, 0) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED &&
            BeginOwn(nullptr, 0) == CUDA_SUCCESS &&
            EndOwn(nullptr, &G) == CUDA_SUCCESS && Destroy(G) == CUDA_SUCCESS,
        "the thread's own default stream can be captured");
}

static const char Text[] =
    ".version 8.0\n.target sm_80\n.address_size 64\n"
    ".visible .global .align 4 .u32 v = 7;\n"
    ".visible .entry k(.param .u64 p)\n{\n.reg .b64 %rd<4>;\n"
    "ld.param.u64 %rd1, [p];\nst.global.u32 [%rd1], 5;\nret;\n}\n";

/// Of the process: loaded, read and released without a context.
static void libraries() {
  auto Load = CALL(cuLibraryLoadData,
                   CUresult (*)(CUlibrary *, const void *, int *, void **,
                                unsigned, int *, void **, unsigned));
  auto Unload = CALL(cuLibraryUnload, CUresult (*)(CUlibrary));
  auto Get = CALL(cuLibraryGetKernel,
                  CUresult (*)(CUkernel *, CUlibrary, const char *));
  CUcontext Ctx = nullptr;
  CALL(cuCtxGetCurrent, CUresult (*)(CUcontext *))(&Ctx);
  api().cuCtxSetCurrent(nullptr);
  CUlibrary L = nullptr;
  CUkernel K = nullptr;
  CUmodule M = nullptr;
  check(Load(&L, Text, nullptr, nullptr, 0, nullptr, nullptr, 0) ==
                CUDA_SUCCESS &&
            Get(&K, L, "k") == CUDA_SUCCESS,
        "a library needs no context");
  check(api().cuModuleLoadDataEx(&M, Text, 0, nullptr, nullptr) ==
            CUDA_ERROR_INVALID_CONTEXT,
        "a module needs one");
  api().cuCtxSetCurrent(Ctx);
  Buffer B(std::vector<int>(1));
  CUlaunchConfig C{1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, 0};
  void *Args[] = {&B.Address};
  check(api().cuLaunchKernelEx(&C, reinterpret_cast<CUfunction>(K), Args,
                               nullptr) == CUDA_SUCCESS &&
            B.read<int>()[0] == 5,
        "its kernel runs in a context");
  check(Unload(L) == CUDA_SUCCESS, "the library is released");
}

static void variablesStay() {
  CUmodule M = nullptr;
  CUdeviceptr A = 0;
  size_t Bytes = 0;
  int Value = 0;
  check(api().cuModuleLoadDataEx(&M, Text, 0, nullptr, nullptr) ==
                CUDA_SUCCESS &&
            CALL(cuModuleGetGlobal_v2,
                 CUresult (*)(CUdeviceptr *, size_t *, CUmodule, const char *))(
                &A, &Bytes, M, "v") == CUDA_SUCCESS,
        "a module's variable");
  check(api().cuMemFree(A) == CUDA_ERROR_INVALID_VALUE &&
            api().cuMemcpyDtoH(&Value, A, 4) == CUDA_SUCCESS && Value == 7,
        "a variable is no allocation to release");
  api().cuModuleUnload(M);
}

/// The nodes after a faulting kernel do not run.
static void faultEndsGraph() {
  CUmodule M = nullptr;
  CUfunction F = nullptr;
  api().cuModuleLoadDataEx(&M, Text, 0, nullptr, nullptr);
  api().cuModuleGetFunction(&F, M, "k");
  CUgraph G = nullptr;
  CUgraphExec E = nullptr;
  CUgraphNode First, Second;
  int Calls = 0;
  CUdeviceptr Nowhere = 0;
  void *Args[] = {&Nowhere};
  CUDA_KERNEL_NODE_PARAMS P{F, 1, 1, 1, 1, 1, 1, 0, Args, nullptr, {}, {}};
  CUDA_HOST_NODE_PARAMS H{[](void *P) { ++*static_cast<int *>(P); }, &Calls};
  CALL(cuGraphCreate, CUresult (*)(CUgraph *, unsigned))(&G, 0);
  auto AddKernel =
      CALL(cuGraphAddKernelNode_v2,
           CUresult (*)(CUgraphNode *, CUgraph, const CUgraphNode *, size_t,
                        const CUDA_KERNEL_NODE_PARAMS *));
  auto AddHost = CALL(cuGraphAddHostNode,
                      CUresult (*)(CUgraphNode *, CUgraph, const CUgraphNode *,
                                   size_t, const CUDA_HOST_NODE_PARAMS *));
  check(AddKernel(&First, G, nullptr, 0, &P) == CUDA_SUCCESS &&
            AddHost(&Second, G, &First, 1, &H) == CUDA_SUCCESS &&
            CALL(cuGraphInstantiateWithFlags,
                 CUresult (*)(CUgraphExec *, CUgraph, unsigned long long))(
                &E, G, 0) == CUDA_SUCCESS,
        "a graph with a kernel and a host function");
  CUresult Launched =
      CALL(cuGraphLaunch, CUresult (*)(CUgraphExec, CUstream))(E, nullptr);
  CUresult Ended = api().cuCtxSynchronize();
  check(Launched == CUDA_SUCCESS && Ended == CUDA_ERROR_ILLEGAL_ADDRESS,
        "the fault shows at the synchronisation, got " +
            std::to_string(Launched) + " and " + std::to_string(Ended));
  check(Calls == 0, "no node runs after the fault");
  api().cuDevicePrimaryCtxReset(0);
}

/// Every code has a name and a text; the header's list is in check_abi.py.
static void errorNames() {
  auto Name = CALL(cuGetErrorName, CUresult (*)(int, const char **));
  auto String = CALL(cuGetErrorString, CUresult (*)(int, const char **));
  const char *Text = nullptr;
  check(Name(5, &Text) == CUDA_SUCCESS &&
            std::string(Text) == "CUDA_ERROR_PROFILER_DISABLED" &&
            String(919, &Text) == CUDA_SUCCESS && Text[0],
        "codes that the simulator never returns");
  check(Name(920, &Text) == CUDA_ERROR_INVALID_VALUE && !Text,
        "no name for a code that does not exist");
}

int main() {
  api();
  versions();
  perThreadEntries();
  perThreadStreams();
  libraries();
  variablesStay();
  errorNames();
  faultEndsGraph();
  return finish("EntryTest");
}
