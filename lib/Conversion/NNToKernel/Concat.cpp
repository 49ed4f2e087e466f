// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// concat: one loop nest per input, each storing into its part of the result.
#include "Conversion/NNToKernel/KernelFamily.h"

using namespace mlir;

namespace dlc {

namespace {

class ConcatFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ConcatOp>(context.getRoot());
    OpFoldResult elements =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getResult()));
    return {nn::productOf(context.b, op.getLoc(), outerSizes(context, op)),
            estimateWork(context, elements, 0.2), context.math.constant(0)};
  }

  /// An item is one index of the dims before the axis; all inputs have the
  /// same.
  LogicalResult emit(KernelBuilder &kb) const override {
    auto op = cast<nn::ConcatOp>(kb.getRoot());
    kernel::IndexMath &math = kb.math;
    int64_t axis = op.getAxis();
    nn::Sizes outer = outerSizes(kb, op);
    kernel::emitFor(kb.b, kb.getBegin(), kb.getEnd(), math.constant(1),
                    [&](Value item) {
                      SmallVector<OpFoldResult> leading =
                          kernel::delinearize(math, item, outer);
                      OpFoldResult offset = math.constant(0);
                      for (Value input : op.getInputs()) {
                        SmallVector<Value> indices;
                        for (OpFoldResult index : leading) {
                          indices.push_back(math.value(index));
                        }
                        emitInputLoops(kb, op, input, offset, indices);
                        offset = math.add(offset, kb.size(input, axis));
                      }
                    });
    return success();
  }

private:
  static nn::Sizes outerSizes(DispatchContext &context, nn::ConcatOp op) {
    nn::Sizes sizes = context.sizes(op.getResult());
    sizes.resize(op.getAxis());
    return sizes;
  }

  /// Loops over the dims of `input` from the axis on.
  static void emitInputLoops(KernelBuilder &kb, nn::ConcatOp op, Value input,
                             OpFoldResult offset, SmallVector<Value> &indices) {
    unsigned dim = indices.size();
    unsigned rank = op.getResult().getType().getRank();
    if (dim == rank) {
      KernelBuilder::MemoScope scope(kb);
      Value element = kb.load(input, indices);
      SmallVector<Value> target(indices);
      target[op.getAxis()] =
          kb.math.value(kb.math.add(target[op.getAxis()], offset));
      emitEpilogueStore(kb, 0, op.getResult(), element, target);
      return;
    }
    kernel::emitFor(kb.b, kb.math.constant(0), kb.size(input, dim),
                    kb.math.constant(1), [&](Value index) {
                      indices.push_back(index);
                      emitInputLoops(kb, op, input, offset, indices);
                      indices.pop_back();
                    });
  }
};

} // namespace

const KernelFamily *getConcatFamily() {
  static const ConcatFamily family;
  return &family;
}

} // namespace dlc
