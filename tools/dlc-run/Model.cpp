// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads a model and reads what it says about its inputs and outputs.
#include "Model.h"

#include <filesystem>

using namespace dlc::run;

std::string ValueInfo::dimsText() const {
  std::string text = "[";
  for (const dlc_dim_info &dim : dims) {
    text += text.size() > 1 ? ", " : "";
    if (!dim.symbol) {
      text += dim.max < 0 ? "?" : std::to_string(dim.min);
      continue;
    }
    text += std::string(dim.symbol) + ": " + std::to_string(dim.min) + "..";
    text += dim.max < 0 ? "" : std::to_string(dim.max);
    text += dim.divisor > 1 ? " by " + std::to_string(dim.divisor) : "";
  }
  return text + "]";
}

Model::~Model() {
  dlc_context_free(context);
  dlc_model_free(model);
}

using GetValue = dlc_status(const dlc_model *, uint32_t, dlc_value_info *);
using GetDim = dlc_status(const dlc_model *, uint32_t, uint32_t,
                          dlc_dim_info *);

static Error readValues(const dlc_model *model, uint32_t count,
                        GetValue *getValue, GetDim *getDim,
                        std::vector<ValueInfo> &values) {
  for (uint32_t i = 0; i < count; i++) {
    dlc_value_info info{};
    info.struct_size = sizeof(info);
    if (Error error = fromStatus(getValue(model, i, &info))) {
      return error;
    }
    ValueInfo &value = values.emplace_back();
    value.name = info.name;
    value.type = info.dtype;
    for (uint32_t d = 0; d < static_cast<uint32_t>(info.ndim); d++) {
      dlc_dim_info &dim = value.dims.emplace_back();
      dim.struct_size = sizeof(dim);
      if (Error error = fromStatus(getDim(model, i, d, &dim))) {
        return error;
      }
    }
  }
  return {};
}

Error Model::load(const std::string &path) {
  dlc_load_options options{};
  options.struct_size = sizeof(options);
  options.verify_weights = 1;
  info.struct_size = sizeof(info);
  Error error = fromStatus(dlc_model_load(path.c_str(), &options, &model));
  std::error_code ignored;
  if (error && !std::filesystem::is_regular_file(path, ignored)) {
    error.code = DLC_USAGE; // a name that leads to no file
  }
  if (!error) {
    error = fromStatus(dlc_model_get_info(model, &info));
  }
  if (!error) {
    error = readValues(model, info.num_inputs, dlc_model_get_input,
                       dlc_model_get_input_dim, inputs);
  }
  if (!error) {
    error = readValues(model, info.num_outputs, dlc_model_get_output,
                       dlc_model_get_output_dim, outputs);
  }
  return error;
}

Error Model::createContext(dlc_device device, uint32_t threads, bool profile) {
  dlc_context_options options{};
  options.struct_size = sizeof(options);
  options.device = device;
  options.num_threads = threads;
  options.profile = profile;
  dlc_context_free(context);
  context = nullptr;
  return fromStatus(dlc_context_create(model, &options, &context));
}

Error Model::run(std::vector<HostTensor> &tensors,
                 std::vector<dlc_tensor> &results) {
  std::vector<dlc_tensor> views;
  for (HostTensor &tensor : tensors) {
    views.push_back(tensor.view());
  }
  results.assign(outputs.size(), {});
  return run(views, results);
}

Error Model::run(std::vector<dlc_tensor> &views,
                 std::vector<dlc_tensor> &results) {
  for (dlc_tensor &result : results) {
    result.data = nullptr; // the context allocates
  }
  return fromStatus(dlc_context_run(
      context, views.data(), static_cast<uint32_t>(views.size()),
      results.data(), static_cast<uint32_t>(results.size())));
}
