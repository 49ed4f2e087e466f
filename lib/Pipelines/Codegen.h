// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One variant of a model's code: from its kernels and host program to objects.
#ifndef DLC_LIB_PIPELINES_CODEGEN_H
#define DLC_LIB_PIPELINES_CODEGEN_H

#include "Session.h"

#include "Dialect/RT/RTDialect.h"
#include "Target/CPU/CPUTarget.h"
#include "Target/CPU/Emit.h"
#include "mlir/IR/OwningOpRef.h"

namespace dlc {

struct Variant {
  CPUTarget target;
  /// Of the variant in the header, and of its functions.
  std::string name, prefix;
  /// The whole module as the schedule phase leaves it; after codegen, with
  /// rt.program and without kernels.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  size_t numKernels = 0;
  std::vector<Bytes> objects;

  rt::ProgramOp getProgram();
  /// The functions that the runtime looks up.
  std::vector<std::string> getExports();
};

/// Looks up the targets of options.cpus, best first.
bool createVariants(Session &session, std::vector<Variant> &variants);

/// Kernels and tensors with memory: what `--emit=linalg` prints.
bool formProgram(Session &session, Variant &variant);

/// Objects of all variants, on the session's threads. Groups of kernels are
/// chosen by the kernels alone, so the bytes do not depend on the number of
/// threads.
bool emitObjects(Session &session, std::vector<Variant> &variants);

/// The text of a variant's code: LLVM IR or assembly.
bool emitText(Session &session, Variant &variant, EmitKind kind, Bytes &text);

} // namespace dlc

#endif // DLC_LIB_PIPELINES_CODEGEN_H
