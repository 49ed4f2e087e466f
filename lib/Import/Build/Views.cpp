// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Views: reshape, transpose, broadcast, slice, pad, concat.
#include "Import/Build/GraphBuilder.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace dlc::build {

/// Steps of slices this long skip any tensor.
static constexpr int64_t kMaxStep = int64_t(1) << 62;

Value GraphBuilder::reshape(Value x, const Sizes &sizes) {
  if (!x) {
    return {};
  }
  Sizes current = this->sizes(x);
  if (current == sizes) {
    return x;
  }
  if (DenseElementsAttr elements = constantOf(x)) {
    RankedTensorType type = resultType(elementOf(x), sizes);
    if (type && type.hasStaticShape() &&
        type.getNumElements() == elements.getNumElements()) {
      return constant(elements.reshape(type));
    }
  }
  RankedTensorType type = resultType(elementOf(x), sizes);
  if (type && type.hasStaticShape() && typeOf(x).hasStaticShape() &&
      type.getNumElements() != typeOf(x).getNumElements()) {
    return invalid("cannot reshape " + Twine(typeOf(x).getNumElements()) +
                   " elements to " + Twine(type.getNumElements()));
  }
  return make<nn::ReshapeOp>(elementOf(x), sizes, x, nn::dynamicSizes(sizes));
}

namespace {
/// A product of sizes: a constant times values.
struct Product {
  int64_t factor = 1;
  SmallVector<Value> values;

  void multiply(OpFoldResult size);
};
} // namespace

void Product::multiply(OpFoldResult size) {
  if (std::optional<int64_t> number = getConstantIntValue(size)) {
    factor = static_cast<int64_t>(static_cast<uint64_t>(factor) *
                                  static_cast<uint64_t>(*number));
    return;
  }
  Value value = llvm::cast<Value>(size);
  if (auto product = value.getDefiningOp<arith::MulIOp>()) {
    multiply(getAsOpFoldResult(product.getLhs()));
    multiply(getAsOpFoldResult(product.getRhs()));
    return;
  }
  if (auto apply = value.getDefiningOp<affine::AffineApplyOp>()) {
    AffineExpr expr = apply.getAffineMap().getResult(0);
    auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
    if (binary && binary.getKind() == AffineExprKind::Mul &&
        isa<AffineSymbolExpr, AffineDimExpr>(binary.getLHS()) &&
        isa<AffineConstantExpr>(binary.getRHS())) {
      factor *= llvm::cast<AffineConstantExpr>(binary.getRHS()).getValue();
      multiply(apply.getMapOperands()[0]);
      return;
    }
  }
  values.push_back(value);
}

/// The size of entry `unknown` of `spec`: the count of elements divided by the
/// other entries, without a division where it cancels.
FailureOr<OpFoldResult>
GraphBuilder::inferDim(Value x, ArrayRef<OpFoldResult> spec, size_t unknown) {
  Product count, others;
  for (OpFoldResult size : sizes(x)) {
    count.multiply(size);
  }
  for (auto [i, size] : llvm::enumerate(spec)) {
    if (i != unknown) {
      others.multiply(size);
    }
  }
  for (Value *it = others.values.begin(); it != others.values.end();) {
    Value *same = llvm::find(count.values, *it);
    if (same == count.values.end()) {
      ++it;
      continue;
    }
    count.values.erase(same);
    it = others.values.erase(it);
  }
  if (others.factor == 0) {
    invalid("cannot infer dim " + Twine(unknown) +
            " of a reshape where another dim is 0");
    return failure();
  }
  // count.factor / others.factor in lowest terms.
  int64_t common = std::gcd(count.factor, others.factor);
  if (common != 0) {
    count.factor /= common;
    others.factor /= common;
  }
  OpFoldResult dividend = index(count.factor);
  for (Value value : count.values) {
    dividend = mul(dividend, value);
  }
  OpFoldResult divisor = index(others.factor);
  for (Value value : others.values) {
    divisor = mul(divisor, value);
  }
  if (isConstantIntValue(divisor, 1)) {
    return dividend;
  }
  if (!getConstantIntValue(divisor) &&
      failed(check(compare(arith::CmpIPredicate::sgt, divisor, index(0)),
                   "cannot infer dim " + Twine(unknown) +
                       " of a reshape from other dims of product {0}",
                   {divisor}))) {
    return failure();
  }
  OpFoldResult quotient = floorDiv(dividend, divisor);
  if (failed(check(
          compare(arith::CmpIPredicate::eq, mul(quotient, divisor), dividend),
          "cannot reshape {0} elements into parts of {1}",
          {dividend, divisor}))) {
    return failure();
  }
  return quotient;
}

/// A run-time 0 copies, a run-time -1 is what is left.
void GraphBuilder::resolveRuntime(Value x, const Sizes &spec,
                                  ArrayRef<size_t> open, bool allowZero,
                                  std::optional<size_t> unknown,
                                  Sizes &result) {
  for (size_t i : open) {
    OpFoldResult entry = spec[i];
    if (!allowZero && static_cast<int64_t>(i) < rankOf(x)) {
      entry = select(compare(arith::CmpIPredicate::eq, entry, index(0)),
                     size(x, i), entry);
    }
    result[i] = entry;
  }
  Sizes positive;
  for (auto [i, entry] : llvm::enumerate(result)) {
    if (unknown && i == *unknown) {
      continue;
    }
    OpFoldResult isUnknown =
        llvm::is_contained(open, i)
            ? compare(arith::CmpIPredicate::eq, entry, index(-1))
            : OpFoldResult(getBoolAttr(false));
    positive.push_back(select(isUnknown, index(1), entry));
  }
  OpFoldResult rest =
      floorDiv(product(sizes(x)), max(product(positive), index(1)));
  for (size_t i : open) {
    result[i] = select(compare(arith::CmpIPredicate::eq, result[i], index(-1)),
                       rest, result[i]);
  }
  if (unknown) {
    result[*unknown] = rest;
  }
}

Value GraphBuilder::reshapeTo(Value x, const Sizes &spec, bool allowZero) {
  if (!x) {
    return {};
  }
  Sizes result;
  std::optional<size_t> unknown;
  SmallVector<size_t> open; // run-time numbers that may be 0 or -1
  for (auto [i, entry] : llvm::enumerate(spec)) {
    std::optional<int64_t> number = getConstantIntValue(entry);
    result.push_back(entry);
    if (number == 0 && !allowZero) {
      if (static_cast<int64_t>(i) >= rankOf(x)) {
        return invalid("shape entry " + Twine(i) +
                       " is 0, but the input has rank " + Twine(rankOf(x)));
      }
      result[i] = size(x, i);
    } else if (number == -1) {
      if (unknown) {
        return invalid("expected at most one -1 in the shape of a reshape");
      }
      unknown = i;
    } else if (number && *number < 0) {
      return invalid("expected shape entries of at least -1, got " +
                     Twine(*number));
    } else if (!number && !isNonNegative(entry)) {
      open.push_back(i);
    }
  }
  if (!open.empty()) {
    resolveRuntime(x, spec, open, allowZero, unknown, result);
  } else if (unknown) {
    FailureOr<OpFoldResult> inferred = inferDim(x, result, *unknown);
    if (failed(inferred)) {
      return {};
    }
    result[*unknown] = *inferred;
    return reshape(x, result);
  }
  if (!resultType(elementOf(x), result)) {
    return {};
  }
  Product before, after;
  for (OpFoldResult size : sizes(x)) {
    before.multiply(size);
  }
  for (OpFoldResult size : result) {
    after.multiply(size);
  }
  bool same = before.factor == after.factor &&
              before.values.size() == after.values.size() &&
              std::is_permutation(before.values.begin(), before.values.end(),
                                  after.values.begin());
  if (!same) {
    OpFoldResult have = product(sizes(x)), want = product(result);
    if (failed(check(compare(arith::CmpIPredicate::eq, have, want),
                     "cannot reshape {0} elements to {1}", {have, want}))) {
      return {};
    }
  }
  return reshape(x, result);
}

Value GraphBuilder::collapse(Value x, int64_t begin, int64_t end) {
  if (!x) {
    return {};
  }
  Sizes all = sizes(x), result(all.begin(), all.begin() + begin);
  result.push_back(product(ArrayRef(all).slice(begin, end - begin)));
  result.append(all.begin() + end, all.end());
  return reshape(x, result);
}

Value GraphBuilder::unsqueeze(Value x, Ints dims) {
  if (!x) {
    return {};
  }
  Sizes result = sizes(x);
  for (int64_t dim : dims) {
    result.insert(result.begin() + dim, index(1));
  }
  return reshape(x, result);
}

Value GraphBuilder::squeeze(Value x, Ints dims) {
  if (!x) {
    return {};
  }
  Sizes result;
  for (auto [dim, size] : llvm::enumerate(Sizes(sizes(x)))) {
    if (!llvm::is_contained(dims, static_cast<int64_t>(dim))) {
      result.push_back(size);
    } else if (failed(checkEqual(index(1), size,
                                 "dim " + Twine(dim) + " to squeeze"))) {
      return {};
    }
  }
  return reshape(x, result);
}

Value GraphBuilder::padRank(Value x, int64_t rank) {
  if (!x || rankOf(x) == rank) {
    return x;
  }
  Sizes result(rank - rankOf(x), index(1));
  llvm::append_range(result, sizes(x));
  return reshape(x, result);
}

Value GraphBuilder::transpose(Value x, Ints permutation) {
  if (!x) {
    return {};
  }
  Sizes result;
  bool identity = true;
  for (auto [i, dim] : llvm::enumerate(permutation)) {
    result.push_back(size(x, dim));
    identity &= static_cast<int64_t>(i) == dim;
  }
  return identity ? x
                  : make<nn::TransposeOp>(elementOf(x), result, x, permutation);
}

Value GraphBuilder::broadcastTo(Value x, const Sizes &target) {
  if (!x) {
    return {};
  }
  Value aligned = padRank(x, target.size());
  Sizes current = sizes(aligned);
  if (current == target) {
    return aligned;
  }
  SmallVector<int64_t> flagged;
  for (auto [dim, pair] : llvm::enumerate(llvm::zip_equal(current, target))) {
    auto [have, want] = pair;
    if (have == want || isOneForSure(have)) {
      continue;
    }
    if (getConstantIntValue(have) || lowerBound(have).value_or(0) > 1 ||
        isPartOf(have, want)) {
      if (failed(checkEqual(have, want, "dim " + Twine(dim)))) {
        return {};
      }
      continue;
    }
    flagged.push_back(dim);
  }
  return make<nn::BroadcastOp>(
      elementOf(x), target, aligned, nn::dynamicSizes(target),
      flagged.empty() ? DenseI64ArrayAttr() : getDenseI64ArrayAttr(flagged));
}

Value GraphBuilder::broadcastInto(Value x, const Sizes &target) {
  if (!x) {
    return {};
  }
  Value aligned = padRank(x, target.size());
  for (auto [dim, want] : llvm::enumerate(target)) {
    OpFoldResult have = size(aligned, dim);
    bool isOpen = have != want && !getConstantIntValue(have);
    if (isOpen && failed(checkBroadcast(have, want, dim))) {
      return {};
    }
  }
  return broadcastTo(aligned, target);
}

Value GraphBuilder::expand(Value x, const Sizes &shape) {
  if (!x) {
    return {};
  }
  int64_t rank =
      std::max<int64_t>(rankOf(x), static_cast<int64_t>(shape.size()));
  Sizes target;
  for (int64_t dim = 0; dim < rank; ++dim) {
    int64_t have = dim - (rank - rankOf(x)),
            want = dim - (rank - static_cast<int64_t>(shape.size()));
    OpFoldResult one = index(1);
    SmallVector<unsigned> flagged;
    FailureOr<OpFoldResult> joined =
        broadcastDim({have < 0 ? one : size(x, have),
                      want < 0 ? one : OpFoldResult(shape[want])},
                     dim, flagged);
    if (failed(joined)) {
      return {};
    }
    target.push_back(*joined);
  }
  return broadcastTo(x, target);
}

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
    if (*constant > INT32_MAX) {
      return high;
    }
    if (*constant < -INT32_MAX) {
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
