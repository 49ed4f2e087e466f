// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sizes of an entry function's tensors: where they come from, whether the data
// decides them, and how large they get.
#include "EntryShapes.h"

using namespace mlir;

namespace dlc {

LogicalResult EntryShapes::bindInputs(func::FuncOp entry) {
  for (auto bind : entry.getOps<nn::BindShapeOp>()) {
    auto input = dyn_cast<BlockArgument>(bind.getInput());
    if (!input) {
      return bind.emitOpError() << "expected an argument of the entry";
    }
    RankedTensorType type = bind.getInput().getType();
    nn::Sizes sizes;
    for (auto [dim, size] : llvm::enumerate(bind.getSizes())) {
      if (!type.isDynamicDim(dim)) {
        sizes.push_back(OpBuilder(bind).getIndexAttr(type.getDimSize(dim)));
        continue;
      }
      InputDim place{input.getArgNumber(), static_cast<unsigned>(dim)};
      sizes.push_back(getAsOpFoldResult(size));
      auto symbol = size.getDefiningOp<nn::SymDimOp>();
      if (!symbol) {
        constraints.push_back({place, sizes.back(), bind.getLoc()});
      } else if (symbolPlaces.try_emplace(symbol.getName(), place).second) {
        symbols.push_back(symbol);
      }
    }
    bound[input] = std::move(sizes);
  }
  return success();
}

LogicalResult EntryShapes::resolve(func::FuncOp entry) {
  if (failed(bindInputs(entry))) {
    return failure();
  }
  OpBuilder b = OpBuilder::atBlockBegin(&entry.front());
  for (BlockArgument input : entry.getArguments()) {
    if (!bound.contains(input)) {
      unbound[input] = nn::sizesOf(b, input.getLoc(), input);
    }
  }
  for (auto dim : llvm::make_early_inc_range(entry.getOps<tensor::DimOp>())) {
    std::optional<int64_t> index = dim.getConstantIndex();
    auto type = dyn_cast<RankedTensorType>(dim.getSource().getType());
    if (!index || !type || *index < 0 || *index >= type.getRank()) {
      return dim.emitOpError() << "expected a constant dim of a ranked tensor";
    }
    nn::Sizes sizes = sizesOf(dim.getSource());
    b.setInsertionPoint(dim);
    Value size =
        getValueOrCreateConstantIndexOp(b, dim.getLoc(), sizes[*index]);
    if (size != dim.getResult()) {
      dim.getResult().replaceAllUsesWith(size);
      dim.erase();
    }
  }
  for (auto symbol : entry.getOps<nn::SymDimOp>()) {
    if (!symbol->use_empty() && !symbolPlaces.contains(symbol.getName())) {
      return symbol.emitOpError()
             << "expected a dim of an input to be '" << symbol.getName() << "'";
    }
  }
  return success();
}

nn::Sizes EntryShapes::sizesOf(Value tensor) {
  if (auto it = bound.find(tensor); it != bound.end()) {
    return it->second;
  }
  if (auto it = unbound.find(tensor); it != unbound.end()) {
    return it->second;
  }
  auto type = cast<RankedTensorType>(tensor.getType());
  Builder b(tensor.getContext());
  ValueRange dynamic;
  Operation *op = tensor.getDefiningOp();
  if (auto dispatch = dyn_cast_or_null<rt::DispatchOp>(op)) {
    dynamic =
        dispatch.getSizesOfResult(cast<OpResult>(tensor).getResultNumber());
  } else if (auto shrink = dyn_cast_or_null<rt::ShrinkOp>(op)) {
    dynamic = shrink.getSizes();
  } else if (auto reshape = dyn_cast_or_null<nn::ReshapeOp>(op)) {
    dynamic = reshape.getSizes();
  }
  nn::Sizes sizes;
  for (int64_t size : type.getShape()) {
    if (!ShapedType::isDynamic(size)) {
      sizes.push_back(b.getIndexAttr(size));
      continue;
    }
    sizes.push_back(getAsOpFoldResult(dynamic.front()));
    dynamic = dynamic.drop_front();
  }
  return sizes;
}

std::optional<InputDim> EntryShapes::getInputDim(Value size) {
  if (auto symbol = size.getDefiningOp<nn::SymDimOp>()) {
    return symbolPlaces.lookup(symbol.getName());
  }
  if (auto dim = size.getDefiningOp<tensor::DimOp>()) {
    auto input = cast<BlockArgument>(dim.getSource());
    return InputDim{input.getArgNumber(),
                    static_cast<unsigned>(*dim.getConstantIndex())};
  }
  return std::nullopt;
}

StringRef EntryShapes::getSymbol(OpFoldResult size) {
  auto value = dyn_cast<Value>(size);
  auto symbol = value ? value.getDefiningOp<nn::SymDimOp>() : nn::SymDimOp();
  return symbol ? symbol.getName() : StringRef();
}

bool EntryShapes::isLate(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<tensor::DimOp>(op)) {
    return false;
  }
  if (isa<tensor::ExtractOp>(op)) {
    return true;
  }
  if (auto it = late.find(value); it != late.end()) {
    return it->second;
  }
  bool result =
      llvm::any_of(op->getOperands(), [&](Value v) { return isLate(v); });
  late[value] = result;
  return result;
}

bool EntryShapes::isLate(ArrayRef<OpFoldResult> sizes) {
  return llvm::any_of(sizes, [&](OpFoldResult size) {
    auto value = dyn_cast<Value>(size);
    return value && isLate(value);
  });
}

static ConstantIntRanges rangeOfSize(int64_t min, int64_t max) {
  return ConstantIntRanges::fromSigned(APInt(64, min, true),
                                       APInt(64, max, true));
}

ConstantIntRanges EntryShapes::rangeOf(Value value) {
  if (auto it = ranges.find(value); it != ranges.end()) {
    return it->second;
  }
  unsigned width = ConstantIntRanges::getStorageBitwidth(value.getType());
  ConstantIntRanges range = ConstantIntRanges::maxRange(width);
  Operation *op = value.getDefiningOp();
  if (auto symbol = dyn_cast_or_null<nn::SymDimOp>(op)) {
    int64_t max = symbol.getMax();
    range = rangeOfSize(symbol.getMin(),
                        max < 0 ? std::numeric_limits<int64_t>::max() : max);
  } else if (isa_and_nonnull<tensor::DimOp>(op)) {
    range = rangeOfSize(0, std::numeric_limits<int64_t>::max());
  } else if (auto infer = dyn_cast_or_null<InferIntRangeInterface>(op)) {
    SmallVector<ConstantIntRanges> operands;
    for (Value operand : op->getOperands()) {
      operands.push_back(rangeOf(operand));
    }
    infer.inferResultRanges(operands,
                            [&](Value result, const ConstantIntRanges &found) {
                              if (result == value) {
                                range = found;
                              }
                            });
  }
  ranges.insert({value, range});
  return range;
}

std::optional<int64_t> EntryShapes::upperBound(OpFoldResult size) {
  if (std::optional<int64_t> known = getConstantIntValue(size)) {
    return known;
  }
  int64_t max = rangeOf(cast<Value>(size)).smax().getSExtValue();
  // Anything near the type's end is the absence of a bound.
  if (max < 0 || max > std::numeric_limits<int64_t>::max() / 2) {
    return std::nullopt;
  }
  return max;
}

} // namespace dlc
