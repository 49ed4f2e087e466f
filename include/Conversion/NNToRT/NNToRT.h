// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The conversion of the graph of dispatches to the host program.
#ifndef DLC_CONVERSION_NNTORT_NNTORT_H
#define DLC_CONVERSION_NNTORT_NNTORT_H

#include "mlir/Pass/Pass.h"

namespace dlc {

/// Attribute of the entry function's arguments and results: the name in the
/// model.
inline constexpr llvm::StringLiteral kValueNameAttrName = "nn.name";

/// See `dlc-convert-nn-to-rt` in Passes.td. `onDevice`: the kernels and all
/// tensors are on a GPU.
std::unique_ptr<mlir::Pass> createConvertNNToRTPass();
std::unique_ptr<mlir::Pass> createConvertNNToRTPass(bool onDevice);

void registerNNToRTPasses();

} // namespace dlc

#endif // DLC_CONVERSION_NNTORT_NNTORT_H
