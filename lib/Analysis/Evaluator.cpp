// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Evaluation of views, elementwise ops, reductions, gathers and scatters.
#include "Analysis/Evaluator.h"
#include "ScalarFn.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

#include <cmath>
#include <cstring>

using namespace mlir;

namespace dlc {

using namespace nn;

namespace {

/// Row-major strides in elements.
SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  return computeStrides(shape);
}

/// Calls `visit` with each index of a box, in row-major order.
void forEachIndex(ArrayRef<int64_t> shape,
                  llvm::function_ref<void(ArrayRef<int64_t>)> visit) {
  if (llvm::is_contained(shape, 0)) {
    return;
  }
  SmallVector<int64_t> index(shape.size(), 0);
  while (true) {
    visit(index);
    int64_t dim = static_cast<int64_t>(shape.size()) - 1;
    for (; dim >= 0 && ++index[dim] == shape[dim]; --dim) {
      index[dim] = 0;
    }
    if (dim < 0) {
      return;
    }
  }
}

/// Linear place of `index` in a tensor of `shape`, whose dims of size 1 repeat.
int64_t placeOf(ArrayRef<int64_t> index, ArrayRef<int64_t> shape) {
  int64_t place = 0;
  for (auto [i, size] : llvm::zip_equal(index, shape)) {
    place = place * size + (size == 1 ? 0 : i);
  }
  return place;
}

void copyElement(HostTensor &to, int64_t at, const HostTensor &from,
                 int64_t place) {
  std::memcpy(to.at(at), from.at(place), to.access().getBytes());
}

RankedTensorType resultType(Operation *op) {
  return cast<RankedTensorType>(op->getResult(0).getType());
}

using Operands = ArrayRef<HostTensor>;
using Result = std::optional<HostTensor>;

/// One element of an elementwise op; false where the function is not known.
bool evaluateElement(ElementwiseOp op, Operands operands,
                     ArrayRef<int64_t> places, HostTensor &result, int64_t at) {
  Fn fn = op.getFn();
  if (fn == Fn::select) {
    unsigned chosen = operands[0].getInt(places[0]) ? 1 : 2;
    copyElement(result, at, operands[chosen], places[chosen]);
    return true;
  }
  Type element = operands[0].getElementType();
  if (!operands[0].access().isFloat()) {
    SmallVector<int64_t, 3> args;
    for (auto [operand, place] : llvm::zip(operands, places)) {
      args.push_back(operand.getInt(place));
    }
    if (args.size() == 2) {
      if (std::optional<bool> flag = compareInts(fn, args[0], args[1],
                                                 element.isUnsignedInteger() ||
                                                     element.isInteger(1))) {
        result.setInt(at, *flag);
        return true;
      }
    }
    std::optional<int64_t> value = evaluateIntFn(fn, args, element);
    if (value) {
      result.setInt(at, *value);
    }
    return value.has_value();
  }
  SmallVector<double, 3> args;
  for (auto [operand, place] : llvm::zip(operands, places)) {
    args.push_back(operand.getFloat(place));
  }
  if (fn == Fn::is_nan) {
    result.setInt(at, std::isnan(args[0]));
    return true;
  }
  if (args.size() == 2) {
    if (std::optional<bool> flag = compareFloats(fn, args[0], args[1])) {
      result.setInt(at, *flag);
      return true;
    }
  }
  std::optional<double> value = evaluateFloatFn(fn, args, op.getParamsAttr());
  if (value) {
    result.setFloat(at, *value);
  }
  return value.has_value();
}

Result evaluate(ElementwiseOp op, Operands operands) {
  HostTensor result(op.getType());
  int64_t at = 0;
  bool known = true;
  SmallVector<int64_t, 3> places(operands.size());
  forEachIndex(op.getType().getShape(), [&](ArrayRef<int64_t> index) {
    for (auto [i, operand] : llvm::enumerate(operands)) {
      places[i] = placeOf(index, operand.getType().getShape());
    }
    known = known && evaluateElement(op, operands, places, result, at++);
  });
  return known ? Result(std::move(result)) : std::nullopt;
}

Result evaluate(IotaOp op) {
  HostTensor result(op.getType());
  int64_t at = 0;
  forEachIndex(op.getType().getShape(), [&](ArrayRef<int64_t> index) {
    if (result.access().isFloat()) {
      result.setFloat(at++, static_cast<double>(index[op.getDim()]));
    } else {
      result.setInt(at++, index[op.getDim()]);
    }
  });
  return result;
}

Result evaluate(BroadcastOp op, const HostTensor &input) {
  HostTensor result(op.getType());
  int64_t at = 0;
  forEachIndex(op.getType().getShape(), [&](ArrayRef<int64_t> index) {
    copyElement(result, at++, input,
                placeOf(index, input.getType().getShape()));
  });
  return result;
}

Result evaluate(SliceOp op, const HostTensor &input) {
  if (!op.getOffsets().empty() || !op.getStrides().empty()) {
    return std::nullopt;
  }
  HostTensor result(op.getType());
  SmallVector<int64_t> source(op.getType().getRank());
  int64_t at = 0;
  forEachIndex(op.getType().getShape(), [&](ArrayRef<int64_t> index) {
    for (auto [dim, i] : llvm::enumerate(index)) {
      source[dim] = op.getStaticOffsets()[dim] + i * op.getStaticStrides()[dim];
    }
    copyElement(result, at++, input,
                linearize(source, stridesOf(input.getType().getShape())));
  });
  return result;
}

Result evaluate(ConcatOp op, Operands operands) {
  HostTensor result(op.getType());
  SmallVector<int64_t> strides = stridesOf(op.getType().getShape());
  int64_t offset = 0;
  for (const HostTensor &operand : operands) {
    int64_t at = 0;
    forEachIndex(operand.getType().getShape(), [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> target(index);
      target[op.getAxis()] += offset;
      copyElement(result, linearize(target, strides), operand, at++);
    });
    offset += operand.getType().getDimSize(op.getAxis());
  }
  return result;
}

/// `current` combined with one more element; nothing for kinds left to the
/// run time.
std::optional<double> combine(ReduceKind kind, double current, double next) {
  switch (kind) {
  case ReduceKind::sum:
  case ReduceKind::mean:
    return current + next;
  case ReduceKind::prod:
    return current * next;
  case ReduceKind::max:
  case ReduceKind::any:
    return std::isnan(current) || next <= current ? current : next;
  case ReduceKind::min:
  case ReduceKind::all:
    return std::isnan(current) || next >= current ? current : next;
  default:
    return std::nullopt;
  }
}

Result evaluate(ReduceOp op, const HostTensor &input) {
  // Numbers up to 2^53 are exact in f64; wider integers are left alone.
  bool isExact = input.access().isFloat() ||
                 input.getElementType().getIntOrFloatBitWidth() <= 32 ||
                 op.getKind() == ReduceKind::max ||
                 op.getKind() == ReduceKind::min;
  HostTensor result(op.getType());
  int64_t perResult = result.getNumElements()
                          ? input.getNumElements() / result.getNumElements()
                          : 0;
  if (!isExact || perResult == 0) {
    return std::nullopt;
  }
  SmallVector<std::optional<double>> values(result.getNumElements());
  bool known = true;
  int64_t at = 0;
  forEachIndex(input.getType().getShape(), [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> kept;
    for (auto [dim, i] : llvm::enumerate(index)) {
      if (!llvm::is_contained(op.getAxes(), static_cast<int64_t>(dim))) {
        kept.push_back(i);
      }
    }
    std::optional<double> &value =
        values[placeOf(kept, op.getType().getShape())];
    double next = input.getNumber(at++);
    value = value ? combine(op.getKind(), *value, next) : next;
    known = known && value && op.getKind() != ReduceKind::argmax &&
            op.getKind() != ReduceKind::argmin;
  });
  if (!known) {
    return std::nullopt;
  }
  for (auto [i, value] : llvm::enumerate(values)) {
    if (!result.access().isFloat()) {
      if (op.getKind() == ReduceKind::mean) {
        return std::nullopt;
      }
      result.setInt(i, static_cast<int64_t>(*value));
      continue;
    }
    result.setFloat(i, op.getKind() == ReduceKind::mean ? *value / perResult
                                                        : *value);
  }
  return result;
}

/// Where loop `index` of a gather or scatter finds its element in a table of
/// `shape`; nothing outside it. Clamps if asked.
std::optional<int64_t> tablePlace(ArrayRef<int64_t> shape, Operands indices,
                                  ArrayRef<int64_t> indexedDims,
                                  ArrayAttr indexMaps, AffineMap otherMap,
                                  bool negativeWrap, bool clamp,
                                  ArrayRef<int64_t> index) {
  SmallVector<int64_t> other = otherMap.compose(index), place;
  ArrayRef<int64_t> nextOther = other;
  for (int64_t dim = 0; dim < static_cast<int64_t>(shape.size()); ++dim) {
    const auto *indexed = llvm::find(indexedDims, dim);
    if (indexed == indexedDims.end()) {
      place.push_back(nextOther.front());
      nextOther = nextOther.drop_front();
      continue;
    }
    size_t i = indexed - indexedDims.begin();
    AffineMap map = cast<AffineMapAttr>(indexMaps[i]).getValue();
    int64_t value = indices[i].getInt(
        placeOf(map.compose(index), indices[i].getType().getShape()));
    if (negativeWrap && value < 0) {
      value += shape[dim];
    }
    if (clamp) {
      value = std::clamp<int64_t>(value, 0, shape[dim] - 1);
    }
    if (value < 0 || value >= shape[dim]) {
      return std::nullopt;
    }
    place.push_back(value);
  }
  return linearize(place, stridesOf(shape));
}

Result evaluate(GatherOp op, Operands operands) {
  HostTensor result(op.getType());
  bool inRange = true;
  int64_t at = 0;
  forEachIndex(op.getType().getShape(), [&](ArrayRef<int64_t> index) {
    std::optional<int64_t> place = tablePlace(
        operands[0].getType().getShape(), operands.drop_front(),
        op.getIndexedDims(), op.getIndexMaps(), op.getInputMap(),
        op.getNegativeWrap(), op.getBounds() == BoundsMode::clamp, index);
    if (place) {
      copyElement(result, at, operands[0], *place);
    } else {
      inRange = inRange && op.getBounds() == BoundsMode::zero;
    }
    ++at;
  });
  return inRange ? Result(std::move(result)) : std::nullopt;
}

Result evaluate(ScatterOp op, Operands operands) {
  if (op.getKind() != ScatterKind::assign) {
    return std::nullopt;
  }
  HostTensor result = operands[0];
  bool inRange = true;
  int64_t at = 0;
  forEachIndex(operands[1].getType().getShape(), [&](ArrayRef<int64_t> index) {
    std::optional<int64_t> place =
        tablePlace(result.getType().getShape(), operands.drop_front(2),
                   op.getIndexedDims(), op.getIndexMaps(), op.getDestMap(),
                   op.getNegativeWrap(), false, index);
    if (place) {
      copyElement(result, *place, operands[1], at);
    }
    inRange = inRange && place;
    ++at;
  });
  return inRange ? Result(std::move(result)) : std::nullopt;
}

Result evaluate(InsertSliceOp op, Operands operands) {
  if (!op.getOffsets().empty() || !op.getStrides().empty()) {
    return std::nullopt;
  }
  HostTensor result = operands[0];
  SmallVector<int64_t> strides = stridesOf(result.getType().getShape());
  int64_t at = 0;
  forEachIndex(operands[1].getType().getShape(), [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> target(index.size());
    for (auto [dim, i] : llvm::enumerate(index)) {
      target[dim] = op.getStaticOffsets()[dim] + i * op.getStaticStrides()[dim];
    }
    copyElement(result, linearize(target, strides), operands[1], at++);
  });
  return result;
}

} // namespace

Result evaluateOp(Operation *op, Operands operands) {
  if (op->getNumResults() != 1 ||
      !isa<RankedTensorType>(op->getResult(0).getType())) {
    return std::nullopt;
  }
  RankedTensorType type = resultType(op);
  if (!type.hasStaticShape() || !isHostElement(type.getElementType())) {
    return std::nullopt;
  }
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case<ElementwiseOp, ConcatOp, GatherOp, ScatterOp, InsertSliceOp>(
          [&](auto typed) { return evaluate(typed, operands); })
      .Case<BroadcastOp, SliceOp, ReduceOp>(
          [&](auto typed) { return evaluate(typed, operands[0]); })
      .Case([&](IotaOp iota) { return evaluate(iota); })
      .Case([&](CastOp cast) -> Result {
        return castTensor(operands[0], type.getElementType(),
                          cast.getSaturate().value_or(false));
      })
      .Case([&](ReshapeOp) -> Result {
        HostTensor result = operands[0];
        result.reshape(type.getShape());
        return result;
      })
      .Case([&](TransposeOp transpose) -> Result {
        return transposeTensor(operands[0], transpose.getPermutation());
      })
      .Default([](Operation *) -> Result { return std::nullopt; });
}

} // namespace dlc
