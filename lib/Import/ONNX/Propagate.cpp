// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operators on integers that are known as sizes: shape arithmetic becomes index
// arithmetic, and folds where it is static.
#include "Context.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace dlc::onnx {

/// Lists longer than this are data.
static constexpr size_t kMaxKnown = 64;

namespace {
/// Integers of one tensor of rank 0 or 1.
struct Known {
  Sizes elements;
  bool isScalar = false;
  Type type;

  OpFoldResult at(size_t i) const {
    return elements[elements.size() == 1 ? 0 : i];
  }
};
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
    inputs.push_back({*elements, GraphBuilder::rankOf(input) == 0, type});
  }
  return inputs;
}

static LogicalResult give(NodeContext &ctx, const Sizes &elements, Type type,
                          bool isScalar) {
  return ctx.results(ctx.b.fromInts(elements, type, isScalar));
}

/// Elementwise on two lists, of which one may have one element.
static std::optional<LogicalResult> binary(NodeContext &ctx,
                                           llvm::ArrayRef<Known> inputs,
                                           Type type, Combine combine) {
  Known current = inputs[0];
  for (const Known &next : inputs.drop_front()) {
    size_t left = current.elements.size(), right = next.elements.size();
    if (left != right && left != 1 && right != 1) {
      return std::nullopt;
    }
    size_t count = left == 1 ? right : left;
    Known joined;
    joined.isScalar = current.isScalar && next.isScalar;
    for (size_t i = 0; i < count; ++i) {
      OpFoldResult element = combine(ctx.b, current.at(i), next.at(i));
      if (!element) {
        return std::nullopt;
      }
      joined.elements.push_back(element);
    }
    current = joined;
  }
  return give(ctx, current.elements, type, current.isScalar);
}

/// 1 or 0 as an index, from a comparison.
static OpFoldResult asNumber(GraphBuilder &b, OpFoldResult flag) {
  return b.select(flag, b.index(1), b.index(0));
}

static std::optional<LogicalResult>
propagateBinary(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
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

static std::optional<LogicalResult>
propagateWhere(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
  size_t count = 1;
  bool isScalar = true;
  for (const Known &input : inputs) {
    size_t own = input.elements.size();
    if (own != 1 && count != 1 && own != count) {
      return std::nullopt;
    }
    count = own == 1 ? count : own;
    isScalar &= input.isScalar;
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

static std::optional<LogicalResult>
propagateGather(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
  const Known &data = inputs[0], &places = inputs[1];
  if (data.isScalar) {
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
  return give(ctx, result, data.type, places.isScalar);
}

static std::optional<LogicalResult>
propagateSlice(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
  if (ctx.since() < 10 || inputs[0].isScalar) {
    return std::nullopt;
  }
  int64_t numbers[3] = {0, 0, 1}; // start, end, step
  for (unsigned i : {1u, 2u, 4u}) {
    if (i >= inputs.size() || !inputs[i].type) {
      continue;
    }
    std::optional<int64_t> known =
        inputs[i].elements.size() == 1
            ? getConstantIntValue(inputs[i].elements[0])
            : std::nullopt;
    if (!known) {
      return std::nullopt;
    }
    numbers[i == 4 ? 2 : i - 1] = *known;
  }
  auto [start, end, step] = numbers;
  int64_t length = inputs[0].elements.size();
  if (step == 0) {
    return ctx.invalid("expected a slice step that is not 0");
  }
  start = start < 0 ? start + length : start;
  end = end < 0 && end >= -length ? end + length : end;
  start = std::clamp<int64_t>(start, 0, step < 0 ? length - 1 : length);
  end = std::clamp<int64_t>(end, step < 0 ? -1 : 0, length);
  Sizes result;
  for (int64_t i = start; step > 0 ? i < end : i > end; i += step) {
    result.push_back(inputs[0].elements[i]);
    if (step > length || step < -length) {
      break;
    }
  }
  return give(ctx, result, inputs[0].type, false);
}

static std::optional<LogicalResult>
propagateConcat(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
  Sizes result;
  for (const Known &input : inputs) {
    if (input.isScalar) {
      return std::nullopt;
    }
    llvm::append_range(result, input.elements);
  }
  return give(ctx, result, inputs[0].type, false);
}

static std::optional<LogicalResult>
propagateReduce(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
  GraphBuilder &b = ctx.b;
  const Known &data = inputs[0];
  bool hasAxes = !ctx.getInts("axes").empty() ||
                 (inputs.size() > 1 && !inputs[1].elements.empty());
  if (data.isScalar || (!hasAxes && ctx.getFlag("noop_with_empty_axes")) ||
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

/// Reshape, Squeeze and Unsqueeze of at most one dim keep the elements.
static std::optional<LogicalResult>
propagateReshape(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
  StringRef name = ctx.schema.name;
  const Known &data = inputs[0];
  if (name == "Unsqueeze") {
    size_t axes = ctx.since() < 13 ? ctx.getInts("axes").size()
                                   : inputs[1].elements.size();
    return data.isScalar && axes == 1
               ? std::optional(give(ctx, data.elements, data.type, false))
               : std::nullopt;
  }
  if (data.elements.size() != 1) {
    return std::nullopt;
  }
  if (name == "Squeeze") {
    return give(ctx, data.elements, data.type, true);
  }
  size_t rank = inputs[1].elements.size();
  bool fits =
      rank <= 1 && llvm::all_of(inputs[1].elements, [](auto size) {
        return isConstantIntValue(size, 1) || isConstantIntValue(size, -1);
      });
  return fits ? std::optional(give(ctx, data.elements, data.type, rank == 0))
              : std::nullopt;
}

static std::optional<LogicalResult>
propagateCast(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
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
  return give(ctx, result, target, inputs[0].isScalar);
}

static std::optional<LogicalResult>
propagateUnary(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
  GraphBuilder &b = ctx.b;
  StringRef name = ctx.schema.name;
  Sizes result;
  for (OpFoldResult element : inputs[0].elements) {
    OpFoldResult negative = b.sub(b.index(0), element);
    result.push_back(name == "Neg"   ? negative
                     : name == "Not" ? b.sub(b.index(1), element)
                                     : b.max(element, negative));
  }
  return give(ctx, result, inputs[0].type, inputs[0].isScalar);
}

/// Expand and ConstantOfShape to a vector of a known length.
static std::optional<LogicalResult>
propagateFill(NodeContext &ctx, const Known &value, const Known &shape) {
  std::optional<int64_t> length = shape.elements.size() == 1
                                      ? getConstantIntValue(shape.elements[0])
                                      : std::nullopt;
  if (!length || value.elements.size() != 1 || *length < 1 ||
      *length > static_cast<int64_t>(kMaxKnown)) {
    return std::nullopt;
  }
  return give(ctx, Sizes(*length, value.elements[0]), value.type, false);
}

static std::optional<LogicalResult>
propagateConstantOfShape(NodeContext &ctx, const Known &shape) {
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
  return propagateFill(ctx, {*known, false, type}, shape);
}

static std::optional<LogicalResult>
propagateRange(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
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

static std::optional<LogicalResult>
propagateSplit(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
  size_t count = ctx.numOutputs(), length = inputs[0].elements.size();
  SmallVector<int64_t> parts(ctx.getInts("split"));
  if (inputs.size() > 1) {
    for (OpFoldResult part : inputs[1].elements) {
      parts.push_back(getConstantIntValue(part).value_or(-1));
    }
  }
  if (parts.empty() && length % count == 0) {
    parts.assign(count, length / count);
  }
  int64_t total = 0;
  for (int64_t part : parts) {
    if (part < 0 || part > static_cast<int64_t>(kMaxKnown)) {
      return std::nullopt;
    }
    total += part;
  }
  if (parts.size() != count || total != static_cast<int64_t>(length)) {
    return std::nullopt;
  }
  SmallVector<Value> results;
  const OpFoldResult *next = inputs[0].elements.begin();
  for (int64_t part : parts) {
    results.push_back(
        ctx.b.fromInts(Sizes(next, next + part), inputs[0].type, false));
    next += part;
  }
  return ctx.results(results);
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
  using Rule =
      std::optional<LogicalResult> (*)(NodeContext &, llvm::ArrayRef<Known>);
  Rule rule = llvm::StringSwitch<Rule>(name)
                  .Case("Where", propagateWhere)
                  .Case("Gather", propagateGather)
                  .Case("Slice", propagateSlice)
                  .Case("Concat", propagateConcat)
                  .Cases({"ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"},
                         propagateReduce)
                  .Cases({"Reshape", "Squeeze", "Unsqueeze"}, propagateReshape)
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
