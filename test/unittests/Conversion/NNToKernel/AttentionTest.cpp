// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention with loop maps that importers rarely write, against sums in double.
#include "DispatchRunner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace dlc::test;

namespace {

std::vector<float> makeValues(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float &value : values) {
    value = std::uniform_real_distribution<float>(-1, 1)(random);
  }
  return values;
}

/// softmax(score) over n, times v; `score` and `v` are called with the row
/// (all of b, h, g, m), n and the column.
template <typename Score, typename Column>
std::vector<double> attend(int rows, int n, int e, Score score, Column v) {
  std::vector<double> result;
  for (int row = 0; row < rows; ++row) {
    double sum = 0;
    std::vector<double> weights, columns(e);
    for (int i = 0; i < n; ++i) {
      weights.push_back(std::exp(score(row, i)));
      sum += weights.back();
    }
    for (int j = 0; j < e; ++j) {
      for (int i = 0; i < n; ++i) {
        columns[j] += weights[i] / sum * v(row, i, j);
      }
    }
    result.insert(result.end(), columns.begin(), columns.end());
  }
  return result;
}

void expectNear(const Tensor &tensor, const std::vector<double> &expected) {
  std::vector<float> actual = elementsOf<float>(tensor);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], 2e-6) << "element " << i;
  }
}

/// Three dims of a batch: K and V have the group loop too.
TEST(Attention, KeysOfEachGroup) {
  constexpr int B = 2, H = 3, G = 2, M = 5, N = 7, D = 4, E = 9;
  std::vector<float> q = makeValues(B * H * G * M * D, 1),
                     k = makeValues(B * H * G * N * D, 2),
                     v = makeValues(B * H * G * N * E, 3),
                     bias = makeValues(G * M * N, 4);
  auto score = [&](int row, int n) {
    int batch = row / M, m = row % M;
    double sum = 0;
    for (int d = 0; d < D; ++d) {
      sum += double(q[row * D + d]) * k[(batch * N + n) * D + d];
    }
    double cap = 2;
    return cap * std::tanh(0.7 * sum / cap) + bias[(batch % G * M + m) * N + n];
  };
  auto column = [&](int row, int n, int e) {
    return v[(row / M * N + n) * E + e];
  };
  auto results = runFunction(
      R"(func.func @f(%q: tensor<2x3x2x5x4xf32>, %k: tensor<2x3x2x7x4xf32>,
                      %v: tensor<2x3x2x7x9xf32>, %bias: tensor<2x5x7xf32>)
             -> tensor<2x3x2x5x9xf32> {
        %cap = arith.constant 2.0 : f32
        %0 = nn.attention %q, %k, %v score_inputs(%bias : tensor<2x5x7xf32>)
            scale 0.7 maps [
            affine_map<(b, h, g, m, n, d, e) -> (b, h, g, m, d)>,
            affine_map<(b, h, g, m, n, d, e) -> (b, h, g, n, d)>,
            affine_map<(b, h, g, m, n, d, e) -> (b, h, g, n, e)>,
            affine_map<(b, h, g, m, n, d, e) -> (b, h, g, m, e)>,
            affine_map<(b, h, g, m, n, d, e) -> (g, m, n)>] score {
        ^bb0(%s: f32, %b: index, %h: index, %g: index, %m: index, %n: index,
             %x: f32):
          %1 = arith.divf %s, %cap : f32
          %2 = math.tanh %1 : f32
          %3 = arith.mulf %2, %cap : f32
          %4 = arith.addf %3, %x : f32
          nn.yield %4 : f32
        } mask {
        } : tensor<2x3x2x5x4xf32>, tensor<2x3x2x7x4xf32>,
            tensor<2x3x2x7x9xf32> -> tensor<2x3x2x5x9xf32>
        return %0 : tensor<2x3x2x5x9xf32>
      })",
      {tensorOf(q), tensorOf(k), tensorOf(v), tensorOf(bias)});
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0], attend(B * H * G * M, N, E, score, column));
}

/// Vectors: no loop over the depth, none over the columns of V.
TEST(Attention, KeysAndValuesAreVectors) {
  constexpr int M = 5, N = 11;
  std::vector<float> q = makeValues(M, 1), k = makeValues(N, 2),
                     v = makeValues(N, 3);
  auto results = runFunction(
      R"(func.func @f(%q: tensor<5xf32>, %k: tensor<11xf32>, %v: tensor<11xf32>)
             -> tensor<5x1xf32> {
        %0 = nn.attention %q, %k, %v scale 1.5 maps [
            affine_map<(b, h, g, m, n, d, e) -> (m)>,
            affine_map<(b, h, g, m, n, d, e) -> (n)>,
            affine_map<(b, h, g, m, n, d, e) -> (n)>,
            affine_map<(b, h, g, m, n, d, e) -> (m, e)>] score {
        } mask {
        } : tensor<5xf32>, tensor<11xf32>, tensor<11xf32> -> tensor<5x1xf32>
        return %0 : tensor<5x1xf32>
      })",
      {tensorOf(q), tensorOf(k), tensorOf(v)});
  ASSERT_EQ(results.size(), 1u);
  expectNear(results[0],
             attend(
                 M, N, 1,
                 [&](int m, int n) { return 1.5 * double(q[m]) * k[n]; },
                 [&](int, int n, int) { return v[n]; }));
}

} // namespace
