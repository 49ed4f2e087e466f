// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The third pass, and the pipeline of all three.
#include "Conversion/TileToNVVM/Passes.h"

#include "KernelEmitter.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_CONVERTTILETONVVMPASS
#include "Conversion/TileToNVVM/Passes.h.inc"

namespace {
struct ConvertTileToNVVMPass final
    : impl::ConvertTileToNVVMPassBase<ConvertTileToNVVMPass> {
  using ConvertTileToNVVMPassBase::ConvertTileToNVVMPassBase;

  void runOnOperation() override {
    for (auto kernel :
         llvm::make_early_inc_range(getOperation().getOps<tile::KernelOp>())) {
      if (failed(tile::KernelEmitter(kernel).emit())) {
        return signalPassFailure();
      }
      kernel.erase();
    }
  }
};
} // namespace

void buildTileToNVVMPipeline(OpPassManager &pm, int64_t maxSharedBytes) {
  pm.addPass(createLowerTilePipelinesPass());
  pm.addPass(createAssignTileLayoutsPass({maxSharedBytes}));
  pm.addPass(createConvertTileToNVVMPass());
}

void registerTileToNVVMPasses() {
  registerPass([] { return createLowerTilePipelinesPass(); });
  registerPass([] { return createAssignTileLayoutsPass(); });
  registerPass([] { return createConvertTileToNVVMPass(); });
  registerPass([] { return createTestBuildTileKernelsPass(); });
  registerPass([] { return createTestPrintTileSchedulesPass(); });
}

} // namespace dlc
