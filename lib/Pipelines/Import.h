// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The import phase.
#ifndef DLC_LIB_PIPELINES_IMPORT_H
#define DLC_LIB_PIPELINES_IMPORT_H

#include "Session.h"

#include "mlir/IR/OwningOpRef.h"

namespace dlc {

/// Reads the session's input as an ONNX model.
bool importModel(Session &session, mlir::OwningOpRef<mlir::ModuleOp> &module);

} // namespace dlc

#endif // DLC_LIB_PIPELINES_IMPORT_H
