// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Index functions of the inputs: elementwise ops, casts, views and gathers,
// fused. A flat grid over the result; each thread computes the neighbours that
// fill 16 bytes. Their loads and stores are written one by one, and LLVM joins
// those that are next to each other.
//
// Where inputs repeat along some dims, neighbours of the result need not be
// neighbours in them. Small ones of that kind are tables: each block copies
// them to shared memory, and then computes many vectors. Of large ones, or of
// unknown size, it copies what its own elements look for. Either way the other
// inputs, and the result, are cut into vectors as if they had a single dim.
#include "ElementView.h"
#include "RepeatedOperands.h"

#include "Conversion/NNToKernel/LoopSpace.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <numeric>

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kThreads = 256;
/// Bytes of an access; so many elements of one byte are no burden here.
constexpr int64_t kAccessBytes = 16;
/// Vectors of a thread whose block copies tables.
constexpr int64_t kTableVectors = 4;
/// Bytes of a block's copies of inputs that repeat, and how many are copied.
constexpr int64_t kCopyBytes = 16 << 10;
constexpr size_t kMostCopied = 2;

/// Bytes of an element in memory.
int64_t elementBytes(Value tensor) {
  Type type = cast<RankedTensorType>(tensor.getType()).getElementType();
  return std::max(1u, type.getIntOrFloatBitWidth() / 8);
}

/// How a map's result is cut into vectors.
struct MapPlan {
  explicit MapPlan(DispatchContext &context)
      : space(context, context.getYielded(0)), dims(space.getGroupSizes()),
        sizes(dims) {
    if (sizes.empty()) {
      sizes.push_back(context.math.constant(1));
    }
    int64_t most = getMostWidth(context);
    std::optional<int64_t> last = kernel::IndexMath::known(sizes.back());
    bool isWhole = last && *last % most == 0;
    if (isWhole && !hasOddSlice(context, most)) {
      width = most;
      return;
    }
    tables = findTables(context, most);
    if (!tables.empty()) {
      threadVectors = kTableVectors;
    }
    isFlat = !tables.empty() ||
             (dims.size() > 1 && last.value_or(kWarpThreads) >= kWarpThreads &&
              findCopied(context, most));
    if (isFlat) {
      sizes = {nn::productOf(context.b, context.b.getLoc(), dims)};
    }
    // One loop over everything has its tail at the end of the grid.
    hasTail = sizes.size() == 1;
    width = hasTail ? most : std::gcd(last.value_or(1), most);
  }

  /// Elements of a vector, where loops allow them.
  static int64_t getMostWidth(DispatchContext &context) {
    int64_t bytes = elementBytes(context.getYielded(0));
    Block &body = context.getDispatch().getBody().front();
    bool isPlain = llvm::all_of(body, [](Operation &op) {
      return isa<nn::ElementwiseOp, nn::CastOp, nn::GatherOp, nn::YieldOp,
                 arith::ConstantOp>(op);
    });
    for (Value input : body.getArguments()) {
      if (isa<RankedTensorType>(input.getType()) &&
          (!isPlain || isReadAlong(input))) {
        bytes = std::max(bytes, elementBytes(input));
      }
    }
    return bytes == 1 ? kAccessBytes : getAccessWidth(bytes);
  }

  /// Whether a vector needs several elements of an input, as it does not of
  /// the places of rows that are gathered.
  static bool isReadAlong(Value input) {
    ArrayRef<int64_t> shape = typeOf(input).getShape();
    if (shape.empty() || shape.back() == 1) {
      return false;
    }
    return llvm::any_of(input.getUses(), [](OpOperand &use) {
      auto gather = dyn_cast<nn::GatherOp>(use.getOwner());
      unsigned first = gather ? gather.getIndices().getBeginOperandIndex() : 0;
      unsigned number = use.getOperandNumber();
      if (!gather || number < first ||
          number >= first + gather.getIndices().size()) {
        return true;
      }
      AffineMap map = gather.getIndexMap(number - first);
      return map.isFunctionOfDim(map.getNumDims() - 1);
    });
  }

  /// The inputs that repeat along dims; none unless all of these are small, and
  /// the others have the result's elements in its order: these are placed.
  SmallVector<Value> findTables(DispatchContext &context, int64_t most) {
    auto type = typeOf(context.getYielded(0));
    Block &body = context.getDispatch().getBody().front();
    if (!type.hasStaticShape() || llvm::any_of(body, [](Operation &op) {
          return !isa<nn::ElementwiseOp, nn::CastOp, nn::BatchNormOp,
                      nn::YieldOp, arith::ConstantOp>(op);
        })) {
      return {};
    }
    SmallVector<Value> found, others;
    int64_t count = 0;
    for (Value input : body.getArguments()) {
      auto own = dyn_cast<RankedTensorType>(input.getType());
      if (!own || !own.hasStaticShape()) {
        return {};
      }
      if (own.getShape() == type.getShape()) {
        others.push_back(input);
      } else {
        found.push_back(input);
        count += own.getNumElements();
      }
    }
    if (found.empty() ||
        kTableShare * count > kThreads * kTableVectors * most) {
      return {};
    }
    placed = std::move(others);
    return found;
  }

  /// Whether rows of a slice begin where accesses of `most` elements do not.
  static bool hasOddSlice(DispatchContext &context, int64_t most) {
    auto slices = context.getDispatch().getBody().getOps<nn::SliceOp>();
    return llvm::any_of(slices, [&](nn::SliceOp op) {
      std::optional<int64_t> offset =
          getConstantIntValue(op.getMixedOffsets().back());
      int64_t pitch = typeOf(op.getInput()).getShape().back();
      return !offset || *offset % most != 0 || ShapedType::isDynamic(pitch) ||
             pitch % most != 0;
    });
  }

  /// The slices of an input's rows, if these are all that is made of it; else
  /// the input.
  static SmallVector<Value> getSlices(Value input) {
    SmallVector<Value> slices;
    for (Operation *user : input.getUsers()) {
      if (llvm::none_of(user->getResultTypes(),
                        llvm::IsaPred<RankedTensorType>)) {
        continue;
      }
      auto slice = dyn_cast<nn::SliceOp>(user);
      if (!slice || !isConstantIntValue(slice.getMixedStrides().back(), 1)) {
        return {input};
      }
      slices.push_back(slice.getResult());
    }
    return slices.empty() ? SmallVector<Value>{input} : slices;
  }

  /// Sorts inputs, and slices of them, into those that are placed, those that
  /// are copied because they differ along the innermost loop, and those that do
  /// not, which are read at indices; false unless each is of some kind.
  bool findCopied(DispatchContext &context, int64_t most) {
    ArrayRef<int64_t> shape = typeOf(context.getYielded(0)).getShape();
    SmallVector<Value> found, others;
    int64_t bytes = 0;
    SmallVector<Value> tensors;
    for (Value input : context.getDispatch().getBody().getArguments()) {
      if (isa<RankedTensorType>(input.getType())) {
        llvm::append_range(tensors, getSlices(input));
      }
    }
    for (Value tensor : tensors) {
      RankedTensorType own = typeOf(tensor);
      if (!isElementwiseInput(tensor, shape)) {
        return false;
      }
      bool isSlice = tensor.getDefiningOp() != nullptr;
      if (own.getShape() == shape && !isSlice) {
        others.push_back(tensor);
      } else if (own.getDimSize(space.getIndexDims().back()) != 1) {
        found.push_back(tensor);
        bytes += elementBytes(tensor);
      }
    }
    if (found.size() > kMostCopied) {
      return false;
    }
    if (!found.empty()) {
      threadVectors = std::clamp<int64_t>(
          kCopyBytes / (kThreads * most * bytes), 1, kTableVectors);
    }
    placed = std::move(others);
    copied = std::move(found);
    return true;
  }

  /// Elements of a block.
  int64_t getCapacity() const { return kThreads * threadVectors * width; }

  OpFoldResult countVectors(kernel::IndexMath &math) {
    OpFoldResult count = math.ceilDiv(sizes.back(), math.constant(width));
    for (OpFoldResult size : ArrayRef(sizes).drop_back()) {
      count = math.mul(count, size);
    }
    return count;
  }

  LoopSpace space;
  /// The result's loops, and those of the grid: the same, or a single one over
  /// all elements.
  nn::Sizes dims, sizes;
  bool isFlat = false;
  int64_t width = 1;
  /// Whether the last vector may be short.
  bool hasTail = false;
  /// Inputs: all of one is copied, or what a block looks for, or they are read
  /// at the result's place.
  SmallVector<Value> tables, copied, placed;
  int64_t threadVectors = 1;
  /// Of the kernel under construction.
  std::optional<RepeatedOperands> copies;
};

class MapGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    kernel::IndexMath &math = context.math;
    MapPlan plan(context);
    return {math.ceilDiv(plan.countVectors(math),
                         math.constant(kThreads * plan.threadVectors)),
            kThreads, math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    kernel::IndexMath &math = kb.math;
    MapPlan plan(kb);
    for (Value table : plan.tables) {
      kb.setInputView(table, emitSharedCopy(kb, table));
    }
    if (!plan.copied.empty()) {
      int64_t capacity = plan.getCapacity();
      plan.copies.emplace(kb, plan.copied, plan.dims, capacity,
                          plan.space.getIndexDims());
      OpFoldResult begin = math.mul(kb.getBlock(), capacity);
      plan.copies->emitCopies(begin,
                              math.min(math.add(begin, math.constant(capacity)),
                                       plan.sizes.back()));
    }
    if (!plan.tables.empty() || !plan.copied.empty()) {
      kb.emitBarrier();
    }
    OpFoldResult first = math.add(
        math.mul(kb.getBlock(), kThreads * plan.threadVectors), kb.getThread());
    for (int64_t i = 0; i < plan.threadVectors; ++i) {
      emitThread(kb, plan, math.add(first, math.constant(i * kThreads)));
    }
    return success();
  }

private:
  /// Vector number `thread` of the grid, if there is one.
  static void emitThread(GPUKernelBuilder &kb, MapPlan &plan,
                         OpFoldResult thread) {
    ImplicitLocOpBuilder &b = kb.b;
    kernel::IndexMath &math = kb.math;
    kernel::emitIf(b, math.less(thread, plan.countVectors(math)), [&] {
      KernelBuilder::MemoScope scope(kb);
      nn::Sizes vectors = plan.sizes;
      vectors.back() = math.ceilDiv(vectors.back(), math.constant(plan.width));
      SmallVector<Value> groups;
      for (OpFoldResult index : kernel::delinearize(math, thread, vectors)) {
        groups.push_back(math.value(index));
      }
      Value first = math.value(math.mul(groups.back(), plan.width));
      auto emitAt = [&](OpFoldResult offset) {
        KernelBuilder::MemoScope scope(kb);
        groups.back() = math.value(math.add(first, offset));
        emitElement(kb, plan, groups);
      };
      if (!plan.hasTail || plan.width == 1) {
        emitVector(kb, plan, groups, first);
        return;
      }
      OpFoldResult end = math.add(first, math.constant(plan.width));
      kernel::emitIf(
          b, math.lessEqual(end, plan.sizes.back()),
          [&] { emitVector(kb, plan, groups, first); },
          [&] {
            kernel::emitFor(b, math.constant(0),
                            math.sub(plan.sizes.back(), first),
                            math.constant(1), [&](Value i) { emitAt(i); });
          });
    });
  }

  /// The result's indices.
  static SmallVector<Value> getIndices(GPUKernelBuilder &kb, MapPlan &plan,
                                       ArrayRef<Value> groups) {
    if (!plan.isFlat) {
      return plan.space.expandIndices(groups);
    }
    SmallVector<Value> split;
    for (OpFoldResult index :
         kernel::delinearize(kb.math, groups.back(), plan.dims)) {
      split.push_back(kb.math.value(index));
    }
    return plan.space.expandIndices(split);
  }

  static Value loadElement(GPUKernelBuilder &kb, MapPlan &plan,
                           ArrayRef<Value> indices, Value place) {
    if (plan.isFlat) {
      for (Value input : plan.placed) {
        kb.setInputView(input, viewElement(kb, input, place));
      }
    }
    auto load = [&] { return kb.load(kb.getYielded(0), indices); };
    return plan.copies ? plan.copies->readAt(place, load) : load();
  }

  static void emitStore(GPUKernelBuilder &kb, MapPlan &plan, Value element,
                        ArrayRef<Value> indices, Value place) {
    if (!plan.isFlat) {
      memref::StoreOp::create(kb.b, element, kb.viewResult(0), indices);
    } else {
      Value all = kb.view(kb.getResultBase(0), plan.sizes);
      memref::StoreOp::create(kb.b, element, all, place);
    }
  }

  static void emitElement(GPUKernelBuilder &kb, MapPlan &plan,
                          ArrayRef<Value> groups) {
    SmallVector<Value> indices = getIndices(kb, plan, groups);
    Value element = loadElement(kb, plan, indices, groups.back());
    emitStore(kb, plan, element, indices, groups.back());
  }

  /// All elements of a vector, then their stores, so that no store stands
  /// between two loads.
  static void emitVector(GPUKernelBuilder &kb, MapPlan &plan,
                         SmallVector<Value> groups, Value first) {
    KernelBuilder::MemoScope scope(kb);
    SmallVector<SmallVector<Value>> places;
    SmallVector<Value> elements;
    for (int64_t i = 0; i < plan.width; ++i) {
      groups.back() = kb.math.value(kb.math.add(first, kb.math.constant(i)));
      places.push_back(getIndices(kb, plan, groups));
      elements.push_back(loadElement(kb, plan, places.back(), groups.back()));
    }
    for (auto [i, element] : llvm::enumerate(elements)) {
      emitStore(kb, plan, element, places[i],
                kb.math.value(kb.math.add(first, kb.math.constant(i))));
    }
  }
};

} // namespace

const GPUKernelFamily *getMapGPUFamily() {
  static const MapGPUFamily family;
  return &family;
}

} // namespace dlc
