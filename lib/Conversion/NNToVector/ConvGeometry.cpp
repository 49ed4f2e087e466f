// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Strides, outer window loops and row phases of convolutions.
#include "ConvGeometry.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <numeric>

using namespace mlir;
using namespace dlc::kernel;

//===--- Phases
//------------------------------------------------------------===//

int64_t RowPhase::minOffset() const {
  int64_t low = taps.front().offset;
  for (const RowTap &tap : taps)
    low = std::min(low, tap.offset);
  return low;
}

int64_t RowPhase::maxOffset() const {
  int64_t high = taps.front().offset;
  for (const RowTap &tap : taps)
    high = std::max(high, tap.offset);
  return high;
}

int64_t RowPhase::indexStep() const {
  return taps.size() < 2 ? 1 : taps[1].index - taps[0].index;
}

int64_t RowPhase::offsetStep() const {
  return taps.size() < 2 ? 1 : taps[1].offset - taps[0].offset;
}

SmallVector<RowPhase> ConvGeometry::phases() const {
  int64_t stride = spec.strides.back(), dilation = spec.dilations.back();
  SmallVector<RowPhase> result;
  if (!spec.transposed) {
    RowPhase &phase = result.emplace_back();
    phase.first = 0;
    phase.step = 1;
    phase.pixels = outputWidth;
    phase.inputStep = stride;
    phase.base = math.sub(math.constant(0), spec.padLow.back());
    for (int64_t t = 0; t < rowTaps(); ++t)
      phase.taps.push_back({t, t * dilation});
    return result;
  }
  int64_t pad = *IndexMath::known(spec.padLow.back());
  for (int64_t first = 0; first < stride; ++first) {
    RowPhase &phase = result.emplace_back();
    phase.first = first;
    phase.step = stride;
    phase.pixels = math.div(
        math.max(math.constant(0),
                 math.add(outputWidth, math.constant(stride - 1 - first))),
        math.constant(stride));
    phase.inputStep = 1;
    phase.base = math.constant(0);
    for (int64_t t = 0; t < rowTaps(); ++t)
      if ((first + pad - t * dilation) % stride == 0)
        phase.taps.push_back({t, (first + pad - t * dilation) / stride});
  }
  return result;
}

//===--- Rows
//--------------------------------------------------------------===//

static SmallVector<OpFoldResult> denseStrides(const IndexMath &math,
                                              ArrayRef<OpFoldResult> sizes,
                                              int64_t channels) {
  SmallVector<OpFoldResult> strides(sizes.size() + 1);
  OpFoldResult stride = math.constant(channels);
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i + 1] = stride;
    stride = math.mul(stride, sizes[i]);
  }
  strides[0] = stride;
  return strides;
}

ConvGeometry::ConvGeometry(ImplicitLocOpBuilder &b, const ConvSpec &spec)
    : inputStrides(spec.inputStrides), outputStrides(spec.outputStrides), b(b),
      math(b), spec(spec) {
  if (inputStrides.empty())
    inputStrides =
        denseStrides(math, spec.inputSizes, spec.groups * spec.inputChannels);
  if (outputStrides.empty())
    outputStrides =
        denseStrides(math, spec.outputSizes, spec.groups * spec.outputChannels);
  inputPixel = inputStrides.back();
  outputPixel = outputStrides.back();
  inputWidth = spec.inputSizes.back();
  outputWidth = spec.outputSizes.back();
}

OpFoldResult ConvGeometry::rows() const {
  OpFoldResult count = math.constant(1);
  for (OpFoldResult size : ArrayRef(spec.outputSizes).drop_back())
    count = math.mul(count, size);
  return count;
}

int64_t ConvGeometry::taps() const {
  return std::accumulate(spec.kernel.begin(), spec.kernel.end(), int64_t(1),
                         std::multiplies<int64_t>());
}

OutputRow ConvGeometry::locateRow(OpFoldResult image, OpFoldResult row) const {
  OutputRow result;
  result.input = math.mul(image, inputStrides[0]);
  result.output = math.mul(image, outputStrides[0]);
  auto outer = delinearize(math, row, ArrayRef(spec.outputSizes).drop_back());
  for (auto [dim, index] : llvm::enumerate(outer)) {
    result.outer.push_back(math.value(index));
    result.output =
        math.add(result.output, math.mul(index, outputStrides[dim + 1]));
  }
  result.pixel = math.mul(row, outputWidth);
  result.number = row;
  return result;
}

//===--- Outer window loops
//------------------------------------------------===//

SmallVector<Value> ConvGeometry::emitOuterTaps(const OutputRow &row,
                                               ValueRange carried,
                                               const RowBody &body) const {
  return emitOuterTaps(0, row, row.input, math.constant(0), carried, body);
}

SmallVector<Value>
ConvGeometry::emitOuterTaps(unsigned dim, const OutputRow &row,
                            OpFoldResult input, OpFoldResult tap,
                            ValueRange carried, const RowBody &body) const {
  if (dim + 1 == rank())
    return body(input, tap, carried);
  OpFoldResult zero = math.constant(0), one = math.constant(1);
  OpFoldResult size = spec.inputSizes[dim], pad = spec.padLow[dim];
  OpFoldResult kernel = math.constant(spec.kernel[dim]);
  OpFoldResult stride = math.constant(spec.strides[dim]);
  OpFoldResult dilation = math.constant(spec.dilations[dim]);
  OpFoldResult output = row.outer[dim];
  auto inner = [&](OpFoldResult position, Value t,
                   ValueRange values) -> SmallVector<Value> {
    return emitOuterTaps(
        dim + 1, row,
        math.add(input, math.mul(position, inputStrides[dim + 1])),
        math.add(math.mul(tap, spec.kernel[dim]), t), values, body);
  };

  if (!spec.transposed) {
    // Window position 0 lies at `start`, which may be outside on either side.
    OpFoldResult start = math.sub(math.mul(output, stride), pad);
    OpFoldResult low = zero, high = kernel;
    if (!IndexMath::isKnown(pad, 0))
      low = math.ceilDiv(math.max(zero, math.sub(zero, start)), dilation);
    high = math.min(
        high, math.ceilDiv(math.max(zero, math.sub(size, start)), dilation));
    return emitFor(b, low, high, one, carried, [&](Value t, ValueRange values) {
      OpFoldResult position = math.add(start, math.mul(t, dilation));
      return inner(position, t, values);
    });
  }

  return emitFor(
      b, zero, kernel, one, carried, [&](Value t, ValueRange values) {
        OpFoldResult scaled =
            math.sub(math.add(output, pad), math.mul(t, dilation));
        Value whole = math.equal(math.rem(scaled, stride), zero);
        OpFoldResult position = math.div(scaled, stride);
        Value inside = arith::AndIOp::create(b, math.lessEqual(zero, scaled),
                                             math.less(position, size));
        Value taken = arith::AndIOp::create(b, whole, inside);
        return emitIf(
            b, taken, values.getTypes(),
            [&] { return inner(position, t, values); },
            [&] { return llvm::to_vector(values); });
      });
}
