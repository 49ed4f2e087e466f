// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention on tensor cores, O = softmax(scale Q K^T with scores and masks
// applied) V, that never holds the score matrix (Dao, "FlashAttention-2",
// 2023).
#ifndef DLC_DIALECT_TILE_ATTENTIONKERNEL_H
#define DLC_DIALECT_TILE_ATTENTIONKERNEL_H

#include "Dialect/Tile/KernelBuilder.h"
#include "Dialect/Tile/Schedules.h"

namespace dlc::tile {

/// Place of one score: an existing row of Q and an existing key.
struct ScorePlace {
  /// i64: batch indices, head of K and V, query head of those that share it.
  llvm::SmallVector<mlir::Value> batch;
  /// i32.
  mlir::Value row, key;
};

/// Gets a scaled score (f32) and returns a changed one.
using ScoreFn = std::function<mlir::Value(mlir::ImplicitLocOpBuilder &,
                                          mlir::Value, const ScorePlace &)>;
/// Returns i1: whether the row sees the key.
using ScoreMaskFn = std::function<mlir::Value(mlir::ImplicitLocOpBuilder &,
                                              const ScorePlace &)>;
/// A number of keys (i32), from the batch indices (as in ScorePlace) and a row
/// (i32).
using KeyBoundFn = std::function<mlir::Value(
    mlir::ImplicitLocOpBuilder &, mlir::ValueRange batch, mlir::Value row)>;

/// Stores one number (f32) of an existing row (i32).
using RowStoreFn =
    std::function<void(mlir::ImplicitLocOpBuilder &, mlir::Value value,
                       mlir::ValueRange batch, mlir::Value row)>;

/// What becomes of a row that sees no key.
enum class EmptyRow { NaN, Zero };

struct AttentionSpec {
  /// Sizes of ScorePlace::batch: the batch's, heads of K and V, query heads for
  /// each of them.
  llvm::SmallVector<Size> batch;
  /// Rows of Q, and keys; at most 2^31 - 1 less a tile.
  Size rows, keys;
  /// Columns of Q and K, and of V and the result.
  int64_t head = 0, valueHead = 0;
  /// rows x head, keys x head, keys x valueHead; bf16, f16 or f32 (rounded to
  /// tf32, and so are the probabilities). Columns are neighbours; offsets get
  /// ScorePlace::batch.
  MatrixSpec query, key, value;
  ResultSpec result;
  /// f32.
  mlir::Value scale;
  /// Null: none.
  ScoreFn score;
  ScoreMaskFn mask;
  /// Row r sees only keys from keyBegin(r) on and before keyEnd(r); both never
  /// fall as r grows. Blocks of keys outside are skipped. Null: 0 and `keys`.
  KeyBoundFn keyBegin, keyEnd;
  EmptyRow emptyRow = EmptyRow::NaN;
  /// Rows whose sum is NaN become zero, empty ones too.
  bool zeroNaNRows = false;
  /// Stores the logarithm of the sum over the row's keys of exp(score), -inf
  /// without a key; null: no one wants it.
  RowStoreFn storeLogSum;
};

/// As buildGemmKernel. The launch has product(batch) * ceil(rows / queries)
/// blocks. Long rows of a causal mask come first.
mlir::FailureOr<KernelOp> buildAttentionKernel(
    mlir::ImplicitLocOpBuilder &b, const KernelSignature &signature,
    AttentionScheduleAttr schedule, const BlockLimits &limits,
    llvm::function_ref<AttentionSpec(mlir::ImplicitLocOpBuilder &,
                                     const KernelArguments &)>
        makeSpec);

} // namespace dlc::tile

#endif // DLC_DIALECT_TILE_ATTENTIONKERNEL_H
