// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns the ops between the scores and the softmax into the score and mask
// regions of nn.attention.
#ifndef DLC_LIB_TRANSFORMS_ATTENTIONSCORES_H
#define DLC_LIB_TRANSFORMS_ATTENTIONSCORES_H

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

/// One region of an attention with the tensors whose elements it reads.
struct AttentionRegion {
  std::unique_ptr<mlir::Block> block;
  llvm::SmallVector<mlir::Value> inputs;
  llvm::SmallVector<mlir::AffineMap> maps;
};

/// An elementwise op between scores and softmax.
struct ScoreStep {
  nn::ElementwiseOp getOp() const { return op; }

  nn::ElementwiseOp op;
  /// The operand that comes from the scores.
  unsigned path;
  /// Loops of the op's result dims.
  LoopDims dims;
};

/// What the steps amount to.
struct AttentionScores {
  double scale = 1;
  nn::EmptyRow emptyRow = nn::EmptyRow::nan;
  AttentionRegion score, mask;
};

/// Builds the regions of the steps, in order from the scores to the softmax.
/// `element` is the type of the scores in the regions. Nothing where a step has
/// no region form; `why` then says which.
std::optional<AttentionScores>
buildAttentionScores(mlir::OpBuilder &b, llvm::ArrayRef<ScoreStep> steps,
                     mlir::FloatType element, Constants &constants,
                     std::string &why);

} // namespace dlc

#endif // DLC_LIB_TRANSFORMS_ATTENTIONSCORES_H
