// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention with biases and masks, as one nn.attention or written out.
#ifndef DLC_IMPORT_BUILD_ATTENTION_H
#define DLC_IMPORT_BUILD_ATTENTION_H

#include "Import/Build/GraphBuilder.h"

namespace dlc::build {

/// score = softcap(scale * q . k) + biases; a key counts where all masks say
/// so.
struct AttentionSpec {
  mlir::Value query, key, value;
  /// The nn::AttentionLoop of each dim of an operand or the result.
  llvm::SmallVector<unsigned, 5> queryLoops, keyLoops, valueLoops, resultLoops;
  double scale = 1;
  /// cap * tanh(s / cap); 0: none.
  double softcap = 0;
  /// Tensors of (b, h, g, m, n) where each dim may be 1: floats are added, i1
  /// say which keys count.
  llvm::SmallVector<mlir::Value> biases, masks;
  /// Valid keys of each batch row, i64 (b); may be null.
  mlir::Value keyLength;
  /// A query's position is its row plus this offset; with `offsetFromLength`
  /// plus keyLength - rows.
  mlir::OpFoldResult offset;
  bool offsetFromLength = false;
  /// Keys up to position + right, and from position - left; -1: all.
  int64_t left = -1, right = -1;
  nn::EmptyRow emptyRow = nn::EmptyRow::nan;
};

/// One nn.attention; null where the operands do not fit.
mlir::Value buildAttention(GraphBuilder &b, const AttentionSpec &spec);

/// The same as contractions and softmax, and its stages, of (b, h, g, m, n).
struct AttentionStages {
  mlir::Value scaled, capped, biased, probabilities, result;
};
AttentionStages buildAttentionStages(GraphBuilder &b,
                                     const AttentionSpec &spec);

} // namespace dlc::build

#endif // DLC_IMPORT_BUILD_ATTENTION_H
