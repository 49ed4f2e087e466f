// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// GEMM kernels of BERT-base and ResNet-50's 1x1 convolutions, and any shape
// given:
//   gemm-benchmark [--cpu=NAME] [--layout=packed|row|transposed] [--dynamic]
//   [--transpose-a]
//                  [--rounds=N] [M,N,K[,MR,NV[,MBLOCK,OUTSIDE]]]...
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Gemm.h"
#include "Harness.h"
#include "KernelHarness.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;
using dlc::benchmark::Case;
using dlc::benchmark::Floats;

namespace {

struct Options {
  std::string cpu = "native";
  BLayout layout = BLayout::Packed;
  bool dynamicM = false;
  bool transposedA = false;
  int rounds = 9;
};

Case makeCase(MLIRContext &context, const Options &options, int64_t m,
              int64_t n, int64_t k, int64_t mr, int64_t nv, int64_t mBlock,
              bool blocksOutside) {
  VectorTarget target = vectorTargetOf(options.cpu);
  GemmSchedule sched = chooseGemmSchedule(options.dynamicM ? kDynamic : m, n, k,
                                          target, target.lanes, options.layout);
  if (mr) {
    sched.mr = mr;
    sched.nv = nv;
    sched.mBlock = mBlock;
    sched.blocksOutside = blocksOutside;
  }
  auto makeSpec = [=](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
    IndexMath math(b);
    Type f32 = b.getF32Type();
    GemmSpec spec;
    spec.types = {f32, f32, f32, f32};
    spec.m = options.dynamicM ? OpFoldResult(sizes[0]) : math.constant(m);
    spec.n = math.constant(n);
    spec.k = math.constant(k);
    spec.aRowStride = options.transposedA ? math.constant(1) : spec.k;
    spec.aColumnStride = options.transposedA ? spec.m : math.constant(1);
    spec.bLayout = options.layout;
    spec.bRowStride = options.layout == BLayout::Transposed ? spec.k : spec.n;
    spec.cRowStride = spec.n;
    return spec;
  };
  KernelSource source;
  source.buffers.assign(3, Float32Type::get(&context));
  source.numSizes = 1;
  source.body = [=](ImplicitLocOpBuilder &b, const KernelArguments &args) {
    emitGemm(b, makeSpec(b, args.sizes), sched, target,
             {args.buffers[0], args.buffers[1], args.buffers[2], args.scratch},
             args.begin, args.end);
  };
  source.plan = [=](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
    GemmSpec spec = makeSpec(b, sizes);
    return std::pair(getGemmItems(b, spec, sched, target),
                     getGemmScratchBytes(b, spec, sched, target));
  };
  auto kernel = std::make_shared<CompiledKernel>(context, source, options.cpu);
  auto a = std::make_shared<Floats>(m * k);
  auto bData = std::make_shared<Floats>(
      llvm::alignTo(n, sched.panelWidth(target.lanes)) * k);
  auto c = std::make_shared<Floats>(m * n);
  KernelPlan plan = kernel->plan({m});
  auto scratch = std::make_shared<Floats>(plan.scratchBytes / 4 + 16);
  Case result;
  result.name = llvm::formatv("{0}x{1}x{2} tile {3}x{4}", m, n, k, sched.mr,
                              sched.nv * target.lanes);
  result.flops = 2.0 * m * n * k;
  result.run = [=] {
    kernel->run({a->data(), bData->data(), c->data()}, {m}, 0, plan.items,
                scratch->data());
  };
  result.emitSeconds = kernel->emitSeconds;
  result.lowerSeconds = kernel->lowerSeconds;
  result.llvmSeconds = kernel->llvmSeconds;
  return result;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  SmallVector<SmallVector<int64_t>> shapes;
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i];
    if (argument.consume_front("--cpu=")) {
      options.cpu = argument.str();
    } else if (argument.consume_front("--layout=")) {
      options.layout = argument == "row"          ? BLayout::RowMajor
                       : argument == "transposed" ? BLayout::Transposed
                                                  : BLayout::Packed;
    } else if (argument == "--dynamic") {
      options.dynamicM = true;
    } else if (argument == "--transpose-a") {
      options.transposedA = true;
    } else if (argument.consume_front("--rounds=")) {
      argument.getAsInteger(10, options.rounds);
    } else {
      SmallVector<StringRef> parts;
      argument.split(parts, ',');
      SmallVector<int64_t> &shape = shapes.emplace_back(7, 0);
      for (auto [part, value] : llvm::zip(parts, shape))
        part.getAsInteger(10, value);
    }
  }
  if (shapes.empty())
    shapes = {{128, 768, 768, 0, 0},    {128, 3072, 768, 0, 0},
              {128, 768, 3072, 0, 0},   {512, 512, 512, 0, 0},
              {1024, 1024, 1024, 0, 0}, {197, 3072, 768, 0, 0},
              {1500, 384, 1536, 0, 0},  {3136, 64, 64, 0, 0},
              {3136, 256, 64, 0, 0},    {3136, 64, 256, 0, 0},
              {784, 512, 128, 0, 0},    {784, 128, 512, 0, 0},
              {196, 1024, 256, 0, 0},   {196, 256, 1024, 0, 0},
              {49, 2048, 512, 0, 0},    {49, 512, 2048, 0, 0},
              {3136, 24, 144, 0, 0},    {784, 40, 240, 0, 0},
              {1, 1000, 2048, 0, 0},    {1, 3072, 768, 0, 0}};
  auto context = makeKernelContext();
  std::vector<Case> cases;
  for (SmallVector<int64_t> &shape : shapes) {
    shape.resize(7, 0);
    cases.push_back(makeCase(*context, options, shape[0], shape[1], shape[2],
                             shape[3], shape[4], shape[5], shape[6]));
  }
  dlc::benchmark::measure(cases, vectorTargetOf(options.cpu).lanes,
                          options.rounds, 0.01);
  return 0;
}
