// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builders of matrix products.
#include "Dialect/Tile/GemmKernel.h"

#include <numeric>

using namespace mlir;

namespace dlc::tile {

/// Blocks that follow each other take this many tiles of rows at the same
/// columns, so that both operands are read again from the L2 cache.
static constexpr int64_t kRasterRows = 8;

namespace {

/// Emits the body of one product.
class GemmBuilder {
public:
  GemmBuilder(ImplicitLocOpBuilder &b, const GemmSpec &spec,
              GemmScheduleAttr schedule, const BlockLimits &limits)
      : b(b), math(b), spec(spec), schedule(schedule), limits(limits) {}

  void emit();

private:
  void chooseTile();
  void chooseSteps(Value split);
  void fill(PipelineOp pipeline, Value viewA, Value viewB);
  void consume(PipelineOp pipeline);
  Value multiply();
  Value countTerms();
  ResultSpec getPartialSums();

  ImplicitLocOpBuilder &b;
  SizeMath math;
  const GemmSpec &spec;
  GemmScheduleAttr schedule;
  const BlockLimits &limits;
  /// i32: which product of the batch, or of all parts of k.
  Value product;
  SmallVector<Value> batch;
  /// i32: first row and column of the block's tile, steps of k.
  Value row, column, firstStep, lastStep;
};

} // namespace

/// i32: the number of products in a batch.
static Value countProducts(ImplicitLocOpBuilder &b, ArrayRef<Size> batch) {
  SizeMath math(b);
  Value count = math.i32(1);
  for (Size size : batch) {
    count = math.mul(count, math.i32(size));
  }
  return count;
}

/// Which tile of which product the block makes.
void GemmBuilder::chooseTile() {
  Value tilesM = math.ceilDiv(math.i32(spec.m), schedule.getTileM());
  Value tilesN = math.ceilDiv(math.i32(spec.n), schedule.getTileN());
  Value perProduct = math.mul(tilesM, tilesN);
  Value block = getBlockIndex(b);
  product = math.div(block, perProduct);
  Value within = math.rem(block, perProduct);
  Value perGroup = math.mul(math.i32(kRasterRows), tilesN);
  Value group = math.mul(math.div(within, perGroup), math.i32(kRasterRows));
  Value rows = math.min(math.sub(tilesM, group), math.i32(kRasterRows));
  within = math.rem(within, perGroup);
  row = math.mul(math.add(group, math.rem(within, rows)),
                 math.i32(schedule.getTileM()));
  column = math.mul(math.div(within, rows), math.i32(schedule.getTileN()));
  Value inBatch = product, split = math.i32(0);
  if (schedule.getSplitK() > 1) {
    Value products = countProducts(b, spec.batch);
    split = math.div(product, products);
    inBatch = math.rem(product, products);
  }
  batch = splitBatch(b, inBatch, spec.batch);
  chooseSteps(split);
}

/// The steps of k that the block adds up: all, or an equal part.
void GemmBuilder::chooseSteps(Value split) {
  Value steps = math.ceilDiv(math.i32(spec.k), schedule.getTileK());
  Value part = math.ceilDiv(steps, schedule.getSplitK());
  firstStep = math.mul(split, part);
  lastStep = math.min(steps, math.add(firstStep, part));
}

void GemmBuilder::fill(PipelineOp pipeline, Value viewA, Value viewB) {
  OpBuilder::InsertionGuard guard(b);
  Block *body = createFill(b, pipeline, 0);
  Value k = math.mul(body->getArgument(0), math.i32(schedule.getTileK()));
  Value slotA = body->getArgument(1), slotB = body->getArgument(2);
  if (spec.a.hasContiguousRows()) {
    createCopy(b, viewA, row, k, slotA, spec.m, spec.k);
  } else {
    createCopy(b, viewA, k, row, slotA, spec.k, spec.m);
  }
  if (!spec.b.hasContiguousColumns()) {
    createCopy(b, viewB, k, column, slotB, spec.k, spec.n);
  } else {
    createCopy(b, viewB, column, k, slotB, spec.n, spec.k);
  }
  YieldOp::create(b, ValueRange());
}

void GemmBuilder::consume(PipelineOp pipeline) {
  OpBuilder::InsertionGuard guard(b);
  Block *body = createConsume(b, pipeline);
  ValueRange slots = awaitChannel(b, pipeline, 0);
  ValueRange next = createMma(
      b, slots[0], slots[1], body->getArguments().drop_front(2), spec.zeros,
      !spec.a.hasContiguousRows(), spec.b.hasContiguousColumns());
  ReleaseOp::create(b, pipeline.getToken(0));
  YieldOp::create(b, next);
}

Value GemmBuilder::multiply() {
  int64_t m = schedule.getTileM(), n = schedule.getTileN();
  int64_t k = schedule.getTileK(), stages = schedule.getStages();
  bool rowsA = spec.a.hasContiguousRows();
  bool rowsB = !spec.b.hasContiguousColumns();
  Value sizeM = math.i32(spec.m), sizeN = math.i32(spec.n);
  Value sizeK = math.i32(spec.k);
  Value viewA =
      rowsA ? createView(b, spec.a, batch, sizeM, sizeK, spec.a.rowStride)
            : createView(b, spec.a, batch, sizeK, sizeM, spec.a.columnStride);
  Value viewB =
      rowsB ? createView(b, spec.b, batch, sizeK, sizeN, spec.b.rowStride)
            : createView(b, spec.b, batch, sizeN, sizeK, spec.b.columnStride);
  Value ringA =
      createRing(b, spec.a.element, stages, rowsA ? m : k, rowsA ? k : m);
  Value ringB =
      createRing(b, spec.b.element, stages, rowsB ? k : n, rowsB ? n : k);
  SmallVector<Value> zero = createSums(b, spec.a.element, m, n, spec.zeros);
  auto pipeline = PipelineOp::create(b, TypeRange(ValueRange(zero)), firstStep,
                                     lastStep, ValueRange{ringA, ringB}, zero,
                                     b.getDenseI64ArrayAttr({2}),
                                     /*fillsCount=*/1);
  fill(pipeline, viewA, viewB);
  consume(pipeline);
  return subtractZeroPoints(b, pipeline.getResults(), spec.zeros, batch, row,
                            column, countTerms());
}

/// i32: what the block adds up of k; parts may be empty.
Value GemmBuilder::countTerms() {
  Value tileK = math.i32(schedule.getTileK());
  Value end = math.min(math.i32(spec.k), math.mul(lastStep, tileK));
  return math.max(math.sub(end, math.mul(firstStep, tileK)), math.i32(0));
}

/// [split_k][batch][m][n] of the sums' type.
ResultSpec GemmBuilder::getPartialSums() {
  ResultSpec partial;
  partial.base = spec.c.base;
  partial.element = getSumType(spec.a.element);
  partial.rowStride = spec.n;
  partial.columnMultiple = spec.c.columnMultiple;
  partial.alignment = getAlignment(partial.element, {spec.n});
  partial.offset = [this](ImplicitLocOpBuilder &, ValueRange) -> Size {
    return math.mul(math.mul(math.extend(product), math.i64(spec.m)),
                    math.i64(spec.n));
  };
  return partial;
}

void GemmBuilder::emit() {
  chooseTile();
  Value sums = multiply();
  ResultSpec result = schedule.getSplitK() > 1 ? getPartialSums() : spec.c;
  emitResults(b, result, batch, sums, row, column, spec.m, spec.n,
              hasStaging(schedule, limits));
}

FailureOr<KernelOp>
buildGemmKernel(ImplicitLocOpBuilder &b, const KernelSignature &signature,
                GemmScheduleAttr schedule, const BlockLimits &limits,
                llvm::function_ref<GemmSpec(ImplicitLocOpBuilder &,
                                            const KernelArguments &)>
                    makeSpec) {
  OpBuilder::InsertionGuard guard(b);
  KernelOp kernel =
      createKernel(b, signature, schedule.getWarpsM(), schedule.getWarpsN());
  GemmSpec spec = makeSpec(b, getArguments(kernel, signature));
  ProductTraits traits{
      static_cast<int64_t>(spec.a.element.getIntOrFloatBitWidth() / 8),
      spec.a.hasContiguousRows(), spec.b.hasContiguousColumns(),
      spec.zeros.b != nullptr, spec.zeros.a != nullptr};
  traits.areAligned = spec.a.map && spec.b.map;
  if (failed(checkSchedule(schedule, traits, limits,
                           [&] { return emitError(b.getLoc()); }))) {
    kernel.erase();
    return failure();
  }
  GemmBuilder(b, spec, schedule, limits).emit();
  return kernel;
}

/// Adds up and hands out one vector of results, number `unit` (i32) of all.
static void sumUnit(ImplicitLocOpBuilder &b, const SplitSumSpec &spec,
                    int64_t lanes, Value unit) {
  SizeMath math(b);
  Value rowUnits = math.div(math.i32(spec.n), math.i32(lanes));
  Value row = math.div(unit, rowUnits), m = math.i32(spec.m);
  ResultPlace place;
  place.batch = splitBatch(b, math.div(row, m), spec.batch);
  place.row = math.rem(row, m);
  place.column = math.mul(math.rem(unit, rowUnits), math.i32(lanes));
  Value part = math.mul(
      math.mul(math.extend(countProducts(b, spec.batch)), math.i64(spec.m)),
      math.i64(spec.n));
  Value offset = math.mul(math.extend(unit), math.i64(lanes));
  Type vector = VectorType::get({lanes}, spec.element);
  Value sum;
  for (int64_t i = 0; i != spec.parts; ++i) {
    Value address = LLVM::GEPOp::create(b, spec.partial.getType(), spec.element,
                                        spec.partial, offset);
    Value loaded = LLVM::LoadOp::create(b, vector, address,
                                        static_cast<unsigned>(4 * lanes));
    sum = i == 0                     ? loaded
          : spec.element.isInteger() ? math.add(sum, loaded)
                                     : arith::AddFOp::create(b, sum, loaded);
    offset = math.add(offset, part);
  }
  emitResult(b, spec.c, sum, place);
}

KernelOp
buildSplitSumKernel(ImplicitLocOpBuilder &b, const KernelSignature &signature,
                    llvm::function_ref<SplitSumSpec(ImplicitLocOpBuilder &,
                                                    const KernelArguments &)>
                        makeSpec) {
  OpBuilder::InsertionGuard guard(b);
  KernelOp kernel = createKernel(b, signature, kSplitSumThreads / 32, 1);
  SplitSumSpec spec = makeSpec(b, getArguments(kernel, signature));
  SizeMath math(b);
  int64_t lanes = std::gcd(
      int64_t(4), getConstantIntValue(spec.n).value_or(spec.c.columnMultiple));
  Value units =
      math.mul(math.mul(countProducts(b, spec.batch), math.i32(spec.m)),
               math.div(math.i32(spec.n), math.i32(lanes)));
  Value thread = NVVM::ThreadIdXOp::create(b, b.getI32Type());
  Value unit =
      math.add(math.mul(getBlockIndex(b), math.i32(kSplitSumThreads)), thread);
  auto exists = scf::IfOp::create(b, math.less(unit, units),
                                  /*withElseRegion=*/false);
  b.setInsertionPointToStart(exists.thenBlock());
  sumUnit(b, spec, lanes, unit);
  return kernel;
}

} // namespace dlc::tile
