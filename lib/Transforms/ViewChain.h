// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chains of reshape and transpose as permutations of atoms: the finest factors
// of the dims that the chain keeps whole.
#ifndef DLC_LIB_TRANSFORMS_VIEWCHAIN_H
#define DLC_LIB_TRANSFORMS_VIEWCHAIN_H

#include "Analysis/SizeExpr.h"
#include "Dialect/NN/NNDialect.h"

namespace dlc {

/// A tensor seen through reshapes and transposes. Each dim of the source and of
/// the view is a list of atoms, major to minor; dims of size 1 are empty lists.
class ViewChain {
public:
  using Atoms = llvm::SmallVector<unsigned, 2>;

  /// The view that is the tensor of these sizes itself.
  explicit ViewChain(llvm::ArrayRef<SizeExpr> sizes);

  /// Views the view as a tensor of `sizes`; false, and no change, where no
  /// partition into atoms is proven.
  bool reshape(llvm::ArrayRef<SizeExpr> sizes);
  void transpose(llvm::ArrayRef<int64_t> permutation);
  /// Applies a reshape or transpose op; false for others or without a proof.
  bool apply(mlir::Operation *op);
  /// Splits `atom` into a part of size `minor` on the right and the rest.
  bool split(unsigned atom, const SizeExpr &minor);

  llvm::ArrayRef<Atoms> getSource() const { return source; }
  llvm::ArrayRef<Atoms> getView() const { return view; }
  const SizeExpr &getSize(unsigned atom) const { return sizes[atom]; }

private:
  llvm::SmallVector<SizeExpr> sizes;
  llvm::SmallVector<Atoms> source, view;
};

/// Ops that make a view of `input`: at most a reshape, a transpose and a
/// reshape, in this order.
class ViewPlan {
public:
  /// The least ops for the chain, a transpose last where that is possible.
  ViewPlan(const ViewChain &chain, llvm::ArrayRef<SizeExpr> sourceSizes,
           llvm::ArrayRef<SizeExpr> resultSizes);

  unsigned getNumOps() const {
    return !before.empty() + !permutation.empty() + after.has_value();
  }
  bool endsWithTranspose() const { return !permutation.empty() && !after; }
  mlir::Value build(mlir::OpBuilder &b, mlir::Location loc, mlir::Value input,
                    mlir::RankedTensorType type) const;

private:
  void planTransposeOfSource(const ViewChain &chain);
  void planTransposeToResult(const ViewChain &chain);
  void planThroughGroups(const ViewChain &chain);

  llvm::SmallVector<SizeExpr> source, result;
  /// Sizes to reshape to first; empty: none.
  llvm::SmallVector<SizeExpr> before;
  llvm::SmallVector<int64_t> permutation;
  /// Sizes to reshape to at the end, if any; of a scalar there are none.
  std::optional<llvm::SmallVector<SizeExpr>> after;
};

/// A reshape of `input` to these sizes, or `input` where it has them.
mlir::Value reshapeTo(mlir::OpBuilder &b, mlir::Location loc, mlir::Value input,
                      llvm::ArrayRef<SizeExpr> sizes);
/// A transpose, or `input` where the permutation is the identity.
mlir::Value transposeTo(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value input, llvm::ArrayRef<int64_t> permutation);

} // namespace dlc

#endif // DLC_LIB_TRANSFORMS_VIEWCHAIN_H
