// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Test helper: builds a kernel with builders, compiles and links it in process,
// loads it, and runs it through the runtime's kernel ABI.
#ifndef DLC_TEST_UNITTESTS_TARGET_CPU_KERNELRUNNER_H
#define DLC_TEST_UNITTESTS_TARGET_CPU_KERNELRUNNER_H

#include "Target/CPU/CPUTarget.h"
#include "Target/CPU/Emit.h"
#include "dlc/exec.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace dlc::test {

/// A context with everything the CPU back end needs loaded.
mlir::MLIRContext &getContext();

/// The parameters of a kernel under construction.
struct KernelArguments {
  llvm::SmallVector<mlir::Value> buffers; // rank-0 memrefs
  llvm::SmallVector<mlir::Value> sizes;   // index
  mlir::Value begin, end, scratch;
};

using KernelBody =
    llvm::function_ref<void(mlir::ImplicitLocOpBuilder &, KernelArguments &)>;

/// A module with one kernel "k" whose buffers have the given element types.
mlir::OwningOpRef<mlir::ModuleOp>
buildKernel(llvm::ArrayRef<mlir::Type> elementTypes, unsigned numSizes,
            KernelBody body);

/// `buffer` (rank 0) seen as a row-major memref of `shape` (static or index
/// values).
mlir::Value view(mlir::ImplicitLocOpBuilder &b, mlir::Value buffer,
                 llvm::ArrayRef<mlir::OpFoldResult> shape);

/// A loaded shared object. Fails the current test when something goes wrong.
class LoadedKernels {
public:
  LoadedKernels() = default;
  explicit LoadedKernels(const Bytes &sharedObject);
  ~LoadedKernels();
  LoadedKernels(LoadedKernels &&other) noexcept
      : handle(std::exchange(other.handle, nullptr)) {}
  LoadedKernels(const LoadedKernels &) = delete;

  void *find(const char *name) const;
  /// Calls kernel "k" on [begin, end).
  void run(llvm::ArrayRef<void *> buffers, llvm::ArrayRef<int64_t> sizes,
           int64_t begin, int64_t end, void *scratch = nullptr) const;

private:
  void *handle = nullptr;
};

/// Lowers, emits, links (exporting "k") and loads `module`.
LoadedKernels compile(mlir::ModuleOp module, llvm::StringRef cpu = "native");

} // namespace dlc::test

#endif // DLC_TEST_UNITTESTS_TARGET_CPU_KERNELRUNNER_H
