// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the host program to LLVM.
#ifndef DLC_CONVERSION_RTTOLLVM_PASSES
#define DLC_CONVERSION_RTTOLLVM_PASSES

include "mlir/Pass/PassBase.td"

def ConvertRTToLLVMPass : Pass<"dlc-convert-rt-to-llvm", "mlir::ModuleOp"> {
  let summary = "Make the two entry functions of a model variant";
  let description = [{
    Each `rt.program` becomes `<prefix>_size` (where it has one) and `<prefix>_run`, functions of the
    type dlc_entry in runtime/include/dlc/exec.h, as `llvm.func`s. Arithmetic on sizes stays as it is,
    for `dlc-lower-to-cpu`. Kernels are declared as `<prefix>.<kernel>`.

    A call that gives a status other than 0 ends the function with it. All launches share the arrays of
    buffers and sizes in the frame.
  }];
  let options = [Option<"prefix", "prefix", "std::string", "\"dlc\"", "prefix of the functions' names">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect"];
}

#endif // DLC_CONVERSION_RTTOLLVM_PASSES
