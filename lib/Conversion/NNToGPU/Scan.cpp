// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// scan. Along the innermost dim, a power of two of a warp's lanes, or a block,
// has a row: each thread scans some neighbours, and then the totals of threads
// are scanned by shuffles (Harris, Sengupta and Owens 2007, "Parallel Prefix
// Sum"). Along another dim, neighbouring lines belong to neighbouring threads,
// and the warps of a block share the lines' length.
#include "Conversion/NNToGPU/GPUKernelFamily.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/ScanCode.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc {

namespace {

/// Rows up to this length belong to lanes of a warp.
constexpr int64_t kWarpColumns = 1024;
constexpr int64_t kThreads = 256;
/// So many lines keep a large GPU busy with a thread each.
constexpr int64_t kManyLines = 1 << 15;
/// Lines up to this length are not divided.
constexpr int64_t kShortLine = 32;

bool isAlongRows(nn::ScanOp op) {
  return static_cast<int64_t>(op.getAxis()) + 1 ==
         op.getInput().getType().getRank();
}

/// The input's sizes with 1 for the axis.
nn::Sizes lineSizes(DispatchContext &context, nn::ScanOp op) {
  nn::Sizes sizes = context.sizes(op.getInput());
  sizes[op.getAxis()] = context.math.constant(1);
  return sizes;
}

OpFoldResult countLines(DispatchContext &context, nn::ScanOp op) {
  return nn::productOf(context.b, op.getLoc(), lineSizes(context, op));
}

/// The input's indices of line `line`; that of the axis is 0.
SmallVector<Value> getLineIndices(KernelBuilder &kb, nn::ScanOp op,
                                  OpFoldResult line) {
  return llvm::map_to_vector(
      kernel::delinearize(kb.math, line, lineSizes(kb, op)),
      [&](OpFoldResult index) { return kb.math.value(index); });
}

/// How rows are cut among threads.
struct RowPlan {
  RowPlan(DispatchContext &context, nn::ScanOp op) {
    unsigned bits =
        std::max(8u, typeOf(op.getInput()).getElementTypeBitWidth());
    std::optional<int64_t> known =
        kernel::IndexMath::known(context.size(op.getInput(), op.getAxis()));
    int64_t vector = std::min<int64_t>(8, std::max(1u, 128 / bits));
    width = known && *known % vector == 0 ? vector : 1;
    if (known && *known <= kWarpColumns) {
      rowThreads = std::min<int64_t>(kWarpThreads,
                                     llvm::PowerOf2Ceil(llvm::divideCeil(
                                         std::max<int64_t>(1, *known), width)));
    }
  }
  int64_t rowsPerBlock() const { return kThreads / rowThreads; }
  bool isBlock() const { return rowThreads == kThreads; }

  /// Threads of a row, and neighbours that each of them has at once.
  int64_t rowThreads = kThreads, width = 1;
};

class RowScan {
public:
  explicit RowScan(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::ScanOp>(kb.getRoot())),
        plan(kb, op), code(kb) {}

  void emit();

private:
  /// Place of the thread among those of its row.
  Value getPlace() {
    return math.value(math.rem(kb.getThread(), math.constant(plan.rowThreads)));
  }
  SmallVector<Value> loadElements(Value first);
  void storeElements(Value first, Value base, ArrayRef<Value> inclusive);
  /// The total of the row's threads before this one, and of all of them.
  std::pair<Value, Value> scanTotals(Value total);
  std::pair<Value, Value> scanWarps(Value before, Value total);
  Value emitTile(Value tile, Value running);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::ScanOp op;
  RowPlan plan;
  ScanCode code;
  OpFoldResult length;
  /// Of the thread's row; of warps' totals.
  SmallVector<Value> row;
  Value exists, totals;
};

/// The elements of steps `first` and following; neutral past the row's end.
SmallVector<Value> RowScan::loadElements(Value first) {
  SmallVector<Value> nothing(plan.width, code.emitNeutral());
  Value inside = math.less(first, length);
  if (exists) {
    inside = arith::AndIOp::create(b, exists, inside);
  }
  return kernel::emitIf(
      b, inside, ValueRange(nothing).getTypes(),
      [&] {
        KernelBuilder::MemoScope scope(kb);
        SmallVector<Value> at(row), elements;
        for (int64_t i = 0; i < plan.width; ++i) {
          at.back() =
              code.emitPosition(math.value(math.add(first, math.constant(i))));
          elements.push_back(code.load(at));
        }
        return elements;
      },
      [&] { return nothing; });
}

void RowScan::storeElements(Value first, Value base,
                            ArrayRef<Value> inclusive) {
  Value inside = math.less(first, length);
  if (exists) {
    inside = arith::AndIOp::create(b, exists, inside);
  }
  kernel::emitIf(b, inside, [&] {
    SmallVector<Value> at(row);
    Value result = kb.viewResult(0);
    for (int64_t i = 0; i < plan.width; ++i) {
      at.back() =
          code.emitPosition(math.value(math.add(first, math.constant(i))));
      int64_t last = op.getExclusive() ? i - 1 : i;
      Value running = last < 0 ? base : code.combine(base, inclusive[last]);
      memref::StoreOp::create(b, code.finish(running), result, at);
    }
  });
}

std::pair<Value, Value> RowScan::scanTotals(Value total) {
  int64_t lanes = std::min(plan.rowThreads, kWarpThreads);
  Value neutral = code.emitNeutral();
  if (lanes == 1) {
    return {neutral, total};
  }
  Value lane = math.value(math.rem(kb.getThread(), math.constant(lanes)));
  auto fromBelow = [&](Value value, int64_t distance) -> Value {
    Value other = kb.emitShuffleUp(value, distance);
    Value isBelow = math.less(lane, math.constant(distance));
    return arith::SelectOp::create(b, isBelow, neutral, other);
  };
  Value inclusive = total;
  for (int64_t distance = 1; distance < lanes; distance *= 2) {
    inclusive = code.combine(fromBelow(inclusive, distance), inclusive);
  }
  Value last = math.value(
      math.add(math.sub(kb.getLane(), lane), math.constant(lanes - 1)));
  Value before = fromBelow(inclusive, 1);
  Value all = kb.emitShuffleFrom(inclusive, last);
  return plan.isBlock() ? scanWarps(before, all)
                        : std::pair<Value, Value>(before, all);
}

std::pair<Value, Value> RowScan::scanWarps(Value before, Value total) {
  int64_t warps = kThreads / kWarpThreads;
  // The tile before may still be read.
  kb.emitBarrier();
  kernel::emitIf(b, math.equal(kb.getLane(), math.constant(0)), [&] {
    memref::StoreOp::create(b, total, totals, kb.getWarp());
  });
  kb.emitBarrier();
  Value neutral = code.emitNeutral(), below = neutral, all = neutral;
  for (int64_t warp = 0; warp < warps; ++warp) {
    Value part = memref::LoadOp::create(b, totals, math.value(warp));
    all = code.combine(all, part);
    Value isBelow = math.less(math.constant(warp), kb.getWarp());
    below = arith::SelectOp::create(b, isBelow, all, below);
  }
  return {code.combine(below, before), all};
}

/// The row's elements from step `tile` on, one vector per thread.
Value RowScan::emitTile(Value tile, Value running) {
  Value first = math.value(math.add(tile, math.mul(getPlace(), plan.width)));
  SmallVector<Value> inclusive = loadElements(first);
  for (int64_t i = 1; i < plan.width; ++i) {
    inclusive[i] = code.combine(inclusive[i - 1], inclusive[i]);
  }
  auto [before, all] = scanTotals(inclusive.back());
  storeElements(first, code.combine(running, before), inclusive);
  return code.combine(running, all);
}

void RowScan::emit() {
  length = kb.size(op.getInput(), op.getAxis());
  OpFoldResult rows = countLines(kb, op);
  OpFoldResult number = kb.getBlock();
  if (plan.isBlock()) {
    totals = kb.allocateShared(getCodeType(code.getAccumulator()),
                               kThreads / kWarpThreads);
  } else {
    OpFoldResult inBlock =
        math.div(kb.getThread(), math.constant(plan.rowThreads));
    number = math.add(math.mul(kb.getBlock(), plan.rowsPerBlock()), inBlock);
    // Shuffles are for whole warps.
    exists = math.less(number, rows);
  }
  row = getLineIndices(kb, op, number);
  kernel::emitFor(b, math.constant(0), length,
                  math.constant(plan.rowThreads * plan.width),
                  code.emitNeutral(),
                  [&](Value tile, ValueRange running) -> SmallVector<Value> {
                    return {emitTile(tile, running[0])};
                  });
}

/// How lines that lie side by side are cut among warps.
struct LinePlan {
  LinePlan(DispatchContext &context, nn::ScanOp op) {
    std::optional<int64_t> lines =
        kernel::IndexMath::known(countLines(context, op));
    std::optional<int64_t> length =
        kernel::IndexMath::known(context.size(op.getInput(), op.getAxis()));
    bool areMany = lines && *lines >= kManyLines;
    bool isShort = length && *length <= kShortLine;
    parts = areMany || isShort ? 1 : kThreads / kWarpThreads;
  }
  int64_t linesPerBlock() const { return kThreads / parts; }

  /// Parts of a line's length, each with a thread of another warp.
  int64_t parts;
};

class LineScan {
public:
  explicit LineScan(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::ScanOp>(kb.getRoot())),
        plan(kb, op), code(kb) {}

  void emit();

private:
  /// Loops over the thread's part of its line.
  Value scanPart(Value running, bool isStored);
  /// The total of the line's parts before this thread's.
  Value emitBase();

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::ScanOp op;
  LinePlan plan;
  ScanCode code;
  SmallVector<Value> line;
  OpFoldResult lower, upper;
};

Value LineScan::scanPart(Value running, bool isStored) {
  return kernel::emitFor(
      b, lower, upper, math.constant(1), running,
      [&](Value step, ValueRange state) -> SmallVector<Value> {
        KernelBuilder::MemoScope scope(kb);
        line[op.getAxis()] = code.emitPosition(step);
        Value next = code.combine(state[0], code.load(line));
        if (isStored) {
          Value result = op.getExclusive() ? state[0] : next;
          memref::StoreOp::create(b, code.finish(result), kb.viewResult(0),
                                  line);
        }
        return {next};
      })[0];
}

Value LineScan::emitBase() {
  Value places =
      kb.allocateShared(getCodeType(code.getAccumulator()), kThreads);
  Value total = scanPart(code.emitNeutral(), /*isStored=*/false);
  memref::StoreOp::create(b, total, places, kb.getThread());
  kb.emitBarrier();
  Value base = code.emitNeutral();
  for (int64_t part = 0; part + 1 < plan.parts; ++part) {
    Value at =
        math.value(math.add(kb.getLane(), math.constant(part * kWarpThreads)));
    Value next = code.combine(base, memref::LoadOp::create(b, places, at));
    Value isBefore = math.less(math.constant(part), kb.getWarp());
    base = arith::SelectOp::create(b, isBefore, next, base);
  }
  return base;
}

void LineScan::emit() {
  OpFoldResult lines = countLines(kb, op);
  Value inBlock = plan.parts == 1 ? kb.getThread() : kb.getLane();
  OpFoldResult number =
      math.add(math.mul(kb.getBlock(), plan.linesPerBlock()), inBlock);
  line = getLineIndices(kb, op, number);
  OpFoldResult length = kb.size(op.getInput(), op.getAxis());
  if (plan.parts == 1) {
    lower = math.constant(0);
    upper = length;
    kernel::emitIf(b, math.less(number, lines),
                   [&] { scanPart(code.emitNeutral(), /*isStored=*/true); });
    return;
  }
  // Threads meet at a barrier: those without a line have an empty part.
  Value exists = math.less(number, lines);
  OpFoldResult part = math.ceilDiv(length, math.constant(plan.parts));
  lower = math.mul(kb.getWarp(), math.value(part));
  OpFoldResult end = math.min(length, math.add(lower, part));
  upper = arith::SelectOp::create(b, exists, math.value(end), math.value(0))
              .getResult();
  scanPart(emitBase(), /*isStored=*/true);
}

class ScanGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ScanOp>(context.getRoot());
    kernel::IndexMath &math = context.math;
    int64_t perBlock = isAlongRows(op) ? RowPlan(context, op).rowsPerBlock()
                                       : LinePlan(context, op).linesPerBlock();
    return {math.ceilDiv(countLines(context, op), math.constant(perBlock)),
            kThreads, math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    if (isAlongRows(cast<nn::ScanOp>(kb.getRoot()))) {
      RowScan(kb).emit();
    } else {
      LineScan(kb).emit();
    }
    return success();
  }
};

} // namespace

const GPUKernelFamily *getScanGPUFamily() {
  static const ScanGPUFamily family;
  return &family;
}

} // namespace dlc
