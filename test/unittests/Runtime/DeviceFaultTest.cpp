// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What goes wrong on a GPU: no memory, failing kernels, a lost device, code and
// tensors that do not fit. Nothing leaks (the fixture looks), and contexts stay
// usable or say that they are not.
#include "DeviceFixture.h"

using namespace dlc;
using namespace dlc::binary;
using namespace dlc::test;

namespace {

class DeviceFaultTest : public DeviceTest {
protected:
  void fault(const std::string &plan) {
    EXPECT_EQ(Simulator::get().configure("FAULT", plan.c_str()), 0) << plan;
  }
  static void expectMessage(const std::string &part) {
    EXPECT_NE(std::string(dlc_message()).find(part), std::string::npos)
        << dlc_message();
  }
  /// Loads, creates and runs twice; stops at the first error.
  dlc_status tryAll(const std::string &path) {
    dlc_status status = open(path, model, context);
    if (!status) {
      status = run(context, 700);
    }
    return status ? status : run(context, 1500);
  }
  void freeAll() {
    dlc_context_free(context);
    dlc_model_free(model);
    context = nullptr;
    model = nullptr;
  }
  /// Frees everything, and starts anew without faults.
  void expectFreshStart(const std::string &path) {
    freeAll();
    expectNothingLives();
    fault("");
    ASSERT_EQ(tryAll(path), DLC_OK) << dlc_message();
    freeAll();
  }

  dlc_model *model = nullptr;
  dlc_context *context = nullptr;
};

TEST_F(DeviceFaultTest, NoMemoryAtAnyAllocation) {
  for (const Header &header : {deviceHeader(), compactHeader()}) {
    std::string path = write(header);
    int failures = 0;
    for (int n = 1;; n++) {
      fault("alloc:" + std::to_string(n));
      dlc_status status = tryAll(path);
      if (status == DLC_OK) {
        freeAll();
        break;
      }
      ASSERT_EQ(status, DLC_RESOURCE) << n << ": " << dlc_message();
      expectMessage("CUDA_ERROR_OUT_OF_MEMORY");
      failures++;
      fault("");
      if (context) {
        // Usable again as soon as there is memory.
        ASSERT_EQ(run(context, 1500), DLC_OK) << n << ": " << dlc_message();
      }
      freeAll();
      expectNothingLives();
    }
    // Weights and their two buffers, arena, copies of both sides twice, ...
    EXPECT_GE(failures, 10);
  }
}

TEST_F(DeviceFaultTest, NoMemoryForASecondContext) {
  std::string path = write(deviceHeader());
  ASSERT_EQ(open(path, model, context), DLC_OK);
  dlc_context *second = createContext(model);
  fault("alloc:1");
  EXPECT_EQ(run(second, 10), DLC_RESOURCE);
  expectMessage("ptxsim:0: cannot allocate 256 bytes for the arena, ");
  expectRun(context, 10);
  expectRun(second, 10);
  dlc_context_free(second);
  freeAll();
}

TEST_F(DeviceFaultTest, FailedLaunchNamesKernelAndNodes) {
  std::string path = write(deviceHeader());
  const char *names[] = {
      "ptxsim:0: kernel 'add' (nodes 'Add_0') failed, grid 6x1x1, block "
      "128x1x1, 0 bytes of shared memory: ",
      "ptxsim:0: kernel 'twice' (nodes 'Mul_1', 'Id_2') failed, grid 6x1x1, "
      "block 128x1x1, 512 bytes of shared memory: "};
  for (int n : {1, 2}) {
    fault("launch:" + std::to_string(n));
    EXPECT_EQ(tryAll(path), DLC_INTERNAL);
    expectMessage(names[n - 1]);
    expectMessage("(CUDA_ERROR_LAUNCH_FAILED); ptxsim:0 is lost");
    fault("");
    // An error of a kernel ends the process's use of the device.
    EXPECT_EQ(run(context, 10), DLC_RESOURCE);
    expectMessage("ptxsim:0 'ptxsim sm_90a' is lost since an earlier error");
    expectFreshStart(path);
  }
}

TEST_F(DeviceFaultTest, IllegalAccess) {
  std::string path = write(deviceHeader("crash"));
  ASSERT_EQ(open(path, model, context), DLC_OK);
  expectRun(context, 12);
  EXPECT_EQ(run(context, 13), DLC_INTERNAL);
  expectMessage("kernel 'crash' (nodes 'Mul_1', 'Id_2') failed");
  expectMessage("CUDA_ERROR_ILLEGAL_ADDRESS");
  expectFreshStart(path);
}

TEST_F(DeviceFaultTest, LostDeviceIsLostForAllItsContexts) {
  std::string path = write(deviceHeader());
  ASSERT_EQ(open(path, model, context), DLC_OK);
  dlc_context *second = createContext(model);
  fault("launch:1");
  EXPECT_EQ(run(second, 10), DLC_INTERNAL);
  fault("");
  EXPECT_EQ(run(context, 10), DLC_RESOURCE);
  expectMessage("is lost since an earlier error");
  EXPECT_EQ(dlc_context_synchronize(context), DLC_RESOURCE);
  dlc_context_free(second);
  // Not before the last one is gone.
  dlc_model *other;
  EXPECT_EQ(open(path, other, second), DLC_RESOURCE);
  expectMessage("is lost since an earlier error");
  dlc_model_free(other);
  dlc_context_free(context);
  context = createContext(model);
  expectRun(context, 10);
  freeAll();
}

TEST_F(DeviceFaultTest, RefusedModule) {
  std::string path = write(deviceHeader());
  fault("jit:1");
  EXPECT_EQ(tryAll(path), DLC_INTERNAL);
  expectMessage("ptxsim:0: the driver refused the model's PTX for sm_80: ");
  expectMessage("CUDA_ERROR_INVALID_PTX");
  // The next try may do better.
  context = createContext(model);
  expectRun(context, 10);
  freeAll();
}

TEST_F(DeviceFaultTest, DeviceLostAtAnyTime) {
  std::string path = write(deviceHeader());
  int failures = 0;
  for (int n = 1;; n++) {
    fault("lost:" + std::to_string(n));
    dlc_status status = tryAll(path);
    if (status == DLC_OK) {
      freeAll();
      break;
    }
    ASSERT_EQ(status, DLC_RESOURCE) << n << ": " << dlc_message();
    expectMessage("CUDA_ERROR_DEVICE_UNAVAILABLE");
    expectMessage("is lost");
    if (context) {
      EXPECT_EQ(run(context, 10), DLC_RESOURCE);
    }
    failures++;
    expectFreshStart(path);
  }
  EXPECT_GE(failures, 10);
}

TEST_F(DeviceFaultTest, DeviceLostDuringAProfile) {
  std::string path = write(deviceHeader());
  ASSERT_EQ(dlc_model_load(path.c_str(), nullptr, &model), DLC_OK);
  context = createContext(model, /*profile=*/true);
  expectRun(context, 10);
  fault("lost:3");
  EXPECT_EQ(run(context, 10), DLC_RESOURCE) << dlc_message();
  expectFreshStart(path);
}

// ---- Code that does not fit
// --------------------------------------------------

TEST_F(DeviceFaultTest, NoImageForTheDevice) {
  Header header = deviceHeader();
  header.variants[0].images[0].arch = 120;
  header.variants[0].images.push_back({DLC_IMAGE_CUBIN, 90, 'a', "cubin"});
  EXPECT_EQ(open(write(header), model, context), DLC_UNSUPPORTED);
  EXPECT_STREQ(dlc_message(),
               "no code for ptxsim:0 'ptxsim sm_90a' (sm_90): the model has "
               "PTX for sm_120, machine code for sm_90a; compile it again with "
               "--gpu-arch=sm_90");
  freeAll();
}

TEST_F(DeviceFaultTest, NoCodeForGpus) {
  std::string path = folder.file("affine.dlc");
  writeModel(path, affineHeader(), "affine", affineWeights());
  EXPECT_EQ(open(path, model, context), DLC_UNSUPPORTED);
  EXPECT_STREQ(dlc_message(),
               "the model has no code for CUDA, only 'generic' for the CPU: "
               "compile it again with --target=cuda");
  freeAll();
}

TEST_F(DeviceFaultTest, NoCodeForTheCpu) {
  ASSERT_EQ(dlc_model_load(write(deviceHeader()).c_str(), nullptr, &model),
            DLC_OK)
      << dlc_message();
  EXPECT_EQ(dlc_context_create(model, nullptr, &context), DLC_UNSUPPORTED);
  EXPECT_STREQ(dlc_message(),
               "the model has no code for the CPU, only 'cuda' for CUDA: "
               "compile it again with --target=cpu");
  freeAll();
}

/// The best image wins, whatever the order: here the one whose text is good.
TEST_F(DeviceFaultTest, ExactArchitectureIsPreferred) {
  Header header = deviceHeader();
  auto &images = header.variants[0].images;
  DeviceImage good = images[0];
  good.arch = 90;
  good.archSuffix = 'a';
  images = {{DLC_IMAGE_PTX, 80, 0, "bad"},
            good,
            {DLC_IMAGE_PTX, 90, 0, "bad"},
            {DLC_IMAGE_PTX, 100, 'a', "bad"}};
  ASSERT_EQ(open(write(header), model, context), DLC_OK) << dlc_message();
  expectRun(context, 10);
  freeAll();
}

TEST_F(DeviceFaultTest, HighestArchitectureBelowTheDeviceIsPreferred) {
  Header header = deviceHeader();
  auto &images = header.variants[0].images;
  DeviceImage good = images[0];
  good.arch = 89;
  images = {{DLC_IMAGE_PTX, 80, 0, "bad"},
            good,
            {DLC_IMAGE_PTX, 86, 0, "bad"},
            {DLC_IMAGE_PTX, 89, 'a', "bad"},
            {DLC_IMAGE_PTX, 100, 0, "bad"}};
  ASSERT_EQ(open(write(header), model, context), DLC_OK) << dlc_message();
  expectRun(context, 10);
  freeAll();
}

TEST_F(DeviceFaultTest, WrongPtxShowsTheDriversLog) {
  Header header = deviceHeader();
  header.variants[0].images[0].bytes = ".version 8.0\n.target sm_80\nnonsense";
  EXPECT_EQ(open(write(header), model, context), DLC_INTERNAL);
  expectMessage("the driver refused the model's PTX for sm_80: line 3: ");
  freeAll();
}

TEST_F(DeviceFaultTest, MissingKernel) {
  Header header = deviceHeader();
  header.variants[0].kernels[1].name = "thrice";
  EXPECT_EQ(open(write(header), model, context), DLC_INTERNAL);
  expectMessage("ptxsim:0: cannot use kernel 'thrice': ");
  freeAll();
}

TEST_F(DeviceFaultTest, TooMuchSharedMemory) {
  Header header = deviceHeader();
  header.variants[0].kernels[1].dynamicSharedBytes = 300000;
  EXPECT_EQ(open(write(header), model, context), DLC_UNSUPPORTED);
  EXPECT_STREQ(dlc_message(),
               "kernel 'twice' needs 300000 bytes of shared memory, ptxsim:0 "
               "'ptxsim sm_90a' has 232448");
  freeAll();
}

TEST_F(DeviceFaultTest, LaunchOfAnUnknownKernel) {
  Header header = deviceHeader();
  header.variants[0].kernels.resize(1);
  ASSERT_EQ(open(write(header), model, context), DLC_OK);
  EXPECT_EQ(run(context, 10), DLC_INTERNAL);
  expectMessage("the model launched kernel 1 of 1 with 4 parameters");
  freeAll();
}

TEST_F(DeviceFaultTest, GpuCodeMarkedAsCpuCode) {
  Header header = deviceHeader();
  header.variants[0].deviceType = DLC_DEVICE_CPU;
  ASSERT_EQ(dlc_model_load(write(header).c_str(), nullptr, &model), DLC_OK);
  ASSERT_EQ(dlc_context_create(model, nullptr, &context), DLC_OK);
  EXPECT_EQ(run(context, 10), DLC_INTERNAL);
  expectMessage("the model's code for the CPU asked for a GPU");
  freeAll();
}

TEST_F(DeviceFaultTest, NoSuchDevice) {
  ASSERT_EQ(dlc_model_load(write(deviceHeader()).c_str(), nullptr, &model),
            DLC_OK);
  dlc_context_options options{};
  options.struct_size = sizeof(options);
  options.device = {DLC_DEVICE_PTXSIM, 3};
  EXPECT_EQ(dlc_context_create(model, &options, &context), DLC_USAGE);
  EXPECT_STREQ(dlc_message(), "no device ptxsim:3: there is 1 of this type");
  options.device = {99, 0};
  EXPECT_EQ(dlc_context_create(model, &options, &context), DLC_UNSUPPORTED);
  freeAll();
}

// ---- Tensors on the wrong device -------------------------------------------

class DeviceTensorFaultTest : public DeviceFaultTest {
protected:
  DeviceTensorFaultTest() {
    EXPECT_EQ(open(write(deviceHeader()), model, context), DLC_OK);
  }
  ~DeviceTensorFaultTest() override { freeAll(); }

  void expectError(dlc_tensor input, dlc_tensor output,
                   const std::string &message, dlc_status status = DLC_USAGE) {
    EXPECT_EQ(dlc_context_run(context, &input, 1, &output, 1), status);
    EXPECT_EQ(std::string(dlc_message()), message);
    expectRun(context, 10);
  }

  CurrentContext current;
  Tensor<float> x{{3}, {1, 2, 3}, float32};
};

TEST_F(DeviceTensorFaultTest, OtherDevice) {
  dlc_tensor input = x.get();
  input.device = {DLC_DEVICE_CUDA, 1};
  expectError(input, {},
              "input 'x': expected data on the CPU or ptxsim:0, got cuda:1");
  dlc_tensor output = x.get();
  output.device = {DLC_DEVICE_PTXSIM, 2};
  Tensor<float> good({3}, {1, 2, 3}, float32);
  expectError(
      good.get(), output,
      "output 'y': expected memory of the CPU or ptxsim:0, got ptxsim:2");
}

TEST_F(DeviceTensorFaultTest, HostMemorySaidToBeOnTheDevice) {
  dlc_tensor input = x.get();
  input.device = simulator;
  expectError(input, {},
              "input 'x': its memory is said to be on ptxsim:0, but is not "
              "memory of a device");
  dlc_tensor output = x.get();
  output.device = simulator;
  Tensor<float> good({3}, {1, 2, 3}, float32);
  expectError(good.get(), output,
              "output 'y': its memory is said to be on ptxsim:0, but is not "
              "memory of a device");
}

TEST_F(DeviceTensorFaultTest, OutputOverInput) {
  DeviceFloats memory({1, 2, 3});
  expectError(memory.get(), memory.get(),
              "output 'y': its memory overlaps input 'x'");
}

TEST_F(DeviceTensorFaultTest, MemoryThatEndsTooSoon) {
  unsigned long long address = 0;
  ASSERT_EQ(Simulator::get().allocate(&address, 4096), 0);
  auto *begin = reinterpret_cast<void *>(address);
  DeviceFloats memory({1, 2, 3});
  int64_t dims[] = {1025};
  dlc_tensor tensor = memory.get();
  tensor.data = begin;
  tensor.shape = dims;
  expectError(tensor, {},
              "input 'x': expected 4100 bytes on ptxsim:0, but its memory ends "
              "after 4096");
  EXPECT_EQ(dlc_context_set_arena(context, begin, int64_t(1) << 50), DLC_USAGE);
  expectMessage("the arena: expected 1125899906842624 bytes on ptxsim:0, but "
                "its memory ends after 4096");
  Simulator::get().release(address);
}

TEST_F(DeviceTensorFaultTest, TensorsInTheArena) {
  unsigned long long arena = 0;
  ASSERT_EQ(Simulator::get().allocate(&arena, 1 << 16), 0);
  auto *begin = reinterpret_cast<void *>(arena);
  ASSERT_EQ(dlc_context_set_arena(context, begin, 1 << 16), DLC_OK);
  DeviceFloats memory({1, 2, 3});
  dlc_tensor inArena = memory.get();
  inArena.data = begin;
  expectError(inArena, {},
              "input 'x': its memory overlaps the arena that "
              "dlc_context_set_arena was given");
  expectError(memory.get(), inArena,
              "output 'y': its memory overlaps the arena that "
              "dlc_context_set_arena was given");
  EXPECT_EQ(dlc_context_set_arena(context, nullptr, 0), DLC_OK);
  Simulator::get().release(arena);
}

TEST_F(DeviceTensorFaultTest, OwnOutputAsInput) {
  dlc_tensor input = x.get(), output{};
  output.device = simulator;
  ASSERT_EQ(dlc_context_run(context, &input, 1, &output, 1), DLC_OK);
  dlc_tensor next{};
  EXPECT_EQ(dlc_context_run(context, &output, 1, &next, 1), DLC_USAGE);
  expectMessage("input 'x': it is output 'y' of this context");
}

TEST_F(DeviceTensorFaultTest, DeviceTensorInACpuContext) {
  std::string path = folder.file("affine.dlc");
  writeModel(path, affineHeader(), "affine", affineWeights());
  Loaded cpu(path);
  DeviceFloats memory({1, 2, 3});
  dlc_tensor input = memory.get(), output{};
  EXPECT_EQ(dlc_context_run(cpu.context, &input, 1, &output, 1), DLC_USAGE);
  EXPECT_STREQ(dlc_message(),
               "input 'x': expected data on the CPU, got ptxsim:0");
}

} // namespace
