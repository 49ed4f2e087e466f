// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise work and rows of accumulators.
#include "KernelEmitter.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace dlc::tile {

KernelEmitter::Place KernelEmitter::getPlace(TileType tile, int64_t index) {
  int64_t perRow = tile.getShape()[1] / kernel.getWarps()[1] / 8;
  int64_t block = index / 4 / perRow;
  int64_t within = index % 4;
  return {block, 16 * block + 8 * (within / 2),
          8 * (index / 4 % perRow) + within % 2};
}

std::pair<Value, Value> KernelEmitter::getLaneOrigin(TileType tile) {
  int64_t rows = tile.getShape()[0] / kernel.getWarps()[0];
  int64_t columns = tile.getShape()[1] / kernel.getWarps()[1];
  return {math.add(math.mul(warpM, rows), math.div(lane, 4)),
          math.add(math.mul(warpN, columns), math.mul(math.rem(lane, 4), 2))};
}

void KernelEmitter::emitSplat(SplatOp op) {
  TileType tile = op.getResult().getType();
  Value value = mapping.lookupOrDefault(op.getValue());
  if (isa<RowPartsAttr, ColumnPartsAttr>(tile.getLayout()) &&
      !matchPattern(value, m_Zero())) {
    // One of the four lanes holds all of it.
    Value isFirst = math.less(math.rem(lane, 4), math.constant(1));
    value = arith::SelectOp::create(b, isFirst, value, math.constant(0));
  }
  tiles[op.getResult()] = Registers(countRegisters(tile), value);
}

int64_t KernelEmitter::getOperandIndex(TileType operand, TileType result,
                                       const Place &place, int64_t index) {
  if (operand.getRank() == result.getRank() &&
      operand.getShape() == result.getShape()) {
    return index;
  }
  return operand.getRank() == 1 ? place.row / 8
                                : place.column / 8 * 2 + place.column % 2;
}

void KernelEmitter::emitMap(MapOp op) {
  TileType result = op.getResult().getType();
  bool isMatrix = result.getRank() == 2;
  Value row, column;
  if (!op.getOrigin().empty()) {
    std::tie(row, column) = getLaneOrigin(result);
    row = math.add(row, mapping.lookupOrDefault(op.getOrigin()[0]));
    column = math.add(column, mapping.lookupOrDefault(op.getOrigin()[1]));
  }
  Registers registers;
  for (int64_t i = 0, count = countRegisters(result); i != count; ++i) {
    Place place = isMatrix ? getPlace(result, i) : Place{0, 0, 0};
    SmallVector<Value> arguments;
    for (Value operand : op.getTiles()) {
      auto tile = cast<TileType>(operand.getType());
      arguments.push_back(
          tiles.at(operand)[getOperandIndex(tile, result, place, i)]);
    }
    if (row) {
      arguments.push_back(math.add(row, place.row));
      arguments.push_back(math.add(column, place.column));
    }
    registers.push_back(inlineRegion(op.getBody(), arguments).front());
  }
  tiles[op.getResult()] = registers;
}

/// Rounds neighbours together, for which there is one instruction.
void KernelEmitter::emitCast(CastOp op) {
  ArrayRef<Value> registers = tiles.at(op.getSource());
  auto pair = VectorType::get({2}, op.getSource().getType().getElementType());
  Registers rounded;
  for (size_t i = 0; i != registers.size(); i += 2) {
    Value vector =
        vector::FromElementsOp::create(b, pair, registers.slice(i, 2));
    vector = arith::TruncFOp::create(
        b, pair.clone(op.getResult().getType().getElementType()), vector);
    auto elements = vector::ToElementsOp::create(b, vector);
    llvm::append_range(rounded, elements.getElements());
  }
  tiles[op.getResult()] = rounded;
}

/// A row lies in the four neighbouring lanes 4i to 4i + 3.
void KernelEmitter::emitReduce(ReduceOp op) {
  TileType source = op.getSource().getType();
  ArrayRef<Value> registers = tiles.at(op.getSource());
  auto combine = [&](Value x, Value y) -> Value {
    if (op.getKind() == ReduceKind::Max) {
      return arith::MaxNumFOp::create(b, x, y);
    }
    return arith::AddFOp::create(b, x, y);
  };
  Registers rows(countRegisters(op.getResult().getType()));
  for (size_t i = 0; i != registers.size(); ++i) {
    Value &row = rows[getPlace(source, i).row / 8];
    row = row ? combine(row, registers[i]) : registers[i];
  }
  for (Value &row : rows) {
    for (int64_t distance : {1, 2}) {
      row = combine(row, exchange(row, distance));
    }
  }
  tiles[op.getResult()] = rows;
}

Value KernelEmitter::exchange(Value value, int64_t distance) {
  return NVVM::ShflOp::create(b, value.getType(), math.constant(-1), value,
                              math.constant(distance), math.constant(31),
                              NVVM::ShflKind::bfly, UnitAttr());
}

Value KernelEmitter::readLane(Value value, Value source) {
  return NVVM::ShflOp::create(b, value.getType(), math.constant(-1), value,
                              source, math.constant(31), NVVM::ShflKind::idx,
                              UnitAttr());
}

/// Adds up what four lanes hold. A sum of column j is in lanes 4j to 4j + 3
/// then; a lane wants those of the two columns that it has of an accumulator.
void KernelEmitter::emitAddedParts(ConvertLayoutOp op) {
  bool areRows = op.getResult().getType().getRank() == 1;
  Value first = math.mul(math.rem(lane, 4), 8);
  Registers sums;
  for (Value sum : tiles.at(op.getSource())) {
    for (int64_t distance : {1, 2}) {
      sum = math.add(sum, exchange(sum, distance));
    }
    if (areRows) {
      sums.push_back(sum);
      continue;
    }
    sums.push_back(readLane(sum, first));
    sums.push_back(readLane(sum, math.add(first, 4)));
  }
  tiles[op.getResult()] = sums;
}

/// Two neighbouring 8-column blocks of an accumulator have their elements in
/// the lanes where a 16-column block of an operand wants them.
Registers KernelEmitter::packPairs(ArrayRef<Value> registers) {
  auto pair = VectorType::get({2}, registers.front().getType());
  Registers packed;
  for (size_t i = 0; i != registers.size(); i += 2) {
    Value vector =
        vector::FromElementsOp::create(b, pair, registers.slice(i, 2));
    packed.push_back(LLVM::BitcastOp::create(b, b.getI32Type(), vector));
  }
  // An accumulator's (rows g, rows g + 8) of one 8-column block are the first
  // two registers of an operand, those of the next block the other two.
  return packed;
}

/// An accumulator's (row g, columns 2i and 2i + 1), (row g + 8, the same) are
/// an operand's (rows g and g + 8, k = i), (the same, k = i + 4).
Registers KernelEmitter::roundSums(ArrayRef<Value> registers) {
  Registers rounded;
  for (size_t block = 0; block != registers.size(); block += 4) {
    for (size_t i : {0, 2, 1, 3}) {
      rounded.push_back(roundToTF32(registers[block + i]));
    }
  }
  return rounded;
}

void KernelEmitter::emitConvertLayout(ConvertLayoutOp op) {
  if (isa<RowPartsAttr, ColumnPartsAttr>(
          op.getSource().getType().getLayout())) {
    return emitAddedParts(op);
  }
  ArrayRef<Value> registers = tiles.at(op.getSource());
  bool isFloat = op.getSource().getType().getElementType().isF32();
  tiles[op.getResult()] = isFloat ? roundSums(registers) : packPairs(registers);
}

} // namespace dlc::tile
