// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All that a compilation depends on, what it tells its caller, and what comes
// out. The compiler has no other options anywhere, and no global state.
#ifndef DLC_PIPELINES_COMPILEOPTIONS_H
#define DLC_PIPELINES_COMPILEOPTIONS_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace dlc {

/// What became of a compilation; the tools' exit codes.
enum class Status {
  Ok = 0,
  Usage = 1,
  Unsupported = 2,
  Resource = 3,
  Internal = 5,
  Invalid = 6,
  Cancelled = 7,
};

/// The parts of a compilation, in order. Each can be entered with the text that
/// the one before it leaves, and be the last.
enum class Phase { Import, Graph, Dispatch, Schedule, Codegen, Binary };
inline constexpr unsigned kNumPhases = 6;
llvm::StringRef getPhaseName(Phase phase);
std::optional<Phase> parsePhase(llvm::StringRef name);

enum class EmitKind {
  Container,
  SharedObject,
  Object,
  Executable,
  NN,
  Linalg,
  LLVM,
  Assembly,
  PTX
};
llvm::StringRef getEmitKindName(EmitKind kind);
std::optional<EmitKind> parseEmitKind(llvm::StringRef name);

enum class ReportKind { None, Text, Json };

struct CompileOptions {
  /// The input: a file, or bytes that stay unchanged during the call.
  std::string inputPath;
  llvm::StringRef inputBytes;
  /// The folder of external data; empty: that of inputPath.
  std::string modelDir;
  /// A file, written beside and then renamed; empty: CompileResult::data.
  std::string outputPath;
  /// "cpu", "cuda", or both, separated by a comma.
  std::string target = "cpu";
  /// The variants of the code, as CPUTarget::create takes them; none: native.
  std::vector<std::string> cpus;
  /// The architectures that PTX is written for, as GPUTarget::create takes
  /// them. A binary has sm_80's as well, which every later GPU runs.
  std::vector<std::string> gpuArchs;
  /// Machine code beside the PTX, made by this ptxas; empty: by the one that
  /// findAssembler finds. None: PTX alone, which needs no toolkit.
  std::optional<std::string> ptxas;
  /// What products of matrices read on a GPU: "fp32", "tf32", "bf16", "fp16".
  /// CPU variants are fp32.
  std::string precision = "fp32";
  /// "batch=1..32:8", "input[0]=4": see onnx::ImportOptions.
  std::vector<std::string> dims;
  /// None: what the last phase leaves.
  std::optional<EmitKind> emit;
  Phase from = Phase::Import;
  /// None: the phase that the kind of output needs.
  std::optional<Phase> to;
  /// Where the IR after each phase goes, as numbered files; empty: nowhere.
  std::string dumpDir;
  /// Weights in a file beside the model.
  bool externalWeights = false;
  ReportKind memoryReport = ReportKind::None;
  /// 0: those of the process's affinity mask.
  unsigned numThreads = 0;

  /// Fills in emit, to and cpus; says what is wrong with them.
  std::optional<std::string> complete();
  /// What decides the binary, as text for its header.
  std::string describe() const;

  /// Whether `device`, "cpu" or "cuda", is among the targets.
  bool hasTarget(llvm::StringRef device) const;
  /// The first phase that works on a module of each variant: the GPU's differs
  /// from the CPU's from there on.
  Phase getSplitPhase() const {
    return hasTarget("cuda") ? Phase::Dispatch : Phase::Schedule;
  }
};

enum class Severity { Error, Warning, Note, Remark };

struct Diagnostic {
  Severity severity = Severity::Error;
  /// The class of an error; Ok for others.
  Status status = Status::Ok;
  std::string message;
  /// The model's node, where one is known.
  std::string nodeName, opType, domain;
  bool hasNode = false;
  /// A printable place in the input; empty: none.
  std::string location;
};

/// Called from any thread, never two at a time for one compilation.
struct CompileHooks {
  std::function<void(const Diagnostic &)> onDiagnostic;
  /// `done` of `total` units of a phase; 0: not known yet.
  std::function<void(llvm::StringRef phase, uint64_t done, uint64_t total)>
      onProgress;
  std::function<bool()> isCancelled;
};

struct CompileResult {
  Status status = Status::Ok;
  std::vector<char> data;
  std::string memoryReport;
  /// All errors, one a line.
  std::string error;
  /// What an internal error left for its repair.
  std::string reproducerPath;
};

} // namespace dlc

#endif // DLC_PIPELINES_COMPILEOPTIONS_H
