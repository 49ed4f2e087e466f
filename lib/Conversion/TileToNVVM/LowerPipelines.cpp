// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// First pass: roles of a pipeline become code in program order.
#include "Conversion/TileToNVVM/Passes.h"

#include "Dialect/Tile/TileDialect.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace dlc {
#define GEN_PASS_DEF_LOWERTILEPIPELINESPASS
#include "Conversion/TileToNVVM/Passes.h.inc"

using namespace tile;

namespace {

/// Lowers one pipeline. All threads consume; all threads fill by cp.async, or
/// one by bulk copies.
class PipelineLowering {
public:
  explicit PipelineLowering(PipelineOp op)
      : op(op), b(op.getLoc(), op), stages(op.getStages()),
        isBulk(op.isBulk()) {}

  void run();

private:
  Value constant(int64_t value) {
    return arith::ConstantIntOp::create(b, b.getI32Type(), value);
  }
  /// Where an iteration finds its fills: the stage, and, of bulk copies, the
  /// parity of how often it was filled before.
  struct Place {
    Value stage, phase;
  };
  /// Starts the fill of iteration k, of all channels, each a group of its own
  /// or with mbarriers of its own.
  void fill(Value k, Value stage);
  void fillChannel(unsigned channel, Value k, Value stage);
  void cloneFill(unsigned channel, Value k, Value stage);
  void consume(Value k, const Place &place, ValueRange carried);
  void await(AwaitOp await, Value k, const Place &place, IRMapping &mapping);
  void awaitCopies(unsigned channel, const Place &place);
  SmallVector<Value> advance(const Place &place);

  PipelineOp op;
  ImplicitLocOpBuilder b;
  int64_t stages;
  bool isBulk;
  /// Per channel, of bulk copies.
  SmallVector<Value> barriers;
};

} // namespace

void PipelineLowering::cloneFill(unsigned channel, Value k, Value stage) {
  Region &region = op.getFills()[channel];
  IRMapping mapping;
  mapping.map(region.getArgument(0), k);
  for (auto [ring, slot] : llvm::zip_equal(
           op.getChannelRings(channel), region.getArguments().drop_front())) {
    mapping.map(slot, SlotOp::create(b, slot.getType(), ring, stage));
  }
  for (Operation &inner : region.front().without_terminator()) {
    b.clone(inner, mapping);
  }
}

void PipelineLowering::fillChannel(unsigned channel, Value k, Value stage) {
  if (!isBulk) {
    cloneFill(channel, k, stage);
    return;
  }
  auto copies = BulkCopiesOp::create(b, barriers[channel], stage);
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&copies.getBody());
  cloneFill(channel, k, stage);
}

void PipelineLowering::fill(Value k, Value stage) {
  Value exists = b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::slt, k,
                                               op.getUpper());
  bool always = matchPattern(exists, m_One());
  for (unsigned channel = 0; channel != op.getNumChannels(); ++channel) {
    OpBuilder::InsertionGuard guard(b);
    if (!always) {
      auto ifOp = scf::IfOp::create(b, exists, /*withElseRegion=*/false);
      b.setInsertionPointToStart(ifOp.thenBlock());
    }
    fillChannel(channel, k, stage);
    if (!always) {
      b.setInsertionPointAfter(b.getInsertionBlock()->getParentOp());
    }
    if (!isBulk) {
      CommitOp::create(b);
    }
  }
}

/// Copies complete in the order of their groups, so what may be under way is
/// what was started later: per channel stages - 1 fills, less the awaited one,
/// and, from the second channel on, also those that this iteration started.
void PipelineLowering::awaitCopies(unsigned channel, const Place &place) {
  if (isBulk) {
    AwaitBulkOp::create(b, barriers[channel], place.stage, place.phase);
    return;
  }
  int64_t channels = op.getNumChannels();
  int64_t pending = channels * (stages - 1) - 1 - channel;
  WaitOp::create(b, b.getI32IntegerAttr(pending + (channel ? channels : 0)));
}

void PipelineLowering::await(AwaitOp await, Value k, const Place &place,
                             IRMapping &mapping) {
  unsigned channel = cast<BlockArgument>(await.getToken()).getArgNumber() - 1;
  Value stage = place.stage;
  awaitCopies(channel, place);
  if (channel == 0) {
    Value ahead = arith::AddIOp::create(b, k, constant(stages - 1));
    Value isFirst =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, stage, constant(0));
    Value before = arith::SubIOp::create(b, stage, constant(1));
    fill(ahead,
         arith::SelectOp::create(b, isFirst, constant(stages - 1), before));
  }
  for (auto [ring, slot] :
       llvm::zip_equal(op.getChannelRings(channel), await.getSlots())) {
    mapping.map(slot, SlotOp::create(b, slot.getType(), ring, stage));
  }
}

/// The place of the next iteration.
SmallVector<Value> PipelineLowering::advance(const Place &place) {
  Value next = arith::AddIOp::create(b, place.stage, constant(1));
  Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, next,
                                       constant(stages));
  SmallVector<Value> values{
      arith::SelectOp::create(b, isLast, constant(0), next)};
  if (isBulk) {
    Value turned = arith::ExtUIOp::create(b, b.getI32Type(), isLast);
    values.push_back(arith::XOrIOp::create(b, place.phase, turned));
  }
  return values;
}

void PipelineLowering::consume(Value k, const Place &place,
                               ValueRange carried) {
  Block &body = op.getConsume().front();
  IRMapping mapping;
  mapping.map(body.getArgument(0), k);
  mapping.map(body.getArguments().take_back(carried.size()), carried);
  for (Operation &inner : body.without_terminator()) {
    if (auto awaitOp = dyn_cast<AwaitOp>(inner)) {
      await(awaitOp, k, place, mapping);
    } else if (!isa<ReleaseOp>(inner)) {
      b.clone(inner, mapping);
    }
  }
  SmallVector<Value> results = advance(place);
  for (Value value : body.getTerminator()->getOperands()) {
    results.push_back(mapping.lookupOrDefault(value));
  }
  scf::YieldOp::create(b, results);
}

void PipelineLowering::run() {
  if (isBulk) {
    auto type = BarriersType::get(b.getContext(), stages);
    for (unsigned channel = 0; channel != op.getNumChannels(); ++channel) {
      barriers.push_back(AllocBarriersOp::create(b, type, IntegerAttr()));
    }
  }
  for (int64_t stage = 0; stage != stages - 1; ++stage) {
    fill(b.createOrFold<arith::AddIOp>(op.getLower(), constant(stage)),
         constant(stage));
  }
  SmallVector<Value> inits(isBulk ? 2 : 1, constant(0));
  size_t placeValues = inits.size();
  llvm::append_range(inits, op.getInits());
  auto loop =
      scf::ForOp::create(b, op.getLower(), op.getUpper(), constant(1), inits);
  {
    OpBuilder::InsertionGuard guard(b);
    Block *body = loop.getBody();
    if (!body->empty()) {
      body->back().erase();
    }
    b.setInsertionPointToEnd(body);
    ValueRange carried = loop.getRegionIterArgs();
    consume(loop.getInductionVar(),
            {carried.front(), isBulk ? carried[1] : Value()},
            carried.drop_front(placeValues));
  }
  op.replaceAllUsesWith(loop.getResults().drop_front(placeValues));
  op.erase();
}

namespace {
struct LowerTilePipelinesPass final
    : impl::LowerTilePipelinesPassBase<LowerTilePipelinesPass> {
  using LowerTilePipelinesPassBase::LowerTilePipelinesPassBase;

  void runOnOperation() override {
    SmallVector<PipelineOp> pipelines;
    getOperation().walk([&](PipelineOp op) { pipelines.push_back(op); });
    for (PipelineOp pipeline : pipelines) {
      PipelineLowering(pipeline).run();
    }
  }
};
} // namespace

} // namespace dlc
