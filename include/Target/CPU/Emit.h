// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the LLVM dialect to bytes: objects, assembly, LLVM IR, and a shared
// object linked in process.
#ifndef DLC_TARGET_CPU_EMIT_H
#define DLC_TARGET_CPU_EMIT_H

#include "Target/CPU/CPUTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

namespace dlc {

using Bytes = llvm::SmallVector<char, 0>;

/// Optimises `module` (LLVM dialect) for `target` and returns an ELF object,
/// assembly text, or the optimised LLVM IR as text. Any number of threads may
/// call at once, also with modules of one MLIRContext. Equal input gives equal
/// bytes.
llvm::Expected<Bytes> emitObject(mlir::ModuleOp module,
                                 const CPUTarget &target);
llvm::Expected<Bytes> emitAssembly(mlir::ModuleOp module,
                                   const CPUTarget &target);
llvm::Expected<Bytes> emitLLVMIR(mlir::ModuleOp module,
                                 const CPUTarget &target);

/// Checks that `objects` together leave only those symbols undefined that every
/// process provides: memcpy, memmove, memset and libm's f64 functions. The
/// error names all others.
llvm::Error checkExternals(llvm::ArrayRef<Bytes> objects);

/// Links `objects` into an ELF shared object that exports exactly the symbols
/// `exported`; what they do not reach is dropped. An exported symbol that no
/// object defines is an error, and so is what checkExternals finds.
/// The result depends on the arguments only (no build id, no path). lld keeps
/// global state, so concurrent calls run one after the other.
llvm::Expected<Bytes> linkSharedObject(llvm::ArrayRef<Bytes> objects,
                                       llvm::ArrayRef<std::string> exported);

/// Links `objects` into one object with all their symbols; see
/// linkSharedObject.
llvm::Expected<Bytes> linkRelocatable(llvm::ArrayRef<Bytes> objects);

} // namespace dlc

#endif // DLC_TARGET_CPU_EMIT_H
