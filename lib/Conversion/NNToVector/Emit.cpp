// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Index arithmetic, structured control flow and vector accesses shared by the
// kernel emitters.
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Epilogue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <algorithm>

using namespace mlir;
using namespace dlc::kernel;

//===--- Index arithmetic -------------------------------------------------===//

Value IndexMath::value(Size size) const {
  if (auto value = dyn_cast<Value>(size))
    return value;
  return arith::ConstantIndexOp::create(b, *known(size));
}

template <typename Op, typename Fold>
IndexMath::Size IndexMath::binary(Size x, Size y, Fold fold) const {
  std::optional<int64_t> knownX = known(x), knownY = known(y);
  if (knownX && knownY)
    return constant(fold(*knownX, *knownY));
  return Op::create(b, value(x), value(y)).getResult();
}

IndexMath::Size IndexMath::add(Size x, Size y) const {
  if (isKnown(x, 0))
    return y;
  if (isKnown(y, 0))
    return x;
  return binary<arith::AddIOp>(x, y, std::plus<int64_t>());
}

IndexMath::Size IndexMath::sub(Size x, Size y) const {
  if (isKnown(y, 0))
    return x;
  return binary<arith::SubIOp>(x, y, std::minus<int64_t>());
}

IndexMath::Size IndexMath::mul(Size x, Size y) const {
  if (isKnown(x, 0) || isKnown(y, 0))
    return constant(0);
  if (isKnown(x, 1))
    return y;
  if (isKnown(y, 1))
    return x;
  return binary<arith::MulIOp>(x, y, std::multiplies<int64_t>());
}

IndexMath::Size IndexMath::min(Size x, Size y) const {
  return binary<arith::MinSIOp>(
      x, y, [](int64_t p, int64_t q) { return std::min(p, q); });
}

IndexMath::Size IndexMath::max(Size x, Size y) const {
  return binary<arith::MaxSIOp>(
      x, y, [](int64_t p, int64_t q) { return std::max(p, q); });
}

IndexMath::Size IndexMath::div(Size x, Size y) const {
  if (isKnown(y, 1))
    return x;
  return binary<arith::DivUIOp>(x, y, std::divides<int64_t>());
}

IndexMath::Size IndexMath::rem(Size x, Size y) const {
  if (isKnown(y, 1))
    return constant(0);
  return binary<arith::RemUIOp>(x, y, std::modulus<int64_t>());
}

IndexMath::Size IndexMath::ceilDiv(Size x, Size y) const {
  return div(add(x, sub(y, constant(1))), y);
}

IndexMath::Size IndexMath::roundUp(Size x, int64_t multiple) const {
  return mul(ceilDiv(x, constant(multiple)), multiple);
}

static Value compare(ImplicitLocOpBuilder &b, const IndexMath &math,
                     arith::CmpIPredicate predicate, OpFoldResult x,
                     OpFoldResult y) {
  return b.createOrFold<arith::CmpIOp>(predicate, math.value(x), math.value(y));
}

Value IndexMath::less(Size x, Size y) const {
  return compare(b, *this, arith::CmpIPredicate::slt, x, y);
}

Value IndexMath::lessEqual(Size x, Size y) const {
  return compare(b, *this, arith::CmpIPredicate::sle, x, y);
}

Value IndexMath::equal(Size x, Size y) const {
  return compare(b, *this, arith::CmpIPredicate::eq, x, y);
}

SmallVector<OpFoldResult>
dlc::kernel::delinearize(const IndexMath &math, OpFoldResult linear,
                         ArrayRef<OpFoldResult> sizes) {
  SmallVector<OpFoldResult> indices(sizes.size());
  for (size_t i = sizes.size(); i-- > 1;) {
    indices[i] = math.rem(linear, sizes[i]);
    linear = math.div(linear, sizes[i]);
  }
  if (!sizes.empty())
    indices[0] = linear;
  return indices;
}

//===--- Control flow -----------------------------------------------------===//

SmallVector<Value> dlc::kernel::emitFor(ImplicitLocOpBuilder &b,
                                        OpFoldResult lower, OpFoldResult upper,
                                        OpFoldResult step, ValueRange carried,
                                        const LoopBody &body) {
  IndexMath math(b);
  auto low = IndexMath::known(lower), high = IndexMath::known(upper),
       by = IndexMath::known(step);
  if (low && high && *low >= *high)
    return llvm::to_vector(carried);
  if (low && high && by && *low + *by >= *high)
    return body(math.value(lower), carried);
  auto loop = scf::ForOp::create(b, math.value(lower), math.value(upper),
                                 math.value(step), carried);
  OpBuilder::InsertionGuard guard(b);
  // The builder of scf.for ends an empty loop without carried values itself.
  if (carried.empty()) {
    b.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar(), {});
  } else {
    b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> next =
        body(loop.getInductionVar(), loop.getRegionIterArgs());
    scf::YieldOp::create(b, next);
  }
  return llvm::to_vector_of<Value>(loop.getResults());
}

void dlc::kernel::emitFor(ImplicitLocOpBuilder &b, OpFoldResult lower,
                          OpFoldResult upper, OpFoldResult step,
                          const std::function<void(Value)> &body) {
  emitFor(b, lower, upper, step, ValueRange(),
          [&](Value iv, ValueRange) -> SmallVector<Value> {
            body(iv);
            return {};
          });
}

SmallVector<Value>
dlc::kernel::emitIf(ImplicitLocOpBuilder &b, Value condition, TypeRange types,
                    const std::function<SmallVector<Value>()> &then,
                    const std::function<SmallVector<Value>()> &otherwise) {
  if (std::optional<int64_t> known = getConstantIntValue(condition))
    return *known ? then() : otherwise();
  auto branch = scf::IfOp::create(b, types, condition,
                                  /*addThenBlock=*/true,
                                  /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, then());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, otherwise());
  return llvm::to_vector_of<Value>(branch.getResults());
}

void dlc::kernel::emitIf(ImplicitLocOpBuilder &b, Value condition,
                         const std::function<void()> &then,
                         const std::function<void()> &otherwise) {
  auto run = [](const std::function<void()> &body) -> SmallVector<Value> {
    if (body)
      body();
    return {};
  };
  emitIf(
      b, condition, TypeRange(), [&] { return run(then); },
      [&] { return run(otherwise); });
}

//===--- Memory and vectors
//------------------------------------------------===//

// Sizes of a flat view are never checked, but must not wrap when scaled to
// bytes.
static constexpr int64_t kUnbounded = int64_t(1) << 48;

Value dlc::kernel::flatten(ImplicitLocOpBuilder &b, Value base) {
  auto type = cast<MemRefType>(base.getType());
  auto flat = MemRefType::get({ShapedType::kDynamic}, type.getElementType());
  if (type == flat)
    return base;
  IndexMath math(b);
  return memref::ReinterpretCastOp::create(
      b, flat, base, /*offset=*/OpFoldResult(b.getIndexAttr(0)),
      /*sizes=*/ArrayRef<OpFoldResult>{math.value(kUnbounded)},
      /*strides=*/ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
}

Value dlc::kernel::scratchView(ImplicitLocOpBuilder &b, Value scratch,
                               OpFoldResult byteOffset, Type element) {
  IndexMath math(b);
  Value bytes = flatten(b, scratch);
  auto type = MemRefType::get({ShapedType::kDynamic}, element);
  return memref::ViewOp::create(b, type, bytes, math.value(byteOffset),
                                ValueRange(math.value(kUnbounded / 8)));
}

Value dlc::kernel::zeroOf(ImplicitLocOpBuilder &b, Type type) {
  return arith::ConstantOp::create(b, b.getZeroAttr(type));
}

Value dlc::kernel::lanesBelow(ImplicitLocOpBuilder &b, int64_t lanes,
                              OpFoldResult count) {
  auto type = VectorType::get({lanes}, b.getI1Type());
  return vector::CreateMaskOp::create(b, type,
                                      ValueRange(IndexMath(b).value(count)));
}

Value dlc::kernel::loadVector(ImplicitLocOpBuilder &b, Value flat, Value index,
                              int64_t lanes, Value mask) {
  Type element = cast<MemRefType>(flat.getType()).getElementType();
  auto type = VectorType::get({lanes}, element);
  if (!mask)
    return vector::LoadOp::create(b, type, flat, ValueRange(index));
  return vector::MaskedLoadOp::create(b, type, flat, ValueRange(index), mask,
                                      zeroOf(b, type));
}

void dlc::kernel::storeVector(ImplicitLocOpBuilder &b, Value vector, Value flat,
                              Value index, Value mask) {
  if (mask)
    vector::MaskedStoreOp::create(b, flat, ValueRange(index), mask, vector);
  else
    vector::StoreOp::create(b, vector, flat, ValueRange(index));
}

Value dlc::kernel::convertElement(ImplicitLocOpBuilder &b, Value value,
                                  Type element, bool isUnsigned) {
  Type from = getElementTypeOrSelf(value.getType());
  if (from == element)
    return value;
  Type type = element;
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    type = vector.clone(element);
  bool widens = element.getIntOrFloatBitWidth() > from.getIntOrFloatBitWidth();
  if (isa<FloatType>(element))
    return widens ? arith::ExtFOp::create(b, type, value).getResult()
                  : arith::TruncFOp::create(b, type, value).getResult();
  if (!widens)
    return arith::TruncIOp::create(b, type, value);
  return isUnsigned ? arith::ExtUIOp::create(b, type, value).getResult()
                    : arith::ExtSIOp::create(b, type, value).getResult();
}
