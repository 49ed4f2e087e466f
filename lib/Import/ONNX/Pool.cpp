// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pooling and local response normalisation.
#include "Window.h"

using namespace mlir;

namespace dlc::onnx {

template <nn::PoolKind kind> LogicalResult buildPool(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value input = ctx.input(0);
  llvm::ArrayRef<int64_t> kernel = ctx.getInts("kernel_shape");
  if (ctx.rank() < 3 || static_cast<int64_t>(kernel.size()) != ctx.rank() - 2) {
    return ctx.invalid("expected an input of rank 3 or more and a kernel_shape "
                       "of two dims less, got rank " +
                       Twine(ctx.rank()) + " and " + Twine(kernel.size()));
  }
  Window window;
  Sizes spans;
  for (int64_t size : kernel) {
    if (size < 1 || size > INT32_MAX) {
      return ctx.invalid("expected a positive kernel_shape, got " +
                         Twine(size));
    }
    window.kernel.push_back(size);
    spans.push_back(b.index(size));
  }
  if (failed(readWindowSteps(ctx, kernel.size(), window)) ||
      failed(readPads(ctx, input, spans, window))) {
    return failure();
  }
  window.ceil = ctx.getFlag("ceil_mode");
  GraphBuilder::PoolOptions options;
  options.countIncludePad = ctx.getFlag("count_include_pad");
  options.columnMajor = ctx.getFlag("storage_order");
  options.wantIndices = ctx.wantsOutput(1);
  options.p = ctx.getInt("p", 2);
  if (options.p < 1) {
    return ctx.invalid("expected p of at least 1, got " + Twine(options.p));
  }
  auto [result, indices] = b.pool(kind, input, window, options);
  return ctx.results({result, indices});
}

template LogicalResult buildPool<nn::PoolKind::max>(NodeContext &);
template LogicalResult buildPool<nn::PoolKind::avg>(NodeContext &);
template LogicalResult buildPool<nn::PoolKind::lp>(NodeContext &);

LogicalResult buildGlobalLpPool(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t p = ctx.getInt("p", 2);
  if (p < 1) {
    return ctx.invalid("expected p of at least 1, got " + Twine(p));
  }
  auto spatial = llvm::to_vector(llvm::seq<int64_t>(2, ctx.rank()));
  Value power = b.unary(Fn::abs, ctx.input(0));
  power = p == 1 ? power : b.binary(Fn::pow, power, p);
  Value sum = b.reduce(nn::ReduceKind::sum, power, spatial, true);
  return ctx.results(p == 1 ? sum : b.binary(Fn::pow, sum, 1.0 / p));
}

LogicalResult buildMaxUnpool(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value input = ctx.input(0);
  size_t rank = ctx.rank() - 2;
  llvm::ArrayRef<int64_t> kernel = ctx.getInts("kernel_shape"),
                          pads = ctx.getInts("pads");
  Window window;
  if (ctx.rank() < 3 || kernel.size() != rank ||
      (!pads.empty() && pads.size() != 2 * rank)) {
    return ctx.invalid("expected kernel_shape and pads that fit rank " +
                       Twine(ctx.rank()));
  }
  if (failed(readWindowSteps(ctx, rank, window))) {
    return failure();
  }
  // Indices are flat places of the tensor that had been pooled.
  Sizes pooled = b.sizes(input);
  for (size_t i = 0; i < rank; ++i) {
    int64_t cut = pads.empty() ? 0 : pads[i] + pads[rank + i];
    pooled[i + 2] = b.add(
        b.mul(b.sub(pooled[i + 2], b.index(1)), b.index(window.strides[i])),
        b.index(kernel[i] - cut));
  }
  std::optional<Sizes> given;
  if (ctx.input(2)) {
    FailureOr<Sizes> shape = b.readInts(ctx.input(2), "output_shape");
    if (failed(shape)) {
      return failure();
    }
    if (shape->size() != pooled.size()) {
      return ctx.invalid("expected an output_shape of " + Twine(pooled.size()) +
                         " dims, got " + Twine(shape->size()));
    }
    given = *shape;
  }
  Value dest = b.full({b.product(pooled)}, b.scalar(ctx.element(), 0));
  OpFoldResult count = b.product(Sizes(b.sizes(input)));
  Value flat =
      b.scatterElements(dest, b.reshape(ctx.input(1), {count}),
                        b.reshape(input, {count}), 0, nn::ScatterKind::assign);
  Value result = b.reshape(flat, pooled);
  if (!given || !result) {
    return ctx.results(result);
  }
  // ONNX's reference places by the inferred shape, and pads at the end.
  Sizes low(pooled.size(), b.index(0)), high;
  for (auto [from, to] : llvm::zip_equal(pooled, *given)) {
    high.push_back(b.sub(to, from));
    if (failed(b.check(
            b.compare(arith::CmpIPredicate::sge, high.back(), b.index(0)),
            "expected an output_shape of at least {0}, got {1}", {from, to}))) {
      return failure();
    }
    high.back() = b.max(high.back(), b.index(0));
  }
  return ctx.results(b.pad(result, low, high, nn::PadMode::constant, Value()));
}

/// Widest sum over channels that is written out.
static constexpr int64_t kMaxUnrolledLRN = 9;

/// The sum over `size` neighbouring channels as that many slices, which one
/// kernel adds.
static Value addNeighbours(GraphBuilder &b, Value x, int64_t size) {
  Sizes sizes = b.sizes(x), low(sizes.size(), b.index(0)), high = low;
  low[1] = b.index((size - 1) / 2);
  high[1] = b.index(size / 2);
  Value padded = b.pad(x, low, high, nn::PadMode::constant, Value());
  Value sum;
  for (int64_t i = 0; i < size; ++i) {
    Value part = b.sliceDim(padded, 1, b.index(i), sizes[1]);
    sum = sum ? b.binary(Fn::add, sum, part) : part;
  }
  return sum;
}

/// The same as pooling of (N, 1, C, rest).
static Value poolChannels(GraphBuilder &b, Value x, int64_t size) {
  Sizes all = b.sizes(x);
  OpFoldResult rest = b.product(llvm::ArrayRef(all).drop_front(2));
  Window window;
  window.kernel = {size, 1};
  window.strides = {1, 1};
  window.dilations = {1, 1};
  window.low = {b.index((size - 1) / 2), b.index(0)};
  window.high = {b.index(size / 2), b.index(0)};
  Value planes = b.reshape(x, {all[0], b.index(1), all[1], rest});
  return b.reshape(b.pool(nn::PoolKind::sum, planes, window, {}).first, all);
}

LogicalResult buildLRN(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0);
  int64_t size = ctx.getInt("size", 1);
  if (size < 1 || size > INT32_MAX || ctx.rank() < 2) {
    return ctx.invalid("expected a positive size and an input of rank 2 or "
                       "more, got " +
                       Twine(size) + " and rank " + Twine(ctx.rank()));
  }
  Value square = b.binary(Fn::mul, x, x);
  Value sum = size <= kMaxUnrolledLRN ? addNeighbours(b, square, size)
                                      : poolChannels(b, square, size);
  Value scaled = b.binary(Fn::mul, sum, ctx.getFloat("alpha", 1e-4) / size);
  Value base = b.binary(Fn::add, scaled, ctx.getFloat("bias", 1));
  return ctx.results(b.binary(
      Fn::div, x, b.binary(Fn::pow, base, ctx.getFloat("beta", 0.75))));
}

} // namespace dlc::onnx
