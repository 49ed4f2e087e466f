// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sums up the outputs of a run.
#include "Info.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace dlc::run;

namespace {

struct Summary {
  int64_t elements = 0;
  int64_t notFinite = 0;
  double min = 0, max = 0, mean = 0; // of the finite elements
};

} // namespace

static Summary summarise(const dlc_tensor &tensor) {
  Summary s;
  s.elements = 1;
  for (int32_t d = 0; d < tensor.ndim; d++) {
    s.elements *= tensor.shape[d];
  }
  double sum = 0;
  int64_t finite = 0;
  for (int64_t i = 0; isNumeric(tensor.dtype) && i < s.elements; i++) {
    double value = getElement(tensor.dtype, tensor.data, i);
    if (!std::isfinite(value)) {
      s.notFinite++;
      continue;
    }
    s.min = finite ? std::min(s.min, value) : value;
    s.max = finite ? std::max(s.max, value) : value;
    sum += value;
    finite++;
  }
  s.mean = finite ? sum / static_cast<double>(finite) : 0;
  return s;
}

void dlc::run::printOutputs(const Model &model,
                            const std::vector<dlc_tensor> &outputs) {
  for (size_t i = 0; i < outputs.size(); i++) {
    const dlc_tensor &t = outputs[i];
    Summary s = summarise(t);
    std::printf("%s: %s %s", model.outputs[i].name.c_str(),
                typeName(t.dtype).c_str(),
                dimsText({t.shape, t.shape + t.ndim}).c_str());
    if (s.elements > 0 && isNumeric(t.dtype)) {
      std::printf(", min %.6g, max %.6g, mean %.6g", s.min, s.max, s.mean);
    }
    if (s.notFinite > 0) {
      std::printf(", %lld not finite", static_cast<long long>(s.notFinite));
    }
    std::printf("\n");
    for (int64_t k = 0;
         isNumeric(t.dtype) && k < std::min<int64_t>(s.elements, 8); k++) {
      std::printf("%s%.6g", k ? ", " : "  ", getElement(t.dtype, t.data, k));
    }
    std::printf(s.elements > 8 ? ", ...\n" : "\n");
  }
}

void dlc::run::addOutputs(const Model &model,
                          const std::vector<dlc_tensor> &outputs, Json &json) {
  json.key("results").open('[');
  for (size_t i = 0; i < outputs.size(); i++) {
    const dlc_tensor &t = outputs[i];
    Summary s = summarise(t);
    json.open('{').key("name").text(model.outputs[i].name);
    json.key("type").text(typeName(t.dtype)).key("shape").open('[');
    for (int32_t d = 0; d < t.ndim; d++) {
      json.integer(t.shape[d]);
    }
    json.close(']').key("min").number(s.min).key("max").number(s.max);
    json.key("mean").number(s.mean);
    json.key("not_finite").integer(s.notFinite).close('}');
  }
  json.close(']');
}
