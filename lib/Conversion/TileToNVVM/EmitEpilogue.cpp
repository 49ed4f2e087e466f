// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The way of an accumulator out of its registers.
#include "KernelEmitter.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc::tile {

/// Regions of more ops are not unrolled over a thread's units.
static constexpr int64_t kMaxUnrolledOps = 24;
/// Nor are more units: single elements of large tiles. ptxas keeps what their
/// addresses share, and spills for it.
static constexpr int64_t kMaxUnrolledUnits = 64;

void KernelEmitter::emitGuarded(bool always, Value x, Value bound,
                                llvm::function_ref<void()> body) {
  if (always) {
    body();
    return;
  }
  auto guard = scf::IfOp::create(b, math.less(x, bound),
                                 /*withElseRegion=*/false);
  OpBuilder::InsertionGuard insertion(b);
  b.setInsertionPointToStart(guard.thenBlock());
  body();
}

/// Runs the region on `vector`, whose first element lies at `row`, `column` of
/// the tile, if that exists.
void KernelEmitter::emitUnit(EpilogueOp op, Value vector, Value row,
                             Value column) {
  auto get = [&](Value value) { return mapping.lookupOrDefault(value); };
  row = math.add(row, get(op.getRow()));
  column = math.add(column, get(op.getColumn()));
  emitGuarded(op.getRowsExist(), row, get(op.getRows()), [&] {
    emitGuarded(op.getColumnsExist(), column, get(op.getColumns()),
                [&] { inlineRegion(op.getBody(), {vector, row, column}); });
  });
}

void KernelEmitter::emitDirectEpilogue(EpilogueOp op) {
  TileType tile = op.getTile().getType();
  auto [row, column] = getLaneOrigin(tile);
  ArrayRef<Value> registers = tiles.at(op.getTile());
  auto lanes = static_cast<int64_t>(op.getLanes());
  auto type = VectorType::get({lanes}, tile.getElementType());
  for (size_t i = 0; i != registers.size(); i += lanes) {
    Place place = getPlace(tile, i);
    Value vector =
        vector::FromElementsOp::create(b, type, registers.slice(i, lanes));
    emitUnit(op, vector, math.add(row, place.row),
             math.add(column, place.column));
  }
}

/// A row's value is in all lanes and warps that have elements of the row; the
/// first of them hands it out.
void KernelEmitter::emitRowsEpilogue(EpilogueOp op) {
  TileType tile = op.getTile().getType();
  auto type = VectorType::get({1}, tile.getElementType());
  int64_t rows = tile.getShape()[0] / kernel.getWarps()[0];
  Value row = math.add(math.mul(warpM, rows), math.div(lane, 4));
  // A warp's first column, and a lane's first of a block of 8.
  Value part = math.add(math.mul(warpN, 4), math.rem(lane, 4));
  emitGuarded(/*always=*/false, part, math.constant(1), [&] {
    for (auto [i, value] : llvm::enumerate(tiles.at(op.getTile()))) {
      Value vector = vector::FromElementsOp::create(b, type, value);
      emitUnit(op, vector, math.add(row, 8 * static_cast<int64_t>(i)),
               math.constant(0));
    }
  });
}

/// Writes the tile to its staging memory, pairs of elements at a time.
void KernelEmitter::stageTile(EpilogueOp op) {
  TileType tile = op.getTile().getType();
  TileType staging = op.getStaging().getType();
  Value memory = addresses.at(op.getStaging());
  auto [row, column] = getLaneOrigin(tile);
  ArrayRef<Value> registers = tiles.at(op.getTile());
  auto type = VectorType::get({2}, tile.getElementType());
  // Lanes hold pairs: half a chunk of four elements.
  Value half = math.mul(math.rem(math.div(column, 2), 2), 8);
  Value chunk = math.div(column, 4);
  for (size_t i = 0; i != registers.size(); i += 2) {
    Place place = getPlace(tile, i);
    Value offset =
        chunkOffset(staging, row, place.row, chunk, place.column / 4);
    Value vector =
        vector::FromElementsOp::create(b, type, registers.slice(i, 2));
    LLVM::StoreOp::create(b, vector,
                          byteAddress(memory, math.add(offset, half)), 8);
  }
}

/// The part of a unit that lies in one chunk, as elements. `chunk` counts
/// from the unit's first one.
Registers KernelEmitter::loadStaged(EpilogueOp op, Value row, Value column,
                                    Value chunk, int64_t count) {
  TileType staging = op.getStaging().getType();
  Value offset =
      chunkOffset(staging, row, 0, math.add(math.div(column, 4), chunk), 0);
  offset = math.add(offset, math.mul(math.rem(column, 4), 4));
  Value loaded = LLVM::LoadOp::create(
      b, VectorType::get({count}, staging.getElementType()),
      byteAddress(addresses.at(op.getStaging()), offset),
      static_cast<unsigned>(4 * count));
  auto elements = vector::ToElementsOp::create(b, loaded);
  return Registers(elements.getElements());
}

/// Loads unit number `id` of the staged tile and runs the region on it.
void KernelEmitter::emitStagedUnit(EpilogueOp op, Value id) {
  auto lanes = static_cast<int64_t>(op.getLanes());
  int64_t perRow = op.getStaging().getType().getShape()[1] / lanes;
  Value row = math.div(id, perRow);
  Value column = math.mul(math.rem(id, perRow), lanes);
  Registers elements;
  if (lanes == 8) {
    // Eight lanes read a chunk at once; of each of two, they would touch every
    // other bank. So half of them read their second chunk first.
    Value turned = math.rem(math.div(id, 4), 2);
    Value isTurned = math.less(math.constant(0), turned);
    Registers first = loadStaged(op, row, column, turned, 4);
    Registers second =
        loadStaged(op, row, column, math.sub(math.constant(1), turned), 4);
    for (auto [x, y] : llvm::zip_equal(first, second)) {
      elements.push_back(arith::SelectOp::create(b, isTurned, y, x));
    }
    for (auto [x, y] : llvm::zip_equal(first, second)) {
      elements.push_back(arith::SelectOp::create(b, isTurned, x, y));
    }
  } else {
    elements = loadStaged(op, row, column, math.constant(0), lanes);
  }
  Value vector = vector::FromElementsOp::create(
      b, VectorType::get({lanes}, op.getTile().getType().getElementType()),
      elements);
  emitUnit(op, vector, row, column);
}

void KernelEmitter::emitStagedEpilogue(EpilogueOp op) {
  // The memory may be that of stages which are still read or written.
  NVVM::CpAsyncWaitGroupOp::create(b, 0);
  NVVM::Barrier0Op::create(b);
  stageTile(op);
  NVVM::Barrier0Op::create(b);
  ArrayRef<int64_t> shape = op.getStaging().getType().getShape();
  int64_t threads = kernel.getThreads();
  int64_t units = shape[0] * shape[1] / static_cast<int64_t>(op.getLanes());
  bool unroll =
      op.getBody().front().getOperations().size() <= kMaxUnrolledOps &&
      units <= kMaxUnrolledUnits * threads;
  if (unroll || units % threads != 0) {
    for (int64_t first = 0; first < units; first += threads) {
      Value id = math.add(thread, first);
      emitGuarded(first + threads <= units, id, math.constant(units),
                  [&] { emitStagedUnit(op, id); });
    }
    return;
  }
  auto loop = scf::ForOp::create(b, math.constant(0), math.constant(units),
                                 math.constant(threads));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  emitStagedUnit(op, math.add(thread, loop.getInductionVar()));
}

void KernelEmitter::emitEpilogue(EpilogueOp op) {
  if (op.getStaging()) {
    emitStagedEpilogue(op);
  } else if (op.getTile().getType().getRank() == 1) {
    emitRowsEpilogue(op);
  } else {
    emitDirectEpilogue(op);
  }
}

} // namespace dlc::tile
