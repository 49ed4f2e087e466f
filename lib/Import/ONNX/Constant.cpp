// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operators that make tensors from attributes, sizes and places.
#include "Builders.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace dlc::onnx {

LogicalResult buildConstant(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  unsigned given = 0;
  for (const AttrSpec &spec : ctx.schema.attributes) {
    given += ctx.has(spec.name);
  }
  if (given != 1) {
    return ctx.invalid("expected one value, got " + Twine(given));
  }
  if (const AttributeProto *value = ctx.attribute("value")) {
    return ctx.results(
        ctx.importer.importTensor(*value->t, ctx.node.output[0]));
  }
  auto vectorOf = [&](int64_t count, Type element) {
    return RankedTensorType::get({count}, element);
  };
  if (ctx.has("value_float")) {
    return ctx.results(
        b.scalar(b.getF32Type(), ctx.getFloat("value_float", 0)));
  }
  if (ctx.has("value_int")) {
    return ctx.results(b.fromInts({b.index(ctx.getInt("value_int", 0))},
                                  b.getI64Type(), true));
  }
  if (ctx.has("value_ints")) {
    llvm::ArrayRef<int64_t> ints = ctx.getInts("value_ints");
    return ctx.results(b.constant(
        DenseElementsAttr::get(vectorOf(ints.size(), b.getI64Type()), ints),
        ctx.node.output[0]));
  }
  if (const AttributeProto *value = ctx.attribute("value_floats")) {
    return ctx.results(b.constant(
        DenseElementsAttr::get(vectorOf(value->floats.size(), b.getF32Type()),
                               llvm::ArrayRef<float>(value->floats)),
        ctx.node.output[0]));
  }
  return ctx.unsupported(ctx.has("sparse_value") ? "a sparse value"
                                                 : "a string value");
}

LogicalResult buildConstantOfShape(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  FailureOr<Sizes> shape = b.readInts(ctx.input(0), "input");
  if (failed(shape)) {
    return failure();
  }
  Value value = b.scalar(b.getF32Type(), 0);
  if (const AttributeProto *given = ctx.attribute("value")) {
    value = ctx.importer.importTensor(*given->t, ctx.node.output[0]);
    if (!value) {
      return failure();
    }
    value = b.reshapeTo(value, {}, false);
  }
  return ctx.results(b.full(*shape, value));
}

LogicalResult buildEyeLike(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  if (ctx.rank() != 2) {
    return ctx.invalid("expected a matrix, got rank " + Twine(ctx.rank()));
  }
  Type type = ctx.element();
  if (ctx.has("dtype")) {
    type = ctx.importer.elementType(ctx.getInt("dtype", 0), "the result");
    if (!type) {
      return failure();
    }
  }
  Sizes all = b.sizes(ctx.input(0));
  Type index = b.getI64Type();
  Value offset =
      b.binary(Fn::sub, b.iota(all, 1, index), b.iota(all, 0, index));
  return ctx.results(
      b.cast(b.binary(Fn::eq, offset, ctx.getInt("k", 0)), type));
}

LogicalResult buildOneHot(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value indices = ctx.input(0), values = ctx.input(2);
  FailureOr<int64_t> axis = ctx.getAxis("axis", -1, ctx.rank() + 1);
  FailureOr<Sizes> depth = b.readInts(ctx.input(1), "depth");
  if (failed(axis) || failed(depth)) {
    return failure();
  }
  if (depth->size() != 1 || ctx.rank(2) != 1) {
    return ctx.invalid("expected one depth and a vector of two values, got " +
                       Twine(depth->size()) + " and rank " +
                       Twine(ctx.rank(2)));
  }
  Type index = b.getI64Type();
  Value places = b.unsqueeze(b.cast(indices, index), {*axis});
  if (!places) {
    return failure();
  }
  // A negative place counts from the end; any other outside is nowhere.
  Value size = b.fromInts({(*depth)[0]}, index, true);
  places = b.elementwise(Fn::select, {b.binary(Fn::lt, places, 0.0),
                                      b.binary(Fn::add, places, size), places});
  Sizes line(ctx.rank() + 1, b.index(1));
  line[*axis] = (*depth)[0];
  Value isHot = b.binary(Fn::eq, places, b.iota(line, *axis, index));
  auto valueAt = [&](int64_t i) {
    return b.reshape(b.sliceDim(values, 0, b.index(i), b.index(1)), {});
  };
  return ctx.results(
      b.elementwise(Fn::select, {isHot, valueAt(1), valueAt(0)}));
}

/// A scalar read on the host, floats as f64.
static Value readScalar(GraphBuilder &b, Value tensor) {
  Value scalar = b.reshapeTo(tensor, {}, false);
  return scalar ? tensor::ExtractOp::create(b, b.loc, scalar, ValueRange())
                      .getResult()
                : Value();
}

/// max(ceil((limit - start) / delta), 0) of floats.
static FailureOr<OpFoldResult> countFloats(NodeContext &ctx, Type type) {
  GraphBuilder &b = ctx.b;
  double numbers[3];
  bool known = true;
  for (unsigned i = 0; i < 3; ++i) {
    DenseElementsAttr constant = b.constantOf(ctx.input(i));
    known &= constant && constant.getNumElements() == 1;
    if (known) {
      APFloat value = *constant.getValues<APFloat>().begin();
      bool lossy;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                    &lossy);
      numbers[i] = value.convertToDouble();
    }
  }
  if (known) {
    double count = std::ceil((numbers[1] - numbers[0]) / numbers[2]);
    if (!(count < 1e15)) {
      return ctx.invalid("expected a range with an end, got delta " +
                         Twine(std::to_string(numbers[2])));
    }
    return OpFoldResult(b.index(std::max<int64_t>(count, 0)));
  }
  Value parts[3];
  for (unsigned i = 0; i < 3; ++i) {
    parts[i] = readScalar(b, b.cast(ctx.input(i), type));
    if (!parts[i]) {
      return failure();
    }
  }
  Value span = arith::SubFOp::create(b, b.loc, parts[1], parts[0]);
  Value count = math::CeilOp::create(
      b, b.loc, arith::DivFOp::create(b, b.loc, span, parts[2]).getResult());
  Value integer = arith::FPToSIOp::create(b, b.loc, b.getI64Type(), count);
  Value size = arith::IndexCastOp::create(b, b.loc, b.getIndexType(), integer);
  return b.max(size, b.index(0));
}

LogicalResult buildRange(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Type type = ctx.element(), work = type;
  OpFoldResult count;
  if (isa<FloatType>(type)) {
    // Small floats are computed as f32, as stash_type says.
    work = type.getIntOrFloatBitWidth() < 32 ? Type(b.getF32Type()) : type;
    FailureOr<OpFoldResult> counted = countFloats(ctx, work);
    if (failed(counted)) {
      return failure();
    }
    count = *counted;
  } else {
    OpFoldResult parts[3];
    for (unsigned i = 0; i < 3; ++i) {
      FailureOr<Sizes> read = b.readInts(ctx.input(i), "start, limit, delta");
      if (failed(read)) {
        return failure();
      }
      if (read->size() != 1) {
        return ctx.invalid("expected scalars");
      }
      parts[i] = (*read)[0];
    }
    OpFoldResult zero = b.index(0), delta = parts[2];
    if (failed(b.check(b.compare(arith::CmpIPredicate::ne, delta, zero),
                       "expected a delta that is not 0"))) {
      return failure();
    }
    OpFoldResult forward = b.compare(arith::CmpIPredicate::sgt, delta, zero);
    OpFoldResult span =
        b.select(forward, b.sub(parts[1], parts[0]), b.sub(parts[0], parts[1]));
    count = b.ceilDiv(span, b.select(forward, delta, b.sub(zero, delta)));
    count = b.isNonNegative(count) ? count : b.max(count, zero);
  }
  auto scalarOf = [&](unsigned i) {
    return b.cast(b.reshapeTo(ctx.input(i), {}, false), work);
  };
  Value places = b.cast(b.iota({count}, 0, b.getI64Type()), work);
  Value result =
      b.binary(Fn::add, b.binary(Fn::mul, places, scalarOf(2)), scalarOf(0));
  return ctx.results(b.cast(result, type));
}

LogicalResult buildTrilu(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t rank = ctx.rank();
  if (rank < 2) {
    return ctx.invalid("expected rank 2 or more, got " + Twine(rank));
  }
  Type index = b.getI64Type();
  Sizes all = b.sizes(ctx.input(0)), rows(rank, b.index(1)),
        columns(rank, b.index(1));
  rows[rank - 2] = all[rank - 2];
  columns[rank - 1] = all[rank - 1];
  Value first = b.scalar(index, 0);
  if (ctx.input(1)) {
    first = b.reshapeTo(ctx.input(1), {}, false);
  }
  Value diagonal = b.binary(Fn::add, b.iota(rows, rank - 2, index), first);
  bool upper = ctx.getInt("upper", 1) != 0;
  Value kept = b.binary(upper ? Fn::ge : Fn::le,
                        b.iota(columns, rank - 1, index), diagonal);
  return ctx.results(b.elementwise(
      Fn::select, {kept, ctx.input(0), b.scalar(ctx.element(), 0)}));
}

} // namespace dlc::onnx
