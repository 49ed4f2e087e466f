// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numeric tests of the convolution emitters against a naive convolution in
// double.
#include "Conversion/NNToVector/Conv.h"
#include "ConvReference.h"
#include "Conversion/NNToVector/DepthwiseConv.h"
#include "Conversion/NNToVector/Emit.h"
#include "HostPack.h"
#include "KernelHarness.h"
#include "TestBuffers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;

namespace {

/// Zero point of 8-bit inputs in these tests.
constexpr int64_t kZeroPoint = 3;

template <typename TA, typename TB, typename TAcc, typename TC> class ConvRun {
public:
  ConvRun(MLIRContext &context, const ConvProblem &problem,
          const ConvSchedule &sched, llvm::StringRef cpu, unsigned seed,
          bool depthwise)
      : context(context), problem(problem), sched(sched), depthwise(depthwise),
        target(vectorTargetOf(cpu)), cpu(cpu), random(seed),
        lanes(target.lanesFor(sizeof(TAcc) * 8)) {
    Builder b(&context);
    types = {ElementTraits<TA>::type(b),   ElementTraits<TB>::type(b),
             ElementTraits<TAcc>::type(b), ElementTraits<TC>::type(b),
             std::is_same_v<TA, uint8_t>,  std::is_same_v<TB, uint8_t>};
  }

  void check() {
    SCOPED_TRACE(problem.describe());
    GuardedBuffer<TA> input(problem.inputElements());
    GuardedBuffer<TB> filter(problem.filterElements());
    GuardedBuffer<TAcc> bias(problem.groups * problem.outputChannels);
    GuardedBuffer<TC> residual(problem.outputElements());
    GuardedBuffer<TC> output(residual.size()), again(residual.size());
    input.randomise(random);
    filter.randomise(random);
    bias.randomise(random);
    residual.randomise(random);
    OpBuilder b(&context);
    ConvProblem fixed = problem;
    fixed.dynamicBatch = fixed.dynamicSpatial = false;
    ConvSpec spec = makeConvSpec(b, fixed, types, {});
    PackedLayout layout = depthwise
                              ? getDepthwiseFilterLayout(spec, sched, target)
                              : getFilterLayout(spec, sched, target);
    SourceStrides strides = depthwise
                                ? depthwiseFilterStrides(spec)
                                : filterStrides(layout, problem.transposed);
    GuardedBuffer<TB> packed(layout.elements());
    pack(layout, strides, filter.data(), packed.data(), sizeof(TB));

    CompiledKernel kernel(context, source(), cpu);
    SmallVector<int64_t> sizes = runtimeSizes(problem);
    kernel.runAll({input.data(), packed.data(), output.data(), bias.data(),
                   residual.data()},
                  sizes);
    compare(input, filter, bias, residual, output);
    kernel.runScattered({input.data(), packed.data(), again.data(), bias.data(),
                         residual.data()},
                        sizes);
    EXPECT_TRUE(sameBytes(output, again)) << "partitions differ";
  }

private:
  static constexpr bool kQuantized = sizeof(TA) == 1;

  KernelSource source() {
    KernelSource source;
    source.buffers = {types.a, types.b, types.c, types.acc, types.c};
    source.numSizes = runtimeSizes(problem).size();
    source.body = [this](ImplicitLocOpBuilder &b, const KernelArguments &args) {
      ConvSpec spec = makeConvSpec(b, problem, types, args.sizes);
      spec.epilogue =
          makeConvEpilogue(problem, lanes, flatten(b, args.buffers[3]),
                           flatten(b, args.buffers[4]));
      if (kQuantized) {
        Value zero = arith::ConstantIntOp::create(b, types.acc, kZeroPoint);
        spec.convertA = [zero](ImplicitLocOpBuilder &b,
                               Value element) -> Value {
          Value subtracted = zero;
          if (auto type = dyn_cast<VectorType>(element.getType()))
            subtracted = vector::BroadcastOp::create(b, type, zero);
          return arith::SubIOp::create(b, element, subtracted);
        };
        spec.padValue = arith::ConstantIntOp::create(b, types.a, kZeroPoint);
      }
      ConvBuffers buffers{args.buffers[0], args.buffers[1], args.buffers[2],
                          args.scratch};
      (depthwise ? emitDepthwiseConv : emitConv)(b, spec, sched, target,
                                                 buffers, args.begin, args.end);
    };
    source.plan = [this](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
      ConvSpec spec = makeConvSpec(b, problem, types, sizes);
      if (depthwise)
        return std::pair<OpFoldResult, OpFoldResult>(
            getDepthwiseItems(b, spec, sched, target),
            b.getIndexAttr(getDepthwiseScratchBytes(spec, sched, target)));
      return std::pair<OpFoldResult, OpFoldResult>(
          getConvItems(b, spec, sched, target),
          b.getIndexAttr(getConvScratchBytes(spec, sched, target)));
    };
    return source;
  }

  void compare(const GuardedBuffer<TA> &input, const GuardedBuffer<TB> &filter,
               const GuardedBuffer<TAcc> &bias,
               const GuardedBuffer<TC> &residual,
               const GuardedBuffer<TC> &output) {
    std::vector<double> inputs, filters;
    for (int64_t i = 0; i < input.size(); ++i)
      inputs.push_back(double(input[i]) - (kQuantized ? kZeroPoint : 0));
    for (int64_t i = 0; i < filter.size(); ++i)
      filters.push_back(double(filter[i]));
    ConvReference reference = computeReference(problem, inputs, filters);
    int64_t channels = problem.groups * problem.outputChannels;
    int64_t terms = problem.filterElements() / channels;
    double unit = ElementTraits<TAcc>::unitRoundoff;
    for (int64_t i = 0; i < output.size(); ++i) {
      double expected = reference.values[i];
      // Higham, Accuracy and Stability, (3.5).
      double bound = (terms + 1) * unit * reference.magnitudes[i];
      if (problem.epilogue) {
        double b = double(bias[i % channels]), r = double(residual[i]);
        bound += 2 * unit * (std::abs(expected) + std::abs(b) + std::abs(r));
        expected = std::max(0.0, expected + b + r);
      }
      bound +=
          1.01 * ElementTraits<TC>::unitRoundoff * (std::abs(expected) + bound);
      ASSERT_LE(std::abs(double(output[i]) - expected), bound)
          << "at " << i << " of " << output.size() << ": expected " << expected
          << ", got " << double(output[i]);
    }
  }

  MLIRContext &context;
  const ConvProblem &problem;
  ConvSchedule sched;
  bool depthwise;
  VectorTarget target;
  std::string cpu;
  std::mt19937 random;
  int64_t lanes;
  ContractionTypes types;
};

class ConvTest : public ::testing::Test {
protected:
  std::unique_ptr<MLIRContext> context = makeKernelContext();

  template <typename TA = float, typename TB = float, typename TAcc = float,
            typename TC = float>
  void check(const ConvProblem &problem, const ConvSchedule &sched,
             llvm::StringRef cpu = "native", unsigned seed = 1,
             bool depthwise = false) {
    ConvRun<TA, TB, TAcc, TC>(*context, problem, sched, cpu, seed, depthwise)
        .check();
  }

  template <typename TA = float, typename TB = float, typename TAcc = float,
            typename TC = float>
  void checkDepthwise(const ConvProblem &problem, const ConvSchedule &sched) {
    check<TA, TB, TAcc, TC>(problem, sched, "native", 1, /*depthwise=*/true);
  }

  /// A square 2-D problem.
  static ConvProblem square(int64_t size, int64_t inputs, int64_t outputs,
                            int64_t kernel, int64_t stride, int64_t pad) {
    ConvProblem problem;
    problem.inputChannels = inputs;
    problem.outputChannels = outputs;
    problem.input = {size, size};
    problem.kernel = {kernel, kernel};
    problem.strides = {stride, stride};
    problem.dilations = {1, 1};
    problem.padLow = problem.padHigh = {pad, pad};
    return problem;
  }
};

TEST_F(ConvTest, SkipsBordersOfStaticRows) {
  for (int64_t size : {3, 7, 14, 17})
    check(square(size, 5, 32, 3, 1, 1), {.mr = 7, .nv = 2});
}

TEST_F(ConvTest, CopiesBordersOfDynamicRows) {
  for (int64_t size : {3, 7, 14, 17}) {
    ConvProblem problem = square(size, 5, 32, 3, 1, 1);
    problem.dynamicSpatial = true;
    check(problem, {.mr = 7, .nv = 2});
  }
}

TEST_F(ConvTest, ComputesStems) {
  check(square(31, 3, 64, 7, 2, 3), {.mr = 6, .nv = 4});
}

TEST_F(ConvTest, StoresOnlyExistingChannels) {
  for (int64_t channels : {1, 17, 40, 65})
    check(square(9, 4, channels, 3, 1, 1), {.mr = 8, .nv = 3});
}

TEST_F(ConvTest, SpreadsTransposedInput) {
  for (int64_t stride : {1, 2, 3}) {
    ConvProblem problem = square(6, 4, 20, 4, stride, 1);
    problem.transposed = true;
    check(problem, {.mr = 4, .nv = 2});
    problem.dynamicSpatial = true;
    check(problem, {.mr = 4, .nv = 2});
  }
}

TEST_F(ConvTest, RunsOnOtherElementTypes) {
  for (bool dynamic : {false, true}) {
    ConvProblem problem = square(9, 5, 20, 3, 1, 1);
    problem.dynamicSpatial = dynamic;
    ConvSchedule sched{.mr = 4, .nv = 2};
    check<double, double, double, double>(problem, sched);
    check<_Float16, _Float16, float, _Float16>(problem, sched);
    check<BFloat16, BFloat16, float, BFloat16>(problem, sched);
    check<int8_t, int8_t, int32_t, int32_t>(problem, sched);
    check<uint8_t, int8_t, int32_t, int32_t>(problem, sched);
  }
}

TEST_F(ConvTest, AgreesOnRandomProblems) {
  std::mt19937 random(11);
  for (int i = 0; i < 54; ++i) {
    llvm::StringRef cpu = cpuOfCase(i);
    if (!canRun(cpu))
      continue;
    ConvProblem problem = randomProblem(random, /*depthwise=*/false);
    VectorTarget target = vectorTargetOf(cpu);
    ConvSchedule sched = chooseConvSchedule(
        problem.dynamicSpatial ? kDynamic : problem.output().back(),
        problem.dynamicSpatial ? kDynamic : problem.output().front(),
        problem.outputChannels, target, target.lanes, 1 + random() % 4);
    if (random() % 2) {
      sched.mr = 1 + random() % 8;
      sched.rowBlock = random() % 3;
    }
    check(problem, sched, cpu, i);
    if (HasFatalFailure())
      return;
  }
}

TEST_F(ConvTest, ConvolvesChannelByChannel) {
  for (int64_t size : {3, 7, 20}) {
    ConvProblem problem = square(size, 1, 1, 3, 1, 1);
    problem.groups = 37;
    checkDepthwise(problem, {.mr = 6, .nv = 2});
    problem.dynamicSpatial = true;
    checkDepthwise(problem, {.mr = 6, .nv = 2});
  }
}

TEST_F(ConvTest, SharesVectorsBetweenGroups) {
  // Multipliers and groups that do and do not divide a vector.
  for (auto [inputs, outputs] :
       {std::pair(1, 2), {1, 3}, {4, 4}, {2, 8}, {3, 3}, {8, 4}, {1, 40}}) {
    ConvProblem problem = square(8, inputs, outputs, 3, 2, 1);
    problem.groups = 9;
    checkDepthwise(problem, {.mr = 4, .nv = 2});
  }
}

TEST_F(ConvTest, SpreadsTransposedInputChannelByChannel) {
  ConvProblem problem = square(6, 1, 1, 4, 2, 1);
  problem.transposed = true;
  problem.groups = 20;
  checkDepthwise(problem, {.mr = 4, .nv = 1});
}

TEST_F(ConvTest, RunsDepthwiseOnOtherElementTypes) {
  for (auto [inputs, outputs] : {std::pair(1, 1), {2, 2}, {1, 3}}) {
    ConvProblem problem = square(9, inputs, outputs, 3, 1, 1);
    problem.groups = 20;
    ConvSchedule sched{.mr = 4, .nv = 1};
    checkDepthwise<double, double, double, double>(problem, sched);
    checkDepthwise<_Float16, _Float16, float, _Float16>(problem, sched);
    checkDepthwise<int8_t, int8_t, int32_t, int32_t>(problem, sched);
    checkDepthwise<uint8_t, int8_t, int32_t, int32_t>(problem, sched);
  }
}

TEST_F(ConvTest, AgreesOnRandomDepthwiseProblems) {
  std::mt19937 random(13);
  for (int i = 0; i < 42; ++i) {
    llvm::StringRef cpu = cpuOfCase(i);
    if (!canRun(cpu))
      continue;
    ConvProblem problem = randomProblem(random, /*depthwise=*/true);
    VectorTarget target = vectorTargetOf(cpu);
    ConvSchedule sched = chooseDepthwiseSchedule(
        problem.dynamicSpatial ? kDynamic : problem.output().back(),
        problem.dynamicSpatial ? kDynamic : problem.output().front(),
        problem.groups * problem.outputChannels, problem.inputChannels, target,
        target.lanes);
    sched.rowBlock = random() % 3;
    check(problem, sched, cpu, i, /*depthwise=*/true);
    if (HasFatalFailure())
      return;
  }
}

} // namespace
