// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// CPU time from a kernel's loops or tiles to PTX, one kernel at a time, in
// milliseconds:
//   dlc-compile M.onnx -o m.dlc --target=cuda --dump-ir=ir
//   ptx-benchmark [--rounds=N] ir/05-codegen.mlir...
#include "Conversion/RTToLLVM/RTToLLVM.h"
#include "Dialect/RT/KernelAttrs.h"
#include "Pipelines/Registration.h"
#include "Target/NVPTX/Emit.h"
#include "Target/NVPTX/LowerToNVVM.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include <algorithm>
#include <ctime>

using namespace mlir;
namespace cl = llvm::cl;

namespace {

cl::list<std::string> files(cl::Positional, cl::OneOrMore,
                            cl::desc("<module of the codegen phase>..."));
cl::opt<unsigned> rounds("rounds", cl::init(5),
                         cl::desc("compilations of each kernel"));
cl::opt<std::string> arch("gpu-arch", cl::init("sm_80"));

double median(std::vector<double> &values) {
  size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + middle, values.end());
  return values[middle];
}

/// The CPU time of this thread, which neighbours on the machine hardly change.
double threadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

/// `kernels` with one kernel and what all of them share.
OwningOpRef<ModuleOp> isolate(ModuleOp kernels, StringRef name,
                              const llvm::SetVector<StringRef> &all) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernels.getLoc());
  for (Operation &op : kernels.getOps()) {
    StringRef symbol = SymbolTable::getSymbolName(&op);
    if (symbol == name || !all.contains(symbol)) {
      module->push_back(op.clone());
    }
  }
  return module;
}

/// Seconds that one compilation takes, or nothing after an error.
std::optional<double> compile(ModuleOp kernel, unsigned indexBits,
                              const dlc::GPUTarget &target) {
  double start = threadSeconds();
  if (failed(dlc::lowerKernelsToNVVM(kernel, indexBits))) {
    return std::nullopt;
  }
  llvm::Expected<std::string> text = dlc::emitPTX(kernel, target);
  if (!text) {
    llvm::errs() << llvm::toString(text.takeError()) << '\n';
    return std::nullopt;
  }
  return threadSeconds() - start;
}

/// Appends the median milliseconds of each kernel of a module.
bool measure(ModuleOp module, const dlc::GPUTarget &target,
             std::vector<double> &all) {
  auto program = *module.getOps<dlc::rt::ProgramOp>().begin();
  auto kernels = module.lookupSymbol<ModuleOp>(dlc::rt::kKernelsModuleName);
  llvm::SetVector<StringRef> names = dlc::getDeviceKernels(program);
  for (StringRef name : names) {
    auto bits = kernels.lookupSymbol(name)->getAttrOfType<IntegerAttr>(
        dlc::rt::kIndexBitsAttrName);
    std::vector<double> times;
    for (unsigned i = 0; i < rounds; ++i) {
      OwningOpRef<ModuleOp> kernel = isolate(kernels, name, names);
      auto time = compile(*kernel, bits ? bits.getInt() : 64, target);
      if (!time) {
        return false;
      }
      times.push_back(*time * 1e3);
    }
    all.push_back(median(times));
    llvm::outs() << llvm::format("%8.1f  ", all.back()) << name << '\n';
  }
  return true;
}

} // namespace

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv, "times the emission of PTX\n");
  DialectRegistry registry;
  dlc::registerDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  llvm::Expected<dlc::GPUTarget> target = dlc::GPUTarget::create(arch);
  if (!target) {
    llvm::errs() << llvm::toString(target.takeError()) << '\n';
    return 1;
  }
  std::vector<double> all;
  for (const std::string &file : files) {
    OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(file, &context);
    if (!module || module->getOps<dlc::rt::ProgramOp>().empty()) {
      llvm::errs() << file << ": expected a module of the codegen phase\n";
      return 1;
    }
    if (!measure(*module, *target, all)) {
      return 1;
    }
  }
  llvm::outs() << llvm::format("%8.1f  median of %zu kernels, largest %.1f\n",
                               median(all), all.size(),
                               *std::max_element(all.begin(), all.end()));
  return 0;
}
