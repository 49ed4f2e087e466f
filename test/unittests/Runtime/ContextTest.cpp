// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs: kinds of inputs and outputs, late memory, plans, profiles.
#include "ContextFixture.h"

#include "dlc/exec.h"

#include <cstdio>
#include <xmmintrin.h>

using namespace dlc;
using namespace dlc::binary;
using namespace dlc::test;

namespace {

dlc_context_info infoOf(dlc_context *context) {
  dlc_context_info info{};
  info.struct_size = sizeof(info);
  EXPECT_EQ(dlc_context_get_info(context, &info), DLC_OK);
  return info;
}

// ---- Inputs ----------------------------------------------------------------

TEST_F(ContextTest, StridedInputWithOffset) {
  Loaded m(affine());
  // Column-major 2x3 behind four bytes.
  std::vector<float> memory = {-1, 1, 4, 2, 5, 3, 6};
  int64_t dims[] = {2, 3}, strides[] = {1, 2};
  dlc_tensor input = {
      memory.data(), {DLC_DEVICE_CPU, 0}, 2, float32, dims, strides, 4};
  dlc_tensor output{};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK)
      << dlc_message();
  EXPECT_EQ(valuesOf<float>(output), (std::vector<float>{2, 5, 10, 5, 11, 19}));
}

TEST_F(ContextTest, ReversedInput) {
  Loaded m(affine());
  std::vector<float> memory = {3, 2, 1};
  int64_t dims[] = {1, 3}, strides[] = {77, -1};
  dlc_tensor input = {
      memory.data() + 2, {DLC_DEVICE_CPU, 0}, 2, float32, dims, strides, 0};
  dlc_tensor output{};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(valuesOf<float>(output), (std::vector<float>{2, 5, 10}));
}

TEST_F(ContextTest, MisalignedInput) {
  Loaded m(affine());
  float values[] = {1, 2, 3};
  std::vector<char> memory(13);
  memcpy(memory.data() + 1, values, 12);
  int64_t dims[] = {1, 3};
  dlc_tensor input = {
      memory.data(), {DLC_DEVICE_CPU, 0}, 2, float32, dims, nullptr, 1};
  dlc_tensor output{};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(valuesOf<float>(output), (std::vector<float>{2, 5, 10}));
}

TEST_F(ContextTest, EmptyInputNeedsNoData) {
  Loaded m(write(subnormalHeader(), "subnormal"));
  int64_t dims[] = {0};
  dlc_tensor input = {nullptr, {DLC_DEVICE_CPU, 0}, 1, float32, dims, nullptr,
                      0};
  dlc_tensor output{};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(output.shape[0], 0);
  EXPECT_NE(output.data, nullptr);
}

// ---- Outputs ---------------------------------------------------------------

TEST_F(ContextTest, CallersOutput) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32), y({1, 3}, {0, 0, 0}, float32);
  dlc_tensor input = x.get(), output = y.get();
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(y.values, (std::vector<float>{2, 3, 4}));
  EXPECT_EQ(output.data, y.values.data());
}

TEST_F(ContextTest, CallersStridedOutput) {
  Loaded m(affine());
  std::vector<float> memory(6, -1);
  Tensor<float> x({1, 3}, {1, 1, 1}, float32);
  int64_t dims[] = {1, 3}, strides[] = {6, 2};
  dlc_tensor input = x.get();
  dlc_tensor output = {
      memory.data(), {DLC_DEVICE_CPU, 0}, 2, float32, dims, strides, 0};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(memory, (std::vector<float>{2, -1, 3, -1, 4, -1}));
}

TEST_F(ContextTest, CallersMisalignedOutput) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32);
  std::vector<char> memory(13);
  int64_t dims[] = {1, 3};
  dlc_tensor input = x.get();
  dlc_tensor output = {
      memory.data() + 1, {DLC_DEVICE_CPU, 0}, 2, float32, dims, nullptr, 0};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  const float expected[] = {2, 3, 4};
  EXPECT_EQ(memcmp(memory.data() + 1, expected, 12), 0);
}

TEST_F(ContextTest, CallersOutputOfWrongDims) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32), y({3, 1}, {0, 0, 0}, float32);
  dlc_tensor input = x.get(), output = y.get();
  EXPECT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "output 'y': expected dims [1, 3], got [3, 1]");
}

TEST_F(ContextTest, OutputOverInput) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32);
  dlc_tensor input = x.get(), output = x.get();
  EXPECT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "output 'y': its memory overlaps input 'x'");
}

/// The same struct in a loop, while outputs grow.
TEST_F(ContextTest, OutputOfTheLastRunIsAllocatedAnew) {
  Loaded m(affine());
  dlc_tensor output{};
  for (int64_t batch = 1; batch <= 32; batch *= 2) {
    Tensor<float> x({batch, 3}, std::vector<float>(batch * 3, 1), float32);
    dlc_tensor input = x.get();
    ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
    ASSERT_EQ(output.shape[0], batch);
    ASSERT_EQ(valuesOf<float>(output)[batch * 3 - 1], 4);
  }
}

TEST_F(ContextTest, OwnOutputAsInput) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32);
  dlc_tensor input = x.get(), output{};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  dlc_tensor next{};
  EXPECT_EQ(dlc_context_run(m.context, &output, 1, &next, 1), DLC_USAGE);
  EXPECT_STREQ(dlc_message(),
               "input 'x': it is output 'y' of this context, which the run "
               "overwrites: give the output memory of your own");
}

/// Dims larger than the memory that the caller has there.
TEST_F(ContextTest, InputThatReachesIntoOwnOutput) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32), large({32, 3}, {}, float32);
  dlc_tensor input = x.get(), output{}, next{}, before = large.get();
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  before.data = static_cast<char *>(output.data) - 16;
  EXPECT_EQ(dlc_context_run(m.context, &before, 1, &next, 1), DLC_USAGE);
  EXPECT_STREQ(dlc_message(),
               "input 'x': its memory reaches, with dims [32, 3], into output "
               "'y' of this context, which the run overwrites: give the output "
               "memory of your own");
}

/// What prepare says, with memory of the caller put in.
TEST_F(ContextTest, PreparedOutputWithCallersMemory) {
  Loaded m(affine());
  Tensor<float> x({1, 3}, {1, 1, 1}, float32);
  std::vector<float> memory(3);
  dlc_tensor input = x.get(), output{};
  ASSERT_EQ(dlc_context_prepare(m.context, &input, 1, &output, 1), DLC_OK);
  output.data = memory.data();
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(memory, (std::vector<float>{2, 3, 4}));
}

TEST_F(ContextTest, PrepareTellsDims) {
  Loaded m(affine());
  Tensor<float> x({5, 3}, std::vector<float>(15), float32);
  dlc_tensor input = x.get(), output{};
  input.data = nullptr;
  ASSERT_EQ(dlc_context_prepare(m.context, &input, 1, &output, 1), DLC_OK)
      << dlc_message();
  EXPECT_EQ(output.ndim, 2);
  EXPECT_EQ(output.shape[0], 5);
  EXPECT_EQ(output.shape[1], 3);
  EXPECT_EQ(output.data, nullptr);
  EXPECT_EQ(infoOf(m.context).runs, 0u);
  EXPECT_EQ(infoOf(m.context).arena_bytes, 64); // 60 bytes rounded up
}

// ---- Late memory and checks ------------------------------------------------

TEST_F(ContextTest, LateOutput) {
  Loaded m(write(nonzeroHeader(), "nonzero"));
  Tensor<int64_t> x({6}, {0, 5, 0, 0, 7, 1}, int64);
  dlc_tensor input = x.get(), output{};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK)
      << dlc_message();
  EXPECT_EQ(valuesOf<int64_t>(output), (std::vector<int64_t>{1, 4, 5}));
}

TEST_F(ContextTest, EmptyLateOutput) {
  Loaded m(write(nonzeroHeader(), "nonzero"));
  Tensor<int64_t> x({2}, {0, 0}, int64);
  dlc_tensor input = x.get(), output{};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(output.shape[0], 0);
}

TEST_F(ContextTest, CallersRoomForALateOutput) {
  Loaded m(write(nonzeroHeader(), "nonzero"));
  Tensor<int64_t> x({3}, {1, 0, 1}, int64), y({3}, {-1, -1, -1}, int64);
  dlc_tensor input = x.get(), output = y.get();
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(y.dims[0], 2);
  EXPECT_EQ(y.values, (std::vector<int64_t>{0, 2, -1}));
}

TEST_F(ContextTest, TooLittleRoomForALateOutput) {
  Loaded m(write(nonzeroHeader(), "nonzero"));
  Tensor<int64_t> x({3}, {1, 1, 1}, int64), y({2}, {-1, -1}, int64);
  dlc_tensor input = x.get(), output = y.get();
  EXPECT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "output 'y': expected room for 24 bytes, got 16");
}

TEST_F(ContextTest, PrepareLeavesLateDimsOpen) {
  Loaded m(write(nonzeroHeader(), "nonzero"));
  Tensor<int64_t> x({3}, {1, 1, 1}, int64);
  dlc_tensor input = x.get(), output{};
  ASSERT_EQ(dlc_context_prepare(m.context, &input, 1, &output, 1), DLC_OK);
  EXPECT_EQ(output.shape[0], -1);
  dlc_value_info info{};
  info.struct_size = sizeof(info);
  ASSERT_EQ(dlc_model_get_output(m.model, 0, &info), DLC_OK);
  EXPECT_EQ(info.size_known_before_run, 0u);
}

TEST_F(ContextTest, FailedCheckTellsItsValues) {
  Loaded m(write(nonzeroHeader(), "nonzero"));
  Tensor<int64_t> x({3}, {1, -9, 1}, int64);
  expectRunError(m.context, {x.get()},
                 "node 'NonZero_0': expected x[1] to be 0 or more, got -9");
  x.values[1] = 9; // and the context still works
  dlc_tensor input = x.get(), output{};
  EXPECT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
}

int32_t giveUp(dlc_exec *) { return 77; }

/// Generated code that stops without a word is at fault itself.
TEST_F(ContextTest, UnexplainedFailure) {
  std::vector<char> block = encodeHeader(busyHeader());
  dlc_entry *run = giveUp;
  dlc_embedded_model embedded = {
      sizeof(embedded), block.data(), block.size(), nullptr, 0,
      nullptr,          &run,         nullptr,      0};
  dlc_model *model;
  ASSERT_EQ(dlc_model_load_embedded(&embedded, nullptr, &model), DLC_OK);
  dlc_context *context;
  ASSERT_EQ(dlc_context_create(model, nullptr, &context), DLC_OK);
  Tensor<uint32_t> seed({1}, {0}, uint32);
  Tensor<int64_t> rounds({1}, {0}, int64);
  expectRunError(context, {seed.get(), rounds.get()},
                 "the model's code gave up with 77, and no reason",
                 DLC_INTERNAL);
  dlc_context_free(context);
  dlc_model_free(model);
}

// ---- Memory ----------------------------------------------------------------

TEST_F(ContextTest, SeenShapesAllocateAndPlanNothing) {
  Loaded m(affine());
  dlc_context_info first{};
  for (int round = 0; round < 3; round++) {
    for (int64_t batch = 1; batch <= 8; batch++) {
      Tensor<float> x({batch, 3}, std::vector<float>(batch * 3, 1), float32);
      dlc_tensor input = x.get(), output{};
      ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
      ASSERT_EQ(output.shape[0], batch);
    }
    if (round == 0) {
      first = infoOf(m.context);
    }
  }
  dlc_context_info last = infoOf(m.context);
  EXPECT_EQ(last.runs, 24u);
  EXPECT_EQ(first.plans, 8u);
  EXPECT_EQ(last.plans, first.plans);
  EXPECT_EQ(last.allocations, first.allocations);
  EXPECT_EQ(last.allocated_bytes, first.allocated_bytes);
}

TEST_F(ContextTest, StaticPlanIsUsedAsWritten) {
  Header header = affineHeader();
  header.buffers = {{384, 64, 0, 1}};
  header.plan = StaticPlan{{64}, 448, 384};
  Loaded m(write(header, "affine", affineWeights()));
  Tensor<float> x({32, 3}, std::vector<float>(96, 1), float32);
  dlc_tensor input = x.get(), output{};
  ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  dlc_context_info info = infoOf(m.context);
  EXPECT_EQ(info.arena_bytes, 448);
  EXPECT_EQ(info.arena_lower_bound, 384);
  EXPECT_EQ(info.plans, 0u);
}

// ---- Floating point --------------------------------------------------------

class FloatModeTest : public ContextTest,
                      public testing::WithParamInterface<uint32_t> {};

TEST_P(FloatModeTest, FlushesInTheRunOnly) {
  Loaded m(write(subnormalHeader(), "subnormal"), GetParam());
  Tensor<float> x({64}, std::vector<float>(64, 1.17549435e-38f), float32);
  dlc_tensor input = x.get(), output{};
  uint32_t before = 0x1f80 | 0x6000; // round towards zero, no flushing
  uint32_t old = _mm_getcsr();
  _mm_setcsr(before);
  dlc_status status = dlc_context_run(m.context, &input, 1, &output, 1);
  uint32_t after = _mm_getcsr();
  _mm_setcsr(old);
  ASSERT_EQ(status, DLC_OK);
  EXPECT_EQ(after, before);
  EXPECT_EQ(valuesOf<float>(output), std::vector<float>(64, 0));
}

INSTANTIATE_TEST_SUITE_P(Threads, FloatModeTest, testing::Values(1, 3));

// ---- Profiles --------------------------------------------------------------

TEST_F(ContextTest, ProfileNamesDispatches) {
  Loaded m(affine(), 1, /*profile=*/true);
  Tensor<float> x({2, 3}, std::vector<float>(6, 1), float32);
  dlc_tensor input = x.get(), output{};
  for (int i = 0; i < 2; i++) {
    ASSERT_EQ(dlc_context_run(m.context, &input, 1, &output, 1), DLC_OK);
  }
  const dlc_profile_event *events;
  uint64_t count;
  ASSERT_EQ(dlc_context_get_profile(m.context, &events, &count), DLC_OK);
  ASSERT_EQ(count, 2u);
  EXPECT_EQ(events[0].dispatch, 0u);
  EXPECT_EQ(events[1].dispatch, 1u);
  EXPECT_LE(events[0].begin_ns, events[0].end_ns);
  EXPECT_LE(events[0].end_ns, events[1].begin_ns);
  dlc_dispatch_info info{};
  info.struct_size = sizeof(info);
  ASSERT_EQ(dlc_model_get_dispatch(m.model, 1, &info), DLC_OK);
  EXPECT_STREQ(info.kernel, "increment");
  EXPECT_STREQ(info.nodes, "Add_1\nAdd_2");
}

// ---- The example -----------------------------------------------------------

/// Runs the example on a model, and gives what it prints.
std::string runExample(const std::string &model) {
  std::string command = std::string(DLC_TEST_EMBED_EXAMPLE) + " " + model;
  FILE *pipe = popen(command.c_str(), "r");
  std::string text(100, 0);
  text.resize(fread(text.data(), 1, text.size(), pipe));
  EXPECT_EQ(pclose(pipe), 0);
  return text;
}

TEST_F(ContextTest, EmbedExampleRuns) {
  EXPECT_EQ(runExample(affine()), "2\n3\n4\n2\n3\n4\n");
}

/// The example is a C program that does not link libm.
TEST_F(ContextTest, ModelsFindTheMathLibrary) {
  Header header = affineHeader();
  header.variants[0].prefix = "power";
  EXPECT_EQ(runExample(write(header, "power")), "3\n3\n3\n3\n3\n3\n");
}

} // namespace
