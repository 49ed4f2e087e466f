// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One compilation's context, and its line to the caller.
#ifndef DLC_LIB_PIPELINES_SESSION_H
#define DLC_LIB_PIPELINES_SESSION_H

#include "Pipelines/CompileOptions.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"

#include <atomic>
#include <mutex>

namespace dlc {

class Session {
public:
  Session(const CompileOptions &options, const CompileHooks &hooks,
          CompileResult &result);
  ~Session();

  /// Reports an error and sets the result's status. Returns false.
  bool fail(Status status, const llvm::Twine &message);
  /// As fail, for an llvm::Error.
  bool fail(Status status, llvm::Error error);
  /// Sets the status after diagnostics of the context have told the reason, and
  /// passes them on with it.
  bool failReported(Status status);

  /// Diagnostics of the context are kept until their class is known, or
  /// `flush` sends them.
  void flush();
  /// Forgets what was not sent.
  void drop();

  void progress(Phase phase, uint64_t done, uint64_t total);
  /// Asks the caller; once true, always true.
  bool isCancelled();

  unsigned getNumThreads() const;
  /// Writes the module into the dump folder, if there is one.
  bool dump(mlir::ModuleOp module, Phase phase, llvm::StringRef suffix = "");

  const CompileOptions &options;
  CompileResult &result;
  mlir::MLIRContext context;

private:
  void handle(mlir::Diagnostic &diagnostic);
  void send(const Diagnostic &diagnostic);

  const CompileHooks &hooks;
  /// Held while the caller's functions run.
  std::mutex mutex;
  std::vector<Diagnostic> pending;
  std::atomic<bool> cancelled = false;
};

} // namespace dlc

#endif // DLC_LIB_PIPELINES_SESSION_H
