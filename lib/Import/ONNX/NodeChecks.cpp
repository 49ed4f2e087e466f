// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks a node against its operator's schema: attributes, arity, and the
// element types of its inputs.
#include "Context.h"

using namespace mlir;

namespace dlc::onnx {

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

LogicalResult checkNode(NodeContext &ctx) {
  return failure(failed(checkAttributes(ctx)) || failed(checkInputs(ctx)));
}

} // namespace dlc::onnx
