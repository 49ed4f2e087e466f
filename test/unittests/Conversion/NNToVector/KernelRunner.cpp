// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// In-process compilation of one kernel through MLIR's execution engine.
#include "KernelRunner.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

#include <chrono>
#include <cstdlib>
#include <cstring>

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;

static double now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

std::unique_ptr<MLIRContext> dlc::kernel::testing::makeKernelContext() {
  DialectRegistry registry;
  registry
      .insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
              LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
              scf::SCFDialect, ub::UBDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  auto context =
      std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

static bool hostHas(llvm::StringRef feature) {
  return llvm::sys::getHostCPUFeatures().lookup(feature);
}

VectorTarget dlc::kernel::testing::vectorTargetOf(llvm::StringRef cpu) {
  bool wide = cpu == "x86-64-v4" || (cpu == "native" && hostHas("avx512f"));
  return wide ? VectorTarget{16, 32} : VectorTarget{8, 16};
}

bool dlc::kernel::testing::canRun(llvm::StringRef cpu) {
  return hostHas(cpu == "x86-64-v4" ? "avx512vl" : "fma");
}

static void buildPlanner(OpBuilder &builder, const KernelSource &source) {
  ImplicitLocOpBuilder b(builder.getUnknownLoc(), builder);
  Type index = b.getIndexType();
  SmallVector<Type> inputs(source.numSizes, index);
  inputs.push_back(MemRefType::get({2}, b.getI64Type()));
  auto function =
      func::FuncOp::create(b, "plan", b.getFunctionType(inputs, {}));
  b.setInsertionPointToStart(function.addEntryBlock());
  auto arguments = function.getArguments();
  SmallVector<Value> sizes(arguments.begin(), arguments.end() - 1);
  auto [items, bytes] = source.plan(b, sizes);
  int64_t slot = 0;
  for (OpFoldResult result : {items, bytes}) {
    Value value = dyn_cast<Value>(result);
    if (!value)
      value = arith::ConstantIndexOp::create(b, *getConstantIntValue(result));
    value = arith::IndexCastOp::create(b, b.getI64Type(), value);
    Value at = arith::ConstantIndexOp::create(b, slot++);
    memref::StoreOp::create(b, value, arguments.back(), ValueRange(at));
  }
  func::ReturnOp::create(b);
}

static void buildKernel(OpBuilder &builder, const KernelSource &source) {
  ImplicitLocOpBuilder b(builder.getUnknownLoc(), builder);
  SmallVector<Type> inputs;
  for (Type element : source.buffers)
    inputs.push_back(MemRefType::get({}, element));
  inputs.append(source.numSizes + 2, b.getIndexType());
  inputs.push_back(MemRefType::get({}, b.getI8Type()));
  auto function =
      func::FuncOp::create(b, "kernel", b.getFunctionType(inputs, {}));
  for (unsigned i = 0; i < source.buffers.size(); ++i)
    function.setArgAttr(i, "llvm.noalias", b.getUnitAttr());
  b.setInsertionPointToStart(function.addEntryBlock());
  KernelArguments arguments;
  auto all = function.getArguments();
  arguments.buffers.assign(all.begin(), all.begin() + source.buffers.size());
  all = all.drop_front(source.buffers.size());
  arguments.sizes.assign(all.begin(), all.begin() + source.numSizes);
  all = all.drop_front(source.numSizes);
  arguments.begin = all[0];
  arguments.end = all[1];
  arguments.scratch = all[2];
  source.body(b, arguments);
  func::ReturnOp::create(b);
}

static void lowerToLLVM(ModuleOp module) {
  PassManager pm(module.getContext());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions options;
  options.useBarePtrCallConv = true;
  pm.addPass(createConvertFuncToLLVMPass(options));
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  if (failed(pm.run(module)))
    llvm::report_fatal_error("expected the kernel to lower to LLVM");
}

static std::unique_ptr<llvm::TargetMachine> makeMachine(llvm::StringRef cpu) {
  std::string error;
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    llvm::report_fatal_error(llvm::StringRef(error));
  std::string features = "-prefer-256-bit";
  if (cpu == "native") {
    cpu = llvm::sys::getHostCPUName();
    for (const auto &[name, has] : llvm::sys::getHostCPUFeatures())
      features += std::string(has ? ",+" : ",-") + name.str();
  }
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, cpu, features, llvm::TargetOptions(), llvm::Reloc::PIC_,
      std::nullopt, llvm::CodeGenOptLevel::Default, /*JIT=*/true));
}

CompiledKernel::CompiledKernel(MLIRContext &context, const KernelSource &source,
                               llvm::StringRef cpu) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  double start = now();
  OpBuilder builder(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getUnknownLoc());
  builder.setInsertionPointToEnd(module->getBody());
  buildKernel(builder, source);
  builder.setInsertionPointToEnd(module->getBody());
  buildPlanner(builder, source);
  emitSeconds = now() - start;
  if (getenv("DLC_TEST_PRINT_IR"))
    module->print(llvm::errs());
  if (failed(verify(*module)))
    llvm::report_fatal_error("expected the kernel to verify");
  start = now();
  lowerToLLVM(*module);
  lowerSeconds = now() - start;

  start = now();
  std::unique_ptr<llvm::TargetMachine> machine = makeMachine(cpu);
  auto optimise =
      makeOptimizingTransformer(/*optLevel=*/3, /*sizeLevel=*/0, machine.get());
  auto transform = [&](llvm::Module *llvmModule) {
    // The data layout and the CPU of each function decide vector widths.
    llvmModule->setDataLayout(machine->createDataLayout());
    llvmModule->setTargetTriple(machine->getTargetTriple());
    return optimise(llvmModule);
  };
  ExecutionEngineOptions options;
  options.transformer = transform;
  options.enableGDBNotificationListener = false;
  options.enablePerfNotificationListener = false;
  options.enableObjectDump = getenv("DLC_TEST_DUMP_OBJECT") != nullptr;
  auto created = ExecutionEngine::create(*module, options, makeMachine(cpu));
  if (!created)
    llvm::report_fatal_error(created.takeError());
  engine = std::move(*created);
  auto lookup = [&](llvm::StringRef name) {
    auto function = engine->lookupPacked(name);
    if (!function)
      llvm::report_fatal_error(function.takeError());
    return *function;
  };
  kernel = lookup("kernel");
  planner = lookup("plan");
  llvmSeconds = now() - start;
  if (const char *path = getenv("DLC_TEST_DUMP_OBJECT"))
    engine->dumpToObjectFile(path);
}

CompiledKernel::~CompiledKernel() = default;

KernelPlan CompiledKernel::plan(llvm::ArrayRef<int64_t> sizes) const {
  SmallVector<int64_t> values(sizes);
  int64_t results[2];
  int64_t *resultPointer = results;
  SmallVector<void *> packed;
  for (int64_t &value : values)
    packed.push_back(&value);
  packed.push_back(&resultPointer);
  planner(packed.data());
  return {results[0], results[1]};
}

void CompiledKernel::run(llvm::ArrayRef<void *> buffers,
                         llvm::ArrayRef<int64_t> sizes, int64_t begin,
                         int64_t end, void *scratch) const {
  SmallVector<void *> pointers(buffers);
  SmallVector<int64_t> values(sizes);
  SmallVector<void *> packed;
  for (void *&pointer : pointers)
    packed.push_back(&pointer);
  for (int64_t &value : values)
    packed.push_back(&value);
  packed.push_back(&begin);
  packed.push_back(&end);
  packed.push_back(&scratch);
  kernel(packed.data());
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
