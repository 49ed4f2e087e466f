// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// param, param_ref, sym_dim, bind_shape, check, fused, dispatch, yield.
#include "Dialect/NN/ParamTransforms.h"
#include "Verify.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace dlc::nn;

FusionRole FusedOp::getFusionRole() { return FusionRole::Container; }

/// The type that the transforms lead to from `type`.
static FailureOr<RankedTensorType>
applyTransforms(Operation *op, RankedTensorType type, ArrayAttr transforms) {
  for (Attribute transform : transforms) {
    FailureOr<RankedTensorType> next =
        applyTransformType(type, transform, [&] { return op->emitOpError(); });
    if (failed(next)) {
      return failure();
    }
    type = *next;
  }
  return type;
}

LogicalResult
RowScheduleAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                        int64_t blocks, int64_t keptBytes) {
  // Clusters of more are not portable (CUDA Programming Guide, "Thread Block
  // Clusters").
  if (blocks < 1 || blocks > 8 || !llvm::isPowerOf2_64(blocks)) {
    return emitError() << "expected 1, 2, 4 or 8 blocks, got " << blocks;
  }
  if (keptBytes < 0 || keptBytes % 16 != 0) {
    return emitError() << "expected kept_bytes to be a multiple of 16, got "
                       << keptBytes;
  }
  return success();
}

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
  FailureOr<RankedTensorType> type =
      applyTransforms(*this, source, getTransforms()); // c1
  if (failed(type)) {
    return failure();
  }
  if (*type != getType()) {
    return emitOpError() << "expected type " << *type
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

FusionRole PackedOp::getFusionRole() { return FusionRole::Opaque; }

LogicalResult PackedOp::verify() {
  if (!getType().hasStaticShape()) {
    return emitOpError() << "expected a static result type, got " << getType();
  }
  FailureOr<RankedTensorType> packed =
      applyTransforms(*this, getType(), getTransforms()); // c1
  if (failed(packed)) {
    return failure();
  }
  if (*packed != getInput().getType()) {
    return emitOpError() << "expected an input of type " << *packed
                         << " from the transforms, got "
                         << getInput().getType();
  }
  return success();
}

LogicalResult PackedOp::reifyResultShapes(OpBuilder &b,
                                          ReifiedRankedShapedTypeDims &dims) {
  appendShape(b, getResult(), mixedSizes(b, getType(), {}), dims);
  return success();
}

/// The op of `block` marked as root, or null.
static Operation *findRoot(Block &block) {
  auto it = llvm::find_if(
      block, [](Operation &op) { return op.hasAttr(kRootAttrName); });
  return it == block.end() ? nullptr : &*it;
}

/// The block yields the op's results, and one of its ops is the root.
static LogicalResult verifyGroup(Operation *op, Block &block) {
  auto yield = cast<YieldOp>(block.getTerminator());
  if (yield.getValues().getTypes() != op->getResultTypes()) {
    return op->emitOpError() << "expected to yield " << op->getNumResults()
                             << " values of the results' types";
  }
  int64_t roots = llvm::count_if(
      block, [](Operation &inner) { return inner.hasAttr(kRootAttrName); });
  if (roots != 1) {
    return op->emitOpError()
           << "expected one op marked '" << kRootAttrName << "', got " << roots;
  }
  return success();
}

Operation *FusedOp::getRootOp() { return findRoot(getBody().front()); }
LogicalResult FusedOp::verify() {
  return verifyGroup(*this, getBody().front());
}

Operation *DispatchOp::getRootOp() { return findRoot(getBody().front()); }

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
  return verifyGroup(*this, block);
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
