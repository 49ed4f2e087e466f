// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// reduce. Where the innermost input dim is reduced, each result element is one
// loop with its accumulator in a register; else a block of neighbouring results
// accumulates in memory, so that the innermost loop walks the input densely.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/KernelFamily.h"
#include "Conversion/NNToKernel/LoopSpace.h"

using namespace mlir;

namespace dlc {

namespace {

using nn::ReduceKind;

/// Results that accumulate together in the second form.
constexpr int64_t kColumnBlock = 64;

bool isArgReduction(ReduceKind kind) {
  return kind == ReduceKind::argmax || kind == ReduceKind::argmin;
}

/// Scalar code of one reduction.
class Reducer {
public:
  Reducer(ImplicitLocOpBuilder &b, nn::ReduceOp op)
      : b(b), op(op), element(op.getInput().getType().getElementType()) {
    accumulator = element;
    if (op.getAcc()) {
      accumulator = *op.getAcc();
    } else if (isa<FloatType>(element) &&
               element.getIntOrFloatBitWidth() < 32) {
      accumulator = b.getF32Type();
    }
  }

  /// Types of the carried state: the accumulator, and for arg-reductions the
  /// place.
  SmallVector<Type> getStateTypes() {
    SmallVector<Type> types{getCodeType(accumulator)};
    if (isArgReduction(op.getKind())) {
      types.push_back(b.getI64Type());
    }
    return types;
  }

  SmallVector<Value> emitInit() {
    SmallVector<Value> state{emitNeutral()};
    if (isArgReduction(op.getKind())) {
      state.push_back(emitConstant(b, b.getI64Type(), 0));
    }
    return state;
  }

  /// The state after `value`, found at `place` along the axis.
  SmallVector<Value> emitStep(ValueRange state, Value value, Value place) {
    value = emitCast(b, value, element, accumulator);
    if (isArgReduction(op.getKind())) {
      return emitArgStep(state, value, place);
    }
    return {combine(state[0], value)};
  }

  /// The result's element, from the state and the number of elements reduced.
  Value emitFinish(ValueRange state, OpFoldResult count) {
    if (isArgReduction(op.getKind())) {
      return state[1];
    }
    Value value = state[0];
    if (op.getKind() == ReduceKind::mean) {
      Value number = arith::IndexCastOp::create(
          b, b.getI64Type(), kernel::IndexMath(b).value(count));
      Value divisor = emitCast(b, number, b.getI64Type(), accumulator);
      value = emitElementwise(b, nn::Fn::div, {value, divisor}, {}, accumulator,
                              accumulator);
    }
    return emitCast(b, value, accumulator, element);
  }

private:
  bool isMax() {
    return op.getKind() == ReduceKind::max ||
           op.getKind() == ReduceKind::argmax;
  }

  Value emitNeutral() {
    Type type = getCodeType(accumulator);
    switch (op.getKind()) {
    case ReduceKind::sum:
    case ReduceKind::mean:
    case ReduceKind::any:
      return emitConstant(b, type, 0);
    case ReduceKind::prod:
      return emitConstant(b, type, 1);
    case ReduceKind::all:
      return emitConstant(b, type, -1);
    default:
      break;
    }
    if (isa<FloatType>(type)) {
      double inf = std::numeric_limits<double>::infinity();
      return emitConstant(b, type, isMax() ? -inf : inf);
    }
    unsigned width = type.getIntOrFloatBitWidth();
    bool isUnsigned = accumulator.isUnsignedInteger();
    APInt lowest = isUnsigned ? APInt::getMinValue(width)
                              : APInt::getSignedMinValue(width);
    APInt highest = isUnsigned ? APInt::getMaxValue(width)
                               : APInt::getSignedMaxValue(width);
    return arith::ConstantOp::create(
        b, b.getIntegerAttr(type, isMax() ? lowest : highest));
  }

  Value combine(Value lhs, Value rhs) {
    // Sums may be reordered, so that LLVM keeps several partial sums; the order
    // depends on the code alone, never on threads.
    auto reassociate = arith::FastMathFlagsAttr::get(
        b.getContext(), arith::FastMathFlags::reassoc);
    bool isFloat = isa<FloatType>(lhs.getType());
    switch (op.getKind()) {
    case ReduceKind::sum:
    case ReduceKind::mean:
      return isFloat
                 ? arith::AddFOp::create(b, lhs, rhs, reassociate).getResult()
                 : arith::AddIOp::create(b, lhs, rhs).getResult();
    case ReduceKind::prod:
      return isFloat
                 ? arith::MulFOp::create(b, lhs, rhs, reassociate).getResult()
                 : arith::MulIOp::create(b, lhs, rhs).getResult();
    case ReduceKind::all:
      return arith::AndIOp::create(b, lhs, rhs);
    case ReduceKind::any:
      return arith::OrIOp::create(b, lhs, rhs);
    default:
      return emitElementwise(b, isMax() ? nn::Fn::maximum : nn::Fn::minimum,
                             {lhs, rhs}, {}, accumulator, accumulator);
    }
  }

  /// The first extreme wins (the last if select_last), and a NaN beats every
  /// number.
  SmallVector<Value> emitArgStep(ValueRange state, Value value, Value place) {
    Value better;
    if (isa<FloatType>(value.getType())) {
      using P = arith::CmpFPredicate;
      P strict = isMax() ? P::OGT : P::OLT, equal = P::OEQ;
      Value beats = arith::CmpFOp::create(b, strict, value, state[0]);
      Value isNaN = arith::CmpFOp::create(b, P::UNO, value, value);
      Value wasNaN = arith::CmpFOp::create(b, P::UNO, state[0], state[0]);
      Value firstNaN = arith::AndIOp::create(
          b, isNaN,
          arith::XOrIOp::create(b, wasNaN, emitConstant(b, b.getI1Type(), 1))
              .getResult());
      better =
          arith::OrIOp::create(b, beats, op.getSelectLast() ? isNaN : firstNaN);
      if (op.getSelectLast()) {
        better = arith::OrIOp::create(
            b, better, arith::CmpFOp::create(b, equal, value, state[0]));
      }
    } else {
      nn::Fn fn = isMax() ? (op.getSelectLast() ? nn::Fn::ge : nn::Fn::gt)
                          : (op.getSelectLast() ? nn::Fn::le : nn::Fn::lt);
      better = emitElementwise(b, fn, {value, state[0]}, {}, accumulator,
                               b.getI1Type());
    }
    Value integer = arith::IndexCastOp::create(b, b.getI64Type(), place);
    return {arith::SelectOp::create(b, better, value, state[0]),
            arith::SelectOp::create(b, better, integer, state[1])};
  }

  ImplicitLocOpBuilder &b;
  nn::ReduceOp op;
  Type element, accumulator;
};

class ReduceFamily final : public KernelFamily {
public:
  Launch getLaunch(DispatchContext &context) const override {
    auto op = cast<nn::ReduceOp>(context.getRoot());
    OpFoldResult elements =
        nn::productOf(context.b, op.getLoc(), context.sizes(op.getInput()));
    OpFoldResult work = estimateWork(context, elements, 0.3);
    if (!walksColumns(op)) {
      return {rowSpace(context, op).getItems(), work, context.math.constant(0)};
    }
    nn::Sizes sizes = context.sizes(op.getResult());
    sizes.back() =
        context.math.ceilDiv(sizes.back(), context.math.constant(kColumnBlock));
    return {nn::productOf(context.b, op.getLoc(), sizes), work,
            context.math.constant(0)};
  }

  LogicalResult emit(KernelBuilder &kb) const override {
    auto op = cast<nn::ReduceOp>(kb.getRoot());
    if (walksColumns(op)) {
      emitColumns(kb, op);
    } else {
      emitRows(kb, op);
    }
    return success();
  }

private:
  static bool walksColumns(nn::ReduceOp op) {
    int64_t rank = op.getInput().getType().getRank();
    bool keepsLast = !llvm::is_contained(op.getAxes(), rank - 1);
    return keepsLast && !op.getAxes().empty() && !isArgReduction(op.getKind());
  }

  static LoopSpace rowSpace(DispatchContext &context, nn::ReduceOp op) {
    int64_t volume = 1;
    for (int64_t axis : op.getAxes()) {
      int64_t size = op.getInput().getType().getDimSize(axis);
      volume *= ShapedType::isDynamic(size) ? 256 : size;
    }
    return LoopSpace(context, op.getResult(), volume);
  }

  static OpFoldResult reducedCount(KernelBuilder &kb, nn::ReduceOp op) {
    OpFoldResult count = kb.math.constant(1);
    for (int64_t axis : op.getAxes()) {
      count = kb.math.mul(count, kb.size(op.getInput(), axis));
    }
    return count;
  }

  /// The input's indices with the kept dims filled from the result's.
  static SmallVector<Value> inputIndicesOf(nn::ReduceOp op,
                                           ValueRange resultIndices) {
    SmallVector<Value> indices(op.getInput().getType().getRank());
    auto next = resultIndices.begin();
    for (auto [dim, index] : llvm::enumerate(indices)) {
      if (!llvm::is_contained(op.getAxes(), static_cast<int64_t>(dim))) {
        index = *next++;
      }
    }
    return indices;
  }

  static void emitRows(KernelBuilder &kb, nn::ReduceOp op) {
    Reducer reducer(kb.b, op);
    OpFoldResult count = reducedCount(kb, op);
    rowSpace(kb, op).emitLoops(kb, [&](ValueRange indices) {
      KernelBuilder::MemoScope scope(kb);
      SmallVector<Value> at = inputIndicesOf(op, indices);
      SmallVector<LoopRange> ranges =
          wholeRanges(kb, op.getInput(), op.getAxes());
      SmallVector<Value> state = emitLoopNest(
          kb, ranges, at, reducer.emitInit(), [&](ValueRange carried) {
            Value place = op.getAxes().empty() ? kb.math.value(0)
                                               : at[op.getAxes().back()];
            return reducer.emitStep(carried, kb.load(op.getInput(), at), place);
          });
      emitEpilogueStore(kb, 0, op.getResult(), reducer.emitFinish(state, count),
                        indices);
    });
  }

  static void emitColumns(KernelBuilder &kb, nn::ReduceOp op) {
    ImplicitLocOpBuilder &b = kb.b;
    kernel::IndexMath &math = kb.math;
    Reducer reducer(b, op);
    OpFoldResult count = reducedCount(kb, op);
    nn::Sizes sizes = kb.sizes(op.getResult());
    OpFoldResult width = sizes.back();
    sizes.back() = math.ceilDiv(width, math.constant(kColumnBlock));
    Value sums = kb.allocate(reducer.getStateTypes()[0], kColumnBlock);
    kernel::emitFor(
        b, kb.getBegin(), kb.getEnd(), math.constant(1), [&](Value item) {
          SmallVector<OpFoldResult> leading =
              kernel::delinearize(math, item, sizes);
          OpFoldResult first = math.mul(leading.back(), kColumnBlock);
          OpFoldResult columns =
              math.min(math.constant(kColumnBlock), math.sub(width, first));
          SmallVector<Value> indices;
          for (OpFoldResult index : leading) {
            indices.push_back(math.value(index));
          }
          auto forColumns = [&](llvm::function_ref<void(Value)> body) {
            kernel::emitFor(b, math.constant(0), columns, math.constant(1),
                            [&](Value column) {
                              KernelBuilder::MemoScope scope(kb);
                              indices.back() =
                                  math.value(math.add(first, column));
                              body(column);
                            });
          };
          Value neutral = reducer.emitInit()[0];
          forColumns([&](Value column) {
            memref::StoreOp::create(b, neutral, sums, column);
          });
          SmallVector<Value> at = inputIndicesOf(op, indices);
          emitLoopNest(kb, wholeRanges(kb, op.getInput(), op.getAxes()), at, {},
                       [&](ValueRange) -> SmallVector<Value> {
                         forColumns([&](Value column) {
                           at.back() = indices.back();
                           Value sum = memref::LoadOp::create(b, sums, column);
                           Value next = reducer.emitStep(
                               sum, kb.load(op.getInput(), at), nullptr)[0];
                           memref::StoreOp::create(b, next, sums, column);
                         });
                         return {};
                       });
          forColumns([&](Value column) {
            Value sum = memref::LoadOp::create(b, sums, column);
            emitEpilogueStore(kb, 0, op.getResult(),
                              reducer.emitFinish(sum, count), indices);
          });
        });
  }
};

} // namespace

const KernelFamily *getReduceFamily() {
  static const ReduceFamily family;
  return &family;
}

} // namespace dlc
