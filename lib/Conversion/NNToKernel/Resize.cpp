// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// resize as an index function: one weighted sum per axis, nested. What depends
// on an axis alone stands where its index is known, so that LLVM hoists it out
// of the loops over the axes inside. Formulas and names are ONNX Resize's
// (operator set 19); coordinates are f64, as in ONNX's reference evaluator.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/Indexing.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace dlc {

namespace {

/// Taps of one axis that are written out rather than looped over.
constexpr int64_t kUnrolledTaps = 4;

/// The taps of one axis for one index of the result: elements floor(x) + first
/// to floor(x) + first + count - 1 of the input.
struct Axis {
  int64_t dim = 0;
  OpFoldResult first, count, size;
  /// As f64: coordinate, floor of it, factor of the filter's argument.
  Value coordinate, base, filterScale;
  /// 1 / (sum of the weights), f64; null where they sum to 1.
  Value normalizer;
};

class ResizeEmitter {
public:
  ResizeEmitter(KernelBuilder &kb, nn::ResizeOp op)
      : kb(kb), b(kb.b), math(kb.math), op(op), real(b.getF64Type()) {
    element = op.getInput().getType().getElementType();
    accumulator =
        element.isF64() || element.isInteger(64) || element.isInteger(32)
            ? real
            : Type(b.getF32Type());
  }

  Value emit(ValueRange indices);

private:
  Value number(double value) { return emitConstant(b, real, value); }
  Value toReal(OpFoldResult size) {
    Value integer =
        arith::IndexCastOp::create(b, b.getI64Type(), math.value(size));
    return arith::SIToFPOp::create(b, real, integer);
  }
  Value toIndex(Value x) {
    // Only data can give a NaN or a coordinate that no i64 holds.
    Value integer =
        op.getRoi() || !op.getStaticScales()
            ? emitCast(b, x, real, b.getI64Type())
            : arith::FPToSIOp::create(b, b.getI64Type(), x).getResult();
    return arith::IndexCastOp::create(b, b.getIndexType(), integer);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value select(Value condition, Value yes, Value no) {
    return arith::SelectOp::create(b, condition, yes, no);
  }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, predicate, x, y);
  }

  /// Scale of axis number `i`, f64.
  Value emitScale(unsigned i) {
    if (op.getStaticScales()) {
      return number((*op.getStaticScales())[i]);
    }
    Value scale = cast<Value>(kb.index(OpFoldResult(op.getScales()[i])));
    return arith::ExtFOp::create(b, real, scale);
  }
  Value emitWidth(unsigned i, Value outputSize);
  Value emitCoordinate(unsigned i, Value index);
  Value emitCrop(unsigned i, Value x, Value inputSize, Value width);
  Value emitNearest(Value coordinate);
  Axis createAxis(unsigned i, Value index);
  void setStretchedFilter(Axis &axis, unsigned i, double support);
  /// Input index of a tap, clamped, and its weight before normalisation.
  Value emitPlace(const Axis &axis, Value tap);
  Value emitWeight(const Axis &axis, Value tap);
  Value emitCubic(Value distance);
  Value emitWeightSum(const Axis &axis);
  Value emitAxes(ArrayRef<Axis> axes, MutableArrayRef<Value> at);

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
  nn::ResizeOp op;
  Type real, element, accumulator;
  /// Whether the element lies outside the crop; null where nothing can.
  Value outside;
};

/// scale * size, which ONNX takes for the result's size where it is not whole;
/// the result's size where the two differ by rounding.
Value ResizeEmitter::emitWidth(unsigned i, Value outputSize) {
  int64_t dim = op.getAxes()[i];
  Value scaled = mul(emitScale(i), toReal(kb.size(op.getInput(), dim)));
  Value distance =
      ::mlir::math::AbsFOp::create(b, sub(scaled, outputSize)).getResult();
  Value isRounding = compare(arith::CmpFPredicate::OLT, distance,
                             mul(outputSize, number(1e-6)));
  return select(isRounding, outputSize, scaled);
}

Value ResizeEmitter::emitCrop(unsigned i, Value x, Value inputSize,
                              Value width) {
  auto roi = cast<TypedValue<RankedTensorType>>(op.getRoi());
  Type type = roi.getType().getElementType();
  auto load = [&](int64_t place) {
    return emitCast(b, kb.load(roi, math.value(place)), type, real);
  };
  Value start = load(i), end = load(op.getAxes().size() + i);
  Value one = number(1), last = sub(inputSize, one);
  Value span = mul(sub(end, start), last);
  Value isSingle = compare(arith::CmpFPredicate::OEQ, width, one);
  Value inside = select(isSingle, mul(span, number(0.5)),
                        div(mul(x, span), sub(width, one)));
  Value coordinate = add(inside, mul(start, last));
  Value below = compare(arith::CmpFPredicate::OLT, coordinate, number(0)),
        above = compare(arith::CmpFPredicate::OGT, coordinate, last);
  Value beyond = arith::OrIOp::create(b, below, above);
  outside =
      outside ? arith::OrIOp::create(b, outside, beyond).getResult() : beyond;
  return coordinate;
}

Value ResizeEmitter::emitCoordinate(unsigned i, Value index) {
  int64_t dim = op.getAxes()[i];
  Value x = toReal(index), one = number(1), half = number(0.5);
  Value scale = emitScale(i);
  Value inputSize = toReal(kb.size(op.getInput(), dim)),
        outputSize = toReal(kb.size(op.getResult(), dim));
  Value width = emitWidth(i, outputSize);
  Value byCentre = sub(div(add(x, half), scale), half);
  switch (op.getCoordinate()) {
  case nn::CoordinateMode::half_pixel:
    return byCentre;
  case nn::CoordinateMode::asymmetric:
    return div(x, scale);
  case nn::CoordinateMode::pytorch_half_pixel:
    return select(compare(arith::CmpFPredicate::OGT, outputSize, one), byCentre,
                  number(0));
  case nn::CoordinateMode::half_pixel_symmetric: {
    Value adjustment = sub(one, div(outputSize, width));
    return add(mul(mul(inputSize, half), adjustment), byCentre);
  }
  case nn::CoordinateMode::align_corners: {
    Value isSingle = compare(arith::CmpFPredicate::OEQ, width, one);
    Value stretched = div(mul(x, sub(inputSize, one)), sub(width, one));
    return select(isSingle, number(0), stretched);
  }
  case nn::CoordinateMode::tf_crop_and_resize:
    return emitCrop(i, x, inputSize, width);
  }
  llvm_unreachable("closed enum");
}

Value ResizeEmitter::emitNearest(Value x) {
  using ::mlir::math::CeilOp;
  using ::mlir::math::FloorOp;
  switch (op.getNearest()) {
  case nn::NearestMode::round_prefer_floor:
    return CeilOp::create(b, sub(x, number(0.5)));
  case nn::NearestMode::round_prefer_ceil:
    return FloorOp::create(b, add(x, number(0.5)));
  case nn::NearestMode::floor:
    return FloorOp::create(b, x);
  case nn::NearestMode::ceil:
    return CeilOp::create(b, x);
  }
  llvm_unreachable("closed enum");
}

/// Where the result is smaller, antialiasing widens the filter by the scale.
void ResizeEmitter::setStretchedFilter(Axis &axis, unsigned i, double support) {
  if (op.getStaticScales()) {
    double scale = std::min(1.0, (*op.getStaticScales())[i]);
    axis.filterScale = number(scale);
    axis.first =
        math.constant(static_cast<int64_t>(std::floor(-support / scale)) + 1);
    return;
  }
  axis.filterScale = arith::MinimumFOp::create(b, number(1), emitScale(i));
  Value reach =
      ::mlir::math::FloorOp::create(b, div(number(-support), axis.filterScale));
  axis.first = math.add(toIndex(reach), math.constant(1));
}

Axis ResizeEmitter::createAxis(unsigned i, Value index) {
  Axis axis;
  axis.dim = op.getAxes()[i];
  axis.size = kb.size(op.getInput(), axis.dim);
  axis.coordinate = emitCoordinate(i, index);
  if (op.getMode() == nn::ResizeMode::nearest) {
    axis.base = emitNearest(axis.coordinate);
    axis.first = math.constant(0);
    axis.count = math.constant(1);
    return axis;
  }
  axis.base = ::mlir::math::FloorOp::create(b, axis.coordinate);
  double support = op.getMode() == nn::ResizeMode::linear ? 1.0 : 2.0;
  axis.filterScale = number(1);
  axis.first = math.constant(1 - static_cast<int64_t>(support));
  if (op.getAntialias()) {
    setStretchedFilter(axis, i, support);
  }
  axis.count = math.sub(math.constant(2), math.mul(axis.first, 2));
  if (op.getExcludeOutside() || op.getAntialias()) {
    axis.normalizer = div(number(1), emitWeightSum(axis));
  }
  return axis;
}

/// floor(x) + first + tap, before clamping.
static Value emitTapIndex(KernelBuilder &kb, Value base, OpFoldResult first,
                          Value tap) {
  return kb.math.value(kb.math.add(base, kb.math.add(tap, first)));
}

Value ResizeEmitter::emitPlace(const Axis &axis, Value tap) {
  Value place = emitTapIndex(kb, toIndex(axis.base), axis.first, tap);
  OpFoldResult last = math.sub(axis.size, math.constant(1));
  return math.value(math.max(math.constant(0), math.min(place, last)));
}

/// The convolution kernel of Keys (1981) with parameter cubic_a.
Value ResizeEmitter::emitCubic(Value distance) {
  double a = op.getCubicA().convertToDouble();
  Value x = distance, one = number(1);
  Value near =
      add(mul(mul(sub(mul(number(a + 2), x), number(a + 3)), x), x), one);
  Value far =
      mul(number(a),
          sub(mul(add(mul(sub(x, number(5)), x), number(8)), x), number(4)));
  Value isNear = compare(arith::CmpFPredicate::OLE, x, one),
        isFar = compare(arith::CmpFPredicate::OLT, x, number(2));
  return select(isNear, near, select(isFar, far, number(0)));
}

Value ResizeEmitter::emitWeight(const Axis &axis, Value tap) {
  if (op.getMode() == nn::ResizeMode::nearest) {
    return number(1);
  }
  Value ratio = sub(axis.coordinate, axis.base);
  Value offset = toReal(math.add(tap, axis.first));
  Value distance = ::mlir::math::AbsFOp::create(
      b, mul(sub(offset, ratio), axis.filterScale));
  Value weight;
  if (op.getMode() == nn::ResizeMode::linear) {
    weight = arith::MaximumFOp::create(b, number(0), sub(number(1), distance));
  } else {
    weight = emitCubic(distance);
  }
  if (op.getExcludeOutside()) {
    Value place = emitTapIndex(kb, toIndex(axis.base), axis.first, tap);
    weight =
        select(emitInRange(kb, place, axis.size, nullptr), weight, number(0));
  }
  return weight;
}

Value ResizeEmitter::emitWeightSum(const Axis &axis) {
  return kernel::emitFor(b, math.constant(0), axis.count, math.constant(1),
                         number(0),
                         [&](Value tap, ValueRange sum) -> SmallVector<Value> {
                           return {add(sum[0], emitWeight(axis, tap))};
                         })[0];
}

Value ResizeEmitter::emitAxes(ArrayRef<Axis> axes, MutableArrayRef<Value> at) {
  if (axes.empty()) {
    Value input = kb.load(op.getInput(), at);
    return op.getMode() == nn::ResizeMode::nearest
               ? input
               : emitCast(b, input, element, accumulator);
  }
  const Axis &axis = axes.front();
  auto emitTap = [&](Value tap) -> Value {
    at[axis.dim] = emitPlace(axis, tap);
    Value inner = emitAxes(axes.drop_front(), at);
    if (op.getMode() == nn::ResizeMode::nearest) {
      return inner;
    }
    Value weight = emitWeight(axis, tap);
    weight = axis.normalizer ? mul(weight, axis.normalizer) : weight;
    return mul(inner, emitCast(b, weight, real, accumulator));
  };
  std::optional<int64_t> count = kernel::IndexMath::known(axis.count);
  if (count && *count <= kUnrolledTaps) {
    Value sum = emitTap(math.value(0));
    for (int64_t tap = 1; tap < *count; ++tap) {
      sum = add(sum, emitTap(math.value(tap)));
    }
    return sum;
  }
  return kernel::emitFor(b, math.constant(0), axis.count, math.constant(1),
                         emitConstant(b, accumulator, 0),
                         [&](Value tap, ValueRange sum) -> SmallVector<Value> {
                           KernelBuilder::MemoScope scope(kb);
                           return {add(sum[0], emitTap(tap))};
                         })[0];
}

Value ResizeEmitter::emit(ValueRange indices) {
  SmallVector<Axis> axes;
  for (auto [i, dim] : llvm::enumerate(op.getAxes())) {
    axes.push_back(createAxis(i, indices[dim]));
  }
  SmallVector<Value> at(indices);
  Value value = emitAxes(axes, at);
  if (op.getMode() != nn::ResizeMode::nearest) {
    value = emitCast(b, value, accumulator, element);
  }
  if (!outside) {
    return value;
  }
  Value extrapolation = emitCast(
      b, number(op.getExtrapolation().convertToDouble()), real, element);
  return select(outside, extrapolation, value);
}

} // namespace

Value emitResize(KernelBuilder &kb, nn::ResizeOp op, ValueRange indices) {
  return ResizeEmitter(kb, op).emit(indices);
}

} // namespace dlc
