// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From dispatches to kernels on the CPU.
#ifndef DLC_CONVERSION_NNTOKERNEL_PASSES
#define DLC_CONVERSION_NNTOKERNEL_PASSES

include "mlir/Pass/PassBase.td"

defvar TargetOptions = [
  Option<"lanes", "lanes", "int64_t", "16", "f32 lanes of a vector register">,
  Option<"registers", "registers", "int64_t", "32", "vector registers">
];

def ScheduleKernelsPass : Pass<"dlc-schedule-kernels", "mlir::ModuleOp"> {
  let summary = "Choose schedules, and pack constant operands as they ask";
  let description = [{
    Gives each contraction and convolution its `schedule` by the static rules. A constant operand that
    the kernel wants in panels becomes a param with the transforms that pack it, and `nn.packed` in the
    dispatch says so.

    ```mlir
    %w = nn.param_ref @w : tensor<768x768xf32>
    nn.dispatch(%x, %w) ...
    // becomes
    %w = nn.param_ref @w.packed : tensor<1x16x768x48xf32>
    nn.dispatch(%x, %w) ... schedule(#nn.gemm_schedule<...>) {
      %b = nn.packed %w_arg by [#nn.reshape_to<1, 768, 768>, #nn.pack_panels<48>]
    ```
  }];
  let dependentDialects = ["::dlc::nn::NNDialect"];
  let options = TargetOptions;
}

def OutlineKernelsPass : Pass<"dlc-outline-kernels", "mlir::ModuleOp"> {
  let summary = "Turn each distinct dispatch into a kernel";
  let description = [{
    The kernels become functions of the module `@kernels` (loops, vectors and memrefs; the form that
    Target/CPU/LowerToLLVM.h takes), the dispatches `rt.dispatch` ops on them. Dispatches with equal
    bodies, types and schedules share a kernel.
  }];
  let dependentDialects = ["::dlc::nn::NNDialect", "::dlc::rt::RTDialect", "mlir::scf::SCFDialect",
                           "mlir::memref::MemRefDialect", "mlir::vector::VectorDialect",
                           "mlir::math::MathDialect", "mlir::func::FuncDialect", "mlir::LLVM::LLVMDialect"];
  let options = TargetOptions;
}

#endif // DLC_CONVERSION_NNTOKERNEL_PASSES
