// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dlc-opt: the stock mlir-opt surface over dlc's dialects, passes and
// pipelines.
#include "ImportOnnx.h"
#include "Pipelines/Registration.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  if (argc > 1 && llvm::StringRef(argv[1]).starts_with("--import-onnx=")) {
    return importOnnxMain(argc, argv);
  }
  mlir::registerAllPasses();
  dlc::registerPassesAndPipelines();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  dlc::registerDialects(registry);
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "dlc optimizer driver\n", registry));
}
