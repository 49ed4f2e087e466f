// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles, loads and runs kernels for the unit tests.
#include "KernelRunner.h"

#include "Dialect/RT/KernelAttrs.h"
#include "Target/CPU/LowerToLLVM.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;

namespace dlc::test {

MLIRContext &getContext() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registerCPUTargetDialects(registry);
    auto *result = new MLIRContext(registry, MLIRContext::Threading::DISABLED);
    result->loadAllAvailableDialects();
    return result;
  }();
  return *context;
}

OwningOpRef<ModuleOp> buildKernel(ArrayRef<Type> elementTypes,
                                  unsigned numSizes, KernelBody body) {
  MLIRContext *context = &getContext();
  ImplicitLocOpBuilder b(UnknownLoc::get(context), context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(b.getLoc());
  b.setInsertionPointToEnd(module->getBody());

  SmallVector<Type> types;
  for (Type type : elementTypes)
    types.push_back(MemRefType::get({}, type));
  types.append(numSizes + 2, b.getIndexType());
  types.push_back(LLVM::LLVMPointerType::get(context));
  auto function = func::FuncOp::create(b, "k", b.getFunctionType(types, {}));
  function->setAttr(rt::kKernelAttrName, b.getUnitAttr());
  for (unsigned i = 0; i < elementTypes.size(); ++i)
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                        b.getUnitAttr());
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);

  KernelArguments arguments;
  ArrayRef<BlockArgument> values = entry->getArguments();
  size_t numBuffers = elementTypes.size();
  arguments.buffers.append(values.begin(), values.begin() + numBuffers);
  arguments.sizes.append(values.begin() + numBuffers, values.end() - 3);
  arguments.begin = values[values.size() - 3];
  arguments.end = values[values.size() - 2];
  arguments.scratch = values.back();
  body(b, arguments);
  func::ReturnOp::create(b);
  EXPECT_TRUE(succeeded(module->verify()));
  return module;
}

Value view(ImplicitLocOpBuilder &b, Value buffer,
           ArrayRef<OpFoldResult> shape) {
  SmallVector<OpFoldResult> strides(shape.size());
  OpFoldResult stride = b.getIndexAttr(1);
  SmallVector<int64_t> staticShape, staticStrides(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    std::optional<int64_t> known = getConstantIntValue(shape[i]);
    std::optional<int64_t> strideValue = getConstantIntValue(stride);
    staticStrides[i] = strideValue.value_or(ShapedType::kDynamic);
    if (known && strideValue)
      stride = b.getIndexAttr(*known * *strideValue);
    else
      stride = OpFoldResult(arith::MulIOp::create(
          b, getValueOrCreateConstantIndexOp(b, b.getLoc(), shape[i]),
          getValueOrCreateConstantIndexOp(b, b.getLoc(), stride)));
  }
  for (OpFoldResult size : shape)
    staticShape.push_back(
        getConstantIntValue(size).value_or(ShapedType::kDynamic));
  auto type = MemRefType::get(
      staticShape, cast<MemRefType>(buffer.getType()).getElementType(),
      StridedLayoutAttr::get(b.getContext(), 0, staticStrides));
  return memref::ReinterpretCastOp::create(b, type, buffer, b.getIndexAttr(0),
                                           shape, strides);
}

LoadedKernels::LoadedKernels(const Bytes &sharedObject) {
  int file = memfd_create("kernels", 0);
  EXPECT_EQ(write(file, sharedObject.data(), sharedObject.size()),
            (ssize_t)sharedObject.size());
  std::string path = "/proc/self/fd/" + std::to_string(file);
  handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    ADD_FAILURE() << dlerror();
  close(file);
}

LoadedKernels::~LoadedKernels() {
  if (handle)
    dlclose(handle);
}

void *LoadedKernels::find(const char *name) const {
  return handle ? dlsym(handle, name) : nullptr;
}

void LoadedKernels::run(ArrayRef<void *> buffers, ArrayRef<int64_t> sizes,
                        int64_t begin, int64_t end, void *scratch) const {
  auto *kernel = reinterpret_cast<dlc_kernel *>(find("k"));
  ASSERT_NE(kernel, nullptr);
  kernel(buffers.data(), sizes.data(), begin, end, scratch);
}

LoadedKernels compile(ModuleOp module, StringRef cpu) {
  llvm::Expected<CPUTarget> target = CPUTarget::create(cpu);
  if (!target) {
    ADD_FAILURE() << llvm::toString(target.takeError());
    return LoadedKernels();
  }
  if (failed(lowerKernelsToLLVM(module, *target))) {
    ADD_FAILURE() << "lowering failed";
    return LoadedKernels();
  }
  llvm::Expected<Bytes> object = emitObject(module, *target);
  if (!object) {
    ADD_FAILURE() << llvm::toString(object.takeError());
    return LoadedKernels();
  }
  llvm::Expected<Bytes> shared = linkSharedObject(*object, {"k"});
  if (!shared) {
    ADD_FAILURE() << llvm::toString(shared.takeError());
    return LoadedKernels();
  }
  return LoadedKernels(*shared);
}

} // namespace dlc::test
