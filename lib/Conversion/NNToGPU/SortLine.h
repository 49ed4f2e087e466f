// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Entries of a line while they are sorted, in shared or global memory.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_SORTLINE_H
#define DLC_LIB_CONVERSION_NNTOGPU_SORTLINE_H

#include "Conversion/NNToGPU/GPUKernelFamily.h"
#include "Conversion/NNToKernel/SortOrder.h"

namespace dlc {

/// Shared memory of a block that sorts.
inline constexpr int64_t kMaxSortBytes = 32768;

/// Entries that fit, a power of two; each has a value of the op's input and an
/// index of 32 bits.
int64_t getMaxSortEntries(nn::SortOp op);

struct SortLine {
  /// memref<?x(code type of the values)> and memref<?xi32>.
  mlir::Value values, indices;
  /// The first entry's place in both; an index.
  mlir::OpFoldResult base;
  bool isShared = false;

  SortEntry load(GPUKernelBuilder &kb, mlir::Value place) const;
  void store(GPUKernelBuilder &kb, mlir::Value place, SortEntry entry) const;

private:
  mlir::Value getPlace(GPUKernelBuilder &kb, mlir::Value array,
                       mlir::Value place) const;
};

/// Stores an entry of the sorted line at a place of the results.
void storeSorted(GPUKernelBuilder &kb, llvm::ArrayRef<mlir::Value> place,
                 SortEntry entry);

/// Sizes of the result with 1 for the axis.
nn::Sizes getLineSizes(DispatchContext &context, nn::SortOp op);
mlir::OpFoldResult countLines(DispatchContext &context, nn::SortOp op);

/// Sorts lines of any length, a block for each.
const GPUKernelFamily *getLongSortGPUFamily();

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_SORTLINE_H
