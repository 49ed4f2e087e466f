// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emitter of direct convolutions on the CPU: N-D, channels last, groups,
// dilation, any stride and padding, transposed or not. The input is read in
// place; borders are skipped where the sizes are static and copied into a
// zeroed window of scratch where they are not. One accumulator per output takes
// the window in order, so every partition of the work items gives the same
// bits.
#ifndef DLC_CONVERSION_NNTOVECTOR_CONV_H
#define DLC_CONVERSION_NNTOVECTOR_CONV_H

#include "Conversion/NNToVector/Gemm.h"
#include "Conversion/NNToVector/PackedLayout.h"

namespace dlc::kernel {

/// output[b, o..., g*n + j] = epilogue(sum over taps t and channels c of
///   input[b, o*strides + t*dilations - padLow, g*k + c] * filter[g, t, c, j]),
/// or, transposed, the sum over all t for which o + padLow - t*dilations =
/// i*strides, of input i. Input positions outside the input count as zero.
/// Spatial vectors have one element per spatial dimension, outermost first;
/// there is at least one.
struct ConvSpec {
  ContractionTypes types;
  mlir::OpFoldResult batch;
  llvm::SmallVector<mlir::OpFoldResult> inputSizes, outputSizes;
  int64_t groups = 1;
  /// Channels of one group.
  int64_t inputChannels = 0, outputChannels = 0;
  llvm::SmallVector<int64_t> kernel, strides, dilations;
  /// The innermost one must be static where `transposed` is set. High padding
  /// is implied by outputSizes.
  llvm::SmallVector<mlir::OpFoldResult> padLow;
  bool transposed = false;
  /// Elements between images and between positions of each spatial dimension
  /// (batch first); empty: dense [batch][spatial...][groups * channels].
  /// Channels are contiguous.
  llvm::SmallVector<mlir::OpFoldResult> inputStrides, outputStrides;
  OperandFn convertA, convertB;
  /// An input element that convertA maps to zero; null: zero itself.
  mlir::Value padValue;
  Epilogue epilogue;
};

struct ConvBuffers {
  mlir::Value input;
  /// Packed as getFilterLayout says.
  mlir::Value filter;
  mlir::Value output;
  /// As GemmBuffers::scratch.
  mlir::Value scratch;
};

/// The layout the kernel reads the filter in.
PackedLayout getFilterLayout(const ConvSpec &spec, const ConvSchedule &sched,
                             const VectorTarget &target);

/// Number of work items: images x groups x channel panels x row blocks.
mlir::OpFoldResult getConvItems(mlir::ImplicitLocOpBuilder &b,
                                const ConvSpec &spec, const ConvSchedule &sched,
                                const VectorTarget &target);

/// Bytes of scratch each worker needs.
int64_t getConvScratchBytes(const ConvSpec &spec, const ConvSchedule &sched,
                            const VectorTarget &target);

/// Emits the work items [begin, end) at the builder's insertion point.
void emitConv(mlir::ImplicitLocOpBuilder &b, const ConvSpec &spec,
              const ConvSchedule &sched, const VectorTarget &target,
              const ConvBuffers &buffers, mlir::Value begin, mlir::Value end);

/// The same convolution as a batch of matrix products, where it is one: window,
/// strides and dilations of 1, no padding, one group, dense pixels. The filter
/// packs alike, m counts pixels.
std::optional<GemmSpec> asMatrixProduct(mlir::ImplicitLocOpBuilder &b,
                                        const ConvSpec &spec);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_CONV_H
