// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The way of repeated operands to shared memory.
#include "RepeatedOperands.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

bool isRepeatedInput(nn::ElementwiseOp op, unsigned number,
                     ArrayRef<int64_t> shape) {
  Value operand = op.getInputs()[number];
  auto type = dyn_cast<RankedTensorType>(operand.getType());
  if (!isa<BlockArgument>(operand) || !type ||
      type.getRank() != static_cast<int64_t>(shape.size())) {
    return false;
  }
  for (auto [dim, size] : llvm::enumerate(shape)) {
    int64_t own = type.getDimSize(dim);
    if (op.mayBroadcast(number, dim) || (own != size && own != 1)) {
      return false;
    }
  }
  return true;
}

RepeatedOperands::RepeatedOperands(GPUKernelBuilder &kb, ArrayRef<Value> inputs,
                                   nn::Sizes sizes, int64_t capacity)
    : kb(kb), sizes(std::move(sizes)) {
  for (Value input : inputs) {
    Type element = getCodeType(typeOf(input).getElementType());
    operands.push_back(
        {input, kb.viewInput(input), kb.allocateShared(element, capacity)});
  }
}

void RepeatedOperands::emitCopies(OpFoldResult first, OpFoldResult end) {
  begin = first;
  for (const Operand &operand : operands) {
    emitCopy(operand, end);
  }
}

void RepeatedOperands::emitCopy(const Operand &operand, OpFoldResult end) {
  kernel::IndexMath &math = kb.math;
  int64_t threads = kb.getNumThreads();
  // A warp at least, so that its accesses are of one row.
  OpFoldResult team = math.max(emitPowerAbove(kb, sizes.back(), threads),
                               math.constant(kWarpThreads));
  // None has no rows, and is not divided by.
  OpFoldResult size = math.max(sizes.back(), math.constant(1));
  OpFoldResult first =
      math.add(math.div(begin, size), math.div(kb.getThread(), team));
  kernel::emitFor(kb.b, first, math.ceilDiv(end, size),
                  math.div(math.constant(threads), team), [&](Value row) {
                    KernelBuilder::MemoScope scope(kb);
                    emitRow(operand, row, end, team);
                  });
}

void RepeatedOperands::emitRow(const Operand &operand, Value row,
                               OpFoldResult end, OpFoldResult team) {
  kernel::IndexMath &math = kb.math;
  RankedTensorType type = typeOf(operand.input);
  nn::Sizes own = kb.sizes(operand.input);
  bool isAlong = type.getShape().back() != 1;
  SmallVector<Value> at;
  OpFoldResult place = math.constant(0);
  for (auto [dim, index] : llvm::enumerate(
           kernel::delinearize(math, row, ArrayRef(sizes).drop_back()))) {
    bool isOne = type.getDimSize(dim) == 1;
    at.push_back(math.value(isOne ? math.constant(0) : index));
    place = math.add(math.mul(place, own[dim]), at.back());
  }
  at.push_back(nullptr);
  int64_t bytes = std::max(1u, type.getElementTypeBitWidth() / 8);
  OpFoldResult shift =
      isAlong
          ? math.rem(math.mul(place, own.back()),
                     math.constant(std::max<int64_t>(1, kSectorBytes / bytes)))
          : math.constant(0);
  OpFoldResult column = math.sub(math.rem(kb.getThread(), team), shift);
  OpFoldResult first = math.mul(row, sizes.back());
  OpFoldResult lower = math.max(math.sub(begin, first), math.constant(0));
  OpFoldResult upper = math.min(math.sub(end, first), sizes.back());
  kernel::emitFor(kb.b, column, upper, team, [&](Value i) {
    KernelBuilder::MemoScope scope(kb);
    kernel::emitIf(kb.b, math.lessEqual(lower, i), [&] {
      at.back() = isAlong ? i : math.value(0);
      Value element = memref::LoadOp::create(kb.b, operand.global, at);
      Value slot = math.value(math.sub(math.add(first, i), begin));
      memref::StoreOp::create(kb.b, element, operand.copy, slot);
    });
  });
}

Value RepeatedOperands::readAt(OpFoldResult place,
                               llvm::function_ref<Value()> body) {
  if (operands.empty()) {
    return body();
  }
  // Elements of one place are no other's, though an operand may have the same
  // indices for both.
  KernelBuilder::MemoScope scope(kb);
  ImplicitLocOpBuilder &b = kb.b;
  for (const Operand &operand : operands) {
    int64_t rank = typeOf(operand.input).getRank();
    SmallVector<int64_t> ones(rank, 1), zeros(rank, 0);
    auto type = MemRefType::get(
        ones, cast<MemRefType>(operand.copy.getType()).getElementType(),
        StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, zeros),
        b.getI64IntegerAttr(kSharedSpace));
    Value slot = kb.math.value(kb.math.sub(place, begin));
    kb.setInputView(operand.input,
                    memref::ReinterpretCastOp::create(
                        b, type, operand.copy, OpFoldResult(slot),
                        SmallVector<OpFoldResult>(rank, b.getIndexAttr(1)),
                        SmallVector<OpFoldResult>(rank, b.getIndexAttr(0))));
  }
  Value result = body();
  for (const Operand &operand : operands) {
    kb.setInputView(operand.input, operand.global);
  }
  return result;
}

} // namespace dlc
