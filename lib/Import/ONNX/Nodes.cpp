// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Walks nodes: checks each against its schema, then hands it to its builder or
// expands its function body.
#include "Context.h"

#include "Dialect/NN/Support.h"

#include "llvm/Support/JSON.h"

using namespace mlir;

namespace dlc::onnx {

/// Nested calls of functions deeper than this are refused.
static constexpr size_t kMaxCallDepth = 64;
/// Nodes of all expanded functions together. Functions that call each other
/// twice double with each level; honest models stay far below.
static constexpr size_t kMaxExpandedNodes = 1 << 18;

std::optional<Value> Frame::lookup(StringRef name) const {
  for (const Frame *frame = this; frame; frame = frame->outer) {
    auto found = frame->values.find(name);
    if (found != frame->values.end()) {
      return found->second;
    }
  }
  return std::nullopt;
}

//===-- reports -----------------------------------------------------------===//

void ModelImporter::report(ErrorClass error, const Twine &message) {
  if (error == ErrorClass::Unsupported && currentNode) {
    noteUnsupported(llvm::json::fixUTF8(message.str()));
    return;
  }
  if (error == ErrorClass::Unsupported) {
    unsupportedModel = true;
  } else if (fatal == ErrorClass::None) {
    fatal = error;
  }
  Location loc =
      builder ? builder->loc
              : FileLineColLoc::get(&context,
                                    source.path.empty() ? "model" : source.path,
                                    0, 0);
  InFlightDiagnostic diagnostic = emitError(loc);
  if (currentNode) {
    diagnostic << "node '" << currentName << "' ("
               << currentNode->opType.value_or("") << "): ";
  }
  diagnostic << llvm::json::fixUTF8(message.str());
}

void ModelImporter::noteUnsupported(StringRef reason) {
  nodeUnsupported = true;
  StringRef domain = normalDomain(currentNode->domain.value_or("")),
            name = currentNode->opType.value_or("");
  for (Problem &problem : problems) {
    if (problem.domain == domain && problem.name == name &&
        problem.version == currentVersion && problem.reason == reason) {
      ++problem.count;
      return;
    }
  }
  problems.push_back({domain.str(), name.str(), currentName, reason.str(),
                      currentVersion, 1, builder->loc});
}

void ModelImporter::emitProblems() {
  for (const Problem &problem : problems) {
    emitError(problem.loc) << "unsupported operator "
                           << (problem.domain.empty() ? "ai.onnx"
                                                      : problem.domain)
                           << "." << problem.name << " version "
                           << problem.version << " (" << problem.count
                           << (problem.count == 1 ? " node" : " nodes")
                           << ", first '" << problem.node
                           << "'): " << problem.reason;
    for (OperatorReport &report : operators) {
      if (report.domain == problem.domain && report.name == problem.name &&
          report.reason.empty()) {
        report.reason = problem.reason;
        report.firstNode = problem.node;
      }
    }
  }
}

void ModelImporter::countNode(const NodeProto &node, StringRef domain,
                              int64_t version) {
  StringRef name = node.opType.value_or("");
  for (OperatorReport &report : operators) {
    if (report.domain == domain && report.name == name) {
      ++report.count;
      return;
    }
  }
  operators.push_back({domain.str(), name.str(), version, 1, currentName, ""});
}

//===-- one node ----------------------------------------------------------===//

/// The kind of an attribute, from what it holds where the oldest models do not
/// say.
static int32_t kindOf(const AttributeProto &attribute, int64_t irVersion) {
  if (attribute.type || irVersion > 1) {
    return attribute.type.value_or(AttributeProto::UNDEFINED);
  }
  return attribute.f                  ? AttributeProto::FLOAT
         : attribute.i                ? AttributeProto::INT
         : attribute.s                ? AttributeProto::STRING
         : attribute.t                ? AttributeProto::TENSOR
         : attribute.g                ? AttributeProto::GRAPH
         : !attribute.floats.empty()  ? AttributeProto::FLOATS
         : !attribute.ints.empty()    ? AttributeProto::INTS
         : !attribute.strings.empty() ? AttributeProto::STRINGS
                                      : AttributeProto::UNDEFINED;
}

static StringRef kindName(int32_t kind) {
  static constexpr StringRef names[] = {
      "undefined",      "float",   "int",    "string",
      "tensor",         "graph",   "floats", "ints",
      "strings",        "tensors", "graphs", "sparse tensor",
      "sparse tensors", "type",    "types"};
  return kind >= 0 && kind < static_cast<int32_t>(std::size(names))
             ? names[kind]
             : "unknown";
}

static LogicalResult checkAttributes(NodeContext &ctx) {
  llvm::StringSet<> seen;
  for (const AttributeProto &attribute : ctx.node.attribute) {
    StringRef name = attribute.name.value_or("");
    if (!seen.insert(name).second) {
      return ctx.invalid("duplicate attribute '" + name + "'");
    }
    bool refers = attribute.refAttrName && !attribute.refAttrName->empty();
    if (refers && !ctx.frame.attributes) {
      return ctx.invalid("attribute '" + name +
                         "' refers to one of a function, but is in the graph");
    }
    const AttributeProto *bound = ctx.attribute(name);
    const AttrSpec *spec = ctx.schema.findAttribute(name);
    if (!spec) {
      // consumed_inputs was a hint of opset 1 that many old files still carry.
      if (name == "consumed_inputs") {
        continue;
      }
      return ctx.invalid("unknown attribute '" + name + "'");
    }
    if (!bound) {
      continue; // refers to an attribute that the call leaves out
    }
    int64_t irVersion = ctx.importer.model.irVersion.value_or(0);
    int32_t kind = kindOf(*bound, irVersion);
    bool emptyList = kind == AttributeProto::UNDEFINED && irVersion <= 1 &&
                     (spec->type == AttributeProto::INTS ||
                      spec->type == AttributeProto::FLOATS ||
                      spec->type == AttributeProto::STRINGS);
    if (kind != spec->type && !emptyList) {
      return ctx.invalid("expected attribute '" + name + "' of kind " +
                         kindName(spec->type) + ", got " + kindName(kind));
    }
    bool missing =
        (kind == AttributeProto::TENSOR && !bound->t) ||
        (kind == AttributeProto::GRAPH && !bound->g) ||
        (kind == AttributeProto::SPARSE_TENSOR && !bound->sparseTensor);
    if (missing) {
      return ctx.invalid("expected a value of attribute '" + name + "'");
    }
  }
  for (const AttrSpec &spec : ctx.schema.attributes) {
    if (spec.required && !ctx.attribute(spec.name)) {
      return ctx.invalid("expected attribute '" + Twine(spec.name) + "'");
    }
  }
  return success();
}

static LogicalResult checkCount(NodeContext &ctx, int count, int least,
                                int most, const Twine &what) {
  if (count >= least && count <= most) {
    return success();
  }
  std::string range = std::to_string(least);
  if (most == INT32_MAX) {
    range += " or more";
  } else if (most != least) {
    range += " to " + std::to_string(most);
  }
  return ctx.invalid("expected " + Twine(range) + " " + what +
                     (least == 1 && most == 1 ? "" : "s") + ", got " +
                     Twine(count));
}

/// Arity, and the element types of the inputs.
static LogicalResult checkInputs(NodeContext &ctx) {
  const Schema &schema = ctx.schema;
  int count = ctx.node.input.size();
  int outputs = ctx.node.output.size();
  if (failed(checkCount(ctx, count, schema.minInputs, schema.maxInputs,
                        "input")) ||
      failed(checkCount(ctx, outputs, schema.minOutputs, schema.maxOutputs,
                        "output"))) {
    return failure();
  }
  llvm::StringMap<Type> bound;
  for (int i = 0; i < count; ++i) {
    if (schema.inputs.empty()) {
      break;
    }
    const ParamSpec &spec =
        schema.inputs[std::min<size_t>(i, schema.inputs.size() - 1)];
    if (!ctx.input(i)) {
      if (spec.kind != static_cast<int>(ParamKind::Optional)) {
        return ctx.invalid("expected input '" + Twine(spec.name) + "'");
      }
      continue;
    }
    Type element = ctx.element(i);
    if (!(spec.types >> dataTypeOf(element) & 1)) {
      return ctx.invalid("input '" + Twine(spec.name) +
                         "' does not take element type " + typeName(element));
    }
    bool isVariable = !spec.typeName.contains('(');
    if (!isVariable || !spec.homogeneous) {
      continue;
    }
    auto [known, isNew] = bound.try_emplace(spec.typeName, element);
    if (!isNew && known->second != element) {
      return ctx.invalid("expected input '" + Twine(spec.name) +
                         "' of element type " + typeName(known->second) +
                         ", got " + typeName(element));
    }
  }
  return success();
}

/// The results of an unsupported node are known by name only.
void ModelImporter::poison(const NodeProto &node, Frame &frame) {
  for (StringRef output : node.output) {
    frame.values.try_emplace(output, Value());
  }
}

/// Builds a node's ops, and refuses it where code generation would refuse one.
static LogicalResult buildNode(BuildFn build, NodeContext &ctx) {
  Block *block = ctx.b.getInsertionBlock();
  bool wasEmpty = block->empty();
  Block::iterator before = wasEmpty ? block->end() : std::prev(block->end());
  if (failed(build(ctx))) {
    return failure();
  }
  Block::iterator first = wasEmpty ? block->begin() : std::next(before);
  for (Operation &op : llvm::make_range(first, block->end())) {
    if (std::optional<std::string> reason = nn::findUnsupported(&op)) {
      return ctx.unsupported(*reason);
    }
  }
  return success();
}

LogicalResult ModelImporter::dispatchNode(const NodeProto &node, Frame &frame) {
  StringRef domain = normalDomain(node.domain.value_or("")),
            name = node.opType.value_or("");
  // Of an unknown opset's nodes nothing but their names is known.
  bool poisoned = unsupportedModel;
  for (StringRef input : node.input) {
    if (input.empty() || frame.omitted.contains(input)) {
      continue;
    }
    std::optional<Value> value = frame.lookup(input);
    if (!value) {
      report(ErrorClass::Invalid,
             "undefined name '" + input + "' in " + frame.where);
      value = frame.values[input] = Value();
    }
    poisoned |= !*value;
  }
  std::string key =
      (domain + "::" + name + "::" + node.overload.value_or("")).str();
  auto function = functions.find(key);
  auto version = frame.opsets->find(domain);
  currentVersion = version == frame.opsets->end() ? 0 : version->second;
  if (function != functions.end()) {
    countNode(node, domain, currentVersion);
    return expandFunction(*function->second, node, frame, key);
  }
  const Schema *schema = findSchema(domain, name, currentVersion);
  countNode(node, domain, schema ? schema->since : currentVersion);
  if (schema) {
    currentVersion = schema->since;
  }
  if (version == frame.opsets->end()) {
    report(ErrorClass::Invalid,
           "the model imports no opset of domain '" + domain + "'");
    poison(node, frame);
    return success();
  }
  if (!schema) {
    noteUnsupported(isKnownOperator(domain, name)
                        ? "the operator is newer than the model's opset"
                        : "unknown operator");
  } else if (schema->deprecated) {
    noteUnsupported("the operator was removed in this version");
  }
  if (nodeUnsupported) {
    return failure();
  }
  BuildFn build = findBuilder(domain, name, schema->since);
  const FunctionProto *body = build ? nullptr : schemaBody(*schema);
  if (!build && !body) {
    noteUnsupported("dlc has no builder for it yet");
    return failure();
  }
  if (poisoned) {
    poison(node, frame);
    return success();
  }
  NodeContext ctx(*this, node, *schema, frame);
  if (failed(checkAttributes(ctx)) || failed(checkInputs(ctx))) {
    return failure();
  }
  if (std::optional<LogicalResult> done = propagateSizes(ctx)) {
    return *done;
  }
  return build ? buildNode(build, ctx)
               : expandFunction(*body, node, frame, key);
}

/// The node as the message of a check names it, where { begins a value.
static std::string checkOrigin(StringRef name, StringRef opType) {
  std::string text =
      llvm::json::fixUTF8(("node '" + name + "' (" + opType + "): ").str());
  for (size_t at = 0; (at = text.find('{', at)) != std::string::npos; at += 2) {
    text.insert(at, "{");
  }
  return text;
}

LogicalResult ModelImporter::importNode(const NodeProto &node, Frame &frame) {
  Location outerLoc = builder->loc;
  std::string outerName = std::move(currentName);
  const NodeProto *outerNode = currentNode;
  currentName =
      expanding.empty() ? nodeName(node) : outerName + "/" + nodeName(node);
  currentNode = &node;
  nodeUnsupported = false;
  std::string outerOrigin = std::move(builder->origin);
  builder->origin = checkOrigin(currentName, node.opType.value_or(""));
  StringRef domain = normalDomain(node.domain.value_or(""));
  Builder &b = *builder;
  Location fileLoc = entry.getLoc();
  NamedAttribute facts[] = {
      b.getNamedAttr("domain", b.getStringAttr(domain)),
      b.getNamedAttr("index", b.getI64IntegerAttr(nodeIndex++)),
      b.getNamedAttr("op", b.getStringAttr(node.opType.value_or("")))};
  builder->loc = FusedLoc::get(
      &context, {NameLoc::get(b.getStringAttr(currentName), fileLoc)},
      b.getDictionaryAttr(facts));
  LogicalResult result = dispatchNode(node, frame);
  if (failed(result) && fatal == ErrorClass::None) {
    if (nodeUnsupported || !problems.empty()) {
      poison(node, frame);
      result = success();
    } else {
      report(ErrorClass::Invalid, "cannot be imported");
    }
  }
  nodeUnsupported = false;
  currentNode = outerNode;
  currentName = std::move(outerName);
  builder->loc = outerLoc;
  builder->origin = std::move(outerOrigin);
  return result;
}

LogicalResult
ModelImporter::importNodes(llvm::ArrayRef<const NodeProto *> nodes,
                           Frame &frame) {
  for (const NodeProto *node : nodes) {
    if (options.isCancelled && options.isCancelled()) {
      fatal = ErrorClass::Cancelled;
      return failure();
    }
    if (!expanding.empty() && ++expandedNodes > kMaxExpandedNodes) {
      report(ErrorClass::Resource, "expected functions of at most " +
                                       Twine(kMaxExpandedNodes) +
                                       " nodes together, expanding '" +
                                       expanding.front() + "' takes more");
      return failure();
    }
    if (failed(importNode(*node, frame))) {
      return failure();
    }
  }
  return success();
}

//===-- functions ---------------------------------------------------------===//

const FunctionProto *ModelImporter::schemaBody(const Schema &schema) {
  if (schema.body.empty()) {
    return nullptr;
  }
  std::string key =
      (schema.domain + "::" + schema.name + "::" + Twine(schema.since)).str();
  std::unique_ptr<FunctionProto> &body = schemaBodies[key];
  if (!body) {
    body = std::make_unique<FunctionProto>();
    if (!parse(WireReader(schema.body), *body, kMaxMessageDepth)) {
      return nullptr;
    }
  }
  return body.get();
}

LogicalResult ModelImporter::expandFunction(const FunctionProto &function,
                                            const NodeProto &node, Frame &frame,
                                            const std::string &key) {
  if (llvm::is_contained(expanding, key) || expanding.size() >= kMaxCallDepth) {
    report(ErrorClass::Invalid, "recursive function '" + Twine(key) + "'");
    return failure();
  }
  if (node.input.size() > function.input.size() ||
      node.output.size() > function.output.size()) {
    report(ErrorClass::Invalid,
           "expected at most " + Twine(function.input.size()) + " inputs and " +
               Twine(function.output.size()) + " outputs, got " +
               Twine(node.input.size()) + " and " + Twine(node.output.size()));
    return failure();
  }
  Opsets versions;
  if (failed(checkOpsets(function.opsetImport, versions)) || nodeUnsupported) {
    return failure();
  }
  Frame body;
  body.where = "function '" + function.name.value_or("").str() + "'";
  body.opsets = versions.empty() ? frame.opsets : &versions;
  llvm::StringMap<int> outside;
  for (auto [i, name] : llvm::enumerate(function.input)) {
    outside[name] = 1;
    StringRef given = i < node.input.size() ? node.input[i] : StringRef();
    if (given.empty() || frame.omitted.contains(given)) {
      body.omitted.insert(name);
    } else {
      body.values[name] = *frame.lookup(given);
    }
  }
  // The call's attributes, those that refer to the caller's, and defaults.
  llvm::StringMap<const AttributeProto *> attributes;
  for (const AttributeProto &attribute : function.attributeProto) {
    attributes[attribute.name.value_or("")] = &attribute;
  }
  for (const AttributeProto &attribute : node.attribute) {
    const AttributeProto *bound = &attribute;
    if (attribute.refAttrName && !attribute.refAttrName->empty()) {
      auto found =
          frame.attributes
              ? frame.attributes->find(*attribute.refAttrName)
              : llvm::StringMap<const AttributeProto *>::const_iterator();
      bool known = frame.attributes && found != frame.attributes->end();
      bound = known ? found->second : nullptr;
    }
    if (bound) {
      attributes[attribute.name.value_or("")] = bound;
    }
  }
  body.attributes = &attributes;
  FailureOr<std::vector<const NodeProto *>> order =
      sortNodes(function.node, body.where, outside);
  if (failed(order)) {
    return failure();
  }
  expanding.push_back(key);
  LogicalResult done = importNodes(*order, body);
  expanding.pop_back();
  if (failed(done)) {
    return failure();
  }
  nodeUnsupported = false;
  for (auto [i, output] : llvm::enumerate(node.output)) {
    if (output.empty()) {
      continue;
    }
    std::optional<Value> value = body.lookup(function.output[i]);
    if (!value) {
      report(ErrorClass::Invalid,
             "undefined output '" + function.output[i] + "' of " + body.where);
      return failure();
    }
    frame.values[output] = *value;
  }
  return success();
}

//===-- graphs inside nodes
//------------------------------------------------===//

FailureOr<SmallVector<Value>>
ModelImporter::importSubgraph(const GraphProto &graph, Frame &outer,
                              llvm::ArrayRef<Value> inputs) {
  Frame frame;
  frame.outer = &outer;
  frame.opsets = outer.opsets;
  frame.attributes = outer.attributes;
  frame.where = "graph '" + graph.name.value_or("").str() + "'";
  for (auto &omitted : outer.omitted) {
    frame.omitted.insert(omitted.first());
  }
  if (inputs.size() != graph.input.size()) {
    report(ErrorClass::Invalid, "expected " + Twine(inputs.size()) +
                                    " inputs of " + frame.where + ", got " +
                                    Twine(graph.input.size()));
    return failure();
  }
  for (auto [input, value] : llvm::zip_equal(graph.input, inputs)) {
    frame.values[input.name.value_or("")] = value;
  }
  if (failed(addInitializers(graph, frame))) {
    return failure();
  }
  llvm::StringMap<int> outside;
  for (auto &value : frame.values) {
    outside[value.first()] = 1;
  }
  FailureOr<std::vector<const NodeProto *>> order =
      sortNodes(graph.node, frame.where, outside);
  if (failed(order) || failed(importNodes(*order, frame))) {
    return failure();
  }
  SmallVector<Value> results;
  for (const ValueInfoProto &output : graph.output) {
    StringRef name = output.name.value_or("");
    std::optional<Value> value = frame.lookup(name);
    if (!value) {
      report(ErrorClass::Invalid,
             "undefined output '" + name + "' of " + frame.where);
      return failure();
    }
    results.push_back(*value);
  }
  return results;
}

//===-- NodeContext -------------------------------------------------------===//

NodeContext::NodeContext(ModelImporter &importer, const NodeProto &node,
                         const Schema &schema, Frame &frame)
    : importer(importer), b(*importer.builder), node(node), schema(schema),
      frame(frame) {
  for (StringRef name : node.input) {
    bool present = !name.empty() && !frame.omitted.contains(name);
    inputs.push_back(present ? *frame.lookup(name) : Value());
  }
}

const AttributeProto *NodeContext::attribute(StringRef name) const {
  for (const AttributeProto &attribute : node.attribute) {
    if (attribute.name != name) {
      continue;
    }
    if (!attribute.refAttrName || attribute.refAttrName->empty()) {
      return &attribute;
    }
    if (!frame.attributes) {
      return nullptr;
    }
    auto found = frame.attributes->find(*attribute.refAttrName);
    return found == frame.attributes->end() ? nullptr : found->second;
  }
  return nullptr;
}

int64_t NodeContext::getInt(StringRef name, int64_t otherwise) const {
  const AttributeProto *found = attribute(name);
  return found ? found->i.value_or(0) : otherwise;
}

double NodeContext::getFloat(StringRef name, double otherwise) const {
  const AttributeProto *found = attribute(name);
  return found ? found->f.value_or(0) : otherwise;
}

StringRef NodeContext::getString(StringRef name, StringRef otherwise) const {
  const AttributeProto *found = attribute(name);
  return found ? found->s.value_or("") : otherwise;
}

llvm::ArrayRef<int64_t> NodeContext::getInts(StringRef name) const {
  const AttributeProto *found = attribute(name);
  return found ? llvm::ArrayRef<int64_t>(found->ints)
               : llvm::ArrayRef<int64_t>();
}

FailureOr<int64_t> NodeContext::normalAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    return invalid("expected an axis from " + Twine(-rank) + " to " +
                   Twine(rank - 1) + ", got " + Twine(axis));
  }
  return axis < 0 ? axis + rank : axis;
}

FailureOr<int64_t> NodeContext::getAxis(StringRef name, int64_t otherwise,
                                        int64_t rank) {
  return normalAxis(getInt(name, otherwise), rank);
}

FailureOr<SmallVector<int64_t>>
NodeContext::normalAxes(llvm::ArrayRef<int64_t> axes, int64_t rank) {
  SmallVector<int64_t> result;
  for (int64_t axis : axes) {
    FailureOr<int64_t> normal = normalAxis(axis, rank);
    if (failed(normal)) {
      return failure();
    }
    if (llvm::is_contained(result, *normal)) {
      return invalid("duplicate axis " + Twine(axis));
    }
    result.push_back(*normal);
  }
  llvm::sort(result);
  return result;
}

LogicalResult NodeContext::results(llvm::ArrayRef<Value> values) {
  for (auto [i, name] : llvm::enumerate(node.output)) {
    if (name.empty()) {
      continue;
    }
    if (i >= values.size() || !values[i]) {
      return failure();
    }
    frame.values[name] = values[i];
  }
  return success();
}

LogicalResult NodeContext::invalid(const Twine &message) {
  importer.report(ErrorClass::Invalid, message);
  return failure();
}

LogicalResult NodeContext::unsupported(const Twine &message) {
  importer.report(ErrorClass::Unsupported, message);
  return failure();
}

} // namespace dlc::onnx
