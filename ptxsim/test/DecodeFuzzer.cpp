// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// libFuzzer target: any text must parse and decode or be refused with a line
// and a message, for every kernel in it. Seeds: the PTX files beside it.
//
//   DecodeFuzzer -max_total_time=60 corpus test/kernels test/cuda/ptx
#include "Program.h"
#include <cstdlib>

using namespace ptxsim;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size) {
  // Long inputs only repeat what shorter ones do.
  if (Size > 1 << 16)
    return 0;
  Diagnostic Diag;
  std::shared_ptr<const Module> M = parseModule(
      std::string(reinterpret_cast<const char *>(Data), Size), Diag);
  if (!M) {
    if (Diag.Message.empty())
      std::abort();
    return 0;
  }
  SymbolTable Symbols;
  for (const Variable &V : M->Variables)
    Symbols[std::string(V.Name)] = 4096;
  for (const auto &F : M->Functions) {
    if (!F->IsEntry || !F->HasBody)
      continue;
    Diag = {};
    if (!decodeKernel(M, *F, Symbols, Diag) && Diag.Message.empty())
      std::abort();
  }
  return 0;
}
