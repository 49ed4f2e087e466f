// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Inputs from files, values and random numbers.
#include "Inputs.h"

#include "Fill.h"
#include "Npy.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

using namespace dlc::run;

/// "2x3xf32", or "f32" for a scalar.
static bool parseShape(const std::string &text, HostTensor &tensor) {
  size_t at = 0;
  for (size_t x; (x = text.find('x', at)) != std::string::npos; at = x + 1) {
    char *end;
    tensor.dims.push_back(std::strtoll(text.c_str() + at, &end, 10));
    if (end != text.c_str() + x || x == at) {
      return false;
    }
  }
  auto type = typeFromShortName(text.substr(at));
  tensor.type = type.value_or(dlc_data_type{});
  return type.has_value();
}

/// Fills `tensor` as the text after "NAME=" says.
static Error parseInput(const std::string &text, const ValueInfo &info,
                        uint64_t seed, HostTensor &tensor) {
  tensor.name = info.name;
  if (text.starts_with("@")) {
    return readNpy(text.substr(1), info.type, tensor);
  }
  size_t equals = text.find('=');
  if (!parseShape(text.substr(0, equals), tensor)) {
    return usage("input '" + info.name +
                 "': expected @FILE.npy or a shape such as 2x3xf32=0.5, got '" +
                 text + "'");
  }
  if (Error error = allocateInput(tensor)) {
    return error;
  }
  if (equals != std::string::npos) {
    return fillValues(tensor, text.substr(equals + 1));
  }
  fillRandom(tensor, seed);
  return {};
}

static Error parseGiven(const Model &model, const Options &options,
                        std::vector<std::optional<HostTensor>> &given) {
  for (const std::string &text : options.inputs) {
    // The longest name that fits: names may contain '='.
    size_t best = model.inputs.size(), length = 0;
    for (size_t i = 0; i < model.inputs.size(); i++) {
      const std::string &name = model.inputs[i].name;
      if (text.starts_with(name + "=") && name.size() >= length) {
        best = i;
        length = name.size();
      }
    }
    uint32_t index;
    if (best == model.inputs.size()) {
      std::string name = text.substr(0, text.find('='));
      return fromStatus(
          dlc_model_find_input(model.model, name.c_str(), &index));
    }
    if (Error error = parseInput(text.substr(length + 1), model.inputs[best],
                                 options.seed + best, given[best].emplace())) {
      return error;
    }
  }
  return {};
}

Error dlc::run::makeInputs(const Model &model, const Options &options,
                           std::vector<HostTensor> &inputs) {
  std::vector<std::optional<HostTensor>> given(model.inputs.size());
  if (Error error = parseGiven(model, options, given)) {
    return error;
  }
  std::map<std::string, int64_t> symbols;
  for (size_t i = 0; i < given.size(); i++) {
    const auto &dims = model.inputs[i].dims;
    for (size_t d = 0; given[i] && d < dims.size(); d++) {
      if (dims[d].symbol && d < given[i]->dims.size()) {
        symbols[dims[d].symbol] = given[i]->dims[d];
      }
    }
  }
  for (size_t i = 0; i < given.size(); i++) {
    const ValueInfo &info = model.inputs[i];
    if (!given[i]) {
      if (!options.random) {
        return usage("input '" + info.name +
                     "' is not given: use --input or --random");
      }
      HostTensor &tensor = given[i].emplace();
      tensor.name = info.name;
      tensor.type = info.type;
      for (const dlc_dim_info &dim : info.dims) {
        int64_t step = std::max<int64_t>(dim.divisor, 1);
        int64_t least =
            dim.min == dim.max && !dim.symbol
                ? dim.min
                : (std::max<int64_t>(dim.min, 1) + step - 1) / step * step;
        auto known = symbols.find(dim.symbol ? dim.symbol : "");
        tensor.dims.push_back(known == symbols.end() ? least : known->second);
      }
      if (Error error = allocateInput(tensor)) {
        return error;
      }
      fillRandom(tensor, options.seed + i);
    }
    inputs.push_back(std::move(*given[i]));
  }
  return {};
}
