// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Slices, pads and concatenations.
#include "Dialect/NN/Support.h"
#include "Import/Build/GraphBuilder.h"

using namespace mlir;

namespace dlc::build {

/// Steps of slices this long skip any tensor.
static constexpr int64_t kMaxStep = int64_t(1) << 62;

Value GraphBuilder::slice(Value x, const Sizes &offsets, const Sizes &sizes,
                          const Sizes &strides) {
  if (!x) {
    return {};
  }
  bool whole = this->sizes(x) == sizes;
  for (auto [offset, stride] : llvm::zip_equal(offsets, strides)) {
    whole &= isConstantIntValue(offset, 0) && isConstantIntValue(stride, 1);
  }
  if (whole) {
    return x;
  }
  for (auto [dim, offset] : llvm::enumerate(offsets)) {
    std::optional<int64_t> extent = getConstantIntValue(size(x, dim)),
                           first = getConstantIntValue(offset),
                           count = getConstantIntValue(sizes[dim]),
                           stride = getConstantIntValue(strides[dim]);
    if (!extent || !first || !count || !stride || *count == 0) {
      continue;
    }
    int64_t last = *first + (*count - 1) * *stride;
    if (*count < 0 || std::min(*first, last) < 0 ||
        std::max(*first, last) >= *extent) {
      return invalid("expected elements " + Twine(*first) + " to " +
                     Twine(last) + " of dim " + Twine(dim) + " below " +
                     Twine(*extent));
    }
  }
  if (!resultType(elementOf(x), sizes)) {
    return {};
  }
  Value result = nn::SliceOp::create(*this, loc, x, offsets, sizes, strides);
  setSizes(result, sizes);
  return result;
}

Value GraphBuilder::sliceDim(Value x, int64_t dim, OpFoldResult offset,
                             OpFoldResult count) {
  if (!x) {
    return {};
  }
  Sizes offsets(rankOf(x), index(0)), strides(rankOf(x), index(1)),
      result = sizes(x);
  offsets[dim] = offset;
  result[dim] = count;
  return slice(x, offsets, result, strides);
}

/// ONNX's reading of one end of a slice: a negative number counts from the end
/// of the dim, then it is clamped to [low, high].
static OpFoldResult clampPlace(GraphBuilder &b, OpFoldResult number,
                               OpFoldResult extent, OpFoldResult low,
                               OpFoldResult high) {
  if (std::optional<int64_t> constant = getConstantIntValue(number)) {
    // Numbers beyond any size stand for "to the end".
    if (*constant > nn::kMaxElements) {
      return high;
    }
    if (*constant < -nn::kMaxElements) {
      return low;
    }
  }
  OpFoldResult counted = number;
  if (!b.isNonNegative(number)) {
    counted = b.select(b.compare(arith::CmpIPredicate::slt, number, b.index(0)),
                       b.add(number, extent), number);
  }
  // Known differences to the bounds make the clamp go away.
  if (counted != low && !b.isNonNegative(b.sub(counted, low))) {
    counted = b.max(counted, low);
  }
  if (counted != high && !b.isNonNegative(b.sub(high, counted))) {
    counted = b.min(counted, high);
  }
  return counted;
}

Value GraphBuilder::sliceClamped(Value x, Ints dims,
                                 ArrayRef<OpFoldResult> starts,
                                 ArrayRef<OpFoldResult> ends,
                                 ArrayRef<OpFoldResult> steps) {
  if (!x) {
    return {};
  }
  Sizes offsets(rankOf(x), index(0)), strides(rankOf(x), index(1)),
      result = sizes(x);
  OpFoldResult zero = index(0);
  for (auto [i, dim] : llvm::enumerate(dims)) {
    OpFoldResult extent = size(x, dim), step = steps[i];
    if (failed(check(compare(arith::CmpIPredicate::ne, step, zero),
                     "expected a slice step that is not 0"))) {
      return {};
    }
    // Longer steps than any tensor are all alike; INT64_MIN has no negative.
    step = max(min(step, index(kMaxStep)), index(-kMaxStep));
    OpFoldResult forward = compare(arith::CmpIPredicate::sgt, step, zero);
    OpFoldResult high = select(forward, extent, sub(extent, index(1)));
    OpFoldResult start = clampPlace(*this, starts[i], extent, zero, high);
    OpFoldResult end = clampPlace(*this, ends[i], extent,
                                  select(forward, zero, index(-1)), high);
    OpFoldResult span = select(forward, sub(end, start), sub(start, end));
    OpFoldResult count = ceilDiv(span, select(forward, step, sub(zero, step)));
    if (!isNonNegative(count)) {
      count = max(count, zero);
    }
    offsets[dim] = start;
    strides[dim] = step;
    result[dim] = count;
  }
  return slice(x, offsets, result, strides);
}

Value GraphBuilder::pad(Value x, const Sizes &low, const Sizes &high,
                        nn::PadMode mode, Value value) {
  if (!x) {
    return {};
  }
  // Negative borders cut first.
  Sizes lowPads, highPads, offsets, cut, strides(rankOf(x), index(1));
  bool cuts = false, none = true;
  for (int64_t dim = 0; dim < rankOf(x); ++dim) {
    OpFoldResult zero = index(0), extent = size(x, dim), offset = zero;
    OpFoldResult pads[2] = {low[dim], high[dim]};
    for (OpFoldResult &border : pads) {
      OpFoldResult removed = zero;
      if (failed(checkMagnitude(border, "a border of dim " + Twine(dim)))) {
        return {};
      }
      if (!isNonNegative(border)) {
        removed = max(sub(zero, border), zero);
        border = max(border, zero);
        cuts |= !isConstantIntValue(removed, 0);
        extent = sub(extent, removed);
      }
      if (&border == pads) {
        offset = removed;
      }
      none &= isConstantIntValue(border, 0);
    }
    lowPads.push_back(pads[0]);
    highPads.push_back(pads[1]);
    offsets.push_back(offset);
    cut.push_back(extent);
  }
  if (cuts) {
    x = slice(x, offsets, cut, strides);
  }
  if (none || !x) {
    return x;
  }
  Sizes result;
  bool inner = mode == nn::PadMode::reflect || mode == nn::PadMode::wrap;
  for (auto [dim, pair] : llvm::enumerate(llvm::zip_equal(lowPads, highPads))) {
    OpFoldResult extent = size(x, dim);
    auto [before, after] = pair;
    result.push_back(add(add(extent, before), after));
    OpFoldResult limit =
        mode == nn::PadMode::reflect ? sub(extent, index(1)) : extent;
    for (OpFoldResult border : {before, after}) {
      if (inner && !isConstantIntValue(border, 0) &&
          failed(check(compare(arith::CmpIPredicate::sle, border, limit),
                       "expected a border of at most {0} around dim " +
                           Twine(dim) + ", got {1}",
                       {limit, border}))) {
        return {};
      }
    }
  }
  return make<nn::PadOp>(elementOf(x), result, x, value,
                         nn::dynamicSizes(lowPads), nn::dynamicSizes(highPads),
                         getDenseI64ArrayAttr(nn::staticShape(lowPads)),
                         getDenseI64ArrayAttr(nn::staticShape(highPads)), mode);
}

Value GraphBuilder::concat(ArrayRef<Value> inputs, int64_t axis) {
  if (llvm::is_contained(inputs, Value()) || inputs.empty()) {
    return {};
  }
  if (inputs.size() == 1) {
    return inputs[0];
  }
  Sizes result = sizes(inputs[0]);
  for (auto [i, input] : llvm::enumerate(inputs.drop_front())) {
    if (rankOf(input) != rankOf(inputs[0])) {
      return invalid("expected inputs of rank " + Twine(rankOf(inputs[0])) +
                     ", got " + Twine(rankOf(input)));
    }
    for (int64_t dim = 0; dim < rankOf(input); ++dim) {
      if (dim == axis) {
        result[dim] = add(result[dim], size(input, dim));
      } else if (failed(checkEqual(result[dim], size(input, dim),
                                   "dim " + Twine(dim) + " of input " +
                                       Twine(i + 1)))) {
        return {};
      } else if (getConstantIntValue(size(input, dim))) {
        result[dim] = size(input, dim);
      }
    }
  }
  return make<nn::ConcatOp>(elementOf(inputs[0]), result, inputs, axis);
}

} // namespace dlc::build
