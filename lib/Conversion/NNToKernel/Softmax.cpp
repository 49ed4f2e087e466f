// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// softmax and log-softmax: the vector kernel for rows of the innermost dims,
// else scalar loops of the same steps (maximum, sum of exponentials, result).
#include "Conversion/NNToVector/Softmax.h"
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"
#include "Conversion/NNToKernel/RowView.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace dlc {

namespace {

/// Dims of `tensor` that are not in `axes`.
SmallVector<int64_t> otherDims(Value tensor, ArrayRef<int64_t> axes) {
  SmallVector<int64_t> dims;
  for (int64_t dim = 0;
       dim < cast<RankedTensorType>(tensor.getType()).getRank(); ++dim) {
    if (!llvm::is_contained(axes, dim)) {
      dims.push_back(dim);
    }
  }
  return dims;
}

Type accumulatorOf(nn::SoftmaxOp op) {
  Type element = op.getInput().getType().getElementType();
  return element.isF64() ? element : Type(Float32Type::get(op.getContext()));
}

/// What the vector kernel needs to know, without loads and stores.
kernel::SoftmaxSpec createSpec(DispatchContext &context, nn::SoftmaxOp op) {
  kernel::SoftmaxSpec spec;
  spec.columns =
      context.math.constant(countColumns(op.getInput(), op.getAxes()));
  spec.acc = accumulatorOf(op);
  spec.log = op.getLog();
  spec.zeroNaNRows = op.getNanRow() == nn::NanRow::zero;
  return spec;
}

class SoftmaxFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::SoftmaxOp>(context.getRoot());
    OpFoldResult elements =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getInput()));
    if (hasVectorRows(context.getDispatch(), op.getInput(), op.getAxes())) {
      return {
          countRows(context, op.getInput(), op.getAxes()),
          estimateWork(context, elements, 0.5),
          kernel::getSoftmaxScratchBytes(context.b, createSpec(context, op))};
    }
    return {nn::productOf(context.b, op.getLoc(), rowSizes(context, op)),
            estimateWork(context, elements, 1.0), context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    auto op = cast<nn::SoftmaxOp>(kb.getRoot());
    if (hasVectorRows(kb.getDispatch(), op.getInput(), op.getAxes())) {
      kernel::SoftmaxSpec spec = createSpec(kb, op);
      RowView rows(kb, op.getInput(), op.getResult(), op.getAxes(), spec.acc);
      spec.load = rows.getLoad();
      spec.store = rows.getStore();
      kernel::emitSoftmaxRows(kb.b, spec, kb.target, kb.getScratch(),
                              kb.getBegin(), kb.getEnd());
      return success();
    }
    SmallVector<int64_t> outer = otherDims(op.getInput(), op.getAxes());
    nn::Sizes sizes = rowSizes(kb, op);
    kernel::emitFor(
        kb.b, kb.getBegin(), kb.getEnd(), kb.math.constant(1), [&](Value item) {
          SmallVector<Value> indices(op.getInput().getType().getRank());
          for (auto [dim, index] : llvm::zip_equal(
                   outer, kernel::delinearize(kb.math, item, sizes))) {
            indices[dim] = kb.math.value(index);
          }
          emitRow(kb, op, indices);
        });
    return success();
  }

private:
  static nn::Sizes rowSizes(DispatchContext &context, nn::SoftmaxOp op) {
    nn::Sizes sizes;
    for (int64_t dim : otherDims(op.getInput(), op.getAxes())) {
      sizes.push_back(context.size(op.getInput(), dim));
    }
    return sizes;
  }

  static void emitRow(KernelBuilder &kb, nn::SoftmaxOp op,
                      MutableArrayRef<Value> indices) {
    ImplicitLocOpBuilder &b = kb.b;
    Type element = op.getInput().getType().getElementType();
    Type accumulator = accumulatorOf(op);
    auto reassociate = arith::FastMathFlagsAttr::get(
        b.getContext(), arith::FastMathFlags::reassoc);
    SmallVector<LoopRange> ranges =
        wholeRanges(kb, op.getInput(), op.getAxes());
    auto load = [&] {
      return emitCast(b, kb.load(op.getInput(), indices), element, accumulator);
    };

    Value lowest =
        emitConstant(b, accumulator, -std::numeric_limits<double>::infinity());
    Value top =
        emitLoopNest(kb, ranges, indices, lowest,
                     [&](ValueRange state) -> SmallVector<Value> {
                       return {arith::MaximumFOp::create(b, state[0], load())};
                     })[0];
    Value zero = emitConstant(b, accumulator, 0);
    Value sum = emitLoopNest(
        kb, ranges, indices, zero, [&](ValueRange state) -> SmallVector<Value> {
          Value power = math::ExpOp::create(
              b, arith::SubFOp::create(b, load(), top).getResult());
          return {arith::AddFOp::create(b, state[0], power, reassociate)};
        })[0];
    Value scale = op.getLog() ? Value(math::LogOp::create(b, sum))
                              : Value(arith::DivFOp::create(
                                    b, emitConstant(b, accumulator, 1), sum));
    Value isNaN = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, sum, sum);
    emitLoopNest(
        kb, ranges, indices, {}, [&](ValueRange) -> SmallVector<Value> {
          Value shifted = arith::SubFOp::create(b, load(), top);
          Value value =
              op.getLog()
                  ? Value(arith::SubFOp::create(b, shifted, scale))
                  : Value(arith::MulFOp::create(
                        b, math::ExpOp::create(b, shifted).getResult(), scale));
          if (op.getNanRow() == nn::NanRow::zero) {
            value = arith::SelectOp::create(b, isNaN, zero, value);
          }
          emitEpilogueStore(kb, 0, op.getResult(),
                            emitCast(b, value, accumulator, element), indices);
          return {};
        });
  }
};

} // namespace

const KernelFamily *getSoftmaxFamily() {
  static const SoftmaxFamily family;
  return &family;
}

} // namespace dlc
