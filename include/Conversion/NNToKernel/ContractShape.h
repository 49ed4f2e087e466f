// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An nn.contract seen as a batched matrix product.
#ifndef DLC_CONVERSION_NNTOKERNEL_CONTRACTSHAPE_H
#define DLC_CONVERSION_NNTOKERNEL_CONTRACTSHAPE_H

#include "Dialect/NN/NNDialect.h"

namespace dlc {

/// Size of a loop dim of `op`, kDynamic where it is not known.
int64_t getStaticLoopSize(nn::ContractOp op, unsigned dim);

/// Product of the sizes of loop dims, kDynamic where one is not known.
int64_t getStaticGroupSize(nn::ContractOp op, llvm::ArrayRef<unsigned> group);

/// Loop dims that are adjacent, in the same order, in every operand that has
/// them; one linear index. Dims of static size 1 stand in no group.
using DimGroup = llvm::SmallVector<unsigned>;

/// C[batch, m, n] = sum_k A[batch, m, k] B[batch, k, n], with each of m, n, k
/// one group of loop dims and any number of batch groups; groups of the result
/// that only one operand has count as batch too.
struct ContractShape {
  /// Whether A is the contract's rhs.
  bool swapped = false;
  llvm::SmallVector<DimGroup> batch;
  DimGroup m, n, k;

  /// Fails where no such view exists: several reduced groups, or a batch dim
  /// innermost in the result.
  static mlir::FailureOr<ContractShape> create(nn::ContractOp op);

  mlir::Value getA(nn::ContractOp op) const {
    return swapped ? op.getRhs() : op.getLhs();
  }
  mlir::Value getB(nn::ContractOp op) const {
    return swapped ? op.getLhs() : op.getRhs();
  }
  mlir::AffineMap getMapA(nn::ContractOp op) const {
    return op.getMap(swapped ? 1 : 0);
  }
  mlir::AffineMap getMapB(nn::ContractOp op) const {
    return op.getMap(swapped ? 0 : 1);
  }
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_CONTRACTSHAPE_H
