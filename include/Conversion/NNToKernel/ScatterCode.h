// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar code of nn.scatter, for loops of any form.
#ifndef DLC_CONVERSION_NNTOKERNEL_SCATTERCODE_H
#define DLC_CONVERSION_NNTOKERNEL_SCATTERCODE_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// Where an update goes: indices of dest, and whether they exist (null: yes).
struct ScatterPlace {
  llvm::SmallVector<mlir::Value> at;
  mlir::Value inside;
};

/// The place of the update at `indices`. An index out of range is the caller's
/// error; such an update is left out.
ScatterPlace emitScatterPlace(KernelBuilder &kb, nn::ScatterOp op,
                              mlir::ValueRange indices);

/// What stands there after `update`, where `old` stood before.
mlir::Value emitScatterCombine(KernelBuilder &kb, nn::ScatterOp op,
                               mlir::Value old, mlir::Value update);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOKERNEL_SCATTERCODE_H
