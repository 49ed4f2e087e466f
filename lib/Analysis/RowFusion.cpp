// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds x / sum(x) and the like: reductions over the same dims of one tensor,
// behind which all goes back to that tensor's shape.
#include "Analysis/RowGroup.h"
#include "Analysis/SizeExpr.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace dlc {

/// Reductions and ops behind them; beyond this, compile time grows for no gain.
static constexpr size_t kMaxMembers = 32;
/// Tensors that a reduction's input is looked for among.
static constexpr size_t kMaxAncestors = 64;

namespace {

class RowSearch {
public:
  RowSearch(nn::ReduceOp first, const llvm::DenseSet<Operation *> &taken)
      : first(first), taken(taken), axes(first.getAxes()),
        rows(sizeExprsOf(first.getInput())) {
    for (auto [dim, size] : llvm::enumerate(rows)) {
      bool isAxis = llvm::is_contained(axes, static_cast<int64_t>(dim));
      kept.push_back(isAxis ? SizeExpr(1) : size);
      if (!isAxis) {
        reduced.push_back(size);
      }
    }
    ancestors = findAncestors(first.getInput());
  }

  /// With `siblings`, other reductions of what `first` reduces join, too.
  std::optional<FusedRows> run(bool siblings);

private:
  bool isMember(Value value) const {
    Operation *op = value.getDefiningOp();
    return op && members.contains(op);
  }
  bool isOfRows(Value value) const {
    return hasRowsShape(value, first) && sizeExprsOf(value) == rows;
  }
  bool isOfReductions(Value value) const {
    SmallVector<SizeExpr> sizes = sizeExprsOf(value);
    // Types alone tell the shapes apart later on.
    return !hasRowsShape(value, first) && (sizes == reduced || sizes == kept);
  }
  llvm::SetVector<Value> findAncestors(Value value) const;
  bool isSibling(Operation *op) const;
  bool canJoin(Operation *op) const;
  bool isTail(Operation *op) const;
  std::optional<FusedRows> finish() const;

  nn::ReduceOp first;
  const llvm::DenseSet<Operation *> &taken;
  SmallVector<int64_t> axes;
  SmallVector<SizeExpr> rows, kept, reduced;
  /// Of the first reduction's input.
  llvm::SetVector<Value> ancestors;
  llvm::SetVector<Operation *> members;
};

} // namespace

/// The tensors of the rows' shape that `value` is computed from, element by
/// element.
llvm::SetVector<Value> RowSearch::findAncestors(Value value) const {
  llvm::SetVector<Value> found;
  found.insert(value);
  for (size_t i = 0; i < found.size() && found.size() < kMaxAncestors; ++i) {
    Operation *op = found[i].getDefiningOp();
    if (!op || !isa<nn::ElementwiseOp, nn::CastOp>(op)) {
      continue;
    }
    for (Value operand : op->getOperands()) {
      if (hasRowsShape(operand, first)) {
        found.insert(operand);
      }
    }
  }
  return found;
}

bool RowSearch::isSibling(Operation *op) const {
  auto reduce = dyn_cast<nn::ReduceOp>(op);
  return reduce && canJoin(op) &&
         llvm::any_of(findAncestors(reduce.getInput()), [&](Value ancestor) {
           return ancestors.contains(ancestor);
         });
}

bool RowSearch::canJoin(Operation *op) const {
  if (taken.contains(op)) {
    return false;
  }
  if (auto reduce = dyn_cast<nn::ReduceOp>(op)) {
    return reduce.getAxes() == ArrayRef(axes) && isOfRows(reduce.getInput());
  }
  if (isa<nn::ReshapeOp>(op)) {
    return isOfReductions(op->getResult(0));
  }
  return isa<nn::ElementwiseOp, nn::CastOp, nn::BroadcastOp>(op) &&
         (isOfRows(op->getResult(0)) || isOfReductions(op->getResult(0)));
}

/// Whether `op` alone is used outside.
bool RowSearch::isTail(Operation *op) const {
  return isOfRows(op->getResult(0)) &&
         llvm::all_of(members, [&](Operation *member) {
           return llvm::all_of(member->getUsers(), [&](Operation *user) {
             return member == op || members.contains(user) ||
                    isa<tensor::DimOp>(user);
           });
         });
}

/// The members with the ops between the source and them; none where another op
/// needs the result of one of these.
std::optional<FusedRows> RowSearch::finish() const {
  std::optional<RowGroup> group = findRowGroup(members.getArrayRef());
  if (!group) {
    return std::nullopt;
  }
  llvm::SetVector<Operation *> all = members;
  all.insert_range(group->between);
  for (Operation *op : group->between) {
    bool isHidden = llvm::all_of(op->getUsers(), [&](Operation *user) {
      return all.contains(user) || isa<tensor::DimOp>(user);
    });
    if (!isHidden || taken.contains(op) || !isOfRows(op->getResult(0))) {
      return std::nullopt;
    }
  }
  FusedRows fused{all.takeVector(), group->source};
  llvm::sort(fused.ops,
             [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });
  return fused;
}

std::optional<FusedRows> RowSearch::run(bool siblings) {
  members.clear();
  members.insert(first);
  std::optional<FusedRows> best;
  for (Operation *op = first->getNextNode(); op && members.size() < kMaxMembers;
       op = op->getNextNode()) {
    bool usesMember = llvm::any_of(
        op->getOperands(), [&](Value operand) { return isMember(operand); });
    if ((!usesMember && !(siblings && isSibling(op))) ||
        isa<tensor::DimOp>(op)) {
      continue;
    }
    if (!canJoin(op)) {
      break; // another op needs a member as it is
    }
    members.insert(op);
    if (isTail(op)) {
      if (std::optional<FusedRows> found = finish()) {
        best = std::move(found);
      }
    }
  }
  return best;
}

std::optional<FusedRows>
findFusedRows(nn::ReduceOp first, const llvm::DenseSet<Operation *> &taken) {
  RowSearch search(first, taken);
  if (first.getAxes().empty()) {
    return std::nullopt;
  }
  std::optional<FusedRows> fused = search.run(/*siblings=*/true);
  return fused ? fused : search.run(/*siblings=*/false);
}

} // namespace dlc
