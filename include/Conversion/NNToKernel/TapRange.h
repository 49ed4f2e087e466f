// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Windows of convolution and pooling, clipped to the input.
#ifndef DLC_CONVERSION_NNTOKERNEL_TAPRANGE_H
#define DLC_CONVERSION_NNTOKERNEL_TAPRANGE_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// The taps t of one spatial dim for which 0 <= start + t * dilation < size.
struct TapRange {
  mlir::OpFoldResult first, end;
};
TapRange clipTaps(kernel::IndexMath &math, mlir::OpFoldResult start,
                  mlir::OpFoldResult size, int64_t kernel, int64_t dilation);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_TAPRANGE_H
