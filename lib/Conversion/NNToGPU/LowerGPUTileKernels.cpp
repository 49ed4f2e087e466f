// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tile kernels among the outlined ones become functions of one thread.
#include "Conversion/NNToGPU/Passes.h"
#include "Conversion/TileToNVVM/Passes.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_LOWERGPUTILEKERNELSPASS
#include "Conversion/NNToGPU/Passes.h.inc"

namespace {

struct LowerGPUTileKernelsPass final
    : impl::LowerGPUTileKernelsPassBase<LowerGPUTileKernelsPass> {
  using LowerGPUTileKernelsPassBase::LowerGPUTileKernelsPassBase;

  void runOnOperation() override {
    auto kernels =
        getOperation().lookupSymbol<ModuleOp>(rt::kKernelsModuleName);
    if (!kernels || kernels.getOps<tile::KernelOp>().empty()) {
      return;
    }
    OpPassManager pm(ModuleOp::getOperationName());
    buildTileToNVVMPipeline(pm, sharedBytes);
    if (failed(runPipeline(pm, kernels))) {
      return signalPassFailure();
    }
    SymbolTable symbols(kernels);
    getOperation().walk([&](rt::DispatchOp dispatch) {
      Operation *kernel = symbols.lookup(dispatch.getKernel());
      if (auto bytes =
              kernel->getAttrOfType<IntegerAttr>(kSharedBytesAttrName)) {
        dispatch.setSharedBytesAttr(bytes);
      }
    });
  }
};

} // namespace
} // namespace dlc
