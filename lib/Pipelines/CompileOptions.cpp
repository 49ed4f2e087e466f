// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Names of phases and outputs, and which go together.
#include "Pipelines/CompileOptions.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace dlc {

static constexpr StringLiteral kPhaseNames[] = {
    "import", "graph", "dispatch", "schedule", "codegen", "binary"};
static constexpr StringLiteral kEmitNames[] = {
    "dlc", "so", "obj", "exe", "nn", "linalg", "llvm", "asm", "ptx"};

StringRef getPhaseName(Phase phase) {
  return kPhaseNames[static_cast<unsigned>(phase)];
}

std::optional<Phase> parsePhase(StringRef name) {
  const auto *it = find(kPhaseNames, name);
  if (it == std::end(kPhaseNames)) {
    return std::nullopt;
  }
  return static_cast<Phase>(it - std::begin(kPhaseNames));
}

StringRef getEmitKindName(EmitKind kind) {
  return kEmitNames[static_cast<unsigned>(kind)];
}

std::optional<EmitKind> parseEmitKind(StringRef name) {
  const auto *it = find(kEmitNames, name);
  if (it == std::end(kEmitNames)) {
    return std::nullopt;
  }
  return static_cast<EmitKind>(it - std::begin(kEmitNames));
}

/// The first and last phase that an output can come after.
static std::pair<Phase, Phase> getPhasesOf(EmitKind kind) {
  switch (kind) {
  case EmitKind::NN:
    return {Phase::Import, Phase::Schedule};
  case EmitKind::Linalg:
  case EmitKind::LLVM:
  case EmitKind::Assembly:
  case EmitKind::PTX:
    return {Phase::Codegen, Phase::Codegen};
  case EmitKind::Container:
  case EmitKind::SharedObject:
  case EmitKind::Object:
  case EmitKind::Executable:
    return {Phase::Binary, Phase::Binary};
  }
  return {};
}

static EmitKind getDefaultEmit(Phase last) {
  if (last == Phase::Binary) {
    return EmitKind::Container;
  }
  return last == Phase::Codegen ? EmitKind::LLVM : EmitKind::NN;
}

bool CompileOptions::hasTarget(StringRef device) const {
  return is_contained(split(target, ','), device);
}

/// What is wrong with the devices and their architectures.
static std::optional<std::string> checkTargets(CompileOptions &options) {
  SmallVector<StringRef> devices(split(options.target, ','));
  for (auto [i, device] : enumerate(devices)) {
    if (device != "cpu" && device != "cuda") {
      return ("unknown target '" + device + "', expected 'cpu' or 'cuda'")
          .str();
    }
    if (is_contained(ArrayRef(devices).take_front(i), device)) {
      return ("expected each target once, got '" + device + "' again").str();
    }
  }
  if (!is_contained({"fp32", "tf32", "bf16", "fp16"}, options.precision)) {
    return ("unknown precision '" + Twine(options.precision) +
            "', expected 'fp32', 'tf32', 'bf16' or 'fp16'")
        .str();
  }
  if (!options.hasTarget("cuda") && options.precision != "fp32") {
    return "precision '" + options.precision + "' needs the target 'cuda'";
  }
  if (!options.hasTarget("cuda") && !options.gpuArchs.empty()) {
    return "a GPU architecture needs the target 'cuda'";
  }
  if (!options.hasTarget("cuda") && options.ptxas) {
    return "machine code for GPUs needs the target 'cuda'";
  }
  if (!options.hasTarget("cpu") && !options.cpus.empty()) {
    return "a CPU needs the target 'cpu'";
  }
  return std::nullopt;
}

/// Code for sm_80 runs on every later GPU, so each binary has it.
static void addFallback(CompileOptions &options) {
  StringRef fallback = "sm_80";
  bool isAsked = options.gpuArchs.empty() || *options.to == Phase::Binary;
  if (options.hasTarget("cuda") && isAsked &&
      !is_contained(options.gpuArchs, fallback)) {
    options.gpuArchs.push_back(fallback.str());
  }
}

/// What is wrong with the paths.
static std::optional<std::string> checkPaths(const CompileOptions &options) {
  const std::string &input = options.inputPath, &output = options.outputPath;
  bool isSame = false;
  if (!input.empty() && sys::fs::is_regular_file(input) &&
      !sys::fs::equivalent(input, output, isSame) && isSame) {
    return "the output '" + output + "' is the model itself, '" + input + "'";
  }
  StringRef folder =
      sys::path::parent_path(StringRef(options.dumpDir).rtrim('/'));
  if (!folder.empty() && !sys::fs::is_directory(folder)) {
    return ("cannot write IR into '" + Twine(options.dumpDir) +
            "': there is no folder '" + folder + "'")
        .str();
  }
  return std::nullopt;
}

std::optional<std::string> CompileOptions::complete() {
  if (std::optional<std::string> wrong = checkPaths(*this)) {
    return wrong;
  }
  if (std::optional<std::string> wrong = checkTargets(*this)) {
    return wrong;
  }
  if (!emit) {
    emit = getDefaultEmit(to.value_or(Phase::Binary));
  }
  auto [first, last] = getPhasesOf(*emit);
  if (!to) {
    to = *emit == EmitKind::NN ? std::max(Phase::Graph, from) : last;
  }
  if (*to < first || *to > last) {
    return ("'" + getEmitKindName(*emit) + "' does not come out of phase '" +
            getPhaseName(*to) + "', expected '" + getPhaseName(last) + "'")
        .str();
  }
  if (from > *to) {
    return ("expected to end no earlier than phase '" + getPhaseName(from) +
            "', got '" + getPhaseName(*to) + "'")
        .str();
  }
  if (from == Phase::Binary) {
    return "phase 'binary' cannot be entered: it starts from objects, not from "
           "text";
  }
  if (inputPath.empty() && inputBytes.empty()) {
    return "expected an input";
  }
  if (cpus.empty() && hasTarget("cpu")) {
    cpus = {"native"};
  }
  addFallback(*this);
  bool one = *to < Phase::Binary && *to >= getSplitPhase();
  if (one && (cpus.size() > 1 || (hasTarget("cpu") && hasTarget("cuda")))) {
    return ("expected one CPU or one GPU for '" + getEmitKindName(*emit) +
            "', got " + Twine(cpus.size() + hasTarget("cuda")))
        .str();
  }
  if (one && gpuArchs.size() > 1) {
    return ("expected one GPU architecture for '" + getEmitKindName(*emit) +
            "', got " + Twine(gpuArchs.size()))
        .str();
  }
  if (ptxas && *to < Phase::Binary) {
    return ("'" + getEmitKindName(*emit) + "' has no machine code for GPUs")
        .str();
  }
  EmitKind others = hasTarget("cuda") ? EmitKind::Assembly : EmitKind::PTX;
  if (*emit == others) {
    return ("'" + getEmitKindName(*emit) + "' is not what target '" + target +
            "' has: expected --target=" + (hasTarget("cuda") ? "cpu" : "cuda"))
        .str();
  }
  bool embeds = *emit == EmitKind::Object;
  if (externalWeights && (*to < Phase::Binary || embeds)) {
    return ("'" + getEmitKindName(*emit) + "' has no weights beside it").str();
  }
  if ((externalWeights || embeds) && outputPath.empty()) {
    return "an output of two files needs an output path";
  }
  return std::nullopt;
}

std::string CompileOptions::describe() const {
  std::string text = "target=" + target;
  if (hasTarget("cpu")) {
    text += " cpu=" + join(cpus, ",");
  }
  if (hasTarget("cuda")) {
    text += " gpu=" + join(gpuArchs, ",") + " precision=" + precision;
    text += ptxas ? " cubin" : "";
  }
  for (const std::string &dim : dims) {
    text += " dim=" + dim;
  }
  return text;
}

} // namespace dlc
