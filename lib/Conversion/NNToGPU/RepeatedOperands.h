// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operands that are smaller than the tensor they are combined with, for blocks
// that have neighbouring elements of it.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_REPEATEDOPERANDS_H
#define DLC_LIB_CONVERSION_NNTOGPU_REPEATEDOPERANDS_H

#include "Conversion/NNToGPU/GPUKernelFamily.h"

namespace dlc {

/// Whether operand `number` of `op` is an input of the dispatch that repeats
/// its elements along dims of `shape` of which its type says so.
bool isRepeatedInput(nn::ElementwiseOp op, unsigned number,
                     llvm::ArrayRef<int64_t> shape);

/// Whether all that is computed from `input` is elementwise, of the shape of a
/// tensor with as many dims or smaller along some, of which types say so; what
/// the dispatch yields has the shape itself.
bool isElementwiseInput(mlir::Value input, llvm::ArrayRef<int64_t> shape);

/// Neighbouring elements of a tensor look for those of a mask or a bias, or of
/// a slice of an input, at places that begin anywhere and jump. A block copies
/// what its elements look for to shared memory, in their order: row by row of
/// the tensor's last dim, by accesses that begin where sectors do. Then it
/// reads the copy beside the elements, as if the operand did not repeat.
class RepeatedOperands {
public:
  /// `sizes` of the tensor; a block has up to `capacity` elements. Where dims
  /// were merged, these are the sizes of what they were merged to, and `dims`
  /// take the indices.
  RepeatedOperands(GPUKernelBuilder &kb, llvm::ArrayRef<mlir::Value> operands,
                   nn::Sizes sizes, int64_t capacity,
                   llvm::ArrayRef<unsigned> dims = {});

  /// Copies what elements [begin, end) look for; to be read after a barrier.
  void emitCopies(mlir::OpFoldResult begin, mlir::OpFoldResult end);
  /// Emits `body` for element `place`, with the operands' elements for it.
  mlir::Value readAt(mlir::OpFoldResult place,
                     llvm::function_ref<mlir::Value()> body);

private:
  struct Operand {
    mlir::Value tensor, copy;
  };
  mlir::OpFoldResult getRowPlace(mlir::Value tensor,
                                 llvm::ArrayRef<mlir::Value> row);
  void emitCopy(const Operand &operand, mlir::OpFoldResult end);
  void emitRow(const Operand &operand, mlir::Value row, mlir::OpFoldResult end,
               mlir::OpFoldResult team);

  GPUKernelBuilder &kb;
  nn::Sizes sizes;
  llvm::SmallVector<unsigned> dims;
  llvm::SmallVector<Operand> operands;
  mlir::OpFoldResult begin;
};

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_REPEATEDOPERANDS_H
