// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parallel generation of objects.
#include "Codegen.h"

#include "Conversion/RTToLLVM/RTToLLVM.h"
#include "EmbeddedModel.h"
#include "Phases.h"
#include "Target/CPU/LowerToLLVM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"

#include <thread>

using namespace mlir;

namespace dlc {

rt::ProgramOp Variant::getProgram() {
  auto programs = module->getOps<rt::ProgramOp>();
  return programs.empty() ? rt::ProgramOp() : *programs.begin();
}

/// The least of what `get` says of the architectures.
static int64_t getLeast(ArrayRef<GPUTarget> gpus,
                        unsigned (GPUTarget::*get)() const) {
  auto all =
      llvm::map_range(gpus, [&](const GPUTarget &gpu) { return (gpu.*get)(); });
  return *llvm::min_element(all);
}

GPUResources Variant::getResources() const {
  return {getLeast(gpus, &GPUTarget::getMaxSharedBytes),
          getLeast(gpus, &GPUTarget::getPortableSharedBytes),
          getLeast(gpus, &GPUTarget::getClusterBlocks),
          llvm::all_of(
              gpus, [](const GPUTarget &gpu) { return gpu.hasBulkCopies(); })};
}

std::vector<std::string> Variant::getExports() {
  std::vector<std::string> names = {prefix + "_run"};
  if (getProgram().getSize()) {
    names.push_back(prefix + "_size");
  }
  return names;
}

static bool findGPUs(Session &session, std::vector<GPUTarget> &gpus) {
  for (const std::string &name : session.options.gpuArchs) {
    llvm::Expected<GPUTarget> target = GPUTarget::create(name);
    if (!target) {
      return session.fail(Status::Usage, target.takeError());
    }
    if (llvm::any_of(
            gpus, [&](const GPUTarget &other) { return other.name == name; })) {
      return session.fail(Status::Usage,
                          "expected each GPU architecture once, got '" + name +
                              "' again");
    }
    gpus.push_back(std::move(*target));
  }
  return true;
}

/// One variant, and another one for architectures that have more to offer than
/// code for all of them may use.
static bool createGPUVariants(Session &session,
                              std::vector<Variant> &variants) {
  // Drivers ask for no more of the CPU; the host code does next to nothing.
  llvm::Expected<CPUTarget> host = CPUTarget::create("x86-64-v3");
  std::vector<GPUTarget> gpus;
  if (!host) {
    return session.fail(Status::Internal, host.takeError());
  }
  if (!findGPUs(session, gpus)) {
    return false;
  }
  Variant plain, clusters;
  plain.name = "cuda";
  clusters.name = kClusterVariant.str();
  plain.target = clusters.target = std::move(*host);
  for (GPUTarget &gpu : gpus) {
    Variant &variant = gpu.getClusterBlocks() > 1 ? clusters : plain;
    variant.gpus.push_back(std::move(gpu));
  }
  if (plain.gpus.empty()) {
    clusters.name = plain.name;
  }
  for (Variant *variant : {&plain, &clusters}) {
    if (!variant->gpus.empty()) {
      variants.push_back(std::move(*variant));
    }
  }
  return true;
}

void joinEqualVariants(Session &session, std::vector<Variant> &variants) {
  if (variants.size() < 2) {
    return;
  }
  Variant &last = variants.back(), &before = *std::prev(variants.end(), 2);
  if (!last.isGPU() || !before.isGPU() ||
      !OperationEquivalence::isEquivalentTo(
          *last.module, *before.module,
          OperationEquivalence::IgnoreLocations)) {
    return;
  }
  llvm::append_range(before.gpus, last.gpus);
  variants.pop_back();
  // In the order that they were asked for in.
  llvm::sort(variants.back().gpus, [&](const GPUTarget &a, const GPUTarget &b) {
    auto place = [&](const GPUTarget &gpu) {
      return llvm::find(session.options.gpuArchs, gpu.name);
    };
    return place(a) < place(b);
  });
}

static void setPrefix(Session &session, Variant &variant) {
  // Objects of several models are linked into one program.
  variant.prefix = *session.options.emit == EmitKind::Object
                       ? getModelSymbol(session.options.outputPath)
                       : "dlc";
  variant.prefix += "_" + variant.name;
  for (char &c : variant.prefix) {
    c = llvm::isAlnum(c) ? c : '_';
  }
}

bool createVariants(Session &session, std::vector<Variant> &variants) {
  for (const std::string &name : session.options.cpus) {
    llvm::Expected<CPUTarget> target = CPUTarget::create(name);
    if (!target) {
      return session.fail(Status::Usage, target.takeError());
    }
    Variant variant;
    variant.name = target->name == "native" ? target->cpu : target->name;
    variant.target = std::move(*target);
    if (llvm::any_of(variants, [&](const Variant &other) {
          return other.name == variant.name;
        })) {
      return session.fail(Status::Usage,
                          "expected each CPU once, got '" + name + "' again");
    }
    variants.push_back(std::move(variant));
  }
  // The loader takes the first that the machine can run.
  llvm::sort(variants, [](const Variant &a, const Variant &b) {
    auto rank = [](const Variant &v) {
      return std::tuple(v.target.vectorLanes, v.target.requiredFeatures.size(),
                        StringRef(v.name));
    };
    return rank(a) > rank(b);
  });
  if (session.options.hasTarget("cuda") &&
      !createGPUVariants(session, variants)) {
    return false;
  }
  for (Variant &variant : variants) {
    setPrefix(session, variant);
  }
  return true;
}

bool formProgram(Session &session, Variant &variant) {
  PassManager pm(&session.context);
  if (variant.isGPU()) {
    buildGPUCodegenPhase(pm, variant.getResources());
  } else {
    buildCodegenPhase(pm, variant.target);
  }
  if (failed(pm.run(*variant.module))) {
    return session.failReported(Status::Internal);
  }
  if (!variant.getProgram()) {
    return session.fail(Status::Internal,
                        "expected a program after the codegen phase");
  }
  return true;
}

namespace {
/// Ops of kernels in one object: enough to pay for a run of LLVM, and few
/// enough to spread over threads.
constexpr size_t kOpsPerGroup = 1500;
} // namespace

/// Moves the kernels out of the variant's module, with their symbols as the
/// host code knows them.
static std::vector<func::FuncOp> takeKernels(Variant &variant) {
  std::vector<func::FuncOp> functions;
  auto kernels = variant.module->lookupSymbol<ModuleOp>(rt::kKernelsModuleName);
  if (!kernels) {
    return functions;
  }
  for (auto function :
       llvm::make_early_inc_range(kernels.getOps<func::FuncOp>())) {
    function.setSymName(getKernelSymbol(variant.prefix, function.getSymName()));
    function->remove();
    functions.push_back(function);
  }
  kernels.erase();
  variant.numKernels = functions.size();
  return functions;
}

/// The host functions as a module of their own; the program stays for the
/// header.
static OwningOpRef<ModuleOp> makeHostModule(Session &session,
                                            Variant &variant) {
  OwningOpRef<ModuleOp> module =
      ModuleOp::create(variant.getProgram().getLoc());
  module->push_back(variant.getProgram()->clone());
  PassManager pm(&session.context);
  pm.addPass(createConvertRTToLLVMPass({variant.prefix}));
  if (failed(pm.run(*module))) {
    return {};
  }
  return module;
}

static bool makeGroups(Session &session, Variant &variant,
                       std::vector<CodeGroup> &groups) {
  OwningOpRef<ModuleOp> host = makeHostModule(session, variant);
  if (!host) {
    return session.failReported(Status::Internal);
  }
  groups.push_back({&variant, std::move(host)});
  if (variant.isGPU()) {
    makeGPUGroups(variant, groups);
    return true;
  }
  size_t ops = kOpsPerGroup;
  for (func::FuncOp kernel : takeKernels(variant)) {
    if (ops >= kOpsPerGroup) {
      groups.push_back({&variant, ModuleOp::create(kernel.getLoc())});
      ops = 0;
    }
    kernel.walk([&](Operation *) { ++ops; });
    groups.back().module->push_back(kernel);
  }
  return true;
}

static bool emitGroup(Session &session, CodeGroup &group) {
  if (group.indexBits > 0) {
    return emitGPUGroup(session, group);
  }
  const CPUTarget &target = group.variant->target;
  if (failed(lowerKernelsToLLVM(*group.module, target))) {
    return session.failReported(Status::Internal);
  }
  llvm::Expected<Bytes> object = emitObject(*group.module, target);
  if (!object) {
    return session.fail(Status::Internal, object.takeError());
  }
  group.object = std::move(*object);
  group.module = {};
  return true;
}

bool emitObjects(Session &session, std::vector<Variant> &variants) {
  std::vector<CodeGroup> groups;
  for (Variant &variant : variants) {
    if (!makeGroups(session, variant, groups)) {
      return false;
    }
  }
  std::atomic<size_t> next = 0, done = 0;
  std::atomic<bool> good = true;
  auto work = [&] {
    for (size_t i; good && (i = next++) < groups.size();) {
      if (session.isCancelled() || !emitGroup(session, groups[i])) {
        good = false;
      }
      session.progress(Phase::Codegen, ++done, groups.size());
    }
  };
  std::vector<std::thread> threads;
  size_t count = std::min<size_t>(session.getNumThreads(), groups.size());
  for (size_t i = 1; i < count; ++i) {
    threads.emplace_back(work);
  }
  work();
  for (std::thread &thread : threads) {
    thread.join();
  }
  for (CodeGroup &group : groups) {
    if (group.indexBits == 0) {
      group.variant->objects.push_back(std::move(group.object));
    }
  }
  joinImages(groups);
  return good && assembleImages(session, variants);
}

bool emitText(Session &session, Variant &variant, EmitKind kind, Bytes &text) {
  if (variant.isGPU()) {
    return emitGPUText(session, variant, kind, text);
  }
  OwningOpRef<ModuleOp> module = makeHostModule(session, variant);
  if (!module) {
    return session.failReported(Status::Internal);
  }
  // The host code's declarations of the kernels make way for the kernels.
  for (func::FuncOp kernel : takeKernels(variant)) {
    if (Operation *declaration = module->lookupSymbol(kernel.getSymName())) {
      declaration->erase();
    }
    module->push_back(kernel);
  }
  if (failed(lowerKernelsToLLVM(*module, variant.target))) {
    return session.failReported(Status::Internal);
  }
  llvm::Expected<Bytes> emitted = kind == EmitKind::LLVM
                                      ? emitLLVMIR(*module, variant.target)
                                      : emitAssembly(*module, variant.target);
  if (!emitted) {
    return session.fail(Status::Internal, emitted.takeError());
  }
  text = std::move(*emitted);
  return true;
}

} // namespace dlc
