// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Window attributes that convolutions and pooling share.
#ifndef DLC_LIB_IMPORT_ONNX_WINDOW_H
#define DLC_LIB_IMPORT_ONNX_WINDOW_H

#include "Builders.h"

#include "llvm/ADT/StringSwitch.h"

namespace dlc::onnx {

enum class PadRule { Explicit, None, SameUpper, SameLower };

/// The auto_pad attribute.
FailureOr<PadRule> readPadRule(NodeContext &ctx);
/// strides and dilations, 1 where they are absent.
LogicalResult readWindowSteps(NodeContext &ctx, size_t rank, Window &window);
/// pads or auto_pad; the window's steps are set.
LogicalResult readPads(NodeContext &ctx, Value input,
                       llvm::ArrayRef<OpFoldResult> kernel, Window &window);
/// A convolution with the node's window attributes.
FailureOr<Value> buildConvOf(NodeContext &ctx, Value input, Value filter,
                             Value bias, GraphBuilder::ConvOptions options);

} // namespace dlc::onnx

#endif // DLC_LIB_IMPORT_ONNX_WINDOW_H
