// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// State behind the driver API: the modelled device, contexts, allocations,
// modules, streams and graphs. All of it is guarded by one lock; work runs
// when it is submitted, so that streams are always drained.
#ifndef PTXSIM_DRIVER_STATE_H
#define PTXSIM_DRIVER_STATE_H

#include "../exec/Machine.h"
#include "CudaAbi.h"
#include "FaultPlan.h"
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_set>

namespace ptxsim {

using abi::CUdeviceptr;
using abi::CUresult;

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
  bool release(uint64_t Address);
  bool registerHost(void *Host, uint64_t Bytes);
  bool unregisterHost(void *Host);
  /// Allocation containing the range, null if none does.
  const Allocation *find(uint64_t Address, uint64_t Bytes) const;
  bool isDevice(uint64_t Address) const {
    return Address - Base < Reserved && Base;
  }
  uint64_t used() const { return Used; }
  std::vector<Allocation> snapshot() const;

private:
  bool reserve();
  uint64_t Base = 0, Reserved = 0, Next = 0, Used = 0, NextId = 1;
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
};

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

struct KernelLaunch {
  Kernel *Fn = nullptr;
  Dim3 Grid, Block, Cluster{1, 1, 1};
  unsigned SharedBytes = 0;
  bool Cooperative = false;
  std::vector<uint8_t> Params;
};

/// A captured or explicitly added node of a graph.
struct GraphNode {
  enum KindTy {
    Kernel,
    Memcpy,
    Memset,
    Host,
    Graph,
    Empty,
    WaitEvent,
    EventRecord,
    BatchMemOp = 12
  };
  int Kind = Empty;
  std::function<CUresult()> Run;
  std::vector<size_t> Dependencies; // indices of nodes
};
/// How a graph is being captured.
struct CaptureState {
  int Mode = 0; // CUstreamCaptureMode
  std::thread::id Thread;
  uint64_t Id = 0;      // unique in the process
  bool Invalid = false; // after an illegal call
};
struct GraphObject {
  std::deque<GraphNode> Nodes; // handles point to them
  CaptureState Capturing;
};
struct GraphExecObject {
  std::vector<GraphNode> Nodes;
};

struct StreamObject {
  Context *Owner = nullptr; // none of the default streams
  unsigned Flags = 0;
  int Priority = 0;
  std::shared_ptr<GraphObject> Capture; // non-null while capturing
  std::vector<size_t> CaptureTail;      // nodes the next one depends on
  bool CaptureOrigin = false;
};
struct EventObject {
  Context *Owner = nullptr;
  unsigned Flags = 0;
  bool Recorded = false;
  uint64_t Nanoseconds = 0;
  std::shared_ptr<GraphObject> Capture;
  std::vector<size_t> CaptureTail;
};

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
  std::unordered_set<uint64_t> Variables; // of modules, by address
  std::unordered_set<StreamObject *> Streams;
  std::unordered_set<EventObject *> Events;
  std::map<GraphObject *, std::shared_ptr<GraphObject>> Graphs;
  std::unordered_set<GraphExecObject *> GraphExecs;
  std::map<void *, unsigned> PinnedHost; // cuMemHostAlloc: address to flags
  // Contexts of allocations and of host memory, by address. Stream-ordered
  // allocations and variables of libraries belong to none.
  std::map<uint64_t, Context *> MemoryOwners;
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

/// Checks and runs a launch now. A fault becomes the context's sticky error.
CUresult runKernel(const KernelLaunch &K);
/// Runs Fn now, or adds it to the capture of the stream.
CUresult submit(abi::CUstream S, int Kind, std::function<CUresult()> Fn);

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

/// Work that has been checked and can be run any number of times.
using Work = std::function<CUresult()>;
/// Checks a copy of up to three dimensions.
CUresult prepareCopy(const abi::CUDA_MEMCPY3D &C, Work &Out);
/// Checks a fill of Height rows of Width elements.
CUresult prepareFill(CUdeviceptr Dst, size_t Pitch, unsigned Value,
                     unsigned Element, size_t Width, size_t Height, Work &Out);
/// Checks a launch and takes its parameters over.
CUresult prepareLaunch(KernelLaunch L, void **Params, void **Extra, Work &Out);

/// Counters as a JSON object.
std::string formatCounters(const CounterSet &C);

/// Reports a simulator message: kept for ptxsimLastReport and logged.
void report(const std::string &Text);

} // namespace ptxsim
#endif
