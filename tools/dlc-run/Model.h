// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A loaded model with a context, over the runtime's C API.
#ifndef DLC_TOOLS_RUN_MODEL_H
#define DLC_TOOLS_RUN_MODEL_H

#include "HostTensor.h"

namespace dlc::run {

struct ValueInfo {
  std::string name;
  dlc_data_type type{};
  std::vector<dlc_dim_info> dims;

  /// "[batch: 1..32, 3]"
  std::string dimsText() const;
};

class Model {
public:
  Model() = default;
  Model(const Model &) = delete;
  Model &operator=(const Model &) = delete;
  ~Model();

  /// Loads with digests of the weights checked.
  Error load(const std::string &path);
  Error createContext(dlc_device device, uint32_t threads, bool profile);

  /// Runs once; the outputs are the context's, on the CPU.
  Error run(std::vector<HostTensor> &inputs, std::vector<dlc_tensor> &outputs);
  /// The same with tensors made before, for measuring.
  Error run(std::vector<dlc_tensor> &inputs, std::vector<dlc_tensor> &outputs);

  dlc_model *model = nullptr;
  dlc_context *context = nullptr;
  dlc_model_info info{};
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
};

} // namespace dlc::run

#endif // DLC_TOOLS_RUN_MODEL_H
