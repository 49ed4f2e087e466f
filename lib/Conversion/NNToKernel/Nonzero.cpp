// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// nonzero_bounded: counts, then writes each coordinate to its row. Where a row
// begins follows from the count, so the input is read twice.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"

using namespace mlir;

namespace dlc {

namespace {

class NonzeroFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::NonzeroBoundedOp>(context.getRoot());
    OpFoldResult elements =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getInput()));
    return {context.math.constant(1), estimateWork(context, elements, 1.5),
            context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    kernel::emitFor(kb.b, kb.getBegin(), kb.getEnd(), kb.math.constant(1),
                    [&](Value) { emitAll(kb); });
    return success();
  }

private:
  /// Walks the input with a running count; `body` gets it before each element,
  /// with whether the element counts.
  static Value
  emitCounting(KernelBuilder &kb, nn::NonzeroBoundedOp op,
               llvm::function_ref<void(Value, Value, ValueRange)> body) {
    ImplicitLocOpBuilder &b = kb.b;
    RankedTensorType type = op.getInput().getType();
    SmallVector<Value> indices(type.getRank());
    SmallVector<LoopRange> ranges =
        wholeRanges(kb, op.getInput(),
                    llvm::to_vector(llvm::seq<int64_t>(0, type.getRank())));
    return emitLoopNest(kb, ranges, indices, kb.math.value(0),
                        [&](ValueRange count) -> SmallVector<Value> {
                          Value isNonzero =
                              emitCast(b, kb.load(op.getInput(), indices),
                                       type.getElementType(), b.getI1Type());
                          body(count[0], isNonzero, indices);
                          Value one = arith::IndexCastUIOp::create(
                              b, b.getIndexType(), isNonzero);
                          return {arith::AddIOp::create(b, count[0], one)};
                        })[0];
  }

  static void emitAll(KernelBuilder &kb) {
    ImplicitLocOpBuilder &b = kb.b;
    kernel::IndexMath &math = kb.math;
    auto op = cast<nn::NonzeroBoundedOp>(kb.getRoot());
    Value count = emitCounting(kb, op, [](Value, Value, ValueRange) {});
    auto toInteger = [&](Value index) {
      return arith::IndexCastOp::create(b, b.getI64Type(), index);
    };
    memref::StoreOp::create(b, toInteger(count), kb.viewResult(1));
    nn::Sizes sizes = kb.sizes(op.getCoordinates());
    Value flat = kb.view(kb.getResultBase(0),
                         {OpFoldResult(math.mul(sizes[0], sizes[1]))});
    emitCounting(kb, op, [&](Value place, Value isNonzero, ValueRange indices) {
      kernel::emitIf(b, isNonzero, [&] {
        for (auto [row, index] : llvm::enumerate(indices)) {
          OpFoldResult offset =
              math.add(math.mul(count, math.constant(row)), place);
          memref::StoreOp::create(b, toInteger(index), flat,
                                  math.value(offset));
        }
      });
    });
  }
};

} // namespace

const KernelFamily *getNonzeroFamily() {
  static const NonzeroFamily family;
  return &family;
}

} // namespace dlc
