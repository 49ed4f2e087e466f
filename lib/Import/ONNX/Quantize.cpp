// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Quantisation, and operators on quantised tensors as dequantise, compute,
// quantise.
#include "Window.h"

using namespace mlir;

namespace dlc::onnx {

namespace {
/// Scale and zero point of one tensor, and how they lie on it.
struct Quantization {
  Value scale, zeroPoint;
  int64_t axis = 0, block = 0;
};
} // namespace

/// Brings scale and zero point into the form of nn: scalars of rank 0, vectors
/// along `axis`, or blocks.
static FailureOr<Quantization> readQuantization(NodeContext &ctx, Value x,
                                                Value scale, Value zeroPoint,
                                                int64_t axis, int64_t block) {
  GraphBuilder &b = ctx.b;
  Quantization result{scale, zeroPoint, 0, 0};
  int64_t rank = GraphBuilder::rankOf(x),
          scaleRank = GraphBuilder::rankOf(scale);
  bool single = scaleRank == 0 || (scaleRank == 1 && block == 0 &&
                                   isConstantIntValue(b.size(scale, 0), 1));
  if (single) {
    result.scale = b.reshape(scale, {});
    result.zeroPoint = zeroPoint ? b.reshapeTo(zeroPoint, {}, false) : Value();
    return result.scale && (!zeroPoint || result.zeroPoint)
               ? FailureOr<Quantization>(result)
               : FailureOr<Quantization>(failure());
  }
  if (zeroPoint && GraphBuilder::rankOf(zeroPoint) != scaleRank) {
    return ctx.invalid("expected a zero point of the scale's rank " +
                       Twine(scaleRank) + ", got " +
                       Twine(GraphBuilder::rankOf(zeroPoint)));
  }
  FailureOr<int64_t> normal = ctx.normalAxis(axis, rank);
  if (failed(normal)) {
    return failure();
  }
  result.axis = *normal;
  result.block = block;
  Sizes expected = b.sizes(x);
  if (block == 0) {
    expected = {expected[*normal]};
  } else {
    expected[*normal] = b.ceilDiv(expected[*normal], b.index(block));
  }
  if (scaleRank != static_cast<int64_t>(expected.size())) {
    return ctx.invalid("expected a scale of rank " + Twine(expected.size()) +
                       ", got " + Twine(scaleRank));
  }
  if (scaleRank == 1 && block == 0) {
    // A vector of unknown length may turn out to have one element.
    for (Value *factor : {&result.scale, &result.zeroPoint}) {
      if (*factor && !getConstantIntValue(b.size(*factor, 0)) &&
          !(*factor = b.expand(*factor, expected))) {
        return failure();
      }
    }
    scale = result.scale;
    zeroPoint = result.zeroPoint;
  }
  for (auto [dim, size] : llvm::enumerate(expected)) {
    if (failed(b.checkEqual(size, b.size(scale, dim), "the scale")) ||
        (zeroPoint && failed(b.checkEqual(size, b.size(zeroPoint, dim),
                                          "the zero point")))) {
      return failure();
    }
  }
  return result;
}

static Value quantize(NodeContext &ctx, Value x, const Quantization &how,
                      Type type, bool saturate) {
  GraphBuilder &b = ctx.b;
  if (!x) {
    return {};
  }
  Sizes all = b.sizes(x);
  return b.make<nn::QuantizeOp>(
      type, all, x, how.scale, how.zeroPoint, b.getI64IntegerAttr(how.axis),
      b.getI64IntegerAttr(how.block), b.getBoolAttr(saturate));
}

static Value dequantize(NodeContext &ctx, Value x, const Quantization &how) {
  GraphBuilder &b = ctx.b;
  if (!x) {
    return {};
  }
  Sizes all = b.sizes(x);
  return b.make<nn::DequantizeOp>(
      GraphBuilder::elementOf(how.scale), all, x, how.scale, how.zeroPoint,
      b.getI64IntegerAttr(how.axis), b.getI64IntegerAttr(how.block));
}

/// A data type attribute; null where it is absent or 0.
static FailureOr<Type> readType(NodeContext &ctx, StringRef name) {
  int64_t given = ctx.getInt(name, 0);
  if (given == 0) {
    return Type();
  }
  Type type = ctx.importer.elementType(given, "'" + name + "'");
  return type ? FailureOr<Type>(type) : FailureOr<Type>(failure());
}

static FailureOr<int64_t> readBlock(NodeContext &ctx) {
  int64_t block = ctx.getInt("block_size", 0);
  if (block < 0) {
    return ctx.invalid("expected a block_size of at least 0, got " +
                       Twine(block));
  }
  return block;
}

LogicalResult buildQuantizeLinear(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0), zeroPoint = ctx.input(2);
  FailureOr<Type> declared = readType(ctx, "output_dtype"),
                  precision = readType(ctx, "precision");
  FailureOr<int64_t> block = readBlock(ctx);
  if (failed(declared) || failed(precision) || failed(block)) {
    return failure();
  }
  Type type =
      zeroPoint ? ctx.element(2)
      : *declared
          ? *declared
          : Type(IntegerType::get(b.getContext(), 8, IntegerType::Unsigned));
  if (zeroPoint && *declared && *declared != type) {
    return ctx.invalid("expected output_dtype to be the zero point's type " +
                       typeName(type) + ", got " + typeName(*declared));
  }
  FailureOr<Quantization> how = readQuantization(
      ctx, x, ctx.input(1), zeroPoint, ctx.getInt("axis", 1), *block);
  if (failed(how)) {
    return failure();
  }
  // The division is done in the wider of both types, or as asked for.
  Type work = *precision ? *precision : ctx.element(1);
  if (!*precision && isa<FloatType>(ctx.element()) &&
      ctx.element().getIntOrFloatBitWidth() > work.getIntOrFloatBitWidth()) {
    work = ctx.element();
  }
  how->scale = b.cast(how->scale, work);
  return ctx.results(quantize(ctx, b.cast(x, work), *how, type,
                              ctx.getInt("saturate", 1) != 0));
}

LogicalResult buildDequantizeLinear(NodeContext &ctx) {
  FailureOr<Type> declared = readType(ctx, "output_dtype");
  FailureOr<int64_t> block = readBlock(ctx);
  if (failed(declared) || failed(block)) {
    return failure();
  }
  FailureOr<Quantization> how =
      readQuantization(ctx, ctx.input(0), ctx.input(1), ctx.input(2),
                       ctx.getInt("axis", 1), *block);
  if (failed(how)) {
    return failure();
  }
  Value result = dequantize(ctx, ctx.input(0), *how);
  return ctx.results(*declared ? ctx.b.cast(result, *declared) : result);
}

/// The operand of inputs i, i + 1 and i + 2 as floats.
static Value dequantizedInput(NodeContext &ctx, unsigned i, int64_t axis) {
  FailureOr<Quantization> how = readQuantization(
      ctx, ctx.input(i), ctx.input(i + 1), ctx.input(i + 2), axis, 0);
  return failed(how) ? Value() : dequantize(ctx, ctx.input(i), *how);
}

LogicalResult buildQLinearMatMul(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value result = b.matmul(dequantizedInput(ctx, 0, ctx.rank(0) == 1 ? 0 : -2),
                          dequantizedInput(ctx, 3, -1));
  if (!result) {
    return failure();
  }
  FailureOr<Quantization> how =
      readQuantization(ctx, result, ctx.input(6), ctx.input(7),
                       GraphBuilder::rankOf(result) > 1 ? -2 : 0, 0);
  return failed(how)
             ? failure()
             : ctx.results(quantize(ctx, result, *how, ctx.element(7), true));
}

LogicalResult buildQLinearConv(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value input = dequantizedInput(ctx, 0, 1),
        filter = dequantizedInput(ctx, 3, 0), bias = ctx.input(8);
  if (!input || !filter) {
    return failure();
  }
  if (bias) { // of scale x_scale * w_scale
    Type type = GraphBuilder::elementOf(input);
    Value scale =
        b.binary(Fn::mul, b.reshapeTo(ctx.input(1), {}, false), ctx.input(4));
    bias = b.binary(Fn::mul, b.cast(bias, type), scale);
    if (!bias) {
      return failure();
    }
  }
  FailureOr<Value> result = buildConvOf(ctx, input, filter, bias, {});
  if (failed(result) || !*result) {
    return failure();
  }
  FailureOr<Quantization> how =
      readQuantization(ctx, *result, ctx.input(6), ctx.input(7), 1, 0);
  return failed(how)
             ? failure()
             : ctx.results(quantize(ctx, *result, *how, ctx.element(7), true));
}

} // namespace dlc::onnx
