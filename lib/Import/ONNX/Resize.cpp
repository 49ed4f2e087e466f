// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Resize and its forerunner Upsample.
#include "Axes.h"

#include "llvm/ADT/StringSwitch.h"

#include <cmath>
#include <cstdio>

using namespace mlir;

namespace dlc::onnx {

namespace {
/// Scale and output size of one axis. A scale that is not known is an f32.
struct AxisScale {
  std::optional<double> known;
  Value runtime;
  OpFoldResult size;
};
} // namespace

/// A size as a float.
static Value sizeAsFloat(GraphBuilder &b, OpFoldResult size, Type type) {
  Value integer =
      arith::IndexCastOp::create(b, b.loc, b.getI64Type(), b.toValue(size));
  return arith::SIToFPOp::create(b, b.loc, type, integer);
}

/// extent * factor with an f32 factor, exact as f64.
static Value scaleSize(GraphBuilder &b, OpFoldResult extent, Value factor) {
  Type wide = b.getF64Type();
  return arith::MulFOp::create(b, b.loc, sizeAsFloat(b, extent, wide),
                               arith::ExtFOp::create(b, b.loc, wide, factor));
}

/// floor(x) as a size.
static OpFoldResult floorToSize(GraphBuilder &b, Value x) {
  Value floor = math::FloorOp::create(b, b.loc, x);
  Value integer = arith::FPToSIOp::create(b, b.loc, b.getI64Type(), floor);
  return arith::IndexCastOp::create(b, b.loc, b.getIndexType(), integer)
      .getResult();
}

static Value constantFloat(GraphBuilder &b, double value) {
  return arith::ConstantOp::create(
      b, b.loc, b.getF32FloatAttr(static_cast<float>(value)));
}

/// size = floor(extent * scale) for each axis.
static FailureOr<SmallVector<AxisScale>>
fromScales(NodeContext &ctx, Value scales, llvm::ArrayRef<int64_t> axes) {
  GraphBuilder &b = ctx.b;
  SmallVector<AxisScale> result;
  RankedTensorType type = GraphBuilder::typeOf(scales);
  if (type.getRank() == 1 && type.isDynamicDim(0)) {
    return ctx.unsupported("scales of a number that is known at run time only");
  }
  if (type.getRank() != 1 ||
      type.getDimSize(0) != static_cast<int64_t>(axes.size())) {
    return ctx.invalid("expected " + Twine(axes.size()) + " scales, got " +
                       typeName(type));
  }
  DenseElementsAttr constant = b.constantOf(scales);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    OpFoldResult extent = b.size(ctx.input(0), axis);
    AxisScale scale;
    Value factor;
    if (constant) {
      float known = constant.getValues<APFloat>()[i].convertToFloat();
      scale.known = known;
      if (!(known > 0) || known > 1e9f) {
        char text[32];
        std::snprintf(text, sizeof text, "%g", known);
        return ctx.invalid("expected scales above 0, up to 1e9, got " +
                           Twine(text));
      }
      std::optional<int64_t> size = getConstantIntValue(extent);
      if (size) {
        scale.size = b.index(static_cast<int64_t>(
            std::floor(static_cast<double>(*size) * known)));
      } else if (known == std::floor(known)) {
        scale.size = b.mul(extent, b.index(static_cast<int64_t>(known)));
      } else {
        factor = constantFloat(b, known);
      }
    } else {
      factor =
          tensor::ExtractOp::create(b, b.loc, scales, b.toValue(b.index(i)));
      scale.runtime = factor;
    }
    if (factor) {
      scale.size = floorToSize(b, scaleSize(b, extent, factor));
    }
    result.push_back(scale);
  }
  return result;
}

/// scale = size / extent; with an aspect policy the smallest or largest of all.
static FailureOr<SmallVector<AxisScale>>
fromSizes(NodeContext &ctx, const Sizes &sizes, llvm::ArrayRef<int64_t> axes) {
  GraphBuilder &b = ctx.b;
  if (sizes.size() != axes.size()) {
    return ctx.invalid("expected " + Twine(axes.size()) + " sizes, got " +
                       Twine(sizes.size()));
  }
  StringRef policy = ctx.getString("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" &&
      policy != "not_smaller") {
    return ctx.invalid("expected keep_aspect_ratio_policy stretch, not_larger "
                       "or not_smaller, got '" +
                       policy + "'");
  }
  SmallVector<AxisScale> result;
  bool allKnown = true;
  for (auto [size, axis] : llvm::zip_equal(sizes, axes)) {
    OpFoldResult extent = b.size(ctx.input(0), axis);
    std::optional<int64_t> from = getConstantIntValue(extent),
                           to = getConstantIntValue(size);
    AxisScale scale;
    scale.size = size;
    if (from && to) {
      if (*from < 1 || *to < 1) {
        return ctx.invalid("expected positive sizes, got " + Twine(*from) +
                           " to " + Twine(*to));
      }
      scale.known = static_cast<double>(*to) / static_cast<double>(*from);
    } else {
      allKnown = false;
      Type type = b.getF32Type();
      scale.runtime = arith::DivFOp::create(
          b, b.loc, sizeAsFloat(b, size, type), sizeAsFloat(b, extent, type));
    }
    result.push_back(scale);
  }
  if (policy == "stretch" || result.empty()) {
    return result;
  }
  bool smallest = policy == "not_larger";
  if (allKnown) {
    double common = *result[0].known;
    for (const AxisScale &scale : result) {
      common = smallest ? std::min(common, *scale.known)
                        : std::max(common, *scale.known);
    }
    for (auto [scale, axis] : llvm::zip_equal(result, axes)) {
      int64_t extent = *getConstantIntValue(b.size(ctx.input(0), axis));
      scale.known = common;
      scale.size = b.index(static_cast<int64_t>(
          std::floor(static_cast<double>(extent) * common + 0.5)));
    }
    return result;
  }
  Value common;
  for (AxisScale &scale : result) {
    Value own = scale.runtime ? scale.runtime : constantFloat(b, *scale.known);
    if (!common) {
      common = own;
    } else if (smallest) {
      common = arith::MinimumFOp::create(b, b.loc, common, own);
    } else {
      common = arith::MaximumFOp::create(b, b.loc, common, own);
    }
  }
  Value half = arith::ConstantOp::create(b, b.loc, b.getF64FloatAttr(0.5));
  for (auto [scale, axis] : llvm::zip_equal(result, axes)) {
    Value wide = scaleSize(b, b.size(ctx.input(0), axis), common);
    scale.known = std::nullopt;
    scale.runtime = common;
    scale.size = floorToSize(b, arith::AddFOp::create(b, b.loc, wide, half));
  }
  return result;
}

namespace {
/// How values between elements are found.
struct ResizeModes {
  nn::ResizeMode mode;
  nn::CoordinateMode coordinate;
  nn::NearestMode nearest;
};
} // namespace

static FailureOr<ResizeModes> readModes(NodeContext &ctx) {
  bool isOld = ctx.schema.name == "Upsample" || ctx.since() < 11;
  StringRef modeText = ctx.getString("mode", "nearest");
  auto mode =
      llvm::StringSwitch<std::optional<nn::ResizeMode>>(modeText)
          .Case("nearest", nn::ResizeMode::nearest)
          .Cases({"linear", "bilinear", "trilinear"}, nn::ResizeMode::linear)
          .Case("cubic", nn::ResizeMode::cubic)
          .Default(std::nullopt);
  if (!mode) {
    return ctx.invalid("expected mode nearest, linear or cubic, got '" +
                       modeText + "'");
  }
  if (isOld) {
    return ResizeModes{*mode, nn::CoordinateMode::asymmetric,
                       nn::NearestMode::floor};
  }
  StringRef coordinate =
      ctx.getString("coordinate_transformation_mode", "half_pixel");
  std::optional<nn::CoordinateMode> known =
      nn::symbolizeCoordinateMode(coordinate);
  if (!known) {
    return ctx.unsupported("coordinate_transformation_mode '" + coordinate +
                           "'");
  }
  StringRef nearest = ctx.getString("nearest_mode", "round_prefer_floor");
  std::optional<nn::NearestMode> rounding = nn::symbolizeNearestMode(nearest);
  if (!rounding) {
    return ctx.invalid("unknown nearest_mode '" + nearest + "'");
  }
  return ResizeModes{*mode, *known, *rounding};
}

/// The nn.resize of the axes that change.
static LogicalResult giveResized(NodeContext &ctx, llvm::ArrayRef<int64_t> axes,
                                 llvm::ArrayRef<AxisScale> scales, Value roi) {
  GraphBuilder &b = ctx.b;
  FailureOr<ResizeModes> modes = readModes(ctx);
  if (failed(modes)) {
    return failure();
  }
  bool crops = modes->coordinate == nn::CoordinateMode::tf_crop_and_resize;
  Sizes result = b.sizes(ctx.input(0));
  SmallVector<std::pair<int64_t, AxisScale>> changed;
  for (auto [axis, scale] : llvm::zip_equal(axes, scales)) {
    bool same = scale.known == 1.0 && result[axis] == scale.size;
    result[axis] = scale.size;
    if (!same || crops) {
      changed.push_back({axis, scale});
    }
  }
  if (changed.empty()) {
    return ctx.results(ctx.input(0));
  }
  llvm::sort(changed, [](const auto &lhs, const auto &rhs) {
    return lhs.first < rhs.first;
  });
  if (crops && (!roi || !llvm::is_sorted(axes))) {
    return roi ? ctx.unsupported("a roi of axes that are not sorted")
               : ctx.invalid("expected a roi with tf_crop_and_resize");
  }
  SmallVector<int64_t> sorted;
  SmallVector<double> known;
  SmallVector<Value> runtime;
  for (auto &[axis, scale] : changed) {
    sorted.push_back(axis);
    if (scale.known) {
      known.push_back(*scale.known);
    }
    runtime.push_back(scale.runtime);
  }
  bool allKnown = known.size() == changed.size();
  if (!allKnown) {
    for (auto [value, entry] : llvm::zip_equal(runtime, changed)) {
      value = value ? value : constantFloat(b, *entry.second.known);
    }
  }
  return ctx.results(b.make<nn::ResizeOp>(
      ctx.element(), result, ctx.input(0), nn::dynamicSizes(result),
      allKnown ? ValueRange() : ValueRange(runtime),
      crops ? b.cast(roi, b.getF32Type()) : Value(),
      b.getDenseI64ArrayAttr(sorted),
      allKnown ? b.getDenseF64ArrayAttr(known) : DenseF64ArrayAttr(),
      nn::ResizeModeAttr::get(b.getContext(), modes->mode),
      nn::CoordinateModeAttr::get(b.getContext(), modes->coordinate),
      nn::NearestModeAttr::get(b.getContext(), modes->nearest),
      b.getF64FloatAttr(ctx.getFloat("cubic_coeff_a", -0.75)),
      ctx.getFlag("exclude_outside") ? b.getUnitAttr() : UnitAttr(),
      ctx.getFlag("antialias") ? b.getUnitAttr() : UnitAttr(),
      b.getF64FloatAttr(ctx.getFloat("extrapolation_value", 0))));
}

/// An input that is there and not empty.
static Value presentInput(NodeContext &ctx, unsigned i) {
  Value input = ctx.input(i);
  bool isEmpty = input && GraphBuilder::typeOf(input).hasStaticShape() &&
                 GraphBuilder::typeOf(input).getNumElements() == 0;
  return isEmpty ? Value() : input;
}

LogicalResult buildResize(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  unsigned first = ctx.since() < 11 ? 1 : 2;
  Value scales = presentInput(ctx, first), sizes = presentInput(ctx, first + 1);
  if (!scales == !sizes) {
    return ctx.invalid("expected either scales or sizes");
  }
  SmallVector<int64_t> axes =
      llvm::to_vector(llvm::seq<int64_t>(0, ctx.rank()));
  if (ctx.has("axes")) {
    axes.assign(ctx.getInts("axes").begin(), ctx.getInts("axes").end());
    if (failed(ctx.normalAxes(axes, ctx.rank()))) {
      return failure();
    }
    for (int64_t &axis : axes) {
      axis = axis < 0 ? axis + ctx.rank() : axis;
    }
  }
  FailureOr<SmallVector<AxisScale>> read = failure();
  if (scales) {
    read = fromScales(ctx, scales, axes);
  } else {
    FailureOr<Sizes> wanted = b.readInts(sizes, "sizes");
    if (succeeded(wanted)) {
      read = fromSizes(ctx, *wanted, axes);
    }
  }
  return failed(read)
             ? failure()
             : giveResized(ctx, axes, *read,
                           first == 2 ? presentInput(ctx, 1) : Value());
}

LogicalResult buildUpsample(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  Value scales = ctx.input(1);
  if (ctx.since() < 9) {
    const AttributeProto *given = ctx.attribute("scales");
    auto type = RankedTensorType::get(
        {static_cast<int64_t>(given->floats.size())}, b.getF32Type());
    scales = b.constant(
        DenseElementsAttr::get(type, llvm::ArrayRef<float>(given->floats)));
  }
  SmallVector<int64_t> axes =
      llvm::to_vector(llvm::seq<int64_t>(0, ctx.rank()));
  FailureOr<SmallVector<AxisScale>> read = fromScales(ctx, scales, axes);
  return failed(read) ? failure() : giveResized(ctx, axes, *read, Value());
}

} // namespace dlc::onnx
