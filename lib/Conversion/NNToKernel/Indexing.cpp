// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Computed places, and the ops that change a part of a tensor: each element of
// the result comes from the update where that covers it, else from `dest`.
#include "Conversion/NNToKernel/Indexing.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"

using namespace mlir;

namespace dlc {

SmallVector<Value> emitMap(KernelBuilder &kb, AffineMap map,
                           ValueRange indices) {
  SmallVector<Value> results;
  for (AffineExpr expr : map.getResults()) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      results.push_back(indices[dim.getPosition()]);
    } else if (auto number = dyn_cast<AffineConstantExpr>(expr)) {
      results.push_back(kb.math.value(number.getValue()));
    } else {
      results.push_back(affine::AffineApplyOp::create(
          kb.b, AffineMap::get(map.getNumDims(), 0, expr), indices));
    }
  }
  return results;
}

Value emitLoadedIndex(KernelBuilder &kb, Value tensor, ValueRange at,
                      OpFoldResult size, bool negativeWrap) {
  ImplicitLocOpBuilder &b = kb.b;
  Type type = cast<RankedTensorType>(tensor.getType()).getElementType();
  Value integer = kb.load(tensor, at);
  Value index = type.isUnsignedInteger()
                    ? arith::IndexCastUIOp::create(b, b.getIndexType(), integer)
                          .getResult()
                    : arith::IndexCastOp::create(b, b.getIndexType(), integer)
                          .getResult();
  if (!negativeWrap) {
    return index;
  }
  Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, index,
                                         kb.math.value(0));
  return arith::SelectOp::create(
      b, negative, kb.math.value(kb.math.add(index, size)), index);
}

Value emitInRange(KernelBuilder &kb, Value index, OpFoldResult size,
                  Value condition) {
  Value inRange = arith::CmpIOp::create(kb.b, arith::CmpIPredicate::ult, index,
                                        kb.math.value(size));
  return condition ? arith::AndIOp::create(kb.b, condition, inRange).getResult()
                   : inRange;
}

/// update[place] where `inside` (null: everywhere), else dest[indices].
static Value emitUpdated(KernelBuilder &kb, Value inside, Value update,
                         ValueRange place, Value dest, ValueRange indices) {
  if (!inside) {
    return kb.load(update, place);
  }
  Type type =
      getBaseType(cast<RankedTensorType>(dest.getType()).getElementType())
          .getElementType();
  auto branch = [&](Value tensor, ValueRange at) -> SmallVector<Value> {
    KernelBuilder::MemoScope scope(kb);
    return {kb.load(tensor, at)};
  };
  return kernel::emitIf(
      kb.b, inside, type, [&] { return branch(update, place); },
      [&] { return branch(dest, indices); })[0];
}

Value emitInsertSlice(KernelBuilder &kb, nn::InsertSliceOp op,
                      ValueRange indices) {
  kernel::IndexMath &math = kb.math;
  SmallVector<OpFoldResult> offsets = op.getMixedOffsets(),
                            strides = op.getMixedStrides();
  SmallVector<Value> place;
  Value inside;
  for (auto [dim, index] : llvm::enumerate(indices)) {
    OpFoldResult size = kb.size(op.getSource(), dim);
    OpFoldResult offset = kb.index(offsets[dim]),
                 stride = kb.index(strides[dim]);
    bool isUnit = math.isKnown(stride, 1);
    if (isUnit && math.isKnown(offset, 0) &&
        size == kb.size(op.getDest(), dim)) {
      place.push_back(index);
      continue;
    }
    Value distance = math.value(math.sub(index, offset));
    if (!isUnit) {
      // A negative stride makes the distances negative too.
      Value step = math.value(stride);
      Value rest = arith::RemSIOp::create(kb.b, distance, step);
      distance = arith::DivSIOp::create(kb.b, distance, step);
      Value isHit = math.equal(rest, math.constant(0));
      inside = inside ? arith::AndIOp::create(kb.b, inside, isHit).getResult()
                      : isHit;
    }
    inside = emitInRange(kb, distance, size, inside);
    place.push_back(distance);
  }
  return emitUpdated(kb, inside, op.getSource(), place, op.getDest(), indices);
}

Value emitCacheUpdate(KernelBuilder &kb, nn::CacheUpdateOp op,
                      ValueRange indices) {
  kernel::IndexMath &math = kb.math;
  int64_t axis = op.getAxis();
  OpFoldResult room = kb.size(op.getDest(), axis);
  Value position = indices[axis];
  if (op.getStart()) {
    Value start = emitLoadedIndex(kb, op.getStart(), indices[op.getBatchAxis()],
                                  room, /*negativeWrap=*/false);
    position = math.value(math.sub(position, start));
  }
  if (op.getCircular()) {
    Value size = math.value(room);
    Value rest = arith::RemSIOp::create(kb.b, position, size);
    Value negative = arith::CmpIOp::create(kb.b, arith::CmpIPredicate::slt,
                                           rest, math.value(0));
    position = arith::SelectOp::create(kb.b, negative,
                                       math.value(math.add(rest, size)), rest);
  }
  SmallVector<Value> place(indices);
  place[axis] = position;
  Value inside =
      emitInRange(kb, position, kb.size(op.getUpdate(), axis), nullptr);
  return emitUpdated(kb, inside, op.getUpdate(), place, op.getDest(), indices);
}

} // namespace dlc
