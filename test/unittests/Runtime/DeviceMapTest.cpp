// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Launches with tensor maps on the simulator. A fault plan "map:1" makes the
// next encoding fail: a run that succeeds under it encoded nothing.
#include "AllocationFault.h"
#include "DeviceFixture.h"

using namespace dlc;
using namespace dlc::binary;
using namespace dlc::test;

namespace {

/// A model of maps.c: y f32[4, 8] of x f32[h, w].
Header mapsHeader(const std::string &prefix) {
  Header header = ptxHeader(prefix, "maps.ptx", 90);
  header.variants[0].kernels = {{"box", 0, 0, 32}};
  header.inputs = {{"x", DLC_FLOAT, 32, {Dim::unknown(), Dim::unknown()}}};
  header.outputs = {{"y", DLC_FLOAT, 32, {Dim::fixed(4), Dim::fixed(8)}}};
  header.buffers = {{DLC_BYTES_AT_SIZING, 256, 0, 1}};
  header.dispatches = {{"box", {"Outer_0"}}, {"box", {"Inner_1"}}};
  return header;
}

/// Element (i, j) of f32[h, w] is 1 + i * w + j.
std::vector<float> countUp(int64_t h, int64_t w) {
  std::vector<float> values(h * w);
  for (size_t i = 0; i < values.size(); i++) {
    values[i] = float(i + 1);
  }
  return values;
}

/// The last two rows' last four columns, and zeros; {} stands for no elements.
std::vector<float> cornerOf(const std::vector<float> &x, int64_t h, int64_t w) {
  std::vector<float> y(32, 0.0f);
  for (int64_t i = 0; i < 2 && !x.empty(); i++) {
    for (int64_t j = 0; j < 4; j++) {
      y[i * 8 + j] = x[(h - 2 + i) * w + w - 4 + j];
    }
  }
  return y;
}

class DeviceMapTest : public DeviceTest {
protected:
  void create(const std::string &prefix = "maps",
              dlc_graph_mode graphs = DLC_GRAPHS_DEFAULT) {
    std::string path = folder.file(prefix + ".dlc");
    writeModel(path, mapsHeader(prefix), "maps", std::vector<char>(4));
    ASSERT_EQ(dlc_model_load(path.c_str(), nullptr, &model), DLC_OK)
        << dlc_message();
    context = createContext(model, false, nullptr, graphs);
  }
  ~DeviceMapTest() override { freeAll(); }
  void freeAll() {
    dlc_context_free(context);
    dlc_model_free(model);
    context = nullptr;
    model = nullptr;
  }
  static void fault(const std::string &plan) {
    EXPECT_EQ(Simulator::get().configure("FAULT", plan.c_str()), 0) << plan;
  }
  static void expectMessage(const std::string &part) {
    EXPECT_NE(std::string(dlc_message()).find(part), std::string::npos)
        << dlc_message();
  }
  /// On tensors of the CPU, which the context copies to memory of its own.
  dlc_status runMap(int64_t h, int64_t w) {
    Tensor<float> x({h, w}, countUp(h, w), float32);
    dlc_tensor input = x.get();
    output = {};
    return dlc_context_run(context, &input, 1, &output, 1);
  }
  void expectMap(int64_t h, int64_t w) {
    ASSERT_EQ(runMap(h, w), DLC_OK) << dlc_message();
    std::vector<float> corner = cornerOf(countUp(h, w), h, w);
    EXPECT_EQ(valuesOf<float>(output), cornerOf(corner, 4, 8));
  }
  /// On an input of the device.
  dlc_status runOn(dlc_tensor x, int64_t h, int64_t w) {
    int64_t dims[] = {h, w};
    x.ndim = 2;
    x.shape = dims;
    output = {};
    return dlc_context_run(context, &x, 1, &output, 1);
  }

  dlc_model *model = nullptr;
  dlc_context *context = nullptr;
  dlc_tensor output{};
};

TEST_F(DeviceMapTest, KernelsCopyBoxes) {
  create();
  for (auto [h, w] : {std::pair(2, 4), {4, 8}, {5, 12}, {300, 400}}) {
    expectMap(h, w);
  }
}

TEST_F(DeviceMapTest, EncodesOnce) {
  create();
  fault("map:3"); // two launches
  expectMap(6, 8);
  expectMap(6, 8);
  expectMap(6, 8);
  fault("map:3"); // of another shape
  expectMap(5, 8);
  fault("map:1");
  expectMap(5, 8);
  EXPECT_EQ(runMap(4, 8), DLC_INTERNAL);
  // What failed is not taken for made.
  fault("map:1");
  EXPECT_EQ(runMap(4, 8), DLC_INTERNAL);
  fault("");
  expectMap(4, 8);
}

TEST_F(DeviceMapTest, EncodesOnceForEachShape) {
  CurrentContext current;
  create();
  DeviceFloats a(countUp(6, 8));
  ASSERT_EQ(runOn(a.get(), 6, 8), DLC_OK) << dlc_message();
  ASSERT_EQ(runOn(a.get(), 4, 8), DLC_OK) << dlc_message();
  fault("map:1");
  ASSERT_EQ(runOn(a.get(), 6, 8), DLC_OK) << dlc_message();
  ASSERT_EQ(runOn(a.get(), 4, 8), DLC_OK) << dlc_message();
  fault("");
}

TEST_F(DeviceMapTest, EncodesAnewWhereTensorsMove) {
  CurrentContext current;
  create();
  {
    DeviceFloats a(countUp(4, 8)), b(std::vector<float>(32, 7.0f));
    ASSERT_EQ(runOn(a.get(), 4, 8), DLC_OK) << dlc_message();
    fault("map:1");
    ASSERT_EQ(runOn(a.get(), 4, 8), DLC_OK) << dlc_message();
    EXPECT_EQ(runOn(b.get(), 4, 8), DLC_INTERNAL);
    fault("map:2");
    ASSERT_EQ(runOn(b.get(), 4, 8), DLC_OK) << dlc_message();
    std::vector<float> corner = cornerOf(b.read(), 4, 8);
    EXPECT_EQ(valuesOf<float>(output), cornerOf(corner, 4, 8));
  }
  freeAll();
}

TEST_F(DeviceMapTest, TensorsWithoutElements) {
  create();
  for (auto [h, w] : {std::pair(0, 8), {8, 0}, {0, 0}, {0, 3}}) {
    expectMap(h, w);
  }
  // The caller's may be nowhere.
  dlc_tensor nowhere{};
  nowhere.device = simulator;
  nowhere.dtype = float32;
  ASSERT_EQ(runOn(nowhere, 0, 8), DLC_OK) << dlc_message();
  EXPECT_EQ(valuesOf<float>(output), std::vector<float>(32, 0.0f));
}

TEST_F(DeviceMapTest, GraphsKeepTheirMaps) {
  create("maps", DLC_GRAPHS_ALWAYS);
  // The largest first: later ones do not move the memory.
  for (int round = 0; round < 4; round++) {
    expectMap(60, 80);
    expectMap(6, 8);
  }
  EXPECT_EQ(live().graph_execs, 2u);
  fault("map:1");
  expectMap(60, 80);
  expectMap(6, 8);
}

TEST_F(DeviceMapTest, DriversErrorNamesKernelAndTensor) {
  create();
  EXPECT_EQ(runMap(3, 5), DLC_INTERNAL);
  expectMessage("ptxsim:0: kernel 'box' (nodes 'Outer_0') has a tensor map "
                "that cannot be made, of buffer 0 at 0x");
  expectMessage(", sizes from the innermost on 5x3, strides 20: ");
  expectMessage("(CUDA_ERROR_INVALID_VALUE)");
  // The context stays usable.
  expectMap(3, 8);
  fault("map:3");
  EXPECT_EQ(runMap(4, 8), DLC_OK);
  fault("map:1");
  EXPECT_EQ(runMap(5, 8), DLC_INTERNAL);
  expectMessage(", sizes from the innermost on 8x5, strides 32: ");
}

TEST_F(DeviceMapTest, NoMemoryForTheTable) {
  create();
  {
    AllocationFault fault(0);
    EXPECT_EQ(runMap(4, 8), DLC_RESOURCE);
    EXPECT_STREQ(dlc_message(), "no memory for the tensor maps of kernel 'box' "
                                "(nodes 'Outer_0')");
  }
  expectMap(4, 8);
}

TEST_F(DeviceMapTest, WrongMapsAreRefused) {
  create("wrong");
  const char *messages[] = {
      " kernel 0 with a tensor map of rank 6, 4 bytes per element",
      "with a tensor map of rank 1, ",
      " of buffer 2 of 2",
      " of rank 2, 8 bytes per element",
      " a swizzle of 16 bytes",
      "the model launched kernel 0 of 1 with 37 parameters",
      "the model launched kernel 1 of 1 with 6 parameters"};
  for (int64_t h = 1; h <= 7; h++) {
    EXPECT_EQ(runMap(h, 8), DLC_INTERNAL) << h;
    expectMessage("the model launched kernel ");
    expectMessage(messages[h - 1]);
  }
  EXPECT_EQ(runMap(8, 8), DLC_OK) << dlc_message();
}

} // namespace
