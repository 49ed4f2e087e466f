// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reductions, softmax, scan, sort.
#include "Import/Build/GraphBuilder.h"

using namespace mlir;

namespace dlc::build {

Value GraphBuilder::reduce(nn::ReduceKind kind, Value x, Ints axes,
                           bool keepDims, bool selectLast) {
  if (!x) {
    return {};
  }
  Sizes all = sizes(x), left, kept;
  for (auto [dim, size] : llvm::enumerate(all)) {
    bool reduced = llvm::is_contained(axes, static_cast<int64_t>(dim));
    kept.push_back(reduced ? OpFoldResult(index(1)) : size);
    if (!reduced) {
      left.push_back(size);
    }
  }
  bool isArg = kind == nn::ReduceKind::argmax || kind == nn::ReduceKind::argmin;
  if (isArg &&
      failed(check(compare(arith::CmpIPredicate::sgt, all[axes[0]], index(0)),
                   "cannot take the place of an extreme of an axis "
                   "of size {0}",
                   {all[axes[0]]}))) {
    return {};
  }
  // A mean of integers divides the sum, as ONNX's function body does.
  Type element = isArg ? Type(getI64Type()) : elementOf(x);
  Value result =
      make<nn::ReduceOp>(element, left, kind, x, axes, selectLast, TypeAttr());
  return keepDims ? reshape(result, kept) : result;
}

Value GraphBuilder::softmax(Value x, Ints axes, bool log) {
  if (!x) {
    return {};
  }
  Sizes all = sizes(x);
  return make<nn::SoftmaxOp>(elementOf(x), all, x, axes, log, nn::NanRow::keep,
                             TypeAttr());
}

Value GraphBuilder::scan(nn::ScanKind kind, Value x, int64_t axis,
                         bool exclusive, bool reverse) {
  if (!x) {
    return {};
  }
  Sizes all = sizes(x);
  return make<nn::ScanOp>(elementOf(x), all, kind, x, axis, exclusive, reverse);
}

std::pair<Value, Value> GraphBuilder::sort(Value x, OpFoldResult k,
                                           int64_t axis, bool descending) {
  if (!x) {
    return {};
  }
  Sizes result = sizes(x);
  if (failed(check(compare(arith::CmpIPredicate::sle, k, result[axis]),
                   "expected k of at most {0}, got {1}", {result[axis], k})) ||
      (!isNonNegative(k) &&
       failed(check(compare(arith::CmpIPredicate::sge, k, index(0)),
                    "expected k of at least 0, got {0}", {k})))) {
    return {};
  }
  Value count =
      result[axis] == k || getConstantIntValue(k) ? Value() : toValue(k);
  result[axis] = k;
  RankedTensorType values = resultType(elementOf(x), result),
                   indices = resultType(getI64Type(), result);
  if (!values) {
    return {};
  }
  auto op = nn::SortOp::create(*this, loc, values, indices, x, count, axis,
                               descending);
  setSizes(op.getValues(), result);
  setSizes(op.getIndices(), result);
  return {op.getValues(), op.getIndices()};
}

} // namespace dlc::build
