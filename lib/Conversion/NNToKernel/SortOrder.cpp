// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Comparison of sorted entries.
#include "Conversion/NNToKernel/SortOrder.h"

#include "Conversion/Common/ElementwiseFn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace dlc {

Value emitSortsBefore(ImplicitLocOpBuilder &b, nn::SortOp op, SortEntry x,
                      SortEntry y) {
  Type element = op.getInput().getType().getElementType();
  nn::Fn fn = op.getDescending() ? nn::Fn::gt : nn::Fn::lt;
  Type bit = b.getI1Type();
  Value before = emitElementwise(b, fn, {x.value, y.value}, {}, element, bit);
  Value after = emitElementwise(b, fn, {y.value, x.value}, {}, element, bit);
  if (isa<FloatType>(element)) {
    Value xIsNaN =
        emitElementwise(b, nn::Fn::is_nan, {x.value}, {}, element, bit);
    Value yIsNaN =
        emitElementwise(b, nn::Fn::is_nan, {y.value}, {}, element, bit);
    Value differ = arith::XOrIOp::create(b, xIsNaN, yIsNaN);
    Value first = op.getDescending() ? xIsNaN : yIsNaN,
          second = op.getDescending() ? yIsNaN : xIsNaN;
    before = arith::SelectOp::create(b, differ, first, before);
    after = arith::SelectOp::create(b, differ, second, after);
  }
  Value lower =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x.index, y.index);
  Value differ = arith::OrIOp::create(b, before, after);
  return arith::SelectOp::create(b, differ, before, lower);
}

} // namespace dlc
