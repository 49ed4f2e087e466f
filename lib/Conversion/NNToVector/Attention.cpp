// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention on the CPU: per head, keys are packed into panels [n / NR][d][NR];
// per block of queries, blocks of keys go through scores, softmax and the
// product with the values. Scores are kept in base 2, so that the exponential
// needs no multiplication.
#include "Conversion/NNToVector/Attention.h"

#include "PackPanel.h"

#include "Conversion/Common/ScalarMath.h"
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Rows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <limits>
#include <numeric>

using namespace mlir;
using namespace dlc;
using namespace dlc::kernel;

static constexpr double kLog2E = 1.4426950408889634;
static constexpr double kLn2 = 0.6931471805599453;
static constexpr double kMinusInfinity =
    -std::numeric_limits<double>::infinity();
// Vectors an iteration of the softmax loops.
static constexpr int64_t kUnroll = 4;
static constexpr int64_t kFloatBytes = 4;

AttentionSchedule
dlc::kernel::chooseAttentionSchedule(int64_t e, const VectorTarget &target) {
  AttentionSchedule sched;
  if (target.registers < 32) {
    sched.scoreRows = sched.valueRows = 6;
    sched.scoreVectors = sched.valueVectors = 2;
  }
  if (e <= target.lanes) {
    // One column of vectors: rows alone have to hide the latency.
    sched.valueVectors = 1;
    sched.valueRows = target.registers < 32 ? 8 : 16;
  }
  return sched;
}

namespace {

/// Shapes that follow from spec, schedule and target.
struct Shapes {
  Shapes(ImplicitLocOpBuilder &b, const AttentionSpec &spec,
         const AttentionSchedule &sched, const VectorTarget &target)
      : lanes(target.lanes) {
    IndexMath math(b);
    panelWidth = sched.scoreVectors * lanes;
    keyBlock = std::max<int64_t>(1, sched.keyBlock / panelWidth) * panelWidth;
    queryBlock = sched.queryBlock;
    if (std::optional<int64_t> n = IndexMath::known(spec.n))
      keyBlock = std::min<int64_t>(
          keyBlock, llvm::alignTo(std::max<int64_t>(*n, 1), panelWidth));
    if (std::optional<int64_t> m = IndexMath::known(spec.m))
      queryBlock = std::min(queryBlock, std::max<int64_t>(*m, 1));
    blockRows = std::max<int64_t>(llvm::alignTo(queryBlock, sched.scoreRows),
                                  llvm::alignTo(queryBlock, sched.valueRows));
    // Off the power of two, so that rows do not meet in one cache set.
    scoreStride = keyBlock + lanes;
    outputStride = llvm::alignTo(spec.e, lanes);
    panelRows = packedPanelRows(b, spec.keyLayout, spec.d, lanes);
    panelElements = math.mul(panelRows, panelWidth);
    queryBlocks = math.ceilDiv(spec.m, math.constant(queryBlock));
    OpFoldResult panels = math.ceilDiv(spec.n, math.constant(panelWidth));

    scoreBytes = math.mul(math.mul(panels, panelElements), kFloatBytes);
    outputBytes = math.add(
        scoreBytes, math.constant(blockRows * scoreStride * kFloatBytes));
    statisticsBytes = math.add(
        outputBytes, math.constant(blockRows * outputStride * kFloatBytes));
    scratchBytes =
        math.add(statisticsBytes,
                 math.constant(llvm::alignTo(3 * blockRows * kFloatBytes, 64)));
  }

  int64_t lanes;
  int64_t panelWidth, keyBlock, queryBlock;
  /// Rows of the block's buffers: queryBlock rounded up to both tiles.
  int64_t blockRows;
  int64_t scoreStride, outputStride;
  OpFoldResult panelRows, panelElements, queryBlocks;
  /// Where the scratch regions after the panels begin, and where all end.
  OpFoldResult scoreBytes, outputBytes, statisticsBytes, scratchBytes;
};

/// One block of queries of one head.
struct Block {
  AttentionIndices at; // m and n are null
  OpFoldResult firstRow, rows;
  OpFoldResult queryOffset, valueOffset, outputOffset;
  OpFoldResult length;
};

/// A block of keys.
struct KeyBlock {
  OpFoldResult first, count;
};

class AttentionEmitter {
public:
  AttentionEmitter(ImplicitLocOpBuilder &b, const AttentionSpec &spec,
                   const AttentionSchedule &sched, const VectorTarget &target,
                   const AttentionBuffers &buffers);
  void emit(Value begin, Value end);

private:
  // Keys.
  OpFoldResult keyLength(ValueRange batch);
  OpFoldResult keyBegin(ValueRange batch, OpFoldResult firstRow);
  OpFoldResult keyEnd(ValueRange batch, OpFoldResult lastRow,
                      OpFoldResult length);
  void packKeys(ValueRange indices, Value low, Value high);

  // One block of queries.
  void emitBlock(ValueRange indices, Value item);
  void clearBlock(const Block &block);
  void emitKeyBlock(const Block &block, const KeyBlock &keys);
  void emitScores(const Block &block, const KeyBlock &keys);
  void emitSoftmaxRow(const Block &block, const KeyBlock &keys, Value row);
  Value emitRowMaximum(const Block &block, const KeyBlock &keys, Value row);
  Value transformScores(const Block &block, const KeyBlock &keys, Value score,
                        Value row, Value column, Value mask);
  void emitProduct(const Block &block, const KeyBlock &keys);
  void emitProductPanel(const Block &block, const KeyBlock &keys,
                        OpFoldResult column, int64_t vectors, bool masked);
  void storeBlock(const Block &block);
  void storeRow(const Block &block, Value row);
  void storeAverage(const Block &block, Value row);
  void storeOutput(const Block &block, Value row, Value column, Value value,
                   Value mask);

  // Small helpers.
  TileRow clampedRow(const Block &block, Value tile, int64_t rows, int64_t i,
                     OpFoldResult stride, OpFoldResult base);
  Value loadStatistic(int64_t which, OpFoldResult row);
  void storeStatistic(int64_t which, Value row, Value value);
  Value splat(double value) { return floatConstant(b, vector, value); }
  Value broadcast(Value scalar) {
    return vector::BroadcastOp::create(b, vector, scalar);
  }
  Value larger(Value x, Value y) { return selectLarger(b, x, y); }

  enum Statistic { Maximum, Sum, Rescale };

  ImplicitLocOpBuilder &b;
  IndexMath math;
  const AttentionSpec &spec;
  const AttentionSchedule &sched;
  Shapes shapes;
  VectorType vector;
  Value query, key, value, output;
  Value panels, scores, accumulators, statistics;
  /// Multiplies raw scores: `scale`, and log2(e) when no score function
  /// follows.
  Value factor;
  ContractionTypes scoreTypes, productTypes;
  Epilogue noEpilogue;
};

} // namespace

AttentionEmitter::AttentionEmitter(ImplicitLocOpBuilder &b,
                                   const AttentionSpec &spec,
                                   const AttentionSchedule &sched,
                                   const VectorTarget &target,
                                   const AttentionBuffers &buffers)
    : b(b), math(b), spec(spec), sched(sched), shapes(b, spec, sched, target),
      vector(VectorType::get({target.lanes}, b.getF32Type())) {
  query = flatten(b, buffers.query);
  key = flatten(b, buffers.key);
  value = flatten(b, buffers.value);
  output = flatten(b, buffers.output);
  Type f32 = b.getF32Type();
  panels = scratchView(b, buffers.scratch, math.constant(0), f32);
  scores = scratchView(b, buffers.scratch, shapes.scoreBytes, f32);
  accumulators = scratchView(b, buffers.scratch, shapes.outputBytes, f32);
  statistics = scratchView(b, buffers.scratch, shapes.statisticsBytes, f32);
  factor = spec.scale;
  if (!spec.score)
    factor = arith::MulFOp::create(b, factor, floatConstant(b, f32, kLog2E));
  factor = broadcast(factor);
  scoreTypes.a = spec.query;
  scoreTypes.b = spec.key;
  scoreTypes.acc = scoreTypes.c = f32;
  productTypes.a = f32;
  productTypes.b = spec.value;
  productTypes.acc = productTypes.c = f32;
}

//===--- Keys -------------------------------------------------------------===//

OpFoldResult AttentionEmitter::keyLength(ValueRange batch) {
  return spec.keyLength ? spec.keyLength(b, batch, OpFoldResult()) : spec.n;
}

OpFoldResult AttentionEmitter::keyBegin(ValueRange batch,
                                        OpFoldResult firstRow) {
  if (!spec.keyBegin)
    return math.constant(0);
  // Blocks start at whole panels.
  OpFoldResult begin =
      math.max(spec.keyBegin(b, batch, firstRow), math.constant(0));
  return math.mul(math.div(begin, math.constant(shapes.panelWidth)),
                  shapes.panelWidth);
}

OpFoldResult AttentionEmitter::keyEnd(ValueRange batch, OpFoldResult lastRow,
                                      OpFoldResult length) {
  if (!spec.keyEnd)
    return length;
  OpFoldResult end = math.min(spec.keyEnd(b, batch, lastRow), length);
  return math.max(end, math.constant(0));
}

/// Packs the keys that items [low, high) of one head see.
void AttentionEmitter::packKeys(ValueRange indices, Value low, Value high) {
  ValueRange batch = indices.drop_back();
  OpFoldResult length = keyLength(batch);
  OpFoldResult first = math.constant(0), last = length;
  if (spec.keyBegin || spec.keyEnd) {
    // Items of several groups: all rows.
    OpFoldResult lastItem = math.sub(high, math.constant(1));
    Value oneGroup = math.equal(math.div(low, shapes.queryBlocks),
                                math.div(lastItem, shapes.queryBlocks));
    auto choose = [&](OpFoldResult one, OpFoldResult many) -> OpFoldResult {
      return arith::SelectOp::create(b, oneGroup, math.value(one),
                                     math.value(many))
          .getResult();
    };
    OpFoldResult firstRow =
        choose(math.mul(math.rem(low, shapes.queryBlocks), shapes.queryBlock),
               math.constant(0));
    OpFoldResult blocks =
        math.add(math.rem(lastItem, shapes.queryBlocks), math.constant(1));
    OpFoldResult endRow =
        choose(math.min(math.mul(blocks, shapes.queryBlock), spec.m), spec.m);
    first = keyBegin(batch, firstRow);
    last = keyEnd(batch, math.sub(endRow, math.constant(1)), length);
  }
  TileContext ctx{b,       scoreTypes, shapes.lanes, nullptr,
                  nullptr, noEpilogue, Value(),      Value()};
  OpFoldResult offset = spec.keyOffset(b, indices);
  OpFoldResult width = math.constant(shapes.panelWidth);
  emitFor(b, math.div(first, width), math.ceilDiv(last, width),
          math.constant(1), [&](Value panel) {
            PanelSource source{key,
                               offset,
                               spec.keyRowStride,
                               spec.keyLayout,
                               spec.d,
                               length,
                               math.mul(panel, shapes.panelWidth)};
            OpFoldResult at = math.mul(panel, shapes.panelElements);
            auto type = cast<MemRefType>(panels.getType());
            Value packed = memref::ReinterpretCastOp::create(
                b,
                MemRefType::get(type.getShape(), type.getElementType(),
                                StridedLayoutAttr::get(
                                    b.getContext(), ShapedType::kDynamic, 1)),
                panels, OpFoldResult(math.value(at)),
                ArrayRef<OpFoldResult>{math.value(shapes.panelElements)},
                ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
            emitPackPanel(ctx, source, packed, sched.scoreVectors);
          });
}

//===--- Blocks of queries ------------------------------------------------===//

void AttentionEmitter::emit(Value begin, Value end) {
  SmallVector<OpFoldResult> pairSizes = spec.batch;
  pairSizes.push_back(spec.heads);
  OpFoldResult perPair = math.mul(spec.groups, shapes.queryBlocks);
  emitIf(b, math.less(begin, end), [&] {
    emitFor(b, math.div(begin, perPair), math.ceilDiv(end, perPair),
            math.constant(1), [&](Value pair) {
              OpFoldResult base = math.mul(pair, perPair);
              OpFoldResult low = math.sub(math.max(begin, base), base);
              OpFoldResult high =
                  math.sub(math.min(end, math.add(base, perPair)), base);
              SmallVector<Value> indices;
              for (OpFoldResult index : delinearize(math, pair, pairSizes))
                indices.push_back(math.value(index));
              Value lowValue = math.value(low), highValue = math.value(high);
              packKeys(indices, lowValue, highValue);
              emitFor(b, lowValue, highValue, math.constant(1),
                      [&](Value item) { emitBlock(indices, item); });
            });
  });
}

void AttentionEmitter::emitBlock(ValueRange indices, Value item) {
  Block block;
  llvm::append_range(block.at.batch, indices.drop_back());
  block.at.head = indices.back();
  block.at.group = math.value(math.div(item, shapes.queryBlocks));
  block.firstRow =
      math.mul(math.rem(item, shapes.queryBlocks), shapes.queryBlock);
  std::optional<int64_t> m = IndexMath::known(spec.m);
  block.rows = m && *m % shapes.queryBlock == 0
                   ? math.constant(shapes.queryBlock)
                   : math.min(math.sub(spec.m, block.firstRow),
                              math.constant(shapes.queryBlock));
  SmallVector<Value> withGroup = llvm::to_vector(indices);
  withGroup.push_back(block.at.group);
  block.queryOffset = spec.queryOffset(b, withGroup);
  block.outputOffset = spec.outputOffset(b, withGroup);
  block.valueOffset = spec.valueOffset(b, indices);
  block.length = keyLength(block.at.batch);

  clearBlock(block);
  OpFoldResult lastRow =
      math.sub(math.add(block.firstRow, block.rows), math.constant(1));
  OpFoldResult end = keyEnd(block.at.batch, lastRow, block.length);
  emitFor(b, keyBegin(block.at.batch, block.firstRow), end,
          math.constant(shapes.keyBlock), [&](Value first) {
            std::optional<int64_t> known = IndexMath::known(end);
            OpFoldResult count = known && *known % shapes.keyBlock == 0
                                     ? math.constant(shapes.keyBlock)
                                     : math.min(math.sub(end, first),
                                                math.constant(shapes.keyBlock));
            emitKeyBlock(block, {first, count});
          });
  storeBlock(block);
}

void AttentionEmitter::clearBlock(const Block &block) {
  Value zero = splat(0);
  Value lowest = floatConstant(b, b.getF32Type(), kMinusInfinity);
  Value none = floatConstant(b, b.getF32Type(), 0);
  emitFor(b, math.constant(0), block.rows, math.constant(1), [&](Value row) {
    storeStatistic(Maximum, row, lowest);
    storeStatistic(Sum, row, none);
    OpFoldResult base = math.mul(row, shapes.outputStride);
    emitFor(b, math.constant(0), math.constant(shapes.outputStride),
            math.constant(shapes.lanes), [&](Value column) {
              storeVector(b, zero, accumulators,
                          math.value(math.add(base, column)), nullptr);
            });
  });
}

void AttentionEmitter::emitKeyBlock(const Block &block, const KeyBlock &keys) {
  emitScores(block, keys);
  emitFor(b, math.constant(0), block.rows, math.constant(1),
          [&](Value row) { emitSoftmaxRow(block, keys, row); });
  emitProduct(block, keys);
}

/// Row tile * rows + i of the block; past its end, the last row again.
TileRow AttentionEmitter::clampedRow(const Block &block, Value tile,
                                     int64_t rows, int64_t i,
                                     OpFoldResult stride, OpFoldResult base) {
  OpFoldResult row = math.add(math.mul(tile, rows), math.constant(i));
  std::optional<int64_t> known = IndexMath::known(block.rows);
  if (!known || *known % rows != 0)
    row = math.min(row, math.sub(block.rows, math.constant(1)));
  return {i, math.mul(math.add(base, row), stride)};
}

void AttentionEmitter::emitScores(const Block &block, const KeyBlock &keys) {
  int64_t rows = sched.scoreRows, vectors = sched.scoreVectors;
  TileContext ctx{b,       scoreTypes, shapes.lanes, nullptr,
                  nullptr, noEpilogue, Value(),      Value()};
  OpFoldResult width = math.constant(shapes.panelWidth);
  OpFoldResult firstPanel = math.div(keys.first, width);
  auto tile = [&](Value panel, Value rowTile) {
    TileReduction reduction;
    reduction.a = query;
    reduction.aBase = block.queryOffset;
    for (int64_t i = 0; i < rows; ++i)
      reduction.rows.push_back(clampedRow(block, rowTile, rows, i,
                                          spec.queryRowStride, block.firstRow));
    reduction.aStep = spec.queryColumnStride;
    reduction.bFlat = panels;
    reduction.bBase =
        math.mul(math.add(firstPanel, panel), shapes.panelElements);
    reduction.bStep = width;
    reduction.bConverted = true;
    reduction.count = spec.d;
    SmallVector<Value> acc(rows * vectors, splat(0));
    acc = emitTileReduction(ctx, reduction, acc, vectors);
    OpFoldResult column = math.mul(panel, shapes.panelWidth);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < vectors; ++j) {
        OpFoldResult row = math.add(math.mul(rowTile, rows), math.constant(i));
        OpFoldResult index =
            math.add(math.add(math.mul(row, shapes.scoreStride), column),
                     math.constant(j * shapes.lanes));
        storeVector(b, arith::MulFOp::create(b, acc[i * vectors + j], factor),
                    scores, math.value(index), nullptr);
      }
  };
  emitFor(b, math.constant(0), math.ceilDiv(keys.count, width),
          math.constant(1), [&](Value panel) {
            emitFor(b, math.constant(0),
                    math.ceilDiv(block.rows, math.constant(rows)),
                    math.constant(1),
                    [&](Value rowTile) { tile(panel, rowTile); });
          });
}

//===--- Softmax ----------------------------------------------------------===//

Value AttentionEmitter::loadStatistic(int64_t which, OpFoldResult row) {
  OpFoldResult index = math.add(row, math.constant(which * shapes.blockRows));
  return memref::LoadOp::create(b, statistics, math.value(index));
}

void AttentionEmitter::storeStatistic(int64_t which, Value row, Value value) {
  OpFoldResult index = math.add(row, math.constant(which * shapes.blockRows));
  memref::StoreOp::create(b, value, statistics, math.value(index));
}

/// Score function and masks on one vector of scores; base 2 afterwards.
Value AttentionEmitter::transformScores(const Block &block,
                                        const KeyBlock &keys, Value score,
                                        Value row, Value column, Value mask) {
  AttentionIndices at = block.at;
  at.m = math.value(math.add(block.firstRow, row));
  at.n = math.value(math.add(keys.first, column));
  if (spec.score) {
    score = spec.score(b, score, at, mask);
    score = arith::MulFOp::create(b, score, splat(kLog2E));
  }
  Value visible = spec.mask ? spec.mask(b, at, mask) : Value();
  if (mask)
    visible =
        visible ? arith::AndIOp::create(b, visible, mask).getResult() : mask;
  if (visible)
    score = arith::SelectOp::create(b, visible, score, splat(kMinusInfinity));
  return score;
}

/// The maximum of a row of scores, which are transformed in place.
Value AttentionEmitter::emitRowMaximum(const Block &block, const KeyBlock &keys,
                                       Value row) {
  OpFoldResult base = math.mul(row, shapes.scoreStride);
  auto combine = [&](Value x, Value y) { return larger(x, y); };
  SmallVector<Value> result = emitColumns(
      b, keys.count, shapes.lanes, kUnroll, splat(kMinusInfinity),
      [&](Value column, Value mask, ValueRange maximum) {
        Value index = math.value(math.add(base, column));
        Value score = loadVector(b, scores, index, shapes.lanes, nullptr);
        Value changed = transformScores(block, keys, score, row, column, mask);
        if (changed != score)
          storeVector(b, changed, scores, index, nullptr);
        return SmallVector<Value>{larger(changed, maximum[0])};
      },
      combine);
  return reduceLanes(b, result[0], combine);
}

void AttentionEmitter::emitSoftmaxRow(const Block &block, const KeyBlock &keys,
                                      Value row) {
  Type f32 = b.getF32Type();
  Value previous = loadStatistic(Maximum, row);
  Value maximum = larger(emitRowMaximum(block, keys, row), previous);
  storeStatistic(Maximum, row, maximum);
  // A row without keys so far: exponentials of -inf - 0 are 0, not NaN.
  Value none = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, maximum,
                                     floatConstant(b, f32, kMinusInfinity));
  Value shift =
      arith::SelectOp::create(b, none, floatConstant(b, f32, 0), maximum);
  Value rescale =
      emitExp2NonPositive(b, arith::SubFOp::create(b, previous, shift));
  storeStatistic(Rescale, row, rescale);

  auto add = [&](Value x, Value y) -> Value {
    return arith::AddFOp::create(b, x, y);
  };
  Value shifts = broadcast(shift);
  OpFoldResult base = math.mul(row, shapes.scoreStride);
  // The tail's lanes hold -inf, so whole vectors will do.
  SmallVector<Value> sum = emitColumns(
      b, math.roundUp(keys.count, shapes.lanes), shapes.lanes, kUnroll,
      splat(0),
      [&](Value column, Value mask, ValueRange running) {
        Value index = math.value(math.add(base, column));
        Value score = loadVector(b, scores, index, shapes.lanes, nullptr);
        Value weight =
            emitExp2NonPositive(b, arith::SubFOp::create(b, score, shifts));
        storeVector(b, weight, scores, index, nullptr);
        return SmallVector<Value>{add(weight, running[0])};
      },
      add);
  Value before = arith::MulFOp::create(b, loadStatistic(Sum, row), rescale);
  storeStatistic(Sum, row, add(before, reduceLanes(b, sum[0], add)));
}

//===--- Product with the values ------------------------------------------===//

void AttentionEmitter::emitProduct(const Block &block, const KeyBlock &keys) {
  int64_t width = sched.valueVectors * shapes.lanes;
  int64_t whole = spec.e / width * width;
  emitFor(b, math.constant(0), math.constant(whole), math.constant(width),
          [&](Value column) {
            emitProductPanel(block, keys, column, sched.valueVectors,
                             /*masked=*/false);
          });
  if (whole < spec.e)
    emitProductPanel(block, keys, math.constant(whole),
                     llvm::divideCeil(spec.e - whole, shapes.lanes),
                     spec.e % shapes.lanes != 0);
}

/// Output columns [column, column + vectors * lanes) of all rows.
void AttentionEmitter::emitProductPanel(const Block &block,
                                        const KeyBlock &keys,
                                        OpFoldResult column, int64_t vectors,
                                        bool masked) {
  int64_t rows = sched.valueRows;
  TileContext ctx{b,       productTypes, shapes.lanes, nullptr,
                  nullptr, noEpilogue,   Value(),      Value()};
  TileReduction reduction;
  reduction.a = scores;
  reduction.aBase = math.constant(0);
  reduction.aStep = math.constant(1);
  reduction.bFlat = value;
  reduction.bBase = math.add(
      math.add(block.valueOffset, math.mul(keys.first, spec.valueRowStride)),
      column);
  reduction.bStep = spec.valueRowStride;
  reduction.count = keys.count;
  if (masked)
    for (int64_t j = 0; j < vectors; ++j)
      reduction.bMasks.push_back(columnMask(
          b, shapes.lanes, j, math.sub(math.constant(spec.e), column)));
  emitFor(b, math.constant(0), math.ceilDiv(block.rows, math.constant(rows)),
          math.constant(1), [&](Value tile) {
            reduction.rows.clear();
            SmallVector<Value> acc, indices;
            for (int64_t i = 0; i < rows; ++i) {
              OpFoldResult row =
                  math.add(math.mul(tile, rows), math.constant(i));
              reduction.rows.push_back({i, math.mul(row, shapes.scoreStride)});
              Value rescale = broadcast(loadStatistic(Rescale, row));
              for (int64_t j = 0; j < vectors; ++j) {
                OpFoldResult index = math.add(
                    math.add(math.mul(row, shapes.outputStride), column),
                    math.constant(j * shapes.lanes));
                indices.push_back(math.value(index));
                Value old = loadVector(b, accumulators, indices.back(),
                                       shapes.lanes, nullptr);
                acc.push_back(arith::MulFOp::create(b, old, rescale));
              }
            }
            acc = emitTileReduction(ctx, reduction, acc, vectors);
            for (auto [sum, index] : llvm::zip_equal(acc, indices))
              storeVector(b, sum, accumulators, index, nullptr);
          });
}

//===--- Result -----------------------------------------------------------===//

void AttentionEmitter::storeBlock(const Block &block) {
  emitFor(b, math.constant(0), block.rows, math.constant(1),
          [&](Value row) { storeRow(block, row); });
}

void AttentionEmitter::storeOutput(const Block &block, Value row, Value column,
                                   Value value, Value mask) {
  OpFoldResult at =
      math.mul(math.add(block.firstRow, row), spec.outputRowStride);
  OpFoldResult index = math.add(math.add(block.outputOffset, at), column);
  storeVector(b, convertElement(b, value, spec.output), output,
              math.value(index), mask);
}

void AttentionEmitter::storeRow(const Block &block, Value row) {
  Type f32 = b.getF32Type();
  Value zero = floatConstant(b, f32, 0);
  Value sum = loadStatistic(Sum, row);
  Value isEmpty =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, zero);
  if (spec.storeLogSumExp) {
    AttentionIndices at = block.at;
    at.m = math.value(math.add(block.firstRow, row));
    Value maximum = arith::MulFOp::create(b, loadStatistic(Maximum, row),
                                          floatConstant(b, f32, kLn2));
    spec.storeLogSumExp(b, at,
                        arith::AddFOp::create(b, maximum, emitLog(b, sum)));
  }
  auto quotients = [&] {
    // Without a key 0 / 0 gives the NaN that EmptyRow::NaN asks for.
    Value inverse =
        broadcast(arith::DivFOp::create(b, floatConstant(b, f32, 1), sum));
    Value cleared;
    if (spec.zeroNaNRows)
      cleared = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, sum, sum);
    if (spec.emptyRow == EmptyRow::Zero)
      cleared = cleared ? arith::OrIOp::create(b, cleared, isEmpty).getResult()
                        : isEmpty;
    OpFoldResult base = math.mul(row, shapes.outputStride);
    emitColumns(b, math.constant(spec.e), shapes.lanes, 1,
                [&](Value column, Value mask) {
                  Value acc = loadVector(b, accumulators,
                                         math.value(math.add(base, column)),
                                         shapes.lanes, nullptr);
                  acc = arith::MulFOp::create(b, acc, inverse);
                  if (cleared)
                    acc = arith::SelectOp::create(b, cleared, splat(0), acc);
                  storeOutput(block, row, column, acc, mask);
                });
  };
  if (spec.emptyRow == EmptyRow::Average)
    emitIf(b, isEmpty, [&] { storeAverage(block, row); }, quotients);
  else
    quotients();
}

void AttentionEmitter::storeAverage(const Block &block, Value row) {
  Value length = arith::SIToFPOp::create(
      b, b.getF32Type(),
      arith::IndexCastOp::create(b, b.getI64Type(), math.value(block.length)));
  Value lengths = broadcast(length);
  emitColumns(
      b, math.constant(spec.e), shapes.lanes, 1, [&](Value column, Value mask) {
        OpFoldResult base = math.add(block.valueOffset, column);
        SmallVector<Value> sum = emitFor(
            b, math.constant(0), block.length, math.constant(1), splat(0),
            [&](Value n, ValueRange running) {
              OpFoldResult index =
                  math.add(base, math.mul(n, spec.valueRowStride));
              Value v = convertElement(
                  b,
                  loadVector(b, value, math.value(index), shapes.lanes, mask),
                  b.getF32Type());
              return SmallVector<Value>{
                  arith::AddFOp::create(b, running[0], v)};
            });
        storeOutput(block, row, column,
                    arith::DivFOp::create(b, sum[0], lengths), mask);
      });
}

//===--- Interface --------------------------------------------------------===//

OpFoldResult dlc::kernel::getAttentionItems(ImplicitLocOpBuilder &b,
                                            const AttentionSpec &spec,
                                            const AttentionSchedule &sched,
                                            const VectorTarget &target) {
  IndexMath math(b);
  Shapes shapes(b, spec, sched, target);
  OpFoldResult items = math.mul(spec.heads, spec.groups);
  for (OpFoldResult size : spec.batch)
    items = math.mul(items, size);
  return math.mul(items, shapes.queryBlocks);
}

OpFoldResult dlc::kernel::getAttentionScratchBytes(
    ImplicitLocOpBuilder &b, const AttentionSpec &spec,
    const AttentionSchedule &sched, const VectorTarget &target) {
  return Shapes(b, spec, sched, target).scratchBytes;
}

void dlc::kernel::emitAttention(ImplicitLocOpBuilder &b,
                                const AttentionSpec &spec,
                                const AttentionSchedule &sched,
                                const VectorTarget &target,
                                const AttentionBuffers &buffers, Value begin,
                                Value end) {
  AttentionEmitter(b, spec, sched, target, buffers).emit(begin, end);
}
