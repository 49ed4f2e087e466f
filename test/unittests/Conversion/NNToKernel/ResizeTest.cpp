// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// resize of the last two dims against a sum over neighbours, found and weighted
// as ONNX's text defines them.
#include "DispatchRunner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace dlc::test;

namespace {

struct ResizeCase {
  const char *mode, *coordinate;
  int inRows, inColumns, outRows, outColumns;
  double rowScale, columnScale;
  const char *attributes = "";
};

struct Tap {
  int place;
  double weight;
};

class Reference {
public:
  explicit Reference(const ResizeCase &test) : test(test) {}

  std::vector<float> run(const std::vector<float> &x) {
    std::vector<float> y;
    for (int r = 0; r < test.outRows; ++r) {
      for (int c = 0; c < test.outColumns; ++c) {
        double sum = 0;
        for (Tap row : taps(r, test.inRows, test.outRows, test.rowScale)) {
          for (Tap column :
               taps(c, test.inColumns, test.outColumns, test.columnScale)) {
            sum += row.weight * column.weight *
                   x[row.place * test.inColumns + column.place];
          }
        }
        y.push_back(sum);
      }
    }
    return y;
  }

private:
  bool has(const char *text) {
    return std::string(test.attributes).find(text) != std::string::npos;
  }

  double coordinate(int x, int in, int out, double scale) {
    std::string kind = test.coordinate;
    double width = scale * in, half = (x + 0.5) / scale - 0.5;
    if (kind == "asymmetric") {
      return x / scale;
    }
    if (kind == "align_corners") {
      return width == 1 ? 0 : x * (in - 1) / (width - 1);
    }
    if (kind == "half_pixel_symmetric") {
      return in / 2.0 * (1 - out / width) + half;
    }
    return kind == "pytorch_half_pixel" && out == 1 ? 0 : half;
  }

  double filter(double x) {
    x = std::fabs(x);
    if (std::string(test.mode) == "linear") {
      return std::max(0.0, 1 - x);
    }
    double a = has("cubic_a = -0.5") ? -0.5 : -0.75;
    if (x <= 1) {
      return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    }
    return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
  }

  int nearest(double x) {
    if (has("mode floor>")) {
      return std::floor(x);
    }
    if (has("mode ceil>")) {
      return std::ceil(x);
    }
    return has("mode round_prefer_ceil>") ? std::floor(x + 0.5)
                                          : std::ceil(x - 0.5);
  }

  std::vector<Tap> taps(int index, int in, int out, double scale) {
    double x = coordinate(index, in, out, scale);
    if (std::string(test.mode) == "nearest") {
      return {{std::clamp(nearest(x), 0, in - 1), 1}};
    }
    double shrink = has("antialias") ? std::min(1.0, scale) : 1;
    std::vector<Tap> result;
    double sum = 0;
    for (int place = std::floor(x - 2 / shrink) - 1;
         place <= x + 2 / shrink + 1; ++place) {
      double weight = filter((place - x) * shrink);
      if (has("exclude_outside") && (place < 0 || place >= in)) {
        weight = 0;
      }
      result.push_back({std::clamp(place, 0, in - 1), weight});
      sum += weight;
    }
    for (Tap &tap : result) {
      tap.weight /= sum;
    }
    return result;
  }

  ResizeCase test;
};

class ResizeTest : public ::testing::TestWithParam<ResizeCase> {};

TEST_P(ResizeTest, MatchesReference) {
  const ResizeCase &test = GetParam();
  std::vector<float> x(test.inRows * test.inColumns);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>((i * 37) % 23) - 11;
  }
  auto shaped = [](int rows, int columns) {
    return "tensor<1x" + std::to_string(rows) + "x" + std::to_string(columns) +
           "xf32>";
  };
  std::string in = shaped(test.inRows, test.inColumns),
              out = shaped(test.outRows, test.outColumns);
  std::string source =
      "func.func @f(%x: " + in + ") -> " + out + " { %0 = nn.resize " +
      test.mode + "(%x) axes [1, 2] [] {static_scales = array<f64: " +
      std::to_string(test.rowScale) + ", " + std::to_string(test.columnScale) +
      ">, coordinate = #nn<coordinate_mode " + test.coordinate + ">" +
      (*test.attributes ? ", " : "") + test.attributes + "} : " + in + " -> " +
      out + " return %0 : " + out + " }";
  auto results = runFunction(source, {tensorOf(x)});
  ASSERT_EQ(results.size(), 1u);
  std::vector<float> y = elementsOf<float>(results[0]),
                     expected = Reference(test).run(x);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(y[i], expected[i], 2e-5) << "element " << i;
  }
}

const char kFloor[] = "nearest = #nn<nearest_mode floor>";

INSTANTIATE_TEST_SUITE_P(
    Modes, ResizeTest,
    ::testing::Values(
        ResizeCase{"nearest", "asymmetric", 3, 4, 6, 8, 2, 2},
        ResizeCase{"nearest", "half_pixel", 5, 7, 3, 9, 0.6, 1.3},
        ResizeCase{"nearest", "align_corners", 4, 4, 8, 8, 2, 2, kFloor},
        ResizeCase{"nearest", "asymmetric", 4, 4, 7, 2, 1.75, 0.6,
                   "nearest = #nn<nearest_mode ceil>"},
        ResizeCase{"nearest", "half_pixel", 4, 4, 7, 2, 1.75, 0.6,
                   "nearest = #nn<nearest_mode round_prefer_ceil>"},
        ResizeCase{"linear", "half_pixel", 3, 4, 6, 8, 2, 2},
        ResizeCase{"linear", "align_corners", 3, 4, 5, 9, 5.0 / 3, 2.25},
        ResizeCase{"linear", "align_corners", 2, 4, 1, 2, 0.6, 0.6},
        ResizeCase{"linear", "pytorch_half_pixel", 4, 4, 1, 3, 0.25, 0.75},
        ResizeCase{"linear", "half_pixel_symmetric", 4, 5, 2, 3, 0.6, 0.7},
        ResizeCase{"linear", "asymmetric", 3, 3, 7, 7, 2.4, 2.4}));
INSTANTIATE_TEST_SUITE_P(
    Filters, ResizeTest,
    ::testing::Values(
        ResizeCase{"cubic", "half_pixel", 4, 4, 8, 8, 2, 2},
        ResizeCase{"cubic", "align_corners", 5, 6, 9, 3, 1.8, 0.5},
        ResizeCase{"cubic", "half_pixel", 4, 4, 8, 3, 2, 0.75,
                   "exclude_outside"},
        ResizeCase{"linear", "half_pixel", 9, 8, 4, 3, 0.45, 0.4, "antialias"},
        ResizeCase{"linear", "half_pixel", 3, 3, 6, 6, 2, 2, "antialias"},
        ResizeCase{"cubic", "half_pixel", 9, 8, 4, 3, 0.45, 0.4, "antialias"},
        ResizeCase{"cubic", "half_pixel", 9, 8, 4, 3, 0.45, 0.4,
                   "antialias, exclude_outside"}));

TEST(ResizeTest, CropsAndExtrapolates) {
  // Rows 0.5 to 1.5 of a dim of 3: coordinates 1, 2, 3; the last is outside.
  auto results = runFunction(
      R"(func.func @f(%x: tensor<3xf32>, %r: tensor<2xf32>) -> tensor<3xf32> {
        %0 = nn.resize linear(%x) axes [0] [] roi %r : tensor<2xf32>
          {static_scales = array<f64: 1.0>,
           coordinate = #nn<coordinate_mode tf_crop_and_resize>,
           extrapolation = 10.0 : f64} : tensor<3xf32> -> tensor<3xf32>
        return %0 : tensor<3xf32>
      })",
      {tensorOf<float>({1, 2, 4}), tensorOf<float>({0.5, 1.5})});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(elementsOf<float>(results[0]), (std::vector<float>{2, 4, 10}));
}

} // namespace
