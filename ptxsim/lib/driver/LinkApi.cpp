// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The linker of the driver. Its image is PTX: the text of one module.
#include "JitOptions.h"
#include "Linker.h"
#include "State.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

struct ptxsim::LinkState {
  std::vector<LinkInput> Inputs;
  JitLog ErrorLog, InfoLog;
  std::string Errors; // of all calls
  std::string Image;  // empty until the link is complete
};

/// CUjitInputType, and what its values are called.
static constexpr int PtxInput = 1;
static const char *const InputNames[] = {"a cubin",        "PTX",
                                         "a fat binary",   "an object file",
                                         "a library file", "NVVM code"};

static LinkState *findLink(CUlinkState Link) {
  auto *L = reinterpret_cast<LinkState *>(Link);
  return state().Links.count(L) ? L : nullptr;
}
static CUresult fail(LinkState &L, CUresult R, const std::string &Why) {
  L.Errors += Why;
  if (!Why.ends_with('\n'))
    L.Errors += '\n';
  L.ErrorLog.write(L.Errors);
  report("link: " + Why.substr(0, Why.find_last_not_of('\n') + 1));
  return R;
}

PTXSIM_API CUresult cuLinkCreate_v2(unsigned N, int *Options, void **Values,
                                    CUlinkState *Out) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enter())
    return R;
  if (!Out || !validJitOptions(N, Options, Values))
    return CUDA_ERROR_INVALID_VALUE;
  auto *L = new LinkState;
  L->ErrorLog = findErrorLog(N, Options, Values);
  L->InfoLog = findInfoLog(N, Options, Values);
  L->ErrorLog.write("");
  L->InfoLog.write("");
  state().Links.insert(L);
  *Out = reinterpret_cast<CUlinkState>(L);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuLinkCreate(unsigned N, int *Options, void **Values,
                                 CUlinkState *Out) {
  return cuLinkCreate_v2(N, Options, Values, Out);
}

/// Those that concern one input.
static bool validInputOptions(unsigned N, const int *Options, void **Values) {
  return validJitOptions(N, Options, Values) &&
         std::none_of(Options, Options + N, [](int Option) {
           return Option == JitWallTime || Option == JitInfoLog ||
                  Option == JitErrorLog || Option == JitTargetFromContext ||
                  Option == JitTarget;
         });
}
static CUresult addPtx(LinkState &L, std::string Text, std::string Name) {
  Diagnostic Diag;
  LinkInput I{std::move(Name), parseModule(std::move(Text), Diag)};
  if (!I.Source)
    return fail(L, CUDA_ERROR_INVALID_PTX,
                "'" + I.Name + "', line " + std::to_string(Diag.Line) + ": " +
                    Diag.Message);
  std::string Why;
  if (CUresult R = checkTarget(*I.Source, Why))
    return fail(L, R, "'" + I.Name + "': " + Why);
  L.Inputs.push_back(std::move(I));
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuLinkAddData_v2(CUlinkState Link, int Type, void *Data,
                                     size_t Bytes, const char *Name, unsigned N,
                                     int *Options, void **Values) {
  std::lock_guard Guard(state().Lock);
  LinkState *L = findLink(Link);
  if (!L)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!Data || !Bytes || Type < 0 || Type >= int(std::size(InputNames)) ||
      !validInputOptions(N, Options, Values) || !L->Image.empty())
    return CUDA_ERROR_INVALID_VALUE;
  std::string Called =
      Name ? Name : "input " + std::to_string(L->Inputs.size() + 1);
  if (Type != PtxInput)
    return fail(*L, CUDA_ERROR_NO_BINARY_FOR_GPU,
                "'" + Called + "' is " + InputNames[Type] +
                    "; the simulator links PTX text only");
  const char *Text = static_cast<const char *>(Data);
  return addPtx(*L, std::string(Text, strnlen(Text, Bytes)), Called);
}
PTXSIM_API CUresult cuLinkAddData(CUlinkState Link, int Type, void *Data,
                                  size_t Bytes, const char *Name, unsigned N,
                                  int *Options, void **Values) {
  return cuLinkAddData_v2(Link, Type, Data, Bytes, Name, N, Options, Values);
}
PTXSIM_API CUresult cuLinkAddFile_v2(CUlinkState Link, int Type,
                                     const char *Path, unsigned N, int *Options,
                                     void **Values) {
  std::lock_guard Guard(state().Lock);
  std::string Bytes;
  if (!findLink(Link))
    return CUDA_ERROR_INVALID_HANDLE;
  if (!Path)
    return CUDA_ERROR_INVALID_VALUE;
  if (!readFile(Path, Bytes))
    return CUDA_ERROR_FILE_NOT_FOUND;
  return cuLinkAddData_v2(Link, Type, Bytes.data(), Bytes.size(), Path, N,
                          Options, Values);
}
PTXSIM_API CUresult cuLinkAddFile(CUlinkState Link, int Type, const char *Path,
                                  unsigned N, int *Options, void **Values) {
  return cuLinkAddFile_v2(Link, Type, Path, N, Options, Values);
}

/// What the linker itself does not see, as unknown instructions, shows when
/// the image is loaded: this is tried here.
static CUresult completeLink(LinkState &L) {
  std::string Image, Log;
  if (L.Inputs.empty())
    return fail(L, CUDA_ERROR_INVALID_VALUE, "there is nothing to link");
  if (!linkModules(L.Inputs, Image, Log))
    return fail(L, CUDA_ERROR_INVALID_PTX, Log);
  LoadedModule *M = nullptr;
  if (CUresult R = loadModule(Image.data(), Image.size(), Log, M))
    return fail(L, R, "the linked module, " + Log);
  unloadModule(M);
  L.Image = std::move(Image);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuLinkComplete(CUlinkState Link, void **Image,
                                   size_t *Bytes) {
  std::lock_guard Guard(state().Lock);
  LinkState *L = findLink(Link);
  if (!L)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!Image)
    return CUDA_ERROR_INVALID_VALUE;
  if (L->Image.empty())
    if (CUresult R = completeLink(*L))
      return R;
  *Image = L->Image.data();
  if (Bytes)
    *Bytes = L->Image.size() + 1; // with the null at the end
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuLinkDestroy(CUlinkState Link) {
  std::lock_guard Guard(state().Lock);
  LinkState *L = findLink(Link);
  if (!L)
    return CUDA_ERROR_INVALID_HANDLE;
  state().Links.erase(L);
  delete L;
  return CUDA_SUCCESS;
}
