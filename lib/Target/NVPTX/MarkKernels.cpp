// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What kernels know before and after their conversion to LLVM.
#include "Target/NVPTX/LowerToNVVM.h"

#include "Dialect/RT/KernelAttrs.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace dlc {

namespace {

/// Index arithmetic of kernels stays within the width of an index, by its
/// choice; LLVM sees so by flags, and finds neighbours in memory by them.
struct MarkNoWrapPass final
    : PassWrapper<MarkNoWrapPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MarkNoWrapPass)

  void runOnOperation() override {
    auto flags = arith::IntegerOverflowFlagsAttr::get(
        &getContext(), arith::IntegerOverflowFlags::nsw);
    getOperation().walk([&](Operation *op) {
      if (isa<arith::AddIOp, arith::SubIOp, arith::MulIOp>(op) &&
          op->getResult(0).getType().isIndex()) {
        op->setAttr("overflowFlags", flags);
      }
    });
  }
};

/// An annotation that the op had as a loop becomes the branch's own, which the
/// translation reads.
template <typename OpTy> void moveLoopAnnotation(OpTy branch) {
  if (Attribute annotation =
          branch->removeDiscardableAttr("llvm.loop_annotation")) {
    branch.setLoopAnnotationAttr(
        dyn_cast<LLVM::LoopAnnotationAttr>(annotation));
  }
}

/// dlc.kernel on a function becomes nvvm.kernel.
struct MarkKernelsPass final
    : PassWrapper<MarkKernelsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MarkKernelsPass)

  void runOnOperation() override {
    OpBuilder b(&getContext());
    getOperation().walk([](Operation *op) {
      if (auto branch = dyn_cast<LLVM::BrOp>(op)) {
        moveLoopAnnotation(branch);
      } else if (auto branch = dyn_cast<LLVM::CondBrOp>(op)) {
        moveLoopAnnotation(branch);
      }
    });
    for (auto function : getOperation().getOps<LLVM::LLVMFuncOp>()) {
      if (!function->removeAttr(rt::kKernelAttrName)) {
        continue;
      }
      function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                        b.getUnitAttr());
      if (auto threads = dyn_cast_or_null<IntegerAttr>(
              function->removeAttr(rt::kThreadsAttrName))) {
        function->setAttr(
            NVVM::NVVMDialect::getMaxntidAttrName(),
            b.getDenseI32ArrayAttr({static_cast<int32_t>(threads.getInt())}));
      }
      if (auto blocks = dyn_cast_or_null<IntegerAttr>(
              function->removeAttr(rt::kClusterBlocksAttrName))) {
        function->setAttr(
            NVVM::NVVMDialect::getClusterDimAttrName(),
            b.getDenseI32ArrayAttr({static_cast<int32_t>(blocks.getInt())}));
      }
      if (auto blocks = dyn_cast_or_null<IntegerAttr>(
              function->removeAttr(rt::kResidentBlocksAttrName))) {
        function->setAttr(
            NVVM::NVVMDialect::getMinctasmAttrName(),
            b.getI32IntegerAttr(static_cast<int32_t>(blocks.getInt())));
      }
    }
  }
};

} // namespace

std::unique_ptr<Pass> createMarkNoWrapPass() {
  return std::make_unique<MarkNoWrapPass>();
}

std::unique_ptr<Pass> createMarkKernelsPass() {
  return std::make_unique<MarkKernelsPass>();
}

} // namespace dlc
