// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From an ONNX model to a module of the nn dialect.
#ifndef DLC_IMPORT_ONNX_IMPORTER_H
#define DLC_IMPORT_ONNX_IMPORTER_H

#include "Import/Build/GraphBuilder.h"

#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <string>
#include <vector>

namespace dlc::onnx {

using build::ErrorClass;

/// Where a model comes from.
struct ModelSource {
  /// A file; or empty, and `bytes` is a serialised ModelProto, which must live
  /// and stay unchanged as long as the context.
  std::string path;
  llvm::StringRef bytes;
  /// The folder that external data lies beneath; empty: that of `path`.
  std::string modelDir;
};

struct ImportOptions {
  /// Dimensions: "batch=8", "batch=1..32", "batch=1..32:8" (range, and the size
  /// to optimise for), "input[0]=1..32".
  std::vector<std::string> dims;
  /// Take the newest known form of operators of an opset that is too new.
  bool allowNewerOpset = false;
  /// Sizes that are not known to be equal never broadcast.
  bool assumeStrictDims = false;
  /// Asked before each node; true ends the import as Cancelled. May be empty.
  std::function<bool()> isCancelled;
};

struct ImportResult {
  /// Null unless `error` is None.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  ErrorClass error = ErrorClass::None;
};

/// Imports a model. Everything wrong with it is reported through the context's
/// diagnostics: all that is unsupported and all undefined names, up to the
/// first other thing that is invalid.
ImportResult importModel(mlir::MLIRContext &context, const ModelSource &source,
                         const ImportOptions &options);

/// What inspectModel says of one operator of the model.
struct OperatorReport {
  std::string domain, name;
  int64_t version = 0;
  uint64_t count = 0;
  /// The first node of that operator, or the first that is not supported.
  std::string firstNode;
  /// Empty where it is supported.
  std::string reason;
};

struct InspectResult {
  std::vector<OperatorReport> operators;
  /// None, Unsupported or Invalid; diagnostics as for importModel.
  ErrorClass error = ErrorClass::None;
};

/// Says for each operator of the model whether it can be imported.
InspectResult inspectModel(mlir::MLIRContext &context,
                           const ModelSource &source,
                           const ImportOptions &options);

/// The node of the model that a location stands for.
struct NodeRef {
  llvm::StringRef name, opType, domain;
};
/// The first node in a location, or nothing.
std::optional<NodeRef> findNode(mlir::Location loc);

} // namespace dlc::onnx

#endif // DLC_IMPORT_ONNX_IMPORTER_H
