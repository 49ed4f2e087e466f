// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Progress on standard error.
#ifndef DLC_TOOLS_COMPILE_PROGRESSBAR_H
#define DLC_TOOLS_COMPILE_PROGRESSBAR_H

#include "Options.h"

#include <chrono>

namespace dlc::tool {

class ProgressBar {
public:
  explicit ProgressBar(ProgressKind kind);
  ~ProgressBar() { clear(); }

  /// `done` of `total` units of a phase; 0: not known.
  void update(llvm::StringRef phase, uint64_t done, uint64_t total);
  /// Takes the bar off the terminal.
  void clear();

private:
  using Clock = std::chrono::steady_clock;
  ProgressKind kind;
  bool terminal, shown = false;
  Clock::time_point start = Clock::now(), drawn;
};

} // namespace dlc::tool

#endif // DLC_TOOLS_COMPILE_PROGRESSBAR_H
