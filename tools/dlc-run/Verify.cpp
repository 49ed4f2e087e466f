// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compares a model's outputs with stored ones.
#include "Verify.h"

#include "DataSet.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

using namespace dlc::run;

namespace {

struct Comparison {
  int64_t elements = 0;
  int64_t wrong = 0;
  int64_t firstWrong = -1;
  // |y - ref|; infinite where they differ and one of them is not finite
  double maxError = 0;
  double firstValue = 0; // at firstWrong
  double firstExpected = 0;
  double maxReference = 0; // |ref|
  std::string problem;     // type or dims differ
};

} // namespace

static bool isClose(double y, double reference, const Options &options) {
  // Equal infinities have no difference, and NaN is right where NaN is asked.
  if (y == reference || (std::isnan(y) && std::isnan(reference))) {
    return true;
  }
  return std::abs(y - reference) <=
         options.atol + options.rtol * std::abs(reference);
}

static Comparison compare(const dlc_tensor &y, const HostTensor &reference,
                          const Options &options) {
  Comparison result;
  std::vector<int64_t> dims(y.shape, y.shape + y.ndim);
  if (y.dtype.code != reference.type.code ||
      y.dtype.bits != reference.type.bits || dims != reference.dims) {
    result.problem = "expected " + typeName(reference.type) + " " +
                     dimsText(reference.dims) + ", got " + typeName(y.dtype) +
                     " " + dimsText(dims);
    return result;
  }
  result.elements = *countElements(dims);
  if (!isNumeric(y.dtype)) {
    // Compared as bits.
    result.wrong = result.elements && std::memcmp(y.data, reference.data.data(),
                                                  reference.data.size()) != 0;
    return result;
  }
  for (int64_t i = 0; i < result.elements; i++) {
    double value = getElement(y.dtype, y.data, i);
    double expected = getElement(y.dtype, reference.data.data(), i);
    bool wrong = !isClose(value, expected, options);
    if (wrong && result.wrong++ == 0) {
      result.firstWrong = i;
      result.firstValue = value;
      result.firstExpected = expected;
    }
    if (wrong && !(std::isfinite(value) && std::isfinite(expected))) {
      result.maxError = std::numeric_limits<double>::infinity();
    } else if (std::isfinite(value) && std::isfinite(expected)) {
      result.maxError = std::max(result.maxError, std::abs(value - expected));
      result.maxReference = std::max(result.maxReference, std::abs(expected));
    }
  }
  return result;
}

static void print(const std::string &name, const Comparison &c) {
  if (!c.problem.empty()) {
    std::printf("  %s: WRONG: %s\n", name.c_str(), c.problem.c_str());
    return;
  }
  std::printf("  %s: %s, largest error %.3g of largest value %.3g",
              name.c_str(), c.wrong ? "WRONG" : "ok", c.maxError,
              c.maxReference);
  if (c.wrong) {
    std::printf(", %lld of %lld elements differ",
                static_cast<long long>(c.wrong),
                static_cast<long long>(c.elements));
  }
  if (c.firstWrong >= 0) {
    std::printf(", the first at %lld: expected %.6g, got %.6g",
                static_cast<long long>(c.firstWrong), c.firstExpected,
                c.firstValue);
  }
  std::printf("\n");
}

static void add(Json &json, const std::string &name, const Comparison &c) {
  json.open('{').key("name").text(name);
  json.key("passed").boolean(c.problem.empty() && c.wrong == 0);
  json.key("max_error").number(c.maxError);
  json.key("max_reference").number(c.maxReference);
  json.key("elements").integer(c.elements).key("wrong").integer(c.wrong);
  if (!c.problem.empty()) {
    json.key("problem").text(c.problem);
  }
  json.close('}');
}

Error dlc::run::verify(Model &model, const Options &options, Json &json) {
  std::vector<DataSet> sets;
  if (Error error = readDataSets(model, options.verify, sets)) {
    return error;
  }
  int wrong = 0, total = 0;
  json.key("verify").open('[');
  for (DataSet &set : sets) {
    std::vector<dlc_tensor> results;
    if (Error error = model.run(set.inputs, results)) {
      return error;
    }
    if (!options.json) {
      std::printf("%s\n", set.folder.c_str());
    }
    json.open('{').key("folder").text(set.folder).key("outputs").open('[');
    for (size_t i = 0; i < results.size(); i++) {
      Comparison c = compare(results[i], set.outputs[i], options);
      wrong += !c.problem.empty() || c.wrong > 0;
      total++;
      add(json, model.outputs[i].name, c);
      if (!options.json) {
        print(model.outputs[i].name, c);
      }
    }
    json.close(']').close('}');
  }
  json.close(']');
  if (wrong > 0) {
    return {DLC_MISMATCH, std::to_string(wrong) + " of " +
                              std::to_string(total) +
                              " outputs differ from their reference"};
  }
  return {};
}
