// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// dlc-compile: a model in, a binary or any form on the way out.
#include "CrashHandler.h"
#include "Options.h"
#include "Pipelines/Compiler.h"
#include "ProgressBar.h"

#include "llvm/Support/raw_ostream.h"

#include <atomic>
#include <csignal>

using namespace dlc;
using namespace dlc::tool;

static std::atomic<bool> interrupted = false;

/// The compilation then ends by itself and cleans up; a second Ctrl-C does not
/// wait for that.
static void onInterrupt(int signal) {
  interrupted = true;
  std::signal(signal, SIG_DFL);
}

static int fail(const llvm::Twine &message) {
  llvm::errs() << "dlc-compile: " << message << '\n';
  return static_cast<int>(Status::Usage);
}

static void printDiagnostic(const Diagnostic &diagnostic) {
  static const char *const names[] = {"error", "warning", "note", "remark"};
  llvm::errs() << "dlc-compile: ";
  if (!diagnostic.location.empty()) {
    llvm::errs() << diagnostic.location << ": ";
  }
  llvm::errs() << names[static_cast<int>(diagnostic.severity)] << ": ";
  if (!diagnostic.nodeName.empty() &&
      !llvm::StringRef(diagnostic.message).contains(diagnostic.nodeName)) {
    llvm::errs() << "node '" << diagnostic.nodeName << "'";
    if (!diagnostic.opType.empty()) {
      llvm::errs() << " (" << diagnostic.opType << ")";
    }
    llvm::errs() << ": ";
  }
  llvm::errs() << diagnostic.message << '\n';
}

static int finish(const Options &options, const CompileResult &result) {
  if (result.status == Status::Cancelled) {
    return 128 + SIGINT;
  }
  if (!result.reproducerPath.empty()) {
    llvm::errs() << "dlc-compile: wrote '" << result.reproducerPath
                 << "', which leads to this error\n";
  }
  if (result.status == Status::Ok) {
    llvm::outs() << llvm::StringRef(result.data.data(), result.data.size());
    // A binary on the standard output stays one.
    (result.data.empty() ? llvm::outs() : llvm::errs()) << result.memoryReport;
    llvm::outs().flush();
    if (llvm::outs().has_error()) {
      llvm::outs().clear_error();
      llvm::errs() << "dlc-compile: cannot write to standard output\n";
      return static_cast<int>(Status::Resource);
    }
  }
  return static_cast<int>(result.status);
}

int main(int argc, char **argv) {
  Options options;
  if (std::optional<std::string> wrong = parseOptions(argc, argv, options)) {
    return fail(*wrong);
  }
  if (options.help || options.version) {
    llvm::outs() << (options.help ? helpText
                                  : "dlc-compile " + getVersion().str() + "\n");
    return 0;
  }
  CompileOptions &compileOptions = options.compile;
  if (compileOptions.inputPath.empty()) {
    return fail("expected a model; see --help");
  }
  if (compileOptions.outputPath.empty() && !options.inspect) {
    return fail("expected an output: -o FILE");
  }
  if (compileOptions.outputPath == "-") {
    compileOptions.outputPath.clear();
  }
  std::signal(SIGINT, onInterrupt);
  std::signal(SIGTERM, onInterrupt);
  // A file that hits a size limit is an error to report, not to die of.
  std::signal(SIGXFSZ, SIG_IGN);
  installCrashHandler(argc, argv);

  ProgressBar bar(options.progress);
  CompileHooks hooks;
  hooks.isCancelled = [] { return interrupted.load(); };
  hooks.onProgress = [&](llvm::StringRef phase, uint64_t done, uint64_t total) {
    bar.update(phase, done, total);
  };
  hooks.onDiagnostic = [&](const Diagnostic &diagnostic) {
    bar.clear();
    printDiagnostic(diagnostic);
  };
  CompileResult result = options.inspect
                             ? inspect(std::move(compileOptions), hooks)
                             : compile(std::move(compileOptions), hooks);
  bar.clear();
  return finish(options, result);
}
