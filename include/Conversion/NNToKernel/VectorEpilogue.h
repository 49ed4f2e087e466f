// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The elementwise ops behind a root (or before it, where it reads vectors too),
// computed on whole vectors.
#ifndef DLC_CONVERSION_NNTOKERNEL_VECTOREPILOGUE_H
#define DLC_CONVERSION_NNTOKERNEL_VECTOREPILOGUE_H

#include "Conversion/NNToKernel/KernelBuilder.h"
#include "Conversion/NNToVector/Epilogue.h"

namespace dlc {

/// Whether the dispatch's elementwise ops are worth a rolled loop, for which
/// the kernels need scratch memory: host and kernel have to agree.
bool hasExpensiveEpilogue(nn::DispatchOp dispatch);

/// Computes what a dispatch yields from its root's result, `lanes` neighbours
/// along the last dim at a time. The result's dims, but for dims of size 1, are
/// seen as consecutive groups, each with one linear index; the last group is
/// the one that lanes run along.
class VectorEpilogue {
public:
  VectorEpilogue(KernelBuilder &kb, mlir::Value root,
                 llvm::ArrayRef<llvm::SmallVector<unsigned>> groups);

  /// The yielded vector from the accumulators `acc` of lane 0 at
  /// `groupIndices`; `offset` is that lane's place in the dense result. See
  /// kernel::EpilogueFn for `mask`.
  mlir::Value compute(mlir::Value acc, mlir::ValueRange groupIndices,
                      mlir::Value offset, mlir::Value mask);

  /// `lanes` elements of `tensor`, which comes before the root and has its
  /// shape.
  mlir::Value load(mlir::Value tensor, int64_t lanes,
                   mlir::ValueRange groupIndices, mlir::Value offset,
                   mlir::Value mask);

private:
  mlir::Value evaluate(mlir::Value tensor);
  mlir::Value loadDense(mlir::Value tensor);
  mlir::Value loadLanes(mlir::Value tensor,
                        llvm::function_ref<bool(int64_t dim)> mayBeOne);
  mlir::Value repeatedIndex(mlir::Value tensor, int64_t dim,
                            mlir::OpFoldResult index, bool mayBeOne);
  std::optional<llvm::SmallVector<mlir::OpFoldResult>>
  groupStrides(mlir::Value tensor);

  KernelBuilder &kb;
  mlir::Value root;
  llvm::SmallVector<llvm::SmallVector<unsigned>> groups;
  /// State of one call of compute or load.
  llvm::DenseMap<mlir::Value, mlir::Value> vectors;
  llvm::SmallVector<mlir::Value> at;
  mlir::Value offset, mask;
  int64_t lanes = 0;
};

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_VECTOREPILOGUE_H
