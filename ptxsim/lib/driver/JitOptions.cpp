// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "JitOptions.h"
#include <algorithm>
#include <cstdint>
#include <cstdio>

using namespace ptxsim;

bool ptxsim::validJitOptions(unsigned N, const int *Options, void **Values) {
  if (N && (!Options || !Values))
    return false;
  return std::all_of(Options, Options + N, [](int Option) {
    return Option >= 0 && Option < JitNumOptions;
  });
}

static JitLog findLog(unsigned N, const int *Options, void **Values,
                      int BufferOption, int SizeOption) {
  JitLog L;
  for (unsigned K = 0; K < N; ++K) {
    if (Options[K] == BufferOption)
      L.Buffer = static_cast<char *>(Values[K]);
    if (Options[K] == SizeOption) {
      L.Capacity = reinterpret_cast<uintptr_t>(Values[K]) & 0xffffffffu;
      L.Filled = &Values[K];
    }
  }
  return L;
}
JitLog ptxsim::findErrorLog(unsigned N, const int *Options, void **Values) {
  return findLog(N, Options, Values, JitErrorLog, JitErrorSize);
}
JitLog ptxsim::findInfoLog(unsigned N, const int *Options, void **Values) {
  return findLog(N, Options, Values, JitInfoLog, JitInfoSize);
}

void JitLog::write(const std::string &Text) const {
  if (Buffer && Capacity)
    std::snprintf(Buffer, Capacity, "%s", Text.c_str());
  size_t Used = Text.empty() ? 0 : std::min(Capacity, Text.size() + 1);
  if (Filled)
    *Filled = reinterpret_cast<void *>(Used);
}
