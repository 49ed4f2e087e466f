// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which keys attention's mask hides by their distance from the row: kernels
// skip blocks of them.
#ifndef DLC_CONVERSION_NNTOKERNEL_KEYBOUNDS_H
#define DLC_CONVERSION_NNTOKERNEL_KEYBOUNDS_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// A row plus offsets, which are index or i64 values of the dispatch.
using RowBound = llvm::SmallVector<mlir::Value>;

/// A row sees no key before `first` and none behind `last`.
struct KeyBounds {
  std::optional<RowBound> first, last;
  /// The mask is nothing but these.
  bool areWholeMask = false;
};

/// The conditions `key <= row + ...` and `key >= row + ...` that the op's mask
/// joins by `and`. None where a row without keys is the average of all, and
/// there may be such rows.
KeyBounds findKeyBounds(nn::AttentionOp op);

/// The sum of a bound's offsets in a kernel.
mlir::OpFoldResult sumOffsets(KernelBuilder &kb, const RowBound &bound);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_KEYBOUNDS_H
