// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention and RotaryEmbedding.
#include "Builders.h"

#include "Import/Build/Attention.h"

using namespace mlir;

namespace dlc::onnx {

using namespace build;
using namespace nn;

namespace {
/// Heads and layouts of one Attention node.
struct HeadLayout {
  bool flat = false; // (b, s, heads * width), else (b, heads, s, width)
  int64_t queryHeads = 0, keyHeads = 0;
};
} // namespace

static FailureOr<HeadLayout> readHeads(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  HeadLayout heads;
  int64_t rank = ctx.rank();
  if ((rank != 3 && rank != 4) || ctx.rank(1) != rank || ctx.rank(2) != rank) {
    return ctx.invalid("expected Q, K and V of rank 3 or 4, got " +
                       Twine(rank) + ", " + Twine(ctx.rank(1)) + " and " +
                       Twine(ctx.rank(2)));
  }
  heads.flat = rank == 3;
  if (heads.flat) {
    heads.queryHeads = ctx.getInt("q_num_heads", 0);
    heads.keyHeads = ctx.getInt("kv_num_heads", 0);
  } else {
    std::optional<int64_t> query = getConstantIntValue(b.size(ctx.input(0), 1)),
                           key = getConstantIntValue(b.size(ctx.input(1), 1));
    if (!query || !key) {
      return ctx.unsupported(
          "a number of heads that is known at run time only");
    }
    heads.queryHeads = *query;
    heads.keyHeads = *key;
  }
  if (heads.keyHeads < 1 || heads.queryHeads < 1 ||
      heads.queryHeads % heads.keyHeads != 0) {
    return ctx.invalid("expected query heads that are a multiple of the key "
                       "heads, got " +
                       Twine(heads.queryHeads) + " and " +
                       Twine(heads.keyHeads));
  }
  return heads;
}

/// (b, s, heads * width) as (b, s, heads, width).
static Value splitHeads(NodeContext &ctx, Value x, int64_t heads) {
  GraphBuilder &b = ctx.b;
  Sizes all = b.sizes(x);
  OpFoldResult count = b.index(heads), width = b.floorDiv(all[2], count);
  if (failed(b.checkEqual(all[2], b.mul(width, count), "heads"))) {
    return {};
  }
  return b.reshape(x, {all[0], all[1], count, width});
}

/// Splits the query's heads into groups that share a key head.
static Value groupHeads(GraphBuilder &b, Value x, int64_t headDim,
                        const HeadLayout &heads) {
  if (!x) {
    return {};
  }
  Sizes all = b.sizes(x);
  all[headDim] = b.index(heads.keyHeads);
  all.insert(all.begin() + headDim + 1,
             b.index(heads.queryHeads / heads.keyHeads));
  return b.reshape(x, all);
}

/// K or V of the node, after the past one; and what is present from now on, of
/// (b, heads, s, width).
static LogicalResult addPast(NodeContext &ctx, unsigned input, unsigned past,
                             unsigned output, const HeadLayout &heads,
                             Value &tensor,
                             llvm::SmallVectorImpl<unsigned> &loops,
                             unsigned width, Value &present) {
  GraphBuilder &b = ctx.b;
  tensor = ctx.input(input);
  if (heads.flat) {
    tensor = splitHeads(ctx, tensor, heads.keyHeads);
    loops.assign({kBatch, kKey, kHead, width});
  } else {
    loops.assign({kBatch, kHead, kKey, width});
  }
  if (!tensor) {
    return failure();
  }
  Value pastTensor = ctx.input(past);
  if (!pastTensor && !ctx.wantsOutput(output)) {
    return success();
  }
  if (heads.flat) {
    tensor = b.transpose(tensor, {0, 2, 1, 3});
    loops.assign({kBatch, kHead, kKey, width});
  }
  if (pastTensor) {
    if (GraphBuilder::rankOf(pastTensor) != 4) {
      return ctx.invalid("expected past key and value of rank 4");
    }
    tensor = b.concat({pastTensor, tensor}, 2);
  }
  present = tensor;
  return success(static_cast<bool>(tensor));
}

/// The mask as a bias or mask of (b, h, g, m, n) dims.
static LogicalResult addMask(NodeContext &ctx, const HeadLayout &heads,
                             OpFoldResult keys, AttentionSpec &spec) {
  GraphBuilder &b = ctx.b;
  Value mask = ctx.input(3);
  if (!mask) {
    return success();
  }
  if (GraphBuilder::rankOf(mask) > 4 || GraphBuilder::rankOf(mask) < 1) {
    return ctx.invalid("expected a mask of rank 1 to 4, got " +
                       Twine(GraphBuilder::rankOf(mask)));
  }
  bool isBool = GraphBuilder::elementOf(mask).isInteger(1);
  if (!isBool && !isa<FloatType>(GraphBuilder::elementOf(mask))) {
    return ctx.unsupported("a mask of integers");
  }
  mask = b.padRank(mask, 4);
  // A mask that is too short hides the keys beyond it.
  OpFoldResult width = b.size(mask, 3);
  if (!isConstantIntValue(width, 1) && width != keys) {
    Sizes zeros(4, b.index(0)), high = zeros;
    high[3] = b.sub(keys, width);
    if (failed(b.check(
            b.compare(arith::CmpIPredicate::sge, high[3], b.index(0)),
            "expected a mask of at most {0} keys, got {1}", {keys, width}))) {
      return failure();
    }
    Type element = GraphBuilder::elementOf(mask);
    Value fill = b.scalar(
        element, isBool ? 0 : -std::numeric_limits<double>::infinity());
    if (!isConstantIntValue(high[3], 0)) {
      high[3] = b.max(high[3], b.index(0));
      mask = b.pad(mask, zeros, high, nn::PadMode::constant, fill);
    }
  }
  if (!mask) {
    return failure();
  }
  Sizes split = b.sizes(mask);
  bool perHead = !isConstantIntValue(split[1], 1);
  if (perHead && failed(b.checkEqual(b.index(heads.queryHeads), split[1],
                                     "the heads of the mask"))) {
    return failure();
  }
  split[1] = b.index(perHead ? heads.keyHeads : 1);
  split.insert(split.begin() + 2,
               b.index(perHead ? heads.queryHeads / heads.keyHeads : 1));
  mask = b.reshape(mask, split);
  (isBool ? spec.masks : spec.biases).push_back(mask);
  return success(static_cast<bool>(mask));
}

/// Causality, windows and the length of the keys.
static LogicalResult addWindow(NodeContext &ctx, AttentionSpec &spec) {
  GraphBuilder &b = ctx.b;
  spec.left = ctx.getInt("left_window_size", -1);
  spec.right = ctx.getInt("right_window_size", -1);
  if (spec.left < -1 || spec.right < -1) {
    return ctx.invalid("expected window sizes of at least -1, got " +
                       Twine(spec.left) + " and " + Twine(spec.right));
  }
  if (ctx.getFlag("is_causal")) {
    spec.right = 0;
  }
  Value length = ctx.input(6), past = ctx.input(4);
  if (length && past) {
    return ctx.invalid("expected nonpad_kv_seqlen or past_key, got both");
  }
  if (length) {
    if (ctx.rank(6) != 1) {
      return ctx.invalid("expected nonpad_kv_seqlen of rank 1, got " +
                         Twine(ctx.rank(6)));
    }
    if (failed(b.checkEqual(b.size(ctx.input(0), 0), b.size(length, 0),
                            "nonpad_kv_seqlen"))) {
      return failure();
    }
    spec.keyLength = length;
    spec.offsetFromLength = true;
  } else if (past) {
    spec.offset = b.size(past, 2);
  }
  return success();
}

static LogicalResult giveResults(NodeContext &ctx, const HeadLayout &heads,
                                 const AttentionSpec &spec, Value presentKey,
                                 Value presentValue) {
  GraphBuilder &b = ctx.b;
  Value result, scores;
  if (ctx.wantsOutput(3)) {
    AttentionStages stages = buildAttentionStages(b, spec);
    result = stages.result;
    Value byMode[] = {stages.scaled, stages.capped, stages.biased,
                      stages.probabilities};
    int64_t mode = ctx.getInt("qk_matmul_output_mode", 0);
    if (mode < 0 || mode > 3) {
      return ctx.invalid("expected a qk_matmul_output_mode from 0 to 3, got " +
                         Twine(mode));
    }
    scores = byMode[mode] ? b.collapse(byMode[mode], 1, 3) : Value();
  } else {
    result = buildAttention(b, spec);
  }
  if (!result) {
    return failure();
  }
  result = heads.flat ? b.collapse(result, 2, 5) : b.collapse(result, 1, 3);
  return ctx.results({result, presentKey, presentValue, scores});
}

LogicalResult buildAttention(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  FailureOr<HeadLayout> heads = readHeads(ctx);
  if (failed(heads)) {
    return failure();
  }
  if (!ctx.input(4) != !ctx.input(5)) {
    return ctx.invalid("expected past_key and past_value together");
  }
  AttentionSpec spec;
  spec.emptyRow = nn::EmptyRow::zero;
  Value presentKey, presentValue;
  SmallVector<unsigned> keyLoops, valueLoops;
  if (failed(addPast(ctx, 1, 4, 1, *heads, spec.key, keyLoops, kDepth,
                     presentKey)) ||
      failed(addPast(ctx, 2, 5, 2, *heads, spec.value, valueLoops, kColumn,
                     presentValue))) {
    return failure();
  }
  spec.keyLoops.assign(keyLoops.begin(), keyLoops.end());
  spec.valueLoops.assign(valueLoops.begin(), valueLoops.end());
  if (heads->flat) {
    Value split = splitHeads(ctx, ctx.input(0), heads->queryHeads);
    spec.query = groupHeads(b, split, 2, *heads);
    spec.queryLoops = {kBatch, kRow, kHead, kGroup, kDepth};
    spec.resultLoops = {kBatch, kRow, kHead, kGroup, kColumn};
  } else {
    spec.query = groupHeads(b, ctx.input(0), 1, *heads);
    spec.queryLoops = {kBatch, kHead, kGroup, kRow, kDepth};
    spec.resultLoops = {kBatch, kHead, kGroup, kRow, kColumn};
  }
  if (!spec.query) {
    return failure();
  }
  std::optional<int64_t> depth = getConstantIntValue(b.size(spec.query, 4));
  if (!ctx.has("scale") && !depth) {
    return ctx.unsupported("a head size that is known at run time only");
  }
  spec.scale = ctx.has("scale") ? ctx.getFloat("scale", 1)
                                : 1 / std::sqrt(std::max<double>(1, *depth));
  spec.softcap = ctx.getFloat("softcap", 0);
  const unsigned *keyDim = llvm::find(spec.keyLoops, kKey);
  OpFoldResult keys = b.size(spec.key, keyDim - spec.keyLoops.begin());
  if (failed(addMask(ctx, *heads, keys, spec)) ||
      failed(addWindow(ctx, spec))) {
    return failure();
  }
  return giveResults(ctx, *heads, spec, presentKey, presentValue);
}

/// The rows of a cos or sin cache for each token, with the input's rank.
static Value rotaryTable(NodeContext &ctx, Value cache, Value positions,
                         bool headsFirst) {
  GraphBuilder &b = ctx.b;
  Value table = positions ? b.take(cache, positions, 0) : cache;
  if (table && GraphBuilder::rankOf(table) != 3) {
    return ctx.b.invalid("expected caches of rank " + Twine(positions ? 2 : 3) +
                         ", got " + Twine(GraphBuilder::rankOf(cache)));
  }
  return b.unsqueeze(table, {headsFirst ? 1 : 2});
}

LogicalResult buildRotaryEmbedding(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0);
  bool flat = ctx.rank() == 3;
  if (ctx.rank() != 4 && !flat) {
    return ctx.invalid("expected an input of rank 3 or 4, got " +
                       Twine(ctx.rank()));
  }
  Sizes whole = b.sizes(x);
  if (flat) {
    int64_t heads = ctx.getInt("num_heads", 0);
    if (heads < 1) {
      return ctx.invalid("expected num_heads with an input of rank 3");
    }
    x = splitHeads(ctx, x, heads);
  }
  Value cos = rotaryTable(ctx, ctx.input(1), ctx.input(3), !flat),
        sin = rotaryTable(ctx, ctx.input(2), ctx.input(3), !flat);
  if (!x || !cos || !sin) {
    return failure();
  }
  int64_t given = ctx.getInt("rotary_embedding_dim", 0);
  OpFoldResult width = given == 0 ? b.size(x, 3) : OpFoldResult(b.index(given));
  for (Value *table : {&cos, &sin}) {
    if (failed(b.checkEqual(width, b.mul(b.size(*table, 3), b.index(2)),
                            "twice the width of the caches"))) {
      return failure();
    }
    Sizes target = b.sizes(*table);
    for (int64_t dim = 0; dim < 3; ++dim) {
      if (!isConstantIntValue(target[dim], 1)) {
        target[dim] = b.size(x, dim);
      }
    }
    *table = b.broadcastTo(*table, target);
    if (!*table) {
      return failure();
    }
  }
  if (failed(b.check(b.compare(arith::CmpIPredicate::sle, width, b.size(x, 3)),
                     "expected a rotary width of at most {0}, got {1}",
                     {b.size(x, 3), width}))) {
    return failure();
  }
  Sizes all = b.sizes(x);
  Value result = b.make<nn::RotaryOp>(
      ctx.element(), all, x, cos, sin, b.getI64IntegerAttr(3),
      ctx.getFlag("interleaved") ? b.getUnitAttr() : UnitAttr());
  return ctx.results(b.reshape(result, whole));
}

} // namespace dlc::onnx
