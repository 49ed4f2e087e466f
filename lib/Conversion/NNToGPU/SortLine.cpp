// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Entries of a line under sorting.
#include "SortLine.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc {

int64_t getMaxSortEntries(nn::SortOp op) {
  int64_t bytes =
      std::max(8u, typeOf(op.getInput()).getElementTypeBitWidth()) / 8 + 4;
  return llvm::bit_floor<uint64_t>(kMaxSortBytes / bytes);
}

/// The lanes of a warp compare entries whose places agree in one bit and count
/// through the lower others, which are too many for the banks where that bit is
/// one of the lowest: two lanes meet in a bank. So the lowest bits are turned
/// over by the one above them; places that meet then differ in all those bits.
Value SortLine::getPlace(GPUKernelBuilder &kb, Value array, Value place) const {
  ImplicitLocOpBuilder &b = kb.b;
  kernel::IndexMath &math = kb.math;
  Value at = math.value(math.add(base, place));
  int64_t bytes =
      cast<MemRefType>(array.getType()).getElementTypeBitWidth() / 8;
  if (!isShared || bytes < 4) {
    return at;
  }
  int64_t bits = bytes == 4 ? 5 : 4;
  Value above = arith::ShRUIOp::create(b, at, math.value(bits));
  above = arith::AndIOp::create(b, above, math.value(1));
  Value turn = arith::MulIOp::create(b, above, math.value((1 << bits) - 1));
  return arith::XOrIOp::create(b, at, turn);
}

SortEntry SortLine::load(GPUKernelBuilder &kb, Value place) const {
  return {memref::LoadOp::create(kb.b, values, getPlace(kb, values, place)),
          memref::LoadOp::create(kb.b, indices, getPlace(kb, indices, place))};
}

void SortLine::store(GPUKernelBuilder &kb, Value place, SortEntry entry) const {
  memref::StoreOp::create(kb.b, entry.value, values,
                          getPlace(kb, values, place));
  memref::StoreOp::create(kb.b, entry.index, indices,
                          getPlace(kb, indices, place));
}

void storeSorted(GPUKernelBuilder &kb, ArrayRef<Value> place, SortEntry entry) {
  ImplicitLocOpBuilder &b = kb.b;
  memref::StoreOp::create(b, entry.value, kb.viewResult(0), place);
  Value index = arith::ExtSIOp::create(b, b.getI64Type(), entry.index);
  memref::StoreOp::create(b, index, kb.viewResult(1), place);
}

nn::Sizes getLineSizes(DispatchContext &context, nn::SortOp op) {
  nn::Sizes sizes = context.sizes(op.getValues());
  sizes[op.getAxis()] = context.math.constant(1);
  return sizes;
}

OpFoldResult countLines(DispatchContext &context, nn::SortOp op) {
  return nn::productOf(context.b, op.getLoc(), getLineSizes(context, op));
}

} // namespace dlc
