// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Groups nn ops into dispatches.
#include "Analysis/RowGroup.h"
#include "Dialect/NN/Sizes.h"
#include "Dialect/RT/RTDialect.h"
#include "DispatchBuilder.h"
#include "FusionRules.h"
#include "Transforms/Dispatch/Passes.h"

#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_FORMDISPATCHESPASS
#include "Transforms/Dispatch/Passes.h.inc"

namespace {

/// A kernel's code grows with the ops that it computes in place, and LLVM's
/// time faster than that.
constexpr unsigned kMaxChainCost = 256;
/// Of a function that becomes a polynomial, in cheap ones.
constexpr unsigned kExpensiveCost = 16;

/// One kernel to be: ops in program order without the prologue, and the op that
/// rules it.
struct Group {
  Operation *root;
  SmallVector<Operation *> ops;
};

class DispatchFormer {
public:
  DispatchFormer(func::FuncOp function, bool fuseRows)
      : function(function), fuseRows(fuseRows) {}

  void run();

private:
  void boundNonzero();
  void splitRnn();
  void findRootGroups();
  bool findRows(Operation *op);
  void findMapGroups();
  bool mustMaterialize(Operation *op);
  unsigned getChainCost(Operation *op);
  void addPrologue(Operation *op, llvm::SetVector<Operation *> &ops);
  void build(const Group &group);

  func::FuncOp function;
  bool fuseRows;
  SmallVector<Group> groups;
  /// Members of a root's group.
  llvm::DenseSet<Operation *> taken;
  /// Those that make what fused rows read, and no one else.
  llvm::DenseSet<Operation *> rowSources;
  /// Index functions whose result lies in memory.
  llvm::DenseSet<Operation *> materialized;
  /// Of an index function computed in place: what it and the users up to the
  /// result in memory cost to compile.
  llvm::DenseMap<Operation *, unsigned> chainCosts;
};

/// Replaces each nonzero, whose size only the run knows, by one into a buffer
/// of the upper bound and the part of it that counts.
void DispatchFormer::boundNonzero() {
  for (auto op : llvm::make_early_inc_range(function.getOps<nn::NonzeroOp>())) {
    ImplicitLocOpBuilder b(op.getLoc(), op);
    nn::Sizes sizes = nn::sizesOf(b, op.getLoc(), op.getInput());
    OpFoldResult bound = nn::productOf(b, op.getLoc(), sizes);
    Type integer = b.getI64Type();
    auto type = RankedTensorType::get(
        nn::staticShape({b.getIndexAttr(sizes.size()), bound}), integer);
    auto bounded = nn::NonzeroBoundedOp::create(
        b, type, RankedTensorType::get({}, integer), op.getInput());
    Value count =
        tensor::ExtractOp::create(b, bounded.getCount(), ValueRange());
    Value size = arith::IndexCastOp::create(b, b.getIndexType(), count);
    op.replaceAllUsesWith(
        rt::ShrinkOp::create(b, op.getType(), bounded.getCoordinates(), size)
            .getResult());
    op.erase();
  }
}

/// Splits each rnn into the products of its input, one contraction over all
/// steps, and the recurrence.
void DispatchFormer::splitRnn() {
  for (auto op : llvm::make_early_inc_range(function.getOps<nn::RnnOp>())) {
    ImplicitLocOpBuilder b(op.getLoc(), op);
    RankedTensorType input = op.getInput().getType(),
                     weight = op.getWeight().getType();
    auto type =
        RankedTensorType::get({input.getDimSize(0), input.getDimSize(1),
                               weight.getDimSize(0), weight.getDimSize(1)},
                              input.getElementType());
    AffineExpr t, batch, d, g, i;
    bindDims(b.getContext(), t, batch, d, g, i);
    SmallVector<SmallVector<AffineExpr, 4>> dims{
        {t, batch, i}, {d, g, i}, {t, batch, d, g}};
    SmallVector<AffineMap> maps(
        AffineMap::inferFromExprList(dims, b.getContext()));
    auto products = nn::ContractOp::create(
        b, type, op.getInput(), op.getWeight(), /*lhs_zero=*/Value(),
        /*rhs_zero=*/Value(), b.getAffineMapArrayAttr(maps), TypeAttr());
    auto recurrence = nn::RecurrenceOp::create(
        b, op.getResultTypes(), products, op.getRecurrent(), op.getBias(),
        op.getLengths(), op.getInitialH(), op.getInitialC(), op.getPeephole(),
        op.getCellAttr(), op.getDirectionAttr(), op.getActivationsAttr(),
        op.getAlphasAttr(), op.getBetasAttr(), op.getClipAttr(),
        op.getLinearBeforeResetAttr(), op.getInputForgetAttr());
    op.replaceAllUsesWith(recurrence);
    op.erase();
  }
}

void DispatchFormer::findRootGroups() {
  for (Operation &op : function.getBody().front()) {
    if (!isRoot(&op) || taken.contains(&op) || (fuseRows && findRows(&op))) {
      continue;
    }
    Group group{&op, {&op}};
    llvm::append_range(group.ops, findEpilogue(&op, taken));
    taken.insert(group.ops.begin(), group.ops.end());
    groups.push_back(group);
  }
}

/// Makes a group of a reduction and what brings its result back to its rows.
bool DispatchFormer::findRows(Operation *op) {
  auto reduce = dyn_cast<nn::ReduceOp>(op);
  std::optional<FusedRows> fused =
      reduce ? findFusedRows(reduce, taken) : std::nullopt;
  if (!fused) {
    return false;
  }
  taken.insert(fused->ops.begin(), fused->ops.end());
  groups.push_back({op, fused->ops});
  Operation *source = fused->source.getDefiningOp();
  bool isOnlyReader =
      source && llvm::all_of(source->getUsers(), [&](Operation *user) {
        return llvm::is_contained(fused->ops, user) || isa<tensor::DimOp>(user);
      });
  if (isOnlyReader) {
    rowSources.insert(source);
  }
  return true;
}

bool DispatchFormer::mustMaterialize(Operation *op) {
  if (rowSources.contains(op)) {
    // Its users read it together, and most rows once.
    return isa<nn::GatherOp, nn::TransposeOp>(op) ||
           getChainCost(op) > kMaxChainCost;
  }
  unsigned numUses = 0;
  for (OpOperand &use : op->getUses()) {
    Operation *user = use.getOwner();
    if (isa<tensor::DimOp>(user)) {
      continue;
    }
    // An epilogue op reads any operand element by element.
    bool inEpilogue = taken.contains(user) && isIndexFunction(user);
    bool isFusable = inEpilogue || isIndexFunction(user) || isRoot(user);
    if (!isFusable || !canFusePrologue(op, use)) {
      return true;
    }
    ++numUses;
  }
  return (numUses > 1 && !isFree(op)) || getChainCost(op) > kMaxChainCost;
}

/// Users come first, so theirs is known.
unsigned DispatchFormer::getChainCost(Operation *op) {
  unsigned behind = 0;
  for (Operation *user : op->getUsers()) {
    behind = std::max(behind, chainCosts.lookup(user));
  }
  return behind + (isExpensive(op) ? kExpensiveCost : 1);
}

void DispatchFormer::findMapGroups() {
  // Users first: whether an op is computed in place depends on its users alone.
  for (Operation &op : llvm::reverse(function.getBody().front())) {
    if (isIndexFunction(&op) && !taken.contains(&op) && !op.use_empty() &&
        mustMaterialize(&op)) {
      materialized.insert(&op);
      groups.push_back({&op, {&op}});
    }
    if (isIndexFunction(&op)) {
      chainCosts[&op] = materialized.contains(&op)
                            ? (isExpensive(&op) ? kExpensiveCost : 1)
                            : getChainCost(&op);
    }
  }
}

/// Adds the index functions that `op` computes in place, operands first.
void DispatchFormer::addPrologue(Operation *op,
                                 llvm::SetVector<Operation *> &ops) {
  for (Value operand : op->getOperands()) {
    Operation *producer = operand.getDefiningOp();
    if (!producer || ops.contains(producer) || !isIndexFunction(producer) ||
        taken.contains(producer) || materialized.contains(producer)) {
      continue;
    }
    addPrologue(producer, ops);
    ops.insert(producer);
  }
}

void DispatchFormer::build(const Group &group) {
  llvm::SetVector<Operation *> ops;
  for (Operation *op : group.ops) {
    addPrologue(op, ops);
    ops.insert(op);
  }
  Operation *last = group.ops.back();
  buildDispatch(ops.getArrayRef(), group.root,
                llvm::to_vector_of<Value>(last->getResults()));
}

void DispatchFormer::run() {
  boundNonzero();
  splitRnn();
  findRootGroups();
  findMapGroups();
  for (const Group &group : groups) {
    build(group);
  }
}

struct FormDispatchesPass final
    : impl::FormDispatchesPassBase<FormDispatchesPass> {
  using FormDispatchesPassBase::FormDispatchesPassBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    DispatchFormer(function, fuseRows).run();

    // Sizes of ops that are gone come from the dispatches or from further up.
    RewritePatternSet patterns(&getContext());
    memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
    affine::AffineApplyOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(function, std::move(patterns)))) {
      signalPassFailure();
    }
  }
};

} // namespace
} // namespace dlc
