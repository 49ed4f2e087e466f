// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dispatches, outlines, compiles and runs the ops of one function.
#include "DispatchRunner.h"

#include "Conversion/NNToKernel/Passes.h"
#include "Dialect/NN/NNDialect.h"
#include "Dialect/RT/RTDialect.h"
#include "KernelRunner.h"
#include "Target/CPU/LowerToLLVM.h"
#include "Transforms/Dispatch/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include <gtest/gtest.h>

using namespace mlir;

namespace dlc::test {

namespace {

MLIRContext &getFullContext() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registerAllDialects(registry);
    registerCPUTargetDialects(registry);
    registry.insert<nn::NNDialect, rt::RTDialect>();
    auto *result = new MLIRContext(registry, MLIRContext::Threading::DISABLED);
    result->loadAllAvailableDialects();
    return result;
  }();
  return *context;
}

size_t sizeInBytes(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  unsigned bits = tensor.getElementType().getIntOrFloatBitWidth();
  return tensor.getNumElements() * std::max(1u, bits / 8);
}

int64_t constantOf(Value value) {
  std::optional<int64_t> number = getConstantIntValue(value);
  EXPECT_TRUE(number) << "expected static shapes";
  return number.value_or(0);
}

/// A module after outlining, and its kernels as machine code.
class Program {
public:
  bool compile(StringRef source);
  std::vector<Tensor> run(ArrayRef<Tensor> inputs);

private:
  bool lowerKernels();
  void runDispatch(rt::DispatchOp op);

  OwningOpRef<ModuleOp> module;
  std::optional<LoadedKernels> kernels;
  llvm::DenseMap<Value, Tensor> values;
};

bool Program::compile(StringRef source) {
  module = parseSourceString<ModuleOp>(source, &getFullContext());
  if (!module) {
    return false;
  }
  llvm::Expected<CPUTarget> target = CPUTarget::create("native");
  EXPECT_TRUE(bool(target));
  int64_t lanes = target->vectorLanes, registers = target->numVectorRegisters;
  PassManager pm(&getFullContext());
  pm.addNestedPass<func::FuncOp>(createFormDispatchesPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createScheduleKernelsPass({lanes, registers}));
  pm.addPass(createOutlineKernelsPass({lanes, registers}));
  pm.addPass(createCanonicalizerPass());
  return succeeded(pm.run(*module)) && lowerKernels();
}

bool Program::lowerKernels() {
  auto nested = *module->getBody()->getOps<ModuleOp>().begin();
  std::vector<std::string> names;
  for (auto function : nested.getOps<func::FuncOp>()) {
    names.push_back(function.getSymName().str());
  }
  OwningOpRef<ModuleOp> copy = nested.clone();
  llvm::Expected<CPUTarget> target = CPUTarget::create("native");
  if (failed(lowerKernelsToLLVM(*copy, *target))) {
    return false;
  }
  llvm::Expected<Bytes> object = emitObject(*copy, *target);
  if (!object) {
    ADD_FAILURE() << llvm::toString(object.takeError());
    return false;
  }
  llvm::Expected<Bytes> shared = linkSharedObject(*object, names);
  if (!shared) {
    ADD_FAILURE() << llvm::toString(shared.takeError());
    return false;
  }
  kernels.emplace(*shared);
  return true;
}

void Program::runDispatch(rt::DispatchOp op) {
  auto *kernel = reinterpret_cast<dlc_kernel *>(
      kernels->find(op.getKernel().str().c_str()));
  ASSERT_NE(kernel, nullptr) << op.getKernel().str();
  std::vector<void *> buffers;
  for (Value input : op.getInputs()) {
    buffers.push_back(values[input].data());
  }
  std::vector<Tensor> results;
  for (Type type : op.getOutputs().getTypes()) {
    results.push_back(Tensor(sizeInBytes(type), char(0x5a)));
  }
  std::vector<Tensor> again = results;
  std::vector<int64_t> sizes;
  for (Value size : op.getSizes()) {
    sizes.push_back(constantOf(size));
  }
  std::vector<char> scratch(
      (op.getScratch() ? constantOf(op.getScratch()) : 0) + 64);
  size_t misalignment = reinterpret_cast<uintptr_t>(scratch.data()) % 64;
  char *aligned = scratch.data() + (64 - misalignment) % 64;
  size_t inputs = buffers.size();
  auto bind = [&](std::vector<Tensor> &tensors) {
    buffers.resize(inputs);
    for (Tensor &tensor : tensors) {
      buffers.push_back(tensor.data());
    }
  };
  int64_t items = constantOf(op.getItems());
  bind(results);
  kernel(buffers.data(), sizes.data(), 0, items, aligned);
  bind(again);
  for (int64_t item = items; item-- > 0;) {
    kernel(buffers.data(), sizes.data(), item, item + 1, aligned);
  }
  EXPECT_EQ(results, again) << "items depend on each other";
  for (auto [value, tensor] : llvm::zip_equal(op.getOutputs(), results)) {
    values[value] = tensor;
  }
}

std::vector<Tensor> Program::run(ArrayRef<Tensor> inputs) {
  auto function = *module->getOps<func::FuncOp>().begin();
  for (auto [argument, input] :
       llvm::zip_equal(function.getArguments(), inputs)) {
    EXPECT_EQ(input.size(), sizeInBytes(argument.getType()));
    values[argument] = input;
  }
  std::vector<Tensor> results;
  for (Operation &op : function.getBody().front()) {
    if (auto dispatch = dyn_cast<rt::DispatchOp>(op)) {
      runDispatch(dispatch);
    } else if (isa<nn::ReshapeOp, rt::ShrinkOp>(op)) {
      values[op.getResult(0)] = values[op.getOperand(0)];
    } else if (auto ret = dyn_cast<func::ReturnOp>(op)) {
      for (Value value : ret.getOperands()) {
        results.push_back(values[value]);
      }
    }
  }
  return results;
}

} // namespace

std::vector<Tensor> runFunction(StringRef source, ArrayRef<Tensor> inputs) {
  Program program;
  if (!program.compile(source)) {
    ADD_FAILURE() << "compilation failed";
    return {};
  }
  return program.run(inputs);
}

std::string compileErrors(StringRef source) {
  std::string errors;
  ScopedDiagnosticHandler handler(&getFullContext(), [&](Diagnostic &d) {
    errors += d.str() + "\n";
    return success();
  });
  Program().compile(source);
  return errors;
}

} // namespace dlc::test
