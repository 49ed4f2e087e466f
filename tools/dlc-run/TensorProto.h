// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads ONNX TensorProto files, as the data sets of ONNX's tests hold them,
// by protobuf's wire format (protobuf.dev/programming-guides/encoding).
#ifndef DLC_TOOLS_RUN_TENSORPROTO_H
#define DLC_TOOLS_RUN_TENSORPROTO_H

#include "HostTensor.h"

namespace dlc::run {

/// Strings, external data and other messages than TensorProto are errors.
Error readTensorProto(const std::string &path, HostTensor &tensor);

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_TENSORPROTO_H
