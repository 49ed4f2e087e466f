// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How kernels are marked between the passes that make them and the targets
// that lower them; needs nothing of the dialect.
#ifndef DLC_DIALECT_RT_KERNELATTRS_H
#define DLC_DIALECT_RT_KERNELATTRS_H

#include "llvm/ADT/StringRef.h"

namespace dlc::rt {

/// The module of the kernels, beside the host program.
inline constexpr llvm::StringLiteral kKernelsModuleName = "kernels";
/// The unit attribute that marks a `func.func` as a kernel.
inline constexpr llvm::StringLiteral kKernelAttrName = "dlc.kernel";
/// Attribute of a GPU kernel, i64: the threads of a block, all in its first
/// dim.
inline constexpr llvm::StringLiteral kThreadsAttrName = "dlc.threads";
/// Attribute of a GPU kernel, i64: how many of its blocks a multiprocessor has
/// registers for at least. Without it, the driver chooses.
inline constexpr llvm::StringLiteral kResidentBlocksAttrName =
    "dlc.resident_blocks";
/// Attribute of a GPU kernel, i64: the blocks of a cluster, all in its first
/// dim. Without it, there are no clusters.
inline constexpr llvm::StringLiteral kClusterBlocksAttrName =
    "dlc.cluster_blocks";
/// Attribute of a GPU kernel, i32: the bits of its indices, 32 or 64.
inline constexpr llvm::StringLiteral kIndexBitsAttrName = "dlc.index_bits";

} // namespace dlc::rt

#endif // DLC_DIALECT_RT_KERNELATTRS_H
