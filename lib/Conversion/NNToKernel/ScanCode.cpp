// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Neutral elements and steps of all kinds of scans.
#include "Conversion/NNToKernel/ScanCode.h"

#include "Conversion/Common/ElementwiseFn.h"
#include "Conversion/NNToKernel/Reducer.h"

using namespace mlir;

namespace dlc {

ScanCode::ScanCode(KernelBuilder &kb)
    : kb(kb), b(kb.b), op(cast<nn::ScanOp>(kb.getRoot())),
      element(op.getInput().getType().getElementType()) {
  accumulator = isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32
                    ? Type(b.getF32Type())
                    : element;
}

Value ScanCode::emitNeutral() {
  Type type = getCodeType(accumulator);
  switch (op.getKind()) {
  case nn::ScanKind::sum:
    return emitConstant(b, type, 0);
  case nn::ScanKind::prod:
    return emitConstant(b, type, 1);
  case nn::ScanKind::max:
  case nn::ScanKind::min:
    break;
  }
  return emitNeutralOfExtreme(b, accumulator,
                              op.getKind() == nn::ScanKind::max);
}

Value ScanCode::combine(Value first, Value second) {
  auto fn = [&] {
    switch (op.getKind()) {
    case nn::ScanKind::sum:
      return nn::Fn::add;
    case nn::ScanKind::prod:
      return nn::Fn::mul;
    case nn::ScanKind::max:
      return nn::Fn::maximum;
    case nn::ScanKind::min:
      return nn::Fn::minimum;
    }
    llvm_unreachable("closed enum");
  }();
  return emitElementwise(b, fn, {first, second}, {}, accumulator, accumulator);
}

Value ScanCode::load(ValueRange indices) {
  return emitCast(b, kb.load(op.getInput(), indices), element, accumulator);
}

Value ScanCode::finish(Value running) {
  return emitCast(b, running, accumulator, element);
}

Value ScanCode::emitPosition(Value step) {
  if (!op.getReverse()) {
    return step;
  }
  OpFoldResult last =
      kb.math.sub(kb.size(op.getInput(), op.getAxis()), kb.math.constant(1));
  return kb.math.value(kb.math.sub(last, step));
}

} // namespace dlc
