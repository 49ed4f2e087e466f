// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// include/CAPI/dlc-compiler.h over the pipelines. Fields that the caller's
// structs do not have yet count as zero.
#include "CAPI/dlc-compiler.h"

#include "Pipelines/Compiler.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace dlc;

namespace {

static_assert(static_cast<int>(Status::Unsupported) ==
              DLC_COMPILER_UNSUPPORTED);
static_assert(static_cast<int>(Status::Cancelled) == DLC_COMPILER_CANCELLED);
static_assert(static_cast<int>(Severity::Remark) == DLC_SEVERITY_REMARK);

std::string toString(const char *text) { return text ? text : ""; }

std::vector<std::string> toStrings(const char *const *texts, size_t count) {
  return std::vector<std::string>(texts, texts + count);
}

/// The caller's options as this version knows them.
dlc_compiler_options readOptions(const dlc_compiler_options *given) {
  dlc_compiler_options options = {};
  std::memcpy(&options, given,
              std::min<size_t>(given->struct_size, sizeof options));
  return options;
}

/// A name among those that `parse` knows, or an error.
template <typename T>
bool parseName(const char *name, const char *what,
               std::optional<T> (*parse)(llvm::StringRef),
               std::optional<T> &value, std::string &error) {
  if (!name) {
    return true;
  }
  value = parse(name);
  if (!value) {
    error = "unknown " + std::string(what) + " '" + name + "'";
  }
  return value.has_value();
}

bool translate(const dlc_compiler_options &from, CompileOptions &to,
               std::string &error) {
  std::optional<Phase> first;
  if (!parseName(from.emit, "kind of output", parseEmitKind, to.emit, error) ||
      !parseName(from.from_phase, "phase", parsePhase, first, error) ||
      !parseName(from.to_phase, "phase", parsePhase, to.to, error)) {
    return false;
  }
  to.from = first.value_or(Phase::Import);
  to.inputPath = toString(from.input_path);
  to.inputBytes = {static_cast<const char *>(from.input_data), from.input_size};
  to.modelDir = toString(from.model_dir);
  to.outputPath = toString(from.output_path);
  to.target = from.target ? from.target : "cpu";
  to.precision = from.precision ? from.precision : "fp32";
  to.cpus = toStrings(from.cpus, from.num_cpus);
  to.gpuArchs = toStrings(from.gpu_archs, from.num_gpu_archs);
  if (from.ptxas) {
    to.ptxas = from.ptxas;
  }
  to.dims = toStrings(from.dims, from.num_dims);
  to.dumpDir = toString(from.dump_dir);
  std::string weights = from.weights_file ? from.weights_file : "embed";
  to.externalWeights = weights == "external";
  if (weights != "embed" && weights != "external") {
    error = "unknown place of weights '" + weights +
            "', expected 'embed' or 'external'";
    return false;
  }
  to.memoryReport = static_cast<ReportKind>(from.memory_report);
  to.numThreads = from.num_threads;
  return true;
}

void callDiagnostic(const dlc_compiler_options &options,
                    const Diagnostic &diagnostic) {
  dlc_diagnostic given = {};
  given.struct_size = sizeof given;
  given.severity = static_cast<dlc_severity>(diagnostic.severity);
  given.status = static_cast<dlc_compiler_status>(diagnostic.status);
  given.message = diagnostic.message.c_str();
  if (!diagnostic.nodeName.empty() || diagnostic.hasNode) {
    given.node_name = diagnostic.nodeName.c_str();
  }
  if (diagnostic.hasNode) {
    given.op_type = diagnostic.opType.c_str();
    given.domain = diagnostic.domain.c_str();
  }
  if (!diagnostic.location.empty()) {
    given.location = diagnostic.location.c_str();
  }
  options.on_diagnostic(options.user, &given);
}

CompileHooks makeHooks(const dlc_compiler_options &options) {
  CompileHooks hooks;
  if (options.on_diagnostic) {
    hooks.onDiagnostic = [&](const Diagnostic &diagnostic) {
      callDiagnostic(options, diagnostic);
    };
  }
  if (options.on_progress) {
    hooks.onProgress = [&](llvm::StringRef phase, uint64_t done,
                           uint64_t total) {
      options.on_progress(options.user, phase.str().c_str(), done, total);
    };
  }
  if (options.is_cancelled) {
    hooks.isCancelled = [&] { return options.is_cancelled(options.user) != 0; };
  }
  return hooks;
}

/// A copy for the caller, with a 0 byte behind it; null when there is no
/// memory.
void *copyBytes(const char *bytes, size_t size) {
  size_t whole = (size + 1 + 63) / 64 * 64;
  char *copy = static_cast<char *>(std::aligned_alloc(64, whole));
  if (copy) {
    std::memcpy(copy, bytes, size);
    copy[size] = 0;
  }
  return copy;
}

char *copyText(const std::string &text) {
  return text.empty()
             ? nullptr
             : static_cast<char *>(copyBytes(text.data(), text.size()));
}

void giveResult(const CompileResult &from, bool wantsData,
                dlc_compiler_result *result) {
  dlc_compiler_result to = {};
  if (from.status == Status::Ok && wantsData) {
    to.data = copyBytes(from.data.data(), from.data.size());
    to.size = to.data ? from.data.size() : 0;
  }
  to.memory_report = copyText(from.memoryReport);
  to.error = copyText(from.error);
  to.repro_path = copyText(from.reproducerPath);
  size_t size = std::min<size_t>(result->struct_size, sizeof to);
  to.struct_size = result->struct_size;
  std::memcpy(result, &to, size);
}

dlc_compiler_status
run(const dlc_compiler_options *given, dlc_compiler_result *result,
    CompileResult (*work)(CompileOptions, const CompileHooks &)) {
  if (!given) {
    return DLC_COMPILER_USAGE;
  }
  dlc_compiler_options options = readOptions(given);
  CompileOptions translated;
  CompileResult done;
  if (translate(options, translated, done.error)) {
    done = work(std::move(translated), makeHooks(options));
  } else {
    done.status = Status::Usage;
    if (options.on_diagnostic) {
      Diagnostic diagnostic;
      diagnostic.status = done.status;
      diagnostic.message = done.error;
      callDiagnostic(options, diagnostic);
    }
  }
  bool wantsData = !options.output_path;
  if (result) {
    giveResult(done, wantsData, result);
  }
  bool lost =
      done.status == Status::Ok && wantsData && (!result || !result->data);
  return lost ? (result ? DLC_COMPILER_RESOURCE : DLC_COMPILER_USAGE)
              : static_cast<dlc_compiler_status>(done.status);
}

} // namespace

extern "C" {

dlc_compiler_status dlc_compile(const dlc_compiler_options *options,
                                dlc_compiler_result *result) {
  return run(options, result, compile);
}

dlc_compiler_status dlc_inspect(const dlc_compiler_options *options,
                                dlc_compiler_result *result) {
  return run(options, result, inspect);
}

void dlc_compiler_result_free(dlc_compiler_result *result) {
  if (!result) {
    return;
  }
  std::free(result->data);
  std::free(result->memory_report);
  std::free(result->error);
  std::free(result->repro_path);
  size_t size = result->struct_size;
  std::memset(result, 0, std::min<size_t>(size, sizeof *result));
  result->struct_size = size;
}

const char *dlc_compiler_version(void) { return getVersion().data(); }
}
