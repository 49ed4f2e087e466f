// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What all targets do alike: from the LLVM dialect to optimised LLVM IR, and
// from there to a file's bytes.
#ifndef DLC_TARGET_LLVM_LLVMCODE_H
#define DLC_TARGET_LLVM_LLVMCODE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/Support/CodeGen.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

namespace dlc {

/// What createMachine needs to know. The back end is registered already.
struct MachineSpec {
  llvm::StringRef triple, cpu, features;
  llvm::TargetOptions options = {};
  std::optional<llvm::Reloc::Model> relocation = std::nullopt;
  llvm::CodeGenOptLevel level = llvm::CodeGenOptLevel::Default;
};

/// Null if LLVM was built without the back end. mul and add fuse only where
/// both carry `contract`.
std::unique_ptr<llvm::TargetMachine> createMachine(const MachineSpec &spec);

/// LLVM IR in a context of its own, and the machine it is for.
struct LLVMCode {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::Module> module;

  /// Translates `source`, of the LLVM dialect and what its registry translates,
  /// for `spec`.
  static llvm::Expected<LLVMCode> create(mlir::ModuleOp source,
                                         const MachineSpec &spec);
  /// Runs `passes` over each function that has a body.
  void run(llvm::FunctionPassManager passes);
  /// Appends the file's bytes to `bytes`; an error if the back end has no such
  /// files. LLVM rewrites the module on the way.
  llvm::Error emit(llvm::CodeGenFileType type,
                   llvm::SmallVectorImpl<char> &bytes);
  void print(llvm::SmallVectorImpl<char> &text);
};

/// The start and the end of each target's pipeline. In between lies what it
/// vectorises and unrolls: loops are bottom-tested by then, with invariants
/// outside and simple counters.
void addCanonicalPasses(llvm::FunctionPassManager &passes);
void addFinalPasses(llvm::FunctionPassManager &passes);

} // namespace dlc

#endif // DLC_TARGET_LLVM_LLVMCODE_H
