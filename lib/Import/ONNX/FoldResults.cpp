// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a node computes from constants alone becomes a constant at once, where
// it is small: a later node may take it as a size, an axis or a pad.
#include "Context.h"

#include "Analysis/Evaluator.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace dlc::onnx {

/// Ops in a row that a builder makes for one node; operands from earlier nodes
/// are constants already.
static constexpr unsigned kMaxDepth = 16;
static constexpr int64_t kMaxElements = 64;

static bool isSmall(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() &&
         type.getNumElements() <= kMaxElements &&
         isHostElement(type.getElementType());
}

static std::optional<HostTensor> evaluate(GraphBuilder &b, Value value,
                                          unsigned depth) {
  if (!isSmall(value)) {
    return std::nullopt;
  }
  if (DenseElementsAttr elements = b.constantOf(value)) {
    return HostTensor::fromElements(elements);
  }
  Operation *op = value.getDefiningOp();
  if (depth == 0 || !op || !isa_and_nonnull<nn::NNDialect>(op->getDialect()) ||
      !isPure(op) || op->getNumResults() != 1 || op->getNumRegions() != 0) {
    return std::nullopt;
  }
  SmallVector<HostTensor> operands;
  for (Value operand : op->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType())) {
      continue; // a size, which the evaluator wants to be constant
    }
    std::optional<HostTensor> tensor = evaluate(b, operand, depth - 1);
    if (!tensor) {
      return std::nullopt;
    }
    operands.push_back(std::move(*tensor));
  }
  return evaluateOp(op, operands);
}

void foldResults(NodeContext &ctx) {
  for (StringRef name : ctx.node.output) {
    auto found = ctx.frame.values.find(name);
    if (name.empty() || found == ctx.frame.values.end() || !found->second ||
        ctx.b.constantOf(found->second)) {
      continue;
    }
    std::optional<HostTensor> result =
        evaluate(ctx.b, found->second, kMaxDepth);
    if (result && result->getType() == found->second.getType()) {
      found->second = ctx.b.constant(result->toElements());
    }
  }
}

} // namespace dlc::onnx
