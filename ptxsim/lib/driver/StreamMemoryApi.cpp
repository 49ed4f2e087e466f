// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values that a stream writes to memory or waits for.
#include "State.h"
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

using MemOp = CUstreamBatchMemOpParams;

static unsigned bytesOf(const MemOp &O) {
  switch (O.operation) {
  case StreamMemOpWait32:
  case StreamMemOpWrite32: return 4;
  case StreamMemOpWait64:
  case StreamMemOpWrite64: return 8;
  default: return 0; // no access
  }
}
static bool isWait(const MemOp &O) {
  return O.operation == StreamMemOpWait32 || O.operation == StreamMemOpWait64;
}
static bool validWord(const MemOp &O) {
  CUdeviceptr A = O.word.address;
  unsigned Bytes = bytesOf(O);
  return !Bytes || (A % Bytes == 0 && state().Memory.find(A, Bytes));
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
static constexpr unsigned FlushBeforeWait = 1u << 30, NoBarrier = 1;

/// Work runs when it is submitted, so a value that is not there yet could only
/// come from the host; such a wait is refused rather than never ended.
template <class T> static CUresult wait(const MemOp &O) {
  T Have, Value = T(O.word.value);
  std::memcpy(&Have, reinterpret_cast<void *>(O.word.address), sizeof(T));
  if (holds(Have, Value, O.word.flags & ~FlushBeforeWait))
    return CUDA_SUCCESS;
  report("cuStreamWaitValue: memory holds " + std::to_string(Have) +
         ", which does not meet the condition with " + std::to_string(Value) +
         "; waiting for what comes later is not supported");
  return CUDA_ERROR_NOT_SUPPORTED;
}
static CUresult run(const MemOp &O) {
  if (!validWord(O)) // released since it was captured
    return CUDA_ERROR_INVALID_VALUE;
  unsigned Bytes = bytesOf(O);
  if (!Bytes)
    return CUDA_SUCCESS;
  if (isWait(O))
    return Bytes == 4 ? wait<uint32_t>(O) : wait<uint64_t>(O);
  std::memcpy(reinterpret_cast<void *>(O.word.address), &O.word.value, Bytes);
  state().Memory.noteWritten(O.word.address, Bytes);
  return CUDA_SUCCESS;
}
static CUresult check(const MemOp &O) {
  switch (O.operation) {
  case StreamMemOpWait32:
  case StreamMemOpWait64:
    return (O.word.flags & ~FlushBeforeWait) > WaitNor || !validWord(O)
               ? CUDA_ERROR_INVALID_VALUE
               : CUDA_SUCCESS;
  case StreamMemOpWrite32:
  case StreamMemOpWrite64:
    return O.word.flags > NoBarrier || !validWord(O) ? CUDA_ERROR_INVALID_VALUE
                                                     : CUDA_SUCCESS;
  case StreamMemOpFlush:
  case StreamMemOpBarrier: return CUDA_SUCCESS; // work is in order
  default:
    report("operation " + std::to_string(int(O.operation)) +
           " of cuStreamBatchMemOp is not supported");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
}
CUresult ptxsim::prepareMemOps(const MemOpsNode &N, Work &Out) {
  if (N.Flags)
    return CUDA_ERROR_INVALID_VALUE;
  for (const MemOp &O : N.Ops)
    if (CUresult R = check(O))
      return R;
  Out = [Ops = N.Ops] {
    for (const MemOp &O : Ops)
      if (CUresult R = run(O))
        return R;
    return CUDA_SUCCESS;
  };
  return CUDA_SUCCESS;
}
static CUresult submitOps(CUstream Stream, MemOpsNode N) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enterWork())
    return R;
  Work Run;
  CUresult R = prepareMemOps(N, Run);
  return R ? R : submit(Stream, std::move(N), std::move(Run));
}

PTXSIM_API CUresult cuStreamBatchMemOp(CUstream Stream, unsigned Count,
                                       CUstreamBatchMemOpParams *Ops,
                                       unsigned Flags) {
  NodeParams P;
  std::lock_guard Guard(state().Lock);
  CUresult R = readMemOps({nullptr, Count, Ops, Flags}, P);
  return R ? R : submitOps(Stream, std::get<MemOpsNode>(P));
}
PTXSIM_API CUresult cuStreamBatchMemOp_v2(CUstream Stream, unsigned Count,
                                          CUstreamBatchMemOpParams *Ops,
                                          unsigned Flags) {
  return cuStreamBatchMemOp(Stream, Count, Ops, Flags);
}
static CUresult submitWord(CUstream S, CUstreamBatchMemOpType Kind,
                           CUdeviceptr A, uint64_t V, unsigned Flags) {
  MemOp O{};
  O.word = {Kind, A, V, Flags, 0};
  return submitOps(S, MemOpsNode{{O}, 0});
}
#define VALUE_ENTRIES(Bits, Version)                                           \
  PTXSIM_API CUresult cuStreamWriteValue##Bits##Version(                       \
      CUstream S, CUdeviceptr A, uint##Bits##_t V, unsigned Flags) {           \
    return submitWord(S, StreamMemOpWrite##Bits, A, V, Flags);                 \
  }                                                                            \
  PTXSIM_API CUresult cuStreamWaitValue##Bits##Version(                        \
      CUstream S, CUdeviceptr A, uint##Bits##_t V, unsigned Flags) {           \
    return submitWord(S, StreamMemOpWait##Bits, A, V, Flags);                  \
  }
VALUE_ENTRIES(32, )
VALUE_ENTRIES(32, _v2)
VALUE_ENTRIES(64, )
VALUE_ENTRIES(64, _v2)
#undef VALUE_ENTRIES
