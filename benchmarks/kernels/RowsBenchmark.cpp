// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Softmax and layer normalisation over dense rows of f32:
//   rows-benchmark [--cpu=NAME] [--rounds=N] [ROWS,COLUMNS]...
// The rate is that of the elements, one counted as one operation.
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Epilogue.h"
#include "Conversion/NNToVector/Norm.h"
#include "Conversion/NNToVector/Softmax.h"
#include "Harness.h"
#include "KernelHarness.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;
using dlc::benchmark::Case;
using dlc::benchmark::Floats;

namespace {

RowLoadFn denseLoad(Value flat, int64_t columns, int64_t lanes) {
  return [=](ImplicitLocOpBuilder &b, Value row, Value column, Value mask) {
    IndexMath math(b);
    Value index = math.value(math.add(math.mul(row, columns), column));
    return loadVector(b, flat, index, lanes, mask);
  };
}

RowStoreFn denseStore(Value flat, int64_t columns) {
  return [=](ImplicitLocOpBuilder &b, Value row, Value column, Value value,
             Value mask) {
    IndexMath math(b);
    Value index = math.value(math.add(math.mul(row, columns), column));
    storeVector(b, value, flat, index, mask);
  };
}

KernelSource softmaxSource(MLIRContext &context, int64_t rows, int64_t columns,
                           const VectorTarget &target) {
  KernelSource source;
  source.buffers.assign(2, Float32Type::get(&context));
  auto makeSpec = [=](OpBuilder &b) {
    SoftmaxSpec spec;
    spec.columns = b.getIndexAttr(columns);
    spec.acc = b.getF32Type();
    return spec;
  };
  source.body = [=](ImplicitLocOpBuilder &b, const KernelArguments &args) {
    SoftmaxSpec spec = makeSpec(b);
    spec.load = denseLoad(flatten(b, args.buffers[0]), columns, target.lanes);
    spec.store = denseStore(flatten(b, args.buffers[1]), columns);
    emitSoftmaxRows(b, spec, target, args.scratch, args.begin, args.end);
  };
  source.plan = [=](ImplicitLocOpBuilder &b, ArrayRef<Value>) {
    return std::pair(OpFoldResult(b.getIndexAttr(rows)),
                     getSoftmaxScratchBytes(b, makeSpec(b)));
  };
  return source;
}

KernelSource normSource(MLIRContext &context, int64_t rows, int64_t columns,
                        const VectorTarget &target) {
  KernelSource source;
  source.buffers.assign(4, Float32Type::get(&context));
  auto makeSpec = [=](OpBuilder &b) {
    NormSpec spec;
    spec.columns = b.getIndexAttr(columns);
    spec.acc = b.getF32Type();
    spec.epsilon = 1e-5;
    return spec;
  };
  auto columnLoad = [=](Value flat) -> RowLoadFn {
    return [=](ImplicitLocOpBuilder &b, Value, Value column, Value mask) {
      return loadVector(b, flat, column, target.lanes, mask);
    };
  };
  source.body = [=](ImplicitLocOpBuilder &b, const KernelArguments &args) {
    NormSpec spec = makeSpec(b);
    spec.load = denseLoad(flatten(b, args.buffers[0]), columns, target.lanes);
    spec.store = denseStore(flatten(b, args.buffers[1]), columns);
    spec.scale = columnLoad(flatten(b, args.buffers[2]));
    spec.bias = columnLoad(flatten(b, args.buffers[3]));
    emitNormRows(b, spec, target, args.scratch, args.begin, args.end);
  };
  source.plan = [=](ImplicitLocOpBuilder &b, ArrayRef<Value>) {
    return std::pair(OpFoldResult(b.getIndexAttr(rows)),
                     getNormScratchBytes(b, makeSpec(b)));
  };
  return source;
}

Case makeCase(MLIRContext &context, const std::string &cpu, StringRef name,
              const KernelSource &source, int64_t rows, int64_t columns) {
  auto kernel = std::make_shared<CompiledKernel>(context, source, cpu);
  SmallVector<std::shared_ptr<Floats>> buffers;
  SmallVector<void *> pointers;
  for (size_t i = 0; i < source.buffers.size(); ++i) {
    buffers.push_back(
        std::make_shared<Floats>(i < 2 ? rows * columns : columns));
    pointers.push_back(buffers.back()->data());
  }
  KernelPlan plan = kernel->plan({});
  auto scratch = std::make_shared<Floats>(plan.scratchBytes / 4 + 16);
  Case result;
  result.name = llvm::formatv("{0} {1}x{2}", name, rows, columns);
  result.flops = double(rows) * columns;
  result.run = [=] {
    (void)buffers;
    kernel->run(pointers, {}, 0, plan.items, scratch->data());
  };
  result.emitSeconds = kernel->emitSeconds;
  result.lowerSeconds = kernel->lowerSeconds;
  result.llvmSeconds = kernel->llvmSeconds;
  return result;
}

} // namespace

int main(int argc, char **argv) {
  std::string cpu = "native";
  int rounds = 9;
  SmallVector<std::pair<int64_t, int64_t>> shapes;
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i];
    if (argument.consume_front("--cpu=")) {
      cpu = argument.str();
    } else if (argument.consume_front("--rounds=")) {
      argument.getAsInteger(10, rounds);
    } else {
      auto [first, second] = argument.split(',');
      auto &shape = shapes.emplace_back(0, 0);
      first.getAsInteger(10, shape.first);
      second.getAsInteger(10, shape.second);
    }
  }
  if (shapes.empty())
    shapes = {{128, 768}, {6144, 512}, {1536, 128}, {3136, 96}, {49, 49}};
  auto context = makeKernelContext();
  VectorTarget target = vectorTargetOf(cpu);
  std::vector<Case> cases;
  for (auto [rows, columns] : shapes) {
    cases.push_back(makeCase(*context, cpu, "softmax",
                             softmaxSource(*context, rows, columns, target),
                             rows, columns));
    cases.push_back(makeCase(*context, cpu, "layer norm",
                             normSource(*context, rows, columns, target), rows,
                             columns));
  }
  dlc::benchmark::measure(cases, target.lanes, rounds, 0.005);
  return 0;
}
