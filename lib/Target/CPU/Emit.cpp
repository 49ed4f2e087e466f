// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Translation to LLVM IR, a short optimisation pipeline, and code generation.
#include "Target/CPU/Emit.h"

#include "Target/LLVM/LLVMCode.h"
#include "llvm/IR/OptBisect.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/LoopUnrollPass.h"
#include "llvm/Transforms/Vectorize/LoopVectorize.h"
#include "llvm/Transforms/Vectorize/SLPVectorizer.h"

using namespace llvm;

namespace dlc {

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
} // namespace

/// Much shorter than LLVM's default pipeline: kernels arrive inlined, without
/// exceptions, pointers to pointers or dead code, and the rest of that pipeline
/// only costs time.
static FunctionPassManager createPipeline() {
  FunctionPassManager passes;
  addCanonicalPasses(passes);
  passes.addPass(LoopVectorizePass());
  passes.addPass(SLPVectorizerPass());
  passes.addPass(InstCombinePass());
  passes.addPass(LoopUnrollPass(LoopUnrollOptions(/*OptLevel=*/2)));
  addFinalPasses(passes);
  return passes;
}

/// Optimised LLVM IR of `source`.
static Expected<LLVMCode> translate(mlir::ModuleOp source,
                                    const CPUTarget &target) {
  initializeX86BackEnd();
  MachineSpec spec{kCPUTriple, target.cpu, target.features};
  spec.relocation = Reloc::PIC_;
  // One section a function, so that the linker can drop what is not reached.
  spec.options.FunctionSections = true;
  spec.options.DataSections = true;
  Expected<LLVMCode> code = LLVMCode::create(source, spec);
  if (!code)
    return code;
  static PassGate gate; // has no state
  code->context->setOptPassGate(gate);
  setFunctionAttributes(*code->module, target);
  code->run(createPipeline());
  return code;
}

static Expected<Bytes> emitFile(mlir::ModuleOp source, const CPUTarget &target,
                                CodeGenFileType type) {
  Expected<LLVMCode> code = translate(source, target);
  if (!code)
    return code.takeError();
  Bytes bytes;
  if (Error error = code->emit(type, bytes))
    return error;
  return bytes;
}

Expected<Bytes> emitObject(mlir::ModuleOp module, const CPUTarget &target) {
  return emitFile(module, target, CodeGenFileType::ObjectFile);
}

Expected<Bytes> emitAssembly(mlir::ModuleOp module, const CPUTarget &target) {
  return emitFile(module, target, CodeGenFileType::AssemblyFile);
}

Expected<Bytes> emitLLVMIR(mlir::ModuleOp module, const CPUTarget &target) {
  Expected<LLVMCode> code = translate(module, target);
  if (!code)
    return code.takeError();
  Bytes bytes;
  code->print(bytes);
  return bytes;
}

} // namespace dlc
