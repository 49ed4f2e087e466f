// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The import phase, and inspection of models.
#include "Import.h"

#include "Pipelines/Compiler.h"

using namespace mlir;

namespace dlc {

bool importModel(Session &session, OwningOpRef<ModuleOp> &) {
  return session.fail(Status::Usage,
                      "expected to start from phase 'graph' or later: this "
                      "build reads no models");
}

CompileResult inspect(CompileOptions options, const CompileHooks &hooks) {
  CompileResult result;
  Session session(options, hooks, result);
  session.fail(Status::Usage, "this build reads no models");
  return result;
}

} // namespace dlc
