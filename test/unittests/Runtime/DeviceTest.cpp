// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs on a GPU, here the simulator: tensors on either side, late memory,
// threads, profiles.
#include "DeviceFixture.h"

#include "dlc/exec.h"

#include <cstring>
#include <dlfcn.h>
#include <thread>

using namespace dlc;
using namespace dlc::binary;
using namespace dlc::test;

namespace {

TEST_F(DeviceTest, HostTensors) {
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(deviceHeader()), model, context), DLC_OK)
      << dlc_message();
  expectRun(context, 1000);
  expectRun(context, 1);
  expectRun(context, 4099);
  expectRun(context, 0);
  dlc_context_free(context);
  dlc_model_free(model);
}

TEST_F(DeviceTest, DeviceTensorsAreTakenAsTheyAre) {
  CurrentContext current;
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(deviceHeader()), model, context), DLC_OK)
      << dlc_message();
  {
    DeviceFloats x({1, 2, 3, 4, 5}), y(std::vector<float>(5));
    uint64_t before = live().allocations;
    dlc_tensor input = x.get(), output = y.get();
    ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
        << dlc_message();
    ASSERT_EQ(dlc_context_synchronize(context), DLC_OK);
    EXPECT_EQ(y.read(), (std::vector<float>{8, 10, 12, 14, 16}));
    // The arena and the scratch memory.
    EXPECT_EQ(live().allocations, before + 2);
    EXPECT_EQ(live().host_allocations, 0u);
  }
  dlc_context_free(context);
  dlc_model_free(model);
}

TEST_F(DeviceTest, DeviceTensorsOffTheVectorAlignment) {
  CurrentContext current;
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(deviceHeader()), model, context), DLC_OK);
  {
    DeviceFloats x({1, 2, 3}, 4), y(std::vector<float>(3), 8);
    dlc_tensor input = x.get(), output = y.get();
    ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
        << dlc_message();
    EXPECT_EQ(y.read(), (std::vector<float>{8, 10, 12}));
  }
  dlc_context_free(context);
  dlc_model_free(model);
}

/// Rows upwards, which the driver copies at once, and others.
TEST_F(DeviceTest, StridesOnTheDevice) {
  CurrentContext current;
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(deviceHeader()), model, context), DLC_OK);
  int64_t three = 3;
  for (int64_t stride : {2, -2, 0}) {
    DeviceFloats x({1, 2, 3, 4, 5, 6}), y({-1, -1, -1, -1, -1, -1, -1, -1, -1});
    dlc_tensor input = x.get(), output = y.get();
    input.shape = output.shape = &three;
    input.strides = &stride;
    input.byte_offset = stride < 0 ? 4 * sizeof(float) : 0;
    output.strides = &three;
    ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
        << dlc_message();
    ASSERT_EQ(dlc_context_synchronize(context), DLC_OK) << dlc_message();
    float first = stride < 0 ? 5 : 1, step = float(stride);
    std::vector<float> expected(9, -1);
    for (int i = 0; i < 3; i++) {
      expected[3 * i] = 2 * (first + step * float(i) + 3);
    }
    EXPECT_EQ(y.read(), expected) << stride;
  }
  dlc_context_free(context);
  dlc_model_free(model);
}

TEST_F(DeviceTest, OwnOutputOnTheDevice) {
  CurrentContext current;
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(deviceHeader()), model, context), DLC_OK);
  Tensor<float> x({2}, {1, 2}, float32);
  dlc_tensor input = x.get(), output{};
  output.device = simulator;
  for (int round = 0; round < 2; round++) {
    ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
        << dlc_message();
    ASSERT_EQ(int(output.device.device_type), DLC_DEVICE_PTXSIM);
    float y[2];
    ASSERT_EQ(Simulator::get().copyToHost(
                  y, reinterpret_cast<uintptr_t>(output.data), sizeof(y)),
              0);
    EXPECT_EQ(y[1], 10);
  }
  dlc_context_free(context);
  dlc_model_free(model);
}

/// Strides, offsets, and copies too large for page-locked memory.
TEST_F(DeviceTest, CallersHostMemory) {
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(deviceHeader()), model, context), DLC_OK);
  for (int64_t n : {3, 90000}) {
    std::vector<float> x(2 * n + 1), y(3 * n, -1), dense(n);
    for (int64_t i = 0; i < n; i++) {
      x[2 * i + 1] = float(i);
    }
    int64_t two = 2, three = 3;
    dlc_tensor input = {x.data(), {DLC_DEVICE_CPU, 0}, 1, float32, &n, &two, 4};
    dlc_tensor output = {y.data(), {DLC_DEVICE_CPU, 0}, 1, float32, &n, &three,
                         0};
    ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
        << dlc_message();
    EXPECT_EQ(y[3 * (n - 1)], 2 * float(n + 2));
    EXPECT_EQ(y[1], -1);
    output = {dense.data(), {DLC_DEVICE_CPU, 0}, 1, float32, &n, nullptr, 0};
    ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
        << dlc_message();
    EXPECT_EQ(dense[n - 1], 2 * float(n + 2));
  }
  dlc_context_free(context);
  dlc_model_free(model);
}

TEST_F(DeviceTest, LateOutput) {
  CurrentContext current;
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(compactHeader()), model, context), DLC_OK)
      << dlc_message();
  Tensor<float> x({5}, {1, -2, 3, 0, 5}, float32), none({2}, {-1, 0}, float32);
  dlc_tensor input = x.get(), output{};
  ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
      << dlc_message();
  EXPECT_EQ(valuesOf<float>(output), (std::vector<float>{1, 3, 5}));
  input = none.get();
  ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
      << dlc_message();
  EXPECT_EQ(output.shape[0], 0);

  // Into the caller's memory, on either side.
  input = x.get();
  Tensor<float> room({4}, {0, 0, 0, -7}, float32);
  output = room.get();
  ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
      << dlc_message();
  EXPECT_EQ(room.dims[0], 3);
  EXPECT_EQ(room.values, (std::vector<float>{1, 3, 5, -7}));
  {
    DeviceFloats y({0, 0, 0, 0});
    output = y.get();
    ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
        << dlc_message();
    EXPECT_EQ(y.read(), (std::vector<float>{1, 3, 5}));
  }
  Tensor<float> small({2}, {0, 0}, float32);
  output = small.get();
  EXPECT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "output 'y': expected room for 12 bytes, got 8");
  dlc_context_free(context);
  dlc_model_free(model);
}

TEST_F(DeviceTest, CallersStream) {
  CurrentContext current;
  dlc_model *model;
  ASSERT_EQ(dlc_model_load(write(deviceHeader()).c_str(), nullptr, &model),
            DLC_OK);
  void *stream;
  ASSERT_EQ(Simulator::get().createStream(&stream, 1), 0);
  dlc_context *context = createContext(model, false, stream);
  EXPECT_EQ(live().streams, 1u);
  expectRun(context, 10);
  dlc_context_free(context);
  EXPECT_EQ(live().streams, 1u);
  EXPECT_EQ(Simulator::get().destroyStream(stream), 0);
  dlc_model_free(model);
}

TEST_F(DeviceTest, CallersCurrentContextStays) {
  CurrentContext current;
  void *before, *after;
  Simulator::get().getCurrent(&before);
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(deviceHeader()), model, context), DLC_OK);
  expectRun(context, 10);
  Simulator::get().setCurrent(nullptr);
  expectRun(context, 10);
  Simulator::get().getCurrent(&after);
  EXPECT_EQ(after, nullptr);
  Simulator::get().setCurrent(before);
  dlc_context_free(context);
  dlc_model_free(model);
  Simulator::get().getCurrent(&after);
  EXPECT_EQ(after, before);
}

TEST_F(DeviceTest, SecondRunAllocatesNothing) {
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(deviceHeader()), model, context), DLC_OK);
  expectRun(context, 1000);
  dlc_context_info info{};
  info.struct_size = sizeof(info);
  dlc_context_get_info(context, &info);
  uint64_t allocations = info.allocations;
  expectRun(context, 1000);
  expectRun(context, 500);
  expectRun(context, 1000);
  dlc_context_get_info(context, &info);
  EXPECT_EQ(info.allocations, allocations);
  dlc_context_free(context);
  dlc_model_free(model);
}

TEST_F(DeviceTest, CallersArena) {
  CurrentContext current;
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(deviceHeader()), model, context), DLC_OK);
  expectRun(context, 1000);
  dlc_context_info info = {.struct_size = sizeof info};
  ASSERT_EQ(dlc_context_get_info(context, &info), DLC_OK);
  ASSERT_GT(info.arena_bytes, 0);
  unsigned long long arena = 0;
  ASSERT_EQ(Simulator::get().allocate(&arena, info.arena_bytes), 0);
  auto *memory = reinterpret_cast<void *>(arena);
  uint64_t before = live().allocations;
  ASSERT_EQ(dlc_context_set_arena(context, memory, info.arena_bytes), DLC_OK)
      << dlc_message();
  EXPECT_EQ(live().allocations, before - 1); // the context's own is gone
  expectRun(context, 1000);
  EXPECT_EQ(live().allocations, before - 1);

  EXPECT_EQ(run(context, 100000), DLC_RESOURCE);
  EXPECT_NE(std::string(dlc_message()).find("the caller's has"),
            std::string::npos)
      << dlc_message();
  float onHost[64];
  EXPECT_EQ(dlc_context_set_arena(context, nullptr, 0), DLC_OK);
  auto *aligned = reinterpret_cast<void *>(
      (reinterpret_cast<uintptr_t>(onHost) + 63) & ~uintptr_t(63));
  EXPECT_EQ(dlc_context_set_arena(context, aligned, 64), DLC_USAGE);
  EXPECT_NE(std::string(dlc_message()).find("the arena: its memory is said"),
            std::string::npos)
      << dlc_message();
  expectRun(context, 100000);
  dlc_context_free(context);
  dlc_model_free(model);
  EXPECT_EQ(Simulator::get().release(arena), 0);
}

TEST_F(DeviceTest, ContextsShareModuleAndWeights) {
  dlc_model *model;
  dlc_context *first;
  ASSERT_EQ(open(write(deviceHeader()), model, first), DLC_OK);
  ptxsimLiveObjects one = live();
  EXPECT_EQ(one.modules, 1u);
  EXPECT_EQ(one.allocations, 1u);
  dlc_context *second = createContext(model);
  EXPECT_EQ(live().modules, 1u);
  EXPECT_EQ(live().allocations, 1u);
  dlc_context_free(first);
  expectRun(second, 10);
  dlc_context_free(second);
  // What is loaded stays for the next context.
  EXPECT_EQ(live().modules, 1u);
  dlc_model_free(model);
}

TEST_F(DeviceTest, ManyThreadsEachWithAContext) {
  dlc_model *model;
  ASSERT_EQ(dlc_model_load(write(deviceHeader()).c_str(), nullptr, &model),
            DLC_OK);
  std::vector<std::thread> threads;
  for (int t = 0; t < 64; t++) {
    threads.emplace_back([&, t] {
      dlc_context *context = createContext(model);
      for (int64_t n : {1 + t, 200 + t, 1 + t}) {
        expectRun(context, n);
      }
      dlc_context_free(context);
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
  dlc_model_free(model);
}

TEST_F(DeviceTest, ProfileHasEachLaunch) {
  dlc_model *model;
  ASSERT_EQ(dlc_model_load(write(deviceHeader()).c_str(), nullptr, &model),
            DLC_OK);
  dlc_context *context = createContext(model, /*profile=*/true);
  for (int round = 0; round < 2; round++) {
    expectRun(context, 300);
    const dlc_profile_event *events;
    uint64_t count;
    ASSERT_EQ(dlc_context_get_profile(context, &events, &count), DLC_OK);
    ASSERT_EQ(count, 2u);
    EXPECT_EQ(events[1].dispatch, 1u);
    EXPECT_EQ(events[0].num_threads, 384u);
    EXPECT_GE(events[0].begin_ns, 0);
    EXPECT_LE(events[0].begin_ns, events[0].end_ns);
    EXPECT_LE(events[0].end_ns, events[1].begin_ns);
  }
  dlc_context_free(context);
  dlc_model_free(model);
}

// ---- Both devices in one file ----------------------------------------------

/// "affine" for the CPU with the kernels of "device" beside it: the variants
/// have other buffers, dispatches, and places in the weights.
TEST_F(DeviceTest, VariantsHaveProgramsOfTheirOwn) {
  Header header = deviceHeader("crash");
  Program device = header;
  static_cast<Program &>(header) = Program();
  header.otherPrograms = {device};
  header.otherPrograms[0].paramsOffset = 0;
  header.otherPrograms[0].paramsBytes = 4;
  header.variants[0].program = 1;
  Variant &cpu = header.variants.emplace_back();
  cpu.name = "cpu";
  cpu.prefix = "host";
  header.dispatches = {{"host", {"Host_0"}}};
  dlc_model *model;
  dlc_context *context;
  ASSERT_EQ(open(write(header), model, context), DLC_OK) << dlc_message();
  expectRun(context, 100);
  dlc_context *onCpu;
  ASSERT_EQ(dlc_context_create(model, nullptr, &onCpu), DLC_OK)
      << dlc_message();
  expectRun(onCpu, 100);
  dlc_dispatch_info info{};
  info.struct_size = sizeof(info);
  ASSERT_EQ(dlc_model_get_dispatch(model, 1, &info), DLC_OK);
  EXPECT_STREQ(info.kernel, "add");
  dlc_context_free(onCpu);
  dlc_context_free(context);
  dlc_model_free(model);
}

// ---- Models linked into the program
// ------------------------------------------

TEST_F(DeviceTest, EmbeddedModel) {
  Header header = deviceHeader();
  std::vector<char> block = encodeHeader(header);
  std::vector<char> images = encodeImages(header);
  // As the linker would place them.
  std::vector<uint64_t> aligned((block.size() + 7) / 8);
  std::memcpy(aligned.data(), block.data(), block.size());
  void *code = dlopen(DLC_TEST_MODELS "/libtest-model-device.so", RTLD_NOW);
  ASSERT_NE(code, nullptr) << dlerror();
  dlc_entry *size, *run;
  *reinterpret_cast<void **>(&size) = dlsym(code, "device_size");
  *reinterpret_cast<void **>(&run) = dlsym(code, "device_run");
  const float w = 3;
  dlc_embedded_model embedded = {
      sizeof(embedded), aligned.data(), block.size(), &w,
      sizeof(w),        &size,          &run,         images.data(),
      images.size()};
  dlc_model *model;
  ASSERT_EQ(dlc_model_load_embedded(&embedded, nullptr, &model), DLC_OK)
      << dlc_message();
  dlc_context *context = createContext(model);
  expectRun(context, 100);
  dlc_context_free(context);
  dlc_model_free(model);

  // A change of the program's memory does not reach the driver.
  images[200] ^= 1;
  ASSERT_EQ(dlc_model_load_embedded(&embedded, nullptr, &model), DLC_OK);
  dlc_context_options options{};
  options.struct_size = sizeof(options);
  options.device = simulator;
  EXPECT_EQ(dlc_context_create(model, &options, &context), DLC_CORRUPT);
  EXPECT_STREQ(dlc_message(), "the PTX for sm_80 does not match its digest");
  dlc_model_free(model);

  // As a compiler of container version 1.0 made it.
  embedded.struct_size = offsetof(dlc_embedded_model, images);
  EXPECT_EQ(dlc_model_load_embedded(&embedded, nullptr, &model), DLC_CORRUPT);
  dlclose(code);
}

} // namespace
