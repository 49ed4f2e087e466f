// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tool dlc-run on a GPU, here the simulator.
#include "DeviceFixture.h"

#include <filesystem>

using namespace dlc;
using namespace dlc::test;

namespace {

class DlcRunDeviceTest : public DeviceTest {
protected:
  DlcRunDeviceTest() : model(write(deviceHeader())) {}

  Outcome run(const std::string &arguments) {
    return runCommand(std::string(DLC_TEST_RUN_TOOL) + " " + arguments);
  }
  void expectText(const std::string &arguments, int code,
                  const std::vector<std::string> &parts) {
    Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, code) << outcome.text;
    for (const std::string &part : parts) {
      EXPECT_NE(outcome.text.find(part), std::string::npos)
          << part << "\nin: " << outcome.text;
    }
  }

  std::string model;
};

TEST_F(DlcRunDeviceTest, RunsOnTheSimulator) {
  expectText(model + " --device=ptxsim --input x=3xf32=1,2,3", 0,
             {"y: float32 [3], min 8, max 12, mean 10\n  8, 10, 12\n"});
}

TEST_F(DlcRunDeviceTest, NoSilentFallback) {
  expectText(model + " --random", 2,
             {"error: the model has no code for the CPU, only 'cuda' for "
              "CUDA: compile it again with --target=cpu"});
  uint32_t count;
  if (dlc_device_count(DLC_DEVICE_CUDA, &count) != DLC_OK) {
    expectText(model + " --random --device=cuda:0", 2,
               {"error: ", "install NVIDIA's driver, or use the CPU or the "
                           "simulator ptxsim"});
  }
}

TEST_F(DlcRunDeviceTest, DriversThatCannotBeUsed) {
  const std::pair<std::string, std::string> drivers[] = {
      {"/none/libptxsim.so", "no simulator at DLC_PTXSIM: /none/libptxsim.so"},
      {DLC_TEST_MODELS "/libtest-driver-old.so",
       "the CUDA driver supports CUDA 11.4, expected 12.0 or later: install "
       "driver 525 or later"},
      {DLC_TEST_MODELS "/libtest-driver-bare.so",
       "the CUDA driver has no cuGetErrorName"}};
  for (const auto &[path, message] : drivers) {
    Outcome outcome =
        runCommand("DLC_PTXSIM=" + path + " " + DLC_TEST_RUN_TOOL + " " +
                   model + " --random --device=ptxsim");
    EXPECT_EQ(outcome.code, 2) << outcome.text;
    EXPECT_NE(outcome.text.find("error: " + message), std::string::npos)
        << outcome.text;
  }
}

/// The simulator under the driver's name: the same code, but for what is made
/// for the simulator alone.
TEST_F(DlcRunDeviceTest, SimulatorInPlaceOfTheDriver) {
  std::filesystem::create_symlink(DLC_TEST_PTXSIM, folder.file("libcuda.so.1"));
  std::string command = "LD_LIBRARY_PATH=" + folder.file("") + " " +
                        DLC_TEST_RUN_TOOL + " " + model + " --device=cuda:0 ";
  Outcome outcome = runCommand(command + "--input x=3xf32=1,2,3");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.text.find("  8, 10, 12\n"), std::string::npos)
      << outcome.text;
  outcome =
      runCommand(command + "--random --benchmark --warmup=0 --iterations=5");
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  outcome = runCommand("PTXSIM_FAULT=launch:1 " + command + " --random");
  EXPECT_EQ(outcome.code, 5) << outcome.text;
  EXPECT_NE(outcome.text.find("CUDA_LAUNCH_BLOCKING=1"), std::string::npos)
      << outcome.text;
}

TEST_F(DlcRunDeviceTest, Verify) {
  std::filesystem::create_directory(folder.file("set"));
  writeFile(folder.file("set/in_0.npy"), npyBytes("(2,)", {1, 2}));
  writeFile(folder.file("set/out_0.npy"), npyBytes("(2,)", {8, 10}));
  std::string flags = " --device=ptxsim --verify=" + folder.file("set");
  expectText(model + flags, 0, {"y: ok, largest error 0 of"});
  writeFile(folder.file("set/out_0.npy"), npyBytes("(2,)", {8, 11}));
  expectText(model + flags, 4, {"y: WRONG, largest error 1 of"});
}

TEST_F(DlcRunDeviceTest, Benchmark) {
  expectText(model + " --device=ptxsim --random --benchmark --warmup=0 "
                     "--iterations=3",
             0, {"3 runs on ptxsim:0, with copies of inputs and outputs\n"});
}

TEST_F(DlcRunDeviceTest, Profile) {
  std::string trace = folder.file("trace.json");
  expectText(model + " --device=ptxsim --random --profile=" + trace, 0,
             {"add  (Add_0)", "twice  (Mul_1 Id_2)"});
  std::vector<char> bytes = readFile(trace);
  std::string text(bytes.begin(), bytes.end());
  EXPECT_NE(text.find("\"name\":\"twice\""), std::string::npos) << text;
}

TEST_F(DlcRunDeviceTest, InfoListsTheImages) {
  expectText(model + " --info", 0,
             {"code      cuda, for CUDA: PTX sm_80, in use\n"});
}

TEST_F(DlcRunDeviceTest, Devices) {
  expectText("--devices", 0,
             {"cpu       ", "x86-64", "\nptxsim:0  ptxsim sm_90a, sm_90, "});
  expectText("--devices --json", 0, {"\"device\":\"ptxsim:0\""});
}

} // namespace
