// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The simulator's own functions (ptxsim/ptxsim.h).
#include "State.h"
#include "ptxsim/ptxsim.h"

using namespace ptxsim;

PTXSIM_API int ptxsimConfigure(const char *Key, const char *Value) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  std::string Why;
  if (!Key || !Value)
    return 1;
  if (configure(S, Key, Value, Why))
    return 0;
  report(std::string(Key) + ": " + Why);
  return 1;
}
PTXSIM_API const char *ptxsimLastReport(void) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  thread_local std::string Text; // valid until the thread's next call
  Text = S.LastReport;
  return Text.c_str();
}
PTXSIM_API const char *ptxsimCounters(void) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  static std::string Text;
  Text = formatCounters(S.Counters);
  return Text.c_str();
}
PTXSIM_API void ptxsimResetCounters(void) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  S.Counters = CounterSet();
}
PTXSIM_API void ptxsimCountLive(ptxsimLiveObjects *Live) {
  DriverState &S = state();
  std::lock_guard Guard(S.Lock);
  if (!Live)
    return;
  *Live = {};
  for (const Allocation &A : S.Memory.snapshot()) {
    if (!S.Memory.isDevice(A.Begin)) {
      bool Pinned = S.PinnedHost.count(reinterpret_cast<void *>(A.Begin));
      ++(Pinned ? Live->host_allocations : Live->host_registrations);
    } else if (!S.Variables.count(A.Begin)) {
      ++Live->allocations;
      Live->allocated_bytes += A.End - A.Begin;
    }
  }
  Live->modules = S.Modules.size();
  Live->streams = S.Streams.size();
  Live->events = S.Events.size();
  Live->graphs = S.Graphs.size();
  Live->graph_execs = S.GraphExecs.size();
  Live->contexts = S.Contexts.size();
  Live->abandoned = S.Abandoned;
  Live->primary_context_retains = uint64_t(S.PrimaryContext.RefCount);
}
