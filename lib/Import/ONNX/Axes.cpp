// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Axes that are known at run time only: their number is static, so ranks are,
// and sizes are chosen by host arithmetic.
#include "Axes.h"

using namespace mlir;

namespace dlc::onnx {

/// The axes as an attribute (before `sinceInput`) or as input `i`; negative
/// ones counted from the end where they are known. Empty: there is no such
/// list.
FailureOr<std::optional<Sizes>> readAxes(NodeContext &ctx, int64_t sinceInput,
                                         unsigned i, int64_t rank) {
  GraphBuilder &b = ctx.b;
  Sizes axes;
  if (ctx.since() < sinceInput) {
    if (!ctx.has("axes")) {
      return std::optional<Sizes>();
    }
    for (int64_t axis : ctx.getInts("axes")) {
      axes.push_back(b.index(axis));
    }
  } else {
    if (!ctx.input(i)) {
      return std::optional<Sizes>();
    }
    FailureOr<Sizes> read = b.readInts(ctx.input(i), "axes");
    if (failed(read)) {
      return failure();
    }
    axes = *read;
  }
  for (OpFoldResult &axis : axes) {
    if (std::optional<int64_t> known = getConstantIntValue(axis)) {
      FailureOr<int64_t> normal = ctx.normalAxis(*known, rank);
      if (failed(normal)) {
        return failure();
      }
      axis = b.index(*normal);
      continue;
    }
    axis = b.select(b.compare(arith::CmpIPredicate::slt, axis, b.index(0)),
                    b.add(axis, b.index(rank)), axis);
    for (auto [predicate, bound] :
         {std::pair(arith::CmpIPredicate::sge, int64_t(0)),
          std::pair(arith::CmpIPredicate::slt, rank)}) {
      if (failed(b.check(b.compare(predicate, axis, b.index(bound)),
                         "expected an axis of a tensor of rank {0}, got {1}",
                         {b.index(rank), axis}))) {
        return failure();
      }
    }
  }
  return std::optional<Sizes>(axes);
}

/// The axes where all are known.
std::optional<SmallVector<int64_t>> staticAxes(const Sizes &axes) {
  SmallVector<int64_t> known;
  for (OpFoldResult axis : axes) {
    std::optional<int64_t> number = getConstantIntValue(axis);
    if (!number) {
      return std::nullopt;
    }
    known.push_back(*number);
  }
  return known;
}

/// Whether `dim` is one of the axes, and how many of them are below it.
std::pair<OpFoldResult, OpFoldResult>
placeAmong(GraphBuilder &b, const Sizes &axes, int64_t dim) {
  OpFoldResult isAxis = b.index(0), below = b.index(0);
  for (OpFoldResult axis : axes) {
    isAxis = b.select(b.compare(arith::CmpIPredicate::eq, axis, b.index(dim)),
                      b.index(1), isAxis);
    below =
        b.add(below,
              b.select(b.compare(arith::CmpIPredicate::slt, axis, b.index(dim)),
                       b.index(1), b.index(0)));
  }
  return {isAxis, below};
}

/// Spreads run-time axes over all dims: entry d is the one whose axis is d.
Sizes spread(GraphBuilder &b, const Sizes &axes, const Sizes &entries,
             Sizes otherwise) {
  for (auto [dim, own] : llvm::enumerate(otherwise)) {
    for (auto [axis, entry] : llvm::zip_equal(axes, entries)) {
      own = b.select(b.compare(arith::CmpIPredicate::eq, axis,
                               b.index(static_cast<int64_t>(dim))),
                     entry, own);
    }
  }
  return otherwise;
}

Sizes toSizes(GraphBuilder &b, llvm::ArrayRef<int64_t> numbers) {
  return llvm::map_to_vector<6>(
      numbers, [&](int64_t number) -> OpFoldResult { return b.index(number); });
}

Value moveAxesLast(NodeContext &ctx, const Sizes &axes, Sizes &kept) {
  GraphBuilder &b = ctx.b;
  Value x = ctx.input(0);
  Sizes all = b.sizes(x), strides(all.size(), b.index(1));
  if (axes.size() > all.size()) {
    return b.invalid("expected at most " + Twine(all.size()) + " axes, got " +
                     Twine(axes.size()));
  }
  for (size_t dim = all.size() - 1; dim > 0; --dim) {
    strides[dim - 1] = b.mul(strides[dim], all[dim]);
  }
  // Sizes and strides of the result's dims: those kept in order, then the axes.
  size_t keptCount = all.size() - axes.size();
  Sizes sizes(all.size(), b.index(1)), steps(all.size(), b.index(0));
  auto isEqual = [&](OpFoldResult lhs, int64_t rhs) {
    return b.compare(arith::CmpIPredicate::eq, lhs, b.index(rhs));
  };
  kept.assign(all.begin(), all.end());
  for (auto [dim, size] : llvm::enumerate(all)) {
    int64_t own = dim;
    auto [isAxis, below] = placeAmong(b, axes, own);
    OpFoldResult place =
        b.select(isEqual(isAxis, 1), b.index(-1), b.sub(b.index(own), below));
    for (size_t i = 0; i < keptCount; ++i) {
      OpFoldResult here = isEqual(place, i);
      sizes[i] = b.select(here, size, sizes[i]);
      steps[i] = b.select(here, strides[dim], steps[i]);
    }
    for (auto [i, axis] : llvm::enumerate(axes)) {
      OpFoldResult here = isEqual(axis, own);
      sizes[keptCount + i] = b.select(here, size, sizes[keptCount + i]);
      steps[keptCount + i] = b.select(here, strides[dim], steps[keptCount + i]);
    }
    kept[dim] = b.select(isEqual(isAxis, 1), b.index(1), size);
  }
  // A strided copy: element i comes from the sum of i_d * step_d.
  Type index = b.getI64Type();
  Value places;
  for (size_t dim = 0; dim < sizes.size(); ++dim) {
    Sizes line(sizes.size(), b.index(1));
    line[dim] = sizes[dim];
    Value part = b.binary(Fn::mul, b.iota(line, dim, index),
                          b.fromInts({steps[dim]}, index, true));
    places = places ? b.binary(Fn::add, places, part) : part;
  }
  return b.take(b.reshape(x, {b.product(all)}), b.broadcastTo(places, sizes),
                0);
}

} // namespace dlc::onnx
