// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// In-process compilation of one kernel through the CPU back end.
#include "KernelHarness.h"

#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Epilogue.h"
#include "Dialect/RT/KernelAttrs.h"
#include "Target/CPU/CPUTarget.h"
#include "Target/CPU/Emit.h"
#include "Target/CPU/LowerToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;
using namespace dlc;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;

static double now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

std::unique_ptr<MLIRContext> dlc::kernel::testing::makeKernelContext() {
  DialectRegistry registry;
  registerCPUTargetDialects(registry);
  auto context =
      std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

template <typename T> static T orDie(llvm::Expected<T> value) {
  if (!value)
    llvm::report_fatal_error(value.takeError());
  return std::move(*value);
}

VectorTarget dlc::kernel::testing::vectorTargetOf(llvm::StringRef cpu) {
  CPUTarget target = orDie(CPUTarget::create(cpu));
  return {target.vectorLanes, target.numVectorRegisters};
}

bool dlc::kernel::testing::canRun(llvm::StringRef cpu) {
  const auto &host = llvm::sys::getHostCPUFeatures();
  return llvm::all_of(
      orDie(CPUTarget::create(cpu)).requiredFeatures,
      [&](const std::string &name) { return host.lookup(name); });
}

llvm::StringRef dlc::kernel::testing::cpuOfCase(int i) {
  static const char *const kNames[] = {"x86-64-v3", "native", "native",
                                       "x86-64-v3", "native", "x86-64-v2"};
  return kNames[i % 6];
}

/// Starts a kernel function; the builder is left inside its body.
static KernelArguments startKernel(ImplicitLocOpBuilder &b, StringRef name,
                                   ArrayRef<Type> elements, unsigned numSizes) {
  SmallVector<Type> inputs;
  for (Type element : elements)
    inputs.push_back(MemRefType::get({}, element));
  inputs.append(numSizes + 2, b.getIndexType());
  inputs.push_back(MemRefType::get({}, b.getI8Type()));
  auto function = func::FuncOp::create(b, name, b.getFunctionType(inputs, {}));
  function->setAttr(rt::kKernelAttrName, b.getUnitAttr());
  for (unsigned i = 0; i < elements.size(); ++i)
    function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                        b.getUnitAttr());
  b.setInsertionPointToStart(function.addEntryBlock());
  KernelArguments arguments;
  ArrayRef<BlockArgument> all = function.getArguments();
  arguments.buffers.assign(all.begin(), all.begin() + elements.size());
  arguments.sizes.assign(all.begin() + elements.size(), all.end() - 3);
  arguments.begin = all[all.size() - 3];
  arguments.end = all[all.size() - 2];
  arguments.scratch = all.back();
  return arguments;
}

static void buildPlanner(ImplicitLocOpBuilder &b, const KernelSource &source) {
  KernelArguments arguments =
      startKernel(b, "plan", {b.getI64Type()}, source.numSizes);
  auto [items, bytes] = source.plan(b, arguments.sizes);
  Value results = flatten(b, arguments.buffers[0]);
  IndexMath math(b);
  int64_t slot = 0;
  for (OpFoldResult result : {items, bytes}) {
    Value value =
        arith::IndexCastOp::create(b, b.getI64Type(), math.value(result));
    memref::StoreOp::create(b, value, results, ValueRange(math.value(slot++)));
  }
  func::ReturnOp::create(b);
}

static void buildKernel(ImplicitLocOpBuilder &b, const KernelSource &source) {
  KernelArguments arguments =
      startKernel(b, "kernel", source.buffers, source.numSizes);
  source.body(b, arguments);
  func::ReturnOp::create(b);
}

/// Loads from memory file `file`, which stays open with the library: the loader
/// takes two libraries of one path for the same.
static void *loadObject(const Bytes &bytes, int file) {
  if (write(file, bytes.data(), bytes.size()) != ssize_t(bytes.size()))
    llvm::report_fatal_error("expected to write the kernel's code");
  std::string path = "/proc/self/fd/" + std::to_string(file);
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    llvm::report_fatal_error(dlerror());
  return library;
}

/// Writes the bytes to the file that environment variable `name` names, if any.
static void dumpTo(const char *name, const Bytes &bytes) {
  const char *path = getenv(name);
  if (!path)
    return;
  std::error_code error;
  llvm::raw_fd_ostream(path, error).write(bytes.data(), bytes.size());
}

CompiledKernel::CompiledKernel(MLIRContext &context, const KernelSource &source,
                               llvm::StringRef cpu) {
  CPUTarget target = orDie(CPUTarget::create(cpu));
  double start = now();
  ImplicitLocOpBuilder b(UnknownLoc::get(&context), &context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(b.getLoc());
  b.setInsertionPointToEnd(module->getBody());
  buildKernel(b, source);
  b.setInsertionPointToEnd(module->getBody());
  buildPlanner(b, source);
  emitSeconds = now() - start;
  if (getenv("DLC_TEST_PRINT_IR"))
    module->print(llvm::errs());
  if (failed(verify(*module)))
    llvm::report_fatal_error("expected the kernel to verify");
  start = now();
  if (failed(lowerKernelsToLLVM(*module, target)))
    llvm::report_fatal_error("expected the kernel to lower to LLVM");
  lowerSeconds = now() - start;
  if (getenv("DLC_TEST_DUMP_ASSEMBLY"))
    dumpTo("DLC_TEST_DUMP_ASSEMBLY", orDie(emitAssembly(*module, target)));
  if (getenv("DLC_TEST_DUMP_LLVM"))
    dumpTo("DLC_TEST_DUMP_LLVM", orDie(emitLLVMIR(*module, target)));
  start = now();
  Bytes object = orDie(emitObject(*module, target));
  file = memfd_create("kernel", 0);
  library =
      loadObject(orDie(linkSharedObject({object}, {"kernel", "plan"})), file);
  llvmSeconds = now() - start;
  kernel = reinterpret_cast<dlc_kernel *>(dlsym(library, "kernel"));
  planner = reinterpret_cast<dlc_kernel *>(dlsym(library, "plan"));
}

CompiledKernel::~CompiledKernel() {
  dlclose(library);
  close(file);
}

KernelPlan CompiledKernel::plan(llvm::ArrayRef<int64_t> sizes) const {
  int64_t results[2];
  void *buffer = results;
  planner(&buffer, sizes.data(), 0, 0, nullptr);
  return {results[0], results[1]};
}

void CompiledKernel::run(llvm::ArrayRef<void *> buffers,
                         llvm::ArrayRef<int64_t> sizes, int64_t begin,
                         int64_t end, void *scratch) const {
  kernel(buffers.data(), sizes.data(), begin, end, scratch);
}

/// Scratch of `bytes`, all NaN or -1, with a guard after it that must survive.
namespace {
class Scratch {
public:
  explicit Scratch(int64_t bytes)
      : bytes(bytes), data(static_cast<char *>(std::aligned_alloc(
                          64, llvm::alignTo(bytes, 64) + kGuard))) {
    std::memset(data, 0xff, llvm::alignTo(bytes, 64) + kGuard);
  }
  ~Scratch() {
    for (int64_t i = bytes; i < bytes + kGuard; ++i)
      if (data[i] != char(0xff))
        llvm::report_fatal_error("kernel wrote past its scratch");
    std::free(data);
  }
  char *get() { return data; }

private:
  static constexpr int64_t kGuard = 256;
  int64_t bytes;
  char *data;
};
} // namespace

void CompiledKernel::runAll(llvm::ArrayRef<void *> buffers,
                            llvm::ArrayRef<int64_t> sizes) const {
  KernelPlan planned = plan(sizes);
  Scratch scratch(planned.scratchBytes);
  run(buffers, sizes, 0, planned.items, scratch.get());
}

void CompiledKernel::runScattered(llvm::ArrayRef<void *> buffers,
                                  llvm::ArrayRef<int64_t> sizes) const {
  KernelPlan planned = plan(sizes);
  for (int64_t item = planned.items; item-- > 0;) {
    Scratch scratch(planned.scratchBytes);
    run(buffers, sizes, item, item + 1, scratch.get());
  }
}
