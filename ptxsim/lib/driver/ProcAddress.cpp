// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuGetProcAddress, and entry points that only return a named error.
#include "State.h"
#include <map>
#include <string>
#include <unordered_map>

using namespace ptxsim;
using namespace ptxsim::abi;

static CUresult unsupported(const char *Name) {
  std::lock_guard Guard(state().Lock);
  report(std::string(Name) + " is not supported by the simulator");
  return CUDA_ERROR_NOT_SUPPORTED;
}

// Arguments do not matter: the caller cleans them up in this calling
// convention.
#define UNSUPPORTED(Name)                                                      \
  PTXSIM_API CUresult Name(void) { return unsupported(#Name); }
#include "Unsupported.def"

// Only the addresses are wanted, so every entry is declared without types,
// under a name of its own bound to the exported symbol.
#define ENTRY(Base, Version, Name)                                             \
  extern "C" void ptxsimEntry_##Name(void) __asm__(#Name);
#include "Entries.def"
#define PER_THREAD(Base, Version, Name, Suffix, Params, Args)                  \
  extern "C" void ptxsimEntry_##Name##Suffix(void) __asm__(#Name #Suffix);
#define PER_THREAD_UNSUPPORTED(Base, Version, Name)                            \
  PTXSIM_API CUresult Name(void) { return unsupported(#Name); }                \
  extern "C" void ptxsimEntry_##Name(void) __asm__(#Name);
#include "PerThread.def"

namespace {
/// The forms that an entry has had, by the version of CUDA they came with.
using Forms = std::map<int, void (*)()>;
struct Entry {
  Forms Legacy, PerThread;
};
} // namespace
using EntryTable = std::unordered_map<std::string_view, Entry>;
static const EntryTable &entries() {
  static const EntryTable Table = [] {
    EntryTable T;
#define ENTRY(Base, Version, Name)                                             \
  T[#Base].Legacy[Version] = ptxsimEntry_##Name;
#include "Entries.def"
#define PER_THREAD(Base, Version, Name, Suffix, Params, Args)                  \
  T[#Base].PerThread[Version] = ptxsimEntry_##Name##Suffix;
#define PER_THREAD_UNSUPPORTED(Base, Version, Name)                            \
  T[#Base].PerThread[Version] = ptxsimEntry_##Name;
#include "PerThread.def"
    return T;
  }();
  return Table;
}
/// The newest form that a program of this version knows, or null.
static void *newest(const Forms &All, int Version) {
  auto It = All.upper_bound(Version);
  return It == All.begin() ? nullptr
                           : reinterpret_cast<void *>(std::prev(It)->second);
}

namespace {
enum QueryStatus { Found = 0, SymbolNotFound = 1, VersionNotSufficient = 2 };
enum QueryFlag : uint64_t { LegacyStream = 1, PerThreadStream = 2 };
} // namespace

static QueryStatus query(const char *Symbol, int Version, uint64_t Flags,
                         void *&Out) {
  Out = nullptr;
  auto It = entries().find(Symbol);
  if (It == entries().end())
    return SymbolNotFound;
  if (Flags & PerThreadStream)
    Out = newest(It->second.PerThread, Version);
  if (!Out)
    Out = newest(It->second.Legacy, Version);
  return Out ? Found : VersionNotSufficient;
}

PTXSIM_API CUresult cuGetProcAddress_v2(const char *Symbol, void **Out,
                                        int Version, uint64_t Flags,
                                        int *Status) {
  if (!Symbol || !Out || Version <= 0 ||
      Flags >= (LegacyStream | PerThreadStream))
    return CUDA_ERROR_INVALID_VALUE;
  QueryStatus Result = query(Symbol, Version, Flags, *Out);
  if (Status)
    *Status = Result;
  return CUDA_SUCCESS;
}
/// Has no status to tell that there is no such entry.
PTXSIM_API CUresult cuGetProcAddress(const char *Symbol, void **Out,
                                     int Version, uint64_t Flags) {
  CUresult R = cuGetProcAddress_v2(Symbol, Out, Version, Flags, nullptr);
  return R == CUDA_SUCCESS && !*Out ? CUDA_ERROR_NOT_FOUND : R;
}
