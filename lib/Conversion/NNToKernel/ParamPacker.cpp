// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Params with further transforms, as inputs of dispatches.
#include "Conversion/NNToKernel/ParamPacker.h"

#include "Dialect/NN/ParamTransforms.h"

using namespace mlir;

namespace dlc {

nn::ParamRefOp getParam(nn::DispatchOp dispatch, Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  return argument ? dispatch.getInputs()[argument.getArgNumber()]
                        .getDefiningOp<nn::ParamRefOp>()
                  : nn::ParamRefOp();
}

nn::ParamOp ParamPacker::getPackedParam(nn::ParamOp param,
                                        ArrayRef<Attribute> transforms,
                                        RankedTensorType type) {
  ArrayAttr chain = ArrayAttr::get(module.getContext(), transforms);
  nn::ParamOp &result = packed[{param, chain}];
  if (result) {
    return result;
  }
  SmallVector<Attribute> all = llvm::to_vector(param.getTransforms());
  llvm::append_range(all, transforms);
  OpBuilder b(param);
  b.setInsertionPointAfter(param);
  result = nn::ParamOp::create(
      b, param.getLoc(), (param.getSymName() + ".packed").str(), type,
      param.getData(), param.getSourceType(), b.getArrayAttr(all));
  symbols.insert(result); // makes the name unique
  return result;
}

void ParamPacker::pack(nn::DispatchOp dispatch, OpOperand &use,
                       ArrayRef<Attribute> transforms) {
  auto argument = cast<BlockArgument>(use.get());
  nn::ParamRefOp reference = getParam(dispatch, argument);
  auto type = cast<RankedTensorType>(argument.getType());
  RankedTensorType packedType = type;
  for (Attribute transform : transforms) {
    packedType = *nn::applyTransformType(packedType, transform,
                                         [&] { return dispatch.emitError(); });
  }
  auto param = getPackedParam(symbols.lookup<nn::ParamOp>(reference.getParam()),
                              transforms, packedType);
  OpBuilder b(dispatch);
  Value value = nn::ParamRefOp::create(b, reference.getLoc(), packedType,
                                       param.getSymName());

  // A further input, since others may read the param as it is.
  unsigned place = dispatch.getInputs().size();
  dispatch.getInputsMutable().append(value);
  Block &body = dispatch.getBody().front();
  BlockArgument added =
      body.insertArgument(place, packedType, reference.getLoc());
  b.setInsertionPointToStart(&body);
  use.set(nn::PackedOp::create(b, reference.getLoc(), type, added,
                               b.getArrayAttr(transforms)));
  if (argument.use_empty()) {
    dispatch.getInputsMutable().erase(argument.getArgNumber());
    body.eraseArgument(argument.getArgNumber());
  }
}

} // namespace dlc
