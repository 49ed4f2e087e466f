// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From dispatches to kernels on a GPU.
#ifndef DLC_CONVERSION_NNTOGPU_PASSES
#define DLC_CONVERSION_NNTOGPU_PASSES

include "mlir/Pass/PassBase.td"

def ScheduleGPUKernelsPass : Pass<"dlc-schedule-gpu-kernels", "mlir::ModuleOp"> {
  let summary = "Lay out constant operands as GPU kernels ask";
  let description = [{
    The filter of a convolution that is computed as a matrix product becomes
    (groups, taps x input channels, output channels).
  }];
  let dependentDialects = ["::dlc::nn::NNDialect"];
  let statistics = [Statistic<"numPacked", "num-packed-params", "params packed for kernels">];
}

def OutlineGPUKernelsPass : Pass<"dlc-outline-gpu-kernels", "mlir::ModuleOp"> {
  let summary = "Turn each distinct dispatch into a GPU kernel";
  let description = [{
    The kernels become functions of the module `@kernels` (loops, vectors, memrefs and NVVM; the form
    that Target/NVPTX/LowerToNVVM.h takes), the dispatches `rt.dispatch` ops on them that say blocks and
    threads. Dispatches with equal bodies, types and schedules share a kernel.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::dlc::rt::RTDialect", "mlir::scf::SCFDialect",
                           "mlir::memref::MemRefDialect", "mlir::vector::VectorDialect",
                           "mlir::math::MathDialect", "mlir::func::FuncDialect", "mlir::LLVM::LLVMDialect",
                           "mlir::NVVM::NVVMDialect"];
  let statistics = [Statistic<"numKernels", "num-kernels", "kernels made">];
}

#endif // DLC_CONVERSION_NNTOGPU_PASSES
