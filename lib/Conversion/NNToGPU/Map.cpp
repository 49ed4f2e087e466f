// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Index functions of the inputs: elementwise ops, casts, views and gathers,
// fused. A flat grid over the result; each thread computes the neighbours that
// fill 16 bytes. Their loads and stores are written one by one, and LLVM joins
// those that are next to each other.
#include "Conversion/NNToGPU/GPUKernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kThreads = 256;
/// Beyond this, code grows for no gain.
constexpr int64_t kMaxVector = 8;

/// Bytes of an element in memory.
int64_t elementBytes(Value tensor) {
  Type type = cast<RankedTensorType>(tensor.getType()).getElementType();
  return std::max(1u, type.getIntOrFloatBitWidth() / 8);
}

/// How a map's result is cut into vectors.
struct MapPlan {
  MapPlan(DispatchContext &context)
      : space(context, context.getYielded(0)),
        sizes(llvm::to_vector(space.getGroupSizes())) {
    kernel::IndexMath &math = context.math;
    if (sizes.empty()) {
      sizes.push_back(math.constant(1));
    }
    int64_t bytes = elementBytes(context.getYielded(0));
    for (Value input : context.getDispatch().getInputs()) {
      bytes = std::max(bytes, elementBytes(input));
    }
    width = std::min(kMaxVector, std::max<int64_t>(1, 16 / bytes));
    std::optional<int64_t> last = kernel::IndexMath::known(sizes.back());
    if (last && *last % width == 0) {
      return;
    }
    // One loop over everything has its tail at the end of the grid.
    hasTail = sizes.size() == 1;
    width = hasTail ? width : 1;
  }

  OpFoldResult countVectors(kernel::IndexMath &math) {
    OpFoldResult count = math.ceilDiv(sizes.back(), math.constant(width));
    for (OpFoldResult size : ArrayRef(sizes).drop_back()) {
      count = math.mul(count, size);
    }
    return count;
  }

  LoopSpace space;
  nn::Sizes sizes;
  int64_t width = 1;
  /// Whether the last vector may be short.
  bool hasTail = false;
};

class MapGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    kernel::IndexMath &math = context.math;
    MapPlan plan(context);
    return {math.ceilDiv(plan.countVectors(math), math.constant(kThreads)),
            kThreads, math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    ImplicitLocOpBuilder &b = kb.b;
    kernel::IndexMath &math = kb.math;
    MapPlan plan(kb);
    OpFoldResult thread =
        math.add(math.mul(kb.getBlock(), kThreads), kb.getThread());
    kernel::emitIf(b, math.less(thread, plan.countVectors(math)), [&] {
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
    return success();
  }

private:
  static void emitElement(GPUKernelBuilder &kb, MapPlan &plan,
                          ArrayRef<Value> groups) {
    SmallVector<Value> indices = plan.space.expandIndices(groups);
    Value element = kb.load(kb.getYielded(0), indices);
    memref::StoreOp::create(kb.b, element, kb.viewResult(0), indices);
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
      places.push_back(plan.space.expandIndices(groups));
      elements.push_back(kb.load(kb.getYielded(0), places.back()));
    }
    Value result = kb.viewResult(0);
    for (auto [element, indices] : llvm::zip_equal(elements, places)) {
      memref::StoreOp::create(kb.b, element, result, indices);
    }
  }
};

} // namespace

const GPUKernelFamily *getMapGPUFamily() {
  static const MapGPUFamily family;
  return &family;
}

} // namespace dlc
