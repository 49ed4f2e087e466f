// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// If, Loop and Scan where their course is known now: the branch that is taken,
// or the body once for each iteration. An If that only the run decides computes
// both branches and chooses.
#include "Builders.h"

using namespace mlir;

namespace dlc::onnx {

/// Nodes that a loop may be unrolled to.
static constexpr size_t kMaxUnrolledNodes = 4096;

/// What a scalar boolean is, where that is known.
static std::optional<bool> knownBool(NodeContext &ctx, Value value) {
  if (const Sizes *elements = ctx.b.knownInts(value)) {
    std::optional<int64_t> known = elements->size() == 1
                                       ? getConstantIntValue((*elements)[0])
                                       : std::nullopt;
    return known ? std::optional(*known != 0) : std::nullopt;
  }
  DenseElementsAttr constant = ctx.b.constantOf(value);
  if (!constant || constant.getNumElements() != 1 ||
      !constant.getElementType().isInteger(1)) {
    return std::nullopt;
  }
  return *constant.value_begin<bool>();
}

static LogicalResult checkScalar(NodeContext &ctx, unsigned input,
                                 const Twine &name) {
  RankedTensorType type = GraphBuilder::typeOf(ctx.input(input));
  if (type.hasStaticShape() && type.getNumElements() == 1) {
    return success();
  }
  return ctx.invalid("expected '" + name + "' of one element, got " +
                     typeName(type));
}

//===-- If ----------------------------------------------------------------===//

/// Whether ops after `last` may end a run: only those of the branch taken may.
static bool hasChecks(Block *block, Operation *last) {
  auto begin = last ? std::next(last->getIterator()) : block->begin();
  return llvm::any_of(llvm::make_range(begin, block->end()),
                      llvm::IsaPred<nn::CheckOp>);
}

static LogicalResult chooseAtRun(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Block *block = b.getInsertionBlock();
  Operation *last = block->empty() ? nullptr : &block->back();
  SmallVector<Value> branches[2];
  for (auto [name, values] : {std::pair("then_branch", &branches[0]),
                              std::pair("else_branch", &branches[1])}) {
    FailureOr<SmallVector<Value>> results =
        ctx.importer.importSubgraph(*ctx.attribute(name)->g, ctx.frame, {});
    if (failed(results)) {
      return failure();
    }
    *values = *results;
    if (values->size() < ctx.numOutputs()) {
      return ctx.invalid("expected " + Twine(ctx.numOutputs()) +
                         " results of '" + name + "', got " +
                         Twine(values->size()));
    }
  }
  if (hasChecks(block, last)) {
    return ctx.unsupported("a condition that is known at run time only, of "
                           "branches that a run may fail in");
  }
  SmallVector<Value> results;
  for (unsigned i = 0; i < ctx.numOutputs(); ++i) {
    Value yes = branches[0][i], no = branches[1][i];
    if (!yes || !no) {
      return failure(); // of an unsupported node
    }
    if (GraphBuilder::elementOf(yes) != GraphBuilder::elementOf(no)) {
      return ctx.invalid("expected branches of one element type, got " +
                         typeName(yes.getType()) + " and " +
                         typeName(no.getType()));
    }
    if (b.sizes(yes) != b.sizes(no)) {
      return ctx.unsupported("a condition that is known at run time only, of "
                             "branches of different shape");
    }
    Value condition = b.reshape(ctx.input(0), {});
    results.push_back(b.elementwise(Fn::select, {condition, yes, no}));
  }
  return ctx.results(results);
}

LogicalResult buildIf(NodeContext &ctx) {
  if (failed(checkScalar(ctx, 0, "cond"))) {
    return failure();
  }
  std::optional<bool> known = knownBool(ctx, ctx.input(0));
  if (!known) {
    return chooseAtRun(ctx);
  }
  FailureOr<SmallVector<Value>> results = ctx.importer.importSubgraph(
      *ctx.attribute(*known ? "then_branch" : "else_branch")->g, ctx.frame, {});
  return failed(results) ? failure() : ctx.results(*results);
}

//===-- Loop and Scan -----------------------------------------------------===//

namespace {
/// A body that is imported once for each iteration.
struct Unroller {
  NodeContext &ctx;
  const GraphProto &body;
  /// Values from one iteration to the next.
  SmallVector<Value> carried;
  /// Per scanned output, what each iteration gave.
  SmallVector<SmallVector<Value>> scanned;

  /// Fails where `count` iterations, the body given once for each, are too
  /// many.
  LogicalResult checkCount(int64_t count) {
    auto nodes = std::max<size_t>(1, body.node.size());
    if (count <= static_cast<int64_t>(kMaxUnrolledNodes / nodes)) {
      return success();
    }
    return ctx.unsupported(
        "a loop that unrolls to " + Twine(count) + " times " + Twine(nodes) +
        " nodes, above the limit of " + Twine(kMaxUnrolledNodes));
  }

  /// One iteration. The body's results are `lead` of its own, then what is
  /// carried, then what is scanned; returns the leading ones.
  FailureOr<SmallVector<Value>> step(ArrayRef<Value> inputs, size_t lead) {
    FailureOr<SmallVector<Value>> results =
        ctx.importer.importSubgraph(body, ctx.frame, inputs);
    if (failed(results)) {
      return failure();
    }
    size_t kept = lead + carried.size();
    if (results->size() < kept || results->size() - lead != ctx.numOutputs()) {
      return ctx.invalid("expected " + Twine(lead + ctx.numOutputs()) +
                         " results of 'body', got " + Twine(results->size()));
    }
    if (llvm::is_contained(*results, Value())) {
      return failure(); // of an unsupported node
    }
    scanned.resize(results->size() - kept);
    for (size_t i = 0; i < carried.size(); ++i) {
      carried[i] = (*results)[lead + i];
    }
    for (size_t i = 0; i < scanned.size(); ++i) {
      scanned[i].push_back((*results)[kept + i]);
    }
    return SmallVector<Value>(ArrayRef(*results).take_front(lead));
  }

  /// The outputs of the node; scanned ones are stacked along their axis.
  LogicalResult finish(ArrayRef<int64_t> axes, ArrayRef<int64_t> directions) {
    SmallVector<Value> results = carried;
    if (ctx.numOutputs() > carried.size() && scanned.empty()) {
      return ctx.unsupported("outputs of a loop without an iteration");
    }
    for (auto [i, values] : llvm::enumerate(scanned)) {
      FailureOr<int64_t> axis = ctx.normalAxis(
          i < axes.size() ? axes[i] : 0, GraphBuilder::rankOf(values[0]) + 1);
      if (failed(axis)) {
        return failure();
      }
      if (i < directions.size() && directions[i] == 1) {
        std::reverse(values.begin(), values.end());
      }
      for (Value &value : values) {
        value = ctx.b.unsqueeze(value, {*axis});
      }
      results.push_back(ctx.b.concat(values, *axis));
    }
    return ctx.results(results);
  }
};
} // namespace

LogicalResult buildLoop(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t count = INT64_MAX;
  if (ctx.input(0)) {
    FailureOr<Sizes> read = b.readInts(ctx.input(0), "M");
    if (failed(read) || failed(checkScalar(ctx, 0, "M"))) {
      return failure();
    }
    std::optional<int64_t> known = getConstantIntValue((*read)[0]);
    if (!known) {
      return ctx.unsupported("a number of iterations that is known at run time "
                             "only");
    }
    count = std::max<int64_t>(0, *known);
  }
  Unroller loop{ctx, *ctx.attribute("body")->g, {}, {}};
  loop.carried.assign(ctx.allInputs().begin() + 2, ctx.allInputs().end());
  Value condition = ctx.input(1);
  for (int64_t i = 0; i < count; ++i) {
    std::optional<bool> goesOn =
        condition ? knownBool(ctx, condition) : std::optional(true);
    if (!goesOn) {
      return ctx.unsupported("a loop whose end is known at run time only");
    }
    if (!*goesOn) {
      break;
    }
    if (failed(loop.checkCount(i + 1))) {
      return failure();
    }
    Value number = b.fromInts({b.index(i)}, b.getI64Type(), true);
    SmallVector<Value> inputs{number,
                              b.fromInts({b.index(1)}, b.getI1Type(), true)};
    inputs.append(loop.carried);
    FailureOr<SmallVector<Value>> lead = loop.step(inputs, 1);
    if (failed(lead)) {
      return failure();
    }
    condition = (*lead)[0];
  }
  return loop.finish({}, {});
}

LogicalResult buildScanLoop(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t numScanned = ctx.getInt("num_scan_inputs", 0);
  if (numScanned < 1 || numScanned > ctx.numInputs()) {
    return ctx.invalid("expected num_scan_inputs from 1 to " +
                       Twine(ctx.numInputs()) + ", got " + Twine(numScanned));
  }
  auto axes = ctx.getInts("scan_input_axes"),
       directions = ctx.getInts("scan_input_directions");
  Unroller loop{ctx, *ctx.attribute("body")->g, {}, {}};
  loop.carried.assign(ctx.allInputs().begin(),
                      ctx.allInputs().end() - numScanned);
  ArrayRef<Value> inputs = ctx.allInputs().take_back(numScanned);
  SmallVector<int64_t> inputAxes;
  std::optional<OpFoldResult> length;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    FailureOr<int64_t> axis = ctx.normalAxis(i < axes.size() ? axes[i] : 0,
                                             GraphBuilder::rankOf(input));
    if (failed(axis)) {
      return failure();
    }
    inputAxes.push_back(*axis);
    OpFoldResult own = b.size(input, *axis);
    if (length && failed(b.checkEqual(*length, own, "the scanned inputs"))) {
      return failure();
    }
    length = length && getConstantIntValue(*length) ? *length : own;
  }
  std::optional<int64_t> count = getConstantIntValue(*length);
  if (!count) {
    return ctx.unsupported("a length that is known at run time only");
  }
  if (failed(loop.checkCount(*count))) {
    return failure();
  }
  for (int64_t step = 0; step < *count; ++step) {
    SmallVector<Value> given = loop.carried;
    for (auto [i, input] : llvm::enumerate(inputs)) {
      bool isReversed = i < directions.size() && directions[i] == 1;
      int64_t place = isReversed ? *count - 1 - step : step;
      given.push_back(
          b.squeeze(b.sliceDim(input, inputAxes[i], b.index(place), b.index(1)),
                    {inputAxes[i]}));
    }
    if (failed(loop.step(given, 0))) {
      return failure();
    }
  }
  return loop.finish(ctx.getInts("scan_output_axes"),
                     ctx.getInts("scan_output_directions"));
}

} // namespace dlc::onnx
