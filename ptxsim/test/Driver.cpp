// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Test support: dynamic loading of the driver, checks, data.
#include "Driver.h"
#include <dlfcn.h>

using namespace test;

static void *library() {
  static void *Handle = [] {
    const char *Name = std::getenv("PTXSIM_LIBRARY");
    void *H = dlopen(Name ? Name : "libptxsim.so", RTLD_NOW | RTLD_LOCAL);
    if (!H) {
      std::fprintf(stderr, "%s\n", dlerror());
      std::exit(2);
    }
    return H;
  }();
  return Handle;
}
void *test::librarySymbol(const char *Name) { return dlsym(library(), Name); }

static Api loadApi() {
  Api A;
  using Query = CUresult (*)(const char *, void **, int, uint64_t, int *);
  auto Get = reinterpret_cast<Query>(librarySymbol("cuGetProcAddress_v2"));
  auto Load = [&](auto &Fn, const char *Name) {
    void *P = nullptr;
    int Status = 0;
    // The declarations in Api are those of CUDA 12.
    if (Get(Name, &P, 12000, 0, &Status) != CUDA_SUCCESS || !P)
      P = librarySymbol(Name);
    Fn = reinterpret_cast<std::remove_reference_t<decltype(Fn)>>(P);
  };
#define LOAD(Name) Load(A.Name, #Name)
  LOAD(cuInit);
  LOAD(cuDevicePrimaryCtxRetain);
  LOAD(cuDevicePrimaryCtxRelease);
  LOAD(cuDevicePrimaryCtxReset);
  LOAD(cuCtxSetCurrent);
  LOAD(cuCtxSynchronize);
  LOAD(cuMemAlloc);
  LOAD(cuMemFree);
  LOAD(cuMemcpyHtoD);
  LOAD(cuMemcpyDtoH);
  LOAD(cuModuleLoadDataEx);
  LOAD(cuModuleUnload);
  LOAD(cuModuleGetFunction);
  LOAD(cuFuncSetAttribute);
  LOAD(cuLaunchKernelEx);
  LOAD(cuTensorMapEncodeTiled);
  LOAD(cuTensorMapEncodeIm2col);
  LOAD(ptxsimConfigure);
  LOAD(ptxsimLastReport);
#undef LOAD
  CUcontext Ctx = nullptr;
  if (A.cuInit(0) || A.cuDevicePrimaryCtxRetain(&Ctx, 0) ||
      A.cuCtxSetCurrent(Ctx)) {
    std::fprintf(stderr, "the driver did not start\n");
    std::exit(2);
  }
  return A;
}
const Api &test::api() {
  static const Api A = loadApi();
  return A;
}

static unsigned Passed, Failed;
bool test::check(bool Ok, const std::string &What) {
  ++(Ok ? Passed : Failed);
  if (!Ok)
    std::printf("FAILED: %s\n", What.c_str());
  return Ok;
}
int test::finish(const char *Program) {
  std::printf("%s: %u passed, %u failed\n", Program, Passed, Failed);
  return Failed || !Passed;
}

Buffer::Buffer(size_t Bytes) : Bytes(Bytes) {
  if (api().cuMemAlloc(&Address, Bytes ? Bytes : 1) != CUDA_SUCCESS)
    std::fprintf(stderr, "allocation of %zu bytes failed\n", Bytes);
}

std::string test::readText(const std::string &Path) {
  std::string S;
  std::FILE *F = std::fopen(Path.c_str(), "rb");
  if (!F) {
    std::fprintf(stderr, "cannot read %s\n", Path.c_str());
    std::exit(2);
  }
  char Chunk[65536];
  for (size_t N; (N = std::fread(Chunk, 1, sizeof(Chunk), F)) > 0;)
    S.append(Chunk, N);
  std::fclose(F);
  return S;
}

static constexpr int JitErrorLog = 5, JitErrorLogSize = 6;
static constexpr int MaxDynamicShared = 8;

/// PTXSIM_KEEP names a directory for all modules that the simulator takes,
/// as <hash>.<target>.ptx: check_ptxas.sh shows them to ptxas.
static void keepModule(const std::string &Ptx) {
  const char *Directory = std::getenv("PTXSIM_KEEP");
  size_t At = Ptx.find(".target ");
  if (!Directory || At == std::string::npos)
    return;
  At += 8;
  std::string Target = Ptx.substr(At, Ptx.find_first_of(" ,\r\n", At) - At);
  std::string Path = std::string(Directory) + "/" +
                     std::to_string(std::hash<std::string>()(Ptx)) + "." +
                     Target + ".ptx";
  if (FILE *F = std::fopen(Path.c_str(), "w")) {
    std::fwrite(Ptx.data(), 1, Ptx.size(), F);
    std::fclose(F);
  }
}

void test::renewContext() {
  CUcontext Context;
  api().cuDevicePrimaryCtxReset(0);
  api().cuDevicePrimaryCtxRetain(&Context, 0);
  api().cuDevicePrimaryCtxRelease(0);
}

Kernel::Kernel(const std::string &Ptx, const char *Entry) {
  char Log[2048] = "";
  int Options[] = {JitErrorLog, JitErrorLogSize};
  void *Values[] = {Log, reinterpret_cast<void *>(sizeof(Log))};
  LoadResult =
      api().cuModuleLoadDataEx(&Module, Ptx.c_str(), 2, Options, Values);
  Error = Log;
  if (LoadResult == CUDA_SUCCESS)
    LoadResult = api().cuModuleGetFunction(&Function, Module, Entry);
  Ok = LoadResult == CUDA_SUCCESS;
  if (Ok)
    keepModule(Ptx);
}
Kernel::~Kernel() {
  if (Module)
    api().cuModuleUnload(Module);
}

CUresult Kernel::run(Dim Grid, Dim Block, unsigned Shared, Dim Cluster,
                     bool Cooperative) {
  std::vector<std::vector<char>> Taken;
  Taken.swap(Args);
  if (!Ok)
    return LoadResult;
  std::vector<void *> Params;
  for (auto &A : Taken)
    Params.push_back(A.data());
  if (Shared > 48 * 1024)
    api().cuFuncSetAttribute(Function, MaxDynamicShared, int(Shared));
  CUlaunchAttribute Attributes[2] = {};
  Attributes[0].id = LaunchAttributeClusterDimension;
  Attributes[0].value.clusterDim[0] = Cluster.X;
  Attributes[0].value.clusterDim[1] = Cluster.Y;
  Attributes[0].value.clusterDim[2] = Cluster.Z;
  Attributes[1].id = LaunchAttributeCooperative;
  Attributes[1].value.cooperative = Cooperative;
  CUlaunchConfig C{Grid.X,  Grid.Y, Grid.Z,  Block.X,    Block.Y,
                   Block.Z, Shared, nullptr, Attributes, 2};
  CUresult R = api().cuLaunchKernelEx(&C, Function, Params.data(), nullptr);
  CUresult Sticky = api().cuCtxSynchronize();
  if (Sticky != CUDA_SUCCESS && Sticky != CUDA_ERROR_DEVICE_UNAVAILABLE)
    renewContext();
  return R != CUDA_SUCCESS ? R : Sticky;
}

float test::bf16ToFloat(uint16_t V) {
  uint32_t U = uint32_t(V) << 16;
  float F;
  std::memcpy(&F, &U, 4);
  return F;
}
uint16_t test::floatToBf16(float V) {
  uint32_t U;
  std::memcpy(&U, &V, 4);
  return uint16_t((U + 0x7fff + (U >> 16 & 1)) >> 16);
}
std::vector<float> test::randomFloats(size_t N, uint64_t Seed) {
  Random G(Seed);
  std::vector<float> V(N);
  for (float &X : V)
    X = float(G.uniform());
  return V;
}
std::vector<uint16_t> test::randomBf16(size_t N, uint64_t Seed) {
  Random G(Seed);
  std::vector<uint16_t> V(N);
  for (uint16_t &X : V)
    X = floatToBf16(float(G.uniform()));
  return V;
}
std::vector<uint16_t> test::randomHalves(size_t N, uint64_t Seed) {
  Random G(Seed);
  std::vector<uint16_t> V(N);
  for (uint16_t &X : V)
    X = floatToHalf(float(G.uniform()));
  return V;
}

double test::relativeError(const std::vector<double> &Got,
                           const std::vector<double> &Want) {
  double E = 0, N = 0;
  for (size_t K = 0; K < Want.size(); ++K) {
    E += (Got[K] - Want[K]) * (Got[K] - Want[K]);
    N += Want[K] * Want[K];
  }
  return std::isfinite(E) ? std::sqrt(E / N) : INFINITY;
}

void test::forModes(const std::function<void(const std::string &)> &Fn) {
  for (const char *Mode :
       {"eager", "late", "seed:1", "seed:2", "seed:3", "seed:4"}) {
    api().ptxsimConfigure("MODE", Mode);
    Fn(Mode);
  }
  api().ptxsimConfigure("MODE", "late");
}
