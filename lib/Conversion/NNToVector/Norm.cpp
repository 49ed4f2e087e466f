// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Normalisation over rows. The variance is summed in a second pass around the
// mean, over a copy of the row in scratch; one pass over sums of squares would
// cancel for rows far from zero.
#include "Conversion/NNToVector/Norm.h"

#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Epilogue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace dlc::kernel;

// Vectors an iteration: enough running sums to hide the latency of an add.
static constexpr int64_t kUnroll = 4;

OpFoldResult dlc::kernel::getNormScratchBytes(ImplicitLocOpBuilder &b,
                                              const NormSpec &spec) {
  IndexMath math(b);
  // A multiple of every vector's width, since the tail is stored whole.
  OpFoldResult elements = math.roundUp(spec.columns, 16);
  return math.mul(elements, spec.acc.getIntOrFloatBitWidth() / 8);
}

namespace {

class NormRow {
public:
  NormRow(ImplicitLocOpBuilder &b, const NormSpec &spec,
          const VectorTarget &target, Value buffer)
      : b(b), spec(spec),
        lanes(target.lanesFor(spec.acc.getIntOrFloatBitWidth())),
        vector(VectorType::get({lanes}, spec.acc)), buffer(buffer) {
    count = toFloat(spec.columns);
  }

  void emit(Value row) {
    bool centred = spec.statistic == NormStatistic::MeanVariance;
    Value sum = sumRow(row, /*squares=*/!centred);
    Value mean, shift, power;
    if (centred) {
      mean = arith::DivFOp::create(b, sum, count);
      shift = vector::BroadcastOp::create(b, vector, mean);
      power = sumDeviations(shift);
    } else {
      power = sum;
    }
    Value average = arith::DivFOp::create(b, power, count);
    Value epsilon = floatConstant(b, spec.acc, spec.epsilon);
    Value root =
        math::SqrtOp::create(b, arith::AddFOp::create(b, average, epsilon));
    Value inverse =
        arith::DivFOp::create(b, floatConstant(b, spec.acc, 1), root);
    if (spec.storeStatistics)
      spec.storeStatistics(b, row, mean, inverse);
    storeRow(row, shift, vector::BroadcastOp::create(b, vector, inverse));
  }

private:
  Value toFloat(OpFoldResult size) {
    if (std::optional<int64_t> known = IndexMath::known(size))
      return floatConstant(b, spec.acc, *known);
    Value integer =
        arith::IndexCastOp::create(b, b.getI64Type(), IndexMath(b).value(size));
    return arith::SIToFPOp::create(b, spec.acc, integer);
  }
  Value read(Value column) {
    return loadVector(b, buffer, column, lanes, nullptr);
  }
  /// The sum over all columns of `term(column, mask)`, whose lanes outside the
  /// mask are zero.
  Value sumColumns(llvm::function_ref<Value(Value, Value, Value)> accumulate) {
    auto add = [&](Value x, Value y) -> Value {
      return arith::AddFOp::create(b, x, y);
    };
    SmallVector<Value> result = emitColumns(
        b, spec.columns, lanes, kUnroll, zeroOf(b, vector),
        [&](Value column, Value mask, ValueRange sum) {
          return SmallVector<Value>{accumulate(column, mask, sum[0])};
        },
        add);
    return reduceLanes(b, result[0], add);
  }
  Value clearTail(Value x, Value mask) {
    if (!mask)
      return x;
    return arith::SelectOp::create(b, mask, x, zeroOf(b, vector));
  }

  /// Copies the row to the buffer and sums it, or its squares.
  Value sumRow(Value row, bool squares) {
    return sumColumns([&](Value column, Value mask, Value sum) -> Value {
      Value x = clearTail(spec.load(b, row, column, mask), mask);
      storeVector(b, x, buffer, column, nullptr);
      if (squares)
        return vector::FMAOp::create(b, x, x, sum);
      return arith::AddFOp::create(b, x, sum);
    });
  }

  Value sumDeviations(Value shift) {
    return sumColumns([&](Value column, Value mask, Value sum) -> Value {
      Value x = clearTail(arith::SubFOp::create(b, read(column), shift), mask);
      return vector::FMAOp::create(b, x, x, sum);
    });
  }

  void storeRow(Value row, Value shift, Value inverse) {
    emitColumns(b, spec.columns, lanes, kUnroll, [&](Value column, Value mask) {
      Value y = read(column);
      if (shift)
        y = arith::SubFOp::create(b, y, shift);
      y = arith::MulFOp::create(b, y, inverse);
      Value scale = spec.scale ? spec.scale(b, row, column, mask) : Value();
      Value bias = spec.bias ? spec.bias(b, row, column, mask) : Value();
      if (scale && bias)
        y = vector::FMAOp::create(b, y, scale, bias);
      else if (scale)
        y = arith::MulFOp::create(b, y, scale);
      else if (bias)
        y = arith::AddFOp::create(b, y, bias);
      spec.store(b, row, column, y, mask);
    });
  }

  ImplicitLocOpBuilder &b;
  const NormSpec &spec;
  int64_t lanes;
  VectorType vector;
  Value buffer;
  Value count;
};

} // namespace

void dlc::kernel::emitNormRows(ImplicitLocOpBuilder &b, const NormSpec &spec,
                               const VectorTarget &target, Value scratch,
                               Value begin, Value end) {
  IndexMath math(b);
  Value buffer = scratchView(b, scratch, math.constant(0), spec.acc);
  NormRow emitter(b, spec, target, buffer);
  emitFor(b, begin, end, math.constant(1),
          [&](Value row) { emitter.emit(row); });
}
