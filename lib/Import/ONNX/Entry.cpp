// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The entry function: its inputs with their named sizes, initialisers, outputs.
#include "Context.h"

using namespace mlir;

namespace dlc::onnx {

/// The most dims of an input or output that a binary's header describes.
static constexpr int64_t kMaxEntryRank = 64;

/// "8", "1..32" or "1..32:8" as a range.
static bool parseRange(StringRef text, int64_t &min, int64_t &max,
                       int64_t &hint) {
  auto [range, hintText] = text.split(':');
  auto [low, high] = range.split("..");
  if (low.getAsInteger(10, min) || min < 0) {
    return false;
  }
  max = min;
  if (range.contains("..") && (high.getAsInteger(10, max) || max < min)) {
    return false;
  }
  hint = 0;
  return hintText.empty()
             ? !text.contains(':')
             : !hintText.getAsInteger(10, hint) && hint >= min && hint <= max;
}

LogicalResult ModelImporter::parseDims() {
  for (StringRef text : options.dims) {
    auto [key, value] = text.rsplit('=');
    DimRange range;
    if (key.empty() || !parseRange(value, range.min, range.max, range.hint)) {
      report(ErrorClass::Usage, "expected a dimension such as batch=1..32:8 "
                                "or INPUT[0]=8, got '" +
                                    text + "'");
      return failure();
    }
    if (!dimRanges.try_emplace(key, range).second) {
      report(ErrorClass::Usage, "dimension '" + key + "' is given twice");
      return failure();
    }
  }
  return success();
}

const ModelImporter::DimRange *
ModelImporter::findRange(StringRef input, int64_t dim, StringRef symbol) {
  std::string place = (input + "[" + Twine(dim) + "]").str();
  const DimRange *range = nullptr;
  for (StringRef key : {StringRef(place), symbol}) {
    auto found = dimRanges.find(key);
    if (!key.empty() && found != dimRanges.end()) {
      found->second.used = true;
      range = range ? range : &found->second;
    }
  }
  return range;
}

FailureOr<RankedTensorType>
ModelImporter::inputType(const ValueInfoProto &input) {
  std::string what = ("input '" + input.name.value_or("") + "'").str();
  auto fail = [&](ErrorClass error, const Twine &message) {
    report(error, message);
    return failure();
  };
  if (!input.type || !input.type->tensorType) {
    bool other =
        input.type && (input.type->sequenceType || input.type->optionalType ||
                       input.type->mapType || input.type->sparseTensorType);
    return fail(other ? ErrorClass::Unsupported : ErrorClass::Invalid,
                other ? Twine(what) + " is not a tensor"
                      : "expected a type of " + Twine(what));
  }
  const TypeProtoTensor &tensor = *input.type->tensorType;
  Type element = elementType(tensor.elemType.value_or(0), what);
  if (!element) {
    return failure();
  }
  if (!tensor.shape) {
    return fail(ErrorClass::Unsupported, Twine(what) + " has no rank");
  }
  if (static_cast<int64_t>(tensor.shape->dim.size()) > kMaxEntryRank) {
    return fail(ErrorClass::Unsupported,
                Twine(what) + " has rank " + Twine(tensor.shape->dim.size()) +
                    ", dlc takes up to " + Twine(kMaxEntryRank));
  }
  SmallVector<int64_t> shape;
  int64_t elements = 1;
  for (auto [i, dim] : llvm::enumerate(tensor.shape->dim)) {
    StringRef symbol = dim.dimValue ? StringRef() : dim.dimParam.value_or("");
    int64_t size = dim.dimValue.value_or(ShapedType::kDynamic);
    if (dim.dimValue && size < 0) {
      return fail(ErrorClass::Invalid, "expected no negative dim of " +
                                           Twine(what) + ", got " +
                                           Twine(size));
    }
    const DimRange *range = findRange(input.name.value_or(""), i, symbol);
    auto shared = dimRanges.find(symbol);
    if (range && !symbol.empty() && shared != dimRanges.end() &&
        !range->equals(shared->second)) {
      return fail(ErrorClass::Usage, "dim " + Twine(i) + " of " + Twine(what) +
                                         " is dimension '" + symbol +
                                         "', for which another range is given");
    }
    if (range && dim.dimValue) {
      if (size < range->min || size > range->max) {
        return fail(ErrorClass::Usage, "dim " + Twine(i) + " of " +
                                           Twine(what) + " is " + Twine(size) +
                                           ", outside the range asked for");
      }
    } else if (range && range->isFixed()) {
      size = range->min;
    }
    if (size > 0) {
      if (elements > (int64_t(1) << 48) / size) {
        return fail(ErrorClass::Invalid,
                    "expected fewer than 2^48 elements of " + Twine(what));
      }
      elements *= size;
    }
    shape.push_back(size);
  }
  return RankedTensorType::get(shape, element);
}

/// States the sizes of an input's dynamic dims: one sym_dim per name.
LogicalResult ModelImporter::bindShape(const ValueInfoProto &input,
                                       Value argument) {
  auto type = llvm::cast<RankedTensorType>(argument.getType());
  StringRef name = input.name.value_or("");
  Sizes sizes;
  for (auto [i, dim] : llvm::enumerate(input.type->tensorType->shape->dim)) {
    if (!type.isDynamicDim(i)) {
      sizes.push_back(builder->getIndexAttr(type.getDimSize(i)));
      continue;
    }
    std::string symbol = dim.dimParam.value_or("").str();
    const DimRange *range = findRange(name, i, symbol);
    if (symbol.empty()) {
      symbol = (name + "." + Twine(i)).str();
    }
    Value &size = symDims[symbol];
    if (!size) {
      DimRange limits = range ? *range : DimRange();
      size = nn::SymDimOp::create(
          *builder, builder->loc, builder->getIndexType(),
          builder->getStringAttr(symbol),
          builder->getI64IntegerAttr(limits.min),
          builder->getI64IntegerAttr(limits.max), builder->getI64IntegerAttr(1),
          builder->getI64IntegerAttr(limits.hint));
    }
    sizes.push_back(size);
  }
  builder->setSizes(argument, sizes);
  if (!type.hasStaticShape()) {
    SmallVector<Value> values;
    for (OpFoldResult size : sizes) {
      values.push_back(builder->toValue(size));
    }
    nn::BindShapeOp::create(*builder, builder->loc, argument, values);
  }
  return success();
}

LogicalResult ModelImporter::addInitializers(const GraphProto &graph,
                                             Frame &frame) {
  for (const TensorProto &tensor : graph.initializer) {
    StringRef name = tensor.name.value_or("");
    if (name.empty()) {
      report(ErrorClass::Invalid, "expected a name of each initializer");
      return failure();
    }
    if (frame.values.contains(name)) {
      report(ErrorClass::Invalid, "duplicate initializer '" + name + "'");
      return failure();
    }
    Value value = importTensor(tensor, name);
    if (!value) {
      return failure();
    }
    frame.values[name] = value;
  }
  if (!graph.sparseInitializer.empty()) {
    report(ErrorClass::Unsupported, "the model has sparse initializers");
    return failure();
  }
  return success();
}

LogicalResult ModelImporter::buildEntry(ModuleOp module) {
  const GraphProto &graph = *model.graph;
  llvm::StringSet<> constants, names;
  for (const TensorProto &tensor : graph.initializer) {
    constants.insert(tensor.name.value_or(""));
  }
  OpBuilder b(module.getBodyRegion());
  SmallVector<Type> types;
  SmallVector<const ValueInfoProto *> inputs;
  for (const ValueInfoProto &input : graph.input) {
    StringRef name = input.name.value_or("");
    if (name.empty() || !names.insert(name).second) {
      report(ErrorClass::Invalid, name.empty()
                                      ? "expected a name of each input"
                                      : "duplicate input '" + name.str() + "'");
      return failure();
    }
    if (constants.contains(name)) {
      continue; // IR versions below 4 list initialisers among the inputs
    }
    FailureOr<RankedTensorType> type = inputType(input);
    if (failed(type)) {
      return failure();
    }
    types.push_back(*type);
    inputs.push_back(&input);
  }
  entry = func::FuncOp::create(b, module.getLoc(), "main",
                               b.getFunctionType(types, {}));
  Block *block = entry.addEntryBlock();
  builder = std::make_unique<GraphBuilder>(
      module, block, [this](ErrorClass error, const Twine &message) {
        report(error, message);
      });
  builder->assumeStrictDims = options.assumeStrictDims;
  mainFrame.opsets = &opsets;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    Value argument = block->getArgument(i);
    entry.setArgAttr(i, "nn.name", b.getStringAttr(*input->name));
    if (failed(bindShape(*input, argument))) {
      return failure();
    }
    mainFrame.values[*input->name] = argument;
  }
  for (auto &range : dimRanges) {
    if (!range.second.used) {
      report(ErrorClass::Usage,
             "the model has no dimension '" + range.first() + "'");
      return failure();
    }
  }
  if (failed(addInitializers(graph, mainFrame))) {
    return failure();
  }
  llvm::StringMap<int> outside;
  for (auto &value : mainFrame.values) {
    outside[value.first()] = 1;
  }
  FailureOr<std::vector<const NodeProto *>> order =
      sortNodes(graph.node, "the graph", outside);
  if (failed(order) || failed(importNodes(*order, mainFrame))) {
    return failure();
  }
  return finishEntry();
}

/// The declared shape, where there is one, must be able to be the value's.
LogicalResult ModelImporter::checkOutput(const ValueInfoProto &output,
                                         Value value) {
  auto type = llvm::cast<RankedTensorType>(value.getType());
  if (type.getRank() > kMaxEntryRank) {
    report(ErrorClass::Unsupported, "output '" + output.name.value_or("") +
                                        "' has rank " + Twine(type.getRank()) +
                                        ", dlc takes up to " +
                                        Twine(kMaxEntryRank));
    return failure();
  }
  if (!output.type || !output.type->tensorType ||
      !output.type->tensorType->shape) {
    return success();
  }
  const auto &dims = output.type->tensorType->shape->dim;
  std::string declared;
  bool agree = static_cast<int64_t>(dims.size()) == type.getRank();
  for (auto [i, dim] : llvm::enumerate(dims)) {
    declared +=
        (i ? "x" : "") + (dim.dimValue ? std::to_string(*dim.dimValue) : "?");
    agree = agree && (!dim.dimValue || type.isDynamicDim(i) ||
                      *dim.dimValue == type.getDimSize(i));
  }
  if (!agree) {
    report(ErrorClass::Invalid, "output '" + output.name.value_or("") +
                                    "' is declared with shape " + declared +
                                    ", but is " + typeName(type));
  }
  return success(agree);
}

LogicalResult ModelImporter::finishEntry() {
  SmallVector<Value> results;
  SmallVector<Attribute> names;
  llvm::StringSet<> seen;
  for (const ValueInfoProto &output : model.graph->output) {
    StringRef name = output.name.value_or("");
    if (!seen.insert(name).second) {
      report(ErrorClass::Invalid, "duplicate output '" + name + "'");
      return failure();
    }
    std::optional<Value> value = mainFrame.lookup(name);
    if (!value) {
      report(ErrorClass::Invalid, "undefined output '" + name + "'");
      continue;
    }
    if (!*value) {
      continue; // an unsupported node's
    }
    int32_t declared = output.type && output.type->tensorType
                           ? output.type->tensorType->elemType.value_or(0)
                           : 0;
    if (declared != 0 &&
        declared != dataTypeOf(GraphBuilder::elementOf(*value))) {
      report(ErrorClass::Invalid,
             "output '" + name +
                 "' is declared with another element type "
                 "than " +
                 typeName(GraphBuilder::elementOf(*value)));
      return failure();
    }
    if (failed(checkOutput(output, *value))) {
      return failure();
    }
    results.push_back(*value);
    names.push_back(builder->getStringAttr(name));
  }
  if (model.graph->output.empty()) {
    report(ErrorClass::Invalid, "expected an output, got none");
    return failure();
  }
  func::ReturnOp::create(*builder, builder->loc, results);
  entry.setType(builder->getFunctionType(entry.getArgumentTypes(),
                                         TypeRange(ValueRange(results))));
  for (auto [i, name] : llvm::enumerate(names)) {
    entry.setResultAttr(i, "nn.name", llvm::cast<StringAttr>(name));
  }
  return success();
}

} // namespace dlc::onnx
