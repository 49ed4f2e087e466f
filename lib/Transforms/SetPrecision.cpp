// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gives matrix products, convolutions and attention operands of a lower
// precision, and stores tensors that they read in it.
#include "Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_SETPRECISIONPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// Tables of fewer elements stay as they are.
constexpr int64_t kMinTableElements = 1 << 16;

bool isF32(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType().isF32();
}

/// Operands of a product that are multiplied; empty for other ops, and for
/// those that do not multiply f32.
SmallVector<OpOperand *> getFactors(Operation *op) {
  SmallVector<OpOperand *> factors;
  if (auto contract = dyn_cast<ContractOp>(op)) {
    factors = {&contract.getLhsMutable(), &contract.getRhsMutable()};
  } else if (auto conv = dyn_cast<ConvOp>(op)) {
    factors = {&conv.getInputMutable(), &conv.getFilterMutable()};
  } else if (auto attention = dyn_cast<AttentionOp>(op)) {
    factors = {&attention.getQueryMutable(), &attention.getKeyMutable(),
               &attention.getValueMutable()};
  }
  bool single = llvm::all_of(
      factors, [](OpOperand *factor) { return isF32(factor->get()); });
  if (factors.empty() || !single || !isF32(op->getResult(0))) {
    return {};
  }
  return factors;
}

/// Whether the result's elements are some of operand 0's, whatever their type.
bool isView(Operation *op) {
  if (auto pool = dyn_cast<PoolOp>(op)) {
    return pool.getKind() == PoolKind::max && !pool.getIndices();
  }
  return isa<ReshapeOp, TransposeOp, SliceOp, BroadcastOp>(op);
}

class PrecisionSetter {
public:
  PrecisionSetter(Type low, ArrayRef<OpOperand *> factors)
      : low(low), factors(factors.begin(), factors.end()) {}

  void lowerFactor(OpOperand &factor);
  void lowerTable(GatherOp gather);

private:
  Value lower(Value value);
  Value lowerLeaf(Value value);
  Value castTo(OpBuilder &b, Value value, Type element);
  /// `op` on `input`, a tensor of the low type, in place of operand 0.
  Value cloneOn(Operation *op, Value input);
  void moveUses(Value value, Value lowered);

  Type low;
  llvm::SmallPtrSet<OpOperand *, 32> factors;
  /// What each tensor is in the low type.
  llvm::DenseMap<Value, Value> lowered;
};

Value PrecisionSetter::castTo(OpBuilder &b, Value value, Type element) {
  Type type = cast<RankedTensorType>(value.getType()).clone(element);
  return CastOp::create(b, value.getLoc(), type, value,
                        /*saturate=*/BoolAttr());
}

Value PrecisionSetter::cloneOn(Operation *op, Value input) {
  OpBuilder b(op);
  b.setInsertionPointAfter(op);
  Operation *clone = b.clone(*op);
  clone->setOperand(0, input);
  Value result = clone->getResult(0);
  result.setType(cast<RankedTensorType>(result.getType()).clone(low));
  lowered[op->getResult(0)] = result;
  return result;
}

bool isReturned(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    return user->hasTrait<OpTrait::IsTerminator>();
  });
}

/// Whether `value` is an argument of its block, seen through views.
bool isArgument(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isView(op)) {
      return false;
    }
    value = op->getOperand(0);
  }
  return true;
}

/// Lets all users of `value` read `low`, so that only that lies in memory.
/// Views stay views; others compute in f32. Each gets a cast of its own, which
/// becomes a part of its kernel.
void PrecisionSetter::moveUses(Value value, Value low) {
  for (OpOperand &use : llvm::make_early_inc_range(value.getUses())) {
    Operation *user = use.getOwner();
    bool isMoved =
        user->getNumResults() == 1 && lowered.contains(user->getResult(0));
    if (factors.contains(&use) || user == low.getDefiningOp() || isMoved ||
        isa<tensor::DimOp>(user)) {
      continue;
    }
    if (isView(user) && !isReturned(user->getResult(0))) {
      moveUses(user->getResult(0), cloneOn(user, low));
      continue;
    }
    OpBuilder b(user);
    use.set(castTo(b, low, b.getF32Type()));
  }
}

Value PrecisionSetter::lowerLeaf(Value value) {
  OpBuilder b(value.getContext());
  b.setInsertionPointAfterValue(value);
  auto attention = value.getDefiningOp<AttentionOp>();
  if (attention && value == attention.getResult() && !isReturned(value)) {
    // Attention has no epilogue, but rounds to any type.
    Value result = attention.getResult();
    auto type = cast<RankedTensorType>(value.getType());
    Value wide = castTo(b, result, type.getElementType());
    result.replaceAllUsesExcept(wide, wide.getDefiningOp());
    result.setType(type.clone(low));
    lowered[wide] = result;
    moveUses(wide, result);
    return result;
  }
  Value result = castTo(b, value, low);
  lowered[value] = result;
  Operation *producer = value.getDefiningOp();
  if (producer && !isa<ParamRefOp, arith::ConstantOp>(producer) &&
      !isArgument(value) && !isReturned(value)) {
    moveUses(value, result);
  }
  return result;
}

Value PrecisionSetter::lower(Value value) {
  if (Value known = lowered.lookup(value)) {
    return known;
  }
  if (auto cast = value.getDefiningOp<CastOp>()) {
    if (cast.getInput().getType().getElementType() == low) {
      return cast.getInput();
    }
  }
  Operation *op = value.getDefiningOp();
  if (op && isView(op) && !isArgument(value)) {
    Value input = lower(op->getOperand(0));
    // Lowering the input may have moved this view along.
    Value known = lowered.lookup(value);
    return known ? known : cloneOn(op, input);
  }
  return lowerLeaf(value);
}

void PrecisionSetter::lowerFactor(OpOperand &factor) {
  Value value = lower(factor.get());
  factor.set(value);
}

/// Large tables are read in the low type: the rows of an embedding.
void PrecisionSetter::lowerTable(GatherOp gather) {
  auto type = cast<RankedTensorType>(gather.getInput().getType());
  if (!gather.getInput().getDefiningOp<ParamRefOp>() || !isF32(gather) ||
      type.getNumElements() < kMinTableElements) {
    return;
  }
  Value result = gather.getResult();
  Value rows = cloneOn(gather, lower(gather.getInput()));
  if (isReturned(result)) {
    OpBuilder b(gather);
    b.setInsertionPointAfterValue(rows);
    result.replaceAllUsesWith(castTo(b, rows, b.getF32Type()));
  } else {
    moveUses(result, rows);
  }
}

class SetPrecision final : public impl::SetPrecisionPassBase<SetPrecision> {
public:
  using SetPrecisionPassBase::SetPrecisionPassBase;

  void runOnOperation() override {
    Builder b(&getContext());
    if (precision == "fp32") {
      return;
    }
    if (precision == "tf32") {
      return markProducts(b.getTF32Type());
    }
    if (precision != "bf16" && precision != "fp16") {
      getOperation().emitError()
          << "expected a precision of fp32, tf32, bf16 or fp16, got '"
          << precision << "'";
      return signalPassFailure();
    }
    Type low = precision == "bf16" ? Type(b.getBF16Type()) : b.getF16Type();
    SmallVector<Operation *> ops;
    SmallVector<OpOperand *> factors;
    getOperation().walk([&](Operation *op) {
      ops.push_back(op);
      llvm::append_range(factors, getFactors(op));
    });
    PrecisionSetter setter(low, factors);
    for (OpOperand *factor : factors) {
      setter.lowerFactor(*factor);
    }
    for (Operation *op : ops) {
      if (auto gather = dyn_cast<GatherOp>(op)) {
        setter.lowerTable(gather);
      }
    }
    eraseDead(ops);
    getOperation().walk([&](AttentionOp op) {
      op->setAttr(kProductTypeAttrName, TypeAttr::get(low));
    });
  }

private:
  void markProducts(Type type) {
    getOperation().walk([&](Operation *op) {
      if (!getFactors(op).empty()) {
        op->setAttr(kProductTypeAttrName, TypeAttr::get(type));
      }
    });
  }

  /// Ops whose users read the low form now. Casts between them are dead with
  /// them.
  static void eraseDead(ArrayRef<Operation *> ops) {
    for (Operation *op : llvm::reverse(ops)) {
      if (isa<NNDialect>(op->getDialect()) && isOpTriviallyDead(op)) {
        op->erase();
      }
    }
  }
};

} // namespace
} // namespace dlc
