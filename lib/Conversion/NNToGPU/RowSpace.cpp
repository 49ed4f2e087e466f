// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The cut of rows among threads.
#include "RowSpace.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

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
  chooseThreads(std::max(
      8u, cast<RankedTensorType>(tensor.getType()).getElementTypeBitWidth()));
}

void RowSpace::chooseThreads(unsigned elementBits) {
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  isAcross = !columnDims.empty() && columnDims.back() != rank - 1;
  if (isAcross) {
    rowThreads = !known || *known > kWarpColumns ? 32 : 8;
    blockThreads = rowThreads * kWarpThreads;
  } else if (!known) {
    rowThreads = blockThreads = 256;
  } else if (*known > kWarpColumns) {
    rowThreads = blockThreads = *known > 8192 ? kMaxThreads : 256;
  }
  if (!known) {
    return;
  }
  int64_t vector = std::min<int64_t>(8, std::max(1u, 128 / elementBits));
  std::optional<int64_t> last =
      columnSizes.empty() ? std::optional<int64_t>(1)
                          : kernel::IndexMath::known(columnSizes.back());
  if (!isAcross && !columnDims.empty() && last && *last % vector == 0) {
    width = vector;
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
  int64_t perBlock = blockThreads / rowThreads;
  OpFoldResult inBlock =
      isAcross ? OpFoldResult(kb.getLane())
               : math.div(kb.getThread(), math.constant(rowThreads));
  Value row = math.value(math.add(math.mul(kb.getBlock(), perBlock), inBlock));
  std::optional<int64_t> known = kernel::IndexMath::known(rows);
  if (known && *known % perBlock == 0) {
    body(row);
  } else if (isAcross) {
    // The threads of a block meet at barriers, so that none may leave.
    exists = math.less(row, rows);
    body(row);
  } else {
    kernel::emitIf(kb.b, math.less(row, rows), [&] { body(row); });
  }
}

Value RowSpace::getPlace(GPUKernelBuilder &kb) {
  return isAcross ? kb.getWarp()
                  : kb.math.value(kb.math.rem(kb.getThread(),
                                              kb.math.constant(rowThreads)));
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
  Value start = math.value(math.mul(getPlace(kb), width));
  int64_t stride = rowThreads * width;
  if (!threadElements) {
    OpFoldResult end = columns;
    if (exists) {
      end = arith::SelectOp::create(kb.b, exists, math.value(columns),
                                    math.value(0))
                .getResult();
    }
    return kernel::emitFor(kb.b, start, end, math.constant(stride), state,
                           [&](Value first, ValueRange carried) {
                             KernelBuilder::MemoScope scope(kb);
                             return emitVector(kb, -1, first, carried, body);
                           });
  }
  SmallVector<Value> all(state);
  SmallVector<Type> types =
      llvm::map_to_vector(all, [](Value v) { return v.getType(); });
  int64_t count = *kernel::IndexMath::known(columns);
  for (int64_t i = 0; i < *threadElements; i += width) {
    int64_t offset = i / width * stride;
    Value first = math.value(math.add(start, math.constant(offset)));
    Value condition = exists;
    if (offset + stride > count) {
      Value inside = math.less(first, columns);
      condition = condition
                      ? Value(arith::AndIOp::create(kb.b, condition, inside))
                      : inside;
    }
    if (!condition) {
      all = emitVector(kb, i, first, all, body);
      continue;
    }
    all = kernel::emitIf(
        kb.b, condition, types,
        [&] {
          KernelBuilder::MemoScope scope(kb);
          return emitVector(kb, i, first, all, body);
        },
        [&] { return all; });
  }
  return all;
}

/// Combines the states of the threads that are 32 apart, in their order.
static SmallVector<Value> combineAcross(
    GPUKernelBuilder &kb, ValueRange state, int64_t rowThreads,
    llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)> combine) {
  ImplicitLocOpBuilder &b = kb.b;
  SmallVector<Value> places = llvm::map_to_vector(state, [&](Value value) {
    return kb.allocateShared(value.getType(), rowThreads * kWarpThreads);
  });
  for (auto [value, place] : llvm::zip_equal(state, places)) {
    memref::StoreOp::create(b, value, place, kb.getThread());
  }
  kb.emitBarrier();
  auto load = [&](int64_t i) {
    Value at = kb.math.value(
        kb.math.add(kb.getLane(), kb.math.constant(i * kWarpThreads)));
    return llvm::map_to_vector(places, [&](Value place) -> Value {
      return memref::LoadOp::create(b, place, at);
    });
  };
  SmallVector<Value> all = load(0);
  for (int64_t i = 1; i < rowThreads; ++i) {
    all = combine(all, load(i));
  }
  return all;
}

SmallVector<Value> RowSpace::combine(
    GPUKernelBuilder &kb, ValueRange state,
    llvm::function_ref<SmallVector<Value>(ValueRange, ValueRange)> combine) {
  if (isAcross) {
    return combineAcross(kb, state, rowThreads, combine);
  }
  return rowThreads == kWarpThreads
             ? emitWarpReduce(kb, state, kWarpThreads, combine)
             : emitBlockReduce(kb, state, combine);
}

void RowSpace::emitOnce(GPUKernelBuilder &kb, llvm::function_ref<void()> body) {
  Value condition = kb.math.equal(getPlace(kb), kb.math.constant(0));
  if (exists) {
    condition = arith::AndIOp::create(kb.b, exists, condition);
  }
  kernel::emitIf(kb.b, condition, body);
}

Value KeptRow::reduce(Value state, StepFn body) {
  if (!isLoaded) {
    kept.assign(space.getThreadElements().value_or(0),
                emitConstant(kb.b, type, 0));
  }
  SmallVector<Value> all{state};
  llvm::append_range(all, kept);
  all = space.forElements(
      kb, all, [&](int64_t number, Value column, ValueRange carried) {
        SmallVector<Value> next(carried);
        Value element =
            number >= 0 && isLoaded ? next[number + 1] : load(column);
        next[0] = body(element, next[0]);
        if (number >= 0) {
          next[number + 1] = element;
        }
        return next;
      });
  kept.assign(std::next(all.begin()), all.end());
  isLoaded = true;
  return all[0];
}

void KeptRow::forEach(llvm::function_ref<void(Value, Value)> body) {
  space.forElements(kb, {}, [&](int64_t number, Value column, ValueRange) {
    body(number >= 0 && isLoaded ? kept[number] : load(column), column);
    return SmallVector<Value>();
  });
}

} // namespace dlc
