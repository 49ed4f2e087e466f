// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How the tiles of a convolution cover an output row whose sizes are static:
// whole tiles in a loop, and tiles at the borders each with the taps its pixels
// really see.
#ifndef DLC_LIB_CONVERSION_NNTOVECTOR_ROWPLAN_H
#define DLC_LIB_CONVERSION_NNTOVECTOR_ROWPLAN_H

#include "ConvGeometry.h"

namespace dlc::kernel {

/// Neighbouring taps that see the same pixels of a tile.
struct TapRange {
  int64_t first, last; // positions in RowPhase::taps, half open
  llvm::SmallVector<int64_t> pixels;
};

/// A tile at a known place of its row.
struct BorderTile {
  int64_t first, pixels;
  llvm::SmallVector<TapRange> ranges;
};

/// How the pixels of a static row are covered.
struct RowPlan {
  llvm::SmallVector<BorderTile> left, right;
  /// Whole tiles without border, [first, last) in pixels.
  int64_t first = 0, last = 0;
};

/// Covers a row of static sizes with tiles of `mr` pixels; nothing where a size
/// is dynamic or the border tiles, which are unrolled code, have more than
/// `maxRanges` tap ranges together.
std::optional<RowPlan> planRow(const RowPhase &phase,
                               mlir::OpFoldResult inputWidth, int64_t mr,
                               int64_t maxRanges);

} // namespace dlc::kernel

#endif // DLC_LIB_CONVERSION_NNTOVECTOR_ROWPLAN_H
