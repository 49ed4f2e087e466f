// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emitter of attention, O = softmax(scale Q K^T with scores and masks applied)
// V, that never holds the score matrix: blocks of keys update a running maximum
// and sum (Dao et al., "FlashAttention", 2022; Milakov and Gimelshein, "Online
// normalizer calculation for softmax", 2018).
#ifndef DLC_CONVERSION_NNTOVECTOR_ATTENTION_H
#define DLC_CONVERSION_NNTOVECTOR_ATTENTION_H

#include "Conversion/NNToVector/Gemm.h"

namespace dlc::kernel {

/// Position of one vector of scores: row m, keys n, n + 1, ...
struct AttentionIndices {
  llvm::SmallVector<mlir::Value> batch;
  mlir::Value head, group;
  mlir::Value m;
  mlir::Value n;
};

/// Gets scaled scores (vector of f32) and returns changed ones. `mask` as in
/// RowLoadFn.
using ScoreFn =
    std::function<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::Value score,
                              const AttentionIndices &, mlir::Value mask)>;

/// Returns a vector of i1: which keys the row sees. `mask` as in RowLoadFn.
using ScoreMaskFn = std::function<mlir::Value(
    mlir::ImplicitLocOpBuilder &, const AttentionIndices &, mlir::Value mask)>;

/// A number of keys, from the batch indices and a row.
using KeyBoundFn = std::function<mlir::OpFoldResult(
    mlir::ImplicitLocOpBuilder &, mlir::ValueRange batch,
    mlir::OpFoldResult row)>;

/// What becomes of a row that sees no key.
enum class EmptyRow {
  NaN,
  Zero,
  /// The mean of all values below the row's key length.
  Average,
};

/// Sizes and strides are static or `index`, in elements; e is static.
struct AttentionSpec {
  /// Element types; scores and sums are f32.
  mlir::Type query, key, value, output;
  /// Iterated with `heads` (of keys and values) and `groups` (query heads that
  /// share one of them).
  llvm::SmallVector<mlir::OpFoldResult> batch;
  mlir::OpFoldResult heads, groups;
  /// Rows of Q, keys, and the contracted size.
  mlir::OpFoldResult m, n, d;
  /// Columns of V and O.
  int64_t e = 0;

  /// Offsets from the batch indices followed by head and, for Q and O, group.
  OffsetFn queryOffset, keyOffset, valueOffset, outputOffset;
  /// Q[m, d] lies at queryOffset + m * queryRowStride + d * queryColumnStride.
  mlir::OpFoldResult queryRowStride, queryColumnStride;
  /// Transposed: [n][d] with dense rows; RowMajor: [d][n] with dense rows.
  BLayout keyLayout = BLayout::Transposed;
  mlir::OpFoldResult keyRowStride;
  /// Rows of V and O are dense.
  mlir::OpFoldResult valueRowStride, outputRowStride;

  /// f32, a value that dominates the insertion point.
  mlir::Value scale;
  /// Null: none.
  ScoreFn score;
  ScoreMaskFn mask;
  /// Keys of a batch that exist at all, at most n; `row` is null. Null: n.
  KeyBoundFn keyLength;
  /// Hints that skip blocks of keys; the mask must hide the same keys. Row r
  /// sees none before keyBegin(r) and none from keyEnd(r) on, and both never
  /// fall as r grows. At most n. Null: 0 and keyLength.
  KeyBoundFn keyBegin, keyEnd;
  EmptyRow emptyRow = EmptyRow::NaN;
  /// A row with a score of NaN is zero, not NaN.
  bool zeroNaNRows = false;
  /// Gets log(sum exp(score)) of a row (n of the indices is null), -inf for a
  /// row that sees no key. May be null.
  std::function<void(mlir::ImplicitLocOpBuilder &, const AttentionIndices &,
                     mlir::Value)>
      storeLogSumExp;
};

/// `#sched.attention`: blocks of queries and keys, and the register tiles of
/// the two products, rows x vectors.
struct AttentionSchedule {
  int64_t queryBlock = 66;
  int64_t keyBlock = 512;
  int64_t scoreRows = 6, scoreVectors = 4;
  int64_t valueRows = 6, valueVectors = 4;
};

/// The static rule for `m` rows (kDynamic where unknown) and values of `e`
/// columns: tiles within the register limit whose rows divide the block.
AttentionSchedule chooseAttentionSchedule(int64_t m, int64_t e,
                                          const VectorTarget &target);

/// Buffers of a kernel: memrefs whose first element is element 0 of the
/// operand; scratch as in GemmBuffers.
struct AttentionBuffers {
  mlir::Value query, key, value, output;
  mlir::Value scratch;
};

/// Number of work items: batches x heads x groups x blocks of queries.
mlir::OpFoldResult getAttentionItems(mlir::ImplicitLocOpBuilder &b,
                                     const AttentionSpec &spec,
                                     const AttentionSchedule &sched,
                                     const VectorTarget &target);

/// Bytes of scratch each worker needs: the packed keys of one head and one
/// block of scores.
mlir::OpFoldResult getAttentionScratchBytes(mlir::ImplicitLocOpBuilder &b,
                                            const AttentionSpec &spec,
                                            const AttentionSchedule &sched,
                                            const VectorTarget &target);

/// Emits the work items [begin, end) at the builder's insertion point. Any
/// partition gives the same bits; keys are packed once per call and head, so
/// long ranges are faster.
void emitAttention(mlir::ImplicitLocOpBuilder &b, const AttentionSpec &spec,
                   const AttentionSchedule &sched, const VectorTarget &target,
                   const AttentionBuffers &buffers, mlir::Value begin,
                   mlir::Value end);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_ATTENTION_H
