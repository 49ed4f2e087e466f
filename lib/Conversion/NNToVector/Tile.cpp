// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Register tile of the dense kernels. The reduction step is 1 (KT = 1): longer
// steps made LLVM's scheduler hoist loads until it spilled.
#include "Tile.h"

#include "Conversion/NNToVector/Emit.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace dlc::kernel;

Value TileContext::broadcastA(Value a, Value index) const {
  Value element = memref::LoadOp::create(b, a, ValueRange(index));
  element = convertElement(b, element, types.acc, types.aUnsigned);
  if (convertA)
    element = convertA(b, element);
  return vector::BroadcastOp::create(b, accVector(), element);
}

Value TileContext::loadB(Value bFlat, Value index, Value mask,
                         bool converted) const {
  Value vector = loadVector(b, bFlat, index, lanes, mask);
  if (converted)
    return vector;
  vector = convertElement(b, vector, types.acc, types.bUnsigned);
  return convertB ? convertB(b, vector) : vector;
}

Value TileContext::multiplyAdd(Value x, Value y, Value acc) const {
  if (isa<FloatType>(types.acc))
    return vector::FMAOp::create(b, x, y, acc);
  Value product = arith::MulIOp::create(b, x, y);
  return arith::AddIOp::create(b, product, acc);
}

/// Steps of a reduction between two runs of prefetches.
static constexpr int64_t kPrefetchSteps = 32;

/// B elements of a cache line.
static int64_t lineElements(Value flat) {
  return 64 * 8 / cast<MemRefType>(flat.getType()).getElementTypeBitWidth();
}

void dlc::kernel::prefetchNextPanel(ImplicitLocOpBuilder &b,
                                    TileReduction &reduction, int64_t nv,
                                    OpFoldResult distance, OpFoldResult slice,
                                    OpFoldResult slices) {
  constexpr int64_t kMinSlices = 3;
  IndexMath math(b);
  std::optional<int64_t> known = IndexMath::known(slices);
  if (known && *known < kMinSlices)
    return;
  OpFoldResult lines = math.ceilDiv(math.constant(kPrefetchSteps * nv), slices);
  if (!known) {
    Value few = math.less(slices, math.constant(kMinSlices));
    lines = arith::SelectOp::create(b, few, math.value(0), math.value(lines))
                .getResult();
  }
  OpFoldResult chunks =
      math.ceilDiv(reduction.count, math.constant(kPrefetchSteps));
  OpFoldResult share =
      math.mul(math.mul(chunks, lines), lineElements(reduction.bFlat));
  reduction.prefetchLines = lines;
  reduction.prefetchBase =
      math.add(math.add(reduction.bBase, distance), math.mul(slice, share));
}

/// The prefetches that go with the steps from `first` on.
static void emitPrefetch(const TileContext &ctx, const TileReduction &reduction,
                         Value first) {
  ImplicitLocOpBuilder &b = ctx.b;
  IndexMath math(b);
  int64_t line = lineElements(reduction.bFlat);
  OpFoldResult run = math.mul(reduction.prefetchLines, line);
  OpFoldResult base =
      math.add(reduction.prefetchBase,
               math.mul(math.div(first, math.constant(kPrefetchSteps)), run));
  emitFor(b, math.constant(0), run, math.constant(line), [&](Value offset) {
    memref::PrefetchOp::create(b, reduction.bFlat,
                               ValueRange(math.value(math.add(base, offset))),
                               /*isWrite=*/false, /*localityHint=*/2,
                               /*isDataCache=*/true);
  });
}

SmallVector<Value>
dlc::kernel::emitTileReduction(const TileContext &ctx,
                               const TileReduction &reduction, ValueRange acc,
                               int64_t nv) {
  ImplicitLocOpBuilder &b = ctx.b;
  IndexMath math(b);
  // The offsets into A and B are carried, not computed from the step: each is
  // one addition, and every address a constant away from one of them.
  SmallVector<Value> initial = llvm::to_vector(acc);
  initial.push_back(math.value(reduction.aBase));
  initial.push_back(math.value(reduction.bBase));
  auto step = [&](Value, ValueRange carried) {
    SmallVector<Value> next = llvm::to_vector(carried);
    Value bIndex = next.pop_back_val();
    Value aIndex = next.pop_back_val();
    SmallVector<Value> columns;
    for (int64_t j = 0; j < nv; ++j)
      columns.push_back(
          ctx.loadB(reduction.bFlat,
                    math.value(math.add(bIndex, math.constant(j * ctx.lanes))),
                    reduction.bMasks.empty() ? Value() : reduction.bMasks[j],
                    reduction.bConverted));
    for (const TileRow &row : reduction.rows) {
      Value element =
          ctx.broadcastA(reduction.a, math.value(math.add(aIndex, row.offset)));
      for (int64_t j = 0; j < nv; ++j) {
        Value &sum = next[row.row * nv + j];
        sum = ctx.multiplyAdd(element, columns[j], sum);
      }
    }
    next.push_back(math.value(math.add(aIndex, reduction.aStep)));
    next.push_back(math.value(math.add(bIndex, reduction.bStep)));
    return next;
  };
  SmallVector<Value> result;
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  if (!reduction.prefetchBase) {
    result = emitFor(b, zero, reduction.count, one, initial, step);
  } else {
    OpFoldResult chunk = math.constant(kPrefetchSteps);
    result = emitFor(b, zero, reduction.count, chunk, initial,
                     [&](Value first, ValueRange carried) {
                       emitPrefetch(ctx, reduction, first);
                       OpFoldResult last =
                           math.min(reduction.count, math.add(first, chunk));
                       return emitFor(b, first, last, one, carried, step);
                     });
  }
  result.truncate(acc.size());
  return result;
}

Value dlc::kernel::columnMask(ImplicitLocOpBuilder &b, int64_t lanes, int64_t j,
                              OpFoldResult validColumns) {
  IndexMath math(b);
  std::optional<int64_t> known = IndexMath::known(validColumns);
  if (known && *known >= (j + 1) * lanes)
    return nullptr;
  return lanesBelow(b, lanes, math.sub(validColumns, math.constant(j * lanes)));
}

/// Epilogue and store of one vector.
static void finish(const TileContext &ctx, const TileStore &store, Value acc,
                   OpFoldResult row, OpFoldResult column, Value mask) {
  ImplicitLocOpBuilder &b = ctx.b;
  IndexMath math(b);
  EpilogueIndices at;
  at.batch = store.batch;
  at.m = math.value(math.add(store.m, math.mul(row, store.mStep)));
  at.n = math.value(math.add(store.n, column));
  at.offset = math.value(
      math.add(math.add(store.offset, math.mul(row, store.rowStride)), column));
  Value result =
      ctx.epilogue.compute ? ctx.epilogue.compute(b, acc, at, mask) : acc;
  if (ctx.epilogue.store)
    return ctx.epilogue.store(b, result, at, mask);
  storeVector(b, convertElement(b, result, ctx.types.c), ctx.output, at.offset,
              mask);
}

static void storeUnrolled(const TileContext &ctx, const TileStore &store,
                          ValueRange acc) {
  ImplicitLocOpBuilder &b = ctx.b;
  IndexMath math(b);
  SmallVector<Value> masks;
  for (int64_t j = 0; j < store.nv; ++j)
    masks.push_back(columnMask(b, ctx.lanes, j, store.validColumns));
  std::optional<int64_t> knownRows = IndexMath::known(store.validRows);
  for (int64_t i = 0; i < store.rows; ++i) {
    auto row = [&] {
      for (int64_t j = 0; j < store.nv; ++j)
        finish(ctx, store, acc[i * store.nv + j], math.constant(i),
               math.constant(j * ctx.lanes), masks[j]);
    };
    if (knownRows) {
      if (i < *knownRows)
        row();
    } else {
      emitIf(b, math.less(math.constant(i), store.validRows), row);
    }
  }
}

static void storeRolled(const TileContext &ctx, const TileStore &store,
                        ValueRange acc) {
  ImplicitLocOpBuilder &b = ctx.b;
  IndexMath math(b);
  for (size_t i = 0; i < acc.size(); ++i)
    storeVector(b, acc[i], ctx.parkedTile, math.value(i * ctx.lanes), nullptr);
  int64_t width = store.nv * ctx.lanes;
  std::optional<int64_t> known = IndexMath::known(store.validColumns);
  bool full = known && *known >= width;
  OpFoldResult rows = math.min(store.validRows, math.constant(store.rows));
  emitFor(b, math.constant(0), rows, math.constant(1), [&](Value i) {
    emitFor(b, math.constant(0), math.constant(width), math.constant(ctx.lanes),
            [&](Value column) {
              Value mask;
              if (!full)
                mask = lanesBelow(b, ctx.lanes,
                                  math.sub(store.validColumns, column));
              Value parked =
                  loadVector(b, ctx.parkedTile,
                             math.value(math.add(math.mul(i, width), column)),
                             ctx.lanes, nullptr);
              finish(ctx, store, parked, i, column, mask);
            });
  });
}

void dlc::kernel::emitTileStore(const TileContext &ctx, const TileStore &store,
                                ValueRange acc) {
  if (ctx.epilogue.rolled)
    storeRolled(ctx, store, acc);
  else
    storeUnrolled(ctx, store, acc);
}
