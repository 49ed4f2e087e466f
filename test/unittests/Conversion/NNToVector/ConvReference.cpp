// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Naive convolution: every output, every tap, every channel, straight from the
// definition.
#include "ConvReference.h"

#include "Conversion/NNToVector/Emit.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace dlc::kernel;
using namespace dlc::kernel::testing;

static int64_t product(const std::vector<int64_t> &values) {
  int64_t result = 1;
  for (int64_t value : values)
    result *= value;
  return result;
}

std::vector<int64_t> ConvProblem::output() const {
  std::vector<int64_t> sizes;
  for (unsigned d = 0; d < rank(); ++d) {
    int64_t span = (kernel[d] - 1) * dilations[d] + 1;
    int64_t pads = padLow[d] + padHigh[d];
    sizes.push_back(transposed ? (input[d] - 1) * strides[d] + span - pads
                               : (input[d] + pads - span) / strides[d] + 1);
  }
  return sizes;
}

int64_t ConvProblem::inputElements() const {
  return batch * product(input) * groups * inputChannels;
}

int64_t ConvProblem::outputElements() const {
  return batch * product(output()) * groups * outputChannels;
}

int64_t ConvProblem::filterElements() const {
  return groups * inputChannels * outputChannels * product(kernel);
}

std::string ConvProblem::describe() const {
  auto list = [](const std::vector<int64_t> &values) {
    return llvm::join(
        llvm::map_range(values, [](int64_t v) { return std::to_string(v); }),
        "x");
  };
  return llvm::formatv(
      "batch {0} groups {1} channels {2}->{3} input {4} kernel {5} strides {6} "
      "dilations {7} pads {8}/{9} transposed {10} dynamic {11}{12} epilogue "
      "{13}{14}",
      batch, groups, inputChannels, outputChannels, list(input), list(kernel),
      list(strides), list(dilations), list(padLow), list(padHigh), transposed,
      dynamicBatch, dynamicSpatial, epilogue, rolled);
}

ConvProblem dlc::kernel::testing::randomProblem(std::mt19937 &random,
                                                bool depthwise) {
  auto upTo = [&](int64_t bound) { return 1 + int64_t(random() % bound); };
  while (true) {
    ConvProblem problem;
    problem.batch = upTo(2);
    problem.groups = depthwise ? upTo(40) : (random() % 3 ? 1 : upTo(3));
    problem.inputChannels = depthwise ? (random() % 3 ? 1 : upTo(9)) : upTo(20);
    problem.outputChannels =
        depthwise ? (random() % 2 ? 1 : upTo(9)) : upTo(70);
    int64_t rank = upTo(3);
    problem.transposed = !depthwise && random() % 3 == 0;
    for (int64_t d = 0; d < rank; ++d) {
      bool row = d + 1 == rank;
      problem.input.push_back(upTo(row ? 30 : 7));
      problem.kernel.push_back(upTo(random() % 3 ? 3 : 7));
      problem.strides.push_back(random() % 2 ? 1 : upTo(3));
      problem.dilations.push_back(random() % 3 ? 1 : upTo(3));
      problem.padLow.push_back(random() % 3);
      problem.padHigh.push_back(random() % 4);
    }
    problem.dynamicBatch = random() % 2;
    problem.dynamicSpatial = random() % 3 == 0;
    problem.epilogue = random() % 2;
    problem.rolled = problem.epilogue && random() % 2;
    bool valid = true;
    for (unsigned d = 0; d < problem.rank(); ++d) {
      int64_t span = (problem.kernel[d] - 1) * problem.dilations[d] + 1;
      valid &=
          problem.transposed ||
          problem.input[d] + problem.padLow[d] + problem.padHigh[d] >= span;
    }
    for (int64_t size : problem.output())
      valid &= size > 0;
    if (valid)
      return problem;
  }
}

/// Steps `index` through `sizes`, last dimension fastest; false after the end.
static bool next(std::vector<int64_t> &index,
                 const std::vector<int64_t> &sizes) {
  for (size_t d = sizes.size(); d-- > 0;) {
    if (++index[d] < sizes[d])
      return true;
    index[d] = 0;
  }
  return false;
}

/// Linear input position that tap `tap` of output `at` reads, or -1.
static int64_t inputPosition(const ConvProblem &problem,
                             const std::vector<int64_t> &at,
                             const std::vector<int64_t> &tap) {
  int64_t position = 0;
  for (unsigned d = 0; d < problem.rank(); ++d) {
    int64_t i;
    if (problem.transposed) {
      int64_t scaled =
          at[d] + problem.padLow[d] - tap[d] * problem.dilations[d];
      if (scaled < 0 || scaled % problem.strides[d])
        return -1;
      i = scaled / problem.strides[d];
    } else {
      i = at[d] * problem.strides[d] + tap[d] * problem.dilations[d] -
          problem.padLow[d];
    }
    if (i < 0 || i >= problem.input[d])
      return -1;
    position = position * problem.input[d] + i;
  }
  return position;
}

ConvReference
dlc::kernel::testing::computeReference(const ConvProblem &problem,
                                       const std::vector<double> &input,
                                       const std::vector<double> &filter) {
  ConvReference result;
  int64_t k = problem.inputChannels, n = problem.outputChannels;
  int64_t taps = product(problem.kernel);
  int64_t image = product(problem.input);
  std::vector<int64_t> sizes = problem.output();
  for (int64_t b = 0; b < problem.batch; ++b) {
    std::vector<int64_t> at(problem.rank(), 0);
    do {
      for (int64_t channel = 0; channel < problem.groups * n; ++channel) {
        int64_t g = channel / n, j = channel % n;
        double sum = 0, magnitude = 0;
        std::vector<int64_t> tap(problem.rank(), 0);
        int64_t t = 0;
        do {
          int64_t position = inputPosition(problem, at, tap);
          for (int64_t c = 0; position >= 0 && c < k; ++c) {
            int64_t weight = problem.transposed
                                 ? ((g * k + c) * n + j) * taps + t
                                 : ((g * n + j) * k + c) * taps + t;
            double term =
                input[((b * image + position) * problem.groups + g) * k + c] *
                filter[weight];
            sum += term;
            magnitude += std::abs(term);
          }
          ++t;
        } while (next(tap, problem.kernel));
        result.values.push_back(sum);
        result.magnitudes.push_back(magnitude);
      }
    } while (next(at, sizes));
  }
  return result;
}

ConvSpec dlc::kernel::testing::makeConvSpec(OpBuilder &b,
                                            const ConvProblem &problem,
                                            const ContractionTypes &types,
                                            ArrayRef<Value> sizes) {
  unsigned rank = problem.rank();
  auto size = [&](bool dynamic, int64_t known, unsigned i) -> OpFoldResult {
    if (dynamic)
      return sizes[i];
    return b.getIndexAttr(known);
  };
  ConvSpec spec;
  spec.types = types;
  spec.batch = size(problem.dynamicBatch, problem.batch, 0);
  std::vector<int64_t> output = problem.output();
  for (unsigned d = 0; d < rank; ++d) {
    spec.inputSizes.push_back(
        size(problem.dynamicSpatial, problem.input[d], 1 + d));
    spec.outputSizes.push_back(
        size(problem.dynamicSpatial, output[d], 1 + rank + d));
    // Padding that depends on the size, as SAME does, is dynamic too.
    bool dynamicPad = problem.dynamicSpatial && !problem.transposed;
    spec.padLow.push_back(
        size(dynamicPad, problem.padLow[d], 1 + 2 * rank + d));
  }
  spec.groups = problem.groups;
  spec.inputChannels = problem.inputChannels;
  spec.outputChannels = problem.outputChannels;
  spec.kernel.assign(problem.kernel.begin(), problem.kernel.end());
  spec.strides.assign(problem.strides.begin(), problem.strides.end());
  spec.dilations.assign(problem.dilations.begin(), problem.dilations.end());
  spec.transposed = problem.transposed;
  spec.epilogue.rolled = problem.rolled;
  return spec;
}

SmallVector<int64_t>
dlc::kernel::testing::runtimeSizes(const ConvProblem &problem) {
  SmallVector<int64_t> sizes{problem.batch};
  for (const std::vector<int64_t> &part :
       {problem.input, problem.output(), problem.padLow})
    sizes.append(part.begin(), part.end());
  return sizes;
}

Epilogue dlc::kernel::testing::makeConvEpilogue(const ConvProblem &problem,
                                                int64_t lanes, Value bias,
                                                Value residual) {
  Epilogue epilogue;
  epilogue.rolled = problem.rolled;
  if (!problem.epilogue)
    return epilogue;
  epilogue.compute = [=](ImplicitLocOpBuilder &b, Value acc,
                         const EpilogueIndices &at, Value mask) -> Value {
    Value sum =
        arith::AddFOp::create(b, acc, loadVector(b, bias, at.n, lanes, mask));
    sum = arith::AddFOp::create(
        b, sum, loadVector(b, residual, at.offset, lanes, mask));
    return arith::MaximumFOp::create(b, sum, zeroOf(b, sum.getType()));
  };
  return epilogue;
}
