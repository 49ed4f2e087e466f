// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Column loops and lane reductions of the row kernels.
#include "Conversion/NNToVector/Rows.h"

#include "Conversion/NNToVector/Emit.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace dlc::kernel;

/// The main loop of emitColumns over [0, end), and the running values joined.
static SmallVector<Value>
emitUnrolledColumns(ImplicitLocOpBuilder &b, OpFoldResult end, int64_t lanes,
                    int64_t unroll, ValueRange carried, const ColumnFn &body,
                    CombineFn combine) {
  IndexMath math(b);
  size_t count = carried.size();
  SmallVector<Value> copies;
  for (int64_t u = 0; u < unroll; ++u)
    llvm::append_range(copies, carried);
  copies =
      emitFor(b, math.constant(0), end, math.constant(unroll * lanes), copies,
              [&](Value column, ValueRange running) {
                SmallVector<Value> next;
                for (int64_t u = 0; u < unroll; ++u) {
                  Value at =
                      math.value(math.add(column, math.constant(u * lanes)));
                  llvm::append_range(
                      next, body(at, nullptr, running.slice(u * count, count)));
                }
                return next;
              });
  for (size_t width = unroll; width > 1; width = (width + 1) / 2)
    for (size_t u = 0; u < width / 2; ++u)
      for (size_t i = 0; i < count; ++i) {
        Value &low = copies[u * count + i];
        low = combine(low, copies[(u + (width + 1) / 2) * count + i]);
      }
  copies.truncate(count);
  return copies;
}

SmallVector<Value> dlc::kernel::emitColumns(ImplicitLocOpBuilder &b,
                                            OpFoldResult columns, int64_t lanes,
                                            int64_t unroll, ValueRange carried,
                                            const ColumnFn &body,
                                            CombineFn combine) {
  IndexMath math(b);
  auto wholeSteps = [&](int64_t step) {
    return math.mul(math.div(columns, math.constant(step)), step);
  };
  OpFoldResult mainEnd = wholeSteps(unroll * lanes);
  OpFoldResult wholeEnd = wholeSteps(lanes);
  SmallVector<Value> running = llvm::to_vector(carried);
  if (!IndexMath::isKnown(mainEnd, 0))
    running =
        emitUnrolledColumns(b, mainEnd, lanes, unroll, running, body, combine);
  running = emitFor(b, mainEnd, wholeEnd, math.constant(lanes), running,
                    [&](Value column, ValueRange values) {
                      return body(column, nullptr, values);
                    });
  std::optional<int64_t> known = IndexMath::known(columns);
  if (known && *known % lanes == 0)
    return running;
  SmallVector<Type> types = llvm::to_vector(ValueRange(running).getTypes());
  return emitIf(
      b, math.less(wholeEnd, columns), types,
      [&] {
        Value mask = lanesBelow(b, lanes, math.sub(columns, wholeEnd));
        return body(math.value(wholeEnd), mask, running);
      },
      [&] { return running; });
}

void dlc::kernel::emitColumns(ImplicitLocOpBuilder &b, OpFoldResult columns,
                              int64_t lanes, int64_t unroll,
                              const std::function<void(Value, Value)> &body) {
  emitColumns(
      b, columns, lanes, unroll, ValueRange(),
      [&](Value column, Value mask, ValueRange) -> SmallVector<Value> {
        body(column, mask);
        return {};
      },
      [](Value low, Value) { return low; });
}

Value dlc::kernel::reduceLanes(ImplicitLocOpBuilder &b, Value vector,
                               CombineFn combine) {
  int64_t lanes = cast<VectorType>(vector.getType()).getDimSize(0);
  while (lanes > 1) {
    lanes /= 2;
    SmallVector<int64_t> low(lanes), high(lanes);
    for (int64_t i = 0; i < lanes; ++i) {
      low[i] = i;
      high[i] = lanes + i;
    }
    Value first = vector::ShuffleOp::create(b, vector, vector, low);
    Value second = vector::ShuffleOp::create(b, vector, vector, high);
    vector = combine(first, second);
  }
  return vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{0});
}

Value dlc::kernel::selectLarger(ImplicitLocOpBuilder &b, Value x, Value y) {
  Value larger = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(b, larger, x, y);
}

Value dlc::kernel::floatConstant(ImplicitLocOpBuilder &b, Type type,
                                 double value) {
  TypedAttr attribute = b.getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    attribute = DenseElementsAttr::get(vector, Attribute(attribute));
  return arith::ConstantOp::create(b, attribute);
}
