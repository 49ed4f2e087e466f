// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// cuGetProcAddress, and entry points that only return a named error.
#include "State.h"
#include <cstdio>
#include <cstring>
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

PTXSIM_API CUresult cuGetProcAddress_v2(const char *Symbol, void **Out,
                                        int Version, uint64_t Flags,
                                        int *Status);

// Only the addresses are wanted, so every entry is declared without types,
// under a name of its own bound to the exported symbol.
#define ENTRY(Base, Name)                                                      \
  extern "C" void ptxsimEntry_##Base(void) __asm__(#Name);
#include "Entries.def"
#define UNSUPPORTED(Name)                                                      \
  extern "C" void ptxsimUnsupported_##Name(void) __asm__(#Name);
#include "Unsupported.def"

using EntryTable = std::unordered_map<std::string_view, void (*)()>;
static const EntryTable &entries() {
  static const EntryTable Table = [] {
    EntryTable T;
#define ENTRY(Base, Name) T.emplace(#Base, ptxsimEntry_##Base);
#include "Entries.def"
#define UNSUPPORTED(Name) T.emplace(#Name, ptxsimUnsupported_##Name);
#include "Unsupported.def"
    return T;
  }();
  return Table;
}

static constexpr int SymbolNotFound = 1;

PTXSIM_API CUresult cuGetProcAddress_v2(const char *Symbol, void **Out,
                                        int Version, uint64_t Flags,
                                        int *Status) {
  if (!Symbol || !Out || Version <= 0 || Flags > 2)
    return CUDA_ERROR_INVALID_VALUE;
  auto It = entries().find(Symbol);
  bool Found = It != entries().end();
  *Out = Found ? reinterpret_cast<void *>(It->second) : nullptr;
  // Version 2 of the query itself came with CUDA 12.
  if (Found && Version < 12000 && !std::strcmp(Symbol, "cuGetProcAddress"))
    *Out = reinterpret_cast<void *>(entries().at("cuGetProcAddress_v1"));
  if (Status)
    *Status = Found ? 0 : SymbolNotFound;
  return Found || Status ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
PTXSIM_API CUresult cuGetProcAddress(const char *Symbol, void **Out,
                                     int Version, uint64_t Flags) {
  return cuGetProcAddress_v2(Symbol, Out, Version, Flags, nullptr);
}
