// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Softmax over rows in three passes over a copy of the row in scratch, which
// stays in the first-level cache: maximum, exponentials with their sum, result.
#include "Conversion/NNToVector/Softmax.h"

#include "Conversion/Common/ScalarMath.h"
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Epilogue.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <limits>

using namespace mlir;
using namespace dlc;
using namespace dlc::kernel;

// Vectors an iteration: enough running values to hide the latency of an add.
static constexpr int64_t kUnroll = 4;

OpFoldResult dlc::kernel::getSoftmaxScratchBytes(ImplicitLocOpBuilder &b,
                                                 const SoftmaxSpec &spec) {
  IndexMath math(b);
  // A multiple of every vector's width, since the tail is stored whole.
  OpFoldResult elements = math.roundUp(spec.columns, 16);
  return math.mul(elements, spec.acc.getIntOrFloatBitWidth() / 8);
}

namespace {

class SoftmaxRow {
public:
  SoftmaxRow(ImplicitLocOpBuilder &b, const SoftmaxSpec &spec,
             const VectorTarget &target, Value buffer)
      : b(b), spec(spec),
        lanes(target.lanesFor(spec.acc.getIntOrFloatBitWidth())),
        vector(VectorType::get({lanes}, spec.acc)), buffer(buffer) {}

  void emit(Value row) {
    Value maximum = findMaximum(row);
    Value shift = broadcast(maximum);
    Value sum = sumExponentials(shift);
    if (spec.log)
      storeLogarithms(row, shift, emitLog(b, sum));
    else
      storeQuotients(row, sum);
  }

private:
  Value broadcast(Value scalar) {
    return vector::BroadcastOp::create(b, vector, scalar);
  }
  Value read(Value column) {
    return loadVector(b, buffer, column, lanes, nullptr);
  }
  void write(Value value, Value column) {
    storeVector(b, value, buffer, column, nullptr);
  }

  /// Copies the row to the buffer, its tail filled up with -inf.
  Value findMaximum(Value row) {
    Value lowest =
        floatConstant(b, vector, -std::numeric_limits<double>::infinity());
    auto larger = [&](Value x, Value y) { return selectLarger(b, x, y); };
    SmallVector<Value> result = emitColumns(
        b, spec.columns, lanes, kUnroll, lowest,
        [&](Value column, Value mask, ValueRange maximum) {
          Value x = spec.load(b, row, column, mask);
          if (mask)
            x = arith::SelectOp::create(b, mask, x, lowest);
          write(x, column);
          return SmallVector<Value>{larger(x, maximum[0])};
        },
        larger);
    return reduceLanes(b, result[0], larger);
  }

  /// Leaves the exponentials in the buffer, but for log-softmax.
  Value sumExponentials(Value shift) {
    auto add = [&](Value x, Value y) -> Value {
      return arith::AddFOp::create(b, x, y);
    };
    Value zero = zeroOf(b, vector);
    SmallVector<Value> result = emitColumns(
        b, spec.columns, lanes, kUnroll, zero,
        [&](Value column, Value mask, ValueRange sum) {
          Value x = arith::SubFOp::create(b, read(column), shift);
          Value e = emitExpNonPositive(b, x);
          // In a row of -inf the filling is NaN like the rest.
          if (mask)
            e = arith::SelectOp::create(b, mask, e, zero);
          if (!spec.log)
            write(e, column);
          return SmallVector<Value>{add(e, sum[0])};
        },
        add);
    return reduceLanes(b, result[0], add);
  }

  /// `value`, or zero where the row's sum is NaN and such rows are zero.
  Value applyPolicy(Value value, Value isNaN) {
    if (!spec.zeroNaNRows)
      return value;
    return arith::SelectOp::create(b, isNaN, zeroOf(b, vector), value);
  }
  Value isNaN(Value sum) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, sum, sum);
  }

  void storeQuotients(Value row, Value sum) {
    Value one = floatConstant(b, spec.acc, 1);
    Value factor = broadcast(arith::DivFOp::create(b, one, sum));
    Value nan = isNaN(sum);
    emitColumns(b, spec.columns, lanes, kUnroll, [&](Value column, Value mask) {
      Value y = arith::MulFOp::create(b, read(column), factor);
      spec.store(b, row, column, applyPolicy(y, nan), mask);
    });
  }

  void storeLogarithms(Value row, Value shift, Value logarithm) {
    Value subtrahend = broadcast(logarithm);
    Value nan = isNaN(logarithm);
    emitColumns(b, spec.columns, lanes, kUnroll, [&](Value column, Value mask) {
      Value x = arith::SubFOp::create(b, read(column), shift);
      Value y = arith::SubFOp::create(b, x, subtrahend);
      spec.store(b, row, column, applyPolicy(y, nan), mask);
    });
  }

  ImplicitLocOpBuilder &b;
  const SoftmaxSpec &spec;
  int64_t lanes;
  VectorType vector;
  Value buffer;
};

} // namespace

void dlc::kernel::emitSoftmaxRows(ImplicitLocOpBuilder &b,
                                  const SoftmaxSpec &spec,
                                  const VectorTarget &target, Value scratch,
                                  Value begin, Value end) {
  IndexMath math(b);
  Value buffer = scratchView(b, scratch, math.constant(0), spec.acc);
  SoftmaxRow emitter(b, spec, target, buffer);
  emitFor(b, begin, end, math.constant(1),
          [&](Value row) { emitter.emit(row); });
}
