// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operations and bytes of dispatches. An unknown part makes the sum unknown.
#include "Analysis/DispatchCost.h"

#include "Analysis/HostTensor.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace dlc {

using namespace nn;

namespace {

/// A number that may be unknown.
using Count = std::optional<int64_t>;

Count operator*(Count x, Count y) {
  return x && y ? Count(*x * *y) : std::nullopt;
}

Count countElements(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  return type.hasStaticShape() ? Count(type.getNumElements()) : std::nullopt;
}

Count countBytes(Value tensor) {
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  unsigned bits =
      element.isIntOrFloat() ? element.getIntOrFloatBitWidth() : 128;
  return countElements(tensor) * Count((bits + 7) / 8);
}

/// Product of the sizes of all loop dims that some operand has.
Count countLoops(ArrayRef<std::pair<Value, AffineMap>> operands,
                 ArrayRef<unsigned> leftOut = {}) {
  llvm::SmallDenseMap<unsigned, int64_t> sizes;
  for (auto [tensor, map] : operands) {
    auto type = cast<RankedTensorType>(tensor.getType());
    for (auto [place, expr] : llvm::enumerate(map.getResults())) {
      auto loop = dyn_cast<AffineDimExpr>(expr);
      if (!loop || llvm::is_contained(leftOut, loop.getPosition())) {
        continue;
      }
      if (type.isDynamicDim(place)) {
        return std::nullopt;
      }
      int64_t &size = sizes.try_emplace(loop.getPosition(), 1).first->second;
      size = std::max(size, type.getDimSize(place));
    }
  }
  int64_t product = 1;
  for (auto [loop, size] : sizes) {
    product *= size;
  }
  return product;
}

Count countContract(ContractOp op) {
  return Count(2) *
         countLoops({{op.getLhs(), op.getMap(0)}, {op.getRhs(), op.getMap(1)}});
}

Count countAttention(AttentionOp op) {
  Count scores =
      countLoops({{op.getQuery(), op.getMap(0)}, {op.getKey(), op.getMap(1)}});
  Count values = countLoops(
      {{op.getQuery(), op.getMap(0)}, {op.getValue(), op.getMap(2)}}, {kDepth});
  return scores && values ? Count(2 * (*scores + *values)) : std::nullopt;
}

/// Each output element takes a filter of one output channel; of a transposed
/// convolution, each input element spreads over a filter of one input channel.
Count countConv(ConvOp op) {
  auto filter = cast<RankedTensorType>(op.getFilter().getType());
  if (!filter.hasStaticShape() || filter.getDimSize(0) == 0) {
    return std::nullopt;
  }
  Value data = op.getTransposed() ? Value(op.getInput()) : op.getResult();
  return Count(2 * (filter.getNumElements() / filter.getDimSize(0))) *
         countElements(data);
}

Count countPool(PoolOp op) {
  int64_t window = 1;
  for (int64_t size : op.getKernel()) {
    window *= size;
  }
  return Count(window) * countElements(op.getResult());
}

Count countOp(Operation *op) {
  return llvm::TypeSwitch<Operation *, Count>(op)
      .Case(countContract)
      .Case(countAttention)
      .Case(countConv)
      .Case(countPool)
      .Case<ReduceOp, NormOp, SoftmaxOp, ScanOp>(
          [](auto root) { return countElements(root->getOperand(0)); })
      .Case([](ElementwiseOp elementwise) {
        return countElements(elementwise.getResult());
      })
      .Default([](Operation *) { return Count(0); });
}

} // namespace

DispatchCost estimateCost(DispatchOp dispatch) {
  DispatchCost cost{0, 0};
  auto add = [](int64_t &sum, Count part) {
    sum = sum < 0 || !part ? -1 : sum + *part;
  };
  for (Operation &op : dispatch.getBody().front()) {
    add(cost.flops, countOp(&op));
  }
  for (Value tensor : dispatch.getInputs()) {
    add(cost.bytes, countBytes(tensor));
  }
  for (Value tensor : dispatch.getOutputs()) {
    add(cost.bytes, countBytes(tensor));
  }
  return cost;
}

} // namespace dlc
