// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The loops over a result's elements: which dims run as one, which loops become
// work items.
#ifndef DLC_CONVERSION_NNTOKERNEL_LOOPSPACE_H
#define DLC_CONVERSION_NNTOKERNEL_LOOPSPACE_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// Loop nest over the elements of one tensor of a dispatch. Adjacent dims that
/// every tensor of an elementwise body either walks densely or repeats run as
/// one loop: its index stands in the last of them that is not 1, with 0 in the
/// others, which
/// names the same element of a dense row-major view. The leading loops are work
/// items; the trailing ones, up to a few thousand elements, are an item.
class LoopSpace {
public:
  /// `tensor` gives the dims; the body's ops decide what may be merged. An
  /// element stands for `elementCost` simple ones.
  LoopSpace(DispatchContext &context, mlir::Value tensor,
            int64_t elementCost = 1);

  mlir::OpFoldResult getItems();

  /// The sizes of the merged loops, and the tensor's indices from theirs.
  llvm::ArrayRef<mlir::OpFoldResult> getGroupSizes() const {
    return groupSizes;
  }
  /// The tensor's dims that take the indices of the merged loops.
  llvm::ArrayRef<unsigned> getIndexDims() const { return indexDims; }
  llvm::SmallVector<mlir::Value>
  expandIndices(llvm::ArrayRef<mlir::Value> groupIndices);

  /// Emits the loops of items [begin, end) of `kb`, with `body` inside; its
  /// indices are the tensor's.
  void emitLoops(KernelBuilder &kb,
                 llvm::function_ref<void(mlir::ValueRange)> body);

private:
  void mergeDims(mlir::Value tensor);
  void splitItems(int64_t itemElements);

  DispatchContext &context;
  /// Dims of the tensor; the last dim of each group, and the one that takes the
  /// group's index: the last that is not 1, since operands ignore the index of
  /// a dim of size 1.
  unsigned rank;
  llvm::SmallVector<unsigned> lastDims, indexDims;
  /// Size of each group.
  nn::Sizes groupSizes;
  /// Groups [0, itemGroups) are work items.
  unsigned itemGroups = 0;
  /// Elements per item where the only group is itself cut into items; 0 if it
  /// is not.
  int64_t blockSize = 0;
};

/// One loop of a nest: it writes its index to `indices[dim]`.
struct LoopRange {
  unsigned dim;
  mlir::OpFoldResult lower, upper;
};

/// Loops over `ranges`, outermost first, around `body`, carrying `state`.
llvm::SmallVector<mlir::Value> emitLoopNest(
    KernelBuilder &kb, llvm::ArrayRef<LoopRange> ranges,
    llvm::MutableArrayRef<mlir::Value> indices, mlir::ValueRange state,
    llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange)> body);

/// Whole loops over dims `dims` of `tensor`.
llvm::SmallVector<LoopRange> wholeRanges(KernelBuilder &kb, mlir::Value tensor,
                                         llvm::ArrayRef<int64_t> dims);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_LOOPSPACE_H
