// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dispatch and shrink.
#include "TensorMap.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace dlc::rt;

static RankedTensorType tensorType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// Static sizes as attributes, `dynamic` in the places of the others.
static SmallVector<OpFoldResult> mixedShape(OpBuilder &b, Value value,
                                            ValueRange dynamic) {
  SmallVector<OpFoldResult> shape;
  for (int64_t size : tensorType(value).getShape()) {
    if (ShapedType::isDynamic(size)) {
      shape.push_back(dynamic.front());
      dynamic = dynamic.drop_front();
    } else {
      shape.push_back(b.getIndexAttr(size));
    }
  }
  return shape;
}

ValueRange DispatchOp::getSizesOfResult(unsigned i) {
  unsigned first = 0;
  for (Value output : getOutputs().take_front(i)) {
    first += tensorType(output).getNumDynamicDims();
  }
  return getResultSizes().slice(
      first, tensorType(getOutputs()[i]).getNumDynamicDims());
}

LogicalResult DispatchOp::verify() {
  size_t dynamic = 0;
  for (Value output : getOutputs()) {
    dynamic += tensorType(output).getNumDynamicDims();
  }
  if (dynamic != getResultSizes().size()) { // c1
    return emitOpError() << "expected " << dynamic << " result sizes, got "
                         << getResultSizes().size();
  }
  if (failed(verifyTensorMaps(*this, getMapsAttr(),
                              getInputs().size() + getOutputs().size(),
                              getMapSizes().size()))) { // c4, c5
    return failure();
  }
  std::optional<ArrayRef<int64_t>> ties = getTies();
  if (!ties) {
    return success();
  }
  if (ties->size() != getNumResults()) { // c3
    return emitOpError() << "expected " << getNumResults()
                         << " entries in 'ties', got " << ties->size();
  }
  for (int64_t tie : *ties) { // c3
    if (tie < -1 || tie >= static_cast<int64_t>(getInputs().size())) {
      return emitOpError() << "expected 'ties' to be -1 or one of "
                           << getInputs().size() << " inputs, got " << tie;
    }
  }
  return success();
}

LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernels = symbols.lookupNearestSymbolFrom<ModuleOp>(
      *this, StringAttr::get(getContext(), kKernelsModuleName));
  if (!kernels) {
    return success();
  }
  Operation *symbol =
      symbols.lookupSymbolIn(kernels, getKernelAttr().getAttr());
  if (!symbol) { // c2
    return emitOpError() << "expected a kernel named '" << getKernel() << "'";
  }
  auto kernel = dyn_cast<func::FuncOp>(symbol);
  if (!kernel) {
    return success(); // lowered already
  }
  size_t buffers = getInputs().size() + getOutputs().size();
  size_t more = !getThreads() ? 3 : getScratch() ? 1 : 0;
  size_t maps = getMaps() ? getMaps()->size() : 0;
  size_t expected = buffers + getSizes().size() + maps + more;
  if (kernel.getNumArguments() != expected) { // c2
    InFlightDiagnostic diag =
        emitOpError() << "expected a kernel of " << buffers << " buffers, "
                      << getSizes().size() << " sizes and " << maps
                      << " maps, got " << kernel.getFunctionType();
    diag.attachNote(kernel.getLoc()) << "the kernel is here";
    return diag;
  }
  return success();
}

LogicalResult DispatchOp::reifyResultShapes(OpBuilder &b,
                                            ReifiedRankedShapedTypeDims &dims) {
  for (auto [i, output] : llvm::enumerate(getOutputs())) {
    dims.push_back(mixedShape(b, output, getSizesOfResult(i)));
  }
  return success();
}

LogicalResult ShrinkOp::verify() {
  RankedTensorType from = getInput().getType(), to = getResult().getType();
  if (from.getElementType() != to.getElementType() ||
      from.getRank() != to.getRank()) { // c1
    return emitOpError() << "expected a result of rank " << from.getRank()
                         << " and type " << from.getElementType() << ", got "
                         << to;
  }
  if (getSizes().size() != static_cast<size_t>(to.getNumDynamicDims())) {
    return emitOpError() << "expected " << to.getNumDynamicDims()
                         << " sizes, got " << getSizes().size();
  }
  for (int64_t i = 0; i < to.getRank(); ++i) {
    if (!to.isDynamicDim(i) && to.getDimSize(i) != from.getDimSize(i)) { // c1
      return emitOpError() << "expected size " << from.getDimSize(i)
                           << " of dim " << i << ", got " << to.getDimSize(i);
    }
  }
  return success();
}

LogicalResult ShrinkOp::reifyResultShapes(OpBuilder &b,
                                          ReifiedRankedShapedTypeDims &dims) {
  dims.push_back(mixedShape(b, getResult(), getSizes()));
  return success();
}
