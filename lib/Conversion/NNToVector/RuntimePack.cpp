// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packing at run time: for each panel { for each tap and k { one row of the
// panel } }, rows that are contiguous in the source as vectors.
#include "Conversion/NNToVector/RuntimePack.h"

#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Epilogue.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace dlc::kernel;

int64_t dlc::kernel::getPackItems(const PackedLayout &layout) {
  return layout.groups * layout.panels();
}

namespace {

/// Source, destination and size of one row of a panel.
struct PackedRow {
  Value source, packed;
  OpFoldResult from, to;
  /// Columns of the source, from 0 to more than the row has.
  OpFoldResult columns;
};

void emitRow(ImplicitLocOpBuilder &b, const PackedLayout &layout,
             const SourceStrides &strides, const PackedRow &row) {
  IndexMath math(b);
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  // The target does not matter here: LLVM splits or widens the vectors.
  constexpr int64_t kLanes = 8;
  if (strides.n == 1 && layout.nr % kLanes == 0) {
    emitFor(b, zero, math.constant(layout.nr), math.constant(kLanes),
            [&](Value column) {
              Value mask;
              if (layout.n % layout.nr != 0)
                mask = lanesBelow(b, kLanes, math.sub(row.columns, column));
              Value vector = loadVector(b, row.source,
                                        math.value(math.add(row.from, column)),
                                        kLanes, mask);
              storeVector(b, vector, row.packed,
                          math.value(math.add(row.to, column)), nullptr);
            });
    return;
  }
  OpFoldResult width = math.constant(layout.nr);
  OpFoldResult valid = math.min(width, row.columns);
  auto put = [&](Value column, Value element) {
    memref::StoreOp::create(b, element, row.packed,
                            ValueRange(math.value(math.add(row.to, column))));
  };
  emitFor(b, zero, valid, one, [&](Value column) {
    OpFoldResult index = math.add(row.from, math.mul(column, strides.n));
    put(column,
        memref::LoadOp::create(b, row.source, ValueRange(math.value(index))));
  });
  Type element = cast<MemRefType>(row.source.getType()).getElementType();
  emitFor(b, valid, width, one,
          [&](Value column) { put(column, zeroOf(b, element)); });
}

} // namespace

void dlc::kernel::emitPack(ImplicitLocOpBuilder &b, const PackedLayout &layout,
                           const SourceStrides &strides, Value source,
                           Value packed, Value begin, Value end) {
  IndexMath math(b);
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  PackedRow row;
  row.source = flatten(b, source);
  row.packed = flatten(b, packed);
  emitFor(b, begin, end, one, [&](Value item) {
    OpFoldResult panels = math.constant(layout.panels());
    OpFoldResult group = math.div(item, panels);
    OpFoldResult first = math.mul(math.rem(item, panels), layout.nr);
    row.columns = math.sub(math.constant(layout.n), first);
    OpFoldResult from =
        math.add(math.mul(group, strides.group), math.mul(first, strides.n));
    OpFoldResult to = math.mul(item, layout.panelElements());
    emitFor(b, zero, math.constant(layout.taps), one, [&](Value tap) {
      emitFor(b, zero, math.constant(layout.k), one, [&](Value k) {
        row.from = math.add(
            from, math.add(math.mul(tap, strides.tap), math.mul(k, strides.k)));
        OpFoldResult number = math.add(math.mul(tap, layout.k), k);
        row.to = math.add(to, math.mul(number, layout.nr));
        emitRow(b, layout, strides, row);
      });
    });
  });
}
