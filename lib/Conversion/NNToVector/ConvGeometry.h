// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Index geometry that dense and depthwise convolutions share: strides, the loop
// over the outer window dimensions with its clamps, and the taps of the
// innermost dimension.
#ifndef DLC_LIB_CONVERSION_NNTOVECTOR_CONVGEOMETRY_H
#define DLC_LIB_CONVERSION_NNTOVECTOR_CONVGEOMETRY_H

#include "Conversion/NNToVector/Conv.h"
#include "Conversion/NNToVector/Emit.h"

namespace dlc::kernel {

/// One tap of the innermost window dimension.
struct RowTap {
  int64_t index;
  /// Input position relative to the pixel's, in input pixels.
  int64_t offset;
};

/// Output pixels of a row that see the same taps. Pixel j of a phase is output
/// pixel first + j * step and reads input position j * inputStep + base +
/// tap.offset. A plain convolution has one phase, a transposed one as many as
/// its stride.
struct RowPhase {
  int64_t first, step;
  mlir::OpFoldResult pixels;
  int64_t inputStep;
  mlir::OpFoldResult base;
  llvm::SmallVector<RowTap> taps;

  int64_t minOffset() const;
  int64_t maxOffset() const;
  /// Taps are an arithmetic progression; differences of neighbours (1 for a
  /// single tap).
  int64_t indexStep() const;
  int64_t offsetStep() const;
};

/// Offsets and window of one output row.
struct OutputRow {
  llvm::SmallVector<mlir::Value>
      outer;                 // output indices, without the row's own dimension
  mlir::OpFoldResult input;  // offset of the image and channel group
  mlir::OpFoldResult output; // offset of the row's first pixel, channel 0
  mlir::OpFoldResult pixel;  // number of the row's first pixel in the image
  mlir::OpFoldResult number; // of the row within the image
};

class ConvGeometry {
public:
  ConvGeometry(mlir::ImplicitLocOpBuilder &b, const ConvSpec &spec);

  unsigned rank() const { return spec.kernel.size(); }
  /// Output rows of an image.
  mlir::OpFoldResult rows() const;
  /// Taps of the whole window, and of its innermost dimension.
  int64_t taps() const;
  int64_t rowTaps() const { return spec.kernel.back(); }

  OutputRow locateRow(mlir::OpFoldResult image, mlir::OpFoldResult row) const;
  llvm::SmallVector<RowPhase> phases() const;

  /// Loops over the outer window positions that lie inside the input; `body`
  /// gets the offset of the input row and the number of outer tap, and the
  /// carried values.
  using RowBody = std::function<llvm::SmallVector<mlir::Value>(
      mlir::OpFoldResult inputRow, mlir::OpFoldResult tap, mlir::ValueRange)>;
  llvm::SmallVector<mlir::Value> emitOuterTaps(const OutputRow &row,
                                               mlir::ValueRange carried,
                                               const RowBody &body) const;

  llvm::SmallVector<mlir::OpFoldResult> inputStrides, outputStrides;
  /// Elements between neighbouring pixels of a row.
  mlir::OpFoldResult inputPixel, outputPixel;
  /// Pixels of an input and an output row.
  mlir::OpFoldResult inputWidth, outputWidth;

private:
  llvm::SmallVector<mlir::Value>
  emitOuterTaps(unsigned dim, const OutputRow &row, mlir::OpFoldResult input,
                mlir::OpFoldResult tap, mlir::ValueRange carried,
                const RowBody &body) const;

  mlir::ImplicitLocOpBuilder &b;
  IndexMath math;
  const ConvSpec &spec;
};

} // namespace dlc::kernel

#endif // DLC_LIB_CONVERSION_NNTOVECTOR_CONVGEOMETRY_H
