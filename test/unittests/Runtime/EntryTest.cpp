// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Entry checks: wrong inputs give one error that names them.
#include "ContextFixture.h"

#include <cstddef>

using namespace dlc;
using namespace dlc::binary;
using namespace dlc::test;

namespace {

using EntryTest = ContextTest;

TEST(TensorTest, LayoutIsDLPacks) {
  EXPECT_EQ(sizeof(dlc_tensor), 48u);
  EXPECT_EQ(offsetof(dlc_tensor, data), 0u);
  EXPECT_EQ(offsetof(dlc_tensor, device), 8u);
  EXPECT_EQ(offsetof(dlc_tensor, ndim), 16u);
  EXPECT_EQ(offsetof(dlc_tensor, dtype), 20u);
  EXPECT_EQ(offsetof(dlc_tensor, shape), 24u);
  EXPECT_EQ(offsetof(dlc_tensor, strides), 32u);
  EXPECT_EQ(offsetof(dlc_tensor, byte_offset), 40u);
  EXPECT_EQ(sizeof(dlc_data_type), 4u);
}

// ---- Entry checks ----------------------------------------------------------

TEST_F(EntryTest, NumberOfInputs) {
  Loaded m(affine());
  expectRunError(m.context, {}, "expected 1 inputs, got 0");
}

TEST_F(EntryTest, NumberOfOutputs) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32);
  dlc_tensor input = x.get(), outputs[2] = {};
  EXPECT_EQ(dlc_context_run(m.context, &input, 1, outputs, 2), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "expected 1 outputs, got 2");
}

TEST_F(EntryTest, WrongName) {
  Loaded m(affine());
  uint32_t index = 9;
  EXPECT_EQ(dlc_model_find_input(m.model, "x", &index), DLC_OK);
  EXPECT_EQ(index, 0u);
  EXPECT_EQ(dlc_model_find_input(m.model, "z", &index), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "no input 'z', expected one of 'x'");
  EXPECT_EQ(dlc_model_find_output(m.model, "x", &index), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "no output 'x', expected one of 'y'");
}

TEST_F(EntryTest, WrongType) {
  Loaded m(affine());
  Tensor<int64_t> x({1, 3}, {1, 1, 1}, int64);
  expectRunError(m.context, {x.get()},
                 "input 'x': expected type float32, got int64");
}

TEST_F(EntryTest, WrongDevice) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32);
  dlc_tensor input = x.get();
  input.device.device_type = DLC_DEVICE_CUDA;
  expectRunError(m.context, {input},
                 "input 'x': expected data on the CPU, got cuda:0");
}

TEST_F(EntryTest, WrongRank) {
  Loaded m(affine());
  Tensor<float> x({3}, {1, 1, 1}, float32);
  expectRunError(m.context, {x.get()},
                 "input 'x': expected rank 2 [batch, 3], got rank 1");
}

TEST_F(EntryTest, WrongStaticDim) {
  Loaded m(affine());
  Tensor<float> x({1, 4}, {1, 1, 1, 1}, float32);
  expectRunError(m.context, {x.get()},
                 "input 'x': expected dim 1 to be 3, got 4");
}

TEST_F(EntryTest, NegativeDim) {
  Loaded m(affine());
  Tensor<float> x({-1, 3}, {1, 1, 1}, float32);
  expectRunError(m.context, {x.get()},
                 "input 'x': expected dim 0 to be 0 or more, got -1");
}

TEST_F(EntryTest, OutOfRange) {
  Loaded m(affine());
  std::vector<float> values(99);
  Tensor<float> x({33, 3}, values, float32);
  expectRunError(m.context, {x.get()},
                 "input 'x': expected dim 0 'batch' to be in 1..32, got 33");
  x.dims = {0, 3};
  expectRunError(m.context, {x.get()},
                 "input 'x': expected dim 0 'batch' to be in 1..32, got 0");
}

TEST_F(EntryTest, NoMultiple) {
  Header header = affineHeader();
  header.symbols[0] = {"batch", 0, -1, 8};
  Loaded m(write(header, "affine", affineWeights()));
  Tensor<float> x({4, 3}, std::vector<float>(12), float32);
  expectRunError(
      m.context, {x.get()},
      "input 'x': expected dim 0 'batch' to be a multiple of 8, got 4");
}

TEST_F(EntryTest, BelowTheMinimum) {
  Header header = affineHeader();
  header.symbols[0] = {"batch", 2, -1, -1};
  Loaded m(write(header, "affine", affineWeights()));
  Tensor<float> x({1, 3}, std::vector<float>(3), float32);
  expectRunError(m.context, {x.get()},
                 "input 'x': expected dim 0 'batch' to be 2 or more, got 1");
}

TEST_F(EntryTest, UnequalSymbols) {
  Header header = affineHeader();
  header.inputs.push_back({"mask", DLC_FLOAT, 32, {Dim::symbol(0)}});
  Loaded m(write(header, "affine", affineWeights()));
  Tensor<float> x({4, 3}, std::vector<float>(12), float32);
  Tensor<float> mask({3}, std::vector<float>(3), float32);
  expectRunError(m.context, {x.get(), mask.get()},
                 "input 'mask': expected dim 0 'batch' to be 4 as in input "
                 "'x', got 3");
}

TEST_F(EntryTest, NoData) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32);
  dlc_tensor input = x.get();
  input.data = nullptr;
  expectRunError(m.context, {input}, "input 'x': expected data, got NULL");
}

TEST_F(EntryTest, OverflowingDims) {
  Loaded m(write(subnormalHeader(), "subnormal"));
  Tensor<float> x({INT64_MAX}, {1}, float32);
  expectRunError(m.context, {x.get()},
                 "input 'x': dims [9223372036854775807] are too large");
}

TEST_F(EntryTest, ContextOptions) {
  Loaded m(affine());
  dlc_context *context;
  dlc_context_options options{};
  EXPECT_EQ(dlc_context_create(m.model, &options, &context), DLC_USAGE);
  options.struct_size = sizeof(options);
  options.device = {DLC_DEVICE_CUDA, 0};
  EXPECT_EQ(dlc_context_create(m.model, &options, &context), DLC_UNSUPPORTED);
  options.device = {DLC_DEVICE_CPU, 0};
  options.stream = &options;
  EXPECT_EQ(dlc_context_create(m.model, &options, &context), DLC_USAGE);
}

TEST_F(EntryTest, IndicesAreChecked) {
  Loaded m(affine());
  dlc_value_info value{};
  value.struct_size = sizeof(value);
  EXPECT_EQ(dlc_model_get_input(m.model, 1, &value), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "expected an input below 1, got 1");
  dlc_dim_info dim{};
  dim.struct_size = sizeof(dim);
  EXPECT_EQ(dlc_model_get_input_dim(m.model, 0, 2, &dim), DLC_USAGE);
  ASSERT_EQ(dlc_model_get_input_dim(m.model, 0, 0, &dim), DLC_OK);
  EXPECT_STREQ(dim.symbol, "batch");
  EXPECT_EQ(dim.min, 1);
  EXPECT_EQ(dim.max, 32);
}

} // namespace
