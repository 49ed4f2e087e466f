// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Inputs whose elements are read where they are known to be.
#ifndef DLC_LIB_CONVERSION_NNTOGPU_ELEMENTVIEW_H
#define DLC_LIB_CONVERSION_NNTOGPU_ELEMENTVIEW_H

#include "Conversion/NNToGPU/GPUKernelFamily.h"

namespace dlc {

/// A view of `input` that has its element number `place` at all indices.
/// Indices that were divided out of a place would hide from LLVM which elements
/// are neighbours.
mlir::Value viewElement(GPUKernelBuilder &kb, mlir::Value input,
                        mlir::OpFoldResult place);

} // namespace dlc

#endif // DLC_LIB_CONVERSION_NNTOGPU_ELEMENTVIEW_H
