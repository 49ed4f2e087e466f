// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operators that move or rename elements, and those that ask for sizes.
#include "Axes.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace dlc::onnx {

LogicalResult buildIdentity(NodeContext &ctx) {
  return ctx.results(ctx.input(0));
}

LogicalResult buildCenterCropPad(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  SmallVector<int64_t> given = llvm::to_vector(ctx.getInts("axes"));
  if (!ctx.has("axes")) {
    given = llvm::to_vector(llvm::seq<int64_t>(0, ctx.rank()));
  }
  FailureOr<Sizes> shape = b.readInts(ctx.input(1), "shape");
  if (failed(shape)) {
    return failure();
  }
  if (shape->size() != given.size()) {
    return ctx.invalid("expected a shape of " + Twine(given.size()) +
                       " dims, got " + Twine(shape->size()));
  }
  Value x = ctx.input(0);
  Sizes all = b.sizes(x), offsets(all.size(), b.index(0)), low = offsets,
        high = offsets, strides(all.size(), b.index(1));
  for (auto [given, target] : llvm::zip_equal(given, *shape)) {
    FailureOr<int64_t> axis = ctx.normalAxis(given, ctx.rank());
    if (failed(axis)) {
      return failure();
    }
    OpFoldResult zero = b.index(0), two = b.index(2);
    if (failed(b.check(b.compare(arith::CmpIPredicate::sge, target, zero),
                       "expected a size of at least 0, got {0}", {target}))) {
      return failure();
    }
    OpFoldResult missing = b.max(b.sub(target, all[*axis]), zero);
    offsets[*axis] = b.floorDiv(b.max(b.sub(all[*axis], target), zero), two);
    low[*axis] = b.floorDiv(missing, two);
    high[*axis] = b.sub(missing, low[*axis]);
    all[*axis] = b.min(all[*axis], target);
  }
  return ctx.results(b.pad(b.slice(x, offsets, all, strides), low, high,
                           nn::PadMode::constant, Value()));
}

LogicalResult buildConcat(NodeContext &ctx) {
  FailureOr<int64_t> axis = ctx.getAxis("axis", 1, ctx.rank());
  return failed(axis) ? failure()
                      : ctx.results(ctx.b.concat(ctx.allInputs(), *axis));
}

LogicalResult buildFlatten(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t rank = ctx.rank(), axis = ctx.getInt("axis", 1);
  if (axis < -rank || axis > rank) {
    return ctx.invalid("expected an axis from " + Twine(-rank) + " to " +
                       Twine(rank) + ", got " + Twine(axis));
  }
  axis = axis < 0 ? axis + rank : axis;
  Sizes all = b.sizes(ctx.input(0));
  llvm::ArrayRef<OpFoldResult> sizes = all;
  return ctx.results(
      b.reshape(ctx.input(0), {b.product(sizes.take_front(axis)),
                               b.product(sizes.drop_front(axis))}));
}

LogicalResult buildReshape(NodeContext &ctx) {
  FailureOr<Sizes> shape = ctx.b.readInts(ctx.input(1), "shape");
  if (failed(shape)) {
    return failure();
  }
  return ctx.results(
      ctx.b.reshapeTo(ctx.input(0), *shape, ctx.getFlag("allowzero")));
}

LogicalResult buildExpand(NodeContext &ctx) {
  FailureOr<Sizes> shape = ctx.b.readInts(ctx.input(1), "shape");
  return failed(shape) ? failure()
                       : ctx.results(ctx.b.expand(ctx.input(0), *shape));
}

LogicalResult buildTranspose(NodeContext &ctx) {
  llvm::ArrayRef<int64_t> given = ctx.getInts("perm");
  SmallVector<int64_t> permutation(given);
  if (!ctx.has("perm")) {
    permutation = llvm::to_vector(
        llvm::reverse(llvm::to_vector(llvm::seq<int64_t>(0, ctx.rank()))));
  }
  FailureOr<SmallVector<int64_t>> sorted =
      ctx.normalAxes(permutation, ctx.rank());
  if (failed(sorted)) {
    return failure();
  }
  if (static_cast<int64_t>(sorted->size()) != ctx.rank()) {
    return ctx.invalid("expected a permutation of " + Twine(ctx.rank()) +
                       " dims, got " + Twine(sorted->size()));
  }
  for (int64_t dim : permutation) {
    if (dim < 0) {
      return ctx.invalid("expected a permutation of dims from 0 to " +
                         Twine(ctx.rank() - 1) + ", got " + Twine(dim));
    }
  }
  return ctx.results(ctx.b.transpose(ctx.input(0), permutation));
}

/// Shape's start and end: any number, clamped.
static int64_t clampDim(int64_t dim, int64_t rank) {
  return std::clamp<int64_t>(dim < 0 ? dim + rank : dim, 0, rank);
}

LogicalResult buildShape(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t rank = ctx.rank(), start = clampDim(ctx.getInt("start", 0), rank),
          end = clampDim(ctx.getInt("end", rank), rank);
  Sizes all = b.sizes(ctx.input(0));
  Sizes part(all.begin() + start, all.begin() + std::max(start, end));
  return ctx.results(b.fromInts(part, b.getI64Type(), false));
}

LogicalResult buildSize(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  return ctx.results(b.fromInts({b.product(Sizes(b.sizes(ctx.input(0))))},
                                b.getI64Type(), true));
}

LogicalResult buildUnsqueeze(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t count = ctx.since() < 13 ? ctx.getInts("axes").size() : 0;
  if (ctx.since() >= 13) {
    FailureOr<Sizes> given = b.readInts(ctx.input(1), "axes");
    if (failed(given)) {
      return failure();
    }
    count = given->size();
  }
  int64_t rank = ctx.rank() + count;
  FailureOr<std::optional<Sizes>> axes = readAxes(ctx, 13, 1, rank);
  if (failed(axes) || !*axes) {
    return failure();
  }
  if (std::optional<SmallVector<int64_t>> known = staticAxes(**axes)) {
    FailureOr<SmallVector<int64_t>> dims = ctx.normalAxes(*known, rank);
    return failed(dims) ? failure()
                        : ctx.results(b.unsqueeze(ctx.input(0), *dims));
  }
  Sizes result, all = b.sizes(ctx.input(0));
  for (int64_t dim = 0; dim < rank; ++dim) {
    auto [isAxis, below] = placeAmong(b, **axes, dim);
    OpFoldResult size = b.index(1);
    for (auto [i, own] : llvm::enumerate(all)) {
      OpFoldResult place = b.sub(b.index(dim), below);
      size = b.select(b.compare(arith::CmpIPredicate::eq, place,
                                b.index(static_cast<int64_t>(i))),
                      own, size);
    }
    result.push_back(
        b.select(b.compare(arith::CmpIPredicate::eq, isAxis, b.index(1)),
                 b.index(1), size));
  }
  return ctx.results(b.reshape(ctx.input(0), result));
}

LogicalResult buildSqueeze(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  FailureOr<std::optional<Sizes>> axes = readAxes(ctx, 13, 1, ctx.rank());
  if (failed(axes)) {
    return failure();
  }
  Sizes all = b.sizes(ctx.input(0));
  if (!*axes) {
    SmallVector<int64_t> dims;
    for (auto [dim, size] : llvm::enumerate(all)) {
      if (!getConstantIntValue(size)) {
        return ctx.unsupported("no axes and a dim that may be 1 at run time");
      }
      if (isConstantIntValue(size, 1)) {
        dims.push_back(dim);
      }
    }
    return ctx.results(b.squeeze(ctx.input(0), dims));
  }
  if (std::optional<SmallVector<int64_t>> known = staticAxes(**axes)) {
    FailureOr<SmallVector<int64_t>> dims = ctx.normalAxes(*known, ctx.rank());
    return failed(dims) ? failure()
                        : ctx.results(b.squeeze(ctx.input(0), *dims));
  }
  if ((*axes)->size() > all.size()) {
    return ctx.invalid("expected at most " + Twine(all.size()) + " axes, got " +
                       Twine((*axes)->size()));
  }
  Sizes result(all.size() - (*axes)->size(), b.index(1));
  for (auto [dim, size] : llvm::enumerate(all)) {
    auto [isAxis, below] = placeAmong(b, **axes, dim);
    OpFoldResult place =
        b.select(b.compare(arith::CmpIPredicate::eq, isAxis, b.index(1)),
                 b.index(-1), b.sub(b.index(static_cast<int64_t>(dim)), below));
    for (auto [i, own] : llvm::enumerate(result)) {
      own = b.select(b.compare(arith::CmpIPredicate::eq, place,
                               b.index(static_cast<int64_t>(i))),
                     size, own);
    }
  }
  return ctx.results(b.reshapeTo(ctx.input(0), result, true));
}

//===-- slices ------------------------------------------------------------===//

LogicalResult buildSlice(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t rank = ctx.rank();
  Sizes starts, ends, steps;
  if (ctx.since() < 10) {
    starts = toSizes(b, ctx.getInts("starts"));
    ends = toSizes(b, ctx.getInts("ends"));
  } else {
    FailureOr<Sizes> first = b.readInts(ctx.input(1), "starts"),
                     second = b.readInts(ctx.input(2), "ends");
    if (failed(first) || failed(second)) {
      return failure();
    }
    starts = *first;
    ends = *second;
    if (ctx.input(4)) {
      FailureOr<Sizes> third = b.readInts(ctx.input(4), "steps");
      if (failed(third)) {
        return failure();
      }
      steps = *third;
    }
  }
  if (steps.empty()) {
    steps.assign(starts.size(), b.index(1));
  }
  FailureOr<std::optional<Sizes>> given = readAxes(ctx, 10, 3, rank);
  if (failed(given)) {
    return failure();
  }
  Sizes axes;
  if (*given) {
    axes = **given;
  } else {
    axes = toSizes(b, llvm::to_vector(llvm::seq<int64_t>(0, starts.size())));
  }
  if (starts.size() != ends.size() || starts.size() != steps.size() ||
      starts.size() != axes.size() ||
      static_cast<int64_t>(starts.size()) > rank) {
    return ctx.invalid("expected as many starts, ends, steps and axes, at most "
                       "one per dim, got " +
                       Twine(starts.size()) + ", " + Twine(ends.size()) + ", " +
                       Twine(steps.size()) + " and " + Twine(axes.size()));
  }
  std::optional<SmallVector<int64_t>> known = staticAxes(axes);
  if (known) {
    if (failed(ctx.normalAxes(*known, rank))) {
      return failure();
    }
    return ctx.results(
        b.sliceClamped(ctx.input(0), *known, starts, ends, steps));
  }
  Sizes all = b.sizes(ctx.input(0)), zeros(rank, b.index(0)),
        ones(rank, b.index(1));
  auto dims = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  return ctx.results(
      b.sliceClamped(ctx.input(0), dims, spread(b, axes, starts, zeros),
                     spread(b, axes, ends, all), spread(b, axes, steps, ones)));
}

LogicalResult buildSplit(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  FailureOr<int64_t> axis = ctx.getAxis("axis", 0, ctx.rank());
  if (failed(axis)) {
    return failure();
  }
  unsigned count = ctx.numOutputs();
  OpFoldResult extent = b.size(ctx.input(0), *axis);
  Sizes parts = toSizes(b, ctx.getInts("split"));
  if (ctx.since() >= 13 && ctx.input(1)) {
    FailureOr<Sizes> read = b.readInts(ctx.input(1), "split");
    if (failed(read)) {
      return failure();
    }
    parts = *read;
  }
  if (parts.empty()) {
    // Equal parts; from 18 on the last may be smaller.
    int64_t wanted = ctx.getInt("num_outputs", count);
    if (wanted != count) {
      return ctx.invalid("expected num_outputs " + Twine(count) + ", got " +
                         Twine(wanted));
    }
    OpFoldResult part = b.ceilDiv(extent, b.index(count));
    OpFoldResult left = extent;
    for (unsigned i = 0; i < count; ++i) {
      OpFoldResult size = i + 1 == count ? left : part;
      parts.push_back(size);
      left = b.sub(left, size);
    }
    std::optional<int64_t> last = getConstantIntValue(parts.back());
    if (ctx.since() < 18 &&
        failed(b.checkEqual(part, parts.back(), "the last part"))) {
      return failure();
    }
    if (last && *last < 0) {
      return ctx.invalid("cannot split into " + Twine(count) + " parts");
    }
  }
  if (parts.size() != count) {
    return ctx.invalid("expected " + Twine(count) + " sizes of parts, got " +
                       Twine(parts.size()));
  }
  // Before any part is taken: the slices rely on lying inside.
  OpFoldResult total = b.index(0);
  for (OpFoldResult part : parts) {
    if ((!b.isNonNegative(part) &&
         failed(b.check(b.compare(arith::CmpIPredicate::sge, part, b.index(0)),
                        "expected parts of at least 0 elements, got {0}",
                        {part}))) ||
        failed(b.checkMagnitude(part, "a part"))) {
      return failure();
    }
    total = b.add(total, part);
  }
  if (failed(b.checkEqual(extent, total, "the parts together"))) {
    return failure();
  }
  SmallVector<Value> results;
  OpFoldResult offset = b.index(0);
  for (OpFoldResult part : parts) {
    results.push_back(b.sliceDim(ctx.input(0), *axis, offset, part));
    offset = b.add(offset, part);
  }
  return ctx.results(results);
}

LogicalResult buildTile(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  FailureOr<Sizes> repeats = b.readInts(ctx.input(1), "repeats");
  if (failed(repeats)) {
    return failure();
  }
  if (static_cast<int64_t>(repeats->size()) != ctx.rank()) {
    return ctx.invalid("expected " + Twine(ctx.rank()) + " repeats, got " +
                       Twine(repeats->size()));
  }
  // (d0, d1) -> (1, d0, 1, d1) -> (r0, d0, r1, d1) -> (r0 d0, r1 d1).
  Sizes narrow, wide, merged;
  for (auto [size, repeat] :
       llvm::zip_equal(Sizes(b.sizes(ctx.input(0))), *repeats)) {
    if (!b.isNonNegative(repeat) &&
        failed(b.check(b.compare(arith::CmpIPredicate::sge, repeat, b.index(0)),
                       "expected repeats of at least 0, got {0}", {repeat}))) {
      return failure();
    }
    if (!isConstantIntValue(repeat, 1)) {
      narrow.push_back(b.index(1));
      wide.push_back(repeat);
    }
    narrow.push_back(size);
    wide.push_back(size);
    merged.push_back(b.mul(size, repeat));
  }
  return ctx.results(
      b.reshape(b.broadcastTo(b.reshape(ctx.input(0), narrow), wide), merged));
}

LogicalResult buildPad(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t rank = ctx.rank();
  auto mode = llvm::StringSwitch<std::optional<nn::PadMode>>(
                  ctx.getString("mode", "constant"))
                  .Case("constant", nn::PadMode::constant)
                  .Case("edge", nn::PadMode::edge)
                  .Case("reflect", nn::PadMode::reflect)
                  .Case("wrap", nn::PadMode::wrap)
                  .Default(std::nullopt);
  if (!mode) {
    return ctx.invalid("expected mode constant, edge, reflect or wrap, got '" +
                       ctx.getString("mode", "") + "'");
  }
  Sizes pads = toSizes(b, ctx.getInts("pads"));
  Value value;
  if (ctx.since() < 11) {
    value = b.scalar(ctx.element(), ctx.getFloat("value", 0));
  } else {
    FailureOr<Sizes> read = b.readInts(ctx.input(1), "pads");
    if (failed(read)) {
      return failure();
    }
    pads = *read;
    value = ctx.input(2) ? b.reshapeTo(ctx.input(2), {}, false)
                         : b.scalar(ctx.element(), 0);
  }
  FailureOr<std::optional<Sizes>> given = readAxes(ctx, 11, 3, rank);
  if (failed(given) || !value) {
    return failure();
  }
  Sizes axes;
  if (*given) {
    axes = **given;
  } else {
    axes = toSizes(b, llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  }
  if (pads.size() != 2 * axes.size()) {
    return ctx.invalid("expected " + Twine(2 * axes.size()) + " pads, got " +
                       Twine(pads.size()));
  }
  Sizes zeros(rank, b.index(0)), low(pads.begin(), pads.begin() + axes.size()),
      high(pads.begin() + axes.size(), pads.end());
  return ctx.results(b.pad(ctx.input(0), spread(b, axes, low, zeros),
                           spread(b, axes, high, zeros), *mode,
                           *mode == nn::PadMode::constant ? value : Value()));
}

//===-- blocks of space and depth -----------------------------------------===//

/// `rounded` is `count` rounded down to a multiple of `step`.
static LogicalResult checkMultiple(GraphBuilder &b, OpFoldResult count,
                                   OpFoldResult rounded, const Twine &what,
                                   int64_t step) {
  return b.check(b.compare(arith::CmpIPredicate::eq, count, rounded),
                 "expected a number of " + what + " that is a multiple of " +
                     Twine(step) + ", got {0}",
                 {count});
}

/// What DepthToSpace and SpaceToDepth have in common.
static LogicalResult checkBlocks(NodeContext &ctx, int64_t block,
                                 StringRef mode) {
  if (ctx.rank() == 4 && block >= 1 && block <= INT32_MAX &&
      (mode == "DCR" || mode == "CRD")) {
    return success();
  }
  return ctx.invalid("expected rank 4, a positive blocksize and mode DCR or "
                     "CRD, got rank " +
                     Twine(ctx.rank()) + ", " + Twine(block) + " and '" + mode +
                     "'");
}

LogicalResult buildDepthToSpace(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t block = ctx.getInt("blocksize", 0);
  StringRef mode = ctx.getString("mode", "DCR");
  if (failed(checkBlocks(ctx, block, mode))) {
    return failure();
  }
  Sizes all = b.sizes(ctx.input(0));
  OpFoldResult size = b.index(block), area = b.index(block * block);
  OpFoldResult depth = b.floorDiv(all[1], area);
  if (failed(checkMultiple(b, all[1], b.mul(depth, area), "channels",
                           block * block))) {
    return failure();
  }
  bool depthFirst = mode == "DCR";
  Sizes split = depthFirst ? Sizes{all[0], size, size, depth, all[2], all[3]}
                           : Sizes{all[0], depth, size, size, all[2], all[3]};
  SmallVector<int64_t> order = depthFirst
                                   ? SmallVector<int64_t>{0, 3, 4, 1, 5, 2}
                                   : SmallVector<int64_t>{0, 1, 4, 2, 5, 3};
  Value moved = b.transpose(b.reshape(ctx.input(0), split), order);
  return ctx.results(b.reshape(
      moved, {all[0], depth, b.mul(all[2], size), b.mul(all[3], size)}));
}

LogicalResult buildSpaceToDepth(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  int64_t block = ctx.getInt("blocksize", 0);
  StringRef mode = ctx.getString("mode", "DCR");
  if (failed(checkBlocks(ctx, block, mode))) {
    return failure();
  }
  Sizes all = b.sizes(ctx.input(0));
  OpFoldResult size = b.index(block);
  OpFoldResult rows = b.floorDiv(all[2], size),
               columns = b.floorDiv(all[3], size);
  if (failed(checkMultiple(b, all[2], b.mul(rows, size), "rows", block)) ||
      failed(
          checkMultiple(b, all[3], b.mul(columns, size), "columns", block))) {
    return failure();
  }
  Value split =
      b.reshape(ctx.input(0), {all[0], all[1], rows, size, columns, size});
  SmallVector<int64_t> order = mode == "DCR"
                                   ? SmallVector<int64_t>{0, 3, 5, 1, 2, 4}
                                   : SmallVector<int64_t>{0, 1, 3, 5, 2, 4};
  return ctx.results(b.reshape(
      b.transpose(split, order),
      {all[0], b.mul(all[1], b.index(block * block)), rows, columns}));
}

} // namespace dlc::onnx
