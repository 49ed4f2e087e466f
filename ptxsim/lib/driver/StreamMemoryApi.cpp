// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values that a stream writes to memory or waits for.
#include "State.h"
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

template <class T> static bool validWord(CUdeviceptr Address) {
  return Address % sizeof(T) == 0 && state().Memory.find(Address, sizeof(T));
}

template <class T>
static CUresult writeValue(CUstream Stream, CUdeviceptr Address, T Value,
                           unsigned Flags) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enterWork())
    return R;
  constexpr unsigned NoBarrier = 1;
  if (Flags > NoBarrier || !validWord<T>(Address))
    return CUDA_ERROR_INVALID_VALUE;
  return submit(Stream, GraphNode::BatchMemOp, [=] {
    if (!validWord<T>(Address)) // released since it was captured
      return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(reinterpret_cast<void *>(Address), &Value, sizeof(T));
    state().Memory.noteWritten(Address, sizeof(T));
    return CUDA_SUCCESS;
  });
}

enum { WaitGreaterEqual = 0, WaitEqual = 1, WaitAnd = 2, WaitNor = 3 };
template <class T> static bool holds(T Have, T Value, unsigned Condition) {
  switch (Condition) {
  case WaitGreaterEqual: return std::make_signed_t<T>(Have - Value) >= 0;
  case WaitEqual: return Have == Value;
  case WaitAnd: return (Have & Value) != 0;
  default: return T(~(Have | Value)) != 0;
  }
}
/// Work runs when it is submitted, so a value that is not there yet could only
/// come from the host; such a wait is refused rather than never ended.
template <class T>
static CUresult waitValue(CUstream Stream, CUdeviceptr Address, T Value,
                          unsigned Flags) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enterWork())
    return R;
  constexpr unsigned Flush = 1u << 30;
  unsigned Condition = Flags & ~Flush;
  if (Condition > WaitNor || !validWord<T>(Address))
    return CUDA_ERROR_INVALID_VALUE;
  return submit(Stream, GraphNode::BatchMemOp, [=] {
    if (!validWord<T>(Address))
      return CUDA_ERROR_INVALID_VALUE;
    T Have;
    std::memcpy(&Have, reinterpret_cast<void *>(Address), sizeof(T));
    if (holds(Have, Value, Condition))
      return CUDA_SUCCESS;
    report("cuStreamWaitValue: memory holds " + std::to_string(Have) +
           ", which does not meet the condition with " + std::to_string(Value) +
           "; waiting for what comes later is not supported");
    return CUDA_ERROR_NOT_SUPPORTED;
  });
}

#define VALUE_ENTRIES(Bits, Version)                                           \
  PTXSIM_API CUresult cuStreamWriteValue##Bits##Version(                       \
      CUstream S, CUdeviceptr A, uint##Bits##_t V, unsigned Flags) {           \
    return writeValue(S, A, V, Flags);                                         \
  }                                                                            \
  PTXSIM_API CUresult cuStreamWaitValue##Bits##Version(                        \
      CUstream S, CUdeviceptr A, uint##Bits##_t V, unsigned Flags) {           \
    return waitValue(S, A, V, Flags);                                          \
  }
VALUE_ENTRIES(32, )
VALUE_ENTRIES(32, _v2)
VALUE_ENTRIES(64, )
VALUE_ENTRIES(64, _v2)
#undef VALUE_ENTRIES
