// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Translation to LLVM IR, a short optimisation pipeline, and code generation.
#include "Target/NVPTX/Emit.h"

#include "Addresses.h"
#include "Target/LLVM/LLVMCode.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LoopUnrollPass.h"
#include "llvm/Transforms/Scalar/SROA.h"

using namespace llvm;

namespace dlc {

static FunctionPassManager createPipeline() {
  FunctionPassManager passes;
  passes.addPass(SROAPass(SROAOptions::PreserveCFG));
  passes.addPass(EarlyCSEPass());
  // This and AlignAccessesPass show the back end which accesses it can join.
  passes.addPass(SplitOffsetsPass());
  addCanonicalPasses(passes);
  passes.addPass(LoopUnrollPass(LoopUnrollOptions(/*OptLevel=*/2)));
  // Small arrays that unrolling gave constant indices become registers.
  passes.addPass(SROAPass(SROAOptions::ModifyCFG));
  addFinalPasses(passes);
  passes.addPass(AlignAccessesPass());
  return passes;
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

/// Optimised LLVM IR of `source`.
static Expected<LLVMCode> translate(mlir::ModuleOp source,
                                    const GPUTarget &target) {
  initializeNVPTXBackEnd();
  std::string features = "+ptx" + std::to_string(target.ptxVersion);
  MachineSpec spec{kGPUTriple, target.name, features};
  spec.level = CodeGenOptLevel::Aggressive;
  Expected<LLVMCode> code = LLVMCode::create(source, spec);
  if (!code) {
    return code;
  }
  code->run(createPipeline());
  if (Error error = checkResolved(*code->module)) {
    return error;
  }
  return code;
}

Expected<std::string> emitPTX(mlir::ModuleOp kernels, const GPUTarget &target) {
  Expected<LLVMCode> code = translate(kernels, target);
  if (!code) {
    return code.takeError();
  }
  SmallString<0> text;
  if (Error error = code->emit(CodeGenFileType::AssemblyFile, text)) {
    return error;
  }
  // What instruction selection itself calls.
  if (size_t place = text.find(".extern .func"); place != StringRef::npos) {
    return createStringError("unresolved external in GPU code: " +
                             text.str().substr(place).split('\n').first);
  }
  return text.str().str();
}

Expected<std::string> emitGPULLVMIR(mlir::ModuleOp kernels,
                                    const GPUTarget &target) {
  Expected<LLVMCode> code = translate(kernels, target);
  if (!code) {
    return code.takeError();
  }
  SmallString<0> text;
  code->print(text);
  return text.str().str();
}

} // namespace dlc
