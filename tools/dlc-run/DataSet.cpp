// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds and reads data sets.
#include "DataSet.h"

#include "Npy.h"
#include "TensorProto.h"

#include <algorithm>
#include <filesystem>

namespace fs = std::filesystem;
using namespace dlc::run;

/// Reads `<folder>/<npyStem>K.npy` or `<folder>/<protoStem>K.pb`.
static Error readTensors(const std::string &folder, const std::string &npyStem,
                         const std::string &protoStem,
                         const std::vector<ValueInfo> &values,
                         std::vector<HostTensor> &tensors) {
  std::vector<bool> found(values.size());
  tensors.resize(values.size());
  for (size_t i = 0; i < values.size(); i++) {
    std::string number = std::to_string(i);
    std::string npy = folder + "/" + npyStem + number + ".npy";
    std::string proto = folder + "/" + protoStem + number + ".pb";
    std::error_code ignored;
    bool isNpy = fs::exists(npy, ignored);
    if (!isNpy && !fs::exists(proto, ignored)) {
      return usage("expected '" + npy + "' or '" + proto +
                   "', found neither of them");
    }
    HostTensor tensor;
    if (Error error = isNpy ? readNpy(npy, values[i].type, tensor)
                            : readTensorProto(proto, tensor)) {
      return error;
    }
    auto named = std::find_if(values.begin(), values.end(), [&](auto &value) {
      return !tensor.name.empty() && value.name == tensor.name;
    });
    size_t at =
        named == values.end() ? i : static_cast<size_t>(named - values.begin());
    if (found[at]) {
      return usage("'" + folder + "' has two tensors for '" + values[at].name +
                   "'");
    }
    found[at] = true;
    tensor.name = values[at].name;
    tensors[at] = std::move(tensor);
  }
  return {};
}

Error dlc::run::readDataSets(const Model &model, const std::string &folder,
                             std::vector<DataSet> &sets) {
  std::error_code error;
  std::vector<std::string> folders;
  for (const auto &entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with("test_data_set_")) {
      folders.push_back(entry.path());
    }
  }
  if (error) {
    return usage("cannot read the folder '" + folder + "': " + error.message());
  }
  std::sort(folders.begin(), folders.end());
  if (folders.empty()) {
    folders.push_back(folder);
  }
  for (const std::string &path : folders) {
    DataSet &set = sets.emplace_back();
    set.folder = path;
    if (Error bad =
            readTensors(path, "in_", "input_", model.inputs, set.inputs)) {
      return bad;
    }
    if (Error bad =
            readTensors(path, "out_", "output_", model.outputs, set.outputs)) {
      return bad;
    }
  }
  return {};
}
