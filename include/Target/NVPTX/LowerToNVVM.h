// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowering of kernels to the LLVM and NVVM dialects.
#ifndef DLC_TARGET_NVPTX_LOWERTONVVM_H
#define DLC_TARGET_NVPTX_LOWERTONVVM_H

#include "Target/NVPTX/GPUTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace dlc {

/// Adds the lowering (pipeline `dlc-lower-to-nvvm`) to `pm`.
///
/// Input: func, scf, memref, vector, arith, math, affine, LLVM, NVVM. A kernel
/// is a `func.func` with the attributes of Dialect/RT/KernelAttrs.h whose
/// parameters are rank-0 memrefs in global memory and i64; it views buffers
/// through memref.reinterpret_cast. i1 memrefs hold one byte an element. Memory
/// space 3 is shared memory, in memref.global. `indexBits` is the width of
/// `index` in the code: 32 only where no offset in elements reaches 2^31.
///
/// Output: LLVM and NVVM only; kernels have `nvvm.kernel`. Functions that are
/// in that form already stay.
void buildLowerToNVVMPipeline(mlir::OpPassManager &pm, unsigned indexBits);

/// Runs that pipeline on `module`. Diagnostics go to the context's engine.
mlir::LogicalResult lowerKernelsToNVVM(mlir::ModuleOp module,
                                       unsigned indexBits);

/// Adds the dialects, interfaces and LLVM IR translations that the lowering and
/// the emission need. Call once per registry, before any thread uses a context.
void registerNVPTXTargetDialects(mlir::DialectRegistry &registry);

std::unique_ptr<mlir::Pass> createMarkNoWrapPass();
std::unique_ptr<mlir::Pass> createMarkKernelsPass();

/// Registers `dlc-lower-to-nvvm{index-bits=64}` and `dlc-emit-ptx{arch=sm_80}`,
/// which prints a module's PTX.
void registerNVPTXTargetPasses();

} // namespace dlc

#endif // DLC_TARGET_NVPTX_LOWERTONVVM_H
