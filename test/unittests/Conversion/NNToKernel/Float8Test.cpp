// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Casts to and from floats of 8 bits, against LLVM's own conversions.
#include "DispatchRunner.h"

#include "llvm/ADT/APFloat.h"
#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace dlc::test;
using llvm::APFloat;

namespace {

struct Format {
  const char *name;
  const llvm::fltSemantics &semantics;
};

class Float8 : public testing::TestWithParam<Format> {
protected:
  std::string type(size_t count, const std::string &element) {
    return "tensor<" + std::to_string(count) + "x" + element + ">";
  }
  std::vector<Tensor> cast(size_t count, const std::string &from,
                           const std::string &to, const Tensor &input,
                           const std::string &attributes = "") {
    std::string source = type(count, from), target = type(count, to);
    return runFunction("func.func @f(%x: " + source + ") -> " + target +
                           " {\n %0 = nn.cast %x " + attributes + " : " +
                           source + " -> " + target +
                           "\n return %0 : " + target + "\n}",
                       {input});
  }
  uint8_t encode(float value, bool saturate) {
    const llvm::fltSemantics &semantics = GetParam().semantics;
    APFloat converted(value);
    bool lost;
    converted.convert(semantics, APFloat::rmNearestTiesToEven, &lost);
    bool isTooLarge =
        !std::isnan(value) && (converted.isNaN() || converted.isInfinity());
    if (isTooLarge && saturate) {
      converted = APFloat::getLargest(semantics, std::signbit(value));
    }
    return converted.bitcastToAPInt().getZExtValue();
  }
  bool isNaN(uint8_t code) {
    return APFloat(GetParam().semantics, llvm::APInt(8, code)).isNaN();
  }
};

TEST_P(Float8, DecodesEveryCode) {
  std::vector<uint8_t> codes(256);
  for (int i = 0; i < 256; ++i) {
    codes[i] = i;
  }
  auto results = cast(256, GetParam().name, "f32", tensorOf(codes));
  ASSERT_EQ(results.size(), 1u);
  std::vector<float> actual = elementsOf<float>(results[0]);
  for (int i = 0; i < 256; ++i) {
    APFloat expected(GetParam().semantics, llvm::APInt(8, i));
    if (expected.isNaN()) {
      EXPECT_TRUE(std::isnan(actual[i])) << i;
      continue;
    }
    EXPECT_EQ(actual[i], expected.convertToFloat()) << i;
    EXPECT_EQ(std::signbit(actual[i]), expected.isNegative()) << i;
  }
}

TEST_P(Float8, RoundsToNearest) {
  std::vector<float> values{0.0f,  -0.0f,  INFINITY, -INFINITY, NAN,
                            1e30f, -1e30f, 448,      464,       465,
                            -480,  57344,  61440,    61441};
  std::mt19937 random(1);
  while (values.size() < 4096) {
    float exponent = std::uniform_real_distribution<float>(-22, 20)(random);
    float value = std::exp2(exponent) * (random() % 2 ? 1 : -1);
    values.push_back(value);
    // Ties, and their neighbours.
    float tie = std::ldexp(1 + (2 * (random() % 16) + 1) / 32.0f,
                           static_cast<int>(exponent));
    values.insert(values.end(), {tie, std::nextafter(tie, 0.0f),
                                 std::nextafter(tie, INFINITY)});
  }
  for (bool saturate : {true, false}) {
    auto results = cast(values.size(), "f32", GetParam().name, tensorOf(values),
                        saturate ? "{saturate = true}" : "{saturate = false}");
    ASSERT_EQ(results.size(), 1u);
    std::vector<uint8_t> actual = elementsOf<uint8_t>(results[0]);
    for (size_t i = 0; i < values.size(); ++i) {
      int expected = encode(values[i], saturate);
      if (isNaN(expected)) {
        EXPECT_TRUE(isNaN(actual[i])) << values[i];
      } else {
        EXPECT_EQ(int(actual[i]), expected) << values[i] << " " << saturate;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, Float8,
    testing::Values(Format{"f8E4M3FN", APFloat::Float8E4M3FN()},
                    Format{"f8E4M3FNUZ", APFloat::Float8E4M3FNUZ()},
                    Format{"f8E5M2", APFloat::Float8E5M2()},
                    Format{"f8E5M2FNUZ", APFloat::Float8E5M2FNUZ()}),
    [](const auto &info) { return info.param.name; });

} // namespace
