// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The part of a window that lies in the input.
#include "Conversion/NNToKernel/TapRange.h"

using namespace mlir;

namespace dlc {

TapRange clipTaps(kernel::IndexMath &math, OpFoldResult start,
                  OpFoldResult size, int64_t kernel, int64_t dilation) {
  OpFoldResult zero = math.constant(0), step = math.constant(dilation);
  OpFoldResult before = math.max(zero, math.sub(zero, start));
  OpFoldResult first = math.ceilDiv(before, step);
  OpFoldResult room = math.max(zero, math.sub(size, start));
  OpFoldResult end = math.min(math.constant(kernel), math.ceilDiv(room, step));
  return {first, math.max(first, end)};
}

} // namespace dlc
