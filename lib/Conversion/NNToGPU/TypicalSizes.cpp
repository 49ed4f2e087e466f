// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What schedules are chosen for where only the run knows a size.
#include "Conversion/NNToGPU/TileKernelFamily.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace dlc {

/// What stands for a dim of a tensor where a bind_shape says so.
static Value getBoundSize(Value tensor, int64_t dim) {
  for (Operation *user : tensor.getUsers()) {
    if (auto bind = dyn_cast<nn::BindShapeOp>(user)) {
      return bind.getSizes()[dim];
    }
  }
  return {};
}

/// An index value of the dispatch's body or of the program around it.
static int64_t getTypicalValue(nn::DispatchOp dispatch, Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant))) {
    return constant.getSExtValue();
  }
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    unsigned tensors = dispatch.getInputs().size();
    bool isSize = argument.getOwner() == &dispatch.getBody().front();
    return isSize ? getTypicalValue(
                        dispatch,
                        dispatch.getSizes()[argument.getArgNumber() - tensors])
                  : ShapedType::kDynamic;
  }
  Operation *op = value.getDefiningOp();
  if (auto symbol = dyn_cast<nn::SymDimOp>(op)) {
    int64_t size = symbol.getHint() ? symbol.getHint() : symbol.getMax();
    return size > 0 ? size : ShapedType::kDynamic;
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    std::optional<int64_t> index = dim.getConstantIndex();
    Value bound = index ? getBoundSize(dim.getSource(), *index) : Value();
    return bound ? getTypicalValue(dispatch, bound) : ShapedType::kDynamic;
  }
  SmallVector<Attribute> operands;
  for (Value operand : op->getOperands()) {
    int64_t size = operand.getType().isIndex()
                       ? getTypicalValue(dispatch, operand)
                       : ShapedType::kDynamic;
    if (ShapedType::isDynamic(size)) {
      return size;
    }
    operands.push_back(IntegerAttr::get(operand.getType(), size));
  }
  SmallVector<OpFoldResult> folded;
  if (op->getNumResults() != 1 || failed(op->fold(operands, folded)) ||
      folded.empty()) {
    return ShapedType::kDynamic;
  }
  return getConstantIntValue(folded.front()).value_or(ShapedType::kDynamic);
}

int64_t getTypicalSize(nn::DispatchOp dispatch, Value input, int64_t dim) {
  int64_t size = cast<RankedTensorType>(input.getType()).getDimSize(dim);
  if (!ShapedType::isDynamic(size) || !isa<BlockArgument>(input)) {
    return size;
  }
  Value bound = getBoundSize(input, dim);
  return bound ? getTypicalValue(dispatch, bound) : size;
}

} // namespace dlc
