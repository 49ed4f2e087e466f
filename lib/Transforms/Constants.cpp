// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading and making constants and parameters.
#include "Constants.h"
#include "Analysis/ParamStore.h"
#include "Dialect/NN/ParamTransforms.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace dlc {

using namespace nn;

Constants::Constants(ModuleOp module) : module(module), symbols(module) {}

ParamOp Constants::getParam(Value value) {
  auto ref = value.getDefiningOp<ParamRefOp>();
  return ref ? symbols.lookup<ParamOp>(ref.getParam()) : ParamOp();
}

bool Constants::isConstant(Value value) {
  DenseElementsAttr elements;
  return matchPattern(value, m_Constant(&elements)) || getParam(value);
}

std::optional<HostTensor> Constants::get(Value value, int64_t maxBytes) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() ||
      !isHostElement(type.getElementType()) ||
      type.getNumElements() * hostElementBytes(type.getElementType()) >
          maxBytes) {
    return std::nullopt;
  }
  DenseElementsAttr elements;
  if (matchPattern(value, m_Constant(&elements))) {
    return HostTensor::fromElements(elements);
  }
  ParamOp param = getParam(value);
  if (!param) {
    return std::nullopt;
  }
  llvm::Expected<HostTensor> tensor = evaluateParam(param);
  if (!tensor) {
    // The binary writer reads every param and reports what is wrong with it.
    llvm::consumeError(tensor.takeError());
    return std::nullopt;
  }
  return std::move(*tensor);
}

/// The number that all elements equal.
static std::optional<double> splatOf(const HostTensor &tensor) {
  for (int64_t i = 1; i < tensor.getNumElements(); ++i) {
    if (tensor.getNumber(i) != tensor.getNumber(0)) {
      return std::nullopt;
    }
  }
  return tensor.getNumElements() ? std::optional(tensor.getNumber(0))
                                 : std::nullopt;
}

std::optional<double> Constants::getSplat(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !isHostElement(type.getElementType())) {
    return std::nullopt;
  }
  SplatElementsAttr splat;
  ParamOp param = getParam(value);
  if (param && param.getTransforms().empty()) {
    splat = dyn_cast<SplatElementsAttr>(param.getData());
  }
  if (splat || matchPattern(value, m_Constant(&splat))) {
    auto one = RankedTensorType::get({1}, type.getElementType());
    return HostTensor::fromElements(splat.resizeSplat(one)).getNumber(0);
  }
  if (!type.hasStaticShape() || type.getNumElements() > kMaxInlineElements) {
    return std::nullopt;
  }
  std::optional<HostTensor> tensor = get(value);
  return tensor ? splatOf(*tensor) : std::nullopt;
}

bool Constants::isShared(Value value) {
  ParamOp param = getParam(value);
  if (!value.hasOneUse()) {
    return true;
  }
  if (!param) {
    return false;
  }
  auto uses = SymbolTable::getSymbolUses(param, module);
  return uses && std::distance(uses->begin(), uses->end()) > 1;
}

Value Constants::insertParam(OpBuilder &b, Location loc, StringRef name,
                             RankedTensorType type, Attribute data,
                             RankedTensorType sourceType,
                             ArrayRef<Attribute> transforms) {
  ParamOp param;
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    param = ParamOp::create(b, loc, name, type, data, sourceType,
                            b.getArrayAttr(transforms));
    symbols.insert(param);
  }
  return ParamRefOp::create(b, loc, type, param.getSymName());
}

Value Constants::create(OpBuilder &b, Location loc, const HostTensor &tensor,
                        StringRef name) {
  DenseElementsAttr elements = tensor.toElements();
  if (tensor.getNumElements() <= kMaxInlineElements) {
    return arith::ConstantOp::create(b, loc, elements);
  }
  return insertParam(b, loc, name, tensor.getType(), elements, tensor.getType(),
                     {});
}

Value Constants::transform(OpBuilder &b, Value value,
                           ArrayRef<Attribute> transforms) {
  ParamOp param = getParam(value);
  auto type = cast<RankedTensorType>(value.getType());
  for (Attribute transform : transforms) {
    FailureOr<RankedTensorType> next = applyTransformType(
        type, transform, [&] { return emitError(value.getLoc()); });
    if (failed(next)) {
      return {};
    }
    type = *next;
  }
  if (param) {
    SmallVector<Attribute> all(param.getTransforms().getValue());
    llvm::append_range(all, transforms);
    return insertParam(b, value.getLoc(), param.getSymName(), type,
                       param.getData(),
                       cast<RankedTensorType>(param.getSourceType()), all);
  }
  std::optional<HostTensor> tensor = get(value);
  if (!tensor) {
    return {};
  }
  return create(b, value.getLoc(),
                applyTransforms(std::move(*tensor), transforms));
}

void Constants::eraseUnusedParams() {
  llvm::DenseSet<StringAttr> used;
  module.walk([&](ParamRefOp ref) {
    if (ref->use_empty()) {
      ref.erase();
      return;
    }
    used.insert(ref.getParamAttr().getAttr());
  });
  for (ParamOp param : llvm::make_early_inc_range(module.getOps<ParamOp>())) {
    if (!used.contains(param.getSymNameAttr())) {
      symbols.erase(param);
    }
  }
}

} // namespace dlc
