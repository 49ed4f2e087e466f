// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A naive convolution in double, and random convolution problems, for the tests
// of the convolution emitters.
#ifndef DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_CONVREFERENCE_H
#define DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_CONVREFERENCE_H

#include "Conversion/NNToVector/Conv.h"

#include <random>
#include <string>
#include <vector>

namespace dlc::kernel::testing {

/// Sizes of one convolution; channels are per group, the filter is ONNX's.
struct ConvProblem {
  int64_t batch = 1, groups = 1, inputChannels = 1, outputChannels = 1;
  std::vector<int64_t> input, kernel, strides, dilations, padLow, padHigh;
  bool transposed = false;
  /// Which sizes the kernel learns only at run time.
  bool dynamicBatch = false, dynamicSpatial = false;
  /// Epilogue: bias by channel and residual by position, then relu; rolled or
  /// not.
  bool epilogue = false, rolled = false;

  unsigned rank() const { return kernel.size(); }
  std::vector<int64_t> output() const;
  int64_t inputElements() const;
  int64_t outputElements() const;
  int64_t filterElements() const;
  std::string describe() const;
};

/// A problem with at least one output element. `depthwise` keeps few channels a
/// group.
ConvProblem randomProblem(std::mt19937 &random, bool depthwise);

/// Results, and per result the sum of the magnitudes of its products.
struct ConvReference {
  std::vector<double> values, magnitudes;
};

/// `input` is [batch][spatial][channels], `filter` as ONNX has it.
ConvReference computeReference(const ConvProblem &problem,
                               const std::vector<double> &input,
                               const std::vector<double> &filter);

/// The kernel spec of a problem. Dynamic sizes come from `sizes`: batch, input
/// sizes, output sizes.
ConvSpec makeConvSpec(mlir::OpBuilder &b, const ConvProblem &problem,
                      const ContractionTypes &types,
                      llvm::ArrayRef<mlir::Value> sizes);

/// The values that go with the dynamic sizes of makeConvSpec.
llvm::SmallVector<int64_t> runtimeSizes(const ConvProblem &problem);

/// Bias by n, residual by offset, relu; flat memrefs of the accumulator's and
/// output's type.
Epilogue makeConvEpilogue(const ConvProblem &problem, int64_t lanes,
                          mlir::Value bias, mlir::Value residual);

} // namespace dlc::kernel::testing

#endif // DLC_TEST_UNITTESTS_CONVERSION_NNTOVECTOR_CONVREFERENCE_H
