// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes by which the back end sees that accesses to neighbours in memory can
// be one.
#ifndef DLC_LIB_TARGET_NVPTX_ADDRESSES_H
#define DLC_LIB_TARGET_NVPTX_ADDRESSES_H

#include "llvm/IR/PassManager.h"

namespace dlc {

/// Splits the constant part off each address's index, so that neighbours have
/// one base and differ by constants. LLVM's own SeparateConstOffsetFromGEP
/// leaves the one without a constant in another form than the others. To be run
/// while sums still are what the kernel's author wrote; index arithmetic does
/// not wrap.
struct SplitOffsetsPass : llvm::PassInfoMixin<SplitOffsetsPass> {
  llvm::PreservedAnalyses run(llvm::Function &function,
                              llvm::FunctionAnalysisManager &);
};

/// Gives loads and stores the alignment that their addresses have, but for the
/// first of three neighbours. LLVM's own
/// InferAlignment looks at six steps of an address's arithmetic; those of
/// tensors with four dims have more.
struct AlignAccessesPass : llvm::PassInfoMixin<AlignAccessesPass> {
  llvm::PreservedAnalyses run(llvm::Function &function,
                              llvm::FunctionAnalysisManager &);
};

} // namespace dlc

#endif // DLC_LIB_TARGET_NVPTX_ADDRESSES_H
