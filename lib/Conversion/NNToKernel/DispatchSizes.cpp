// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sizes of a dispatch's tensors, resolved for the kernel or the host.
#include "Conversion/NNToKernel/DispatchSizes.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace dlc {

DispatchSizes::DispatchSizes(nn::DispatchOp dispatch, OpBuilder &b,
                             ValueRange indexValues)
    : dispatch(dispatch), b(b) {
  Block &body = dispatch.getBody().front();
  unsigned tensors = dispatch.getInputs().size();
  for (auto [argument, value] :
       llvm::zip_equal(body.getArguments().drop_front(tensors), indexValues)) {
    mapping.map(argument, value);
  }
  for (auto bind : body.getOps<nn::BindShapeOp>()) {
    bindings[cast<BlockArgument>(bind.getInput()).getArgNumber()] = bind;
  }
}

OpFoldResult DispatchSizes::index(OpFoldResult value) {
  if (std::optional<int64_t> known = getConstantIntValue(value)) {
    return b.getIndexAttr(*known);
  }
  return scalar(cast<Value>(value));
}

OpFoldResult DispatchSizes::size(Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim)) {
    return b.getIndexAttr(type.getDimSize(dim));
  }
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    return index(bindings.lookup(argument.getArgNumber()).getSizes()[dim]);
  }
  return index(reify(cast<OpResult>(tensor), dim));
}

nn::Sizes DispatchSizes::sizes(Value tensor) {
  nn::Sizes all;
  for (int64_t dim = 0;
       dim < cast<RankedTensorType>(tensor.getType()).getRank(); ++dim) {
    all.push_back(size(tensor, dim));
  }
  return all;
}

OpFoldResult DispatchSizes::reify(OpResult tensor, int64_t dim) {
  auto [it, isNew] = reified.try_emplace(tensor.getOwner()->getResult(0));
  if (isNew) {
    OpBuilder inside(tensor.getOwner());
    inside.setInsertionPointAfter(tensor.getOwner());
    ReifiedRankedShapedTypeDims dims;
    LogicalResult done =
        mlir::reifyResultShapes(inside, tensor.getOwner(), dims);
    assert(succeeded(done) && "every op of a dispatch reifies its shape");
    (void)done;
    reified[tensor.getOwner()->getResult(0)] = dims;
    return dims[tensor.getResultNumber()][dim];
  }
  return it->second[tensor.getResultNumber()][dim];
}

Value DispatchSizes::scalar(Value value) {
  if (Value known = mapping.lookupOrNull(value)) {
    return known;
  }
  Operation *op = value.getDefiningOp();
  Value result;
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    OpFoldResult resolved = size(dim.getSource(), *dim.getConstantIndex());
    if (auto attr = dyn_cast<Attribute>(resolved)) {
      result = arith::ConstantIndexOp::create(b, dim.getLoc(),
                                              cast<IntegerAttr>(attr).getInt());
    } else {
      result = cast<Value>(resolved);
    }
    mapping.map(value, result);
    return result;
  }
  for (Value operand : op->getOperands()) {
    scalar(operand);
  }
  b.clone(*op, mapping);
  return mapping.lookup(value);
}

} // namespace dlc
