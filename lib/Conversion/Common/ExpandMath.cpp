// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Replaces math ops by dlc's own code for them.
#include "Conversion/Common/ExpandMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace dlc {
namespace {

Type withElement(Type type, Type element) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    return shaped.clone(element);
  return element;
}

/// fma rounded once, by f64: the product is exact there.
Value emulateFMA(ImplicitLocOpBuilder &b, Value x, Value y, Value z) {
  Type wide = withElement(x.getType(), b.getF64Type());
  auto extend = [&](Value v) -> Value {
    return arith::ExtFOp::create(b, wide, v);
  };
  Value product = arith::MulFOp::create(b, extend(x), extend(y));
  Value sum = arith::AddFOp::create(b, product, extend(z));
  return arith::TruncFOp::create(b, x.getType(), sum);
}

/// The replacement of `op`, or null where it stays as it is.
Value expand(Operation *op, const ExpandMathOptions &options) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  if (!options.hasFMA) {
    if (auto fma = dyn_cast<vector::FMAOp>(op)) {
      Value product = arith::MulFOp::create(b, fma.getLhs(), fma.getRhs());
      return arith::AddFOp::create(b, product, fma.getAcc());
    }
    if (auto fma = dyn_cast<math::FmaOp>(op))
      if (getElementTypeOrSelf(fma.getType()).isF32())
        return emulateFMA(b, fma.getA(), fma.getB(), fma.getC());
  }
  return nullptr;
}

struct ExpandMathPass final
    : PassWrapper<ExpandMathPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMathPass)

  explicit ExpandMathPass(ExpandMathOptions options = {}) : options(options) {}

  StringRef getArgument() const override { return "dlc-expand-math"; }
  StringRef getDescription() const override {
    return "Replace elementary functions by straight-line arithmetic";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, math::MathDialect>();
  }

  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<math::MathDialect, vector::VectorDialect>(op->getDialect()))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      if (Value replacement = expand(op, options)) {
        op->getResult(0).replaceAllUsesWith(replacement);
        op->erase();
      }
  }

  ExpandMathOptions options;
};

} // namespace

std::unique_ptr<Pass> createExpandMathPass(ExpandMathOptions options) {
  return std::make_unique<ExpandMathPass>(options);
}

} // namespace dlc
