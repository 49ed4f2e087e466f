// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// concat: a flat grid over the result. A thread has neighbours of one input,
// and finds that input once for all of them.
#include "Conversion/NNToGPU/GPUKernelFamily.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace dlc {

namespace {

constexpr int64_t kThreads = 256;

/// Neighbours of one thread: 16 bytes where each input has a whole number of
/// such pieces, else one.
int64_t getWidth(nn::ConcatOp op) {
  RankedTensorType type = op.getResult().getType();
  int64_t last = type.getRank() - 1;
  int64_t width =
      std::max<int64_t>(1, 128 / std::max(8u, type.getElementTypeBitWidth()));
  bool fits = llvm::all_of(op.getInputs(), [&](Value input) {
    int64_t size = cast<RankedTensorType>(input.getType()).getDimSize(last);
    return !ShapedType::isDynamic(size) && size % width == 0;
  });
  return fits ? width : 1;
}

class ConcatGPUFamily final : public GPUKernelFamily {
public:
  GPULaunch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ConcatOp>(context.getRoot());
    kernel::IndexMath &math = context.math;
    OpFoldResult vectors = countVectors(context, op);
    return {math.ceilDiv(vectors, math.constant(kThreads)), kThreads,
            math.constant(0)};
  }

  LogicalResult emit(GPUKernelBuilder &kb) const override {
    auto op = cast<nn::ConcatOp>(kb.getRoot());
    kernel::IndexMath &math = kb.math;
    OpFoldResult thread =
        math.add(math.mul(kb.getBlock(), kThreads), kb.getThread());
    kernel::emitIf(kb.b, math.less(thread, countVectors(kb, op)), [&] {
      SmallVector<Value> first;
      for (OpFoldResult index :
           kernel::delinearize(math, thread, vectorSizes(kb, op))) {
        first.push_back(math.value(index));
      }
      first.back() = math.value(math.mul(first.back(), getWidth(op)));
      emitInput(kb, op, 0, math.constant(0), first);
    });
    return success();
  }

private:
  /// The result's sizes, with vectors for the last.
  static nn::Sizes vectorSizes(DispatchContext &context, nn::ConcatOp op) {
    nn::Sizes sizes = context.sizes(op.getResult());
    sizes.back() =
        context.math.ceilDiv(sizes.back(), context.math.constant(getWidth(op)));
    return sizes;
  }
  static OpFoldResult countVectors(DispatchContext &context, nn::ConcatOp op) {
    return nn::productOf(context.b, op.getLoc(), vectorSizes(context, op));
  }

  /// The copy from input `i`, which starts at `offset`, or from a later one.
  static void emitInput(GPUKernelBuilder &kb, nn::ConcatOp op, unsigned i,
                        OpFoldResult offset, ArrayRef<Value> first) {
    int64_t axis = op.getAxis();
    Value input = op.getInputs()[i];
    OpFoldResult end = kb.math.add(offset, kb.size(input, axis));
    auto copy = [&] { emitCopy(kb, op, input, offset, first); };
    if (i + 1 == op.getInputs().size()) {
      copy();
      return;
    }
    kernel::emitIf(kb.b, kb.math.less(first[axis], end), copy,
                   [&] { emitInput(kb, op, i + 1, end, first); });
  }

  static void emitCopy(GPUKernelBuilder &kb, nn::ConcatOp op, Value input,
                       OpFoldResult offset, ArrayRef<Value> first) {
    KernelBuilder::MemoScope scope(kb);
    int64_t axis = op.getAxis();
    SmallVector<SmallVector<Value>> places;
    SmallVector<Value> elements;
    for (int64_t j = 0; j < getWidth(op); ++j) {
      SmallVector<Value> target(first);
      target.back() =
          kb.math.value(kb.math.add(target.back(), kb.math.constant(j)));
      SmallVector<Value> source(target);
      source[axis] = kb.math.value(kb.math.sub(source[axis], offset));
      kb.setElement(op.getResult(), kb.load(input, source));
      KernelBuilder::MemoScope each(kb);
      elements.push_back(kb.load(kb.getYielded(0), target));
      places.push_back(std::move(target));
    }
    Value result = kb.viewResult(0);
    for (auto [element, at] : llvm::zip_equal(elements, places)) {
      memref::StoreOp::create(kb.b, element, result, at);
    }
  }
};

} // namespace

const GPUKernelFamily *getConcatGPUFamily() {
  static const ConcatGPUFamily family;
  return &family;
}

} // namespace dlc
