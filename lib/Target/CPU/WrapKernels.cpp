// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The bridge between a kernel's own parameters and the runtime's dlc_kernel.
// The body stays a function of its own, not inlined: only parameters carry
// `noalias` to LLVM at no cost, and the call is one per range of items.
#include "Dialect/RT/KernelAttrs.h"
#include "Target/CPU/LowerToLLVM.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_WRAPKERNELSPASS
#include "Target/CPU/Passes.h.inc"

namespace {

/// Buffers (pointers), sizes (i64), begin, end (i64), scratch (pointer).
LogicalResult splitParameters(LLVM::LLVMFuncOp kernel, unsigned &numBuffers,
                              unsigned &numSizes) {
  ArrayRef<Type> types = kernel.getFunctionType().getParams();
  auto isPointer = [](Type type) { return isa<LLVM::LLVMPointerType>(type); };
  auto isIndex = [](Type type) { return type.isInteger(64); };
  numBuffers = 0;
  while (numBuffers < types.size() && isPointer(types[numBuffers]))
    ++numBuffers;
  unsigned numIndices = 0;
  while (numBuffers + numIndices < types.size() &&
         isIndex(types[numBuffers + numIndices]))
    ++numIndices;
  bool valid =
      numIndices >= 2 && types.size() == numBuffers + numIndices + 1 &&
      isPointer(types.back()) &&
      isa<LLVM::LLVMVoidType>(kernel.getFunctionType().getReturnType());
  if (!valid)
    return kernel.emitOpError("expected a kernel with parameters (buffers..., "
                              "sizes..., begin, "
                              "end, scratch) and no result, got ")
           << kernel.getFunctionType();
  numSizes = numIndices - 2;
  return success();
}

Value loadElement(ImplicitLocOpBuilder &b, Type type, Value array,
                  unsigned index) {
  Value address = LLVM::GEPOp::create(b, array.getType(), type, array,
                                      ArrayRef<LLVM::GEPArg>{(int32_t)index});
  return LLVM::LoadOp::create(b, type, address);
}

LogicalResult wrap(LLVM::LLVMFuncOp kernel) {
  unsigned numBuffers = 0, numSizes = 0;
  if (failed(splitParameters(kernel, numBuffers, numSizes)))
    return failure();
  ImplicitLocOpBuilder b(kernel.getLoc(), kernel);
  std::string name = kernel.getName().str();
  kernel->removeAttr(rt::kKernelAttrName);
  kernel.setSymName(name + ".body");
  kernel.setLinkage(LLVM::Linkage::Internal);
  kernel.setNoInline(true);
  kernel.setNoUnwind(true);

  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  Type i64 = b.getI64Type();
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                  {pointer, pointer, i64, i64, pointer});
  auto wrapper = LLVM::LLVMFuncOp::create(b, name, type);
  wrapper.setNoUnwind(true);
  Block *entry = wrapper.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  SmallVector<Value> arguments;
  for (unsigned i = 0; i < numBuffers; ++i)
    arguments.push_back(loadElement(b, pointer, entry->getArgument(0), i));
  for (unsigned i = 0; i < numSizes; ++i)
    arguments.push_back(loadElement(b, i64, entry->getArgument(1), i));
  llvm::append_range(arguments, entry->getArguments().drop_front(2));
  LLVM::CallOp::create(b, kernel, arguments);
  LLVM::ReturnOp::create(b, ValueRange());
  return success();
}

struct WrapKernelsPass final : impl::WrapKernelsPassBase<WrapKernelsPass> {
  void runOnOperation() override {
    SmallVector<LLVM::LLVMFuncOp> kernels;
    for (auto function : getOperation().getOps<LLVM::LLVMFuncOp>())
      if (function->hasAttr(rt::kKernelAttrName))
        kernels.push_back(function);
    for (LLVM::LLVMFuncOp kernel : kernels)
      if (failed(wrap(kernel)))
        return signalPassFailure();
  }
};

} // namespace

} // namespace dlc
