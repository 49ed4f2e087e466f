// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The sizes of all tensors in a dispatch, as values of wherever code is being
// built: the kernel, or the host program that launches it.
#ifndef DLC_CONVERSION_NNTOKERNEL_DISPATCHSIZES_H
#define DLC_CONVERSION_NNTOKERNEL_DISPATCHSIZES_H

#include "Dialect/NN/NNDialect.h"
#include "Dialect/NN/Sizes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace dlc {

/// Resolves sizes inside an nn.dispatch. Dynamic sizes of block arguments are
/// given by the nn.bind_shape ops at the body's start, those of results by
/// reification; the index code they lead to is cloned to the builder's
/// insertion point, with the dispatch's index arguments replaced by
/// `indexValues`. May add reified index ops to the dispatch's body.
class DispatchSizes {
public:
  DispatchSizes(nn::DispatchOp dispatch, mlir::OpBuilder &b,
                mlir::ValueRange indexValues);

  /// Size of dim `dim` of a tensor of the body.
  mlir::OpFoldResult size(mlir::Value tensor, int64_t dim);
  nn::Sizes sizes(mlir::Value tensor);
  /// An index value (or attribute) of the body.
  mlir::OpFoldResult index(mlir::OpFoldResult value);
  /// A scalar of the body, of any type, which depends on no tensor's elements.
  mlir::Value scalar(mlir::Value value);

private:
  mlir::OpFoldResult reify(mlir::OpResult tensor, int64_t dim);

  nn::DispatchOp dispatch;
  mlir::OpBuilder &b;
  mlir::IRMapping mapping;
  /// Bound sizes of block arguments, by argument number.
  llvm::DenseMap<unsigned, nn::BindShapeOp> bindings;
  llvm::DenseMap<mlir::Value, mlir::ReifiedRankedShapedTypeDims> reified;
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_DISPATCHSIZES_H
