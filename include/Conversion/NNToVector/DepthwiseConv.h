// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emitter of convolutions with few channels a group (depthwise, with any
// multiplier, and grouped): the lanes of a vector are neighbouring output
// channels, so they may belong to several groups. Input vectors are loaded once
// per pixel and shared by all taps that read them.
#ifndef DLC_CONVERSION_NNTOVECTOR_DEPTHWISECONV_H
#define DLC_CONVERSION_NNTOVECTOR_DEPTHWISECONV_H

#include "Conversion/NNToVector/Conv.h"

namespace dlc::kernel {

/// Whether this kernel suits `spec` better than emitConv, which leaves lanes
/// unused when a group has fewer output channels than a vector has lanes. Any
/// spec with inputChannels <= 16 is legal here, except a transposed one with
/// several input and several output channels a group.
bool prefersDepthwise(const ConvSpec &spec, const VectorTarget &target);

/// The layout the kernel reads the filter in: one group of all output channels.
PackedLayout getDepthwiseFilterLayout(const ConvSpec &spec,
                                      const ConvSchedule &sched,
                                      const VectorTarget &target);

/// Number of work items: images x channel panels x row blocks.
mlir::OpFoldResult getDepthwiseItems(mlir::ImplicitLocOpBuilder &b,
                                     const ConvSpec &spec,
                                     const ConvSchedule &sched,
                                     const VectorTarget &target);

/// Bytes of scratch each worker needs.
int64_t getDepthwiseScratchBytes(const ConvSpec &spec,
                                 const ConvSchedule &sched,
                                 const VectorTarget &target);

/// Emits the work items [begin, end) at the builder's insertion point.
void emitDepthwiseConv(mlir::ImplicitLocOpBuilder &b, const ConvSpec &spec,
                       const ConvSchedule &sched, const VectorTarget &target,
                       const ConvBuffers &buffers, mlir::Value begin,
                       mlir::Value end);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_DEPTHWISECONV_H
