// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// State behind the driver API: the modelled device, contexts, allocations,
// modules, streams and graphs. All of it is guarded by one lock; work runs
// when it is submitted, so that streams are always drained.
#ifndef PTXSIM_DRIVER_STATE_H
#define PTXSIM_DRIVER_STATE_H

#include "../exec/Machine.h"
#include "CudaAbi.h"
#include "FaultPlan.h"
#include "Graph.h"
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_set>

namespace ptxsim {

struct DeviceModel {
  const char *Name;
  unsigned Major, Minor;
  char Suffix; // architecture-specific feature set, 'a' or 0
  unsigned SmCount;
  unsigned SharedPerSm, SharedPerBlockOptin, MaxThreadsPerSm, MaxBlocksPerSm;
  uint64_t Memory;
  unsigned ClockKHz, MemoryClockKHz, BusWidth, L2Bytes;
};

/// Device memory: one reserved range of addresses, handed out with gaps.
class DeviceMemory {
public:
  /// Bytes > 0; 0 if the memory is used up.
  uint64_t allocate(uint64_t Bytes, uint64_t Capacity, bool ReadOnly = false);
  /// From now on remembers which bytes of a new allocation have been written.
  void trackWrites(uint64_t Address);
  /// The host has written a range, or copied it from another.
  void noteWritten(uint64_t Address, uint64_t Bytes);
  void noteCopied(uint64_t Dst, uint64_t Src, uint64_t Bytes);
  /// A kernel ran unobserved: everything counts as written.
  void forgetWrites();
  /// The same of one allocation.
  void forgetWrites(uint64_t Address);
  bool release(uint64_t Address);
  bool registerHost(void *Host, uint64_t Bytes);
  bool unregisterHost(void *Host);
  /// Allocation containing the range, null if none does.
  const Allocation *find(uint64_t Address, uint64_t Bytes) const;

  /// Sets addresses aside that allocate() never hands out, at Hint if that is
  /// free; 0 if there are no more.
  uint64_t reserveRange(uint64_t Bytes, uint64_t Align, uint64_t Hint = 0);
  void freeRange(uint64_t Begin);
  /// Makes memory of a reserved range usable until it is released; false if
  /// there is not enough memory.
  bool place(uint64_t Address, uint64_t Bytes, uint64_t Capacity);
  /// Says which parts of a reserved range kernels may use. What they hold is
  /// mapped, and counted as used, by the caller.
  void setUsable(uint64_t Begin, const std::vector<Allocation> &Parts);
  void countUsed(int64_t Bytes) { Used += uint64_t(Bytes); }
  /// Number of the allocation or reserved range that contains the range, 0 if
  /// none does.
  uint64_t identify(uint64_t Address, uint64_t Bytes) const;
  /// Whether a reserved range begins at the address.
  bool beginsRange(uint64_t Address) const { return Ranges.count(Address); }
  bool isDevice(uint64_t Address) const {
    return Address - Base < Reserved && Base;
  }
  uint64_t used() const { return Used; }
  std::vector<Allocation> snapshot() const;
  uint64_t GraphUsed = 0, GraphUsedHigh = 0; // of place()

private:
  bool reserve();
  struct ReservedRange {
    uint64_t End, Id;
  };
  // Ordinary allocations lie below Middle, reserved ranges above.
  uint64_t Base = 0, Middle = 0, Reserved = 0;
  uint64_t Next = 0, Used = 0, NextId = 1;
  std::map<uint64_t, ReservedRange> Ranges;   // by begin
  std::map<uint64_t, Allocation> Allocations; // by begin
  struct FreeBits {
    void operator()(uint8_t *P) const { std::free(P); }
  };
  std::map<uint64_t, std::unique_ptr<uint8_t, FreeBits>> Written; // by begin
};

struct Context {
  int RefCount = 0; // of the primary context
  unsigned Flags = 0;
  bool Active = false;                 // a primary context that is reset is not
  CUresult Sticky = abi::CUDA_SUCCESS; // error of an earlier launch
  std::map<int, size_t> Limits;
  std::shared_ptr<DeviceHeap> Heap; // made by the first launch
};
/// Numbers of CUlimit, and the value that is in force.
enum : int { StackLimit = 0, HeapLimit = 2 };
size_t limitOf(const Context &C, int Limit);

struct LoadedModule;

struct Kernel {
  LoadedModule *Owner = nullptr;
  std::string Name;
  std::unique_ptr<Program> Code;
  uint64_t Serial = 0; // unlike the address, unique in the process
  unsigned MaxDynamicShared = 48 * 1024;
  int NonPortableCluster = 0;
  int Carveout = -1;
};

struct LoadedModule {
  Context *Owner = nullptr; // none of a library: it belongs to the process
  std::shared_ptr<const Module> Source;
  std::vector<std::unique_ptr<Kernel>> Kernels;
  SymbolTable Symbols;
  std::map<std::string, uint64_t> Sizes;
  std::vector<uint64_t> Storage; // allocations to release
};

struct StreamObject {
  Context *Owner = nullptr; // none of the default streams
  unsigned Flags = 0;
  int Priority = 0;
  std::shared_ptr<GraphObject> Capture; // non-null while capturing
  std::vector<GraphNode *> CaptureTail; // nodes the next one depends on
  std::vector<abi::CUgraphEdgeData> CaptureEdges; // to the tail, as told
  bool CaptureOrigin = false;
  // Attributes that have been set, by number; the priority stands above.
  std::map<int, abi::CUlaunchAttributeValue> Attributes;
};
struct EventObject {
  Context *Owner = nullptr;
  unsigned Flags = 0;
  bool Recorded = false;
  uint64_t Nanoseconds = 0;
  std::shared_ptr<GraphObject> Capture;
  std::vector<GraphNode *> CaptureTail;
};

/// A pool of stream-ordered allocations. Memory is the device's all the time:
/// only the numbers that programs ask for are kept.
struct MemoryPool {
  abi::CUmemPoolProps Props{};
  uint64_t Threshold = 0; // bytes to keep at synchronisations
  uint64_t Used = 0, UsedHigh = 0, Reserved = 0, ReservedHigh = 0;
  int Reuse[3] = {1, 1, 1}; // the policies, which do not matter here
  bool Destroyed = false;   // kept until its last allocation is freed
};
/// What was advised about a managed allocation: devices, -1 the host, -2 none.
struct ManagedHints {
  int Preferred = -2, Prefetched = -2;
  bool ReadMostly = false, AccessedByHost = false, AccessedByDevice = false;
};
struct LinkState;    // of the linker (LinkApi.cpp)
struct MappedMemory; // of virtual memory management (VirtualMemoryApi.cpp)

struct DriverState {
  std::recursive_mutex Lock;
  bool Initialised = false;
  DeviceModel Device{};
  SimConfig Config;
  std::string CountersFile, LogFile, LastReport;
  FaultPlan Faults;
  CounterSet Counters;
  DeviceMemory Memory;
  Context PrimaryContext;
  std::unordered_set<Context *> Contexts;
  std::vector<std::unique_ptr<Context>> DestroyedContexts;
  uint64_t Abandoned = 0; // objects that went with their context
  std::unordered_set<LoadedModule *> Modules;
  std::unordered_set<Kernel *> Kernels;
  std::unordered_set<LinkState *> Links;
  std::unordered_set<uint64_t> Variables; // of modules, by address
  std::unordered_set<StreamObject *> Streams;
  std::unordered_set<EventObject *> Events;
  std::map<GraphObject *, std::shared_ptr<GraphObject>> Graphs; // the user's
  std::unordered_set<GraphObject *> AllGraphs; // and those inside of others
  std::unordered_set<GraphNode *> GraphNodes;
  std::unordered_set<GraphExecObject *> GraphExecs;
  std::unordered_set<UserObject *> UserObjects;
  std::map<void *, unsigned> PinnedHost; // cuMemHostAlloc: address to flags
  // Contexts of allocations and of host memory, by address. Stream-ordered
  // allocations and variables of libraries belong to none.
  std::map<uint64_t, Context *> MemoryOwners;
  std::map<MemoryPool *, std::unique_ptr<MemoryPool>> Pools;
  MemoryPool *DefaultPool = nullptr, *CurrentPool = nullptr;
  struct PooledMemory {
    MemoryPool *Pool;
    uint64_t Bytes;
  };
  std::map<uint64_t, PooledMemory> Pooled; // by address
  std::shared_ptr<MappedMemory> Mapped;
  std::map<uint64_t, ManagedHints> Managed; // by address
  StreamObject LegacyStream;
  std::unordered_set<StreamObject *> PerThreadStreams; // one per host thread
  uint64_t NextGridId = 1, NextSerial = 1;
  unsigned CapturingStreams = 0;
};
DriverState &state();

/// The current thread's context, or null.
Context *currentContext();
/// Common start of an entry point: initialised, a context, no sticky error, the
/// device not lost.
CUresult enter();
/// The same, for launches, copies and synchronisations, which may lose the
/// device on request.
CUresult enterWork();
/// Result of releasing something: done even after an error, so that leaks can
/// be told from errors, but the error of an earlier call still shows.
CUresult released(bool Found, CUresult NotFound);

/// Success for device 0 of an initialised driver.
CUresult checkDevice(abi::CUdevice D);

/// Release what a context owns; all return how many objects they found.
/// Captures in its streams end.
uint64_t releaseStreamsOf(Context *C); // and events
uint64_t releaseModulesOf(Context *C);
uint64_t releaseMemoryOf(Context *C);

/// Handle to object; null if unknown. Handle 1 is the legacy stream, 2 the
/// per-thread one, and 0 one of the two.
StreamObject *findStream(abi::CUstream S);
/// Whether the running call is one of the forms for programs in which stream 0
/// is the thread's own.
bool defaultStreamIsPerThread();

/// Reads PTXSIM_* variables; false with a message for a bad value.
bool configure(DriverState &S, std::string_view Key, std::string_view Value,
               std::string &Why);
const DeviceModel *findDevice(std::string_view Name);

/// Parses and decodes PTX for the current device.
CUresult loadModule(const char *Text, size_t Bytes, std::string &Log,
                    LoadedModule *&Out);
void unloadModule(LoadedModule *M);
/// Whether the current device runs what a module is compiled for.
CUresult checkTarget(const Module &M, std::string &Log);
/// Appends the bytes of a file; false if it cannot be read.
bool readFile(const char *Name, std::string &Out);

/// Checks and runs a launch now. A fault becomes the context's sticky error.
CUresult runKernel(const KernelLaunch &K);
/// Runs Fn now, or adds it to the capture of the stream as what P says.
CUresult submit(abi::CUstream S, NodeParams P, Work Fn);
/// The event has happened now; an error if it has been destroyed.
CUresult recordNow(abi::CUevent E);
EventObject *findEvent(abi::CUevent E);

/// Bytes > 0. Owned: released with the current context.
CUresult allocateMemory(CUdeviceptr *Out, size_t Bytes, bool Owned);
/// Memory has been released, perhaps of a pool.
void forgetPooled(CUdeviceptr Address);
/// What pools keep without using it.
uint64_t unusedPooled();
/// Work has ended: pools give back what they need not keep.
void trimPools();
/// Whether virtual memory management holds the address.
bool isMapped(CUdeviceptr Address);
/// Releases memory that was allocated by any call or node of a graph.
CUresult releaseMemory(CUdeviceptr Address);
/// Properties that a pool of the modelled device can have.
CUresult checkPoolProps(const abi::CUmemPoolProps &P);
/// Sets the addresses of an allocation in a graph aside.
CUresult reserveGraphMemory(size_t Bytes, std::shared_ptr<GraphMemory> &Out);

/// Marks a capture as spoilt by an illegal call; returns Why.
CUresult invalidate(GraphObject &G, CUresult Why);
/// Work in the legacy stream waits for all streams that are not non-blocking,
/// none of which may be captured.
CUresult checkLegacyUse(const StreamObject &S);
/// Calls that are potentially unsafe during a capture (allocation, release,
/// loading, queries of events), unless the modes of capture and thread allow
/// them.
CUresult checkUnsafe();
/// Calls that concern all streams.
CUresult checkNoCapture();
/// Copies that end before the call does, in the default stream.
CUresult checkSynchronous();

/// Checks a copy of up to three dimensions. In a graph, memory may be such as
/// the graph allocates.
CUresult prepareCopy(const abi::CUDA_MEMCPY3D &C, bool InGraph, Work &Out);
/// Checks a fill of rows.
CUresult prepareFill(const abi::CUDA_MEMSET_NODE_PARAMS &P, bool InGraph,
                     Work &Out);
/// Takes the values of a launch's parameters over, from one of the two lists.
CUresult collectArguments(KernelLaunch &L, void **Values, void **Extra);
/// Sets an attribute of a launch that is valid, by its number.
void setAttribute(KernelLaunch &L, int Id,
                  const abi::CUlaunchAttributeValue &Value);
/// Checks a launch.
CUresult prepareLaunch(KernelLaunch L, Work &Out);
/// Checks writes of and waits for values in memory.
CUresult prepareMemOps(const MemOpsNode &N, Work &Out);
/// What a node of a graph is to do; of child graphs nothing.
CUresult prepareNode(const NodeParams &P, Work &Out);

/// Counters as a JSON object.
std::string formatCounters(const CounterSet &C);

/// Reports a simulator message: kept for ptxsimLastReport and logged.
void report(const std::string &Text);

} // namespace ptxsim
#endif
