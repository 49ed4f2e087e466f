// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Translation to LLVM IR, a short optimisation pipeline, and code generation.
#include "Target/NVPTX/Emit.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/AliasAnalysis.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/IndVarSimplify.h"
#include "llvm/Transforms/Scalar/InferAddressSpaces.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopRotation.h"
#include "llvm/Transforms/Scalar/LoopUnrollPass.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

using namespace llvm;

namespace dlc {

static std::unique_ptr<TargetMachine> createMachine(const GPUTarget &target) {
  initializeNVPTXBackEnd();
  Triple triple(kGPUTriple);
  std::string error;
  const Target *backEnd = TargetRegistry::lookupTarget(triple, error);
  if (!backEnd) {
    return nullptr;
  }
  TargetOptions options;
  // mul and add fuse only where both carry `contract`.
  options.AllowFPOpFusion = FPOpFusion::Standard;
  std::string features = "+ptx" + std::to_string(target.ptxVersion);
  return std::unique_ptr<TargetMachine>(backEnd->createTargetMachine(
      triple, target.name, features, options, std::nullopt, std::nullopt,
      CodeGenOptLevel::Aggressive));
}

static FunctionPassManager createFunctionPipeline() {
  FunctionPassManager passes;
  // Memref descriptors are struct values; they fold to plain pointers here.
  passes.addPass(SROAPass(SROAOptions::PreserveCFG));
  passes.addPass(EarlyCSEPass());
  passes.addPass(SimplifyCFGPass());
  passes.addPass(InstCombinePass());
  LoopPassManager rotate;
  rotate.addPass(LoopRotatePass());
  rotate.addPass(LICMPass(LICMOptions()));
  passes.addPass(createFunctionToLoopPassAdaptor(std::move(rotate),
                                                 /*UseMemorySSA=*/true));
  LoopPassManager counters;
  counters.addPass(IndVarSimplifyPass());
  passes.addPass(createFunctionToLoopPassAdaptor(std::move(counters)));
  passes.addPass(LoopUnrollPass(LoopUnrollOptions(/*OptLevel=*/2)));
  // Small arrays that unrolling gave constant indices become registers.
  passes.addPass(SROAPass(SROAOptions::ModifyCFG));
  passes.addPass(EarlyCSEPass(/*UseMemorySSA=*/true));
  LoopPassManager hoist;
  hoist.addPass(LICMPass(LICMOptions()));
  passes.addPass(createFunctionToLoopPassAdaptor(std::move(hoist),
                                                 /*UseMemorySSA=*/true));
  passes.addPass(InstCombinePass());
  passes.addPass(SimplifyCFGPass());
  return passes;
}

static void optimize(Module &module, TargetMachine &machine) {
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  FunctionPassManager passes = createFunctionPipeline();
  for (Function &function : module) {
    if (!function.isDeclaration()) {
      passes.run(function, functions);
    }
  }
}

/// PTX has no linker here: what is called must be here.
static Error checkResolved(const Module &module) {
  for (const Function &function : module) {
    if (function.isDeclaration() && !function.isIntrinsic() &&
        !function.use_empty()) {
      return createStringError("unresolved external '" + function.getName() +
                               "' in GPU code");
    }
  }
  return Error::success();
}

namespace {
struct Translated {
  std::unique_ptr<LLVMContext> context;
  std::unique_ptr<TargetMachine> machine;
  std::unique_ptr<Module> module;
};
} // namespace

/// Optimised LLVM IR of `source`, in a context of its own.
static Expected<Translated> translate(mlir::ModuleOp source,
                                      const GPUTarget &target) {
  Translated result;
  result.context = std::make_unique<LLVMContext>();
  result.machine = createMachine(target);
  if (!result.machine) {
    return createStringError("LLVM was built without its NVPTX back end");
  }
  result.module = mlir::translateModuleToLLVMIR(source, *result.context, "dlc",
                                                /*disableVerification=*/true);
  if (!result.module) {
    return createStringError("translation to LLVM IR failed");
  }
  result.module->setTargetTriple(Triple(kGPUTriple));
  result.module->setDataLayout(result.machine->createDataLayout());
  optimize(*result.module, *result.machine);
  if (Error error = checkResolved(*result.module)) {
    return error;
  }
  return result;
}

Expected<std::string> emitPTX(mlir::ModuleOp kernels, const GPUTarget &target) {
  Expected<Translated> translated = translate(kernels, target);
  if (!translated) {
    return translated.takeError();
  }
  SmallString<0> text;
  raw_svector_ostream stream(text);
  legacy::PassManager passes;
  if (translated->machine->addPassesToEmitFile(passes, stream, nullptr,
                                               CodeGenFileType::AssemblyFile,
                                               /*DisableVerify=*/true)) {
    return createStringError("LLVM cannot emit PTX");
  }
  passes.run(*translated->module);
  // What instruction selection itself calls.
  if (size_t place = text.find(".extern .func"); place != StringRef::npos) {
    return createStringError("unresolved external in GPU code: " +
                             text.str().substr(place).split('\n').first);
  }
  return text.str().str();
}

Expected<std::string> emitGPULLVMIR(mlir::ModuleOp kernels,
                                    const GPUTarget &target) {
  Expected<Translated> translated = translate(kernels, target);
  if (!translated) {
    return translated.takeError();
  }
  std::string text;
  raw_string_ostream stream(text);
  translated->module->print(stream, nullptr);
  return text;
}

} // namespace dlc
