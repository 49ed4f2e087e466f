// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks that several verifiers and reifications of the dialect share.
#ifndef DLC_LIB_DIALECT_NN_VERIFY_H
#define DLC_LIB_DIALECT_NN_VERIFY_H

#include "Dialect/NN/NNDialect.h"
#include "Dialect/NN/Sizes.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

namespace dlc::nn {

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// Whether two static-or-dynamic sizes can be equal.
inline bool sizesAgree(int64_t lhs, int64_t rhs) {
  return mlir::ShapedType::isDynamic(lhs) || mlir::ShapedType::isDynamic(rhs) ||
         lhs == rhs;
}

/// Fails unless each dim of `actual` can equal that of `expected`.
mlir::LogicalResult verifyShape(mlir::Operation *op, llvm::StringRef what,
                                llvm::ArrayRef<int64_t> actual,
                                llvm::ArrayRef<int64_t> expected);
mlir::LogicalResult verifyRank(mlir::Operation *op, llvm::StringRef what,
                               int64_t actual, int64_t expected);
/// Fails unless the element types are the same.
mlir::LogicalResult verifyElementType(mlir::Operation *op, llvm::StringRef what,
                                      mlir::Type actual, mlir::Type expected);
/// Fails unless `axes` are sorted, unique and below `rank`.
mlir::LogicalResult verifyAxes(mlir::Operation *op,
                               llvm::ArrayRef<int64_t> axes, int64_t rank);
/// Fails unless `dynamic` has one value per dynamic dim of `type`.
mlir::LogicalResult verifySizeCount(mlir::Operation *op,
                                    mlir::RankedTensorType type,
                                    unsigned dynamic);

/// The shape of `like` for the first result.
mlir::LogicalResult reifyLike(mlir::OpBuilder &b, mlir::Operation *op,
                              mlir::Value like,
                              mlir::ReifiedRankedShapedTypeDims &dims);
/// Appends `sizes` as one result's shape, with static dims of the result's type
/// as attributes.
void appendShape(mlir::OpBuilder &b, mlir::Value result,
                 llvm::ArrayRef<mlir::OpFoldResult> sizes,
                 mlir::ReifiedRankedShapedTypeDims &dims);

} // namespace dlc::nn

#endif // DLC_LIB_DIALECT_NN_VERIFY_H
