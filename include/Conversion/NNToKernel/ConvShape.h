// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An nn.conv as the convolution kernels see it.
#ifndef DLC_CONVERSION_NNTOKERNEL_CONVSHAPE_H
#define DLC_CONVERSION_NNTOKERNEL_CONVSHAPE_H

#include "Conversion/NNToKernel/KernelBuilder.h"
#include "Conversion/NNToVector/Conv.h"

namespace dlc {

/// The kernel that computes a convolution.
enum class ConvKernel {
  /// A loop nest without conditions on layout or types; the filter as the model
  /// has it.
  Loops,
  /// A batch of matrix products over pixels.
  MatrixProduct,
  /// Lanes run over channels of several groups.
  Depthwise,
  /// Direct, a tile of pixels by a panel of output channels.
  Direct,
};

/// Whether the kernels other than Loops take `op`, given a filter they may
/// pack: channels last, all of the filter static, element types they know.
bool isPackableConv(nn::ConvOp op);

/// What the kernels need to know of the dispatch's convolution; the epilogue
/// stays empty. `op` is packable.
kernel::ConvSpec createConvSpec(DispatchContext &context);

/// The kernel for a packable convolution.
ConvKernel chooseConvKernel(DispatchContext &context,
                            const kernel::ConvSpec &spec);

/// The schedule that the dispatch carries, else the static rules' choice.
kernel::ConvSchedule getConvSchedule(DispatchContext &context,
                                     const kernel::ConvSpec &spec,
                                     ConvKernel kernel);
kernel::GemmSchedule getConvGemmSchedule(DispatchContext &context,
                                         const kernel::ConvSpec &spec);

/// The transforms from the model's filter to the layout of `kernel`, in panels
/// of `width` columns.
llvm::SmallVector<mlir::Attribute>
getFilterTransforms(nn::ConvOp op, const kernel::ConvSpec &spec,
                    ConvKernel kernel, int64_t width);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_CONVSHAPE_H
