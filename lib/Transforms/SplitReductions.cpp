// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reductions in two stages, for GPUs: a kernel gives each row a block, or 32
// rows that lie side by side, so that few long rows would leave most of a GPU
// idle.
#include "Match.h"
#include "Transforms/Passes.h"

#include "Analysis/RowGroup.h"
#include "Dialect/NN/NNDialect.h"

#include "mlir/IR/Iterators.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_SPLITREDUCTIONSPASS
#include "Transforms/Passes.h.inc"

using namespace nn;

namespace {

/// Rows that lie side by side share a block, as in NNToGPU/RowSpace.h.
constexpr int64_t kRowsAcross = 32;
/// With fewer blocks than this a reduction is split, into at most as many as a
/// large GPU runs at once.
constexpr int64_t kFewBlocks = 64, kManyBlocks = 512;
/// The least that a block of the first stage should reduce: 256 threads with 8
/// elements, or for rows side by side 32 threads with 8.
constexpr int64_t kLeastColumns = 2048, kLeastColumnsAcross = 256;

/// What a block can keep of its rows: elements in registers, and those of 4
/// bytes in what exchange and tables leave of its shared memory; of rows side
/// by side that fill no sectors and are no multiple of few, less. Where results
/// go back to rows as short as that, one kernel reads them, and once.
constexpr int64_t kKeptInRegisters = 16384, kOtherSharedBytes = 16 << 10,
                  kKeptOfManyRows = 8192, kFewRows = 64;
constexpr int64_t kSectorBytes = 32;

int64_t countKept(int64_t sharedBytes, int64_t clusterBlocks) {
  return (kKeptInRegisters + (sharedBytes - kOtherSharedBytes) / 4) *
         clusterBlocks;
}

/// One way to split a reduction: dim `axis` becomes (parts, size / parts).
struct Split {
  int64_t axis = 0, parts = 1;
};

/// The shape with dim `axis` in two.
SmallVector<int64_t> splitShape(ArrayRef<int64_t> shape, const Split &split) {
  SmallVector<int64_t> result(shape);
  int64_t size = result[split.axis];
  // A dim that repeats does so along both.
  int64_t parts = size == 1 ? 1 : split.parts;
  result[split.axis] = size / parts;
  result.insert(result.begin() + split.axis, parts);
  return result;
}

/// Whether `op`, which is before a reduction, is to be part of its kernel: an
/// elementwise op that nothing else reads, or a cast of what lies in memory,
/// which is not worth writing.
bool isFusable(Operation *op) {
  if (isa<CastOp>(op)) {
    Operation *producer = op->getOperand(0).getDefiningOp();
    return op->hasOneUse() || !producer ||
           !isa<ElementwiseOp, CastOp>(producer);
  }
  return isa<ElementwiseOp>(op) && op->hasOneUse();
}

/// `value` with dim `axis` in two.
Value splitValue(OpBuilder &b, Value value, const Split &split) {
  auto type = cast<RankedTensorType>(value.getType());
  RankedTensorType shape = type.clone(splitShape(type.getShape(), split));
  Operation *op = value.getDefiningOp();
  if (!op || !isFusable(op)) {
    return ReshapeOp::create(b, value.getLoc(), shape, value, ValueRange());
  }
  SmallVector<Value> inputs =
      llvm::map_to_vector(op->getOperands(), [&](Value input) {
        return splitValue(b, input, split);
      });
  Operation *clone = b.clone(*op);
  clone->setOperands(inputs);
  clone->getResult(0).setType(shape);
  return clone->getResult(0);
}

class ReductionSplitter {
public:
  /// `kept` elements are those that a block, or a cluster, keeps.
  ReductionSplitter(ReduceOp op, int64_t kept)
      : op(op), type(op.getInput().getType()), kept(kept) {}

  /// Whether the reduction is one of few long rows.
  bool leavesIdle();
  void rewrite();

private:
  bool isReadOnce();
  std::optional<Split> choose();
  Value widen(OpBuilder &b, Value value);
  bool decline(const Twine &reason) {
    remarkMissed(op, "dlc-split-reductions", "SplitReductions",
                 "kept one stage: " + reason);
    return false;
  }

  ReduceOp op;
  RankedTensorType type;
  int64_t kept;
  int64_t blocks = 1, columns = 1, leastColumns = kLeastColumns;
};

bool ReductionSplitter::leavesIdle() {
  if (!type.hasStaticShape() || op.getAxes().empty()) {
    return false;
  }
  for (auto [dim, size] : llvm::enumerate(type.getShape())) {
    bool isAxis = llvm::is_contained(op.getAxes(), static_cast<int64_t>(dim));
    (isAxis ? columns : blocks) *= size;
  }
  if (op.getAxes().back() != type.getRank() - 1) {
    blocks = llvm::divideCeil(blocks, kRowsAcross);
    leastColumns = kLeastColumnsAcross;
  }
  return blocks > 0 && blocks < kFewBlocks && columns >= 2 * leastColumns;
}

/// Whether one kernel will compute the reduction with what its results go back
/// to, from rows that it keeps.
bool ReductionSplitter::isReadOnce() {
  ArrayRef<int64_t> inner = type.getShape().drop_front(op.getAxes().back() + 1);
  int64_t lanes = llvm::product_of(inner, int64_t(1));
  int64_t bytes = lanes * type.getElementTypeBitWidth() / 8;
  int64_t rows = inner.empty()               ? 1
                 : bytes % kSectorBytes == 0 ? kRowsAcross
                                             : lanes;
  int64_t most = rows > kFewRows ? kKeptOfManyRows : kept;
  return columns * rows <= most && findFusedRows(op);
}

std::optional<Split> ReductionSplitter::choose() {
  int64_t most = std::min(kManyBlocks / blocks, columns / leastColumns);
  Split best;
  for (int64_t axis : op.getAxes()) {
    int64_t size = type.getDimSize(axis), parts = std::min(most, size);
    while (size % parts != 0) {
      --parts;
    }
    if (parts > best.parts) {
      best = {axis, parts};
    }
  }
  // Half of what could be is still worth the second launch.
  return best.parts > 1 && 2 * best.parts >= std::min<int64_t>(most, 8)
             ? std::optional(best)
             : std::nullopt;
}

/// The partial results are kept in the type of accumulation.
Value ReductionSplitter::widen(OpBuilder &b, Value value) {
  Type wide = op.getAcc().value_or(type.getElementType());
  if (!op.getAcc() && isa<FloatType>(wide) &&
      wide.getIntOrFloatBitWidth() < 32) {
    wide = b.getF32Type();
  }
  auto own = cast<RankedTensorType>(value.getType());
  return wide == own.getElementType()
             ? value
             : CastOp::create(b, op.getLoc(), own.clone(wide), value,
                              /*saturate=*/BoolAttr());
}

void ReductionSplitter::rewrite() {
  ReduceKind kind = op.getKind();
  bool isInteger = !isa<FloatType>(type.getElementType());
  if (kind == ReduceKind::argmax || kind == ReduceKind::argmin) {
    decline("an index has no partial result");
    return;
  }
  if (kind == ReduceKind::mean && isInteger) {
    decline("means of integers are rounded");
    return;
  }
  if (isReadOnce()) {
    decline("rows of " + Twine(columns) +
            " elements are kept for their results");
    return;
  }
  std::optional<Split> split = choose();
  if (!split) {
    decline("no dim of " + Twine(columns) + " elements has a fitting divisor");
    return;
  }
  OpBuilder b(op);
  Location loc = op.getLoc();
  Value input = widen(b, splitValue(b, op.getInput(), *split));
  SmallVector<int64_t> axes, shape;
  int64_t place = 0; // of the parts among the dims of the partial results
  auto parted = cast<RankedTensorType>(input.getType());
  for (int64_t dim = 0; dim < parted.getRank(); ++dim) {
    int64_t before = dim > split->axis ? dim - 1 : dim;
    if (dim == split->axis) {
      place = shape.size();
    } else if (llvm::is_contained(op.getAxes(), before)) {
      axes.push_back(dim);
      continue;
    }
    shape.push_back(parted.getDimSize(dim));
  }
  auto partial = ReduceOp::create(b, loc, parted.clone(shape), kind, input,
                                  axes, /*select_last=*/false, op.getAccAttr());
  auto narrow = cast<RankedTensorType>(op.getResult().getType());
  Value result = ReduceOp::create(b, loc, narrow.clone(parted.getElementType()),
                                  kind, partial, ArrayRef(place),
                                  /*select_last=*/false, op.getAccAttr());
  if (result.getType() != narrow) {
    result = CastOp::create(b, loc, narrow, result, /*saturate=*/BoolAttr());
  }
  op.replaceAllUsesWith(result);
}

class SplitReductions final
    : public impl::SplitReductionsPassBase<SplitReductions> {
public:
  using SplitReductionsPassBase::SplitReductionsPassBase;

  void runOnOperation() override {
    int64_t kept = countKept(sharedBytes, clusterBlocks);
    SmallVector<ReduceOp> ops;
    getOperation().walk([&](ReduceOp op) { ops.push_back(op); });
    for (ReduceOp op : ops) {
      ReductionSplitter splitter(op, kept);
      if (splitter.leavesIdle()) {
        splitter.rewrite();
      }
    }
    // The reductions of one stage, and what only they read.
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>(
        [](Operation *op) {
          if (isOpTriviallyDead(op)) {
            op->erase();
          }
        });
  }
};

} // namespace
} // namespace dlc
