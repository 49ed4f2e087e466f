// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Numeric tests of the softmax and normalisation emitters against the same in
// double.
#include "Conversion/NNToVector/Emit.h"
#include "Conversion/NNToVector/Epilogue.h"
#include "Conversion/NNToVector/Norm.h"
#include "Conversion/NNToVector/Softmax.h"
#include "KernelHarness.h"
#include "TestBuffers.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;

namespace {

MLIRContext &context() {
  static std::unique_ptr<MLIRContext> instance = makeKernelContext();
  return *instance;
}

/// Loads and stores of dense rows of `columns` elements of any float type.
RowLoadFn denseLoad(Value flat, OpFoldResult columns, int64_t lanes, Type acc) {
  return [=](ImplicitLocOpBuilder &b, Value row, Value column, Value mask) {
    IndexMath math(b);
    Value index = math.value(math.add(math.mul(row, columns), column));
    return convertElement(b, loadVector(b, flat, index, lanes, mask), acc);
  };
}

RowStoreFn denseStore(Value flat, OpFoldResult columns) {
  return [=](ImplicitLocOpBuilder &b, Value row, Value column, Value value,
             Value mask) {
    IndexMath math(b);
    Value index = math.value(math.add(math.mul(row, columns), column));
    Type element = cast<MemRefType>(flat.getType()).getElementType();
    storeVector(b, convertElement(b, value, element), flat, index, mask);
  };
}

/// Factors or summands that depend on the column only.
RowLoadFn columnLoad(Value flat, int64_t lanes, Type acc) {
  return [=](ImplicitLocOpBuilder &b, Value row, Value column, Value mask) {
    return convertElement(b, loadVector(b, flat, column, lanes, mask), acc);
  };
}

struct SoftmaxCase {
  int64_t rows, columns;
  bool log = false, zeroNaNRows = false, dynamic = false;
  std::string cpu = "native";
};

template <typename T> struct Accumulator {
  using type = float;
};
template <> struct Accumulator<double> {
  using type = double;
};

template <typename T>
KernelSource softmaxSource(const SoftmaxCase &test, VectorTarget target) {
  Builder builder(&context());
  Type acc = ElementTraits<typename Accumulator<T>::type>::type(builder);
  auto makeSpec = [=](ArrayRef<Value> sizes) {
    SoftmaxSpec spec;
    spec.columns =
        test.dynamic
            ? OpFoldResult(sizes[0])
            : OpFoldResult(Builder(&context()).getIndexAttr(test.columns));
    spec.acc = acc;
    spec.log = test.log;
    spec.zeroNaNRows = test.zeroNaNRows;
    return spec;
  };
  KernelSource source;
  source.buffers = {ElementTraits<T>::type(builder),
                    ElementTraits<T>::type(builder)};
  source.numSizes = 1;
  source.body = [=](ImplicitLocOpBuilder &b, const KernelArguments &args) {
    SoftmaxSpec spec = makeSpec(args.sizes);
    int64_t lanes = target.lanesFor(acc.getIntOrFloatBitWidth());
    spec.load =
        denseLoad(flatten(b, args.buffers[0]), spec.columns, lanes, acc);
    spec.store = denseStore(flatten(b, args.buffers[1]), spec.columns);
    emitSoftmaxRows(b, spec, target, args.scratch, args.begin, args.end);
  };
  source.plan = [=](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
    return std::make_pair(OpFoldResult(b.getIndexAttr(test.rows)),
                          getSoftmaxScratchBytes(b, makeSpec(sizes)));
  };
  return source;
}

template <typename T>
void softmaxReference(const SoftmaxCase &test, const T *x,
                      std::vector<double> &y) {
  y.resize(test.columns);
  double maximum = -INFINITY, sum = 0;
  for (int64_t i = 0; i < test.columns; ++i)
    maximum = std::isnan(double(x[i])) ? NAN : std::max(maximum, double(x[i]));
  for (int64_t i = 0; i < test.columns; ++i)
    sum += y[i] = std::exp(double(x[i]) - maximum);
  for (int64_t i = 0; i < test.columns; ++i) {
    y[i] = test.log ? double(x[i]) - maximum - std::log(sum) : y[i] / sum;
    if (std::isnan(sum))
      y[i] = test.zeroNaNRows ? 0 : NAN;
  }
}

template <typename T>
void checkSoftmax(const SoftmaxCase &test,
                  const std::function<void(GuardedBuffer<T> &)> &edit = {}) {
  if (!canRun(test.cpu))
    GTEST_SKIP() << "this machine cannot run " << test.cpu;
  SCOPED_TRACE(test.columns);
  GuardedBuffer<T> x(test.rows * test.columns), y(x.size()), again(x.size());
  std::mt19937 random(7);
  for (int64_t i = 0; i < x.size(); ++i)
    x[i] = T(std::uniform_real_distribution<double>(-20, 20)(random));
  if (edit)
    edit(x);
  CompiledKernel kernel(
      context(), softmaxSource<T>(test, vectorTargetOf(test.cpu)), test.cpu);
  kernel.runAll({x.data(), y.data()}, {test.columns});
  kernel.runScattered({x.data(), again.data()}, {test.columns});
  EXPECT_TRUE(sameBytes(y, again)) << "partitions differ";
  using Acc = typename Accumulator<T>::type;
  // x - max is at most 40; its rounding is the exponential's relative error.
  double tolerance =
      40 * ElementTraits<Acc>::unitRoundoff + ElementTraits<T>::unitRoundoff;
  double smallest = std::is_same_v<T, _Float16> ? 0x1p-24 : 0x1p-126;
  std::vector<double> expected;
  for (int64_t row = 0; row < test.rows; ++row) {
    softmaxReference(test, x.data() + row * test.columns, expected);
    for (int64_t i = 0; i < test.columns; ++i) {
      double actual = double(y[row * test.columns + i]);
      if (std::isnan(expected[i])) {
        EXPECT_TRUE(std::isnan(actual)) << row << ", " << i;
        continue;
      }
      if (std::isinf(expected[i])) {
        EXPECT_EQ(actual, expected[i]) << row << ", " << i;
        continue;
      }
      double scale = test.log ? 40 : std::abs(expected[i]);
      ASSERT_NEAR(actual, expected[i], tolerance * scale + smallest)
          << row << ", " << i;
    }
  }
}

TEST(Softmax, AllLengthsOfTails) {
  for (int64_t columns : {1, 2, 15, 16, 17, 63, 64, 65, 127, 1000})
    checkSoftmax<float>({3, columns});
}

TEST(Softmax, DynamicLengths) {
  for (int64_t columns : {1, 16, 70, 515})
    checkSoftmax<float>({3, columns, false, false, true});
}

TEST(Softmax, Logarithm) { checkSoftmax<float>({5, 77, /*log=*/true}); }

TEST(Softmax, OtherElementTypes) {
  checkSoftmax<_Float16>({3, 45});
  checkSoftmax<BFloat16>({3, 45});
  checkSoftmax<double>({3, 45});
}

TEST(Softmax, OtherMachines) {
  for (const char *cpu : {"x86-64", "x86-64-v3", "x86-64-v4"})
    checkSoftmax<float>({3, 45, false, false, false, cpu});
}

TEST(Softmax, RowsOfInfinitiesAndNaNs) {
  auto edit = [](GuardedBuffer<float> &x) {
    for (int i = 0; i < 21; ++i)
      x[i] = -INFINITY;
    x[21 + 5] = NAN;
    x[42 + 5] = -INFINITY;
  };
  checkSoftmax<float>({4, 21}, edit);
  checkSoftmax<float>({4, 21, false, /*zeroNaNRows=*/true}, edit);
  checkSoftmax<float>({4, 21, /*log=*/true, /*zeroNaNRows=*/true}, edit);
}

struct NormCase {
  int64_t rows, columns;
  NormStatistic statistic = NormStatistic::MeanVariance;
  bool scale = true, bias = true, dynamic = false;
  double offset = 0, epsilon = 1e-5;
  std::string cpu = "native";
};

template <typename T>
KernelSource normSource(const NormCase &test, VectorTarget target) {
  Builder builder(&context());
  Type acc = ElementTraits<typename Accumulator<T>::type>::type(builder);
  Type element = ElementTraits<T>::type(builder);
  auto makeSpec = [=](ArrayRef<Value> sizes) {
    NormSpec spec;
    spec.columns =
        test.dynamic
            ? OpFoldResult(sizes[0])
            : OpFoldResult(Builder(&context()).getIndexAttr(test.columns));
    spec.acc = acc;
    spec.statistic = test.statistic;
    spec.epsilon = test.epsilon;
    return spec;
  };
  KernelSource source;
  source.buffers = {element, element, element, element, acc};
  source.numSizes = 1;
  source.body = [=](ImplicitLocOpBuilder &b, const KernelArguments &args) {
    NormSpec spec = makeSpec(args.sizes);
    int64_t lanes = target.lanesFor(acc.getIntOrFloatBitWidth());
    auto flat = [&](unsigned i) { return flatten(b, args.buffers[i]); };
    spec.load = denseLoad(flat(0), spec.columns, lanes, acc);
    spec.store = denseStore(flat(3), spec.columns);
    if (test.scale)
      spec.scale = columnLoad(flat(1), lanes, acc);
    if (test.bias)
      spec.bias = columnLoad(flat(2), lanes, acc);
    Value inverses = flat(4);
    spec.storeStatistics = [=](ImplicitLocOpBuilder &b, Value row, Value mean,
                               Value inverse) {
      memref::StoreOp::create(b, inverse, inverses, row);
    };
    emitNormRows(b, spec, target, args.scratch, args.begin, args.end);
  };
  source.plan = [=](ImplicitLocOpBuilder &b, ArrayRef<Value> sizes) {
    return std::make_pair(OpFoldResult(b.getIndexAttr(test.rows)),
                          getNormScratchBytes(b, makeSpec(sizes)));
  };
  return source;
}

template <typename T> void checkNorm(const NormCase &test) {
  if (!canRun(test.cpu))
    GTEST_SKIP() << "this machine cannot run " << test.cpu;
  SCOPED_TRACE(test.columns);
  using Acc = typename Accumulator<T>::type;
  int64_t n = test.columns;
  GuardedBuffer<T> x(test.rows * n), scale(n), bias(n), y(x.size()),
      again(x.size());
  GuardedBuffer<Acc> inverses(test.rows);
  std::mt19937 random(9);
  x.randomise(random);
  scale.randomise(random);
  bias.randomise(random);
  for (int64_t i = 0; i < x.size(); ++i)
    x[i] = T(double(x[i]) + test.offset);
  CompiledKernel kernel(
      context(), normSource<T>(test, vectorTargetOf(test.cpu)), test.cpu);
  kernel.runAll(
      {x.data(), scale.data(), bias.data(), y.data(), inverses.data()}, {n});
  kernel.runScattered(
      {x.data(), scale.data(), bias.data(), again.data(), inverses.data()},
      {n});
  EXPECT_TRUE(sameBytes(y, again)) << "partitions differ";
  double tolerance =
      16 * ElementTraits<Acc>::unitRoundoff + ElementTraits<T>::unitRoundoff;
  for (int64_t row = 0; row < test.rows; ++row) {
    double mean = 0, power = 0;
    bool centred = test.statistic == NormStatistic::MeanVariance;
    for (int64_t i = 0; centred && i < n; ++i)
      mean += double(x[row * n + i]) / n;
    for (int64_t i = 0; i < n; ++i)
      power += std::pow(double(x[row * n + i]) - mean, 2) / n;
    double inverse = 1 / std::sqrt(power + test.epsilon);
    EXPECT_NEAR(double(inverses[row]), inverse, 1e-5 * inverse);
    for (int64_t i = 0; i < n; ++i) {
      double expected = (double(x[row * n + i]) - mean) * inverse;
      if (test.scale)
        expected *= double(scale[i]);
      if (test.bias)
        expected += double(bias[i]);
      // The mean is exact to rounding of the elements' size.
      double rounding =
          tolerance * (2 + (std::abs(mean) * inverse) + std::abs(expected));
      ASSERT_NEAR(double(y[row * n + i]), expected, rounding)
          << row << ", " << i;
    }
  }
}

TEST(Norm, AllLengthsOfTails) {
  for (int64_t columns : {1, 2, 15, 16, 17, 64, 65, 127, 768})
    checkNorm<float>({3, columns});
}

TEST(Norm, RootMeanSquare) {
  checkNorm<float>({3, 77, NormStatistic::RootMeanSquare, true, false});
  checkNorm<float>({3, 77, NormStatistic::RootMeanSquare, true, true});
}

TEST(Norm, WithoutScaleOrBias) {
  checkNorm<float>({3, 77, NormStatistic::MeanVariance, false, false});
  checkNorm<float>({3, 77, NormStatistic::MeanVariance, false, true});
}

TEST(Norm, DynamicLengths) {
  for (int64_t columns : {1, 16, 70, 515})
    checkNorm<float>(
        {3, columns, NormStatistic::MeanVariance, true, true, true});
}

TEST(Norm, RowsFarFromZero) {
  checkNorm<float>(
      {3, 500, NormStatistic::MeanVariance, true, true, false, 1000});
}

TEST(Norm, EpsilonIsInsideTheRoot) {
  checkNorm<float>(
      {3, 64, NormStatistic::MeanVariance, true, true, false, 0, 0.5});
}

TEST(Norm, OtherElementTypes) {
  checkNorm<_Float16>({3, 45});
  checkNorm<BFloat16>({3, 45});
  checkNorm<double>({3, 45});
}

TEST(Norm, OtherMachines) {
  for (const char *cpu : {"x86-64", "x86-64-v3", "x86-64-v4"})
    checkNorm<float>(
        {3, 45, NormStatistic::MeanVariance, true, true, false, 0, 1e-5, cpu});
}

} // namespace
