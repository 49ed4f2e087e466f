// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Graphs inside a node: the bodies of functions, from the model or from the
// operator's schema, and the subgraphs of If, Loop and Scan.
#include "Context.h"

using namespace mlir;

namespace dlc::onnx {

/// Nested calls of functions deeper than this are refused.
static constexpr size_t kMaxCallDepth = 64;

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

/// The attributes of a function's call: those of its node, where one may refer
/// to the caller's own, and else the function's defaults.
static llvm::StringMap<const AttributeProto *>
bindAttributes(const FunctionProto &function, const NodeProto &node,
               const Frame &frame) {
  llvm::StringMap<const AttributeProto *> bound;
  for (const AttributeProto &attribute : function.attributeProto) {
    bound[attribute.name.value_or("")] = &attribute;
  }
  for (const AttributeProto &attribute : node.attribute) {
    const AttributeProto *value = &attribute;
    if (attribute.refAttrName && !attribute.refAttrName->empty()) {
      value = frame.attributes
                  ? frame.attributes->lookup(*attribute.refAttrName)
                  : nullptr;
    }
    if (value) {
      bound[attribute.name.value_or("")] = value;
    }
  }
  return bound;
}

LogicalResult ModelImporter::checkCall(const FunctionProto &function,
                                       const NodeProto &node,
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
  return success();
}

LogicalResult ModelImporter::expandFunction(const FunctionProto &function,
                                            const NodeProto &node, Frame &frame,
                                            const std::string &key) {
  Opsets versions;
  if (failed(checkCall(function, node, key)) ||
      failed(checkOpsets(function.opsetImport, versions)) || nodeUnsupported) {
    return failure();
  }
  llvm::StringMap<const AttributeProto *> attributes =
      bindAttributes(function, node, frame);
  Frame body;
  body.where = "function '" + function.name.value_or("").str() + "'";
  body.opsets = versions.empty() ? frame.opsets : &versions;
  body.attributes = &attributes;
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
  FailureOr<std::vector<const NodeProto *>> order =
      sortNodes(function.node, body.where, outside);
  if (failed(order)) {
    return failure();
  }
  bool isOutermost = expanding.empty();
  if (isOutermost) {
    expandedNode = describeNode(currentName, node);
  }
  expanding.push_back(key);
  LogicalResult done = importNodes(*order, body);
  expanding.pop_back();
  if (isOutermost) {
    expandedNode.clear();
  }
  if (failed(done)) {
    return failure();
  }
  nodeUnsupported = false;
  for (auto [i, output] : llvm::enumerate(node.output)) {
    if (output.empty()) {
      continue;
    }
    FailureOr<Value> value = findOutput(function.output[i], body);
    if (failed(value)) {
      return failure();
    }
    frame.values[output] = *value;
  }
  return success();
}

FailureOr<Value> ModelImporter::findOutput(StringRef name, const Frame &body) {
  std::optional<Value> value = body.lookup(name);
  if (!value) {
    report(ErrorClass::Invalid,
           "undefined output '" + name + "' of " + body.where);
    return failure();
  }
  return *value;
}

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
    FailureOr<Value> value = findOutput(output.name.value_or(""), frame);
    if (failed(value)) {
      return failure();
    }
    results.push_back(*value);
  }
  return results;
}

} // namespace dlc::onnx
