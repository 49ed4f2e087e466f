// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builder of attention. Scores are kept times log2(e), so that exp2 serves.
#include "Dialect/Tile/AttentionKernel.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace dlc::tile {

namespace {

/// What a row knows of the keys so far: weighted values, maximum, sum.
struct RowState {
  Value values, maximum, sum;
};

/// Emits the body of one kernel.
class AttentionBuilder {
public:
  AttentionBuilder(ImplicitLocOpBuilder &b, const AttentionSpec &spec,
                   AttentionScheduleAttr schedule,
                   const AttentionTraits &traits)
      : b(b), math(b), spec(spec), schedule(schedule), traits(traits),
        head(traits.getPaddedHead()), valueHead(traits.getPaddedValueHead()) {}

  void emit();

private:
  void chooseTile();
  void chooseKeys();
  Value loadQueries();
  PipelineOp createPipeline();
  void consume(PipelineOp pipeline, Value queries);
  Value changeScores(Value scores, Value key);
  Value maskScores(Value scores, Value key);
  RowState update(RowState state, Value scores, Value values);
  Value normalize(RowState state);
  void storeLogSums(RowState state);
  Value getBound(const KeyBoundFn &bound, Value row, Value otherwise);

  using MapBody = llvm::function_ref<Value(ValueRange)>;
  Value map(TileType result, ValueRange tiles, ValueRange origin, MapBody body);
  TileType sums(int64_t columns) {
    return getTileType(b.getF32Type(), {schedule.getQueries(), columns},
                       MemorySpace::Registers);
  }
  TileType perRow() {
    return getTileType(b.getF32Type(), {schedule.getQueries()},
                       MemorySpace::Registers);
  }
  Value f32(float value) {
    return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
  }
  Value infinite() { return f32(-std::numeric_limits<float>::infinity()); }
  Value exp2(Value x);
  Value toBase2(Value x);
  Value size(int64_t value) { return math.i32(value); }

  ImplicitLocOpBuilder &b;
  SizeMath math;
  const AttentionSpec &spec;
  AttentionScheduleAttr schedule;
  const AttentionTraits &traits;
  /// Padded to whole steps of the product.
  int64_t head, valueHead;
  SmallVector<Value> batch;
  /// i32: first and last existing row of the block, numbers of rows and keys,
  /// blocks of keys from and to.
  Value row, lastRow, rows, keys, firstBlock, endBlock;
};

} // namespace

Value AttentionBuilder::map(TileType result, ValueRange tiles,
                            ValueRange origin, MapBody body) {
  auto op = MapOp::create(b, result, tiles, origin);
  SmallVector<Type> types;
  for (Value tile : tiles) {
    types.push_back(cast<TileType>(tile.getType()).getElementType());
  }
  types.append(origin.size(), b.getI32Type());
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&op.getBody(), {}, types,
                               SmallVector<Location>(types.size(), b.getLoc()));
  YieldOp::create(b, body(block->getArguments()));
  return op;
}

Value AttentionBuilder::exp2(Value x) {
  return LLVM::CallIntrinsicOp::create(
             b, b.getF32Type(), b.getStringAttr("llvm.nvvm.ex2.approx.ftz.f"),
             ValueRange{x})
      .getResult(0);
}

Value AttentionBuilder::getBound(const KeyBoundFn &bound, Value row,
                                 Value otherwise) {
  return bound ? math.max(math.min(bound(b, batch, row), keys), size(0))
               : otherwise;
}

/// Blocks with the last rows come first: under a causal mask they are longest.
void AttentionBuilder::chooseTile() {
  rows = math.i32(spec.rows);
  keys = math.i32(spec.keys);
  Value tiles = math.ceilDiv(rows, schedule.getQueries());
  Value heads = size(1);
  for (Size size : spec.batch) {
    heads = math.mul(heads, math.i32(size));
  }
  Value block = getBlockIndex(b);
  Value tile = math.sub(math.sub(tiles, size(1)), math.div(block, heads));
  batch = splitBatch(b, math.rem(block, heads), spec.batch);
  row = math.mul(tile, size(schedule.getQueries()));
  lastRow = math.min(math.add(row, size(schedule.getQueries() - 1)),
                     math.sub(rows, size(1)));
}

void AttentionBuilder::chooseKeys() {
  firstBlock =
      math.div(getBound(spec.keyBegin, row, size(0)), size(schedule.getKeys()));
  endBlock =
      math.ceilDiv(getBound(spec.keyEnd, lastRow, keys), schedule.getKeys());
}

/// The block's rows of Q, as operands in registers where they fit.
Value AttentionBuilder::loadQueries() {
  Value view = createView(b, spec.query, batch, rows, size(spec.head),
                          spec.query.rowStride);
  Value ring =
      createRing(b, spec.query.element, 1, schedule.getQueries(), head);
  TileType tile = cast<RingType>(ring.getType()).getTile();
  Value slot = SlotOp::create(b, tile, ring, size(0));
  createCopy(b, view, row, size(0), slot, spec.rows,
             b.getI64IntegerAttr(spec.head));
  CommitOp::create(b);
  bool staysShared = !traits.keepsQueriesInRegisters();
  // The first wait of the pipeline's copies is one for these, too, unless
  // those are bulk copies.
  if (staysShared && !schedule.getBulk()) {
    return slot;
  }
  WaitOp::create(b, b.getI32IntegerAttr(0));
  if (staysShared) {
    return slot;
  }
  return LoadOp::create(
      b,
      getTileType(spec.query.element, tile.getShape(), MemorySpace::Registers),
      slot);
}

PipelineOp AttentionBuilder::createPipeline() {
  Value keyView =
      createView(b, spec.key, batch, keys, size(spec.head), spec.key.rowStride);
  Value valueView = createView(b, spec.value, batch, keys, size(spec.valueHead),
                               spec.value.rowStride);
  Type element = spec.query.element;
  int64_t stages = schedule.getStages(), step = schedule.getKeys();
  Value keyRing = createRing(b, element, stages, step, head);
  Value valueRing = createRing(b, element, stages, step, valueHead);
  SmallVector<Value> inits{SplatOp::create(b, sums(valueHead), f32(0)),
                           SplatOp::create(b, perRow(), infinite()),
                           SplatOp::create(b, perRow(), f32(0))};
  auto pipeline = PipelineOp::create(
      b, TypeRange(ValueRange(inits)), firstBlock, endBlock,
      ValueRange{keyRing, valueRing}, inits, b.getDenseI64ArrayAttr({1, 1}),
      /*fillsCount=*/2);
  for (unsigned channel : {0, 1}) {
    OpBuilder::InsertionGuard guard(b);
    Block *body = createFill(b, pipeline, channel);
    Value key = math.mul(body->getArgument(0), size(step));
    createCopy(b, channel ? valueView : keyView, key, size(0),
               body->getArgument(1), spec.keys,
               b.getI64IntegerAttr(channel ? spec.valueHead : spec.head));
    YieldOp::create(b, ValueRange());
  }
  return pipeline;
}

/// x * log2(e). What is finite stays finite: where a mask adds the lowest float
/// to all scores of a row, these are equal, and all of the row counts.
Value AttentionBuilder::toBase2(Value x) {
  Value scaled = arith::MulFOp::create(b, x, f32(llvm::numbers::log2ef));
  Value isInfinite =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, infinite());
  Value lowest = math.select(isInfinite, infinite(),
                             f32(-std::numeric_limits<float>::max()));
  Value isBelow =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, scaled, lowest);
  return math.select(isBelow, lowest, scaled);
}

/// Scaled and changed scores, times log2(e).
Value AttentionBuilder::changeScores(Value scores, Value key) {
  auto tile = cast<TileType>(scores.getType());
  if (!spec.score) {
    Value factor =
        arith::MulFOp::create(b, spec.scale, f32(llvm::numbers::log2ef));
    return map(tile, scores, {}, [&](ValueRange x) -> Value {
      return arith::MulFOp::create(b, x[0], factor);
    });
  }
  return map(tile, scores, {row, key}, [&](ValueRange x) -> Value {
    // Rows and keys that do not exist take part, at places that do.
    ScorePlace place{batch, math.min(x[1], lastRow),
                     math.min(x[2], math.sub(keys, size(1)))};
    Value scaled = arith::MulFOp::create(b, x[0], spec.scale);
    return toBase2(spec.score(b, scaled, place));
  });
}

/// Scores of keys that their row does not see become -inf. A block that all
/// rows see is left alone.
Value AttentionBuilder::maskScores(Value scores, Value key) {
  auto tile = cast<TileType>(scores.getType());
  auto hide = [&] {
    return map(tile, scores, {row, key}, [&](ValueRange x) -> Value {
      Value at = math.min(x[1], lastRow);
      Value seen = math.less(x[2], getBound(spec.keyEnd, at, keys));
      if (spec.keyBegin) {
        Value below = math.less(x[2], getBound(spec.keyBegin, at, size(0)));
        seen = math.select(
            below, arith::ConstantIntOp::create(b, b.getI1Type(), 0), seen);
      }
      if (spec.mask) {
        ScorePlace place{batch, at, math.min(x[2], math.sub(keys, size(1)))};
        seen = arith::AndIOp::create(b, seen, spec.mask(b, place));
      }
      return arith::SelectOp::create(b, seen, x[0], infinite());
    });
  };
  if (spec.mask) {
    return hide();
  }
  Value end = math.add(key, size(schedule.getKeys()));
  Value hidden = math.less(getBound(spec.keyEnd, row, keys), end);
  if (spec.keyBegin) {
    Value before = math.less(key, getBound(spec.keyBegin, lastRow, size(0)));
    hidden = arith::OrIOp::create(b, hidden, before);
  }
  auto choice = scf::IfOp::create(b, TypeRange{tile}, hidden,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, hide());
  b.setInsertionPointToStart(choice.elseBlock());
  scf::YieldOp::create(b, scores);
  return choice.getResult(0);
}

/// Takes a block of scores and its values into the state: with M the new
/// maximum, values and sum so far count 2^(m - M), a score s counts 2^(s - M).
RowState AttentionBuilder::update(RowState state, Value scores, Value values) {
  auto reduce = [&](ReduceKind kind, Value tile) -> Value {
    return ReduceOp::create(b, perRow(), kind, tile);
  };
  Value maximum =
      map(perRow(), {state.maximum, reduce(ReduceKind::Max, scores)}, {},
          [&](ValueRange x) -> Value {
            return arith::MaxNumFOp::create(b, x[0], x[1]);
          });
  // A row that saw no key yet has no finite maximum to subtract.
  Value finite = map(perRow(), maximum, {}, [&](ValueRange x) -> Value {
    Value none =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x[0], infinite());
    return arith::SelectOp::create(b, none, f32(0), x[0]);
  });
  auto power = [&](ValueRange x) -> Value {
    return exp2(arith::SubFOp::create(b, x[0], x[1]));
  };
  Value factor = map(perRow(), {state.maximum, finite}, {}, power);
  auto tile = cast<TileType>(scores.getType());
  Value weights = map(tile, {scores, finite}, {}, power);
  auto scale = [&](ValueRange x) -> Value {
    return arith::MulFOp::create(b, x[0], x[1]);
  };
  Value sum =
      map(perRow(), {state.sum, factor, reduce(ReduceKind::Add, weights)}, {},
          [&](ValueRange x) -> Value {
            return arith::AddFOp::create(
                b, arith::MulFOp::create(b, x[0], x[1]), x[2]);
          });
  Value sofar = map(sums(valueHead), {state.values, factor}, {}, scale);
  if (!spec.value.element.isF32()) {
    TileType rounded = getTileType(spec.value.element, tile.getShape(),
                                   MemorySpace::Registers);
    weights = CastOp::create(b, rounded, weights);
  }
  Value next = MmaOp::create(b, sums(valueHead), weights, values, sofar,
                             /*transpose_a=*/false, /*transpose_b=*/false)
                   .getResult();
  return {next, maximum, sum};
}

void AttentionBuilder::consume(PipelineOp pipeline, Value queries) {
  OpBuilder::InsertionGuard guard(b);
  Block *body = createConsume(b, pipeline);
  ValueRange carried = body->getArguments().take_back(3);
  Value key = math.mul(body->getArgument(0), size(schedule.getKeys()));
  Value keySlot = awaitChannel(b, pipeline, 0)[0];
  TileType tile = sums(schedule.getKeys());
  Value scores =
      MmaOp::create(b, tile, queries, keySlot, SplatOp::create(b, tile, f32(0)),
                    /*transpose_a=*/false, /*transpose_b=*/true)
          .getResult();
  ReleaseOp::create(b, pipeline.getToken(0));
  scores = maskScores(changeScores(scores, key), key);
  Value valueSlot = awaitChannel(b, pipeline, 1)[0];
  RowState next =
      update({carried[0], carried[1], carried[2]}, scores, valueSlot);
  ReleaseOp::create(b, pipeline.getToken(1));
  YieldOp::create(b, ValueRange{next.values, next.maximum, next.sum});
}

/// Divides by the sum. Without a key that is 0 / 0.
Value AttentionBuilder::normalize(RowState state) {
  Value factor = map(perRow(), state.sum, {}, [&](ValueRange x) -> Value {
    Value inverse = arith::DivFOp::create(b, f32(1), x[0]);
    if (spec.emptyRow == EmptyRow::NaN && !spec.zeroNaNRows) {
      return inverse;
    }
    // Unordered: NaN counts as no key.
    auto none = spec.zeroNaNRows ? arith::CmpFPredicate::UEQ
                                 : arith::CmpFPredicate::OEQ;
    Value empty = arith::CmpFOp::create(b, none, x[0], f32(0));
    return arith::SelectOp::create(b, empty, f32(0), inverse);
  });
  return map(
      sums(valueHead), {state.values, factor}, {}, [&](ValueRange x) -> Value {
        Value scaled = arith::MulFOp::create(b, x[0], x[1]);
        if (!spec.zeroNaNRows) {
          return scaled;
        }
        // The row's values are NaN, too.
        Value none =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x[1], f32(0));
        return arith::SelectOp::create(b, none, f32(0), scaled);
      });
}

/// The maximum counts powers of 2.
void AttentionBuilder::storeLogSums(RowState state) {
  Value logs =
      map(perRow(), {state.maximum, state.sum}, {}, [&](ValueRange x) -> Value {
        Value top = arith::MulFOp::create(b, x[0], f32(llvm::numbers::ln2f));
        Value log = math::LogOp::create(b, x[1]);
        return arith::AddFOp::create(b, top, log);
      });
  emitRowValues(b, logs, row, spec.rows,
                [&](ImplicitLocOpBuilder &, Value value, Value place) {
                  spec.storeLogSum(b, value, batch, place);
                });
}

void AttentionBuilder::emit() {
  chooseTile();
  chooseKeys();
  Value queries = loadQueries();
  PipelineOp pipeline = createPipeline();
  consume(pipeline, queries);
  ValueRange results = pipeline.getResults();
  RowState state{results[0], results[1], results[2]};
  if (spec.storeLogSum) {
    storeLogSums(state);
  }
  Value values = normalize(state);
  // The queries' and keys' memory is at least as large as the results'.
  int64_t staging = 4 * schedule.getQueries() * valueHead;
  bool staged = staging <= getRingBytes(schedule, traits);
  emitResults(b, spec.result, batch, values, row, size(0), spec.rows,
              b.getI64IntegerAttr(spec.valueHead), staged);
}

FailureOr<KernelOp>
buildAttentionKernel(ImplicitLocOpBuilder &b, const KernelSignature &signature,
                     AttentionScheduleAttr schedule, const BlockLimits &limits,
                     llvm::function_ref<AttentionSpec(ImplicitLocOpBuilder &,
                                                      const KernelArguments &)>
                         makeSpec) {
  OpBuilder::InsertionGuard guard(b);
  KernelOp kernel = createKernel(b, signature, schedule.getWarps(), 1);
  AttentionSpec spec = makeSpec(b, getArguments(kernel, signature));
  AttentionTraits traits{spec.head, spec.valueHead, spec.score || spec.mask,
                         spec.query.element.getIntOrFloatBitWidth() / 8,
                         spec.key.map && spec.value.map};
  if (failed(checkSchedule(schedule, traits, limits,
                           [&] { return emitError(b.getLoc()); }))) {
    kernel.erase();
    return failure();
  }
  AttentionBuilder(b, spec, schedule, traits).emit();
  return kernel;
}

} // namespace dlc::tile
