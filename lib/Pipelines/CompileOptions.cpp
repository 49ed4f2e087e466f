// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Names of phases and outputs, and which go together.
#include "Pipelines/CompileOptions.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace dlc {

static constexpr StringLiteral kPhaseNames[] = {
    "import", "graph", "dispatch", "schedule", "codegen", "binary"};
static constexpr StringLiteral kEmitNames[] = {"dlc", "so",     "obj",  "exe",
                                               "nn",  "linalg", "llvm", "asm"};

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

std::optional<std::string> CompileOptions::complete() {
  if (target != "cpu") {
    return ("unknown target '" + Twine(target) + "', expected 'cpu'").str();
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
  if (cpus.empty()) {
    cpus = {"native"};
  }
  bool one = *to < Phase::Binary && *to >= Phase::Schedule;
  if (one && cpus.size() > 1) {
    return ("expected one CPU for '" + getEmitKindName(*emit) + "', got " +
            Twine(cpus.size()))
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
  std::string text = "target=" + target + " cpu=" + join(cpus, ",");
  for (const std::string &dim : dims) {
    text += " dim=" + dim;
  }
  return text;
}

} // namespace dlc
