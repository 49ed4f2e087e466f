// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the dialect's attributes and ops share of tensor maps.
#ifndef DLC_LIB_DIALECT_RT_TENSORMAP_H
#define DLC_LIB_DIALECT_RT_TENSORMAP_H

#include "Dialect/RT/RTDialect.h"

namespace dlc::rt {

/// Extents in brackets, `?` for those that only the run knows.
mlir::ParseResult parseExtents(mlir::AsmParser &parser,
                               llvm::SmallVectorImpl<int64_t> &extents);
void printExtents(mlir::AsmPrinter &printer, llvm::ArrayRef<int64_t> extents);

/// Whether the maps of a launch fit its buffers and its values.
mlir::LogicalResult verifyTensorMaps(mlir::Operation *op, mlir::ArrayAttr maps,
                                     size_t numBuffers, size_t numSizes);

} // namespace dlc::rt

#endif // DLC_LIB_DIALECT_RT_TENSORMAP_H
