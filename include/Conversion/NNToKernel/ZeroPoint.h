// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Zero points of integer products and convolutions.
#ifndef DLC_CONVERSION_NNTOKERNEL_ZEROPOINT_H
#define DLC_CONVERSION_NNTOKERNEL_ZEROPOINT_H

#include "Conversion/NNToKernel/KernelBuilder.h"
#include "Conversion/NNToVector/Gemm.h"

namespace dlc {

/// Whether a zero point is one number for the whole tensor.
bool isOneElement(mlir::Value zeroPoint);

/// What a kernel does to elements as it loads them: subtract the one element of
/// `zeroPoint`, both in the integer type `accumulator`. Null where there is no
/// zero point.
kernel::OperandFn subtractZeroPoint(KernelBuilder &kb, mlir::Value zeroPoint,
                                    mlir::Type accumulator);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_ZEROPOINT_H
