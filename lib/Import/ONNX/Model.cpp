// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reading a model and checking what is wrong with it as a whole: encoding,
// versions, names, cycles.
#include "Context.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace dlc::onnx {

ModelImporter::ModelImporter(MLIRContext &context, const ModelSource &source,
                             const ImportOptions &options)
    : context(context), source(source), options(options) {}

LogicalResult ModelImporter::readModel() {
  auto &sources = context.getOrLoadDialect<nn::NNDialect>()->getSourceMap();
  if (source.path.empty()) {
    modelKey = sources.addMemory(llvm::MemoryBuffer::getMemBuffer(
        source.bytes, "model", /*RequiresNullTerminator=*/false));
    modelDir = source.modelDir;
  } else {
    modelKey = source.path;
    StringRef parent = llvm::sys::path::parent_path(source.path);
    modelDir = source.modelDir.empty() ? (parent.empty() ? "." : parent.str())
                                       : source.modelDir;
  }
  llvm::Expected<llvm::ArrayRef<char>> bytes = sources.lookup(modelKey);
  if (!bytes) {
    // A name that leads to no file is the caller's mistake.
    bool isFile = llvm::sys::fs::exists(source.path) &&
                  !llvm::sys::fs::is_directory(source.path);
    report(isFile ? ErrorClass::Invalid : ErrorClass::Usage,
           llvm::toString(bytes.takeError()));
    return failure();
  }
  modelBytes = StringRef(bytes->data(), bytes->size());
  if (modelBytes.empty()) {
    report(ErrorClass::Invalid, "expected an ONNX model, got an empty file");
    return failure();
  }
  if (!parse(WireReader(modelBytes), model, kMaxMessageDepth)) {
    report(ErrorClass::Invalid,
           "expected an ONNX model, got a file that is cut short or is none");
    return failure();
  }
  return success();
}

LogicalResult
ModelImporter::checkOpsets(const std::vector<OperatorSetIdProto> &imports,
                           Opsets &versions) {
  for (const OperatorSetIdProto &import : imports) {
    StringRef domain = normalDomain(import.domain.value_or(""));
    int64_t version = import.version.value_or(0);
    auto [place, isNew] = versions.try_emplace(domain, version);
    if (!isNew && place->second != version) {
      report(ErrorClass::Invalid,
             "expected one opset version of domain '" + domain + "', got " +
                 Twine(place->second) + " and " + Twine(version));
      return failure();
    }
    if (version < 1) {
      report(ErrorClass::Invalid,
             "expected a positive opset version of domain '" + domain +
                 "', got " + Twine(version));
      return failure();
    }
    if (!domain.empty()) {
      continue;
    }
    if (version < kOldestOpset ||
        (version > kNewestOpset && !options.allowNewerOpset)) {
      // No failure: the nodes that are not supported are listed, too.
      report(ErrorClass::Unsupported,
             "expected an opset version of ai.onnx from " +
                 Twine(kOldestOpset) + " to " + Twine(kNewestOpset) + ", got " +
                 Twine(version));
    }
  }
  return success();
}

LogicalResult ModelImporter::checkModel() {
  if (!model.graph) {
    report(ErrorClass::Invalid,
           "expected an ONNX model, got a file without a graph");
    return failure();
  }
  if (!model.irVersion || *model.irVersion < 1) {
    report(ErrorClass::Invalid,
           "expected an ir_version, got " + Twine(model.irVersion.value_or(0)));
    return failure();
  }
  if (*model.irVersion > kNewestIr && !options.allowNewerOpset) {
    report(ErrorClass::Unsupported, "expected an ir_version of at most " +
                                        Twine(kNewestIr) + ", got " +
                                        Twine(*model.irVersion));
    return failure();
  }
  if (model.opsetImport.empty()) {
    report(ErrorClass::Invalid, "expected an opset_import, got none");
    return failure();
  }
  if (failed(checkOpsets(model.opsetImport, opsets))) {
    return failure();
  }
  for (const FunctionProto &function : model.functions) {
    std::string key = (normalDomain(function.domain.value_or("")) +
                       "::" + function.name.value_or("") +
                       "::" + function.overload.value_or(""))
                          .str();
    if (!functions.try_emplace(key, &function).second) {
      report(ErrorClass::Invalid, "duplicate function '" + Twine(key) + "'");
      return failure();
    }
  }
  return success();
}

std::string nodeName(const NodeProto &node) {
  if (node.name && !node.name->empty()) {
    return node.name->str();
  }
  for (StringRef output : node.output) {
    if (!output.empty()) {
      return output.str();
    }
  }
  return node.opType.value_or("node").str();
}

/// The names that a graph inside a node takes from outside.
static void collectCaptures(const GraphProto &graph,
                            SmallVectorImpl<StringRef> &captures,
                            unsigned depth) {
  llvm::StringMap<int> local;
  for (const ValueInfoProto &input : graph.input) {
    local[input.name.value_or("")] = 1;
  }
  for (const TensorProto &tensor : graph.initializer) {
    local[tensor.name.value_or("")] = 1;
  }
  for (const NodeProto &node : graph.node) {
    for (StringRef output : node.output) {
      local[output] = 1;
    }
  }
  SmallVector<StringRef> wanted;
  for (const NodeProto &node : graph.node) {
    wanted.append(node.input.begin(), node.input.end());
    for (const AttributeProto &attribute : node.attribute) {
      if (attribute.g && depth > 0) {
        collectCaptures(*attribute.g, wanted, depth - 1);
      }
    }
  }
  for (const ValueInfoProto &output : graph.output) {
    wanted.push_back(output.name.value_or(""));
  }
  llvm::copy_if(wanted, std::back_inserter(captures), [&](StringRef name) {
    return !name.empty() && !local.contains(name);
  });
}

namespace {
/// Depth-first order of nodes by the names they need.
struct NodeSorter {
  const std::vector<NodeProto> &nodes;
  llvm::StringMap<size_t> producers;
  enum State : char { New, Open, Done };
  std::vector<State> states;
  std::vector<const NodeProto *> order;
  std::vector<size_t> stack, nextInput;
  std::vector<SmallVector<StringRef>> needs;

  explicit NodeSorter(const std::vector<NodeProto> &nodes)
      : nodes(nodes), states(nodes.size(), New), needs(nodes.size()) {}

  void push(size_t node) {
    states[node] = Open;
    stack.push_back(node);
    nextInput.push_back(0);
    needs[node].append(nodes[node].input.begin(), nodes[node].input.end());
    for (const AttributeProto &attribute : nodes[node].attribute) {
      if (attribute.g) {
        collectCaptures(*attribute.g, needs[node], kMaxMessageDepth);
      }
    }
  }

  /// Names of the nodes from `first` to the top of the stack and back.
  std::string cycle(size_t first) const {
    std::string path;
    for (const size_t *it = llvm::find(stack, first).base();
         it != stack.data() + stack.size(); ++it) {
      path += "'" + nodeName(nodes[*it]) + "' <- ";
    }
    return path + "'" + nodeName(nodes[first]) + "'";
  }

  /// Appends `root` after all it needs; the text of a cycle where there is one.
  std::string visit(size_t root) {
    push(root);
    while (!stack.empty()) {
      size_t node = stack.back();
      if (nextInput.back() == needs[node].size()) {
        states[node] = Done;
        order.push_back(&nodes[node]);
        stack.pop_back();
        nextInput.pop_back();
        continue;
      }
      auto producer = producers.find(needs[node][nextInput.back()++]);
      if (producer == producers.end() || states[producer->second] == Done) {
        continue;
      }
      if (states[producer->second] == Open) {
        return cycle(producer->second);
      }
      push(producer->second);
    }
    return "";
  }
};
} // namespace

/// Checks the names of a graph and puts each node after those it needs.
/// `outside` are the names of inputs and initialisers; `where` is for messages.
FailureOr<std::vector<const NodeProto *>>
ModelImporter::sortNodes(const std::vector<NodeProto> &nodes, StringRef where,
                         const llvm::StringMap<int> &outside) {
  NodeSorter sorter(nodes);
  for (auto [i, node] : llvm::enumerate(nodes)) {
    for (StringRef output : node.output) {
      if (output.empty()) {
        continue;
      }
      auto [place, isNew] = sorter.producers.try_emplace(output, i);
      if (!isNew || outside.contains(output)) {
        report(ErrorClass::Invalid, "duplicate name '" + output + "' in " +
                                        where + ": node '" + nodeName(node) +
                                        "' makes it again");
        return failure();
      }
    }
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (sorter.states[i] != NodeSorter::New) {
      continue;
    }
    std::string cycle = sorter.visit(i);
    if (!cycle.empty()) {
      report(ErrorClass::Invalid, "cycle in " + where + ": " + Twine(cycle));
      return failure();
    }
  }
  return sorter.order;
}

} // namespace dlc::onnx
