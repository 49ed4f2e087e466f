// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dlc-opt: the stock mlir-opt surface over dlc's dialects, passes and
// pipelines.
#include "Conversion/NNToKernel/Passes.h"
#include "Conversion/NNToRT/NNToRT.h"
#include "Conversion/RTToLLVM/RTToLLVM.h"
#include "Dialect/NN/NNDialect.h"
#include "Dialect/RT/RTDialect.h"
#include "ImportOnnx.h"
#include "Target/CPU/LowerToLLVM.h"
#include "Transforms/Dispatch/Passes.h"
#include "Transforms/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  if (argc > 1 && llvm::StringRef(argv[1]).starts_with("--import-onnx=")) {
    return importOnnxMain(argc, argv);
  }
  mlir::registerAllPasses();
  dlc::registerNNToRTPasses();
  dlc::registerRTToLLVMPasses();
  dlc::registerDispatchPasses();
  dlc::registerNNToKernelPasses();
  dlc::registerCPUTargetPasses();
  dlc::registerTransformsPasses();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  registry.insert<dlc::nn::NNDialect, dlc::rt::RTDialect>();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "dlc optimizer driver\n", registry));
}
