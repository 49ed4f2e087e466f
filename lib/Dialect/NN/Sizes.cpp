// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic on static and run-time sizes.
#include "Dialect/NN/Sizes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace dlc::nn {

OpFoldResult sizeOf(OpBuilder &b, Location loc, Value tensor, int64_t dim) {
  return tensor::getMixedSize(b, loc, tensor, dim);
}

Sizes sizesOf(OpBuilder &b, Location loc, Value tensor) {
  return tensor::getMixedSizes(b, loc, tensor);
}

Sizes mixedSizes(OpBuilder &b, ArrayRef<int64_t> entries, ValueRange dynamic) {
  Sizes sizes;
  auto next = dynamic.begin();
  for (int64_t entry : entries) {
    if (ShapedType::isDynamic(entry)) {
      sizes.push_back(*next++);
    } else {
      sizes.push_back(b.getIndexAttr(entry));
    }
  }
  return sizes;
}

Sizes mixedSizes(OpBuilder &b, RankedTensorType type, ValueRange dynamic) {
  return mixedSizes(b, type.getShape(), dynamic);
}

SmallVector<int64_t> staticShape(ArrayRef<OpFoldResult> sizes) {
  return llvm::map_to_vector(sizes, [](OpFoldResult size) {
    return getConstantIntValue(size).value_or(ShapedType::kDynamic);
  });
}

SmallVector<Value> dynamicSizes(ArrayRef<OpFoldResult> sizes) {
  SmallVector<Value> values;
  for (OpFoldResult size : sizes) {
    if (!getConstantIntValue(size)) {
      values.push_back(cast<Value>(size));
    }
  }
  return values;
}

/// An affine.apply of `expr` over (s0, s1); falls back on nothing, since
/// callers keep it affine.
static OpFoldResult apply(OpBuilder &b, Location loc, AffineExpr expr,
                          OpFoldResult lhs, OpFoldResult rhs) {
  return affine::makeComposedFoldedAffineApply(
      b, loc, AffineMap::get(0, 2, expr), {lhs, rhs});
}

static bool isStatic(OpFoldResult size) {
  return getConstantIntValue(size).has_value();
}

template <typename ArithOp>
static OpFoldResult arithOp(OpBuilder &b, Location loc, OpFoldResult lhs,
                            OpFoldResult rhs) {
  return b.createOrFold<ArithOp>(loc,
                                 getValueOrCreateConstantIndexOp(b, loc, lhs),
                                 getValueOrCreateConstantIndexOp(b, loc, rhs));
}

OpFoldResult addSizes(OpBuilder &b, Location loc, OpFoldResult lhs,
                      OpFoldResult rhs) {
  return apply(b, loc, b.getAffineSymbolExpr(0) + b.getAffineSymbolExpr(1), lhs,
               rhs);
}

OpFoldResult subSizes(OpBuilder &b, Location loc, OpFoldResult lhs,
                      OpFoldResult rhs) {
  return apply(b, loc, b.getAffineSymbolExpr(0) - b.getAffineSymbolExpr(1), lhs,
               rhs);
}

OpFoldResult mulSizes(OpBuilder &b, Location loc, OpFoldResult lhs,
                      OpFoldResult rhs) {
  if (isStatic(lhs) || isStatic(rhs)) {
    return apply(b, loc, b.getAffineSymbolExpr(0) * b.getAffineSymbolExpr(1),
                 lhs, rhs);
  }
  return arithOp<arith::MulIOp>(b, loc, lhs, rhs);
}

OpFoldResult floorDivSizes(OpBuilder &b, Location loc, OpFoldResult lhs,
                           OpFoldResult rhs) {
  if (std::optional<int64_t> divisor = getConstantIntValue(rhs)) {
    return apply(b, loc, b.getAffineSymbolExpr(0).floorDiv(*divisor), lhs, rhs);
  }
  return arithOp<arith::FloorDivSIOp>(b, loc, lhs, rhs);
}

OpFoldResult ceilDivSizes(OpBuilder &b, Location loc, OpFoldResult lhs,
                          OpFoldResult rhs) {
  if (std::optional<int64_t> divisor = getConstantIntValue(rhs)) {
    return apply(b, loc, b.getAffineSymbolExpr(0).ceilDiv(*divisor), lhs, rhs);
  }
  return arithOp<arith::CeilDivSIOp>(b, loc, lhs, rhs);
}

OpFoldResult minSizes(OpBuilder &b, Location loc, OpFoldResult lhs,
                      OpFoldResult rhs) {
  if (isStatic(lhs) && isStatic(rhs)) {
    return b.getIndexAttr(
        std::min(*getConstantIntValue(lhs), *getConstantIntValue(rhs)));
  }
  return arithOp<arith::MinSIOp>(b, loc, lhs, rhs);
}

OpFoldResult maxSizes(OpBuilder &b, Location loc, OpFoldResult lhs,
                      OpFoldResult rhs) {
  if (isStatic(lhs) && isStatic(rhs)) {
    return b.getIndexAttr(
        std::max(*getConstantIntValue(lhs), *getConstantIntValue(rhs)));
  }
  return arithOp<arith::MaxSIOp>(b, loc, lhs, rhs);
}

OpFoldResult productOf(OpBuilder &b, Location loc,
                       ArrayRef<OpFoldResult> sizes) {
  OpFoldResult product = b.getIndexAttr(1);
  for (OpFoldResult size : sizes) {
    product = mulSizes(b, loc, product, size);
  }
  return product;
}

/// (kernel - 1) * dilation + 1.
static OpFoldResult effectiveKernel(OpBuilder &b, Location loc,
                                    OpFoldResult kernel, int64_t dilation) {
  OpFoldResult span =
      mulSizes(b, loc, subSizes(b, loc, kernel, b.getIndexAttr(1)),
               b.getIndexAttr(dilation));
  return addSizes(b, loc, span, b.getIndexAttr(1));
}

OpFoldResult windowSize(OpBuilder &b, Location loc, OpFoldResult input,
                        OpFoldResult low, OpFoldResult high,
                        OpFoldResult kernel, int64_t stride, int64_t dilation,
                        bool ceil) {
  OpFoldResult one = b.getIndexAttr(1), step = b.getIndexAttr(stride);
  OpFoldResult padded = addSizes(b, loc, addSizes(b, loc, input, low), high);
  OpFoldResult room =
      subSizes(b, loc, padded, effectiveKernel(b, loc, kernel, dilation));
  if (!ceil) {
    return addSizes(b, loc, floorDivSizes(b, loc, room, step), one);
  }
  OpFoldResult rounded =
      addSizes(b, loc, ceilDivSizes(b, loc, room, step), one);
  // The last window must start inside the input or the low pad.
  OpFoldResult starts =
      ceilDivSizes(b, loc, addSizes(b, loc, input, low), step);
  return minSizes(b, loc, rounded, starts);
}

OpFoldResult transposedWindowSize(OpBuilder &b, Location loc,
                                  OpFoldResult input, OpFoldResult low,
                                  OpFoldResult high, OpFoldResult kernel,
                                  int64_t stride, int64_t dilation,
                                  int64_t outputPadding) {
  OpFoldResult spread =
      mulSizes(b, loc, subSizes(b, loc, input, b.getIndexAttr(1)),
               b.getIndexAttr(stride));
  OpFoldResult full =
      addSizes(b, loc, spread, effectiveKernel(b, loc, kernel, dilation));
  OpFoldResult cropped = subSizes(b, loc, subSizes(b, loc, full, low), high);
  return addSizes(b, loc, cropped, b.getIndexAttr(outputPadding));
}

} // namespace dlc::nn
