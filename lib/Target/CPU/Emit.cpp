// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Translation to LLVM IR, a short optimisation pipeline, and code generation.
#include "Target/CPU/Emit.h"

#include "LLVMPasses.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/OptBisect.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;

namespace dlc {

static std::unique_ptr<TargetMachine> createMachine(const CPUTarget &target) {
  initializeX86BackEnd();
  Triple triple(kCPUTriple);
  std::string error;
  const Target *backEnd = TargetRegistry::lookupTarget(triple, error);
  if (!backEnd)
    return nullptr;
  TargetOptions options;
  // One section a function, so that the linker can drop what is not reached.
  options.FunctionSections = true;
  options.DataSections = true;
  // mul and add fuse only where both carry `contract`.
  options.AllowFPOpFusion = FPOpFusion::Standard;
  return std::unique_ptr<TargetMachine>(backEnd->createTargetMachine(
      triple, target.cpu, target.features, options, Reloc::PIC_, std::nullopt,
      CodeGenOptLevel::Default));
}

static void setFunctionAttributes(Module &module, const CPUTarget &target) {
  std::string width = std::to_string(target.vectorLanes * 32);
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
    // Tuning of many CPUs prefers 256 bits; dlc's kernels fill the widest.
    function.addFnAttr("prefer-vector-width", width);
    function.addFnAttr("no-trapping-math", "true");
    function.addFnAttr(Attribute::NoUnwind);
  }
}

namespace {
/// Leaves out loop strength reduction, which took 80% of the time of a
/// convolution and gained nothing: the emitters carry their offsets from step
/// to step. LLVM's own switch for it would hold for the whole process.
class PassGate final : public OptPassGate {
public:
  bool isEnabled() const override { return true; }
  bool shouldRunPass(StringRef pass, StringRef) const override {
    return pass != "Loop Strength Reduction";
  }
};

struct Translated {
  std::unique_ptr<LLVMContext> context;
  std::unique_ptr<TargetMachine> machine;
  std::unique_ptr<Module> module;
};
} // namespace

/// Optimised LLVM IR of `source`, in a context of its own.
static Expected<Translated> translate(mlir::ModuleOp source,
                                      const CPUTarget &target) {
  Translated result;
  result.context = std::make_unique<LLVMContext>();
  result.machine = createMachine(target);
  if (!result.machine)
    return createStringError("LLVM was built without its X86 back end");
  static PassGate gate; // has no state
  result.context->setOptPassGate(gate);
  result.module = mlir::translateModuleToLLVMIR(source, *result.context, "dlc",
                                                /*disableVerification=*/true);
  if (!result.module)
    return createStringError("translation to LLVM IR failed");
  // Without triple and layout, LLVM neither vectorises nor knows memcpy.
  result.module->setTargetTriple(Triple(kCPUTriple));
  result.module->setDataLayout(result.machine->createDataLayout());
  setFunctionAttributes(*result.module, target);
  optimizeModule(*result.module, *result.machine);
  return result;
}

static Expected<Bytes> emitFile(mlir::ModuleOp source, const CPUTarget &target,
                                CodeGenFileType type) {
  Expected<Translated> translated = translate(source, target);
  if (!translated)
    return translated.takeError();
  Bytes bytes;
  raw_svector_ostream stream(bytes);
  legacy::PassManager passes;
  if (translated->machine->addPassesToEmitFile(passes, stream, nullptr, type,
                                               /*DisableVerify=*/true))
    return createStringError("LLVM cannot emit this file type");
  passes.run(*translated->module);
  return bytes;
}

Expected<Bytes> emitObject(mlir::ModuleOp module, const CPUTarget &target) {
  return emitFile(module, target, CodeGenFileType::ObjectFile);
}

Expected<Bytes> emitAssembly(mlir::ModuleOp module, const CPUTarget &target) {
  return emitFile(module, target, CodeGenFileType::AssemblyFile);
}

Expected<Bytes> emitLLVMIR(mlir::ModuleOp module, const CPUTarget &target) {
  Expected<Translated> translated = translate(module, target);
  if (!translated)
    return translated.takeError();
  Bytes bytes;
  raw_svector_ostream stream(bytes);
  translated->module->print(stream, nullptr);
  return bytes;
}

} // namespace dlc
