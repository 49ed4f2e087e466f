// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar code of nn.scan, for loops of any form.
#ifndef DLC_CONVERSION_NNTOKERNEL_SCANCODE_H
#define DLC_CONVERSION_NNTOKERNEL_SCANCODE_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// What one scan does with elements; running values are of the accumulator's
/// type.
class ScanCode {
public:
  explicit ScanCode(KernelBuilder &kb);

  mlir::Type getAccumulator() const { return accumulator; }
  /// The running value before the first element.
  mlir::Value emitNeutral();
  /// The running value after both parts, `first` standing before `second`.
  mlir::Value combine(mlir::Value first, mlir::Value second);
  /// The input's element at `indices`.
  mlir::Value load(mlir::ValueRange indices);
  /// The result's element from a running value.
  mlir::Value finish(mlir::Value running);
  /// Place along the axis of step `step`.
  mlir::Value emitPosition(mlir::Value step);

private:
  KernelBuilder &kb;
  mlir::ImplicitLocOpBuilder &b;
  nn::ScanOp op;
  mlir::Type element, accumulator;
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_SCANCODE_H
