// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Options of calls that compile or link (CUjit_option of cuda.h).
#ifndef PTXSIM_DRIVER_JITOPTIONS_H
#define PTXSIM_DRIVER_JITOPTIONS_H

#include <cstddef>
#include <string>

namespace ptxsim {

/// Numbers of CUjit_option.
enum JitOption : int {
  JitWallTime = 2,
  JitInfoLog = 3,
  JitInfoSize = 4,
  JitErrorLog = 5,
  JitErrorSize = 6,
  JitTargetFromContext = 8,
  JitTarget = 9,
  JitNumOptions = 36
};
/// Whether the lists are there, with known options.
bool validJitOptions(unsigned N, const int *Options, void **Values);

/// A buffer for messages, as a pair of options describes it.
struct JitLog {
  char *Buffer = nullptr;
  size_t Capacity = 0;     // bytes, with the null at the end
  void **Filled = nullptr; // the option's value, which becomes the bytes used
  /// Replaces what the buffer holds.
  void write(const std::string &Text) const;
};
JitLog findErrorLog(unsigned N, const int *Options, void **Values);
JitLog findInfoLog(unsigned N, const int *Options, void **Values);

} // namespace ptxsim
#endif
