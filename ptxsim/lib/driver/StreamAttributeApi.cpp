// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attributes of streams. All but the priority steer caches and waiting, which
// change no results: they are kept for those who ask.
#include "State.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

static bool isStreamAttribute(int Id) {
  switch (Id) {
  case LaunchAttributeAccessPolicy:
  case LaunchAttributeSynchronizationPolicy:
  case LaunchAttributePriority:
  case LaunchAttributeDomainMap:
  case LaunchAttributeDomain: return true;
  default: return false;
  }
}
/// What an attribute is before anybody sets it: an automatic policy of waiting,
/// and each memory domain mapped to itself.
static CUlaunchAttributeValue defaultOf(int Id) {
  CUlaunchAttributeValue V{};
  if (Id == LaunchAttributeSynchronizationPolicy)
    V.bytes[0] = 1;
  if (Id == LaunchAttributeDomainMap)
    V.bytes[1] = 1;
  return V;
}

PTXSIM_API CUresult cuStreamGetAttribute(CUstream Stream, int Id,
                                         CUlaunchAttributeValue *Out) {
  std::lock_guard Guard(state().Lock);
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!Out || !isStreamAttribute(Id))
    return CUDA_ERROR_INVALID_VALUE;
  auto It = S->Attributes.find(Id);
  CUlaunchAttributeValue V =
      It == S->Attributes.end() ? defaultOf(Id) : It->second;
  if (Id == LaunchAttributePriority)
    V.priority = S->Priority;
  *Out = V;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuStreamSetAttribute(CUstream Stream, int Id,
                                         const CUlaunchAttributeValue *Value) {
  std::lock_guard Guard(state().Lock);
  StreamObject *S = findStream(Stream);
  if (!S)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!Value || !isStreamAttribute(Id))
    return CUDA_ERROR_INVALID_VALUE;
  if (Id == LaunchAttributePriority)
    S->Priority = std::clamp(Value->priority, -5, 0);
  else
    S->Attributes[Id] = *Value;
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuStreamCopyAttributes(CUstream To, CUstream From) {
  std::lock_guard Guard(state().Lock);
  StreamObject *T = findStream(To), *F = findStream(From);
  if (!T || !F)
    return CUDA_ERROR_INVALID_HANDLE;
  if (T->Owner && F->Owner && T->Owner != F->Owner)
    return CUDA_ERROR_INVALID_VALUE;
  T->Attributes = F->Attributes;
  T->Priority = F->Priority;
  return CUDA_SUCCESS;
}
