// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Elementwise and view ops as index functions: the element of a result at given
// indices, as code on elements of the operands. This is how producers fuse into
// the loops of their consumers.
#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/Indexing.h"
#include "Dialect/NN/Support.h"
#include "mlir/IR/Matchers.h"

#include <numeric>

using namespace mlir;

namespace dlc {

namespace {

/// The index functions of one kernel.
class IndexFunctions {
public:
  explicit IndexFunctions(KernelBuilder &kb) : kb(kb), b(kb.b), math(kb.math) {}

  Value constant(arith::ConstantOp op);
  Value fromElements(tensor::FromElementsOp op, ValueRange indices);
  Value elementwise(nn::ElementwiseOp op, ValueRange indices);
  Value cast(nn::CastOp op, ValueRange indices);
  Value iota(nn::IotaOp op, ValueRange indices);
  Value broadcast(nn::BroadcastOp op, ValueRange indices);
  Value transpose(nn::TransposeOp op, ValueRange indices);
  Value slice(nn::SliceOp op, ValueRange indices);
  Value reshape(nn::ReshapeOp op, ValueRange indices);
  Value pad(nn::PadOp op, ValueRange indices);
  Value gather(nn::GatherOp op, ValueRange indices);
  Value rotary(nn::RotaryOp op, ValueRange indices);
  Value batchNorm(nn::BatchNormOp op, ValueRange indices);
  Value quantize(nn::QuantizeOp op, ValueRange indices);
  Value dequantize(nn::DequantizeOp op, ValueRange indices);

private:
  Value zero() { return math.value(0); }
  Value value(OpFoldResult size) { return math.value(size); }
  /// Index into an operand's dim that may have size 1 where the result's has
  /// not.
  Value broadcastIndex(Value operand, int64_t dim, Value index, bool mayBeOne);
  /// Where padded coordinate `index - low` falls inside a dim of `size`; sets
  /// `inside` for mode constant.
  Value padIndex(nn::PadMode mode, Value position, Value size, Value &inside);
  /// The indices of a quantisation parameter for element `indices` of the
  /// input.
  SmallVector<Value> quantIndices(Value parameter, int64_t axis, int64_t block,
                                  ValueRange indices);
  /// Loads under a condition, else gives `otherwise`: for places that may not
  /// exist.
  Value guardedLoad(Value condition, Value tensor, ValueRange indices,
                    Value otherwise);
  /// Whether guardedLoad reads in any case, so that the indices must exist: on
  /// a GPU neighbours are read at once, which branches between them prevent.
  bool readsAlways(RankedTensorType type) {
    return kb.target.isScalar() && type.hasStaticShape() &&
           type.getNumElements() > 0;
  }
  Value clamp(Value index, OpFoldResult size) {
    return value(math.max(math.constant(0),
                          math.min(index, math.sub(size, math.constant(1)))));
  }

  KernelBuilder &kb;
  ImplicitLocOpBuilder &b;
  kernel::IndexMath &math;
};

Type elementOf(Value tensor) {
  return llvm::cast<RankedTensorType>(tensor.getType()).getElementType();
}

Value IndexFunctions::constant(arith::ConstantOp op) {
  auto elements = llvm::cast<DenseElementsAttr>(op.getValue());
  auto attr = elements.getSplatValue<Attribute>();
  Type code = getCodeType(elements.getElementType());
  if (auto integer = dyn_cast<IntegerAttr>(attr)) {
    return arith::ConstantOp::create(
        b, b.getIntegerAttr(code, integer.getValue()));
  }
  if (nn::isFloat8(elements.getElementType())) {
    APInt bits = llvm::cast<FloatAttr>(attr).getValue().bitcastToAPInt();
    return arith::ConstantOp::create(b, b.getIntegerAttr(code, bits));
  }
  return arith::ConstantOp::create(b, llvm::cast<TypedAttr>(attr));
}

/// Numbers that the host computed; few, so that a chain of selections will do.
Value IndexFunctions::fromElements(tensor::FromElementsOp op,
                                   ValueRange indices) {
  OpFoldResult place = math.constant(0);
  for (auto [index, size] : llvm::zip_equal(indices, op.getType().getShape())) {
    place = math.add(math.mul(place, math.constant(size)), index);
  }
  Value result = kb.scalar(op.getElements().back());
  for (int64_t i = op.getElements().size() - 2; i >= 0; --i) {
    result = arith::SelectOp::create(b, math.equal(place, math.constant(i)),
                                     kb.scalar(op.getElements()[i]), result);
  }
  return result;
}

Value IndexFunctions::broadcastIndex(Value operand, int64_t dim, Value index,
                                     bool mayBeOne) {
  if (llvm::cast<RankedTensorType>(operand.getType()).getDimSize(dim) == 1) {
    return zero();
  }
  if (!mayBeOne) {
    return index;
  }
  Value isOne = math.equal(kb.size(operand, dim), math.constant(1));
  return arith::SelectOp::create(b, isOne, zero(), index);
}

Value IndexFunctions::elementwise(nn::ElementwiseOp op, ValueRange indices) {
  SmallVector<Value> elements;
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    SmallVector<Value> at;
    for (auto [dim, index] : llvm::enumerate(indices)) {
      at.push_back(broadcastIndex(input, dim, index, op.mayBroadcast(i, dim)));
    }
    elements.push_back(kb.load(input, at));
  }
  Type element = elementOf(op.getFn() == nn::Fn::select ? op.getInputs()[1]
                                                        : op.getInputs()[0]);
  return emitElementwise(b, op.getFn(), elements, op.getParamsAttr(), element,
                         elementOf(op.getResult()));
}

Value IndexFunctions::cast(nn::CastOp op, ValueRange indices) {
  return emitCast(b, kb.load(op.getInput(), indices), elementOf(op.getInput()),
                  elementOf(op.getResult()), op.getSaturate().value_or(true));
}

Value IndexFunctions::iota(nn::IotaOp op, ValueRange indices) {
  Value integer =
      arith::IndexCastOp::create(b, b.getI64Type(), indices[op.getDim()]);
  return emitCast(b, integer, b.getI64Type(), elementOf(op.getResult()));
}

Value IndexFunctions::broadcast(nn::BroadcastOp op, ValueRange indices) {
  ArrayRef<int64_t> flagged =
      op.getMaybeBroadcast().value_or(ArrayRef<int64_t>());
  SmallVector<Value> at;
  for (auto [dim, index] : llvm::enumerate(indices)) {
    at.push_back(
        broadcastIndex(op.getInput(), dim, index,
                       llvm::is_contained(flagged, static_cast<int64_t>(dim))));
  }
  return kb.load(op.getInput(), at);
}

Value IndexFunctions::transpose(nn::TransposeOp op, ValueRange indices) {
  SmallVector<Value> at(indices.size());
  for (auto [i, dim] : llvm::enumerate(op.getPermutation())) {
    at[dim] = indices[i];
  }
  return kb.load(op.getInput(), at);
}

Value IndexFunctions::slice(nn::SliceOp op, ValueRange indices) {
  SmallVector<Value> at;
  for (auto [index, offset, stride] :
       llvm::zip_equal(indices, op.getMixedOffsets(), op.getMixedStrides())) {
    OpFoldResult step = math.mul(index, kb.index(stride));
    at.push_back(value(math.add(kb.index(offset), step)));
  }
  return kb.load(op.getInput(), at);
}

Value IndexFunctions::reshape(nn::ReshapeOp op, ValueRange indices) {
  nn::Sizes from = kb.sizes(op.getResult()), to = kb.sizes(op.getInput());
  OpFoldResult linear = math.constant(0);
  for (auto [index, size] : llvm::zip_equal(indices, from)) {
    linear = math.add(math.mul(linear, size), index);
  }
  SmallVector<Value> at;
  for (OpFoldResult index : kernel::delinearize(math, linear, to)) {
    at.push_back(value(index));
  }
  return kb.load(op.getInput(), at);
}

Value IndexFunctions::guardedLoad(Value condition, Value tensor,
                                  ValueRange indices, Value otherwise) {
  if (readsAlways(llvm::cast<RankedTensorType>(tensor.getType()))) {
    return arith::SelectOp::create(b, condition, kb.load(tensor, indices),
                                   otherwise);
  }
  KernelBuilder::MemoScope scope(kb);
  return kernel::emitIf(
      b, condition, otherwise.getType(),
      [&] { return SmallVector<Value>{kb.load(tensor, indices)}; },
      [&] { return SmallVector<Value>{otherwise}; })[0];
}

Value IndexFunctions::padIndex(nn::PadMode mode, Value position, Value size,
                               Value &inside) {
  Value last = value(math.sub(size, math.constant(1)));
  switch (mode) {
  case nn::PadMode::constant: {
    Value inRange =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ult, position, size);
    inside =
        inside ? Value(arith::AndIOp::create(b, inside, inRange)) : inRange;
    return position;
  }
  case nn::PadMode::edge:
    return value(math.max(math.constant(0), math.min(position, last)));
  case nn::PadMode::reflect: { // |position|, then last - |last - position|
    Value mirrored = ::mlir::math::AbsIOp::create(b, position);
    Value beyond =
        ::mlir::math::AbsIOp::create(b, value(math.sub(last, mirrored)));
    return value(math.sub(last, beyond));
  }
  case nn::PadMode::wrap: {
    Value below =
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, position, zero());
    Value above =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, position, size);
    Value raised = arith::SelectOp::create(
        b, below, value(math.add(position, size)), position);
    return arith::SelectOp::create(b, above, value(math.sub(position, size)),
                                   raised);
  }
  }
  llvm_unreachable("closed enum");
}

Value IndexFunctions::pad(nn::PadOp op, ValueRange indices) {
  SmallVector<Value> at;
  Value inside;
  SmallVector<OpFoldResult> low = op.getMixedLow();
  bool isClamped = op.getMode() == nn::PadMode::constant &&
                   readsAlways(op.getInput().getType());
  for (auto [dim, index] : llvm::enumerate(indices)) {
    bool untouched =
        op.getStaticLow()[dim] == 0 && op.getStaticHigh()[dim] == 0;
    Value position = value(math.sub(index, kb.index(low[dim])));
    at.push_back(untouched
                     ? index
                     : padIndex(op.getMode(), position,
                                value(kb.size(op.getInput(), dim)), inside));
    if (isClamped && !untouched) {
      at.back() = clamp(position, kb.size(op.getInput(), dim));
    }
  }
  if (!inside) {
    return kb.load(op.getInput(), at);
  }
  Type type = getCodeType(elementOf(op.getResult()));
  SmallVector<Value> origin(
      op.getValue()
          ? llvm::cast<RankedTensorType>(op.getValue().getType()).getRank()
          : 0,
      zero());
  Value border =
      op.getValue() ? kb.load(op.getValue(), origin) : emitConstant(b, type, 0);
  return guardedLoad(inside, op.getInput(), at, border);
}

Value IndexFunctions::gather(nn::GatherOp op, ValueRange indices) {
  SmallVector<Value> others = emitMap(kb, op.getInputMap(), indices);
  auto inputRank = op.getInput().getType().getRank();
  SmallVector<Value> at(inputRank);
  Value inside;
  for (auto [i, dim] : llvm::enumerate(op.getIndexedDims())) {
    OpFoldResult size = kb.size(op.getInput(), dim);
    Value index = emitLoadedIndex(kb, op.getIndices()[i],
                                  emitMap(kb, op.getIndexMap(i), indices), size,
                                  op.getNegativeWrap());
    if (op.getBounds() == nn::BoundsMode::zero) {
      inside = emitInRange(kb, index, size, inside);
    }
    if (op.getBounds() != nn::BoundsMode::zero ||
        readsAlways(op.getInput().getType())) {
      // Also where an index out of range is the caller's error: memory stays
      // safe.
      index = clamp(index, size);
    }
    at[dim] = index;
  }
  auto next = others.begin();
  for (Value &index : at) {
    index = index ? index : *next++;
  }
  if (!inside) {
    return kb.load(op.getInput(), at);
  }
  Value nothing = emitConstant(b, getCodeType(elementOf(op.getResult())), 0);
  return guardedLoad(inside, op.getInput(), at, nothing);
}

/// The remainder by 2 of an index, known where it is a neighbour in a vector:
/// a multiple of the vector's width and a constant.
static std::optional<int64_t> getParity(Value index) {
  if (std::optional<int64_t> known = getConstantIntValue(index)) {
    return *known % 2;
  }
  if (auto sum = index.getDefiningOp<arith::AddIOp>()) {
    std::optional<int64_t> x = getParity(sum.getLhs()),
                           y = getParity(sum.getRhs());
    return x && y ? std::optional((*x + *y) % 2) : std::nullopt;
  }
  auto product = index.getDefiningOp<arith::MulIOp>();
  bool isEven = product && (getParity(product.getLhs()) == 0 ||
                            getParity(product.getRhs()) == 0);
  return isEven ? std::optional<int64_t>(0) : std::nullopt;
}

Value IndexFunctions::rotary(nn::RotaryOp op, ValueRange indices) {
  int64_t dim = op.getDim();
  OpFoldResult width = kb.size(op.getCos(), dim);
  Value index = indices[dim], two = math.value(2);
  // Neighbours of one vector are all first ones, or all second ones, of their
  // pairs. Asked of the vector's beginning, LLVM sees that what they are turned
  // with lies side by side, too.
  constexpr int64_t kMaxVector = 16;
  std::optional<int64_t> known = kernel::IndexMath::known(width);
  OpFoldResult unit = math.constant(std::gcd(known.value_or(1), kMaxVector));
  Value begin = value(math.mul(math.div(index, unit), unit));
  OpFoldResult ofPairs = math.mul(width, 2);
  bool isWhole =
      isEqualConstantIntOrValue(ofPairs, kb.size(op.getInput(), dim));
  Value rotated = isWhole ? arith::ConstantIntOp::create(b, 1, 1).getResult()
                          : math.less(begin, ofPairs);
  Value isSecond, pair;
  OpFoldResult distance;
  auto select = [&](Value condition, OpFoldResult yes, OpFoldResult no) {
    return b.createOrFold<arith::SelectOp>(condition, value(yes), value(no));
  };
  auto minus = [&](OpFoldResult x) { return math.sub(math.constant(0), x); };
  if (op.getInterleaved()) {
    // Known, it shows LLVM which elements are the partners of their partners.
    std::optional<int64_t> parity = getParity(index);
    isSecond = parity ? arith::ConstantIntOp::create(b, *parity, 1)
                      : math.equal(math.rem(index, two), math.constant(1));
    pair = select(rotated, math.div(index, two), math.constant(0));
    distance = math.constant(1);
  } else {
    isSecond = math.lessEqual(width, begin);
    Value back = select(isSecond, minus(width), math.constant(0));
    pair = value(math.add(index, select(rotated, back, minus(begin))));
    distance = width;
  }
  Value toPartner = select(isSecond, minus(distance), distance);
  Value partner =
      value(math.add(index, select(rotated, toPartner, math.constant(0))));

  SmallVector<Value> other(indices), table(indices);
  other[dim] = partner;
  table[dim] = pair;
  auto tableIndex = [&](Value operand) {
    SmallVector<Value> at;
    for (auto [i, at_i] : llvm::enumerate(table)) {
      at.push_back(broadcastIndex(operand, i, at_i, false));
    }
    return at;
  };
  Value self = kb.load(op.getInput(), indices),
        mate = kb.load(op.getInput(), other);
  Value cos = kb.load(op.getCos(), tableIndex(op.getCos())),
        sin = kb.load(op.getSin(), tableIndex(op.getSin()));
  // First of a pair: x1 cos - x2 sin; second: x2 cos + x1 sin.
  Value signedSin =
      arith::SelectOp::create(b, isSecond, sin, arith::NegFOp::create(b, sin));
  Value turned =
      arith::AddFOp::create(b, arith::MulFOp::create(b, self, cos),
                            arith::MulFOp::create(b, mate, signedSin));
  return arith::SelectOp::create(b, rotated, turned, self);
}

Value IndexFunctions::batchNorm(nn::BatchNormOp op, ValueRange indices) {
  Value channel = indices[op.getChannelDim()];
  auto vector = [&](Value tensor) { return kb.load(tensor, channel); };
  Value variance = vector(op.getVariance());
  Value epsilon =
      emitConstant(b, variance.getType(), op.getEpsilon().convertToDouble());
  Value deviation = ::mlir::math::SqrtOp::create(
      b, arith::AddFOp::create(b, variance, epsilon));
  Value factor = arith::DivFOp::create(b, vector(op.getScale()), deviation);
  Value centred = arith::SubFOp::create(b, kb.load(op.getInput(), indices),
                                        vector(op.getMean()));
  return arith::AddFOp::create(b, arith::MulFOp::create(b, centred, factor),
                               vector(op.getBias()));
}

SmallVector<Value> IndexFunctions::quantIndices(Value parameter, int64_t axis,
                                                int64_t block,
                                                ValueRange indices) {
  auto type = llvm::cast<RankedTensorType>(parameter.getType());
  if (type.getRank() == 0) {
    return {};
  }
  if (block > 0) {
    SmallVector<Value> at(indices);
    at[axis] = value(math.div(indices[axis], math.constant(block)));
    return at;
  }
  return {type.getDimSize(0) == 1 ? zero() : indices[axis]};
}

Value IndexFunctions::quantize(nn::QuantizeOp op, ValueRange indices) {
  SmallVector<Value> at =
      quantIndices(op.getScale(), op.getAxis(), op.getBlock(), indices);
  Type target = elementOf(op.getResult());
  Value x = emitCast(b, kb.load(op.getInput(), indices),
                     elementOf(op.getInput()), b.getF32Type());
  Value scale = emitCast(b, kb.load(op.getScale(), at),
                         elementOf(op.getScale()), b.getF32Type());
  Value rounded = arith::DivFOp::create(b, x, scale);
  if (!isa<FloatType>(target)) {
    rounded = ::mlir::math::RoundEvenOp::create(b, rounded);
  }
  if (op.getZeroPoint()) {
    Value zeroPoint =
        emitCast(b, kb.load(op.getZeroPoint(), at), target, b.getF32Type());
    rounded = arith::AddFOp::create(b, rounded, zeroPoint);
  }
  return emitCast(b, rounded, b.getF32Type(), target, op.getSaturate());
}

Value IndexFunctions::dequantize(nn::DequantizeOp op, ValueRange indices) {
  SmallVector<Value> at =
      quantIndices(op.getScale(), op.getAxis(), op.getBlock(), indices);
  Type source = elementOf(op.getInput()), target = elementOf(op.getResult());
  Value x =
      emitCast(b, kb.load(op.getInput(), indices), source, b.getF32Type());
  if (op.getZeroPoint()) {
    Value zeroPoint =
        emitCast(b, kb.load(op.getZeroPoint(), at), source, b.getF32Type());
    x = arith::SubFOp::create(b, x, zeroPoint);
  }
  Value scale = emitCast(b, kb.load(op.getScale(), at),
                         elementOf(op.getScale()), b.getF32Type());
  return emitCast(b, arith::MulFOp::create(b, x, scale), b.getF32Type(),
                  target);
}

} // namespace

Value KernelBuilder::loadUncached(Value tensor, ValueRange indices) {
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    auto found = inputPlaces.find(argument);
    SmallVector<Value> at = found != inputPlaces.end() && found->second
                                ? found->second(indices)
                                : SmallVector<Value>(indices);
    return memref::LoadOp::create(b, viewInput(argument), at);
  }
  IndexFunctions functions(*this);
  return llvm::TypeSwitch<Operation *, Value>(tensor.getDefiningOp())
      .Case<arith::ConstantOp>([&](auto op) { return functions.constant(op); })
      .Case<tensor::FromElementsOp>(
          [&](auto op) { return functions.fromElements(op, indices); })
      .Case<nn::ElementwiseOp>(
          [&](auto op) { return functions.elementwise(op, indices); })
      .Case<nn::CastOp>([&](auto op) { return functions.cast(op, indices); })
      .Case<nn::IotaOp>([&](auto op) { return functions.iota(op, indices); })
      .Case<nn::BroadcastOp>(
          [&](auto op) { return functions.broadcast(op, indices); })
      .Case<nn::TransposeOp>(
          [&](auto op) { return functions.transpose(op, indices); })
      .Case<nn::SliceOp>([&](auto op) { return functions.slice(op, indices); })
      .Case<nn::ReshapeOp>(
          [&](auto op) { return functions.reshape(op, indices); })
      .Case<nn::PadOp>([&](auto op) { return functions.pad(op, indices); })
      .Case<nn::GatherOp>(
          [&](auto op) { return functions.gather(op, indices); })
      .Case<nn::RotaryOp>(
          [&](auto op) { return functions.rotary(op, indices); })
      .Case<nn::BatchNormOp>(
          [&](auto op) { return functions.batchNorm(op, indices); })
      .Case<nn::QuantizeOp>(
          [&](auto op) { return functions.quantize(op, indices); })
      .Case<nn::DequantizeOp>(
          [&](auto op) { return functions.dequantize(op, indices); })
      .Case<nn::InsertSliceOp>(
          [&](auto op) { return emitInsertSlice(*this, op, indices); })
      .Case<nn::CacheUpdateOp>(
          [&](auto op) { return emitCacheUpdate(*this, op, indices); })
      .Case<nn::ResizeOp>(
          [&](auto op) { return emitResize(*this, op, indices); })
      .Default([](Operation *) -> Value {
        llvm_unreachable("a dispatch holds one root and index functions");
      });
}

} // namespace dlc
