// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Convolutions on tensor cores, as products of pixels x (taps x channels) and
// (taps x channels) x output channels whose left operand is never made ("lazy
// im2col").
#ifndef DLC_DIALECT_TILE_CONVKERNEL_H
#define DLC_DIALECT_TILE_CONVKERNEL_H

#include "Dialect/Tile/KernelBuilder.h"
#include "Dialect/Tile/Schedules.h"

namespace dlc::tile {

/// output[i, y, x, g * outputChannels + j] = compute(sum over r, s, c of
///   input[i, y * strides[0] + r * dilations[0] - padLow[0],
///         x * strides[1] + s * dilations[1] - padLow[1],
///         g * inputChannels + c] * filter[g, r, s, c, j]);
/// positions outside of the input count as zero. A 1-D convolution has height,
/// kernel, stride and dilation 1 in dimension 0. The number of output pixels of
/// all images is less than 2^31.
struct ConvSpec {
  /// bf16, f16 or f32 (rounded to tf32), of input and filter; or i8 or ui8 of
  /// the input, whose filter may have the other one.
  mlir::Type element, filterElement;
  /// Of 8-bit integers: what is subtracted from the input's elements (i32;
  /// null: nothing) and from the filter's, of an output channel of all groups.
  /// The positions outside count as zero after that.
  mlir::Value inputZero;
  ZeroPointFn filterZero;
  /// Whether taps may lie outside of the image.
  bool isPadded = true;
  mlir::Value input;
  Size images;
  /// Height and width.
  std::array<Size, 2> inputSizes, outputSizes, padLow;
  std::array<int64_t, 2> kernel{1, 1}, strides{1, 1}, dilations{1, 1};
  int64_t groups = 1;
  /// Channels of one group.
  int64_t inputChannels = 0, outputChannels = 0;
  /// Elements between images, rows and pixels; channels are neighbours.
  Size imageStride, rowStride, pixelStride;
  /// As of MatrixSpec: of the first channel of each group of each pixel.
  int64_t inputAlignment = 0;

  /// filter[g, r, s, c, j] lies at g * groupStride + (r * kernel[1] + s) *
  /// tapStride + c * channelStride + j * outputStride, in elements; one of the
  /// last two strides is 1, and tapStride is inputChannels * channelStride. The
  /// filter begins at a multiple of 16 bytes.
  mlir::Value filter;
  int64_t groupStride = 0, tapStride = 0, channelStride = 0, outputStride = 0;

  /// Rows are pixels, of all images one after the other; columns are the
  /// output channels of all groups. ResultPlace::batch is empty.
  ResultSpec output;
};

/// As buildGemmKernel. The launch has
///   groups * ceil(pixels / tile_m) * ceil(outputChannels / tile_n) * split_k
/// blocks, pixels = images * outputSizes[0] * outputSizes[1]. With split_k > 1
/// the result is partial sums, [split_k][pixels][groups * outputChannels] of
/// the sums' type.
mlir::FailureOr<KernelOp>
buildConvKernel(mlir::ImplicitLocOpBuilder &b, const KernelSignature &signature,
                ConvScheduleAttr schedule, const BlockLimits &limits,
                llvm::function_ref<ConvSpec(mlir::ImplicitLocOpBuilder &,
                                            const KernelArguments &)>
                    makeSpec);

} // namespace dlc::tile

#endif // DLC_DIALECT_TILE_CONVKERNEL_H
