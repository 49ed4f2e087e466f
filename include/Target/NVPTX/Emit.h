// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the LLVM dialect to PTX, in process and without a toolkit.
#ifndef DLC_TARGET_NVPTX_EMIT_H
#define DLC_TARGET_NVPTX_EMIT_H

#include "Target/NVPTX/GPUTarget.h"
#include "mlir/IR/BuiltinOps.h"

namespace dlc {

/// Optimises `kernels` for `target` and returns it as PTX text. The module
/// holds LLVM and NVVM ops only; entry points are `llvm.func` with the unit
/// attribute `nvvm.kernel`, pointers among their parameters are to global
/// memory. A function that is called and not defined is an error that names
/// it: no library is linked. Any number of threads may call at once, also with
/// modules of one MLIRContext. Equal input gives equal text.
llvm::Expected<std::string> emitPTX(mlir::ModuleOp kernels,
                                    const GPUTarget &target);

/// The optimised LLVM IR of the same, as text.
llvm::Expected<std::string> emitGPULLVMIR(mlir::ModuleOp kernels,
                                          const GPUTarget &target);

} // namespace dlc

#endif // DLC_TARGET_NVPTX_EMIT_H
