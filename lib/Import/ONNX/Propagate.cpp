// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operators on integers that are known as sizes: shape arithmetic becomes index
// arithmetic, and folds where it is static.
#include "Propagate.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace dlc::onnx {

namespace {
using Combine = llvm::function_ref<OpFoldResult(GraphBuilder &, OpFoldResult,
                                                OpFoldResult)>;
} // namespace

static bool isPropagated(Type element) {
  return element.isSignlessInteger(64) || element.isSignlessInteger(32) ||
         element.isInteger(1);
}

/// The known integers of all inputs, or nothing.
static std::optional<SmallVector<Known>> knownInputs(NodeContext &ctx) {
  SmallVector<Known> inputs;
  for (Value input : ctx.allInputs()) {
    if (!input) {
      inputs.push_back({});
      continue;
    }
    const Sizes *elements = ctx.b.knownInts(input);
    Type type = GraphBuilder::elementOf(input);
    if (!elements || !isPropagated(type)) {
      return std::nullopt;
    }
    inputs.push_back({*elements,
                      llvm::to_vector(GraphBuilder::typeOf(input).getShape()),
                      type});
  }
  return inputs;
}

LogicalResult give(NodeContext &ctx, const Sizes &elements, Type type,
                   bool isScalar) {
  return ctx.results(ctx.b.fromInts(elements, type, isScalar));
}

LogicalResult give(NodeContext &ctx, const Known &known) {
  Value list = ctx.b.fromInts(known.elements, known.type, known.isScalar());
  if (known.rank() < 2) {
    return ctx.results(list);
  }
  Sizes sizes;
  for (int64_t size : known.shape) {
    sizes.push_back(ctx.b.index(size));
  }
  Value tensor = ctx.b.reshape(list, sizes);
  ctx.b.setKnownInts(tensor, known.elements);
  return ctx.results(tensor);
}

/// Elementwise on two lists, of which one may have one element.
static PropagationResult binary(NodeContext &ctx, llvm::ArrayRef<Known> inputs,
                                Type type, Combine combine) {
  Known current = inputs[0];
  bool isScalar = current.isScalar();
  for (const Known &next : inputs.drop_front()) {
    size_t left = current.elements.size(), right = next.elements.size();
    if (left != right && left != 1 && right != 1) {
      return std::nullopt;
    }
    size_t count = left == 1 ? right : left;
    isScalar &= next.isScalar();
    Known joined;
    for (size_t i = 0; i < count; ++i) {
      OpFoldResult element = combine(ctx.b, current.at(i), next.at(i));
      if (!element) {
        return std::nullopt;
      }
      joined.elements.push_back(element);
    }
    current = joined;
  }
  return give(ctx, current.elements, type, isScalar);
}

/// 1 or 0 as an index, from a comparison.
static OpFoldResult asNumber(GraphBuilder &b, OpFoldResult flag) {
  return b.select(flag, b.index(1), b.index(0));
}

static PropagationResult propagateBinary(NodeContext &ctx,
                                         llvm::ArrayRef<Known> inputs) {
  using B = GraphBuilder;
  using R = OpFoldResult;
  using P = arith::CmpIPredicate;
  StringRef name = ctx.schema.name;
  Type type = inputs[0].type;
  auto comparison = [&](P predicate) {
    return binary(ctx, inputs, ctx.b.getI1Type(), [&](B &b, R x, R y) {
      return asNumber(b, b.compare(predicate, x, y));
    });
  };
  auto arithmetic = [&](Combine combine) {
    return binary(ctx, inputs, type, combine);
  };
  // Division by what may be 0 is left to run time.
  auto divides = [](B &b, R y) {
    std::optional<int64_t> known = getConstantIntValue(y);
    return known ? *known != 0 : b.lowerBound(y).value_or(0) > 0;
  };
  if (name == "Add" || name == "Sum") {
    return arithmetic([](B &b, R x, R y) { return b.add(x, y); });
  }
  if (name == "Sub") {
    return arithmetic([](B &b, R x, R y) { return b.sub(x, y); });
  }
  if (name == "Mul") {
    return arithmetic([](B &b, R x, R y) { return b.mul(x, y); });
  }
  if (name == "Min") {
    return arithmetic([](B &b, R x, R y) { return b.min(x, y); });
  }
  if (name == "Max") {
    return arithmetic([](B &b, R x, R y) { return b.max(x, y); });
  }
  if (name == "Div") {
    return arithmetic(
        [&](B &b, R x, R y) { return divides(b, y) ? b.truncDiv(x, y) : R(); });
  }
  if (name == "Mod" && !ctx.getFlag("fmod")) {
    return arithmetic([&](B &b, R x, R y) {
      return b.lowerBound(y).value_or(0) > 0
                 ? b.sub(x, b.mul(b.floorDiv(x, y), y))
                 : R();
    });
  }
  auto predicate = llvm::StringSwitch<std::optional<P>>(name)
                       .Case("Equal", P::eq)
                       .Case("Greater", P::sgt)
                       .Case("GreaterOrEqual", P::sge)
                       .Case("Less", P::slt)
                       .Case("LessOrEqual", P::sle)
                       .Default(std::nullopt);
  if (predicate) {
    return comparison(*predicate);
  }
  if (name == "And") {
    return arithmetic([](B &b, R x, R y) { return b.mul(x, y); });
  }
  if (name == "Or") {
    return arithmetic([](B &b, R x, R y) { return b.max(x, y); });
  }
  return std::nullopt;
}

static PropagationResult propagateWhere(NodeContext &ctx,
                                        llvm::ArrayRef<Known> inputs) {
  size_t count = 1;
  bool isScalar = true;
  for (const Known &input : inputs) {
    size_t own = input.elements.size();
    if (own != 1 && count != 1 && own != count) {
      return std::nullopt;
    }
    count = own == 1 ? count : own;
    isScalar &= input.isScalar();
  }
  GraphBuilder &b = ctx.b;
  Sizes result;
  for (size_t i = 0; i < count; ++i) {
    OpFoldResult flag =
        b.compare(arith::CmpIPredicate::ne, inputs[0].at(i), b.index(0));
    result.push_back(b.select(flag, inputs[1].at(i), inputs[2].at(i)));
  }
  return give(ctx, result, inputs[1].type, isScalar);
}

static PropagationResult propagateGather(NodeContext &ctx,
                                         llvm::ArrayRef<Known> inputs) {
  const Known &data = inputs[0], &places = inputs[1];
  if (data.isScalar()) {
    return std::nullopt;
  }
  Sizes result;
  int64_t length = data.elements.size();
  for (OpFoldResult place : places.elements) {
    std::optional<int64_t> known = getConstantIntValue(place);
    if (!known) {
      return std::nullopt;
    }
    if (*known < -length || *known >= length) {
      return ctx.invalid("expected an index from " + Twine(-length) + " to " +
                         Twine(length - 1) + ", got " + Twine(*known));
    }
    result.push_back(data.elements[*known < 0 ? *known + length : *known]);
  }
  return give(ctx, result, data.type, places.isScalar());
}

static PropagationResult propagateReduce(NodeContext &ctx,
                                         llvm::ArrayRef<Known> inputs) {
  GraphBuilder &b = ctx.b;
  const Known &data = inputs[0];
  bool hasAxes = !ctx.getInts("axes").empty() ||
                 (inputs.size() > 1 && !inputs[1].elements.empty());
  if (data.isScalar() || (!hasAxes && ctx.getFlag("noop_with_empty_axes")) ||
      data.elements.empty()) {
    return std::nullopt;
  }
  OpFoldResult result = data.elements[0];
  for (OpFoldResult next : llvm::ArrayRef(data.elements).drop_front()) {
    result = ctx.schema.name == "ReduceProd"  ? b.mul(result, next)
             : ctx.schema.name == "ReduceSum" ? b.add(result, next)
             : ctx.schema.name == "ReduceMax" ? b.max(result, next)
                                              : b.min(result, next);
  }
  return give(ctx, {result}, data.type, ctx.getInt("keepdims", 1) == 0);
}

static PropagationResult propagateCast(NodeContext &ctx,
                                       llvm::ArrayRef<Known> inputs) {
  GraphBuilder &b = ctx.b;
  Type target = ctx.importer.elementType(ctx.getInt("to", 0), "the result");
  if (!target) {
    return failure();
  }
  if (!isPropagated(target)) {
    return std::nullopt;
  }
  Sizes result = inputs[0].elements;
  if (target.isInteger(1)) {
    for (OpFoldResult &element : result) {
      element =
          asNumber(b, b.compare(arith::CmpIPredicate::ne, element, b.index(0)));
    }
  } else if (target.isInteger(32) && inputs[0].type.isInteger(64)) {
    // Numbers that do not fit wrap; sizes that are not constant do fit.
    for (OpFoldResult &element : result) {
      if (std::optional<int64_t> known = getConstantIntValue(element)) {
        element = b.index(static_cast<int32_t>(*known));
      }
    }
  }
  return give(ctx, {result, inputs[0].shape, target});
}

static PropagationResult propagateUnary(NodeContext &ctx,
                                        llvm::ArrayRef<Known> inputs) {
  GraphBuilder &b = ctx.b;
  StringRef name = ctx.schema.name;
  Sizes result;
  for (OpFoldResult element : inputs[0].elements) {
    OpFoldResult negative = b.sub(b.index(0), element);
    result.push_back(name == "Neg"   ? negative
                     : name == "Not" ? b.sub(b.index(1), element)
                                     : b.max(element, negative));
  }
  return give(ctx, {result, inputs[0].shape, inputs[0].type});
}

/// Expand and ConstantOfShape to a vector of a known length.
static PropagationResult propagateFill(NodeContext &ctx, const Known &value,
                                       const Known &shape) {
  std::optional<int64_t> length = shape.elements.size() == 1
                                      ? getConstantIntValue(shape.elements[0])
                                      : std::nullopt;
  if (!length || value.elements.size() != 1 || *length < 1 ||
      *length > static_cast<int64_t>(kMaxKnown)) {
    return std::nullopt;
  }
  return give(ctx, Sizes(*length, value.elements[0]), value.type, false);
}

static PropagationResult propagateConstantOfShape(NodeContext &ctx,
                                                  const Known &shape) {
  const AttributeProto *value = ctx.attribute("value");
  if (!value || !value->t) {
    return std::nullopt;
  }
  Value tensor = ctx.importer.importTensor(*value->t, "value");
  if (!tensor) {
    return failure();
  }
  const Sizes *known = ctx.b.knownInts(tensor);
  Type type = GraphBuilder::elementOf(tensor);
  if (!known || !isPropagated(type)) {
    return std::nullopt;
  }
  return propagateFill(
      ctx, {*known, {static_cast<int64_t>(known->size())}, type}, shape);
}

static PropagationResult propagateRange(NodeContext &ctx,
                                        llvm::ArrayRef<Known> inputs) {
  int64_t numbers[3];
  for (unsigned i = 0; i < 3; ++i) {
    std::optional<int64_t> known =
        inputs[i].elements.size() == 1
            ? getConstantIntValue(inputs[i].elements[0])
            : std::nullopt;
    if (!known || std::abs(*known) > INT32_MAX) {
      return std::nullopt;
    }
    numbers[i] = *known;
  }
  auto [start, limit, delta] = numbers;
  Sizes result;
  for (int64_t i = start; delta != 0 && (delta > 0 ? i < limit : i > limit);
       i += delta) {
    if (result.size() == kMaxKnown) {
      return std::nullopt;
    }
    result.push_back(ctx.b.index(i));
  }
  return delta == 0 ? std::nullopt
                    : std::optional(give(ctx, result, inputs[0].type, false));
}

std::optional<LogicalResult> propagateSizes(NodeContext &ctx) {
  StringRef name = ctx.schema.name;
  if (!ctx.schema.domain.empty() || ctx.numInputs() == 0) {
    return std::nullopt;
  }
  std::optional<SmallVector<Known>> inputs = knownInputs(ctx);
  if (!inputs || !inputs->front().type) {
    return std::nullopt;
  }
  size_t longest = 0;
  for (const Known &input : *inputs) {
    longest = std::max(longest, input.elements.size());
  }
  if (longest > kMaxKnown) {
    return std::nullopt;
  }
  // Lists of rank 2 are only brought into other forms.
  bool isTable = llvm::any_of(
      *inputs, [](const Known &input) { return input.rank() > 1; });
  if (isTable && !llvm::is_contained({"Reshape", "Squeeze", "Unsqueeze",
                                      "Transpose", "Slice", "Cast"},
                                     name)) {
    return std::nullopt;
  }
  using Rule = PropagationResult (*)(NodeContext &, llvm::ArrayRef<Known>);
  Rule rule = llvm::StringSwitch<Rule>(name)
                  .Case("Where", propagateWhere)
                  .Case("Gather", propagateGather)
                  .Case("Slice", propagateSlice)
                  .Case("Concat", propagateConcat)
                  .Cases({"ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"},
                         propagateReduce)
                  .Cases({"Reshape", "Squeeze", "Unsqueeze"}, propagateReshape)
                  .Case("Transpose", propagateTranspose)
                  .Case("Cast", propagateCast)
                  .Cases({"Neg", "Not", "Abs"}, propagateUnary)
                  .Case("Range", propagateRange)
                  .Case("Split", propagateSplit)
                  .Default(nullptr);
  if (rule) {
    return rule(ctx, *inputs);
  }
  if (name == "Expand") {
    return propagateFill(ctx, (*inputs)[0], (*inputs)[1]);
  }
  if (name == "ConstantOfShape") {
    return propagateConstantOfShape(ctx, (*inputs)[0]);
  }
  return inputs->size() >= 2 ? propagateBinary(ctx, *inputs) : std::nullopt;
}

} // namespace dlc::onnx
