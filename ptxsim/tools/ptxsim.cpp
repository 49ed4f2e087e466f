// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The command-line tool: runs one kernel of a PTX file on arrays, or checks
// that a file parses and decodes. It uses the library as any program would.
#include "ptxsim/ptxsim.h"
#include "Options.h"
#include "driver/CudaAbi.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

extern "C" {
CUresult cuInit(unsigned);
CUresult cuDevicePrimaryCtxRetain(CUcontext *, CUdevice);
CUresult cuCtxSetCurrent(CUcontext);
CUresult cuCtxSynchronize(void);
CUresult cuMemAlloc_v2(CUdeviceptr *, size_t);
CUresult cuMemcpyHtoD_v2(CUdeviceptr, const void *, size_t);
CUresult cuMemcpyDtoH_v2(void *, CUdeviceptr, size_t);
CUresult cuModuleLoadDataEx(CUmodule *, const void *, unsigned, int *, void **);
CUresult cuModuleGetFunction(CUfunction *, CUmodule, const char *);
CUresult cuModuleGetFunctionCount(unsigned *, CUmodule);
CUresult cuModuleEnumerateFunctions(CUfunction *, unsigned, CUmodule);
CUresult cuFuncGetName(const char **, CUfunction);
CUresult cuFuncGetParamInfo(CUfunction, size_t, size_t *, size_t *);
CUresult cuFuncSetAttribute(CUfunction, int, int);
CUresult cuLaunchKernelEx(const CUlaunchConfig *, CUfunction, void **, void **);
}

/// Prints a message; Status is the tool's exit status.
static int die(int Status, const std::string &Message) {
  std::fprintf(stderr, "ptxsim: %s\n", Message.c_str());
  return Status;
}

/// The device that the file's .target asks for, unless one was chosen.
static void chooseDevice(const std::string &Text) {
  size_t At = Text.find(".target");
  if (std::getenv("PTXSIM_DEVICE") || At == std::string::npos)
    return;
  std::string Line = Text.substr(At, Text.find('\n', At) - At);
  for (const char *Name : {"sm_90a", "sm_120a"})
    if (Line.find(Name) != std::string::npos)
      ptxsimConfigure("DEVICE", Name);
  if (Line.find("sm_80") != std::string::npos)
    ptxsimConfigure("DEVICE", "sm_80");
}

static int load(const Options &O, const std::string &Text, CUmodule &M) {
  char Log[4096] = "";
  int Names[] = {5, 6}; // error log and its size
  void *Values[] = {Log, reinterpret_cast<void *>(sizeof(Log))};
  if (size_t Zero = Text.find('\0'); Zero != Text.npos)
    return die(2, O.File + ": expected text, got a NUL byte at offset " +
                      std::to_string(Zero));
  if (cuModuleLoadDataEx(&M, Text.c_str(), 2, Names, Values) == CUDA_SUCCESS)
    return 0;
  return die(1, O.File + ": " + Log);
}

static std::string count(size_t N, const char *What) {
  return std::to_string(N) + " " + What + (N == 1 ? "" : "s");
}

/// Compares the arguments with the kernel's parameters, in number and size.
static bool fitParameters(const Options &O, CUfunction F, std::string &Why) {
  size_t Offset, Size, Number = 0;
  while (cuFuncGetParamInfo(F, Number, &Offset, &Size) == CUDA_SUCCESS)
    ++Number;
  if (Number != O.Args.size()) {
    Why = "kernel '" + O.Entry + "': expected " + count(Number, "argument") +
          ", got " + std::to_string(O.Args.size());
    return false;
  }
  for (size_t K = 0; K < Number; ++K) {
    const Argument &A = *O.Args[K];
    size_t Got = A.isArray() ? sizeof(A.Address) : A.Scalar.size();
    cuFuncGetParamInfo(F, K, &Offset, &Size);
    if (Got == Size)
      continue;
    Why = "kernel '" + O.Entry + "', argument " + std::to_string(K) +
          ": expected " + count(Size, "byte") + ", got " +
          (A.isArray() ? "an address of "
           : A.Map     ? "a tensor map of "
                       : "") +
          std::to_string(Got) + " ('" + A.Text + "')";
    return false;
  }
  return true;
}

/// The kernels of a module, for users who ask for another one.
static std::string kernelNames(CUmodule M) {
  constexpr unsigned Most = 20;
  unsigned Count = 0;
  CUfunction All[Most];
  cuModuleGetFunctionCount(&Count, M);
  cuModuleEnumerateFunctions(All, std::min(Count, Most), M);
  std::string Out;
  for (unsigned K = 0; K < std::min(Count, Most); ++K) {
    const char *Name = "";
    cuFuncGetName(&Name, All[K]);
    Out += std::string(K ? ", '" : "'") + Name + "'";
  }
  return !Count         ? "it has none"
         : Count > Most ? "it has " + Out + " and more"
                        : "it has " + Out;
}

static bool upload(Options &O) {
  for (auto &A : O.Args) {
    if (!A->isArray())
      continue;
    CUdeviceptr Address;
    size_t N = A->Array.Data.size();
    if (cuMemAlloc_v2(&Address, N ? N : 1) != CUDA_SUCCESS ||
        (N && cuMemcpyHtoD_v2(Address, A->Array.Data.data(), N)))
      return false;
    A->Address = Address;
  }
  return true;
}

/// Gives tensor maps the addresses of their arrays.
static bool encodeTensorMaps(Options &O, std::string &Why) {
  for (auto &A : O.Args)
    if (A->Map) {
      A->Scalar =
          encodeTensorMap(*A->Map, O.Args[A->Map->Buffer]->Address, Why);
      if (A->Scalar.empty()) {
        Why = "'" + A->Text + "': " + Why;
        return false;
      }
    }
  return true;
}

static CUresult launch(Options &O, CUfunction F) {
  std::vector<void *> Params;
  for (auto &A : O.Args)
    Params.push_back(A->isArray() ? (void *)&A->Address
                                  : (void *)A->Scalar.data());
  if (O.Shared > 48 * 1024)
    if (CUresult R = cuFuncSetAttribute(F, 8, int(O.Shared)))
      return R;
  CUlaunchAttribute Cluster{4, 0, {}};
  std::memcpy(Cluster.value.clusterDim, O.Cluster, sizeof(O.Cluster));
  CUlaunchConfig C{O.Grid[0],  O.Grid[1], O.Grid[2], O.Block[0], O.Block[1],
                   O.Block[2], O.Shared,  nullptr,   &Cluster,   1};
  CUresult R = cuLaunchKernelEx(&C, F, Params.data(), nullptr);
  return R == CUDA_SUCCESS ? cuCtxSynchronize() : R;
}

static int run(Options &O, CUmodule M) {
  CUfunction F = nullptr;
  std::string Why;
  if (cuModuleGetFunction(&F, M, O.Entry.c_str()) != CUDA_SUCCESS)
    return die(2, O.File + ": no kernel '" + O.Entry + "', " + kernelNames(M));
  if (!fitParameters(O, F, Why))
    return die(2, Why);
  if (!upload(O))
    return die(1, "out of device memory");
  if (!encodeTensorMaps(O, Why))
    return die(2, Why);
  if (CUresult R = launch(O, F)) {
    std::string Report = ptxsimLastReport();
    return die(1, O.File + ": " +
                      (Report.empty() ? "error " + std::to_string(R) : Report));
  }
  for (auto &[Index, Path] : O.Outputs) {
    Argument &A = *O.Args[Index];
    size_t N = A.Array.Data.size();
    if (N && cuMemcpyDtoH_v2(A.Array.Data.data(), A.Address, N))
      return die(1, "cannot read argument " + std::to_string(Index) + " back");
    if (!writeNpy(Path, A.Array, Why))
      return die(2, Why);
  }
  if (O.Counters)
    std::fputs(ptxsimCounters(), stdout);
  return 0;
}

int main(int Argc, char **Argv) {
  Options O;
  std::string Why, Text;
  for (int K = 1; K < Argc; ++K)
    if (!std::strcmp(Argv[K], "--help"))
      return std::fputs(Usage, stdout) < 0;
  ptxsimConfigure("LOG", "/dev/null"); // reports are printed below
  if (!parseOptions(Argc, Argv, O, Why) || !readFile(O.File, Text, Why))
    return die(2, Why);
  if (!O.Device)
    chooseDevice(Text);
  CUcontext Ctx;
  CUmodule M = nullptr;
  if (cuInit(0) || cuDevicePrimaryCtxRetain(&Ctx, 0) || cuCtxSetCurrent(Ctx))
    return die(1, "the simulated driver did not start");
  if (int R = load(O, Text, M))
    return R;
  if (!O.Check)
    return run(O, M);
  unsigned Kernels = 0;
  cuModuleGetFunctionCount(&Kernels, M);
  std::printf("%s: %s, no errors\n", O.File.c_str(),
              count(Kernels, "kernel").c_str());
  return 0;
}
