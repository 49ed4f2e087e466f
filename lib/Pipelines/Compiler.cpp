// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The order of the phases, and what is done between them.
#include "Pipelines/Compiler.h"

#include "Binary.h"
#include "Import.h"
#include "Phases.h"
#include "Transforms/Passes.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

namespace dlc {

StringRef getVersion() { return DLC_VERSION; }

namespace {

class Compiler {
public:
  explicit Compiler(Session &session) : session(session) {}
  void run();

private:
  bool runPhase(Phase phase);
  bool parseText();
  bool runPasses(ModuleOp module,
                 llvm::function_ref<void(PassManager &)> build);
  /// Runs the passes of a phase on each variant's module.
  bool
  runVariants(Phase phase,
              llvm::function_ref<void(PassManager &, const Variant &)> build);
  bool generate();
  bool writeText();
  bool deliver(ArrayRef<char> bytes);
  void writeReproducer(Phase failed);

  Session &session;
  OwningOpRef<ModuleOp> module;
  std::vector<Variant> variants;
  WeightsLayout weights;
  Bytes text;
};

} // namespace

/// The input of a later phase: MLIR text.
bool Compiler::parseText() {
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  if (session.options.inputPath.empty()) {
    buffer = llvm::MemoryBuffer::getMemBufferCopy(session.options.inputBytes,
                                                  "input");
  } else {
    auto file = llvm::MemoryBuffer::getFileOrSTDIN(session.options.inputPath);
    if (!file) {
      return session.fail(Status::Invalid,
                          "cannot read '" + session.options.inputPath +
                              "': " + file.getError().message());
    }
    buffer = std::move(*file);
  }
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  module = parseSourceFile<ModuleOp>(sources, ParserConfig(&session.context));
  if (!module) {
    return session.failReported(Status::Invalid);
  }
  bool hasDispatches =
      module->walk([](nn::DispatchOp) { return WalkResult::interrupt(); })
          .wasInterrupted();
  if (hasDispatches && session.options.from <= Phase::Dispatch) {
    return session.fail(Status::Invalid,
                        "expected text that stands before the dispatch phase, "
                        "got 'nn.dispatch'");
  }
  return true;
}

bool Compiler::runPasses(ModuleOp target,
                         llvm::function_ref<void(PassManager &)> build) {
  PassManager pm(&session.context);
  build(pm);
  return succeeded(pm.run(target)) || session.failReported(Status::Internal);
}

bool Compiler::runVariants(
    Phase phase,
    llvm::function_ref<void(PassManager &, const Variant &)> build) {
  for (Variant &variant : variants) {
    if (!runPasses(*variant.module,
                   [&](PassManager &pm) { build(pm, variant); })) {
      return false;
    }
  }
  for (Variant &variant : variants) {
    if (!session.dump(*variant.module, phase,
                      variants.size() > 1 ? "-" + variant.name : "")) {
      return false;
    }
  }
  return true;
}

bool Compiler::generate() {
  for (Variant &variant : variants) {
    if (!formProgram(session, variant)) {
      return false;
    }
    weights.add(*variant.module, variant.getProgram(), variant.isGPU());
  }
  weights.layOut();
  for (Variant &variant : variants) {
    if (!session.dump(*variant.module, Phase::Codegen,
                      variants.size() > 1 ? "-" + variant.name : "")) {
      return false;
    }
  }
  switch (*session.options.emit) {
  case EmitKind::Linalg:
    return true;
  case EmitKind::LLVM:
  case EmitKind::Assembly:
  case EmitKind::PTX:
    return emitText(session, variants.front(), *session.options.emit, text);
  default:
    return emitObjects(session, variants);
  }
}

/// The first phases work on one module; from CompileOptions::getSplitPhase on,
/// each variant has its own.
bool Compiler::runPhase(Phase phase) {
  switch (phase) {
  case Phase::Import:
    return importModel(session, module) && session.dump(*module, phase);
  case Phase::Graph:
    return runPasses(*module,
                     [](PassManager &pm) { buildGraphPipeline(pm); }) &&
           session.dump(*module, phase);
  case Phase::Dispatch:
    if (!module) {
      return runVariants(phase, [&](PassManager &pm, const Variant &variant) {
        if (variant.isGPU()) {
          buildGPUDispatchPhase(pm, session.options.precision,
                                variant.getResources());
        } else {
          buildDispatchPhase(pm);
        }
      });
    }
    return runPasses(*module,
                     [](PassManager &pm) { buildDispatchPhase(pm); }) &&
           session.dump(*module, phase);
  case Phase::Schedule:
    if (!runVariants(phase, [](PassManager &pm, const Variant &variant) {
          if (variant.isGPU()) {
            buildGPUSchedulePhase(pm, variant.getResources());
          } else {
            buildSchedulePhase(pm, variant.target);
          }
        })) {
      return false;
    }
    joinEqualVariants(session, variants);
    return true;
  case Phase::Codegen:
    return generate();
  case Phase::Binary:
    return writeBinary(session, variants, weights);
  }
  llvm_unreachable("all phases are handled");
}

bool Compiler::deliver(ArrayRef<char> bytes) {
  if (!session.options.outputPath.empty()) {
    return writeFile(session, session.options.outputPath, bytes);
  }
  session.result.data.assign(bytes.begin(), bytes.end());
  return true;
}

bool Compiler::writeText() {
  switch (*session.options.emit) {
  case EmitKind::NN:
  case EmitKind::Linalg: {
    std::string printed;
    llvm::raw_string_ostream os(printed);
    ModuleOp last = module ? *module : *variants.front().module;
    last.print(os);
    return deliver(printed);
  }
  case EmitKind::LLVM:
  case EmitKind::Assembly:
  case EmitKind::PTX:
    return deliver(text);
  default:
    return true;
  }
}

/// The IR that the failed phase started from, made again by the phases before
/// it: no compilation pays for keeping it.
void Compiler::writeReproducer(Phase failed) {
  if (failed == Phase::Import || failed == session.options.from) {
    return;
  }
  CompileOptions options = session.options;
  options.to = std::min(static_cast<Phase>(static_cast<int>(failed) - 1),
                        Phase::Schedule);
  options.emit = EmitKind::NN;
  options.cpus.resize(options.cpus.empty() ? 0 : 1);
  options.gpuArchs.resize(options.gpuArchs.empty() ? 0 : 1);
  options.dumpDir.clear();
  options.externalWeights = false;
  llvm::SmallString<128> path;
  if (llvm::sys::fs::createTemporaryFile("dlc-repro", "mlir", path)) {
    return;
  }
  options.outputPath = path.str().str();
  if (compile(options, {}).status == Status::Ok) {
    session.result.reproducerPath = options.outputPath;
  } else {
    llvm::sys::fs::remove(path);
  }
}

void Compiler::run() {
  Phase from = session.options.from, to = *session.options.to;
  if (!createVariants(session, variants)) {
    return;
  }
  if (from != Phase::Import && !parseText()) {
    return;
  }
  for (unsigned i = static_cast<unsigned>(from); i <= static_cast<unsigned>(to);
       ++i) {
    auto phase = static_cast<Phase>(i);
    if (session.isCancelled()) {
      break;
    }
    if (phase >= session.options.getSplitPhase() && module) {
      for (Variant &variant : variants) {
        variant.module = cast<ModuleOp>(module.get()->clone());
      }
      module = {};
    }
    session.progress(phase, 0, 0);
    bool good = runPhase(phase);
    if (!good && session.result.status == Status::Internal) {
      writeReproducer(phase);
    }
    if (!good || session.isCancelled()) {
      break;
    }
    session.flush();
    session.progress(phase, 1, 1);
  }
  if (session.result.status == Status::Ok && !session.isCancelled()) {
    writeText();
  }
}

CompileResult compile(CompileOptions options, const CompileHooks &hooks) {
  CompileResult result;
  std::optional<std::string> wrong = options.complete();
  initializeX86BackEnd();
  Session session(options, hooks, result);
  if (wrong) {
    session.fail(Status::Usage, *wrong);
    return result;
  }
  Compiler(session).run();
  if (session.isCancelled()) {
    result.status = Status::Cancelled;
  }
  session.flush();
  return result;
}

} // namespace dlc
