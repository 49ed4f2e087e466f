// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Places that tensors of indices name, for gather, scatter and cache updates.
#ifndef DLC_CONVERSION_NNTOKERNEL_INDEXING_H
#define DLC_CONVERSION_NNTOKERNEL_INDEXING_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// The results of `map` at `indices`.
llvm::SmallVector<mlir::Value> emitMap(KernelBuilder &kb, mlir::AffineMap map,
                                       mlir::ValueRange indices);

/// Element `at` of integer tensor `tensor` as an index; with `negativeWrap` a
/// negative one counts from the end of a dim of `size`. It may be out of range.
mlir::Value emitLoadedIndex(KernelBuilder &kb, mlir::Value tensor,
                            mlir::ValueRange at, mlir::OpFoldResult size,
                            bool negativeWrap);

/// Whether 0 <= index < size, and `condition` (null: true).
mlir::Value emitInRange(KernelBuilder &kb, mlir::Value index,
                        mlir::OpFoldResult size, mlir::Value condition);

/// Elements of tensors of the nn dialect at `indices`; see IndexFunctions.cpp.
mlir::Value emitInsertSlice(KernelBuilder &kb, nn::InsertSliceOp op,
                            mlir::ValueRange indices);
mlir::Value emitCacheUpdate(KernelBuilder &kb, nn::CacheUpdateOp op,
                            mlir::ValueRange indices);
mlir::Value emitResize(KernelBuilder &kb, nn::ResizeOp op,
                       mlir::ValueRange indices);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_INDEXING_H
