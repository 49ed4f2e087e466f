// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// GridSample in any number of spatial dims: the neighbours of each sampled
// point are gathered, and summed with their weights.
#include "Builders.h"

using namespace mlir;

namespace dlc::onnx {

namespace {

enum class Padding { Zeros, Border, Reflection };

/// The neighbours of the points along one dim: (N, out...) each.
struct Neighbors {
  SmallVector<Value> indices, weights;
};

class GridSampler {
public:
  explicit GridSampler(NodeContext &ctx)
      : ctx(ctx), b(ctx.b), input(ctx.input(0)), spatial(ctx.rank() - 2) {}

  LogicalResult build();

private:
  LogicalResult read();
  Value pointsAlong(int64_t dim);
  Value reflect(Value x, int64_t dim);
  Value wrap(Value points, int64_t dim);
  Neighbors findNeighbors(int64_t dim);
  Value gather(ArrayRef<Value> indices);
  /// The sum over the neighbours along `dim` and the dims after it.
  Value sum(ArrayRef<Neighbors> all, SmallVector<Value> &indices, Value weight);

  Value number(OpFoldResult size, double scale, double offset) {
    Value value = b.cast(b.fromInts({size}, b.getI64Type(), true), f32());
    return b.binary(Fn::add, b.binary(Fn::mul, value, scale), offset);
  }
  OpFoldResult sizeAlong(int64_t dim) { return b.size(input, dim + 2); }
  Type f32() { return b.getF32Type(); }

  NodeContext &ctx;
  GraphBuilder &b;
  Value input;
  int64_t spatial;
  StringRef mode;
  Padding padding = Padding::Zeros;
  bool alignCorners = false;
};

LogicalResult GridSampler::read() {
  if (spatial < 1 || ctx.rank(1) != spatial + 2) {
    return ctx.invalid("expected an input and a grid of one rank from 3 up, "
                       "got " +
                       Twine(ctx.rank()) + " and " + Twine(ctx.rank(1)));
  }
  mode = ctx.getString("mode", "linear");
  mode.consume_front("bi");
  if (mode != "nearest" && mode != "linear" && mode != "cubic") {
    return ctx.invalid("unknown mode '" + mode + "'");
  }
  StringRef name = ctx.getString("padding_mode", "zeros");
  std::optional<Padding> known =
      llvm::StringSwitch<std::optional<Padding>>(name)
          .Case("zeros", Padding::Zeros)
          .Case("border", Padding::Border)
          .Case("reflection", Padding::Reflection)
          .Default(std::nullopt);
  if (!known) {
    return ctx.invalid("unknown padding_mode '" + name + "'");
  }
  padding = *known;
  alignCorners = ctx.getFlag("align_corners");
  Value grid = ctx.input(1);
  if (failed(b.checkEqual(b.size(input, 0), b.size(grid, 0), "the grid"))) {
    return failure();
  }
  return b.checkEqual(b.index(spatial), b.size(grid, spatial + 1),
                      "the last dim of the grid");
}

/// Mirrored at the first and last place as often as needed. A period is there
/// and back.
Value GridSampler::reflect(Value x, int64_t dim) {
  double first = alignCorners ? 0 : -0.5;
  OpFoldResult size = sizeAlong(dim);
  Value length = number(size, 1, alignCorners ? -1 : 0);
  // Of one place the corners are the same.
  length = b.binary(Fn::maximum, length, 1e-30);
  Value period = b.binary(Fn::mul, length, 2.0);
  Value t = b.binary(Fn::mod_trunc,
                     b.unary(Fn::abs, b.binary(Fn::sub, x, first)), period);
  Value back = b.binary(Fn::sub, period, t);
  return b.binary(Fn::add, b.binary(Fn::minimum, t, back), first);
}

/// Points outside, in the ways that move them inside.
Value GridSampler::wrap(Value points, int64_t dim) {
  if (padding == Padding::Reflection) {
    return reflect(points, dim);
  }
  // Of cubic ones each neighbour is taken from the border, as PyTorch and ONNX
  // Runtime do it.
  if (padding == Padding::Border && mode != "cubic") {
    Value last = number(sizeAlong(dim), 1, -1);
    return b.binary(Fn::minimum, b.binary(Fn::maximum, points, 0.0), last);
  }
  return points;
}

/// Where the points lie along a dim, in units of its places.
Value GridSampler::pointsAlong(int64_t dim) {
  Value grid = ctx.input(1);
  // The grid's last dim counts the dims from the last.
  Value points =
      b.sliceDim(grid, spatial + 1, b.index(spatial - 1 - dim), b.index(1));
  points = b.cast(b.squeeze(points, {spatial + 1}), f32());
  Value shifted = b.binary(Fn::add, points, 1.0);
  OpFoldResult size = sizeAlong(dim);
  if (alignCorners) {
    return b.binary(Fn::mul, b.binary(Fn::mul, shifted, 0.5),
                    number(size, 1, -1));
  }
  Value scaled = b.binary(Fn::mul, shifted, number(size, 1, 0));
  return b.binary(Fn::mul, b.binary(Fn::sub, scaled, 1.0), 0.5);
}

/// Keys' cubic convolution with a = -3/4, of the distance to a neighbour.
Value cubicWeight(GraphBuilder &b, Value distance, bool isNear) {
  constexpr double a = -0.75;
  // Horner's rule: near (a+2) x^3 - (a+3) x^2 + 1, far a (x^3 - 5 x^2 + 8 x -
  // 4).
  double near[] = {a + 2, -(a + 3), 0, 1}, far[] = {a, -5 * a, 8 * a, -4 * a};
  double *coefficients = isNear ? near : far;
  Value result = b.binary(Fn::mul, distance, coefficients[0]);
  for (int i = 1; i < 3; ++i) {
    result =
        b.binary(Fn::mul, b.binary(Fn::add, result, coefficients[i]), distance);
  }
  return b.binary(Fn::add, result, coefficients[3]);
}

Neighbors GridSampler::findNeighbors(int64_t dim) {
  Neighbors found;
  Value points = pointsAlong(dim);
  if (mode == "nearest") {
    points = wrap(b.unary(Fn::round_even, points), dim);
    found.indices.push_back(b.cast(points, b.getI64Type()));
    return found;
  }
  points = wrap(points, dim);
  Value below = b.unary(Fn::floor, points);
  Value part = b.binary(Fn::sub, points, below);
  bool isCubic = mode == "cubic";
  for (int offset = isCubic ? -1 : 0; offset < (isCubic ? 3 : 2); ++offset) {
    Value place = b.binary(Fn::add, below, double(offset));
    if (padding == Padding::Reflection) {
      place = reflect(place, dim);
    }
    found.indices.push_back(b.cast(place, b.getI64Type()));
    // |part - offset|.
    Value distance =
        offset <= 0 ? b.binary(Fn::sub, part, double(offset))
                    : b.binary(Fn::add, b.unary(Fn::neg, part), double(offset));
    found.weights.push_back(
        isCubic ? cubicWeight(b, distance, offset == 0 || offset == 1)
                : b.binary(Fn::add, b.unary(Fn::neg, distance), 1.0));
  }
  return found;
}

/// One neighbour of each point, in all channels: (N, C, out...).
Value GridSampler::gather(ArrayRef<Value> indices) {
  if (llvm::is_contained(indices, Value())) {
    return {};
  }
  Sizes result{b.size(input, 0), b.size(input, 1)};
  SmallVector<AffineExpr> indexDims{b.getAffineDimExpr(0)};
  SmallVector<int64_t> indexed;
  for (int64_t dim = 0; dim < spatial; ++dim) {
    result.push_back(b.size(ctx.input(1), dim + 1));
    indexDims.push_back(b.getAffineDimExpr(dim + 2));
    indexed.push_back(dim + 2);
  }
  int64_t loops = spatial + 2;
  SmallVector<AffineMap> maps(
      spatial, AffineMap::get(loops, 0, indexDims, b.getContext()));
  AffineMap inputMap = AffineMap::get(
      loops, 0, {b.getAffineDimExpr(0), b.getAffineDimExpr(1)}, b.getContext());
  return b.make<nn::GatherOp>(
      ctx.element(), result, input, ValueRange(indices), indexed,
      b.getAffineMapArrayAttr(maps), inputMap, nn::dynamicSizes(result),
      /*negative_wrap=*/false,
      padding == Padding::Zeros ? nn::BoundsMode::zero : nn::BoundsMode::clamp);
}

Value GridSampler::sum(ArrayRef<Neighbors> all, SmallVector<Value> &indices,
                       Value weight) {
  size_t dim = indices.size();
  if (dim == all.size()) {
    Value sample = gather(indices);
    Type wide = ctx.element().isF64() ? b.getF64Type() : f32();
    return b.binary(Fn::mul, b.cast(sample, wide),
                    b.cast(b.unsqueeze(weight, {1}), wide));
  }
  Value result;
  for (auto [index, own] :
       llvm::zip_equal(all[dim].indices, all[dim].weights)) {
    indices.push_back(index);
    Value part =
        sum(all, indices, weight ? b.binary(Fn::mul, weight, own) : own);
    result = result ? b.binary(Fn::add, result, part) : part;
    indices.pop_back();
  }
  return result;
}

LogicalResult GridSampler::build() {
  if (failed(read())) {
    return failure();
  }
  SmallVector<Neighbors> all;
  SmallVector<Value> indices;
  for (int64_t dim = 0; dim < spatial; ++dim) {
    all.push_back(findNeighbors(dim));
  }
  if (mode == "nearest") {
    for (const Neighbors &along : all) {
      indices.push_back(along.indices[0]);
    }
    return ctx.results(gather(indices));
  }
  return ctx.results(b.cast(sum(all, indices, Value()), ctx.element()));
}

} // namespace

LogicalResult buildGridSample(NodeContext &ctx) {
  return GridSampler(ctx).build();
}

} // namespace dlc::onnx
