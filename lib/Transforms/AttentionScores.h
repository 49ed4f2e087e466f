// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns the ops between the scores and the softmax into the score and mask
// regions of nn.attention.
#ifndef DLC_LIB_TRANSFORMS_ATTENTIONSCORES_H
#define DLC_LIB_TRANSFORMS_ATTENTIONSCORES_H

#include "AttentionRegion.h"

namespace dlc {

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
