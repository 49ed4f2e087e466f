// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The exported forms for programs compiled with a default stream per thread
// (CUDA_API_PER_THREAD_DEFAULT_STREAM).
#include "State.h"

using namespace ptxsim;
using namespace ptxsim::abi;

static thread_local bool PerThreadDefault;
bool ptxsim::defaultStreamIsPerThread() { return PerThreadDefault; }

namespace {
struct PerThreadScope {
  PerThreadScope() { PerThreadDefault = true; }
  ~PerThreadScope() { PerThreadDefault = false; }
};
} // namespace

#define PER_THREAD(Base, Version, Name, Suffix, Params, Args)                  \
  extern "C" CUresult Name Params;                                             \
  PTXSIM_API CUresult Name##Suffix Params {                                    \
    PerThreadScope Scope;                                                      \
    return Name Args;                                                          \
  }
#define PER_THREAD_UNSUPPORTED(Base, Version, Name)
#include "PerThread.def"
