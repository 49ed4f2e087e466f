// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The score and mask regions of attention in a GPU kernel.
#ifndef DLC_CONVERSION_NNTOGPU_ATTENTIONREGION_H
#define DLC_CONVERSION_NNTOGPU_ATTENTIONREGION_H

#include "Conversion/NNToKernel/KernelBuilder.h"

namespace dlc {

/// Emits `region`, score or mask, for one place and returns what it yields.
/// `score` is null for a mask. `inputs` have the maps from `firstMap` on;
/// `loops` are the indices of the op's loops, of which the regions read those
/// from batch to key.
mlir::Value emitAttentionRegion(KernelBuilder &kb, nn::AttentionOp op,
                                mlir::Region &region, mlir::Value score,
                                mlir::ValueRange inputs, unsigned firstMap,
                                llvm::ArrayRef<mlir::Value> loops);

} // namespace dlc

#endif // DLC_CONVERSION_NNTOGPU_ATTENTIONREGION_H
