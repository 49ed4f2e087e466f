// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What code generation takes of the nn dialect.
#include "Dialect/NN/Support.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace dlc::nn {

/// Whether kernels load, store and compute elements of `type`.
static bool isSupportedElement(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type)) {
    unsigned width = integer.getWidth();
    return width == 1 || width == 8 || width == 16 || width == 32 ||
           width == 64;
  }
  return type.isF64() || type.isF32() || type.isF16() || type.isBF16();
}

bool isFloat8(Type type) {
  return isa<FloatType>(type) && type.getIntOrFloatBitWidth() == 8 &&
         !isa<Float8E8M0FNUType>(type);
}

/// Ops that move elements, or convert them.
static bool takesFloat8(Operation *op) {
  auto elementwise = dyn_cast<ElementwiseOp>(op);
  return isa<CastOp, QuantizeOp, DequantizeOp, BroadcastOp, TransposeOp,
             SliceOp, InsertSliceOp, GatherOp, ReshapeOp, ConcatOp,
             CacheUpdateOp>(op) ||
         (elementwise && elementwise.getFn() == Fn::select);
}

/// Ops that no kernel computes: they name or describe tensors.
static bool needsNoKernel(Operation *op) {
  return isa<ParamOp, ParamRefOp, SymDimOp, BindShapeOp, CheckOp, DispatchOp>(
             op) ||
         op->hasTrait<OpTrait::IsTerminator>();
}

static std::optional<Type> findUnsupportedElement(Operation *op) {
  SmallVector<Type> types(op->getOperandTypes());
  llvm::append_range(types, op->getResultTypes());
  for (Type type : types) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (tensor && !isSupportedElement(tensor.getElementType()) &&
        !(isFloat8(tensor.getElementType()) && takesFloat8(op))) {
      return tensor.getElementType();
    }
  }
  return std::nullopt;
}

/// The size that a kernel keeps in registers though the run alone knows it, or
/// nothing.
static StringRef findDynamicWidth(Operation *op) {
  auto isDynamic = [](auto rnn) {
    return rnn.getRecurrent().getType().isDynamicDim(2);
  };
  auto rnn = dyn_cast<RnnOp>(op);
  auto recurrence = dyn_cast<RecurrenceOp>(op);
  if ((rnn && isDynamic(rnn)) || (recurrence && isDynamic(recurrence))) {
    return "a hidden size";
  }
  auto attention = dyn_cast<AttentionOp>(op);
  if (!attention) {
    return "";
  }
  auto place = attention.getMap(2).getResultPosition(
      getAffineDimExpr(AttentionLoop::kColumn, op->getContext()));
  bool isDynamicColumn =
      place && attention.getValue().getType().isDynamicDim(*place);
  return isDynamicColumn ? "a head size" : "";
}

std::optional<std::string> findUnsupported(Operation *op) {
  if (!isa_and_present<NNDialect>(op->getDialect()) || needsNoKernel(op)) {
    return std::nullopt;
  }
  std::string reason;
  llvm::raw_string_ostream os(reason);
  os << "'" << op->getName() << "' ";
  StringRef width = findDynamicWidth(op);
  if (std::optional<Type> element = findUnsupportedElement(op)) {
    os << "on elements of type " << *element;
  } else if (!width.empty()) {
    os << "of " << width << " that only the run knows";
  } else {
    return std::nullopt;
  }
  return reason;
}

} // namespace dlc::nn
