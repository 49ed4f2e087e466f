// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a model to a binary, or to any form on the way.
#ifndef DLC_PIPELINES_COMPILER_H
#define DLC_PIPELINES_COMPILER_H

#include "Pipelines/CompileOptions.h"

namespace dlc {

/// "0.1.0".
llvm::StringRef getVersion();

/// Compiles one model. Any number of threads may call at the same time.
CompileResult compile(CompileOptions options, const CompileHooks &hooks);

/// Says as JSON what operators a model has and which of them can be compiled;
/// see dlc_inspect in CAPI/dlc-compiler.h.
CompileResult inspect(CompileOptions options, const CompileHooks &hooks);

} // namespace dlc

#endif // DLC_PIPELINES_COMPILER_H
