// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A thread's way along its elements of a row, and where it keeps them.
#include "RowSpace.h"

using namespace mlir;

namespace dlc {

/// Vectors that are passed over together where the length is unknown.
static constexpr int64_t kVectorGroup = 4;

SmallVector<Value> RowSpace::forElements(GPUKernelBuilder &kb, ValueRange state,
                                         ElementFn body) {
  SmallVector<Value> all =
      forRegisters(kb, state, [&](int64_t, Value column, ValueRange carried) {
        return body(column, carried);
      });
  return forOthers(kb, all, [&](Value, Value column, ValueRange carried) {
    return body(column, carried);
  });
}

/// Those of the elements with numbers in [begin, end).
SmallVector<Value> RowSpace::emitVectors(GPUKernelBuilder &kb, int64_t begin,
                                         int64_t end, ValueRange state,
                                         NumberedFn body) {
  kernel::IndexMath &math = kb.math;
  SmallVector<Value> all(state);
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  OpFoldResult start = math.mul(getPlace(kb), width);
  for (int64_t number = begin; number < end; number += width) {
    int64_t offset = number * rowThreads;
    Value first = math.value(math.add(start, math.constant(offset)));
    auto emit = [&] {
      SmallVector<Value> carried = all;
      for (int64_t i = 0; i < width; ++i) {
        carried = body(number + i, getColumn(kb, first, i), carried);
      }
      return carried;
    };
    Value condition = exists;
    bool maybeBefore = number == 0 && before > 0;
    if (!known || offset + rowThreads * width > *known || maybeBefore) {
      // Those before the row are the greatest of unsigned numbers.
      Value inside =
          maybeBefore
              ? Value(arith::CmpIOp::create(kb.b, arith::CmpIPredicate::ult,
                                            first, math.value(columns)))
              : math.less(first, columns);
      condition = condition
                      ? Value(arith::AndIOp::create(kb.b, condition, inside))
                      : inside;
    }
    if (!condition) {
      all = emit();
      continue;
    }
    all = kernel::emitIf(
        kb.b, condition, ValueRange(all).getTypes(),
        [&] {
          KernelBuilder::MemoScope scope(kb);
          return emit();
        },
        [&] { return all; });
  }
  return all;
}

SmallVector<Value> RowSpace::forRegisters(GPUKernelBuilder &kb,
                                          ValueRange state, NumberedFn body) {
  if (kernel::IndexMath::known(columns)) {
    return emitVectors(kb, 0, threadElements, state, body);
  }
  // Short rows leave out whole groups.
  SmallVector<Value> all(state);
  int64_t step = kVectorGroup * width;
  for (int64_t begin = 0; begin < threadElements; begin += step) {
    auto emit = [&] {
      KernelBuilder::MemoScope scope(kb);
      int64_t end = std::min(begin + step, threadElements);
      return emitVectors(kb, begin, end, all, body);
    };
    Value some =
        kb.math.less(kb.math.constant(begin * rowThreads - before), columns);
    all = kernel::emitIf(kb.b, some, ValueRange(all).getTypes(), emit,
                         [&] { return all; });
  }
  return all;
}

/// Those in columns [begin, end), where that is the thread's turn.
SmallVector<Value> RowSpace::emitLoop(GPUKernelBuilder &kb, OpFoldResult begin,
                                      OpFoldResult end, ValueRange state,
                                      ElementFn body) {
  kernel::IndexMath &math = kb.math;
  if (exists) {
    end = arith::SelectOp::create(kb.b, exists, math.value(end), math.value(0))
              .getResult();
  }
  OpFoldResult start = math.add(math.mul(getPlace(kb), width), begin);
  if (before > 0 && kernel::IndexMath::isKnown(begin, 0)) {
    Value isBefore = math.less(start, math.constant(0));
    OpFoldResult next = math.add(start, math.constant(rowThreads));
    start = arith::SelectOp::create(kb.b, isBefore, math.value(next),
                                    math.value(start))
                .getResult();
  }
  return kernel::emitFor(kb.b, start, end, math.constant(rowThreads * width),
                         state, [&](Value first, ValueRange carried) {
                           KernelBuilder::MemoScope scope(kb);
                           SmallVector<Value> all(carried);
                           for (int64_t i = 0; i < width; ++i) {
                             all = body(getColumn(kb, first, i), all);
                           }
                           return all;
                         });
}

OpFoldResult RowSpace::getKeptColumn(GPUKernelBuilder &kb, Value column) {
  kernel::IndexMath &math = kb.math;
  OpFoldResult kept =
      math.add(column, math.constant(-threadElements * rowThreads));
  if (clusterBlocks == 1) {
    return kept;
  }
  // Whole rounds of all blocks become rounds of this one.
  int64_t round = rowThreads * width, own = getOwnThreads() * width;
  OpFoldResult first = math.mul(getPlace(kb), width);
  OpFoldResult rounds = math.div(math.sub(kept, first), math.constant(round));
  OpFoldResult others = math.mul(rounds, round - own);
  return math.sub(math.sub(kept, others), math.mul(kb.getRank(), own));
}

Value RowSpace::getSlot(GPUKernelBuilder &kb, Value column) {
  kernel::IndexMath &math = kb.math;
  OpFoldResult place = getKeptColumn(kb, column);
  if (isWoven) {
    place = math.add(math.mul(place, blockRows), firstSlot);
  } else if (isAcross) {
    place = math.add(math.mul(place, kWarpThreads), kb.getLane());
  } else if (pieceThreads > 0) {
    place = getPieceSlot(kb, column);
  } else if (getOwnThreads() != blockThreads) {
    place = math.add(math.mul(getRowInBlock(kb), sharedColumns), place);
  }
  return math.value(place);
}

SmallVector<Value> RowSpace::forOthers(GPUKernelBuilder &kb, ValueRange state,
                                       LoopedFn body) {
  kernel::IndexMath &math = kb.math;
  std::optional<int64_t> known = kernel::IndexMath::known(columns);
  int64_t begin = threadElements * rowThreads, end = begin + sharedColumns;
  SmallVector<Value> all(state);
  if (sharedColumns > 0) {
    OpFoldResult behind = math.constant(end);
    if (before > 0) {
      // As many for each thread.
      behind = math.add(behind, getPlace(kb));
    }
    all = emitLoop(kb, math.constant(begin), math.min(columns, behind), all,
                   [&](Value column, ValueRange carried) {
                     return body(getSlot(kb, column), column, carried);
                   });
  }
  if (known && *known + before <= end) {
    return all;
  }
  return emitLoop(kb, math.constant(end), columns, all,
                  [&](Value column, ValueRange carried) {
                    return body(nullptr, column, carried);
                  });
}

void RowSpace::emitOnce(GPUKernelBuilder &kb, llvm::function_ref<void()> body) {
  Value condition = kb.math.equal(getPlace(kb), kb.math.constant(0));
  if (exists) {
    condition = arith::AndIOp::create(kb.b, exists, condition);
  }
  kernel::emitIf(kb.b, condition, body);
}

} // namespace dlc
