// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowering of kernels and host functions to the LLVM dialect for the CPU.
#ifndef DLC_TARGET_CPU_LOWERTOLLVM_H
#define DLC_TARGET_CPU_LOWERTOLLVM_H

#include "Target/CPU/CPUTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace dlc {

/// Adds the whole lowering (pipeline `dlc-lower-to-cpu`) to `pm`.
///
/// Input: func, scf, memref, vector, arith, math, affine, index, cf, ub, linalg
/// on memrefs, and LLVM. A kernel is
///   func.func @k(%buf0: memref<f32> {llvm.noalias}, ..., %size0: index, ...,
///                %begin: index, %end: index, %scratch: !llvm.ptr)
///     attributes {dlc.kernel}
/// where each buffer is a rank-0 memref (its base pointer) that the body views
/// through memref.reinterpret_cast; %scratch may also be memref<i8>. Buffers
/// come first, then sizes, and the last three are always there. i1 memrefs hold
/// one byte an element. No memref may be allocated on the heap.
///
/// Output: llvm.func only; the kernel's name belongs to a function with the
/// signature `dlc_kernel` of runtime/include/dlc/exec.h. Other functions keep
/// their signatures, memrefs as bare pointers.
void buildLowerToCPUPipeline(mlir::OpPassManager &pm, const CPUTarget &target);

/// Runs that pipeline on `module`. Diagnostics go to the context's engine.
mlir::LogicalResult lowerKernelsToLLVM(mlir::ModuleOp module,
                                       const CPUTarget &target);

/// Adds the dialects, interfaces and LLVM IR translations that the lowering and
/// the emission need. Call once per registry, before any thread uses a context.
void registerCPUTargetDialects(mlir::DialectRegistry &registry);

/// Registers the passes and the pipeline `dlc-lower-to-cpu{cpu=native}`.
void registerCPUTargetPasses();

std::unique_ptr<mlir::Pass> createLowerVectorsPass();
std::unique_ptr<mlir::Pass> createStoreAsIntegersPass();
std::unique_ptr<mlir::Pass> createConvertKernelsToLLVMPass();
std::unique_ptr<mlir::Pass> createConvertKernelsToLLVMPass(unsigned indexBits);
std::unique_ptr<mlir::Pass> createWrapKernelsPass();

} // namespace dlc

#endif // DLC_TARGET_CPU_LOWERTOLLVM_H
