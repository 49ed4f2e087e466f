// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles a kernel in process for a CPU and runs it: shared by the tests and
// benchmarks of the kernel emitters.
#ifndef DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_KERNELHARNESS_H
#define DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_KERNELHARNESS_H

#include "Conversion/NNToVector/Schedule.h"

#include "dlc/exec.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/MLIRContext.h"

#include <functional>
#include <memory>
#include <string>

namespace dlc::kernel::testing {

/// Arguments of a kernel while it is emitted.
struct KernelArguments {
  llvm::SmallVector<mlir::Value> buffers;
  llvm::SmallVector<mlir::Value> sizes;
  mlir::Value begin, end, scratch;
};

/// Items and scratch bytes, computed from the run-time sizes.
struct KernelPlan {
  int64_t items = 0;
  int64_t scratchBytes = 0;
};

struct KernelSource {
  llvm::SmallVector<mlir::Type> buffers;
  unsigned numSizes = 0;
  std::function<void(mlir::ImplicitLocOpBuilder &, const KernelArguments &)>
      body;
  /// Returns items and scratch bytes from the sizes.
  std::function<std::pair<mlir::OpFoldResult, mlir::OpFoldResult>(
      mlir::ImplicitLocOpBuilder &, llvm::ArrayRef<mlir::Value> sizes)>
      plan;
};

/// Machine code of one kernel.
class CompiledKernel {
public:
  /// `cpu` is an LLVM CPU name or "native". Aborts the program with a message
  /// when `source` does not compile.
  CompiledKernel(mlir::MLIRContext &context, const KernelSource &source,
                 llvm::StringRef cpu);
  CompiledKernel(const CompiledKernel &) = delete;
  CompiledKernel &operator=(const CompiledKernel &) = delete;
  ~CompiledKernel();

  KernelPlan plan(llvm::ArrayRef<int64_t> sizes) const;
  void run(llvm::ArrayRef<void *> buffers, llvm::ArrayRef<int64_t> sizes,
           int64_t begin, int64_t end, void *scratch) const;
  /// All items at once, with scratch of the planned size.
  void runAll(llvm::ArrayRef<void *> buffers,
              llvm::ArrayRef<int64_t> sizes) const;
  /// Item by item in reverse order, each with freshly poisoned scratch.
  void runScattered(llvm::ArrayRef<void *> buffers,
                    llvm::ArrayRef<int64_t> sizes) const;

  /// Seconds spent in emission, MLIR lowering, LLVM and linking.
  double emitSeconds = 0, lowerSeconds = 0, llvmSeconds = 0;

private:
  int file = -1;
  void *library = nullptr;
  dlc_kernel *kernel = nullptr;
  dlc_kernel *planner = nullptr;
};

/// A context with the dialects and translations of the kernels.
std::unique_ptr<mlir::MLIRContext> makeKernelContext();

/// The vector unit of an LLVM CPU name or "native".
VectorTarget vectorTargetOf(llvm::StringRef cpu);

/// Whether this machine can run code for `cpu`.
bool canRun(llvm::StringRef cpu);

/// The CPU of the i-th random case: this machine's, AVX2's, or plain SSE's.
llvm::StringRef cpuOfCase(int i);

} // namespace dlc::kernel::testing

#endif // DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_KERNELHARNESS_H
