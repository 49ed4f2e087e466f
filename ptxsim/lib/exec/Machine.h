// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Run-time state of a launch: warps, CTAs, clusters, and what they share.
#ifndef PTXSIM_EXEC_MACHINE_H
#define PTXSIM_EXEC_MACHINE_H

#include "../Program.h"
#include <atomic>
#include <functional>
#include <mutex>
#include <random>

namespace ptxsim {

class DeviceHeap;
struct Cta;
struct Cluster;
struct Worker;
struct LaunchState;

/// A range of addresses that device code may use.
struct Allocation {
  uint64_t Begin = 0, End = 0;
  uint64_t Id = 0;
  bool ReadOnly = false;
  bool Param = false;
  // One bit per byte: written by the host or a kernel. Null: not tracked.
  uint8_t *Written = nullptr;
  bool Heap = false; // may end while a kernel runs
};

enum class FaultKind : uint8_t {
  None,
  Address,
  Misaligned,
  Illegal,
  Assert,
  Trap,
  Race,
  Uninitialised,
  Deadlock,
  Budget,
  Limit,
};

struct Fault {
  FaultKind Kind = FaultKind::None;
  std::string Message;
  uint64_t Cta = 0; // linear index, for a stable choice between faults
  uint32_t Warp = 0;
};

constexpr uint32_t NoJoin = ~0u;

/// Lanes of a warp that go on at Pc together while others run.
struct Path {
  uint32_t Pc = 0, Mask = 0;
  uint32_t Join = NoJoin; // where they meet others again, in Warp::Joins
  uint32_t Waits = 0;     // lanes that the operation at Pc waits for; 0: ready
};

/// A point where the paths of a divergent branch become one again.
struct Join {
  uint32_t Pc, Outer;
  uint32_t Expected, Arrived; // lanes; free if none is expected
  bool IsCall = false;        // met by returning, not by reaching Pc
};

enum class WarpState : uint8_t {
  Ready,
  Barrier,
  ClusterBarrier,
  Done,
  Faulted
};

/// Memory of one CTA, reused from task to task.
struct CtaStorage {
  std::vector<uint8_t> Rows, Shared, Local;
};

struct RegisterState; // of the register checks (RegisterCheck.cpp)
struct AsyncState;    // per warp queues of asynchronous work (Async.h)

struct Warp {
  uint8_t *Rows = nullptr;
  Cta *C = nullptr;
  const Program *P = nullptr;
  uint32_t Id = 0;
  // The running path; Rpc is the address of its join, ~0 for none.
  uint32_t Pc = 0, Mask = 0, Join = NoJoin, Rpc = ~0u;
  uint32_t Alive = 0;
  uint32_t Carry = 0; // condition code of the carry instructions, per lane
  int64_t Fuel = 0;
  uint32_t Segment = 0; // first instruction not yet accounted for
  uint64_t Executed = 0;
  uint64_t Effects = 0;      // instructions another agent can observe
  int64_t *Counts = nullptr; // per instruction difference array, or null
  WarpState State = WarpState::Ready;
  bool Waiting = false; // the slice ended in a failed wait
  uint32_t BarrierId = 0;
  const Inst *Reduction = nullptr; // bar.red that waits for its result
  uint32_t ReductionLanes = 0;
  bool ClusterArrived = false;
  uint64_t ClusterGeneration = 0;
  std::vector<Path> Paths; // all but the running one
  std::vector<ptxsim::Join> Joins;
  uint32_t Spins = 0; // slices since lanes last came to a join
  bool Loose = false; // lanes have left a join before all had come
  std::shared_ptr<AsyncState> Async;
  std::shared_ptr<RegisterState> Registers; // null unless checked
};

/// Named barrier: who has arrived since the last completion.
struct NamedBarrier {
  uint32_t Arrived = 0;  // threads
  uint32_t Expected = 0; // threads, 0: all warps of the CTA
  uint32_t Trues = 0;    // lanes whose reduced predicate holds
  uint32_t Lanes = 0;    // lanes that took part in the reduction
};

struct RaceState;    // vector clocks and shadow cells (Race.h)
struct GlobalShadow; // last accesses of global memory (RaceGlobal.cpp)
struct MbarTable;    // mbarrier objects (Async.h)

struct Cta {
  const Program *P = nullptr;
  LaunchState *L = nullptr;
  Worker *Work = nullptr;
  Cluster *Group = nullptr;
  uint32_t Rank = 0; // in the cluster
  Dim3 Id;
  uint64_t Linear = 0;
  uint64_t Serial = 0;       // unique in the process
  uint8_t *Shared = nullptr; // SharedBytes bytes, address SharedBase on
  uint32_t SharedBytes = 0;
  uint8_t *Local = nullptr; // LocalBytes per thread
  std::vector<Warp> Warps;
  NamedBarrier Barriers[16];
  uint32_t LiveWarps = 0;
  uint64_t SharedChanges = 0; // counts writes, for caches of the content
  std::shared_ptr<MbarTable> Mbars;
  bool Observed = false; // race checks or counters want every access
  std::unique_ptr<CtaStorage> Storage;
};

/// Work that completes some scheduler rounds later.
struct Pending {
  int32_t Rounds;
  std::function<void()> Complete;
};

struct Cluster {
  std::vector<std::unique_ptr<Cta>> Ctas;
  std::vector<Pending> Queue;
  Dim3 Id;
  uint32_t ClusterArrived = 0, ClusterExpected = 0;
  uint64_t ClusterGeneration = 0;
  bool Done = false;
  uint64_t Task = 0;
  std::shared_ptr<RaceState> Race; // null unless checked
};

enum class Mode : uint8_t { Eager, Late, Seeded };

/// Options of the simulation, from the environment or ptxsimConfigure.
struct SimConfig {
  Mode Completion = Mode::Late;
  uint64_t Seed = 0;
  bool Race = false;
  bool Counters = false;
  uint32_t Threads = 0;                // 0: all of the host's
  uint64_t Budget = uint64_t(1) << 32; // warp instructions per task
};

struct ImageMemory; // converted operands of matrix products (Mma.cpp)

struct CounterSet {
  uint64_t Instructions[size_t(OpClass::NumClasses)] = {};
  uint64_t SharedAccesses = 0, SharedWavefronts = 0, SharedIdeal = 0;
  uint64_t GlobalAccesses = 0, GlobalSectors = 0;
  uint64_t MatrixOps = 0, MatrixMacs = 0;
  uint64_t WarpInstructions = 0;
  void add(const CounterSet &O);
};

/// Everything one host thread needs to run tasks.
struct Worker {
  std::vector<std::unique_ptr<CtaStorage>> FreeStorage;
  std::vector<Allocation> Cache; // last allocation per memory instruction
  std::mt19937_64 Random;
  CounterSet Counters;
  std::vector<int64_t> Counts;         // per instruction, difference array
  std::shared_ptr<ImageMemory> Images; // made when first needed
};

struct LaunchState {
  const Program *P = nullptr;
  SimConfig Config;
  Dim3 Grid, Block, ClusterDim;
  uint32_t DynamicShared = 0;
  uint32_t LocalBytes = 0; // of a thread, with its stack
  uint32_t SmCount = 1;
  uint64_t GridId = 0;
  std::vector<uint8_t> Params; // 64 bytes aligned start
  const uint8_t *ParamData = nullptr;
  std::vector<Allocation> Allocations; // sorted by Begin
  DeviceHeap *Heap = nullptr;          // of the context
  std::vector<uint8_t> Image;          // initial rows of a warp
  bool Cooperative = false;
  bool HostShares = false; // memory that the host may write meanwhile
  /// What cooperative_groups.h takes %envreg1 and 2 for in cooperative
  /// launches: its own size, and the counter of grid-wide barriers.
  struct GridWorkspace {
    uint32_t Size = sizeof(GridWorkspace), Barrier = 0;
  };
  GridWorkspace Workspace;
  uint64_t workspaceAddress() const {
    return Cooperative ? uint64_t(&Workspace) : 0;
  }
  std::atomic<uint64_t> NextTask{0};
  std::atomic<bool> Stop{false};
  std::shared_ptr<GlobalShadow> Shadow; // null unless checked
  std::mutex Lock;                      // guards First and Counters
  Fault First;
  CounterSet Counters;
};

std::shared_ptr<GlobalShadow> makeGlobalShadow();

/// Runs a launch to its end. False and a fault if a check failed.
bool runLaunch(LaunchState &L, Fault &Out);

/// Allocation that holds [Address, Address + Bytes), null if none does.
const Allocation *findAllocation(const LaunchState &L, uint64_t Address,
                                 uint64_t Bytes);

} // namespace ptxsim
#endif
