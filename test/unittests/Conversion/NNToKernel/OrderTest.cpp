// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// scan and sort against naive loops.
#include "DispatchRunner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

using namespace dlc::test;

namespace {

/// `count` floats with many equal ones.
std::vector<float> makeValues(size_t count, unsigned range) {
  std::mt19937 random(count);
  std::vector<float> values(count);
  for (float &value : values) {
    value = static_cast<float>(random() % range) - static_cast<int>(range / 2);
  }
  return values;
}

struct ScanCase {
  int outer, length, inner;
  bool exclusive, reverse;
};

class ScanTest : public ::testing::TestWithParam<ScanCase> {};

TEST_P(ScanTest, Sum) {
  auto [outer, length, inner, exclusive, reverse] = GetParam();
  std::vector<float> x = makeValues(outer * length * inner, 100), expected(x);
  for (int o = 0; o < outer; ++o) {
    for (int i = 0; i < inner; ++i) {
      float sum = 0;
      for (int step = 0; step < length; ++step) {
        int at =
            (o * length + (reverse ? length - 1 - step : step)) * inner + i;
        float next = sum + x[at];
        expected[at] = exclusive ? sum : next;
        sum = next;
      }
    }
  }
  std::string type = "tensor<" + std::to_string(outer) + "x" +
                     std::to_string(length) +
                     (inner > 1 ? "x" + std::to_string(inner) : "") + "xf32>";
  std::string source = "func.func @f(%x: " + type + ") -> " + type +
                       " { %0 = nn.scan sum(%x) axis 1 " +
                       (exclusive ? "exclusive " : "") +
                       (reverse ? "reverse " : "") + ": " + type + " -> " +
                       type + " return %0 : " + type + " }";
  auto results = runFunction(source, {tensorOf(x)});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(elementsOf<float>(results[0]), expected);
}

INSTANTIATE_TEST_SUITE_P(Axes, ScanTest,
                         ::testing::Values(ScanCase{3, 17, 1, false, false},
                                           ScanCase{3, 17, 1, true, true},
                                           ScanCase{2, 5, 70, true, false},
                                           ScanCase{2, 5, 70, false, true}));

TEST(Scan, MaxPropagatesNaN) {
  auto results = runFunction(
      R"(func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
        %0 = nn.scan max(%x) axis 0 : tensor<4xf32> -> tensor<4xf32>
        return %0 : tensor<4xf32>
      })",
      {tensorOf<float>({-3, -5, NAN, 7})});
  ASSERT_EQ(results.size(), 1u);
  std::vector<float> y = elementsOf<float>(results[0]);
  EXPECT_EQ(y[0], -3);
  EXPECT_EQ(y[1], -3);
  EXPECT_TRUE(std::isnan(y[2]) && std::isnan(y[3]));
}

struct SortCase {
  int outer, length, inner, kept;
  bool descending;
};

class SortTest : public ::testing::TestWithParam<SortCase> {};

TEST_P(SortTest, IsStableWithNaNLargest) {
  auto [outer, length, inner, kept, descending] = GetParam();
  std::vector<float> x = makeValues(outer * length * inner, 20);
  for (size_t i = 3; i < x.size(); i += 11) {
    x[i] = i % 2 ? NAN : -0.0f;
  }
  std::vector<float> values(outer * kept * inner);
  std::vector<int64_t> indices(values.size());
  for (int o = 0; o < outer; ++o) {
    for (int i = 0; i < inner; ++i) {
      auto at = [&, o = o, i = i](int64_t place) {
        return x[(o * length + place) * inner + i];
      };
      std::vector<int64_t> order(length);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t l, int64_t r) {
        float a = at(l), b = at(r);
        if (std::isnan(a) || std::isnan(b)) {
          return descending ? std::isnan(a) && !std::isnan(b)
                            : !std::isnan(a) && std::isnan(b);
        }
        return descending ? a > b : a < b;
      });
      for (int k = 0; k < kept; ++k) {
        indices[(o * kept + k) * inner + i] = order[k];
        values[(o * kept + k) * inner + i] = at(order[k]);
      }
    }
  }
  auto shaped = [&](int size, const char *element) {
    return "tensor<" + std::to_string(outer) + "x" + std::to_string(size) +
           "x" + std::to_string(inner) + "x" + element + ">";
  };
  std::string in = shaped(length, "f32"),
              out = shaped(kept, "f32") + ", " + shaped(kept, "i64");
  auto results = runFunction(
      "func.func @f(%x: " + in + ") -> (" + out +
          ") { %0:2 = nn.sort %x axis 1 " + (descending ? "descending" : "") +
          " : (" + in + ") -> (" + out + ") return %0#0, %0#1 : " + out + " }",
      {tensorOf(x)});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(elementsOf<int64_t>(results[1]), indices);
  EXPECT_EQ(results[0], tensorOf(values)); // bits, since NaN != NaN
}

INSTANTIATE_TEST_SUITE_P(Shapes, SortTest,
                         ::testing::Values(SortCase{2, 37, 3, 37, false},
                                           SortCase{2, 37, 3, 37, true},
                                           SortCase{3, 100, 1, 7, true},
                                           SortCase{1, 64, 1, 1, false},
                                           SortCase{2, 9, 2, 0, true},
                                           SortCase{1, 1, 1, 1, true},
                                           SortCase{1, 2, 1, 2, false}));

} // namespace
