// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// elementwise, cast, iota.
#include "Dialect/NN/FnInfo.h"
#include "Verify.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"

using namespace mlir;
using namespace dlc::nn;

double ElementwiseOp::getParam(StringRef name) {
  Attribute value = getParams()->get(name);
  if (auto flag = dyn_cast<BoolAttr>(value)) {
    return flag.getValue();
  }
  return cast<FloatAttr>(value).getValueAsDouble();
}

bool ElementwiseOp::mayBroadcast(unsigned operand, int64_t dim) {
  if (!getMaybeBroadcast()) {
    return false;
  }
  auto dims = cast<DenseI64ArrayAttr>((*getMaybeBroadcast())[operand]);
  return llvm::is_contained(dims.asArrayRef(), dim);
}

FusionRole ElementwiseOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole CastOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole IotaOp::getFusionRole() { return FusionRole::Elementwise; }

static bool accepts(FnOperands kind, Type type) {
  switch (kind) {
  case FnOperands::Number:
    return isa<FloatType>(type) ||
           (isa<IntegerType>(type) && !type.isInteger(1));
  case FnOperands::Float:
    return isa<FloatType>(type);
  case FnOperands::Integer:
    return isa<IntegerType>(type) && !type.isInteger(1);
  case FnOperands::Bits:
    return isa<IntegerType>(type);
  case FnOperands::Any:
  case FnOperands::Select:
    return isa<FloatType, IntegerType>(type);
  }
  llvm_unreachable("closed enum");
}

/// c3: element types fit the function.
static LogicalResult verifyTypes(ElementwiseOp op, const FnInfo &info) {
  unsigned first = 0;
  if (info.operands == FnOperands::Select) {
    if (failed(verifyElementType(op, "condition",
                                 tensorType(op.getInputs()[0]).getElementType(),
                                 IntegerType::get(op.getContext(), 1)))) {
      return failure();
    }
    first = 1;
  }
  Type element = tensorType(op.getInputs()[first]).getElementType();
  for (auto [i, input] : llvm::enumerate(op.getInputs().drop_front(first))) {
    Type type = tensorType(input).getElementType();
    if (!accepts(info.operands, type)) {
      return op.emitOpError() << "'" << stringifyFn(op.getFn())
                              << "' does not take element type " << type;
    }
    if (failed(verifyElementType(op, ("operand " + Twine(i + first)).str(),
                                 type, element))) {
      return failure();
    }
  }
  Type result = op.getResult().getType().getElementType();
  if (info.result == FnResult::EqualWidth) {
    if (result.getIntOrFloatBitWidth() != element.getIntOrFloatBitWidth()) {
      return op.emitOpError()
             << "expected a result of " << element.getIntOrFloatBitWidth()
             << " bits, got " << result;
    }
    return success();
  }
  Type expected = info.result == FnResult::Bool
                      ? IntegerType::get(op.getContext(), 1)
                      : element;
  return verifyElementType(op, "result", result, expected);
}

/// c1 and c2: ranks are equal; a dim equals the result's, is 1, or is flagged.
static LogicalResult verifyDims(ElementwiseOp op) {
  RankedTensorType result = op.getResult().getType();
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    RankedTensorType type = tensorType(input);
    std::string what = ("operand " + Twine(i)).str();
    if (failed(verifyRank(op, what, type.getRank(), result.getRank()))) {
      return failure();
    }
    for (int64_t dim = 0; dim < result.getRank(); ++dim) {
      int64_t size = type.getDimSize(dim);
      if (size != 1 && !sizesAgree(size, result.getDimSize(dim)) &&
          !op.mayBroadcast(i, dim)) {
        return op.emitOpError()
               << "expected '" << what << "' dim " << dim << " to be 1 or "
               << result.getDimSize(dim) << ", got " << size;
      }
    }
  }
  return success();
}

/// c4: the parameters are exactly those of the function.
static LogicalResult verifyParams(ElementwiseOp op, const FnInfo &info) {
  DictionaryAttr params = op.getParamsAttr();
  for (StringLiteral name : info.params) {
    Attribute value = params ? params.get(name) : Attribute();
    if (!isa_and_nonnull<FloatAttr, BoolAttr>(value)) {
      return op.emitOpError() << "expected parameter '" << name << "' of '"
                              << stringifyFn(op.getFn()) << "'";
    }
  }
  if (params && params.size() != info.params.size()) {
    return op.emitOpError()
           << "expected " << info.params.size() << " parameters of '"
           << stringifyFn(op.getFn()) << "', got " << params.size();
  }
  return success();
}

LogicalResult ElementwiseOp::verify() {
  const FnInfo &info = getFnInfo(getFn());
  if (getInputs().size() != info.arity) {
    return emitOpError() << "expected " << info.arity << " operands of '"
                         << stringifyFn(getFn()) << "', got "
                         << getInputs().size();
  }
  if (getMaybeBroadcast() && getMaybeBroadcast()->size() != info.arity) {
    return emitOpError()
           << "expected 'maybe_broadcast' of one list per operand, got "
           << getMaybeBroadcast()->size();
  }
  if (failed(verifyParams(*this, info)) || failed(verifyTypes(*this, info))) {
    return failure();
  }
  return verifyDims(*this);
}

/// Size of one result dim: that of an operand that is surely not broadcast,
/// else the first size that is not 1 at run time.
static OpFoldResult reifyDim(ElementwiseOp op, OpBuilder &b, int64_t dim) {
  OpFoldResult size = b.getIndexAttr(1);
  bool mayBeOne = true;
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    if (tensorType(input).getDimSize(dim) == 1) {
      continue;
    }
    OpFoldResult candidate = sizeOf(b, op.getLoc(), input, dim);
    if (!op.mayBroadcast(i, dim)) {
      return candidate;
    }
    if (mayBeOne && getConstantIntValue(size) == 1) {
      size = candidate;
      continue;
    }
    Value one = arith::ConstantIndexOp::create(b, op.getLoc(), 1);
    Value current = getValueOrCreateConstantIndexOp(b, op.getLoc(), size);
    Value isOne = arith::CmpIOp::create(b, op.getLoc(),
                                        arith::CmpIPredicate::eq, current, one);
    size =
        arith::SelectOp::create(
            b, op.getLoc(), isOne,
            getValueOrCreateConstantIndexOp(b, op.getLoc(), candidate), current)
            .getResult();
  }
  return size;
}

LogicalResult
ElementwiseOp::reifyResultShapes(OpBuilder &b,
                                 ReifiedRankedShapedTypeDims &dims) {
  Sizes sizes;
  for (int64_t dim = 0; dim < getResult().getType().getRank(); ++dim) {
    int64_t known = getResult().getType().getDimSize(dim);
    sizes.push_back(ShapedType::isDynamic(known)
                        ? reifyDim(*this, b, dim)
                        : OpFoldResult(b.getIndexAttr(known)));
  }
  appendShape(b, getResult(), sizes, dims);
  return success();
}

LogicalResult CastOp::verify() {
  if (failed(verifyShape(*this, "result", getResult().getType().getShape(),
                         getInput().getType().getShape()))) {
    return failure();
  }
  Type target = getResult().getType().getElementType();
  if (getSaturate() && target.getIntOrFloatBitWidth() > 8) {
    return emitOpError() << "expected no 'saturate' for element type "
                         << target;
  }
  return success();
}

LogicalResult CastOp::reifyResultShapes(OpBuilder &b,
                                        ReifiedRankedShapedTypeDims &dims) {
  return reifyLike(b, *this, getInput(), dims);
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? OpFoldResult(getInput())
                                           : OpFoldResult();
}

LogicalResult IotaOp::verify() {
  if (getDim() < 0 ||
      static_cast<int64_t>(getDim()) >= getResult().getType().getRank()) {
    return emitOpError() << "expected 'dim' below "
                         << getResult().getType().getRank() << ", got "
                         << getDim();
  }
  return verifySizeCount(*this, getResult().getType(), getSizes().size());
}

LogicalResult IotaOp::reifyResultShapes(OpBuilder &b,
                                        ReifiedRankedShapedTypeDims &dims) {
  appendShape(b, getResult(), mixedSizes(b, getResult().getType(), getSizes()),
              dims);
  return success();
}
