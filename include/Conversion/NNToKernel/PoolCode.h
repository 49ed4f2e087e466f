// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar code of nn.pool, for loops of any form.
#ifndef DLC_CONVERSION_NNTOKERNEL_POOLCODE_H
#define DLC_CONVERSION_NNTOKERNEL_POOLCODE_H

#include "Conversion/NNToKernel/TapRange.h"

namespace dlc {

/// What one pooling op does with the elements of a window.
class PoolCode {
public:
  explicit PoolCode(KernelBuilder &kb);

  /// One result element's part of the input.
  struct Window {
    /// Per spatial dim: first input coordinate (may be negative), and the
    /// clipped range of taps.
    llvm::SmallVector<mlir::OpFoldResult> start;
    llvm::SmallVector<TapRange> taps;
    /// Taps inside the padded input, for count_include_pad, and in the input.
    mlir::OpFoldResult paddedCount, count;
  };
  /// The window of the result's spatial `position`.
  Window clipWindow(llvm::ArrayRef<mlir::Value> position);

  mlir::Type getElement() const { return element; }
  mlir::Type getAccumulator() const { return accumulator; }
  /// The accumulator of an empty window, which as a value changes no other.
  mlir::Value emitNeutral();
  /// An element of the input as accumulators take it.
  mlir::Value convert(mlir::Value value);
  /// The accumulator after the converted `value`.
  mlir::Value combine(mlir::Value state, mlir::Value value);
  /// The result's element.
  mlir::Value finish(mlir::Value state, const Window &window);

private:
  KernelBuilder &kb;
  mlir::ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::PoolOp op;
  mlir::Type element, accumulator;
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_POOLCODE_H
