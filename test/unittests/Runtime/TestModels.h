// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The models of test/Runtime/models, written as containers by the compiler's
// own writer, and small helpers around the C API.
#ifndef DLC_TEST_UNITTESTS_RUNTIME_TESTMODELS_H
#define DLC_TEST_UNITTESTS_RUNTIME_TESTMODELS_H

#include "Target/Binary/ContainerWriter.h"
#include "dlc/dlc.h"

#include <cstdint>
#include <string>
#include <vector>

namespace dlc::test {

/// A folder that goes away with the object.
class TempFolder {
public:
  TempFolder();
  ~TempFolder();
  std::string file(const std::string &name) const { return path + "/" + name; }

private:
  std::string path;
};

binary::Header affineHeader();
binary::Header nonzeroHeader();
binary::Header busyHeader();
binary::Header subnormalHeader();

std::vector<char> readFile(const std::string &path);
void writeFile(const std::string &path, const std::vector<char> &bytes);

/// Code of a test model, by name.
std::vector<char> modelCode(const std::string &name);

/// Three floats {1, 2, 3}: the weights of affine.
std::vector<char> affineWeights();

/// Writes a model, with the writer's defaults; fails the test on an error.
void writeModel(const std::string &path, const binary::Header &header,
                const std::string &code, const std::vector<char> &weights = {});

/// A .npy file of float32, as numpy.save writes it; `shape` is Python's tuple.
std::vector<char>
npyBytes(const std::string &shape, const std::vector<float> &values,
         const std::string &fields = "'descr': '<f4', 'fortran_order': False");

struct Outcome {
  int code = -1;
  std::string text; // standard output and error
};

/// Runs a shell command.
Outcome runCommand(const std::string &command);

/// A loaded model with one context.
class Loaded {
public:
  explicit Loaded(const std::string &path, uint32_t threads = 1,
                  bool profile = false);
  ~Loaded();
  Loaded(const Loaded &) = delete;
  Loaded &operator=(const Loaded &) = delete;

  dlc_model *model = nullptr;
  dlc_context *context = nullptr;
};

/// A tensor over a vector, with its dims.
template <typename T> class Tensor {
public:
  Tensor(std::vector<int64_t> dims, std::vector<T> values, dlc_data_type type)
      : dims(std::move(dims)), values(std::move(values)), type(type) {}

  dlc_tensor get() {
    return {values.data(),
            {DLC_DEVICE_CPU, 0},
            int32_t(dims.size()),
            type,
            dims.data(),
            nullptr,
            0};
  }

  std::vector<int64_t> dims;
  std::vector<T> values;
  dlc_data_type type;
};

inline constexpr dlc_data_type float32 = {DLC_FLOAT, 32, 1};
inline constexpr dlc_data_type int64 = {DLC_INT, 64, 1};
inline constexpr dlc_data_type uint32 = {DLC_UINT, 32, 1};

/// Values of a dense output.
template <typename T> std::vector<T> valuesOf(const dlc_tensor &tensor) {
  int64_t count = 1;
  for (int i = 0; i < tensor.ndim; i++) {
    count *= tensor.shape[i];
  }
  const T *data = static_cast<const T *>(tensor.data);
  return std::vector<T>(data, data + count);
}

} // namespace dlc::test

#endif // DLC_TEST_UNITTESTS_RUNTIME_TESTMODELS_H
