// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From block-level kernels to the code of one thread.
#ifndef DLC_CONVERSION_TILETONVVM_PASSES_H
#define DLC_CONVERSION_TILETONVVM_PASSES_H

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace dlc {

#define GEN_PASS_DECL
#include "Conversion/TileToNVVM/Passes.h.inc"

/// Attributes of an `llvm.func` kernel, i64: bytes of dynamic shared memory
/// and threads of a block.
inline constexpr llvm::StringLiteral kSharedBytesAttrName = "tile.shared_bytes";
inline constexpr llvm::StringLiteral kTileThreadsAttrName = "tile.threads";

/// Symbol of the dynamic shared memory of all kernels of a module: an external
/// array without elements in address space 3.
inline constexpr llvm::StringLiteral kSharedMemorySymbol = "dlc_shared";

/// Adds the three passes that turn `tile.kernel`s to `llvm.func`s.
void buildTileToNVVMPipeline(mlir::OpPassManager &pm,
                             int64_t maxSharedBytes = 166912);

void registerTileToNVVMPasses();

} // namespace dlc

#endif // DLC_CONVERSION_TILETONVVM_PASSES_H
