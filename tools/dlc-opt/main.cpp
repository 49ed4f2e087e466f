// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dlc-opt: the stock mlir-opt surface over dlc's dialects, passes and
// pipelines.
<<<<<<< HEAD
#include "Conversion/NNToKernel/Passes.h"
=======
<<<<<<< HEAD
>>>>>>> dc1a028 (wip3)
#include "Conversion/NNToRT/NNToRT.h"
#include "Conversion/RTToLLVM/RTToLLVM.h"
#include "Dialect/NN/NNDialect.h"
#include "Dialect/RT/RTDialect.h"
#include "ImportOnnx.h"
#include "Target/CPU/LowerToLLVM.h"
#include "Transforms/Dispatch/Passes.h"
=======
#include "Pipelines/Registration.h"
>>>>>>> d56f71b (wip3)

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  if (argc > 1 && llvm::StringRef(argv[1]).starts_with("--import-onnx=")) {
    return importOnnxMain(argc, argv);
  }
  mlir::registerAllPasses();
<<<<<<< HEAD
  dlc::registerNNToRTPasses();
  dlc::registerRTToLLVMPasses();
  dlc::registerDispatchPasses();
  dlc::registerNNToKernelPasses();
  dlc::registerCPUTargetPasses();
=======
  dlc::registerPassesAndPipelines();
>>>>>>> d56f71b (wip3)
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  dlc::registerDialects(registry);
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "dlc optimizer driver\n", registry));
}
