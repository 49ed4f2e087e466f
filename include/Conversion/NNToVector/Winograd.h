// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emitter of 3x3 convolutions by Winograd's minimal filtering F(2x2, 3x3): 2.25
// times fewer multiplications than the direct form, and a smaller rounding
// error. Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
// section 4.1.
#ifndef DLC_CONVERSION_NNTOVECTOR_WINOGRAD_H
#define DLC_CONVERSION_NNTOVECTOR_WINOGRAD_H

#include "Conversion/NNToVector/Conv.h"

namespace dlc::kernel {

/// Whether the kernel can do `spec`: f32, two spatial dimensions, a 3x3 window,
/// strides and dilations of 1, one group, input channels a multiple of the
/// lanes, no operand conversions.
bool supportsWinograd(const ConvSpec &spec, const VectorTarget &target);

/// Layout of the transformed filter, U = G g G^T: 16 taps, row by row.
PackedLayout getWinogradLayout(const ConvSpec &spec,
                               const WinogradSchedule &sched,
                               const VectorTarget &target);

/// Number of work items: blocks of output tiles, over all images.
mlir::OpFoldResult getWinogradItems(mlir::ImplicitLocOpBuilder &b,
                                    const ConvSpec &spec,
                                    const WinogradSchedule &sched,
                                    const VectorTarget &target);

/// Bytes of scratch each worker needs.
int64_t getWinogradScratchBytes(const ConvSpec &spec,
                                const WinogradSchedule &sched,
                                const VectorTarget &target);

/// Emits the work items [begin, end). The filter is transformed and packed as
/// getWinogradLayout says.
void emitWinogradConv(mlir::ImplicitLocOpBuilder &b, const ConvSpec &spec,
                      const WinogradSchedule &sched, const VectorTarget &target,
                      const ConvBuffers &buffers, mlir::Value begin,
                      mlir::Value end);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_WINOGRAD_H
