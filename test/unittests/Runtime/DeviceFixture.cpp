// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Models with code for GPUs on the simulator.
#include "DeviceFixture.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

using namespace dlc;
using namespace dlc::binary;
using namespace dlc::test;

Simulator &test::Simulator::get() {
  static Simulator simulator = [] {
    setenv("DLC_PTXSIM", DLC_TEST_PTXSIM, 1);
    setenv("PTXSIM_LOG", "/dev/null", 1);
    Simulator s{};
    void *library = dlopen(DLC_TEST_PTXSIM, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      ADD_FAILURE() << dlerror();
      std::abort();
    }
    auto find = [&](auto &function, const char *name) {
      *reinterpret_cast<void **>(&function) = dlsym(library, name);
      EXPECT_NE(function, nullptr) << name;
    };
    find(s.configure, "ptxsimConfigure");
    find(s.countLive, "ptxsimCountLive");
    find(s.allocate, "cuMemAlloc_v2");
    find(s.release, "cuMemFree_v2");
    find(s.copyToDevice, "cuMemcpyHtoD_v2");
    find(s.copyToHost, "cuMemcpyDtoH_v2");
    find(s.retain, "cuDevicePrimaryCtxRetain");
    find(s.leave, "cuDevicePrimaryCtxRelease_v2");
    find(s.setCurrent, "cuCtxSetCurrent");
    find(s.getCurrent, "cuCtxGetCurrent");
    find(s.createStream, "cuStreamCreate");
    find(s.destroyStream, "cuStreamDestroy_v2");
    int (*init)(unsigned);
    find(init, "cuInit");
    EXPECT_EQ(init(0), 0);
    return s;
  }();
  return simulator;
}

Header test::ptxHeader(const std::string &prefix, const std::string &file,
                       uint32_t arch) {
  Header header;
  header.modelName = prefix;
  header.compilerVersion = "0.1.0";
  Variant &variant = header.variants.emplace_back();
  variant.name = "cuda";
  variant.prefix = prefix;
  variant.deviceType = DLC_DEVICE_CUDA;
  std::vector<char> ptx = readFile(DLC_TEST_PTX "/" + file);
  variant.images = {{DLC_IMAGE_PTX, arch, 0, {ptx.begin(), ptx.end()}}};
  return header;
}

static Header kernelsHeader(const std::string &prefix) {
  Header header = ptxHeader(prefix, "device.ptx", 80);
  header.variants[0].kernels = {{"add", 0, 0, 128},
                                {"twice", 0, 512, 128},
                                {"compact", 0, 0, 1},
                                {"crash", 0, 0, 32}};
  return header;
}

Header test::deviceHeader(const std::string &prefix) {
  Header header = kernelsHeader(prefix);
  header.symbols = {{"n", 0, 100000, -1}};
  header.inputs = {{"x", DLC_FLOAT, 32, {Dim::symbol(0)}}};
  header.outputs = {{"y", DLC_FLOAT, 32, {Dim::symbol(0)}}};
  header.buffers = {{DLC_BYTES_AT_SIZING, 256, 0, 1}};
  header.dispatches = {{"add", {"Add_0"}, 1, 12}, {"twice", {"Mul_1", "Id_2"}}};
  return header;
}

Header test::compactHeader() {
  Header header = kernelsHeader("compact");
  header.inputs = {{"x", DLC_FLOAT, 32, {Dim::unknown()}}};
  header.outputs = {{"y", DLC_FLOAT, 32, {Dim::unknown()}, /*late=*/true}};
  header.buffers = {{DLC_BYTES_AT_SIZING, 256, 0, 0},
                    {DLC_BYTES_LATE, 256, 0, 0}};
  header.dispatches = {{"compact", {"NonZero_0"}}};
  return header;
}

test::DeviceTest::DeviceTest() { Simulator::get().configure("FAULT", ""); }

test::DeviceTest::~DeviceTest() {
  Simulator::get().configure("FAULT", "");
  expectNothingLives();
}

std::string test::DeviceTest::write(const Header &header) {
  std::string path = folder.file(header.modelName + ".dlc");
  const float w = 3;
  std::vector<char> weights(sizeof(w));
  std::memcpy(weights.data(), &w, sizeof(w));
  writeModel(path, header, "device", weights);
  return path;
}

static dlc_context_options optionsFor(bool profile, void *stream) {
  dlc_context_options options{};
  options.struct_size = sizeof(options);
  options.device.device_type = DLC_DEVICE_PTXSIM;
  options.profile = profile;
  options.stream = stream;
  return options;
}

dlc_context *test::DeviceTest::createContext(dlc_model *model, bool profile,
                                             void *stream,
                                             dlc_graph_mode graphs) {
  dlc_context_options options = optionsFor(profile, stream);
  options.graph_mode = graphs;
  dlc_context *context = nullptr;
  EXPECT_EQ(dlc_context_create(model, &options, &context), DLC_OK)
      << dlc_message();
  return context;
}

dlc_status test::DeviceTest::open(const std::string &path, dlc_model *&model,
                                  dlc_context *&context) {
  model = nullptr;
  context = nullptr;
  dlc_context_options options = optionsFor(false, nullptr);
  dlc_status status = dlc_model_load(path.c_str(), nullptr, &model);
  return status ? status : dlc_context_create(model, &options, &context);
}

static Tensor<float> countUp(int64_t n) {
  std::vector<float> values(n);
  for (int64_t i = 0; i < n; i++) {
    values[i] = float(i % 1000) / 4;
  }
  return Tensor<float>({n}, values, float32);
}

dlc_status test::DeviceTest::run(dlc_context *context, int64_t n) {
  Tensor<float> x = countUp(n);
  dlc_tensor input = x.get(), output{};
  return dlc_context_run(context, &input, 1, &output, 1);
}

void test::DeviceTest::expectRun(dlc_context *context, int64_t n) {
  Tensor<float> x = countUp(n);
  dlc_tensor input = x.get(), output{};
  ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK)
      << dlc_message();
  std::vector<float> expected;
  for (float value : x.values) {
    expected.push_back(2 * (value + 3));
  }
  EXPECT_EQ(valuesOf<float>(output), expected);
}

ptxsimLiveObjects test::DeviceTest::live() {
  ptxsimLiveObjects live{};
  Simulator::get().countLive(&live);
  return live;
}

void test::DeviceTest::expectNothingLives() {
  ptxsimLiveObjects now = live();
  EXPECT_EQ(now.allocations, 0u);
  EXPECT_EQ(now.host_allocations, 0u);
  EXPECT_EQ(now.modules, 0u);
  EXPECT_EQ(now.streams, 0u);
  EXPECT_EQ(now.events, 0u);
  EXPECT_EQ(now.graphs, 0u);
  EXPECT_EQ(now.graph_execs, 0u);
  EXPECT_EQ(now.primary_context_retains, 0u);
  EXPECT_EQ(now.abandoned, 0u);
}

test::CurrentContext::CurrentContext() {
  void *context;
  EXPECT_EQ(Simulator::get().retain(&context, 0), 0);
  EXPECT_EQ(Simulator::get().setCurrent(context), 0);
}

test::CurrentContext::~CurrentContext() {
  EXPECT_EQ(Simulator::get().setCurrent(nullptr), 0);
  EXPECT_EQ(Simulator::get().leave(0), 0);
}

test::DeviceFloats::DeviceFloats(const std::vector<float> &values,
                                 size_t offset)
    : offset(offset), dims({int64_t(values.size())}) {
  Simulator &s = Simulator::get();
  EXPECT_EQ(s.allocate(&address, offset + 4 * values.size() + 16), 0);
  EXPECT_EQ(s.copyToDevice(address + offset, values.data(), 4 * values.size()),
            0);
}

test::DeviceFloats::~DeviceFloats() {
  EXPECT_EQ(Simulator::get().release(address), 0);
}

dlc_tensor test::DeviceFloats::get() {
  dlc_tensor tensor{};
  tensor.data = reinterpret_cast<void *>(address);
  tensor.byte_offset = offset;
  tensor.device = {DLC_DEVICE_PTXSIM, 0};
  tensor.ndim = 1;
  tensor.dtype = float32;
  tensor.shape = dims.data();
  return tensor;
}

std::vector<float> test::DeviceFloats::read() const {
  std::vector<float> values(size_t(dims[0]), 0.0f);
  EXPECT_EQ(Simulator::get().copyToHost(values.data(), address + offset,
                                        4 * values.size()),
            0);
  return values;
}
