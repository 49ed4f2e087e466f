// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix product: for each panel of B { for each tile of rows { all of K in
// registers } }. The panel stays in the L2 cache while A streams past; neither
// M nor K is blocked by default.
#include "Conversion/NNToVector/Gemm.h"

#include "Conversion/NNToVector/Emit.h"
#include "PackPanel.h"
#include "Tile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace dlc::kernel;

namespace {

/// Emission of one GEMM kernel.
class GemmEmitter {
public:
  GemmEmitter(ImplicitLocOpBuilder &b, const GemmSpec &spec,
              const GemmSchedule &sched, const VectorTarget &target)
      : b(b), math(b), spec(spec), sched(sched),
        lanes(target.lanesFor(spec.types.acc.getIntOrFloatBitWidth())),
        width(sched.panelWidth(lanes)) {
    assert(sched.mBlock % sched.mr == 0 && "expected whole tiles in a block");
    panels = math.ceilDiv(spec.n, math.constant(width));
    blockRows = sched.mBlock ? math.constant(sched.mBlock) : spec.m;
    // A max keeps the division defined for an empty matrix.
    blocks = sched.mBlock ? math.ceilDiv(spec.m, blockRows) : math.constant(1);
  }

  OpFoldResult items();
  OpFoldResult scratchBytes();
  void emit(const GemmBuffers &buffers, Value begin, Value end);

private:
  /// Position of a work item.
  struct Item {
    OpFoldResult batch, panel, block;
    SmallVector<Value> batchIndices;
  };

  bool packs() const {
    return spec.bLayout != BLayout::Packed &&
           (sched.packB || spec.bLayout == BLayout::Transposed);
  }
  Item locate(Value item);
  Value emitPacking(const Item &item, OpFoldResult bOffset, Value packedPanel);
  void emitPanel(const Item &item, OpFoldResult bOffset, int64_t nv,
                 OpFoldResult validColumns);
  void emitTile(const Item &item, OpFoldResult bOffset, int64_t rows,
                int64_t nv, OpFoldResult m, OpFoldResult validColumns);
  void setB(TileReduction &reduction, const Item &item, OpFoldResult bOffset,
            int64_t nv, OpFoldResult validColumns);

  OpFoldResult offset(const OffsetFn &fn, ValueRange batch) {
    return fn ? fn(b, batch) : math.constant(0);
  }
  /// Bytes of the parked tile, at the front of scratch.
  int64_t parkedBytes() const {
    return spec.epilogue.rolled ? sched.mr * width * accBytes() : 0;
  }
  int64_t accBytes() const {
    return spec.types.acc.getIntOrFloatBitWidth() / 8;
  }

  ImplicitLocOpBuilder &b;
  IndexMath math;
  const GemmSpec &spec;
  const GemmSchedule &sched;
  int64_t lanes;
  int64_t width;
  OpFoldResult panels, blocks, blockRows;
  /// Set while emitting.
  const TileContext *ctx = nullptr;
  Value a, bFlat, packed;
};

OpFoldResult GemmEmitter::items() {
  OpFoldResult count = math.mul(panels, blocks);
  for (OpFoldResult size : spec.batch)
    count = math.mul(count, size);
  return count;
}

OpFoldResult GemmEmitter::scratchBytes() {
  OpFoldResult bytes = math.constant(llvm::alignTo(parkedBytes(), 64));
  if (!packs())
    return bytes;
  return math.add(bytes,
                  math.mul(packedPanelRows(b, spec.bLayout, spec.k, lanes),
                           width * accBytes()));
}

GemmEmitter::Item GemmEmitter::locate(Value linear) {
  Item item;
  auto split = sched.blocksOutside
                   ? delinearize(math, linear, {spec.m, blocks, panels})
                   : delinearize(math, linear, {spec.m, panels, blocks});
  item.batch = split[0];
  item.panel = split[sched.blocksOutside ? 2 : 1];
  item.block = split[sched.blocksOutside ? 1 : 2];
  for (OpFoldResult index : delinearize(math, item.batch, spec.batch))
    item.batchIndices.push_back(math.value(index));
  return item;
}

void GemmEmitter::emit(const GemmBuffers &buffers, Value begin, Value end) {
  TileContext context =
      makeTileContext(b, spec, lanes, buffers.c, buffers.scratch);
  ctx = &context;
  a = flatten(b, buffers.a);
  bFlat = flatten(b, buffers.b);
  if (packs())
    packed = scratchView(b, buffers.scratch,
                         math.constant(llvm::alignTo(parkedBytes(), 64)),
                         spec.types.acc);

  // Items of one panel follow each other, so a panel is packed once per worker
  // and stays.
  SmallVector<Value> carried;
  if (packs())
    carried.push_back(math.value(-1));
  emitFor(b, begin, end, math.constant(1), carried,
          [&](Value linear, ValueRange state) -> SmallVector<Value> {
            Item item = locate(linear);
            OpFoldResult bOffset = offset(spec.bOffset, item.batchIndices);
            SmallVector<Value> next;
            if (packs())
              next.push_back(emitPacking(item, bOffset, state.front()));
            std::optional<int64_t> n = IndexMath::known(spec.n);
            int64_t tail = n ? *n % width : 0;
            int64_t tailVectors = llvm::divideCeil(tail, lanes);
            OpFoldResult left = math.sub(spec.n, math.mul(item.panel, width));
            if (n && tail == 0) {
              emitPanel(item, bOffset, sched.nv, math.constant(width));
            } else if (!n || tailVectors == sched.nv) {
              emitPanel(item, bOffset, sched.nv, left);
            } else {
              emitIf(
                  b, math.lessEqual(math.constant(width), left),
                  [&] {
                    if (*n >= width)
                      emitPanel(item, bOffset, sched.nv, math.constant(width));
                  },
                  [&] {
                    emitPanel(item, bOffset, tailVectors, math.constant(tail));
                  });
            }
            return next;
          });
}

Value GemmEmitter::emitPacking(const Item &item, OpFoldResult bOffset,
                               Value packedPanel) {
  Value wanted = math.value(math.add(math.mul(item.batch, panels), item.panel));
  Value same = math.equal(wanted, packedPanel);
  PanelSource source;
  source.flat = bFlat;
  source.offset = bOffset;
  source.rowStride = spec.bRowStride;
  source.layout = spec.bLayout;
  source.k = spec.k;
  source.n = spec.n;
  source.firstColumn = math.mul(item.panel, width);
  emitIf(
      b, same, [] {}, [&] { emitPackPanel(*ctx, source, packed, sched.nv); });
  return wanted;
}

void GemmEmitter::emitPanel(const Item &item, OpFoldResult bOffset, int64_t nv,
                            OpFoldResult validColumns) {
  OpFoldResult first = math.mul(item.block, blockRows);
  if (!sched.mBlock)
    first = math.constant(0);
  OpFoldResult last = math.min(spec.m, math.add(first, blockRows));
  if (!sched.mBlock)
    last = spec.m;
  OpFoldResult rows = math.sub(last, first);
  OpFoldResult whole = math.add(
      first, math.mul(math.div(rows, math.constant(sched.mr)), sched.mr));
  emitFor(b, first, whole, math.constant(sched.mr), [&](Value m) {
    emitTile(item, bOffset, sched.mr, nv, m, validColumns);
  });

  // Only the last block can have a remainder, since blocks are multiples of mr.
  if (std::optional<int64_t> m = IndexMath::known(spec.m)) {
    int64_t tail = *m % sched.mr;
    if (tail)
      emitIf(b, math.less(whole, last),
             [&] { emitTile(item, bOffset, tail, nv, whole, validColumns); });
    return;
  }
  OpFoldResult m = whole;
  for (int64_t tail = llvm::bit_floor<uint64_t>(sched.mr - 1); tail > 0;
       tail /= 2) {
    Value next = math.value(math.add(m, math.constant(tail)));
    Value fits = math.lessEqual(next, last);
    emitIf(b, fits,
           [&] { emitTile(item, bOffset, tail, nv, m, validColumns); });
    m = arith::SelectOp::create(b, fits, next, math.value(m)).getResult();
  }
}

void GemmEmitter::setB(TileReduction &reduction, const Item &item,
                       OpFoldResult bOffset, int64_t nv,
                       OpFoldResult validColumns) {
  reduction.bStep = math.constant(width);
  if (packs()) {
    reduction.bFlat = packed;
    reduction.bBase = math.constant(0);
    reduction.bConverted = true;
    return;
  }
  reduction.bFlat = bFlat;
  if (spec.bLayout == BLayout::Packed) {
    OpFoldResult panel = math.mul(math.mul(item.panel, spec.k), width);
    reduction.bBase = math.add(bOffset, panel);
    return;
  }
  reduction.bBase = math.add(bOffset, math.mul(item.panel, width));
  reduction.bStep = spec.bRowStride;
  for (int64_t j = 0; j < nv; ++j)
    reduction.bMasks.push_back(columnMask(b, lanes, j, validColumns));
}

void GemmEmitter::emitTile(const Item &item, OpFoldResult bOffset, int64_t rows,
                           int64_t nv, OpFoldResult m,
                           OpFoldResult validColumns) {
  TileReduction reduction;
  reduction.a = a;
  reduction.aBase = math.add(offset(spec.aOffset, item.batchIndices),
                             math.mul(m, spec.aRowStride));
  reduction.aStep = spec.aColumnStride;
  for (int64_t i = 0; i < rows; ++i)
    reduction.rows.push_back({i, math.mul(spec.aRowStride, i)});
  setB(reduction, item, bOffset, nv, validColumns);
  reduction.count = spec.k;
  if (spec.bLayout == BLayout::Packed && !IndexMath::isKnown(panels, 1)) {
    // The tiles between two uses of one panel share the fetching of the next.
    OpFoldResult first = math.constant(0), served = spec.m;
    if (sched.blocksOutside) {
      first = math.mul(item.block, blockRows);
      served = blockRows;
    }
    OpFoldResult mr = math.constant(sched.mr);
    prefetchNextPanel(b, reduction, nv, math.mul(spec.k, width),
                      math.div(math.sub(m, first), mr),
                      math.ceilDiv(served, mr));
  }
  SmallVector<Value> zeros(rows * nv, zeroOf(b, ctx->accVector()));
  SmallVector<Value> acc = emitTileReduction(*ctx, reduction, zeros, nv);

  TileStore store;
  store.batch = item.batchIndices;
  store.m = m;
  store.mStep = math.constant(1);
  store.n = math.mul(item.panel, width);
  store.offset = math.add(math.add(offset(spec.cOffset, item.batchIndices),
                                   math.mul(m, spec.cRowStride)),
                          store.n);
  store.rowStride = spec.cRowStride;
  store.rows = rows;
  store.nv = nv;
  store.validRows = math.constant(rows);
  store.validColumns = validColumns;
  emitTileStore(*ctx, store, acc);
}

} // namespace

OpFoldResult dlc::kernel::getGemmItems(ImplicitLocOpBuilder &b,
                                       const GemmSpec &spec,
                                       const GemmSchedule &sched,
                                       const VectorTarget &target) {
  return GemmEmitter(b, spec, sched, target).items();
}

OpFoldResult dlc::kernel::getGemmScratchBytes(ImplicitLocOpBuilder &b,
                                              const GemmSpec &spec,
                                              const GemmSchedule &sched,
                                              const VectorTarget &target) {
  return GemmEmitter(b, spec, sched, target).scratchBytes();
}

void dlc::kernel::emitGemm(ImplicitLocOpBuilder &b, const GemmSpec &spec,
                           const GemmSchedule &sched,
                           const VectorTarget &target,
                           const GemmBuffers &buffers, Value begin, Value end) {
  GemmEmitter(b, spec, sched, target).emit(buffers, begin, end);
}
