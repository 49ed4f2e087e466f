// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Convolution kernels of ResNet-50 and of small networks, batch 1:
//   conv-benchmark [--cpu=NAME] [--dynamic] [--winograd] [--rounds=N]
//                  [H,IC,OC,K,STRIDE,PAD,GROUPS[,MR,NV]]...
// Channels are totals; the image is square.
#include "Conversion/NNToVector/Conv.h"
#include "Conversion/NNToVector/DepthwiseConv.h"
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Winograd.h"
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
  bool dynamicSizes = false;
  bool winograd = false;
  int rounds = 9;
};

struct Shape {
  int64_t size, inputs, outputs, kernel, stride, pad, groups, mr = 0, nv = 0;
  int64_t output() const { return (size + 2 * pad - kernel) / stride + 1; }
};

ConvSpec makeSpec(OpBuilder &b, const Shape &shape, bool dynamicSizes,
                  ArrayRef<Value> sizes) {
  Type f32 = b.getF32Type();
  auto size = [&](int64_t known, unsigned i) -> OpFoldResult {
    if (dynamicSizes)
      return sizes[i];
    return b.getIndexAttr(known);
  };
  ConvSpec spec;
  spec.types = {f32, f32, f32, f32};
  spec.batch = b.getIndexAttr(1);
  spec.inputSizes.assign(2, size(shape.size, 0));
  spec.outputSizes.assign(2, size(shape.output(), 1));
  spec.groups = shape.groups;
  spec.inputChannels = shape.inputs / shape.groups;
  spec.outputChannels = shape.outputs / shape.groups;
  spec.kernel.assign(2, shape.kernel);
  spec.strides.assign(2, shape.stride);
  spec.dilations.assign(2, 1);
  spec.padLow.assign(2, b.getIndexAttr(shape.pad));
  return spec;
}

Case makeCase(MLIRContext &context, const Options &options,
              const Shape &shape) {
  VectorTarget target = vectorTargetOf(options.cpu);
  int64_t pixels = options.dynamicSizes ? kDynamic : shape.output();
  OpBuilder b(&context);
  ConvSpec fixed = makeSpec(b, shape, false, {});
  bool depthwise = prefersDepthwise(fixed, target);
  ConvSchedule sched =
      depthwise
          ? chooseDepthwiseSchedule(pixels, pixels, shape.outputs,
                                    shape.inputs / shape.groups, target,
                                    target.lanes)
          : chooseConvSchedule(pixels, pixels, shape.outputs / shape.groups,
                               target, target.lanes);
  if (shape.mr) {
    sched.mr = shape.mr;
    sched.nv = shape.nv;
  }
  bool dynamicSizes = options.dynamicSizes;
  bool winograd = options.winograd && supportsWinograd(fixed, target);
  WinogradSchedule tiles = chooseWinogradSchedule(
      1, pixels, pixels, shape.inputs, shape.outputs, target);
  if (winograd) {
    sched.mr = tiles.mr;
    sched.nv = tiles.nv;
  }
  KernelSource source;
  source.buffers.assign(3, Float32Type::get(&context));
  source.numSizes = 2;
  source.body = [=](ImplicitLocOpBuilder &b, const KernelArguments &args) {
    ConvBuffers buffers{args.buffers[0], args.buffers[1], args.buffers[2],
                        args.scratch};
    if (winograd)
      return emitWinogradConv(b, makeSpec(b, shape, dynamicSizes, args.sizes),
                              tiles, target, buffers, args.begin, args.end);
    (depthwise ? emitDepthwiseConv
               : emitConv)(b, makeSpec(b, shape, dynamicSizes, args.sizes),
                           sched, target, buffers, args.begin, args.end);
  };
  source.plan = [=](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
    ConvSpec spec = makeSpec(b, shape, dynamicSizes, sizes);
    if (winograd)
      return std::pair<OpFoldResult, OpFoldResult>(
          getWinogradItems(b, spec, tiles, target),
          b.getIndexAttr(getWinogradScratchBytes(spec, tiles, target)));
    if (depthwise)
      return std::pair<OpFoldResult, OpFoldResult>(
          getDepthwiseItems(b, spec, sched, target),
          b.getIndexAttr(getDepthwiseScratchBytes(spec, sched, target)));
    return std::pair<OpFoldResult, OpFoldResult>(
        getConvItems(b, spec, sched, target),
        b.getIndexAttr(getConvScratchBytes(spec, sched, target)));
  };
  auto kernel = std::make_shared<CompiledKernel>(context, source, options.cpu);
  PackedLayout layout = depthwise
                            ? getDepthwiseFilterLayout(fixed, sched, target)
                            : getFilterLayout(fixed, sched, target);
  if (winograd)
    layout = getWinogradLayout(fixed, tiles, target);
  auto input = std::make_shared<Floats>(shape.size * shape.size * shape.inputs);
  auto filter = std::make_shared<Floats>(layout.elements());
  auto output =
      std::make_shared<Floats>(shape.output() * shape.output() * shape.outputs);
  SmallVector<int64_t> sizes{shape.size, shape.output()};
  KernelPlan plan = kernel->plan(sizes);
  auto scratch = std::make_shared<Floats>(plan.scratchBytes / 4 + 16);
  Case result;
  result.name =
      llvm::formatv("{0}x{0} {1}->{2} k{3} s{4} p{5} g{6} {9} {7}x{8}",
                    shape.size, shape.inputs, shape.outputs, shape.kernel,
                    shape.stride, shape.pad, shape.groups, sched.mr,
                    sched.nv * target.lanes, winograd ? "winograd" : "tile");
  result.flops = 2.0 * shape.output() * shape.output() * shape.kernel *
                 shape.kernel * shape.inputs * shape.outputs / shape.groups;
  result.run = [=] {
    kernel->run({input->data(), filter->data(), output->data()}, sizes, 0,
                plan.items, scratch->data());
  };
  result.emitSeconds = kernel->emitSeconds;
  result.lowerSeconds = kernel->lowerSeconds;
  result.llvmSeconds = kernel->llvmSeconds;
  return result;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  std::vector<Shape> shapes;
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i];
    if (argument.consume_front("--cpu=")) {
      options.cpu = argument.str();
    } else if (argument == "--winograd") {
      options.winograd = true;
    } else if (argument == "--dynamic") {
      options.dynamicSizes = true;
    } else if (argument.consume_front("--rounds=")) {
      argument.getAsInteger(10, options.rounds);
    } else {
      SmallVector<StringRef> parts;
      argument.split(parts, ',');
      int64_t values[9] = {};
      for (auto [part, value] : llvm::zip(parts, values))
        part.getAsInteger(10, value);
      shapes.push_back({values[0], values[1], values[2], values[3], values[4],
                        values[5], values[6], values[7], values[8]});
    }
  }
  if (shapes.empty())
    shapes = {{224, 3, 64, 7, 2, 3, 1},     {56, 64, 64, 3, 1, 1, 1},
              {28, 128, 128, 3, 1, 1, 1},   {14, 256, 256, 3, 1, 1, 1},
              {7, 512, 512, 3, 1, 1, 1},    {56, 128, 128, 3, 2, 1, 1},
              {14, 512, 512, 3, 2, 1, 1},   {56, 256, 512, 1, 2, 0, 1},
              {14, 1024, 2048, 1, 2, 0, 1}, {192, 32, 32, 3, 1, 1, 1},
              {56, 128, 128, 3, 1, 1, 32},  {28, 256, 256, 3, 1, 1, 32},
              {112, 32, 32, 3, 1, 1, 32},   {56, 144, 144, 3, 1, 1, 144},
              {28, 240, 240, 5, 1, 2, 240}, {14, 672, 672, 5, 1, 2, 672},
              {14, 512, 512, 3, 1, 1, 512}, {7, 1152, 1152, 5, 1, 2, 1152},
              {56, 96, 96, 7, 1, 3, 96},    {112, 96, 96, 3, 2, 1, 96}};
  auto context = makeKernelContext();
  std::vector<Case> cases;
  for (const Shape &shape : shapes)
    cases.push_back(makeCase(*context, options, shape));
  dlc::benchmark::measure(cases, vectorTargetOf(options.cpu).lanes,
                          options.rounds, 0.01);
  return 0;
}
