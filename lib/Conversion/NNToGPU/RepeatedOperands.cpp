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

/// Whether a use of a value computes elements from its own at the same indices,
/// or at 0 along dims of which types say that it has one.
static bool isElementwiseUse(OpOperand &use) {
  auto op = dyn_cast<nn::ElementwiseOp>(use.getOwner());
  if (!op) {
    return isa<nn::CastOp, nn::YieldOp>(use.getOwner()) ||
           llvm::none_of(use.getOwner()->getResultTypes(),
                         llvm::IsaPred<RankedTensorType>);
  }
  auto dims = llvm::seq<int64_t>(typeOf(op.getResult()).getRank());
  return llvm::none_of(dims, [&](int64_t dim) {
    return op.mayBroadcast(use.getOperandNumber(), dim);
  });
}

bool isElementwiseInput(Value input, ArrayRef<int64_t> shape) {
  SmallVector<Value> open{input};
  llvm::DenseSet<Value> seen;
  while (!open.empty()) {
    Value value = open.pop_back_val();
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || !seen.insert(value).second) {
      continue;
    }
    bool fits = type.getRank() == static_cast<int64_t>(shape.size());
    for (size_t dim = 0; fits && dim < shape.size(); ++dim) {
      int64_t own = type.getDimSize(dim);
      fits = own == shape[dim] || own == 1;
    }
    if (!fits || !llvm::all_of(value.getUses(), isElementwiseUse)) {
      return false;
    }
    for (Operation *user : value.getUsers()) {
      if (isa<nn::YieldOp>(user) && type.getShape() != shape) {
        return false;
      }
      llvm::append_range(open, user->getResults());
    }
  }
  return true;
}

RepeatedOperands::RepeatedOperands(GPUKernelBuilder &kb, ArrayRef<Value> inputs,
                                   nn::Sizes sizesOfTensor, int64_t capacity,
                                   ArrayRef<unsigned> mergedDims)
    : kb(kb), sizes(std::move(sizesOfTensor)), dims(mergedDims) {
  if (dims.empty()) {
    dims = llvm::to_vector(llvm::seq<unsigned>(sizes.size()));
  }
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
  bool isAlong = type.getDimSize(dims.back()) != 1;
  SmallVector<Value> at(type.getRank(), math.value(0));
  OpFoldResult place = math.constant(0);
  for (auto [i, index] : llvm::enumerate(
           kernel::delinearize(math, row, ArrayRef(sizes).drop_back()))) {
    if (type.getDimSize(dims[i]) != 1) {
      at[dims[i]] = math.value(index);
      place = math.add(math.mul(place, sizes[i]), index);
    }
  }
  int64_t bytes = std::max(1u, type.getElementTypeBitWidth() / 8);
  OpFoldResult shift =
      isAlong
          ? math.rem(math.mul(place, sizes.back()),
                     math.constant(std::max<int64_t>(1, kSectorBytes / bytes)))
          : math.constant(0);
  OpFoldResult column = math.sub(math.rem(kb.getThread(), team), shift);
  OpFoldResult first = math.mul(row, sizes.back());
  OpFoldResult lower = math.max(math.sub(begin, first), math.constant(0));
  OpFoldResult upper = math.min(math.sub(end, first), sizes.back());
  kernel::emitFor(kb.b, column, upper, team, [&](Value i) {
    KernelBuilder::MemoScope scope(kb);
    kernel::emitIf(kb.b, math.lessEqual(lower, i), [&] {
      at[dims.back()] = isAlong ? i : math.value(0);
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
