// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One block of queries against one block of keys. Scores are kept in base 2, so
// that the exponential needs no multiplication.
#include "AttentionEmitter.h"

#include "Conversion/Common/ScalarMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <limits>

using namespace mlir;
using namespace dlc;
using namespace dlc::kernel;

static constexpr double kLog2E = 1.4426950408889634;
static constexpr double kLn2 = 0.6931471805599453;
static constexpr double kMinusInfinity =
    -std::numeric_limits<double>::infinity();
// Vectors an iteration of the softmax loops.
static constexpr int64_t kUnroll = 4;

/// Rows past the block's end too, that the last tile of the product has:
/// nothing reads what was never written, though nobody wants their results.
void AttentionEmitter::clearBlock(const QueryBlock &block) {
  Value zero = splat(0);
  Value lowest = floatConstant(b, b.getF32Type(), kMinusInfinity);
  Value none = floatConstant(b, b.getF32Type(), 0);
  OpFoldResult rows = math.roundUp(block.rows, sched.valueRows);
  emitFor(b, math.constant(0), rows, math.constant(1), [&](Value row) {
    storeStatistic(Maximum, row, lowest);
    storeStatistic(Sum, row, none);
    storeStatistic(Rescale, row, none);
    OpFoldResult base = math.mul(row, shapes.outputStride);
    emitFor(b, math.constant(0), math.constant(shapes.outputStride),
            math.constant(shapes.lanes), [&](Value column) {
              storeVector(b, zero, accumulators,
                          math.value(math.add(base, column)), nullptr);
            });
  });
}

void AttentionEmitter::emitKeyBlock(const QueryBlock &block,
                                    const KeyBlock &keys) {
  emitScores(block, keys);
  emitFor(b, math.constant(0), block.rows, math.constant(1),
          [&](Value row) { emitSoftmaxRow(block, keys, row); });
  emitProduct(block, keys);
}

/// Row tile * rows + i of the block; past its end, the last row again.
TileRow AttentionEmitter::clampedRow(const QueryBlock &block, Value tile,
                                     int64_t rows, int64_t i,
                                     OpFoldResult stride, OpFoldResult base) {
  OpFoldResult row = math.add(math.mul(tile, rows), math.constant(i));
  std::optional<int64_t> known = IndexMath::known(block.rows);
  if (!known || *known % rows != 0)
    row = math.min(row, math.sub(block.rows, math.constant(1)));
  return {i, math.mul(math.add(base, row), stride)};
}

void AttentionEmitter::emitScores(const QueryBlock &block,
                                  const KeyBlock &keys) {
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  OpFoldResult rowTiles =
      math.ceilDiv(block.rows, math.constant(sched.scoreRows));
  auto panelTiles = [&](Value panel, int64_t vectors) {
    emitFor(b, zero, rowTiles, one, [&](Value rowTile) {
      emitScoreTile(block, keys, panel, rowTile, vectors);
    });
  };
  OpFoldResult width = math.constant(shapes.panelWidth);
  OpFoldResult panels = math.ceilDiv(keys.count, width);
  std::optional<int64_t> known = IndexMath::known(keys.count);
  int64_t rest = known ? *known % shapes.panelWidth : 0;
  if (rest)
    panels = math.sub(panels, one);
  emitFor(b, zero, panels, one,
          [&](Value panel) { panelTiles(panel, sched.scoreVectors); });
  // Of the last panel only the vectors that hold keys.
  if (rest)
    panelTiles(math.value(panels), llvm::divideCeil(rest, shapes.lanes));
}

/// Scores of one tile of rows and the first `vectors` vectors of a panel,
/// counted from the block's first key.
void AttentionEmitter::emitScoreTile(const QueryBlock &block,
                                     const KeyBlock &keys, Value panel,
                                     Value rowTile, int64_t vectors) {
  int64_t rows = sched.scoreRows;
  TileContext ctx{b,       scoreTypes, shapes.lanes, nullptr,
                  nullptr, noEpilogue, Value(),      Value()};
  OpFoldResult width = math.constant(shapes.panelWidth);
  TileReduction reduction;
  reduction.a = query;
  reduction.aBase = block.queryOffset;
  for (int64_t i = 0; i < rows; ++i)
    reduction.rows.push_back(clampedRow(block, rowTile, rows, i,
                                        spec.queryRowStride, block.firstRow));
  reduction.aStep = spec.queryColumnStride;
  reduction.bFlat = panels;
  reduction.bBase = math.mul(math.add(math.div(keys.first, width), panel),
                             shapes.panelElements);
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

/// x * log2(e). What is finite stays finite: where a mask adds the lowest float
/// to all scores of a row, these are equal, and all of the row counts.
Value AttentionEmitter::toBase2(Value x) {
  Value scaled = arith::MulFOp::create(b, x, splat(kLog2E));
  Value infinite = splat(kMinusInfinity);
  Value isInfinite =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, infinite);
  Value lowest = arith::SelectOp::create(
      b, isInfinite, infinite, splat(-std::numeric_limits<float>::max()));
  Value isBelow =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, scaled, lowest);
  return arith::SelectOp::create(b, isBelow, lowest, scaled);
}

/// Score function and masks on one vector of scores; base 2 afterwards.
Value AttentionEmitter::transformScores(const QueryBlock &block,
                                        const KeyBlock &keys, Value score,
                                        Value row, Value column, Value mask) {
  AttentionIndices at = block.at;
  at.m = math.value(math.add(block.firstRow, row));
  at.n = math.value(math.add(keys.first, column));
  if (spec.score) {
    score = toBase2(spec.score(b, score, at, mask));
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
Value AttentionEmitter::emitRowMaximum(const QueryBlock &block,
                                       const KeyBlock &keys, Value row) {
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

void AttentionEmitter::emitSoftmaxRow(const QueryBlock &block,
                                      const KeyBlock &keys, Value row) {
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

void AttentionEmitter::emitProduct(const QueryBlock &block,
                                   const KeyBlock &keys) {
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
void AttentionEmitter::emitProductPanel(const QueryBlock &block,
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
  emitFor(
      b, math.constant(0), math.ceilDiv(block.rows, math.constant(rows)),
      math.constant(1), [&](Value tile) {
        reduction.rows.clear();
        SmallVector<Value> acc, indices;
        for (int64_t i = 0; i < rows; ++i) {
          OpFoldResult row = math.add(math.mul(tile, rows), math.constant(i));
          // Scores have tiles of their own, which may end before.
          reduction.rows.push_back(clampedRow(block, tile, rows, i,
                                              math.constant(shapes.scoreStride),
                                              math.constant(0)));
          Value rescale = broadcast(loadStatistic(Rescale, row));
          for (int64_t j = 0; j < vectors; ++j) {
            OpFoldResult index =
                math.add(math.add(math.mul(row, shapes.outputStride), column),
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

void AttentionEmitter::storeBlock(const QueryBlock &block) {
  emitFor(b, math.constant(0), block.rows, math.constant(1),
          [&](Value row) { storeRow(block, row); });
}

void AttentionEmitter::storeOutput(const QueryBlock &block, Value row,
                                   Value column, Value value, Value mask) {
  OpFoldResult at =
      math.mul(math.add(block.firstRow, row), spec.outputRowStride);
  OpFoldResult index = math.add(math.add(block.outputOffset, at), column);
  storeVector(b, convertElement(b, value, spec.output), output,
              math.value(index), mask);
}

void AttentionEmitter::storeRow(const QueryBlock &block, Value row) {
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

void AttentionEmitter::storeAverage(const QueryBlock &block, Value row) {
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
