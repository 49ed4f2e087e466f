// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Interleaved timing of kernels against an FMA loop of the same run, on one
// thread. The loop gives the machine's peak under the same frequency and
// neighbours, so shares of it compare across runs.
#ifndef DLC_BENCHMARKS_KERNELS_HARNESS_H
#define DLC_BENCHMARKS_KERNELS_HARNESS_H

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace dlc::benchmark {

/// Memory aligned to 64 bytes with small pseudo-random floats.
class Floats {
public:
  explicit Floats(int64_t count);
  void *data() const { return memory.get(); }

private:
  std::unique_ptr<float, void (*)(void *)> memory;
};

struct Case {
  std::string name;
  double flops = 0;
  std::function<void()> run;
  /// Compile time: emission, lowering to LLVM, and LLVM with the linker.
  double emitSeconds = 0, lowerSeconds = 0, llvmSeconds = 0;
};

/// Runs all cases round by round, each at least `minSeconds` a round, and
/// prints the median time, GFLOP/s and share of the FMA peak. `lanes` picks the
/// FMA loop (16 or 8).
void measure(const std::vector<Case> &cases, int lanes, int rounds,
             double minSeconds);

} // namespace dlc::benchmark

#endif // DLC_BENCHMARKS_KERNELS_HARNESS_H
