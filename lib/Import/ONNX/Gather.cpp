// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operators that read or write at computed places.
#include "Builders.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace dlc::onnx {

LogicalResult buildGather(NodeContext &ctx) {
  FailureOr<int64_t> axis = ctx.getAxis("axis", 0, ctx.rank());
  return failed(axis)
             ? failure()
             : ctx.results(ctx.b.take(ctx.input(0), ctx.input(1), *axis));
}

LogicalResult buildGatherElements(NodeContext &ctx) {
  FailureOr<int64_t> axis = ctx.getAxis("axis", 0, ctx.rank());
  return failed(axis) ? failure()
                      : ctx.results(ctx.b.gatherElements(ctx.input(0),
                                                         ctx.input(1), *axis));
}

LogicalResult buildGatherND(NodeContext &ctx) {
  int64_t batchDims = ctx.getInt("batch_dims", 0);
  if (batchDims < 0) {
    return ctx.invalid("expected batch_dims of at least 0, got " +
                       Twine(batchDims));
  }
  return ctx.results(ctx.b.gatherND(ctx.input(0), ctx.input(1), batchDims));
}

static FailureOr<nn::ScatterKind> scatterKind(NodeContext &ctx) {
  StringRef text = ctx.getString("reduction", "none");
  auto kind = llvm::StringSwitch<std::optional<nn::ScatterKind>>(text)
                  .Case("none", nn::ScatterKind::assign)
                  .Case("add", nn::ScatterKind::add)
                  .Case("mul", nn::ScatterKind::mul)
                  .Case("min", nn::ScatterKind::min)
                  .Case("max", nn::ScatterKind::max)
                  .Default(std::nullopt);
  if (!kind) {
    return ctx.invalid("expected reduction none, add, mul, min or max, got '" +
                       text + "'");
  }
  return *kind;
}

LogicalResult buildScatterElements(NodeContext &ctx) {
  FailureOr<int64_t> axis = ctx.getAxis("axis", 0, ctx.rank());
  FailureOr<nn::ScatterKind> kind = scatterKind(ctx);
  if (failed(axis) || failed(kind)) {
    return failure();
  }
  return ctx.results(ctx.b.scatterElements(ctx.input(0), ctx.input(1),
                                           ctx.input(2), *axis, *kind));
}

LogicalResult buildScatterND(NodeContext &ctx) {
  FailureOr<nn::ScatterKind> kind = scatterKind(ctx);
  if (failed(kind)) {
    return failure();
  }
  return ctx.results(
      ctx.b.scatterND(ctx.input(0), ctx.input(1), ctx.input(2), *kind));
}

LogicalResult buildTensorScatter(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t rank = ctx.rank();
  FailureOr<int64_t> axis = ctx.getAxis("axis", -2, rank);
  StringRef mode = ctx.getString("mode", "linear");
  if (failed(axis)) {
    return failure();
  }
  if (ctx.rank(1) != rank || *axis == 0 ||
      (mode != "linear" && mode != "circular")) {
    return ctx.invalid("expected an update of rank " + Twine(rank) +
                       ", an axis after the batch and mode linear or "
                       "circular, got rank " +
                       Twine(ctx.rank(1)) + ", axis " + Twine(*axis) +
                       " and '" + mode + "'");
  }
  Sizes all = b.sizes(ctx.input(0));
  for (int64_t dim = 0; dim < rank; ++dim) {
    OpFoldResult own = b.size(ctx.input(1), dim);
    LogicalResult fits =
        dim == *axis
            ? b.check(b.compare(arith::CmpIPredicate::sle, own, all[dim]),
                      "expected an update of at most {0}, got {1}",
                      {all[dim], own})
            : b.checkEqual(all[dim], own,
                           "dim " + Twine(dim) + " of the update");
    if (failed(fits)) {
      return failure();
    }
  }
  return ctx.results(b.make<nn::CacheUpdateOp>(
      ctx.element(), all, ctx.input(0), ctx.input(1), ctx.input(2),
      b.getI64IntegerAttr(*axis), b.getI64IntegerAttr(0),
      mode == "circular" ? b.getUnitAttr() : UnitAttr()));
}

/// Coordinates of all elements that are not zero; their number is the result's
/// own.
static Value nonzero(GraphBuilder &b, Value x) {
  auto type = RankedTensorType::get(
      {GraphBuilder::rankOf(x), ShapedType::kDynamic}, b.getI64Type());
  return nn::NonzeroOp::create(b, b.loc, type, x);
}

LogicalResult buildNonZero(NodeContext &ctx) {
  if (ctx.rank() == 0) {
    return ctx.unsupported("a scalar input");
  }
  return ctx.results(nonzero(ctx.b, ctx.input(0)));
}

LogicalResult buildCompress(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0);
  int64_t axis = 0;
  if (ctx.rank(1) != 1) {
    return ctx.invalid("expected a condition of rank 1, got " +
                       Twine(ctx.rank(1)));
  }
  if (ctx.has("axis")) {
    FailureOr<int64_t> given = ctx.getAxis("axis", 0, ctx.rank());
    if (failed(given)) {
      return failure();
    }
    axis = *given;
  } else {
    x = b.reshape(x, {b.product(Sizes(b.sizes(x)))});
  }
  OpFoldResult length = b.size(ctx.input(1), 0), extent = b.size(x, axis);
  if (failed(b.check(b.compare(arith::CmpIPredicate::sle, length, extent),
                     "expected a condition of at most {0} elements, got {1}",
                     {extent, length}))) {
    return failure();
  }
  Value places = nonzero(b, ctx.input(1));
  return ctx.results(b.take(x, b.reshape(places, {b.size(places, 1)}), axis));
}

LogicalResult buildReverseSequence(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t rank = ctx.rank();
  FailureOr<int64_t> batch = ctx.getAxis("batch_axis", 1, rank),
                     time = ctx.getAxis("time_axis", 0, rank);
  if (failed(batch) || failed(time)) {
    return failure();
  }
  if (rank < 2 || *batch == *time || ctx.rank(1) != 1) {
    return ctx.invalid("expected different batch and time axes and lengths of "
                       "rank 1, got " +
                       Twine(*batch) + ", " + Twine(*time) + " and " +
                       Twine(ctx.rank(1)));
  }
  Sizes all = b.sizes(ctx.input(0)), places(rank, b.index(1)),
        rows(rank, b.index(1));
  places[*time] = all[*time];
  rows[*batch] = all[*batch];
  Type index = b.getI64Type();
  if (failed(b.checkEqual(all[*batch], b.size(ctx.input(1), 0),
                          "sequence_lens"))) {
    return failure();
  }
  Value lengths = b.reshape(b.cast(ctx.input(1), index), rows);
  Value place = b.iota(places, *time, index);
  Value mirrored = b.binary(Fn::sub, b.binary(Fn::sub, lengths, place), 1);
  Value source = b.elementwise(
      Fn::select, {b.binary(Fn::lt, place, lengths), mirrored, place});
  return ctx.results(
      b.gatherElements(ctx.input(0), b.broadcastTo(source, all), *time));
}

} // namespace dlc::onnx
