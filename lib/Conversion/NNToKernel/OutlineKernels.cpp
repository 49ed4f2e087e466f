// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Dispatches become launches of kernels.
#include "Analysis/DispatchCost.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/KernelFunction.h"
#include "Conversion/NNToKernel/Passes.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_OUTLINEKERNELSPASS
#include "Conversion/NNToKernel/Passes.h.inc"

namespace {

class KernelOutliner {
public:
  KernelOutliner(ModuleOp module, const kernel::VectorTarget &target)
      : module(module), target(target) {}

  LogicalResult run();
  unsigned numKernels = 0;

private:
  FailureOr<func::FuncOp> getKernel(nn::DispatchOp dispatch);
  func::FuncOp createFunction(nn::DispatchOp dispatch);
  LogicalResult replace(nn::DispatchOp dispatch);

  ModuleOp module;
  kernel::VectorTarget target;
  ModuleOp kernels;
  llvm::StringMap<func::FuncOp> byKey;
};

/// The kernel's declaration: buffers, sizes, begin, end, scratch.
func::FuncOp KernelOutliner::createFunction(nn::DispatchOp dispatch) {
  Builder b(module.getContext());
  SmallVector<Type> parameters(dispatch.getSizes().size() + 2,
                               b.getIndexType());
  parameters.push_back(MemRefType::get({}, b.getI8Type()));
  return createKernelFunction(kernels, dispatch, parameters, numKernels++);
}

FailureOr<func::FuncOp> KernelOutliner::getKernel(nn::DispatchOp dispatch) {
  func::FuncOp &known = byKey[getKernelKey(dispatch)];
  if (known) {
    return known;
  }
  func::FuncOp function = createFunction(dispatch);
  KernelBuilder builder(dispatch, function, target);
  if (failed(findKernelFamily(dispatch.getRootOp())->emit(builder))) {
    return failure();
  }
  func::ReturnOp::create(builder.b);
  known = function;
  return function;
}

LogicalResult KernelOutliner::replace(nn::DispatchOp dispatch) {
  if (failed(checkDispatch(dispatch))) {
    return failure();
  }
  FailureOr<func::FuncOp> kernel = getKernel(dispatch);
  if (failed(kernel)) {
    return failure();
  }
  DispatchContext context(dispatch, OpBuilder(dispatch), dispatch.getSizes(),
                          target);
  Launch launch = findKernelFamily(dispatch.getRootOp())->getLaunch(context);
  bool needsScratch = !kernel::IndexMath::isKnown(launch.scratchBytes, 0);
  Value scratch =
      needsScratch ? context.math.value(launch.scratchBytes) : Value();
  DispatchCost cost = estimateCost(dispatch);
  auto launched = rt::DispatchOp::create(
      context.b, dispatch.getOutputs().getTypes(), kernel->getSymName(),
      dispatch.getInputs(), dispatch.getSizes(), dispatch.getResultSizes(),
      context.math.value(launch.items), context.math.value(launch.work),
      scratch, /*map_sizes=*/ValueRange(), cost.flops, cost.bytes,
      DenseI64ArrayAttr(),
      /*threads=*/IntegerAttr(), /*shared_bytes=*/IntegerAttr(),
      /*cluster=*/IntegerAttr(), /*maps=*/ArrayAttr());
  dispatch.replaceAllUsesWith(launched.getOutputs());
  dispatch.erase();
  return success();
}

LogicalResult KernelOutliner::run() {
  kernels = getKernelsModule(module);
  SmallVector<nn::DispatchOp> dispatches;
  module.walk([&](nn::DispatchOp dispatch) { dispatches.push_back(dispatch); });
  for (nn::DispatchOp dispatch : dispatches) {
    if (failed(replace(dispatch))) {
      return failure();
    }
  }
  return success();
}

struct OutlineKernelsPass final
    : impl::OutlineKernelsPassBase<OutlineKernelsPass> {
  using Base::Base;

  void runOnOperation() override {
    KernelOutliner outliner(getOperation(), {lanes, registers});
    if (failed(outliner.run())) {
      return signalPassFailure();
    }
  }
};

} // namespace
} // namespace dlc
