// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernel launches: parameters, limits of the device, execution, faults.
#include "../exec/Heap.h"
#include "../exec/RegisterCheck.h"
#include "State.h"
#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace ptxsim;
using namespace ptxsim::abi;

static Kernel *object(CUfunction F) { return reinterpret_cast<Kernel *>(F); }

// ---- parameters ----------------------------------------------------------
enum : uintptr_t { ParamEnd = 0, ParamBuffer = 1, ParamBufferSize = 2 };

/// The buffer has all of the kernel's parameters, and at most what a struct of
/// them is padded by.
static bool paramsFromBuffer(void **Extra, uint32_t Bytes,
                             std::vector<uint8_t> &Out) {
  constexpr size_t MaxAlign = 16;
  const void *Buffer = nullptr;
  size_t Size = 0;
  for (unsigned K = 0; K < 8; K += 2) {
    switch (reinterpret_cast<uintptr_t>(Extra[K])) {
    case ParamEnd:
      if (!Buffer || Size < Bytes ||
          Size > (Bytes + MaxAlign - 1) / MaxAlign * MaxAlign)
        return false;
      std::memcpy(Out.data(), Buffer, Bytes);
      return true;
    case ParamBuffer: Buffer = Extra[K + 1]; break;
    case ParamBufferSize:
      if (!Extra[K + 1])
        return false;
      Size = *static_cast<size_t *>(Extra[K + 1]);
      break;
    default: return false;
    }
  }
  return false;
}

static bool collectParams(const Kernel &K, void **Values, void **Extra,
                          std::vector<uint8_t> &Out) {
  Out.assign(std::max(1u, K.Code->ParamBytes), 0);
  const auto &Params = K.Code->Source->Params;
  if (Values && Extra)
    return false;
  if (Extra)
    return paramsFromBuffer(Extra, K.Code->ParamBytes, Out);
  if (!Values)
    return Params.empty();
  uint64_t At = 0;
  for (size_t J = 0; J < Params.size(); ++J) {
    At = (At + Params[J].Align - 1) / Params[J].Align * Params[J].Align;
    if (!Values[J])
      return false;
    std::memcpy(Out.data() + At, Values[J], Params[J].Size);
    At += Params[J].Size;
  }
  return true;
}

// ---- limits --------------------------------------------------------------
static CUresult refuse(CUresult R, const Kernel &K, const std::string &Why) {
  report("launch of kernel '" + K.Name + "' refused: " + Why);
  return R;
}
static std::string triple(Dim3 D) {
  return std::to_string(D.X) + "x" + std::to_string(D.Y) + "x" +
         std::to_string(D.Z);
}

static CUresult checkShape(const KernelLaunch &L) {
  const Kernel &K = *L.Fn;
  const Function &F = *K.Code->Source;
  if (!L.Grid.X || !L.Grid.Y || !L.Grid.Z || !L.Block.X || !L.Block.Y ||
      !L.Block.Z || L.Grid.X > INT32_MAX || L.Grid.Y > 65535 ||
      L.Grid.Z > 65535 || L.Block.X > 1024 || L.Block.Y > 1024 ||
      L.Block.Z > 64 || L.Block.count() > 1024)
    return refuse(CUDA_ERROR_INVALID_VALUE, K,
                  "grid " + triple(L.Grid) + " or block " + triple(L.Block) +
                      " is outside the device's limits: blocks of up to "
                      "1024x1024x64 with 1024 threads in all, grids of up to "
                      "2147483647x65535x65535");
  if (F.ReqNtid.X && (L.Block.X != F.ReqNtid.X || L.Block.Y != F.ReqNtid.Y ||
                      L.Block.Z != F.ReqNtid.Z))
    return refuse(CUDA_ERROR_INVALID_VALUE, K,
                  "block is " + triple(L.Block) + ", .reqntid asks for " +
                      triple(F.ReqNtid));
  if (F.MaxNtid.X && L.Block.count() > F.MaxNtid.count())
    return refuse(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, K,
                  "block of " + std::to_string(L.Block.count()) +
                      " threads, .maxntid allows " +
                      std::to_string(F.MaxNtid.count()));
  return CUDA_SUCCESS;
}

static unsigned mostInCluster(const Kernel &K) {
  if (state().Device.Major < 9)
    return 1;
  return K.NonPortableCluster ? 16 : 8;
}
static CUresult checkCluster(const KernelLaunch &L) {
  const Kernel &K = *L.Fn;
  const Function &F = *K.Code->Source;
  Dim3 C = L.Cluster;
  if (C.count() > 1 && state().Device.Major < 9)
    return refuse(CUDA_ERROR_INVALID_CLUSTER_SIZE, K,
                  "the device has no clusters");
  if (F.ReqCluster.X &&
      (C.X != F.ReqCluster.X || C.Y != F.ReqCluster.Y || C.Z != F.ReqCluster.Z))
    return refuse(CUDA_ERROR_INVALID_CLUSTER_SIZE, K,
                  "cluster is " + triple(C) + ", .reqnctapercluster asks for " +
                      triple(F.ReqCluster));
  if (!C.X || !C.Y || !C.Z || C.count() > mostInCluster(K))
    return refuse(CUDA_ERROR_INVALID_CLUSTER_SIZE, K,
                  "cluster of " + std::to_string(C.count()) + " CTAs");
  if (L.Grid.X % C.X || L.Grid.Y % C.Y || L.Grid.Z % C.Z)
    return refuse(CUDA_ERROR_INVALID_CLUSTER_SIZE, K,
                  "grid " + triple(L.Grid) + " is no multiple of cluster " +
                      triple(C));
  return CUDA_SUCCESS;
}

static CUresult checkResources(const KernelLaunch &L) {
  const Kernel &K = *L.Fn;
  const DeviceModel &D = state().Device;
  if (L.SharedBytes > K.MaxDynamicShared)
    return refuse(CUDA_ERROR_INVALID_VALUE, K,
                  std::to_string(L.SharedBytes) +
                      " bytes of dynamic shared memory, the function's "
                      "attribute allows " +
                      std::to_string(K.MaxDynamicShared));
  uint64_t Static = K.Code->StaticShared;
  uint64_t Total =
      K.Code->DynamicSharedOffset - SharedBase + uint64_t(L.SharedBytes);
  if (Static > 48 * 1024 || Total > D.SharedPerBlockOptin)
    return refuse(CUDA_ERROR_INVALID_VALUE, K,
                  std::to_string(Total) + " bytes of shared memory (" +
                      std::to_string(Static) + " static), the device has " +
                      std::to_string(D.SharedPerBlockOptin));
  if (L.Cooperative) {
    uint64_t Warps = (L.Block.count() + 31) / 32;
    uint64_t PerSm = std::min<uint64_t>(D.MaxThreadsPerSm / (Warps * 32),
                                        D.SharedPerSm / (Total + 1024));
    PerSm = std::min<uint64_t>(PerSm, D.MaxBlocksPerSm);
    if (L.Grid.count() > PerSm * D.SmCount)
      return refuse(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, K,
                    std::to_string(L.Grid.count()) + " CTAs, " +
                        std::to_string(PerSm * D.SmCount) + " fit at once");
  }
  return CUDA_SUCCESS;
}

// ---- execution -----------------------------------------------------------
static CUresult errorOf(FaultKind K) {
  switch (K) {
  case FaultKind::None: return CUDA_SUCCESS;
  case FaultKind::Address: return CUDA_ERROR_ILLEGAL_ADDRESS;
  case FaultKind::Misaligned: return CUDA_ERROR_MISALIGNED_ADDRESS;
  case FaultKind::Illegal: return CUDA_ERROR_ILLEGAL_INSTRUCTION;
  case FaultKind::Assert: return CUDA_ERROR_ASSERT;
  case FaultKind::Deadlock:
  case FaultKind::Budget: return CUDA_ERROR_LAUNCH_TIMEOUT;
  case FaultKind::Limit: return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  default: return CUDA_ERROR_LAUNCH_FAILED;
  }
}

static void writeCounters(const std::string &File, const CounterSet &C) {
  std::FILE *F = std::fopen(File.c_str(), "w");
  if (!F)
    return;
  std::string Text = formatCounters(C);
  std::fwrite(Text.data(), 1, Text.size(), F);
  std::fclose(F);
}

std::string ptxsim::formatCounters(const CounterSet &C) {
  std::string S = "{\n  \"instructions\": {";
  for (size_t K = 0; K < size_t(OpClass::NumClasses); ++K)
    S += std::string(K ? ", " : "") + "\"" +
         std::string(className(OpClass(K))) +
         "\": " + std::to_string(C.Instructions[K]);
  auto Line = [&](const char *Name, uint64_t V) {
    S += std::string(",\n  \"") + Name + "\": " + std::to_string(V);
  };
  S += "}";
  Line("shared_accesses", C.SharedAccesses);
  Line("shared_wavefronts", C.SharedWavefronts);
  Line("shared_ideal", C.SharedIdeal);
  Line("global_accesses", C.GlobalAccesses);
  Line("global_sectors", C.GlobalSectors);
  Line("matrix_operations", C.MatrixOps);
  Line("matrix_multiply_adds", C.MatrixMacs);
  return S + "\n}\n";
}

/// Memory that only this launch knows.
static void addAllocation(LaunchState &L, const Allocation &New) {
  auto Before = [](const Allocation &A, const Allocation &B) {
    return A.Begin < B.Begin;
  };
  auto At =
      std::upper_bound(L.Allocations.begin(), L.Allocations.end(), New, Before);
  L.Allocations.insert(At, New);
}

/// The stack and the heap, by the limits of the context.
static void setLocalMemory(LaunchState &L) {
  L.LocalBytes = L.P->LocalBytes;
  if (L.P->UsesStack)
    L.LocalBytes += uint32_t(L.P->StackBytes + L.P->ArgumentBytes);
  if (Context *C = currentContext()) {
    // Frames here hold more than those of a GPU.
    constexpr uint64_t FrameRatio = 16;
    if (L.P->StackUnbounded)
      L.LocalBytes += uint32_t(FrameRatio * limitOf(*C, StackLimit));
    if (!C->Heap)
      C->Heap = std::make_shared<DeviceHeap>();
    L.Heap = C->Heap.get();
    L.Heap->beginLaunch(limitOf(*C, HeapLimit), state().Config.Race);
  }
}

CUresult ptxsim::runKernel(const KernelLaunch &K) {
  DriverState &S = state();
  if (!S.Config.Race)
    S.Memory.forgetWrites();
  LaunchState L;
  L.P = K.Fn->Code.get();
  if (S.Config.Race)
    L.P = &checkedProgram(*L.P);
  L.Config = S.Config;
  L.Grid = K.Grid;
  L.Block = K.Block;
  L.ClusterDim = K.Cluster;
  L.DynamicShared = K.SharedBytes;
  setLocalMemory(L);
  L.SmCount = S.Device.SmCount;
  L.GridId = S.NextGridId++;
  L.Cooperative = K.Cooperative;
  L.Params.resize(K.Params.size() + 128);
  uintptr_t Data = (uintptr_t(L.Params.data()) + 127) & ~uintptr_t(127);
  std::memcpy(reinterpret_cast<void *>(Data), K.Params.data(), K.Params.size());
  L.ParamData = reinterpret_cast<const uint8_t *>(Data);
  L.Allocations = S.Memory.snapshot();
  L.HostShares = std::any_of(
      L.Allocations.begin(), L.Allocations.end(), [&](const Allocation &A) {
        return !S.Memory.isDevice(A.Begin) || S.Managed.count(A.Begin);
      });
  addAllocation(L, {Data, Data + K.Params.size(), 0, true, true, nullptr});
  if (uint64_t At = L.workspaceAddress())
    addAllocation(L, {At, At + sizeof(L.Workspace), 0, false, false, nullptr});
  Fault F;
  bool Ok;
  if (S.Faults.count(FaultPlan::Launch)) {
    Ok = false;
    F.Kind = FaultKind::Trap;
    F.Message = "kernel '" + K.Fn->Name + "': launch failed on request";
  } else {
    Ok = runLaunch(L, F);
  }
  if (S.Config.Counters) {
    S.Counters.add(L.Counters);
    if (!S.CountersFile.empty())
      writeCounters(S.CountersFile, S.Counters);
  }
  if (Ok)
    return CUDA_SUCCESS;
  report(F.Message);
  CUresult R = errorOf(F.Kind);
  if (Context *C = currentContext())
    C->Sticky = R;
  return R;
}

CUresult ptxsim::collectArguments(KernelLaunch &L, void **Values,
                                  void **Extra) {
  if (!state().Kernels.count(L.Fn))
    return CUDA_ERROR_INVALID_HANDLE;
  L.Serial = L.Fn->Serial;
  return collectParams(*L.Fn, Values, Extra, L.Params)
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}
/// A graph may outlive its module, and another kernel may be in its place.
static bool isLive(const KernelLaunch &L) {
  return state().Kernels.count(L.Fn) && L.Fn->Serial == L.Serial;
}
CUresult ptxsim::prepareLaunch(KernelLaunch L, Work &Out) {
  if (!isLive(L))
    return CUDA_ERROR_INVALID_HANDLE;
  const Function &F = *L.Fn->Code->Source;
  if (F.ReqCluster.X && L.Cluster.count() == 1)
    L.Cluster = F.ReqCluster;
  if (CUresult R = checkShape(L))
    return R;
  if (CUresult R = checkCluster(L))
    return R;
  if (CUresult R = checkResources(L))
    return R;
  Out = [L = std::move(L)] {
    if (!isLive(L))
      return CUDA_ERROR_INVALID_HANDLE;
    // A fault shows at the next synchronisation, as on the hardware.
    runKernel(L);
    return CUDA_SUCCESS;
  };
  return CUDA_SUCCESS;
}
static CUresult launch(KernelLaunch L, CUstream Stream, void **Params,
                       void **Extra) {
  std::lock_guard Guard(state().Lock);
  if (CUresult R = enterWork())
    return R;
  if (CUresult R = collectArguments(L, Params, Extra))
    return R;
  Work Launch;
  CUresult R = prepareLaunch(L, Launch);
  return R ? R : submit(Stream, std::move(L), std::move(Launch));
}
void ptxsim::setAttribute(KernelLaunch &L, int Id,
                          const CUlaunchAttributeValue &Value) {
  L.Attributes[Id] = Value;
  if (Id == LaunchAttributeCooperative)
    L.Cooperative = Value.cooperative != 0;
  else if (Id == LaunchAttributeClusterDimension)
    L.Cluster = {Value.clusterDim[0], Value.clusterDim[1], Value.clusterDim[2]};
  // The others steer scheduling: submission order already satisfies them.
}

PTXSIM_API CUresult cuLaunchKernel(CUfunction F, unsigned GX, unsigned GY,
                                   unsigned GZ, unsigned BX, unsigned BY,
                                   unsigned BZ, unsigned Shared, CUstream S,
                                   void **Params, void **Extra) {
  KernelLaunch L;
  L.Fn = object(F);
  L.Grid = {GX, GY, GZ};
  L.Block = {BX, BY, BZ};
  L.SharedBytes = Shared;
  return launch(std::move(L), S, Params, Extra);
}
PTXSIM_API CUresult cuLaunchCooperativeKernel(CUfunction F, unsigned GX,
                                              unsigned GY, unsigned GZ,
                                              unsigned BX, unsigned BY,
                                              unsigned BZ, unsigned Shared,
                                              CUstream S, void **Params) {
  KernelLaunch L;
  L.Fn = object(F);
  L.Grid = {GX, GY, GZ};
  L.Block = {BX, BY, BZ};
  L.SharedBytes = Shared;
  L.Cooperative = true;
  return launch(std::move(L), S, Params, nullptr);
}
/// Ids of cuda.h; an event must exist.
static CUresult checkAttribute(const CUlaunchAttribute &A) {
  if (A.id < 0 || A.id >= NumLaunchAttributes)
    return CUDA_ERROR_INVALID_VALUE;
  if (A.id != LaunchAttributeProgrammaticEvent &&
      A.id != LaunchAttributeLaunchCompletionEvent)
    return CUDA_SUCCESS;
  EventObject *Event;
  std::memcpy(&Event, A.value.bytes, sizeof(Event));
  std::lock_guard Guard(state().Lock);
  return state().Events.count(Event) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
PTXSIM_API CUresult cuLaunchKernelEx(const CUlaunchConfig *Config, CUfunction F,
                                     void **Params, void **Extra) {
  if (!Config || (Config->numAttrs && !Config->attrs))
    return CUDA_ERROR_INVALID_VALUE;
  KernelLaunch L;
  L.Fn = object(F);
  L.Grid = {Config->gridDimX, Config->gridDimY, Config->gridDimZ};
  L.Block = {Config->blockDimX, Config->blockDimY, Config->blockDimZ};
  L.SharedBytes = Config->sharedMemBytes;
  for (unsigned K = 0; K < Config->numAttrs; ++K) {
    const CUlaunchAttribute &A = Config->attrs[K];
    if (CUresult R = checkAttribute(A))
      return R;
    setAttribute(L, A.id, A.value);
  }
  return launch(std::move(L), Config->hStream, Params, Extra);
}

PTXSIM_API CUresult cuOccupancyMaxPotentialClusterSize(
    int *Size, CUfunction F, const CUlaunchConfig *Config) {
  std::lock_guard Guard(state().Lock);
  if (!Size || !Config || !state().Kernels.count(object(F)))
    return CUDA_ERROR_INVALID_VALUE;
  const Dim3 &Required = object(F)->Code->Source->ReqCluster;
  *Size = int(Required.X ? Required.count() : mostInCluster(*object(F)));
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuOccupancyMaxActiveClusters(int *Clusters, CUfunction F,
                                                 const CUlaunchConfig *C) {
  std::lock_guard Guard(state().Lock);
  if (!Clusters || !C || (C->numAttrs && !C->attrs) ||
      !state().Kernels.count(object(F)))
    return CUDA_ERROR_INVALID_VALUE;
  unsigned Size = 1;
  for (unsigned K = 0; K < C->numAttrs; ++K)
    if (C->attrs[K].id == LaunchAttributeClusterDimension)
      Size = C->attrs[K].value.clusterDim[0] * C->attrs[K].value.clusterDim[1] *
             C->attrs[K].value.clusterDim[2];
  *Clusters = int(state().Device.SmCount / std::max(1u, Size));
  return CUDA_SUCCESS;
}
