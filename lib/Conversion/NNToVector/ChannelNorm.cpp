// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Normalisation with channels last. A work item is a block of channels: one
// group of several vectors, or as many whole groups as one vector has room for.
// It walks over the points with the channels of its block in lanes, so that
// memory is read by cache lines, and joins the lanes of a group at the end.
#include "Conversion/NNToVector/ChannelNorm.h"

#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Epilogue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace dlc::kernel;

// Points an iteration: enough running sums to hide the latency of an add.
static constexpr int64_t kUnroll = 4;

static int64_t lanesOf(const ChannelNormSpec &spec,
                       const VectorTarget &target) {
  return target.lanesFor(spec.acc.getIntOrFloatBitWidth());
}

/// Channels of a work item.
static int64_t getBlockChannels(const ChannelNormSpec &spec, int64_t lanes) {
  return spec.groupWidth * std::max<int64_t>(1, lanes / spec.groupWidth);
}

int64_t dlc::kernel::getChannelNormBlocks(const ChannelNormSpec &spec,
                                          const VectorTarget &target) {
  return llvm::divideCeil(spec.channels,
                          getBlockChannels(spec, lanesOf(spec, target)));
}

namespace {

class ChannelNormBlock {
public:
  ChannelNormBlock(ImplicitLocOpBuilder &b, const ChannelNormSpec &spec,
                   int64_t lanes)
      : b(b), math(b), spec(spec), lanes(lanes),
        vector(VectorType::get({lanes}, spec.acc)) {}

  /// The block of `batch` whose first channel is `channel`.
  void emit(Value batch, Value channel);

private:
  /// Calls `body` for each vector of the block: its first channel, its mask.
  SmallVector<Value> forVectors(
      ValueRange carried,
      llvm::function_ref<SmallVector<Value>(Value, Value, ValueRange)> body);
  /// Per lane, the average of `term` over the lane's group and all points.
  Value average(llvm::function_ref<Value(Value x)> term);
  /// Per lane, the sum of the lanes of its group.
  Value joinGroup(Value sum);
  void storePoint(Value point, Value mean, Value inverse);
  Value countOfGroup();

  ImplicitLocOpBuilder &b;
  IndexMath math;
  const ChannelNormSpec &spec;
  int64_t lanes;
  VectorType vector;
  Value batch, first;
};

SmallVector<Value> ChannelNormBlock::forVectors(
    ValueRange carried,
    llvm::function_ref<SmallVector<Value>(Value, Value, ValueRange)> body) {
  int64_t block = getBlockChannels(spec, lanes);
  if (block < lanes) {
    Value mask = lanesBelow(
        b, lanes,
        math.min(math.constant(block),
                 math.sub(math.constant(spec.channels), OpFoldResult(first))));
    return body(first, mask, carried);
  }
  if (spec.groupWidth <= lanes) { // several groups fill one vector
    bool hasTail = spec.channels % block != 0;
    Value mask = hasTail ? lanesBelow(b, lanes,
                                      math.sub(math.constant(spec.channels),
                                               OpFoldResult(first)))
                         : Value();
    return body(first, mask, carried);
  }
  int64_t whole = block / lanes * lanes;
  SmallVector<Value> values = emitFor(
      b, math.constant(0), math.constant(whole), math.constant(lanes), carried,
      [&](Value offset, ValueRange running) {
        return body(math.value(math.add(first, offset)), nullptr, running);
      });
  if (whole == block) {
    return values;
  }
  return body(math.value(math.add(first, math.constant(whole))),
              lanesBelow(b, lanes, math.constant(block - whole)), values);
}

Value ChannelNormBlock::joinGroup(Value sum) {
  auto add = [&](Value x, Value y) -> Value {
    return arith::AddFOp::create(b, x, y);
  };
  if (spec.groupWidth >= lanes) {
    return vector::BroadcastOp::create(b, vector, reduceLanes(b, sum, add));
  }
  Value joined;
  for (int64_t member = 0; member < spec.groupWidth; ++member) {
    SmallVector<int64_t> sources(lanes);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      int64_t group = lane / spec.groupWidth;
      sources[lane] = std::min(group * spec.groupWidth + member, lanes - 1);
    }
    Value part = vector::ShuffleOp::create(b, sum, sum, sources);
    joined = joined ? add(joined, part) : part;
  }
  return joined;
}

Value ChannelNormBlock::countOfGroup() {
  OpFoldResult count = math.mul(spec.points, spec.groupWidth);
  if (std::optional<int64_t> known = IndexMath::known(count)) {
    return floatConstant(b, vector, *known);
  }
  Value integer =
      arith::IndexCastOp::create(b, b.getI64Type(), math.value(count));
  return vector::BroadcastOp::create(
      b, vector, arith::SIToFPOp::create(b, spec.acc, integer));
}

Value ChannelNormBlock::average(llvm::function_ref<Value(Value x)> term) {
  auto add = [&](Value x, Value y) -> Value {
    return arith::AddFOp::create(b, x, y);
  };
  Value zero = zeroOf(b, vector);
  SmallVector<Value> sum =
      forVectors(zero, [&](Value channel, Value mask, ValueRange running) {
        SmallVector<Value> points = emitColumns(
            b, spec.points, /*lanes=*/1, kUnroll, zero,
            [&](Value point, Value, ValueRange partial) -> SmallVector<Value> {
              Value x = term(spec.load(b, batch, point, channel, mask));
              return {add(partial[0], x)};
            },
            add);
        Value all = points[0];
        if (mask) {
          all = arith::SelectOp::create(b, mask, all, zero);
        }
        return SmallVector<Value>{add(running[0], all)};
      });
  return arith::DivFOp::create(b, joinGroup(sum[0]), countOfGroup());
}

void ChannelNormBlock::storePoint(Value point, Value mean, Value inverse) {
  forVectors({}, [&](Value channel, Value mask, ValueRange) {
    Value y = spec.load(b, batch, point, channel, mask);
    if (mean) {
      y = arith::SubFOp::create(b, y, mean);
    }
    Value factor = inverse;
    if (spec.scale) {
      factor = arith::MulFOp::create(b, factor, spec.scale(b, channel, mask));
    }
    y = spec.bias ? Value(vector::FMAOp::create(b, y, factor,
                                                spec.bias(b, channel, mask)))
                  : Value(arith::MulFOp::create(b, y, factor));
    spec.store(b, batch, point, channel, y, mask);
    return SmallVector<Value>();
  });
}

void ChannelNormBlock::emit(Value batchOfBlock, Value channel) {
  batch = batchOfBlock;
  first = channel;
  Value mean;
  if (spec.statistic == NormStatistic::MeanVariance) {
    mean = average([](Value x) { return x; });
  }
  Value power = average([&](Value x) -> Value {
    Value centred = mean ? Value(arith::SubFOp::create(b, x, mean)) : x;
    return arith::MulFOp::create(b, centred, centred);
  });
  Value epsilon = floatConstant(b, vector, spec.epsilon);
  Value root =
      math::SqrtOp::create(b, arith::AddFOp::create(b, power, epsilon));
  Value inverse = arith::DivFOp::create(b, floatConstant(b, vector, 1), root);
  emitFor(b, math.constant(0), spec.points, math.constant(1),
          [&](Value point) { storePoint(point, mean, inverse); });
}

} // namespace

void dlc::kernel::emitChannelNorm(ImplicitLocOpBuilder &b,
                                  const ChannelNormSpec &spec,
                                  const VectorTarget &target, Value begin,
                                  Value end) {
  IndexMath math(b);
  int64_t lanes = lanesOf(spec, target);
  OpFoldResult blocks = math.constant(getChannelNormBlocks(spec, target));
  ChannelNormBlock emitter(b, spec, lanes);
  emitFor(b, begin, end, math.constant(1), [&](Value item) {
    OpFoldResult channel =
        math.mul(math.rem(item, blocks), getBlockChannels(spec, lanes));
    emitter.emit(math.value(math.div(item, blocks)), math.value(channel));
  });
}
