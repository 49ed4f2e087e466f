// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The simulator's own functions (ptxsim/ptxsim.h).
#include "State.h"

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
  return state().LastReport.c_str();
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
