// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How rows lie in memory, and whether the tensors around a program on rows lie
// likewise.
#include "RepeatedOperands.h"
#include "RowSpace.h"

using namespace mlir;

namespace dlc {

/// Whether an operand of an op of `shape` repeats none of its elements, or is
/// one element.
static bool walksAlong(nn::ElementwiseOp op, unsigned number, Type type,
                       ArrayRef<int64_t> shape) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) {
    return true;
  }
  int64_t rank = shape.size();
  for (int64_t dim = 0; op && dim < rank; ++dim) {
    if (op.mayBroadcast(number, dim)) {
      return false;
    }
  }
  bool isOne = tensor.getRank() == rank && tensor.hasStaticShape() &&
               tensor.getNumElements() == 1;
  return isOne || tensor.getShape() == shape;
}

namespace {

/// The tensors that elements of a program's input come from, and those that
/// elements of its result go to.
struct Surroundings {
  /// Whether all but `repeated` have the elements in the input's order.
  bool areOrdered = true;
  /// Inputs whose elements repeat.
  llvm::SetVector<Value> repeated;
  /// Of the widest of their elements, and of the narrowest in memory.
  int64_t bytes = 1, leastBytes = 8;

  void visit(Value value, Value result, ArrayRef<int64_t> shape) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || !seen.insert(value).second) {
      return;
    }
    int64_t own = std::max(1u, type.getElementTypeBitWidth() / 8);
    bytes = std::max(bytes, own);
    Operation *op = value.getDefiningOp();
    leastBytes = op ? leastBytes : std::min(leastBytes, own);
    if (!op || op->hasTrait<OpTrait::ConstantLike>()) {
      return;
    }
    if (value == result) {
      areOrdered &= type.getShape() == shape;
      return;
    }
    auto elementwise = dyn_cast<nn::ElementwiseOp>(op);
    areOrdered &=
        type.getShape() == shape && (elementwise || isa<nn::CastOp>(op));
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      if (!walksAlong(elementwise, i, operand.getType(), shape)) {
        bool isInput = elementwise && isRepeatedInput(elementwise, i, shape);
        areOrdered &= isInput;
        if (isInput) {
          repeated.insert(operand);
        }
      }
      visit(operand, result, shape);
    }
  }

private:
  llvm::DenseSet<Value> seen;
};

} // namespace

void RowSpace::findSlabs(DispatchContext &context, const RowShape &shape) {
  kernel::IndexMath &math = context.math;
  Surroundings around;
  Value result = getRowResult(context, shape);
  ArrayRef<int64_t> order = typeOf(shape.tensor).getShape();
  around.visit(shape.tensor, result, order);
  if (shape.isKept) {
    around.visit(context.getYielded(0), result, order);
  }
  elementBytes = around.bytes;
  unsigned resultBits = typeOf(context.getYielded(0)).getElementTypeBitWidth();
  leastBytes =
      std::min<int64_t>(around.leastBytes, std::max(1u, resultBits / 8));
  hasOrder = around.areOrdered && around.repeated.empty();
  auto isOne = [](OpFoldResult size) {
    return kernel::IndexMath::isKnown(size, 1);
  };
  int64_t first = rank, last = 0;
  for (auto [dim, size] : llvm::zip_equal(columnDims, columnSizes)) {
    if (!isOne(size)) {
      first = std::min(first, dim);
      last = std::max(last, dim);
    }
  }
  Slabs found = {math.constant(1), math.constant(1)};
  for (auto [dim, size] : llvm::zip_equal(rowDims, rowSizes)) {
    bool isSplit = groups > 0 && dim == channelDim;
    if (isOne(size)) {
      continue;
    }
    if (dim < first || (isSplit && dim == first)) {
      found.slabs = math.mul(found.slabs, size);
    } else if (dim > last) {
      found.lanes = math.mul(found.lanes, size);
    } else {
      return;
    }
  }
  slabs = found;
  if (around.areOrdered) {
    repeated = around.repeated.takeVector();
  }
}

} // namespace dlc
