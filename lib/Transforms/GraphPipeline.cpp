// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The order of the graph phase.
#include "Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace dlc {

static void addCleanup(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void buildGraphPipeline(OpPassManager &pm) {
  addCleanup(pm);
  // Types that became static show more sizes to be equal.
  for (int i = 0; i < 2; ++i) {
    pm.addPass(createSimplifySizesPass());
    addCleanup(pm);
  }
  pm.addPass(createFoldBatchNormPass());
  addCleanup(pm);
  pm.addPass(createFoldConstantsPass());
  pm.addPass(createSimplifyElementwisePass());
  // Before slices move away from the products that a rotation consists of.
  pm.addPass(createRecognizeRotaryPass());
  // Views show constants to fold, and these show more views.
  for (int i = 0; i < 2; ++i) {
    pm.addPass(createSimplifyElementwisePass());
    pm.addPass(createSimplifyViewsPass());
    pm.addPass(createFoldConstantsPass());
    addCleanup(pm);
    // Constants that are read as sizes.
    pm.addPass(createSimplifySizesPass());
  }
  pm.addPass(createRecognizeNormPass());
  pm.addPass(createRecognizeActivationPass());
  pm.addPass(createRecognizeAttentionPass());
  addCleanup(pm);
  pm.addPass(createConvertToChannelsLastPass());
  pm.addPass(createFoldConstantsPass());
  addCleanup(pm);
  pm.addPass(createVerifyGraphPhasePass());
}

} // namespace dlc
