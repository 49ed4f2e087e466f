// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// reduce. Where the innermost input dim is reduced, each result element is one
// loop with its accumulator in a register; else a block of neighbouring results
// accumulates in memory, so that the innermost loop walks the input densely.
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/Reducer.h"

using namespace mlir;

namespace dlc {

namespace {

/// Results that accumulate together in the second form.
constexpr int64_t kColumnBlock = 64;

class ReduceFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ReduceOp>(context.getRoot());
    OpFoldResult elements =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getInput()));
    OpFoldResult work = estimateWork(context, elements, 0.3);
    if (!walksColumns(op)) {
      return {rowSpace(context, op).getItems(), work, context.math.constant(0)};
    }
    nn::Sizes sizes = context.sizes(op.getResult());
    sizes.back() =
        context.math.ceilDiv(sizes.back(), context.math.constant(kColumnBlock));
    return {nn::productOf(context.b, op.getLoc(), sizes), work,
            context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    auto op = cast<nn::ReduceOp>(kb.getRoot());
    if (walksColumns(op)) {
      emitColumns(kb, op);
    } else {
      emitRows(kb, op);
    }
    return success();
  }

private:
  static bool walksColumns(nn::ReduceOp op) {
    int64_t rank = op.getInput().getType().getRank();
    bool keepsLast = !llvm::is_contained(op.getAxes(), rank - 1);
    return keepsLast && !op.getAxes().empty() && !isArgReduction(op.getKind());
  }

  static LoopSpace rowSpace(DispatchContext &context, nn::ReduceOp op) {
    int64_t volume = 1;
    for (int64_t axis : op.getAxes()) {
      int64_t size = op.getInput().getType().getDimSize(axis);
      volume *= ShapedType::isDynamic(size) ? 256 : size;
    }
    return LoopSpace(context, op.getResult(), volume);
  }

  static OpFoldResult reducedCount(KernelBuilder &kb, nn::ReduceOp op) {
    OpFoldResult count = kb.math.constant(1);
    for (int64_t axis : op.getAxes()) {
      count = kb.math.mul(count, kb.size(op.getInput(), axis));
    }
    return count;
  }

  /// The input's indices with the kept dims filled from the result's.
  static SmallVector<Value> inputIndicesOf(nn::ReduceOp op,
                                           ValueRange resultIndices) {
    SmallVector<Value> indices(op.getInput().getType().getRank());
    auto next = resultIndices.begin();
    for (auto [dim, index] : llvm::enumerate(indices)) {
      if (!llvm::is_contained(op.getAxes(), static_cast<int64_t>(dim))) {
        index = *next++;
      }
    }
    return indices;
  }

  static void emitRows(KernelBuilder &kb, nn::ReduceOp op) {
    Reducer reducer(kb.b, op);
    OpFoldResult count = reducedCount(kb, op);
    rowSpace(kb, op).emitLoops(kb, [&](ValueRange indices) {
      KernelBuilder::MemoScope scope(kb);
      SmallVector<Value> at = inputIndicesOf(op, indices);
      SmallVector<LoopRange> ranges =
          wholeRanges(kb, op.getInput(), op.getAxes());
      SmallVector<Value> state = emitLoopNest(
          kb, ranges, at, reducer.emitInit(), [&](ValueRange carried) {
            Value place = op.getAxes().empty() ? kb.math.value(0)
                                               : at[op.getAxes().back()];
            return reducer.emitStep(carried, kb.load(op.getInput(), at), place);
          });
      emitEpilogueStore(kb, 0, op.getResult(), reducer.emitFinish(state, count),
                        indices);
    });
  }

  static void emitColumns(KernelBuilder &kb, nn::ReduceOp op) {
    ImplicitLocOpBuilder &b = kb.b;
    kernel::IndexMath &math = kb.math;
    Reducer reducer(b, op);
    OpFoldResult count = reducedCount(kb, op);
    nn::Sizes sizes = kb.sizes(op.getResult());
    OpFoldResult width = sizes.back();
    sizes.back() = math.ceilDiv(width, math.constant(kColumnBlock));
    Value sums = kb.allocate(reducer.getStateTypes()[0], kColumnBlock);
    kernel::emitFor(
        b, kb.getBegin(), kb.getEnd(), math.constant(1), [&](Value item) {
          SmallVector<OpFoldResult> leading =
              kernel::delinearize(math, item, sizes);
          OpFoldResult first = math.mul(leading.back(), kColumnBlock);
          OpFoldResult columns =
              math.min(math.constant(kColumnBlock), math.sub(width, first));
          SmallVector<Value> indices;
          for (OpFoldResult index : leading) {
            indices.push_back(math.value(index));
          }
          auto forColumns = [&](llvm::function_ref<void(Value)> body) {
            kernel::emitFor(b, math.constant(0), columns, math.constant(1),
                            [&](Value column) {
                              KernelBuilder::MemoScope scope(kb);
                              indices.back() =
                                  math.value(math.add(first, column));
                              body(column);
                            });
          };
          Value neutral = reducer.emitInit()[0];
          forColumns([&](Value column) {
            memref::StoreOp::create(b, neutral, sums, column);
          });
          SmallVector<Value> at = inputIndicesOf(op, indices);
          emitLoopNest(kb, wholeRanges(kb, op.getInput(), op.getAxes()), at, {},
                       [&](ValueRange) -> SmallVector<Value> {
                         forColumns([&](Value column) {
                           at.back() = indices.back();
                           Value sum = memref::LoadOp::create(b, sums, column);
                           Value next = reducer.emitStep(
                               sum, kb.load(op.getInput(), at), nullptr)[0];
                           memref::StoreOp::create(b, next, sums, column);
                         });
                         return {};
                       });
          forColumns([&](Value column) {
            Value sum = memref::LoadOp::create(b, sums, column);
            emitEpilogueStore(kb, 0, op.getResult(),
                              reducer.emitFinish(sum, count), indices);
          });
        });
  }
};

} // namespace

const KernelFamily *getReduceFamily() {
  static const ReduceFamily family;
  return &family;
}

} // namespace dlc
