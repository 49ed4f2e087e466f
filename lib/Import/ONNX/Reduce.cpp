// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reductions, softmax, running sums, TopK.
#include "Axes.h"

using namespace mlir;

namespace dlc::onnx {

using nn::ReduceKind;

namespace {
/// What a reduction does, apart from its function.
struct Reduction {
  /// The tensor to reduce: input 0, or a copy with run-time axes moved last.
  Value input;
  SmallVector<int64_t> axes;
  /// With run-time axes and keepDims: the sizes of the result.
  std::optional<Sizes> kept;
  bool keepDims = true;
  /// No axes, and then nothing is reduced.
  bool isIdentity = false;
};
} // namespace

/// Version in which a reduction's axes became an input.
static int64_t axesInputSince(NodeContext &ctx) {
  return ctx.schema.name == "ReduceSum" ? 13 : 18;
}

static FailureOr<Reduction> readReduction(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Reduction reduction;
  reduction.input = ctx.input(0);
  reduction.keepDims = ctx.getInt("keepdims", 1) != 0;
  int64_t rank = ctx.rank();
  SmallVector<int64_t> axes(ctx.getInts("axes"));
  if (ctx.since() >= axesInputSince(ctx) && ctx.input(1)) {
    const Sizes *known = b.knownInts(ctx.input(1));
    RankedTensorType type = GraphBuilder::typeOf(ctx.input(1));
    bool all = type.getRank() == 1 && type.getDimSize(0) == rank;
    bool none = type.getRank() == 1 && type.getDimSize(0) == 0;
    if (!known && all) {
      // As many axes as dims are all of them, whatever their order.
      axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    } else if (!known && !none) {
      FailureOr<std::optional<Sizes>> read = readAxes(ctx, 1, 1, rank);
      Sizes kept;
      reduction.input =
          failed(read) ? Value() : moveAxesLast(ctx, **read, kept);
      if (!reduction.input) {
        return failure();
      }
      if (reduction.keepDims) {
        reduction.kept = kept;
      }
      reduction.keepDims = false;
      int64_t count = (*read)->size();
      axes = llvm::to_vector(llvm::seq<int64_t>(rank - count, rank));
    } else if (known) {
      FailureOr<SmallVector<int64_t>> read = b.readStatic(ctx.input(1), "axes");
      if (failed(read)) {
        return failure();
      }
      axes = *read;
    }
  }
  FailureOr<SmallVector<int64_t>> normal = ctx.normalAxes(axes, rank);
  if (failed(normal)) {
    return failure();
  }
  reduction.axes = *normal;
  if (reduction.axes.empty()) {
    reduction.isIdentity = ctx.getFlag("noop_with_empty_axes");
    if (!reduction.isIdentity) {
      reduction.axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    }
  }
  return reduction;
}

/// Number of elements that become one, as a scalar of that type.
static Value reducedCount(GraphBuilder &b, Value x,
                          llvm::ArrayRef<int64_t> axes, Type type) {
  OpFoldResult count = b.index(1);
  for (int64_t axis : axes) {
    count = b.mul(count, b.size(x, axis));
  }
  return b.cast(b.fromInts({count}, b.getI64Type(), true), type);
}

/// Puts dims of size 1 back where run-time axes were.
static LogicalResult giveReduced(NodeContext &ctx, const Reduction &reduction,
                                 Value result) {
  return ctx.results(reduction.kept ? ctx.b.reshape(result, *reduction.kept)
                                    : result);
}

template <ReduceKind kind> LogicalResult buildReduce(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  FailureOr<Reduction> reduction = readReduction(ctx);
  if (failed(reduction)) {
    return failure();
  }
  Value x = reduction->input;
  if (reduction->isIdentity) {
    return ctx.results(x);
  }
  ReduceKind actual = kind;
  bool isLogical = ctx.element().isInteger(1);
  if (isLogical) {
    actual = kind == ReduceKind::min ? ReduceKind::all : ReduceKind::any;
  }
  if (kind == ReduceKind::mean && isa<IntegerType>(ctx.element())) {
    Value sum =
        b.reduce(ReduceKind::sum, x, reduction->axes, reduction->keepDims);
    return giveReduced(
        ctx, *reduction,
        b.binary(Fn::div, sum,
                 reducedCount(b, x, reduction->axes, ctx.element())));
  }
  return giveReduced(ctx, *reduction,
                     b.reduce(actual, x, reduction->axes, reduction->keepDims));
}

template LogicalResult buildReduce<ReduceKind::sum>(NodeContext &);
template LogicalResult buildReduce<ReduceKind::mean>(NodeContext &);
template LogicalResult buildReduce<ReduceKind::prod>(NodeContext &);
template LogicalResult buildReduce<ReduceKind::max>(NodeContext &);
template LogicalResult buildReduce<ReduceKind::min>(NodeContext &);

/// A reduction between two elementwise steps. `before` and `after` see floats
/// unless `onInts`.
static LogicalResult
buildComposite(NodeContext &ctx, bool onInts,
               llvm::function_ref<Value(Value, const Reduction &)> compute) {
  GraphBuilder &b = ctx.b;
  FailureOr<Reduction> reduction = readReduction(ctx);
  if (failed(reduction)) {
    return failure();
  }
  bool isFloat = isa<FloatType>(ctx.element());
  Value x = isFloat || onInts ? reduction->input
                              : b.cast(reduction->input, b.getF64Type());
  return giveReduced(ctx, *reduction,
                     b.cast(compute(x, *reduction), ctx.element()));
}

static Value squareOf(GraphBuilder &b, Value x) {
  Value wide = b.widen(x);
  return b.binary(Fn::mul, wide, wide);
}

static Value sumOf(GraphBuilder &b, Value x, const Reduction &reduction) {
  return reduction.isIdentity
             ? x
             : b.reduce(ReduceKind::sum, x, reduction.axes, reduction.keepDims);
}

LogicalResult buildReduceL1(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  return buildComposite(ctx, true, [&](Value x, const Reduction &r) {
    bool isUnsigned = ctx.element().isUnsignedInteger();
    return sumOf(b, isUnsigned ? x : b.unary(Fn::abs, x), r);
  });
}

LogicalResult buildReduceL2(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  return buildComposite(ctx, false, [&](Value x, const Reduction &r) {
    return b.unary(Fn::sqrt, sumOf(b, squareOf(b, x), r));
  });
}

LogicalResult buildReduceLogSum(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  return buildComposite(ctx, false, [&](Value x, const Reduction &r) {
    return b.unary(Fn::log, sumOf(b, x, r));
  });
}

LogicalResult buildReduceSumSquare(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  return buildComposite(ctx, true, [&](Value x, const Reduction &r) {
    return sumOf(b, squareOf(b, x), r);
  });
}

LogicalResult buildReduceLogSumExp(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  return buildComposite(ctx, false, [&](Value x, const Reduction &r) {
    if (r.isIdentity) {
      return x; // log(exp(x))
    }
    // Shifted by the maximum, unless that is infinite.
    Value max = b.reduce(ReduceKind::max, x, r.axes, true);
    if (!max) {
      return Value();
    }
    Value isInf =
        b.elementwise(Fn::is_inf, {max}, {{"negative", 1}, {"positive", 1}});
    Value shift = b.elementwise(
        Fn::select, {isInf, b.scalar(GraphBuilder::elementOf(x), 0), max});
    Value sum =
        b.reduce(ReduceKind::sum, b.unary(Fn::exp, b.binary(Fn::sub, x, shift)),
                 r.axes, true);
    Value result = b.binary(Fn::add, b.unary(Fn::log, sum), shift);
    return r.keepDims ? result : b.squeeze(result, r.axes);
  });
}

template <ReduceKind kind> LogicalResult buildArg(NodeContext &ctx) {
  FailureOr<int64_t> axis = ctx.getAxis("axis", 0, ctx.rank());
  if (failed(axis)) {
    return failure();
  }
  return ctx.results(ctx.b.reduce(kind, ctx.input(0), {*axis},
                                  ctx.getInt("keepdims", 1) != 0,
                                  ctx.getFlag("select_last_index")));
}

template LogicalResult buildArg<ReduceKind::argmax>(NodeContext &);
template LogicalResult buildArg<ReduceKind::argmin>(NodeContext &);

/// The softmax axes: one, or before version 13 all from the axis on.
static FailureOr<SmallVector<int64_t>> softmaxAxes(NodeContext &ctx) {
  bool flattens = ctx.since() < 13;
  FailureOr<int64_t> axis = ctx.getAxis("axis", flattens ? 1 : -1, ctx.rank());
  if (failed(axis)) {
    return failure();
  }
  if (!flattens) {
    return SmallVector<int64_t>{*axis};
  }
  return llvm::to_vector(llvm::seq<int64_t>(*axis, ctx.rank()));
}

template <bool log> LogicalResult buildSoftmax(NodeContext &ctx) {
  FailureOr<SmallVector<int64_t>> axes = softmaxAxes(ctx);
  return failed(axes) ? failure()
                      : ctx.results(ctx.b.softmax(ctx.input(0), *axes, log));
}

template LogicalResult buildSoftmax<false>(NodeContext &);
template LogicalResult buildSoftmax<true>(NodeContext &);

LogicalResult buildHardmax(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  FailureOr<SmallVector<int64_t>> axes = softmaxAxes(ctx);
  if (failed(axes)) {
    return failure();
  }
  Value x = ctx.input(0);
  Sizes all = b.sizes(x);
  int64_t axis = axes->front();
  if (axes->size() > 1) {
    x = b.collapse(x, axis, ctx.rank());
  }
  Value place = b.reduce(ReduceKind::argmax, x, {axis}, true);
  if (!place) {
    return failure();
  }
  Sizes line(GraphBuilder::rankOf(x), b.index(1));
  line[axis] = b.size(x, axis);
  Value isHot = b.binary(Fn::eq, place, b.iota(line, axis, b.getI64Type()));
  return ctx.results(b.reshape(b.cast(isHot, ctx.element()), all));
}

template <nn::ScanKind kind> LogicalResult buildScan(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  bool exclusive = ctx.getFlag("exclusive"), reverse = ctx.getFlag("reverse");
  FailureOr<Sizes> read = b.readInts(ctx.input(1), "axis");
  if (failed(read)) {
    return failure();
  }
  if (read->size() != 1 || ctx.rank() < 1) {
    return ctx.invalid("expected one axis of a tensor of rank 1 or more");
  }
  Value x = ctx.input(0);
  if (std::optional<int64_t> known = getConstantIntValue((*read)[0])) {
    FailureOr<int64_t> normal = ctx.normalAxis(*known, ctx.rank());
    return failed(normal)
               ? failure()
               : ctx.results(b.scan(kind, x, *normal, exclusive, reverse));
  }
  // Along the middle of three dims: those before the axis, the axis, the rest.
  FailureOr<std::optional<Sizes>> axes = readAxes(ctx, 1, 1, ctx.rank());
  if (failed(axes)) {
    return failure();
  }
  OpFoldResult axis = (**axes)[0];
  Sizes all = b.sizes(x), merged(3, b.index(1));
  for (auto [dim, size] : llvm::enumerate(all)) {
    auto here = b.index(static_cast<int64_t>(dim));
    auto choose = [&](arith::CmpIPredicate predicate) {
      return b.select(b.compare(predicate, here, axis), size, b.index(1));
    };
    merged[0] = b.mul(merged[0], choose(arith::CmpIPredicate::slt));
    merged[1] = b.mul(merged[1], choose(arith::CmpIPredicate::eq));
    merged[2] = b.mul(merged[2], choose(arith::CmpIPredicate::sgt));
  }
  Value lines = b.reshape(x, merged);
  return ctx.results(
      b.reshape(b.scan(kind, lines, 1, exclusive, reverse), all));
}

template LogicalResult buildScan<nn::ScanKind::sum>(NodeContext &);
template LogicalResult buildScan<nn::ScanKind::prod>(NodeContext &);

LogicalResult buildTopK(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  FailureOr<int64_t> axis = ctx.getAxis("axis", -1, ctx.rank());
  if (failed(axis)) {
    return failure();
  }
  OpFoldResult k = b.index(ctx.getInt("k", 0));
  if (ctx.since() >= 10) {
    FailureOr<Sizes> read = b.readInts(ctx.input(1), "K");
    if (failed(read)) {
      return failure();
    }
    if (read->size() != 1) {
      return ctx.invalid("expected one K, got " + Twine(read->size()));
    }
    k = (*read)[0];
  }
  auto [values, indices] =
      b.sort(ctx.input(0), k, *axis, ctx.getInt("largest", 1) != 0);
  return ctx.results({values, indices});
}

} // namespace dlc::onnx
