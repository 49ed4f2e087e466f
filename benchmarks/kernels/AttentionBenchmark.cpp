// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention kernels of BERT, GPT-2, ViT and Whisper, batch 1, [head][row][d]:
//   attention-benchmark [--cpu=NAME] [--causal] [--dynamic] [--rounds=N]
//       [HEADS,M,N,D[,ROWS,VECTORS,VALUE_ROWS,VALUE_VECTORS[,QBLOCK,KBLOCK]]]...
#include "Conversion/NNToVector/Attention.h"
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Rows.h"
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
  bool causal = false;
  bool dynamicSizes = false;
  int rounds = 9;
};

struct Shape {
  int64_t heads, m, n, d;
};

AttentionSpec makeSpec(ImplicitLocOpBuilder &b, const Options &options,
                       const Shape &shape, int64_t lanes,
                       ArrayRef<Value> sizes) {
  IndexMath math(b);
  Type f32 = b.getF32Type();
  AttentionSpec spec;
  spec.query = spec.key = spec.value = spec.output = f32;
  OpFoldResult m =
      options.dynamicSizes ? OpFoldResult(sizes[0]) : math.constant(shape.m);
  OpFoldResult n =
      options.dynamicSizes ? OpFoldResult(sizes[1]) : math.constant(shape.n);
  spec.heads = math.constant(shape.heads);
  spec.groups = math.constant(1);
  spec.m = m;
  spec.n = n;
  spec.d = math.constant(shape.d);
  spec.e = shape.d;
  auto offset = [d = shape.d](OpFoldResult rows) -> OffsetFn {
    return [=](ImplicitLocOpBuilder &b, ValueRange at) {
      IndexMath math(b);
      return math.mul(math.mul(at[0], rows), d);
    };
  };
  spec.queryOffset = spec.outputOffset = offset(m);
  spec.keyOffset = spec.valueOffset = offset(n);
  spec.queryRowStride = spec.keyRowStride = spec.valueRowStride =
      spec.outputRowStride = spec.d;
  spec.queryColumnStride = math.constant(1);
  spec.scale = floatConstant(b, f32, 0.125);
  if (!options.causal)
    return spec;
  spec.keyEnd = [=](ImplicitLocOpBuilder &b, ValueRange, OpFoldResult row) {
    IndexMath math(b);
    return math.add(row, math.constant(1));
  };
  spec.mask = [=](ImplicitLocOpBuilder &b, const AttentionIndices &at, Value) {
    IndexMath math(b);
    return lanesBelow(b, lanes,
                      math.sub(math.add(at.m, math.constant(1)), at.n));
  };
  return spec;
}

Case makeCase(MLIRContext &context, const Options &options, const Shape &shape,
              ArrayRef<int64_t> knobs) {
  VectorTarget target = vectorTargetOf(options.cpu);
  AttentionSchedule sched = chooseAttentionSchedule(
      options.dynamicSizes ? kDynamic : shape.m, shape.d, target);
  if (knobs[0]) {
    sched.scoreRows = knobs[0];
    sched.scoreVectors = knobs[1];
    sched.valueRows = knobs[2];
    sched.valueVectors = knobs[3];
  }
  if (knobs[4]) {
    sched.queryBlock = knobs[4];
    sched.keyBlock = knobs[5];
  }
  KernelSource source;
  source.buffers.assign(4, Float32Type::get(&context));
  source.numSizes = 2;
  source.body = [=](ImplicitLocOpBuilder &b, const KernelArguments &args) {
    emitAttention(b, makeSpec(b, options, shape, target.lanes, args.sizes),
                  sched, target,
                  {args.buffers[0], args.buffers[1], args.buffers[2],
                   args.buffers[3], args.scratch},
                  args.begin, args.end);
  };
  source.plan = [=](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
    AttentionSpec spec = makeSpec(b, options, shape, target.lanes, sizes);
    return std::pair(getAttentionItems(b, spec, sched, target),
                     getAttentionScratchBytes(b, spec, sched, target));
  };
  auto kernel = std::make_shared<CompiledKernel>(context, source, options.cpu);
  auto q = std::make_shared<Floats>(shape.heads * shape.m * shape.d);
  auto k = std::make_shared<Floats>(shape.heads * shape.n * shape.d);
  auto v = std::make_shared<Floats>(shape.heads * shape.n * shape.d);
  auto o = std::make_shared<Floats>(shape.heads * shape.m * shape.d);
  KernelPlan plan = kernel->plan({shape.m, shape.n});
  auto scratch = std::make_shared<Floats>(plan.scratchBytes / 4 + 16);
  Case result;
  result.name = llvm::formatv(
      "{0} x {1}x{2}x{3} {4}x{5} {6}x{7} {8}/{9}", shape.heads, shape.m,
      shape.n, shape.d, sched.scoreRows, sched.scoreVectors, sched.valueRows,
      sched.valueVectors, sched.queryBlock, sched.keyBlock);
  result.flops = 4.0 * shape.heads * shape.m * shape.n * shape.d *
                 (options.causal ? 0.5 : 1);
  result.run = [=] {
    kernel->run({q->data(), k->data(), v->data(), o->data()},
                {shape.m, shape.n}, 0, plan.items, scratch->data());
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
    } else if (argument == "--causal") {
      options.causal = true;
    } else if (argument == "--dynamic") {
      options.dynamicSizes = true;
    } else if (argument.consume_front("--rounds=")) {
      argument.getAsInteger(10, options.rounds);
    } else {
      SmallVector<StringRef> parts;
      argument.split(parts, ',');
      SmallVector<int64_t> &shape = shapes.emplace_back(10, 0);
      for (auto [part, value] : llvm::zip(parts, shape))
        part.getAsInteger(10, value);
    }
  }
  if (shapes.empty())
    shapes = {{12, 128, 128, 64},
              {12, 512, 512, 64},
              {12, 197, 197, 64},
              {6, 1500, 1500, 64},
              {3, 49, 49, 32}};
  for (auto &shape : shapes)
    shape.resize(10, 0);
  auto context = makeKernelContext();
  std::vector<Case> cases;
  for (auto &s : shapes)
    cases.push_back(makeCase(*context, options, {s[0], s[1], s[2], s[3]},
                             ArrayRef<int64_t>(s).drop_front(4)));
  dlc::benchmark::measure(cases, vectorTargetOf(options.cpu).lanes,
                          options.rounds, 0.01);
  return 0;
}
