// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What may share a kernel.
#include "FusionRules.h"

#include "Dialect/NN/FnInfo.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace dlc {

/// Ops of an epilogue; beyond this, compile time grows for no gain.
static constexpr size_t kMaxEpilogueOps = 24;

/// Elements of a tensor that the host computed; up to here, choosing one is no
/// dearer than loading it.
static constexpr int64_t kMaxFreeElements = 4;

static RankedTensorType typeOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType());
}

static std::optional<nn::FusionRole> getRole(Operation *op) {
  auto fusable = dyn_cast<nn::FusionRoleInterface>(op);
  return fusable ? std::optional(fusable.getFusionRole()) : std::nullopt;
}

bool isIndexFunction(Operation *op) {
  // A reshape is another view of a buffer, a concat copies whole operands.
  if (isa<nn::ReshapeOp, nn::ConcatOp>(op)) {
    return false;
  }
  std::optional<nn::FusionRole> role = getRole(op);
  return isa<tensor::FromElementsOp>(op) ||
         role == nn::FusionRole::Elementwise || role == nn::FusionRole::View ||
         role == nn::FusionRole::Indexed;
}

bool isRoot(Operation *op) {
  return getRole(op) && !isIndexFunction(op) && !isa<nn::ReshapeOp>(op);
}

bool isExpensive(Operation *op) {
  auto elementwise = dyn_cast<nn::ElementwiseOp>(op);
  return elementwise && nn::getFnInfo(elementwise.getFn()).expensive;
}

/// Whether `op` widens floats that lie in memory: they are read rather than
/// their wide copies.
static bool isWideningOfMemory(Operation *op) {
  auto cast = dyn_cast<nn::CastOp>(op);
  if (!cast) {
    return false;
  }
  auto from = dyn_cast<FloatType>(typeOf(cast.getInput()).getElementType());
  auto to = dyn_cast<FloatType>(cast.getType().getElementType());
  Operation *producer = cast.getInput().getDefiningOp();
  return from && to && from.getWidth() < to.getWidth() &&
         (!producer || !isIndexFunction(producer));
}

bool isFree(Operation *op) {
  if (isWideningOfMemory(op)) {
    return true;
  }
  if (isa<nn::IotaOp, nn::BroadcastOp, nn::SliceOp>(op)) {
    return true;
  }
  // Windows over a tensor with a border: each slice reads elements of its own.
  if (isa<nn::PadOp>(op) &&
      llvm::all_of(op->getUsers(), llvm::IsaPred<nn::SliceOp, tensor::DimOp>)) {
    return true;
  }
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (isa<tensor::FromElementsOp>(op)) {
    return type.getNumElements() <= kMaxFreeElements;
  }
  // A scalar, whoever computes it.
  bool isScalar = type && type.hasStaticShape() && type.getNumElements() == 1;
  return isScalar && isa<nn::CastOp, nn::ElementwiseOp>(op) && !isExpensive(op);
}

bool canFusePrologue(Operation *producer, OpOperand &use) {
  Operation *consumer = use.getOwner();
  if (isIndexFunction(consumer)) {
    // Computed anew for every element of the consumer: fine where there are no
    // more of those, or where each costs little.
    bool sameCount = typeOf(producer->getResult(0)).getShape() ==
                         typeOf(consumer->getResult(0)).getShape() ||
                     isa<nn::TransposeOp>(consumer) ||
                     isa<nn::SliceOp>(consumer);
    return sameCount || !isExpensive(producer);
  }
  if (isa<nn::ReduceOp, nn::ConcatOp, nn::ScanOp, nn::ScatterOp>(consumer)) {
    return true;
  }
  if (isa<nn::SoftmaxOp, nn::NormOp>(consumer)) {
    // Rows are read several times.
    return use.getOperandNumber() == 0 && !isExpensive(producer) &&
           !isa<nn::GatherOp, nn::TransposeOp>(producer);
  }
  return false;
}

namespace {

/// Grows a set of ops from a root along elementwise users.
class EpilogueSearch {
public:
  EpilogueSearch(Operation *root, const llvm::DenseSet<Operation *> &taken)
      : root(root), taken(taken), shape(typeOf(root->getResult(0)).getShape()) {
  }

  SmallVector<Operation *> run();

private:
  bool canJoin(Operation *op) const;
  bool mayGrow(Operation *op) const;
  /// The one member whose result is used outside, or null if there are several.
  Operation *findTail() const;

  Operation *root;
  const llvm::DenseSet<Operation *> &taken;
  ArrayRef<int64_t> shape;
  llvm::SetVector<Operation *> members;
};

bool EpilogueSearch::canJoin(Operation *op) const {
  return isa<nn::ElementwiseOp, nn::CastOp>(op) && !taken.contains(op) &&
         typeOf(op->getResult(0)).getShape() == shape && !mayGrow(op);
}

/// Whether the run may find that `op` repeats a member, and so has a result
/// larger than the root's.
bool EpilogueSearch::mayGrow(Operation *op) const {
  auto elementwise = dyn_cast<nn::ElementwiseOp>(op);
  if (!elementwise || !elementwise.getMaybeBroadcast()) {
    return false;
  }
  for (auto [i, input] : llvm::enumerate(elementwise.getInputs())) {
    Operation *producer = input.getDefiningOp();
    auto flagged =
        cast<DenseI64ArrayAttr>((*elementwise.getMaybeBroadcast())[i]);
    if (producer && members.contains(producer) && !flagged.empty()) {
      return true;
    }
  }
  return false;
}

Operation *EpilogueSearch::findTail() const {
  Operation *tail = nullptr;
  for (Operation *member : members) {
    bool isUsedOutside = llvm::any_of(member->getUsers(), [&](Operation *user) {
      return !members.contains(user);
    });
    if (isUsedOutside && tail) {
      return nullptr;
    }
    tail = isUsedOutside ? member : tail;
  }
  return tail;
}

SmallVector<Operation *> EpilogueSearch::run() {
  members.insert(root);
  size_t best = 1;
  for (Operation *op = root->getNextNode();
       op && members.size() < kMaxEpilogueOps; op = op->getNextNode()) {
    bool usesMember = llvm::any_of(op->getOperands(), [&](Value operand) {
      Operation *producer = operand.getDefiningOp();
      return producer && members.contains(producer);
    });
    if (!usesMember || isa<tensor::DimOp>(op)) {
      continue;
    }
    if (!canJoin(op)) {
      break; // another op needs a member as it is; nothing further down can
             // hide it
    }
    members.insert(op);
    if (findTail() == op) {
      best = members.size();
    }
  }
  return llvm::to_vector(ArrayRef(members.getArrayRef()).slice(1, best - 1));
}

} // namespace

SmallVector<Operation *>
findEpilogue(Operation *root, const llvm::DenseSet<Operation *> &taken) {
  bool hasEpilogue =
      isa<nn::ConvOp, nn::ContractOp, nn::ReduceOp, nn::SoftmaxOp, nn::NormOp,
          nn::PoolOp, nn::ConcatOp, nn::ResizeOp>(root);
  if (!hasEpilogue || root->getNumResults() != 1) {
    return {};
  }
  return EpilogueSearch(root, taken).run();
}

} // namespace dlc
