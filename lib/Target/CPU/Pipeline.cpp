// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The order of the CPU lowering, and its registration.
#include "Target/CPU/LowerToLLVM.h"

#include "Conversion/Common/ExpandMath.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace dlc {

void buildLowerToCPUPipeline(OpPassManager &pm, const CPUTarget &target) {
  pm.addPass(createLowerVectorsPass());
  pm.addPass(createExpandMathPass(
      {.hasFMA = target.hasFMA, .hasRounding = target.hasRounding}));
  pm.addPass(createStoreAsIntegersPass());
  pm.addPass(createConvertKernelsToLLVMPass());
  pm.addPass(createWrapKernelsPass());
}

LogicalResult lowerKernelsToLLVM(ModuleOp module, const CPUTarget &target) {
  PassManager pm(module.getContext());
  // The caller's module was verified when it was made; the last pass's output
  // is verified by the translation.
  pm.enableVerifier(false);
  buildLowerToCPUPipeline(pm, target);
  return pm.run(module);
}

void registerCPUTargetDialects(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect, arith::ArithDialect,
                  cf::ControlFlowDialect, func::FuncDialect,
                  index::IndexDialect, linalg::LinalgDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  ub::UBDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

namespace {
struct LowerToCPUOptions : PassPipelineOptions<LowerToCPUOptions> {
  Option<std::string> cpu{*this, "cpu",
                          llvm::cl::desc("CPU to lower for, an LLVM CPU name"),
                          llvm::cl::init("native")};
};
} // namespace

void registerCPUTargetPasses() {
  registerPass(createLowerVectorsPass);
  registerPass(createStoreAsIntegersPass);
  registerPass([] { return createConvertKernelsToLLVMPass(); });
  registerPass(createWrapKernelsPass);
  registerPass([] { return createExpandMathPass({}); });
  registerPassPipeline(
      "dlc-lower-to-cpu", "Lower kernels and host functions to LLVM for a CPU",
      [](OpPassManager &pm, StringRef text,
         function_ref<LogicalResult(const Twine &)> onError) {
        LowerToCPUOptions options;
        if (failed(options.parseFromString(text)))
          return failure();
        llvm::Expected<CPUTarget> target = CPUTarget::create(options.cpu);
        if (!target)
          return onError(llvm::toString(target.takeError()));
        buildLowerToCPUPipeline(pm, *target);
        return success();
      },
      [](function_ref<void(const detail::PassOptions &)> visit) {
        visit(LowerToCPUOptions());
      });
}

} // namespace dlc
