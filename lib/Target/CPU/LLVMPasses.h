// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The LLVM IR optimisations dlc runs before code generation.
#ifndef DLC_LIB_TARGET_CPU_LLVMPASSES_H
#define DLC_LIB_TARGET_CPU_LLVMPASSES_H

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace dlc {

/// Cleans up, vectorises and unrolls. Much shorter than LLVM's default
/// pipeline: kernels arrive inlined, without exceptions, pointers to pointers
/// or dead code, and the rest of that pipeline only costs time.
void optimizeModule(llvm::Module &module, llvm::TargetMachine &machine);

} // namespace dlc

#endif // DLC_LIB_TARGET_CPU_LLVMPASSES_H
