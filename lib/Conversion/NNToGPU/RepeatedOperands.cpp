// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The way of repeated operands to shared memory.
#include "RepeatedOperands.h"
#include "SectorRun.h"

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

RepeatedOperands::RepeatedOperands(GPUKernelBuilder &kb,
                                   ArrayRef<Value> tensors,
                                   nn::Sizes sizesOfTensor, int64_t capacity,
                                   ArrayRef<unsigned> mergedDims)
    : kb(kb), sizes(std::move(sizesOfTensor)), dims(mergedDims) {
  if (dims.empty()) {
    dims = llvm::to_vector(llvm::seq<unsigned>(sizes.size()));
  }
  for (Value tensor : tensors) {
    Type element = getCodeType(typeOf(tensor).getElementType());
    operands.push_back({tensor, kb.allocateShared(element, capacity)});
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
  OpFoldResult team = getRunTeam(kb, sizes.back());
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

/// Where element `row` of an operand is in the input that has it.
OpFoldResult RepeatedOperands::getRowPlace(Value tensor, ArrayRef<Value> row) {
  kernel::IndexMath &math = kb.math;
  SmallVector<OpFoldResult> at(row.begin(), row.end());
  auto slice = tensor.getDefiningOp<nn::SliceOp>();
  if (slice) {
    for (auto [index, offset, stride] : llvm::zip_equal(
             at, slice.getMixedOffsets(), slice.getMixedStrides())) {
      index = math.add(kb.index(offset), math.mul(index, kb.index(stride)));
    }
    tensor = slice.getInput();
  }
  OpFoldResult place = math.constant(0);
  for (auto [index, size] : llvm::zip_equal(at, kb.sizes(tensor))) {
    place = math.add(math.mul(place, size), index);
  }
  return place;
}

void RepeatedOperands::emitRow(const Operand &operand, Value row,
                               OpFoldResult end, OpFoldResult team) {
  kernel::IndexMath &math = kb.math;
  RankedTensorType type = typeOf(operand.tensor);
  bool isAlong = type.getDimSize(dims.back()) != 1;
  SmallVector<Value> at(type.getRank(), math.value(0));
  for (auto [i, index] : llvm::enumerate(
           kernel::delinearize(math, row, ArrayRef(sizes).drop_back()))) {
    if (type.getDimSize(dims[i]) != 1) {
      at[dims[i]] = math.value(index);
    }
  }
  OpFoldResult first = math.mul(row, sizes.back());
  // What is one element has no sectors to begin at.
  SectorRun run{isAlong ? getRowPlace(operand.tensor, at) : math.constant(0),
                math.max(math.sub(begin, first), math.constant(0)),
                math.min(math.sub(end, first), sizes.back()),
                isAlong ? getSectorElements(operand.tensor) : 1};
  emitSectorRun(kb, run, team, [&](Value i) {
    at[dims.back()] = isAlong ? i : math.value(0);
    Value element = kb.load(operand.tensor, at);
    Value slot = math.value(math.sub(math.add(first, i), begin));
    memref::StoreOp::create(kb.b, element, operand.copy, slot);
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
  Value slot = kb.math.value(kb.math.sub(place, begin));
  for (const Operand &operand : operands) {
    kb.setElement(operand.tensor,
                  memref::LoadOp::create(kb.b, operand.copy, slot));
  }
  Value result = body();
  for (const Operand &operand : operands) {
    kb.setElement(operand.tensor, nullptr);
  }
  return result;
}

} // namespace dlc
