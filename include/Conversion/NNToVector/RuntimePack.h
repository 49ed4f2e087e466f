// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Emitter of the packing of Pack.h as a kernel, for filters and matrices that
// are no parameters.
#ifndef DLC_CONVERSION_NNTOVECTOR_RUNTIMEPACK_H
#define DLC_CONVERSION_NNTOVECTOR_RUNTIMEPACK_H

#include "Conversion/NNToVector/Pack.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dlc::kernel {

/// Number of work items: groups x panels.
int64_t getPackItems(const PackedLayout &layout);

/// Emits the items [begin, end) of packing `source` into `packed`, memrefs of
/// one element type; the same result as pack().
void emitPack(mlir::ImplicitLocOpBuilder &b, const PackedLayout &layout,
              const SourceStrides &strides, mlir::Value source,
              mlir::Value packed, mlir::Value begin, mlir::Value end);

} // namespace dlc::kernel

#endif // DLC_CONVERSION_NNTOVECTOR_RUNTIMEPACK_H
