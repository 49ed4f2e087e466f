// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Panel packing at run time: a strided copy, or lanes x lanes transposes in
// registers.
#include "PackPanel.h"

#include "Conversion/NNToVector/Emit.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace dlc::kernel;

/// Transposes a square of vectors by log2(lanes) rounds that exchange halves of
/// growing blocks.
static SmallVector<Value> transposeSquare(ImplicitLocOpBuilder &b,
                                          SmallVector<Value> rows) {
  int64_t lanes = rows.size();
  for (int64_t block = 1; block < lanes; block *= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < lanes; ++i) {
      bool second = i & block;
      low.push_back(second ? lanes + i - block : i);
      high.push_back(second ? lanes + i : i + block);
    }
    for (int64_t i = 0; i < lanes; ++i) {
      if (i & block)
        continue;
      Value x = rows[i], y = rows[i + block];
      rows[i] = vector::ShuffleOp::create(b, x, y, low);
      rows[i + block] = vector::ShuffleOp::create(b, x, y, high);
    }
  }
  return rows;
}

OpFoldResult dlc::kernel::packedPanelRows(ImplicitLocOpBuilder &b,
                                          BLayout layout, OpFoldResult k,
                                          int64_t lanes) {
  return layout == BLayout::Transposed ? IndexMath(b).roundUp(k, lanes) : k;
}

static void packRowMajor(const TileContext &ctx, const PanelSource &source,
                         Value packed, int64_t nv) {
  ImplicitLocOpBuilder &b = ctx.b;
  IndexMath math(b);
  OpFoldResult left = math.sub(source.n, source.firstColumn);
  SmallVector<Value> masks;
  for (int64_t j = 0; j < nv; ++j)
    masks.push_back(columnMask(b, ctx.lanes, j, left));
  OpFoldResult base = math.add(source.offset, source.firstColumn);
  emitFor(b, math.constant(0), source.k, math.constant(1), [&](Value k) {
    OpFoldResult from = math.add(base, math.mul(k, source.rowStride));
    OpFoldResult to = math.mul(k, nv * ctx.lanes);
    for (int64_t j = 0; j < nv; ++j) {
      OpFoldResult column = math.constant(j * ctx.lanes);
      Value vector = ctx.loadB(source.flat, math.value(math.add(from, column)),
                               masks[j], /*converted=*/false);
      storeVector(b, vector, packed, math.value(math.add(to, column)), nullptr);
    }
  });
}

/// One square: `lanes` rows of the source from `column` on, k in [k, k +
/// lanes).
static void packSquare(const TileContext &ctx, const PanelSource &source,
                       Value packed, int64_t nv, Value column, Value k,
                       Value mask) {
  ImplicitLocOpBuilder &b = ctx.b;
  IndexMath math(b);
  OpFoldResult lastRow = math.sub(source.n, math.constant(1));
  SmallVector<Value> square;
  for (int64_t i = 0; i < ctx.lanes; ++i) {
    // Columns past n repeat the last one: readable, and never stored.
    OpFoldResult row =
        math.min(lastRow, math.add(math.add(source.firstColumn, column),
                                   math.constant(i)));
    OpFoldResult index =
        math.add(math.add(source.offset, k), math.mul(row, source.rowStride));
    square.push_back(ctx.loadB(source.flat, math.value(index), mask,
                               /*converted=*/false));
  }
  square = transposeSquare(b, std::move(square));
  for (int64_t i = 0; i < ctx.lanes; ++i) {
    OpFoldResult row = math.add(k, math.constant(i));
    OpFoldResult index = math.add(math.mul(row, nv * ctx.lanes), column);
    storeVector(b, square[i], packed, math.value(index), nullptr);
  }
}

static void packTransposed(const TileContext &ctx, const PanelSource &source,
                           Value packed, int64_t nv) {
  ImplicitLocOpBuilder &b = ctx.b;
  IndexMath math(b);
  OpFoldResult zero = math.constant(0), lanes = math.constant(ctx.lanes);
  OpFoldResult whole = math.mul(math.div(source.k, lanes), lanes);
  std::optional<int64_t> knownK = IndexMath::known(source.k);
  emitFor(b, zero, math.constant(nv * ctx.lanes), lanes, [&](Value column) {
    emitFor(b, zero, whole, lanes, [&](Value k) {
      packSquare(ctx, source, packed, nv, column, k, nullptr);
    });
    if (knownK && *knownK % ctx.lanes == 0)
      return;
    emitIf(b, math.less(whole, source.k), [&] {
      Value mask = lanesBelow(b, ctx.lanes, math.sub(source.k, whole));
      packSquare(ctx, source, packed, nv, column, math.value(whole), mask);
    });
  });
}

void dlc::kernel::emitPackPanel(const TileContext &ctx,
                                const PanelSource &source, Value packed,
                                int64_t nv) {
  if (source.layout == BLayout::Transposed)
    packTransposed(ctx, source, packed, nv);
  else
    packRowMajor(ctx, source, packed, nv);
}
