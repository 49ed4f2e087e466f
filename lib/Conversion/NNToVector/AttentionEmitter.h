// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The attention emitter's own structure; see Attention.h for what it computes.
#ifndef DLC_LIB_CONVERSION_NNTOVECTOR_ATTENTIONEMITTER_H
#define DLC_LIB_CONVERSION_NNTOVECTOR_ATTENTIONEMITTER_H

#include "Tile.h"

#include "Conversion/NNToVector/Attention.h"
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Rows.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace dlc::kernel {

/// Shapes that follow from spec, schedule and target.
struct AttentionShapes {
  AttentionShapes(mlir::ImplicitLocOpBuilder &b, const AttentionSpec &spec,
                  const AttentionSchedule &sched, const VectorTarget &target);

  int64_t lanes;
  int64_t panelWidth, keyBlock, queryBlock;
  /// Rows of the block's buffers: queryBlock rounded up to both tiles.
  int64_t blockRows;
  int64_t scoreStride, outputStride;
  mlir::OpFoldResult panelRows, panelElements, queryBlocks;
  /// Where the scratch regions after the panels begin, and where all end.
  mlir::OpFoldResult scoreBytes, outputBytes, statisticsBytes, scratchBytes;
};

/// One block of queries of one head.
struct QueryBlock {
  AttentionIndices at; // m and n are null
  mlir::OpFoldResult firstRow, rows;
  mlir::OpFoldResult queryOffset, valueOffset, outputOffset;
  mlir::OpFoldResult length;
};

/// A block of keys.
struct KeyBlock {
  mlir::OpFoldResult first, count;
};

class AttentionEmitter {
public:
  AttentionEmitter(mlir::ImplicitLocOpBuilder &b, const AttentionSpec &spec,
                   const AttentionSchedule &sched, const VectorTarget &target,
                   const AttentionBuffers &buffers);
  void emit(mlir::Value begin, mlir::Value end);

private:
  // Keys.
  mlir::OpFoldResult keyLength(mlir::ValueRange batch);
  mlir::OpFoldResult keyBegin(mlir::ValueRange batch,
                              mlir::OpFoldResult firstRow);
  mlir::OpFoldResult keyEnd(mlir::ValueRange batch, mlir::OpFoldResult lastRow,
                            mlir::OpFoldResult length);
  void packKeys(mlir::ValueRange indices, mlir::Value low, mlir::Value high);

  // One block of queries.
  void emitBlock(mlir::ValueRange indices, mlir::Value item);
  void clearBlock(const QueryBlock &block);
  void emitKeyBlock(const QueryBlock &block, const KeyBlock &keys);
  void emitScores(const QueryBlock &block, const KeyBlock &keys);
  void emitScoreTile(const QueryBlock &block, const KeyBlock &keys,
                     mlir::Value panel, mlir::Value rowTile, int64_t vectors);
  void emitSoftmaxRow(const QueryBlock &block, const KeyBlock &keys,
                      mlir::Value row);
  mlir::Value emitRowMaximum(const QueryBlock &block, const KeyBlock &keys,
                             mlir::Value row);
  mlir::Value toBase2(mlir::Value x);
  mlir::Value transformScores(const QueryBlock &block, const KeyBlock &keys,
                              mlir::Value score, mlir::Value row,
                              mlir::Value column, mlir::Value mask);
  void emitProduct(const QueryBlock &block, const KeyBlock &keys);
  void emitProductPanel(const QueryBlock &block, const KeyBlock &keys,
                        mlir::OpFoldResult column, int64_t vectors,
                        bool masked);
  void storeBlock(const QueryBlock &block);
  void storeRow(const QueryBlock &block, mlir::Value row);
  void storeAverage(const QueryBlock &block, mlir::Value row);
  void storeOutput(const QueryBlock &block, mlir::Value row, mlir::Value column,
                   mlir::Value value, mlir::Value mask);

  // Small helpers.
  TileRow clampedRow(const QueryBlock &block, mlir::Value tile, int64_t rows,
                     int64_t i, mlir::OpFoldResult stride,
                     mlir::OpFoldResult base);
  mlir::Value loadStatistic(int64_t which, mlir::OpFoldResult row);
  void storeStatistic(int64_t which, mlir::Value row, mlir::Value value);
  mlir::Value splat(double value) { return floatConstant(b, vector, value); }
  mlir::Value broadcast(mlir::Value scalar) {
    return mlir::vector::BroadcastOp::create(b, vector, scalar);
  }
  mlir::Value larger(mlir::Value x, mlir::Value y) {
    return selectLarger(b, x, y);
  }

  enum Statistic { Maximum, Sum, Rescale };

  mlir::ImplicitLocOpBuilder &b;
  IndexMath math;
  const AttentionSpec &spec;
  const AttentionSchedule &sched;
  AttentionShapes shapes;
  mlir::VectorType vector;
  mlir::Value query, key, value, output;
  mlir::Value panels, scores, accumulators, statistics;
  /// Multiplies raw scores: `scale`, and log2(e) when no score function
  /// follows.
  mlir::Value factor;
  ContractionTypes scoreTypes, productTypes;
  Epilogue noEpilogue;
};

} // namespace dlc::kernel

#endif // DLC_LIB_CONVERSION_NNTOVECTOR_ATTENTIONEMITTER_H
