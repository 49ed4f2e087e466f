// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention with biases and masks.
#include "Import/Build/Attention.h"

using namespace mlir;
using namespace dlc::nn;

namespace dlc::build {

static constexpr unsigned kLoops = 7, kScoreLoops = 5;

/// Sizes of all loops; the operands must agree.
static FailureOr<Sizes> loopSizes(GraphBuilder &b, const AttentionSpec &spec) {
  Sizes sizes(kLoops);
  for (auto [tensor, loops] :
       {std::pair(spec.query, llvm::ArrayRef<unsigned>(spec.queryLoops)),
        std::pair(spec.key, llvm::ArrayRef<unsigned>(spec.keyLoops)),
        std::pair(spec.value, llvm::ArrayRef<unsigned>(spec.valueLoops))}) {
    if (!tensor) {
      return failure();
    }
    for (auto [dim, loop] : llvm::enumerate(loops)) {
      OpFoldResult size = b.size(tensor, dim);
      if (!sizes[loop]) {
        sizes[loop] = size;
        continue;
      }
      if (failed(b.checkEqual(sizes[loop], size,
                              "dim " + Twine(dim) + " of key or value"))) {
        return failure();
      }
      if (getConstantIntValue(size)) {
        sizes[loop] = size;
      }
    }
  }
  for (OpFoldResult &size : sizes) {
    size = size ? size : OpFoldResult(b.index(1));
  }
  return sizes;
}

/// An operand of the score loops, with dims that are 1 or the loop's size.
static Value fitToLoops(GraphBuilder &b, Value tensor, const Sizes &loops) {
  Sizes target = b.sizes(tensor);
  for (unsigned loop = 0; loop < kScoreLoops; ++loop) {
    if (!isConstantIntValue(target[loop], 1)) {
      target[loop] = loops[loop];
    }
  }
  return b.broadcastTo(tensor, target);
}

static AffineMap mapOf(GraphBuilder &b, llvm::ArrayRef<unsigned> loops) {
  SmallVector<AffineExpr> dims = llvm::map_to_vector(
      loops, [&](unsigned loop) { return b.getAffineDimExpr(loop); });
  return AffineMap::get(kLoops, 0, dims, b.getContext());
}

/// Map of a tensor of the score loops; dims of size 1 stand still.
static AffineMap scoreMap(GraphBuilder &b, Value tensor) {
  SmallVector<AffineExpr> dims;
  for (unsigned loop = 0; loop < kScoreLoops; ++loop) {
    bool isOne = isConstantIntValue(b.size(tensor, loop), 1);
    dims.push_back(isOne ? b.getAffineConstantExpr(0)
                         : b.getAffineDimExpr(loop));
  }
  return AffineMap::get(kLoops, 0, dims, b.getContext());
}

/// Whether the keys a row sees depend on its position.
static bool hasWindow(const AttentionSpec &spec) {
  return spec.left >= 0 || spec.right >= 0;
}

/// The offset of positions as an i64 scalar tensor, or a vector of the batch.
static Value offsetTensor(GraphBuilder &b, const AttentionSpec &spec,
                          OpFoldResult rows) {
  if (spec.offsetFromLength) {
    return b.binary(nn::Fn::sub, spec.keyLength,
                    b.fromInts({rows}, b.getI64Type(), true));
  }
  return b.fromInts({spec.offset ? spec.offset : b.index(0)}, b.getI64Type(),
                    true);
}

namespace {
/// Fills a region of nn.attention.
struct RegionWriter {
  GraphBuilder &b;
  OpBuilder::InsertionGuard guard;
  Block *block;
  Value lead;

  RegionWriter(GraphBuilder &b, Region &region, Type leading, ValueRange inputs)
      : b(b), guard(b), block(&region.emplaceBlock()) {
    if (leading) {
      lead = block->addArgument(leading, b.loc);
    }
    for (unsigned i = 0; i < kScoreLoops; ++i) {
      block->addArgument(b.getIndexType(), b.loc);
    }
    for (Value input : inputs) {
      block->addArgument(GraphBuilder::elementOf(input), b.loc);
    }
    b.setInsertionPointToStart(block);
  }
  /// A loop's index as i64.
  Value index(AttentionLoop loop) {
    return arith::IndexCastOp::create(
        b, b.loc, b.getI64Type(), block->getArgument((lead ? 1 : 0) + loop));
  }
  Value input(unsigned i) {
    return block->getArgument((lead ? 1 : 0) + kScoreLoops + i);
  }
  Value constant(int64_t value) {
    return arith::ConstantOp::create(b, b.loc, b.getI64IntegerAttr(value));
  }
};
} // namespace

static Value asFloat(GraphBuilder &b, Value x, Type type) {
  unsigned from = x.getType().getIntOrFloatBitWidth(),
           to = type.getIntOrFloatBitWidth();
  if (from == to) {
    return x;
  }
  return from < to ? arith::ExtFOp::create(b, b.loc, type, x).getResult()
                   : arith::TruncFOp::create(b, b.loc, type, x).getResult();
}

/// softcap(s) + biases.
static void writeScore(GraphBuilder &b, const AttentionSpec &spec,
                       nn::AttentionOp op, Type type) {
  if (spec.softcap == 0 && spec.biases.empty()) {
    return;
  }
  RegionWriter region(b, op.getScore(), type, op.getScoreInputs());
  Value score = region.lead;
  if (spec.softcap != 0) {
    Value cap =
        arith::ConstantOp::create(b, b.loc, b.getFloatAttr(type, spec.softcap));
    score = arith::DivFOp::create(b, b.loc, score, cap);
    score = math::TanhOp::create(b, b.loc, score);
    score = arith::MulFOp::create(b, b.loc, score, cap);
  }
  for (unsigned i = 0; i < spec.biases.size(); ++i) {
    score = arith::AddFOp::create(b, b.loc, score,
                                  asFloat(b, region.input(i), type));
  }
  nn::YieldOp::create(b, b.loc, score);
}

/// The conjunction of masks, key length and window. Inputs: the masks, the key
/// length if any, the offset if there is a window and it is not constant.
static void writeMask(GraphBuilder &b, const AttentionSpec &spec,
                      nn::AttentionOp op, std::optional<int64_t> offset) {
  if (op.getMaskInputs().empty() && !hasWindow(spec)) {
    return;
  }
  RegionWriter region(b, op.getMask(), Type(), op.getMaskInputs());
  Value kept;
  auto also = [&](Value condition) {
    kept = kept ? arith::AndIOp::create(b, b.loc, kept, condition).getResult()
                : condition;
  };
  unsigned next = 0;
  for (unsigned i = 0; i < spec.masks.size(); ++i) {
    also(region.input(next++));
  }
  if (spec.keyLength) {
    also(arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt,
                               region.index(kKey), region.input(next++)));
  }
  if (hasWindow(spec)) {
    Value position = region.index(kRow);
    if (offset != 0) {
      position = arith::AddIOp::create(b, b.loc, position,
                                       offset ? region.constant(*offset)
                                              : region.input(next));
    }
    Value key = region.index(kKey);
    auto bound = [&](int64_t distance) {
      return distance == 0 ? position
                           : arith::AddIOp::create(b, b.loc, position,
                                                   region.constant(distance))
                                 .getResult();
    };
    if (spec.right >= 0) {
      also(arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sle, key,
                                 bound(spec.right)));
    }
    if (spec.left >= 0) {
      also(arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sge, key,
                                 bound(-spec.left)));
    }
  }
  nn::YieldOp::create(b, b.loc, kept);
}

Value buildAttention(GraphBuilder &b, const AttentionSpec &spec) {
  FailureOr<Sizes> loops = loopSizes(b, spec);
  if (failed(loops)) {
    return {};
  }
  SmallVector<AffineMap> maps{
      mapOf(b, spec.queryLoops), mapOf(b, spec.keyLoops),
      mapOf(b, spec.valueLoops), mapOf(b, spec.resultLoops)};
  SmallVector<Value> scoreInputs, maskInputs;
  for (auto [from, to] : {std::pair(&spec.biases, &scoreInputs),
                          std::pair(&spec.masks, &maskInputs)}) {
    for (Value tensor : *from) {
      Value fitted = tensor ? fitToLoops(b, tensor, *loops) : Value();
      if (!fitted) {
        return {};
      }
      to->push_back(fitted);
      maps.push_back(scoreMap(b, fitted));
    }
  }
  AffineMap perBatch = mapOf(b, {kBatch});
  if (spec.keyLength) {
    maskInputs.push_back(spec.keyLength);
    maps.push_back(perBatch);
  }
  std::optional<int64_t> offset;
  if (!spec.offsetFromLength) {
    offset = spec.offset ? getConstantIntValue(spec.offset)
                         : std::optional<int64_t>(0);
  }
  if (hasWindow(spec) && !offset) {
    maskInputs.push_back(offsetTensor(b, spec, (*loops)[kRow]));
    maps.push_back(spec.offsetFromLength ? perBatch : mapOf(b, {}));
  }
  Sizes result = llvm::map_to_vector<6>(
      spec.resultLoops, [&](unsigned loop) { return (*loops)[loop]; });
  RankedTensorType type =
      b.resultType(GraphBuilder::elementOf(spec.query), result);
  if (!type) {
    return {};
  }
  auto op = nn::AttentionOp::create(
      b, b.loc, type, Type(), spec.query, spec.key, spec.value, scoreInputs,
      maskInputs, b.getAffineMapArrayAttr(maps), b.getF64FloatAttr(spec.scale),
      nn::EmptyRowAttr::get(b.getContext(), spec.emptyRow),
      nn::NanRowAttr::get(b.getContext(), nn::NanRow::keep));
  b.setSizes(op.getResult(), result);
  bool wide = type.getElementType().isF64();
  writeScore(b, spec, op, wide ? b.getF64Type() : b.getF32Type());
  writeMask(b, spec, op, offset);
  return op.getResult();
}

/// One mask tensor of (b, h, g, m, n) dims that says which keys count, or null.
static Value explicitMask(GraphBuilder &b, const AttentionSpec &spec,
                          const Sizes &loops) {
  Value kept;
  auto also = [&](Value condition) {
    kept = kept ? b.binary(nn::Fn::bit_and, kept, condition) : condition;
  };
  for (Value mask : spec.masks) {
    also(mask);
  }
  Type index = b.getI64Type();
  Sizes ones(kScoreLoops, b.index(1)), rows = ones, keys = ones, batch = ones;
  rows[kRow] = loops[kRow];
  keys[kKey] = loops[kKey];
  batch[kBatch] = loops[kBatch];
  Value key = b.iota(keys, kKey, index);
  if (spec.keyLength) {
    also(b.binary(nn::Fn::lt, key, b.reshape(spec.keyLength, batch)));
  }
  if (!hasWindow(spec)) {
    return kept;
  }
  Value offset = b.reshape(offsetTensor(b, spec, loops[kRow]),
                           spec.offsetFromLength ? batch : ones);
  Value position = b.binary(nn::Fn::add, b.iota(rows, kRow, index), offset);
  if (spec.right >= 0) {
    also(
        b.binary(nn::Fn::le, key, b.binary(nn::Fn::add, position, spec.right)));
  }
  if (spec.left >= 0) {
    also(b.binary(nn::Fn::ge, key, b.binary(nn::Fn::sub, position, spec.left)));
  }
  return kept;
}

AttentionStages buildAttentionStages(GraphBuilder &b,
                                     const AttentionSpec &spec) {
  FailureOr<Sizes> loops = loopSizes(b, spec);
  AttentionStages stages;
  if (failed(loops)) {
    return stages;
  }
  const unsigned score[] = {kBatch, kHead, kGroup, kRow, kKey};
  Type type = GraphBuilder::elementOf(spec.query);
  Value raw =
      b.contract(spec.query, spec.queryLoops, spec.key, spec.keyLoops, score);
  stages.scaled = b.binary(nn::Fn::mul, raw, spec.scale);
  stages.capped = stages.scaled;
  if (spec.softcap != 0) {
    Value inner = b.binary(nn::Fn::div, stages.scaled, spec.softcap);
    stages.capped =
        b.binary(nn::Fn::mul, b.unary(nn::Fn::tanh, inner), spec.softcap);
  }
  stages.biased = stages.capped;
  for (Value bias : spec.biases) {
    stages.biased = b.binary(nn::Fn::add, stages.biased, b.cast(bias, type));
  }
  if (Value kept = explicitMask(b, spec, *loops)) {
    Value never = b.scalar(type, -std::numeric_limits<double>::infinity());
    stages.biased = b.elementwise(nn::Fn::select, {kept, stages.biased, never});
  }
  if (!stages.biased) {
    return {};
  }
  Sizes all = b.sizes(stages.biased);
  stages.probabilities = b.make<nn::SoftmaxOp>(
      type, all, stages.biased, b.getDenseI64ArrayAttr({kKey}), UnitAttr(),
      nn::NanRowAttr::get(b.getContext(), spec.emptyRow == nn::EmptyRow::zero
                                              ? nn::NanRow::zero
                                              : nn::NanRow::keep),
      TypeAttr());
  stages.result = b.contract(stages.probabilities, score, spec.value,
                             spec.valueLoops, spec.resultLoops, type);
  return stages;
}

} // namespace dlc::build
