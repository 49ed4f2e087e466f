// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Modules, libraries, and the kernels and variables in them.
#include "JitOptions.h"
#include "State.h"
#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

static LoadedModule *object(CUmodule M) {
  return reinterpret_cast<LoadedModule *>(M);
}
static Kernel *object(CUfunction F) { return reinterpret_cast<Kernel *>(F); }
static Kernel *object(CUkernel F) { return reinterpret_cast<Kernel *>(F); }
static LoadedModule *object(CUlibrary L) {
  return reinterpret_cast<LoadedModule *>(L);
}

// ---- loading -------------------------------------------------------------
/// Places the module's variables and writes their initial values.
static bool placeVariables(LoadedModule &L, std::string &Log) {
  DriverState &S = state();
  for (const Variable &V : L.Source->Variables) {
    if (V.Where == Space::Shared || V.isExtern())
      continue;
    uint64_t A = S.Memory.allocate(std::max<uint64_t>(V.Size, 1),
                                   S.Device.Memory, V.Where == Space::Const);
    if (!A) {
      Log = "out of memory for variable '" + std::string(V.Name) + "'";
      return false;
    }
    L.Storage.push_back(A);
    S.Variables.insert(A);
    L.Symbols[std::string(V.Name)] = A;
    L.Sizes[std::string(V.Name)] = V.Size;
    uint8_t *P = reinterpret_cast<uint8_t *>(A);
    std::memset(P, 0, V.Size);
    if (!V.Init.empty())
      std::memcpy(P, V.Init.data(), V.Init.size());
  }
  for (const Variable &V : L.Source->Variables)
    for (const Relocation &R : V.Relocations) {
      auto It = L.Symbols.find(R.Symbol);
      uint64_t Code = L.Source->functionAddress(R.Symbol);
      if (It == L.Symbols.end() && !Code) {
        Log = "line " + std::to_string(V.Line) + ": unresolved symbol '" +
              std::string(R.Symbol) + "' in the value of '" +
              std::string(V.Name) + "'";
        return false;
      }
      uint64_t Value = (Code ? Code : It->second) + uint64_t(R.Addend);
      Value >>= R.Shift;
      std::memcpy(reinterpret_cast<uint8_t *>(L.Symbols[std::string(V.Name)] +
                                              R.Offset),
                  &Value, R.Bytes);
    }
  return true;
}

static void releaseVariables(const LoadedModule &L) {
  for (uint64_t A : L.Storage) {
    state().Variables.erase(A);
    state().Memory.release(A);
  }
}

/// PTX for sm_90 runs on every later device, sm_90a only on its own.
static bool fitsDevice(const Module &M, const DeviceModel &D) {
  unsigned Have = D.Major * 10 + D.Minor;
  if (M.TargetSuffix == 'a')
    return M.TargetSM == Have && D.Suffix == 'a';
  if (M.TargetSuffix == 'f')
    return M.TargetSM / 10 == D.Major && M.TargetSM <= Have;
  return M.TargetSM <= Have;
}

CUresult ptxsim::checkTarget(const Module &M, std::string &Log) {
  const DeviceModel &D = state().Device;
  if (fitsDevice(M, D))
    return CUDA_SUCCESS;
  Log = "PTX for sm_" + std::to_string(M.TargetSM) +
        (M.TargetSuffix ? std::string(1, M.TargetSuffix) : "") +
        " does not run on " + D.Name;
  return M.TargetSuffix ? CUDA_ERROR_NO_BINARY_FOR_GPU : CUDA_ERROR_INVALID_PTX;
}

CUresult ptxsim::loadModule(const char *Text, size_t Bytes, std::string &Log,
                            LoadedModule *&Out) {
  DriverState &S = state();
  Diagnostic Diag;
  std::shared_ptr<const Module> M = parseModule(std::string(Text, Bytes), Diag);
  auto Fail = [&](CUresult R) {
    Log = "line " + std::to_string(Diag.Line) + ": " + Diag.Message;
    return R;
  };
  if (!M)
    return Fail(CUDA_ERROR_INVALID_PTX);
  if (CUresult R = checkTarget(*M, Log))
    return R;
  auto L = std::make_unique<LoadedModule>();
  L->Source = M;
  if (!placeVariables(*L, Log)) {
    releaseVariables(*L);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  for (const auto &F : M->Functions) {
    if (!F->IsEntry || !F->HasBody)
      continue;
    auto K = std::make_unique<Kernel>();
    K->Owner = L.get();
    K->Name = std::string(F->Name);
    K->Code = decodeKernel(M, *F, L->Symbols, Diag);
    if (!K->Code) {
      releaseVariables(*L);
      return Fail(CUDA_ERROR_INVALID_PTX);
    }
    K->Serial = S.NextSerial++;
    L->Kernels.push_back(std::move(K));
  }
  for (auto &K : L->Kernels)
    S.Kernels.insert(K.get());
  S.Modules.insert(L.get());
  Out = L.release();
  return CUDA_SUCCESS;
}

void ptxsim::unloadModule(LoadedModule *M) {
  DriverState &S = state();
  for (auto &K : M->Kernels)
    S.Kernels.erase(K.get());
  releaseVariables(*M);
  S.Modules.erase(M);
  delete M;
}

uint64_t ptxsim::releaseModulesOf(Context *C) {
  std::vector<LoadedModule *> Owned;
  for (LoadedModule *M : state().Modules)
    if (M->Owner == C)
      Owned.push_back(M);
  for (LoadedModule *M : Owned)
    unloadModule(M);
  return Owned.size();
}

/// An image is PTX text; binaries for real GPUs are refused.
static CUresult load(const void *Image, unsigned N, const int *Options,
                     void **Values, LoadedModule *&Out) {
  DriverState &S = state();
  if (!Image || !validJitOptions(N, Options, Values))
    return CUDA_ERROR_INVALID_VALUE;
  if (CUresult R = checkUnsafe())
    return R;
  std::string Log;
  CUresult R;
  const char *Text = static_cast<const char *>(Image);
  auto Starts = [&](const char *Magic) {
    return !std::strncmp(Text, Magic, 4);
  };
  if (Starts("\x7f"
             "ELF") ||
      Starts("\x50\xed\x55\xba") || Starts("\xb1\x43\x62\x46")) {
    Log = "the image is a binary; the simulator runs PTX text only";
    R = CUDA_ERROR_NO_BINARY_FOR_GPU;
  } else if (S.Faults.count(FaultPlan::Jit)) {
    Log = "the PTX could not be compiled, on request";
    R = CUDA_ERROR_INVALID_PTX;
  } else {
    R = loadModule(Text, std::strlen(Text), Log, Out);
  }
  findErrorLog(N, Options, Values).write(Log);
  findInfoLog(N, Options, Values).write(""); // there are no remarks
  if (R != CUDA_SUCCESS)
    report("module load: " + Log);
  return R;
}
bool ptxsim::readFile(const char *Name, std::string &Out) {
  std::FILE *F = Name ? std::fopen(Name, "rb") : nullptr;
  if (!F)
    return false;
  char Buffer[65536];
  for (size_t N; (N = std::fread(Buffer, 1, sizeof(Buffer), F)) > 0;)
    Out.append(Buffer, N);
  std::fclose(F);
  return true;
}

PTXSIM_API CUresult cuModuleLoadDataEx(CUmodule *Out, const void *Image,
                                       unsigned N, int *Options,
                                       void **Values) {
  LoadedModule *M = nullptr;
  if (!Out)
    return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  CUresult R = load(Image, N, Options, Values, M);
  if (R != CUDA_SUCCESS)
    return R;
  M->Owner = currentContext();
  *Out = reinterpret_cast<CUmodule>(M);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuModuleLoadData(CUmodule *Out, const void *Image) {
  return cuModuleLoadDataEx(Out, Image, 0, nullptr, nullptr);
}
PTXSIM_API CUresult cuModuleLoadFatBinary(CUmodule *Out, const void *Image) {
  return cuModuleLoadDataEx(Out, Image, 0, nullptr, nullptr);
}
PTXSIM_API CUresult cuModuleLoad(CUmodule *Out, const char *Name) {
  std::string Text;
  if (!readFile(Name, Text))
    return CUDA_ERROR_FILE_NOT_FOUND;
  return cuModuleLoadDataEx(Out, Text.c_str(), 0, nullptr, nullptr);
}
static CUresult unload(LoadedModule *M) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (!S.Modules.count(M))
    return CUDA_ERROR_INVALID_HANDLE;
  unloadModule(M);
  return released(true, CUDA_SUCCESS);
}
PTXSIM_API CUresult cuModuleUnload(CUmodule M) { return unload(object(M)); }

// ---- symbols -------------------------------------------------------------
static Kernel *findKernel(LoadedModule *M, const char *Name) {
  for (auto &K : M->Kernels)
    if (K->Name == Name)
      return K.get();
  return nullptr;
}
template <class Out>
static CUresult getKernel(Out *F, LoadedModule *M, const char *Name) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (!F || !Name)
    return CUDA_ERROR_INVALID_VALUE;
  if (!S.Modules.count(M))
    return CUDA_ERROR_INVALID_HANDLE;
  Kernel *K = findKernel(M, Name);
  if (!K)
    return CUDA_ERROR_NOT_FOUND;
  *F = reinterpret_cast<Out>(K);
  return CUDA_SUCCESS;
}
static CUresult getGlobal(CUdeviceptr *Address, size_t *Bytes, LoadedModule *M,
                          const char *Name) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (!Name)
    return CUDA_ERROR_INVALID_VALUE;
  if (!S.Modules.count(M))
    return CUDA_ERROR_INVALID_HANDLE;
  auto It = M->Symbols.find(std::string_view(Name));
  if (It == M->Symbols.end())
    return CUDA_ERROR_NOT_FOUND;
  if (Address)
    *Address = It->second;
  if (Bytes)
    *Bytes = M->Sizes[Name];
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuModuleGetFunction(CUfunction *F, CUmodule M,
                                        const char *Name) {
  return getKernel(F, object(M), Name);
}
PTXSIM_API CUresult cuModuleGetGlobal_v2(CUdeviceptr *A, size_t *N, CUmodule M,
                                         const char *Name) {
  return getGlobal(A, N, object(M), Name);
}
PTXSIM_API CUresult cuModuleGetFunctionCount(unsigned *N, CUmodule M) {
  std::lock_guard Guard(state().Lock);
  if (!N)
    return CUDA_ERROR_INVALID_VALUE;
  if (!state().Modules.count(object(M)))
    return CUDA_ERROR_INVALID_HANDLE;
  *N = unsigned(object(M)->Kernels.size());
  return CUDA_SUCCESS;
}
template <class Out>
static CUresult enumerate(Out *F, unsigned N, LoadedModule *M) {
  std::lock_guard Guard(state().Lock);
  if (!F && N)
    return CUDA_ERROR_INVALID_VALUE;
  if (!state().Modules.count(M))
    return CUDA_ERROR_INVALID_HANDLE;
  for (unsigned K = 0; K < N && K < M->Kernels.size(); ++K)
    F[K] = reinterpret_cast<Out>(M->Kernels[K].get());
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuModuleEnumerateFunctions(CUfunction *F, unsigned N,
                                               CUmodule M) {
  return enumerate(F, N, object(M));
}
PTXSIM_API CUresult cuModuleGetLoadingMode(int *Mode) {
  if (!Mode)
    return CUDA_ERROR_INVALID_VALUE;
  *Mode = 1; // eager
  return CUDA_SUCCESS;
}

// ---- libraries -----------------------------------------------------------
/// Libraries belong to the process: no context is needed.
PTXSIM_API CUresult cuLibraryLoadData(CUlibrary *Out, const void *Code,
                                      int *JitOptions, void **JitValues,
                                      unsigned NumJit, int *, void **,
                                      unsigned) {
  LoadedModule *M = nullptr;
  if (!Out)
    return CUDA_ERROR_INVALID_VALUE;
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (!S.Initialised)
    return CUDA_ERROR_NOT_INITIALIZED;
  if (S.Faults.lost())
    return CUDA_ERROR_DEVICE_UNAVAILABLE;
  CUresult R = load(Code, NumJit, JitOptions, JitValues, M);
  if (R == CUDA_SUCCESS)
    *Out = reinterpret_cast<CUlibrary>(M);
  return R;
}
PTXSIM_API CUresult cuLibraryLoadFromFile(CUlibrary *Out, const char *Name,
                                          int *JitOptions, void **JitValues,
                                          unsigned NumJit, int *Options,
                                          void **Values, unsigned N) {
  std::string Text;
  if (!readFile(Name, Text))
    return CUDA_ERROR_FILE_NOT_FOUND;
  return cuLibraryLoadData(Out, Text.c_str(), JitOptions, JitValues, NumJit,
                           Options, Values, N);
}
PTXSIM_API CUresult cuLibraryUnload(CUlibrary L) { return unload(object(L)); }
PTXSIM_API CUresult cuLibraryGetKernel(CUkernel *K, CUlibrary L,
                                       const char *Name) {
  return getKernel(K, object(L), Name);
}
PTXSIM_API CUresult cuLibraryGetKernelCount(unsigned *N, CUlibrary L) {
  return cuModuleGetFunctionCount(N, reinterpret_cast<CUmodule>(L));
}
PTXSIM_API CUresult cuLibraryEnumerateKernels(CUkernel *K, unsigned N,
                                              CUlibrary L) {
  return enumerate(K, N, object(L));
}
PTXSIM_API CUresult cuLibraryGetModule(CUmodule *M, CUlibrary L) {
  std::lock_guard Guard(state().Lock);
  if (!M || !state().Modules.count(object(L)))
    return CUDA_ERROR_INVALID_VALUE;
  *M = reinterpret_cast<CUmodule>(L);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuLibraryGetGlobal(CUdeviceptr *A, size_t *N, CUlibrary L,
                                       const char *Name) {
  return getGlobal(A, N, object(L), Name);
}
PTXSIM_API CUresult cuKernelGetFunction(CUfunction *F, CUkernel K) {
  std::lock_guard Guard(state().Lock);
  if (!F || !state().Kernels.count(object(K)))
    return CUDA_ERROR_INVALID_HANDLE;
  *F = reinterpret_cast<CUfunction>(K);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuKernelGetLibrary(CUlibrary *L, CUkernel K) {
  std::lock_guard Guard(state().Lock);
  if (!L || !state().Kernels.count(object(K)))
    return CUDA_ERROR_INVALID_HANDLE;
  *L = reinterpret_cast<CUlibrary>(object(K)->Owner);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuFuncGetModule(CUmodule *M, CUfunction F) {
  std::lock_guard Guard(state().Lock);
  if (!M || !state().Kernels.count(object(F)))
    return CUDA_ERROR_INVALID_HANDLE;
  *M = reinterpret_cast<CUmodule>(object(F)->Owner);
  return CUDA_SUCCESS;
}
