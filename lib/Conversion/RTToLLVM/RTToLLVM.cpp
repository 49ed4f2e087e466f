// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pass over a module's programs.
#include "Conversion/RTToLLVM/RTToLLVM.h"

#include "FunctionEmitter.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_CONVERTRTTOLLVMPASS
#include "Conversion/RTToLLVM/Passes.h.inc"

namespace {

struct ConvertRTToLLVMPass final
    : impl::ConvertRTToLLVMPassBase<ConvertRTToLLVMPass> {
  using ConvertRTToLLVMPassBase::ConvertRTToLLVMPassBase;

  void runOnOperation() override {
    for (auto program :
         llvm::make_early_inc_range(getOperation().getOps<rt::ProgramOp>())) {
      unsigned checks = 0;
      if (rt::SizeOp size = program.getSize()) {
        FunctionEmitter(program, prefix + "_size", prefix)
            .emit(size.getBody(), 0);
        checks = llvm::range_size(size.getBody().getOps<rt::CheckOp>());
      }
      FunctionEmitter(program, prefix + "_run", prefix)
          .emit(program.getRun().getBody(), checks);
      program.erase();
    }
  }
};

} // namespace

llvm::SetVector<StringRef> getDeviceKernels(rt::ProgramOp program) {
  llvm::SetVector<StringRef> names;
  for (auto launch : program.getRun().getBody().getOps<rt::LaunchOp>()) {
    if (launch.getThreads()) {
      names.insert(launch.getKernel());
    }
  }
  return names;
}

void registerRTToLLVMPasses() {
  registerPass([] { return createConvertRTToLLVMPass(); });
}

} // namespace dlc
