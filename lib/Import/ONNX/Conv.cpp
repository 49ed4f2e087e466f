// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Convolutions, and the window attributes they share with pooling.
#include "Window.h"

using namespace mlir;

namespace dlc::onnx {

/// A list attribute of one positive entry per spatial dim.
static LogicalResult readSteps(NodeContext &ctx, StringRef name, size_t rank,
                               SmallVectorImpl<int64_t> &steps) {
  llvm::ArrayRef<int64_t> given = ctx.getInts(name);
  if (given.empty()) {
    steps.assign(rank, 1);
    return success();
  }
  if (given.size() != rank) {
    return ctx.invalid("expected " + Twine(rank) + " " + name + ", got " +
                       Twine(given.size()));
  }
  for (int64_t step : given) {
    if (step < 1 || step > INT32_MAX) {
      return ctx.invalid("expected positive " + name + ", got " + Twine(step));
    }
  }
  steps.assign(given.begin(), given.end());
  return success();
}

/// Splits the padding that a window needs in all between both sides.
static void splitPadding(GraphBuilder &b, OpFoldResult total, bool moreLow,
                         Window &window) {
  OpFoldResult half = b.floorDiv(total, b.index(2));
  OpFoldResult rest = b.sub(total, half);
  window.low.push_back(moreLow ? rest : half);
  window.high.push_back(moreLow ? half : rest);
}

LogicalResult readWindowSteps(NodeContext &ctx, size_t rank, Window &window) {
  if (failed(readSteps(ctx, "strides", rank, window.strides)) ||
      failed(readSteps(ctx, "dilations", rank, window.dilations))) {
    return failure();
  }
  return success();
}

/// (kernel - 1) * dilation + 1.
static OpFoldResult spanOf(GraphBuilder &b, OpFoldResult kernel,
                           int64_t dilation) {
  return b.add(b.mul(b.sub(kernel, b.index(1)), b.index(dilation)), b.index(1));
}

static LogicalResult explicitPads(NodeContext &ctx, size_t rank,
                                  Window &window) {
  llvm::ArrayRef<int64_t> pads = ctx.getInts("pads");
  if (!pads.empty() && pads.size() != 2 * rank) {
    return ctx.invalid("expected " + Twine(2 * rank) + " pads, got " +
                       Twine(pads.size()));
  }
  for (int64_t pad : pads) {
    if (pad < 0 || pad > INT32_MAX) {
      return ctx.invalid("expected pads of at least 0, got " + Twine(pad));
    }
  }
  for (size_t i = 0; i < rank; ++i) {
    window.low.push_back(ctx.b.index(pads.empty() ? 0 : pads[i]));
    window.high.push_back(ctx.b.index(pads.empty() ? 0 : pads[rank + i]));
  }
  return success();
}

FailureOr<PadRule> readPadRule(NodeContext &ctx) {
  StringRef text = ctx.getString("auto_pad", "NOTSET");
  auto rule = llvm::StringSwitch<std::optional<PadRule>>(text)
                  .Case("NOTSET", PadRule::Explicit)
                  .Case("VALID", PadRule::None)
                  .Case("SAME_UPPER", PadRule::SameUpper)
                  .Case("SAME_LOWER", PadRule::SameLower)
                  .Default(std::nullopt);
  if (!rule) {
    return ctx.invalid("expected auto_pad NOTSET, VALID, SAME_UPPER or "
                       "SAME_LOWER, got '" +
                       text + "'");
  }
  return *rule;
}

LogicalResult readPads(NodeContext &ctx, Value input,
                       llvm::ArrayRef<OpFoldResult> kernel, Window &window) {
  GraphBuilder &b = ctx.b;
  FailureOr<PadRule> rule = readPadRule(ctx);
  if (failed(rule)) {
    return failure();
  }
  if (*rule == PadRule::Explicit) {
    return explicitPads(ctx, kernel.size(), window);
  }
  for (size_t i = 0; i < kernel.size(); ++i) {
    if (*rule == PadRule::None) {
      window.low.push_back(b.index(0));
      window.high.push_back(b.index(0));
      continue;
    }
    OpFoldResult size = b.size(input, i + 2),
                 stride = b.index(window.strides[i]);
    OpFoldResult last =
        b.mul(b.sub(b.ceilDiv(size, stride), b.index(1)), stride);
    OpFoldResult total =
        b.sub(b.add(last, spanOf(b, kernel[i], window.dilations[i])), size);
    splitPadding(b, b.max(total, b.index(0)), *rule == PadRule::SameLower,
                 window);
  }
  return success();
}

/// Checks ranks and kernel_shape against the filter; the spatial rank.
static FailureOr<size_t> checkFilter(NodeContext &ctx, Value input,
                                     Value filter) {
  GraphBuilder &b = ctx.b;
  int64_t rank = GraphBuilder::rankOf(input);
  if (rank < 3) {
    return ctx.invalid("expected an input of rank 3 or more, got " +
                       Twine(rank));
  }
  if (GraphBuilder::rankOf(filter) != rank) {
    return ctx.invalid("expected a filter of rank " + Twine(rank) + ", got " +
                       Twine(GraphBuilder::rankOf(filter)));
  }
  llvm::ArrayRef<int64_t> kernel = ctx.getInts("kernel_shape");
  if (!kernel.empty() && static_cast<int64_t>(kernel.size()) != rank - 2) {
    return ctx.invalid("expected a kernel_shape of " + Twine(rank - 2) +
                       " dims, got " + Twine(kernel.size()));
  }
  for (auto [i, size] : llvm::enumerate(kernel)) {
    if (failed(b.checkEqual(b.index(size), b.size(filter, i + 2),
                            "dim " + Twine(i + 2) + " of the filter"))) {
      return failure();
    }
  }
  return rank - 2;
}

static LogicalResult checkGroups(NodeContext &ctx, Value filter,
                                 int64_t groups) {
  std::optional<int64_t> channels = getConstantIntValue(ctx.b.size(filter, 0));
  if (groups < 1 || groups > INT32_MAX ||
      (channels && *channels % groups != 0)) {
    return ctx.invalid("expected a group count that divides dim 0 of the "
                       "filter, got " +
                       Twine(groups));
  }
  return success();
}

/// The filter's spatial sizes.
static Sizes kernelOf(GraphBuilder &b, Value filter) {
  const Sizes &all = b.sizes(filter);
  return Sizes(all.begin() + 2, all.end());
}

FailureOr<Value> buildConvOf(NodeContext &ctx, Value input, Value filter,
                             Value bias, GraphBuilder::ConvOptions options) {
  FailureOr<size_t> rank = checkFilter(ctx, input, filter);
  options.groups = ctx.getInt("group", 1);
  Window window;
  if (failed(rank) || failed(checkGroups(ctx, filter, options.groups)) ||
      failed(readWindowSteps(ctx, *rank, window)) ||
      failed(readPads(ctx, input, kernelOf(ctx.b, filter), window))) {
    return failure();
  }
  if (bias && GraphBuilder::rankOf(bias) != 1) {
    return ctx.invalid("expected a bias of rank 1, got " +
                       Twine(GraphBuilder::rankOf(bias)));
  }
  return ctx.b.conv(input, filter, bias, window, options);
}

LogicalResult buildConv(NodeContext &ctx) {
  FailureOr<Value> result =
      buildConvOf(ctx, ctx.input(0), ctx.input(1), ctx.input(2), {});
  return failed(result) ? failure() : ctx.results(*result);
}

LogicalResult buildConvInteger(NodeContext &ctx) {
  GraphBuilder::ConvOptions options;
  options.inputZero = ctx.input(2);
  options.filterZero = ctx.input(3);
  options.result = ctx.b.getI32Type();
  FailureOr<Value> result =
      buildConvOf(ctx, ctx.input(0), ctx.input(1), Value(), options);
  return failed(result) ? failure() : ctx.results(*result);
}

/// Pads of a transposed convolution whose output size is given: what is too
/// much is cut, what lacks is added at the high end.
static void padToShape(NodeContext &ctx, Value input,
                       llvm::ArrayRef<OpFoldResult> kernel,
                       llvm::ArrayRef<OpFoldResult> outputs, bool moreLow,
                       Window &window) {
  GraphBuilder &b = ctx.b;
  for (size_t i = 0; i < kernel.size(); ++i) {
    OpFoldResult spread = b.mul(b.sub(b.size(input, i + 2), b.index(1)),
                                b.index(window.strides[i]));
    OpFoldResult whole =
        b.add(b.add(spread, spanOf(b, kernel[i], window.dilations[i])),
              b.index(window.outputPadding[i]));
    OpFoldResult total = b.sub(whole, outputs[i]);
    std::optional<int64_t> known = getConstantIntValue(total);
    if (known && *known < 0) {
      window.outputPadding[i] -= *known;
      total = b.index(0);
    }
    splitPadding(b, total, moreLow, window);
  }
}

LogicalResult buildConvTranspose(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value input = ctx.input(0), filter = ctx.input(1), bias = ctx.input(2);
  FailureOr<size_t> rank = checkFilter(ctx, input, filter);
  FailureOr<PadRule> rule = readPadRule(ctx);
  GraphBuilder::ConvOptions options;
  options.transposed = true;
  options.groups = ctx.getInt("group", 1);
  Window window;
  if (failed(rank) || failed(rule) ||
      failed(checkGroups(ctx, filter, options.groups)) ||
      failed(readWindowSteps(ctx, *rank, window))) {
    return failure();
  }
  llvm::ArrayRef<int64_t> extra = ctx.getInts("output_padding"),
                          shape = ctx.getInts("output_shape");
  if ((!extra.empty() && extra.size() != *rank) ||
      (!shape.empty() && shape.size() != *rank && shape.size() != *rank + 2)) {
    return ctx.invalid("expected output_padding and output_shape of " +
                       Twine(*rank) + " dims, got " + Twine(extra.size()) +
                       " and " + Twine(shape.size()));
  }
  window.outputPadding.assign(*rank, 0);
  llvm::copy(extra, window.outputPadding.begin());
  Sizes kernel = kernelOf(b, filter), outputs;
  if (!shape.empty()) {
    for (int64_t size : shape.take_back(*rank)) {
      outputs.push_back(b.index(size));
    }
    padToShape(ctx, input, kernel, outputs, *rule != PadRule::SameUpper,
               window);
  } else if (*rule == PadRule::SameUpper || *rule == PadRule::SameLower) {
    for (size_t i = 0; i < *rank; ++i) {
      outputs.push_back(
          b.mul(b.size(input, i + 2), b.index(window.strides[i])));
    }
    padToShape(ctx, input, kernel, outputs, *rule == PadRule::SameLower,
               window);
  } else if (failed(readPads(ctx, input, kernel, window))) {
    return failure();
  }
  for (auto [padding, stride, dilation] : llvm::zip_equal(
           window.outputPadding, window.strides, window.dilations)) {
    if (padding < 0 || padding >= std::max(stride, dilation)) {
      return ctx.unsupported("an output_padding of " + Twine(padding) +
                             " at stride " + Twine(stride));
    }
  }
  if (bias && GraphBuilder::rankOf(bias) != 1) {
    return ctx.invalid("expected a bias of rank 1, got " +
                       Twine(GraphBuilder::rankOf(bias)));
  }
  return ctx.results(b.conv(input, filter, bias, window, options));
}

/// A depthwise convolution along time that sees what came before.
LogicalResult buildCausalConvWithState(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value filter = ctx.input(1), past = ctx.input(3);
  bool fits = ctx.rank() == 3 && ctx.rank(1) == 3 &&
              (!past || GraphBuilder::rankOf(past) == 3) &&
              (!ctx.input(2) || ctx.rank(2) == 1);
  if (!fits) {
    return ctx.invalid("expected an input, a weight and a past_state of rank 3 "
                       "and a bias of rank 1");
  }
  std::optional<int64_t> channels = getConstantIntValue(b.size(filter, 0));
  if (!channels) {
    return ctx.unsupported("a number of channels that is known at run time "
                           "only");
  }
  StringRef activation = ctx.getString("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish") {
    return ctx.invalid("unknown activation '" + activation + "'");
  }
  Sizes all = b.sizes(ctx.input(0));
  OpFoldResult kept = b.sub(b.size(filter, 2), b.index(1));
  if (!past) {
    past = b.full({all[0], all[1], kept}, b.scalar(ctx.element(), 0));
  } else if (failed(b.checkEqual(kept, b.size(past, 2), "past_state"))) {
    return failure();
  }
  Value seen = b.concat({past, ctx.input(0)}, 2);
  Window window;
  GraphBuilder::ConvOptions options;
  options.groups = *channels;
  if (!seen || failed(checkFilter(ctx, seen, filter)) ||
      failed(checkGroups(ctx, filter, options.groups)) ||
      failed(readWindowSteps(ctx, 1, window))) {
    return failure();
  }
  window.low = window.high = {b.index(0)};
  Value result = b.conv(seen, filter, ctx.input(2), window, options);
  if (result && activation != "none") {
    result = b.elementwise(Fn::silu, {result}, {{"beta", 1}});
  }
  return ctx.results({result, b.sliceDim(seen, 2, all[2], kept)});
}

} // namespace dlc::onnx
