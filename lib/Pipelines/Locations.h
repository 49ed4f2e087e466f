// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What locations say about the model's nodes.
#ifndef DLC_LIB_PIPELINES_LOCATIONS_H
#define DLC_LIB_PIPELINES_LOCATIONS_H

#include "Pipelines/CompileOptions.h"

#include "mlir/IR/Location.h"

namespace dlc {

/// Fills in the node and the place.
void describeLocation(mlir::Location loc, Diagnostic &diagnostic);

/// The names of all nodes in a location, in order, each once.
std::vector<std::string> getNodeNames(mlir::Location loc);

} // namespace dlc

#endif // DLC_LIB_PIPELINES_LOCATIONS_H
