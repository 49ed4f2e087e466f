// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// param, param_ref, sym_dim, bind_shape, check, fused, dispatch, yield.
#include "Dialect/NN/ParamTransforms.h"
#include "Verify.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole FusedOp::getFusionRole() { return FusionRole::Container; }

LogicalResult ParamOp::verify() {
  auto source = cast<RankedTensorType>(getSourceType());
  if (!source.hasStaticShape()) {
    return emitOpError() << "expected a static source type, got " << source;
  }
  if (!isa<DataAttr, ElementsAttr>(getData())) {
    return emitOpError() << "expected data in a file or elements, got "
                         << getData();
  }
  if (auto data = dyn_cast<DataAttr>(getData())) {
    uint64_t expected = denseByteSize(source);
    if (data.getBytes() != expected) {
      return emitOpError() << "expected " << expected << " bytes for " << source
                           << ", got " << data.getBytes();
    }
  }
  RankedTensorType type = source;
  for (Attribute transform : getTransforms()) { // c1
    FailureOr<RankedTensorType> next =
        applyTransformType(type, transform, [&] { return emitOpError(); });
    if (failed(next)) {
      return failure();
    }
    type = *next;
  }
  if (type != getType()) {
    return emitOpError() << "expected type " << type
                         << " after the transforms, got " << getType();
  }
  return success();
}

LogicalResult ParamRefOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto param = symbols.lookupNearestSymbolFrom<ParamOp>(*this, getParamAttr());
  if (!param) {
    return emitOpError() << "expected a param named '" << getParam() << "'";
  }
  if (param.getType() != getType()) {
    return emitOpError() << "expected the type of '" << getParam() << "', "
                         << param.getType() << ", got " << getType();
  }
  return success();
}

LogicalResult SymDimOp::verify() {
  int64_t max = static_cast<int64_t>(getMax()),
          min = static_cast<int64_t>(getMin());
  if (min < 0 || (max >= 0 && max < min)) {
    return emitOpError() << "expected 0 <= min <= max, got " << min << " and "
                         << max;
  }
  if (static_cast<int64_t>(getDivisor()) < 1) {
    return emitOpError() << "expected a positive divisor, got " << getDivisor();
  }
  return success();
}

LogicalResult BindShapeOp::verify() {
  if (static_cast<int64_t>(getSizes().size()) !=
      getInput().getType().getRank()) {
    return emitOpError() << "expected " << getInput().getType().getRank()
                         << " sizes, got " << getSizes().size();
  }
  return success();
}

/// A check of what is known to hold goes away.
LogicalResult CheckOp::canonicalize(CheckOp op, PatternRewriter &rewriter) {
  if (!matchPattern(op.getCondition(), m_One())) {
    return rewriter.notifyMatchFailure(op,
                                       "the condition is not known to hold");
  }
  rewriter.eraseOp(op);
  return success();
}

/// The op at place `root` of `block`, or null.
static Operation *opAt(Block &block, int64_t root) {
  auto it = block.begin();
  for (int64_t i = 0; i < root && it != block.end(); ++i) {
    ++it;
  }
  return it == block.end() ? nullptr : &*it;
}

/// The block yields the op's results, and `root` is one of its ops before the
/// yield.
static LogicalResult verifyGroup(Operation *op, Block &block, int64_t root) {
  auto yield = cast<YieldOp>(block.getTerminator());
  if (yield.getValues().getTypes() != op->getResultTypes()) {
    return op->emitOpError() << "expected to yield " << op->getNumResults()
                             << " values of the results' types";
  }
  if (root < 0 || !opAt(block, root) ||
      opAt(block, root) == yield.getOperation()) {
    return op->emitOpError()
           << "expected 'root' to be an op of the body, got " << root;
  }
  return success();
}

Operation *FusedOp::getRootOp() { return opAt(getBody().front(), getRoot()); }
LogicalResult FusedOp::verify() {
  return verifyGroup(*this, getBody().front(), getRoot());
}

Operation *DispatchOp::getRootOp() {
  return opAt(getBody().front(), getRoot());
}

LogicalResult DispatchOp::verify() {
  Block &block = getBody().front();
  SmallVector<Type> expected(getInputs().getTypes());
  expected.append(getSizes().size(), IndexType::get(getContext()));
  if (block.getArgumentTypes() != TypeRange(expected)) {
    return emitOpError() << "expected block arguments of the inputs' types and "
                            "an index per size";
  }
  unsigned dynamic = 0;
  for (Type type : getOutputs().getTypes()) {
    dynamic += cast<RankedTensorType>(type).getNumDynamicDims();
  }
  if (dynamic != getResultSizes().size()) {
    return emitOpError() << "expected " << dynamic << " result sizes, got "
                         << getResultSizes().size();
  }
  return verifyGroup(*this, block, getRoot());
}

LogicalResult DispatchOp::reifyResultShapes(OpBuilder &b,
                                            ReifiedRankedShapedTypeDims &dims) {
  ValueRange sizes = getResultSizes();
  for (Value output : getOutputs()) {
    unsigned dynamic = tensorType(output).getNumDynamicDims();
    appendShape(b, output,
                mixedSizes(b, tensorType(output), sizes.take_front(dynamic)),
                dims);
    sizes = sizes.drop_front(dynamic);
  }
  return success();
}
