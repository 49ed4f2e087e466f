// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// softmax and norm, by the vector kernels and by loops, with what is fused into
// them, against sums in double.
#include "DispatchRunner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace dlc::test;

namespace {

std::vector<float> makeValues(size_t count) {
  std::mt19937 random(count);
  std::vector<float> values(count);
  for (float &value : values) {
    value = std::uniform_real_distribution<float>(-3, 3)(random);
  }
  return values;
}

void expectNear(const Tensor &tensor, const std::vector<double> &expected) {
  std::vector<float> actual = elementsOf<float>(tensor);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], 3e-6) << "element " << i;
  }
}

/// softmax(2 x + mask) + 1 with a mask that repeats along the second dim.
TEST(Softmax, FusesScaleMaskAndEpilogue) {
  constexpr int B = 2, H = 3, S = 37;
  std::vector<float> x = makeValues(B * H * S), mask = makeValues(B * S);
  std::vector<double> expected;
  for (int row = 0; row < B * H; ++row) {
    std::vector<double> powers;
    double sum = 0;
    for (int i = 0; i < S; ++i) {
      powers.push_back(std::exp(2 * x[row * S + i] + mask[row / H * S + i]));
      sum += powers.back();
    }
    for (double power : powers) {
      expected.push_back(power / sum + 1);
    }
  }
  auto results = runFunction(
      R"(func.func @f(%x: tensor<2x3x37xf32>, %m: tensor<2x1x37xf32>)
             -> tensor<2x3x37xf32> {
        %two = arith.constant dense<2.0> : tensor<1x1x1xf32>
        %one = arith.constant dense<1.0> : tensor<1x1x1xf32>
        %0 = nn.elementwise mul(%x, %two)
          : (tensor<2x3x37xf32>, tensor<1x1x1xf32>) -> tensor<2x3x37xf32>
        %1 = nn.elementwise add(%0, %m)
          : (tensor<2x3x37xf32>, tensor<2x1x37xf32>) -> tensor<2x3x37xf32>
        %2 = nn.softmax %1 axes [2] : tensor<2x3x37xf32> -> tensor<2x3x37xf32>
        %3 = nn.elementwise add(%2, %one)
          : (tensor<2x3x37xf32>, tensor<1x1x1xf32>) -> tensor<2x3x37xf32>
        return %3 : tensor<2x3x37xf32>
      })",
      {tensorOf(x), tensorOf(mask)});
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], expected);
}

TEST(Softmax, LogAlongAnOuterDim) {
  std::vector<float> x = makeValues(5 * 7);
  std::vector<double> expected(x.size());
  for (int c = 0; c < 7; ++c) {
    double sum = 0;
    for (int r = 0; r < 5; ++r) {
      sum += std::exp(x[r * 7 + c]);
    }
    for (int r = 0; r < 5; ++r) {
      expected[r * 7 + c] = x[r * 7 + c] - std::log(sum);
    }
  }
  auto results = runFunction(
      R"(func.func @f(%x: tensor<5x7xf32>) -> tensor<5x7xf32> {
        %0 = nn.softmax %x axes [0] log : tensor<5x7xf32> -> tensor<5x7xf32>
        return %0 : tensor<5x7xf32>
      })",
      {tensorOf(x)});
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], expected);
}

/// Dims of which the last is 1 run as one loop.
TEST(Map, MergesDimsOfSizeOne) {
  auto results = runFunction(
      R"(func.func @f(%x: tensor<3x1xf32>) -> tensor<3x1xf32> {
        %0 = nn.elementwise mul(%x, %x)
          : (tensor<3x1xf32>, tensor<3x1xf32>) -> tensor<3x1xf32>
        return %0 : tensor<3x1xf32>
      })",
      {tensorOf<float>({1, 2, 3})});
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], {1, 4, 9});
}

/// A dim of size 1 is dense and repeated at once; its neighbours are not alike.
TEST(Map, KeepsRepeatedAndDenseDimsApart) {
  auto results = runFunction(
      R"(func.func @f(%x: tensor<2x1x3xf32>, %y: tensor<1x1x3xf32>)
             -> tensor<2x1x3xf32> {
        %0 = nn.elementwise add(%x, %y)
          : (tensor<2x1x3xf32>, tensor<1x1x3xf32>) -> tensor<2x1x3xf32>
        return %0 : tensor<2x1x3xf32>
      })",
      {tensorOf<float>({1, 2, 3, 4, 5, 6}), tensorOf<float>({10, 20, 30})});
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], {11, 22, 33, 14, 25, 36});
}

/// Mean and 1 / deviation of `count` elements.
std::pair<double, double> statisticsOf(const float *x, int count) {
  double mean = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    mean += x[i] / count;
  }
  for (int i = 0; i < count; ++i) {
    squares += (x[i] - mean) * (x[i] - mean) / count;
  }
  return {mean, 1 / std::sqrt(squares + 1e-5)};
}

TEST(Norm, LayerWithStatistics) {
  constexpr int rows = 4, columns = 45;
  std::vector<float> x = makeValues(rows * columns),
                     scale = makeValues(columns),
                     bias = makeValues(columns + 1);
  bias.pop_back();
  std::vector<double> expected, means, inverses;
  for (int row = 0; row < rows; ++row) {
    auto [mean, inverse] = statisticsOf(&x[row * columns], columns);
    means.push_back(mean);
    inverses.push_back(inverse);
    for (int i = 0; i < columns; ++i) {
      expected.push_back((x[row * columns + i] - mean) * inverse * scale[i] +
                         bias[i]);
    }
  }
  auto results = runFunction(
      R"(func.func @f(%x: tensor<4x45xf32>, %s: tensor<45xf32>,
                      %b: tensor<45xf32>)
             -> (tensor<4x45xf32>, tensor<4x1xf32>, tensor<4x1xf32>) {
        %0:3 = nn.norm mean_var(%x scale %s : tensor<45xf32>
          bias %b : tensor<45xf32>) axes [1]
          {affine_dims = array<i64: 1>, epsilon = 1.0e-5 : f64,
           resultSegmentSizes = array<i32: 1, 1, 1>}
          : (tensor<4x45xf32>) -> (tensor<4x45xf32>, tensor<4x1xf32>,
             tensor<4x1xf32>)
        return %0#0, %0#1, %0#2 : tensor<4x45xf32>, tensor<4x1xf32>,
          tensor<4x1xf32>
      })",
      {tensorOf(x), tensorOf(scale), tensorOf(bias)});
  ASSERT_EQ(results.size(), 3u);
  expectNear(results[0], expected);
  expectNear(results[1], means);
  expectNear(results[2], inverses);
}

/// Scale and bias per channel, which is a dim of the rows (instance) or is cut
/// into groups (group).
TEST(Norm, InstanceAndGroup) {
  constexpr int N = 2, C = 4, S = 21;
  std::vector<float> x = makeValues(N * C * S), scale = makeValues(C),
                     bias = makeValues(C + 1);
  bias.pop_back();
  for (int groups : {0, 2}) {
    int size = groups ? C / groups * S : S;
    std::vector<double> expected;
    for (int i = 0; i < N * C * S; ++i) {
      auto [mean, inverse] = statisticsOf(&x[i / size * size], size);
      int channel = i / S % C;
      expected.push_back((x[i] - mean) * inverse * scale[channel] +
                         bias[channel]);
    }
    auto results = runFunction(
        R"(func.func @f(%x: tensor<2x4x21xf32>, %s: tensor<4xf32>,
                        %b: tensor<4xf32>) -> tensor<2x4x21xf32> {
          %0 = nn.norm mean_var(%x scale %s : tensor<4xf32>
            bias %b : tensor<4xf32>) axes [2] {affine_dims = array<i64: 1>,
             epsilon = 1.0e-5 : f64, groups = )" +
            std::to_string(groups) + R"( : i64,
             resultSegmentSizes = array<i32: 1, 0, 0>}
            : (tensor<2x4x21xf32>) -> (tensor<2x4x21xf32>)
          return %0 : tensor<2x4x21xf32>
        })",
        {tensorOf(x), tensorOf(scale), tensorOf(bias)});
    ASSERT_EQ(results.size(), 1u);
    expectNear(results[0], expected);
  }
}

} // namespace
