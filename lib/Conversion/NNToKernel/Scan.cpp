// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// scan. Along the innermost dim the running value is in a register; along
// another one a block of neighbouring lines runs together, so that the
// innermost loop walks the input densely.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/ScanCode.h"

using namespace mlir;

namespace dlc {

namespace {

/// Lines that run together in the second form.
constexpr int64_t kLineBlock = 64;

class ScanEmitter {
public:
  explicit ScanEmitter(KernelBuilder &kb)
      : kb(kb), b(kb.b), math(kb.math), op(cast<nn::ScanOp>(kb.getRoot())),
        code(kb) {}

  void emit();

private:
  bool walksRows() {
    return static_cast<int64_t>(op.getAxis()) + 1 ==
           op.getInput().getType().getRank();
  }
  /// Stores the element at `indices` and returns the running value behind it.
  Value emitStep(Value running, ValueRange indices);
  void emitRow(MutableArrayRef<Value> indices);
  void emitLines(MutableArrayRef<Value> indices, OpFoldResult first);

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::ScanOp op;
  ScanCode code;
  /// Running values of a block of lines.
  Value running;
};

/// The input's sizes with 1 for the axis, and for the last dim, where that is
/// another one, the number of blocks.
nn::Sizes itemSizes(DispatchContext &context, nn::ScanOp op) {
  nn::Sizes sizes = context.sizes(op.getInput());
  if (op.getAxis() + 1 != sizes.size()) {
    sizes.back() =
        context.math.ceilDiv(sizes.back(), context.math.constant(kLineBlock));
  }
  sizes[op.getAxis()] = context.math.constant(1);
  return sizes;
}

Value ScanEmitter::emitStep(Value running, ValueRange indices) {
  KernelBuilder::MemoScope scope(kb);
  Value next = code.combine(running, code.load(indices));
  Value result = op.getExclusive() ? running : next;
  memref::StoreOp::create(b, code.finish(result), kb.viewResult(0), indices);
  return next;
}

void ScanEmitter::emitRow(MutableArrayRef<Value> indices) {
  kernel::emitFor(b, math.constant(0), kb.size(op.getInput(), op.getAxis()),
                  math.constant(1), code.emitNeutral(),
                  [&](Value step, ValueRange state) -> SmallVector<Value> {
                    indices[op.getAxis()] = code.emitPosition(step);
                    return {emitStep(state[0], indices)};
                  });
}

void ScanEmitter::emitLines(MutableArrayRef<Value> indices,
                            OpFoldResult first) {
  OpFoldResult lines =
      math.min(math.constant(kLineBlock),
               math.sub(kb.sizes(op.getInput()).back(), first));
  auto forLines = [&](llvm::function_ref<void(Value)> body) {
    kernel::emitFor(b, math.constant(0), lines, math.constant(1),
                    [&](Value line) {
                      indices.back() = math.value(math.add(first, line));
                      body(line);
                    });
  };
  Value neutral = code.emitNeutral();
  forLines(
      [&](Value line) { memref::StoreOp::create(b, neutral, running, line); });
  kernel::emitFor(b, math.constant(0), kb.size(op.getInput(), op.getAxis()),
                  math.constant(1), [&](Value step) {
                    indices[op.getAxis()] = code.emitPosition(step);
                    forLines([&](Value line) {
                      Value value = memref::LoadOp::create(b, running, line);
                      memref::StoreOp::create(b, emitStep(value, indices),
                                              running, line);
                    });
                  });
}

void ScanEmitter::emit() {
  nn::Sizes sizes = itemSizes(kb, op);
  if (!walksRows()) {
    running = kb.allocate(getCodeType(code.getAccumulator()), kLineBlock);
  }
  kernel::emitFor(b, kb.getBegin(), kb.getEnd(), math.constant(1),
                  [&](Value item) {
                    SmallVector<OpFoldResult> place =
                        kernel::delinearize(math, item, sizes);
                    SmallVector<Value> indices;
                    for (OpFoldResult index : place) {
                      indices.push_back(math.value(index));
                    }
                    if (walksRows()) {
                      emitRow(indices);
                    } else {
                      emitLines(indices, math.mul(place.back(), kLineBlock));
                    }
                  });
}

class ScanFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ScanOp>(context.getRoot());
    OpFoldResult elements =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getInput()));
    return {nn::productOf(context.b, op.getLoc(), itemSizes(context, op)),
            estimateWork(context, elements, 1.0), context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    ScanEmitter(kb).emit();
    return success();
  }
};

} // namespace

const KernelFamily *getScanFamily() {
  static const ScanFamily family;
  return &family;
}

} // namespace dlc
