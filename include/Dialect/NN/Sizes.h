// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic on sizes. A size is an OpFoldResult: an attribute where it is
// static, else an SSA index value; sums and products with constants are kept as
// composed affine.apply ops, so that equal sizes become the same value and (s *
// 2) / 2 becomes s.
#ifndef DLC_DIALECT_NN_SIZES_H
#define DLC_DIALECT_NN_SIZES_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace dlc::nn {

using Sizes = llvm::SmallVector<mlir::OpFoldResult>;

/// Size of dim `dim` of a ranked tensor; a tensor.dim where it is dynamic.
mlir::OpFoldResult sizeOf(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value tensor, int64_t dim);
/// All sizes of a ranked tensor.
Sizes sizesOf(mlir::OpBuilder &b, mlir::Location loc, mlir::Value tensor);
/// The sizes of `type`, whose dynamic dims are `dynamic` in order.
Sizes mixedSizes(mlir::OpBuilder &b, mlir::RankedTensorType type,
                 mlir::ValueRange dynamic);
/// Static entries and kDynamic places filled from `dynamic`, in order.
Sizes mixedSizes(mlir::OpBuilder &b, llvm::ArrayRef<int64_t> entries,
                 mlir::ValueRange dynamic);
/// Shape of a tensor type of these sizes: kDynamic where a size is a value.
llvm::SmallVector<int64_t>
staticShape(llvm::ArrayRef<mlir::OpFoldResult> sizes);
/// The sizes that are values, in order: what a result's dynamic dims need as
/// operands.
llvm::SmallVector<mlir::Value>
dynamicSizes(llvm::ArrayRef<mlir::OpFoldResult> sizes);

mlir::OpFoldResult addSizes(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::OpFoldResult lhs, mlir::OpFoldResult rhs);
mlir::OpFoldResult subSizes(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::OpFoldResult lhs, mlir::OpFoldResult rhs);
mlir::OpFoldResult mulSizes(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::OpFoldResult lhs, mlir::OpFoldResult rhs);
/// Floor and ceiling of the quotient; the divisor is positive.
mlir::OpFoldResult floorDivSizes(mlir::OpBuilder &b, mlir::Location loc,
                                 mlir::OpFoldResult lhs,
                                 mlir::OpFoldResult rhs);
mlir::OpFoldResult ceilDivSizes(mlir::OpBuilder &b, mlir::Location loc,
                                mlir::OpFoldResult lhs, mlir::OpFoldResult rhs);
mlir::OpFoldResult minSizes(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::OpFoldResult lhs, mlir::OpFoldResult rhs);
mlir::OpFoldResult maxSizes(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::OpFoldResult lhs, mlir::OpFoldResult rhs);
/// Product of all sizes; 1 of none.
mlir::OpFoldResult productOf(mlir::OpBuilder &b, mlir::Location loc,
                             llvm::ArrayRef<mlir::OpFoldResult> sizes);

/// Output size of a sliding window: (input + low + high - k_eff) / stride + 1,
/// rounded up if `ceil`, in which case a window that would start at or after
/// input + low is dropped. ONNX Conv and Pool.
mlir::OpFoldResult windowSize(mlir::OpBuilder &b, mlir::Location loc,
                              mlir::OpFoldResult input, mlir::OpFoldResult low,
                              mlir::OpFoldResult high,
                              mlir::OpFoldResult kernel, int64_t stride,
                              int64_t dilation, bool ceil = false);
/// Output size of a transposed window: (input - 1) * stride + k_eff - low -
/// high + output_padding.
mlir::OpFoldResult
transposedWindowSize(mlir::OpBuilder &b, mlir::Location loc,
                     mlir::OpFoldResult input, mlir::OpFoldResult low,
                     mlir::OpFoldResult high, mlir::OpFoldResult kernel,
                     int64_t stride, int64_t dilation, int64_t outputPadding);

} // namespace dlc::nn

#endif // DLC_DIALECT_NN_SIZES_H
