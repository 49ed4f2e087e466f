// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numeric tests of the Winograd emitter against a naive convolution in double.
#include "Conversion/NNToVector/Winograd.h"
#include "ConvReference.h"
#include "Conversion/NNToVector/Emit.h"
#include "HostPack.h"
#include "KernelHarness.h"
#include "TestBuffers.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;

namespace {

/// Magnitudes that bound the rounding of F(2x2, 3x3): per output the sum of |A|
/// (|U| |V|) |A|^T with |U| = |G| |g| |G|^T and |V| = |B|^T |d| |B|, which is
/// the running error of the algorithm.
std::vector<double> winogradMagnitudes(const ConvProblem &problem,
                                       const std::vector<double> &input,
                                       const std::vector<double> &filter) {
  static const double kB[4][4] = {
      {1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}};
  static const double kG[4][3] = {
      {1, 0, 0}, {.5, .5, .5}, {.5, .5, .5}, {0, 0, 1}};
  static const double kA[2][4] = {{1, 1, 1, 0}, {0, 1, 1, 1}};
  int64_t height = problem.input[0], width = problem.input[1];
  int64_t k = problem.inputChannels, n = problem.outputChannels;
  std::vector<int64_t> output = problem.output();
  std::vector<double> result(problem.outputElements(), 0);
  auto pixel = [&](int64_t image, int64_t y, int64_t x, int64_t c) {
    if (y < 0 || y >= height || x < 0 || x >= width)
      return 0.0;
    return std::abs(input[((image * height + y) * width + x) * k + c]);
  };
  for (int64_t at = 0; at < int64_t(result.size()); ++at) {
    int64_t channel = at % n, x = at / n % output[1],
            y = at / n / output[1] % output[0],
            image = at / n / output[1] / output[0];
    for (int64_t c = 0; c < k; ++c) {
      for (int64_t f = 0; f < 16; ++f) {
        double u = 0, v = 0;
        for (int64_t i = 0; i < 9; ++i)
          u += kG[f / 4][i / 3] * kG[f % 4][i % 3] *
               std::abs(filter[(channel * k + c) * 9 + i]);
        for (int64_t i = 0; i < 16; ++i)
          v += kB[f / 4][i / 4] * kB[f % 4][i % 4] *
               pixel(image, y / 2 * 2 - problem.padLow[0] + i / 4,
                     x / 2 * 2 - problem.padLow[1] + i % 4, c);
        result[at] += kA[y % 2][f / 4] * kA[x % 2][f % 4] * u * v;
      }
    }
  }
  return result;
}

class WinogradTest : public ::testing::Test {
protected:
  std::unique_ptr<MLIRContext> context = makeKernelContext();

  void check(const ConvProblem &problem, const WinogradSchedule &sched,
             llvm::StringRef cpu = "native", unsigned seed = 1) {
    SCOPED_TRACE(problem.describe());
    VectorTarget target = vectorTargetOf(cpu);
    OpBuilder b(context.get());
    Type f32 = b.getF32Type();
    ContractionTypes types{f32, f32, f32, f32};
    ConvProblem fixed = problem;
    fixed.dynamicBatch = fixed.dynamicSpatial = false;
    ConvSpec spec = makeConvSpec(b, fixed, types, {});
    ASSERT_TRUE(supportsWinograd(spec, target));

    std::mt19937 random(seed);
    GuardedBuffer<float> input(problem.inputElements()),
        filter(problem.filterElements()), bias(problem.outputChannels),
        residual(problem.outputElements()), output(residual.size()),
        again(residual.size());
    for (GuardedBuffer<float> *buffer : {&input, &filter, &bias, &residual})
      buffer->randomise(random);
    PackedLayout layout = getWinogradLayout(spec, sched, target);
    GuardedBuffer<float> packed(layout.elements());
    packWinogradFilter(layout, filterStrides({1, 9, layout.k, layout.n}, false),
                       filter.data(), packed.data());

    KernelSource source;
    source.buffers.assign(5, f32);
    SmallVector<int64_t> sizes = runtimeSizes(problem);
    source.numSizes = sizes.size();
    source.body = [&](ImplicitLocOpBuilder &b, const KernelArguments &args) {
      ConvSpec spec = makeConvSpec(b, problem, types, args.sizes);
      spec.epilogue =
          makeConvEpilogue(problem, target.lanes, flatten(b, args.buffers[3]),
                           flatten(b, args.buffers[4]));
      emitWinogradConv(
          b, spec, sched, target,
          {args.buffers[0], args.buffers[1], args.buffers[2], args.scratch},
          args.begin, args.end);
    };
    source.plan = [&](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
      ConvSpec spec = makeConvSpec(b, problem, types, sizes);
      return std::pair<OpFoldResult, OpFoldResult>(
          getWinogradItems(b, spec, sched, target),
          b.getIndexAttr(getWinogradScratchBytes(spec, sched, target)));
    };
    CompiledKernel kernel(*context, source, cpu);
    kernel.runAll({input.data(), packed.data(), output.data(), bias.data(),
                   residual.data()},
                  sizes);
    compare(problem, input, filter, bias, residual, output);
    kernel.runScattered({input.data(), packed.data(), again.data(), bias.data(),
                         residual.data()},
                        sizes);
    EXPECT_TRUE(sameBytes(output, again)) << "partitions differ";
  }

  static void compare(const ConvProblem &problem,
                      const GuardedBuffer<float> &input,
                      const GuardedBuffer<float> &filter,
                      const GuardedBuffer<float> &bias,
                      const GuardedBuffer<float> &residual,
                      const GuardedBuffer<float> &output) {
    std::vector<double> inputs(input.data(), input.data() + input.size());
    std::vector<double> filters(filter.data(), filter.data() + filter.size());
    ConvReference reference = computeReference(problem, inputs, filters);
    std::vector<double> magnitudes =
        winogradMagnitudes(problem, inputs, filters);
    for (int64_t i = 0; i < output.size(); ++i) {
      double expected = reference.values[i];
      // Two roundings in each of the two transforms' passes, one of the filter,
      // one a product.
      double bound =
          (problem.inputChannels + 9) * 0x1p-24 * magnitudes[i] + 1e-30;
      if (problem.epilogue) {
        double b = bias[i % problem.outputChannels], r = residual[i];
        bound += 2 * 0x1p-24 * (std::abs(expected) + std::abs(b) + std::abs(r));
        expected = std::max(0.0, expected + b + r);
      }
      ASSERT_LE(std::abs(output[i] - expected), bound)
          << "at " << i << " of " << output.size() << ": expected " << expected
          << ", got " << output[i];
    }
  }
};

TEST_F(WinogradTest, AgreesOnRandomProblems) {
  std::mt19937 random(17);
  auto upTo = [&](int64_t bound) { return 1 + int64_t(random() % bound); };
  for (int i = 0; i < 24; ++i) {
    llvm::StringRef cpu = cpuOfCase(i);
    if (!canRun(cpu))
      continue;
    VectorTarget target = vectorTargetOf(cpu);
    ConvProblem problem;
    problem.batch = upTo(3);
    problem.inputChannels = target.lanes * upTo(3);
    problem.outputChannels = upTo(70);
    problem.input = {upTo(12), upTo(12)};
    problem.kernel = {3, 3};
    problem.strides = problem.dilations = {1, 1};
    problem.padLow = {upTo(3) - 1, upTo(3) - 1};
    problem.padHigh = {2, upTo(2)};
    problem.dynamicBatch = random() % 2;
    problem.dynamicSpatial = random() % 2;
    problem.epilogue = random() % 2;
    problem.rolled = problem.epilogue && random() % 2;
    std::vector<int64_t> output = problem.output();
    if (output[0] < 1 || output[1] < 1)
      continue;
    WinogradSchedule sched =
        random() % 2 ? WinogradSchedule{.mr = 4, .nv = 2, .tiles = 8}
                     : chooseWinogradSchedule(problem.batch, output[0],
                                              output[1], problem.inputChannels,
                                              problem.outputChannels, target);
    check(problem, sched, cpu, i);
    if (HasFatalFailure())
      return;
  }
}

} // namespace
