// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar regions of nn.attention, and the tensors that they read.
#ifndef DLC_LIB_TRANSFORMS_ATTENTIONREGION_H
#define DLC_LIB_TRANSFORMS_ATTENTIONREGION_H

#include "Constants.h"
#include "ViewChain.h"

namespace dlc {

/// The loops and sizes that a tensor dim is made of, major to minor; none for a
/// dim of size 1.
struct LoopDim {
  llvm::SmallVector<unsigned, 2> loops;
  llvm::SmallVector<SizeExpr, 2> sizes;
};
using LoopDims = llvm::SmallVector<LoopDim>;

/// `tensor` with each dim split into its loops and dims of size 1 dropped, and
/// the map from the attention's loops to it. Dims of the tensor that are 1 have
/// no loop whatever `dims` says.
std::pair<mlir::Value, mlir::AffineMap>
splitIntoLoops(mlir::OpBuilder &b, mlir::Value tensor,
               llvm::ArrayRef<LoopDim> dims);

/// The loops of an operand that is broadcast, numpy's way, to a result of
/// `dims`.
LoopDims getOperandDims(mlir::Value operand, const LoopDims &dims);

/// One region of an attention with the tensors whose elements it reads.
struct AttentionRegion {
  std::unique_ptr<mlir::Block> block;
  llvm::SmallVector<mlir::Value> inputs;
  llvm::SmallVector<mlir::AffineMap> maps;
};

/// Emits scalar code for elements of tensors at the loops' indices.
class AttentionRegionBuilder {
public:
  AttentionRegionBuilder(mlir::OpBuilder &b, bool hasScore,
                         mlir::FloatType element, Constants &constants)
      : outer(b), inner(b.getContext()), hasScore(hasScore), element(element),
        constants(constants), loc(b.getUnknownLoc()) {
    region.block = std::make_unique<mlir::Block>();
    if (hasScore) {
      region.block->addArgument(element, loc);
    }
    for (unsigned i = 0; i < 5; ++i) {
      region.block->addArgument(b.getIndexType(), loc);
    }
    inner.setInsertionPointToEnd(region.block.get());
  }

  mlir::OpBuilder &builder() { return inner; }
  mlir::Location getLoc() const { return loc; }
  mlir::Value score() { return region.block->getArgument(0); }
  mlir::Value index(unsigned loop) {
    return region.block->getArgument(loop + hasScore);
  }
  /// The element of `tensor`: i1, index for other integers, or a float of the
  /// scores' type. Null where there is no scalar form.
  mlir::Value emitElement(mlir::Value tensor, const LoopDims &dims);
  /// fn of such scalars, or null.
  mlir::Value apply(nn::Fn fn, llvm::ArrayRef<mlir::Value> args);
  AttentionRegion finish(mlir::Value result) {
    nn::YieldOp::create(inner, loc, result);
    return std::move(region);
  }

private:
  mlir::Value leaf(mlir::Value tensor, const LoopDims &dims);
  mlir::Value convert(mlir::Value scalar, mlir::Type to);
  mlir::Value computed(mlir::Value tensor, const LoopDims &dims);
  mlir::Value applyFloat(nn::Fn fn, llvm::ArrayRef<mlir::Value> args);
  mlir::Value applyInt(nn::Fn fn, llvm::ArrayRef<mlir::Value> args);
  static bool comesFromIota(mlir::Value tensor, unsigned depth = 0);

  mlir::OpBuilder &outer;
  mlir::OpBuilder inner;
  bool hasScore;
  mlir::FloatType element;
  Constants &constants;
  mlir::Location loc;
  AttentionRegion region;
  llvm::DenseMap<mlir::Value, mlir::Value> leaves;
};

} // namespace dlc

#endif // DLC_LIB_TRANSFORMS_ATTENTIONREGION_H
