// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the dense and the depthwise convolution share: a work item is a block of
// output rows for a panel of output channels, a row is cut into tiles of
// pixels, and the tiles are stored alike.
#ifndef DLC_LIB_CONVERSION_NNTOVECTOR_DIRECTCONV_H
#define DLC_LIB_CONVERSION_NNTOVECTOR_DIRECTCONV_H

#include "ConvGeometry.h"
#include "Tile.h"

namespace dlc::kernel {

/// The channels of a work item, and what a tile needs to know of it.
struct ConvPanel {
  mlir::OpFoldResult image;
  mlir::OpFoldResult channel;      // first output channel over all groups
  mlir::OpFoldResult inputChannel; // first input channel of the group
  mlir::OpFoldResult filter;       // offset of the panel
  int64_t nv;                      // vectors of output channels
  mlir::OpFoldResult validColumns; // output channels that exist
};

class DirectConvEmitter {
protected:
  using Accumulators = llvm::SmallVector<mlir::Value>;

  DirectConvEmitter(mlir::ImplicitLocOpBuilder &b, const ConvSpec &spec,
                    const ConvSchedule &sched, const VectorTarget &target);

  /// Bytes of the tile that a rolled epilogue parks; 0 where none is.
  static int64_t getParkedBytes(const ConvSpec &spec, const ConvSchedule &sched,
                                const VectorTarget &target);
  /// Calls `emitRow` in a loop over the rows of a block. The row's output is
  /// placed at the panel's channels.
  void emitRows(const ConvPanel &panel, mlir::OpFoldResult block,
                llvm::function_ref<void(OutputRow &)> emitRow);
  /// Stores `pixels` pixels of a phase, from its `first` on, of which
  /// `validPixels` exist.
  void emitStore(const ConvPanel &panel, const OutputRow &row,
                 const RowPhase &phase, mlir::OpFoldResult first,
                 int64_t pixels, mlir::OpFoldResult validPixels,
                 mlir::ValueRange acc);

  mlir::ImplicitLocOpBuilder &b;
  IndexMath math;
  const ConvSpec &spec;
  const ConvSchedule &sched;
  ConvGeometry geometry;
  /// Elements of a vector, and output channels of a panel.
  int64_t lanes, width;
  mlir::OpFoldResult rows, blocks, blockRows;
  const TileContext *ctx = nullptr;
  mlir::Value input, filter;
};

} // namespace dlc::kernel

#endif // DLC_LIB_CONVERSION_NNTOVECTOR_DIRECTCONV_H
