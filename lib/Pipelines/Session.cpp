// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Diagnostics, progress, cancellation and dumps.
#include "Session.h"

#include "Locations.h"
#include "Pipelines/Registration.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

#include <sched.h>

using namespace llvm;

namespace dlc {

static mlir::DialectRegistry makeRegistry() {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  return registry;
}

Session::Session(const CompileOptions &options, const CompileHooks &hooks,
                 CompileResult &result)
    : options(options), result(result), context(makeRegistry()), hooks(hooks) {
  context.getDiagEngine().registerHandler(
      [this](mlir::Diagnostic &diagnostic) { handle(diagnostic); });
  // The IR at an error is for those who look at IR.
  context.printOpOnDiagnostic(!options.dumpDir.empty());
  // Kernels are lowered on several threads, where no dialect may be loaded.
  context.loadAllAvailableDialects();
}

Session::~Session() = default;

static Severity getSeverity(mlir::DiagnosticSeverity severity) {
  switch (severity) {
  case mlir::DiagnosticSeverity::Error:
    return Severity::Error;
  case mlir::DiagnosticSeverity::Warning:
    return Severity::Warning;
  case mlir::DiagnosticSeverity::Note:
    return Severity::Note;
  case mlir::DiagnosticSeverity::Remark:
    return Severity::Remark;
  }
  return Severity::Error;
}

static Diagnostic translate(mlir::Diagnostic &from) {
  Diagnostic to;
  to.severity = getSeverity(from.getSeverity());
  to.message = from.str();
  describeLocation(from.getLocation(), to);
  return to;
}

void Session::handle(mlir::Diagnostic &diagnostic) {
  std::lock_guard<std::mutex> lock(mutex);
  pending.push_back(translate(diagnostic));
  for (mlir::Diagnostic &note : diagnostic.getNotes()) {
    pending.push_back(translate(note));
  }
}

/// One line of CompileResult::error.
static std::string formatError(const Diagnostic &diagnostic) {
  std::string line;
  if (!diagnostic.location.empty()) {
    line += diagnostic.location + ": ";
  }
  if (diagnostic.hasNode &&
      !StringRef(diagnostic.message).contains(diagnostic.nodeName)) {
    line += "node '" + diagnostic.nodeName + "'";
    line += diagnostic.opType.empty() ? "" : " (" + diagnostic.opType + ")";
    line += ": ";
  }
  return line + diagnostic.message;
}

void Session::send(const Diagnostic &diagnostic) {
  if (diagnostic.severity == Severity::Error) {
    result.error +=
        (result.error.empty() ? "" : "\n") + formatError(diagnostic);
  }
  if (hooks.onDiagnostic) {
    hooks.onDiagnostic(diagnostic);
  }
}

void Session::flush() {
  std::lock_guard<std::mutex> lock(mutex);
  for (const Diagnostic &diagnostic : pending) {
    send(diagnostic);
  }
  pending.clear();
}

void Session::drop() {
  std::lock_guard<std::mutex> lock(mutex);
  pending.clear();
}

bool Session::failReported(Status status) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    // Passes have no class to give but the message's first word.
    bool isUnsupported =
        llvm::any_of(pending, [](const Diagnostic &diagnostic) {
          return diagnostic.severity == Severity::Error &&
                 StringRef(diagnostic.message).starts_with("unsupported: ");
        });
    if (status == Status::Internal && isUnsupported) {
      status = Status::Unsupported;
    }
    result.status = status;
    for (Diagnostic &diagnostic : pending) {
      if (diagnostic.severity == Severity::Error) {
        diagnostic.status = status;
      }
    }
  }
  flush();
  return false;
}

bool Session::fail(Status status, const Twine &message) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    Diagnostic diagnostic;
    diagnostic.message = message.str();
    pending.push_back(std::move(diagnostic));
  }
  return failReported(status);
}

bool Session::fail(Status status, Error error) {
  return fail(status, toString(std::move(error)));
}

void Session::progress(Phase phase, uint64_t done, uint64_t total) {
  if (hooks.onProgress) {
    std::lock_guard<std::mutex> lock(mutex);
    hooks.onProgress(getPhaseName(phase), done, total);
  }
}

bool Session::isCancelled() {
  if (!cancelled && hooks.isCancelled) {
    std::lock_guard<std::mutex> lock(mutex);
    cancelled = cancelled || hooks.isCancelled();
  }
  return cancelled;
}

unsigned Session::getNumThreads() const {
  if (options.numThreads > 0) {
    return options.numThreads;
  }
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

bool Session::dump(mlir::ModuleOp module, Phase phase, StringRef suffix) {
  if (options.dumpDir.empty()) {
    return true;
  }
  std::error_code error = sys::fs::create_directory(options.dumpDir);
  SmallString<128> path(options.dumpDir);
  sys::path::append(path, formatv("{0:02}-{1}{2}.mlir",
                                  static_cast<unsigned>(phase) + 1,
                                  getPhaseName(phase), suffix)
                              .str());
  if (!error) {
    raw_fd_ostream os(path, error);
    if (!error) {
      module.print(os);
      os.close();
      error = os.error();
      os.clear_error();
    }
  }
  if (error) {
    return fail(Status::Resource,
                "cannot write '" + path + "': " + error.message());
  }
  return true;
}

} // namespace dlc
