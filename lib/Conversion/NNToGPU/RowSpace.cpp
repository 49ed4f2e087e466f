// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The cut of rows among threads.
#include "RowSpace.h"

using namespace mlir;

namespace dlc {

/// Rows up to this length belong to a warp.
static constexpr int64_t kWarpColumns = 1024;
/// Elements of a row that a thread keeps, and those that one of the largest
/// blocks does, whose threads have 64 registers.
static constexpr int64_t kMaxThreadElements = 32, kFewThreadElements = 16;
/// Threads of the largest blocks.
static constexpr int64_t kMaxThreads = 1024;

RowSpace::RowSpace(DispatchContext &context, Value tensor,
                   ArrayRef<int64_t> axes, int64_t groups, int64_t channelDim)
    : rank(cast<RankedTensorType>(tensor.getType()).getRank()), groups(groups),
      channelDim(channelDim) {
  kernel::IndexMath &math = context.math;
  if (groups > 0) {
    groupWidth =
        math.div(context.size(tensor, channelDim), math.constant(groups));
  }
  for (int64_t dim = 0; dim < rank; ++dim) {
    bool isSplit = groups > 0 && dim == channelDim;
    bool isAxis = llvm::is_contained(axes, dim);
    OpFoldResult size = context.size(tensor, dim);
    if (!isAxis) {
      rowDims.push_back(dim);
      rowSizes.push_back(isSplit ? math.constant(groups) : size);
    }
    if (isAxis || isSplit) {
      columnDims.push_back(dim);
      columnSizes.push_back(isSplit ? groupWidth : size);
    }
  }
  Location loc = context.b.getLoc();
  rows = nn::productOf(context.b, loc, rowSizes);
  columns = nn::productOf(context.b, loc, columnSizes);
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  if (!known) {
    rowThreads = blockThreads = 256;
    return;
  }
  bool isDense = !columnDims.empty() && columnDims.back() == rank - 1;
  unsigned bits = std::max(
      8u, cast<RankedTensorType>(tensor.getType()).getElementTypeBitWidth());
  int64_t vector = std::min<int64_t>(8, std::max(1u, 128 / bits));
  std::optional<int64_t> last =
      columnSizes.empty() ? std::optional<int64_t>(1)
                          : kernel::IndexMath::known(columnSizes.back());
  if (isDense && last && *last % vector == 0) {
    width = vector;
  }
  if (*known > kWarpColumns) {
    rowThreads = blockThreads = *known > 8192 ? kMaxThreads : 256;
  }
  int64_t elements = llvm::divideCeil(*known, rowThreads * width) * width;
  if (elements <=
      (blockThreads == kMaxThreads ? kFewThreadElements : kMaxThreadElements)) {
    threadElements = elements;
  }
}

OpFoldResult RowSpace::getBlocks(kernel::IndexMath &math) const {
  return math.ceilDiv(rows, math.constant(blockThreads / rowThreads));
}

void RowSpace::emitRows(GPUKernelBuilder &kb,
                        llvm::function_ref<void(Value)> body) {
  kernel::IndexMath &math = kb.math;
  if (rowThreads == blockThreads) {
    body(kb.getBlock());
    return;
  }
  Value row =
      math.value(math.add(math.mul(kb.getBlock(), blockThreads / rowThreads),
                          math.div(kb.getThread(), math.constant(rowThreads))));
  std::optional<int64_t> known = kernel::IndexMath::known(rows);
  if (known && *known % (blockThreads / rowThreads) == 0) {
    body(row);
    return;
  }
  kernel::emitIf(kb.b, math.less(row, rows), [&] { body(row); });
}

SmallVector<Value> RowSpace::getRowIndices(GPUKernelBuilder &kb, Value row) {
  SmallVector<Value> indices;
  for (OpFoldResult index : kernel::delinearize(kb.math, row, rowSizes)) {
    indices.push_back(kb.math.value(index));
  }
  return indices;
}

SmallVector<Value> RowSpace::getIndices(GPUKernelBuilder &kb, Value row,
                                        Value column) {
  kernel::IndexMath &math = kb.math;
  SmallVector<Value> indices(rank);
  for (auto [dim, index] : llvm::zip_equal(rowDims, getRowIndices(kb, row))) {
    indices[dim] = index;
  }
  if (!column) {
    return indices;
  }
  for (auto [dim, place] : llvm::zip_equal(
           columnDims, kernel::delinearize(math, column, columnSizes))) {
    OpFoldResult index = place;
    if (groups > 0 && dim == channelDim) {
      index = math.add(math.mul(indices[dim], groupWidth), place);
    }
    indices[dim] = math.value(index);
  }
  return indices;
}

SmallVector<Value> RowSpace::emitVector(GPUKernelBuilder &kb, int64_t number,
                                        Value first, ValueRange state,
                                        ElementFn body) {
  SmallVector<Value> all(state);
  for (int64_t i = 0; i < width; ++i) {
    Value column = kb.math.value(kb.math.add(first, kb.math.constant(i)));
    all = body(number < 0 ? -1 : number + i, column, all);
  }
  return all;
}

SmallVector<Value> RowSpace::forElements(GPUKernelBuilder &kb, ValueRange state,
                                         ElementFn body) {
  kernel::IndexMath &math = kb.math;
  Value thread =
      math.value(math.rem(kb.getThread(), math.constant(rowThreads)));
  Value start = math.value(math.mul(thread, width));
  int64_t stride = rowThreads * width;
  if (!threadElements) {
    return kernel::emitFor(kb.b, start, columns, math.constant(stride), state,
                           [&](Value first, ValueRange carried) {
                             KernelBuilder::MemoScope scope(kb);
                             return emitVector(kb, -1, first, carried, body);
                           });
  }
  SmallVector<Value> all(state);
  int64_t count = *kernel::IndexMath::known(columns);
  for (int64_t i = 0; i < *threadElements; i += width) {
    int64_t offset = i / width * stride;
    Value first = math.value(math.add(start, math.constant(offset)));
    if (offset + stride <= count) {
      all = emitVector(kb, i, first, all, body);
      continue;
    }
    SmallVector<Type> types =
        llvm::map_to_vector(all, [](Value v) { return v.getType(); });
    all = kernel::emitIf(
        kb.b, math.less(first, columns), types,
        [&] {
          KernelBuilder::MemoScope scope(kb);
          return emitVector(kb, i, first, all, body);
        },
        [&] { return all; });
  }
  return all;
}

SmallVector<Value> RowSpace::combine(
    GPUKernelBuilder &kb, ValueRange state,
    llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)> combine) {
  return rowThreads == kWarpThreads
             ? emitWarpReduce(kb, state, kWarpThreads, combine)
             : emitBlockReduce(kb, state, combine);
}

} // namespace dlc
