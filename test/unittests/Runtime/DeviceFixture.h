// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Models with code for GPUs, run on the simulator, and what the simulator knows
// about them: faults on request, live objects, memory of the device.
#ifndef DLC_TEST_UNITTESTS_RUNTIME_DEVICEFIXTURE_H
#define DLC_TEST_UNITTESTS_RUNTIME_DEVICEFIXTURE_H

#include "TestModels.h"

#include "ptxsim/ptxsim.h"

#include "gtest/gtest.h"

namespace dlc::test {

/// Functions of libptxsim.so, which the tests and the runtime share.
struct Simulator {
  static Simulator &get();

  int (*configure)(const char *key, const char *value);
  void (*countLive)(ptxsimLiveObjects *live);
  int (*allocate)(unsigned long long *address, size_t bytes);
  int (*release)(unsigned long long address);
  int (*copyToDevice)(unsigned long long to, const void *from, size_t bytes);
  int (*copyToHost)(void *to, unsigned long long from, size_t bytes);
  int (*retain)(void **context, int device);
  int (*leave)(int device);
  int (*setCurrent)(void *context);
  int (*getCurrent)(void **context);
  int (*createStream)(void **stream, unsigned flags);
  int (*destroyStream)(void *stream);
};

/// A model with the PTX of a file among the tests' models, for one
/// architecture, and nothing else.
binary::Header ptxHeader(const std::string &prefix, const std::string &file,
                         uint32_t arch);

/// y = 2 * (x + 3), one f32[n]. `prefix` picks the host code: "device" or
/// "crash".
binary::Header deviceHeader(const std::string &prefix = "device");
/// The positive elements of one f32[?].
binary::Header compactHeader();

class DeviceTest : public testing::Test {
protected:
  DeviceTest();
  ~DeviceTest() override;

  std::string write(const binary::Header &header);

  /// A context on the simulator; fails the test on an error.
  dlc_context *createContext(dlc_model *model, bool profile = false,
                             void *stream = nullptr,
                             dlc_graph_mode graphs = DLC_GRAPHS_DEFAULT);
  /// A model and a context; what both return is the first error.
  dlc_status open(const std::string &path, dlc_model *&model,
                  dlc_context *&context);

  /// Runs with host tensors, and checks y = 2 * (x + 3).
  void expectRun(dlc_context *context, int64_t n);
  dlc_status run(dlc_context *context, int64_t n);

  /// Objects that the runtime has on the device now.
  static ptxsimLiveObjects live();
  static void expectNothingLives();

  static constexpr dlc_device simulator = {DLC_DEVICE_PTXSIM, 0};
  TempFolder folder;
};

/// Floats in the device's memory; needs a current context.
class DeviceFloats {
public:
  explicit DeviceFloats(const std::vector<float> &values, size_t offset = 0);
  ~DeviceFloats();
  DeviceFloats(const DeviceFloats &) = delete;
  DeviceFloats &operator=(const DeviceFloats &) = delete;

  dlc_tensor get();
  std::vector<float> read() const;

private:
  unsigned long long address = 0;
  size_t offset; // in bytes
  std::vector<int64_t> dims;
};

/// Makes the simulator's primary context current in this thread, as a program
/// with tensors on the device has it.
class CurrentContext {
public:
  CurrentContext();
  ~CurrentContext();
};

} // namespace dlc::test

#endif // DLC_TEST_UNITTESTS_RUNTIME_DEVICEFIXTURE_H
