// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A bar for work over a second, or a line of JSON a step.
#include "ProgressBar.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <unistd.h>

namespace dlc::tool {

static constexpr std::chrono::seconds kQuietTime(1);
static constexpr std::chrono::milliseconds kRedrawTime(100);
static constexpr unsigned kBarWidth = 30;

ProgressBar::ProgressBar(ProgressKind kind)
    : kind(kind), terminal(isatty(STDERR_FILENO)) {}

void ProgressBar::update(llvm::StringRef phase, uint64_t done, uint64_t total) {
  if (kind == ProgressKind::Json) {
    llvm::errs() << "{\"phase\": \"" << phase << "\", \"done\": " << done
                 << ", \"total\": " << total << "}\n";
    return;
  }
  Clock::time_point now = Clock::now();
  if (kind == ProgressKind::None || !terminal || now - start < kQuietTime ||
      (shown && now - drawn < kRedrawTime)) {
    return;
  }
  drawn = now;
  shown = true;
  unsigned filled =
      total ? std::min<uint64_t>(done * kBarWidth / total, kBarWidth) : 0;
  double seconds = std::chrono::duration<double>(now - start).count();
  llvm::errs() << "\r\033[K" << llvm::format("%-8s", phase.str().c_str())
               << " [" << std::string(filled, '#')
               << std::string(kBarWidth - filled, '.') << "] "
               << llvm::format("%.0f s", seconds);
}

void ProgressBar::clear() {
  if (shown) {
    llvm::errs() << "\r\033[K";
    shown = false;
  }
}

} // namespace dlc::tool
