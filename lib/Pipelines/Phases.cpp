// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The phases' passes in order, for the compiler and for dlc-opt.
#include "Phases.h"

#include "Conversion/NNToGPU/Passes.h"
#include "Conversion/NNToKernel/Passes.h"
#include "Conversion/NNToRT/NNToRT.h"
#include "Transforms/Dispatch/Passes.h"
#include "Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace dlc {

static void addDispatchPasses(OpPassManager &pm, bool fuseRows) {
  pm.addNestedPass<func::FuncOp>(createFormDispatchesPass({fuseRows}));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

// What makes new constants, such as scales, is followed by a pass that gives
// params the shapes and types that those want.
void buildDispatchPhase(OpPassManager &pm) {
  pm.addPass(createFormIntegerProductsPass({/*contractions=*/false}));
  pm.addPass(createSimplifyViewsPass());
  pm.addPass(createFoldConstantsPass());
  addDispatchPasses(pm, /*fuseRows=*/false);
}

void buildGPUDispatchPhase(OpPassManager &pm, StringRef precision,
                           const GPUResources &resources) {
  pm.addPass(createFormIntegerProductsPass());
  pm.addPass(createSimplifyViewsPass());
  if (precision != "fp32") {
    pm.addPass(createSetPrecisionPass({precision.str()}));
  }
  pm.addPass(createFoldConstantsPass());
  pm.addPass(createSplitReductionsPass(
      {resources.portableSharedBytes, resources.clusterBlocks}));
  addDispatchPasses(pm, /*fuseRows=*/true);
}

void buildSchedulePhase(OpPassManager &pm, const CPUTarget &target) {
  pm.addPass(createScheduleKernelsPass(
      {.lanes = target.vectorLanes, .registers = target.numVectorRegisters}));
}

void buildGPUSchedulePhase(OpPassManager &pm, const GPUResources &resources) {
  pm.addPass(createScheduleGPUKernelsPass(
      {resources.sharedBytes, resources.portableSharedBytes,
       resources.clusterBlocks, resources.bulkCopies}));
}

void buildGPUCodegenPhase(OpPassManager &pm, const GPUResources &resources) {
  pm.addPass(createOutlineGPUKernelsPass(
      {resources.sharedBytes, resources.bulkCopies}));
  pm.addPass(createLowerGPUTileKernelsPass({resources.sharedBytes}));
  pm.addPass(createConvertNNToRTPass(/*onDevice=*/true));
}

void buildCodegenPhase(OpPassManager &pm, const CPUTarget &target) {
  pm.addPass(createOutlineKernelsPass(
      {.lanes = target.vectorLanes, .registers = target.numVectorRegisters}));
  pm.addPass(createConvertNNToRTPass());
}

} // namespace dlc
