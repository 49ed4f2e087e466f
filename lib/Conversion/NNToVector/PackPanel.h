// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packing of one panel of a matrix inside a kernel, for operands that are not
// parameters.
#ifndef DLC_LIB_CONVERSION_NNTOVECTOR_PACKPANEL_H
#define DLC_LIB_CONVERSION_NNTOVECTOR_PACKPANEL_H

#include "Tile.h"

namespace dlc::kernel {

/// A B that is not packed, and the first of the panel's columns.
struct PanelSource {
  mlir::Value flat;
  mlir::OpFoldResult offset, rowStride;
  /// RowMajor or Transposed.
  BLayout layout;
  mlir::OpFoldResult k, n;
  mlir::OpFoldResult firstColumn;
};

/// Writes [k][nv * lanes] accumulator elements, converted, to flat `packed`.
/// Columns past n hold unspecified but readable values.
void emitPackPanel(const TileContext &ctx, const PanelSource &source,
                   mlir::Value packed, int64_t nv);

/// Rows emitPackPanel may write: k, rounded up to whole vectors where it
/// transposes.
mlir::OpFoldResult packedPanelRows(mlir::ImplicitLocOpBuilder &b,
                                   BLayout layout, mlir::OpFoldResult k,
                                   int64_t lanes);

} // namespace dlc::kernel

#endif // DLC_LIB_CONVERSION_NNTOVECTOR_PACKPANEL_H
