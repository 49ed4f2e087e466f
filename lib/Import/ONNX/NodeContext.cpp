// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a builder sees of its node: inputs, attributes, results.
#include "Context.h"

using namespace mlir;

namespace dlc::onnx {

std::optional<Value> Frame::lookup(StringRef name) const {
  for (const Frame *frame = this; frame; frame = frame->outer) {
    auto found = frame->values.find(name);
    if (found != frame->values.end()) {
      return found->second;
    }
  }
  return std::nullopt;
}

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
