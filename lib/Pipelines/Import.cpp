// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The import phase, and inspection of models.
#include "Import.h"

#include "Binary.h"
#include "Import/ONNX/Importer.h"
#include "Pipelines/Compiler.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace dlc {

static onnx::ModelSource getSource(const CompileOptions &options) {
  return {options.inputPath, options.inputBytes, options.modelDir};
}

static Status toStatus(onnx::ErrorClass error) {
  return static_cast<Status>(static_cast<int>(error));
}

bool importModel(Session &session, OwningOpRef<ModuleOp> &module) {
  onnx::ImportResult imported =
      onnx::importModel(session.context, getSource(session.options),
                        {.dims = session.options.dims,
                         .isCancelled = [&] { return session.isCancelled(); }});
  if (imported.error != onnx::ErrorClass::None) {
    return session.failReported(toStatus(imported.error));
  }
  module = std::move(imported.module);
  return true;
}

static void writeOperators(llvm::json::OStream &j,
                           llvm::ArrayRef<onnx::OperatorReport> operators) {
  j.attributeArray("operators", [&] {
    for (const onnx::OperatorReport &op : operators) {
      j.object([&] {
        j.attribute("domain", op.domain);
        j.attribute("name", op.name);
        j.attribute("version", op.version);
        j.attribute("count", static_cast<int64_t>(op.count));
        j.attribute("supported", op.reason.empty());
        if (op.reason.empty()) {
          j.attribute("reason", nullptr);
        } else {
          j.attribute("reason", op.reason);
        }
        j.attribute("node", op.firstNode);
      });
    }
  });
}

CompileResult inspect(CompileOptions options, const CompileHooks &hooks) {
  CompileResult result;
  Session session(options, hooks, result);
  if (std::optional<std::string> wrong = options.complete()) {
    session.fail(Status::Usage, *wrong);
    return result;
  }
  onnx::InspectResult inspected =
      onnx::inspectModel(session.context, getSource(options),
                         {.dims = options.dims, .isCancelled = [&] {
                            return session.isCancelled();
                          }});
  bool supported = inspected.error == onnx::ErrorClass::None;
  if (!supported && inspected.error != onnx::ErrorClass::Unsupported) {
    session.failReported(toStatus(inspected.error));
    return result;
  }
  // What is not supported stands in the report, and is no error here.
  session.drop();
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::json::OStream j(os, 2);
  j.object([&] {
    j.attribute("schema", "dlc-inspect-1");
    writeOperators(j, inspected.operators);
    j.attribute("supported", supported);
  });
  os << '\n';
  if (options.outputPath.empty()) {
    result.data.assign(text.begin(), text.end());
  } else {
    writeFile(session, options.outputPath, text);
  }
  return result;
}

} // namespace dlc
