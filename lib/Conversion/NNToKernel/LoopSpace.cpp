// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Merging of dims and splitting into work items.
#include "Conversion/NNToKernel/LoopSpace.h"

using namespace mlir;

namespace dlc {

LoopSpace::LoopSpace(DispatchContext &context, Value tensor,
                     int64_t elementCost)
    : context(context),
      rank(cast<RankedTensorType>(tensor.getType()).getRank()) {
  mergeDims(tensor);
  splitItems(std::max<int64_t>(1, context.target.itemElements /
                                      std::max<int64_t>(1, elementCost)));
}

namespace {

/// How one tensor takes part in two loop dims with none but 1 between them.
enum class Walk { Dense, Repeated, Mixed };

Walk walkOf(ArrayRef<int64_t> shape, ArrayRef<int64_t> loops, unsigned outer,
            unsigned inner, bool flagged) {
  auto isDense = [&](unsigned d) { return shape[d] == loops[d]; };
  if (isDense(outer) && isDense(inner) && !flagged) {
    return Walk::Dense;
  }
  return shape[outer] == 1 && shape[inner] == 1 ? Walk::Repeated : Walk::Mixed;
}

/// Whether such loop dims can run as one in all ops of the body.
bool canMerge(Block &body, ArrayRef<int64_t> loops, unsigned outer,
              unsigned inner) {
  for (Operation &op : body) {
    if (isa<nn::YieldOp, nn::BindShapeOp, arith::ConstantOp>(op)) {
      continue;
    }
    if (!isa<nn::ElementwiseOp, nn::CastOp>(op)) {
      // Index arithmetic on sizes does not matter; other tensor ops look at
      // single indices.
      if (llvm::none_of(op.getResultTypes(), llvm::IsaPred<RankedTensorType>)) {
        continue;
      }
      return false;
    }
    auto elementwise = dyn_cast<nn::ElementwiseOp>(op);
    for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
      auto type = dyn_cast<RankedTensorType>(operand.getType());
      if (!type || type.getRank() != static_cast<int64_t>(loops.size())) {
        return false;
      }
      bool flagged = elementwise && (elementwise.mayBroadcast(i, outer) ||
                                     elementwise.mayBroadcast(i, inner));
      if (walkOf(type.getShape(), loops, outer, inner, flagged) ==
          Walk::Mixed) {
        return false;
      }
    }
  }
  return true;
}

} // namespace

void LoopSpace::mergeDims(Value tensor) {
  ArrayRef<int64_t> loops = cast<RankedTensorType>(tensor.getType()).getShape();
  nn::Sizes sizes = context.sizes(tensor);
  Block &body = context.getDispatch().getBody().front();
  for (unsigned dim = 0; dim < rank; ++dim) {
    if (dim > 0 && canMerge(body, loops, indexDims.back(), dim)) {
      lastDims.back() = dim;
      indexDims.back() = loops[dim] == 1 ? indexDims.back() : dim;
      groupSizes.back() = context.math.mul(groupSizes.back(), sizes[dim]);
    } else {
      lastDims.push_back(dim);
      indexDims.push_back(dim);
      groupSizes.push_back(sizes[dim]);
    }
  }
}

void LoopSpace::splitItems(int64_t itemElements) {
  if (lastDims.empty()) {
    return;
  }
  if (context.target.itemElements == 1) {
    itemGroups = lastDims.size();
    return;
  }
  itemGroups = lastDims.size() - 1;
  std::optional<int64_t> volume = kernel::IndexMath::known(groupSizes.back());
  if (!volume || *volume > itemElements) {
    blockSize = itemGroups == 0 ? itemElements : 0;
    return;
  }
  while (itemGroups > 0) {
    std::optional<int64_t> next =
        kernel::IndexMath::known(groupSizes[itemGroups - 1]);
    if (!next || *next * *volume > itemElements) {
      return;
    }
    volume = *next * *volume;
    --itemGroups;
  }
}

OpFoldResult LoopSpace::getItems() {
  if (blockSize > 0) {
    return context.math.ceilDiv(groupSizes[0],
                                context.math.constant(blockSize));
  }
  ArrayRef<OpFoldResult> items = ArrayRef(groupSizes).take_front(itemGroups);
  return nn::productOf(context.b, context.b.getLoc(), items);
}

SmallVector<Value> LoopSpace::expandIndices(ArrayRef<Value> groupIndices) {
  SmallVector<Value> indices(rank);
  unsigned group = 0;
  for (unsigned dim = 0; dim < rank; ++dim) {
    indices[dim] =
        indexDims[group] == dim ? groupIndices[group] : context.math.value(0);
    group += lastDims[group] == dim ? 1 : 0;
  }
  return indices;
}

void LoopSpace::emitLoops(KernelBuilder &kb,
                          llvm::function_ref<void(ValueRange)> body) {
  kernel::IndexMath &math = kb.math;
  SmallVector<Value> groupIndices(lastDims.size());
  auto emitBody = [&] { body(expandIndices(groupIndices)); };
  std::function<void(unsigned)> emitInner = [&](unsigned group) {
    if (group == lastDims.size()) {
      emitBody();
      return;
    }
    kernel::emitFor(kb.b, math.constant(0), groupSizes[group], math.constant(1),
                    [&](Value index) {
                      groupIndices[group] = index;
                      emitInner(group + 1);
                    });
  };
  kernel::emitFor(
      kb.b, kb.getBegin(), kb.getEnd(), math.constant(1), [&](Value item) {
        if (blockSize > 0) {
          OpFoldResult lower = math.mul(item, blockSize);
          OpFoldResult upper = math.min(
              math.add(lower, math.constant(blockSize)), groupSizes[0]);
          kernel::emitFor(kb.b, lower, upper, math.constant(1),
                          [&](Value index) {
                            groupIndices[0] = index;
                            emitBody();
                          });
          return;
        }
        SmallVector<OpFoldResult> leading = kernel::delinearize(
            math, item, ArrayRef(groupSizes).take_front(itemGroups));
        for (unsigned group = 0; group < itemGroups; ++group) {
          groupIndices[group] = math.value(leading[group]);
        }
        emitInner(itemGroups);
      });
}

SmallVector<Value>
emitLoopNest(KernelBuilder &kb, ArrayRef<LoopRange> ranges,
             MutableArrayRef<Value> indices, ValueRange state,
             llvm::function_ref<SmallVector<Value>(ValueRange)> body) {
  if (ranges.empty()) {
    KernelBuilder::MemoScope scope(kb);
    return body(state);
  }
  const LoopRange &range = ranges.front();
  return kernel::emitFor(kb.b, range.lower, range.upper, kb.math.constant(1),
                         state, [&](Value index, ValueRange carried) {
                           indices[range.dim] = index;
                           return emitLoopNest(kb, ranges.drop_front(), indices,
                                               carried, body);
                         });
}

SmallVector<LoopRange> wholeRanges(KernelBuilder &kb, Value tensor,
                                   ArrayRef<int64_t> dims) {
  return llvm::map_to_vector(dims, [&](int64_t dim) {
    return LoopRange{static_cast<unsigned>(dim), kb.math.constant(0),
                     kb.size(tensor, dim)};
  });
}

} // namespace dlc
