// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Evaluates ops on constants, lets params take over views of them, drops zero
// points of zero, and merges equal params.
#include "Analysis/Evaluator.h"
#include "Constants.h"
#include "Transforms/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_FOLDCONSTANTSPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

bool isSplat(const HostTensor &tensor) {
  unsigned size = tensor.access().getBytes();
  ArrayRef<char> bytes = tensor.getBytes();
  for (size_t i = size; i < bytes.size(); i += size) {
    if (bytes.slice(i, size) != bytes.take_front(size)) {
      return false;
    }
  }
  return !bytes.empty();
}

class ConstantFolder {
public:
  explicit ConstantFolder(Constants &constants) : constants(constants) {}

  /// Replaces the op by a constant; false where that is not possible or does
  /// not pay.
  bool fold(Operation *op);

private:
  bool foldIntoParam(Operation *op);
  bool isFoldable(Operation *op);
  std::optional<HostTensor> evaluate(Operation *op);
  std::optional<HostTensor> valueOf(Value value, int64_t maxBytes);

  Constants &constants;
};

/// The param transform that a view or cast is, or null.
Attribute transformOf(Operation *op) {
  MLIRContext *context = op->getContext();
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    return PermuteAttr::get(context, transpose.getPermutation());
  }
  if (isa<ReshapeOp>(op) && type.hasStaticShape()) {
    return ReshapeToAttr::get(context, type.getShape());
  }
  auto cast = dyn_cast<CastOp>(op);
  if (cast && !cast.getSaturate() && isHostElement(type.getElementType())) {
    return CastToAttr::get(context, type.getElementType());
  }
  return {};
}

bool ConstantFolder::foldIntoParam(Operation *op) {
  if (!isa<TransposeOp, ReshapeOp, CastOp>(op) ||
      !constants.getParam(op->getOperand(0))) {
    return false;
  }
  Attribute transform = transformOf(op);
  if (!transform) {
    return false;
  }
  OpBuilder b(op);
  Value value = constants.transform(b, op->getOperand(0), transform);
  if (!value || value.getType() != op->getResult(0).getType()) {
    return false;
  }
  op->getResult(0).replaceAllUsesWith(value);
  return true;
}

/// Bytes up to which the result of `op` may be computed now. Parts of params,
/// and params joined, cost no memory that the model does not have already.
int64_t getMaxBytes(Operation *op) {
  return isa<SliceOp, ConcatOp>(op) ? kMaxMovedBytes : kMaxFoldedBytes;
}

bool ConstantFolder::isFoldable(Operation *op) {
  if (op->getNumResults() != 1 || !isPure(op)) {
    return false;
  }
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (!type || !type.hasStaticShape() ||
      !isHostElement(type.getElementType()) ||
      type.getNumElements() * hostElementBytes(type.getElementType()) >
          getMaxBytes(op)) {
    return false;
  }
  if (type.getNumElements() <= kMaxInlineElements) {
    return true;
  }
  // Ramps and repeated numbers are cheaper to compute than to load.
  if (isa<IotaOp, BroadcastOp>(op)) {
    return false;
  }
  return llvm::none_of(op->getOperands(), [](Value operand) {
    return operand.getDefiningOp<IotaOp>();
  });
}

std::optional<HostTensor> ConstantFolder::valueOf(Value value,
                                                  int64_t maxBytes) {
  if (std::optional<HostTensor> tensor = constants.get(value, maxBytes)) {
    return tensor;
  }
  auto type = dyn_cast<RankedTensorType>(value.getType());
  auto broadcast = value.getDefiningOp<BroadcastOp>();
  if (!broadcast || !type.hasStaticShape() ||
      type.getNumElements() > maxBytes) {
    return std::nullopt;
  }
  return evaluate(broadcast);
}

std::optional<HostTensor> ConstantFolder::evaluate(Operation *op) {
  SmallVector<HostTensor> operands;
  for (Value operand : op->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType())) {
      continue;
    }
    std::optional<HostTensor> tensor = valueOf(operand, getMaxBytes(op));
    if (!tensor) {
      return std::nullopt;
    }
    operands.push_back(std::move(*tensor));
  }
  return evaluateOp(op, operands);
}

bool ConstantFolder::fold(Operation *op) {
  if (foldIntoParam(op)) {
    return true;
  }
  if (!isFoldable(op)) {
    return false;
  }
  std::optional<HostTensor> result = evaluate(op);
  if (!result) {
    return false;
  }
  OpBuilder b(op);
  Value value;
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (isSplat(*result) && type.getNumElements() > kMaxInlineElements) {
    SmallVector<int64_t> ones(type.getRank(), 1);
    HostTensor element = HostTensor::fromPacked(
        type.clone(ones),
        result->getBytes().take_front(result->access().getBytes()));
    Value one = constants.create(b, op->getLoc(), element);
    value =
        BroadcastOp::create(b, op->getLoc(), type, one, ValueRange{}, nullptr);
  } else {
    value = constants.create(b, op->getLoc(), *result);
  }
  op->getResult(0).replaceAllUsesWith(value);
  return true;
}

/// The optional zero points of an op.
SmallVector<MutableOperandRange> getZeroPoints(Operation *op) {
  SmallVector<MutableOperandRange> zeros;
  llvm::TypeSwitch<Operation *>(op)
      .Case<ContractOp>([&](auto op) {
        zeros = {op.getLhsZeroMutable(), op.getRhsZeroMutable()};
      })
      .Case<ConvOp>([&](auto op) {
        zeros = {op.getInputZeroMutable(), op.getFilterZeroMutable()};
      })
      .Case<QuantizeOp, DequantizeOp>(
          [&](auto op) { zeros = {op.getZeroPointMutable()}; });
  return zeros;
}

/// Nothing is subtracted or added where a zero point is zero everywhere.
void dropZeroPoints(Operation *op, Constants &constants) {
  // Each range is found anew: to clear one changes where the next one is.
  size_t count = getZeroPoints(op).size();
  for (size_t i = 0; i < count; ++i) {
    MutableOperandRange zero = getZeroPoints(op)[i];
    std::optional<HostTensor> known;
    if (!zero.empty()) {
      known = constants.get(zero[0].get());
    }
    if (known &&
        llvm::all_of(known->getBytes(), [](char byte) { return byte == 0; })) {
      zero.clear();
    }
  }
}

/// Lets all references to equal params name the first of them.
void mergeEqualParams(ModuleOp module) {
  using Key = std::tuple<Attribute, Attribute, Attribute, Attribute>;
  llvm::DenseMap<Key, StringAttr> first;
  llvm::DenseMap<StringAttr, StringAttr> kept;
  for (ParamOp param : module.getOps<ParamOp>()) {
    Key key(param.getData(), param.getTypeAttr(), param.getSourceTypeAttr(),
            param.getTransforms());
    auto [it, isNew] = first.try_emplace(key, param.getSymNameAttr());
    if (!isNew) {
      kept[param.getSymNameAttr()] = it->second;
    }
  }
  module.walk([&](ParamRefOp ref) {
    auto it = kept.find(ref.getParamAttr().getAttr());
    if (it != kept.end()) {
      ref.setParamAttr(FlatSymbolRefAttr::get(it->second));
    }
  });
}

class FoldConstants final : public impl::FoldConstantsPassBase<FoldConstants> {
public:
  void runOnOperation() override {
    Constants constants(getOperation());
    ConstantFolder folder(constants);
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa_and_nonnull<NNDialect>(op->getDialect()) && isPure(op) &&
          !isa<ParamRefOp, SymDimOp>(op) && op->getNumRegions() == 0 &&
          op->getNumResults() > 0) {
        ops.push_back(op);
      }
    });
    for (Operation *op : ops) {
      if (!folder.fold(op)) {
        dropZeroPoints(op, constants);
      }
    }
    for (Operation *op : llvm::reverse(ops)) {
      if (op->use_empty()) {
        op->erase();
      }
    }
    mergeEqualParams(getOperation());
    constants.eraseUnusedParams();
  }
};

} // namespace
} // namespace dlc
