// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The sums that products carry along, with zero points of integers.
#include "Dialect/Tile/KernelBuilder.h"

using namespace mlir;

namespace dlc::tile {

Type getSumType(Type element) {
  MLIRContext *context = element.getContext();
  return element.isInteger() ? Type(IntegerType::get(context, 32))
                             : Float32Type::get(context);
}

SmallVector<Value> createSums(ImplicitLocOpBuilder &b, Type element, int64_t m,
                              int64_t n, const ZeroPoints &zeros) {
  Type sum = getSumType(element);
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(sum));
  SmallVector<Value> sums;
  auto add = [&](ArrayRef<int64_t> shape) {
    sums.push_back(SplatOp::create(
        b, getTileType(sum, shape, MemorySpace::Registers), zero));
  };
  add({m, n});
  if (zeros.b) {
    add({m});
  }
  if (zeros.a) {
    add({1, n});
  }
  return sums;
}

ValueRange createMma(ImplicitLocOpBuilder &b, Value x, Value y, ValueRange sums,
                     const ZeroPoints &zeros, bool transposeA,
                     bool transposeB) {
  Value rows = zeros.b ? sums[1] : Value();
  Value columns = zeros.a ? sums.back() : Value();
  auto typeOf = [](Value value) { return value ? value.getType() : Type(); };
  return MmaOp::create(b, sums[0].getType(), typeOf(rows), typeOf(columns), x,
                       y, sums[0], rows, columns, transposeA, transposeB)
      .getResults();
}

Value subtractZeroPoints(ImplicitLocOpBuilder &b, ValueRange sums,
                         const ZeroPoints &zeros, ValueRange batch, Value row,
                         Value column, Value terms) {
  if (!zeros.a && !zeros.b) {
    return sums[0];
  }
  auto map = MapOp::create(b, sums[0].getType(), sums, ValueRange{row, column});
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Type> types(sums.size() + 2, b.getI32Type());
  Block *body = b.createBlock(&map.getBody(), {}, types,
                              SmallVector<Location>(types.size(), b.getLoc()));
  ArrayRef<BlockArgument> arguments = body->getArguments();
  SizeMath math(b);
  Value sum = arguments[0];
  Value zeroA, zeroB;
  if (zeros.a) {
    zeroA = zeros.a(b, batch, arguments.take_back(2).front());
    sum = math.sub(sum, math.mul(zeroA, arguments[sums.size() - 1]));
  }
  if (zeros.b) {
    zeroB = zeros.b(b, batch, arguments.back());
    Value rest = arguments[1];
    rest = zeroA ? math.sub(rest, math.mul(terms, zeroA)) : rest;
    sum = math.sub(sum, math.mul(zeroB, rest));
  }
  YieldOp::create(b, sum);
  return map;
}

} // namespace dlc::tile
