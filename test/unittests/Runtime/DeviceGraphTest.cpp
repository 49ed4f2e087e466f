// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs as CUDA graphs: when they are made, used and dropped.
#include "DeviceFixture.h"

using namespace dlc;
using namespace dlc::binary;
using namespace dlc::test;

namespace {

class DeviceGraphTest : public DeviceTest {
protected:
  void create(const Header &header) {
    std::string path = write(header);
    ASSERT_EQ(dlc_model_load(path.c_str(), nullptr, &model), DLC_OK);
    context = createContext(model, false, nullptr, DLC_GRAPHS_ALWAYS);
  }
  ~DeviceGraphTest() override { freeAll(); }
  void freeAll() {
    dlc_context_free(context);
    dlc_model_free(model);
    context = nullptr;
    model = nullptr;
  }

  dlc_model *model = nullptr;
  dlc_context *context = nullptr;
};

TEST_F(DeviceGraphTest, SecondEqualRunMakesAGraph) {
  create(deviceHeader());
  expectRun(context, 300);
  EXPECT_EQ(live().graph_execs, 0u);
  expectRun(context, 300);
  EXPECT_EQ(live().graph_execs, 1u);
  EXPECT_EQ(live().graphs, 0u);
  expectRun(context, 300);
  expectRun(context, 300);
  EXPECT_EQ(live().graph_execs, 1u);
}

/// The graph is used: it has the kernels, which the fault plan counts.
TEST_F(DeviceGraphTest, ErrorInAGraph) {
  create(deviceHeader());
  expectRun(context, 300);
  expectRun(context, 300);
  Simulator::get().configure("FAULT", "launch:2");
  EXPECT_EQ(run(context, 300), DLC_INTERNAL);
  EXPECT_NE(std::string(dlc_message()).find("unspecified launch failure"),
            std::string::npos)
      << dlc_message();
  Simulator::get().configure("FAULT", "");
  EXPECT_EQ(run(context, 300), DLC_RESOURCE);
}

TEST_F(DeviceGraphTest, ShapesHaveGraphsOfTheirOwn) {
  create(deviceHeader());
  // The largest first: later ones do not move the memory.
  for (int round = 0; round < 3; round++) {
    for (int64_t n : {5000, 300, 7}) {
      expectRun(context, n);
    }
  }
  EXPECT_EQ(live().graph_execs, 3u);
  // More shapes than a context remembers: old graphs go.
  for (int64_t n = 10; n < 30; n++) {
    expectRun(context, n);
    expectRun(context, n);
  }
  EXPECT_LE(live().graph_execs, 8u);
  expectRun(context, 300);
}

TEST_F(DeviceGraphTest, MovedMemoryIsSeen) {
  CurrentContext current;
  create(deviceHeader());
  {
    DeviceFloats a({1, 2, 3}), b({4, 5, 6}), y({0, 0, 0}), z({0, 0, 0});
    auto runOn = [&](DeviceFloats &x, DeviceFloats &to) {
      dlc_tensor input = x.get(), output = to.get();
      EXPECT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
          << dlc_message();
      return to.read()[0];
    };
    for (int round = 0; round < 3; round++) {
      EXPECT_EQ(runOn(a, y), 8);
    }
    EXPECT_EQ(live().graph_execs, 1u);
    EXPECT_EQ(runOn(b, y), 14);
    EXPECT_EQ(live().graph_execs, 0u);
    EXPECT_EQ(runOn(b, z), 14);
    EXPECT_EQ(runOn(b, z), 14);
    EXPECT_EQ(live().graph_execs, 1u);
    // In the end it is given up.
    for (int round = 0; round < 5; round++) {
      EXPECT_EQ(runOn(a, y), 8);
      EXPECT_EQ(runOn(a, y), 8);
      EXPECT_EQ(runOn(b, z), 14);
      EXPECT_EQ(runOn(b, z), 14);
    }
    EXPECT_EQ(live().graph_execs, 0u);
  }
}

TEST_F(DeviceGraphTest, CodeThatAsksTheHostHasNone) {
  create(compactHeader());
  for (float first : {1.0f, -1.0f, 2.0f, 3.0f}) {
    Tensor<float> x({2}, {first, 5}, float32);
    dlc_tensor input = x.get(), output{};
    ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
        << dlc_message();
    EXPECT_EQ(output.shape[0], first > 0 ? 2 : 1);
  }
  EXPECT_EQ(live().graph_execs, 0u);
}

TEST_F(DeviceGraphTest, NoMemoryAndLostDevices) {
  for (const char *kind : {"alloc:", "lost:"}) {
    for (int n = 1; n < 40; n++) {
      create(deviceHeader());
      Simulator::get().configure("FAULT", (kind + std::to_string(n)).c_str());
      for (int64_t size : {300, 300, 300, 900, 300, 900, 900}) {
        run(context, size);
      }
      freeAll();
      expectNothingLives();
      Simulator::get().configure("FAULT", "");
    }
  }
}

} // namespace
