// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// reshape, transpose, broadcast, slice, insert_slice, pad, concat.
#include "Verify.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole ReshapeOp::getFusionRole() { return FusionRole::View; }
FusionRole TransposeOp::getFusionRole() { return FusionRole::View; }
FusionRole BroadcastOp::getFusionRole() { return FusionRole::View; }
FusionRole SliceOp::getFusionRole() { return FusionRole::View; }
FusionRole InsertSliceOp::getFusionRole() { return FusionRole::View; }
FusionRole PadOp::getFusionRole() { return FusionRole::View; }
FusionRole ConcatOp::getFusionRole() { return FusionRole::View; }

//===-- reshape
//-----------------------------------------------------------------------------------===//

LogicalResult ReshapeOp::verify() {
  RankedTensorType input = getInput().getType(), result = getResult().getType();
  if (failed(verifySizeCount(*this, result, getSizes().size())) ||
      failed(verifyElementType(*this, "result", result.getElementType(),
                               input.getElementType()))) {
    return failure();
  }
  if (input.hasStaticShape() && result.hasStaticShape() &&
      input.getNumElements() != result.getNumElements()) { // c1
    return emitOpError() << "expected " << input.getNumElements()
                         << " elements, got " << result.getNumElements();
  }
  return success();
}

LogicalResult ReshapeOp::reifyResultShapes(OpBuilder &b,
                                           ReifiedRankedShapedTypeDims &dims) {
  appendShape(b, getResult(), mixedSizes(b, getResult().getType(), getSizes()),
              dims);
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType() && getType().hasStaticShape()) {
    return getInput();
  }
  auto elements = dyn_cast_if_present<DenseElementsAttr>(adaptor.getInput());
  return elements && getType().hasStaticShape() ? elements.reshape(getType())
                                                : OpFoldResult();
}

/// reshape of reshape is one reshape.
LogicalResult ReshapeOp::canonicalize(ReshapeOp op, PatternRewriter &rewriter) {
  auto producer = op.getInput().getDefiningOp<ReshapeOp>();
  if (!producer) {
    return rewriter.notifyMatchFailure(op, "the input is no reshape");
  }
  rewriter.modifyOpInPlace(
      op, [&] { op.getInputMutable().assign(producer.getInput()); });
  return success();
}

//===-- transpose
//---------------------------------------------------------------------------------===//

LogicalResult TransposeOp::verify() {
  RankedTensorType input = getInput().getType();
  if (static_cast<int64_t>(getPermutation().size()) != input.getRank() ||
      !isPermutationVector(getPermutation())) { // c1
    return emitOpError() << "expected a permutation of " << input.getRank()
                         << " dims, got [" << getPermutation() << "]";
  }
  SmallVector<int64_t> shape;
  for (int64_t dim : getPermutation()) {
    shape.push_back(input.getDimSize(dim));
  }
  return verifyShape(*this, "result", getResult().getType().getShape(), shape);
}

LogicalResult
TransposeOp::reifyResultShapes(OpBuilder &b,
                               ReifiedRankedShapedTypeDims &dims) {
  Sizes sizes;
  for (int64_t dim : getPermutation()) {
    sizes.push_back(sizeOf(b, getLoc(), getInput(), dim));
  }
  appendShape(b, getResult(), sizes, dims);
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (isIdentityPermutation(getPermutation())) {
    return getInput();
  }
  auto producer = getInput().getDefiningOp<TransposeOp>();
  if (!producer) {
    return {};
  }
  SmallVector<int64_t> composed;
  for (int64_t dim : getPermutation()) {
    composed.push_back(producer.getPermutation()[dim]);
  }
  getInputMutable().assign(producer.getInput());
  setPermutation(composed);
  return isIdentityPermutation(composed) ? OpFoldResult(getInput())
                                         : OpFoldResult(getResult());
}

//===-- broadcast
//---------------------------------------------------------------------------------===//

LogicalResult BroadcastOp::verify() {
  RankedTensorType input = getInput().getType(), result = getResult().getType();
  if (failed(verifyRank(*this, "result", result.getRank(), input.getRank())) ||
      failed(verifySizeCount(*this, result, getSizes().size()))) {
    return failure();
  }
  ArrayRef<int64_t> flagged = getMaybeBroadcast().value_or(ArrayRef<int64_t>());
  for (int64_t dim = 0; dim < input.getRank(); ++dim) { // c2
    int64_t size = input.getDimSize(dim);
    if (size != 1 && !sizesAgree(size, result.getDimSize(dim)) &&
        !llvm::is_contained(flagged, dim)) {
      return emitOpError() << "expected 'input' dim " << dim << " to be 1 or "
                           << result.getDimSize(dim) << ", got " << size;
    }
  }
  return success();
}

LogicalResult
BroadcastOp::reifyResultShapes(OpBuilder &b,
                               ReifiedRankedShapedTypeDims &dims) {
  appendShape(b, getResult(), mixedSizes(b, getResult().getType(), getSizes()),
              dims);
  return success();
}

OpFoldResult BroadcastOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType() && getType().hasStaticShape()) {
    return getInput();
  }
  auto splat = dyn_cast_if_present<SplatElementsAttr>(adaptor.getInput());
  return splat && getType().hasStaticShape() ? splat.resizeSplat(getType())
                                             : OpFoldResult();
}

//===-- slice and insert_slice
//--------------------------------------------------------------------===//

void SliceOp::build(OpBuilder &b, OperationState &state, Value input,
                    ArrayRef<OpFoldResult> offsets,
                    ArrayRef<OpFoldResult> sizes,
                    ArrayRef<OpFoldResult> strides) {
  SmallVector<int64_t> staticOffsets = staticShape(offsets),
                       staticSizes = staticShape(sizes),
                       staticStrides = staticShape(strides);
  auto type =
      RankedTensorType::get(staticSizes, tensorType(input).getElementType());
  build(b, state, type, input, dynamicSizes(offsets), dynamicSizes(sizes),
        dynamicSizes(strides), staticOffsets, staticSizes, staticStrides);
}

SmallVector<OpFoldResult> SliceOp::getMixedOffsets() {
  Builder b(getContext());
  return getMixedValues(getStaticOffsets(), getOffsets(), b);
}
SmallVector<OpFoldResult> SliceOp::getMixedSizes() {
  Builder b(getContext());
  return getMixedValues(getStaticSizes(), getSizes(), b);
}
SmallVector<OpFoldResult> SliceOp::getMixedStrides() {
  Builder b(getContext());
  return getMixedValues(getStaticStrides(), getStrides(), b);
}

LogicalResult SliceOp::verify() {
  RankedTensorType input = getInput().getType();
  int64_t rank = input.getRank();
  for (ArrayRef<int64_t> list :
       {getStaticOffsets(), getStaticSizes(), getStaticStrides()}) {
    if (static_cast<int64_t>(list.size()) != rank) {
      return emitOpError() << "expected " << rank
                           << " offsets, sizes and strides, got "
                           << list.size();
    }
  }
  if (failed(verifyShape(*this, "result", getResult().getType().getShape(),
                         getStaticSizes()))) {
    return failure();
  }
  for (int64_t dim = 0; dim < rank; ++dim) {
    int64_t offset = getStaticOffsets()[dim], size = getStaticSizes()[dim],
            stride = getStaticStrides()[dim];
    if (stride == 0) { // c2
      return emitOpError() << "expected stride " << dim << " not to be 0";
    }
    if (ShapedType::isDynamic(offset) || ShapedType::isDynamic(size) ||
        ShapedType::isDynamic(stride) || input.isDynamicDim(dim) || size == 0) {
      continue;
    }
    int64_t last = offset + (size - 1) * stride;
    if (std::min(offset, last) < 0 ||
        std::max(offset, last) >= input.getDimSize(dim)) { // c1
      return emitOpError() << "expected elements " << offset << " to " << last
                           << " of dim " << dim << " below "
                           << input.getDimSize(dim);
    }
  }
  return success();
}

LogicalResult SliceOp::reifyResultShapes(OpBuilder &b,
                                         ReifiedRankedShapedTypeDims &dims) {
  appendShape(b, getResult(), getMixedSizes(), dims);
  return success();
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  bool whole = getInput().getType() == getType() &&
               getType().hasStaticShape() &&
               llvm::all_of(getStaticOffsets(),
                            [](int64_t offset) { return offset == 0; }) &&
               llvm::all_of(getStaticStrides(),
                            [](int64_t stride) { return stride == 1; });
  return whole ? OpFoldResult(getInput()) : OpFoldResult();
}

SmallVector<OpFoldResult> InsertSliceOp::getMixedOffsets() {
  Builder b(getContext());
  return getMixedValues(getStaticOffsets(), getOffsets(), b);
}
SmallVector<OpFoldResult> InsertSliceOp::getMixedStrides() {
  Builder b(getContext());
  return getMixedValues(getStaticStrides(), getStrides(), b);
}

LogicalResult InsertSliceOp::verify() {
  if (failed(verifyRank(*this, "source", getSource().getType().getRank(),
                        getDest().getType().getRank()))) {
    return failure();
  }
  return verifyShape(*this, "result", getResult().getType().getShape(),
                     getDest().getType().getShape());
}

LogicalResult
InsertSliceOp::reifyResultShapes(OpBuilder &b,
                                 ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getDest(), dims);
}

//===-- pad
//---------------------------------------------------------------------------------------===//

void PadOp::build(OpBuilder &b, OperationState &state, Value input, Value value,
                  ArrayRef<OpFoldResult> low, ArrayRef<OpFoldResult> high,
                  PadMode mode) {
  Sizes sizes;
  for (auto [dim, border] : llvm::enumerate(llvm::zip_equal(low, high))) {
    OpFoldResult size = sizeOf(b, state.location, input, dim);
    sizes.push_back(
        addSizes(b, state.location,
                 addSizes(b, state.location, size, std::get<0>(border)),
                 std::get<1>(border)));
  }
  auto type = RankedTensorType::get(staticShape(sizes),
                                    tensorType(input).getElementType());
  build(b, state, type, input, value, dynamicSizes(low), dynamicSizes(high),
        staticShape(low), staticShape(high), mode);
}

SmallVector<OpFoldResult> PadOp::getMixedLow() {
  Builder b(getContext());
  return getMixedValues(getStaticLow(), getLow(), b);
}
SmallVector<OpFoldResult> PadOp::getMixedHigh() {
  Builder b(getContext());
  return getMixedValues(getStaticHigh(), getHigh(), b);
}

LogicalResult PadOp::verify() {
  RankedTensorType input = getInput().getType();
  SmallVector<int64_t> shape;
  for (int64_t dim = 0; dim < input.getRank(); ++dim) {
    int64_t low = getStaticLow()[dim], high = getStaticHigh()[dim],
            size = input.getDimSize(dim);
    bool dynamic = ShapedType::isDynamic(low) || ShapedType::isDynamic(high) ||
                   ShapedType::isDynamic(size);
    if ((!ShapedType::isDynamic(low) && low < 0) ||
        (!ShapedType::isDynamic(high) && high < 0)) { // c1
      return emitOpError() << "expected no negative border of dim " << dim
                           << ", got " << low << " and " << high;
    }
    bool mirrors = getMode() == PadMode::reflect && !dynamic;
    int64_t limit = mirrors ? size - 1 : size;
    bool inner = getMode() == PadMode::reflect || getMode() == PadMode::wrap;
    if (inner && !dynamic && std::max(low, high) > limit) { // c2
      return emitOpError() << "expected a border of dim " << dim
                           << " of at most " << limit << ", got "
                           << std::max(low, high);
    }
    shape.push_back(dynamic ? ShapedType::kDynamic : size + low + high);
  }
  return verifyShape(*this, "result", getResult().getType().getShape(), shape);
}

LogicalResult PadOp::reifyResultShapes(OpBuilder &b,
                                       ReifiedRankedShapedTypeDims &dims) {
  Sizes sizes;
  for (auto [dim, low, high] : llvm::enumerate(getMixedLow(), getMixedHigh())) {
    OpFoldResult size = sizeOf(b, getLoc(), getInput(), dim);
    sizes.push_back(
        addSizes(b, getLoc(), addSizes(b, getLoc(), size, low), high));
  }
  appendShape(b, getResult(), sizes, dims);
  return success();
}

OpFoldResult PadOp::fold(FoldAdaptor) {
  auto isZero = [](int64_t border) { return border == 0; };
  bool none = llvm::all_of(getStaticLow(), isZero) &&
              llvm::all_of(getStaticHigh(), isZero);
  return none && getInput().getType() == getType() ? OpFoldResult(getInput())
                                                   : OpFoldResult();
}

//===-- concat
//------------------------------------------------------------------------------------===//

/// Sum of the inputs' sizes along `axis`; the other sizes are those of the
/// first input.
static Sizes concatSizes(OpBuilder &b, Location loc, ValueRange inputs,
                         int64_t axis) {
  Sizes sizes = sizesOf(b, loc, inputs[0]);
  for (Value input : inputs.drop_front()) {
    sizes[axis] = addSizes(b, loc, sizes[axis], sizeOf(b, loc, input, axis));
  }
  return sizes;
}

void ConcatOp::build(OpBuilder &b, OperationState &state, ValueRange inputs,
                     int64_t axis) {
  SmallVector<int64_t> shape(tensorType(inputs[0]).getShape());
  for (Value input : inputs.drop_front()) {
    for (auto [dim, size] : llvm::enumerate(tensorType(input).getShape())) {
      if (static_cast<int64_t>(dim) == axis) {
        bool dynamic =
            ShapedType::isDynamic(size) || ShapedType::isDynamic(shape[dim]);
        shape[dim] = dynamic ? ShapedType::kDynamic : shape[dim] + size;
      } else if (ShapedType::isDynamic(shape[dim])) {
        shape[dim] = size;
      }
    }
  }
  build(b, state,
        RankedTensorType::get(shape, tensorType(inputs[0]).getElementType()),
        inputs, axis);
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty()) {
    return emitOpError() << "expected an input";
  }
  RankedTensorType first = tensorType(getInputs()[0]);
  if (static_cast<int64_t>(getAxis()) >= first.getRank() ||
      static_cast<int64_t>(getAxis()) < 0) {
    return emitOpError() << "expected 'axis' below " << first.getRank()
                         << ", got " << getAxis();
  }
  for (auto [i, input] : llvm::enumerate(getInputs())) { // c1
    SmallVector<int64_t> shape(first.getShape());
    shape[getAxis()] = ShapedType::kDynamic;
    if (failed(verifyShape(*this, ("input " + Twine(i)).str(),
                           tensorType(input).getShape(), shape))) {
      return failure();
    }
  }
  return success();
}

LogicalResult ConcatOp::reifyResultShapes(OpBuilder &b,
                                          ReifiedRankedShapedTypeDims &dims) {
  appendShape(b, getResult(), concatSizes(b, getLoc(), getInputs(), getAxis()),
              dims);
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 && getInputs()[0].getType() == getType()
             ? OpFoldResult(getInputs()[0])
             : OpFoldResult();
}
