// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The state of one import, and what an operator's builder sees of its node.
#ifndef DLC_LIB_IMPORT_ONNX_CONTEXT_H
#define DLC_LIB_IMPORT_ONNX_CONTEXT_H

#include "Import/ONNX/Importer.h"
#include "Proto.h"
#include "Schema.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace dlc::onnx {

using build::GraphBuilder;
using build::Window;
using mlir::failed;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::OpFoldResult;
using mlir::StringRef;
using mlir::success;
using mlir::Type;
using mlir::Value;
using nn::Fn;
using nn::Sizes;

/// "ai.onnx" and "" are the same domain.
inline StringRef normalDomain(StringRef domain) {
  return domain == "ai.onnx" ? StringRef() : domain;
}

/// One distinct trouble of the operators of a model.
struct Problem {
  std::string domain, name, node, reason;
  int64_t version = 0;
  uint64_t count = 0;
  mlir::Location loc;
};

/// Opset version of each domain.
using Opsets = llvm::StringMap<int64_t>;

/// Names of one graph or function body. A null Value stands for the result of a
/// node that is not supported.
struct Frame {
  /// The graph around a subgraph, whose names it sees; null for a function.
  Frame *outer = nullptr;
  const Opsets *opsets = nullptr;
  /// What it is, for messages.
  std::string where = "the graph";
  /// Attributes of the call that a function's body is expanded for.
  const llvm::StringMap<const AttributeProto *> *attributes = nullptr;
  llvm::StringMap<Value> values;
  /// Inputs of a function that its call leaves out.
  llvm::StringSet<> omitted;

  /// The value of a name, or nothing.
  std::optional<Value> lookup(StringRef name) const;
};

class NodeContext;

/// One import of one model.
class ModelImporter {
public:
  ModelImporter(mlir::MLIRContext &context, const ModelSource &source,
                const ImportOptions &options);

  /// Reads, checks and builds; the result has no module unless all is well.
  ImportResult run();
  /// Operators met by `run`, in the order of their first node.
  std::vector<OperatorReport> operators;

  /// The type of a TensorProto data type; null, and an error, where dlc has
  /// none.
  Type elementType(int64_t dataType, const llvm::Twine &what);
  /// A tensor's value. Its name is that of a param.
  Value importTensor(const TensorProto &tensor, StringRef name);
  /// Imports the nodes of a graph or function body in the order given.
  LogicalResult importNodes(llvm::ArrayRef<const NodeProto *> nodes,
                            Frame &frame);

  /// Imports a graph inside a node; `inputs` are the values of its inputs. Its
  /// outputs, null where an unsupported node makes one.
  FailureOr<llvm::SmallVector<Value>>
  importSubgraph(const GraphProto &graph, Frame &outer,
                 llvm::ArrayRef<Value> inputs);

  void report(ErrorClass error, const llvm::Twine &message);

  mlir::MLIRContext &context;
  const ModelSource &source;
  const ImportOptions &options;
  ModelProto model;
  std::unique_ptr<GraphBuilder> builder;

private:
  friend class NodeContext;

  // Model.cpp: reading and checking.
  LogicalResult readModel();
  LogicalResult checkModel();
  LogicalResult checkOpsets(const std::vector<OperatorSetIdProto> &imports,
                            Opsets &opsets);
  FailureOr<std::vector<const NodeProto *>>
  sortNodes(const std::vector<NodeProto> &nodes, StringRef where,
            const llvm::StringMap<int> &outside);
  // Entry.cpp: the entry function.
  LogicalResult buildEntry(mlir::ModuleOp module);
  LogicalResult finishEntry();
  LogicalResult parseDims();
  FailureOr<mlir::RankedTensorType> inputType(const ValueInfoProto &input);
  LogicalResult bindShape(const ValueInfoProto &input, Value argument);
  LogicalResult addInitializers(const GraphProto &graph, Frame &frame);
  LogicalResult checkOutput(const ValueInfoProto &output, Value value);
  // Nodes.cpp: nodes.
  LogicalResult importNode(const NodeProto &node, Frame &frame);
  LogicalResult dispatchNode(const NodeProto &node, Frame &frame);
  /// Whether an input comes from an unsupported node; reports undefined names.
  bool readsPoison(const NodeProto &node, Frame &frame);
  void poison(const NodeProto &node, Frame &frame);
  /// Counts the node and sets `currentVersion`. Null for an unknown operator.
  const Schema *findNodeSchema(const NodeProto &node, StringRef domain);
  // Functions.cpp: graphs inside nodes.
  LogicalResult checkCall(const FunctionProto &function, const NodeProto &node,
                          const std::string &key);
  LogicalResult expandFunction(const FunctionProto &function,
                               const NodeProto &node, Frame &frame,
                               const std::string &key);
  const FunctionProto *schemaBody(const Schema &schema);
  FailureOr<Value> findOutput(StringRef name, const Frame &body);
  // Reports.cpp: what is wrong and what is unsupported.
  std::string describeNode(StringRef name, const NodeProto &node);
  void countNode(const NodeProto &node, StringRef domain, int64_t version);
  void noteUnsupported(StringRef reason);
  void emitProblems();
  // Tensors.cpp: the bytes of tensors.
  struct Bytes {
    std::string source;
    uint64_t offset;
    StringRef data;
  };
  FailureOr<Bytes> tensorBytes(const TensorProto &tensor,
                               mlir::RankedTensorType type,
                               const llvm::Twine &what);
  FailureOr<Bytes> externalBytes(const TensorProto &tensor, uint64_t expected,
                                 const llvm::Twine &what);

  /// The model's bytes and the key of its source.
  StringRef modelBytes;
  std::string modelKey, modelDir;
  Opsets opsets;
  llvm::StringMap<const FunctionProto *> functions;
  llvm::StringMap<std::unique_ptr<FunctionProto>> schemaBodies;
  /// Functions being expanded, to refuse recursion.
  std::vector<std::string> expanding;
  /// The model's own node that they are expanded for, as messages begin.
  std::string expandedNode;
  Frame mainFrame;
  mlir::func::FuncOp entry;

  struct DimRange {
    int64_t min = 0, max = -1, hint = 0;
    bool used = false;
    bool isFixed() const { return min == max; }
    bool equals(const DimRange &other) const {
      return min == other.min && max == other.max && hint == other.hint;
    }
  };
  llvm::StringMap<DimRange> dimRanges;
  llvm::StringMap<Value> symDims;
  const DimRange *findRange(StringRef input, int64_t dim, StringRef symbol);

  // The node being imported, for reports.
  const NodeProto *currentNode = nullptr;
  std::string currentName;
  int64_t currentVersion = 0, nodeIndex = 0;
  size_t expandedNodes = 0;
  std::vector<Problem> problems;
  ErrorClass fatal = ErrorClass::None;
  /// The model as a whole, by its opset; then nodes are listed only.
  bool unsupportedModel = false, nodeUnsupported = false;
};

/// What an operator's builder sees: its node's inputs and attributes, and where
/// its results go. Arity, attribute kinds and input types have been checked
/// against the schema; no input is the result of an unsupported node.
class NodeContext {
public:
  NodeContext(ModelImporter &importer, const NodeProto &node,
              const Schema &schema, Frame &frame);

  ModelImporter &importer;
  GraphBuilder &b;
  const NodeProto &node;
  const Schema &schema;
  Frame &frame;
  /// The version that introduced this form of the operator.
  int64_t since() const { return schema.since; }

  unsigned numInputs() const { return inputs.size(); }
  /// Null where the input is left out.
  Value input(unsigned i) const {
    return i < inputs.size() ? inputs[i] : Value();
  }
  llvm::ArrayRef<Value> allInputs() const { return inputs; }
  int64_t rank(unsigned i = 0) const { return GraphBuilder::rankOf(input(i)); }
  Type element(unsigned i = 0) const {
    return GraphBuilder::elementOf(input(i));
  }
  unsigned numOutputs() const { return node.output.size(); }
  bool wantsOutput(unsigned i) const {
    return i < node.output.size() && !node.output[i].empty();
  }

  const AttributeProto *attribute(StringRef name) const;
  bool has(StringRef name) const { return attribute(name) != nullptr; }
  int64_t getInt(StringRef name, int64_t otherwise) const;
  bool getFlag(StringRef name) const { return getInt(name, 0) != 0; }
  double getFloat(StringRef name, double otherwise) const;
  StringRef getString(StringRef name, StringRef otherwise) const;
  /// Empty where there is none.
  llvm::ArrayRef<int64_t> getInts(StringRef name) const;

  /// A negative axis counts from the end; fails outside [-rank, rank).
  FailureOr<int64_t> normalAxis(int64_t axis, int64_t rank);
  FailureOr<int64_t> getAxis(StringRef name, int64_t otherwise, int64_t rank);
  /// Sorted, unique axes from the attribute or the input of that index.
  FailureOr<llvm::SmallVector<int64_t>> normalAxes(llvm::ArrayRef<int64_t> axes,
                                                   int64_t rank);

  /// Sets the results; failure where one that is wanted is null.
  LogicalResult results(llvm::ArrayRef<Value> values);
  LogicalResult invalid(const llvm::Twine &message);
  LogicalResult unsupported(const llvm::Twine &message);

private:
  llvm::SmallVector<Value> inputs;
};

using BuildFn = LogicalResult (*)(NodeContext &);

/// The builder of an operator of that domain in its form of version `since`, or
/// null.
BuildFn findBuilder(StringRef domain, StringRef name, int64_t since);

/// Evaluates an operator on integers that are known as sizes. Nothing where it
/// does not apply.
std::optional<LogicalResult> propagateSizes(NodeContext &ctx);

/// Checks a node against its schema: attributes, arity, element types of
/// inputs.
LogicalResult checkNode(NodeContext &ctx);

/// Makes constants of a built node's results that constants alone decide.
void foldResults(NodeContext &ctx);

std::string typeName(Type type);
/// The node's name, or that of its first output.
std::string nodeName(const NodeProto &node);
/// The TensorProto data type of an element type; 0 if there is none.
int32_t dataTypeOf(Type type);

} // namespace dlc::onnx

#endif // DLC_LIB_IMPORT_ONNX_CONTEXT_H
