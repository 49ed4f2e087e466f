// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Walks nodes: hands each, checked against its schema, to its builder, or
// expands its function body.
#include "Context.h"

#include "Dialect/NN/Support.h"

#include "llvm/Support/JSON.h"

using namespace mlir;

namespace dlc::onnx {

/// Nodes of all expanded functions together. Functions that call each other
/// twice double with each level; honest models stay far below.
static constexpr size_t kMaxExpandedNodes = 1 << 18;

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
  foldResults(ctx);
  return success();
}

bool ModelImporter::readsPoison(const NodeProto &node, Frame &frame) {
  bool poisoned = false;
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
  return poisoned;
}

const Schema *ModelImporter::findNodeSchema(const NodeProto &node,
                                            StringRef domain) {
  StringRef name = node.opType.value_or("");
  const Schema *schema = findSchema(domain, name, currentVersion);
  countNode(node, domain, schema ? schema->since : currentVersion);
  if (schema) {
    currentVersion = schema->since;
  }
  return schema;
}

LogicalResult ModelImporter::dispatchNode(const NodeProto &node, Frame &frame) {
  StringRef domain = normalDomain(node.domain.value_or("")),
            name = node.opType.value_or("");
  // Of an unknown opset's nodes nothing but their names is known.
  bool poisoned = readsPoison(node, frame) || unsupportedModel;
  std::string key =
      (domain + "::" + name + "::" + node.overload.value_or("")).str();
  auto version = frame.opsets->find(domain);
  currentVersion = version == frame.opsets->end() ? 0 : version->second;
  if (auto function = functions.find(key); function != functions.end()) {
    countNode(node, domain, currentVersion);
    return expandFunction(*function->second, node, frame, key);
  }
  const Schema *schema = findNodeSchema(node, domain);
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
  if (failed(checkNode(ctx))) {
    return failure();
  }
  if (std::optional<LogicalResult> done = propagateSizes(ctx)) {
    return *done;
  }
  return build ? buildNode(build, ctx)
               : expandFunction(*body, node, frame, key);
}

/// What the message of a check begins with, where { begins a value.
static std::string checkOrigin(StringRef node) {
  std::string text = llvm::json::fixUTF8(node);
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
  builder->origin = checkOrigin(describeNode(currentName, node));
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

} // namespace dlc::onnx
