// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The command-line tool: runs one kernel of a PTX file on arrays, or checks
// that a file parses and decodes. It uses the library as any program would.
#include "ptxsim/ptxsim.h"
#include "Npy.h"
#include "driver/CudaAbi.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

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
CUresult cuFuncSetAttribute(CUfunction, int, int);
CUresult cuLaunchKernelEx(const CUlaunchConfig *, CUfunction, void **, void **);
}

namespace {

struct Argument {
  std::vector<char> Scalar; // empty for an array
  NpyArray Array;
  CUdeviceptr Address = 0;
};

struct Options {
  std::string File, Entry;
  unsigned Grid[3] = {1, 1, 1}, Block[3] = {1, 1, 1}, Cluster[3] = {1, 1, 1};
  unsigned Shared = 0;
  bool Check = false, Counters = false;
  std::vector<std::unique_ptr<Argument>> Args;
  std::vector<std::pair<size_t, std::string>> Outputs; // argument, file
};

constexpr const char *Usage =
    "usage: ptxsim KERNEL.ptx --entry=NAME [options]\n"
    "       ptxsim --check KERNEL.ptx\n"
    "  --grid=X[,Y[,Z]] --block=X[,Y[,Z]] --cluster=X[,Y[,Z]]\n"
    "  --shared=BYTES        dynamic shared memory\n"
    "  --arg FILE.npy        array argument: its device address is passed\n"
    "  --arg VALUE:TYPE      scalar: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64\n"
    "  --out FILE.npy        writes the last array argument back here\n"
    "  --out N:FILE.npy      writes argument N (counted from 0)\n"
    "  --race                checks for races and uninitialised reads\n"
    "  --mode=eager|late|seed:N  completion of asynchronous work\n"
    "  --device=sm_80|sm_90a|sm_120a (default: what the file asks for)\n"
    "  --counters[=json]     prints counters\n";

} // namespace

static int die(const std::string &Message) {
  std::fprintf(stderr, "ptxsim: %s\n", Message.c_str());
  return 1;
}

static bool parseDim(const char *Text, unsigned (&Out)[3]) {
  for (int K = 0; K < 3; ++K) {
    char *End;
    unsigned long V = std::strtoul(Text, &End, 10);
    if (End == Text || !V || V > 0x7fffffff)
      return false;
    Out[K] = unsigned(V);
    if (!*End)
      return true;
    if (*End != ',')
      return false;
    Text = End + 1;
  }
  return false;
}

template <class T> static void put(std::vector<char> &Out, T V) {
  const char *P = reinterpret_cast<const char *>(&V);
  Out.assign(P, P + sizeof(V));
}

static bool parseScalar(const std::string &Text, std::vector<char> &Out) {
  size_t Colon = Text.rfind(':');
  if (Colon == std::string::npos)
    return false;
  std::string Value = Text.substr(0, Colon), Type = Text.substr(Colon + 1);
  char *End;
  if (Type == "f32" || Type == "f64") {
    double V = std::strtod(Value.c_str(), &End);
    Type == "f32" ? put(Out, float(V)) : put(Out, V);
    return End != Value.c_str() && !*End;
  }
  long long V = Value[0] == '-'
                    ? std::strtoll(Value.c_str(), &End, 0)
                    : (long long)std::strtoull(Value.c_str(), &End, 0);
  if (End == Value.c_str() || *End)
    return false;
  if (Type == "i8" || Type == "u8")
    put(Out, char(V));
  else if (Type == "i16" || Type == "u16")
    put(Out, short(V));
  else if (Type == "i32" || Type == "u32")
    put(Out, int(V));
  else if (Type == "i64" || Type == "u64")
    put(Out, V);
  else
    return false;
  return true;
}

static bool parseArgument(const std::string &Text, Options &O,
                          std::string &Why) {
  auto A = std::make_unique<Argument>();
  bool File = Text.size() > 4 && Text.substr(Text.size() - 4) == ".npy";
  if (File ? !readNpy(Text, A->Array, Why) : !parseScalar(Text, A->Scalar)) {
    if (Why.empty())
      Why = "expected FILE.npy or VALUE:TYPE, got '" + Text + "'";
    return false;
  }
  O.Args.push_back(std::move(A));
  return true;
}

static bool parseOutput(std::string Text, Options &O, std::string &Why) {
  size_t Index = O.Args.size();
  char *End;
  unsigned long N = std::strtoul(Text.c_str(), &End, 10);
  if (End != Text.c_str() && *End == ':') {
    Index = N;
    Text = End + 1;
  } else {
    while (Index && !O.Args[Index - 1]->Scalar.empty())
      --Index;
    --Index;
  }
  if (Index >= O.Args.size() || !O.Args[Index]->Scalar.empty()) {
    Why = "--out names no array argument";
    return false;
  }
  O.Outputs.push_back({Index, Text});
  return true;
}

/// Splits --name=value and --name value.
static bool parseOption(int &K, int Argc, char **Argv, Options &O,
                        std::string &Why) {
  std::string Name = Argv[K], Value;
  size_t Equal = Name.find('=');
  if (Equal != std::string::npos) {
    Value = Name.substr(Equal + 1);
    Name = Name.substr(0, Equal);
  } else if (Name == "--arg" || Name == "--out") {
    if (K + 1 >= Argc) {
      Why = Name + " needs a value";
      return false;
    }
    Value = Argv[++K];
  }
  bool Ok = true;
  if (Name == "--check")
    O.Check = true;
  else if (Name == "--entry")
    O.Entry = Value;
  else if (Name == "--grid")
    Ok = parseDim(Value.c_str(), O.Grid);
  else if (Name == "--block")
    Ok = parseDim(Value.c_str(), O.Block);
  else if (Name == "--cluster")
    Ok = parseDim(Value.c_str(), O.Cluster);
  else if (Name == "--shared")
    O.Shared = unsigned(std::strtoul(Value.c_str(), nullptr, 0));
  else if (Name == "--arg")
    return parseArgument(Value, O, Why);
  else if (Name == "--out")
    return parseOutput(Value, O, Why);
  else if (Name == "--race")
    Ok = !ptxsimConfigure("RACE", "1");
  else if (Name == "--mode")
    Ok = !ptxsimConfigure("MODE", Value.c_str());
  else if (Name == "--device")
    Ok = !ptxsimConfigure("DEVICE", Value.c_str());
  else if (Name == "--counters") {
    O.Counters = true;
    ptxsimConfigure("COUNTERS", "/dev/null");
  } else if (Name.substr(0, 2) != "--" && O.File.empty()) {
    O.File = Name;
  } else {
    Why = "unknown option '" + Name + "'";
    return false;
  }
  if (!Ok)
    Why = "bad value '" + Value + "' of " + Name;
  return Ok;
}

static bool readText(const std::string &Path, std::string &Out) {
  std::FILE *F = std::fopen(Path.c_str(), "rb");
  if (!F)
    return false;
  char Chunk[65536];
  for (size_t N; (N = std::fread(Chunk, 1, sizeof(Chunk), F)) > 0;)
    Out.append(Chunk, N);
  std::fclose(F);
  return true;
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
  if (cuModuleLoadDataEx(&M, Text.c_str(), 2, Names, Values) == CUDA_SUCCESS)
    return 0;
  return die(O.File + ": " + Log);
}

static int upload(Options &O) {
  for (auto &A : O.Args) {
    if (!A->Scalar.empty())
      continue;
    size_t N = A->Array.Data.size();
    if (cuMemAlloc_v2(&A->Address, N ? N : 1) != CUDA_SUCCESS)
      return die("out of device memory");
    cuMemcpyHtoD_v2(A->Address, A->Array.Data.data(), N);
  }
  return 0;
}

static int run(Options &O, CUmodule M) {
  CUfunction F = nullptr;
  if (cuModuleGetFunction(&F, M, O.Entry.c_str()) != CUDA_SUCCESS)
    return die("no kernel '" + O.Entry + "' in " + O.File);
  if (int R = upload(O))
    return R;
  std::vector<void *> Params;
  for (auto &A : O.Args)
    Params.push_back(A->Scalar.empty() ? (void *)&A->Address
                                       : (void *)A->Scalar.data());
  if (O.Shared > 48 * 1024)
    cuFuncSetAttribute(F, 8, int(O.Shared));
  CUlaunchAttribute Cluster{4, 0, {}};
  std::memcpy(Cluster.value.clusterDim, O.Cluster, sizeof(O.Cluster));
  CUlaunchConfig C{O.Grid[0],  O.Grid[1], O.Grid[2], O.Block[0], O.Block[1],
                   O.Block[2], O.Shared,  nullptr,   &Cluster,   1};
  CUresult R = cuLaunchKernelEx(&C, F, Params.data(), nullptr);
  if (R == CUDA_SUCCESS)
    R = cuCtxSynchronize();
  if (R != CUDA_SUCCESS)
    return die(O.File + ": " + ptxsimLastReport());
  for (auto &[Index, Path] : O.Outputs) {
    Argument &A = *O.Args[Index];
    cuMemcpyDtoH_v2(A.Array.Data.data(), A.Address, A.Array.Data.size());
    std::string Why;
    if (!writeNpy(Path, A.Array, Why))
      return die(Why);
  }
  if (O.Counters)
    std::fputs(ptxsimCounters(), stdout);
  return 0;
}

int main(int Argc, char **Argv) {
  Options O;
  std::string Why, Text;
  if (Argc < 2 || !std::strcmp(Argv[1], "--help")) {
    std::fputs(Usage, Argc < 2 ? stderr : stdout);
    return Argc < 2;
  }
  bool Chosen = false;
  for (int K = 1; K < Argc; ++K) {
    Chosen |= !std::strncmp(Argv[K], "--device", 8);
    if (!parseOption(K, Argc, Argv, O, Why))
      return die(Why);
  }
  if (!readText(O.File, Text))
    return die("cannot read '" + O.File + "'");
  if (!Chosen)
    chooseDevice(Text);
  ptxsimConfigure("LOG", "/dev/null"); // reports are printed below
  CUcontext Ctx;
  CUmodule M = nullptr;
  if (cuInit(0) || cuDevicePrimaryCtxRetain(&Ctx, 0) || cuCtxSetCurrent(Ctx))
    return die("the simulated driver did not start");
  if (int R = load(O, Text, M))
    return R;
  unsigned Kernels = 0;
  cuModuleGetFunctionCount(&Kernels, M);
  if (O.Check) {
    std::printf("%s: %u kernels, no errors\n", O.File.c_str(), Kernels);
    return 0;
  }
  if (O.Entry.empty())
    return die("expected --entry=NAME");
  return run(O, M);
}
