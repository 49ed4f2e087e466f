// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The register-tile matrix product. Two buffers of shared memory: while a tile
// is multiplied, the next one is on its way through registers.
//
// In shared memory both operands are [bk][rows], with the rows of a step
// swapped in groups of four (OperandTile::swizzle): transposing stores, and
// reads of four neighbours, then touch each bank once. The results go through
// the same memory to the epilogue, so that its code is a loop and its accesses
// are whole rows.
#include "Conversion/NNToGPU/GemmTile.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToGPU/TileKernelFamily.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace dlc {

namespace {

/// Elements that one access to shared memory moves.
constexpr int64_t kVector = 4;
/// Neighbours along k that the threads of a warp load one each: a sector's.
constexpr int64_t kRun = 8;

/// One operand on its way: which elements this thread loads, and its place in
/// shared memory.
class OperandTile {
public:
  OperandTile(GPUKernelBuilder &kb, const GemmOperand &operand,
              OpFoldResult numRows, OpFoldResult k, int64_t rows, int64_t bk,
              Type acc, Value firstRow, Value shared, int64_t offset);

  /// Elements that this thread loads at once.
  int64_t getNumElements() const { return slots.size() * width; }
  /// Reads this thread's elements of the steps from `k` on.
  SmallVector<Value> load(Value k);
  /// Writes them to buffer `stage` (0 or 1).
  void store(ValueRange elements, Value stage);
  /// `count` rows of step `step` (a constant) from `row` on.
  SmallVector<Value> read(Value stage, int64_t step, Value row, int64_t count);

private:
  struct Slot {
    Value row, step; // in the tile
    SmallVector<Value> state;
    Value globalRow;
  };

  Value address(Value stage, Value step, Value row);
  OpFoldResult swizzle(Value step);
  /// Whether neighbouring threads store neighbours along k.
  bool storesRuns() const { return operand.denseInK && width == 1; }

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  const GemmOperand &operand;
  OpFoldResult numRows, numSteps;
  int64_t rows, bk, width, offset;
  Type acc;
  Value shared;
  SmallVector<Slot> slots;
};

OperandTile::OperandTile(GPUKernelBuilder &kb, const GemmOperand &operand,
                         OpFoldResult numRows, OpFoldResult k, int64_t rows,
                         int64_t bk, Type acc, Value firstRow, Value shared,
                         int64_t offset)
    : kb(kb), b(kb.b), math(kb.math), operand(operand), numRows(numRows),
      numSteps(k), rows(rows), bk(bk), width(operand.hasVectors ? kVector : 1),
      offset(offset), acc(acc), shared(shared) {
  int64_t threads = kb.getNumThreads();
  int64_t count = rows * bk / width / threads;
  assert(count > 0 && "every thread loads a part of the tile");
  // Neighbouring threads load neighbours along the dense dim.
  int64_t dense = storesRuns() ? kRun : (operand.denseInK ? bk : rows) / width;
  for (int64_t i = 0; i < count; ++i) {
    OpFoldResult place = math.add(kb.getThread(), math.constant(i * threads));
    OpFoldResult outer = math.div(place, math.constant(dense)),
                 inner = math.mul(math.rem(place, math.constant(dense)), width);
    if (storesRuns()) {
      OpFoldResult run = math.div(outer, math.constant(rows));
      outer = math.rem(outer, math.constant(rows));
      inner = math.add(math.mul(run, kRun), inner);
    }
    Slot slot;
    slot.row = math.value(operand.denseInK ? outer : inner);
    slot.step = math.value(operand.denseInK ? inner : outer);
    slot.globalRow = math.value(math.add(firstRow, slot.row));
    if (operand.prepareRow) {
      slot.state = operand.prepareRow(slot.globalRow);
    }
    slots.push_back(std::move(slot));
  }
}

/// Whether i < size is for the run to say; tiles of `step`.
bool needsCheck(OpFoldResult size, int64_t step) {
  std::optional<int64_t> known = kernel::IndexMath::known(size);
  return !known || *known == 0 || *known % step != 0;
}

SmallVector<Value> OperandTile::load(Value k) {
  SmallVector<Value> elements;
  SmallVector<Type> types(width, acc);
  for (Slot &slot : slots) {
    Value step = math.value(math.add(k, slot.step));
    Value exists;
    auto check = [&](Value index, OpFoldResult size, int64_t tile) {
      if (needsCheck(size, tile)) {
        Value inside = math.less(index, size);
        exists = exists ? arith::AndIOp::create(b, exists, inside).getResult()
                        : inside;
      }
    };
    check(slot.globalRow, numRows, rows);
    check(step, numSteps, bk);
    auto loadAll = [&] {
      KernelBuilder::MemoScope scope(kb);
      return operand.load(slot.state, slot.globalRow, step, width);
    };
    if (!exists) {
      llvm::append_range(elements, loadAll());
      continue;
    }
    llvm::append_range(elements, kernel::emitIf(b, exists, types, loadAll, [&] {
                         return SmallVector<Value>(width,
                                                   emitConstant(b, acc, 0));
                       }));
  }
  return elements;
}

Value OperandTile::address(Value stage, Value step, Value row) {
  OpFoldResult base =
      math.add(math.mul(math.add(math.mul(stage, bk), step), rows),
               math.constant(offset));
  Value swizzled = arith::XOrIOp::create(b, row, math.value(swizzle(step)));
  return math.value(math.add(base, swizzled));
}

/// What the rows of a step are swapped by. The threads of a warp that store
/// four neighbours along k each have 32 / (bk / 4) rows and all groups q of
/// four steps: the bits of q, the lowest first, choose among the highest of the
/// 32 banks. Threads that store one each have four rows and eight neighbours:
/// the place in the group and the lowest bit of q tell these apart.
OpFoldResult OperandTile::swizzle(Value step) {
  auto bit = [&](int64_t of) {
    return math.rem(math.div(step, math.constant(of)), math.constant(2));
  };
  OpFoldResult banks = math.constant(0);
  for (int64_t group = 4, bank = 16; group < bk; group *= 2, bank /= 2) {
    banks = math.add(banks, math.mul(bit(group), bank));
  }
  if (!storesRuns()) {
    return banks;
  }
  OpFoldResult place =
      math.mul(math.rem(step, math.constant(kVector)), kVector);
  return arith::XOrIOp::create(b, math.value(banks), math.value(place))
      .getResult();
}

void OperandTile::store(ValueRange elements, Value stage) {
  for (auto [i, slot] : llvm::enumerate(slots)) {
    ValueRange mine = elements.slice(i * width, width);
    if (width > 1 && !operand.denseInK) {
      auto type = VectorType::get({width}, acc);
      Value vector = vector::FromElementsOp::create(b, type, mine);
      auto stored = vector::StoreOp::create(
          b, vector, shared, address(stage, slot.step, slot.row));
      stored.setAlignment(16);
      continue;
    }
    for (int64_t j = 0; j < width; ++j) {
      Value step = math.value(math.add(slot.step, math.constant(j)));
      memref::StoreOp::create(b, mine[j], shared,
                              address(stage, step, slot.row));
    }
  }
}

SmallVector<Value> OperandTile::read(Value stage, int64_t step, Value row,
                                     int64_t count) {
  auto type = VectorType::get({count}, acc);
  auto loaded = vector::LoadOp::create(b, type, shared,
                                       address(stage, math.value(step), row));
  loaded.setAlignment(count * acc.getIntOrFloatBitWidth() / 8 >= 16 ? 16 : 4);
  SmallVector<Value> elements;
  for (int64_t i = 0; i < count; ++i) {
    elements.push_back(vector::ExtractOp::create(b, loaded, i));
  }
  return elements;
}

/// A thread's rows (or columns) of the tile: groups of four neighbours, a
/// quarter or so of the tile apart, so that a warp's reads are dense.
struct ThreadRows {
  SmallVector<Value> starts;
  SmallVector<Value> all;

  ThreadRows(GPUKernelBuilder &kb, Value thread, int64_t count, int64_t rows) {
    kernel::IndexMath &math = kb.math;
    int64_t groups = count / kVector;
    for (int64_t g = 0; g < groups; ++g) {
      starts.push_back(math.value(math.add(
          math.mul(thread, kVector), math.constant(g * (rows / groups)))));
      for (int64_t i = 0; i < kVector; ++i) {
        all.push_back(math.value(math.add(starts.back(), math.constant(i))));
      }
    }
  }
};

/// The products of one tile of steps, added to `sums` (tm x tn).
SmallVector<Value> multiplyTile(GPUKernelBuilder &kb, OperandTile &a,
                                OperandTile &b, Value stage,
                                const ThreadRows &rows,
                                const ThreadRows &columns, int64_t bk,
                                SmallVector<Value> sums) {
  int64_t tn = columns.all.size();
  for (int64_t step = 0; step < bk; ++step) {
    SmallVector<Value> x, y;
    for (Value start : rows.starts) {
      llvm::append_range(x, a.read(stage, step, start, kVector));
    }
    for (Value start : columns.starts) {
      llvm::append_range(y, b.read(stage, step, start, kVector));
    }
    for (auto [i, xi] : llvm::enumerate(x)) {
      for (auto [j, yj] : llvm::enumerate(y)) {
        Value &sum = sums[i * tn + j];
        sum = emitMultiplyAdd(kb.b, xi, yj, sum);
      }
    }
  }
  return sums;
}

/// Passes rows [first, first + count) of the block's tile, which lie in
/// `shared`, to the epilogue: four neighbours at a time for each thread.
void storeRows(GPUKernelBuilder &kb, const GemmTileSpec &spec,
               const GemmTileShape &shape, Value shared, Value firstRow,
               Value firstColumn, int64_t count) {
  ImplicitLocOpBuilder &b = kb.b;
  kernel::IndexMath &math = kb.math;
  int64_t across = shape.bn / kVector;
  OpFoldResult width = math.constant(across);
  Value column = math.value(math.mul(math.rem(kb.getThread(), width), kVector));
  Value start = math.value(math.div(kb.getThread(), width));
  Value globalColumn = math.value(math.add(firstColumn, column));
  SmallVector<Value> columns;
  for (int64_t i = 0; i < kVector; ++i) {
    columns.push_back(math.value(math.add(globalColumn, math.constant(i))));
  }
  bool wholeVectors = !needsCheck(spec.n, kVector);
  auto storeRow = [&](Value inTile, Value row) {
    KernelBuilder::MemoScope scope(kb);
    Value place = math.value(math.add(math.mul(inTile, shape.bn), column));
    auto type = VectorType::get({kVector}, spec.acc);
    auto loaded = vector::LoadOp::create(b, type, shared, place);
    loaded.setAlignment(16);
    SmallVector<Value> values;
    for (int64_t i = 0; i < kVector; ++i) {
      values.push_back(vector::ExtractOp::create(b, loaded, i));
    }
    if (wholeVectors) {
      spec.store(row, columns, values);
      return;
    }
    for (int64_t i = 0; i < kVector; ++i) {
      kernel::emitIf(b, math.less(columns[i], spec.n),
                     [&] { spec.store(row, columns[i], values[i]); });
    }
  };
  auto loop = [&] {
    kernel::emitFor(b, start, math.constant(count),
                    math.constant(kb.getNumThreads() / across),
                    [&](Value inTile) {
                      Value row = math.value(math.add(firstRow, inTile));
                      if (needsCheck(spec.m, shape.bm)) {
                        kernel::emitIf(b, math.less(row, spec.m),
                                       [&] { storeRow(inTile, row); });
                      } else {
                        storeRow(inTile, row);
                      }
                    });
  };
  if (wholeVectors && needsCheck(spec.n, shape.bn)) {
    kernel::emitIf(b, math.less(globalColumn, spec.n), loop);
  } else {
    loop();
  }
}

/// The block's tile through shared memory, the rows of each group of four rows
/// a thread at a time.
void storeTile(GPUKernelBuilder &kb, const GemmTileSpec &spec,
               const GemmTileShape &shape, Value shared, const ThreadRows &rows,
               const ThreadRows &columns, Value firstRow, Value firstColumn,
               ValueRange sums) {
  kernel::IndexMath &math = kb.math;
  auto type = VectorType::get({kVector}, spec.acc);
  int64_t groups = shape.tm / kVector, count = shape.bm / groups;
  Value place = rows.starts.front();
  for (int64_t group = 0; group < groups; ++group) {
    kb.emitBarrier();
    for (int64_t i = 0; i < kVector; ++i) {
      ValueRange mine = sums.slice((group * kVector + i) * shape.tn, shape.tn);
      Value row =
          math.value(math.mul(math.add(place, math.constant(i)), shape.bn));
      for (auto [j, column] : llvm::enumerate(columns.starts)) {
        Value vector = vector::FromElementsOp::create(
            kb.b, type, mine.slice(j * kVector, kVector));
        auto stored = vector::StoreOp::create(
            kb.b, vector, shared, math.value(math.add(row, column)));
        stored.setAlignment(16);
      }
    }
    kb.emitBarrier();
    Value first = math.value(math.add(firstRow, math.constant(group * count)));
    storeRows(kb, spec, shape, shared, first, firstColumn, count);
  }
}

} // namespace

Value emitMultiplyAdd(ImplicitLocOpBuilder &b, Value x, Value y, Value sum) {
  if (isa<FloatType>(sum.getType())) {
    return math::FmaOp::create(b, x, y, sum);
  }
  return arith::AddIOp::create(b, sum,
                               arith::MulIOp::create(b, x, y).getResult());
}

void emitGemmTile(GPUKernelBuilder &kb, const GemmTileSpec &spec,
                  const GemmTileShape &shape, Value blockM, Value blockN) {
  if (shape.form != GemmTileShape::Form::Tile) {
    emitGemv(kb, spec, shape, shape.flipped ? blockM : blockN);
    return;
  }
  ImplicitLocOpBuilder &b = kb.b;
  kernel::IndexMath &math = kb.math;
  Value firstRow = math.value(math.mul(blockM, shape.bm)),
        firstColumn = math.value(math.mul(blockN, shape.bn));
  int64_t aElements = 2 * shape.bm * shape.bk,
          bElements = 2 * shape.bn * shape.bk,
          cElements = shape.bm * shape.bn / (shape.tm / kVector);
  Value shared =
      kb.allocateShared(spec.acc, std::max(aElements + bElements, cElements));
  OperandTile a(kb, spec.a, spec.m, spec.k, shape.bm, shape.bk, spec.acc,
                firstRow, shared, 0);
  OperandTile bTile(kb, spec.b, spec.n, spec.k, shape.bn, shape.bk, spec.acc,
                    firstColumn, shared, aElements);
  OpFoldResult across = math.constant(shape.bn / shape.tn);
  ThreadRows rows(kb, math.value(math.div(kb.getThread(), across)), shape.tm,
                  shape.bm);
  ThreadRows columns(kb, math.value(math.rem(kb.getThread(), across)), shape.tn,
                     shape.bn);

  Value zero = math.value(0);
  OpFoldResult tiles =
      math.max(math.constant(1), math.ceilDiv(spec.k, math.constant(shape.bk)));
  OpFoldResult firstStep = math.constant(0);
  if (spec.part) {
    OpFoldResult each = math.ceilDiv(tiles, math.constant(shape.parts));
    OpFoldResult first = math.mul(spec.part, each);
    tiles = math.min(each, math.sub(tiles, first));
    firstStep = math.mul(first, shape.bk);
  }
  Value start = math.value(firstStep);
  a.store(a.load(start), zero);
  bTile.store(bTile.load(start), zero);
  kb.emitBarrier();
  SmallVector<Value> sums(shape.tm * shape.tn, emitConstant(b, spec.acc, 0));
  sums = kernel::emitFor(
      b, math.constant(0), tiles, math.constant(1), sums,
      [&](Value tile, ValueRange carried) {
        OpFoldResult following = math.add(tile, math.constant(1));
        Value k =
            math.value(math.add(firstStep, math.mul(following, shape.bk)));
        Value hasNext = math.less(following, tiles);
        Value stage = math.value(math.rem(tile, math.constant(2)));
        Value next = math.value(math.sub(math.constant(1), stage));
        auto loadNext = [&](OperandTile &operand) {
          SmallVector<Type> types(operand.getNumElements(), spec.acc);
          return kernel::emitIf(
              b, hasNext, types, [&] { return operand.load(k); },
              [&] {
                return SmallVector<Value>(types.size(),
                                          emitConstant(b, spec.acc, 0));
              });
        };
        SmallVector<Value> nextA = loadNext(a), nextB = loadNext(bTile);
        SmallVector<Value> added =
            multiplyTile(kb, a, bTile, stage, rows, columns, shape.bk,
                         llvm::to_vector(carried));
        // Unread where there is no next tile.
        a.store(nextA, next);
        bTile.store(nextB, next);
        kb.emitBarrier();
        return added;
      });
  storeTile(kb, spec, shape, shared, rows, columns, firstRow, firstColumn,
            sums);
}

/// Rows that fill tiles well enough.
static constexpr int64_t kManyRows = 128;

/// The form for a few vectors, where there are few.
static std::optional<GemmTileShape> chooseGemv(const GemmProblem &problem) {
  auto isFew = [](std::optional<int64_t> size) {
    return size && *size > 0 && *size <= kMaxVectors;
  };
  GemmTileShape shape;
  shape.flipped = !isFew(problem.m);
  if (shape.flipped && !isFew(problem.n)) {
    return std::nullopt;
  }
  bool denseInK = shape.flipped ? problem.aDenseInK : problem.bDenseInK;
  bool hasVectors = shape.flipped ? problem.aHasVectors : problem.bHasVectors;
  std::optional<int64_t> rows = shape.flipped ? problem.m : problem.n;
  if (denseInK && problem.k && *problem.k < kWarpThreads) {
    return std::nullopt; // most lanes would have no steps
  }
  // A warp for each row would read scattered elements of the vectors anew.
  auto vectors = shape.flipped ? problem.n : problem.m;
  bool vectorsAreDense =
      *vectors == 1 || (shape.flipped ? problem.bDenseInK : problem.aDenseInK);
  if (denseInK && !vectorsAreDense && (!rows || *rows >= kManyRows)) {
    return std::nullopt;
  }
  shape.form = denseInK ? GemmTileShape::Form::GemvRows
                        : GemmTileShape::Form::GemvColumns;
  // Columns by fours only where that leaves enough blocks.
  bool wide = hasVectors && (denseInK || (rows && *rows >= 16384));
  int64_t width = wide ? 4 : 1, perBlock = denseInK ? 4 : kWarpThreads * width;
  shape.bm = shape.flipped ? perBlock : kMaxVectors;
  shape.bn = shape.flipped ? kMaxVectors : perBlock;
  (shape.flipped ? shape.tm : shape.tn) = width;
  return shape;
}

/// Parts of k without an empty one; 1 where a size is not known.
static int64_t chooseParts(const GemmProblem &problem,
                           const GemmTileShape &shape) {
  // Of one multiprocessor of an A100, whose peak is 19.5 TFLOP/s.
  constexpr double kProductsPerMicrosecond = 9e4, kEfficiency = 0.7;
  auto sizeOf = [](std::optional<int64_t> size) {
    return size.value_or(ShapedType::kDynamic);
  };
  ProductSizes sizes{sizeOf(problem.m), sizeOf(problem.n), sizeOf(problem.k),
                     sizeOf(problem.batch)};
  auto getTime = [&](int64_t parts) {
    return estimateProductTime(sizes, {shape.bm, shape.bn, kEfficiency, parts},
                               kProductsPerMicrosecond);
  };
  int64_t best = 1;
  for (int64_t parts : getPartCounts(sizes)) {
    best = getTime(parts) < getTime(best) ? parts : best;
  }
  if (best == 1) {
    return 1;
  }
  int64_t steps = llvm::divideCeil(sizes.k, shape.bk);
  return llvm::divideCeil(steps, llvm::divideCeil(steps, best));
}

GemmTileShape chooseGemmTile(const GemmProblem &problem) {
  if (std::optional<GemmTileShape> shape = chooseGemv(problem)) {
    return *shape;
  }
  int64_t rows = problem.m.value_or(1024), columns = problem.n.value_or(1024);
  int64_t blocks = llvm::divideCeil(rows, 128) *
                   llvm::divideCeil(columns, 128) * problem.batch.value_or(1);
  if (problem.acc.getIntOrFloatBitWidth() > 32) {
    return {32, 32, 8, 4, 4};
  }
  // About a block for each multiprocessor.
  if (rows > 64 && columns > 64 && blocks >= 128) {
    return {128, 128, 8, 8, 8};
  }
  GemmTileShape shape;
  if (rows <= 32) {
    shape.bm = 32;
    shape.tm = 4;
  }
  if (columns <= 32) {
    shape.bn = 32;
    shape.tn = 4;
  }
  shape.parts = problem.maySplit ? chooseParts(problem, shape) : 1;
  return shape;
}

} // namespace dlc
