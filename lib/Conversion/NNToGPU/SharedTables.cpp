// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Copies of tables, and of what the rows of a block read of them.
#include "SharedTables.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

/// Bytes of a table, of which a kernel has up to two.
static constexpr int64_t kTableBytes = 2 << 10;

/// Whether to copy `count` elements of `table` for `blockElements`.
static bool isWorthCopy(Value table, int64_t count, int64_t blockElements) {
  int64_t bits = typeOf(table).getElementTypeBitWidth();
  return bits <= 32 && kTableShare * count <= blockElements &&
         count * std::max<int64_t>(1, bits / 8) <= kTableBytes;
}

SharedTables::SharedTables(GPUKernelBuilder &kb, const RowProgram &program,
                           const RowSpace &space, const BlockRows &rows)
    : kb(kb) {
  std::optional<int64_t> part = space.getRowPart(program.tableDim);
  // One tensor may be scale and bias.
  for (Value table :
       llvm::SetVector<Value>(program.tables.begin(), program.tables.end())) {
    if (!table || !isa<BlockArgument>(table) ||
        !typeOf(table).hasStaticShape() ||
        (part && copyPart(table, *part, rows))) {
      continue;
    }
    if (isWorthCopy(table, typeOf(table).getNumElements(), rows.elements)) {
      inGlobal.emplace_back(table, kb.viewInput(table));
      kb.setInputView(table, emitSharedCopy(kb, table));
    }
  }
}

/// Copies what the block's rows read, each `part` elements; false where that is
/// not worth it, or all of the table.
bool SharedTables::copyPart(Value table, int64_t part, const BlockRows &rows) {
  ImplicitLocOpBuilder &b = kb.b;
  kernel::IndexMath &math = kb.math;
  int64_t size = typeOf(table).getNumElements();
  std::optional<int64_t> numRows = kernel::IndexMath::known(rows.count);
  int64_t count = numRows.value_or(size) * part;
  if (count >= size || !isWorthCopy(table, count, rows.elements)) {
    return false;
  }
  Value first =
      math.value(math.rem(math.mul(rows.first, part), math.constant(size)));
  Type element = getCodeType(typeOf(table).getElementType());
  Value copy = kb.allocateShared(element, count);
  kernel::emitFor(
      b, kb.getThread(), math.constant(count),
      math.constant(kb.getNumThreads()), [&](Value place) {
        KernelBuilder::MemoScope scope(kb);
        OpFoldResult at = math.rem(math.add(first, place), math.constant(size));
        memref::StoreOp::create(b, kb.load(table, math.value(at)), copy, place);
      });
  inGlobal.emplace_back(table, kb.viewInput(table));
  kb.setInputView(table, copy, [this, first, size](ValueRange indices) {
    kernel::IndexMath &math = kb.math;
    Value ahead = math.value(math.sub(indices[0], first));
    Value around = math.value(math.add(ahead, math.constant(size)));
    Value isBehind = math.less(indices[0], first);
    return SmallVector<Value>{
        arith::SelectOp::create(kb.b, isBehind, around, ahead)};
  });
  return true;
}

SharedTables::~SharedTables() {
  for (auto [table, view] : inGlobal) {
    kb.setInputView(table, view);
  }
}

} // namespace dlc
