// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The source and the result of reductions that go back to their rows.
#include "Analysis/RowGroup.h"

using namespace mlir;

namespace dlc {

/// Ops between the source and the reductions; beyond this, computing them in
/// every pass costs more than it saves.
static constexpr size_t kMaxBetween = 16;

bool hasRowsShape(Value value, nn::ReduceOp reduce) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getShape() == reduce.getInput().getType().getShape();
}

namespace {

/// Later ones last; what the block is given comes first.
bool isBefore(Value x, Value y) {
  Operation *first = x.getDefiningOp(), *second = y.getDefiningOp();
  return second && (!first || first->isBeforeInBlock(second));
}

bool isNumber(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return !type || (type.hasStaticShape() && type.getNumElements() == 1);
}

class RowGroupFinder {
public:
  explicit RowGroupFinder(ArrayRef<Operation *> members)
      : members(members.begin(), members.end()),
        tail(members.back()->getResult(0)) {
    for (Operation *op : members) {
      if (auto reduce = dyn_cast<nn::ReduceOp>(op)) {
        group.reductions.push_back(reduce);
      }
    }
  }

  std::optional<RowGroup> run() {
    if (!findSource() || !findResult()) {
      return std::nullopt;
    }
    return group;
  }

private:
  bool isOfRows(Value value) const {
    return hasRowsShape(value, group.reductions[0]);
  }
  bool dependsOnReduction(Value value) const {
    Operation *op = value.getDefiningOp();
    return op && members.contains(op);
  }
  /// Operands of the rows' shape of an op that computes element by element;
  /// false where `value` is of no such op.
  bool getRowOperands(Value value, SmallVectorImpl<Value> &operands) const;
  llvm::DenseSet<Value> findReduced() const;
  bool findSource();
  bool findResult();
  /// Whether `value` is computed from the source, or from a reduction.
  bool dependsOnRows(Value value, llvm::DenseSet<Value> &seen) const;

  llvm::DenseSet<Operation *> members;
  Value tail;
  RowGroup group;
};

} // namespace

bool RowGroupFinder::getRowOperands(Value value,
                                    SmallVectorImpl<Value> &operands) const {
  Operation *op = value.getDefiningOp();
  if (!op || !isa<nn::ElementwiseOp, nn::CastOp, nn::BroadcastOp>(op)) {
    return false;
  }
  llvm::copy_if(op->getOperands(), std::back_inserter(operands),
                [&](Value operand) { return isOfRows(operand); });
  return true;
}

/// All that the reductions' inputs are computed from, element by element.
llvm::DenseSet<Value> RowGroupFinder::findReduced() const {
  llvm::DenseSet<Value> reduced;
  SmallVector<Value> pending;
  for (nn::ReduceOp reduce : group.reductions) {
    pending.push_back(reduce.getInput());
  }
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    if (reduced.insert(value).second) {
      getRowOperands(value, pending);
    }
  }
  return reduced;
}

/// Goes back from the reductions' inputs and the tail, the last tensor first,
/// until all ways have come together. What only the tail reads stays out.
bool RowGroupFinder::findSource() {
  llvm::DenseSet<Value> reduced = findReduced();
  llvm::SetVector<Value> front;
  front.insert(tail);
  for (nn::ReduceOp reduce : group.reductions) {
    front.insert(reduce.getInput());
  }
  while (front.size() > 1 || dependsOnReduction(front[0])) {
    Value last = *llvm::max_element(front, isBefore);
    SmallVector<Value> operands;
    if (!getRowOperands(last, operands)) {
      return false;
    }
    front.remove(last);
    for (Value operand : operands) {
      if (dependsOnReduction(operand) || reduced.contains(operand)) {
        front.insert(operand);
      }
    }
    if (!dependsOnReduction(last)) {
      group.between.push_back(last.getDefiningOp());
      if (group.between.size() > kMaxBetween) {
        return false;
      }
    }
    if (front.empty()) {
      return false;
    }
  }
  group.source = front[0];
  return isa<FloatType>(
      cast<RankedTensorType>(group.source.getType()).getElementType());
}

bool RowGroupFinder::dependsOnRows(Value value,
                                   llvm::DenseSet<Value> &seen) const {
  if (value == group.source || dependsOnReduction(value)) {
    return true;
  }
  Operation *op = value.getDefiningOp();
  Operation *source = group.source.getDefiningOp();
  bool isEarlier = !op || (source && op->getBlock() == source->getBlock() &&
                           op->isBeforeInBlock(source));
  if (isEarlier || !seen.insert(value).second) {
    return false;
  }
  return llvm::any_of(op->getOperands(), [&](Value operand) {
    return dependsOnRows(operand, seen);
  });
}

/// Goes back from the tail as long as an op needs nothing else of the row, and
/// nothing that rows have in common: kernels have that at hand along rows.
bool RowGroupFinder::findResult() {
  llvm::DenseSet<Value> seen;
  for (Value value = tail; value;) {
    auto type = cast<RankedTensorType>(value.getType());
    if (isa<FloatType>(type.getElementType())) {
      group.result = value;
    }
    Operation *op = value.getDefiningOp();
    Value next;
    bool needsMore = !isa<nn::ElementwiseOp, nn::CastOp>(op);
    for (Value operand : op->getOperands()) {
      if (isOfRows(operand) && dependsOnReduction(operand) &&
          (!next || next == operand)) {
        next = operand;
      } else {
        needsMore |= !(isOfRows(operand) || isNumber(operand)) ||
                     dependsOnRows(operand, seen);
      }
    }
    value = needsMore ? Value() : next;
  }
  return group.result != nullptr;
}

std::optional<RowGroup> findRowGroup(ArrayRef<Operation *> members) {
  return RowGroupFinder(members).run();
}

} // namespace dlc
