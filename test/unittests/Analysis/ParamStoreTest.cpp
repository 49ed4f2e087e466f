// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Parameter transforms against element-by-element evaluation, in memory and as
// the stream that the binary writer reads.
#include "Analysis/ParamStore.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace dlc;

namespace {

class ParamStoreTest : public ::testing::Test {
protected:
  ParamStoreTest() { context.loadDialect<nn::NNDialect>(); }

  /// The only param of a module given as text.
  nn::ParamOp parse(const std::string &text) {
    module = parseSourceString<ModuleOp>(text, &context);
    return *module->getOps<nn::ParamOp>().begin();
  }

  std::vector<double> evaluate(const std::string &text) {
    HostTensor tensor = llvm::cantFail(evaluateParam(parse(text)));
    std::vector<double> values;
    for (int64_t i = 0; i < tensor.getNumElements(); ++i) {
      values.push_back(tensor.getNumber(i));
    }
    return values;
  }

  /// Registers bytes and returns the text of their #nn.data.
  std::string registerBytes(ArrayRef<char> bytes) {
    auto buffer = llvm::MemoryBuffer::getMemBufferCopy(
        StringRef(bytes.data(), bytes.size()));
    std::string key =
        context.getLoadedDialect<nn::NNDialect>()->getSourceMap().addMemory(
            std::move(buffer));
    return "#nn.data<\"" + key +
           "\", offset = 0, bytes = " + std::to_string(bytes.size()) + ">";
  }

  std::vector<char> stream(const std::string &text) {
    ParamReader reader = llvm::cantFail(ParamReader::open(parse(text)));
    std::vector<char> bytes;
    for (ArrayRef<char> chunk = reader.next(); !chunk.empty();
         chunk = reader.next()) {
      bytes.insert(bytes.end(), chunk.begin(), chunk.end());
    }
    return bytes;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

using Values = std::vector<double>;

TEST_F(ParamStoreTest, PermutesThreeDims) {
  EXPECT_EQ(evaluate("nn.param @p : tensor<2x1x3xi32> = "
                     "(dense<[[[1],[2],[3]],[[4],[5],[6]]]> : "
                     "tensor<2x3x1xi32>) : tensor<2x3x1xi32> "
                     "transforms [#nn.permute<0, 2, 1>]"),
            (Values{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(evaluate("nn.param @p : tensor<3x1x2xi32> = "
                     "(dense<[[[1],[2],[3]],[[4],[5],[6]]]> : "
                     "tensor<2x3x1xi32>) : tensor<2x3x1xi32> "
                     "transforms [#nn.permute<1, 2, 0>]"),
            (Values{1, 4, 2, 5, 3, 6}));
}

TEST_F(ParamStoreTest, ScalesThenShiftsAlongTheirAxes) {
  EXPECT_EQ(
      evaluate("nn.param @p : tensor<2x2xf32> = (dense<[[1.0, 2.0], [3.0, "
               "4.0]]> : tensor<2x2xf32>) : tensor<2x2xf32> transforms "
               "[#nn.scale<0, dense<[1.0, 10.0]> : tensor<2xf64>>, "
               "#nn.shift<1, dense<[0.5, 0.25]> : tensor<2xf64>>]"),
      (Values{1.5, 2.25, 30.5, 40.25}));
}

// 1 + 2^-24 is not an f32; rounding after the product would lose it.
TEST_F(ParamStoreTest, RoundsARunOfScaleAndShiftOnce) {
  EXPECT_EQ(evaluate("nn.param @p : tensor<1xf32> = (dense<1.0> : "
                     "tensor<1xf32>) : tensor<1xf32> transforms "
                     "[#nn.scale<0, dense<1.000000059604644775390625> : "
                     "tensor<1xf64>>, #nn.shift<0, dense<-1.0> : "
                     "tensor<1xf64>>]"),
            (Values{std::ldexp(1.0, -24)}));
}

TEST_F(ParamStoreTest, PacksPanelsWithZerosBehindTheLastColumn) {
  EXPECT_EQ(evaluate("nn.param @p : tensor<1x2x2x2xf32> = (dense<[[[1.0, 2.0, "
                     "3.0], [4.0, 5.0, 6.0]]]> : tensor<1x2x3xf32>) : "
                     "tensor<1x2x3xf32> transforms [#nn.pack_panels<2>]"),
            (Values{1, 2, 4, 5, 3, 0, 6, 0}));
}

TEST_F(ParamStoreTest, CastsLikeNNCast) {
  EXPECT_EQ(evaluate("nn.param @p : tensor<5xi8> = (dense<[1.9, -1.9, 300.0, "
                     "-300.0, 0x7FC00000]> : tensor<5xf32>) : tensor<5xf32> "
                     "transforms [#nn.cast_to<i8>]"),
            (Values{1, -1, 127, -128, 0}));
  EXPECT_EQ(evaluate("nn.param @p : tensor<2xui8> = (dense<[-2.0, 255.0]> : "
                     "tensor<2xf32>) : tensor<2xf32> "
                     "transforms [#nn.cast_to<ui8>]"),
            (Values{0, 255}));
  EXPECT_EQ(evaluate("nn.param @p : tensor<2xf32> = (dense<[1.0, 65504.0]> : "
                     "tensor<2xf16>) : tensor<2xf16> "
                     "transforms [#nn.cast_to<f32>]"),
            (Values{1, 65504}));
}

TEST_F(ParamStoreTest, RoundsToNearestEven) {
  // bf16 has 8 bits: 257 lies between 256 and 258, 259 between 258 and 260.
  EXPECT_EQ(evaluate("nn.param @p : tensor<2xbf16> = (dense<[257.0, 259.0]> : "
                     "tensor<2xf32>) : tensor<2xf32> "
                     "transforms [#nn.cast_to<bf16>]"),
            (Values{256, 260}));
}

TEST_F(ParamStoreTest, UnpacksFourBitElementsLowBitsFirst) {
  std::string data = registerBytes({0x21, 0x43, 0x0f});
  EXPECT_EQ(
      evaluate("nn.param @p : tensor<5xi4> = (" + data + ") : tensor<5xi4>"),
      (Values{1, 2, 3, 4, -1}));
  EXPECT_EQ(stream("nn.param @p : tensor<5xi4> = (" + data +
                   ") : tensor<5xi4> transforms [#nn.reshape_to<1, 5>, "
                   "#nn.permute<1, 0>, #nn.reshape_to<5>]"),
            (std::vector<char>{0x21, 0x43, 0x0f}));
}

TEST_F(ParamStoreTest, ReadsBools) {
  EXPECT_EQ(evaluate("nn.param @p : tensor<3xi1> = (dense<[true, false, true]> "
                     ": tensor<3xi1>) : tensor<3xi1>"),
            (Values{1, 0, 1}));
}

// More elements than one chunk, so that the channel must follow the place in
// the whole tensor.
TEST_F(ParamStoreTest, StreamsScaledChunks) {
  constexpr int64_t rows = 3, columns = 200001;
  std::vector<float> source(rows * columns);
  for (size_t i = 0; i < source.size(); ++i) {
    source[i] = static_cast<float>(i % 1009);
  }
  std::string data = registerBytes(
      {reinterpret_cast<const char *>(source.data()), source.size() * 4});
  std::vector<char> bytes =
      stream("nn.param @p : tensor<3x200001xf32> = (" + data +
             ") : tensor<3x200001xf32> transforms [#nn.scale<0, "
             "dense<[1.0, 2.0, 3.0]> : tensor<3xf64>>]");
  ASSERT_EQ(bytes.size(), source.size() * 4);
  std::vector<float> scaled(source.size());
  std::memcpy(scaled.data(), bytes.data(), bytes.size());
  for (size_t i = 0; i < source.size(); ++i) {
    ASSERT_EQ(scaled[i], source[i] * static_cast<float>(i / columns + 1)) << i;
  }
}

TEST_F(ParamStoreTest, ReportsAFileThatIsTooShort) {
  std::string data = registerBytes({0, 0, 0, 0});
  nn::ParamOp param =
      parse("nn.param @p : tensor<1xf32> = (" + data + ") : tensor<1xf32>");
  auto gone = nn::DataAttr::get(
      &context, cast<nn::DataAttr>(param.getData()).getSource(), 2, 4);
  param.setDataAttr(gone);
  EXPECT_EQ(llvm::toString(evaluateParam(param).takeError()).substr(0, 28),
            "expected 4 bytes at 2 of 'me");
}

} // namespace
