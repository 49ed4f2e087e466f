// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// scatter: a copy of dest, then the updates in their order. A dim that no index
// operand addresses divides both: an item is a range of it, so that two updates
// of one place are always in one item.
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/ScatterCode.h"

using namespace mlir;

namespace dlc {

namespace {

/// Elements of the innermost dim that an item takes where it divides that one.
constexpr int64_t kColumnBlock = 64;
/// Stands for sizes that are not known when a dim is chosen.
constexpr int64_t kTypicalSize = 64;

/// The dim of dest that is divided into items, and the dim of the updates that
/// walks it.
struct Division {
  unsigned destDim, updateDim;
  int64_t block;
};

std::optional<Division> findDivision(nn::ScatterOp op) {
  RankedTensorType dest = op.getDest().getType();
  std::optional<Division> best;
  int64_t bestItems = 1;
  unsigned result = 0;
  for (int64_t dim = 0; dim < dest.getRank(); ++dim) {
    if (llvm::is_contained(op.getIndexedDims(), dim)) {
      continue;
    }
    auto expr = dyn_cast<AffineDimExpr>(op.getDestMap().getResult(result++));
    if (!expr) {
      continue;
    }
    int64_t size = dest.isDynamicDim(dim) ? kTypicalSize : dest.getDimSize(dim);
    int64_t block = dim + 1 == dest.getRank() ? kColumnBlock : 1;
    int64_t items = llvm::divideCeil(size, block);
    if (items > bestItems || (dest.isDynamicDim(dim) && !best)) {
      best = Division{static_cast<unsigned>(dim), expr.getPosition(), block};
      bestItems = items;
    }
  }
  return best;
}

class ScatterEmitter {
public:
  explicit ScatterEmitter(KernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::ScatterOp>(kb.getRoot())),
        division(findDivision(op)) {}

  void emit();

private:
  /// Loops over all of `tensor`, of dim `dim` (if any) only [lower, upper).
  void emitLoops(Value tensor, std::optional<unsigned> dim, OpFoldResult lower,
                 OpFoldResult upper, llvm::function_ref<void(ValueRange)> body);
  void emitUpdate(ValueRange indices);

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::ScatterOp op;
  std::optional<Division> division;
};

void ScatterEmitter::emitLoops(Value tensor, std::optional<unsigned> dim,
                               OpFoldResult lower, OpFoldResult upper,
                               llvm::function_ref<void(ValueRange)> body) {
  int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
  SmallVector<LoopRange> ranges =
      wholeRanges(kb, tensor, llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  if (dim) {
    OpFoldResult size = ranges[*dim].upper;
    ranges[*dim].lower = math.min(lower, size);
    ranges[*dim].upper = math.min(upper, size);
  }
  SmallVector<Value> indices(rank);
  emitLoopNest(kb, ranges, indices, {}, [&](ValueRange) {
    body(indices);
    return SmallVector<Value>();
  });
}

void ScatterEmitter::emitUpdate(ValueRange indices) {
  ScatterPlace place = emitScatterPlace(kb, op, indices);
  auto store = [&] {
    KernelBuilder::MemoScope scope(kb);
    Value result = kb.viewResult(0), update = kb.load(op.getUpdates(), indices);
    if (op.getKind() != nn::ScatterKind::assign) {
      Value old = memref::LoadOp::create(b, result, place.at);
      update = emitScatterCombine(kb, op, old, update);
    }
    memref::StoreOp::create(b, update, result, place.at);
  };
  if (place.inside) {
    kernel::emitIf(b, place.inside, store);
  } else {
    store();
  }
}

void ScatterEmitter::emit() {
  kernel::emitFor(
      b, kb.getBegin(), kb.getEnd(), math.constant(1), [&](Value item) {
        OpFoldResult lower, upper;
        std::optional<unsigned> destDim, updateDim;
        if (division) {
          lower = math.mul(item, division->block);
          upper = math.add(lower, math.constant(division->block));
          destDim = division->destDim;
          updateDim = division->updateDim;
        }
        emitLoops(op.getDest(), destDim, lower, upper, [&](ValueRange indices) {
          memref::StoreOp::create(b, kb.load(op.getDest(), indices),
                                  kb.viewResult(0), indices);
        });
        emitLoops(op.getUpdates(), updateDim, lower, upper,
                  [&](ValueRange indices) { emitUpdate(indices); });
      });
}

class ScatterFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ScatterOp>(context.getRoot());
    kernel::IndexMath &math = context.math;
    OpFoldResult copied =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getDest()));
    OpFoldResult updates =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getUpdates()));
    OpFoldResult work = math.add(estimateWork(context, copied, 0.2),
                                 estimateWork(context, updates, 2.0));
    OpFoldResult items = math.constant(1);
    if (std::optional<Division> division = findDivision(op)) {
      items = math.ceilDiv(context.size(op.getDest(), division->destDim),
                           math.constant(division->block));
    }
    return {items, work, math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    ScatterEmitter(kb).emit();
    return success();
  }
};

} // namespace

const KernelFamily *getScatterFamily() {
  static const ScatterFamily family;
  return &family;
}

} // namespace dlc
