// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Replaces math ops, and arith ops on f16 and bf16, by code that every x86-64
// machine runs without help from a library (but for f64).
#include "Conversion/Common/ExpandMath.h"

#include "Conversion/Common/ScalarMath.h"
#include "FloatCode.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace dlc {
namespace {

/// `op` by ScalarMath, or null when it is no elementary function.
Value expandElementary(ImplicitLocOpBuilder &b, Operation *op) {
  auto unary = [&](Value (*emit)(ImplicitLocOpBuilder &, Value)) {
    return [&b, emit](Operation *op) { return emit(b, op->getOperand(0)); };
  };
  auto binary = [&](Value (*emit)(ImplicitLocOpBuilder &, Value, Value)) {
    return [&b, emit](Operation *op) {
      return emit(b, op->getOperand(0), op->getOperand(1));
    };
  };
  return TypeSwitch<Operation *, Value>(op)
      .Case<math::ExpOp>(unary(emitExp))
      .Case<math::Exp2Op>(unary(emitExp2))
      .Case<math::ExpM1Op>(unary(emitExpm1))
      .Case<math::LogOp>(unary(emitLog))
      .Case<math::Log2Op>(unary(emitLog2))
      .Case<math::Log10Op>(unary(emitLog10))
      .Case<math::Log1pOp>(unary(emitLog1p))
      .Case<math::SinOp>(unary(emitSin))
      .Case<math::CosOp>(unary(emitCos))
      .Case<math::TanOp>(unary(emitTan))
      .Case<math::AsinOp>(unary(emitAsin))
      .Case<math::AcosOp>(unary(emitAcos))
      .Case<math::AtanOp>(unary(emitAtan))
      .Case<math::Atan2Op>(binary(emitAtan2))
      .Case<math::SinhOp>(unary(emitSinh))
      .Case<math::CoshOp>(unary(emitCosh))
      .Case<math::TanhOp>(unary(emitTanh))
      .Case<math::AsinhOp>(unary(emitAsinh))
      .Case<math::AcoshOp>(unary(emitAcosh))
      .Case<math::AtanhOp>(unary(emitAtanh))
      .Case<math::ErfOp>(unary(emitErf))
      .Case<math::PowFOp>(binary(emitPow))
      .Case<math::RsqrtOp>(unary(emitRsqrt))
      .Case<arith::RemFOp>(binary(emitRemainder))
      .Default(Value());
}

/// libm's name of the elementary function `op` on f64; empty for other ops.
StringRef libmName(Operation *op) {
  if (isa<math::ExpM1Op>(op))
    return "expm1";
  if (isa<math::PowFOp>(op))
    return "pow";
  if (isa<math::AcosOp, math::AcoshOp, math::AsinOp, math::AsinhOp,
          math::AtanOp, math::Atan2Op, math::AtanhOp, math::CbrtOp, math::CosOp,
          math::CoshOp, math::ErfOp, math::ErfcOp, math::ExpOp, math::Exp2Op,
          math::LogOp, math::Log10Op, math::Log1pOp, math::Log2Op, math::SinOp,
          math::SinhOp, math::TanOp, math::TanhOp>(op))
    return op->getName().stripDialect();
  return "";
}

/// Calls of libm for each element of `op`'s f64 operands.
Value callLibm(ImplicitLocOpBuilder &b, Operation *op, StringRef name) {
  auto module = op->getParentOfType<ModuleOp>();
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function) {
    SmallVector<Type> parameters(op->getNumOperands(), b.getF64Type());
    OpBuilder atStart = OpBuilder::atBlockBegin(module.getBody());
    function =
        func::FuncOp::create(atStart, b.getLoc(), name,
                             b.getFunctionType(parameters, b.getF64Type()));
    function.setPrivate();
  }
  auto vectorType = dyn_cast<VectorType>(op->getResult(0).getType());
  if (!vectorType)
    return func::CallOp::create(b, function, op->getOperands()).getResult(0);
  Value result = arith::ConstantOp::create(b, b.getZeroAttr(Type(vectorType)));
  SmallVector<int64_t> strides = computeStrides(vectorType.getShape());
  for (int64_t i = 0; i < vectorType.getNumElements(); ++i) {
    SmallVector<int64_t> position = delinearize(i, strides);
    SmallVector<Value> elements;
    for (Value operand : op->getOperands())
      elements.push_back(vector::ExtractOp::create(b, operand, position));
    Value element = func::CallOp::create(b, function, elements).getResult(0);
    result = vector::InsertOp::create(b, element, result, position);
  }
  return result;
}

/// fma rounded once, by f64: the product is exact there.
Value emulateFMA(ImplicitLocOpBuilder &b, math::FmaOp op) {
  FloatCode c(b, op.getType());
  Value product = c.mul(c.extend(op.getA()), c.extend(op.getB()));
  return c.truncate(c.add(product, c.extend(op.getC())));
}

/// Rounding to integers in f32 without SSE4.1's instruction.
Value emulateRounding(ImplicitLocOpBuilder &b, Operation *op) {
  FloatCode c(b, op->getResult(0).getType());
  Value x = op->getOperand(0);
  Value a = c.abs(x), limit = c.constant(0x1p23f), one = c.constant(1);
  Value nearest = c.sub(c.add(a, limit), limit);
  if (!isa<math::RoundEvenOp>(op)) {
    // Of |x|: towards zero.
    Value down = c.sub(nearest, one);
    nearest = c.select(c.greater(nearest, a), down, nearest);
  }
  nearest = c.copySign(c.select(c.less(a, limit), nearest, a), x);
  if (isa<math::FloorOp>(op))
    nearest = c.select(c.greater(nearest, x), c.sub(nearest, one), nearest);
  if (isa<math::CeilOp>(op))
    nearest = c.copySign(
        c.select(c.less(nearest, x), c.add(nearest, one), nearest), x);
  return nearest;
}

/// f64 to f16 or bf16 with one rounding: first to f32 by rounding to odd, which
/// keeps apart what the second rounding must tell apart.
Value truncateDouble(ImplicitLocOpBuilder &b, arith::TruncFOp op) {
  Value x = op.getIn();
  Type f32 = b.getF32Type();
  if (auto shaped = dyn_cast<ShapedType>(x.getType()))
    f32 = shaped.clone(f32);
  FloatCode c(b, f32);
  Value nearest = c.truncate(x);
  Value back = c.extend(nearest);
  // NaN and infinities compare false or equal and stay.
  Value tooLarge = c.greater(c.abs(back), c.abs(x));
  Value inexact = c.create<arith::CmpFOp>(arith::CmpFPredicate::ONE, back, x);
  Value bits = c.bits(nearest);
  bits = c.select(tooLarge, c.isub(bits, c.integer(1)), bits);
  bits = c.select(inexact, c.ior(bits, c.integer(1)), bits);
  return arith::TruncFOp::create(b, op.getType(), c.fromBits(bits));
}

bool isHalf(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isF16() || element.isBF16();
}

/// The replacement of `op`, or null where it stays as it is.
Value expand(Operation *op, const ExpandMathOptions &options) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Type element = getElementTypeOrSelf(op->getResult(0).getType());
  StringRef name = libmName(op);
  if (element.isF64() && !name.empty())
    return !options.hasLibm && hasDoubleCode(op) ? emitDouble(b, op)
                                                 : callLibm(b, op, name);
  if (!element.isF64())
    if (Value result = expandElementary(b, op))
      return result;
  if (auto truncate = dyn_cast<arith::TruncFOp>(op))
    if (isHalf(truncate.getType()) &&
        getElementTypeOrSelf(truncate.getIn().getType()).isF64())
      return truncateDouble(b, truncate);
  return nullptr;
}

/// What `op` becomes on a machine without FMA and SSE4.1, or null.
Value expandForBaseline(Operation *op, const ExpandMathOptions &options) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  if (auto fma = dyn_cast<vector::FMAOp>(op); fma && !options.hasFMA) {
    Value product = arith::MulFOp::create(b, fma.getLhs(), fma.getRhs());
    return arith::AddFOp::create(b, product, fma.getAcc());
  }
  if (!getElementTypeOrSelf(op->getResult(0).getType()).isF32())
    return nullptr;
  if (auto fma = dyn_cast<math::FmaOp>(op); fma && !options.hasFMA)
    return emulateFMA(b, fma);
  if (isa<math::FloorOp, math::CeilOp, math::TruncOp, math::RoundEvenOp>(op) &&
      !options.hasRounding)
    return emulateRounding(b, op);
  return nullptr;
}

/// Walks `module` and replaces every op for which `expand` gives a value.
void replaceOps(ModuleOp module, function_ref<Value(Operation *)> expand) {
  SmallVector<Operation *> ops;
  module.walk([&](Operation *op) {
    if (op->getNumResults() == 1 &&
        isa<math::MathDialect, vector::VectorDialect, arith::ArithDialect>(
            op->getDialect()))
      ops.push_back(op);
  });
  for (Operation *op : ops)
    if (Value replacement = expand(op)) {
      op->getResult(0).replaceAllUsesWith(replacement);
      op->erase();
    }
}

bool usesHalf(ModuleOp module) {
  return module
      .walk([](Operation *op) {
        return llvm::any_of(op->getResultTypes(), isHalf)
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Selects f16 and bf16 as integers: LLVM selects them as f32 on some machines,
/// and calls a library to round back.
struct SelectHalfAsInteger final : OpRewritePattern<arith::SelectOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::SelectOp op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType(), bits = rewriter.getI16Type();
    if (!isHalf(type)) {
      return rewriter.notifyMatchFailure(op, "expected f16 or bf16");
    }
    if (auto shaped = dyn_cast<ShapedType>(type)) {
      bits = shaped.clone(bits);
    }
    Location loc = op.getLoc();
    Value chosen = arith::SelectOp::create(
        rewriter, loc, op.getCondition(),
        arith::BitcastOp::create(rewriter, loc, bits, op.getTrueValue()),
        arith::BitcastOp::create(rewriter, loc, bits, op.getFalseValue()));
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(op, type, chosen);
    return success();
  }
};

/// Arithmetic on f16 and bf16 in f32, and conversions that need no library.
LogicalResult expandHalf(ModuleOp module) {
  MLIRContext *context = module.getContext();
  TypeConverter converter;
  arith::populateEmulateUnsupportedFloatsConversions(
      converter, {Float16Type::get(context), BFloat16Type::get(context)},
      Float32Type::get(context));
  RewritePatternSet patterns(context);
  arith::populateEmulateUnsupportedFloatsPatterns(patterns, converter);
  ConversionTarget target(*context);
  arith::populateEmulateUnsupportedFloatsLegality(target, converter);
  if (failed(applyPartialConversion(module, target, std::move(patterns))))
    return failure();
  RewritePatternSet conversions(context);
  arith::populateExpandBFloat16Patterns(conversions);
  conversions.add<SelectHalfAsInteger>(context);
  return applyPatternsGreedily(module, std::move(conversions));
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
    registry.insert<arith::ArithDialect, func::FuncDialect, math::MathDialect,
                    vector::VectorDialect>();
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    replaceOps(module, [&](Operation *op) { return expand(op, options); });
    if (usesHalf(module) && failed(expandHalf(module)))
      return signalPassFailure();
    if (!options.hasFMA || !options.hasRounding)
      replaceOps(module,
                 [&](Operation *op) { return expandForBaseline(op, options); });
  }

  ExpandMathOptions options;
};

} // namespace

std::unique_ptr<Pass> createExpandMathPass(ExpandMathOptions options) {
  return std::make_unique<ExpandMathPass>(options);
}

} // namespace dlc
