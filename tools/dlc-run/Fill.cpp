// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Contents of inputs that come from no file.
#include "Fill.h"

#include <cstdlib>

using namespace dlc::run;

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014): the same numbers on every machine.
static uint64_t nextRandom(uint64_t &state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

void dlc::run::fillRandom(HostTensor &tensor, uint64_t seed) {
  bool whole = tensor.type.code == DLC_INT || tensor.type.code == DLC_UINT ||
               tensor.type.code == DLC_BOOL;
  int64_t count = *countElements(tensor.dims);
  for (int64_t i = 0; i < count; i++) {
    uint64_t bits = nextRandom(seed) >> 11;
    double uniform = static_cast<double>(bits) * 0x1p-53;
    setElement(tensor.type, tensor.data.data(), i,
               whole ? static_cast<double>(bits & 1) : uniform * 2 - 1);
  }
}

Error dlc::run::fillValues(HostTensor &tensor, const std::string &text) {
  std::vector<double> values;
  for (const char *at = text.c_str();; at++) {
    char *end;
    values.push_back(std::strtod(at, &end));
    if (end == at || (*end && *end != ',')) {
      return usage("input '" + tensor.name + "': expected numbers, got '" +
                   text + "'");
    }
    at = end;
    if (*at == 0) {
      break;
    }
  }
  int64_t count = *countElements(tensor.dims);
  auto given = static_cast<int64_t>(values.size());
  if (given != 1 && given != count) {
    return usage("input '" + tensor.name + "': expected 1 or " +
                 std::to_string(count) + " numbers, got " +
                 std::to_string(given));
  }
  for (int64_t i = 0; i < count; i++) {
    setElement(tensor.type, tensor.data.data(), i, values[given == 1 ? 0 : i]);
  }
  return {};
}

Error dlc::run::allocateInput(HostTensor &tensor) {
  auto count = countElements(tensor.dims);
  if (!count) {
    return usage("input '" + tensor.name + "': dims " + dimsText(tensor.dims) +
                 " are too large");
  }
  if (!isNumeric(tensor.type)) {
    return {DLC_UNSUPPORTED, "input '" + tensor.name +
                                 "': " + typeName(tensor.type) +
                                 " can be given by files only"};
  }
  tensor.data.resize(static_cast<size_t>(countBytes(tensor.type, *count)));
  return {};
}
