// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A launch: the initial register image, tasks of one cluster each, host
// threads, and the choice between parallel and serial execution.
#include "Async.h"
#include "Race.h"
#include "Scheduler.h"
#include <algorithm>
#include <thread>
#include <xmmintrin.h>

using namespace ptxsim;

void CounterSet::add(const CounterSet &O) {
  for (size_t K = 0; K < std::size(Instructions); ++K)
    Instructions[K] += O.Instructions[K];
  SharedAccesses += O.SharedAccesses;
  SharedWavefronts += O.SharedWavefronts;
  SharedIdeal += O.SharedIdeal;
  GlobalAccesses += O.GlobalAccesses;
  GlobalSectors += O.GlobalSectors;
  MatrixOps += O.MatrixOps;
  MatrixMacs += O.MatrixMacs;
  WarpInstructions += O.WarpInstructions;
}

// ---- register image ------------------------------------------------------
static void fillRow(uint8_t *Row, uint64_t V, bool Wide) {
  for (unsigned L = 0; L < 32; ++L)
    std::memcpy(Row + L * (Wide ? 8 : 4), &V, Wide ? 8 : 4);
}

static uint64_t paramValue(const LaunchState &L, const ImageRow &Row) {
  uint64_t V = 0;
  std::memcpy(&V, L.ParamData + Row.Value, Row.Bytes);
  if (Row.Signed && Row.Bytes < 8) {
    unsigned Shift = 64 - 8 * Row.Bytes;
    V = uint64_t(int64_t(V << Shift) >> Shift);
  }
  return V;
}

/// Shared memory of a CTA that the kernel knows of.
static uint32_t sharedBytes(const LaunchState &L) {
  return L.P->DynamicSharedOffset - SharedBase + L.DynamicShared;
}
/// Where the system's shared memory lies, from SharedBase.
static uint32_t reservedOffset(const LaunchState &L) {
  return (sharedBytes(L) + ReservedSharedBytes - 1) / ReservedSharedBytes *
         ReservedSharedBytes;
}

/// Value of a special register that is the same in the whole launch.
static bool launchValue(const LaunchState &L, const ImageRow &Row,
                        uint64_t &V) {
  Dim3 C = L.ClusterDim, G = L.Grid, B = L.Block;
  switch (Row.Which) {
  case SpecialReg::NtidX: V = B.X; return true;
  case SpecialReg::NtidY: V = B.Y; return true;
  case SpecialReg::NtidZ: V = B.Z; return true;
  case SpecialReg::NctaidX: V = G.X; return true;
  case SpecialReg::NctaidY: V = G.Y; return true;
  case SpecialReg::NctaidZ: V = G.Z; return true;
  case SpecialReg::NwarpId: V = (B.count() + 31) / 32; return true;
  case SpecialReg::NsmId: V = L.SmCount; return true;
  case SpecialReg::GridId: V = L.GridId; return true;
  case SpecialReg::NclusteridX: V = G.X / C.X; return true;
  case SpecialReg::NclusteridY: V = G.Y / C.Y; return true;
  case SpecialReg::NclusteridZ: V = G.Z / C.Z; return true;
  case SpecialReg::ClusterNctaidX: V = C.X; return true;
  case SpecialReg::ClusterNctaidY: V = C.Y; return true;
  case SpecialReg::ClusterNctaidZ: V = C.Z; return true;
  case SpecialReg::ClusterNctarank: V = C.count(); return true;
  case SpecialReg::IsExplicitCluster: V = C.count() > 1 ? ~0u : 0; return true;
  case SpecialReg::DynamicSmem: V = L.DynamicShared; return true;
  case SpecialReg::TotalSmem:
  case SpecialReg::AggrSmem: V = sharedBytes(L); return true;
  case SpecialReg::Zero: V = 0; return true;
  case SpecialReg::ReservedSmem:
    V = SharedBase + reservedOffset(L);
    return true;
  case SpecialReg::ReservedSmemEnd:
    V = SharedBase + reservedOffset(L) + ReservedSharedBytes;
    return true;
  case SpecialReg::GridWorkspaceHigh:
    V = L.workspaceAddress() >> 32;
    return true;
  case SpecialReg::GridWorkspaceLow:
    V = uint32_t(L.workspaceAddress());
    return true;
  case SpecialReg::ParamAddress:
    V = uint64_t(L.ParamData) + Row.Value;
    return true;
  case SpecialReg::ParamValue: V = paramValue(L, Row); return true;
  default: return false;
  }
}

static void buildImage(LaunchState &L) {
  L.Image.assign(L.P->RowBytes, 0);
  for (const ConstRow &C : L.P->Consts)
    fillRow(L.Image.data() + C.Offset, C.Value, C.Wide);
  for (const ImageRow &Row : L.P->Image) {
    uint64_t V;
    if (launchValue(L, Row, V))
      fillRow(L.Image.data() + Row.Offset, V, Row.Wide);
  }
}

// ---- CTAs ----------------------------------------------------------------
static uint64_t ctaValue(const Cta &C, SpecialReg Which) {
  const LaunchState &L = *C.L;
  Dim3 D = L.ClusterDim;
  switch (Which) {
  case SpecialReg::CtaidX: return C.Id.X;
  case SpecialReg::CtaidY: return C.Id.Y;
  case SpecialReg::CtaidZ: return C.Id.Z;
  case SpecialReg::SmId: return C.Linear % L.SmCount;
  case SpecialReg::ClusteridX: return C.Id.X / D.X;
  case SpecialReg::ClusteridY: return C.Id.Y / D.Y;
  case SpecialReg::ClusteridZ: return C.Id.Z / D.Z;
  case SpecialReg::ClusterCtaidX: return C.Id.X % D.X;
  case SpecialReg::ClusterCtaidY: return C.Id.Y % D.Y;
  case SpecialReg::ClusterCtaidZ: return C.Id.Z % D.Z;
  case SpecialReg::ClusterCtarank: return C.Rank;
  default: return 0;
  }
}

static void fillLaneRow(const Warp &W, const ImageRow &Row) {
  uint32_t *Out = reinterpret_cast<uint32_t *>(W.Rows + Row.Offset);
  Dim3 B = W.C->L->Block;
  for (uint32_t L = 0; L < 32; ++L) {
    uint32_t T = W.Id * 32 + L;
    switch (Row.Which) {
    case SpecialReg::TidX: Out[L] = T % B.X; break;
    case SpecialReg::TidY: Out[L] = T / B.X % B.Y; break;
    case SpecialReg::TidZ: Out[L] = T / B.X / B.Y; break;
    case SpecialReg::LaneId: Out[L] = L; break;
    case SpecialReg::WarpId: Out[L] = W.Id; break;
    case SpecialReg::LanemaskEq: Out[L] = 1u << L; break;
    case SpecialReg::LanemaskLt: Out[L] = (1u << L) - 1; break;
    case SpecialReg::LanemaskLe: Out[L] = (2u << L) - 1; break;
    case SpecialReg::LanemaskGt: Out[L] = ~((2u << L) - 1); break;
    case SpecialReg::LanemaskGe: Out[L] = ~((1u << L) - 1); break;
    default: Out[L] = uint32_t(ctaValue(*W.C, Row.Which)); break;
    }
  }
}

static void startWarp(Warp &W, Cta &C, uint32_t Id) {
  const LaunchState &L = *C.L;
  W.C = &C;
  W.P = C.P;
  W.Id = Id;
  // 64-byte aligned rows: the storage has room for that.
  uintptr_t Base = (uintptr_t(C.Storage->Rows.data()) + 255) & ~uintptr_t(255);
  W.Rows = reinterpret_cast<uint8_t *>(Base) + size_t(Id) * C.P->RowBytes;
  std::memcpy(W.Rows, L.Image.data(), L.Image.size());
  uint64_t Threads = L.Block.count() - uint64_t(Id) * 32;
  W.Alive = W.Mask = Threads >= 32 ? AllLanes : (1u << Threads) - 1;
  if (L.Config.Counters)
    W.Counts = C.Work->Counts.data();
  uint64_t V;
  for (const ImageRow &Row : C.P->Image)
    if (!launchValue(L, Row, V))
      fillLaneRow(W, Row);
}

std::unique_ptr<Cta> ptxsim::startCta(LaunchState &L, Worker &Work, Cluster &G,
                                      Dim3 Id, uint32_t Rank) {
  auto C = std::make_unique<Cta>();
  static std::atomic<uint64_t> NextSerial{1};
  C->P = L.P;
  C->Serial = NextSerial++;
  C->L = &L;
  C->Work = &Work;
  C->Group = &G;
  C->Rank = Rank;
  C->Id = Id;
  C->Linear = (uint64_t(Id.Z) * L.Grid.Y + Id.Y) * L.Grid.X + Id.X;
  if (Work.FreeStorage.empty()) {
    C->Storage = std::make_unique<CtaStorage>();
  } else {
    C->Storage = std::move(Work.FreeStorage.back());
    Work.FreeStorage.pop_back();
  }
  uint32_t Warps = uint32_t((L.Block.count() + 31) / 32);
  C->SharedBytes = L.P->UsesReserved ? reservedOffset(L) + ReservedSharedBytes
                                     : sharedBytes(L);
  C->Storage->Rows.resize(size_t(Warps) * L.P->RowBytes + 256);
  C->Storage->Shared.resize(C->SharedBytes + 2048);
  C->Storage->Local.resize(size_t(Warps) * 32 * L.LocalBytes);
  // Shared memory keeps its addresses' alignment up to 1 KiB on the host.
  uintptr_t S =
      (uintptr_t(C->Storage->Shared.data()) + 1023) & ~uintptr_t(1023);
  C->Shared = reinterpret_cast<uint8_t *>(S);
  std::memset(C->Shared, 0xff, C->SharedBytes); // all NaN until written
  if (L.P->UsesReserved)
    std::memset(C->Shared + reservedOffset(L), 0, ReservedSharedBytes);
  C->Local = C->Storage->Local.data();
  std::fill(C->Storage->Local.begin(), C->Storage->Local.end(), 0xff);
  C->Observed = L.Config.Race || L.Config.Counters;
  C->Warps.resize(Warps);
  C->LiveWarps = Warps;
  for (uint32_t K = 0; K < Warps; ++K)
    startWarp(C->Warps[K], *C, K);
  return C;
}

std::unique_ptr<Cluster> ptxsim::startCluster(LaunchState &L, Worker &Work,
                                              uint64_t Task) {
  auto G = std::make_unique<Cluster>();
  Dim3 D = L.ClusterDim;
  uint32_t NX = L.Grid.X / D.X, NY = L.Grid.Y / D.Y;
  G->Id = {uint32_t(Task % NX), uint32_t(Task / NX % NY),
           uint32_t(Task / NX / NY)};
  uint32_t Rank = 0;
  for (uint32_t Z = 0; Z < D.Z; ++Z)
    for (uint32_t Y = 0; Y < D.Y; ++Y)
      for (uint32_t X = 0; X < D.X; ++X)
        G->Ctas.push_back(startCta(
            L, Work, *G,
            {G->Id.X * D.X + X, G->Id.Y * D.Y + Y, G->Id.Z * D.Z + Z}, Rank++));
  G->Task = Task;
  if (L.Config.Race)
    G->Race = makeRaceState(*G);
  return G;
}

void ptxsim::endCluster(Worker &Work, Cluster &G) {
  for (auto &C : G.Ctas) {
    for (Warp &W : C->Warps) {
      Work.Counters.WarpInstructions += W.Executed;
      finishBulk(W);
    }
    Work.FreeStorage.push_back(std::move(C->Storage));
  }
  G.Ctas.clear();
}

// ---- workers -------------------------------------------------------------
namespace {
/// Host floating-point state of a launch, restored at the end.
class FloatState {
public:
  explicit FloatState(bool Flush) : Old(_mm_getcsr()) {
    constexpr unsigned FlushBits = 0x8040, Default = 0x1f80;
    _mm_setcsr(Default | (Flush ? FlushBits : 0));
  }
  ~FloatState() { _mm_setcsr(Old); }
  FloatState(const FloatState &) = delete;

private:
  unsigned Old;
};
} // namespace

static uint64_t taskCount(const LaunchState &L) {
  return L.Grid.count() / L.ClusterDim.count();
}

static void mergeWorker(LaunchState &L, Worker &Work) {
  if (L.Config.Counters) {
    int64_t Running = 0;
    for (size_t K = 0; K < L.P->Code.size(); ++K) {
      Running += Work.Counts[K];
      if (Op(L.P->Code[K].OpId) != Op::Join)
        Work.Counters.Instructions[size_t(L.P->Debug[K].Class)] +=
            uint64_t(Running);
    }
  }
  std::lock_guard<std::mutex> Guard(L.Lock);
  L.Counters.add(Work.Counters);
}

static void initWorker(const LaunchState &L, Worker &Work) {
  Work.Cache.assign(L.P->NumCaches + 1, Allocation());
  if (L.Config.Counters)
    Work.Counts.assign(L.P->Code.size() + 1, 0);
}

/// Tasks in any order, one at a time.
static void runParallelWorker(LaunchState &L) {
  FloatState Floats(L.P->FlushDenormals);
  Worker Work;
  initWorker(L, Work);
  uint64_t Total = taskCount(L);
  while (!L.Stop) {
    uint64_t Task = L.NextTask++;
    if (Task >= Total)
      break;
    Work.Random.seed(L.Config.Seed * 0x9e3779b97f4a7c15ull + Task);
    std::vector<std::unique_ptr<Cluster>> Resident;
    Resident.push_back(startCluster(L, Work, Task));
    runResident(L, Work, Resident);
    endCluster(Work, *Resident[0]);
  }
  mergeWorker(L, Work);
}

/// Many clusters resident at once on one host thread, for kernels whose CTAs
/// wait for each other or whose results depend on the order of atomics.
static void runSerial(LaunchState &L, uint64_t MaxResident) {
  FloatState Floats(L.P->FlushDenormals);
  Worker Work;
  initWorker(L, Work);
  Work.Random.seed(L.Config.Seed * 0x9e3779b97f4a7c15ull + 1);
  uint64_t Total = taskCount(L);
  std::vector<std::unique_ptr<Cluster>> Resident;
  while (!L.Stop && (L.NextTask < Total || !Resident.empty())) {
    while (Resident.size() < MaxResident && L.NextTask < Total)
      Resident.push_back(startCluster(L, Work, L.NextTask++));
    runResident(L, Work, Resident);
    std::erase_if(Resident, [&](std::unique_ptr<Cluster> &G) {
      if (!G->Done)
        return false;
      endCluster(Work, *G);
      return true;
    });
  }
  for (auto &G : Resident)
    endCluster(Work, *G);
  mergeWorker(L, Work);
}

bool ptxsim::runLaunch(LaunchState &L, Fault &Out) {
  buildImage(L);
  uint64_t Total = taskCount(L);
  bool Serial = L.Cooperative || L.P->WaitsOnGlobal || L.P->GlobalAtomics;
  constexpr unsigned MostThreads = 1024;
  unsigned Threads =
      L.Config.Threads ? L.Config.Threads : std::thread::hardware_concurrency();
  Threads = std::min(Threads, MostThreads);
  Threads = unsigned(std::min<uint64_t>(std::max(1u, Threads), Total));
  if (L.Config.Race) { // one thread: reports do not depend on timing
    Threads = 1;
    L.Shadow = makeGlobalShadow();
  }
  if (Serial) {
    uint64_t Resident = L.Cooperative ? Total : 2 * uint64_t(L.SmCount);
    runSerial(L, L.P->WaitsOnGlobal || L.Cooperative ? Resident : 1);
  } else if (Threads <= 1) {
    runParallelWorker(L);
  } else {
    std::vector<std::thread> Pool;
    for (unsigned K = 1; K < Threads; ++K)
      Pool.emplace_back([&L] { runParallelWorker(L); });
    runParallelWorker(L);
    for (std::thread &T : Pool)
      T.join();
  }
  Out = L.First;
  return L.First.Kind == FaultKind::None;
}
