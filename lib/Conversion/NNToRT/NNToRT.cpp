// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pass: shapes, then memory, then the program.
#include "Conversion/NNToRT/NNToRT.h"

#include "EmitProgram.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DECL_CONVERTNNTORTPASS
#define GEN_PASS_DEF_CONVERTNNTORTPASS
#include "Conversion/NNToRT/Passes.h.inc"

namespace {

struct ConvertNNToRTPass final
    : impl::ConvertNNToRTPassBase<ConvertNNToRTPass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto functions = module.getOps<func::FuncOp>();
    if (llvm::range_size(functions) != 1 ||
        !(*functions.begin()).getBody().hasOneBlock()) {
      module.emitError() << "expected one function of one block, got "
                         << llvm::range_size(functions);
      return signalPassFailure();
    }
    func::FuncOp entry = *functions.begin();
    eraseUnused(entry);
    EntryShapes shapes;
    MemoryAssignment memory(entry, shapes);
    if (failed(shapes.resolve(entry)) || failed(memory.assign())) {
      return signalPassFailure();
    }
    emitProgram(entry, shapes, memory).setOnDevice(onDevice);
    entry.erase();
  }

  /// What nobody uses would otherwise be launched.
  static void eraseUnused(func::FuncOp entry) {
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(entry.front()))) {
      if (isOpTriviallyDead(&op)) {
        op.erase();
      }
    }
  }
};

} // namespace

std::unique_ptr<Pass> createConvertNNToRTPass(bool onDevice) {
  return createConvertNNToRTPass(
      ConvertNNToRTPassOptions{.onDevice = onDevice});
}

void registerNNToRTPasses() {
  registerPass([] { return createConvertNNToRTPass(); });
}

} // namespace dlc
