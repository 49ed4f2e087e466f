// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dlc-opt --import-onnx: prints what the importer makes of a model, for tests.
#include "ImportOnnx.h"
#include "Import/ONNX/Importer.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

using namespace dlc::onnx;

static void printReport(const InspectResult &result) {
  for (const OperatorReport &report : result.operators) {
    llvm::outs() << (report.domain.empty() ? "ai.onnx" : report.domain) << '.'
                 << report.name << " version " << report.version << ": "
                 << report.count << (report.count == 1 ? " node" : " nodes")
                 << ", first '" << report.firstNode << "', "
                 << (report.reason.empty() ? "supported" : report.reason)
                 << '\n';
  }
}

int importOnnxMain(int argc, char **argv) {
  ModelSource source;
  ImportOptions options;
  bool inspect = false, debugInfo = false;
  for (llvm::StringRef argument : llvm::ArrayRef(argv + 1, argc - 1)) {
    if (argument.consume_front("--import-onnx=")) {
      source.path = argument;
    } else if (argument.consume_front("--dim=")) {
      options.dims.push_back(argument.str());
    } else if (argument == "--allow-newer-opset") {
      options.allowNewerOpset = true;
    } else if (argument == "--assume-strict-dims") {
      options.assumeStrictDims = true;
    } else if (argument == "--inspect") {
      inspect = true;
    } else if (argument == "--mlir-print-debuginfo") {
      debugInfo = true;
    } else {
      llvm::errs() << "unknown argument '" << argument << "'\n";
      return 1;
    }
  }
  mlir::MLIRContext context;
  llvm::SourceMgr sources;
  mlir::SourceMgrDiagnosticHandler handler(sources, &context);
  if (inspect) {
    InspectResult result = inspectModel(context, source, options);
    printReport(result);
    return static_cast<int>(result.error);
  }
  ImportResult result = importModel(context, source, options);
  if (result.module) {
    mlir::OpPrintingFlags flags;
    flags.enableDebugInfo(debugInfo);
    result.module->print(llvm::outs(), flags);
  }
  return static_cast<int>(result.error);
}
