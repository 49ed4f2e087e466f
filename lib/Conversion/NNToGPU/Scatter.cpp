// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// scatter without atomics: dest's elements belong to threads, each of which
// copies its own and then applies those updates that fall on them, in order. So
// the result is that of a loop over the updates, bit for bit, for any
// reduction. The dims without indices are walked by updates and dest together:
// neighbouring threads stand side by side in them, with vectors of 16 bytes
// where updates come in rows; the dims with indices are cut into parts. Where
// indices do not depend on the walked dims, and these are short, the threads
// of a block have one part and look for its updates together.
#include "Conversion/NNToGPU/GPUKernelFamily.h"

#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/ScatterCode.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kThreads = 128;
/// Threads that the parts are to make, since each of them goes through all of
/// its line's updates.
constexpr int64_t kEnoughThreads = 1 << 13;
/// Of a block that looks for updates together, and blocks of a launch: each of
/// them goes through all updates.
constexpr int64_t kSearchThreads = 512, kSearchBlocks = 128;
/// Fewer updates are found as soon by each thread alone.
constexpr int64_t kFewUpdates = 64;
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
    std::optional<int64_t> knownLines = kernel::IndexMath::known(lines);
    if (knownLines && canSearch(*knownLines)) {
      slots = kSearchThreads / *knownLines;
    }
    int64_t wanted =
        slots ? kSearchBlocks
              : std::max<int64_t>(1, kEnoughThreads /
                                         std::max<int64_t>(1, typicalLines));
    parts = math.max(math.constant(1), math.min(math.constant(wanted), places));
    items = math.mul(parts, lines);
  }

  /// Whether the updates of a part are the same in all lines, of which a block
  /// has several times all.
  bool canSearch(int64_t lines) {
    int64_t updates = 1;
    for (auto [dim, size] :
         llvm::enumerate(typeOf(op.getUpdates()).getShape())) {
      bool isShared = llvm::any_of(
          shared, [&](SharedDim walked) { return walked.update == dim; });
      if (!isShared && !ShapedType::isDynamic(size)) {
        updates *= size;
      } else if (!isShared) {
        updates *= kTypicalSize;
      }
    }
    bool dependsOnLine = llvm::any_of(
        llvm::seq<unsigned>(0, op.getIndices().size()), [&](unsigned i) {
          return llvm::any_of(shared, [&](SharedDim dim) {
            return op.getIndexMap(i).isFunctionOfDim(dim.update);
          });
        });
    return !dependsOnLine && updates > kFewUpdates && lines > 0 &&
           4 * lines <= kSearchThreads;
  }

  int64_t getThreads() const { return slots ? kSearchThreads : kThreads; }

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
  /// How many times a block has all lines; 0: threads look for updates alone.
  int64_t slots = 0;
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
  void emitAlone();
  void emitTogether();
  /// Of the places from `first` on, each `step`th.
  void emitCopy(OpFoldResult first, int64_t step);
  void emitUpdates();
  /// Whether the updates have the thread's line; null: yes.
  Value lineHasUpdates();
  void emitUpdate(ArrayRef<Value> indices);
  /// Combines the update at `indices` with the element at `at`.
  void apply(ArrayRef<Value> indices, ArrayRef<Value> at);
  std::pair<Value, OpFoldResult> locate(ArrayRef<Value> indices);
  void search();
  SmallVector<Value> getDestIndices(OpFoldResult place);
  SmallVector<Value> getUpdateIndices(OpFoldResult number,
                                      ArrayRef<Value> walked);
  void setPart(OpFoldResult part);
  void applyFound(Value first, Value masks, Value found);
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
  /// Of a thread in a block that searches: which of the part's places are its
  /// own, and whether it has any.
  OpFoldResult slot;
  Value isActive;
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

SmallVector<Value> ScatterTile::getDestIndices(OpFoldResult place) {
  SmallVector<Value> at(op.getDest().getType().getRank());
  for (auto [dim, index] :
       llvm::zip_equal(op.getIndexedDims(),
                       kernel::delinearize(math, place, plan.indexedSizes))) {
    at[dim] = math.value(index);
  }
  for (auto [dim, index] : llvm::zip_equal(plan.shared, line)) {
    at[dim.dest] = index;
  }
  return at;
}

void ScatterTile::emitCopy(OpFoldResult first, int64_t step) {
  kernel::emitFor(b, first, upper, math.constant(step), [&](Value place) {
    KernelBuilder::MemoScope scope(kb);
    SmallVector<Value> at = getDestIndices(place);
    storeNeighbours(at, forNeighbours(at, [&](ArrayRef<Value> place) {
                      return kb.load(op.getDest(), place);
                    }));
  });
}

/// Whether the update at `indices` falls on the part, and on which place.
std::pair<Value, OpFoldResult> ScatterTile::locate(ArrayRef<Value> indices) {
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
  return {isOwn, linear};
}

void ScatterTile::apply(ArrayRef<Value> indices, ArrayRef<Value> at) {
  KernelBuilder::MemoScope scope(kb);
  Value result = kb.viewResult(0);
  SmallVector<Value> elements =
      forNeighbours(indices, [&](ArrayRef<Value> place) {
        return kb.load(op.getUpdates(), place);
      });
  if (op.getKind() != nn::ScatterKind::assign) {
    auto *next = elements.begin();
    elements = forNeighbours(at, [&](ArrayRef<Value> place) {
      Value old = memref::LoadOp::create(b, result, place);
      return emitScatterCombine(kb, op, old, *next++);
    });
  }
  storeNeighbours(at, elements);
}

/// Applies the update at `indices` if it falls on the thread's part.
void ScatterTile::emitUpdate(ArrayRef<Value> indices) {
  auto [isOwn, place] = locate(indices);
  kernel::emitIf(b, isOwn, [&] { apply(indices, getDestIndices(place)); });
}

Value ScatterTile::lineHasUpdates() {
  Value exists;
  for (auto [dim, index] : llvm::zip_equal(plan.shared, line)) {
    OpFoldResult size = kb.size(op.getUpdates(), dim.update);
    if (size != kb.size(op.getDest(), dim.dest)) {
      Value inside = math.less(index, size);
      exists = exists ? arith::AndIOp::create(b, exists, inside).getResult()
                      : inside;
    }
  }
  return exists;
}

void ScatterTile::emitUpdates() {
  SmallVector<Value> indices(typeOf(op.getUpdates()).getRank());
  Value exists = lineHasUpdates();
  for (auto [dim, index] : llvm::zip_equal(plan.shared, line)) {
    indices[dim.update] = index;
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

/// Of the dims of the updates that no line walks: indices of element number
/// `number`, with those of the line in the others.
SmallVector<Value> ScatterTile::getUpdateIndices(OpFoldResult number,
                                                 ArrayRef<Value> walked) {
  SmallVector<Value> indices(typeOf(op.getUpdates()).getRank());
  for (auto [dim, index] : llvm::zip_equal(plan.shared, walked)) {
    indices[dim.update] = index;
  }
  nn::Sizes sizes;
  SmallVector<unsigned> dims;
  for (auto [dim, index] : llvm::enumerate(indices)) {
    if (!index) {
      dims.push_back(dim);
      sizes.push_back(kb.size(op.getUpdates(), dim));
    }
  }
  for (auto [dim, index] :
       llvm::zip_equal(dims, kernel::delinearize(math, number, sizes))) {
    indices[dim] = math.value(index);
  }
  return indices;
}

/// Applies what a round of the search found, in the order of the updates: each
/// thread what falls on its own places.
void ScatterTile::applyFound(Value first, Value masks, Value found) {
  Type i32 = b.getI32Type();
  kernel::emitFor(
      b, math.constant(0), math.constant(kSearchThreads / kWarpThreads),
      math.constant(1), [&](Value warp) {
        Value mask = memref::LoadOp::create(b, masks, warp);
        Value count = arith::IndexCastOp::create(
            b, b.getIndexType(), LLVM::CtPopOp::create(b, i32, mask));
        kernel::emitFor(
            b, math.constant(0), count, math.constant(1), mask,
            [&](Value, ValueRange left) -> SmallVector<Value> {
              KernelBuilder::MemoScope scope(kb);
              Value bit = LLVM::CountTrailingZerosOp::create(
                  b, i32, left[0], /*is_zero_poison=*/true);
              Value source = math.value(
                  math.add(math.mul(warp, kWarpThreads),
                           arith::IndexCastOp::create(b, b.getIndexType(), bit)
                               .getResult()));
              Value place = arith::IndexCastOp::create(
                  b, b.getIndexType(),
                  memref::LoadOp::create(b, found, source));
              Value isOwn =
                  math.equal(math.rem(place, math.constant(plan.slots)), slot);
              isOwn = arith::AndIOp::create(b, isOwn, isActive);
              kernel::emitIf(b, isOwn, [&] {
                apply(getUpdateIndices(math.add(first, source), line),
                      getDestIndices(math.add(lower, place)));
              });
              Value less = arith::SubIOp::create(
                  b, left[0], arith::ConstantIntOp::create(b, i32, 1));
              return {arith::AndIOp::create(b, left[0], less)};
            });
      });
}

/// In rounds, each thread looks at one update; a bit for each that falls on the
/// part, and its place, tell all threads.
void ScatterTile::search() {
  Type i32 = b.getI32Type();
  Value masks = kb.allocateShared(i32, kSearchThreads / kWarpThreads);
  // A part's places are far fewer than 2 to 31.
  Value found = kb.allocateShared(i32, kSearchThreads);
  OpFoldResult updates = math.constant(1);
  for (int64_t dim = 0; dim < typeOf(op.getUpdates()).getRank(); ++dim) {
    bool isShared = llvm::any_of(
        plan.shared, [&](SharedDim walked) { return walked.update == dim; });
    updates =
        isShared ? updates : math.mul(updates, kb.size(op.getUpdates(), dim));
  }
  SmallVector<Value> anyLine(plan.shared.size(), math.value(0));
  kernel::emitFor(
      b, math.constant(0), updates, math.constant(kSearchThreads),
      [&](Value first) {
        Value number = math.value(math.add(first, kb.getThread()));
        Value no = arith::ConstantIntOp::create(b, b.getI1Type(), 0);
        SmallVector<Value> hit = kernel::emitIf(
            b, math.less(number, updates), {b.getI1Type(), i32},
            [&]() -> SmallVector<Value> {
              KernelBuilder::MemoScope scope(kb);
              auto [isOwn, place] = locate(getUpdateIndices(number, anyLine));
              return {isOwn, arith::IndexCastOp::create(
                                 b, i32, math.value(math.sub(place, lower)))};
            },
            [&]() -> SmallVector<Value> {
              return {no, arith::ConstantIntOp::create(b, i32, 0)};
            });
        Value mask = NVVM::VoteSyncOp::create(
            b, i32, arith::ConstantIntOp::create(b, i32, -1), hit[0],
            NVVM::VoteSyncKind::ballot);
        kb.emitBarrier(); // the last round is over
        memref::StoreOp::create(b, hit[1], found, kb.getThread());
        kernel::emitIf(b, math.equal(kb.getLane(), math.constant(0)), [&] {
          memref::StoreOp::create(b, mask, masks, kb.getWarp());
        });
        kb.emitBarrier();
        applyFound(first, masks, found);
      });
}

void ScatterTile::setPart(OpFoldResult part) {
  OpFoldResult size = math.ceilDiv(plan.places, plan.parts);
  lower = math.min(plan.places, math.mul(part, size));
  upper = math.min(plan.places, math.add(lower, size));
}

void ScatterTile::emitTogether() {
  setPart(kb.getBlock());
  nn::Sizes sizes{math.constant(plan.slots + 1)};
  llvm::append_range(sizes, plan.lineSizes);
  SmallVector<OpFoldResult> place =
      kernel::delinearize(math, kb.getThread(), sizes);
  slot = place[0];
  for (OpFoldResult index : ArrayRef(place).drop_front()) {
    line.push_back(math.value(index));
  }
  if (!line.empty()) {
    line.back() = math.value(math.mul(line.back(), plan.width));
  }
  isActive = math.less(slot, math.constant(plan.slots));
  kernel::emitIf(b, isActive,
                 [&] { emitCopy(math.add(lower, slot), plan.slots); });
  if (Value exists = lineHasUpdates()) {
    isActive = arith::AndIOp::create(b, isActive, exists);
  }
  search();
}

void ScatterTile::emit() {
  if (plan.slots) {
    emitTogether();
  } else {
    emitAlone();
  }
}

void ScatterTile::emitAlone() {
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
    setPart(place[0]);
    emitCopy(lower, 1);
    emitUpdates();
  });
}

class ScatterGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    ScatterPlan plan(context, cast<nn::ScatterOp>(context.getRoot()));
    OpFoldResult blocks =
        plan.slots
            ? plan.parts
            : context.math.ceilDiv(plan.items, context.math.constant(kThreads));
    return {blocks, plan.getThreads(), context.math.constant(0)};
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
