// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The order of the GPU lowering, and its registration.
#include "Target/NVPTX/LowerToNVVM.h"

#include "Conversion/Common/ExpandMath.h"
#include "Target/CPU/LowerToLLVM.h"
#include "Target/NVPTX/Emit.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace dlc {

void buildLowerToNVVMPipeline(OpPassManager &pm, unsigned indexBits) {
  pm.addPass(createMarkNoWrapPass());
  pm.addPass(createLowerVectorsPass());
  pm.addPass(createExpandMathPass(
      {.hasFMA = true, .hasRounding = true, .hasLibm = false}));
  pm.addPass(createStoreAsIntegersPass());
  pm.addPass(createConvertKernelsToLLVMPass(indexBits));
  pm.addPass(createMarkKernelsPass());
}

LogicalResult lowerKernelsToNVVM(ModuleOp module, unsigned indexBits) {
  PassManager pm(module.getContext());
  // The translation verifies the last pass's output.
  pm.enableVerifier(false);
  buildLowerToNVVMPipeline(pm, indexBits);
  return pm.run(module);
}

void registerNVPTXTargetDialects(DialectRegistry &registry) {
  registry.insert<NVVM::NVVMDialect>();
  registerNVVMDialectTranslation(registry);
}

namespace {
struct LowerToNVVMOptions : PassPipelineOptions<LowerToNVVMOptions> {
  Option<unsigned> indexBits{*this, "index-bits",
                             llvm::cl::desc("width of index: 32 or 64"),
                             llvm::cl::init(64)};
};

struct EmitPTXPass final : PassWrapper<EmitPTXPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EmitPTXPass)

  EmitPTXPass() = default;
  EmitPTXPass(const EmitPTXPass &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "dlc-emit-ptx"; }
  StringRef getDescription() const override {
    return "Print the PTX of a module of kernels";
  }

  void runOnOperation() override {
    llvm::Expected<GPUTarget> target = GPUTarget::create(arch);
    if (!target) {
      getOperation().emitError(llvm::toString(target.takeError()));
      return signalPassFailure();
    }
    llvm::Expected<std::string> text = emitPTX(getOperation(), *target);
    if (!text) {
      getOperation().emitError(llvm::toString(text.takeError()));
      return signalPassFailure();
    }
    llvm::outs() << *text;
  }

  Option<std::string> arch{*this, "arch",
                           llvm::cl::desc("GPU architecture, such as sm_80"),
                           llvm::cl::init("sm_80")};
};
} // namespace

void registerNVPTXTargetPasses() {
  registerPass([] { return std::make_unique<EmitPTXPass>(); });
  PassPipelineRegistration<LowerToNVVMOptions>(
      "dlc-lower-to-nvvm", "Lower GPU kernels to the LLVM and NVVM dialects",
      [](OpPassManager &pm, const LowerToNVVMOptions &options) {
        buildLowerToNVVMPipeline(pm, options.indexBits);
      });
}

} // namespace dlc
