// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Translation, the parts of the pipelines that targets share, code generation.
#include "Target/LLVM/LLVMCode.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/AliasAnalysis.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/IndVarSimplify.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopRotation.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

using namespace llvm;

namespace dlc {

std::unique_ptr<TargetMachine> createMachine(const MachineSpec &spec) {
  Triple triple(spec.triple);
  std::string error;
  const Target *backEnd = TargetRegistry::lookupTarget(triple, error);
  if (!backEnd) {
    return nullptr;
  }
  TargetOptions options = spec.options;
  options.AllowFPOpFusion = FPOpFusion::Standard;
  return std::unique_ptr<TargetMachine>(
      backEnd->createTargetMachine(triple, spec.cpu, spec.features, options,
                                   spec.relocation, std::nullopt, spec.level));
}

Expected<LLVMCode> LLVMCode::create(mlir::ModuleOp source,
                                    const MachineSpec &spec) {
  LLVMCode code;
  code.context = std::make_unique<LLVMContext>();
  code.machine = createMachine(spec);
  if (!code.machine) {
    return createStringError("LLVM was built without the back end for " +
                             spec.triple);
  }
  code.module = mlir::translateModuleToLLVMIR(source, *code.context, "dlc",
                                              /*disableVerification=*/true);
  if (!code.module) {
    return createStringError("translation to LLVM IR failed");
  }
  // Without triple and layout, LLVM neither vectorises nor knows memcpy.
  code.module->setTargetTriple(Triple(spec.triple));
  code.module->setDataLayout(code.machine->createDataLayout());
  return code;
}

void LLVMCode::run(FunctionPassManager passes) {
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  PassBuilder builder(machine.get());
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  for (Function &function : *module) {
    if (!function.isDeclaration()) {
      passes.run(function, functions);
    }
  }
}

Error LLVMCode::emit(CodeGenFileType type, SmallVectorImpl<char> &bytes) {
  raw_svector_ostream stream(bytes);
  legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, type,
                                   /*DisableVerify=*/true)) {
    return createStringError("LLVM cannot emit this file type");
  }
  passes.run(*module);
  return Error::success();
}

void LLVMCode::print(SmallVectorImpl<char> &text) {
  raw_svector_ostream stream(text);
  module->print(stream, nullptr);
}

void addCanonicalPasses(FunctionPassManager &passes) {
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
}

void addFinalPasses(FunctionPassManager &passes) {
  // After unrolling: shared addresses and reloaded values.
  passes.addPass(EarlyCSEPass(/*UseMemorySSA=*/true));
  LoopPassManager hoist;
  hoist.addPass(LICMPass(LICMOptions()));
  passes.addPass(createFunctionToLoopPassAdaptor(std::move(hoist),
                                                 /*UseMemorySSA=*/true));
  passes.addPass(InstCombinePass());
  passes.addPass(SimplifyCFGPass());
}

} // namespace dlc
