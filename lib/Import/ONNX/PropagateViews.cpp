// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Slices, concatenations, splits and reshapes of integers that are known as
// sizes.
#include "Propagate.h"

using namespace mlir;

namespace dlc::onnx {

PropagationResult propagateSlice(NodeContext &ctx,
                                 llvm::ArrayRef<Known> inputs) {
  const Known &data = inputs[0];
  if (ctx.since() < 10 || data.isScalar()) {
    return std::nullopt;
  }
  int64_t numbers[4] = {0, 0, 0, 1}; // start, end, axis, step
  for (unsigned i : {1u, 2u, 3u, 4u}) {
    if (i >= inputs.size() || !inputs[i].type) {
      continue;
    }
    std::optional<int64_t> known =
        inputs[i].elements.size() == 1
            ? getConstantIntValue(inputs[i].elements[0])
            : std::nullopt;
    if (!known) {
      return std::nullopt;
    }
    numbers[i - 1] = *known;
  }
  auto [start, end, axis, step] = numbers;
  if (axis != 0 && axis != -data.rank()) {
    return std::nullopt;
  }
  int64_t length = data.shape[0];
  if (step == 0) {
    return ctx.invalid("expected a slice step that is not 0");
  }
  start = start < 0 ? start + length : start;
  end = end < 0 && end >= -length ? end + length : end;
  start = std::clamp<int64_t>(start, 0, step < 0 ? length - 1 : length);
  end = std::clamp<int64_t>(end, step < 0 ? -1 : 0, length);
  Known result = data;
  result.elements.clear();
  result.shape[0] = 0;
  int64_t row = length == 0 ? 0 : data.elements.size() / length;
  for (int64_t i = start; step > 0 ? i < end : i > end; i += step) {
    llvm::append_range(result.elements,
                       llvm::ArrayRef(data.elements).slice(i * row, row));
    ++result.shape[0];
    if (step > length || step < -length) {
      break;
    }
  }
  return give(ctx, result);
}

PropagationResult propagateConcat(NodeContext &ctx,
                                  llvm::ArrayRef<Known> inputs) {
  Sizes result;
  for (const Known &input : inputs) {
    if (input.isScalar()) {
      return std::nullopt;
    }
    llvm::append_range(result, input.elements);
  }
  return give(ctx, result, inputs[0].type, false);
}

PropagationResult propagateSplit(NodeContext &ctx,
                                 llvm::ArrayRef<Known> inputs) {
  size_t count = ctx.numOutputs(), length = inputs[0].elements.size();
  SmallVector<int64_t> parts(ctx.getInts("split"));
  if (inputs.size() > 1) {
    for (OpFoldResult part : inputs[1].elements) {
      parts.push_back(getConstantIntValue(part).value_or(-1));
    }
  }
  if (parts.empty() && length % count == 0) {
    parts.assign(count, length / count);
  }
  int64_t total = 0;
  for (int64_t part : parts) {
    if (part < 0 || part > static_cast<int64_t>(kMaxKnown)) {
      return std::nullopt;
    }
    total += part;
  }
  if (parts.size() != count || total != static_cast<int64_t>(length)) {
    return std::nullopt;
  }
  SmallVector<Value> results;
  const OpFoldResult *next = inputs[0].elements.begin();
  for (int64_t part : parts) {
    results.push_back(
        ctx.b.fromInts(Sizes(next, next + part), inputs[0].type, false));
    next += part;
  }
  return ctx.results(results);
}

/// The integers of input or attribute `axes`; none where there are none.
static SmallVector<int64_t> readAxes(NodeContext &ctx,
                                     llvm::ArrayRef<Known> inputs) {
  SmallVector<int64_t> axes(ctx.getInts("axes"));
  if (inputs.size() > 1) {
    for (OpFoldResult axis : inputs[1].elements) {
      axes.push_back(getConstantIntValue(axis).value_or(0));
    }
  }
  return axes;
}

/// The shape that Reshape, Squeeze or Unsqueeze gives; nothing where that is
/// left to run time, or is an error.
static std::optional<SmallVector<int64_t>>
reshapedTo(NodeContext &ctx, llvm::ArrayRef<Known> inputs) {
  const Known &data = inputs[0];
  StringRef name = ctx.schema.name;
  int64_t count = data.elements.size(), product = 1;
  SmallVector<int64_t> shape;
  if (name == "Unsqueeze") {
    SmallVector<int64_t> axes = readAxes(ctx, inputs);
    shape = data.shape;
    int64_t rank = data.rank() + axes.size();
    for (int64_t &axis : axes) {
      axis += axis < 0 ? rank : 0;
    }
    llvm::sort(axes);
    for (int64_t axis : axes) {
      if (axis < 0 || axis > static_cast<int64_t>(shape.size())) {
        return std::nullopt;
      }
      shape.insert(shape.begin() + axis, 1);
    }
    return shape;
  }
  if (name == "Squeeze") {
    SmallVector<int64_t> axes = readAxes(ctx, inputs);
    for (auto [dim, size] : llvm::enumerate(data.shape)) {
      int64_t axis = dim;
      bool goes = axes.empty()
                      ? size == 1
                      : llvm::is_contained(axes, axis) ||
                            llvm::is_contained(axes, axis - data.rank());
      if (goes && size != 1) {
        return std::nullopt;
      }
      if (!goes) {
        shape.push_back(size);
      }
    }
    return shape;
  }
  for (auto [dim, size] : llvm::enumerate(inputs[1].elements)) {
    std::optional<int64_t> known = getConstantIntValue(size);
    if (!known || *known == 0 || *known < -1) {
      return std::nullopt;
    }
    shape.push_back(*known);
    product *= *known == -1 ? 1 : *known;
  }
  int64_t *open = llvm::find(shape, -1);
  if (open != shape.end() && count % product == 0) {
    *open = count / product;
    product = count;
  }
  return product == count && llvm::count(shape, -1) == 0 ? std::optional(shape)
                                                         : std::nullopt;
}

/// Reshape, Squeeze and Unsqueeze keep the elements.
PropagationResult propagateReshape(NodeContext &ctx,
                                   llvm::ArrayRef<Known> inputs) {
  std::optional<SmallVector<int64_t>> shape = reshapedTo(ctx, inputs);
  if (!shape || shape->size() > 2) {
    return std::nullopt;
  }
  return give(ctx, {inputs[0].elements, *shape, inputs[0].type});
}

PropagationResult propagateTranspose(NodeContext &ctx,
                                     llvm::ArrayRef<Known> inputs) {
  const Known &data = inputs[0];
  llvm::ArrayRef<int64_t> order = ctx.getInts("perm");
  bool isSame = data.rank() < 2 || order == llvm::ArrayRef<int64_t>{0, 1};
  if (isSame) {
    return give(ctx, data);
  }
  if (!order.empty() && order != llvm::ArrayRef<int64_t>{1, 0}) {
    return std::nullopt; // an error, which the builder reports
  }
  Known result{{}, {data.shape[1], data.shape[0]}, data.type};
  for (int64_t i = 0; i < result.shape[0]; ++i) {
    for (int64_t j = 0; j < result.shape[1]; ++j) {
      result.elements.push_back(data.elements[j * data.shape[1] + i]);
    }
  }
  return give(ctx, result);
}

} // namespace dlc::onnx
