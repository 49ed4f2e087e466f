// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// scatter without atomics: dest's elements belong to threads, each of which
// copies its own and then applies those updates that fall on them, in order. So
// the result is that of a loop over the updates, bit for bit, for any
// reduction. The dims without indices are walked by updates and dest together:
// neighbouring threads stand side by side in them, with vectors of 16 bytes
// where updates come in rows; the dims with indices are cut into parts.
#include "Conversion/NNToGPU/GPUKernelFamily.h"

#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/ScatterCode.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kThreads = 128;
/// Threads that the parts are to make, since each of them goes through all of
/// its line's updates.
constexpr int64_t kEnoughThreads = 1 << 13;
/// Stands for sizes that are not known when parts are chosen.
constexpr int64_t kTypicalSize = 64;

/// A dim of dest without indices, and the dim of the updates that walks it.
struct SharedDim {
  unsigned dest, update;
};

/// Null where such a dim is walked in another way than along one dim.
std::optional<SmallVector<SharedDim>> findSharedDims(nn::ScatterOp op) {
  SmallVector<SharedDim> dims;
  unsigned result = 0;
  llvm::SmallDenseSet<unsigned> seen;
  for (unsigned dim = 0; dim < op.getDest().getType().getRank(); ++dim) {
    if (llvm::is_contained(op.getIndexedDims(), dim)) {
      continue;
    }
    auto expr = dyn_cast<AffineDimExpr>(op.getDestMap().getResult(result++));
    if (!expr || !seen.insert(expr.getPosition()).second) {
      return std::nullopt;
    }
    dims.push_back({dim, expr.getPosition()});
  }
  return dims;
}

/// How dest is cut among threads.
struct ScatterPlan {
  ScatterPlan(DispatchContext &context, nn::ScatterOp op)
      : op(op), shared(*findSharedDims(op)) {
    kernel::IndexMath &math = context.math;
    chooseWidth();
    OpFoldResult lines = math.constant(1);
    places = math.constant(1);
    for (int64_t dim : op.getIndexedDims()) {
      indexedSizes.push_back(context.size(op.getDest(), dim));
      places = math.mul(places, indexedSizes.back());
    }
    for (SharedDim dim : shared) {
      lineSizes.push_back(context.size(op.getDest(), dim.dest));
    }
    if (!lineSizes.empty()) {
      lineSizes.back() = math.div(lineSizes.back(), math.constant(width));
    }
    int64_t typicalLines = 1;
    for (OpFoldResult size : lineSizes) {
      lines = math.mul(lines, size);
      typicalLines *= kernel::IndexMath::known(size).value_or(kTypicalSize);
    }
    int64_t wanted = std::max<int64_t>(
        1, kEnoughThreads / std::max<int64_t>(1, typicalLines));
    parts = math.max(math.constant(1), math.min(math.constant(wanted), places));
    items = math.mul(parts, lines);
  }

  /// 16 bytes of a row of dest, where a row of updates goes to one place.
  void chooseWidth() {
    RankedTensorType dest = op.getDest().getType(),
                     updates = typeOf(op.getUpdates());
    int64_t last = dest.getRank() - 1;
    if (shared.empty() || shared.back().dest != last ||
        shared.back().update != updates.getRank() - 1) {
      return;
    }
    int64_t size = dest.getDimSize(last);
    int64_t vector =
        std::min<int64_t>(8, 128 / std::max(8u, dest.getElementTypeBitWidth()));
    bool hasRows = llvm::all_of(
        llvm::seq<unsigned>(0, op.getIndices().size()), [&](unsigned i) {
          return !op.getIndexMap(i).isFunctionOfDim(shared.back().update);
        });
    if (hasRows && !ShapedType::isDynamic(size) && vector > 0 &&
        size % vector == 0 &&
        size == updates.getDimSize(shared.back().update)) {
      width = vector;
    }
  }

  nn::ScatterOp op;
  SmallVector<SharedDim> shared;
  /// Neighbouring elements of a thread.
  int64_t width = 1;
  nn::Sizes indexedSizes, lineSizes;
  /// Of the dims with indices: all elements, and parts of them.
  OpFoldResult places, parts;
  OpFoldResult items;
};

class ScatterTile {
public:
  explicit ScatterTile(GPUKernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::ScatterOp>(kb.getRoot())),
        plan(kb, op) {}

  void emit();

private:
  void emitCopy();
  void emitUpdates();
  void emitUpdate(ArrayRef<Value> indices);
  /// Calls `body` for each of the thread's neighbours with indices of a tensor
  /// whose last one is the first neighbour's.
  SmallVector<Value>
  forNeighbours(ArrayRef<Value> first,
                llvm::function_ref<Value(ArrayRef<Value>)> body);
  void storeNeighbours(ArrayRef<Value> first, ValueRange elements);

  GPUKernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::ScatterOp op;
  ScatterPlan plan;
  /// The thread's indices of the shared dims, and its part of the others.
  SmallVector<Value> line;
  OpFoldResult lower, upper;
};

SmallVector<Value>
ScatterTile::forNeighbours(ArrayRef<Value> first,
                           llvm::function_ref<Value(ArrayRef<Value>)> body) {
  SmallVector<Value> at(first), elements;
  for (int64_t i = 0; i < plan.width; ++i) {
    if (i > 0) {
      at.back() = math.value(math.add(first.back(), math.constant(i)));
    }
    elements.push_back(body(at));
  }
  return elements;
}

void ScatterTile::storeNeighbours(ArrayRef<Value> first, ValueRange elements) {
  Value result = kb.viewResult(0);
  auto next = elements.begin();
  forNeighbours(first, [&](ArrayRef<Value> at) -> Value {
    memref::StoreOp::create(b, *next++, result, at);
    return {};
  });
}

void ScatterTile::emitCopy() {
  kernel::emitFor(b, lower, upper, math.constant(1), [&](Value place) {
    KernelBuilder::MemoScope scope(kb);
    SmallVector<Value> at(op.getDest().getType().getRank());
    for (auto [dim, index] :
         llvm::zip_equal(op.getIndexedDims(),
                         kernel::delinearize(math, place, plan.indexedSizes))) {
      at[dim] = math.value(index);
    }
    for (auto [dim, index] : llvm::zip_equal(plan.shared, line)) {
      at[dim.dest] = index;
    }
    storeNeighbours(at, forNeighbours(at, [&](ArrayRef<Value> place) {
                      return kb.load(op.getDest(), place);
                    }));
  });
}

/// Applies the update at `indices` if it falls on the thread's part.
void ScatterTile::emitUpdate(ArrayRef<Value> indices) {
  ScatterPlace place = emitScatterPlace(kb, op, indices);
  OpFoldResult linear = math.constant(0);
  for (auto [dim, size] :
       llvm::zip_equal(op.getIndexedDims(), plan.indexedSizes)) {
    linear = math.add(math.mul(linear, size), place.at[dim]);
  }
  Value isOwn = arith::AndIOp::create(b, math.lessEqual(lower, linear),
                                      math.less(linear, upper));
  if (place.inside) {
    isOwn = arith::AndIOp::create(b, place.inside, isOwn);
  }
  kernel::emitIf(b, isOwn, [&] {
    KernelBuilder::MemoScope scope(kb);
    Value result = kb.viewResult(0);
    SmallVector<Value> elements =
        forNeighbours(indices, [&](ArrayRef<Value> at) {
          return kb.load(op.getUpdates(), at);
        });
    if (op.getKind() != nn::ScatterKind::assign) {
      auto *next = elements.begin();
      elements = forNeighbours(place.at, [&](ArrayRef<Value> at) {
        Value old = memref::LoadOp::create(b, result, at);
        return emitScatterCombine(kb, op, old, *next++);
      });
    }
    storeNeighbours(place.at, elements);
  });
}

void ScatterTile::emitUpdates() {
  SmallVector<Value> indices(typeOf(op.getUpdates()).getRank());
  Value exists;
  for (auto [dim, index] : llvm::zip_equal(plan.shared, line)) {
    indices[dim.update] = index;
    OpFoldResult size = kb.size(op.getUpdates(), dim.update);
    if (size != kb.size(op.getDest(), dim.dest)) {
      Value inside = math.less(index, size);
      exists = exists ? arith::AndIOp::create(b, exists, inside).getResult()
                      : inside;
    }
  }
  SmallVector<LoopRange> ranges;
  for (auto [dim, index] : llvm::enumerate(indices)) {
    if (!index) {
      ranges.push_back({static_cast<unsigned>(dim), math.constant(0),
                        kb.size(op.getUpdates(), dim)});
    }
  }
  auto loops = [&] {
    emitLoopNest(kb, ranges, indices, {}, [&](ValueRange) {
      emitUpdate(indices);
      return SmallVector<Value>();
    });
  };
  if (exists) {
    kernel::emitIf(b, exists, loops);
  } else {
    loops();
  }
}

void ScatterTile::emit() {
  OpFoldResult thread =
      math.add(math.mul(kb.getBlock(), kThreads), kb.getThread());
  kernel::emitIf(b, math.less(thread, plan.items), [&] {
    nn::Sizes sizes{plan.parts};
    llvm::append_range(sizes, plan.lineSizes);
    SmallVector<OpFoldResult> place = kernel::delinearize(math, thread, sizes);
    for (OpFoldResult index : ArrayRef(place).drop_front()) {
      line.push_back(math.value(index));
    }
    if (!line.empty()) {
      line.back() = math.value(math.mul(line.back(), plan.width));
    }
    OpFoldResult size = math.ceilDiv(plan.places, plan.parts);
    lower = math.min(plan.places, math.mul(place[0], size));
    upper = math.min(plan.places, math.add(lower, size));
    emitCopy();
    emitUpdates();
  });
}

class ScatterGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    ScatterPlan plan(context, cast<nn::ScatterOp>(context.getRoot()));
    return {context.math.ceilDiv(plan.items, context.math.constant(kThreads)),
            kThreads, context.math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    ScatterTile(kb).emit();
    return success();
  }
};

} // namespace

const GPUKernelFamily *getScatterGPUFamily(nn::DispatchOp dispatch) {
  static const ScatterGPUFamily family;
  return findSharedDims(cast<nn::ScatterOp>(dispatch.getRootOp())) ? &family
                                                                   : nullptr;
}

} // namespace dlc
