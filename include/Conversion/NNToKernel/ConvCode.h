// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar code of nn.conv, for loops of any form.
#ifndef DLC_CONVERSION_NNTOKERNEL_CONVCODE_H
#define DLC_CONVERSION_NNTOKERNEL_CONVCODE_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// What one convolution does with the elements of its operands. Values are of
/// the accumulator's type if nothing else is said.
class ConvCode {
public:
  explicit ConvCode(KernelBuilder &kb);

  mlir::Type getAccumulator() const { return accumulator; }
  /// The sum of nothing.
  mlir::Value emitZero();
  /// An element of the input without its zero point.
  mlir::Value convertInput(mlir::Value element);
  /// An element of the filter, for output channel `channel`, likewise.
  mlir::Value convertFilter(mlir::Value element, mlir::Value channel);
  /// sum + x * w
  mlir::Value accumulate(mlir::Value sum, mlir::Value x, mlir::Value w);
  /// The result's element, with the bias of `channel`.
  mlir::Value finish(mlir::Value sum, mlir::Value channel);

private:
  mlir::Value convert(mlir::Value element, mlir::Value tensor,
                      mlir::Value zeroPoint, mlir::Value place);

  KernelBuilder &kb;
  mlir::ImplicitLocOpBuilder &b;
  nn::ConvOp op;
  mlir::Type accumulator;
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_CONVCODE_H
